from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

import pytest

from autopilot.cli.letters import of_function, of_rule, of_stream
from autopilot.cli.redrive import Redrive, Source
from autopilot.domain.wake_up import SeenBy, WakeUp
from tests.events import CONSUMER, ENDPOINT, REGION, SERVICE
from tests.fakes.dead_letters import FakeDeadLetters

QUEUE = "arn:aws:sqs:eu-central-1:111111111111:privatelink-autopilot-requests"
LOGS = "/aws/lambda/privatelink-autopilot/decide-connection"
WAKE_UP = WakeUp(SERVICE, ENDPOINT, CONSUMER, REGION, SeenBy.EVENT).to_body()
STREAM_LETTER = {
    "requestContext": {
        "functionArn": "arn:aws:lambda:eu-central-1:111111111111:function:report-status",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 11,
    },
    "DDBStreamBatchInfo": {
        "shardId": "shardId-00000001",
        "startSequenceNumber": "800000000003",
        "endSequenceNumber": "800000000009",
        "batchSize": 3,
        "streamArn": "arn:aws:dynamodb:eu-central-1:111111111111:table/ledger/stream/2026-03-02T09:14:12.123",
    },
}
RULE = {
    "RULE_ARN": "arn:aws:events:eu-central-1:111111111111:rule/privatelink-autopilot/CreatedRule",
    "TARGET_ARN": QUEUE,
    "ERROR_CODE": "NO_PERMISSIONS",
    "ERROR_MESSAGE": "Lack of permissions to invoke it.",
    "RETRY_ATTEMPTS": "0",
}
SCHEDULE = {
    **{name: value for name, value in RULE.items() if name != "RULE_ARN"},
    "SCHEDULE_ARN": "arn:aws:scheduler:eu-central-1:111111111111:schedule/default/Schedule",
    "TARGET_ARN": "arn:aws:lambda:eu-central-1:111111111111:function:sweep",
    "RETRY_ATTEMPTS": "5",
}


def requests(letters: FakeDeadLetters) -> Source:
    return Source("Requests", letters, partial(of_function, log_group=LOGS), QUEUE)


def rules(letters: FakeDeadLetters) -> Source:
    return Source("Rules", letters, of_rule)


def streams(letters: FakeDeadLetters) -> Source:
    return Source("Streams", letters, of_stream)


def redrive(*sources: Source, is_dry: bool = False, discards: bool = False) -> tuple[list[str], Sequence[str]]:
    """What was told, and what is left or failed."""
    told: list[str] = []
    complaints = Redrive(told.append, is_dry, discards, pause=lambda _: None)(sources)
    return told, complaints


def test_letters_are_told_with_their_reasons_and_put_back() -> None:
    letters = FakeDeadLetters(glances=3)
    letters.add(WAKE_UP, ERROR_CODE="AccessDenied", ERROR_MESSAGE="Accept for it failed with AccessDenied: no")

    told, complaints = redrive(requests(letters))

    assert told == [
        "Requests: 1 letter",
        "  1 x AccessDenied",
        f"      {ENDPOINT} of {SERVICE} of account {CONSUMER}, sent 2026-03-02 09:14:12 UTC: "
        "Accept for it failed with AccessDenied: no",
        "Requests: 1 letter moved to privatelink-autopilot-requests",
    ]
    assert [(letter.body, queue) for letter, queue in letters.moved] == [(WAKE_UP, QUEUE)]
    assert complaints == []


def test_a_letter_without_a_reason_names_the_log_group() -> None:
    letters = FakeDeadLetters()
    letters.add(WAKE_UP)

    told, complaints = redrive(requests(letters))

    assert f"  1 x no reason: the function was killed or timed out, its log group {LOGS} may say more" in told
    assert complaints == []


def test_letters_of_a_kind_are_counted_and_the_commonest_comes_first() -> None:
    letters = FakeDeadLetters()
    letters.add(WAKE_UP, ERROR_CODE="Rare", ERROR_MESSAGE="no")
    for _ in range(13):
        letters.add(WAKE_UP, ERROR_CODE="Throttling", ERROR_MESSAGE="slow down")

    told, _ = redrive(requests(letters))

    assert told[:2] == ["Requests: 14 letters", "  13 x Throttling"]
    assert told[12:14] == ["      and 3 more", "  1 x Rare"]


def test_more_letters_than_are_shown_are_moved_all_the_same() -> None:
    letters = FakeDeadLetters()
    for _ in range(230):
        letters.add(WAKE_UP)

    told, complaints = redrive(requests(letters))

    assert told[0] == "Requests: 200 letters and perhaps more"
    assert (len(letters.moved), complaints) == (230, [])


def test_a_dry_run_shows_everything_and_leaves_it_where_it_is() -> None:
    letters, others = FakeDeadLetters(), FakeDeadLetters()
    letters.add(WAKE_UP)
    others.add(WAKE_UP, **RULE)

    told, complaints = redrive(requests(letters), rules(others), is_dry=True, discards=True)

    assert [line for line in told if not line.startswith(" ")] == ["Requests: 1 letter", "Rules: 1 letter"]
    assert complaints == []
    assert (len(letters.waiting), len(others.waiting), letters.tasks) == (1, 1, [])


def test_an_empty_queue_is_a_sentence_and_no_task() -> None:
    letters = FakeDeadLetters()

    assert redrive(requests(letters)) == (["Requests: no dead letters"], [])
    assert letters.tasks == []


def test_letters_that_somebody_else_reads_are_not_taken_for_none() -> None:
    letters = FakeDeadLetters()
    letters.add(WAKE_UP)
    letters.look(1)

    told, complaints = redrive(requests(letters))

    assert told == []
    assert complaints == ["Requests: somebody is reading 1 letter just now; look again in a minute"]


def test_a_task_that_runs_already_is_waited_for_and_none_is_started() -> None:
    letters = FakeDeadLetters(glances=4)
    letters.add(WAKE_UP)
    letters.start_move(QUEUE)
    letters.add(WAKE_UP)

    told, complaints = redrive(requests(letters))

    assert "Requests: a task that was started before is still moving letters; waiting for its end" in told
    assert "Requests: 1 letter moved to privatelink-autopilot-requests" in told
    assert len(letters.tasks) == 1
    assert complaints == ["Requests: more letters are there; the same command goes on with them"]


def test_the_end_of_an_earlier_task_is_not_taken_for_that_of_this_one() -> None:
    letters = FakeDeadLetters(lag=2)
    letters.add(WAKE_UP)
    redrive(requests(letters))
    letters.add(WAKE_UP)
    letters.add(WAKE_UP)

    told, complaints = redrive(requests(letters))

    assert told[-1] == "Requests: 2 letters moved to privatelink-autopilot-requests"
    assert complaints == []


@pytest.mark.parametrize(("end", "words"), [("FAILED", "FAILED AWS's own words"), ("CANCELLED", "CANCELLED AWS's")])
def test_a_task_that_failed_says_why_in_aws_s_words(end: str, words: str) -> None:
    letters = FakeDeadLetters(end=end)
    letters.add(WAKE_UP)

    _, [complaint] = redrive(requests(letters))

    assert complaint.startswith(f"Requests: the task ended as {words}")
    assert complaint.endswith(", 0 letters moved to privatelink-autopilot-requests")


def test_a_task_is_not_waited_for_for_ever() -> None:
    letters = FakeDeadLetters(glances=10_000)
    letters.add(WAKE_UP)

    _, complaints = redrive(requests(letters))

    assert complaints == [
        "Requests: the task has not ended after 10 minutes; the same command waits for it again",
    ]


def test_a_queue_that_cannot_be_read_does_not_stop_the_others() -> None:
    letters = FakeDeadLetters()
    letters.add(WAKE_UP)

    _, [complaint] = redrive(rules(FakeDeadLetters(breaks="AccessDenied")), requests(letters))

    assert complaint == "Rules: ReceiveMessage for dead letters failed with AccessDenied: no"
    assert len(letters.moved) == 1


def test_what_nobody_can_read_is_said_to_come_back_and_may_be_deleted_instead() -> None:
    def with_a_poem() -> FakeDeadLetters:
        letters = FakeDeadLetters()
        letters.add("a poem", ERROR_CODE="UnreadableEvent", ERROR_MESSAGE="the message cannot be parsed")
        letters.add(WAKE_UP, ERROR_CODE="AccessDenied", ERROR_MESSAGE="no")
        return letters

    kept, deleted = with_a_poem(), with_a_poem()
    told, _ = redrive(requests(kept))
    assert "  1 x nobody can read it" in told
    assert "  What nobody can read comes back; --discard deletes it instead." in told
    assert len(kept.moved) == 2

    told, complaints = redrive(requests(deleted), discards=True)
    assert told[-2:] == [
        "Requests: deleted 1 letter",
        "Requests: 1 letter moved to privatelink-autopilot-requests",
    ]
    assert [letter.body for letter, _ in deleted.moved] == [WAKE_UP]
    assert complaints == []


def test_no_task_is_started_when_everything_was_deleted() -> None:
    letters = FakeDeadLetters()
    letters.add("a poem")

    _, complaints = redrive(requests(letters), discards=True)

    assert (letters.tasks, letters.waiting, complaints) == ([], [], [])


def test_letters_whose_work_the_sweep_does_are_told_and_left() -> None:
    letters = FakeDeadLetters()
    letters.add(WAKE_UP, **RULE)

    told, complaints = redrive(rules(letters))

    assert told[1:] == [
        "  1 x CreatedRule could not reach privatelink-autopilot-requests: NO_PERMISSIONS",
        f"      {ENDPOINT} of {SERVICE} of account {CONSUMER}, sent 2026-03-02 09:14:12 UTC, 0 retries: "
        "Lack of permissions to invoke it.",
    ]
    assert complaints == ["Rules: 1 letter left, whose work the sweep does; --discard deletes them"]
    assert (len(letters.waiting), letters.tasks) == (1, [])


def test_letters_whose_work_the_sweep_does_are_deleted_when_asked() -> None:
    letters = FakeDeadLetters()
    letters.add(WAKE_UP, **RULE)

    told, complaints = redrive(rules(letters), discards=True)

    assert told[-1] == "Rules: deleted 1 letter"
    assert (letters.waiting, complaints) == ([], [])


def test_a_notification_comes_without_a_reason() -> None:
    letters = FakeDeadLetters()
    letters.add(json.dumps({"Type": "Notification", "Message": f"{ENDPOINT} asks {SERVICE}"}))

    told, _ = redrive(rules(letters))

    assert told[1:] == [
        "  1 x no reason: the notification topic, or whoever sent it, could not reach its queue",
        f"      {ENDPOINT} of {SERVICE}, sent 2026-03-02 09:14:12 UTC",
    ]


def test_a_streams_letter_says_what_was_given_up_where_and_why() -> None:
    letters = FakeDeadLetters()
    letters.add(json.dumps(STREAM_LETTER))

    told, _ = redrive(streams(letters))

    assert told[1:] == [
        "  1 x report-status gave up changes of ledger: RetryAttemptsExhausted",
        "      3 changes, sent 2026-03-02 09:14:12 UTC, 11 tries; shardId-00000001 from 800000000003 to 800000000009",
    ]


def test_a_schedules_letter_says_what_could_not_be_started_and_why() -> None:
    letters = FakeDeadLetters()
    letters.add("{}", **SCHEDULE)

    told, _ = redrive(streams(letters))

    assert told[1:] == [
        "  1 x Schedule could not reach sweep: NO_PERMISSIONS",
        "      a sweep, sent 2026-03-02 09:14:12 UTC, 5 retries: Lack of permissions to invoke it.",
    ]


STRANGE = (
    *("", "[]", "null", "{", "a poem " * 100, '{"requestContext": 1}', "[" * 100_000),
    *(json.dumps({**STREAM_LETTER, part: {}}) for part in ("DDBStreamBatchInfo", "requestContext")),
)


@pytest.mark.parametrize("body", STRANGE)
def test_no_letter_is_too_strange_to_be_shown(body: str) -> None:
    for source in (requests, rules, streams):
        letters = FakeDeadLetters()
        letters.add(body)

        told, _ = redrive(source(letters), is_dry=True)

        assert "1 letter" in told[0]
        assert all(len(line) < 450 for line in told)
