"""Somebody who saw everything that happened to a deployment, and holds Autopilot to what it promises.

Nothing here is taken from the product's own decisions: what the allowlist says, how much may be disrupted and which
names should resolve is worked out anew from what was done to AWS and to the list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autopilot.domain.allowlist import Action, AllowlistEntry, Verdict
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns, LedgerRow, Status
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.endpoint import endpoint_of_target
from autopilot.domain.organization import Owner
from autopilot.domain.report import StatusChange, telling
from autopilot.domain.wake_up import SeenBy
from tests.fakes.autopilot import SECONDS_TO_INSYNC, US
from tests.fakes.clock import DAY
from tests.fakes.landscape import REGION, Vpc
from tests.faults.world import ANSWERS, LOST, World
from tests.local_aws import hosted_zones
from tests.local_aws.privatelink import Request

ORGANIZATION = "o-a1b2c3d4e5"
STANDING = (AwsState.PENDING, AwsState.AVAILABLE)
_ENDED = (AwsState.DELETED, AwsState.DELETING)
_WRITES = (*ANSWERS, "CreateHostedZone", "DeleteHostedZone")
# Of the functions' clocks, which may differ from each other and from the true one.
_SKEW = timedelta(minutes=4)
_DAY_OF_THE_BRAKE = timedelta(days=1) - 2 * _SKEW
_SPREADING = timedelta(seconds=SECONDS_TO_INSYNC)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name resolves to in a VPC, by which zone, and since when. target: empty for NXDOMAIN."""

    zone_id: str
    target: str
    since: datetime


class Witness:
    """most_disruptions: how many the deployment allows in 24 hours; there are too few connections for a percentage.

    foreign_zones: by id, the VPC that somebody made each for. foreign_records: what somebody wrote by hand, in any
    zone. declared: the zones that a service's tags ever named.
    """

    def __init__(self, world: World, most_disruptions: int) -> None:
        self.world, self.autopilot, self.aws, self.clock = world, world.autopilot, world.aws, world.clock
        self.most_disruptions = most_disruptions
        self.broken: list[str] = []
        self.refs: list[ConnectionRef] = []
        self.vpc_of: dict[str, Vpc] = {}
        self.foreign_zones: dict[str, Vpc] = {}
        self.foreign_records: dict[tuple[str, str], str] = {}
        self.shared_zones: set[str] = set()
        self.declared: defaultdict[str, set[str]] = defaultdict(set)
        self._allowed: set[int] = set()
        self._disrupted: list[tuple[datetime, str, str]] = []
        self._accepted_by_us: set[str] = set()
        self._touched_by_people: set[str] = set()
        self._is_in_the_midst = False
        self._answered_in_the_midst: dict[str, int] = {}
        self._last_in_the_midst: datetime | None = None
        self._passed: defaultdict[ConnectionRef, dict[str, Status]] = defaultdict(dict)
        self._answers: dict[tuple[Vpc, str], Answer] = {}
        self._unwritten: set[str] = set()
        world.before_answer, world.after_change_of_zones = self._judge_answer, self._judge_change
        put = self.autopilot.ledger._put

        def watched(row: LedgerRow) -> None:
            before = self.world.rows.get(row.ref)
            put(row)
            self._judge_row(before, row)

        self.autopilot.ledger._put = watched  # type: ignore[method-assign]

    # What happens

    def requested(self, ref: ConnectionRef, where: Vpc) -> None:
        self.refs.append(ref)
        self.vpc_of[ref.endpoint_id] = where

    def tagged(self, service_id: str) -> None:
        self.declared[service_id] |= {zone for zone, _ in self.declarations(service_id) if zone}

    def allowed_disruptions(self, allowed: int) -> None:
        self._allowed.add(allowed)

    def in_the_midst(self, act: Callable[[], None]) -> None:
        """Something happens while a function runs."""
        self._last_in_the_midst = self.clock()
        act()

    def as_a_person(self, act: Callable[[], None]) -> None:
        """A person acts while a function runs."""
        running, self.world.running, self._is_in_the_midst = self.world.running, None, True
        act()
        self.world.running, self._is_in_the_midst = running, False

    # At every moment

    def assert_unbroken(self) -> None:
        assert not self.broken, self.broken
        if self.refs and self.world.surprises:
            raise self.world.surprises[0]

    def assert_others_untouched(self) -> None:
        zones = self.aws.hosted_zones._zones
        for zone_id, vpc in self.foreign_zones.items():
            assert zone_id in zones, f"the foreign zone {zone_id} is gone"
            known = {f"{name}." for of, name in self.foreign_records if of == zone_id}
            found = {record["Name"] for record in _own_records(zones[zone_id])}
            assert found == known, f"the foreign zone {zone_id} has {found} where somebody made {known}"
            assert zones[zone_id].vpcs == [_place(vpc)], f"the foreign zone {zone_id} has other VPCs"
        for (zone_id, name), to in self.foreign_records.items():
            assert zone_id in zones, f"our zone {zone_id} is gone although it had {name}"
            record = zones[zone_id].records.get((f"{name}.", "CNAME", ""))
            assert record is not None, f"the foreign record {name} is gone"
            assert record["ResourceRecords"] == [{"Value": to}], f"the foreign record {name} was changed"

    def _judge_answer(self, is_ours: bool, operation: str, service_id: str, endpoint_ids: Sequence[str]) -> None:
        """What is about to be answered: may we?"""
        for endpoint_id in endpoint_ids:
            ref, state = ConnectionRef(service_id, endpoint_id), self.world.state(endpoint_id)
            is_accept = operation == ANSWERS[0]
            if not is_ours:
                self._answer_of_a_person(ref, is_accept=is_accept)
            elif self._answered_in_the_midst.get(endpoint_id) == self.world.invocations:
                # EC2 takes no condition along: between our look and our answer a person may be faster. Where AWS
                # accepts what was rejected a moment ago, it is we who let it in.
                if is_accept and state in self._acceptable:
                    self._accepted_by_us.add(endpoint_id)
                    self._touched_by_people.discard(endpoint_id)
            elif is_accept and state in self._acceptable:
                self._judge_accept(ref, state)
            elif not is_accept and state is AwsState.PENDING_ACCEPTANCE:
                self._expect(Verdict.REJECT in self._verdicts(ref), f"rejected {ref}, which no entry rejects")
                self._expect(self.is_managed(service_id), f"rejected {ref} of a service that is not ours")
            elif not is_accept and state in STANDING:
                self._judge_disconnect(ref)

    def _judge_accept(self, ref: ConnectionRef, state: AwsState) -> None:
        self._accepted_by_us.add(ref.endpoint_id)
        if state is AwsState.REJECTED:
            self._touched_by_people.discard(ref.endpoint_id)
            # A person's answer that nobody could know of yet is another matter.
            is_known = bool(self.world.rows[ref].acceptance.answered_by)
            self._expect(self._is_named(ref.endpoint_id) or not is_known, f"took {ref} back, which no entry names")
        self._expect(Verdict.ACCEPT in self._verdicts(ref), f"accepted {ref}, which no entry allows")
        self._expect(self.is_managed(ref.service_id), f"accepted {ref} of a service that is not ours")

    def _judge_disconnect(self, ref: ConnectionRef) -> None:
        is_ours = ref.endpoint_id in self._accepted_by_us and ref.endpoint_id not in self._touched_by_people
        self._expect(is_ours, f"disconnected {ref}, which we did not let in")
        self._expect(self.is_managed(ref.service_id), f"disconnected {ref} of a service that is not ours")
        is_wanted = self.autopilot.on_revoked is OnRevoked.REJECT
        self._expect(is_wanted, f"disconnected {ref}, although revoked ones are kept")
        self._expect(self._verdicts(ref) != {Verdict.ACCEPT}, f"disconnected {ref}, which an entry still allows")
        self._expect(self._is_counted("connection", ref.endpoint_id), f"disconnected {ref} without the brake")

    def _judge_change(self, is_ours: bool, operation: str, request: Request) -> None:
        """Zones or records were changed: whatever resolved to what is in use and does so no more was disrupted.

        A zone that was just made answers for names that it lacks until its records are written, in the next call.
        """
        before, self._answers = self._answers, self._ask()
        zone_id = str(request.get("HostedZoneId", "")).rpartition("/")[2]
        if not is_ours:
            return
        if operation == "CreateHostedZone":
            self._unwritten |= {one.zone_id for one in self.our_zones() if not _own_records(one)}
        self._unwritten.discard(zone_id)
        for (where, name), old in before.items():
            new = self._answers.get((where, name))
            if new and new.zone_id in self._unwritten:
                self._answers[where, name] = old
            elif old.target and (new is None or new.target != old.target):
                self._judge_loss(name, old.target)
        removed, zone = _removed(request), self.aws.hosted_zones._zones.get(zone_id)
        for (where, name), answer in self._answers.items():
            if zone and name in removed and _place(where) in zone.vpcs and answer.zone_id != zone_id:
                ref, is_new = self._ref_of(answer.target), self.clock() - answer.since < _SPREADING
                is_early = ref and is_new and self._is_in_use(ref)
                self._expect(not is_early, f"took {name} from {ref} before every server had it from its new zone")

    def _judge_loss(self, name: str, target: str) -> None:
        ref = self._ref_of(target)
        if ref is None:
            self._expect("somewhere." not in target, f"hid {name}, which somebody wrote by hand")
        elif self._is_in_use(ref):
            self._expect(self.is_managed(ref.service_id), f"took {name} from {ref} of a service that is not ours")
            self._expect(name not in self.names_of(ref.service_id), f"took {name} from {ref}, which declares it")
            self._expect(self._is_counted("names", ref.endpoint_id), f"took {name} from {ref} without the brake")

    def _ask(self) -> dict[tuple[Vpc, str], Answer]:
        """What every name that some private zone has resolves to now, in each VPC."""
        zones, now = self.aws.hosted_zones, self.clock()
        names = {record["Name"].rstrip(".") for zone in zones._zones.values() for record in _own_records(zone)}
        answers: dict[tuple[Vpc, str], Answer] = {}
        for where in set(self.vpc_of.values()):
            for name in names:
                found, known = zones.resolve(*_place(where), name), self._answers.get((where, name))
                is_known = known and (known.zone_id, known.target) == (found.zone, found.target)
                answers[where, name] = known if known and is_known else Answer(found.zone, found.target, now)
        return answers

    def _judge_row(self, before: LedgerRow | None, row: LedgerRow) -> None:
        """What the ledger is told: its statuses are remembered, and a name that is ready must resolve by then."""
        was = before.acceptance.value if before else None
        if row.acceptance.value is Acceptance.REVOKING and was is not Acceptance.REVOKING:
            self._count_disruption("connection", row.ref.endpoint_id)
        if set(row.dns.releasing) - set(before.dns.releasing if before else ()):
            self._count_disruption("names", row.ref.endpoint_id)
        if row.status and (before is None or row.status is not before.status):
            self._passed[row.ref][f"{row.ref.service_id}/{row.ref.endpoint_id}/{row.version}"] = row.status
        was_looked_at = before is None or row.dns.checked_at != before.dns.checked_at
        if row.status is Status.READY and was_looked_at and self._last_in_the_midst != self.clock():
            where, names = self.vpc_of[row.ref.endpoint_id], [name for name, _ in row.dns.names]
            found = {name: self.aws.resolves(where, name) for name in names}
            is_so = bool(names) and set(found.values()) == {self.regional_name(row.ref)}
            self._expect(is_so or bool(row.dns.leaving and not names), f"{row.ref} is called ready where {found}")

    def _count_disruption(self, what: str, endpoint_id: str) -> None:
        """Of those of a day none may be more than the deployment allows, or a person just now."""
        now, brake = self.clock(), self.autopilot.ledger._brake
        self._disrupted.append((now, what, endpoint_id))
        in_a_day = sum(now - at < _DAY_OF_THE_BRAKE for at, *_ in self._disrupted)
        allowed = 0
        if brake and brake.allowed_at and brake.allowed in self._allowed:
            allowed = brake.allowed if now - brake.allowed_at < timedelta(days=1) + _SKEW else 0
        limit = max(self.most_disruptions, allowed)
        self._expect(in_a_day <= limit, f"disrupted {in_a_day} in a day where {limit} are allowed")

    def _is_counted(self, what: str, endpoint_id: str) -> bool:
        return any((what, endpoint_id) == (of, whom) for _, of, whom in self._disrupted)

    # In the end

    def assert_kept(self) -> None:
        """After everything was mended and there was time enough: every promise was kept."""
        self._settle()
        for ref in self.refs:
            if self.is_managed(ref.service_id):
                self._assert_decided(ref)
                self._assert_named(ref)
        self._assert_zones()
        self._assert_told()

    def _settle(self) -> None:
        self.world.heal()
        self.world.sweep_seconds = 3600
        self.autopilot.consumers.roles.update(vpc.account for vpc in self.vpc_of.values())
        for _ in range(4):
            self.autopilot.ledger.allow_disruptions(1000)
            self.allowed_disruptions(1000)
            self.world.wait(DAY)
        self.assert_unbroken()
        self.assert_others_untouched()
        before, records = len(self.world.calls.made), self._all_records()
        self.world.wait(3 * 3600)
        writes = [one for one in self.world.calls.made[before:] if one in _WRITES]
        assert not writes, f"it never comes to rest: {writes}"
        assert self._all_records() == records, "it never comes to rest"
        assert self.world.is_quiet

    def _assert_decided(self, ref: ConnectionRef) -> None:
        state, row = self.world.state(ref.endpoint_id), self.world.rows.get(ref)
        [verdict] = self._verdicts(ref)
        if state is AwsState.PENDING_ACCEPTANCE:
            assert verdict is Verdict.HOLD, f"{ref} still waits although it is to be {verdict}: {row}"
            assert row is not None
            assert row.acceptance.value is Acceptance.HELD
        if state is AwsState.REJECTED and self.aws.privatelink.accepts_rejected:
            entry = self._deciding(ref, self.clock())
            is_named = entry is not None and entry.key.principal == ref.endpoint_id and entry.action is Action.ACCEPT
            is_refused = bool(row and row.acceptance.refusal)
            assert not is_named or is_refused, f"{ref} stays rejected although an entry names it: {row}"
        if state in STANDING and row and row.acceptance.value is not Acceptance.ADOPTED:
            assert ref.endpoint_id in self._accepted_by_us, f"{ref} was not ours to accept"
            if self._requires_acceptance(ref):
                is_accepted = row.acceptance.value is Acceptance.ACCEPTED
                assert is_accepted == (verdict is Verdict.ACCEPT), f"{ref} is {row.acceptance} where {verdict}"
                is_kept = self.autopilot.on_revoked is OnRevoked.KEEP
                assert verdict is Verdict.ACCEPT or is_kept, f"{ref} was not disconnected"

    def _assert_named(self, ref: ConnectionRef) -> None:
        state, row = self.world.state(ref.endpoint_id), self.world.rows.get(ref)
        if state is not AwsState.AVAILABLE:
            if row:
                assert state is AwsState.PENDING_ACCEPTANCE or row.dns.value is Dns.ABSENT, f"{ref}: {row.dns}"
                assert state not in _ENDED or row.status is Status.RETIRED, f"{ref} is gone, and called {row.status}"
            return
        assert row, f"nobody knows {ref}"
        where, names = self.vpc_of[ref.endpoint_id], self.names_of(ref.service_id)
        own = self.regional_name(ref)
        answers = {name: self.aws.resolves(where, name) for name in names}
        match row.dns.value:
            case Dns.PRESENT | Dns.CONSUMERS_OWN:
                assert names, f"{ref} is ready without a name: {row.dns}"
                assert set(answers.values()) == {own}, f"{ref} is ready where {answers}"
            case Dns.DECLINED:
                assert self.declines(ref)
                assert own not in answers.values()
            case Dns.UNDECLARED:
                assert not names
            case Dns.BLOCKED:
                rivals = [name for name in names if self._has_rival(ref, where, name)]
                assert rivals, f"{ref} is blocked by nobody: {row.dns}"
            case other:
                raise AssertionError(f"{ref} is only {other}: {row.dns}")
        if self.declines(ref):
            # Where there are no names to write nobody asks whether they would be declined.
            assert row.dns.value in (Dns.DECLINED, Dns.UNDECLARED)

    def _assert_zones(self) -> None:
        for zone in self.our_zones():
            where = next(vpc for vpc in self.vpc_of.values() if vpc.vpc_id in zone.caller_reference)
            assert zone.vpcs == [_place(where)]
            for record in _own_records(zone):
                self._assert_led(zone, record)
            assert _own_records(zone) or self._may_stay_empty(zone), f"the zone {zone.name} is empty"

    def _assert_led(self, zone: hosted_zones.Zone, record: Request) -> None:
        name, ref = record["Name"].rstrip("."), self._ref_of(hosted_zones.leads_to(record))
        assert ref or (zone.zone_id, name) in self.foreign_records, f"{name} leads nowhere: {record}"
        if ref and self.is_managed(ref.service_id):
            row, state = self.world.rows.get(ref), self.world.state(ref.endpoint_id)
            assert state is AwsState.AVAILABLE, f"{name} leads to {ref}: {row}"
            assert not self.declines(ref)
            assert name in self.names_of(ref.service_id), f"{name} is not declared for {ref}"
            others = [one for one in self.our_zones() if one != zone and one.vpcs == zone.vpcs]
            is_once = record not in [more for other in others for more in _own_records(other)]
            assert is_once or (row and row.dns.value is Dns.BLOCKED), f"{name} leads to {ref} in two zones"

    def _may_stay_empty(self, zone: hosted_zones.Zone) -> bool:
        """Once our records are gone nobody looks whether somebody else's go, too; and hands off is hands off."""
        in_vpc = {ref.service_id for ref in self.refs if self.vpc_of[ref.endpoint_id].vpc_id in zone.caller_reference}
        let_go = {one for one in in_vpc if zone.name.rstrip(".") in self.declared[one] and not self.is_managed(one)}
        return zone.zone_id in self.shared_zones or bool(let_go)

    def _assert_told(self) -> None:
        """Every status that the ledger passed through, in its order, on the bus and in an e-mail.

        What was given up for good is a dead letter; of that the last status at least is told later.
        """
        told = [event.detail for event in self.autopilot.bus.events]
        by_id = {str(detail["report_id"]): detail["status"] for detail in told}
        lost = {record.report_id for record in self.world.lost if isinstance(record, StatusChange)}
        mailed = set(self._mailed())
        for ref, passed in self._passed.items():
            expected = {report_id: status for report_id, status in passed.items() if report_id not in lost}
            found = {report_id: by_id.get(report_id) for report_id in expected}
            assert found == expected, f"{ref} was {expected}, told was {found}"
            in_order = [str(detail["report_id"]) for detail in told if detail["report_id"] in expected]
            assert list(dict.fromkeys(in_order)) == list(expected), f"{ref} was told of in another order: {in_order}"
            if self.world.rows[ref].seen_by == SeenBy.INSTALLATION:
                assert any(ref.service_id in mail.text for mail in self.autopilot.topic.mails)
            else:
                assert mailed >= expected.keys(), f"{ref}: no e-mail told of {expected.keys() - mailed}"
        for row in self.world.rows.values():
            if row.status and self.is_managed(row.ref.service_id):
                assert row.told == telling(row), f"{row.ref}: told {row.told!r} of {telling(row)!r}: {row}"
                last = [detail["status"] for detail in told if detail["endpoint_id"] == row.ref.endpoint_id][-1]
                assert last == row.status, f"{row.ref}: {last} was told last, it is {row.status}"

    def _mailed(self) -> Iterator[str]:
        for mail in self.autopilot.topic.mails:
            changes = mail.document.get("changes", [mail.document])
            assert isinstance(changes, list)
            yield from (change["report_id"] for change in changes if "report_id" in change)

    # What is

    def alive(self) -> list[ConnectionRef]:
        return [ref for ref in self.refs if self.world.state(ref.endpoint_id) not in _ENDED]

    def in_state(self, *states: AwsState) -> list[ConnectionRef]:
        return [ref for ref in self.refs if self.world.state(ref.endpoint_id) in states]

    def is_managed(self, service_id: str) -> bool:
        is_enabled = self.aws.privatelink.tags_of(service_id).get("autopilot") == "enabled"
        return is_enabled and all(bool(zone) == bool(records) for zone, records in self.declarations(service_id))

    def declarations(self, service_id: str) -> list[tuple[str, str]]:
        """Each zone of the tags with its records; empty is what they lack."""
        tags = self.aws.privatelink.tags_of(service_id)
        return [(tags.get(f"autopilot:zone{n}", ""), tags.get(f"autopilot:records{n}", "")) for n in ("", "-2")]

    def names_of(self, service_id: str) -> set[str]:
        if not self.is_managed(service_id):
            return set()
        declared = self.declarations(service_id)
        return {zone if label == "@" else f"{label}.{zone}" for zone, records in declared for label in records.split()}

    def declines(self, ref: ConnectionRef) -> bool:
        return self.aws.privatelink.tags_of(ref.endpoint_id).get("autopilot:dns") == "off"

    def regional_name(self, ref: ConnectionRef) -> str:
        return self.aws.privatelink._endpoints[ref.endpoint_id].dns_name

    def our_zones(self) -> list[hosted_zones.Zone]:
        mark = f"plap1:{US.account}:{US.region}:"
        return [zone for zone in self.aws.hosted_zones._zones.values() if zone.caller_reference.startswith(mark)]

    def _expect(self, holds: bool, otherwise: str) -> None:
        """Inside a function an AssertionError would be one of its own failures."""
        if not holds:
            self.broken.append(otherwise)

    def _answer_of_a_person(self, ref: ConnectionRef, *, is_accept: bool) -> None:
        if self._is_in_the_midst:
            self._answered_in_the_midst[ref.endpoint_id] = self.world.invocations
        row = self.world.rows.get(ref)
        is_intended = self._is_in_the_midst or (row and row.acceptance.value is Acceptance.ACCEPTING)
        # Nobody can tell a person's Accept from ours where we mean to accept and nothing tells of the person's.
        is_taken_for_ours = is_accept and is_intended and self.world.deliveries == LOST
        (self._accepted_by_us if is_taken_for_ours else self._touched_by_people).add(ref.endpoint_id)

    def _verdicts(self, ref: ConnectionRef) -> Collection[Verdict]:
        """What the list says at this moment, and by each function's clock."""
        return {self._verdict(self._deciding(ref, at)) for at in (self.clock(), self.autopilot.clock())}

    @staticmethod
    def _verdict(entry: AllowlistEntry | None) -> Verdict:
        if entry is None:
            return Verdict.HOLD
        return Verdict.ACCEPT if entry.action is Action.ACCEPT else Verdict.REJECT

    def _deciding(self, ref: ConnectionRef, at: datetime) -> AllowlistEntry | None:
        """The entry that decides: any that blocks, or the most specific one."""
        account = self.vpc_of[ref.endpoint_id].account
        owner = self.autopilot.organization.owners.get(account, Owner(account))
        units = [unit.unit_id for unit in owner.units]
        entries = {(one.key.principal, one.key.service_id): one for one in self.autopilot.allowlist._rows.values()}
        principals = [ref.endpoint_id, account, *units, *([ORGANIZATION] if units else []), "*"]
        keys = [(principal, service) for principal in principals for service in (ref.service_id, "*")]
        found = [entries[key] for key in keys if key in entries and entries[key].applies(at)]
        return next((one for one in found if one.action is Action.BLOCK), found[0] if found else None)

    @property
    def _acceptable(self) -> Sequence[AwsState]:
        taken_back = [AwsState.REJECTED] if self.aws.privatelink.accepts_rejected else []
        return [AwsState.PENDING_ACCEPTANCE, *taken_back]

    def _is_named(self, endpoint_id: str) -> bool:
        return any(key.principal == endpoint_id for key in self.autopilot.allowlist._rows)

    def _requires_acceptance(self, ref: ConnectionRef) -> bool:
        return self.aws.privatelink._services[ref.service_id].acceptance_required

    def _is_in_use(self, ref: ConnectionRef) -> bool:
        return self.world.state(ref.endpoint_id) is AwsState.AVAILABLE and not self.declines(ref)

    def _ref_of(self, target: str) -> ConnectionRef | None:
        """The connection that a record leads to."""
        endpoint_id = endpoint_of_target(target)
        return next((ref for ref in self.refs if ref.endpoint_id == endpoint_id), None)

    def _all_records(self) -> dict[str, list[object]]:
        return {zone_id: list(zone.records.values()) for zone_id, zone in self.aws.hosted_zones._zones.items()}

    def _has_rival(self, ref: ConnectionRef, where: Vpc, name: str) -> bool:
        """Whether somebody's zone or record, or another endpoint, has the name or what is around it."""
        theirs = [zone for zone, vpc in self.foreign_zones.items() if vpc == where]
        if any(_overlaps(self.aws.hosted_zones._zones[zone].name.rstrip("."), name) for zone in theirs):
            return True
        if any(known == name for _, known in self.foreign_records):
            return True
        # A zone that is not there yet must not hide what is not its own.
        absent = [
            zone for zone, _ in self.declarations(ref.service_id) if zone and zone not in self.aws.zones_in(where)
        ]
        hidden = [at for at in self._answers if at[0] == where and any(_is_in(at[1], zone) for zone in absent)]
        others = [self._ref_of(self._answers[at].target) for at in [*hidden, (where, name)] if at in self._answers]
        return any(one and one != ref for one in others)


def _own_records(zone: hosted_zones.Zone) -> list[Request]:
    """What somebody wrote into it."""
    return [record for record in zone.records.values() if record["Type"] not in ("NS", "SOA")]


def _removed(request: Request) -> list[str]:
    """The names that a batch of changes takes records away from."""
    changes = request.get("ChangeBatch", {"Changes": []})["Changes"]
    return [one["ResourceRecordSet"]["Name"].rstrip(".") for one in changes if one["Action"] == "DELETE"]


def _is_in(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _overlaps(zone: str, name: str) -> bool:
    return _is_in(name, zone) or _is_in(zone, name)


def _place(vpc: Vpc) -> hosted_zones.Vpc:
    return vpc.account, REGION, vpc.vpc_id
