"""Decide what becomes of connections: one describe, one lookup and one accept for a whole batch of wake-ups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched

from aws_lambda_powertools import Logger

from autopilot.domain.acceptance import Step, asks_for_a_decision, recognised, step
from autopilot.domain.allowlist import Verdict, decide, keys_for
from autopilot.domain.connection import AwsState, Connection, ConnectionRef, LedgerRow
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.domain.organization import Owner, Placement
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import Answer, SeenBy, WakeUp
from autopilot.use_cases.answers import Answers
from autopilot.use_cases.looks import Decided, Look, Outcome
from autopilot.use_cases.ports import Allowlist, EndpointServices, Ledger, Organization, Queue
from autopilot.use_cases.wakes import Wakes, by_endpoint, may_wait

logger = Logger(child=True)

# How many EC2 takes in one Accept or Reject is not documented; and each is written down before and after.
_MOST_AT_ONCE = 50


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
            return Outcome(dict.fromkeys(self._failed(wake_ups, failure), failure))
        outcome = Outcome()
        for service, group in groups:
            wakes = self._wakes()
            try:
                self._look(service, group, Answers(self.services, self.ledger, wakes, self.mode, self.clock, outcome))
                wakes.send_what_waits()
            except AwsCallFailed as failure:
                logger.warning(str(failure), extra={"service_id": service.service_id})
                outcome.failed |= dict.fromkeys(self._failed(group, failure), failure)
        return outcome

    def _wakes(self) -> Wakes:
        return Wakes(self.requests_queue, self.dns_queue)

    def _failed(self, group: Collection[WakeUp], failure: AwsCallFailed) -> Collection[WakeUp]:
        """Who is told to slow down waits; five failures in a row would make a dead letter of it."""
        if not failure.is_throttling:
            return group
        wakes = self._wakes()
        wakes.put_back(group)
        try:
            wakes.send_what_waits()
        except AwsCallFailed:
            return group
        return [wake_up for wake_up in group if not may_wait(wake_up)]

    def _by_service(self, wake_ups: Iterable[WakeUp]) -> Iterable[tuple[EndpointService, list[WakeUp]]]:
        """Wake-ups of services that are not ours to touch are dropped here, at no cost."""
        groups: defaultdict[str, list[WakeUp]] = defaultdict(list)
        every: Sequence[EndpointService] = ()
        if any(wake_up.service_id is None or wake_up.endpoint_id is None for wake_up in wake_ups):
            # Without an endpoint, something about a service changed, its tags perhaps: what was read is of no use.
            every = self.services.all()
        for wake_up in wake_ups:
            if wake_up.service_id:
                groups[wake_up.service_id].append(wake_up)
            else:
                for service in every:
                    groups[service.service_id].append(wake_up)
        for service_id, group in groups.items():
            known = self.services.find(service_id)
            if known is None or not known.managed:
                logger.info("not a managed service; dropped", extra={"service_id": service_id})
            else:
                yield known, group

    def _look(self, service: EndpointService, group: Sequence[WakeUp], answers: Answers) -> None:
        wakes = answers.wakes
        if service.problem:
            # Whoever mends the tags should not have to wait for the next sweep.
            logger.warning(service.problem, extra={"service_id": service.service_id})
            wakes.put_back(group)
            return
        woken = by_endpoint(group)
        connections = self._described(service, group, set(woken))
        refs = {endpoint: ConnectionRef(service.service_id, endpoint) for endpoint in {*connections, *woken}}
        rows = self.ledger.rows(refs.values())
        self._pass_over({e: wake_up for e, wake_up in woken.items() if e not in connections}, refs, rows, wakes)
        looks = []
        for endpoint, connection in connections.items():
            wake_up, known = woken.get(endpoint), rows.get(refs[endpoint])
            row = _row(service, connection, known, (wake_up or group[0]).first_seen_by(self.clock()))
            looks.append(Look(row, wake_up, known.connection.state if known else None))
        undecided = [look for look in looks if asks_for_a_decision(look.row, service, look.is_swept, self.clock())]
        decided = self._decide(undecided)
        wakes.put_back(look.next_wake_up for look in decided if look.owner.placement is Placement.FAILED)
        for chosen_step in Step:
            chosen = [look for look in decided if look.step is chosen_step]
            for some in batched(chosen, _MOST_AT_ONCE, strict=False):
                answers(chosen_step, service, some)
        in_steps = {look.ref for look in decided if look.step is not Step.LEAVE}
        answered = [look for look in looks if look.state is not AwsState.PENDING_ACCEPTANCE]
        self._recognise([look for look in answered if look.ref not in in_steps], service, answers)

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
        wakes: Wakes,
    ) -> None:
        """What is not listed is not listed yet, or no longer when the ledger knows it: then its DNS is to go.

        A describe may leave out what stands, and that a person answered is told once: that waits until it is listed.
        """
        known = {endpoint: rows[refs[endpoint]] for endpoint in unlisted if refs[endpoint] in rows}
        wakes.put_back(wake_up for e, wake_up in unlisted.items() if e not in known or wake_up.answer)
        wakes.dns((WakeUp.about(known[e].connection, unlisted[e].seen_by), 0) for e in known)

    def _decide(self, looks: Sequence[Look]) -> list[Decided]:
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
            if taken is Step.DISCONNECT and not look.may_be_disconnected:
                taken = Step.LEAVE
            decided.append(Decided(look.row, look.wake_up, look.was, owner, decision, taken))
        return decided

    def _owner(self, account: str) -> Owner:
        try:
            return self.organization.owner(account)
        except AwsCallFailed as failure:
            logger.warning(str(failure), extra={"account": account})
            return Owner.failed(account, str(failure))

    def _recognise(self, looks: Sequence[Look], service: EndpointService, answers: Answers) -> None:
        """What AWS's state says was done: by us before a crash, or by somebody else."""
        found = [(look, recognised(look.row, service, self._answer(look), self.clock())) for look in looks]
        news = [(look, facet) for look, facet in found if facet != look.row.acceptance]
        # A sweep compares the DNS by itself.
        changed = {look.ref for look, _ in news}
        due = [look for look in looks if look.ref in changed or not (look.is_swept or look.was_handed_on)]
        answers.wakes.hand_on(look for look in due if look.goes_first)
        for look, facet in news:
            answers.write(look, facet, verb="is")
        answers.wakes.hand_on(look for look in due if not look.goes_first)

    def _answer(self, look: Look) -> Answer | None:
        """Only what was done in the provider's own account is a person's answer in our place."""
        answer = look.wake_up.answer if look.wake_up else None
        return answer if answer and answer.by.split(":")[4:5] == [self.account] else None


def _row(service: EndpointService, connection: Connection, known: LedgerRow | None, seen_by: SeenBy) -> LedgerRow:
    """The ledger's row, or a new one, with the state that was just read."""
    if known is None:
        return LedgerRow(connection, seen_by, service.title)
    return replace(known, connection=connection, service_title=service.title)
