"""Dead letters and timelines, by the operator's commands."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autopilot.domain.wake_up import SeenBy, WakeUp
from tests.local_aws.control import CONSUMER, PROVIDER, STRANGER
from tests.local_aws.deployment import STACK, outputs, up
from tests.story.story import Story, wait_for

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """No sweep comes by itself, which would do the work of dead letters too: that of the deployment has looked."""
    with up(tmp_path_factory.mktemp("local-aws"), SweepMinutes="60") as aws:
        # Of all that it asks, who hears of it comes after the connections.
        wait_for(
            "the sweep of the deployment",
            lambda: any(one.action == "sns:ListSubscriptionsByTopic" for one in aws.decisions(decision="allow")),
        )
        yield Story(aws)


def make(story: Story, target: str, *variables: str) -> str:
    return run(story, "make", "--silent", "-C", str(PROJECT), target, *variables)


def autopilot(story: Story, *arguments: str) -> str:
    python = str(PROJECT / ".venv/development/bin/python")
    return run(story, python, "-m", "autopilot", *arguments)


def run(story: Story, *command: str) -> str:
    """As a person in the provider's account."""
    environment = {**os.environ, **story.aws.env(PROVIDER), "PYTHONPATH": str(PROJECT / "layers/autopilot")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return f"{done.stdout}{done.stderr}exit {done.returncode}"


def letters(story: Story, queue: str) -> int:
    sqs, name = story.aws.client("sqs", PROVIDER), outputs(story.aws)[queue].split(":")[-1]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])


def bury(story: Story, queue: str, body: str) -> None:
    """As SQS does when a function was killed five times: without a reason."""
    sqs, name = story.aws.client("sqs", PROVIDER), outputs(story.aws)[queue].split(":")[-1]
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=body)


def test_dead_letters_are_shown_with_their_reasons_and_put_back(story: Story) -> None:
    story.aws.switch(events="off", notifications="off")
    endpoint_id = story.create_endpoint()
    wake_up = WakeUp(story.aws.state.service_id, endpoint_id, CONSUMER, story.aws.state.region, SeenBy.EVENT)
    bury(story, "RequestsDeadLettersArn", wake_up.to_body())
    sqs, stack = story.aws.client("sqs", PROVIDER), outputs(story.aws)
    sqs.send_message(QueueUrl=stack["DnsQueueUrl"], MessageBody="a poem")
    wait_for("the dead letter", lambda: letters(story, "DnsDeadLettersArn"))

    shown = make(story, "redrive", "DRY=1")
    assert (
        "Requests: 1 letter\n  1 x no reason: the function was killed or timed out, its log group /aws/lambda/" in shown
    )
    assert f"      {endpoint_id} of {story.aws.state.service_id} of account {CONSUMER}, sent " in shown
    assert "DNS: 1 letter\n  1 x nobody can read it\n      the message cannot be parsed" in shown
    assert "exit 0" in shown
    assert (letters(story, "RequestsDeadLettersArn"), letters(story, "DnsDeadLettersArn")) == (1, 1)

    moved = make(story, "redrive")
    assert f"Requests: 1 letter moved to {STACK}-requests\n" in moved
    assert f"DNS: 1 letter moved to {STACK}-dns\n" in moved
    wait_for("READY", lambda: story.mail_about("READY", endpoint_id))
    wait_for("the poem to be given up again", lambda: letters(story, "DnsDeadLettersArn"))
    assert letters(story, "RequestsDeadLettersArn") == 0

    discarded = make(story, "redrive", "DISCARD=1")
    assert "DNS: deleted 1 letter\n" in discarded
    assert "exit 0" in discarded
    assert letters(story, "DnsDeadLettersArn") == 0

    told = autopilot(story, "explain", endpoint_id)
    assert told.startswith("READY: The VPC resolves")
    assert "Seen first:  by event" in told
    assert "Told:        ready\n" in told
    timeline = [line.split()[6].rstrip(":") for line in told.splitlines() if line.startswith("Timeline:")]
    assert timeline == ["requested", "accepted", "waiting", "present"]

    assert f"{endpoint_id}  {CONSUMER}" in autopilot(story, "status", "--status", "ready")


def test_what_rules_could_not_deliver_is_explained_and_left_until_it_may_be_deleted(story: Story) -> None:
    story.aws.switch(events="on", notifications="on")
    sqs, queue = story.aws.client("sqs", PROVIDER), outputs(story.aws)["RequestsQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    endpoint_id = story.create_endpoint()
    wait_for("the dead letter", lambda: letters(story, "RuleDeadLettersArn"))
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})

    told = autopilot(story, "redrive")
    assert "could not reach privatelink-autopilot-requests: NO_PERMISSIONS\n" in told
    assert "left, whose work the sweep does; --discard deletes them" in told
    assert told.endswith("exit 1")
    story.sweep()
    wait_for("accepted", lambda: story.connection_state(endpoint_id) == "available")

    assert autopilot(story, "redrive", "--discard").endswith("exit 0")
    assert letters(story, "RuleDeadLettersArn") == 0


def test_an_endpoint_that_autopilot_has_not_seen_is_said_to_be_unknown(story: Story) -> None:
    told = autopilot(story, "explain", "vpce-0123456789abcdef0")

    assert told.startswith(
        "vpce-0123456789abcdef0: Autopilot has seen no connection of it to a service that it manages"
    )
    assert told.endswith("exit 1")


def test_a_row_that_nobody_can_read_is_one_letter_and_keeps_no_report_back(story: Story) -> None:
    table, good = outputs(story.aws)["LedgerTableName"], story.create_endpoint(STRANGER)
    garbled = {"service_id": story.aws.state.service_id, "endpoint_id": "vpce-0badbadbadbadbad0", "acceptance": "?"}
    item = {name: {"S": value} for name, value in garbled.items()}
    story.aws.client("dynamodb", PROVIDER).put_item(TableName=table, Item=item)

    wait_for("HELD", lambda: story.mail_about("HELD", good))
    wait_for("the dead letter", lambda: letters(story, "StreamDeadLettersArn"))
    told = autopilot(story, "redrive", "--dry-run")
    [shown] = told.split("Streams and schedule: ")[1:]
    assert re.match(rf"1 letter\n  1 x \S*ReportStatus\S* gave up changes of {table}: RetryAttemptsExhausted\n", shown)
    assert "\n      1 changes, sent " in shown
    assert story.mail_about("HELD", "vpce-0badbadbadbadbad0") is None

    story.aws.client("dynamodb", PROVIDER).delete_item(
        TableName=table, Key={name: item[name] for name in ("service_id", "endpoint_id")}
    )
    assert autopilot(story, "redrive", "--discard").endswith("exit 0")
    assert letters(story, "StreamDeadLettersArn") == 0
