"""Finds what the events missed, on a schedule, after each deployment and whenever the allowlist changes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from autopilot.allowlist_stream import read_keys
from autopilot.aws.allowlist_table import AllowlistTable
from autopilot.aws.audience import SnsAudience
from autopilot.aws.calls import CONFIG
from autopilot.aws.endpoint_services import Ec2EndpointServices
from autopilot.aws.ledger import LedgerTable
from autopilot.aws.load_balancers import Elbv2LoadBalancers
from autopilot.aws.queues import SqsQueue
from autopilot.aws.trails import CloudTrails
from autopilot.settings import Settings
from autopilot.use_cases.braking import Braking
from autopilot.use_cases.connection_notifications import ConnectionNotifications
from autopilot.use_cases.differences import Differences, DriftChecks
from autopilot.use_cases.follow_allowlist import FollowAllowlist
from autopilot.use_cases.notices import Notices
from autopilot.use_cases.reminders import Reminders
from autopilot.use_cases.service_names import ServiceNames
from autopilot.use_cases.service_permissions import ServicePermissions
from autopilot.use_cases.sweep import Sweep

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What ends in days need not be read every five minutes.
CERTIFICATES_FRESH_FOR = timedelta(hours=1)

logger = Logger()
metrics = Metrics()


@cache
def wire() -> tuple[Sweep, FollowAllowlist]:
    """The use cases, made once a runtime environment. Raises WrongSetting."""
    settings = Settings(os.environ)
    sqs, dynamodb = boto3.client("sqs", config=CONFIG), boto3.client("dynamodb", config=CONFIG)
    services = Ec2EndpointServices(boto3.client("ec2", config=CONFIG), now)
    allowlist = AllowlistTable(dynamodb, settings.allowlist_table, settings.allowed_principals)
    ledger = LedgerTable(dynamodb, settings.ledger_table)
    load_balancers = Elbv2LoadBalancers(
        boto3.client("elbv2", config=CONFIG), boto3.client("acm", config=CONFIG), now, CERTIFICATES_FRESH_FOR
    )
    trails = CloudTrails(boto3.client("cloudtrail", config=CONFIG))
    keeping = ServicePermissions(services, allowlist, ledger, settings.mode, now)
    permissions = keeping if settings.manage_permissions else None
    requests_queue = SqsQueue(sqs, settings.requests_queue_url)
    asks_organizations = bool(settings.organization_id or settings.organizations_role_arn)
    braking = Braking(ledger, settings.mode, settings.on_revoked, asks_organizations, settings.max_disruptions, now)
    drift = DriftChecks(settings.drift_check, settings.foreign_drift_check)
    sweep = Sweep(
        services=services,
        allowlist=allowlist,
        ledger=ledger,
        requests_queue=requests_queue,
        dns_queue=SqsQueue(sqs, settings.dns_queue_url),
        audience=SnsAudience(boto3.client("sns", config=CONFIG), (settings.status_topic_arn, settings.alarm_topic_arn)),
        notices=Notices(
            ledger, trails, settings.status_topic_arn, settings.mode, settings.region, settings.ledger_table, now
        ),
        names=ServiceNames(load_balancers),
        permissions=permissions,
        notifications=ConnectionNotifications(services, settings.notification_topic_arn, settings.mode),
        differences=Differences(settings.mode, drift, now),
        reminders=Reminders(ledger, settings.held_reminder, now),
        braking=braking,
        mode=settings.mode,
        grace=settings.name_grace,
        clock=now,
    )
    return sweep, FollowAllowlist(services, requests_queue, permissions)


def now() -> datetime:
    return datetime.now(UTC)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """The allowlist's stream sends `Records`; the schedule and a deployment send none."""
    sweep, follow_allowlist = wire()
    if "Records" in event:
        follow_allowlist(read_keys(event))
        return
    swept = sweep()
    for finding, count in swept.counts.items():
        metrics.add_metric(f"Sweep{finding.title().replace('_', '')}", MetricUnit.Count, count)
    for failure in swept.failures:
        raise failure
    # Only here, where nothing failed: that it is missing raises an alarm.
    metrics.add_metric("SweepsDone", MetricUnit.Count, 1)
