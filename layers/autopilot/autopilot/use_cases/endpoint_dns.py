"""The DNS of one endpoint, through its own account: what its names ask for, and what stands around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from aws_lambda_powertools import Logger

from autopilot.domain.connection import AwsState, Dns, DnsFacet, LedgerRow, Moment
from autopilot.domain.dns_plan import Autopilot, Holder, HostedZone, NoRegionalName, Record, wanted_records
from autopilot.domain.endpoint import DNS_TAG, Endpoint
from autopilot.domain.failures import AwsCallFailed, UnreadableRow
from autopilot.domain.listener import LoadBalancer
from autopilot.domain.mode import Mode
from autopilot.domain.names import Name, covers, is_within, placed
from autopilot.domain.path_checks import obstacles, path_warnings
from autopilot.domain.tls import tls_warnings
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.consumer_zones import Claim, ConsumerZones, Intent, ZoneOutcome
from autopilot.use_cases.dns_look import DnsLook, Reached
from autopilot.use_cases.other_vpcs import OtherVpcs, Served, ToServe
from autopilot.use_cases.ports import ConsumerAccount, EndpointServices, Ledger, PublicDns, Queue
from autopilot.use_cases.service_names import ServiceNames

logger = Logger(child=True)

# By their names.
type OurZones = Mapping[str, Sequence[HostedZone]]

NO_NAMES = "no names are declared for the service, so none were written"
# What a facet no longer knows of once everything of the endpoint was taken away.
_LET_GO: Mapping[str, object] = {"leaving": (), "checks": (), "associating": (), "letting_go": (), "unserved": ()}


@dataclass(frozen=True, slots=True)
class EndpointDns:
    """ttl: of the CNAMEs, in seconds. grace: how long names stay that left the service's tags."""

    services: EndpointServices
    ledger: Ledger
    dns_queue: Queue
    names: ServiceNames
    other_vpcs: OtherVpcs
    public_dns: PublicDns
    autopilot: Autopilot
    mode: Mode
    ttl: int
    grace: timedelta
    clock: Callable[[], datetime]

    def present(self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint) -> Reached:
        """The facet once the VPC answers with the names, or what keeps it from that.

        Raises AwsCallFailed.
        """
        if endpoint.declines_dns:
            return self._declined(look, consumer, endpoint)
        look = replace(look, insync=self._insync(look, consumer))
        if look.is_still_spreading:
            return look, look.known.dns
        names = self.names(look.service)
        if not names and not look.known.dns.zones:
            return look, self.facet(look, Dns.UNDECLARED, NO_NAMES, vpc_id=endpoint.vpc_id)
        try:
            wanted = wanted_records(names, endpoint, self.ttl)
        except NoRegionalName as early:
            logger.info(str(early), extra={"endpoint_id": look.ref.endpoint_id})
            return look, None
        native = {name.fqdn for name in names if self._is_native(look, name)}
        if native and not endpoint.private_dns_enabled:
            return look, self._switch_on(look, consumer, endpoint, native)
        facts, stops = self._surroundings(look, consumer, endpoint, names)
        if stops:
            return look, self.facet(look, Dns.BLOCKED, "; ".join(stops), **facts)
        # A name that AWS's private DNS gives the VPC is among the endpoint's own entries.
        resolved = {
            name.fqdn for name in names if any(covers(entry.name, name.fqdn) for entry in endpoint.dns_entries)
        } | native
        zoned = [name for name in names if name.fqdn not in resolved]
        targets = tuple(dict.fromkeys((record.name, record.target) for record in wanted))
        return self._in_zones(look, consumer, endpoint, zoned, targets, facts)

    def absent(self, look: DnsLook, consumer: ConsumerAccount) -> Reached:
        """The facet once nothing of ours leads to the endpoint any more. Raises AwsCallFailed."""
        known = look.known.dns
        look, done, _, still_served = self._let_go(look, consumer)
        if self.mode is Mode.OBSERVE:
            return look, self._observed(look, done)
        if not done and known.value is Dns.ABSENT:
            return look, known
        # Also where nothing is left to remove: a run may have died just after it removed the name, with the VPC known.
        if done or known.vpc_id:
            self._wake_waiting(look)
        what = ", ".join(done) or "there was no DNS of ours to remove"
        value = Dns.BEHIND if still_served else Dns.ABSENT
        facts = {**_LET_GO, "also_vpcs": still_served, "letting_go": still_served}
        return look, self.facet(look, value, f"the endpoint is {look.gone.state}; {what}", **facts)

    def facet(self, look: DnsLook, value: Dns, reason: str, **facts: object) -> DnsFacet:
        """The facet to write; in observe mode the old one, with what was found.

        It waits for no change of Route 53's, unless facts say so: what needs a person would be asked for it in vain.
        """
        if self.mode is Mode.OBSERVE:
            return self._observed(look, [reason])
        now = self.clock()
        facts = {"checked_at": now, "change_ids": (), **facts}
        if value in (Dns.NO_ROLE, Dns.BLOCKED):
            # Whatever the provider changes may be what was waited for.
            facts["declared"] = look.service.declaration(self.names(look.service))
        return look.known.dns.became(value, now, reason=reason, **facts)

    # Presence

    def _insync(self, look: DnsLook, consumer: ConsumerAccount) -> frozenset[str]:
        """Of the changes that are waited for, those that every server answers with by now."""
        known = look.known.dns
        changes = known.change_ids if known.value is Dns.WAITING else ()
        return frozenset(change for change in changes if consumer.hosted_zones.is_insync(change))

    def _is_known(self, zone_name: str, known: DnsFacet, look: DnsLook, vpc_id: str) -> bool:
        """Whether the VPC has had a zone of ours of that name: it may stand although the VPC asks it no longer.

        known: from before the zones were written down that this look is about to make. What was only begun, and was
        throttled perhaps, is no such zone: a new one is born with its VPC.
        """
        if zone_name in known.zones and known.value is not Dns.NONE:
            return True
        others = (row.dns for row in self.ledger.rows_in(look.owner, vpc_id) if row.ref != look.ref)
        return any(zone_name in dns.zones for dns in others if dns.value not in (Dns.NONE, Dns.ABSENT))

    def _in_zones(
        self,
        look: DnsLook,
        consumer: ConsumerAccount,
        endpoint: Endpoint,
        names: Sequence[Name],
        targets: tuple[tuple[str, str], ...],
        facts: dict[str, object],
    ) -> Reached:
        known, zones = look.known.dns, self._zones(look, consumer)
        leaving = self._leaving(look, {name for name, _ in targets})
        look, due = self._released(look, leaving)
        kept = frozenset(moment.what for moment in leaving) - due
        in_vpc = consumer.hosted_zones.of_vpc(endpoint.vpc_id)
        names = zones.homes(names, endpoint.vpc_id, in_vpc)
        zone_names, fqdns = sorted({name.zone for name in names}), {name.fqdn for name in names}
        intents: list[Intent] = []
        is_spreading = len(zone_names) > 1 and bool(self._pending(look, consumer, ()))
        before = dict(known.names)
        # What moves a run may just have written that died before it wrote down the change.
        is_moving = any(before.get(name, zone) != zone for name, zone in _as_pairs(facts["names"]))
        # The narrower first: a name may move to one of them out of a wider one.
        for zone_name in sorted(zone_names, key=len, reverse=True):
            is_pending = is_spreading or bool(known.associating) or any(one.changes for one in intents)
            moving = _moving(fqdns, (one.outcome for one in intents), is_pending)
            staying = [Name(fqdn, zone_name) for fqdn in sorted(kept) if is_within(fqdn, zone_name)]
            claim = Claim(
                zone_name,
                wanted_records([name for name in names if name.zone == zone_name], endpoint, self.ttl),
                endpoint.endpoint_id,
                endpoint.vpc_id,
                kept=kept | moving,
                leaving=wanted_records(staying, endpoint, self.ttl),
                written=frozenset(known.written),
                is_known=partial(self._is_known, zone_name, known, look, endpoint.vpc_id),
                allows_shadowing=look.service.allows_shadowing,
                is_known_insync=not is_moving and (known.value is Dns.PRESENT or bool(known.change_ids)),
                heirs=self._heirs(look, consumer),
            )
            intents.append(zones.plan(claim, in_vpc))
        look = self._write_down(look, endpoint, intents, targets)
        outcomes = {intent.claim.zone_name: zones.apply(intent) for intent in intents}
        pending = self._pending(look, consumer, outcomes.values())
        own = {name for one in outcomes.values() for name in one.own}
        written = {name for one in outcomes.values() for name in one.written}
        zoned = written | {name.fqdn for name in names} - own
        elsewhere = [pair for pair in _as_pairs(facts["names"]) if pair[0] not in zoned]
        old = self._our_zones(look, consumer, [zone for zone in known.zones if zone not in outcomes])
        served = Served()
        if self.mode is Mode.ENFORCE:
            ours = [(name, one.zone_id) for name, one in outcomes.items() if one.zone_id]
            there = ToServe(ours, _named(old), in_vpc, elsewhere)
            look, served = self.other_vpcs.serve(look, consumer, endpoint, there)
        lacking = {name.fqdn for name in names if name.zone in served.lacking}
        lacking |= {name for name, _ in elsewhere if served.partly}
        moving = _moving(fqdns, outcomes.values(), bool(pending)) | lacking
        done, behind = self._clear(look, consumer, old, kept | moving, written=self._written(look))
        if self.mode is Mode.OBSERVE:
            would = [text for one in outcomes.values() for text in _would(one)]
            return look, self._observed(look, [*would, *done])
        if due:
            self._wake_waiting(look)
        standing = {*behind, *(name for name, one in outcomes.items() if one.zone_id)}
        gone = [zone for zone in old if zone not in behind]
        are_all = not standing
        look, let_go = self._let_others_go(look, consumer, gone, are_all=are_all)
        if let_go.partly:
            standing |= set(old)
        stay = tuple(pair for pair in known.records if pair[0] in kept)
        facts |= {
            "releasing": (),
            "zones": tuple(sorted(standing)),
            "written": tuple(sorted(written | (set(known.written) & (kept | moving)))),
            "records": (*targets, *stay),
            "leaving": tuple(moment for moment in leaving if moment.what in kept),
        }
        partly = {*(served.partly if facts["zones"] else ()), *let_go.partly}
        facts |= {
            "also_vpcs": tuple(vpc for vpc in served.wholly if vpc not in partly),
            "associating": tuple(sorted(partly)),
            "letting_go": tuple(sorted({*served.refused, *(let_go.refused if are_all else ())})),
            "unserved": (*served.problems, *let_go.problems),
        }
        is_consumers_own = bool(targets) and all(name.fqdn in own for name in names)
        reached = list(outcomes.values())
        if not facts["names"]:
            # Nobody looks again at an endpoint without names, unless it waits for a person.
            reached.append(ZoneOutcome(blocked=list(let_go.problems)))
        return look, self._reached(look, reached, pending, facts, is_consumers_own=is_consumers_own)

    def _write_down(
        self, look: DnsLook, endpoint: Endpoint, intents: Iterable[Intent], targets: Iterable[tuple[str, str]]
    ) -> DnsLook:
        """The zones and names that are about to be written. A run that dies, or is denied the second zone, would leave
        what nobody knows of: names that go without grace, a zone that hides the public ones for ever."""
        known = look.known.dns
        writing = [intent for intent in intents if intent.changes]
        names = {name for intent in writing for name in intent.held}
        intended = replace(
            known,
            zones=tuple(sorted({*known.zones, *(intent.claim.zone_name for intent in writing)})),
            written=tuple(sorted({*known.written, *names})),
            records=(*known.records, *(pair for pair in targets if pair[0] in names and pair not in known.records)),
        )
        if intended == known or self.mode is Mode.OBSERVE:
            return look
        return replace(look, known=self.ledger.record_dns(look.known, replace(intended, vpc_id=endpoint.vpc_id)))

    def _reached(
        self,
        look: DnsLook,
        outcomes: Sequence[ZoneOutcome],
        pending: tuple[str, ...],
        facts: dict[str, object],
        *,
        is_consumers_own: bool,
    ) -> DnsFacet:
        known, leaving = look.known.dns, self._reason_of_leaving(facts)
        declared = {name for name, _ in _as_pairs(facts["names"])}
        told = arrows(pair for pair in _as_pairs(facts["records"]) if pair[0] in declared)
        checks = (*_as_tuple(facts["checks"]), *(text for one in outcomes for text in one.checks))
        facts["checks"] = tuple(dict.fromkeys(checks))
        if blocks := [text for one in outcomes for text in one.blocked]:
            return self.facet(look, Dns.BLOCKED, "; ".join(blocks), **facts)
        if is_consumers_own:
            reason = f"the consumer's own zone or AWS's private DNS does it: {told}"
            return self.facet(look, Dns.CONSUMERS_OWN, reason, **facts)
        if pending and known.value is not Dns.PRESENT:
            reason = "the records are written, Route 53 brings them to its servers"
            return self.facet(look, Dns.WAITING, reason, change_ids=pending, **facts)
        if not declared:
            value = Dns.PRESENT if facts["leaving"] else Dns.UNDECLARED
            return self.facet(look, value, leaving or NO_NAMES, change_ids=pending, **facts)
        within = "within a minute " if pending else ""
        reason = "; ".join(filter(None, (f"{within}the VPC resolves {told}", leaving)))
        return self.facet(look, Dns.PRESENT, reason, change_ids=pending, **facts)

    def _pending(self, look: DnsLook, consumer: ConsumerAccount, outcomes: Iterable[ZoneOutcome]) -> tuple[str, ...]:
        """The changes to wait for. Those just made are written down before Route 53 is asked for them: a change that
        nobody remembers could not be waited for."""
        return tuple(one.change_id for one in outcomes if one.change_id) or tuple(
            change
            for change in look.known.dns.change_ids
            if change not in look.insync and not consumer.hosted_zones.is_insync(change)
        )

    def _reason_of_leaving(self, facts: dict[str, object]) -> str:
        moments = facts["leaving"]
        if not isinstance(moments, tuple) or not moments:
            return ""
        told = ", ".join(f"{one.what} (not before {one.at + self.grace:%Y-%m-%d %H:%M} UTC)" for one in moments)
        return f"no longer declared, so that these go after the grace period: {told}"

    def _leaving(self, look: DnsLook, wanted: set[str]) -> tuple[Moment, ...]:
        """The names that are declared no longer, each since when."""
        now, known = self.clock(), look.known.dns
        since = {moment.what: moment.at for moment in known.leaving}
        return tuple(Moment(since.get(name, now), name) for name in known.written if name not in wanted)

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

    def _surroundings(
        self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint, names: Sequence[Name]
    ) -> tuple[dict[str, object], tuple[str, ...]]:
        """What is found around the endpoint when it is new or was changed, and what keeps its VPC from resolving."""
        known = look.known.dns
        facts: dict[str, object] = {"vpc_id": endpoint.vpc_id, "checks": known.checks}
        facts["names"] = tuple((name.fqdn, name.zone) for name in names)
        is_as_known = {one.interface_id for one in known.interfaces} == set(endpoint.interface_ids)
        if is_as_known and (known.value.is_settled or known.value is Dns.WAITING):
            return facts, ()
        network = consumer.network(endpoint)
        balancers, unread = self._in_front_of(look)
        warnings = path_warnings(endpoint, network, look.service, balancers)
        tls = tls_warnings([name.fqdn for name in names], balancers, self.clock()) if not unread else (unread,)
        facts |= {"interfaces": network.interfaces, "checks": (*warnings, *tls)}
        return facts, obstacles(endpoint, network, look.owner)

    def _in_front_of(self, look: DnsLook) -> tuple[Sequence[LoadBalancer], str]:
        try:
            return self.names.in_front_of(look.service), ""
        except AwsCallFailed as failure:
            return (), f"the service's certificates could not be looked at: {failure}"

    # AWS's own private DNS

    def _is_native(self, look: DnsLook, name: Name) -> bool:
        """What a zone of ours resolves already is left as it is: switching over would be a gap."""
        is_covered = covers(look.service.private_dns_name, name.fqdn)
        is_zoned = any(is_within(name.fqdn, zone) for zone in look.known.dns.zones)
        return look.service.is_native and is_covered and not is_zoned

    def _switch_on(
        self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint, names: Iterable[str]
    ) -> DnsFacet:
        what = f"AWS's private DNS of the endpoint, for {', '.join(sorted(names))}"
        if self.mode is Mode.OBSERVE:
            return self._observed(look, [f"would switch on {what}"])
        try:
            consumer.enable_private_dns(endpoint.endpoint_id)
        except AwsCallFailed as failure:
            if failure.code != "InvalidParameter":
                raise
            return self.facet(look, Dns.BLOCKED, f"{what} cannot be switched on: {failure}", vpc_id=endpoint.vpc_id)
        return self.facet(look, Dns.WAITING, f"{what}, is being switched on", vpc_id=endpoint.vpc_id)

    # The consumer's say

    def _declined(self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint) -> Reached:
        look, done, behind, still_served = self._let_go(look, consumer, written=self._written(look))
        if self.mode is Mode.OBSERVE:
            return look, self._observed(look, [f"the endpoint's tag {DNS_TAG}=off declines names", *done])
        if done:
            self._wake_waiting(look)
        reason = ", ".join([f"the endpoint's own tag {DNS_TAG}=off declines names", *done])
        facts: dict[str, object] = {**_LET_GO, "vpc_id": endpoint.vpc_id, "zones": behind, "records": (), "written": ()}
        facts |= {"also_vpcs": still_served, "letting_go": still_served}
        return look, self.facet(look, Dns.DECLINED, reason, **facts)

    def _let_go(
        self, look: DnsLook, consumer: ConsumerAccount, written: frozenset[str] | None = None
    ) -> tuple[DnsLook, list[str], tuple[str, ...], tuple[str, ...]]:
        """Take everything of the endpoint away, or what was written for it, also from the other VPCs that it served.
        Returns what was done, the zones where something stays, and those VPCs whose accounts did not let us."""
        zone_names, known = self._zone_names(look), look.known.dns
        done, behind = self._clear(look, consumer, self._our_zones(look, consumer, zone_names), written=written)
        if not known.maybe_served or known.vpc_id is None or self.mode is Mode.OBSERVE:
            return look, done, behind, ()
        look, served = self._let_others_go(look, consumer, zone_names, are_all=True)
        let_go = [f"no longer serves {vpc}" for vpc in known.maybe_served if vpc not in served.partly]
        return look, [*done, *let_go, *served.problems], behind, served.partly

    def _let_others_go(
        self, look: DnsLook, consumer: ConsumerAccount, zone_names: Sequence[str], *, are_all: bool
    ) -> tuple[DnsLook, Served]:
        """Take those of our zones of these names that still stand off the other VPCs."""
        known = look.known.dns
        if not known.maybe_served or not zone_names:
            return look, Served()
        ours = self._zones(look, consumer).of(zone_names, known.vpc_id, known.zones)
        return self.other_vpcs.let_go(look, consumer, _named(ours), are_all=are_all)

    # Zones, and who else wants their names

    def _zone_names(self, look: DnsLook) -> list[str]:
        return sorted({*look.known.dns.zones, *(name.zone for name in look.service.names)})

    def _written(self, look: DnsLook) -> frozenset[str]:
        """The names that are Autopilot's to take away while the endpoint lives; others the consumer sent there."""
        return frozenset({*look.known.dns.written, *(name.fqdn for name in look.service.names)})

    def _clear(
        self,
        look: DnsLook,
        consumer: ConsumerAccount,
        our_zones: OurZones,
        kept: frozenset[str] = frozenset(),
        written: frozenset[str] | None = None,
    ) -> tuple[list[str], tuple[str, ...]]:
        """What was taken out of these zones, or in observe mode would be; and those that still lead to the endpoint."""
        zones, heirs = self._zones(look, consumer), self._heirs(look, consumer)
        cleared = {
            name: zones.absent(name, look.ref.endpoint_id, ours, heirs=heirs, kept=kept, written=written)
            for name, ours in our_zones.items()
        }
        done = [what for one in cleared.values() for what in one.done]
        return done, tuple(name for name, one in cleared.items() if not one.is_clear)

    def _our_zones(self, look: DnsLook, consumer: ConsumerAccount, zone_names: Iterable[str]) -> OurZones:
        """Those that stand. Of what was cleared before only the VPC could tell more."""
        known = look.known.dns
        written_to = () if known.value is Dns.ABSENT else known.zones
        return self._zones(look, consumer).of(zone_names, known.vpc_id, written_to)

    def _zones(self, look: DnsLook, consumer: ConsumerAccount) -> ConsumerZones:
        def holder_of(endpoint_id: str) -> Holder:
            ref, row = self.ledger.find(endpoint_id), None
            with suppress(UnreadableRow):
                row = self.ledger.rows([ref]).get(ref) if ref else None
            if row and row.connection.state.asks_for_no_dns:
                return Holder.GONE
            if row and (row.connection.owner, row.connection.region) != (look.owner, look.known.connection.region):
                return Holder.LIVE
            # What the ledger knows may be of a service that nobody looks at any more. Where it knows nothing, it was
            # lost, or nobody can read it, or somebody wrote the record, to another account's endpoint perhaps.
            endpoint = consumer.endpoint(endpoint_id)
            if endpoint is None:
                return Holder.GONE if row else Holder.STRANGER
            return Holder.GONE if endpoint.state.asks_for_no_dns else Holder.LIVE

        return ConsumerZones(consumer.hosted_zones, self.public_dns, self.autopilot, self.mode, holder_of, self.clock)

    def _heirs(self, look: DnsLook, consumer: ConsumerAccount) -> Callable[[str, str], Sequence[Record]]:
        """Who waits for a name that this endpoint gives up, the eldest request first."""

        def heirs(zone_name: str, vpc_id: str) -> Sequence[Record]:
            records: list[Record] = []
            for row in self._waiting(look, vpc_id):
                service = self.services.find(row.ref.service_id)
                if service is None or not service.managed or service.problem:
                    continue
                endpoint = consumer.endpoint(row.ref.endpoint_id)
                if endpoint is None or endpoint.state is not AwsState.AVAILABLE or endpoint.declines_dns:
                    continue
                names = [name for name in placed(self.names(service), row.dns.zones) if name.zone == zone_name]
                try:
                    records += wanted_records(names, endpoint, self.ttl)
                except NoRegionalName as early:
                    logger.info(str(early), extra={"endpoint_id": endpoint.endpoint_id})
            return records

        return heirs

    def _waiting(self, look: DnsLook, vpc_id: str | None) -> Sequence[LedgerRow]:
        rows = self.ledger.rows_in(look.owner, vpc_id)
        waiting = [row for row in rows if row.dns.value is Dns.BLOCKED and row.ref != look.ref]
        return sorted(waiting, key=lambda row: (row.connection.created_at is None, row.connection.created_at, row.ref))

    def _wake_waiting(self, look: DnsLook) -> None:
        """A name is free, or was handed on: an endpoint that was refused it need not wait for the sweep."""
        waiting = self._waiting(look, look.known.dns.vpc_id)
        self.dns_queue.send((WakeUp.about(row.connection, SeenBy.EVENT), 0) for row in waiting)

    def _observed(self, look: DnsLook, sentences: Iterable[str | None]) -> DnsFacet:
        return look.known.dns.would_become("; ".join(filter(None, sentences)))


def _moving(names: set[str], outcomes: Iterable[ZoneOutcome], is_pending: bool) -> set[str]:
    """What moves to another zone stays in the old one until every server answers with the new, in every VPC."""
    return names if is_pending or any(one.blocked for one in outcomes) else set()


def _named(our_zones: OurZones) -> list[tuple[str, str]]:
    return [(name, zone.zone_id) for name, zones in our_zones.items() for zone in zones]


def _would(outcome: ZoneOutcome) -> Iterable[str]:
    return [*([outcome.would] if outcome.would else []), *outcome.blocked]


def _as_tuple(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _as_pairs(value: object) -> tuple[tuple[str, str], ...]:
    return value if isinstance(value, tuple) else ()


def arrows(records: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} -> {target}" for name, target in records)
