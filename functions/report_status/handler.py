"""Tells of each change that the ledger's stream shows."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from autopilot.aws.bus import EventBridgeBus
from autopilot.aws.calls import CONFIG
from autopilot.aws.ledger import LedgerTable
from autopilot.aws.status_topic import SnsStatusTopic
from autopilot.domain.commands import Installation
from autopilot.domain.dns_plan import Autopilot
from autopilot.domain.measures import counted_as, seconds_of
from autopilot.ledger_stream import count_requests, read_changes
from autopilot.settings import Settings
from autopilot.use_cases.report_status import ReportStatus

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@cache
def wire(account: str) -> ReportStatus:
    """The use case, made once a runtime environment. Raises WrongSetting."""
    settings = Settings(os.environ)
    return ReportStatus(
        topic=SnsStatusTopic(boto3.client("sns", config=CONFIG), settings.status_topic_arn),
        bus=EventBridgeBus(boto3.client("events", config=CONFIG), settings.bus_name),
        ledger=LedgerTable(boto3.client("dynamodb", config=CONFIG), settings.ledger_table),
        mailed=settings.email_on,
        installation=Installation(
            Autopilot(account, settings.region),
            settings.consumer_parameters,
            settings.allowlist_table,
            settings.ledger_table,
            settings.on_revoked,
            settings.record_ttl,
        ),
    )


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """A batch that fails is told again as a whole, halved each time, so that one poison record stands alone at last."""
    report_status = wire(context.invoked_function_arn.split(":")[4])
    changes, notices = read_changes(event)
    report_status(changes, notices)
    for seen_by, count in count_requests(event).items():
        metrics.add_metric("Requested", MetricUnit.Count, count)
        metrics.add_metric(f"SeenFirstBy{seen_by.title()}", MetricUnit.Count, count)
    for change in changes:
        if counted := counted_as(change):
            metrics.add_metric(counted, MetricUnit.Count, 1)
        for name, seconds in seconds_of(change).items():
            metrics.add_metric(name, MetricUnit.Seconds, seconds)
