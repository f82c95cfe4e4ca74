"""The status topic: e-mail for people, JSON for everybody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.mails import Mail
from autopilot.domain.message_size import MOST_BYTES, fitted

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_MORE = "The rest is left out, as an e-mail cannot be longer. Everything is in the ledger and on the bus.\n"
# What is quoted in JSON takes up to twice the room, and a document is quoted in the message.
_LONGEST_DOCUMENT, _LONGEST_TEXT = MOST_BYTES // 4, MOST_BYTES // 3


class SnsStatusTopic:
    """Implements `StatusTopic`."""

    def __init__(self, sns: SNSClient, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def publish(self, mail: Mail) -> None:
        with calling("Publish", self._arn):
            self._sns.publish(TopicArn=self._arn, Subject=mail.subject, Message=_message(mail), MessageStructure="json")


def _message(mail: Mail) -> str:
    """Both parts; shortened where SNS would refuse them, which it would at every retry."""
    whole = _parts(mail.document, mail.text)
    return whole if len(whole) <= MOST_BYTES else _parts(fitted(mail.document, _LONGEST_DOCUMENT), _cut(mail.text))


def _parts(document: Mapping[str, object], text: str) -> str:
    return json.dumps({"default": json.dumps(document), "email": text})


def _cut(text: str) -> str:
    """As many whole lines as there is room for."""
    room = _LONGEST_TEXT
    kept: list[str] = []
    for line in text.splitlines(keepends=True):
        room -= len(json.dumps(line))
        if room < 0:
            return "".join([*kept, _MORE])
        kept.append(line)
    return text
