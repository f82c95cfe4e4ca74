"""Make a consumer VPC resolve the service's names to its endpoint, and take them away when it is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from aws_lambda_powertools import Logger

from autopilot.domain.connection import Acceptance, AwsState, Connection, ConnectionRef, Dns, DnsFacet, LedgerRow
from autopilot.domain.dns_plan import Autopilot, Holder, NoRegionalName, wanted_records
from autopilot.domain.endpoint import Endpoint
from autopilot.domain.failures import AwsCallFailed, LedgerChangedMeanwhile, NoConsumerRole
from autopilot.domain.mode import Mode
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.consumer_zones import ConsumerZones
from autopilot.use_cases.ports import ConsumerAccount, ConsumerAccounts, EndpointServices, Ledger, Queue

logger = Logger(child=True)

_ABSENT_SECONDS = 60
_NO_NAMES = "no names are declared for the service, so none were written"


@dataclass(frozen=True, slots=True)
class ConvergeDns:
    """Compares the DNS of one connection with what AWS's state of it asks for, and does the difference.

    ttl: of the CNAMEs, in seconds.
    """

    services: EndpointServices
    consumers: ConsumerAccounts
    ledger: Ledger
    dns_queue: Queue
    autopilot: Autopilot
    mode: Mode
    ttl: int
    clock: Callable[[], datetime]

    def __call__(self, wake_up: WakeUp) -> Dns | None:
        """The DNS facet that was reached, or None when it must wait or is nothing of ours.

        What must wait is put back on the queue. Raises AwsCallFailed.
        """
        known = self._known(wake_up)
        if known is None:
            return None
        service = self.services.find(known.ref.service_id)
        if service is None or not service.managed or service.problem:
            logger.info("hands off: the service is not managed", extra={"service_id": known.ref.service_id})
            return None
        look = _Look(known, service, self._listed(known), wake_up.waited_seconds)
        try:
            facet = self._reach(look)
            if facet:
                self._record(look, facet)
        except LedgerChangedMeanwhile:
            logger.info("another run writes this connection's DNS", extra={"endpoint_id": known.ref.endpoint_id})
            facet = None
        if facet and facet.value is not Dns.WAITING and not look.must_wait:
            return facet.value
        self._put_back(wake_up, known.ref)
        return None

    def _known(self, wake_up: WakeUp) -> LedgerRow | None:
        """The connection's row. decide_connection makes it first, so none means not ours, or too early."""
        if wake_up.endpoint_id is None:
            return None
        if wake_up.service_id:
            ref: ConnectionRef | None = ConnectionRef(wake_up.service_id, wake_up.endpoint_id)
        else:
            ref = self.ledger.find(wake_up.endpoint_id)
        row = self.ledger.rows([ref]).get(ref) if ref else None
        if row is None:
            logger.info("no such connection in the ledger; dropped", extra={"endpoint_id": wake_up.endpoint_id})
        return row

    def _listed(self, known: LedgerRow) -> Connection | None:
        listed = self.services.connections(known.ref.service_id, owners=(known.connection.owner,))
        return next((connection for connection in listed if connection.ref == known.ref), None)

    def _reach(self, look: _Look) -> DnsFacet | None:
        """What each state of AWS's asks for; None for "look again"."""
        match look.listed and look.listed.state:
            case AwsState.PENDING_ACCEPTANCE | AwsState.PENDING | AwsState.PARTIAL | AwsState.UNKNOWN:
                return look.known.dns
            case _:
                return self._reach_in_account(look)

    def _reach_in_account(self, look: _Look) -> DnsFacet | None:
        owner, region = look.known.connection.owner, look.known.connection.region
        try:
            return self._reach_through_role(look, self.consumers.enter(owner, region))
        except NoConsumerRole as refusal:
            return self._without_role(look, refusal)
        except AwsCallFailed as failure:
            if not failure.needs_a_person:
                raise
            return self._facet(look, Dns.BLOCKED, str(failure))

    def _reach_through_role(self, look: _Look, consumer: ConsumerAccount) -> DnsFacet | None:
        endpoint = consumer.endpoint(look.ref.endpoint_id) if look.may_be_in_use else None
        if endpoint is None or endpoint.state.asks_for_no_dns:
            return self._absent(look, consumer)
        if look.listed is None:
            return look.known.dns
        return self._present(look, consumer, endpoint) if endpoint.state is AwsState.AVAILABLE else None

    def _present(self, look: _Look, consumer: ConsumerAccount, endpoint: Endpoint) -> DnsFacet | None:
        if not look.service.names:
            return self._facet(look, Dns.UNDECLARED, _NO_NAMES, vpc_id=endpoint.vpc_id)
        try:
            wanted = wanted_records(look.service.names, endpoint, self.ttl)
        except NoRegionalName as early:
            logger.info(str(early), extra={"endpoint_id": look.ref.endpoint_id})
            return None
        zones = self._zones(consumer)
        # A name that AWS's private DNS gives the VPC is among the endpoint's own entries.
        resolved = {entry.name for entry in endpoint.dns_entries}
        names_of_zones: dict[str, set[str]] = {}
        for name in look.service.names:
            if name.fqdn not in resolved:
                names_of_zones.setdefault(name.zone, set()).add(name.fqdn)
        outcomes = [
            zones.present(
                zone,
                [record for record in wanted if record.name in names],
                endpoint.vpc_id,
                endpoint.endpoint_id,
                is_known_insync=look.known.dns.value is Dns.PRESENT or bool(look.known.dns.change_ids),
            )
            for zone, names in sorted(names_of_zones.items())
        ]
        targets = tuple(dict.fromkeys((record.name, record.target) for record in wanted))
        facts: dict[str, object] = {
            "vpc_id": endpoint.vpc_id,
            # Zones that the tags named before are kept in mind: they go with the endpoint.
            "zones": tuple(sorted({*look.known.dns.zones, *names_of_zones})),
            "records": targets,
        }
        if self.mode is Mode.OBSERVE:
            return self._observed(look, [outcome.would or outcome.blocked for outcome in outcomes])
        if blocks := [outcome.blocked for outcome in outcomes if outcome.blocked]:
            return self._facet(look, Dns.BLOCKED, "; ".join(blocks), **facts)
        if all(outcome.is_consumers_own for outcome in outcomes):
            reason = f"the consumer's own zone or AWS's private DNS does it: {_arrows(targets)}"
            return self._facet(look, Dns.CONSUMERS_OWN, reason, **facts)
        # Written down before it is asked for: a change that nobody remembers could not be waited for.
        pending = tuple(outcome.change_id for outcome in outcomes if outcome.change_id) or tuple(
            change for change in look.known.dns.change_ids if not consumer.hosted_zones.is_insync(change)
        )
        if pending:
            reason = "the records are written, Route 53 brings them to its servers"
            return self._facet(look, Dns.WAITING, reason, change_ids=pending, **facts)
        if look.known.dns.value is not Dns.PRESENT:
            facts["interfaces"] = tuple(consumer.interfaces(endpoint))
        return self._facet(look, Dns.PRESENT, f"the VPC resolves {_arrows(targets)}", change_ids=(), **facts)

    def _absent(self, look: _Look, consumer: ConsumerAccount) -> DnsFacet:
        zone_names = sorted({*look.known.dns.zones, *(name.zone for name in look.service.names)})
        zones = self._zones(consumer)
        removed = [what for zone_name in zone_names for what in zones.absent(zone_name, look.ref.endpoint_id)]
        if self.mode is Mode.OBSERVE:
            return self._observed(look, [f"would remove {what}" for what in removed])
        if not removed and look.known.dns.value is Dns.ABSENT:
            return look.known.dns
        # Also where nothing is left to remove: a run may have died just after it removed the name.
        self._wake_successors(look)
        done = f"removed {', '.join(removed)}" if removed else "there was no DNS of ours to remove"
        return self._facet(look, Dns.ABSENT, f"the endpoint is {look.gone.state}; {done}", change_ids=())

    def _wake_successors(self, look: _Look) -> None:
        """A name is free: an endpoint that was refused it, the green of blue and green, need not wait for the sweep."""
        owner = look.known.connection.owner
        blocked = [
            row.connection
            for row in self.ledger.rows_of(look.ref.service_id)
            if row.dns.value is Dns.BLOCKED and row.connection.owner == owner and row.ref != look.ref
        ]
        self.dns_queue.send((WakeUp.about(connection, SeenBy.EVENT), 0) for connection in blocked)

    def _without_role(self, look: _Look, refusal: NoConsumerRole) -> DnsFacet | None:
        """Usable all the same; and where nothing of ours is left behind, there is nothing to do.

        With nobody to ask, only that it stays off the provider's list tells that it is gone.
        """
        if look.listed and look.listed.state is AwsState.AVAILABLE:
            if not look.service.names:
                return self._facet(look, Dns.UNDECLARED, _NO_NAMES)
            return self._facet(look, Dns.NO_ROLE, f"{refusal}, so no names were written")
        if look.is_missing_just_now:
            return None
        dns = look.known.dns
        if dns.records and dns.value not in (Dns.ABSENT, Dns.CONSUMERS_OWN):
            return self._facet(
                look, Dns.BLOCKED, f"{refusal}, so these stay behind in {dns.vpc_id}: {_arrows(dns.records)}"
            )
        return self._facet(look, Dns.ABSENT, f"the endpoint is {look.gone.state}; there was no DNS of ours to remove")

    def _zones(self, consumer: ConsumerAccount) -> ConsumerZones:
        return ConsumerZones(consumer.hosted_zones, self.autopilot, self.mode, self._holder, self.clock)

    def _holder(self, endpoint_id: str) -> Holder:
        ref = self.ledger.find(endpoint_id)
        row = self.ledger.rows([ref]).get(ref) if ref else None
        if row is None:
            return Holder.STRANGER
        return Holder.GONE if row.connection.state.asks_for_no_dns else Holder.LIVE

    def _facet(self, look: _Look, value: Dns, reason: str, **facts: object) -> DnsFacet:
        """The facet to write; in observe mode the old one, with what was found."""
        if self.mode is Mode.OBSERVE:
            return self._observed(look, [reason])
        return look.known.dns.became(value, self.clock(), reason=reason, **facts)

    def _observed(self, look: _Look, sentences: list[str | None]) -> DnsFacet:
        return look.known.dns.would_become("; ".join(filter(None, sentences)))

    def _record(self, look: _Look, facet: DnsFacet) -> None:
        """Write what is news: the facet, or AWS's state."""
        found = replace(look.known, connection=look.found_connection(facet))
        if facet == look.known.dns and found == look.known:
            return
        extra = {
            "endpoint_id": look.ref.endpoint_id,
            "service_id": look.ref.service_id,
            "state": found.connection.state,
        }
        logger.info(f"dns {facet.value}: {facet.would or facet.reason}", extra=extra)
        self.ledger.record_dns(found, facet)

    def _put_back(self, wake_up: WakeUp, ref: ConnectionRef) -> None:
        """Waiting is not failing: the wake-up comes back after a pause, until the sweep takes over."""
        if not wake_up.has_waited_long_enough:
            addressed = replace(wake_up, service_id=ref.service_id)
            self.dns_queue.send([(addressed.put_back(), addressed.pause_seconds)])


@dataclass(frozen=True, slots=True)
class _Look:
    """What the ledger knows of a connection and what the provider's list says of it, None when it is not listed.

    waited_seconds: for how long it has been looked at already.
    """

    known: LedgerRow
    service: EndpointService
    listed: Connection | None
    waited_seconds: int

    @property
    def ref(self) -> ConnectionRef:
        return self.known.ref

    @property
    def may_be_in_use(self) -> bool:
        """Absence from the list is no evidence: then, too, the consumer's own account is asked."""
        return self.listed is None or self.listed.state is AwsState.AVAILABLE

    @property
    def is_missing_just_now(self) -> bool:
        """One describe may overlook what the next one shows."""
        return self.listed is None and self.waited_seconds < _ABSENT_SECONDS

    @property
    def must_wait(self) -> bool:
        """AWS is under way. A pendingAcceptance after our own Accept is a stale read."""
        accepted = self.known.acceptance.value in (Acceptance.ACCEPTING, Acceptance.ACCEPTED)
        state = self.listed and self.listed.state
        return state is AwsState.PENDING or (state is AwsState.PENDING_ACCEPTANCE and accepted)

    @property
    def gone(self) -> Connection:
        """The connection as it is once the endpoint is known to be gone."""
        if self.listed and self.listed.state.asks_for_no_dns:
            return self.listed
        return replace(self.known.connection, state=AwsState.DELETED)

    def found_connection(self, facet: DnsFacet) -> Connection:
        """AWS's state to remember with this facet.

        An endpoint that is pending again while its names resolve is being modified, or the list is stale: no news.
        What the list lacks lives on as long as its own account has it, and then the facet is the known one.
        """
        if facet.value is Dns.ABSENT or (self.listed is None and facet != self.known.dns):
            return self.gone
        if self.listed is None or (self.must_wait and self.known.dns.value.is_settled):
            return self.known.connection
        return self.listed


def _arrows(records: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} -> {target}" for name, target in records)
