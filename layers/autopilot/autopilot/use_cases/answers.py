"""Carry out what was decided: the ledger first, then one call of EC2 for all, then the ledger again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aws_lambda_powertools import Logger

from autopilot.domain.acceptance import Step
from autopilot.domain.allowlist import revocation
from autopilot.domain.connection import Acceptance, AcceptanceFacet, AwsState
from autopilot.domain.failures import AwsCallFailed, LedgerChangedMeanwhile
from autopilot.domain.mode import Mode
from autopilot.domain.organization import Placement
from autopilot.domain.service import EndpointService
from autopilot.use_cases.looks import Decided, Look, Outcome
from autopilot.use_cases.ports import EndpointServices, Ledger, Refusal
from autopilot.use_cases.wakes import Wakes

logger = Logger(child=True)

# What EC2 says of one endpoint. Documented as a part of the answer; as the whole of it, it would hold up all others.
_OF_AN_ENDPOINT = ("InvalidParameter", "InvalidState", "InvalidVpcEndpointId")

type Call = Callable[[str, Sequence[str]], Mapping[str, Refusal]]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one batch. outcome: where they are counted, and what failed is kept."""

    services: EndpointServices
    ledger: Ledger
    wakes: Wakes
    mode: Mode
    clock: Callable[[], datetime]
    outcome: Outcome

    def __call__(self, step: Step, service: EndpointService, looks: Sequence[Decided]) -> None:
        """Take one step with all connections that ask for it. Raises AwsCallFailed."""
        match step:
            case Step.ACCEPT:
                self._accept(service, looks)
            case Step.REJECT:
                self._reject(service, looks)
            case Step.DISCONNECT:
                self._disconnect(service, looks)
            case Step.HOLD:
                fresh = [look for look in looks if not look.is_held_already]
                self.outcome.counts["held"] += len(self._record_all(fresh, Acceptance.HELD))
            case Step.REVOKE:
                self.outcome.counts["revoked"] += len(self._record_all(looks, Acceptance.REVOKED))
            case Step.KEEP:
                self._keep(looks)
            case Step.LEAVE:
                pass

    def _accept(self, service: EndpointService, looks: Sequence[Decided]) -> None:
        """Record the entry that decides, call EC2 once for all, hand on to DNS, record what came of it.

        In this order: whoever finds it accepted knows that it was handed on.
        """
        intended = self._record_all(looks, Acceptance.ACCEPTING)
        accepted = self._called(self.services.accept, service, intended)
        self.wakes.hand_on(accepted)
        recorded = self._record_all(accepted, Acceptance.ACCEPTED)
        recorded += self._record_all(self._overtaken(accepted, recorded), Acceptance.ACCEPTED)
        self.outcome.counts["accepted"] += len(recorded)

    def _overtaken(self, accepted: Sequence[Decided], recorded: Sequence[Decided]) -> list[Decided]:
        """Those whose record another run changed while EC2 accepted them, each with what it wrote, to be written over;
        not what a person did.

        Left as held, they would be taken for a person's, whose connections are never revoked.
        """
        written = {look.ref for look in recorded}
        looks = {look.ref: look for look in accepted if look.ref not in written}
        rows = self.ledger.rows(looks).values() if looks else ()
        return [
            replace(looks[row.ref], row=replace(row, connection=looks[row.ref].row.connection))
            for row in rows
            if row.acceptance.value is not Acceptance.ACCEPTED and not row.acceptance.answered_by
        ]

    def _reject(self, service: EndpointService, looks: Sequence[Decided]) -> None:
        intended = self._record_all(looks, Acceptance.REJECTING)
        rejected = self._called(self.services.reject, service, intended)
        self.outcome.counts["rejected"] += len(self._record_all(rejected, Acceptance.REJECTED))
        self.wakes.hand_on(rejected)

    def _disconnect(self, service: EndpointService, looks: Sequence[Decided]) -> None:
        """As many as the brake allows; the others stay revoked and connected, and the sweep tells of them."""
        if self.mode is Mode.OBSERVE:
            return
        begun = [look for look in looks if look.row.acceptance.value is Acceptance.REVOKING]
        allowed = [look for look in looks if look not in begun and self.ledger.take_disruption()]
        intended = begun + self._record_all(allowed, Acceptance.REVOKING)
        rejected = self._called(self.services.reject, service, intended)
        self.outcome.counts["disconnected"] += len(self._record_all(rejected, Acceptance.REVOKED))
        self.wakes.hand_on(rejected)

    def _keep(self, looks: Sequence[Decided]) -> None:
        """Another entry accepts by now, or one accepts again what was revoked."""
        for look in looks:
            known = look.row.acceptance
            if known.value is Acceptance.ACCEPTED:
                facet = replace(known, decided_by=look.decision.decided_by, reason=look.decision.sentence)
                self.write(look, facet)
            else:
                self._record(look, Acceptance.ACCEPTED)

    def _called(self, call: Call, service: EndpointService, looks: Sequence[Decided]) -> list[Decided]:
        """Those that EC2 did not refuse. In observe mode nothing is called and nothing is done."""
        if self.mode is Mode.OBSERVE or not looks:
            return []
        refusals = self._refusals(call, service.service_id, [look.ref.endpoint_id for look in looks])
        for look in looks:
            if refusal := refusals.get(look.ref.endpoint_id):
                failure = AwsCallFailed(
                    f"{call.__name__.title()}VpcEndpointConnections", str(look.ref), refusal.code, refusal.message
                )
                self._refused(look, failure)
        return [look for look in looks if look.ref.endpoint_id not in refusals]

    def _refusals(self, call: Call, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        """Where one endpoint fails the whole call, the batch is halved until it stands alone.

        Raises AwsCallFailed for what is about no endpoint: to halve what is throttled would only make more calls.
        """
        try:
            return call(service_id, endpoint_ids)
        except AwsCallFailed as failure:
            if not failure.code.startswith(_OF_AN_ENDPOINT):
                raise
            if len(endpoint_ids) == 1:
                return {endpoint_ids[0]: Refusal(failure.code, failure.message)}
            middle = len(endpoint_ids) // 2
            halves = endpoint_ids[:middle], endpoint_ids[middle:]
            return {e: r for half in halves for e, r in self._refusals(call, service_id, half).items()}

    def _refused(self, look: Decided, failure: AwsCallFailed) -> None:
        """It is looked at again and, when it stays refused, fails for good, so that the alarm tells a person.

        Whether AWS lets anybody accept what was rejected before is not documented: that is told at once.
        """
        logger.warning(str(failure), extra={"endpoint_id": look.ref.endpoint_id})
        if look.state is AwsState.REJECTED:
            decided_by = look.decision.decided_by
            reason = f"rejected before; {decided_by} accepts it now, but {failure}; the endpoint must be made anew"
            facet = look.row.acceptance.became(
                Acceptance.REJECTED,
                self.clock(),
                reason=reason,
                refusal=str(failure),
                decided_by=decided_by,
                answered_by=look.row.acceptance.answered_by,
            )
            self.write(look, facet)
        elif look.wake_up and look.wake_up.has_waited_long_enough:
            self.outcome.failed[look.wake_up] = failure
        else:
            self.wakes.put_back([look.next_wake_up])

    def _record_all(self, looks: Iterable[Decided], acceptance: Acceptance) -> list[Decided]:
        """The looks whose facet could be written; another run was faster with the others."""
        recorded = (self._record(look, acceptance) for look in looks)
        return [look for look in recorded if look]

    def _record(self, look: Decided, acceptance: Acceptance) -> Decided | None:
        """The facet as the decision has it."""
        known = look.row.acceptance
        reason, decided_by = look.decision.sentence, look.decision.decided_by
        if acceptance.is_revocation:
            # The entry that once accepted is what is remembered, and why it no longer does.
            decided_by = known.decided_by
            reason = revocation(decided_by, look.owner, look.decision) or known.reason
        if acceptance.is_intent and (known.value, known.decided_by) == (acceptance, decided_by):
            # Tried again: since when it does not come further is what tells that it is stuck.
            return look
        facet = known.became(
            acceptance,
            self.clock(),
            reason=reason,
            decided_by=decided_by,
            # Until EC2 has accepted it, it is still who rejected it before.
            answered_by=known.answered_by if acceptance is Acceptance.ACCEPTING else "",
            refusal=look.owner.reason if look.owner.placement is Placement.FAILED else "",
            owner_name=look.owner.name,
            owner_path=look.owner.path,
        )
        return self.write(look, facet)

    def write[L: Look](self, look: L, facet: AcceptanceFacet, verb: str = "would be") -> L | None:
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
            self.wakes.put_back([look.next_wake_up])
            return None
