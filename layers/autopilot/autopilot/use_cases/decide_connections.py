"""Decide what becomes of connections: one describe, one lookup and one accept for a whole batch of wake-ups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched

from aws_lambda_powertools import Logger

from autopilot.domain.acceptance import Step, asks_for_a_decision, recognised, step
from autopilot.domain.allowlist import Decision, Verdict, decide, keys_for, revocation
from autopilot.domain.connection import Acceptance, AcceptanceFacet, AwsState, Connection, ConnectionRef, LedgerRow
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.failures import AwsCallFailed, LedgerChangedMeanwhile
from autopilot.domain.mode import Mode
from autopilot.domain.organization import Owner, Placement
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import Answer, SeenBy, WakeUp
from autopilot.use_cases.ports import Allowlist, EndpointServices, Ledger, Organization, Queue, Refusal

logger = Logger(child=True)

# AWS takes a minute or more to make an accepted connection available: the first look can wait.
_FIRST_LOOK_SECONDS = 5
# How many EC2 takes in one Accept or Reject is not documented; and each is written down before and after.
_MOST_AT_ONCE = 50
_SWEPT = (SeenBy.SWEEP, SeenBy.INSTALLATION)


@dataclass(slots=True)
class Outcome:
    """failed: what is tried again, with the reason. counts: decisions made, for the metrics."""

    failed: dict[WakeUp, AwsCallFailed] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class DecideConnections:
    """Compares what each connection's state asks for with what the ledger says was done, and does the difference.

    account: the provider's own, in which a person may have answered in our place.
    """

    services: EndpointServices
    organization: Organization
    allowlist: Allowlist
    ledger: Ledger
    requests_queue: Queue
    dns_queue: Queue
    account: str
    mode: Mode
    unlisted: Verdict
    on_revoked: OnRevoked
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
                self._look(service, group, outcome)
            except AwsCallFailed as failure:
                logger.warning(str(failure), extra={"service_id": service.service_id})
                outcome.failed.update(dict.fromkeys(group, failure))
        return outcome

    def _by_service(self, wake_ups: Iterable[WakeUp]) -> Iterable[tuple[EndpointService, list[WakeUp]]]:
        """Wake-ups of services that are not ours to touch are dropped here, at no cost."""
        groups: defaultdict[str, list[WakeUp]] = defaultdict(list)
        if any(wake_up.endpoint_id is None for wake_up in wake_ups):
            # Something about a service changed, its tags perhaps: what was read before is of no use.
            self.services.all()
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

    def _look(self, service: EndpointService, group: Sequence[WakeUp], outcome: Outcome) -> None:
        by_endpoint = _by_endpoint(group)
        connections = self._described(service, group, set(by_endpoint))
        refs = {endpoint: ConnectionRef(service.service_id, endpoint) for endpoint in {*connections, *by_endpoint}}
        rows = self.ledger.rows(refs.values())
        self._pass_over({e: wake_up for e, wake_up in by_endpoint.items() if e not in connections}, refs, rows)
        looks = []
        for endpoint, connection in connections.items():
            wake_up, known = by_endpoint.get(endpoint), rows.get(refs[endpoint])
            row = _row(service, connection, known, (wake_up or group[0]).seen_by)
            looks.append(_Look(row, wake_up, known.connection.state if known else None))
        undecided = [look for look in looks if asks_for_a_decision(look.row, service, look.is_swept, self.clock())]
        decided = self._decide(undecided)
        for chosen_step in Step:
            chosen = [look for look in decided if look.step is chosen_step]
            for some in batched(chosen, _MOST_AT_ONCE, strict=False):
                self._take(chosen_step, service, some, outcome)
        in_steps = {look.ref for look in decided if look.step is not Step.LEAVE}
        answered = [look for look in looks if look.state is not AwsState.PENDING_ACCEPTANCE]
        self._recognise([look for look in answered if look.ref not in in_steps], service)

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

    def _pass_over(
        self,
        unlisted: Mapping[str, WakeUp],
        refs: Mapping[str, ConnectionRef],
        rows: Mapping[ConnectionRef, LedgerRow],
    ) -> None:
        """What is not listed is not listed yet, or no longer when the ledger knows it: then its DNS is to go."""
        known = {endpoint: rows[refs[endpoint]] for endpoint in unlisted if refs[endpoint] in rows}
        self._put_back(wake_up for endpoint, wake_up in unlisted.items() if endpoint not in known)
        self._wake_dns((WakeUp.about(known[e].connection, unlisted[e].seen_by), 0) for e in known)

    def _put_back(self, wake_ups: Iterable[WakeUp]) -> None:
        """Not listed yet is not failing: look again after a pause, until the sweep takes over.

        A wake-up that names no service was asked of every service, and all but one had to say no: put back by each
        of them it would multiply, so it is left to the sweep.
        """
        waiting = [wake_up for wake_up in wake_ups if wake_up.service_id and not wake_up.has_waited_long_enough]
        if waiting:
            logger.info("not visible yet", extra={"endpoint_ids": [wake_up.endpoint_id for wake_up in waiting]})
            self.requests_queue.send((wake_up.put_back(), wake_up.pause_seconds) for wake_up in waiting)

    def _decide(self, looks: Sequence[_Look]) -> list[_Decided]:
        """One lookup for all. What Organizations cannot tell just now is held and looked at again."""
        if not looks:
            return []
        owners = {account: self._owner(account) for account in {look.row.connection.owner for look in looks}}
        keys = {key for look in looks for key in keys_for(look.row.connection, owners[look.row.connection.owner])}
        entries, now = self.allowlist.entries(keys), self.clock()
        decided = []
        for look in looks:
            owner = owners[look.row.connection.owner]
            decision = decide(look.row.connection, owner, entries, self.unlisted, now)
            taken = step(look.row, owner, decision, self.on_revoked)
            decided.append(_Decided(look.row, look.wake_up, look.was, owner, decision, taken))
        self._put_back(look.next_wake_up for look in decided if look.owner.placement is Placement.FAILED)
        return decided

    def _owner(self, account: str) -> Owner:
        try:
            return self.organization.owner(account)
        except AwsCallFailed as failure:
            logger.warning(str(failure), extra={"account": account})
            return Owner.failed(account, str(failure))

    def _take(self, chosen: Step, service: EndpointService, looks: Sequence[_Decided], outcome: Outcome) -> None:
        match chosen:
            case Step.ACCEPT:
                self._accept(service, looks, outcome)
            case Step.REJECT:
                self._reject(service, looks, outcome)
            case Step.DISCONNECT:
                self._disconnect(service, looks, outcome)
            case Step.HOLD:
                fresh = [look for look in looks if not look.is_held_already]
                outcome.counts["held"] += len(self._record_all(fresh, Acceptance.HELD))
            case Step.REVOKE:
                outcome.counts["revoked"] += len(self._record_all(looks, Acceptance.REVOKED))
            case Step.KEEP:
                self._keep(looks)
            case Step.LEAVE:
                pass

    def _accept(self, service: EndpointService, looks: Sequence[_Decided], outcome: Outcome) -> None:
        """Record the entry that decides, call EC2 once for all, record what came of it, hand on to DNS."""
        intended = self._record_all(looks, Acceptance.ACCEPTING)
        accepted = self._called(self.services.accept, service, intended, outcome)
        outcome.counts["accepted"] += len(self._record_all(accepted, Acceptance.ACCEPTED))
        self._hand_on(accepted)

    def _reject(self, service: EndpointService, looks: Sequence[_Decided], outcome: Outcome) -> None:
        intended = self._record_all(looks, Acceptance.REJECTING)
        rejected = self._called(self.services.reject, service, intended, outcome)
        outcome.counts["rejected"] += len(self._record_all(rejected, Acceptance.REJECTED))
        self._hand_on(rejected)

    def _disconnect(self, service: EndpointService, looks: Sequence[_Decided], outcome: Outcome) -> None:
        """As many as the brake allows; the others stay revoked and connected, and the sweep tells of them."""
        if self.mode is Mode.OBSERVE:
            return
        begun = [look for look in looks if look.row.acceptance.value is Acceptance.REVOKING]
        allowed = [look for look in looks if look not in begun and self.ledger.take_disruption()]
        intended = begun + self._record_all(allowed, Acceptance.REVOKING)
        rejected = self._called(self.services.reject, service, intended, outcome)
        outcome.counts["disconnected"] += len(self._record_all(rejected, Acceptance.REVOKED))
        self._hand_on(rejected)

    def _keep(self, looks: Sequence[_Decided]) -> None:
        """Another entry accepts by now, or one accepts again what was revoked."""
        for look in looks:
            known = look.row.acceptance
            if known.value is Acceptance.ACCEPTED:
                facet = replace(known, decided_by=look.decided_by, reason=look.decision.sentence)
                self._write(look, facet)
            else:
                self._record(look, Acceptance.ACCEPTED)

    def _called(
        self,
        call: Callable[[str, Sequence[str]], Mapping[str, Refusal]],
        service: EndpointService,
        looks: Sequence[_Decided],
        outcome: Outcome,
    ) -> list[_Decided]:
        """Those that EC2 did not refuse. In observe mode nothing is called and nothing is done."""
        if self.mode is Mode.OBSERVE or not looks:
            return []
        refusals = call(service.service_id, [look.ref.endpoint_id for look in looks])
        for look in looks:
            if refusal := refusals.get(look.ref.endpoint_id):
                failure = AwsCallFailed(
                    f"{call.__name__.title()}VpcEndpointConnections", str(look.ref), refusal.code, refusal.message
                )
                self._refused(look, failure, outcome)
        return [look for look in looks if look.ref.endpoint_id not in refusals]

    def _refused(self, look: _Decided, failure: AwsCallFailed, outcome: Outcome) -> None:
        """It is looked at again and, when it stays refused, fails for good, so that the alarm tells a person.

        Whether AWS lets anybody accept what was rejected before is not documented: that is told at once.
        """
        logger.warning(str(failure), extra={"endpoint_id": look.ref.endpoint_id})
        if look.state is AwsState.REJECTED:
            reason = f"rejected before; {look.decided_by} accepts it now, but {failure}; the endpoint must be made anew"
            facet = look.row.acceptance.became(
                Acceptance.REJECTED, self.clock(), reason=reason, refusal=str(failure), decided_by=look.decided_by
            )
            self._write(look, facet)
        elif look.wake_up and look.wake_up.has_waited_long_enough:
            outcome.failed[look.wake_up] = failure
        else:
            self._put_back([look.next_wake_up])

    def _recognise(self, looks: Sequence[_Look], service: EndpointService) -> None:
        """What AWS's state says was done: by us before a crash, or by somebody else."""
        found = [(look, recognised(look.row, service, self._answer(look), self.clock())) for look in looks]
        news = [(look, facet) for look, facet in found if facet != look.row.acceptance]
        for look, facet in news:
            self._write(look, facet, verb="is")
        # A sweep compares the DNS by itself.
        changed = {look.ref for look, _ in news}
        self._hand_on(look for look in looks if not look.is_swept or look.ref in changed)

    def _answer(self, look: _Look) -> Answer | None:
        """Only what was done in the provider's own account is a person's answer in our place."""
        answer = look.wake_up.answer if look.wake_up else None
        return answer if answer and answer.by.split(":")[4:5] == [self.account] else None

    def _record_all(self, looks: Iterable[_Decided], acceptance: Acceptance) -> list[_Decided]:
        """The looks whose facet could be written; another run was faster with the others."""
        recorded = (self._record(look, acceptance) for look in looks)
        return [look for look in recorded if look]

    def _record(self, look: _Decided, acceptance: Acceptance) -> _Decided | None:
        """The facet as the decision has it."""
        known = look.row.acceptance
        reason, decided_by = look.decision.sentence, look.decided_by
        if acceptance.is_revocation:
            # The entry that once accepted is what is remembered, and why it no longer does.
            decided_by = known.decided_by
            reason = revocation(decided_by, look.owner, look.decision) or known.reason
        facet = known.became(
            acceptance,
            self.clock(),
            reason=reason,
            decided_by=decided_by,
            refusal=look.owner.reason if look.owner.placement is Placement.FAILED else "",
            owner_name=look.owner.name,
            owner_path=look.owner.path,
        )
        return self._write(look, facet)

    def _write[L: _Look](self, look: L, facet: AcceptanceFacet, verb: str = "would be") -> L | None:
        """Write the facet, or in observe mode only what it would be. None when there is nothing to write."""
        known = look.row.acceptance
        if self.mode is Mode.OBSERVE:
            facet = known.would_become(f"{verb} {facet.reason}")
            if facet == known:
                return None
        logger.info(
            facet.would or f"{facet.value}: {facet.reason}",
            extra={
                "endpoint_id": look.ref.endpoint_id,
                "service_id": look.ref.service_id,
                "decided_by": facet.decided_by,
            },
        )
        try:
            return replace(look, row=self.ledger.record_acceptance(look.row, facet))
        except LedgerChangedMeanwhile:
            logger.info("another run decides this connection", extra={"endpoint_id": look.ref.endpoint_id})
            self._put_back([look.next_wake_up])
            return None

    def _hand_on(self, looks: Iterable[_Look]) -> None:
        self._wake_dns((look.own_wake_up, _delay(look.state)) for look in looks)

    def _wake_dns(self, wake_ups: Iterable[tuple[WakeUp, int]]) -> None:
        if found := list(wake_ups):
            self.dns_queue.send(found)


@dataclass(frozen=True, slots=True)
class _Look:
    """A connection as it was just described, over what the ledger knows of it, and what woke us for it.

    was: the state that the ledger had.
    """

    row: LedgerRow
    wake_up: WakeUp | None
    was: AwsState | None

    @property
    def ref(self) -> ConnectionRef:
        return self.row.ref

    @property
    def state(self) -> AwsState:
        return self.row.connection.state

    @property
    def is_swept(self) -> bool:
        return self.wake_up is not None and self.wake_up.seen_by in _SWEPT

    @property
    def next_wake_up(self) -> WakeUp:
        """What woke us, with the service that is known by now."""
        return replace(self.wake_up or self.own_wake_up, service_id=self.ref.service_id)

    @property
    def own_wake_up(self) -> WakeUp:
        return WakeUp.about(self.row.connection, SeenBy(self.row.seen_by))


@dataclass(frozen=True, slots=True)
class _Decided(_Look):
    """A look with what the allowlist says of it."""

    owner: Owner
    decision: Decision
    step: Step

    @property
    def decided_by(self) -> str | None:
        return str(self.decision.entry.key) if self.decision.entry else None

    @property
    def is_held_already(self) -> bool:
        known = self.row.acceptance
        is_same = known.value is Acceptance.HELD and known.reason == self.decision.sentence
        return is_same and self.was is self.state


def _by_endpoint(group: Iterable[WakeUp]) -> dict[str, WakeUp]:
    """One wake-up an endpoint: one that tells who answered, or else one of the sweep, which asks for more."""
    found: dict[str, WakeUp] = {}
    for wake_up in sorted(group, key=lambda wake_up: (wake_up.answer is not None, wake_up.seen_by in _SWEPT)):
        if wake_up.endpoint_id:
            found[wake_up.endpoint_id] = wake_up
    return found


def _row(service: EndpointService, connection: Connection, known: LedgerRow | None, seen_by: SeenBy) -> LedgerRow:
    """The ledger's row, or a new one, with the state that was just read."""
    if known is None:
        return LedgerRow(connection, seen_by, service.title)
    return replace(known, connection=connection, service_title=service.title)


def _delay(state: AwsState) -> int:
    return _FIRST_LOOK_SECONDS if state in (AwsState.PENDING_ACCEPTANCE, AwsState.PENDING) else 0
