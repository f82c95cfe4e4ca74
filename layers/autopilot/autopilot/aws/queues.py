"""The Requests and the DNS queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import batched
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mails import plain
from autopilot.domain.wake_up import WakeUp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_BATCH = 10
_LONGEST_REASON = 1000
_COUNTS: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


class SqsQueue:
    """Implements `Queue`."""

    def __init__(self, sqs: SQSClient, url: str, dead_letters_url: str = "") -> None:
        self._sqs = sqs
        self._url = url
        self._dead_letters_url = dead_letters_url

    def send(self, wake_ups: Iterable[tuple[WakeUp, int]]) -> None:
        for some in batched(wake_ups, _BATCH, strict=False):
            with calling("SendMessageBatch", self._url):
                answer = self._sqs.send_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "MessageBody": wake_up.to_body(), "DelaySeconds": delay}
                        for number, (wake_up, delay) in enumerate(some)
                    ],
                )
            for failed in answer.get("Failed", []):
                raise AwsCallFailed("SendMessageBatch", self._url, failed["Code"], failed.get("Message", ""))

    def backlog(self) -> int:
        """How many messages wait, are delayed or are being worked on; SQS's counts are a minute old or so."""
        with calling("GetQueueAttributes", self._url):
            found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=_COUNTS)["Attributes"]
        return sum(int(found[name]) for name in _COUNTS)

    def give_up(self, body: str, code: str, reason: str) -> None:
        """Put a message among the dead letters and say why, as EventBridge does with its own. Raises AwsCallFailed.

        SQS itself moves a message without a reason.
        """
        told = {"ERROR_CODE": code, "ERROR_MESSAGE": plain(reason)[:_LONGEST_REASON]}
        with calling("SendMessage", self._dead_letters_url):
            self._sqs.send_message(
                QueueUrl=self._dead_letters_url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in told.items() if value
                },
            )

    def show_again_soon(self, failed: Sequence[tuple[str, int]]) -> None:
        """Have failed messages, given by receipt handle, come back after so many seconds.

        Without it they would stay hidden for the queue's whole visibility timeout, which is minutes, as it
        must outlast the function. Raises AwsCallFailed; one that cannot be changed comes back by the timeout.
        """
        for some in batched(failed, _BATCH, strict=False):
            with calling("ChangeMessageVisibilityBatch", self._url):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                        for number, (handle, seconds) in enumerate(some)
                    ],
                )
