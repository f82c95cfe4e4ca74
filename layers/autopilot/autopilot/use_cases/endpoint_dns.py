"""The DNS of one endpoint, through its own account: what its names ask for, and what stands around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from autopilot.domain.connection import Dns, DnsFacet
from autopilot.domain.dns_plan import NoRegionalName, wanted_records
from autopilot.domain.endpoint import DNS_TAG, Endpoint
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.listener import LoadBalancer
from autopilot.domain.mode import Mode
from autopilot.domain.names import Name, covers, is_within
from autopilot.domain.path_checks import obstacles, path_warnings
from autopilot.domain.tls import tls_warnings
from autopilot.use_cases.dns_look import DnsLook, Reached
from autopilot.use_cases.names_in_zones import InZones, NamesInZones, TakenAway
from autopilot.use_cases.neighbours import Neighbours
from autopilot.use_cases.ports import ConsumerAccount
from autopilot.use_cases.service_names import ServiceNames

logger = Logger(child=True)

NO_NAMES = "no names are declared for the service, so none were written"


@dataclass(frozen=True, slots=True)
class EndpointDns:
    """ttl, grace: as of NamesInZones."""

    names: ServiceNames
    in_zones: NamesInZones
    neighbours: Neighbours
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
            return look, self.undeclared(look, endpoint.vpc_id)
        try:
            wanted = wanted_records(names, endpoint, self.ttl)
        except NoRegionalName as early:
            logger.info(str(early), extra={"endpoint_id": look.ref.endpoint_id})
            return look, None
        native = {name.fqdn for name in names if self._is_native(look, name)}
        if native and not endpoint.private_dns_enabled:
            return look, self._switch_on(look, consumer, endpoint, native)
        found, stops = self._surroundings(look, consumer, endpoint, names)
        if stops:
            return look, self.facet(look, Dns.BLOCKED, "; ".join(stops), found)
        # A name that AWS's private DNS gives the VPC is among the endpoint's own entries.
        resolved = {
            name.fqdn for name in names if any(covers(entry.name, name.fqdn) for entry in endpoint.dns_entries)
        } | native
        zoned = [name for name in names if name.fqdn not in resolved]
        targets = tuple(dict.fromkeys((record.name, record.target) for record in wanted))
        look, in_zones = self.in_zones.write(look, consumer, endpoint, found, zoned, targets)
        if self.mode is Mode.OBSERVE:
            return look, self._observed(look, in_zones.would)
        return look, self._reached(look, in_zones)

    def undeclared(self, look: DnsLook, vpc_id: str | None) -> DnsFacet:
        """The facet where no names are declared, and none of ours are there."""
        found = replace(look.known.dns, vpc_id=vpc_id, names=(), records=(), unserved=())
        return self.facet(look, Dns.UNDECLARED, NO_NAMES, found)

    def absent(self, look: DnsLook, consumer: ConsumerAccount) -> Reached:
        """The facet once nothing of ours leads to the endpoint any more. Raises AwsCallFailed."""
        known = look.known.dns
        look, taken = self.in_zones.take_away(look, consumer, is_gone=True)
        if self.mode is Mode.OBSERVE:
            return look, self._observed(look, taken.done)
        if not taken.done and known.value is Dns.ABSENT:
            return look, known
        # Also where nothing is left to remove: a run may have died just after it removed the name, with the VPC known.
        if taken.done or known.vpc_id:
            self.neighbours.wake_waiting(look)
        found = _without(look, taken)
        if taken.still_served:
            # The same at each try, as it is told whenever it is another.
            return look, self.facet(look, Dns.BEHIND, ", ".join(taken.problems), found)
        what = ", ".join(taken.done) or "there was no DNS of ours to remove"
        reason = f"the endpoint is {look.gone.state}; {what}"
        return look, self.facet(look, Dns.ABSENT, reason, replace(found, zones=(), written=()))

    def facet(
        self,
        look: DnsLook,
        value: Dns,
        reason: str,
        found: DnsFacet | None = None,
        *,
        pending: tuple[str, ...] = (),
        is_refused: bool = False,
    ) -> DnsFacet:
        """The facet to write, with what was found; in observe mode the old one, with what would be.

        pending: the changes of Route 53 that it waits for. What needs a person would be asked for them in vain.
        is_refused: the account did not let us find out.
        """
        if self.mode is Mode.OBSERVE:
            return self._observed(look, [reason])
        now = self.clock()
        found = replace(found or look.known.dns, checked_at=now, change_ids=pending, is_refused=is_refused)
        if value in (Dns.NO_ROLE, Dns.BLOCKED):
            # Whatever the provider changes may be what was waited for.
            found = replace(found, declared=look.service.declaration(self.names(look.service)))
        return found.became(value, now, reason=reason)

    # Presence

    def _insync(self, look: DnsLook, consumer: ConsumerAccount) -> frozenset[str]:
        """Of the changes that are waited for, those that every server answers with by now."""
        known = look.known.dns
        changes = known.change_ids if known.value is Dns.WAITING else ()
        return frozenset(change for change in changes if consumer.hosted_zones.is_insync(change))

    def _reached(self, look: DnsLook, reached: InZones) -> DnsFacet:
        found, pending = reached.found, reached.pending
        declared = {name for name, _ in found.names}
        told = arrows(pair for pair in found.records if pair[0] in declared)
        leaving = self._reason_of_leaving(found)
        if reached.blocked:
            return self.facet(look, Dns.BLOCKED, "; ".join(reached.blocked), found)
        if reached.is_consumers_own:
            return self.facet(
                look, Dns.CONSUMERS_OWN, f"the consumer's own zone or AWS's private DNS does it: {told}", found
            )
        if pending and look.known.dns.value is not Dns.PRESENT:
            reason = "the records are written, Route 53 brings them to its servers"
            return self.facet(look, Dns.WAITING, reason, found, pending=pending)
        if not declared:
            value = Dns.PRESENT if found.leaving else Dns.UNDECLARED
            return self.facet(look, value, leaving or NO_NAMES, found, pending=pending)
        within = "within a minute " if pending else ""
        reason = "; ".join(filter(None, (f"{within}the VPC resolves {told}", leaving)))
        return self.facet(look, Dns.PRESENT, reason, found, pending=pending)

    def _reason_of_leaving(self, found: DnsFacet) -> str:
        if not found.leaving:
            return ""
        told = ", ".join(f"{one.what} (not before {one.at + self.grace:%Y-%m-%d %H:%M} UTC)" for one in found.leaving)
        return f"no longer declared, so that these go after the grace period: {told}"

    def _surroundings(
        self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint, names: Sequence[Name]
    ) -> tuple[DnsFacet, tuple[str, ...]]:
        """What is found around the endpoint when it is new or was changed, and what keeps its VPC from resolving."""
        known = look.known.dns
        found = replace(known, vpc_id=endpoint.vpc_id, names=tuple((name.fqdn, name.zone) for name in names))
        is_as_known = {one.interface_id for one in known.interfaces} == set(endpoint.interface_ids)
        if is_as_known and (known.value.is_settled or known.value is Dns.WAITING):
            return found, ()
        network = consumer.network(endpoint)
        balancers, unread = self._in_front_of(look)
        warnings = path_warnings(endpoint, network, look.service, balancers)
        tls = tls_warnings([name.fqdn for name in names], balancers, self.clock()) if not unread else (unread,)
        found = replace(found, interfaces=network.interfaces, checks=(*warnings, *tls))
        return found, obstacles(endpoint, network, look.owner)

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
            return self.facet(look, Dns.BLOCKED, f"{what} cannot be switched on: {failure}", _in(endpoint, look))
        return self.facet(look, Dns.WAITING, f"{what}, is being switched on", _in(endpoint, look))

    # The consumer's say

    def _declined(self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint) -> Reached:
        look, taken = self.in_zones.take_away(look, consumer, is_gone=False)
        if self.mode is Mode.OBSERVE:
            return look, self._observed(look, [f"the endpoint's tag {DNS_TAG}=off declines names", *taken.done])
        if taken.done:
            self.neighbours.wake_waiting(look)
        reason = ", ".join([f"the endpoint's own tag {DNS_TAG}=off declines names", *taken.done, *taken.problems])
        found = replace(_without(look, taken), vpc_id=endpoint.vpc_id, zones=taken.behind, records=(), written=())
        return look, self.facet(look, Dns.DECLINED, reason, found)

    def _observed(self, look: DnsLook, sentences: Iterable[str]) -> DnsFacet:
        return look.known.dns.would_become("; ".join(filter(None, sentences)))


def _in(endpoint: Endpoint, look: DnsLook) -> DnsFacet:
    return replace(look.known.dns, vpc_id=endpoint.vpc_id)


def _without(look: DnsLook, taken: TakenAway) -> DnsFacet:
    """What is still known once everything of the endpoint was taken away."""
    known = replace(look.known.dns, leaving=(), checks=(), unserved=(), associating=())
    return replace(known, also_vpcs=taken.still_served, letting_go=taken.still_served)


def arrows(records: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} -> {target}" for name, target in records)
