"""Dead letters and timelines, by the operator's commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autopilot.domain.wake_up import SeenBy, WakeUp
from tests.local_aws.control import CONSUMER, PROVIDER
from tests.local_aws.deployment import outputs, up
from tests.story.story import Story, wait_for

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with up(tmp_path_factory.mktemp("local-aws")) as aws:
        yield Story(aws)


def make(story: Story, target: str, *variables: str) -> str:
    return run(story, "make", "--silent", "-C", str(PROJECT), target, *variables)


def explain(story: Story, endpoint_id: str) -> str:
    python = str(PROJECT / ".venv/development/bin/python")
    return run(story, python, "-m", "autopilot", "explain", endpoint_id)


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
    assert f"RequestsDeadLetters: 1 dead letter\n  {endpoint_id}: no reason given; the function was killed" in shown
    assert "DnsDeadLetters: 1 dead letter\n  a poem: UnreadableEvent: the message cannot be parsed" in shown
    assert "exit 0" in shown
    assert (letters(story, "RequestsDeadLettersArn"), letters(story, "DnsDeadLettersArn")) == (1, 1)

    assert make(story, "redrive").count("  1 put back\n") == 2
    wait_for("READY", lambda: story.mail_about("READY", endpoint_id))
    wait_for("the poem to be given up again", lambda: letters(story, "DnsDeadLettersArn"))
    assert letters(story, "RequestsDeadLettersArn") == 0

    told = explain(story, endpoint_id)
    assert told.startswith("READY: The VPC resolves")
    assert "Seen first:  by event" in told
    assert "Told:        ready\n" in told
    timeline = [line.split()[4] for line in told.splitlines() if line.startswith("Timeline:")]
    assert timeline == ["requested", "accepted", "waiting", "present"]


def test_an_endpoint_that_autopilot_has_not_seen_is_said_to_be_unknown(story: Story) -> None:
    told = explain(story, "vpce-0123456789abcdef0")

    assert told.startswith("vpce-0123456789abcdef0: Autopilot has not seen it. The next sweep does if")
    assert told.endswith("exit 1")
