"""Finds what the events missed, on a schedule and whenever the allowlist changes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from autopilot.aws.calls import CONFIG
from autopilot.aws.endpoint_services import Ec2EndpointServices
from autopilot.aws.ledger import LedgerTable
from autopilot.aws.queues import SqsQueue
from autopilot.aws.trails import CloudTrails
from autopilot.settings import Settings
from autopilot.use_cases.sweep import Sweep

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@cache
def wire() -> Sweep:
    """The use case, made once a runtime environment. Raises WrongSetting."""
    settings = Settings(os.environ)
    sqs = boto3.client("sqs", config=CONFIG)
    return Sweep(
        services=Ec2EndpointServices(boto3.client("ec2", config=CONFIG), now),
        ledger=LedgerTable(boto3.client("dynamodb", config=CONFIG), settings.ledger_table),
        requests_queue=SqsQueue(sqs, settings.requests_queue_url),
        dns_queue=SqsQueue(sqs, settings.dns_queue_url),
        trails=CloudTrails(boto3.client("cloudtrail", config=CONFIG)),
        mode=settings.mode,
        clock=now,
    )


def now() -> datetime:
    return datetime.now(UTC)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """The allowlist's stream sends `Records`; the schedule sends none."""
    sweep = wire()
    if "Records" in event:
        metrics.add_metric("AllowlistChanges", MetricUnit.Count, len(event["Records"]))
        sweep.wake_waiting()
        return
    metrics.add_metric("Sweeps", MetricUnit.Count, 1)
    for finding, count in sweep().items():
        metrics.add_metric(f"Sweep{finding.title().replace('_', '')}", MetricUnit.Count, count)
