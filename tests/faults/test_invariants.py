"""Whatever consumers, people and AWS do, and in whatever order: what Autopilot promises holds in the end."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import SimpleNamespace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.domain.connection import AwsState, ConnectionRef
from autopilot.domain.disruption import MaxDisruptions, OnRevoked
from autopilot.domain.organization import OrganizationalUnit, Owner
from tests.fakes.autopilot import FakeAutopilot
from tests.fakes.calls import Fault, How
from tests.fakes.clock import DAY, HOUR
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, STRANGER, Vpc
from tests.faults.witness import ORGANIZATION, STANDING, Witness
from tests.faults.world import AND_AGAIN, LATE, LOST, ON_TIME, TWICE, World
from tests.local_aws import hosted_zones, privatelink

THIRD = "444444444444"
ACCOUNTS = (CONSUMER, STRANGER, THIRD)
UNIT = "ou-ab12-11111111"
PAYMENTS, BILLING = "payments.example.com", "billing.example.com"
API, REFUNDS = f"api.{PAYMENTS}", f"refunds.{PAYMENTS}"
OPT_IN = {"autopilot": "enabled"}
PAIRS = (("autopilot:zone", "autopilot:records"), ("autopilot:zone-2", "autopilot:records-2"))


def declaring(*zones: tuple[str, str]) -> dict[str, str]:
    """Tags that declare records in each of these zones."""
    return OPT_IN | {
        tag: what for tags, zone in zip(PAIRS, zones, strict=False) for tag, what in zip(tags, zone, strict=True)
    }


DECLARATIONS: tuple[dict[str, str], ...] = (
    declaring((PAYMENTS, "api")),
    declaring((PAYMENTS, "api ledger")),
    declaring((PAYMENTS, "@")),
    declaring((BILLING, "api")),
    OPT_IN,
    OPT_IN | {"autopilot:zone": PAYMENTS},
    {},
)
# The same names in wider zones and in narrower ones, of which one is before the wider in every list and one after it.
NESTED: tuple[dict[str, str], ...] = (
    declaring((PAYMENTS, "api")),
    declaring((API, "@")),
    declaring((PAYMENTS, "api v1.api refunds")),
    declaring((API, "@ v1"), (REFUNDS, "@")),
    declaring((PAYMENTS, "api refunds"), (REFUNDS, "@")),
    declaring((PAYMENTS, "api refunds"), (API, "@")),
)
OPERATIONS = (
    "AcceptVpcEndpointConnections",
    "AssumeRole",
    "BatchGetItem",
    "ChangeResourceRecordSets",
    "CreateHostedZone",
    "DeleteHostedZone",
    "DescribeAccount",
    "DescribeVpcEndpointConnections",
    "DescribeVpcEndpoints",
    "GetChange",
    "ListHostedZonesByName",
    "ListHostedZonesByVPC",
    "ListResourceRecordSets",
    "PutEvents",
    "Publish",
    "Query",
    "RejectVpcEndpointConnections",
    "SendMessageBatch",
    "UpdateItem",
)
ERRORS = ("InternalError", "RequestLimitExceeded", "ReadTimeoutError", "AccessDenied")
SMALL = st.integers(0, 40)
RARELY = st.sampled_from([False, False, False, True])
PAUSES = st.sampled_from([0, 0, 3, 30, 100, 400])


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Deployment(RuleBasedStateMachine):
    """The world, and beside it what a person who saw everything would expect of it."""

    sequences = 0

    def __init__(self) -> None:
        super().__init__()
        Deployment.sequences += 1
        # The ids that AWS draws decide who comes first; the same sequence must run the same each time.
        self._restored = [(module, module.secrets) for module in (privatelink, hosted_zones)]
        drawn = SimpleNamespace(choice=random.Random(1).choice)
        for module, _ in self._restored:
            module.secrets = drawn  # type: ignore[attr-defined]
        self.vpcs: list[Vpc] = []
        self.services: list[str] = []

    @initialize(
        on_revoked=st.sampled_from(OnRevoked),
        most=st.sampled_from([(5, 10), (1, 0)]),
        permissions=st.booleans(),
        accepts_rejected=st.booleans(),
        sweep_seconds=st.sampled_from([300, HOUR]),
        waits=st.sampled_from([0, 400]),
    )
    def deploy(
        self,
        on_revoked: OnRevoked,
        most: tuple[int, int],
        permissions: bool,
        accepts_rejected: bool,
        sweep_seconds: int,
        waits: int,
    ) -> None:
        self.autopilot = FakeAutopilot(
            allowed_principals=(),
            on_revoked=on_revoked,
            max_disruptions=MaxDisruptions(*most),
            manages_permissions=permissions,
        )
        self.world = World(self.autopilot, sweep_seconds=sweep_seconds)
        self.sees = Witness(self.world, most_disruptions=most[0])
        self.aws, self.clock = self.world.aws, self.world.clock
        self.aws.privatelink.accepts_rejected = accepts_rejected
        self.autopilot.consumers.roles.update(ACCOUNTS)
        self.place(CONSUMER, is_in_unit=True)
        self.vpcs = [self.aws.new_vpc(account) for account in (CONSUMER, CONSUMER, STRANGER, THIRD)]
        self.services = [
            self.aws.service(DECLARATIONS[0]),
            self.aws.service(DECLARATIONS[1]),
            self.aws.service(DECLARATIONS[3], acceptance=False),
            self.aws.service({}),
        ]
        for service_id in self.services:
            self.sees.tagged(service_id)
        for account in (CONSUMER, STRANGER):
            self.world.allow(AllowlistEntry(EntryKey(account)))
        # The first two want the same name in the same VPC.
        for service_id, where in zip(self.services, (0, 0, 2, 3), strict=True):
            self.request(service_id, self.vpcs[where])
        self.world.wait(waits)

    # Consumers

    @rule(service=SMALL, vpc=SMALL, declines=RARELY, then=PAUSES)
    def create(self, service: int, vpc: int, declines: bool, then: int) -> None:
        tags = {"autopilot:dns": "off"} if declines else {}
        self.request(self.pick(self.services, service), self.pick(self.vpcs, vpc), tags)
        self.world.wait(then)

    @rule(service=SMALL, vpc=SMALL)
    def create_another(self, service: int, vpc: int) -> None:
        """Most of what happens begins with a request."""
        self.request(self.pick(self.services, service), self.pick(self.vpcs, vpc))

    @precondition(lambda self: self.sees.alive())
    @rule(which=SMALL, then=PAUSES)
    def delete(self, which: int, then: int) -> None:
        self.delete_endpoint(self.pick(self.sees.alive(), which))
        self.world.wait(then)

    @precondition(lambda self: self.sees.alive())
    @rule(which=SMALL, declines=st.booleans())
    def retag_endpoint(self, which: int, declines: bool) -> None:
        ref = self.pick(self.sees.alive(), which)
        tags = tag_list({"autopilot:dns": "off" if declines else ""})
        self.aws.ec2(self.sees.vpc_of[ref.endpoint_id].account, "CreateTags", Resources=[ref.endpoint_id], Tags=tags)

    @rule(account=st.sampled_from(ACCOUNTS), is_there=st.booleans(), is_told=st.booleans())
    def change_role(self, account: str, is_there: bool, is_told: bool) -> None:
        if is_there:
            self.autopilot.consumers.roles.add(account)
            if is_told:
                self.world.stack_changed(account)
        else:
            self.autopilot.consumers.roles.discard(account)
            self.autopilot.consumers.leave(account, REGION)

    # People in the provider's account

    @precondition(lambda self: self.sees.in_state(AwsState.PENDING_ACCEPTANCE, *STANDING))
    @rule(which=SMALL, is_accepted=st.booleans(), then=PAUSES)
    def answer_by_hand(self, which: int, is_accepted: bool, then: int) -> None:
        self.answer(which, is_accepted=is_accepted)
        self.world.wait(then)

    @rule(
        who=st.sampled_from([*ACCOUNTS, *ACCOUNTS, UNIT, "*", "endpoint"]),
        service=st.sampled_from([None, None, None, 0, 1, 2, 3]),
        action=st.sampled_from([Action.ACCEPT, Action.ACCEPT, Action.ACCEPT, Action.REJECT, Action.BLOCK]),
        hours=st.sampled_from([None, None, 1, 5, 30]),
        which=SMALL,
        then=PAUSES,
    )
    def put_entry(
        self, who: str, service: int | None, action: Action, hours: int | None, which: int, then: int
    ) -> None:
        if who == "endpoint":
            who = self.pick(self.sees.refs, which).endpoint_id
        key = EntryKey(who) if service is None else EntryKey(who, self.services[service])
        expires_at = self.clock() + timedelta(hours=hours) if hours else None
        self.world.allow(AllowlistEntry(key, action, expires_at))
        self.world.wait(then)

    @precondition(lambda self: self.autopilot.allowlist._rows)
    @rule(which=SMALL, then=PAUSES)
    def remove_entry(self, which: int, then: int) -> None:
        self.world.disallow(self.pick(list(self.autopilot.allowlist._rows), which))
        self.world.wait(then)

    @rule(is_in_unit=st.booleans(), allowed=st.sampled_from([0, 3]))
    def move(self, is_in_unit: bool, allowed: int) -> None:
        """An account changes its unit, and a person allows disruptions, or no longer."""
        self.place(STRANGER, is_in_unit)
        self.autopilot.ledger.allow_disruptions(allowed)
        self.sees.allowed_disruptions(allowed)

    @rule(service=SMALL, declaration=st.sampled_from(DECLARATIONS), required=st.sampled_from([None, None, True, False]))
    def change_service(self, service: int, declaration: dict[str, str], required: bool | None) -> None:
        service_id = self.pick(self.services, service)
        if required is not None:
            operation = "ModifyVpcEndpointServiceConfiguration"
            self.aws.ec2(PROVIDER, operation, ServiceId=service_id, AcceptanceRequired=required)
            return
        self.declare(service_id, declaration)

    @rule(service=st.sampled_from([0, 0, 1, 2]), declaration=st.sampled_from(NESTED), then=PAUSES)
    def move_names(self, service: int, declaration: dict[str, str], then: int) -> None:
        """A zone is declared wider, or narrower, or one within the other."""
        self.declare(self.services[service], declaration)
        self.world.wait(then)

    # People in the consumers' accounts

    @rule(vpc=SMALL, name=st.sampled_from([PAYMENTS, API, "example.com", BILLING]), label=st.booleans())
    def make_zone(self, vpc: int, name: str, label: bool) -> None:
        where = self.pick(self.vpcs, vpc)
        if name not in self.aws.zones_in(where):
            zone_id = self.aws.zone(where, name)
            self.sees.foreign_zones[zone_id] = where
            if label:
                self.write_by_hand(zone_id, f"theirs.{name}")

    @precondition(lambda self: self.sees.our_zones())
    @rule(which=SMALL, label=st.sampled_from(["theirs", "api", "ledger", None]))
    def change_our_zone(self, which: int, label: str | None) -> None:
        """A record beside ours, or in the place of ours; or all is taken away, and the zone too."""
        zone = self.pick(self.sees.our_zones(), which)
        if label:
            self.write_by_hand(zone.zone_id, f"{label}.{zone.name.rstrip('.')}")
        else:
            self.remove_zone(zone)

    @precondition(lambda self: self.sees.foreign_zones or self.sees.foreign_records)
    @rule(which=SMALL)
    def tidy(self, which: int) -> None:
        """What somebody made by hand is removed by hand."""
        if which < len(self.sees.foreign_records):
            self.delete_by_hand(*list(self.sees.foreign_records)[which])
        elif self.sees.foreign_zones:
            zone_id = self.pick(list(self.sees.foreign_zones), which)
            self.remove_zone(self.aws.hosted_zones._zones[zone_id])
            del self.sees.foreign_zones[zone_id]

    # AWS

    @rule(deliveries=st.sampled_from([ON_TIME, LOST, TWICE, LATE, AND_AGAIN]))
    def deliver(self, deliveries: Sequence[float]) -> None:
        self.world.deliveries = deliveries

    @rule(
        operation=st.sampled_from([None, None, *OPERATIONS]),
        how=st.sampled_from(How),
        code=st.sampled_from([None, None, *ERRORS]),
        passing=st.integers(0, 12),
        times=st.sampled_from([1, 1, 2, 7]),
        then=PAUSES,
    )
    def break_calls(
        self, operation: str | None, how: How, code: str | None, passing: int, times: int, then: int
    ) -> None:
        self.world.calls.faults.append(Fault(code, operation, how, passing, times))
        self.world.wait(then)

    @rule(operation=st.sampled_from(OPERATIONS), code=st.sampled_from(ERRORS), then=PAUSES)
    def refuse(self, operation: str, code: str, then: int) -> None:
        """Until it is mended."""
        self.world.calls.refused[operation] = code
        self.world.wait(then)

    @rule()
    def mend(self) -> None:
        self.world.heal()

    @precondition(lambda self: self.sees.alive())
    @rule(calls=st.integers(0, 25), what=st.integers(0, 5), which=SMALL, then=PAUSES)
    def meanwhile(self, calls: int, what: int, which: int, then: int) -> None:
        """Between two calls of a function something else happens."""
        doings: list[Callable[[], None]] = [
            self.world.sweep,
            self.world.decide,
            self.world.converge,
            lambda: self.sees.as_a_person(lambda: self.delete_any(which)),
            lambda: self.sees.as_a_person(lambda: self.answer(which, is_accepted=True)),
            lambda: self.sees.as_a_person(lambda: self.answer(which, is_accepted=False)),
        ]
        self.world.calls.meanwhile = (calls, lambda: self.sees.in_the_midst(doings[what]))
        self.world.wait(then)

    @precondition(lambda self: self.sees.alive())
    @rule(which=SMALL, seconds=st.sampled_from([30, 100, 600]), is_listed=st.booleans())
    def show_stale(self, which: int, seconds: int, is_listed: bool) -> None:
        self.world.show(self.pick(self.sees.alive(), which), seconds, is_listed=is_listed)

    @rule(
        what=st.sampled_from(["decide_connection", "converge_dns", "sweep", "redrive", "reports", "endpoint"]),
        seconds=st.sampled_from([-90, 90]),
        which=SMALL,
    )
    def disturb(self, what: str, seconds: int, which: int) -> None:
        """A clock runs wrong, dead letters come again, reports are lost, or EC2 does not take an endpoint."""
        match what:
            case "redrive":
                self.world.requests.redrive()
                self.world.dns.redrive()
            case "reports":
                self.world.stream_is_lost = True
            case "endpoint":
                self.world.refuses.add(self.pick(self.sees.refs, which).endpoint_id)
            case function:
                self.world.skews[function] = seconds

    @rule(seconds=st.sampled_from([3, 30, 100, 400]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(seconds=st.sampled_from([HOUR, DAY]))
    def wait_long(self, seconds: int) -> None:
        often, self.world.sweep_seconds = self.world.sweep_seconds, HOUR
        self.world.wait(seconds)
        self.world.sweep_seconds = often

    # What was promised

    @invariant()
    def nothing_broke(self) -> None:
        if self.vpcs:
            self.sees.assert_unbroken()
            self.sees.assert_others_untouched()

    def teardown(self) -> None:
        try:
            if self.vpcs and not self.sees.broken:
                self.sees.assert_kept()
        finally:
            for module, secrets in self._restored:
                module.secrets = secrets  # type: ignore[attr-defined]

    # Doing

    def request(self, service_id: str, where: Vpc, tags: dict[str, str] | None = None) -> None:
        ref = self.aws.endpoint(service_id, where, tags=tags)
        self.sees.refs.append(ref)
        self.sees.vpc_of[ref.endpoint_id] = where

    @staticmethod
    def pick[T](some: Sequence[T], which: int) -> T:
        return some[which % len(some)]

    def delete_any(self, which: int) -> None:
        if refs := self.sees.alive():
            self.delete_endpoint(self.pick(refs, which))

    def delete_endpoint(self, ref: ConnectionRef) -> None:
        self.aws.delete(ref, self.sees.vpc_of[ref.endpoint_id].account)

    def answer(self, which: int, *, is_accepted: bool) -> None:
        """A person's Accept of what waits, or Reject of anything; nothing where there is none."""
        states = (AwsState.PENDING_ACCEPTANCE, *(() if is_accepted else STANDING))
        if refs := self.sees.in_state(*states):
            ref = self.pick(refs, which)
            (self.aws.accept if is_accepted else self.aws.reject)(ref)

    def declare(self, service_id: str, declaration: dict[str, str]) -> None:
        old = [{"Key": tag} for tag in self.aws.privatelink.tags_of(service_id) if tag not in declaration]
        if old:
            self.aws.ec2(PROVIDER, "DeleteTags", Resources=[service_id], Tags=old)
        if declaration:
            self.aws.ec2(PROVIDER, "CreateTags", Resources=[service_id], Tags=tag_list(declaration))
        self.sees.tagged(service_id)

    def remove_zone(self, zone: hosted_zones.Zone) -> None:
        """With all that is in it."""
        records = [one for one in zone.records.values() if one["Type"] not in ("NS", "SOA")]
        if records:
            changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in records]
            request = {"HostedZoneId": zone.zone_id, "ChangeBatch": {"Changes": changes}}
            self.aws.route53(zone.owner, "ChangeResourceRecordSets", **request)
        self.aws.route53(zone.owner, "DeleteHostedZone", Id=zone.zone_id)
        self.sees.foreign_records = {
            known: to for known, to in self.sees.foreign_records.items() if known[0] != zone.zone_id
        }

    def place(self, account: str, is_in_unit: bool) -> None:
        units = (OrganizationalUnit(UNIT, "Workloads"),) if is_in_unit else ()
        owner = Owner(account, f"team-{account[0]}", units, ORGANIZATION if is_in_unit else None)
        self.autopilot.organization.owners[account] = owner

    def write_by_hand(self, zone_id: str, name: str) -> None:
        zone, to = self.aws.hosted_zones._zones[zone_id], f"somewhere.{name}"
        if any(owner == f"{name}." and kind != "CNAME" for owner, kind, _ in zone.records):
            return
        self.aws.write(zone.owner, zone_id, name, to, "UPSERT")
        self.sees.foreign_records[zone_id, name] = to
        self.sees.shared_zones.add(zone_id)

    def delete_by_hand(self, zone_id: str, name: str) -> None:
        to = self.sees.foreign_records.pop((zone_id, name))
        self.aws.write(self.aws.hosted_zones._zones[zone_id].owner, zone_id, name, to, "DELETE")


SETTINGS = settings(
    max_examples=75,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestDeployment = Deployment.TestCase
TestDeployment.settings = SETTINGS
