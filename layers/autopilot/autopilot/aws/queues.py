"""The Requests and the DNS queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import batched
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.wake_up import WakeUp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10


class SqsQueue:
    """Implements `Queue`."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

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
