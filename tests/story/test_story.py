"""The main job and its accidents, on the deployed stacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_aws.control import CONSUMER, PROVIDER, STRANGER
from tests.local_aws.deployment import outputs, shell
from tests.story.story import Story, wait_for


@pytest.fixture(autouse=True)
def mended(story: Story) -> Iterator[None]:
    """No fault of one story is left for the next."""
    yield
    story.aws.switch(functions="ok", events="on", notifications="on", targets="on")


def is_ready(story: Story, endpoint_id: str, seconds: float = 60) -> bool:
    return wait_for(f"READY of {endpoint_id}", lambda: story.mail_about("READY", endpoint_id), seconds) is not None


def is_gone(story: Story, endpoint_id: str) -> bool:
    story.delete_endpoint(endpoint_id)
    return wait_for(f"RETIRED of {endpoint_id}", lambda: story.mail_about("RETIRED", endpoint_id)) is not None


def test_an_endpoint_made_by_the_plain_aws_cli_gets_its_name_and_loses_it_when_it_goes(story: Story) -> None:
    state = story.aws.state
    made = shell(
        story.aws,
        "create-vpc-endpoint",
        f"aws ec2 create-vpc-endpoint --vpc-endpoint-type Interface --service-name {state.service_name} "
        f"--vpc-id {state.vpc_id} --subnet-ids {' '.join(state.subnet_ids)}",
        CONSUMER,
    )
    endpoint_id = json.loads(made)["VpcEndpoint"]["VpcEndpointId"]

    assert is_ready(story, endpoint_id)
    target = story.cname()
    assert target is not None
    assert target.startswith(f"{endpoint_id}-")

    assert is_gone(story, endpoint_id)
    assert story.zone_id() is None


def test_a_stranger_is_held_and_a_row_of_the_allowlist_lets_the_waiting_request_in(story: Story) -> None:
    endpoint_id = story.create_endpoint(STRANGER)

    mail = wait_for("HELD", lambda: story.mail_about("HELD", endpoint_id))
    assert story.connection_state(endpoint_id) == "pendingAcceptance"
    assert "reject-vpc-endpoint-connections" in mail.get_content()

    allow = next(line.strip() for line in mail.get_content().splitlines() if "dynamodb put-item" in line)
    shell(story.aws, "allow", allow, PROVIDER)
    wait_for("acceptance", lambda: story.connection_state(endpoint_id) in ("pending", "available"), 20)
    wait_for("CONNECTED", lambda: story.mail_about("CONNECTED", endpoint_id))

    story.forget(STRANGER)
    story.delete_endpoint(endpoint_id, STRANGER)
    wait_for("RETIRED", lambda: story.mail_about("RETIRED", endpoint_id))


def test_an_entry_that_rejects_disconnects_nobody_else(story: Story) -> None:
    story.allowlist(STRANGER, "reject")

    endpoint_id = story.create_endpoint(STRANGER)

    wait_for("REJECTED", lambda: story.mail_about("REJECTED", endpoint_id))
    assert story.connection_state(endpoint_id) == "rejected"
    story.forget(STRANGER)


def test_an_endpoint_made_while_the_functions_fail_is_served_when_they_work_again(story: Story) -> None:
    story.aws.switch(functions="fail")
    endpoint_id = story.create_endpoint()
    depth = {
        "QueueUrl": outputs(story.aws)["RequestsQueueUrl"],
        "AttributeNames": ["ApproximateNumberOfMessagesNotVisible"],
    }
    sqs = story.aws.client("sqs", PROVIDER)
    wait_for(
        "a failed message",
        lambda: int(sqs.get_queue_attributes(**depth)["Attributes"]["ApproximateNumberOfMessagesNotVisible"]),
    )
    assert story.connection_state(endpoint_id) == "pendingAcceptance"

    story.aws.switch(functions="ok")
    story.sweep()

    assert is_ready(story, endpoint_id)
    assert is_gone(story, endpoint_id)


def test_an_endpoint_that_no_event_told_of_is_found_by_the_sweep(story: Story) -> None:
    story.aws.switch(events="off", notifications="off")

    endpoint_id = story.create_endpoint()

    assert is_ready(story, endpoint_id, 120)
    assert is_gone(story, endpoint_id)


def test_a_service_with_a_wrong_tag_is_reported_and_left_alone(story: Story) -> None:
    ec2, service_id = story.aws.client("ec2", PROVIDER), story.aws.state.service_id
    right = {"Key": "autopilot:zone", "Value": story.aws.state.zone}
    ec2.create_tags(Resources=[service_id], Tags=[{"Key": "autopilot:zone", "Value": "not a domain"}])
    try:
        story.sweep()
        wait_for("the notice", lambda: story.mail(f"TAGS of {service_id}"))
        endpoint_id = story.create_endpoint()
        assert story.connection_state(endpoint_id) == "pendingAcceptance"
    finally:
        ec2.create_tags(Resources=[service_id], Tags=[right])

    story.sweep()
    assert is_ready(story, endpoint_id)
    assert is_gone(story, endpoint_id)


def test_a_message_that_nobody_can_read_ends_among_the_dead_letters_with_its_reason_in_the_log(story: Story) -> None:
    sqs, stack = story.aws.client("sqs", PROVIDER), outputs(story.aws)
    sqs.send_message(QueueUrl=stack["RequestsQueueUrl"], MessageBody="a poem")

    dead_letters = sqs.get_queue_url(QueueName=stack["RequestsDeadLettersArn"].split(":")[-1])["QueueUrl"]
    letter = wait_for(
        "the dead letter", lambda: sqs.receive_message(QueueUrl=dead_letters, WaitTimeSeconds=1).get("Messages")
    )

    assert letter[0]["Body"] == "a poem"
    # The container's log arrives when its call has ended.
    wait_for("the reason", lambda: "a poem" in log_of(story))


def test_the_first_mail_says_what_is_managed(story: Story) -> None:
    story.sweep()
    mail = wait_for("INSTALLED", lambda: story.mail("INSTALLED"))

    assert story.aws.state.service_id in mail.get_content()
    assert "A CloudTrail trail logs" in mail.get_content()


def log_of(story: Story) -> str:
    return Path(story.aws.state.log).read_text()
