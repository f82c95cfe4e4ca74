"""Observe is a mode of the whole system: it says what it would do and changes nothing; enforce then does it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local_aws.control import CONSUMER, PROVIDER
from tests.local_aws.deployment import deploy_provider, up
from tests.story.story import Story, wait_for


@pytest.fixture
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with up(tmp_path_factory.mktemp("local-aws"), Mode="observe") as aws:
        yield Story(aws)


def test_observe_reports_and_changes_nothing_and_enforce_then_does_it(story: Story) -> None:
    waiting = story.create_endpoint()
    mail = wait_for("OBSERVED", lambda: story.mail("OBSERVED", waiting))
    assert f"would be accepted: account {CONSUMER} is allowlisted" in " ".join(mail.get_content().split())

    story.accept_by_hand(waiting)
    plan = wait_for("the plan", lambda: story.mail("OBSERVED", f"CREATE {story.aws.state.record} CNAME"))
    assert "nothing was changed" in " ".join(str(plan["Subject"]).split())
    assert story.zone_id() is None
    changes = ("ec2:AcceptVpcEndpointConnections", "route53:CreateHostedZone", "route53:ChangeResourceRecordSets")
    assert [decision for decision in story.aws.decisions() if decision.action in changes] == []

    deploy_provider(story.aws, Mode="enforce")
    story.sweep()

    wait_for("READY", lambda: story.mail_about("READY", waiting))
    state = story.aws.client("cloudformation", PROVIDER).describe_stacks(StackName=story.aws.state.stack_name)
    assert state["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"
