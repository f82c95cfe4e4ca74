"""The names that a consumer's VPC is served with: where they lead, their zone, their certificates."""

from __future__ import annotations

from autopilot.domain.connection import ConnectionRef
from autopilot.domain.listener import Certificate, Listener, LoadBalancer
from tests.fakes.autopilot import FakeAutopilot
from tests.fakes.landscape import CONSUMER, REGION, ZONE

API, LEDGER = f"api.{ZONE}", f"ledger.{ZONE}"


def target(autopilot: FakeAutopilot, ref: ConnectionRef) -> str:
    """Where the names of this connection lead."""
    return autopilot.aws.regional_name(ref)


def our_zone(autopilot: FakeAutopilot, name: str = ZONE) -> str:
    """The id of the consumer's zone of that name, which Autopilot made."""
    return autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(name)[0].zone_id


def certified(autopilot: FakeAutopilot) -> str:
    """A service that declares the names of its certificates; its id."""
    return autopilot.aws.service({"autopilot": "enabled", "autopilot:records": "certificate"})


def behind(autopilot: FakeAutopilot, service_id: str, *names: str, is_issued: bool = True) -> None:
    """Put a certificate for the names behind the service, in place of what was there."""
    (arn,) = next(one for one in autopilot.services.all() if one.service_id == service_id).load_balancer_arns
    certificate = Certificate("arn:aws:acm:eu-central-1:111111111111:certificate/1", names, is_issued)
    autopilot.load_balancers.load_balancers[arn] = LoadBalancer(arn, (Listener("arn:l", 443, "TLS", (certificate,)),))
