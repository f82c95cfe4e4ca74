"""Autopilot itself over the fakes, one use case after another as the queues would have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from autopilot.aws.organization import NoOrganization
from autopilot.domain.allowlist import Verdict
from autopilot.domain.commands import Installation
from autopilot.domain.connection import ConnectionRef, Dns, LedgerRow, Status
from autopilot.domain.disruption import MaxDisruptions, OnRevoked
from autopilot.domain.dns_plan import Autopilot
from autopilot.domain.mode import Mode
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.braking import Braking
from autopilot.use_cases.connection_notifications import ConnectionNotifications
from autopilot.use_cases.converge_dns import ConvergeDns
from autopilot.use_cases.decide_connections import DecideConnections
from autopilot.use_cases.differences import Differences, DriftChecks
from autopilot.use_cases.endpoint_dns import EndpointDns
from autopilot.use_cases.follow_allowlist import FollowAllowlist
from autopilot.use_cases.looks import Outcome
from autopilot.use_cases.names_in_zones import NamesInZones
from autopilot.use_cases.neighbours import Neighbours
from autopilot.use_cases.notices import Notices
from autopilot.use_cases.other_vpcs import OtherVpcs
from autopilot.use_cases.reminders import Reminders
from autopilot.use_cases.report_status import ReportStatus
from autopilot.use_cases.service_names import ServiceNames
from autopilot.use_cases.service_permissions import ServicePermissions
from autopilot.use_cases.sweep import Sweep
from tests.fakes.allowlist import FakeAllowlist
from tests.fakes.aws_model import Client
from tests.fakes.calls import Calls
from tests.fakes.clock import Clock
from tests.fakes.consumer_accounts import FakeConsumerAccounts
from tests.fakes.endpoint_services import FakeEndpointServices
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, FakeNetwork, Landscape, Vpc
from tests.fakes.ledger import FakeLedger
from tests.fakes.load_balancers import FakeLoadBalancers
from tests.fakes.messages import FakeAudience, FakeBus, FakeQueue, FakeStatusTopic, FakeTrails
from tests.fakes.organization import FakeOrganization
from tests.fakes.public_dns import FakePublicDns
from tests.local_aws.hosted_zones import HostedZones
from tests.local_aws.privatelink import Caller, PrivateLink

US = Autopilot(PROVIDER, REGION)
STATUS_TOPIC = f"arn:aws:sns:{REGION}:{PROVIDER}:status"
NOTIFICATION_TOPIC = f"arn:aws:sns:{REGION}:{PROVIDER}:notifications"
SECONDS_TO_AVAILABLE = 90
SECONDS_TO_INSYNC = 40


@dataclass
class FakeAutopilot:
    """A deployment: its settings, its fakes, and its functions as methods. The consumer role exists.

    asks_organizations: whether it was deployed with access to Organizations.
    """

    mode: Mode = Mode.ENFORCE
    unlisted: Verdict = Verdict.HOLD
    allowed_principals: Collection[str] = (CONSUMER,)
    on_revoked: OnRevoked = OnRevoked.KEEP
    asks_organizations: bool = True
    max_disruptions: MaxDisruptions = field(default_factory=MaxDisruptions)
    first_reminder: timedelta | None = timedelta(days=1)
    manages_permissions: bool = False
    grace: timedelta = timedelta(hours=24)
    mailed: frozenset[Status] = frozenset(Status)
    clock: Clock = field(default_factory=Clock)
    calls: Calls = field(default_factory=Calls)

    def __post_init__(self) -> None:
        network, now = FakeNetwork(), self.clock.seconds
        privatelink = PrivateLink(
            network,
            now=now,
            seconds_to_available=SECONDS_TO_AVAILABLE,
            zone_names=lambda *vpc: hosted_zones.names_in(*vpc),
        )
        hosted_zones = HostedZones(
            network, now=now, seconds_to_insync=SECONDS_TO_INSYNC, private_dns_names=privatelink.private_dns_names
        )
        self.aws, self.network = Landscape(privatelink, hosted_zones, network.add), network
        self.services = FakeEndpointServices(Client(privatelink, Caller(PROVIDER, REGION), self.calls))
        self.consumers = FakeConsumerAccounts(privatelink, hosted_zones, network, PROVIDER, self.calls)
        self.consumers.roles.add(CONSUMER)
        self.load_balancers, self.public_dns = FakeLoadBalancers(self.calls), FakePublicDns()
        self.organization = FakeOrganization(self.calls)
        self.allowlist = FakeAllowlist(self.calls, self.allowed_principals)
        self.ledger = FakeLedger(self.calls, self.clock)
        self.requests_queue, self.dns_queue = FakeQueue(self.calls), FakeQueue(self.calls)
        self.topic, self.bus, self.trails = FakeStatusTopic(self.calls), FakeBus(self.calls), FakeTrails(self.calls)
        self.audience = FakeAudience(self.calls)

    def decide(self, *wake_ups: WakeUp) -> Outcome:
        decide_connections = DecideConnections(
            self.services,
            self.organization if self.asks_organizations else NoOrganization(),
            self.allowlist,
            self.ledger,
            self.requests_queue,
            self.dns_queue,
            PROVIDER,
            self.mode,
            self.unlisted,
            self.on_revoked,
            self.clock,
        )
        return decide_connections(wake_ups)

    def converge(self, wake_up: WakeUp | ConnectionRef) -> Dns | None:
        """The DNS facet that was reached, or None. Raises AwsCallFailed."""
        outcome = self.converge_all([wake_up if isinstance(wake_up, WakeUp) else event(wake_up)])
        for failure in outcome.failed.values():
            raise failure
        return next(
            (Dns(reached) for reached in outcome.counts if reached in set(Dns) and reached != Dns.WAITING), None
        )

    def converge_all(self, wake_ups: Collection[WakeUp], has_time: Callable[[], bool] = lambda: True) -> Outcome:
        return self.converge_dns(wake_ups, has_time)

    @property
    def converge_dns(self) -> ConvergeDns:
        neighbours = Neighbours(self.services, self.ledger, self.dns_queue, self.names, ttl=60)
        in_zones = NamesInZones(
            self.ledger,
            self.names,
            neighbours,
            OtherVpcs(self.consumers, self.ledger, neighbours),
            self.public_dns,
            US,
            self.mode,
            ttl=60,
            grace=self.grace,
            clock=self.clock,
        )
        endpoint_dns = EndpointDns(self.names, in_zones, neighbours, self.mode, 60, self.grace, self.clock)
        return ConvergeDns(self.services, self.consumers, self.ledger, self.dns_queue, endpoint_dns, self.clock)

    @property
    def names(self) -> ServiceNames:
        return ServiceNames(self.load_balancers)

    def sweep(self) -> Counter[str]:
        """What it counted. Raises what kept it from being all."""
        sweep = Sweep(
            self.services,
            self.allowlist,
            self.ledger,
            self.requests_queue,
            self.dns_queue,
            self.audience,
            Notices(self.ledger, self.trails, STATUS_TOPIC, self.mode, REGION, "Ledger", self.clock),
            self.names,
            self.permissions,
            ConnectionNotifications(self.services, NOTIFICATION_TOPIC, self.mode),
            Differences(self.mode, DriftChecks(timedelta(hours=1), timedelta(hours=24)), self.clock),
            Reminders(self.ledger, self.first_reminder, self.clock),
            self.braking,
            self.mode,
            self.grace,
            self.clock,
        )
        swept = sweep()
        for failure in swept.failures:
            raise failure
        return swept.counts

    @property
    def braking(self) -> Braking:
        return Braking(
            self.ledger, self.mode, self.on_revoked, self.asks_organizations, self.max_disruptions, self.clock
        )

    @property
    def follow_allowlist(self) -> FollowAllowlist:
        return FollowAllowlist(self.services, self.requests_queue, self.permissions)

    @property
    def permissions(self) -> ServicePermissions | None:
        keeping = ServicePermissions(self.services, self.allowlist, self.ledger, self.mode, self.clock)
        return keeping if self.manages_permissions else None

    @property
    def report_status(self) -> ReportStatus:
        installation = Installation(US, f"ProviderAccount={PROVIDER}", "Allowlist", "Ledger", self.on_revoked)
        return ReportStatus(self.topic, self.bus, self.ledger, self.mailed, installation)

    def report(self) -> None:
        """Tell what the ledger's stream holds."""
        self.report_status(*self.ledger.stream())

    def run(self) -> None:
        """Sweep, then do what was enqueued, round after round, until nothing is left that need not wait."""
        self.sweep()
        for _ in range(4):
            if wake_ups := self.requests_queue.take():
                self.decide(*wake_ups)
            for wake_up in self.dns_queue.take():
                self.converge(wake_up)

    def row(self, ref: ConnectionRef) -> LedgerRow:
        return self.ledger.rows([ref])[ref]

    def connected(self, vpc: Vpc, service_id: str | None = None, **tags: str) -> ConnectionRef:
        """A connection that was accepted and is available, without any DNS so far.

        tags: of the endpoint, `also_vpcs` for `autopilot:also-vpcs`.
        """
        named = {f"autopilot:{name.replace('_', '-')}": value for name, value in tags.items()}
        ref = self.aws.endpoint(service_id or self.aws.service(), vpc, tags=named)
        self.decide(event(ref, vpc.account))
        self.dns_queue.take()
        self.clock.advance(SECONDS_TO_AVAILABLE)
        return ref

    def ready(self, vpc: Vpc, service_id: str | None = None) -> ConnectionRef:
        """A connection whose names resolve."""
        ref = self.connected(vpc, service_id)
        self.settle(ref)
        return ref

    def settle(self, ref: ConnectionRef) -> Dns | None:
        """Converge until nothing changes any more: write, then see it INSYNC."""
        self.converge(ref)
        self.clock.advance(SECONDS_TO_INSYNC)
        reached = self.converge(ref)
        self.dns_queue.take()
        return reached


def event(ref: ConnectionRef, account: str | None = CONSUMER, seen_by: SeenBy = SeenBy.EVENT) -> WakeUp:
    """The wake-up of an event about a connection."""
    return WakeUp(ref.service_id, ref.endpoint_id, account, REGION, seen_by)


notification = partial(event, account=None, seen_by=SeenBy.NOTIFICATION)
