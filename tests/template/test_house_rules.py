"""What every resource of its kind must have. The local AWS drops or ignores many of these properties silently."""

import json
import re
from typing import Any

import cfnlint.api  # type: ignore[import-untyped]
import pytest

from autopilot.messages import MOST_TRIES
from tests.template.templates import (
    BOTH,
    CONSUMER,
    NAMESPACE,
    PROJECT,
    PROVIDER,
    listed,
    of_type,
    read,
    statements,
    target,
    targets,
)

FUNCTIONS = of_type("AWS::Lambda::Function")
MAPPINGS = of_type("AWS::Lambda::EventSourceMapping")
QUEUES = of_type("AWS::SQS::Queue")
TABLES = of_type("AWS::DynamoDB::Table")
ALARMS = of_type("AWS::CloudWatch::Alarm")
DEAD_LETTERS = {name for name in QUEUES if name.endswith("DeadLetters")}
RULES = [
    pytest.param(template, name, id=f"{path}: {name}")
    for path, template in BOTH.items()
    for name in of_type("AWS::Events::Rule", template)
]


def lint(text: str) -> list[str]:
    return [str(finding) for finding in cfnlint.api.lint(text, regions=["eu-central-1"])]


def admits(template: Any, queue: str, service: str, source: str) -> bool:
    """Whether a queue's policy lets an AWS service send for this source, and for nobody else's."""
    for policy in of_type("AWS::SQS::QueuePolicy", template).values():
        if queue in map(target, policy["Queues"]):
            for statement in statements(policy["PolicyDocument"]):
                sources = listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
                if statement["Principal"] == {"Service": service} and source in map(target, sources):
                    return bool(statement["Action"] == "sqs:SendMessage" and target(statement["Resource"]) == queue)
    return False


@pytest.mark.parametrize("path", ["template.yaml", "consumer/template.yaml"])
def test_cfn_lint_finds_nothing(path: str) -> None:
    assert lint((PROJECT / path).read_text()) == []


def test_cfn_lint_finds_nothing_after_the_transform() -> None:
    assert lint(json.dumps(PROVIDER)) == []


def test_the_consumers_template_needs_no_transform() -> None:
    assert "Transform" not in CONSUMER
    kinds = {resource["Type"].split("::")[1] for resource in CONSUMER["Resources"].values()}
    assert kinds == {"IAM", "Events", "SQS", "EC2"}


@pytest.mark.parametrize(("template", "rule"), RULES)
def test_a_rule_retries_for_a_day_and_then_keeps_the_event(template: Any, rule: str) -> None:
    for to in targets(of_type("AWS::Events::Rule", template)[rule]):
        assert to["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
        assert admits(template, target(to["DeadLetterConfig"]["Arn"]), "events.amazonaws.com", rule)


@pytest.mark.parametrize("rule", of_type("AWS::Events::Rule"))
def test_a_rule_may_deliver_to_its_target(rule: str) -> None:
    (to,) = of_type("AWS::Events::Rule")[rule]["Targets"]
    destination = target(to["Arn"])
    assert ("RoleArn" in to) == (destination == "AutopilotBus")
    if destination in QUEUES:
        assert admits(PROVIDER, destination, "events.amazonaws.com", rule)
    elif destination in FUNCTIONS:
        permissions = of_type("AWS::Lambda::Permission").values()
        (permission,) = (p for p in permissions if target(p["SourceArn"]) == rule)
        assert (permission["Principal"], permission["Action"]) == ("events.amazonaws.com", "lambda:InvokeFunction")
        assert target(permission["FunctionName"]) == destination
    else:
        assert (destination, target(to["RoleArn"])) == ("AutopilotBus", "ForwardingRole")


def test_nobody_but_a_rule_of_ours_may_invoke_a_function() -> None:
    permissions = of_type("AWS::Lambda::Permission")
    assert {name: target(p["SourceArn"]) for name, p in permissions.items()} == {"DeployedPermission": "DeployedRule"}


def test_connection_notifications_reach_the_requests_queue_in_their_envelope() -> None:
    subscription = of_type("AWS::SNS::Subscription")["NotificationSubscription"]
    assert target(subscription["Endpoint"]) == "RequestsQueue"
    assert "RawMessageDelivery" not in subscription
    assert admits(PROVIDER, "RequestsQueue", "sns.amazonaws.com", "NotificationTopic")
    assert target(subscription["RedrivePolicy"]["deadLetterTargetArn"]) == "RuleDeadLetters"
    assert admits(PROVIDER, "RuleDeadLetters", "sns.amazonaws.com", "NotificationTopic")


def test_a_connection_notification_is_made_after_the_topic_admits_privatelink() -> None:
    assert PROVIDER["Resources"]["ConnectionNotification"]["DependsOn"] == "NotificationTopicPolicy"


@pytest.mark.parametrize("condition", ["OrganizationBusPolicy", "ConsumerAccountsBusPolicy"])
def test_the_bus_admits_forwarded_sources_only_and_never_an_absent_source(condition: str) -> None:
    statement = of_type("AWS::Events::EventBusPolicy")[condition]["Statement"]
    assert statement["Action"] == "events:PutEvents"
    assert statement["Condition"]["Null"] == {"events:source": "false"}
    sources = statement["Condition"]["ForAllValues:StringEquals"]["events:source"]
    forwarded = {s for rule in of_type("AWS::Events::Rule", CONSUMER).values() for s in rule["EventPattern"]["source"]}
    assert set(sources) == forwarded


def test_the_bus_admits_nobody_for_an_empty_parameter() -> None:
    policies = {n: r for n, r in PROVIDER["Resources"].items() if r["Type"] == "AWS::Events::EventBusPolicy"}
    assert {name: policy["Condition"] for name, policy in policies.items()} == {
        "OrganizationBusPolicy": "InOrganization",
        "ConsumerAccountsBusPolicy": "HasConsumerAccounts",
    }
    everybody = policies["OrganizationBusPolicy"]["Properties"]["Statement"]
    assert everybody["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}


@pytest.mark.parametrize("queue", [*QUEUES, "DeadLetters"])
def test_a_queue_is_encrypted_and_says_who_may_redrive_into_it(queue: str) -> None:
    properties = QUEUES.get(queue) or of_type("AWS::SQS::Queue", CONSUMER)[queue]
    assert properties["SqsManagedSseEnabled"] is True
    assert properties["RedriveAllowPolicy"]["redrivePermission"] in ("byQueue", "denyAll")
    if queue.endswith("DeadLetters"):
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("queue", QUEUES.keys() - DEAD_LETTERS)
def test_five_errors_send_a_message_to_dead_letters_that_admit_the_queue(queue: str) -> None:
    redrive = QUEUES[queue]["RedrivePolicy"]
    dead_letters = QUEUES[target(redrive["deadLetterTargetArn"])]
    assert redrive["maxReceiveCount"] == 5
    (source,) = dead_letters["RedriveAllowPolicy"]["sourceQueueArns"]
    assert source["Fn::Sub"].endswith(":" + QUEUES[queue]["QueueName"]["Fn::Sub"])


@pytest.mark.parametrize("mapping", [name for name, m in MAPPINGS.items() if target(m["EventSourceArn"]) in QUEUES])
def test_a_queue_is_patient_with_its_function_and_retries_only_what_failed(mapping: str) -> None:
    properties = MAPPINGS[mapping]
    function, queue = FUNCTIONS[target(properties["FunctionName"])], QUEUES[target(properties["EventSourceArn"])]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert properties["BatchSize"] == 10
    assert "MaximumBatchingWindowInSeconds" not in properties
    # Which, tests/faults/test_storms.py compares with what was simulated.
    assert properties["ScalingConfig"].keys() == {"MaximumConcurrency"}
    # It sends to its own queue while it waits, more often than Lambda's loop detection bears.
    assert function["RecursiveLoop"] == "Allow"


@pytest.mark.parametrize("mapping", [name for name, m in MAPPINGS.items() if target(m["EventSourceArn"]) in TABLES])
def test_a_poison_record_of_a_stream_is_isolated_and_kept(mapping: str) -> None:
    properties = MAPPINGS[mapping]
    assert properties["StartingPosition"] == "TRIM_HORIZON"
    assert properties["BisectBatchOnFunctionError"] is True
    assert 0 < properties["MaximumRetryAttempts"] <= 100
    assert 0 < properties["MaximumRecordAgeInSeconds"] < 24 * 3600
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert target(properties["DestinationConfig"]["OnFailure"]["Destination"]) == "StreamDeadLetters"


def test_each_source_wakes_its_function() -> None:
    assert {target(m["EventSourceArn"]): target(m["FunctionName"]) for m in MAPPINGS.values()} == {
        "RequestsQueue": "DecideConnectionFunction",
        "DnsQueue": "ConvergeDnsFunction",
        "LedgerTable": "ReportStatusFunction",
        "AllowlistTable": "SweepFunction",
    }
    assert target(of_type("AWS::Scheduler::Schedule")["Schedule"]["Target"]["Arn"]) == "SweepFunction"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_its_own_role_and_a_log_group_with_retention(function: str) -> None:
    properties = FUNCTIONS[function]
    logs = of_type("AWS::Logs::LogGroup")[target(properties["LoggingConfig"]["LogGroup"])]
    assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert logs["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert [name for name, f in FUNCTIONS.items() if f["Role"] == properties["Role"]] == [function]
    assert target(properties["Role"]) == function.replace("Function", "Role")
    assert "FunctionName" not in properties


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_code_is_where_the_template_looks_for_it(function: str) -> None:
    code = read("template.yaml")["Resources"][function]["Properties"]["CodeUri"]
    assert (PROJECT / code / "handler.py").is_file()


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_encrypted_recoverable_and_outlives_the_stack(table: str) -> None:
    properties, resource = TABLES[table], PROVIDER["Resources"][table]
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "delete_at", "Enabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_streams_carry_what_their_functions_read() -> None:
    assert {name: table["StreamSpecification"]["StreamViewType"] for name, table in TABLES.items()} == {
        "AllowlistTable": "KEYS_ONLY",
        "LedgerTable": "NEW_AND_OLD_IMAGES",
    }


@pytest.mark.parametrize("topic", of_type("AWS::SNS::Topic"))
def test_a_topic_is_encrypted_with_a_key_that_services_may_use(topic: str) -> None:
    key = of_type("AWS::KMS::Key")[target(of_type("AWS::SNS::Topic")[topic]["KmsMasterKeyId"])]
    assert key["EnableKeyRotation"] is True
    services = [s for s in statements(key["KeyPolicy"]) if "Service" in s["Principal"]]
    assert [s["Principal"]["Service"] for s in services] == [["vpce.amazonaws.com", "cloudwatch.amazonaws.com"]]


@pytest.mark.parametrize("policy", of_type("AWS::SNS::TopicPolicy"))
def test_a_service_publishes_only_for_this_account(policy: str) -> None:
    for statement in statements(of_type("AWS::SNS::TopicPolicy")[policy]["PolicyDocument"]):
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        assert "${AWS::AccountId}" in statement["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"]


def test_reports_and_alarms_go_to_the_given_address() -> None:
    subscriptions = [s for s in of_type("AWS::SNS::Subscription").values() if s["Protocol"] == "email"]
    assert {target(s["TopicArn"]): s["Endpoint"] for s in subscriptions} == {
        "StatusTopic": {"Ref": "Email"},
        "AlarmTopic": {"Ref": "Email"},
    }


def test_alarms_watch_every_dead_letter_queue_every_queue_every_function_and_every_stream() -> None:
    ours = [alarm for alarm in ALARMS.values() if alarm["Namespace"] == NAMESPACE]
    assert {alarm["Dimensions"][0]["Value"] for alarm in ours} == {"privatelink-autopilot"}
    watched = {
        (alarm["MetricName"], target(alarm["Dimensions"][0]["Value"]))
        for alarm in ALARMS.values()
        if alarm["Namespace"] != NAMESPACE
    }
    streamed = {target(m["FunctionName"]) for m in MAPPINGS.values() if target(m["EventSourceArn"]) in TABLES}
    assert watched == (
        {("ApproximateNumberOfMessagesVisible", queue) for queue in DEAD_LETTERS}
        | {("ApproximateAgeOfOldestMessage", queue) for queue in QUEUES.keys() - DEAD_LETTERS}
        | {("Errors", function) for function in FUNCTIONS}
        | {("IteratorAge", function) for function in streamed}
    )


def test_the_dashboard_shows_every_alarm() -> None:
    body = json.loads(of_type("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"])

    assert {arn for widget in body["widgets"] for arn in widget["properties"].get("alarms", [])} == {
        f"${{{alarm}.Arn}}" for alarm in ALARMS
    }


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_reaches_people_and_tells_them_what_to_read(alarm: str) -> None:
    properties = ALARMS[alarm]
    assert [target(action) for action in properties["AlarmActions"]] == ["AlarmTopic"]
    # A sweep that does not come is told by nothing but the lack of it.
    assert properties["TreatMissingData"] == ("breaching" if alarm == "NoSweepAlarm" else "notBreaching")
    description = properties["AlarmDescription"]["Fn::Sub"]
    assert "Read" in description or "aws " in description or "Logs}" in description
    assert len(description) < 700  # of 1024, with names filled in


# By metric: from what value on, and for how many of how many minutes, people are told.
TELLING = {
    "ApproximateNumberOfMessagesVisible": ("Maximum", "GreaterThanThreshold", 0, 1, 1),
    "ApproximateAgeOfOldestMessage": ("Maximum", "GreaterThanThreshold", 15 * 60, 5, 5),
    "IteratorAge": ("Maximum", "GreaterThanThreshold", 15 * 60 * 1000, 3, 3),
    "Errors": ("Sum", "GreaterThanThreshold", 0, 10, 15),
    "RequestFailures": ("Sum", "GreaterThanThreshold", 0, 10, 15),
    "DnsFailures": ("Sum", "GreaterThanThreshold", 0, 10, 15),
    "SweepsDone": ("Sum", "LessThanThreshold", 1, 15, 15),
    "SweepUntold": ("Sum", "GreaterThanThreshold", 0, 120, 180),
    "SweepUnheardTopics": ("Minimum", "GreaterThanThreshold", 0, 60, 60),
}


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_comes_when_it_should(alarm: str) -> None:
    found = ALARMS[alarm]
    default = PROVIDER["Parameters"]["SweepMinutes"]["Default"]
    period = found["Period"]
    seconds = PROVIDER["Mappings"]["Sweep"][str(default)]["Seconds"] if isinstance(period, dict) else period
    periods = found["EvaluationPeriods"]
    minutes = [number * seconds / 60 for number in (found.get("DatapointsToAlarm", periods), periods)]

    expected = TELLING[found["MetricName"]]
    assert (found["Statistic"], found["ComparisonOperator"], found["Threshold"], *minutes) == expected


@pytest.mark.parametrize(
    ("letters", "queue"), [("RequestsDeadLetters", "RequestsQueue"), ("DnsDeadLetters", "DnsQueue")]
)
def test_the_alarm_of_dead_letters_has_the_command_that_puts_them_back(letters: str, queue: str) -> None:
    description = ALARMS[f"{letters}Alarm"]["AlarmDescription"]["Fn::Sub"]

    command = f"aws sqs start-message-move-task --source-arn ${{{letters}.Arn}} --destination-arn ${{{queue}.Arn}}"
    assert command in description


@pytest.mark.parametrize(
    ("seconds", "rate"), [(s["Seconds"], s["Rate"]) for s in PROVIDER["Mappings"]["Sweep"].values()]
)
def test_the_sweep_is_missed_by_the_time_that_it_should_have_come(seconds: int, rate: str) -> None:
    [(number, unit)] = re.findall(r"rate\((\d+) (minute|hour)s?\)", rate)

    assert seconds == int(number) * {"minute": 60, "hour": 3600}[unit]


def test_the_endpoint_service_waits_for_acceptance_and_is_opted_in() -> None:
    service = of_type("AWS::EC2::VPCEndpointService")["EndpointService"]
    assert service["AcceptanceRequired"] is True
    assert {"Key": "autopilot", "Value": "enabled"} in service["Tags"]
    conditional = [tag["Fn::If"][1] for tag in service["Tags"] if "Fn::If" in tag]
    assert conditional == [
        {"Key": "autopilot:zone", "Value": {"Ref": "ServiceZone"}},
        {"Key": "autopilot:records", "Value": {"Ref": "ServiceRecords"}},
    ]


def test_a_message_is_given_up_with_its_reason_just_before_sqs_would_do_it_without() -> None:
    policies = [queue["RedrivePolicy"] for queue in QUEUES.values() if "RedrivePolicy" in queue]

    assert [policy["maxReceiveCount"] for policy in policies] == [MOST_TRIES, MOST_TRIES]
