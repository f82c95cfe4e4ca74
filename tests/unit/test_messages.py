from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import pytest

from autopilot.aws.queues import SqsQueue
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.messages import work_off
from tests.events import event

FIRST, SECOND, THIRD = (
    WakeUp("vpce-svc-0fa57c0de5e41ce01", f"vpce-0e1f2a3b4c5d6e70{number}", None, None, SeenBy.EVENT)
    for number in range(3)
)
FAILURE = AwsCallFailed("AcceptVpcEndpointConnections", "vpce-svc", "RequestLimitExceeded", "slow down")
UNREADABLE = "<?xml?>"
TWO_ENDPOINTS = {"Type": "Notification", "Message": f"{FIRST.endpoint_id} and {SECOND.endpoint_id}"}


class Visibility:
    """The part of the queue that failed messages meet. They come back as (receipt handle, pause in seconds)."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.shown: list[tuple[str, int]] = []
        self.given_up: list[tuple[str, str, str]] = []
        self._refuses = refuses

    def give_up(self, body: str, code: str, reason: str) -> None:
        if self._refuses:
            raise FAILURE
        self.given_up.append((body, code, reason))

    def show_again_soon(self, failed: Sequence[tuple[str, int]]) -> None:
        if self._refuses and failed:
            raise FAILURE
        self.shown += failed

    def as_queue(self) -> SqsQueue:
        return cast(SqsQueue, self)


def batch(bodies: Iterable[str], receives: int = 1) -> dict[str, Any]:
    """An SQS event as Lambda gets it; the n-th message is message-n."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"handle-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:111111111111:Requests",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def work(*failing: WakeUp, seen: list[WakeUp] | None = None) -> Any:
    def done(wake_ups: Sequence[WakeUp]) -> Mapping[WakeUp, AwsCallFailed]:
        (seen if seen is not None else []).extend(wake_ups)
        return dict.fromkeys(failing, FAILURE)

    return done


def test_all_messages_are_worked_off_together() -> None:
    seen: list[WakeUp] = []
    queue = Visibility()
    answer = work_off(batch(w.to_body() for w in (FIRST, SECOND)), queue.as_queue(), work(seen=seen))

    assert seen == [FIRST, SECOND]
    assert failed(answer) == []
    assert queue.shown == []


def test_only_the_messages_whose_wake_ups_failed_come_again_and_soon() -> None:
    queue = Visibility()
    bodies = [wake_up.to_body() for wake_up in (FIRST, SECOND, THIRD)]

    answer = work_off(batch(bodies, receives=3), queue.as_queue(), work(SECOND))

    assert failed(answer) == ["message-1"]
    assert queue.shown == [("handle-1", 60)]


@pytest.mark.parametrize(("receives", "pause_seconds"), [(1, 2), (2, 10), (3, 60), (4, 300)])
def test_pauses_grow_to_five_minutes(receives: int, pause_seconds: int) -> None:
    queue = Visibility()
    work_off(batch([FIRST.to_body()], receives), queue.as_queue(), work(FIRST))

    assert queue.shown == [("handle-0", pause_seconds)]


def test_every_message_of_a_failed_wake_up_comes_again() -> None:
    answer = work_off(batch([FIRST.to_body(), FIRST.to_body()]), Visibility().as_queue(), work(FIRST))

    assert failed(answer) == ["message-0", "message-1"]


def test_a_message_comes_again_when_one_of_its_endpoints_failed() -> None:
    second = WakeUp(None, SECOND.endpoint_id, None, None, SeenBy.NOTIFICATION)
    bodies = [json.dumps(TWO_ENDPOINTS), THIRD.to_body()]

    assert failed(work_off(batch(bodies), Visibility().as_queue(), work(second))) == ["message-0"]


def test_an_unreadable_message_stops_no_other_and_is_a_dead_letter_at_once_with_its_reason() -> None:
    seen: list[WakeUp] = []
    queue = Visibility()
    answer = work_off(batch([UNREADABLE, FIRST.to_body()]), queue.as_queue(), work(seen=seen))

    assert seen == [FIRST]
    assert failed(answer) == []
    [(body, code, reason)] = queue.given_up
    assert (body, code) == (UNREADABLE, "UnreadableEvent")
    assert "cannot be parsed" in reason


def test_the_last_try_makes_a_dead_letter_with_the_reason_and_the_next_to_last_does_not() -> None:
    queue = Visibility()
    assert failed(work_off(batch([FIRST.to_body()], receives=4), queue.as_queue(), work(FIRST))) == ["message-0"]
    assert queue.given_up == []

    assert failed(work_off(batch([FIRST.to_body()], receives=5), queue.as_queue(), work(FIRST))) == []
    assert queue.given_up == [(FIRST.to_body(), "RequestLimitExceeded", str(FAILURE))]


@pytest.mark.parametrize("body", [UNREADABLE, FIRST.to_body()])
def test_where_the_dead_letters_refuse_sqs_itself_moves_the_message(body: str) -> None:
    answer = work_off(batch([body], receives=5), Visibility(refuses=True).as_queue(), work(FIRST))

    assert failed(answer) == ["message-0"]


def test_a_batch_that_fails_altogether_is_answered_and_not_raised() -> None:
    answer = work_off(batch([FIRST.to_body(), SECOND.to_body()]), Visibility().as_queue(), work(FIRST, SECOND))

    assert failed(answer) == ["message-0", "message-1"]


def test_an_event_that_wakes_nobody_is_done() -> None:
    seen: list[WakeUp] = []
    refused = json.dumps(event("create-refused-unauthorized"))

    assert failed(work_off(batch([refused]), Visibility().as_queue(), work(seen=seen))) == []
    assert seen == []


def test_a_visibility_that_cannot_be_changed_loses_no_failure() -> None:
    answer = work_off(batch([FIRST.to_body()]), Visibility(refuses=True).as_queue(), work(FIRST))

    assert failed(answer) == ["message-0"]


@pytest.mark.parametrize("error", [RuntimeError("a bug of ours"), MemoryError()])
def test_what_nobody_foresaw_fails_alone(error: Exception) -> None:
    done: list[WakeUp] = []

    def broken(wake_ups: Sequence[WakeUp]) -> Mapping[WakeUp, Exception]:
        if SECOND in wake_ups:
            raise error
        done.extend(wake_ups)
        return {}

    queue = Visibility()
    bodies = [wake_up.to_body() for wake_up in (FIRST, SECOND, THIRD)]

    assert failed(work_off(batch(bodies), queue.as_queue(), broken)) == ["message-1"]
    assert done == [FIRST, THIRD]

    assert failed(work_off(batch(bodies, receives=5), queue.as_queue(), broken)) == []
    assert [(body, code) for body, code, _ in queue.given_up] == [(SECOND.to_body(), type(error).__name__)]
