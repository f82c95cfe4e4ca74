"""The names of one endpoint in our zones: what is written, what moves and leaves, and what other VPCs get of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from autopilot.domain.connection import Dns, DnsFacet, Moment
from autopilot.domain.dns_plan import Autopilot, HostedZone, wanted_records
from autopilot.domain.endpoint import Endpoint
from autopilot.domain.mode import Mode
from autopilot.domain.names import Name, is_within
from autopilot.domain.shadowing import ZoneInVpc
from autopilot.use_cases.consumer_zones import Claim, ConsumerZones, Intent, ZoneOutcome
from autopilot.use_cases.dns_look import DnsLook
from autopilot.use_cases.neighbours import Neighbours
from autopilot.use_cases.other_vpcs import OtherVpcs, Served, ToServe
from autopilot.use_cases.ports import ConsumerAccount, Ledger, PublicDns
from autopilot.use_cases.service_names import ServiceNames

# By their names.
type OurZones = Mapping[str, Sequence[HostedZone]]
type Outcomes = Mapping[str, ZoneOutcome]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of the endpoint's VPC.

    names: those that are to be in our zones, each in the zone that it belongs to. targets: where each declared name
    leads, in whatever zone. kept: names that are declared no longer and stay for now. in_vpc: the zones that the VPC
    has. is_moving: some name is to be in another zone than at the last look.
    """

    endpoint: Endpoint
    names: Sequence[Name]
    targets: Sequence[tuple[str, str]]
    kept: frozenset[str]
    in_vpc: Sequence[ZoneInVpc]
    is_moving: bool

    @property
    def fqdns(self) -> frozenset[str]:
        return frozenset(name.fqdn for name in self.names)

    @property
    def zone_names(self) -> Sequence[str]:
        """The narrower first: a name may move to one of them out of a wider one."""
        return sorted({name.zone for name in self.names}, key=lambda name: (-len(name), name))


@dataclass(frozen=True, slots=True)
class InZones:
    """What was reached. found: the facet with all that was found, but for its value and reason. pending: the changes
    of Route 53 to wait for. blocked: why names cannot be written. is_consumers_own: others answer for all of them.
    would: what observe mode left undone.
    """

    found: DnsFacet
    pending: tuple[str, ...] = ()
    blocked: Sequence[str] = ()
    is_consumers_own: bool = False
    would: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TakenAway:
    """done: what was taken away, or in observe mode would be. behind: the zones where something stays, or that
    may still serve others. still_served: the other VPCs whose accounts did not let us; problems: why."""

    done: Sequence[str]
    behind: tuple[str, ...]
    still_served: tuple[str, ...] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NamesInZones:
    """ttl: of the CNAMEs, in seconds. grace: how long names stay that left the service's tags."""

    ledger: Ledger
    names: ServiceNames
    neighbours: Neighbours
    other_vpcs: OtherVpcs
    public_dns: PublicDns
    autopilot: Autopilot
    mode: Mode
    ttl: int
    grace: timedelta
    clock: Callable[[], datetime]

    def write(
        self,
        look: DnsLook,
        consumer: ConsumerAccount,
        endpoint: Endpoint,
        found: DnsFacet,
        names: Sequence[Name],
        targets: Sequence[tuple[str, str]],
    ) -> tuple[DnsLook, InZones]:
        """Have the names in our zones, and let go what is no longer wanted there.

        found: the facet with what stands around the endpoint. names: those that AWS's private DNS does not resolve.
        targets: as of Wanted. Raises AwsCallFailed.
        """
        known, before = look.known.dns, dict(look.known.dns.names)
        leaving = self._leaving(known, targets)
        look, due = self._released(look, leaving)
        zones, in_vpc = self._zones(look, consumer), consumer.hosted_zones.of_vpc(endpoint.vpc_id)
        wanted = Wanted(
            endpoint,
            zones.homes(names, endpoint.vpc_id, in_vpc),
            targets,
            frozenset(moment.what for moment in leaving) - due,
            in_vpc,
            is_moving=any(before.get(name, zone) != zone for name, zone in found.names),
        )
        intents = self._plan(look, consumer, zones, wanted)
        look = self._write_down(look, wanted, intents)
        outcomes = {intent.claim.zone_name: zones.apply(intent) for intent in intents}
        pending = self._pending(look, consumer, outcomes.values())
        old = self._standing(look, consumer, [zone for zone in known.zones if zone not in outcomes])
        look, served, lacking = self._serve(look, consumer, wanted, found, outcomes, old)
        stays = wanted.kept | _moving(wanted, outcomes.values(), is_pending=bool(pending)) | lacking
        cleared = self._clear(look, consumer, old, stays, written=self._ours_to_take_away(look))
        if self.mode is Mode.OBSERVE:
            would = [text for one in outcomes.values() for text in (one.would, *one.blocked) if text]
            return look, InZones(found, would=[*would, *cleared.done])
        if due:
            self.neighbours.wake_waiting(look)
        standing = {*cleared.behind, *(name for name, one in outcomes.items() if one.zone_id)}
        gone, serves_no_more = [zone for zone in old if zone not in cleared.behind], not standing
        look, others = self._take_off_others(look, consumer, gone, serves_no_more=serves_no_more)
        standing |= set(old) if others.partly else set()
        partly = {*(served.partly if standing else ()), *others.partly}
        in_old_zones = set(known.written) & stays if cleared.behind else set()
        written = {name for one in outcomes.values() for name in one.written} | in_old_zones
        found = replace(
            found,
            releasing=(),
            zones=tuple(sorted(standing)),
            written=tuple(sorted(written)),
            records=(*targets, *(pair for pair in known.records if pair[0] in wanted.kept)),
            leaving=tuple(moment for moment in leaving if moment.what in wanted.kept),
            also_vpcs=tuple(vpc for vpc in served.wholly if vpc not in partly),
            associating=tuple(sorted(partly)),
            letting_go=tuple(sorted({*served.refused, *(others.refused if serves_no_more else ())})),
            unserved=(*served.problems, *others.problems),
            checks=tuple(dict.fromkeys((*found.checks, *(text for one in outcomes.values() for text in one.checks)))),
        )
        blocked = [text for one in outcomes.values() for text in one.blocked]
        # Nobody looks again at an endpoint without names, unless it waits for a person.
        blocked += [] if found.names else others.problems
        own = {name for one in outcomes.values() for name in one.own}
        is_consumers_own = bool(targets) and wanted.fqdns <= own
        return look, InZones(found, pending, blocked, is_consumers_own)

    def take_away(self, look: DnsLook, consumer: ConsumerAccount, *, is_gone: bool) -> tuple[DnsLook, TakenAway]:
        """Take everything of the endpoint away, also from the other VPCs that it served; while it lives, only what was
        written for it. Raises AwsCallFailed."""
        known, written = look.known.dns, None if is_gone else self._ours_to_take_away(look)
        zone_names = sorted({*known.zones, *(name.zone for name in look.service.names)})
        cleared = self._clear(look, consumer, self._standing(look, consumer, zone_names), written=written)
        if not known.maybe_served or known.vpc_id is None or self.mode is Mode.OBSERVE:
            return look, cleared
        look, served = self._take_off_others(look, consumer, zone_names, serves_no_more=True)
        gone = [f"no longer serves {vpc}" for vpc in known.maybe_served if vpc not in served.partly]
        behind = known.zones if served.partly else cleared.behind
        return look, TakenAway([*cleared.done, *gone], behind, served.partly, served.problems)

    def _plan(self, look: DnsLook, consumer: ConsumerAccount, zones: ConsumerZones, wanted: Wanted) -> Sequence[Intent]:
        """What is to be done for each zone."""
        known, endpoint, intents = look.known.dns, wanted.endpoint, list[Intent]()
        is_spreading = len(wanted.zone_names) > 1 and bool(self._pending(look, consumer, ()))
        for zone_name in wanted.zone_names:
            is_pending = is_spreading or bool(known.associating) or any(one.changes for one in intents)
            moving = _moving(wanted, (one.outcome for one in intents), is_pending=is_pending)
            staying = [Name(fqdn, zone_name) for fqdn in sorted(wanted.kept) if is_within(fqdn, zone_name)]
            claim = Claim(
                zone_name,
                wanted_records([name for name in wanted.names if name.zone == zone_name], endpoint, self.ttl),
                endpoint.endpoint_id,
                endpoint.vpc_id,
                kept=wanted.kept | moving,
                leaving=wanted_records(staying, endpoint, self.ttl),
                written=frozenset(known.written),
                is_known=partial(self._is_known, look, endpoint.vpc_id, zone_name),
                allows_shadowing=look.service.allows_shadowing,
                # What moves a run may just have written that died before it wrote down the change.
                is_known_insync=not wanted.is_moving and (known.value is Dns.PRESENT or bool(known.change_ids)),
                heirs=self.neighbours.heirs(look, consumer),
            )
            intents.append(zones.plan(claim, wanted.in_vpc))
        return intents

    def _is_known(self, look: DnsLook, vpc_id: str, zone_name: str) -> bool:
        """Whether the VPC has had a zone of ours of that name.

        What was only begun, and was throttled perhaps, is no such zone: a new one is born with its VPC.
        """
        known = look.known.dns
        is_ours = zone_name in known.zones and known.value is not Dns.NONE
        return is_ours or self.neighbours.have_zone(look, vpc_id, zone_name)

    def _write_down(self, look: DnsLook, wanted: Wanted, intents: Iterable[Intent]) -> DnsLook:
        """The zones and names that are about to be written. A run that dies, or is denied the second zone, would leave
        what nobody knows of: names that go without grace, a zone that hides the public ones for ever."""
        known = look.known.dns
        writing = [intent for intent in intents if intent.changes]
        names = {name for intent in writing for name in intent.held}
        new = [pair for pair in wanted.targets if pair[0] in names and pair not in known.records]
        intended = replace(
            known,
            zones=tuple(sorted({*known.zones, *(intent.claim.zone_name for intent in writing)})),
            written=tuple(sorted({*known.written, *names})),
            records=(*known.records, *new),
        )
        if intended == known or self.mode is Mode.OBSERVE:
            return look
        intended = replace(intended, vpc_id=wanted.endpoint.vpc_id)
        return replace(look, known=self.ledger.record_dns(look.known, intended))

    def _serve(
        self,
        look: DnsLook,
        consumer: ConsumerAccount,
        wanted: Wanted,
        found: DnsFacet,
        outcomes: Outcomes,
        old: OurZones,
    ) -> tuple[DnsLook, Served, frozenset[str]]:
        """What other VPCs got, and the names that one of them still has in an old zone only."""
        if self.mode is Mode.OBSERVE:
            return look, Served(), frozenset()
        own = {name for one in outcomes.values() for name in one.own}
        zoned = {name for one in outcomes.values() for name in one.written} | (wanted.fqdns - own)
        elsewhere = [(name, zone) for name, zone in found.names if name not in zoned]
        ours = [(name, one.zone_id) for name, one in outcomes.items() if one.zone_id]
        there = ToServe(ours, _named(old), wanted.in_vpc, elsewhere)
        look, served = self.other_vpcs.serve(look, consumer, wanted.endpoint, there)
        lacking = {name.fqdn for name in wanted.names if name.zone in served.lacking}
        lacking |= {name for name, _ in elsewhere if served.partly}
        return look, served, frozenset(lacking)

    def _pending(self, look: DnsLook, consumer: ConsumerAccount, outcomes: Iterable[ZoneOutcome]) -> tuple[str, ...]:
        """The changes to wait for. Those just made are written down before Route 53 is asked for them: a change that
        nobody remembers could not be waited for."""
        return tuple(one.change_id for one in outcomes if one.change_id) or tuple(
            change
            for change in look.known.dns.change_ids
            if change not in look.insync and not consumer.hosted_zones.is_insync(change)
        )

    # What leaves

    def _leaving(self, known: DnsFacet, targets: Iterable[tuple[str, str]]) -> tuple[Moment, ...]:
        """The names that are declared no longer, each since when."""
        now, declared = self.clock(), {name for name, _ in targets}
        since = {moment.what: moment.at for moment in known.leaving}
        return tuple(Moment(since.get(name, now), name) for name in known.written if name not in declared)

    def _released(self, look: DnsLook, leaving: tuple[Moment, ...]) -> tuple[DnsLook, frozenset[str]]:
        """The names of these that go now: after the grace, under the brake.

        Written down before, so that one removal that is tried again and again uses up the brake once.
        """
        known = look.known.dns
        due = frozenset(replace(known, leaving=leaving).names_due(self.clock(), self.grace))
        if not due or not self.names.are_certain(look.service):
            return look, frozenset()
        if self.mode is Mode.OBSERVE or due <= set(known.releasing):
            return look, due
        if not look.may_disrupt or not self.ledger.take_disruption():
            return look, due.intersection(known.releasing)
        written = self.ledger.record_dns(look.known, replace(known, leaving=leaving, releasing=tuple(sorted(due))))
        return replace(look, known=written), due

    def _ours_to_take_away(self, look: DnsLook) -> frozenset[str]:
        """The names that are Autopilot's to take away while the endpoint lives; others the consumer sent there."""
        return frozenset({*look.known.dns.written, *(name.fqdn for name in look.service.names)})

    def _clear(
        self,
        look: DnsLook,
        consumer: ConsumerAccount,
        our_zones: OurZones,
        kept: frozenset[str] = frozenset(),
        written: frozenset[str] | None = None,
    ) -> TakenAway:
        zones, heirs = self._zones(look, consumer), self.neighbours.heirs(look, consumer)
        cleared = {
            name: zones.absent(name, look.ref.endpoint_id, ours, heirs=heirs, kept=kept, written=written)
            for name, ours in our_zones.items()
        }
        done = [what for one in cleared.values() for what in one.done]
        return TakenAway(done, tuple(name for name, one in cleared.items() if not one.is_clear))

    def _take_off_others(
        self, look: DnsLook, consumer: ConsumerAccount, zone_names: Sequence[str], *, serves_no_more: bool
    ) -> tuple[DnsLook, Served]:
        """Take those of our zones of these names that still stand off the other VPCs."""
        known = look.known.dns
        if not known.maybe_served or not zone_names:
            return look, Served()
        ours = self._zones(look, consumer).of(zone_names, known.vpc_id, known.zones)
        return self.other_vpcs.take_off_all(look, consumer, _named(ours), serves_no_more=serves_no_more)

    def _standing(self, look: DnsLook, consumer: ConsumerAccount, zone_names: Iterable[str]) -> OurZones:
        """Our zones of these names that stand. Of what was cleared before only the VPC could tell more."""
        known = look.known.dns
        written_to = () if known.value is Dns.ABSENT else known.zones
        return self._zones(look, consumer).of(zone_names, known.vpc_id, written_to)

    def _zones(self, look: DnsLook, consumer: ConsumerAccount) -> ConsumerZones:
        holder_of = self.neighbours.holders(look, consumer)
        return ConsumerZones(consumer.hosted_zones, self.public_dns, self.autopilot, self.mode, holder_of, self.clock)


def _moving(wanted: Wanted, outcomes: Iterable[ZoneOutcome], *, is_pending: bool) -> frozenset[str]:
    """What moves to another zone stays in the old one until every server answers with the new, in every VPC."""
    return wanted.fqdns if is_pending or any(one.blocked for one in outcomes) else frozenset()


def _named(our_zones: OurZones) -> list[tuple[str, str]]:
    return [(name, zone.zone_id) for name, zones in our_zones.items() for zone in zones]
