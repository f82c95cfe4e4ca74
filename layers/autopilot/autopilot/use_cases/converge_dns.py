"""Make a consumer VPC resolve the service's names to its endpoint, and take them away when it is gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from autopilot.domain.connection import AwsState, Connection, ConnectionRef, Dns, DnsFacet, LedgerRow
from autopilot.domain.endpoint import Endpoint, regional_entry_of
from autopilot.domain.failures import AwsCallFailed, LedgerChangedMeanwhile, NoConsumerRole
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.dns_look import DnsLook, Reached
from autopilot.use_cases.endpoint_dns import EndpointDns, arrows
from autopilot.use_cases.looks import Outcome
from autopilot.use_cases.ports import ConsumerAccount, ConsumerAccounts, EndpointServices, Ledger, Queue

logger = Logger(child=True)

# A role that was just made is not known everywhere at once.
_AFTER_THE_ROLE_SECONDS = 15
# How old what the ledger says of the last look may become before it is written anew.
_LOOKED_LATELY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class ConvergeDns:
    """Compares the DNS of connections with what AWS's state of them asks for, and does the difference."""

    services: EndpointServices
    consumers: ConsumerAccounts
    ledger: Ledger
    dns_queue: Queue
    endpoint_dns: EndpointDns
    clock: Callable[[], datetime]

    def __call__(self, wake_ups: Collection[WakeUp], has_time: Callable[[], bool] = lambda: True) -> Outcome:
        """One after another, each for itself: what was reached is counted, what failed is kept with its reason.

        What must wait is put back on the queue; so is all else of an account that asks to slow down, and what is left
        when has_time says no: one slow account must not have the others tried in vain.
        """
        outcome, again = Outcome(), _Again()
        try:
            rows = self._rows(wake_ups, has_time, again)
        except AwsCallFailed as failure:
            rows, again = {}, _Again()
            for wake_up in wake_ups:
                if _may_wait(wake_up, failure):
                    again.later(wake_up)
                else:
                    outcome.failed[wake_up] = failure
        lists = _Lists(self.services, rows.values())
        busy: set[str] = set()
        for wake_up, row in rows.items():
            if row.connection.owner in busy and not wake_up.has_waited_long_enough:
                again.after_a_pause(wake_up, row.ref)
                outcome.counts[Dns.WAITING] += 1
                continue
            if not has_time():
                again.at_once(wake_up)
                continue
            try:
                reached = self._converge(wake_up, row, lists)
            except AwsCallFailed as failure:
                if not _may_wait(wake_up, failure):
                    outcome.failed[wake_up] = failure
                    self._remember_failure(row.ref)
                    continue
                logger.warning(f"{failure}; looked at again", extra={"endpoint_id": row.ref.endpoint_id})
                busy.add(row.connection.owner)
                reached = None
            if reached in (None, Dns.WAITING):
                again.after_a_pause(wake_up, row.ref, is_another_wait=reached is Dns.WAITING)
            outcome.counts[reached or Dns.WAITING] += 1
        try:
            self.dns_queue.send(again.wake_ups)
        except AwsCallFailed as failure:
            outcome.failed |= dict.fromkeys(again.woken, failure)
        return outcome

    def _rows(self, wake_ups: Iterable[WakeUp], has_time: Callable[[], bool], again: _Again) -> dict[WakeUp, LedgerRow]:
        """The row of each connection, once, by the wake-up that has waited longest or asks for most.

        decide_connection makes a row first, so none means not ours, or too early. One event may name thousands of
        endpoints, each of which is looked up: what there is no time for comes again, one by one.
        """
        by_ref: dict[ConnectionRef, WakeUp] = {}
        for wake_up in sorted(wake_ups, key=lambda one: (one.may_disrupt, one.waited_seconds)):
            if not has_time():
                again.at_once(wake_up)
            elif wake_up.endpoint_id is None:
                self._wake_account(wake_up)
            elif ref := self._ref(wake_up.service_id, wake_up.endpoint_id):
                by_ref[ref] = wake_up
        rows = self.ledger.rows(by_ref)
        if unknown := [str(ref) for ref in by_ref if ref not in rows]:
            logger.info("no such connections in the ledger; dropped", extra={"connections": unknown})
        return {wake_up: rows[ref] for ref, wake_up in by_ref.items() if ref in rows}

    def _ref(self, service_id: str | None, endpoint_id: str) -> ConnectionRef | None:
        return ConnectionRef(service_id, endpoint_id) if service_id else self.ledger.find(endpoint_id)

    def _wake_account(self, wake_up: WakeUp) -> None:
        """Something about a whole account changed, its role perhaps: what waits for a person there is tried again."""
        if wake_up.account is None:
            return
        rows = [row for row in self.ledger.rows_in(wake_up.account) if row.connection.region == wake_up.region]
        waiting = [row.connection for row in rows if row.dns.value.waits_for_a_person]
        logger.info(f"{len(waiting)} connections of {wake_up.account} are tried again")
        self.dns_queue.send((WakeUp.about(one, SeenBy.EVENT), _AFTER_THE_ROLE_SECONDS) for one in waiting)

    def _converge(self, wake_up: WakeUp, known: LedgerRow, lists: _Lists) -> str | None:
        """The DNS facet that was reached, WAITING where it was just written, and None where it waits as before.

        Raises AwsCallFailed.
        """
        # Where AWS does not list the service, the consumer's own account still tells whether the endpoint is there; and
        # the sweep knows whether the service was in our hands to the end.
        found = self.services.find(known.ref.service_id)
        if found is None and wake_up.seen_by is not SeenBy.SWEEP:
            logger.info("the service is not listed: left to the sweep", extra={"service_id": known.ref.service_id})
            return "dropped"
        service = found or EndpointService.ended(known.ref.service_id, known.service_title)
        if not service.managed or service.problem:
            logger.info("hands off: the service is not managed", extra={"service_id": known.ref.service_id})
            return "dropped"
        look = DnsLook(known, service, lists.find(known), wake_up.waited_seconds, wake_up.may_disrupt)
        if found is None and look.listed:
            logger.info(
                "AWS lists the connection but not its service; looked at again", extra={"service": service.title}
            )
            return None
        try:
            look, facet = self._reach(look)
            if facet:
                self._record(look, facet)
        except LedgerChangedMeanwhile:
            logger.info("another run writes this connection's DNS", extra={"endpoint_id": known.ref.endpoint_id})
            return None
        if facet is None or look.must_wait:
            return None
        if facet.value is Dns.WAITING or facet.change_ids:
            return Dns.WAITING if facet.change_ids != known.dns.change_ids else None
        return facet.value

    def _reach(self, look: DnsLook) -> Reached:
        """What each state of AWS's asks for."""
        match look.listed and look.listed.state:
            case AwsState.PENDING_ACCEPTANCE | AwsState.PENDING | AwsState.PARTIAL | AwsState.UNKNOWN:
                return look, look.known.dns
            case _:
                return self._reach_in_account(look)

    def _reach_in_account(self, look: DnsLook, *, is_anew: bool = False) -> Reached:
        """A session may outlive the role's rights, and even the role: what it is denied is asked once more anew."""
        account, region = look.owner, look.known.connection.region
        try:
            consumer = self.consumers.enter(account, region)
            endpoint = consumer.endpoint(look.ref.endpoint_id) if look.may_be_in_use else None
            look = replace(look, own_state=endpoint.state if endpoint else None)
            return self._reach_through_role(look, consumer, endpoint)
        except NoConsumerRole as refusal:
            return look, self._without_role(look, refusal)
        except AwsCallFailed as failure:
            is_denied = failure.needs_a_person or failure.is_of_the_session
            if is_denied and not is_anew and self.consumers.leave(account, region):
                return self._reach_in_account(self._as_written(look), is_anew=True)
            if failure.is_race:
                logger.info(f"{failure}; looked at again", extra={"endpoint_id": look.ref.endpoint_id})
                return look, None
            if not failure.needs_a_person:
                raise
            if look.is_missing_just_now:
                return look, None
            look = self._as_written(look)
            if look.is_usable:
                return look, self.endpoint_dns.facet(look, Dns.BLOCKED, str(failure), is_refused=True)
            return look, self._left_behind(look, failure)

    def _as_written(self, look: DnsLook) -> DnsLook:
        """With what was written down before AWS refused: some zones may be written, although another one is not."""
        return replace(look, known=self.ledger.rows([look.ref]).get(look.ref, look.known))

    def _reach_through_role(self, look: DnsLook, consumer: ConsumerAccount, endpoint: Endpoint | None) -> Reached:
        if endpoint is None or endpoint.state.asks_for_no_dns:
            return self.endpoint_dns.absent(look, consumer)
        if look.listed is None:
            return look, look.known.dns
        is_available = endpoint.state is AwsState.AVAILABLE
        return self.endpoint_dns.present(look, consumer, endpoint) if is_available else (look, None)

    def _without_role(self, look: DnsLook, refusal: NoConsumerRole) -> DnsFacet | None:
        """Usable all the same. With nobody to ask, only that it stays off the provider's list tells that it is gone."""
        facet, dns = self.endpoint_dns.facet, look.known.dns
        if look.is_usable:
            behind = _behind(dns)
            if not look.service.declares_names and behind:
                reason = f"{refusal}, so these stay in {dns.vpc_id} although no names are declared any more: {behind}"
                return facet(look, Dns.BLOCKED, reason)
            if not look.service.declares_names:
                return self.endpoint_dns.undeclared(look, dns.vpc_id)
            left = f"these stay in {dns.vpc_id} as they are: {behind}" if behind else "no names were written"
            return facet(look, Dns.NO_ROLE, f"{refusal}, so {left}", self._by_hand(look))
        return None if look.is_missing_just_now else self._left_behind(look, refusal)

    def _left_behind(self, look: DnsLook, why: Exception) -> DnsFacet:
        """What of ours stays of an endpoint that nobody can use any more; without any, there is nothing to do."""
        facet, dns = self.endpoint_dns.facet, look.known.dns
        if behind := _behind(dns):
            return facet(look, Dns.BEHIND, f"{why}, so these stay behind in {dns.vpc_id}: {behind}")
        return facet(look, Dns.ABSENT, f"the endpoint is {look.gone.state}; there was no DNS of ours to remove")

    def _by_hand(self, look: DnsLook) -> DnsFacet:
        """With what a person in the consumer's account has to be told to make the names."""
        entry = regional_entry_of(look.ref.endpoint_id, look.listed.dns_entries) if look.listed else None
        return replace(
            look.known.dns,
            names=tuple((name.fqdn, name.zone) for name in self.endpoint_dns.names(look.service)),
            regional_name=entry.name if entry else "",
            regional_zone_id=entry.hosted_zone_id if entry else "",
            is_native=look.service.is_native,
        )

    def _record(self, look: DnsLook, facet: DnsFacet) -> None:
        """Write what is news: the facet, AWS's state, or that it no longer fails."""
        found = replace(look.known, connection=look.found_connection(facet))
        if found == look.known and not look.known.failing_since and not self._is_news(look.known.dns, facet):
            return
        extra = {
            "endpoint_id": look.ref.endpoint_id,
            "service_id": look.ref.service_id,
            "state": found.connection.state,
        }
        logger.info(f"dns {facet.value}: {facet.would or facet.reason}", extra=extra)
        self.ledger.record_dns(found, facet)

    def _remember_failure(self, ref: ConnectionRef) -> None:
        """So that the sweep tries it with pauses. What failed is told as it was, also where the ledger fails too."""
        with suppress(AwsCallFailed):
            self.ledger.record_dns_failure(ref)

    def _is_news(self, known: DnsFacet, facet: DnsFacet) -> bool:
        """That an account was looked into is worth a write only now and then, or where tries must be counted."""
        if replace(facet, checked_at=known.checked_at) != known:
            return True
        if facet.checked_at is None or known.checked_at is None:
            return facet.checked_at is not known.checked_at
        pause = timedelta() if facet.value.waits_for_a_person else _LOOKED_LATELY
        return facet.checked_at - known.checked_at >= pause


class _Lists:
    """What the provider's services list of a batch's connections: one describe a service, when first asked for."""

    def __init__(self, services: EndpointServices, rows: Iterable[LedgerRow]) -> None:
        self._services = services
        self._owners: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            self._owners[row.ref.service_id].add(row.connection.owner)
        self._listed: dict[str, Mapping[ConnectionRef, Connection]] = {}

    def find(self, row: LedgerRow) -> Connection | None:
        """The connection, or None when it is not listed. Raises AwsCallFailed."""
        service_id = row.ref.service_id
        if service_id not in self._listed:
            connections = self._services.connections(service_id, owners=sorted(self._owners[service_id]))
            self._listed[service_id] = {connection.ref: connection for connection in connections}
        return self._listed[service_id].get(row.ref)


class _Again:
    """What goes back on the queue, sent in one call. Waiting is not failing, until the sweep takes over."""

    def __init__(self) -> None:
        self.wake_ups: list[tuple[WakeUp, int]] = []
        self.woken: list[WakeUp] = []

    def after_a_pause(self, wake_up: WakeUp, ref: ConnectionRef, *, is_another_wait: bool = False) -> None:
        """is_another_wait: for something else than before, so that the pauses are short again."""
        if not wake_up.has_waited_long_enough:
            waited = 0 if is_another_wait else wake_up.waited
            self.later(wake_up, replace(wake_up, service_id=ref.service_id, waited=waited))

    def later(self, woken: WakeUp, addressed: WakeUp | None = None) -> None:
        wake_up = addressed or woken
        self._add(woken, wake_up.put_back(), wake_up.pause_seconds)

    def at_once(self, wake_up: WakeUp) -> None:
        self._add(wake_up, wake_up, 0)

    def _add(self, woken: WakeUp, wake_up: WakeUp, seconds: int) -> None:
        self.woken.append(woken)
        self.wake_ups.append((wake_up, seconds))


def _may_wait(wake_up: WakeUp, failure: AwsCallFailed) -> bool:
    """Who is told to slow down waits; five failures in a row would make a dead letter of it."""
    return failure.is_throttling and not wake_up.has_waited_long_enough


def _behind(dns: DnsFacet) -> str:
    """What of ours may be left in the VPC."""
    if dns.value is Dns.ABSENT:
        return ""
    return arrows(pair for pair in dns.records if pair[0] in dns.written) or ", ".join(
        f"the zone {zone}" for zone in dns.zones
    )
