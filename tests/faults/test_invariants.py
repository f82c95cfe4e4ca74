"""Whatever consumers, people and AWS do, and in whatever order: what Autopilot promises holds in the end."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey, Verdict
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns
from autopilot.domain.disruption import MaxDisruptions, OnRevoked
from autopilot.domain.endpoint import endpoint_of_target
from autopilot.domain.organization import OrganizationalUnit, Owner
from autopilot.domain.report import telling
from tests.fakes.autopilot import US, FakeAutopilot
from tests.fakes.calls import Fault, How
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, STRANGER, Vpc
from tests.faults.world import AND_AGAIN, ANSWERS, LATE, LOST, ON_TIME, TWICE, World
from tests.local_aws import hosted_zones, privatelink

THIRD = "444444444444"
ACCOUNTS = (CONSUMER, STRANGER, THIRD)
UNIT = "ou-ab12-11111111"
ORGANIZATION = "o-a1b2c3d4e5"
PAYMENTS, BILLING = "payments.example.com", "billing.example.com"
HOUR, DAY = 3600, 24 * 3600
OPT_IN = {"autopilot": "enabled"}
DECLARATIONS: tuple[dict[str, str], ...] = (
    OPT_IN | {"autopilot:zone": PAYMENTS, "autopilot:records": "api"},
    OPT_IN | {"autopilot:zone": PAYMENTS, "autopilot:records": "api ledger"},
    OPT_IN | {"autopilot:zone": PAYMENTS, "autopilot:records": "@"},
    OPT_IN | {"autopilot:zone": BILLING, "autopilot:records": "api"},
    OPT_IN,
    OPT_IN | {"autopilot:zone": PAYMENTS},
    {},
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
STANDING = (AwsState.PENDING, AwsState.AVAILABLE)


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
        self.broken: list[str] = []
        self.vpcs: list[Vpc] = []
        self.services: list[str] = []
        self.refs: list[ConnectionRef] = []
        self.vpc_of: dict[str, Vpc] = {}
        self.accepted_by_us: set[str] = set()
        self.touched_by_people: set[str] = set()
        self.is_in_the_midst = False
        self.answered_in_the_midst: dict[str, int] = {}
        self.foreign_zones: dict[str, Vpc] = {}
        self.shared_zones: set[str] = set()
        self.foreign_records: dict[tuple[str, str], str] = {}
        self.disconnected: defaultdict[datetime, set[str]] = defaultdict(set)
        self.most_standing = 0
        self.most_allowed = 0

    @initialize(
        on_revoked=st.sampled_from(OnRevoked),
        most=st.sampled_from([MaxDisruptions(), MaxDisruptions(1, 0)]),
        permissions=st.booleans(),
        accepts_rejected=st.booleans(),
        sweep_seconds=st.sampled_from([300, HOUR]),
        waits=st.sampled_from([0, 400]),
    )
    def deploy(
        self,
        on_revoked: OnRevoked,
        most: MaxDisruptions,
        permissions: bool,
        accepts_rejected: bool,
        sweep_seconds: int,
        waits: int,
    ) -> None:
        self.autopilot = FakeAutopilot(
            allowed_principals=(), on_revoked=on_revoked, max_disruptions=most, manages_permissions=permissions
        )
        self.world = World(self.autopilot, sweep_seconds=sweep_seconds)
        self.world.before_answer = self.judge
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

    @precondition(lambda self: self.alive())
    @rule(which=SMALL, then=PAUSES)
    def delete(self, which: int, then: int) -> None:
        self.delete_endpoint(self.pick(self.alive(), which))
        self.world.wait(then)

    @precondition(lambda self: self.alive())
    @rule(which=SMALL, declines=st.booleans())
    def retag_endpoint(self, which: int, declines: bool) -> None:
        ref = self.pick(self.alive(), which)
        tags = tag_list({"autopilot:dns": "off" if declines else ""})
        self.aws.ec2(self.vpc_of[ref.endpoint_id].account, "CreateTags", Resources=[ref.endpoint_id], Tags=tags)

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

    @precondition(lambda self: self.in_state(AwsState.PENDING_ACCEPTANCE, *STANDING))
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
            who = self.pick(self.refs, which).endpoint_id
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
        self.most_allowed = max(self.most_allowed, allowed)

    @rule(service=SMALL, declaration=st.sampled_from(DECLARATIONS), required=st.sampled_from([None, None, True, False]))
    def change_service(self, service: int, declaration: dict[str, str], required: bool | None) -> None:
        service_id = self.pick(self.services, service)
        if required is not None:
            operation = "ModifyVpcEndpointServiceConfiguration"
            self.aws.ec2(PROVIDER, operation, ServiceId=service_id, AcceptanceRequired=required)
            return
        old = [tag for tag in DECLARATIONS[1] if tag not in declaration]
        self.aws.tag(service_id, **{tag.replace(":", "_"): None for tag in old})
        if declaration:
            self.aws.ec2(PROVIDER, "CreateTags", Resources=[service_id], Tags=tag_list(declaration))

    # People in the consumers' accounts

    @rule(vpc=SMALL, name=st.sampled_from([PAYMENTS, f"api.{PAYMENTS}", "example.com", BILLING]), label=st.booleans())
    def make_zone(self, vpc: int, name: str, label: bool) -> None:
        where = self.pick(self.vpcs, vpc)
        if name not in self.aws.zones_in(where):
            zone_id = self.aws.zone(where, name)
            self.foreign_zones[zone_id] = where
            if label:
                self.write_by_hand(zone_id, f"theirs.{name}")

    @precondition(lambda self: self.our_zones())
    @rule(which=SMALL, label=st.sampled_from(["theirs", "api", "ledger", None]))
    def change_our_zone(self, which: int, label: str | None) -> None:
        """A record beside ours, or in the place of ours; or all is taken away, and the zone too."""
        zone = self.pick(self.our_zones(), which)
        if label:
            self.write_by_hand(zone.zone_id, f"{label}.{zone.name.rstrip('.')}")
        else:
            self.remove_zone(zone)

    @precondition(lambda self: self.foreign_zones or self.foreign_records)
    @rule(which=SMALL)
    def tidy(self, which: int) -> None:
        """What somebody made by hand is removed by hand."""
        if which < len(self.foreign_records):
            self.delete_by_hand(*list(self.foreign_records)[which])
        elif self.foreign_zones:
            zone_id = self.pick(list(self.foreign_zones), which)
            self.remove_zone(self.aws.hosted_zones._zones[zone_id])
            del self.foreign_zones[zone_id]

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

    @precondition(lambda self: self.alive())
    @rule(calls=st.integers(0, 25), what=st.integers(0, 5), which=SMALL, then=PAUSES)
    def meanwhile(self, calls: int, what: int, which: int, then: int) -> None:
        """Between two calls of a function something else happens."""
        doings: list[Callable[[], None]] = [
            self.world.sweep,
            self.world.decide,
            self.world.converge,
            lambda: self.as_nobody(lambda: self.delete_any(which)),
            lambda: self.as_nobody(lambda: self.answer(which, is_accepted=True)),
            lambda: self.as_nobody(lambda: self.answer(which, is_accepted=False)),
        ]
        self.world.calls.meanwhile = (calls, doings[what])
        self.world.wait(then)

    @precondition(lambda self: self.alive())
    @rule(which=SMALL, seconds=st.sampled_from([30, 100, 600]), is_listed=st.booleans())
    def show_stale(self, which: int, seconds: int, is_listed: bool) -> None:
        self.world.show(self.pick(self.alive(), which), seconds, is_listed=is_listed)

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
                self.world.refuses.add(self.pick(self.refs, which).endpoint_id)
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

    # At every moment

    def judge(self, is_ours: bool, operation: str, service_id: str, endpoint_ids: Sequence[str]) -> None:
        """What is about to be answered: may we?"""
        for endpoint_id in endpoint_ids:
            ref, state = ConnectionRef(service_id, endpoint_id), self.world.state(endpoint_id)
            is_accept = operation == ANSWERS[0]
            if not is_ours:
                self.answer_of_a_person(ref, is_accept=is_accept)
            elif self.answered_in_the_midst.get(endpoint_id) == self.world.invocations:
                # EC2 takes no condition along: between our look and our answer a person may be faster. Where AWS
                # accepts what was rejected a moment ago, it is we who let it in.
                if is_accept and state in self.acceptable:
                    self.accepted_by_us.add(endpoint_id)
                    self.touched_by_people.discard(endpoint_id)
            elif is_accept and state in self.acceptable:
                self.accepted_by_us.add(endpoint_id)
                if state is AwsState.REJECTED:
                    self.touched_by_people.discard(endpoint_id)
                    # A person's answer that nobody could know of yet is another matter.
                    is_known = bool(self.world.rows[ref].acceptance.answered_by)
                    self.expect(self.is_named(endpoint_id) or not is_known, f"took {ref} back, which no entry names")
                self.expect(Verdict.ACCEPT in self.verdicts(ref), f"accepted {ref}, which no entry allows")
                self.expect(self.is_managed(service_id), f"accepted {ref} of a service that is not ours")
            elif not is_accept and state is AwsState.PENDING_ACCEPTANCE:
                self.expect(Verdict.REJECT in self.verdicts(ref), f"rejected {ref}, which no entry rejects")
                self.expect(self.is_managed(service_id), f"rejected {ref} of a service that is not ours")
            elif not is_accept and state in STANDING:
                self.expect(self.is_ours(ref), f"disconnected {ref}, which we did not let in")
                self.expect(
                    self.autopilot.on_revoked is OnRevoked.REJECT or Verdict.REJECT in self.verdicts(ref),
                    f"disconnected {ref}, although revoked ones are kept",
                )
                self.count_disruption(endpoint_id)

    def count_disruption(self, endpoint_id: str) -> None:
        standing = sum(self.world.state(ref.endpoint_id) in STANDING for ref in self.refs)
        self.most_standing = max(self.most_standing, standing)
        brake = self.autopilot.ledger._brake
        if brake is None:
            self.expect(False, f"disconnected {endpoint_id} without a brake")
            return
        taken = self.disconnected[brake.since]
        taken.add(endpoint_id)
        limit = max(self.autopilot.max_disruptions.of(self.most_standing), self.most_allowed)
        self.expect(len(taken) <= limit, f"disconnected {len(taken)} where {limit} are allowed")

    @invariant()
    def nothing_broke(self) -> None:
        self.assert_unbroken()

    @invariant()
    def what_is_not_ours_is_untouched(self) -> None:
        if not self.vpcs:
            return
        zones = self.aws.hosted_zones._zones
        for zone_id in self.foreign_zones:
            assert zone_id in zones, f"the foreign zone {zone_id} is gone"
        for (zone_id, name), to in self.foreign_records.items():
            assert zone_id in zones, f"our zone {zone_id} is gone although it had {name}"
            found = zones[zone_id].records.get((f"{name}.", "CNAME", ""))
            assert found is not None, f"the foreign record {name} is gone"
            assert found["ResourceRecords"] == [{"Value": to}], f"the foreign record {name} was changed"

    # In the end

    def teardown(self) -> None:
        try:
            if self.vpcs and not self.broken:
                self.settle()
        finally:
            for module, secrets in self._restored:
                module.secrets = secrets  # type: ignore[attr-defined]

    def settle(self) -> None:
        self.world.heal()
        self.world.sweep_seconds = HOUR
        self.autopilot.consumers.roles.update(ACCOUNTS)
        for _ in range(4):
            self.autopilot.ledger.allow_disruptions(1000)
            self.most_allowed = 1000
            self.world.wait(DAY)
        self.assert_unbroken()
        self.what_is_not_ours_is_untouched()
        before, records = len(self.world.calls.made), self.all_records()
        self.world.wait(3 * HOUR)
        writes = [one for one in self.world.calls.made[before:] if one in WRITES]
        assert not writes, f"it never comes to rest: {writes}"
        assert self.all_records() == records, "it never comes to rest"
        assert self.world.is_quiet
        for ref in self.refs:
            if self.is_managed(ref.service_id):
                self.assert_decided(ref)
                self.assert_named(ref)
        self.assert_zones()
        self.assert_told()

    def assert_unbroken(self) -> None:
        assert not self.broken, self.broken
        if self.vpcs and self.world.surprises:
            raise self.world.surprises[0]

    def assert_decided(self, ref: ConnectionRef) -> None:
        state, row = self.world.state(ref.endpoint_id), self.world.rows.get(ref)
        [verdict] = {*self.verdicts(ref)}
        if state is AwsState.PENDING_ACCEPTANCE:
            assert verdict is Verdict.HOLD, f"{ref} still waits although it is to be {verdict}: {row}"
            assert row is not None
            assert row.acceptance.value is Acceptance.HELD
        if state in STANDING and row and row.acceptance.value is not Acceptance.ADOPTED and self.requires(ref):
            is_accepted = row.acceptance.value is Acceptance.ACCEPTED
            assert is_accepted == (verdict is Verdict.ACCEPT), f"{ref} is {row.acceptance} where {verdict}"
            if verdict is not Verdict.ACCEPT:
                assert self.autopilot.on_revoked is OnRevoked.KEEP, f"{ref} was not disconnected"
        if state in STANDING and row and row.acceptance.value is not Acceptance.ADOPTED:
            assert ref.endpoint_id in self.accepted_by_us, f"{ref} was not ours to accept"

    def assert_named(self, ref: ConnectionRef) -> None:
        state, row = self.world.state(ref.endpoint_id), self.world.rows.get(ref)
        if state is not AwsState.AVAILABLE:
            if row:
                assert state is AwsState.PENDING_ACCEPTANCE or row.dns.value is Dns.ABSENT, f"{ref}: {row.dns}"
            return
        assert row, f"nobody knows {ref}"
        where, names = self.vpc_of[ref.endpoint_id], self.names_of(ref.service_id)
        own = self.regional_name(ref)
        answers = {name: self.aws.resolves(where, name) for name in names}
        match row.dns.value:
            case Dns.PRESENT | Dns.CONSUMERS_OWN:
                assert set(answers.values()) <= {own}, f"{ref} is ready where {answers}"
            case Dns.DECLINED:
                assert self.declines(ref)
                assert own not in answers.values()
            case Dns.UNDECLARED:
                assert not names
            case Dns.BLOCKED:
                assert any(self.has_rival(ref, where, name) for name in names), f"{ref} is blocked by nobody: {row.dns}"
            case other:
                raise AssertionError(f"{ref} is only {other}: {row.dns}")
        if self.declines(ref):
            # Where there are no names to write nobody asks whether they would be declined.
            assert row.dns.value in (Dns.DECLINED, Dns.UNDECLARED)

    def assert_zones(self) -> None:
        for zone in self.our_zones():
            records = [one for one in zone.records.values() if one["Type"] not in ("NS", "SOA")]
            # Once our records are gone nobody looks whether somebody else's go, too; and hands off is hands off.
            others = [ref for ref in self.refs if self.vpc_of[ref.endpoint_id].vpc_id in zone.caller_reference]
            is_left = zone.zone_id in self.shared_zones or not all(self.is_managed(ref.service_id) for ref in others)
            assert records or is_left, f"the zone {zone.name} is empty"
            for one in records:
                alias = one.get("AliasTarget")
                target = alias["DNSName"] if alias else one["ResourceRecords"][0]["Value"]
                endpoint_id = endpoint_of_target(target)
                ref = next((ref for ref in self.refs if ref.endpoint_id == endpoint_id), None)
                row = self.world.rows.get(ref) if ref else None
                if ref and self.is_managed(ref.service_id):
                    assert self.world.state(ref.endpoint_id) is AwsState.AVAILABLE, (
                        f"{one['Name']} leads to {ref}: {row}"
                    )
                    assert not self.declines(ref)
                    names = self.names_of(ref.service_id)
                    assert one["Name"].rstrip(".") in names, f"{one['Name']} is not declared for {ref}"

    def assert_told(self) -> None:
        told = defaultdict(set)
        for event in self.autopilot.bus.events:
            told[str(event.detail["endpoint_id"])].add(event.detail["status"])
        for row in self.world.rows.values():
            if row.status and row.repeats < 24 and self.is_managed(row.ref.service_id):
                assert row.told == telling(row), f"{row.ref}: told {row.told!r} of {telling(row)!r}: {row}"
                assert row.status in told[row.ref.endpoint_id]

    # What is

    def expect(self, holds: bool, otherwise: str) -> None:
        """Inside a function an AssertionError would be one of its own failures."""
        if not holds:
            self.broken.append(otherwise)

    def alive(self) -> list[ConnectionRef]:
        ended = (AwsState.DELETED, AwsState.DELETING)
        return [ref for ref in self.refs if self.world.state(ref.endpoint_id) not in ended]

    def in_state(self, *states: AwsState) -> list[ConnectionRef]:
        return [ref for ref in self.refs if self.world.state(ref.endpoint_id) in states]

    def answer_of_a_person(self, ref: ConnectionRef, *, is_accept: bool) -> None:
        if self.is_in_the_midst:
            self.answered_in_the_midst[ref.endpoint_id] = self.world.invocations
        row = self.world.rows.get(ref)
        is_intended = self.is_in_the_midst or (row and row.acceptance.value is Acceptance.ACCEPTING)
        # Nobody can tell a person's Accept from ours where we mean to accept and nothing tells of the person's.
        is_taken_for_ours = is_accept and is_intended and self.world.deliveries == LOST
        (self.accepted_by_us if is_taken_for_ours else self.touched_by_people).add(ref.endpoint_id)

    def is_ours(self, ref: ConnectionRef) -> bool:
        return ref.endpoint_id in self.accepted_by_us and ref.endpoint_id not in self.touched_by_people

    def verdicts(self, ref: ConnectionRef) -> set[Verdict]:
        """What the list says at this moment, and by each function's clock."""
        moments = {self.clock(), self.autopilot.clock()}
        return {self.verdict(ref, at) for at in moments}

    def verdict(self, ref: ConnectionRef, at: datetime) -> Verdict:
        account = self.vpc_of[ref.endpoint_id].account
        owner = self.autopilot.organization.owners.get(account, Owner(account))
        units = [unit.unit_id for unit in owner.units]
        entries = {(one.key.principal, one.key.service_id): one for one in self.autopilot.allowlist._rows.values()}
        principals = [ref.endpoint_id, account, *units, *([ORGANIZATION] if units else []), "*"]
        keys = [(principal, service) for principal in principals for service in (ref.service_id, "*")]
        found = [entries[key] for key in keys if key in entries and entries[key].applies(at)]
        if any(one.action is Action.BLOCK for one in found):
            return Verdict.REJECT
        if not found:
            return Verdict.HOLD
        return Verdict.ACCEPT if found[0].action is Action.ACCEPT else Verdict.REJECT

    def tags_of(self, service_id: str) -> dict[str, str]:
        return dict(self.aws.privatelink.tags_of(service_id))

    def is_managed(self, service_id: str) -> bool:
        tags = self.tags_of(service_id)
        return tags.get("autopilot") == "enabled" and ("autopilot:zone" in tags) == ("autopilot:records" in tags)

    @property
    def acceptable(self) -> Sequence[AwsState]:
        taken_back = [AwsState.REJECTED] if self.aws.privatelink.accepts_rejected else []
        return [AwsState.PENDING_ACCEPTANCE, *taken_back]

    def is_named(self, endpoint_id: str) -> bool:
        return any(key.principal == endpoint_id for key in self.autopilot.allowlist._rows)

    def requires(self, ref: ConnectionRef) -> bool:
        return self.aws.privatelink._services[ref.service_id].acceptance_required

    def names_of(self, service_id: str) -> set[str]:
        tags = self.tags_of(service_id)
        if not self.is_managed(service_id) or "autopilot:zone" not in tags:
            return set()
        zone = tags["autopilot:zone"]
        return {zone if label == "@" else f"{label}.{zone}" for label in tags["autopilot:records"].split()}

    def declines(self, ref: ConnectionRef) -> bool:
        return self.aws.privatelink.tags_of(ref.endpoint_id).get("autopilot:dns") == "off"

    def regional_name(self, ref: ConnectionRef) -> str:
        return self.aws.privatelink._endpoints[ref.endpoint_id].dns_name

    def all_records(self) -> dict[str, list[object]]:
        return {zone_id: list(zone.records.values()) for zone_id, zone in self.aws.hosted_zones._zones.items()}

    def our_zones(self) -> list[hosted_zones.Zone]:
        mark = f"plap1:{US.account}:{US.region}:"
        return [zone for zone in self.aws.hosted_zones._zones.values() if zone.caller_reference.startswith(mark)]

    def has_rival(self, ref: ConnectionRef, where: Vpc, name: str) -> bool:
        """Whether somebody's zone or record, or another endpoint, has the name or what is around it."""
        theirs = [zone for zone, vpc in self.foreign_zones.items() if vpc == where]
        if any(self.overlaps(self.aws.hosted_zones._zones[zone].name.rstrip("."), name) for zone in theirs):
            return True
        if any(known == name for _, known in self.foreign_records):
            return True
        others = [one for one in self.alive() if one != ref and self.vpc_of[one.endpoint_id] == where]
        return any(self.regional_name(one) == self.aws.resolves(where, name) for one in others)

    @staticmethod
    def overlaps(zone: str, name: str) -> bool:
        return name == zone or name.endswith(f".{zone}") or zone.endswith(f".{name}")

    # Doing

    def request(self, service_id: str, where: Vpc, tags: dict[str, str] | None = None) -> None:
        ref = self.aws.endpoint(service_id, where, tags=tags)
        self.refs.append(ref)
        self.vpc_of[ref.endpoint_id] = where

    @staticmethod
    def pick[T](some: Sequence[T], which: int) -> T:
        return some[which % len(some)]

    def delete_any(self, which: int) -> None:
        if refs := self.alive():
            self.delete_endpoint(self.pick(refs, which))

    def delete_endpoint(self, ref: ConnectionRef) -> None:
        self.aws.delete(ref, self.vpc_of[ref.endpoint_id].account)

    def answer(self, which: int, *, is_accepted: bool) -> None:
        """A person's Accept of what waits, or Reject of anything; nothing where there is none."""
        states = (AwsState.PENDING_ACCEPTANCE, *(() if is_accepted else STANDING))
        if refs := self.in_state(*states):
            ref = self.pick(refs, which)
            (self.aws.accept if is_accepted else self.aws.reject)(ref)

    def remove_zone(self, zone: hosted_zones.Zone) -> None:
        """With all that is in it."""
        records = [one for one in zone.records.values() if one["Type"] not in ("NS", "SOA")]
        if records:
            changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in records]
            request = {"HostedZoneId": zone.zone_id, "ChangeBatch": {"Changes": changes}}
            self.aws.route53(zone.owner, "ChangeResourceRecordSets", **request)
        self.aws.route53(zone.owner, "DeleteHostedZone", Id=zone.zone_id)
        self.foreign_records = {known: to for known, to in self.foreign_records.items() if known[0] != zone.zone_id}

    def as_nobody(self, act: Callable[[], None]) -> None:
        """A person acts while a function runs."""
        running, self.world.running, self.is_in_the_midst = self.world.running, None, True
        act()
        self.world.running, self.is_in_the_midst = running, False

    def place(self, account: str, is_in_unit: bool) -> None:
        units = (OrganizationalUnit(UNIT, "Workloads"),) if is_in_unit else ()
        owner = Owner(account, f"team-{account[0]}", units, ORGANIZATION if is_in_unit else None)
        self.autopilot.organization.owners[account] = owner

    def write_by_hand(self, zone_id: str, name: str) -> None:
        zone, to = self.aws.hosted_zones._zones[zone_id], f"somewhere.{name}"
        if any(owner == f"{name}." and kind != "CNAME" for owner, kind, _ in zone.records):
            return
        self.aws.write(zone.owner, zone_id, name, to, "UPSERT")
        self.foreign_records[zone_id, name] = to
        self.shared_zones.add(zone_id)

    def delete_by_hand(self, zone_id: str, name: str) -> None:
        to = self.foreign_records.pop((zone_id, name))
        self.aws.write(self.aws.hosted_zones._zones[zone_id].owner, zone_id, name, to, "DELETE")


WRITES = (*ANSWERS, "CreateHostedZone", "DeleteHostedZone")

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
