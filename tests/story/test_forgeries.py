"""Strangers, consumers and other roles try what the deployed stacks must not let them do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.events import ENDPOINT, SERVICE, event
from tests.local_aws.control import CONSUMER, PROVIDER, REGION, SECRET, STRANGER
from tests.local_aws.deployment import outputs
from tests.story.story import Story, wait_for
from tests.template import consumer_stack

TRUSTED = "autopilot-converge-dns-shown"
_numbers = count()


# Somebody puts events


def forwards(story: Story, account: str, pattern: Mapping[str, Any]) -> str:
    """A rule of the account's own that forwards to the Autopilot bus; the URL of its dead letters."""
    name = f"forward-{next(_numbers)}"
    iam, sqs, events = (story.aws.client(service, account) for service in ("iam", "sqs", "events"))
    role = make_role(iam, name, trusting({"Service": "events.amazonaws.com"}), allowing("events:PutEvents"))
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = f"arn:aws:sqs:{REGION}:{account}:{name}"
    admits = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:*", "Resource": queue}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(document(admits))})
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    target = {"Id": "1", "Arn": outputs(story.aws)["BusArn"], "RoleArn": role, "DeadLetterConfig": {"Arn": queue}}
    events.put_targets(Rule=name, Targets=[target])
    return str(url)


def refused_at(story: Story, account: str, url: str) -> Any:
    """The first event that the bus did not take, and why."""
    sqs = story.aws.client("sqs", account)

    def look() -> Any:
        received = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])
        return received.get("Messages")

    (letter,) = wait_for("a refused event", look)
    return letter["MessageAttributes"]["ERROR_CODE"]["StringValue"], json.loads(letter["Body"])


def test_a_strangers_genuine_events_do_not_reach_the_bus_and_its_request_is_held_all_the_same(story: Story) -> None:
    url = forwards(story, STRANGER, {"source": ["aws.ec2"], "detail": {"eventName": ["CreateVpcEndpoint"]}})
    endpoint_id = story.create_endpoint(STRANGER)

    code, refused = refused_at(story, STRANGER, url)
    assert code == "NO_PERMISSIONS"
    assert endpoint_id in json.dumps(refused)
    wait_for("HELD", lambda: story.mail_about("HELD", endpoint_id))
    assert story.ledger(endpoint_id)["seen_by"] == "notification"
    story.delete_endpoint(endpoint_id, STRANGER)


@pytest.mark.parametrize("source", ["privatelink-autopilot", "ec2", "Aws.ec2"])
def test_a_consumer_cannot_speak_as_autopilot_or_as_anybody_whom_no_rule_takes(story: Story, source: str) -> None:
    url = forwards(story, CONSUMER, {"source": [source]})
    detail = {"autopilot": "wake-up", "seen_by": "sweep", "may_disrupt": True, "status": "ready"}
    put(story, CONSUMER, source, "Connection Status Changed", detail)

    code, refused = refused_at(story, CONSUMER, url)
    assert (code, refused["source"]) == ("NO_PERMISSIONS", source)


@pytest.mark.parametrize("account", [CONSUMER, STRANGER, PROVIDER])
def test_nobody_can_put_an_event_of_aws(story: Story, account: str) -> None:
    forged = event("create-one-subnet")

    assert put(story, account, "aws.ec2", forged["detail-type"], forged["detail"]) == "NotAuthorizedForSourceException"


def test_what_is_put_in_autopilots_own_name_wakes_nothing(story: Story) -> None:
    forged = event("create-one-subnet")
    text = json.dumps(forged["detail"]).replace(SERVICE, story.aws.state.service_id)
    queues = ("RequestsDeadLettersArn", "DnsDeadLettersArn", "RuleDeadLettersArn")
    before = [depth(story, queue) for queue in queues]
    for detail_type in ("Connection Status Changed", forged["detail-type"]):
        put(story, PROVIDER, "privatelink-autopilot", detail_type, json.loads(text), outputs(story.aws)["BusArn"])
    later = story.create_endpoint(STRANGER)
    wait_for("HELD", lambda: story.mail_about("HELD", later))

    assert story.ledger(ENDPOINT) == {}
    assert [depth(story, queue) for queue in queues] == before
    story.delete_endpoint(later, STRANGER)


def put(story: Story, account: str, source: str, detail_type: str, detail: Any, bus: str = "default") -> str | None:
    """Put an event as the account's root; the error code, if it is refused."""
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "EventBusName": bus}
    answer = story.aws.client("events", account).put_events(Entries=[entry])
    code: str | None = answer["Entries"][0].get("ErrorCode")
    return code


def depth(story: Story, output: str) -> int:
    """How many messages the queue holds, those in somebody's hands too."""
    sqs, name = story.aws.client("sqs", PROVIDER), outputs(story.aws)[output].rpartition(":")[2]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


@pytest.mark.parametrize("account", [CONSUMER, STRANGER])
@pytest.mark.parametrize("output", ["RequestsQueueUrl", "DnsQueueUrl"])
def test_a_role_of_another_account_cannot_send_to_a_queue(story: Story, account: str, output: str) -> None:
    session = session_of(story, account, f"sender-{next(_numbers)}", allowing("sqs:*"))
    sqs = client(story, session, "sqs")
    url = outputs(story.aws)[output]

    attempt = refusal(lambda: sqs.send_message(QueueUrl=url, MessageBody='{"autopilot":"wake-up","seen_by":"sweep"}'))
    assert attempt in ("AccessDenied", "AccessDeniedException")


# Somebody assumes the consumer's role


def consumers_role(story: Story, trust_of: Mapping[str, str]) -> str:
    """Another role in the consumer's account with the template's trust and rights for these parameters; its ARN."""
    properties = consumer_stack.stack(**trust_of)["ConsumerRole"]["Properties"]
    iam = story.aws.client("iam", CONSUMER)
    name = f"{properties['RoleName']}-{next(_numbers)}"
    policies = [policy["PolicyDocument"] for policy in properties["Policies"]]
    return make_role(iam, name, properties["AssumeRolePolicyDocument"], *policies)


def enter(session: boto3.Session, story: Story, role_arn: str, **external: str) -> boto3.Session:
    """Raises ClientError where the role's trust refuses."""
    answer = client(story, session, "sts").assume_role(RoleArn=role_arn, RoleSessionName="forged", **external)
    return in_session(answer)


IN_ORGANIZATION = {"OrganizationId": "o-autopilot01"}


@pytest.fixture(scope="module")
def converging(story: Story) -> boto3.Session:
    """A session of a role in the provider's account with the name that consumers trust."""
    return session_of(story, PROVIDER, TRUSTED, allowing("sts:AssumeRole"))


def test_the_role_that_consumers_trust_enters(story: Story, converging: boto3.Session) -> None:
    entered = enter(converging, story, consumers_role(story, IN_ORGANIZATION))

    assert client(story, entered, "sts").get_caller_identity()["Account"] == CONSUMER


@pytest.mark.parametrize(
    ("account", "name"),
    [
        pytest.param(PROVIDER, "Admin", id="another role of the provider"),
        pytest.param(PROVIDER, "my-autopilot-converge-dns-eu-central-1", id="one with the name at its end"),
        pytest.param(STRANGER, "autopilot-converge-dns-eu-central-1", id="the same name in a stranger's account"),
        pytest.param(CONSUMER, "autopilot-converge-dns-eu-central-1", id="the same name in the consumer's account"),
    ],
)
def test_no_other_role_enters(story: Story, account: str, name: str) -> None:
    session = session_of(story, account, name, allowing("sts:AssumeRole"))
    arns = consumers_role(story, {}), consumers_role(story, IN_ORGANIZATION), deployed_role(story)

    assert {refusal(lambda arn=arn: enter(session, story, arn)) for arn in arns} == {"AccessDenied"}


def test_a_provider_outside_the_named_organization_does_not_enter(story: Story, converging: boto3.Session) -> None:
    another = consumers_role(story, {"OrganizationId": "o-somebodyelse"})

    assert refusal(lambda: enter(converging, story, another)) == "AccessDenied"


@pytest.mark.parametrize("given", [{}, {"ExternalId": "wrong"}, {"ExternalId": "right "}])
def test_without_the_external_id_nobody_enters(story: Story, converging: boto3.Session, given: dict[str, str]) -> None:
    role = consumers_role(story, {"ExternalId": "right"})

    assert refusal(lambda: enter(converging, story, role, **given)) == "AccessDenied"
    assert enter(converging, story, role, ExternalId="right")


# What the consumer's role may do


@pytest.fixture(scope="module")
def entered(story: Story, converging: boto3.Session) -> boto3.Session:
    """A session of a consumer's role that is limited to a name and a VPC."""
    limits = {"AllowedRecordNames": "limited.example.com,*.limited.example.com", "AllowedVpcs": story.aws.state.vpc_id}
    return enter(converging, story, consumers_role(story, limits))


@pytest.fixture(scope="module")
def zone_id(story: Story, entered: boto3.Session) -> str:
    """A zone that the role made in the VPC that it may use."""
    vpc = {"VPCRegion": REGION, "VPCId": story.aws.state.vpc_id}
    made = client(story, entered, "route53").create_hosted_zone(
        Name="limited.example.com", VPC=vpc, CallerReference=f"forgeries {next(_numbers)}"
    )
    return str(made["HostedZone"]["Id"])


def change(name: str, kind: str = "CNAME", value: str = "target.example.com") -> dict[str, Any]:
    record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}


def test_the_allowed_names_are_written(story: Story, entered: boto3.Session, zone_id: str) -> None:
    route53 = client(story, entered, "route53")

    assert route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=change("api.limited.example.com"))


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(change("api.another.example.com"), id="another name"),
        pytest.param(change("notlimited.example.com"), id="a name that only ends alike"),
        pytest.param(change("api.limited.example.com", "TXT", '"text"'), id="another type"),
        pytest.param(change("sub.limited.example.com", "NS", "ns.evil.example"), id="a delegation"),
        pytest.param(
            {"Changes": change("api.limited.example.com")["Changes"] + change("www.example.com")["Changes"]},
            id="another name behind an allowed one",
        ),
    ],
)
def test_no_other_record_is_written(story: Story, entered: boto3.Session, zone_id: str, batch: dict[str, Any]) -> None:
    route53 = client(story, entered, "route53")

    assert (
        refusal(lambda: route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)) == "AccessDenied"
    )


def test_no_other_vpc_is_touched_and_no_public_zone_is_made(story: Story, entered: boto3.Session, zone_id: str) -> None:
    route53 = client(story, entered, "route53")
    other = {"VPCRegion": REGION, "VPCId": "vpc-0123456789abcdef0"}
    made = {"Name": "limited.example.com", "CallerReference": f"forgeries {next(_numbers)}"}

    assert refusal(lambda: route53.create_hosted_zone(**made)) == "AccessDenied"
    assert refusal(lambda: route53.create_hosted_zone(**made, VPC=other)) == "AccessDenied"
    for call in (route53.associate_vpc_with_hosted_zone, route53.disassociate_vpc_from_hosted_zone):
        assert refusal(lambda call=call: call(HostedZoneId=zone_id, VPC=other)) == "AccessDenied"


def test_no_endpoint_is_changed_or_removed(story: Story, entered: boto3.Session) -> None:
    endpoint_id = story.create_endpoint()
    ec2 = client(story, entered, "ec2")

    for attempt in (
        lambda: ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=True),
        lambda: ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id]),
        lambda: ec2.create_tags(Resources=[endpoint_id], Tags=[{"Key": "autopilot:dns", "Value": "off"}]),
    ):
        assert refusal(attempt) in ("UnauthorizedOperation", "AccessDenied")
    story.delete_endpoint(endpoint_id)


# Roles, sessions and refusals


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allowing(action: str) -> dict[str, Any]:
    return document({"Effect": "Allow", "Action": action, "Resource": "*"})


def trusting(principal: Mapping[str, str]) -> dict[str, Any]:
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def make_role(iam: Any, name: str, trust: Mapping[str, Any], *policies: Mapping[str, Any]) -> str:
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    for number, policy in enumerate(policies):
        iam.put_role_policy(RoleName=name, PolicyName=f"policy-{number}", PolicyDocument=json.dumps(policy))
    return arn


def session_of(story: Story, account: str, name: str, policy: Mapping[str, Any]) -> boto3.Session:
    """A session of a new role that its own account's root may assume."""
    arn = make_role(story.aws.client("iam", account), name, trusting({"AWS": f"arn:aws:iam::{account}:root"}), policy)
    return enter(boto3.Session(account, SECRET, region_name=REGION), story, arn)


def in_session(answer: Mapping[str, Any]) -> boto3.Session:
    found = answer["Credentials"]
    return boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], region_name=REGION)


def client(story: Story, session: boto3.Session, service: Any) -> Any:
    return session.client(service, endpoint_url=story.aws.endpoint_url)


def deployed_role(story: Story) -> str:
    return f"arn:aws:iam::{CONSUMER}:role/autopilot-{PROVIDER}-{REGION}"


def refusal(attempt: Any) -> str:
    """The code of AWS's refusal."""
    with pytest.raises(ClientError) as error:
        attempt()
    return str(error.value.response["Error"]["Code"])
