"""One call goes wrong, or one event, in the deployed stack: the story ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.local_aws.control import STRANGER
from tests.local_aws.deployment import up
from tests.story.story import Story, wait_for

_READS = (
    "DescribeVpcEndpointConnections",
    "BatchGetItem",
    "DescribeVpcEndpoints",
    "ListHostedZonesByVPC",
    "GetChange",
)
_WRITES = (
    "AcceptVpcEndpointConnections",
    "UpdateItem",
    "SendMessageBatch",
    "CreateHostedZone",
    "ChangeResourceRecordSets",
    "Publish",
    "PutEvents",
    "DeleteHostedZone",
)
_KILLED = ("AcceptVpcEndpointConnections", "UpdateItem", "CreateHostedZone", "ChangeResourceRecordSets", "Publish")
_UNANSWERED = ("AcceptVpcEndpointConnections", "SendMessageBatch", "CreateHostedZone", "Publish")
# More often than the SDK asks by itself.
_THROTTLED = {"AcceptVpcEndpointConnections": 6, "ChangeResourceRecordSets": 4}
FAULTS = [
    *({read: "before"} for read in _READS),
    *({write: when} for write in _WRITES for when in ("before", "after")),
    *({write: "unanswered"} for write in _UNANSWERED),
    *({operation: "killed"} for operation in _KILLED),
    # A process that starts anew has no session of the consumer's role.
    {"CreateHostedZone": "killed", "AssumeRole": "before"},
    # The message is shown again only when its visibility ends: a sweep is faster.
    {"AcceptVpcEndpointConnections": "before", "ChangeMessageVisibilityBatch": "before"},
]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with up(tmp_path_factory.mktemp("local-aws")) as aws:
        yield Story(aws)


def named(faults: dict[str, str]) -> str:
    return " and ".join(f"{operation} {fault}" for operation, fault in faults.items())


@pytest.mark.parametrize("faults", FAULTS, ids=named)
def test_a_connection_becomes_ready_and_is_retired_although_a_call_goes_wrong(
    story: Story, faults: dict[str, str]
) -> None:
    for operation, fault in faults.items():
        story.aws.break_call(operation, fault)

    assert_told_from_its_beginning_to_its_end(story)


@pytest.mark.parametrize("operation", _THROTTLED)
def test_or_is_throttled_for_longer_than_the_sdk_asks(story: Story, operation: str) -> None:
    story.aws.break_call(operation, "throttled", _THROTTLED[operation])

    assert_told_from_its_beginning_to_its_end(story)


def test_or_each_event_comes_twice(story: Story) -> None:
    story.aws.switch(events="twice")
    try:
        endpoint_id = assert_told_from_its_beginning_to_its_end(story)
    finally:
        story.aws.switch(events="on")

    subjects = [str(mail["Subject"]) for mail in story.aws.mail() if endpoint_id in mail.get_content()]
    assert sum("READY" in subject for subject in subjects) == sum("RETIRED" in subject for subject in subjects) == 1


def assert_told_from_its_beginning_to_its_end(story: Story) -> str:
    endpoint_id = story.create_endpoint()
    ready = told("READY", story, endpoint_id)
    target = story.cname()
    story.delete_endpoint(endpoint_id)
    told("RETIRED", story, endpoint_id)

    assert story.aws.unbroken() == {}, "the call was never made"
    assert target
    assert target.startswith(endpoint_id)
    assert target in ready.get_content()
    assert story.zone_id() is None
    passed = [moment["what"] for moment in story.ledger(endpoint_id)["acceptance"]["timeline"]]
    assert passed[-1] == "accepted", "taken for a person's own accept"
    return endpoint_id


def told(status: str, story: Story, endpoint_id: str) -> EmailMessage:
    """The e-mail. A sweep comes once all has gone wrong that was to: what died with its process else waits long."""
    wait_for("the fault", lambda: story.aws.unbroken() == {} or story.mail_about(status, endpoint_id))
    story.sweep()
    return wait_for(status, lambda: story.mail_about(status, endpoint_id))


@pytest.mark.parametrize("fault", ["before", "after", "unanswered", "killed"])
def test_a_request_is_rejected_although_the_call_goes_wrong(story: Story, fault: str) -> None:
    story.allowlist(STRANGER, "reject")
    story.aws.break_call("RejectVpcEndpointConnections", fault)
    endpoint_id = story.create_endpoint(STRANGER)
    told("REJECTED", story, endpoint_id)
    state = story.connection_state(endpoint_id)
    story.delete_endpoint(endpoint_id, STRANGER)
    wait_for("RETIRED", lambda: story.mail_about("RETIRED", endpoint_id))

    assert state == "rejected"
    assert story.aws.unbroken() == {}, "the call was never made"
    passed = [moment["what"] for moment in story.ledger(endpoint_id)["acceptance"]["timeline"]]
    assert passed[-1] == "rejected"
    assert story.ledger(endpoint_id)["acceptance"]["answered_by"] == "", "taken for a person's own reject"
