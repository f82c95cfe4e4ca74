"""A batch of SQS messages: read, worked off together, and answered one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from autopilot.aws.queues import SqsQueue
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.wake_up import WakeUp
from autopilot.wake_ups import UnreadableEvent, read_wake_ups

logger = Logger(child=True)

# A call that failed once mostly succeeds at once; throttling and outages last for minutes.
_PAUSES_SECONDS = (2, 10, 60, 300)

type Work = Callable[[Sequence[WakeUp]], Mapping[WakeUp, AwsCallFailed]]


def work_off(event: Mapping[str, Any], queue: SqsQueue, work: Work) -> PartialItemFailureResponse:
    """Hand the wake-ups of all messages to `work`, and answer with the messages that must come again.

    work returns the wake-ups that failed and why. A message that nobody can read fails with its reason in
    the log until its queue puts it among the dead letters; it never stops the others.
    """
    readings = {record["messageId"]: _read(record["body"]) for record in event["Records"]}
    failures = work([wake_up for reading in readings.values() if isinstance(reading, tuple) for wake_up in reading])

    def settle(record: SQSRecord) -> None:
        reading = readings[record.message_id]
        wake_ups = reading if isinstance(reading, tuple) else ()
        failure = next((failures[wake_up] for wake_up in wake_ups if wake_up in failures), None)
        reason = reading if isinstance(reading, UnreadableEvent) else failure
        if reason:
            logger.error(f"message {record.message_id} comes again: {reason}")
            raise reason

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(dict(event), settle, processor)
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    pauses = [
        (record["receiptHandle"], _pause_seconds(record, readings[record["messageId"]]))
        for record in event["Records"]
        if record["messageId"] in failed
    ]
    try:
        queue.show_again_soon(pauses)
    except AwsCallFailed as failure:
        logger.warning(f"failed messages come again only after the queue's visibility timeout: {failure}")
    return answer


def _read(body: str) -> tuple[WakeUp, ...] | UnreadableEvent:
    try:
        return read_wake_ups(body)
    except UnreadableEvent as unreadable:
        return unreadable


def _pause_seconds(record: Mapping[str, Any], reading: tuple[WakeUp, ...] | UnreadableEvent) -> int:
    """Growing with each try; none for what nobody can read, as waiting will not mend it."""
    if isinstance(reading, UnreadableEvent):
        return 0
    tries = int(record["attributes"]["ApproximateReceiveCount"])
    return _PAUSES_SECONDS[min(tries, len(_PAUSES_SECONDS)) - 1]
