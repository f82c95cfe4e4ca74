"""The plumbing of the local AWS behaves as AWS does where the product depends on it."""

import io
import json
import os
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from autopilot.aws.load_balancers import Elbv2LoadBalancers
from tests.local_aws import control, tables
from tests.local_aws.control import CONSUMER, MANAGEMENT, PROVIDER, REGION, STRANGER, LocalAws, Speed
from tests.local_aws.organizations import PROD, SANDBOX, WORKLOADS

SECONDS = 15.0
TRUST_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    speed = Speed(to_available=0.5, to_insync=0.2, to_event=0.1, longest_batching_window=0.3)
    with control.start(tmp_path_factory.mktemp("local-aws"), speed=speed) as aws:
        yield aws


@pytest.fixture
def aws(running: LocalAws) -> LocalAws:
    running.reset()
    return running


class World:
    """Makes the AWS resources that the tests need, and waits for what comes of them."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws

    def queue(self, name: str, account: str = PROVIDER, *, allow: str = "", **attributes: str) -> str:
        """A queue that lets the service `allow` send; its ARN."""
        arn = f"arn:aws:sqs:{REGION}:{account}:{name}"
        if allow:
            statement = {"Effect": "Allow", "Principal": {"Service": allow}, "Action": "sqs:*", "Resource": arn}
            attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.aws.client("sqs", account).create_queue(QueueName=name, Attributes=attributes)
        return arn

    def messages(self, queue_arn: str) -> list[dict[str, Any]]:
        """What is in a queue now; messages stay visible."""
        *_, account, name = queue_arn.split(":")
        sqs = self.aws.client("sqs", account)
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        received = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        rows: list[dict[str, Any]] = received.get("Messages", [])
        return rows

    def first(self, queue_arn: str) -> dict[str, Any]:
        """The first message of a queue, as soon as there is one."""
        assert control.within(SECONDS, lambda: self.messages(queue_arn)), f"nothing came to {queue_arn}"
        return self.messages(queue_arn)[0]

    def role(
        self, name: str, *statements: Mapping[str, Any], account: str = PROVIDER, trust: Any = TRUST_LAMBDA
    ) -> str:
        iam = self.aws.client("iam", account)
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        allowed = [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements]
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=policy)
        return arn

    def function(self, name: str, code: str, role_arn: str, **settings: Any) -> str:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("handler.py", code)
        created = self.aws.client("lambda", PROVIDER).create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role_arn,
            Handler="handler.handler",
            Code={"ZipFile": archive.getvalue()},
            Timeout=10,
            **settings,
        )
        return str(created["FunctionArn"])

    def invoke(self, name: str, payload: object = None) -> Any:
        answer = self.aws.client("lambda", PROVIDER).invoke(FunctionName=name, Payload=json.dumps(payload or {}))
        return json.loads(answer["Payload"].read())

    def rule(self, account: str, target: Mapping[str, Any], *, bus: str = "default", source: str = "test") -> None:
        events = self.aws.client("events", account)
        pattern = json.dumps({"source": [source]})
        events.put_rule(Name="rule", EventBusName=bus, EventPattern=pattern)
        events.put_targets(Rule="rule", EventBusName=bus, Targets=[{"Id": "1", **target}])

    def put_event(self, account: str, *, source: str = "test", detail: object = None) -> dict[str, Any]:
        entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail or {"x": 1})}
        answer: dict[str, Any] = self.aws.client("events", account).put_events(Entries=[entry])
        return answer

    def deploy(self, resources: Mapping[str, Any], account: str = PROVIDER, name: str = "stack") -> dict[str, str]:
        """Create or update a stack; its outputs by resource, `Ref` of each."""
        cloudformation = self.aws.client("cloudformation", account)
        outputs = {f"{key}Ref": {"Value": {"Ref": key}} for key in resources}
        body = json.dumps({"Resources": resources, "Outputs": outputs})
        names = {stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]}
        change = cloudformation.update_stack if name in names else cloudformation.create_stack
        change(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        assert control.within(SECONDS, lambda: not self._stack(account, name)["StackStatus"].endswith("IN_PROGRESS"))
        stack = self._stack(account, name)
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack
        return {output["OutputKey"][:-3]: output["OutputValue"] for output in stack["Outputs"]}

    def _stack(self, account: str, name: str) -> dict[str, Any]:
        row: dict[str, Any] = self.aws.client("cloudformation", account).describe_stacks(StackName=name)["Stacks"][0]
        return row


@pytest.fixture
def world(aws: LocalAws) -> World:
    return World(aws)


def refusal(call: Callable[..., object], **request: Any) -> tuple[str, str]:
    """The code and the text of AWS's refusal."""
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


# Rules and buses


def forward(world: World, *, condition: Mapping[str, Any], account: str = CONSUMER) -> str:
    """A rule in `account` that forwards to the provider's bus `hub`, whose events go to the queue returned."""
    provider = world.aws.client("events", PROVIDER)
    hub = provider.create_event_bus(Name="hub")["EventBusArn"]
    grant = {"Sid": "grant", "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": hub}
    policy = {"EventBusName": "hub", "StatementId": "s", "Statement": {**grant, "Condition": condition}}
    world.deploy({"Policy": {"Type": "AWS::Events::EventBusPolicy", "Properties": policy}})
    queue = world.queue("events", allow="events.amazonaws.com")
    world.rule(PROVIDER, {"Arn": queue}, bus="hub")
    trust = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = world.role("forward", {"Action": "events:PutEvents"}, account=account, trust=trust)
    dead = world.queue("undelivered", account, allow="events.amazonaws.com")
    world.rule(account, {"Arn": hub, "RoleArn": role, "DeadLetterConfig": {"Arn": dead}})
    world.put_event(account)
    return queue


ORGANIZATION = {"StringEquals": {"aws:PrincipalOrgID": "o-autopilot01"}}


def test_an_event_forwarded_to_another_accounts_bus_keeps_its_account(world: World) -> None:
    queue = forward(world, condition={**ORGANIZATION, "Null": {"events:source": "false"}})
    assert json.loads(world.first(queue)["Body"])["account"] == CONSUMER


@pytest.mark.parametrize(
    ("account", "condition"),
    [
        pytest.param(STRANGER, ORGANIZATION, id="an account outside the organisation"),
        pytest.param(CONSUMER, {"ForAllValues:StringEquals": {"events:source": "aws.ec2"}}, id="another source"),
    ],
)
def test_a_bus_refuses_whom_its_policy_does_not_admit(world: World, account: str, condition: Mapping[str, Any]) -> None:
    queue = forward(world, account=account, condition=condition)
    lost = world.first(f"arn:aws:sqs:{REGION}:{account}:undelivered")
    assert lost["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert world.messages(queue) == []


def test_nobody_puts_events_of_aws_on_a_bus(world: World) -> None:
    entry = world.put_event(CONSUMER, source="aws.ec2")["Entries"][0]
    assert entry["ErrorCode"] == "NotAuthorizedForSourceException"


def test_a_queue_without_a_policy_gets_nothing_from_a_rule_and_the_dead_letter_says_why(world: World) -> None:
    queue, dead = world.queue("closed"), world.queue("dead", allow="events.amazonaws.com")
    world.rule(PROVIDER, {"Arn": queue, "DeadLetterConfig": {"Arn": dead}})
    world.put_event(PROVIDER, detail={"id": 7})
    letter = world.first(dead)
    assert json.loads(letter["Body"])["detail"] == {"id": 7}
    assert {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()} == {
        "RULE_ARN": f"arn:aws:events:{REGION}:{PROVIDER}:rule/rule",
        "TARGET_ARN": queue,
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": f"Lack of permissions to invoke {queue}.",
        "RETRY_ATTEMPTS": "0",
    }


def test_a_rule_retries_as_often_as_its_policy_says(world: World) -> None:
    queue, dead = (world.queue(name, allow="events.amazonaws.com") for name in ("queue", "dead"))
    policy = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 600}
    world.rule(PROVIDER, {"Arn": queue, "DeadLetterConfig": {"Arn": dead}, "RetryPolicy": policy})
    world.aws.switch(targets="off")
    world.put_event(PROVIDER)
    attributes = world.first(dead)["MessageAttributes"]
    assert attributes["RETRY_ATTEMPTS"]["StringValue"] == "2"
    assert attributes["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumRetryAttempts"


def test_a_retry_delivers_once_the_target_is_back(world: World) -> None:
    queue = world.queue("queue", allow="events.amazonaws.com")
    world.rule(PROVIDER, {"Arn": queue})
    world.aws.switch(targets="off")
    world.put_event(PROVIDER)
    assert world.messages(queue) == []
    world.aws.switch(targets="on")
    assert world.first(queue)


def test_a_rule_needs_the_functions_permission(world: World) -> None:
    function = world.function("f", "def handler(event, context): return 1", world.role("r"))
    dead = world.queue("dead", allow="events.amazonaws.com")
    world.rule(PROVIDER, {"Arn": function, "DeadLetterConfig": {"Arn": dead}})
    world.put_event(PROVIDER)
    assert world.first(dead)["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_schedule_invokes_with_its_role(world: World, allowed: bool) -> None:
    role = world.role("reader", {"Action": "sqs:SendMessage"})
    done = world.queue("done")
    function = world.function("f", SEND.replace("QUEUE", "done"), role)
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    actions = ["sqs:SendMessage", *(["lambda:InvokeFunction"] if allowed else [])]
    dead = world.queue("dead")
    world.aws.client("scheduler", PROVIDER).create_schedule(
        Name="soon",
        ScheduleExpression=f"at({time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": function,
            "RoleArn": world.role("scheduler", {"Action": actions}, trust=trust),
            "Input": json.dumps({"why": "schedule"}),
            "DeadLetterConfig": {"Arn": dead},
        },
    )
    assert json.loads(world.first(done if allowed else dead)["Body"]) == {"why": "schedule"}


SEND = f"""
import json, boto3
def handler(event, context):
    sqs = boto3.client("sqs")
    url = "https://sqs.{REGION}.amazonaws.com/{PROVIDER}/QUEUE"
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    if event.get("fail"):
        raise RuntimeError("as told")
"""


# Queues


def test_dead_letters_go_back_to_their_queue(world: World) -> None:
    dead = world.queue("dead")
    redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": "1"}
    source = world.queue("source", RedrivePolicy=json.dumps(redrive))
    sqs = world.aws.client("sqs", PROVIDER)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="source")["QueueUrl"], MessageBody="once more")
    assert len(world.messages(source)) == 1
    assert world.messages(source) == []
    assert world.first(dead)["Body"] == "once more"
    sqs.start_message_move_task(SourceArn=dead)
    assert world.messages(source)[0]["Body"] == "once more"
    task = sqs.list_message_move_tasks(SourceArn=dead)["Results"][0]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)


def test_only_a_queues_dead_letters_can_be_moved(world: World) -> None:
    sqs = world.aws.client("sqs", PROVIDER)
    _, text = refusal(sqs.start_message_move_task, SourceArn=world.queue("plain"))
    assert text == "Source queue must be configured as a Dead Letter Queue."


# Streams


def stream(world: World, code: str, **mapping: Any) -> tuple[Any, str, str]:
    """A table whose stream feeds a function. The table, the queue `seen` the function may write to, the failures'."""
    dynamodb = world.aws.client("dynamodb", PROVIDER)
    stream_arn = dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]["LatestStreamArn"]
    reads = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
    role = world.role("r", {"Action": [*reads, "sqs:SendMessage"]})
    seen, failures = world.queue("seen"), world.queue("failures")
    world.function("f", code, role)
    world.aws.client("lambda", PROVIDER).create_event_source_mapping(
        EventSourceArn=stream_arn,
        FunctionName="f",
        StartingPosition="TRIM_HORIZON",
        DestinationConfig={"OnFailure": {"Destination": failures}},
        MaximumBatchingWindowInSeconds=1,
        **mapping,
    )
    return dynamodb, seen, failures


TAKE = f"""
import json, boto3
url = "https://sqs.{REGION}.amazonaws.com/{PROVIDER}/seen"
def handler(event, context):
    rows = [(r["dynamodb"]["Keys"]["id"]["S"], r["dynamodb"]["SequenceNumber"]) for r in event["Records"]]
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps([key for key, _ in rows]))
    bad = [number for key, number in rows if key.startswith("bad")]
"""
FAIL_WHOLE = TAKE + "    if bad: raise RuntimeError(bad)\n"
FAIL_ITEMS = TAKE + "    return {'batchItemFailures': [{'itemIdentifier': number} for number in bad]}\n"


def put(dynamodb: Any, *keys: str) -> None:
    writes = [{"PutRequest": {"Item": {"id": {"S": key}}}} for key in keys]
    dynamodb.batch_write_item(RequestItems={"table": writes})


def test_a_poison_record_is_bisected_out_and_its_metadata_kept(world: World) -> None:
    dynamodb, seen, failures = stream(world, FAIL_WHOLE, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
    put(dynamodb, "a", "bad", "c", "d")
    letter = json.loads(world.first(failures)["Body"])
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 1
    assert "bad" not in json.dumps(letter)
    batches = [json.loads(message["Body"]) for message in world.messages(seen)]
    assert control.within(SECONDS, lambda: ["c", "d"] in [json.loads(m["Body"]) for m in world.messages(seen)])
    assert batches[0] == ["a", "bad", "c", "d"]


def test_a_stream_goes_on_at_the_failed_item(world: World) -> None:
    items = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "MaximumRetryAttempts": 0}
    dynamodb, seen, failures = stream(world, FAIL_ITEMS, **items)
    put(dynamodb, "a", "bad")
    letter = json.loads(world.first(failures)["Body"])
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 1
    assert [json.loads(message["Body"]) for message in world.messages(seen)] == [["a", "bad"]]


def test_records_grow_too_old(world: World) -> None:
    dynamodb, _, failures = stream(world, FAIL_WHOLE, MaximumRecordAgeInSeconds=60, MaximumRetryAttempts=-1)
    mapping = world.aws.client("lambda", PROVIDER).list_event_source_mappings()["EventSourceMappings"][0]
    world.aws.client("lambda", PROVIDER).update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=1)
    put(dynamodb, "bad")
    letter = json.loads(world.first(failures)["Body"])
    assert letter["requestContext"]["condition"] == "MaxRecordAgeExceeded"


# Topics and mail


def test_a_person_gets_mail_only_after_opening_the_link(world: World) -> None:
    sns = world.aws.client("sns", PROVIDER)
    topic = sns.create_topic(Name="status")["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="team@example.com")
    assert answer["SubscriptionArn"] == "pending confirmation"
    assert (
        sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"] == "PendingConfirmation"
    )
    text = json.dumps({"default": "for machines", "email": "Grüße an Menschen"})
    sns.publish(TopicArn=topic, Subject="too early", Message=text, MessageStructure="json")
    assert [mail["Subject"] for mail in world.aws.mail()] == ["AWS Notification - Subscription Confirmation"]
    world.aws.confirm_subscriptions()
    sns.publish(TopicArn=topic, Subject="in time", Message=text, MessageStructure="json")
    mail = world.aws.mail("team@example.com")[-1]
    assert (mail["Subject"], mail["From"]) == ("in time", "AWS Notifications <no-reply@sns.amazonaws.com>")
    assert mail.get_content().startswith("Grüße an Menschen\n")


@pytest.mark.parametrize("subject", ["x" * 101, "two\nlines", "Grüße", " blank"])
def test_a_subject_is_short_ascii_on_one_line(world: World, subject: str) -> None:
    sns = world.aws.client("sns", PROVIDER)
    topic = sns.create_topic(Name="status")["TopicArn"]
    code, text = refusal(sns.publish, TopicArn=topic, Subject=subject, Message="m")
    assert (code, text) == ("InvalidParameter", "Invalid parameter: Subject")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_topic_reaches_only_queues_that_let_it(world: World, allowed: bool) -> None:
    sns = world.aws.client("sns", PROVIDER)
    topic = sns.create_topic(Name="topic")["TopicArn"]
    queue = world.queue("queue", allow="sns.amazonaws.com" if allowed else "")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="m")
    assert bool(world.messages(queue)) is allowed


def test_publishing_to_an_encrypted_topic_takes_the_key_too(world: World) -> None:
    key = world.aws.client("kms", PROVIDER).create_key()["KeyMetadata"]["KeyId"]
    topic = world.aws.client("sns", PROVIDER).create_topic(Name="t", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    code = f"import boto3\ndef handler(event, context): boto3.client('sns').publish(TopicArn='{topic}', Message='m')"
    world.function("f", code, world.role("r", {"Action": "sns:Publish"}))
    assert "KMSAccessDenied" in world.invoke("f")["errorMessage"]
    assert [d.action for d in world.aws.decisions(role="r", decision="deny")] == ["kms:GenerateDataKey"]


# Functions


PEEK = """
import importlib, os, sys
def handler(event, context):
    found = [name for name in ("moto", "ministack", "hypercorn", "tests") if importlib.util.find_spec(name)]
    return {"environment": dict(os.environ), "modules": found, "executable": sys.executable}
"""


def test_a_handler_sees_what_lambda_gives_it_and_nothing_of_this_host(world: World) -> None:
    variables = {"Environment": {"Variables": {"MODE": "enforce"}}}
    world.function("f", PEEK, world.role("r"), **variables)
    seen = world.invoke("f")
    assert seen["modules"] == []
    environment = seen["environment"]
    secrets = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME"}
    places = {"LAMBDA_TASK_ROOT", "LC_CTYPE", "_MINISTACK_INVOKE_DEPTH"}  # the last against endless recursion
    assert {k: v for k, v in environment.items() if k not in secrets | places} == {
        "MODE": "enforce",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": world.aws.endpoint_url,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "LANG": "en_US.UTF-8",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "TZ": ":UTC",
        "_LAMBDA_FUNCTION_ARN": f"arn:aws:lambda:{REGION}:{PROVIDER}:function:f",
        "_LAMBDA_TIMEOUT": "10",
    }


@pytest.mark.parametrize("module", ["moto", "ministack", "hypercorn"])
def test_a_handler_that_needs_what_no_layer_brings_fails(world: World, module: str) -> None:
    world.function("f", f"import {module}\ndef handler(event, context): return 1", world.role("r"))
    assert "No module named" in world.invoke("f")["errorMessage"]


def test_a_function_has_its_roles_rights_and_no_others(world: World) -> None:
    code = """
import boto3
def handler(event, context):
    arn = boto3.client("sts").get_caller_identity()["Arn"]
    boto3.client("sqs").list_queues()
    return {"arn": arn, "tables": boto3.client("dynamodb").list_tables()["TableNames"]}
"""
    world.function("f", code, world.role("reader", {"Action": "sqs:ListQueues"}))
    assert "AccessDenied" in world.invoke("f")["errorMessage"]
    rows = [(d.principal_role, d.account, d.action, d.decision) for d in world.aws.decisions()]
    assert ("reader", PROVIDER, "sqs:ListQueues", "allow") in rows
    assert ("reader", PROVIDER, "dynamodb:ListTables", "deny") in rows
    assert "DENIED reader dynamodb:ListTables" in Path(world.aws.state.log).read_text()


def test_functions_fail_while_the_switch_says_so(world: World) -> None:
    world.function("f", "def handler(event, context): return 1", world.role("r"))
    world.aws.switch(functions="fail")
    assert world.invoke("f")["errorType"] == "SwitchedOff"
    world.aws.switch(functions="ok")
    assert world.invoke("f") == 1


def test_a_queues_function_needs_the_right_to_read_the_queue(world: World) -> None:
    queue = world.queue("q")
    world.function("f", "def handler(event, context): return None", world.role("r", {"Action": "sqs:ReceiveMessage"}))
    world.aws.client("lambda", PROVIDER).create_event_source_mapping(EventSourceArn=queue, FunctionName="f")
    sqs = world.aws.client("sqs", PROVIDER)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="q")["QueueUrl"], MessageBody="m")
    assert control.within(SECONDS, lambda: world.aws.decisions(role="r", decision="deny"))
    assert {d.action for d in world.aws.decisions(role="r", decision="deny")} == {
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
    }


# IAM


def session(world: World, role_arn: str, service: str, sts: Any = None, **assume: Any) -> Any:
    """A client of a session of the role, assumed through `sts` or else by root of the role's account."""
    account = role_arn.split(":")[4]
    sts = sts or world.aws.client("sts", account)
    credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName="session", **assume)["Credentials"]
    make: Callable[..., Any] = boto3.client
    return make(
        service,
        endpoint_url=world.aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def root_of(account: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}


def test_accepting_is_allowed_by_the_tag_of_the_service(world: World) -> None:
    control.seed(world.aws)
    ec2 = world.aws.client("ec2", PROVIDER)
    balancer = {"NetworkLoadBalancerArns": [world.aws.state.load_balancer_arn]}
    tagged, untagged = (
        ec2.create_vpc_endpoint_service_configuration(**balancer)["ServiceConfiguration"]["ServiceId"] for _ in "12"
    )
    ec2.create_tags(Resources=[tagged], Tags=[{"Key": "autopilot", "Value": "enabled"}])
    condition = {"Condition": {"StringEquals": {"aws:ResourceTag/autopilot": "enabled"}}}
    statement = {
        "Action": "ec2:AcceptVpcEndpointConnections",
        "Resource": f"arn:aws:ec2:{REGION}:{PROVIDER}:vpc-endpoint-service/*",
        **condition,
    }
    role = world.role("accepter", statement, trust=root_of(PROVIDER))
    accept = session(world, role, "ec2").accept_vpc_endpoint_connections
    unknown = ["vpce-0123456789abcdef0"]
    assert accept(ServiceId=tagged, VpcEndpointIds=unknown)["Unsuccessful"]
    assert refusal(accept, ServiceId=untagged, VpcEndpointIds=unknown)[0] == "UnauthorizedOperation"


def test_permissions_are_changed_by_the_tag_of_the_service(world: World) -> None:
    control.seed(world.aws)
    ec2 = world.aws.client("ec2", PROVIDER)
    created = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[world.aws.state.load_balancer_arn]
    )["ServiceConfiguration"]["ServiceId"]
    change = {
        "Action": "ec2:ModifyVpcEndpointServicePermissions",
        "Resource": f"arn:aws:ec2:{REGION}:{PROVIDER}:vpc-endpoint-service/*",
        "Condition": {"StringEquals": {"aws:ResourceTag/autopilot": "enabled"}},
    }
    see = {"Action": "ec2:DescribeVpcEndpointServicePermissions"}
    role = session(world, world.role("permissions", change, see, trust=root_of(PROVIDER)), "ec2")
    consumer = {"ServiceId": created, "AddAllowedPrincipals": [f"arn:aws:iam::{CONSUMER}:root"]}
    assert refusal(role.modify_vpc_endpoint_service_permissions, **consumer)[0] == "UnauthorizedOperation"
    ec2.create_tags(Resources=[created], Tags=[{"Key": "autopilot", "Value": "enabled"}])
    role.modify_vpc_endpoint_service_permissions(**consumer)
    rows = role.describe_vpc_endpoint_service_permissions(ServiceId=created)["AllowedPrincipals"]
    assert [row["Principal"] for row in rows] == consumer["AddAllowedPrincipals"]


def test_a_load_balancers_certificates_are_seen_with_the_permissions_of_the_functions(world: World) -> None:
    control.seed(world.aws)
    elbv2, acm = (world.aws.client(service, PROVIDER) for service in ("elbv2", "acm"))
    [balancer] = elbv2.describe_load_balancers()["LoadBalancers"]
    [listener] = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    names = ["ledger.payments.example.com", "*.example.com"]
    further = acm.request_certificate(DomainName=names[0], SubjectAlternativeNames=names)["CertificateArn"]
    elbv2.add_listener_certificates(ListenerArn=listener["ListenerArn"], Certificates=[{"CertificateArn": further}])
    role = world.role(
        "certificates",
        {"Action": "elasticloadbalancing:Describe*"},
        {"Action": "acm:DescribeCertificate", "Resource": f"arn:aws:acm:{REGION}:*:certificate/*"},
        trust=root_of(PROVIDER),
    )
    port = Elbv2LoadBalancers(session(world, role, "elbv2"), session(world, role, "acm"), lambda: datetime.now(UTC))

    [found] = port.describe([balancer["LoadBalancerArn"], balancer["LoadBalancerArn"].replace("payments", "gone")])
    [told] = found.listeners
    assert (told.port, told.protocol, found.filters_privatelink) == (443, "TLS", False)
    assert [one.names for one in told.certificates] == [("api.payments.example.com",), tuple(names)]
    assert all(one.is_issued and one.not_after and one.not_after > datetime.now(UTC) for one in told.certificates)
    assert refusal(elbv2.describe_listener_certificates, ListenerArn="gone")[0] == "ListenerNotFound"


def test_route53_is_cut_by_record_name_type_action_and_vpc(world: World) -> None:
    control.seed(world.aws)
    vpc = {"VPCRegion": REGION, "VPCId": world.aws.state.vpc_id}
    key = "route53:ChangeResourceRecordSets"
    names = {f"{key}NormalizedRecordNames": ["*.payments.example.com"], f"{key}RecordTypes": ["CNAME"]}
    role = world.role(
        "autopilot-111111111111-eu-central-1",
        {"Action": key, "Condition": {"ForAllValues:StringLike": {**names, f"{key}Actions": ["UPSERT"]}}},
        {
            "Action": "route53:CreateHostedZone",
            "Condition": {
                "ForAllValues:StringEquals": {"route53:VPCs": [f"VPCId={vpc['VPCId']},VPCRegion={REGION}"]},
                "Null": {"route53:VPCs": "false"},
            },
        },
        {"Action": "ec2:DescribeVpcs"},
        account=CONSUMER,
        trust=root_of(CONSUMER),
    )
    route53 = session(world, role, "route53")
    zone = route53.create_hosted_zone(Name="payments.example.com", VPC=vpc, CallerReference="1")["HostedZone"]["Id"]
    other = {"VPCRegion": REGION, "VPCId": "vpc-0123456789abcdef0"}
    create = {"Name": "other.example.com", "VPC": other, "CallerReference": "2"}
    assert refusal(route53.create_hosted_zone, **create)[0] == "AccessDenied"

    def change(action: str, name: str, kind: str) -> dict[str, Any]:
        record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}
        if kind == "CNAME":
            record["ResourceRecords"] = [{"Value": "target.example.com"}]
        return {"HostedZoneId": zone, "ChangeBatch": {"Changes": [{"Action": action, "ResourceRecordSet": record}]}}

    route53.change_resource_record_sets(**change("UPSERT", "API.payments.example.com.", "CNAME"))
    for refused in (
        change("UPSERT", "api.other.example.com", "CNAME"),
        change("UPSERT", "api.payments.example.com", "A"),
        change("DELETE", "api.payments.example.com", "CNAME"),
    ):
        assert refusal(route53.change_resource_record_sets, **refused)[0] == "AccessDenied"


def test_creating_a_zone_takes_the_right_to_see_the_vpc(world: World) -> None:
    control.seed(world.aws)
    role = world.role("zones", {"Action": "route53:*"}, account=CONSUMER, trust=root_of(CONSUMER))
    vpc = {"VPCRegion": REGION, "VPCId": world.aws.state.vpc_id}
    create = session(world, role, "route53").create_hosted_zone
    assert refusal(create, Name="a.example.com", VPC=vpc, CallerReference="1")[0] == "AccessDenied"


@pytest.mark.parametrize(("account", "admitted"), [(PROVIDER, True), (STRANGER, False)])
def test_a_trust_policy_knows_the_role_behind_a_session_and_its_organisation(
    world: World, account: str, admitted: bool
) -> None:
    condition = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/autopilot-*"}, **ORGANIZATION}
    target = world.role("target", account=CONSUMER, trust={**root_of(account), "Condition": condition})
    middle = world.role("autopilot-dns", {"Action": "sts:AssumeRole"}, account=account, trust=root_of(account))
    assume = session(world, middle, "sts").assume_role
    if admitted:
        assert assume(RoleArn=target, RoleSessionName="session")["Credentials"]
    else:
        assert refusal(assume, RoleArn=target, RoleSessionName="session")[0] == "AccessDenied"
        assert ("autopilot-dns", "sts:AssumeRole") in {
            (d.principal_role, d.action) for d in world.aws.decisions(decision="deny")
        }


def test_a_session_policy_narrows_the_role(world: World) -> None:
    role = world.role("wide", {"Action": "sqs:*"}, trust=root_of(PROVIDER))
    only_list = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [only_list]})
    sqs = session(world, role, "sqs", Policy=policy)
    sqs.list_queues()
    assert refusal(sqs.create_queue, QueueName="q")[0].startswith("AccessDenied")


# Organizations


def test_a_function_asks_organizations_with_its_roles_rights(world: World) -> None:
    code = f"""
import boto3
def handler(event, context):
    organizations = boto3.client("organizations")
    account = organizations.describe_account(AccountId="{CONSUMER}")["Account"]
    parents = organizations.get_paginator("list_parents").paginate(ChildId=account["Id"]).build_full_result()
    return [account["Name"], parents["Parents"][0]["Id"]]
"""
    actions = ["organizations:DescribeAccount", "organizations:ListParents"]
    world.function("f", code, world.role("r", {"Action": actions}))
    assert world.invoke("f") == ["team-a", PROD]
    world.aws.move_account(CONSUMER, SANDBOX)
    assert world.invoke("f") == ["team-a", SANDBOX]
    world.aws.move_account(CONSUMER, "")
    assert "AccountNotFoundException" in world.invoke("f")["errorMessage"]
    world.aws.reset()
    world.function("g", code, world.role("without", {"Action": actions[0]}))
    assert "AccessDenied" in world.invoke("g")["errorMessage"]
    assert [d.action for d in world.aws.decisions(role="without", decision="deny")] == ["organizations:ListParents"]


def test_without_a_delegation_policy_only_a_role_of_the_management_account_asks(world: World) -> None:
    unit = {"OrganizationalUnitId": WORKLOADS}
    provider = world.aws.client("organizations", PROVIDER)
    assert provider.describe_organizational_unit(**unit)["OrganizationalUnit"]["Name"] == "Workloads"
    world.aws.switch(organizations="refused")
    assert refusal(provider.describe_organizational_unit, **unit)[0] == "AccessDeniedException"
    trust = {**root_of(PROVIDER), "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-autopilot01"}}}
    reader = world.role("reader", {"Action": "organizations:*"}, account=MANAGEMENT, trust=trust)
    middle = world.role("decide", {"Action": "sts:AssumeRole"}, trust=root_of(PROVIDER))
    sts = session(world, middle, "sts")
    management = session(world, reader, "organizations", sts=sts)
    assert management.describe_organizational_unit(**unit)["OrganizationalUnit"]["Name"] == "Workloads"
    world.aws.switch(organizations="failing")
    assert refusal(management.describe_organizational_unit, **unit)[0] == "ServiceException"
    world.aws.switch(organizations="ok")
    assert provider.describe_organizational_unit(**unit)
    world.aws.move_account(PROVIDER, "")
    assert refusal(sts.assume_role, RoleArn=reader, RoleSessionName="late")[0] == "AccessDenied"


def test_an_account_moves_only_to_where_there_is_something(world: World) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        world.aws.move_account(CONSUMER, "ou-ab12-99999999")


# Tables


def test_ministacks_tables_are_as_the_product_needs_them(world: World) -> None:
    tables.check(world.aws.client("dynamodb", PROVIDER))


# CloudFormation


def service(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::EC2::VPCEndpointService", "Properties": properties}


def test_an_endpoint_service_with_its_permissions_and_notification_is_created_changed_and_deleted(world: World) -> None:
    control.seed(world.aws)
    ec2, topic = world.aws.client("ec2", PROVIDER), world.aws.client("sns", PROVIDER).create_topic(Name="t")["TopicArn"]
    tags = [{"Key": "autopilot", "Value": "enabled"}]

    def template(principal: str, events: list[str], **changed: Any) -> dict[str, Any]:
        of_service = {"ServiceId": {"Fn::GetAtt": ["Service", "ServiceId"]}}
        return {
            "Service": service(NetworkLoadBalancerArns=[world.aws.state.load_balancer_arn], **changed),
            "Permissions": {
                "Type": "AWS::EC2::VPCEndpointServicePermissions",
                "Properties": {**of_service, "AllowedPrincipals": [principal]},
            },
            "Notification": {
                "Type": "AWS::EC2::VPCEndpointConnectionNotification",
                "Properties": {**of_service, "ConnectionNotificationArn": topic, "ConnectionEvents": events},
            },
        }

    consumer, stranger = (f"arn:aws:iam::{account}:root" for account in (CONSUMER, STRANGER))
    made = world.deploy(template(consumer, ["Connect"], AcceptanceRequired=True, Tags=tags))
    of_service = {"ServiceId": made["Service"]}
    found = ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"][0]
    assert (found["ServiceId"], found["AcceptanceRequired"], found["Tags"]) == (made["Service"], True, tags)
    assert world.deploy(template(stranger, ["Connect", "Delete"], AcceptanceRequired=False)) == made
    found = ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"][0]
    assert (found["AcceptanceRequired"], found.get("Tags", [])) == (False, [])
    principals = ec2.describe_vpc_endpoint_service_permissions(**of_service)["AllowedPrincipals"]
    assert [row["Principal"] for row in principals] == [stranger]
    notifications = ec2.describe_vpc_endpoint_connection_notifications()["ConnectionNotificationSet"]
    assert notifications[0]["ConnectionEvents"] == ["Connect", "Delete"]
    world.aws.client("cloudformation", PROVIDER).delete_stack(StackName="stack")
    left = ec2.describe_vpc_endpoint_service_configurations
    assert control.within(SECONDS, lambda: not left()["ServiceConfigurations"])


def test_properties_that_ministack_drops_are_kept(world: World) -> None:
    trust = {"Version": "2012-10-17", "Statement": [TRUST_LAMBDA]}
    boundary = world.aws.client("iam", PROVIDER).create_policy(
        PolicyName="boundary",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
        ),
    )["Policy"]["Arn"]
    made = world.deploy(
        {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "BillingMode": "PAY_PER_REQUEST",
                    "TimeToLiveSpecification": {"AttributeName": "delete_at", "Enabled": True},
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                    "SSESpecification": {"SSEEnabled": True},
                },
            },
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"Path": "/a/", "PermissionsBoundary": boundary, "AssumeRolePolicyDocument": trust},
            },
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": "alias/aws/sns", "DisplayName": "D"}},
            "Mail": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": "team@example.com"},
            },
        }
    )
    dynamodb, sns = world.aws.client("dynamodb", PROVIDER), world.aws.client("sns", PROVIDER)
    ttl = dynamodb.describe_time_to_live(TableName=made["Table"])["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "delete_at"}
    backups = dynamodb.describe_continuous_backups(TableName=made["Table"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.describe_table(TableName=made["Table"])["Table"]["SSEDescription"]["Status"] == "ENABLED"
    role = world.aws.client("iam", PROVIDER).get_role(RoleName=made["Role"])["Role"]
    assert (role["Path"], role["PermissionsBoundary"]["PermissionsBoundaryArn"]) == ("/a/", boundary)
    assert sns.get_topic_attributes(TopicArn=made["Topic"])["Attributes"]["KmsMasterKeyId"] == "alias/aws/sns"
    assert [mail["To"] for mail in world.aws.mail()] == ["team@example.com"]


def test_a_stack_that_is_there_wakes_a_function_of_its_own(world: World) -> None:
    """The permission is for the rule alone; what cannot be delivered would go to the queue."""
    function = world.function("f", SEND.replace("QUEUE", "done"), world.role("r", {"Action": "sqs:SendMessage"}))
    done = world.queue("done")
    pattern = {
        "source": ["aws.cloudformation"],
        "detail-type": ["CloudFormation Stack Status Change"],
        "detail": {
            "stack-id": [{"Ref": "AWS::StackId"}],
            "status-details": {"status": ["CREATE_COMPLETE", "UPDATE_COMPLETE"]},
        },
    }
    dead = {"Fn::GetAtt": ["Dead", "Arn"]}

    def template(queue: str) -> dict[str, Any]:
        return {
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
            "Other": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": queue}},
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "EventPattern": pattern,
                    "Targets": [{"Id": "f", "Arn": function, "DeadLetterConfig": {"Arn": dead}}],
                },
            },
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "FunctionName": function,
                    "Action": "lambda:InvokeFunction",
                    "Principal": "events.amazonaws.com",
                    "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
                },
            },
        }

    world.deploy(template("one"))
    event = json.loads(world.first(done)["Body"])
    stack = world.aws.client("cloudformation", PROVIDER).describe_stacks(StackName="stack")["Stacks"][0]["StackId"]
    assert (event["source"], event["detail-type"]) == ("aws.cloudformation", "CloudFormation Stack Status Change")
    assert (event["account"], event["resources"]) == (PROVIDER, [stack])
    assert event["detail"] == {
        "stack-id": stack,
        "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
        "client-request-token": "",
    }
    world.deploy(template("two"))
    world.deploy({"Queue": {"Type": "AWS::SQS::Queue"}}, name="another")

    def statuses() -> list[str]:
        bodies = [json.loads(message["Body"]) for message in world.messages(done)]
        return [body["detail"]["status-details"]["status"] for body in bodies]

    assert control.within(SECONDS, lambda: len(statuses()) == 2)
    assert sorted(statuses()) == ["CREATE_COMPLETE", "UPDATE_COMPLETE"]


# PrivateLink's own messages


def connect(world: World) -> str:
    """A consumer connects; its events and the provider's notifications go to queues. The service's id."""
    control.seed(world.aws)
    state, ec2 = world.aws.state, world.aws.client("ec2", PROVIDER)
    made = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[state.load_balancer_arn], AcceptanceRequired=True
    )["ServiceConfiguration"]
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=made["ServiceId"], AddAllowedPrincipals=["*"])
    events = world.queue("events", CONSUMER, allow="events.amazonaws.com")
    world.rule(CONSUMER, {"Arn": events}, source="aws.ec2")
    sns = world.aws.client("sns", PROVIDER)
    topic = sns.create_topic(Name="notices")["TopicArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "vpce.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:{REGION}:{PROVIDER}:vpc-endpoint-service/*"},
            "StringEquals": {"aws:SourceAccount": PROVIDER},
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=world.queue("notices", allow="sns.amazonaws.com"))
    ec2.create_vpc_endpoint_connection_notification(
        ServiceId=made["ServiceId"], ConnectionNotificationArn=topic, ConnectionEvents=["Connect"]
    )
    world.aws.client("ec2", CONSUMER).create_vpc_endpoint(
        VpcEndpointType="Interface",
        ServiceName=made["ServiceName"],
        VpcId=state.vpc_id,
        SubnetIds=[state.subnet_ids[0]],
        SecurityGroupIds=[state.security_group_id],
    )
    return str(made["ServiceId"])


NOTICES, EVENTS = f"arn:aws:sqs:{REGION}:{PROVIDER}:notices", f"arn:aws:sqs:{REGION}:{CONSUMER}:events"


def test_a_new_endpoint_is_an_event_for_the_consumer_and_a_notification_for_the_provider(world: World) -> None:
    service_id = connect(world)
    event = json.loads(world.first(EVENTS)["Body"])
    assert (event["source"], event["detail-type"], event["account"]) == (
        "aws.ec2",
        "AWS API Call via CloudTrail",
        CONSUMER,
    )
    assert event["detail"]["requestParameters"]["CreateVpcEndpointRequest"]["ServiceName"].endswith(service_id)
    assert service_id in json.loads(world.first(NOTICES)["Body"])["Message"]


def test_events_and_notifications_are_lost_while_their_switches_are_off(world: World) -> None:
    world.aws.switch(events="off")
    connect(world)
    assert world.first(NOTICES)
    assert world.messages(EVENTS) == []
    world.aws.reset()
    world.aws.switch(notifications="off")
    connect(world)
    assert world.first(EVENTS)
    assert world.messages(NOTICES) == []


TAGGED = {
    "source": ["aws.ec2"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {
        "eventName": ["CreateTags", "DeleteTags"],
        "requestParameters": {"resourcesSet": {"items": {"resourceId": [{"prefix": "vpce-svc-"}]}}},
        "errorCode": [{"exists": False}],
    },
}


def test_a_changed_tag_of_a_service_is_an_event_for_its_owner(world: World) -> None:
    control.seed(world.aws)
    ec2, events = world.aws.client("ec2", PROVIDER), world.aws.client("events", PROVIDER)
    created = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[world.aws.state.load_balancer_arn]
    )["ServiceConfiguration"]["ServiceId"]
    queue = world.queue("tags", allow="events.amazonaws.com")
    events.put_rule(Name="tags", EventPattern=json.dumps(TAGGED))
    events.put_targets(Rule="tags", Targets=[{"Id": "1", "Arn": queue}])
    tags = [{"Key": "autopilot", "Value": "enabled"}]
    ec2.create_tags(Resources=[world.aws.state.provider_vpc_id], Tags=tags)
    ec2.create_tags(Resources=[created], Tags=tags)
    ec2.delete_tags(Resources=[created], Tags=tags)
    assert control.within(SECONDS, lambda: len(world.messages(queue)) == 2)
    seen = [json.loads(message["Body"]) for message in world.messages(queue)]
    assert sorted(event["detail"]["eventName"] for event in seen) == ["CreateTags", "DeleteTags"]
    for event in seen:
        assert event["account"] == PROVIDER
        assert event["detail"]["requestParameters"]["resourcesSet"]["items"] == [{"resourceId": created}]


@pytest.mark.parametrize(
    ("resource_ids", "failed", "matches"),
    [
        (["vpc-1", "vpce-svc-1"], {}, True),
        (["vpc-1", "vpce-1"], {}, False),
        (["vpce-svc-1"], {"errorCode": "Client.UnauthorizedOperation"}, False),
    ],
)
def test_a_pattern_matches_a_list_when_it_matches_an_element(
    world: World, resource_ids: list[str], failed: dict[str, str], matches: bool
) -> None:
    items = {"items": [{"resourceId": resource_id} for resource_id in resource_ids]}
    event = {
        "id": "1",
        "account": PROVIDER,
        "time": "2027-01-15T08:00:00Z",
        "region": REGION,
        "resources": [],
        "source": "aws.ec2",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventName": "CreateTags", "requestParameters": {"resourcesSet": items}, **failed},
    }
    test = world.aws.client("events", PROVIDER).test_event_pattern
    assert test(EventPattern=json.dumps(TAGGED), Event=json.dumps(event))["Result"] is matches


# The process


def test_a_reset_empties_everything(world: World) -> None:
    sns = world.aws.client("sns", PROVIDER)
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="team@example.com")
    world.aws.switch(functions="fail")
    world.aws.reset()
    assert world.aws.mail() == []
    assert sns.list_topics()["Topics"] == []
    assert world.aws.decisions() == []
    world.function("f", "def handler(event, context): return 1", world.role("r"))
    assert world.invoke("f") == 1


def test_a_ministack_without_the_names_we_replace_stops_the_start() -> None:
    code = "from ministack.services import sqs; from tests.local_aws import stock; stock.replace(sqs, '_get_q', print)"
    python = os.environ.get("LOCAL_AWS_PYTHON", control.PROJECT / ".venv/local-aws/bin/python")
    failed = subprocess.run([python, "-c", code], cwd=control.PROJECT, capture_output=True, text=True, check=False)
    assert "ministack.services.sqs._get_q takes (url, action) instead of" in failed.stderr
    assert "Install the version pinned in requirements/local-aws.txt" in failed.stderr


def test_stopping_leaves_no_process_behind(tmp_path: Path) -> None:
    with control.start(tmp_path) as aws:
        world = World(aws)
        world.function("f", "import os\ndef handler(event, context): return os.getpid()", world.role("r"))
        pids = [int((tmp_path / "server.pid").read_text()), world.invoke("f")]
    assert control.within(SECONDS, lambda: not any(runs(pid) for pid in pids))


def runs(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_an_unknown_switch_is_refused(world: World) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        world.aws.switch(weather="off")


def test_it_listens_on_the_loopback_only(aws: LocalAws) -> None:
    pid = int((aws.directory / "server.pid").read_text())
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}
    port = int(aws.endpoint_url.rpartition(":")[2])
    assert listening == {f"0100007F:{port:04X}"}
