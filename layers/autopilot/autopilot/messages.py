"""A batch of SQS messages: read, worked off together, and answered one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from autopilot.aws.queues import SqsQueue
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.wake_up import WakeUp
from autopilot.wake_ups import UnreadableEvent, read_wake_ups

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

logger = Logger(child=True)

# A call that failed once mostly succeeds at once; throttling and outages last for minutes.
_PAUSES_SECONDS = (2, 10, 60, 300)
# The queues' maxReceiveCount: after that SQS would move the message itself, and could not say why.
MOST_TRIES = 5

type Work = Callable[[Sequence[WakeUp]], Mapping[WakeUp, Exception]]


def work_off(event: Mapping[str, Any], queue: SqsQueue, work: Work) -> PartialItemFailureResponse:
    """Hand the wake-ups of all messages to `work`, and answer with the messages that must come again.

    work returns the wake-ups that failed and why. One that breaks it fails alone. A message that nobody can read, or
    that failed for the last time, goes among the queue's dead letters with its reason; it never stops the others.
    """
    readings = {record["messageId"]: _read(record["body"]) for record in event["Records"]}
    wake_ups = [wake_up for reading in readings.values() if isinstance(reading, tuple) for wake_up in reading]
    failures = _each_alone_where_one_breaks(work, wake_ups)

    def is_settled(record: Mapping[str, Any]) -> bool:
        reading = readings[record["messageId"]]
        reason = _reason(reading, failures)
        is_last = isinstance(reading, UnreadableEvent) or _tries(record) >= MOST_TRIES
        if reason is None or (is_last and _is_given_up(record, queue, reason)):
            return True
        logger.error(f"message {record['messageId']} comes again: {reason}")
        return False

    failed = [record for record in event["Records"] if not is_settled(record)]
    pauses = [
        (record["receiptHandle"], _PAUSES_SECONDS[min(_tries(record), len(_PAUSES_SECONDS)) - 1]) for record in failed
    ]
    try:
        queue.show_again_soon(pauses)
    except AwsCallFailed as failure:
        logger.warning(f"failed messages come again only after the queue's visibility timeout: {failure}")
    # Powertools' batch processor answers alike; to import it took a quarter of what a cold start may take.
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


def _each_alone_where_one_breaks(work: Work, wake_ups: Sequence[WakeUp]) -> Mapping[WakeUp, Exception]:
    """An error that nobody foresaw says nothing of the others in its batch; what was done already is done again."""
    try:
        return work(wake_ups) if wake_ups else {}
    except Exception as error:
        if len(wake_ups) == 1:
            logger.exception("an error that nobody foresaw")
            return dict.fromkeys(wake_ups, error)
    failures: dict[WakeUp, Exception] = {}
    for wake_up in wake_ups:
        failures |= _each_alone_where_one_breaks(work, [wake_up])
    return failures


def _reason(reading: tuple[WakeUp, ...] | UnreadableEvent, failures: Mapping[WakeUp, Exception]) -> Exception | None:
    if isinstance(reading, UnreadableEvent):
        return reading
    return next((failures[wake_up] for wake_up in reading if wake_up in failures), None)


def _is_given_up(record: Mapping[str, Any], queue: SqsQueue, reason: Exception) -> bool:
    """False where even that failed: SQS does it then, without a reason."""
    code = reason.code if isinstance(reason, AwsCallFailed) else type(reason).__name__
    try:
        queue.give_up(record["body"], code, str(reason))
    except AwsCallFailed as failure:
        logger.warning(f"the reason is only here: {failure}")
        return False
    logger.error(f"message {record['messageId']} is given up and now among the dead letters: {reason}")
    return True


def _tries(record: Mapping[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])


def _read(body: str) -> tuple[WakeUp, ...] | UnreadableEvent:
    try:
        return read_wake_ups(body)
    except UnreadableEvent as unreadable:
        return unreadable
