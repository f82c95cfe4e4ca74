"""Queues of dead letters: what is in them and why, and the way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

_BATCH = 10
_MOST_ROUNDS = 10
_LOOK_SECONDS = 30
_MOST_LOOKS = 120
_ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """attributes: what whoever put it there says of it, such as ERROR_CODE and ERROR_MESSAGE."""

    message_id: str
    body: str
    attributes: Mapping[str, str]
    handle: str


@dataclass(frozen=True, slots=True)
class Move:
    """What became of the way back. status: COMPLETED, FAILED or CANCELLED, or RUNNING where it takes longer."""

    status: str
    moved: int
    reason: str = ""


class DeadLetterQueue:
    """Every method raises AwsCallFailed. sleep: waits so many seconds between two looks at a task."""

    def __init__(self, sqs: SQSClient, arn: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sqs, self._arn, self._sleep = sqs, arn, sleep

    def letters(self) -> Sequence[DeadLetter]:
        """At most a hundred; a look takes nothing out, and what it hides it shows again at its end."""
        with calling("GetQueueUrl", self._arn):
            self._url = self._sqs.get_queue_url(QueueName=self._arn.rpartition(":")[2])["QueueUrl"]
        found: dict[str, DeadLetter] = {}
        for _ in range(_MOST_ROUNDS):
            with calling("ReceiveMessage", self._arn):
                answer = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=_LOOK_SECONDS,
                    MessageAttributeNames=["All"],
                )
            letters = answer.get("Messages", [])
            for letter in letters:
                told = {
                    name: value.get("StringValue", "") for name, value in letter.get("MessageAttributes", {}).items()
                }
                found[letter["MessageId"]] = DeadLetter(
                    letter["MessageId"], letter["Body"], told, letter["ReceiptHandle"]
                )
            if not letters:
                break
        self._show_again(tuple(found.values()))
        return tuple(found.values())

    def _show_again(self, letters: Sequence[DeadLetter]) -> None:
        for some in batched(letters, _BATCH, strict=False):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {"Id": str(number), "ReceiptHandle": letter.handle, "VisibilityTimeout": 0}
                for number, letter in enumerate(some)
            ]
            with calling("ChangeMessageVisibilityBatch", self._arn):
                self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def put_back(self, queue_arn: str) -> Move:
        """Move all letters to the queue, and wait until that is done.

        Without a destination SQS would not know the way of those that the function put here itself
        (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html).
        """
        with calling("StartMessageMoveTask", self._arn):
            self._sqs.start_message_move_task(SourceArn=self._arn, DestinationArn=queue_arn)
        for _ in range(_MOST_LOOKS):
            with calling("ListMessageMoveTasks", self._arn):
                task = self._sqs.list_message_move_tasks(SourceArn=self._arn, MaxResults=1)["Results"][0]
            if task["Status"] in _ENDED:
                break
            self._sleep(1)
        moved = task.get("ApproximateNumberOfMessagesMoved", 0)
        return Move(task["Status"], moved, task.get("FailureReason", ""))

    def discard(self, letters: Sequence[DeadLetter]) -> None:
        """Delete these letters for good."""
        for letter in letters:
            with calling("DeleteMessage", self._arn):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.handle)
