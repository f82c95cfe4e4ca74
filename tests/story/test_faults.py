"""One call fails, before its effect or after it, in the deployed stack: the story ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
FAULTS = [*((read, "before") for read in _READS), *((write, when) for write in _WRITES for when in ("before", "after"))]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with up(tmp_path_factory.mktemp("local-aws")) as aws:
        yield Story(aws)


@pytest.mark.parametrize(("operation", "when"), FAULTS)
def test_a_connection_becomes_ready_and_is_retired_although_a_call_fails(
    story: Story, operation: str, when: str
) -> None:
    story.aws.break_call(operation, when)

    endpoint_id = story.create_endpoint()
    ready = wait_for("READY", lambda: story.mail_about("READY", endpoint_id))
    target = story.cname()
    story.delete_endpoint(endpoint_id)
    wait_for("RETIRED", lambda: story.mail_about("RETIRED", endpoint_id))

    assert story.aws.unbroken() == {}, "the call was never made"
    assert target
    assert target.startswith(endpoint_id)
    assert target in ready.get_content()
    assert story.zone_id() is None
    passed = [moment["what"] for moment in story.ledger(endpoint_id)["acceptance"]["timeline"]]
    assert passed[-1] == "accepted", "taken for a person's own accept"
