"""A dead-letter queue, for the operator who reads it, empties it or puts its letters back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.failures import AwsCallFailed

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, MessageTypeDef

_BATCH = 10
_HIDDEN_SECONDS = 60
# Any wait at all makes SQS ask every one of its servers, so that no answer means no letter.
_WAIT_SECONDS = 1


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """attributes: what its sender says of it, such as ERROR_CODE. handle: by which it can be deleted for a minute."""

    body: str
    attributes: Mapping[str, str]
    sent_at: datetime
    handle: str


@dataclass(frozen=True, slots=True)
class MoveTask:
    """One run of StartMessageMoveTask. status: as SQS spells it. moved: about how many letters so far."""

    status: str
    started_at: datetime
    moved: int = 0
    failure: str = ""

    @property
    def is_under_way(self) -> bool:
        return self.status in ("RUNNING", "CANCELLING")


class SqsDeadLetters:
    """Implements `DeadLetters`. Every method raises AwsCallFailed, the first one of them finds the queue's URL."""

    def __init__(self, sqs: SQSClient, arn: str) -> None:
        self._sqs = sqs
        self._arn = arn
        self._name = arn.rpartition(":")[2]
        with calling("GetQueueUrl", self._name):
            self._url = sqs.get_queue_url(QueueName=self._name)["QueueUrl"]

    def look(self, most: int) -> Sequence[DeadLetter]:
        found: list[DeadLetter] = []
        while len(found) < most:
            with calling("ReceiveMessage", self._name):
                answer = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(_BATCH, most - len(found)),
                    VisibilityTimeout=_HIDDEN_SECONDS,
                    WaitTimeSeconds=_WAIT_SECONDS,
                    AttributeNames=["SentTimestamp"],
                    MessageAttributeNames=["All"],
                )
            if not answer.get("Messages"):
                break
            found += map(_read, answer["Messages"])
        return found

    def hidden(self) -> int:
        with calling("GetQueueAttributes", self._name):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
            )
        return int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"])

    def show_again(self, letters: Sequence[DeadLetter]) -> None:
        for some in batched(letters, _BATCH, strict=False):
            with calling("ChangeMessageVisibilityBatch", self._name):
                answer = self._sqs.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": letter.handle, "VisibilityTimeout": 0}
                        for number, letter in enumerate(some)
                    ],
                )
            self._need(answer.get("Failed", []), "ChangeMessageVisibilityBatch")

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        for some in batched(letters, _BATCH, strict=False):
            with calling("DeleteMessageBatch", self._name):
                answer = self._sqs.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[{"Id": str(number), "ReceiptHandle": letter.handle} for number, letter in enumerate(some)],
                )
            self._need(answer.get("Failed", []), "DeleteMessageBatch")

    def start_move(self, destination_arn: str) -> None:
        """The destination is named, as SQS knows it only of letters that it moved here itself; a task over one that
        the function sent would fail with CouldNotDetermineMessageSource
        (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html)."""
        with calling("StartMessageMoveTask", self._name):
            self._sqs.start_message_move_task(SourceArn=self._arn, DestinationArn=destination_arn)

    def last_move(self) -> MoveTask | None:
        with calling("ListMessageMoveTasks", self._name):
            found = self._sqs.list_message_move_tasks(SourceArn=self._arn, MaxResults=1).get("Results", [])
        if not found:
            return None
        [task] = found
        return MoveTask(
            task.get("Status", ""),
            _moment(task.get("StartedTimestamp", 0)),
            task.get("ApproximateNumberOfMessagesMoved", 0),
            task.get("FailureReason", ""),
        )

    def _need(self, failed: Sequence[BatchResultErrorEntryTypeDef], operation: str) -> None:
        for one in failed:
            raise AwsCallFailed(operation, self._name, one["Code"], one.get("Message", ""))


def _read(message: MessageTypeDef) -> DeadLetter:
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    sent_at = _moment(int(message.get("Attributes", {}).get("SentTimestamp", 0)))
    return DeadLetter(message["Body"], attributes, sent_at, message["ReceiptHandle"])


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
