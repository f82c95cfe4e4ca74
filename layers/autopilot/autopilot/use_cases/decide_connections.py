"""Decide what becomes of connections: one describe, one lookup and one accept for a whole batch of wake-ups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from autopilot.domain.allowlist import Decision, Verdict, decide, keys_for
from autopilot.domain.connection import Acceptance, AwsState, Connection, ConnectionRef, LedgerRow
from autopilot.domain.failures import AwsCallFailed, LedgerChangedMeanwhile
from autopilot.domain.mode import Mode
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.ports import Allowlist, EndpointServices, Ledger, Queue

logger = Logger(child=True)

# A describe this soon after our Accept or Reject may still be from before it.
_STALE_FOR = timedelta(minutes=2)
# AWS takes a minute or more to make an accepted connection available: the first look can wait.
_FIRST_LOOK_SECONDS = 5


@dataclass(slots=True)
class Outcome:
    """failed: what is tried again, with the reason. counts: decisions made, for the metrics."""

    failed: dict[WakeUp, AwsCallFailed] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class DecideConnections:
    """Compares what each connection's state asks for with what the ledger says was done, and does the difference."""

    services: EndpointServices
    allowlist: Allowlist
    ledger: Ledger
    requests_queue: Queue
    dns_queue: Queue
    mode: Mode
    unlisted: Verdict
    clock: Callable[[], datetime]

    def __call__(self, wake_ups: Collection[WakeUp]) -> Outcome:
        """Act on the truth behind each wake-up. A failing service fails its own wake-ups only."""
        try:
            groups = list(self._by_service(wake_ups))
        except AwsCallFailed as failure:
            return Outcome(dict.fromkeys(wake_ups, failure))
        outcome = Outcome()
        for service, group in groups:
            try:
                self._look(service, group, outcome.counts)
            except AwsCallFailed as failure:
                logger.warning(str(failure), extra={"service_id": service.service_id})
                outcome.failed.update(dict.fromkeys(group, failure))
        return outcome

    def _by_service(self, wake_ups: Iterable[WakeUp]) -> Iterable[tuple[EndpointService, list[WakeUp]]]:
        """Wake-ups of services that are not ours to touch are dropped here, at no cost."""
        groups: defaultdict[str, list[WakeUp]] = defaultdict(list)
        for wake_up in wake_ups:
            if wake_up.service_id:
                groups[wake_up.service_id].append(wake_up)
            else:
                for service in self.services.all():
                    groups[service.service_id].append(wake_up)
        for service_id, group in groups.items():
            known = self.services.find(service_id)
            if known is None or not known.managed:
                logger.info("not a managed service; dropped", extra={"service_id": service_id})
            elif known.problem:
                # Whoever mends the tags should not have to wait for the next sweep.
                logger.warning(known.problem, extra={"service_id": service_id})
                self._put_back(group)
            else:
                yield known, group

    def _look(self, service: EndpointService, group: Sequence[WakeUp], counts: Counter[str]) -> None:
        by_endpoint = {wake_up.endpoint_id: wake_up for wake_up in group if wake_up.endpoint_id}
        connections = self._described(service, group, set(by_endpoint))
        self._put_back(wake_up for endpoint, wake_up in by_endpoint.items() if endpoint not in connections)
        rows = self.ledger.rows([connection.ref for connection in connections.values()])
        looks = []
        for endpoint, connection in connections.items():
            wake_up = by_endpoint.get(endpoint)
            row = _row(service, connection, rows.get(connection.ref), (wake_up or group[0]).seen_by)
            looks.append(_Look(row, wake_up))
        undecided = [look for look in looks if self._is_to_decide(look.row)]
        decisions = self._decide([look.row for look in undecided])
        for verdict in Verdict:
            chosen = [look for look in undecided if decisions[look.ref].verdict is verdict]
            if verdict is Verdict.HOLD:
                self._hold(chosen, decisions, counts)
            elif chosen:
                self._carry_out(verdict, service, chosen, decisions, counts)
        self._recognise([look for look in looks if look.state is not AwsState.PENDING_ACCEPTANCE], service)

    def _described(
        self, service: EndpointService, group: Sequence[WakeUp], endpoint_ids: set[str]
    ) -> dict[str, Connection]:
        """One describe, as narrow as the wake-ups allow. A wake-up that names no endpoint asks for all that wait.

        The server refuses to filter by endpoint id, although it is documented
        (terraform-provider-aws PR 48442), so ids are matched here.
        """
        found: dict[str, Connection] = {}
        if any(wake_up.endpoint_id is None for wake_up in group):
            waiting = self.services.connections(service.service_id, state=AwsState.PENDING_ACCEPTANCE)
            found |= {connection.ref.endpoint_id: connection for connection in waiting}
        if endpoint_ids - found.keys():
            accounts = {wake_up.account for wake_up in group if wake_up.endpoint_id}
            owners = sorted(account for account in accounts if account) if None not in accounts else ()
            listed = self.services.connections(service.service_id, owners=owners)
            found |= {c.ref.endpoint_id: c for c in listed if c.ref.endpoint_id in endpoint_ids}
        return found

    def _put_back(self, wake_ups: Iterable[WakeUp]) -> None:
        """Not listed yet is not failing: look again after a pause, until the sweep takes over.

        A wake-up that names no service was asked of every service, and all but one had to say no: put back by each
        of them it would multiply, so it is left to the sweep.
        """
        waiting = [wake_up for wake_up in wake_ups if wake_up.service_id and not wake_up.has_waited_long_enough]
        if waiting:
            logger.info("not visible yet", extra={"endpoint_ids": [wake_up.endpoint_id for wake_up in waiting]})
            self.requests_queue.send((wake_up.put_back(), wake_up.pause_seconds) for wake_up in waiting)

    def _is_to_decide(self, row: LedgerRow) -> bool:
        if row.connection.state is not AwsState.PENDING_ACCEPTANCE:
            return False
        done = row.acceptance.value in (Acceptance.ACCEPTED, Acceptance.REJECTED)
        return not (done and self.clock() - row.acceptance.timeline[-1].at < _STALE_FOR)

    def _decide(self, rows: Sequence[LedgerRow]) -> dict[ConnectionRef, Decision]:
        if not rows:
            return {}
        entries = self.allowlist.entries({key for row in rows for key in keys_for(row.connection)})
        now = self.clock()
        return {row.ref: decide(row.connection, entries, self.unlisted, now) for row in rows}

    def _hold(self, looks: Sequence[_Look], decisions: Mapping[ConnectionRef, Decision], counts: Counter[str]) -> None:
        for look in looks:
            known, decision = look.row.acceptance, decisions[look.ref]
            if known.value is not Acceptance.HELD or known.reason != decision.sentence:
                self._record(look, Acceptance.HELD, decision)
                counts["held"] += 1

    def _carry_out(
        self,
        verdict: Verdict,
        service: EndpointService,
        looks: Sequence[_Look],
        decisions: Mapping[ConnectionRef, Decision],
        counts: Counter[str],
    ) -> None:
        """Record the entry that decides, call EC2 once for all, record what came of it, hand on to DNS."""
        intent, done, call = {
            Verdict.ACCEPT: (Acceptance.ACCEPTING, Acceptance.ACCEPTED, self.services.accept),
            Verdict.REJECT: (Acceptance.REJECTING, Acceptance.REJECTED, self.services.reject),
        }[verdict]
        recorded = (self._record(look, intent, decisions[look.ref]) for look in looks)
        intended = [look for look in recorded if look]
        if self.mode is Mode.OBSERVE or not intended:
            return
        refusals = call(service.service_id, [look.ref.endpoint_id for look in intended])
        for look in intended:
            refusal = refusals.get(look.ref.endpoint_id)
            if refusal:
                logger.warning(
                    f"EC2 refused {look.ref}: {refusal.code}: {refusal.message}; it is looked at again",
                    extra={"endpoint_id": look.ref.endpoint_id},
                )
                self._put_back([look.next_wake_up])
            else:
                self._record(look, done, decisions[look.ref])
                counts[done] += 1
        self._hand_on(look for look in intended if look.ref.endpoint_id not in refusals)

    def _recognise(self, looks: Sequence[_Look], service: EndpointService) -> None:
        """What AWS's state says was done: by us before a crash, or by somebody else."""
        for look in looks:
            recognised = _recognised(look.row, service)
            if recognised:
                acceptance, reason = recognised
                self._record(look, acceptance, Decision(Verdict.HOLD, None, reason), look.row.acceptance.decided_by)
        self._hand_on(looks)

    def _record(
        self, look: _Look, acceptance: Acceptance, decision: Decision, decided_by: str | None = None
    ) -> _Look | None:
        """Write the facet, or in observe mode only what it would be. None when another run was faster."""
        known = look.row.acceptance
        decided_by = str(decision.entry.key) if decision.entry else decided_by
        if self.mode is Mode.OBSERVE:
            verb = "would be" if look.state is AwsState.PENDING_ACCEPTANCE else "is"
            facet = known.would_become(f"{verb} {decision.sentence}")
            if facet == known:
                return None
        else:
            facet = known.became(acceptance, self.clock(), reason=decision.sentence, decided_by=decided_by)
        logger.info(
            facet.would or f"{acceptance}: {decision.sentence}",
            extra={"endpoint_id": look.ref.endpoint_id, "service_id": look.ref.service_id, "decided_by": decided_by},
        )
        try:
            return replace(look, row=self.ledger.record_acceptance(look.row, facet))
        except LedgerChangedMeanwhile:
            logger.info("another run decides this connection", extra={"endpoint_id": look.ref.endpoint_id})
            self._put_back([look.next_wake_up])
            return None

    def _hand_on(self, looks: Iterable[_Look]) -> None:
        wake_ups = [(look.own_wake_up, _delay(look.state)) for look in looks]
        if wake_ups:
            self.dns_queue.send(wake_ups)


@dataclass(frozen=True, slots=True)
class _Look:
    """A connection as it was just described, over what the ledger knows of it, and what woke us for it."""

    row: LedgerRow
    wake_up: WakeUp | None

    @property
    def ref(self) -> ConnectionRef:
        return self.row.ref

    @property
    def state(self) -> AwsState:
        return self.row.connection.state

    @property
    def next_wake_up(self) -> WakeUp:
        """What woke us, with the service that is known by now."""
        return replace(self.wake_up or self.own_wake_up, service_id=self.ref.service_id)

    @property
    def own_wake_up(self) -> WakeUp:
        return WakeUp.about(self.row.connection, SeenBy(self.row.seen_by))


def _row(service: EndpointService, connection: Connection, known: LedgerRow | None, seen_by: SeenBy) -> LedgerRow:
    """The ledger's row, or a new one, with the state that was just read."""
    if known is None:
        return LedgerRow(connection, seen_by, service.title)
    return replace(known, connection=connection, service_title=service.title)


def _delay(state: AwsState) -> int:
    return _FIRST_LOOK_SECONDS if state in (AwsState.PENDING_ACCEPTANCE, AwsState.PENDING) else 0


def _recognised(row: LedgerRow, service: EndpointService) -> tuple[Acceptance, str] | None:
    """The acceptance that AWS's state proves, with a sentence; None when the ledger has it already."""
    known = row.acceptance.value
    match row.connection.state:
        case AwsState.PENDING | AwsState.AVAILABLE:
            if known is Acceptance.ACCEPTING:
                return Acceptance.ACCEPTED, row.acceptance.reason
            if known in (Acceptance.ACCEPTED, Acceptance.ADOPTED):
                return None
            if not service.acceptance_required:
                return Acceptance.ADOPTED, "adopted: the service takes connections without acceptance"
            return Acceptance.ADOPTED, "adopted: it was accepted by somebody else than Autopilot"
        case AwsState.REJECTED:
            if known is Acceptance.REJECTING:
                return Acceptance.REJECTED, row.acceptance.reason
            if known in (Acceptance.REJECTED, Acceptance.REVOKED):
                return None
            return Acceptance.REJECTED, "rejected by somebody else than Autopilot"
        case _:
            return None
