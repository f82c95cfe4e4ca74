"""Each role may do what its function does, and nothing else: a story that needs every action shows it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from tests.local_aws.control import CONSUMER, PROVIDER, STRANGER
from tests.local_aws.deployment import STACK, outputs, up
from tests.story.story import Story, wait_for

# What AWS does with a role on the function's behalf and no local AWS does.
_DONE_BY_AWS = {
    "logs:CreateLogStream": "the Lambda service writes the log",
    "logs:PutLogEvents": "the Lambda service writes the log",
    "dynamodb:ListStreams": "the event source mapping is made with it",
}
# What a consumer or a provider asks for by a tag; tests/story/test_names.py and the unit tests show it.
_ONLY_WHERE_ASKED = {
    "route53:AssociateVPCWithHostedZone": "the endpoint's tag autopilot:also-vpcs, or a zone taken off its VPC",
    "route53:DisassociateVPCFromHostedZone": "a VPC that leaves that tag",
    "route53:CreateVPCAssociationAuthorization": "a VPC of another account in that tag",
    "route53:DeleteVPCAssociationAuthorization": "a VPC of another account in that tag",
}
# Two runs at once, or a zone that somebody took off its VPC; the unit tests show it.
_ONLY_WHERE_THE_ZONE_IS_GONE = {"route53:ListHostedZonesByName"}
# Only a batch that failed to the end goes there; tests/story/test_local_aws.py shows such a batch.
_ONLY_AT_THE_END = {"sqs:SendMessage"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A story in which each role needs everything that it may do."""
    with up(tmp_path_factory.mktemp("local-aws")) as aws:
        story = Story(aws)
        endpoint_id = story.create_endpoint()
        wait_for("READY", lambda: story.mail_about("READY", endpoint_id))
        story.allowlist(STRANGER, "reject")
        rejected = story.create_endpoint(STRANGER)
        wait_for("REJECTED", lambda: story.mail_about("REJECTED", rejected))
        # A failure that is tried again, in each of the two functions that have a queue, and what cannot be read.
        aws.break_call("BatchGetItem", "before")
        second = story.create_endpoint(STRANGER)
        wait_for("REJECTED", lambda: story.mail_about("REJECTED", second))
        for queue in ("RequestsQueueUrl", "DnsQueueUrl"):
            aws.client("sqs", PROVIDER).send_message(QueueUrl=outputs(aws)[queue], MessageBody="a poem")
        aws.break_call("DeleteHostedZone", "before")
        story.delete_endpoint(endpoint_id)
        wait_for("RETIRED", lambda: story.mail_about("RETIRED", endpoint_id))
        story.forget_notification()
        aws.switch(events="off", notifications="off")
        third = story.create_endpoint(STRANGER)
        story.sweep()
        wait_for("REJECTED", lambda: story.mail_about("REJECTED", third))
        wait_for("INSTALLED", lambda: story.mail("INSTALLED"))
        for role in ("DecideConnectionRole", "ConvergeDnsRole"):
            name, _ = granted_to(story, PROVIDER, STACK, role)
            wait_for(f"the dead letter of {name}", lambda which=name: "sqs:SendMessage" in actions_of(story, which))  # type: ignore[misc]
        yield story


def test_no_call_was_denied_to_any_role(told: Story) -> None:
    denied = [decision for decision in told.aws.decisions(decision="deny") if decision.principal_role]

    # The stranger's account has no role for Autopilot; that refusal is part of the story.
    assert [decision for decision in denied if decision.action != "sts:AssumeRole"] == []


@pytest.mark.parametrize("role", ["DecideConnectionRole", "ConvergeDnsRole", "ReportStatusRole", "SweepRole"])
def test_a_role_needs_every_action_it_has(told: Story, role: str) -> None:
    name, granted = granted_to(told, PROVIDER, STACK, role)

    unused = granted - used_by(told, name, granted)
    assert unused - _DONE_BY_AWS.keys() <= (_ONLY_AT_THE_END if role in ("ReportStatusRole", "SweepRole") else set())


def test_the_consumers_role_needs_every_action_it_has(told: Story) -> None:
    name, granted = granted_to(told, CONSUMER, f"privatelink-autopilot-consumer-{PROVIDER}", "ConsumerRole")

    unused = granted - used_by(told, name, granted)
    assert unused - _ONLY_WHERE_THE_ZONE_IS_GONE == _ONLY_WHERE_ASKED.keys()


def granted_to(story: Story, account: str, stack: str, logical_id: str) -> tuple[str, set[str]]:
    """The name of a stack's role, and the actions its policies allow."""
    cloudformation, iam = story.aws.client("cloudformation", account), story.aws.client("iam", account)
    resource = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    granted: set[str] = set()
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for statement in document["Statement"]:
            actions = statement["Action"]
            granted |= {actions} if isinstance(actions, str) else set(actions)
    return name, granted


def used_by(story: Story, role: str, granted: set[str]) -> set[str]:
    """Those of the granted actions, `kms:GenerateDataKey*` and the like, that the role was seen to use."""
    seen = actions_of(story, role)
    return {action for action in granted if any(fnmatchcase(used, action) for used in seen)}


def actions_of(story: Story, role: str) -> set[str]:
    """What the role was seen to do."""
    return {decision.action for decision in story.aws.decisions(role=role, decision="allow")}
