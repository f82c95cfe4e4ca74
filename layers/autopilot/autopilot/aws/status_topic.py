"""The status topic: e-mail for people, JSON for everybody else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.mails import Mail

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsStatusTopic:
    """Implements `StatusTopic`."""

    def __init__(self, sns: SNSClient, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def publish(self, mail: Mail) -> None:
        message = {"default": json.dumps(mail.document), "email": mail.text}
        with calling("Publish", self._arn):
            self._sns.publish(
                TopicArn=self._arn, Subject=mail.subject, Message=json.dumps(message), MessageStructure="json"
            )
