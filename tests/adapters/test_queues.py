from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.stub import Stubber

from autopilot.aws.queues import SqsQueue
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.ports import Queue
from autopilot.wake_ups import read_wake_ups
from tests.adapters import real
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, Landscape
from tests.fakes.messages import FakeQueue
from tests.local_aws.moto_door import session

WAKE_UP = WakeUp("vpce-svc-0fa57c0de5e41ce01", "vpce-0e1f2a3b4c5d6e701", CONSUMER, REGION, SeenBy.EVENT)


@dataclass(frozen=True)
class Subject:
    """A queue, and what was sent to it: wake-ups with their delays in seconds."""

    queue: Queue
    sent: Callable[[], list[tuple[WakeUp, int]]]


@pytest.fixture
def subject(is_real: bool, landscape: Landscape) -> Subject:
    if not is_real:
        fake = FakeQueue()
        return Subject(fake, lambda: fake.sent)
    sqs, url = sqs_queue()
    requests = real.requests_of(sqs, "SendMessageBatch")

    def sent() -> list[tuple[WakeUp, int]]:
        entries = [entry for request in requests for entry in request["Entries"]]
        return [
            (wake_up, entry["DelaySeconds"]) for entry in entries for wake_up in read_wake_ups(entry["MessageBody"])
        ]

    return Subject(SqsQueue(sqs, url), sent)


def sqs_queue() -> tuple[Any, str]:
    sqs = session(PROVIDER).client("sqs")
    return sqs, sqs.create_queue(QueueName="Requests")["QueueUrl"]


def test_wake_ups_are_sent_in_order_with_their_delays_however_many(subject: Subject) -> None:
    wake_ups = [(replace(WAKE_UP, waited=number), number % 31) for number in range(25)]

    subject.queue.send(wake_up for wake_up in wake_ups)

    assert subject.sent() == wake_ups


def test_nothing_is_sent_for_nobody(subject: Subject) -> None:
    subject.queue.send([])

    assert subject.sent() == []


def test_an_unknown_hint_stays_unknown(subject: Subject) -> None:
    something = WakeUp(None, None, None, None, SeenBy.NOTIFICATION)
    subject.queue.send([(something, 900)])

    assert subject.sent() == [(something, 900)]


only_real = pytest.mark.parametrize("is_real", [True], indirect=True)


@only_real
def test_a_batch_holds_at_most_ten_messages(landscape: Landscape) -> None:
    sqs, url = sqs_queue()
    requests = real.requests_of(sqs, "SendMessageBatch")
    SqsQueue(sqs, url).send((WAKE_UP, 0) for _ in range(25))

    assert [len(request["Entries"]) for request in requests] == [10, 10, 5]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "25"


def test_a_message_that_sqs_did_not_take_is_a_failure() -> None:
    sqs = session(PROVIDER).client("sqs")
    failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "try again"}]
    with Stubber(sqs) as aws:
        aws.add_response("send_message_batch", {"Successful": [], "Failed": failed})

        with pytest.raises(AwsCallFailed, match="InternalError: try again"):
            SqsQueue(sqs, "https://sqs/queue").send([(WAKE_UP, 0), (WAKE_UP, 0)])


@only_real
def test_failed_messages_come_back_after_their_pauses(landscape: Landscape) -> None:
    sqs, url = sqs_queue()
    queue = SqsQueue(sqs, url)
    queue.send((WAKE_UP, 0) for _ in range(12))
    received = [
        message["ReceiptHandle"]
        for _ in range(2)
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    ]
    requests = real.requests_of(sqs, "ChangeMessageVisibilityBatch")

    failed = [(handle, 5 * number) for number, handle in enumerate(received)]
    queue.show_again_soon(failed)

    entries = [entry for request in requests for entry in request["Entries"]]
    assert [(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in entries] == failed
    assert [len(request["Entries"]) for request in requests] == [10, 2]


@only_real
def test_the_backlog_counts_what_waits_is_delayed_and_is_being_worked_on(landscape: Landscape) -> None:
    sqs, url = sqs_queue()
    queue = SqsQueue(sqs, url)
    assert queue.backlog() == 0

    queue.send([*((WAKE_UP, 0) for _ in range(4)), (WAKE_UP, 900), (WAKE_UP, 900)])
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)

    assert queue.backlog() == 6


@only_real
def test_what_is_given_up_is_a_dead_letter_that_says_why(landscape: Landscape) -> None:
    sqs, url = sqs_queue()
    dead_letters = sqs.create_queue(QueueName="RequestsDeadLetters")["QueueUrl"]

    SqsQueue(sqs, url, dead_letters).give_up(WAKE_UP.to_body(), "AccessDenied", f"no\x1b[2J\n{'x' * 2000}")

    [letter] = sqs.receive_message(QueueUrl=dead_letters, MessageAttributeNames=["All"])["Messages"]
    told = {name: attribute["StringValue"] for name, attribute in letter["MessageAttributes"].items()}
    assert read_wake_ups(letter["Body"]) == (WAKE_UP,)
    assert told == {"ERROR_CODE": "AccessDenied", "ERROR_MESSAGE": f"no?[2J?{'x' * 993}"}
