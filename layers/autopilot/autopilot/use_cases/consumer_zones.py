"""The private hosted zones of one consumer VPC: plan, then apply, in zones of ours only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from operator import contains

from aws_lambda_powertools import Logger

from autopilot.domain.dns_plan import (
    Autopilot,
    ChangeAction,
    Holder,
    HostedZone,
    Record,
    RecordChange,
    ZonePlan,
    plan_zone,
)
from autopilot.domain.endpoint import ALSO_VPCS_TAG
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.domain.names import Name, is_within, placed
from autopilot.domain.public_suffix import is_registrable
from autopilot.domain.shadowing import ZoneInVpc, hidden_records, whole_domain, wider_zone, zone_that_answers
from autopilot.use_cases.ports import HostedZones, PublicDns

logger = Logger(child=True)

# A reference serves once, even when its zone is gone. They are numbered from the second on, so that a zone can be made
# and removed as often as it takes. Of two runs only one makes the zone: no VPC gets a second one of the same name.
_MOST_TRIES = 5
_MOST_RECORDS = 10_000
# From this share of a quota on it is told.
_NEARLY_FULL = 0.9
_MOST_LISTED = 5
_REMOVED = {Mode.ENFORCE: "removed", Mode.OBSERVE: "would remove"}
_HANDED = {Mode.ENFORCE: "handed", Mode.OBSERVE: "would hand"}
_ALLOW = "tag the service autopilot:allow-shadowing=true if they may be hidden"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one endpoint wants of one zone of its VPC.

    kept: names that it had and that stay for now. leaving: the records of those in this zone: a new one that lacked
    them would hide them at once. written: the names that Autopilot wrote for it, as the ledger has them; any other of
    this endpoint is the consumer's own. None where all of them go. is_known: whether an endpoint of the VPC wrote to a
    zone of that name before, asked for only where the VPC has none of ours. is_known_insync: a change that wrote the
    records was seen or is waited for. heirs: what other endpoints want of this zone, asked for only when a name is
    given up.
    """

    zone_name: str
    wanted: Sequence[Record]
    endpoint_id: str
    vpc_id: str
    kept: frozenset[str] = frozenset()
    leaving: Sequence[Record] = ()
    written: frozenset[str] | None = None
    is_known: Callable[[], bool] = lambda: False
    allows_shadowing: bool = False
    is_known_insync: bool = True
    heirs: Callable[[str, str], Sequence[Record]] = lambda *_: ()


@dataclass(slots=True)
class ZoneOutcome:
    """zone_id: of our zone, None where there is none. written: the names that it sends to the endpoint. change_id: a
    Route 53 change under way. blocked: why names cannot be written, and the fix. own: the names that a zone which is
    not ours already sends here. would: what observe mode left undone. checks: what should be known of the zone.
    """

    zone_id: str | None = None
    written: set[str] = field(default_factory=set)
    change_id: str | None = None
    blocked: list[str] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    would: str | None = None
    checks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be done for a claim, with what is known of its outcome. others: the VPC's zones but ours.
    is_off_vpc: our zone is there, and the VPC does not ask it. found: our zone's records.
    """

    claim: Claim
    outcome: ZoneOutcome
    others: Sequence[ZoneInVpc]
    ours: HostedZone | None
    is_off_vpc: bool
    found: Sequence[Record] = ()
    changes: Sequence[RecordChange] = ()

    @property
    def held(self) -> set[str]:
        """The names that the zone sends to the endpoint once it is done, as far as they are wanted or kept."""
        holders = {(record.name, record.type): record.endpoint_id for record in self.found}
        for change in self.changes:
            is_deleted = change.action is ChangeAction.DELETE
            holders[change.record.name, change.record.type] = None if is_deleted else change.record.endpoint_id
        ours = {name for (name, _), endpoint_id in holders.items() if endpoint_id == self.claim.endpoint_id}
        return ours & {*self.claim.kept, *(record.name for record in self.claim.wanted)}


@dataclass(frozen=True, slots=True)
class Cleared:
    """done: what was taken out, or in observe mode would be. is_clear: nothing there leads to the endpoint now."""

    done: Sequence[str]
    is_clear: bool


@dataclass(frozen=True, slots=True)
class ConsumerZones:
    """holder_of: who stands behind another endpoint that a record of our zone points to."""

    hosted_zones: HostedZones
    public_dns: PublicDns
    autopilot: Autopilot
    mode: Mode
    holder_of: Callable[[str], Holder]
    clock: Callable[[], datetime]

    def homes(self, names: Sequence[Name], vpc_id: str, in_vpc: Sequence[ZoneInVpc]) -> tuple[Name, ...]:
        """The names in the zones that are to hold them. in_vpc: the VPC's zones. Raises AwsCallFailed.

        Where the VPC has a zone of ours that is narrower than the declared one, that one answers: the name is written
        there. To move it out would be a gap, as no zone can be deleted before it is empty.
        """
        declared = {name.zone for name in names}
        narrower = {
            zone.name
            for zone in in_vpc
            if zone.name not in declared
            and any(is_within(name.fqdn, zone.name) and is_within(zone.name, name.zone) for name in names)
            and self._our_zone(zone, vpc_id)
        }
        return placed(names, narrower)

    def plan(self, claim: Claim, in_vpc: Sequence[ZoneInVpc]) -> Intent:
        """What it takes to make the VPC answer with the wanted records. in_vpc: its zones. Raises AwsCallFailed.

        Where the records are in place but nobody knows of which change (a run died after writing them), they are
        written once more as they are, so that there is a change whose INSYNC can be waited for.
        """
        ours = self._ours(claim.zone_name, claim.vpc_id, in_vpc, claim.is_known)
        others = [zone for zone in in_vpc if ours is None or zone.zone_id != ours.zone_id]
        outcome = ZoneOutcome(zone_id=ours.zone_id if ours else None)
        intent = Intent(claim, outcome, others, ours, is_off_vpc=ours is not None and len(others) == len(in_vpc))
        if ours is None and not claim.allows_shadowing and is_registrable(claim.zone_name):
            outcome.blocked.append(whole_domain(claim.zone_name))
            return intent
        found = self.hosted_zones.records(ours.zone_id) if ours else ()
        writable = self._writable(claim, others, outcome, is_new=ours is None, is_empty=not found)
        if ours is None and not writable:
            return intent
        plan = self._plan(claim, writable, found)
        outcome.blocked += plan.conflicts
        changes = plan.changes
        if not changes and not claim.is_known_insync and self.mode is Mode.ENFORCE:
            there = set(found)
            changes = tuple(RecordChange(ChangeAction.UPSERT, record) for record in writable if record in there)
        return replace(intent, found=found, changes=changes)

    def apply(self, intent: Intent) -> ZoneOutcome:
        """Do it, or in observe mode say it. Raises AwsCallFailed.

        Zone and records come together: an empty private zone would hide the public name.
        """
        claim, outcome, ours, changes = intent.claim, intent.outcome, intent.ours, intent.changes
        if ours and intent.is_off_vpc and not self._is_associated(ours, claim):
            return self._kept_off(ours, intent)
        if changes and self.mode is Mode.OBSERVE:
            place = f"zone {claim.zone_name}" if ours else f"a new zone {claim.zone_name} for {claim.vpc_id}"
            outcome.would = f"would write to {place}: {_listed(changes)}"
            return outcome
        if changes:
            ours = ours or self._create(claim, outcome)
            if ours is None:
                return outcome
            logger.info(
                f"writing to zone {ours.name} ({ours.zone_id}) of {claim.vpc_id}: {_listed(changes)}",
                extra={"endpoint_id": claim.endpoint_id},
            )
            outcome.zone_id, outcome.change_id = ours.zone_id, self._write(ours, changes, is_empty=not intent.found)
            if len(intent.found) + len(changes) > _NEARLY_FULL * _MOST_RECORDS:
                number = f"{len(intent.found)} of {_MOST_RECORDS}"
                outcome.checks.append(f"the zone {ours.name} ({ours.zone_id}) has {number} records")
        outcome.written = intent.held
        return outcome

    def absent(
        self,
        zone_name: str,
        endpoint_id: str,
        zones: Iterable[HostedZone],
        *,
        heirs: Callable[[str, str], Sequence[Record]],
        kept: frozenset[str] = frozenset(),
        written: frozenset[str] | None = None,
    ) -> Cleared:
        """Take the endpoint's records out of these zones of ours of this name, and each zone that is empty then.

        kept: names that stay for now. written: as of a Claim.

        A name that another endpoint of the VPC waits for goes to it instead, without a gap. Raises AwsCallFailed.
        """
        cleared = [
            self._clear(zone, Claim(zone_name, (), endpoint_id, vpc_id, kept=kept, written=written, heirs=heirs))
            for zone in zones
            if (vpc_id := self.autopilot.vpc_of(zone))
        ]
        return Cleared([what for one in cleared for what in one.done], all(one.is_clear for one in cleared))

    def of(self, zone_names: Iterable[str], vpc_id: str | None, known: Collection[str]) -> dict[str, list[HostedZone]]:
        """Our zones by these names: the VPC's, or the whole account's where the ledger knows of no VPC.

        known: the names of the zones that were written to. Raises AwsCallFailed.
        """
        names = list(zone_names)
        if vpc_id is None:
            return {
                name: [zone for zone in self.hosted_zones.named(name) if self.autopilot.owns(zone)] for name in names
            }
        in_vpc = self._standing_in(vpc_id) if names else ()
        ours = {name: self._ours(name, vpc_id, in_vpc, partial(contains, known, name)) for name in names}
        return {name: [zone] for name, zone in ours.items() if zone}

    def _standing_in(self, vpc_id: str) -> Sequence[ZoneInVpc]:
        """The VPC's zones; none where it is gone, deleted moments after its endpoint perhaps."""
        try:
            return self.hosted_zones.of_vpc(vpc_id)
        except AwsCallFailed as failure:
            if not failure.says_vpc_is_gone:
                raise
            logger.info(f"{failure}; the zones of its name are looked through")
            return ()

    def _ours(
        self, zone_name: str, vpc_id: str, in_vpc: Sequence[ZoneInVpc], is_known: Callable[[], bool]
    ) -> HostedZone | None:
        """Our zone of that name for this VPC.

        The account may have hundreds of that name, one a VPC. They are gone through only where ours was there and the
        VPC does not ask it any more.
        """
        for found in in_vpc:
            if found.name == zone_name and (zone := self._our_zone(found, vpc_id)):
                return zone
        every = self.hosted_zones.named(zone_name) if is_known() else ()
        return min((zone for zone in every if self.autopilot.owns(zone, vpc_id)), key=lambda z: z.zone_id, default=None)

    def _our_zone(self, found: ZoneInVpc, vpc_id: str) -> HostedZone | None:
        zone = self.hosted_zones.find(found.zone_id) if found.is_readable else None
        return zone if zone and self.autopilot.owns(zone, vpc_id) else None

    def _is_associated(self, ours: HostedZone, claim: Claim) -> bool:
        """Somebody took our zone off the VPC: put it back, unless another one of that name has come in its place."""
        if self.mode is Mode.OBSERVE or not self.hosted_zones.associate(ours.zone_id, claim.vpc_id):
            return False
        logger.info(f"associated zone {ours.name} ({ours.zone_id}) with {claim.vpc_id} again")
        return True

    def _kept_off(self, ours: HostedZone, intent: Intent) -> ZoneOutcome:
        """Our zone stays as it is, with whatever was written there, and the VPC does not ask it."""
        claim = intent.claim
        held = {*claim.kept, *(record.name for record in claim.wanted)}
        outcome = ZoneOutcome(zone_id=ours.zone_id, written=held & (claim.written or frozenset()))
        if self.mode is Mode.OBSERVE:
            outcome.would = f"would associate zone {ours.name} ({ours.zone_id}) with {claim.vpc_id} again"
            return outcome
        rivals = [zone for zone in intent.others if zone.name == claim.zone_name]
        self._answered(claim, claim.wanted, next(iter(rivals), None), outcome)
        return outcome

    def _writable(
        self, claim: Claim, others: Sequence[ZoneInVpc], outcome: ZoneOutcome, *, is_new: bool, is_empty: bool
    ) -> list[Record]:
        """The wanted records that a zone of ours would answer with, without hiding anybody's names."""
        writable: list[Record] = []
        for name in sorted({record.name for record in claim.wanted}):
            records = [record for record in claim.wanted if record.name == name]
            rival = zone_that_answers(name, others)
            if rival and len(rival.name) >= len(claim.zone_name):
                self._answered(claim, records, rival, outcome)
            else:
                writable += records
        wider = wider_zone(claim.zone_name, others)
        if wider is None or not writable or not is_empty:
            return writable
        # Also in a zone whose maker died before it wrote them.
        writable += claim.leaving
        return self._beside(claim, writable, wider, outcome) if is_new else writable

    def _answered(self, claim: Claim, records: Sequence[Record], rival: ZoneInVpc | None, outcome: ZoneOutcome) -> None:
        """What a zone that is not ours to write to means for these names: it may do already what we would."""
        if rival and rival.is_readable:
            theirs = {(record.name, record.target) for record in self.hosted_zones.records(rival.zone_id)}
            if all((record.name, record.target) in theirs for record in records):
                outcome.own |= {record.name for record in records}
                return
            if hub := self._served_from(rival, claim.vpc_id):
                outcome.blocked.append(
                    f"{claim.vpc_id} has the zone {rival} of {hub}, where the tag {ALSO_VPCS_TAG} of an endpoint names "
                    f"{claim.vpc_id}; take it out of that tag"
                )
                return
        lines = ", ".join(f"{record.name} {record.type} {record.target}" for record in records)
        there = f"a zone {rival}" if rival else f"another zone {claim.zone_name}"
        outcome.blocked.append(
            f"{claim.vpc_id} already has {there} that Autopilot did not make for this; its owner adds {lines}, "
            "or takes the zone off the VPC"
        )

    def _served_from(self, rival: ZoneInVpc, vpc_id: str) -> str | None:
        """The other VPC that Autopilot made a zone for: one that is taken off this VPC by hand would come back."""
        zone = self.hosted_zones.find(rival.zone_id)
        made_for = self.autopilot.vpc_of(zone) if zone else None
        return made_for if made_for != vpc_id else None

    def _beside(self, claim: Claim, writable: list[Record], wider: ZoneInVpc, outcome: ZoneOutcome) -> list[Record]:
        """What to write to a new zone below one that the VPC has, whose names there it would hide."""
        names = {record.name for record in writable}
        if not wider.is_readable:
            if claim.allows_shadowing:
                return writable
            outcome.blocked.append(
                f"{claim.vpc_id} has the zone {wider}, whose records cannot be read; a zone {claim.zone_name} "
                f"would hide whatever it has there; {_ALLOW}"
            )
            return []
        hidden = hidden_records(claim.zone_name, self.hosted_zones.records(wider.zone_id))
        theirs = {(record.name, record.target) for record in hidden}
        same = {
            name
            for name in names
            if all((record.name, record.target) in theirs for record in writable if record.name == name)
        }
        lost = sorted({record.name for record in hidden} - same)
        is_ours = self._our_zone(wider, claim.vpc_id) is not None
        if names == same and not is_ours:
            outcome.own |= same
            return []
        if lost and (is_ours or not claim.allows_shadowing):
            outcome.own |= same
            fix = "those names must go first" if is_ours else _ALLOW
            outcome.blocked.append(f"a zone {claim.zone_name} would hide {_first_of(lost)} of the zone {wider}; {fix}")
            return []
        # A zone of ours answers alone, so that it must have all the names.
        return writable

    def _plan(self, claim: Claim, writable: Sequence[Record], found: Sequence[Record]) -> ZonePlan:
        theirs = {record.name for record in found if record.endpoint_id == claim.endpoint_id}
        by_hand = theirs - claim.written if claim.written is not None else frozenset()
        kept = claim.kept | by_hand | {record.name for record in claim.wanted}
        gives_up = any(record.endpoint_id == claim.endpoint_id and record.name not in kept for record in found)
        heirs = claim.heirs(claim.zone_name, claim.vpc_id) if gives_up else ()
        return plan_zone(writable, found, claim.endpoint_id, self.holder_of, kept=kept, successors=heirs)

    def _create(self, claim: Claim, outcome: ZoneOutcome) -> HostedZone | None:
        """A zone born as ours, by another run at this moment perhaps; None when it cannot be made, with the reason."""
        zone_name, vpc_id = claim.zone_name, claim.vpc_id
        quota = self.hosted_zones.quota()
        if quota.used + 1 > _NEARLY_FULL * quota.limit:
            outcome.checks.append(
                f"the account has {quota.used} of {quota.limit} hosted zones; ask Route 53 for a higher quota"
            )
        if self.public_dns.is_zone(zone_name):
            outcome.checks.append(
                f"{zone_name} is a zone of public DNS too: its names that the service does not declare no longer "
                f"resolve in {vpc_id}"
            )
        first = int(self.clock().timestamp())
        for n in range(first, first + _MOST_TRIES):
            zone = self.hosted_zones.create(zone_name, vpc_id, self.autopilot.reference(vpc_id, zone_name, n))
            if zone:
                return zone
            in_vpc = self.hosted_zones.of_vpc(vpc_id)
            rival = next((other for other in in_vpc if other.name == zone_name), None)
            if rival:
                ours = self._ours(zone_name, vpc_id, in_vpc, lambda: False)
                if ours is None or ours.zone_id != rival.zone_id:
                    self._answered(claim, claim.wanted, rival, outcome)
                    return None
                return ours
        outcome.blocked.append(f"Route 53 refused {_MOST_TRIES} references for the zone {zone_name} of {vpc_id}")
        return None

    def _write(self, zone: HostedZone, changes: Sequence[RecordChange], *, is_empty: bool) -> str:
        """The change's id. A zone that nothing could be written to must not stay: it would hide the public names."""
        try:
            return self.hosted_zones.change(zone.zone_id, changes)
        except AwsCallFailed:
            if is_empty:
                self._delete(zone)
            raise

    def _delete(self, zone: HostedZone) -> None:
        try:
            self.hosted_zones.delete(zone.zone_id)
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; the empty zone {zone.name} ({zone.zone_id}) hides the public names under it")

    def _clear(self, zone: HostedZone, claim: Claim) -> Cleared:
        found = self.hosted_zones.records(zone.zone_id)
        changes = self._plan(claim, (), found).changes
        done = [_told(change, self.mode) for change in changes]
        removed = {change.record for change in changes if change.action is ChangeAction.DELETE}
        left = set(found) - removed
        # Also where others had names there a moment ago: two that go at once see each other. Route 53 deletes no zone
        # that has any.
        is_emptied = len(removed) == len(changes) and bool(removed or not found)
        is_empty = is_emptied and (not left if self.mode is Mode.OBSERVE else all(one.endpoint_id for one in left))
        if self.mode is Mode.ENFORCE:
            if changes:
                logger.info(
                    f"writing to zone {zone.name} ({zone.zone_id}): {_listed(changes)}",
                    extra={"endpoint_id": claim.endpoint_id},
                )
                self.hosted_zones.change(zone.zone_id, changes)
            is_empty = is_empty and self.hosted_zones.delete(zone.zone_id)
        if is_empty:
            done.append(f"{_REMOVED[self.mode]} zone {zone.name}")
        elif removed and left and not any(record.endpoint_id for record in left):
            # Nobody comes back for it when they go.
            done.append(_stays(zone, left))
        changed = {(change.record.name, change.record.type) for change in changes}
        stays = any(one.endpoint_id == claim.endpoint_id and (one.name, one.type) not in changed for one in found)
        return Cleared(done, is_clear=not stays)


def _told(change: RecordChange, mode: Mode) -> str:
    record = change.record
    if change.action is ChangeAction.DELETE:
        return f"{_REMOVED[mode]} {record.name} {record.type}"
    return f"{_HANDED[mode]} {record.name} {record.type} to {record.endpoint_id}"


def _stays(zone: HostedZone, left: Iterable[Record]) -> str:
    names = _first_of(sorted(f"{record.name} {record.type}" for record in left))
    return f"zone {zone.name} ({zone.zone_id}) stays, to be deleted with what Autopilot did not write: {names}"


def _first_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"{', '.join(names[:_MOST_LISTED])}{more}"


def _listed(changes: Iterable[RecordChange]) -> str:
    return ", ".join(
        f"{change.action} {change.record.name} {change.record.type} {change.record.target}" for change in changes
    )
