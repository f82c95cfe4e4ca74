from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from moto.sns.models import sns_backends

from autopilot.aws.audience import SnsAudience
from autopilot.use_cases.ports import Audience
from tests.fakes.landscape import PROVIDER, Landscape
from tests.fakes.messages import FakeAudience
from tests.local_aws.moto_door import session


@pytest.fixture
def audience_of(is_real: bool, landscape: Landscape) -> Callable[[dict[str, bool]], tuple[Audience, list[str]]]:
    """Topics by name and whether somebody confirmed a subscription; and their ARNs."""

    def real(topics: dict[str, bool]) -> tuple[Audience, list[str]]:
        sns = session(PROVIDER).client("sns")
        arns = [sns.create_topic(Name=name)["TopicArn"] for name in topics]
        for arn, heard in zip(arns, topics.values(), strict=True):
            if heard:
                sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:eu-central-1:{PROVIDER}:q")
            else:
                unconfirmed(sns, arn)
        return SnsAudience(sns, arns), arns

    def fake(topics: dict[str, bool]) -> tuple[Audience, list[str]]:
        audience = FakeAudience()
        audience.deaf = [name for name, heard in topics.items() if not heard]
        return audience, list(topics)

    return real if is_real else fake


def unconfirmed(sns: Any, arn: str) -> None:
    """An e-mail address that nobody has confirmed yet, which moto would have confirmed at once."""
    subscribed = sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="team@example.com")["SubscriptionArn"]
    subscriptions = sns_backends[PROVIDER]["eu-central-1"].subscriptions
    subscriptions[subscribed].arn = "PendingConfirmation"


@pytest.mark.parametrize("heard", [(True, True), (True, False), (False, False)])
def test_topics_without_a_confirmed_subscription_are_unheard(
    audience_of: Callable[[dict[str, bool]], tuple[Audience, list[str]]], heard: Sequence[bool]
) -> None:
    audience, arns = audience_of(dict(zip(("status", "alarms"), heard, strict=True)))

    assert audience.unheard() == [arn for arn, is_heard in zip(arns, heard, strict=True) if not is_heard]
