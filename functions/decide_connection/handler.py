"""Decides what becomes of the connections that the Requests queue tells of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from autopilot.aws.allowlist_table import AllowlistTable
from autopilot.aws.calls import CONFIG
from autopilot.aws.endpoint_services import Ec2EndpointServices
from autopilot.aws.ledger import LedgerTable
from autopilot.aws.organization import organization
from autopilot.aws.queues import SqsQueue
from autopilot.domain.wake_up import WakeUp
from autopilot.messages import work_off
from autopilot.settings import Settings
from autopilot.use_cases.decide_connections import DecideConnections

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@cache
def wire(account: str) -> tuple[DecideConnections, SqsQueue]:
    """The use case and its queue, made once a runtime environment. Raises WrongSetting."""
    settings = Settings(os.environ)
    sqs = boto3.client("sqs", config=CONFIG)
    dynamodb = boto3.client("dynamodb", config=CONFIG)
    requests_queue = SqsQueue(sqs, settings.requests_queue_url, settings.requests_dead_letters_url)
    decide_connections = DecideConnections(
        services=Ec2EndpointServices(boto3.client("ec2", config=CONFIG), now),
        organization=organization(settings.organization_id, settings.organizations_role_arn, now),
        allowlist=AllowlistTable(dynamodb, settings.allowlist_table, settings.allowed_principals),
        ledger=LedgerTable(dynamodb, settings.ledger_table),
        requests_queue=requests_queue,
        dns_queue=SqsQueue(sqs, settings.dns_queue_url),
        account=account,
        mode=settings.mode,
        unlisted=settings.unlisted,
        on_revoked=settings.on_revoked,
        clock=now,
    )
    return decide_connections, requests_queue


def now() -> datetime:
    return datetime.now(UTC)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    decide_connections, queue = wire(context.invoked_function_arn.split(":")[4])

    def work(wake_ups: Sequence[WakeUp]) -> Mapping[WakeUp, Exception]:
        outcome = decide_connections(wake_ups)
        logger.info("worked off", extra={"decided": dict(outcome.counts)})
        return outcome.failed

    answer = work_off(event, queue, work)
    metrics.add_metric("RequestFailures", MetricUnit.Count, len(answer["batchItemFailures"]))
    return answer
