"""Converges the DNS of the connections that the DNS queue tells of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from autopilot.aws.calls import CONFIG
from autopilot.aws.consumer_accounts import AwsConsumerAccounts
from autopilot.aws.endpoint_services import Ec2EndpointServices
from autopilot.aws.ledger import LedgerTable
from autopilot.aws.load_balancers import Elbv2LoadBalancers
from autopilot.aws.public_dns import ResolverPublicDns
from autopilot.aws.queues import SqsQueue
from autopilot.domain.dns_plan import Autopilot
from autopilot.domain.wake_up import WakeUp
from autopilot.messages import work_off
from autopilot.settings import Settings
from autopilot.use_cases.converge_dns import ConvergeDns
from autopilot.use_cases.endpoint_dns import EndpointDns
from autopilot.use_cases.names_in_zones import NamesInZones
from autopilot.use_cases.neighbours import Neighbours
from autopilot.use_cases.other_vpcs import OtherVpcs
from autopilot.use_cases.service_names import ServiceNames

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Names that just left a service's tags must not be written any more.
FRESH_FOR = timedelta(seconds=5)
# What one connection takes in an account that answers slowly.
LEAST_MILLISECONDS = 45_000

logger = Logger()
metrics = Metrics()


@cache
def wire(account: str) -> tuple[ConvergeDns, SqsQueue]:
    """The use case and its queue, made once a runtime environment. Raises WrongSetting."""
    settings = Settings(os.environ)
    autopilot = Autopilot(account, settings.region)
    queue = SqsQueue(boto3.client("sqs", config=CONFIG), settings.dns_queue_url, settings.dns_dead_letters_url)
    services = Ec2EndpointServices(boto3.client("ec2", config=CONFIG), now, FRESH_FOR)
    consumers = AwsConsumerAccounts(
        boto3.client("sts", config=CONFIG), autopilot, settings.external_id, settings.mode, now
    )
    ledger = LedgerTable(boto3.client("dynamodb", config=CONFIG), settings.ledger_table)
    load_balancers = Elbv2LoadBalancers(boto3.client("elbv2", config=CONFIG), boto3.client("acm", config=CONFIG), now)
    names, ttl, grace = ServiceNames(load_balancers), settings.record_ttl, settings.name_grace
    neighbours = Neighbours(services, ledger, queue, names, ttl)
    in_zones = NamesInZones(
        ledger=ledger,
        names=names,
        neighbours=neighbours,
        other_vpcs=OtherVpcs(consumers, ledger, neighbours),
        public_dns=ResolverPublicDns(now, settings.public_resolver),
        autopilot=autopilot,
        mode=settings.mode,
        ttl=ttl,
        grace=grace,
        clock=now,
    )
    endpoint_dns = EndpointDns(names, in_zones, neighbours, settings.mode, ttl, grace, now)
    converge_dns = ConvergeDns(services, consumers, ledger, queue, endpoint_dns, now)
    return converge_dns, queue


def now() -> datetime:
    return datetime.now(UTC)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    converge_dns, queue = wire(context.invoked_function_arn.split(":")[4])

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > LEAST_MILLISECONDS

    def work(wake_ups: Sequence[WakeUp]) -> Mapping[WakeUp, Exception]:
        outcome = converge_dns(wake_ups, has_time)
        logger.info("worked off", extra={"reached": dict(outcome.counts)})
        return outcome.failed

    answer = work_off(event, queue, work)
    metrics.add_metric("DnsFailures", MetricUnit.Count, len(answer["batchItemFailures"]))
    return answer
