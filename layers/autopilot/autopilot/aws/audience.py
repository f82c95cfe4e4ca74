"""Who is subscribed to the topics on which people are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsAudience:
    """Implements `Audience`."""

    def __init__(self, sns: SNSClient, topic_arns: Sequence[str]) -> None:
        self._sns = sns
        self._topic_arns = topic_arns

    def unheard(self) -> Sequence[str]:
        return [arn for arn in self._topic_arns if not self._is_heard(arn)]

    def _is_heard(self, arn: str) -> bool:
        """Until it is confirmed, a subscription has this in the place of an ARN, and gets nothing
        (https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html)."""
        pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        with calling("ListSubscriptionsByTopic", arn):
            every = (found for page in pages for found in page["Subscriptions"])
            return any(found["SubscriptionArn"].startswith("arn:") for found in every)
