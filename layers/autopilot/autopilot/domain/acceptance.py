"""What a connection's state asks decide_connection to do: a table, without AWS."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from autopilot.domain.allowlist import Decision, Verdict, is_endpoint, revocation
from autopilot.domain.connection import Acceptance, AcceptanceFacet, AwsState, LedgerRow
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.organization import Owner
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import Answer

SOMEBODY = "somebody"
# A describe this soon after our Accept or Reject may still be from before it.
_STALE_FOR = timedelta(minutes=2)
_DONE = frozenset({Acceptance.ACCEPTED, Acceptance.ADOPTED, Acceptance.REJECTED, Acceptance.REVOKED})
_STANDING = frozenset({AwsState.PENDING, AwsState.AVAILABLE})
# There is nothing to decide, and people have to know.
IN_TROUBLE = frozenset({AwsState.FAILED, AwsState.PARTIAL, AwsState.UNKNOWN})
_LET_IN = frozenset({Acceptance.ACCEPTED, Acceptance.ADOPTED, Acceptance.REVOKING, Acceptance.REVOKED})


class Step(StrEnum):
    """ACCEPT, REJECT and DISCONNECT call EC2; HOLD, REVOKE and KEEP only write the ledger; LEAVE does nothing."""

    LEAVE = "leave"
    HOLD = "hold"
    ACCEPT = "accept"
    REJECT = "reject"
    KEEP = "keep"
    REVOKE = "revoke"
    DISCONNECT = "disconnect"


def stands(state: AwsState) -> bool:
    """Whether the consumer uses the connection, or will in a minute."""
    return state in _STANDING


def asks_for_a_decision(row: LedgerRow, service: EndpointService, is_swept: bool, now: datetime) -> bool:
    """Whether the allowlist has to be read for this connection.

    What waits is always decided. What Autopilot accepted, and what was rejected, is looked at again only when a
    sweep asks, which compares them with the list: an event of theirs says nothing about the list.
    """
    done = row.acceptance
    match row.connection.state:
        case AwsState.PENDING_ACCEPTANCE:
            return not (done.value in _DONE and done.since and now - done.since < _STALE_FOR)
        case AwsState.PENDING | AwsState.AVAILABLE:
            ours = done.value is Acceptance.ACCEPTED or done.value.is_revocation
            return is_swept and ours and service.acceptance_required
        case AwsState.REJECTED:
            return is_swept
        case _:
            return False


def step(row: LedgerRow, owner: Owner, decision: Decision, on_revoked: OnRevoked) -> Step:
    """What the decision means for a connection in its state."""
    match row.connection.state:
        case AwsState.PENDING_ACCEPTANCE:
            if _is_rejected_by_a_person(row.acceptance) and not names_the_endpoint(decision):
                return Step.LEAVE
            if row.acceptance.value in _LET_IN and decision.verdict is not Verdict.ACCEPT:
                # What was let in never waits again: an old describe, by which it would be disconnected unbraked.
                return Step.LEAVE
            return {Verdict.ACCEPT: Step.ACCEPT, Verdict.REJECT: Step.REJECT, Verdict.HOLD: Step.HOLD}[decision.verdict]
        case AwsState.REJECTED:
            return Step.ACCEPT if names_the_endpoint(decision) else Step.LEAVE
        case _:
            return _step_of_standing(row.acceptance, owner, decision, on_revoked)


def recognised(row: LedgerRow, service: EndpointService, answer: Answer | None, now: datetime) -> AcceptanceFacet:
    """The facet that AWS's state proves: what we did before a crash, or what somebody else did.

    answer: a person's Accept or Reject in the provider's own account, which tells who that somebody was.
    """
    known = row.acceptance
    if stands(row.connection.state):
        return _standing(known, service, answer if answer and answer.accepted else None, now)
    if row.connection.state is AwsState.REJECTED:
        return _rejected(known, answer if answer and not answer.accepted else None, now)
    if row.connection.state in IN_TROUBLE and not known.timeline:
        return known.became(Acceptance.UNDECIDED, now, reason=f"first seen in AWS's state {row.connection.state}")
    return known


def names_the_endpoint(decision: Decision) -> bool:
    """Whether an entry for this very endpoint accepts it: the only way back for what was rejected."""
    return (
        decision.verdict is Verdict.ACCEPT and decision.entry is not None and is_endpoint(decision.entry.key.principal)
    )


def _step_of_standing(known: AcceptanceFacet, owner: Owner, decision: Decision, on_revoked: OnRevoked) -> Step:
    if decision.verdict is Verdict.ACCEPT:
        is_known = (known.value, known.decided_by) == (Acceptance.ACCEPTED, decision.decided_by)
        return Step.LEAVE if is_known else Step.KEEP
    if not revocation(known.decided_by, owner, decision):
        return Step.LEAVE
    if known.value is Acceptance.ACCEPTED:
        return Step.REVOKE
    return Step.DISCONNECT if on_revoked is OnRevoked.REJECT else Step.LEAVE


def _standing(
    known: AcceptanceFacet, service: EndpointService, answer: Answer | None, now: datetime
) -> AcceptanceFacet:
    match known.value:
        case Acceptance.ACCEPTING if answer is None:
            return _as_intended(known, Acceptance.ACCEPTED, now)
        case Acceptance.ADOPTED:
            # Who it was may come later than that it was done.
            return _answered(known, "adopted: accepted", answer) if known.answered_by == SOMEBODY else known
        case Acceptance.ACCEPTED | Acceptance.REVOKING | Acceptance.REVOKED if answer is None:
            return known
    if not service.acceptance_required:
        reason = "adopted: the service takes connections without acceptance"
        return known.became(Acceptance.ADOPTED, now, reason=reason)
    return _answered(known.became(Acceptance.ADOPTED, now, answered_by=SOMEBODY), "adopted: accepted", answer)


def _rejected(known: AcceptanceFacet, answer: Answer | None, now: datetime) -> AcceptanceFacet:
    match known.value:
        case Acceptance.REJECTING if answer is None:
            return _as_intended(known, Acceptance.REJECTED, now)
        case Acceptance.REVOKING:
            return _as_intended(known, Acceptance.REVOKED, now)
        case Acceptance.REVOKED:
            return known
        case Acceptance.REJECTED:
            return _answered(known, "rejected", answer) if known.answered_by == SOMEBODY else known
        case Acceptance.ACCEPTED if answer is None and _was_accepted_again(known, now):
            return known
    return _answered(known.became(Acceptance.REJECTED, now, answered_by=SOMEBODY), "rejected", answer)


def _as_intended(known: AcceptanceFacet, value: Acceptance, now: datetime) -> AcceptanceFacet:
    return known.became(value, now, reason=known.reason, decided_by=known.decided_by)


def _answered(facet: AcceptanceFacet, done: str, answer: Answer | None) -> AcceptanceFacet:
    who = answer.by if answer else SOMEBODY
    by = who if answer else "somebody else than Autopilot"
    return replace(facet, answered_by=who, reason=f"{done} by {by}")


def _was_accepted_again(known: AcceptanceFacet, now: datetime) -> bool:
    """Just now, so that the rejected state is that of before."""
    ended = (Acceptance.REJECTED, Acceptance.REVOKED)
    is_fresh = known.since is not None and now - known.since < _STALE_FOR
    return is_fresh and any(moment.what in ended for moment in known.timeline)


def _is_rejected_by_a_person(known: AcceptanceFacet) -> bool:
    return known.value is Acceptance.REJECTED and bool(known.answered_by)
