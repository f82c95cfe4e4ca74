from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from autopilot.domain.acceptance import Step, asks_for_a_decision, recognised, step
from autopilot.domain.allowlist import Action, AllowlistEntry, Decision, EntryKey, Verdict
from autopilot.domain.connection import Acceptance, AcceptanceFacet, AwsState, LedgerRow
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.organization import Owner
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import Answer
from tests.events import CONSUMER, ENDPOINT, PROVIDER, REGION, SERVICE
from tests.unit.examples import NOW, connection

A, S = Acceptance, AwsState
OWNER = Owner(CONSUMER)
GUARDED = EndpointService(SERVICE, REGION, acceptance_required=True, managed=True, title="payments")
OPEN = replace(GUARDED, acceptance_required=False)
ALICE = f"arn:aws:sts::{PROVIDER}:assumed-role/Admin/alice"

ACCEPT = Decision(Verdict.ACCEPT, AllowlistEntry(EntryKey(CONSUMER)), "accepted: …")
ACCEPT_ENDPOINT = Decision(Verdict.ACCEPT, AllowlistEntry(EntryKey(ENDPOINT)), "accepted: …")
REJECT = Decision(Verdict.REJECT, AllowlistEntry(EntryKey(CONSUMER), Action.REJECT), "rejected: …")
HOLD = Decision(Verdict.HOLD, None, "held: …")
STANDING = (S.PENDING, S.AVAILABLE)


def seen(state: AwsState, value: Acceptance, answered_by: str = "", minutes_ago: int = 10) -> LedgerRow:
    """A connection in AWS's state, whose facet got its value some minutes ago."""
    facet = AcceptanceFacet().became(
        value,
        NOW - timedelta(minutes=minutes_ago),
        reason=f"{value} before",
        decided_by=f"{CONSUMER}/*",
        answered_by=answered_by,
    )
    return LedgerRow(connection(state), "event", "payments", acceptance=facet, version=1)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [(ACCEPT, Step.ACCEPT), (ACCEPT_ENDPOINT, Step.ACCEPT), (REJECT, Step.REJECT), (HOLD, Step.HOLD)],
)
@pytest.mark.parametrize("value", [A.UNDECIDED, A.HELD, A.ACCEPTING, A.REJECTING])
def test_what_waits_gets_what_was_decided(value: Acceptance, decision: Decision, expected: Step) -> None:
    assert step(seen(S.PENDING_ACCEPTANCE, value), OWNER, decision, OnRevoked.REJECT) is expected


@pytest.mark.parametrize(("decision", "expected"), [(ACCEPT, Step.ACCEPT), (REJECT, Step.LEAVE), (HOLD, Step.LEAVE)])
@pytest.mark.parametrize("value", [A.ACCEPTED, A.ADOPTED, A.REVOKED])
def test_an_old_describe_that_shows_as_waiting_what_was_let_in_disconnects_nobody(
    value: Acceptance, decision: Decision, expected: Step
) -> None:
    assert step(seen(S.PENDING_ACCEPTANCE, value), OWNER, decision, OnRevoked.REJECT) is expected


@pytest.mark.parametrize("state", [S.PENDING_ACCEPTANCE, S.REJECTED])
@pytest.mark.parametrize("decision", [ACCEPT, REJECT, HOLD])
def test_what_a_person_rejected_is_left_to_them(state: AwsState, decision: Decision) -> None:
    assert step(seen(state, A.REJECTED, answered_by=ALICE), OWNER, decision, OnRevoked.REJECT) is Step.LEAVE


@pytest.mark.parametrize("state", [S.PENDING_ACCEPTANCE, S.REJECTED])
@pytest.mark.parametrize("answered_by", ["", "somebody", ALICE])
def test_an_entry_for_the_endpoint_takes_a_rejection_back(state: AwsState, answered_by: str) -> None:
    rejected = seen(state, A.REJECTED, answered_by)

    assert step(rejected, OWNER, ACCEPT_ENDPOINT, OnRevoked.KEEP) is Step.ACCEPT


@pytest.mark.parametrize("decision", [ACCEPT, REJECT, HOLD])
def test_what_was_rejected_comes_back_by_no_other_entry(decision: Decision) -> None:
    assert step(seen(S.REJECTED, A.REJECTED), OWNER, decision, OnRevoked.REJECT) is Step.LEAVE


@pytest.mark.parametrize("state", STANDING)
@pytest.mark.parametrize("decision", [REJECT, HOLD])
def test_revoking_is_two_steps_and_the_second_only_where_it_was_asked_for(state: AwsState, decision: Decision) -> None:
    def taken(value: Acceptance, on_revoked: OnRevoked) -> Step:
        return step(seen(state, value), OWNER, decision, on_revoked)

    assert [taken(A.ACCEPTED, way) for way in OnRevoked] == [Step.REVOKE, Step.REVOKE]
    assert [taken(A.REVOKED, way) for way in OnRevoked] == [Step.LEAVE, Step.DISCONNECT]
    assert taken(A.REVOKING, OnRevoked.REJECT) is Step.DISCONNECT


@pytest.mark.parametrize(
    ("value", "decision", "expected"),
    [
        (A.ACCEPTED, ACCEPT, Step.LEAVE),
        (A.ACCEPTED, ACCEPT_ENDPOINT, Step.KEEP),
        (A.REVOKED, ACCEPT, Step.KEEP),
        (A.REVOKING, ACCEPT, Step.KEEP),
    ],
)
def test_what_an_entry_accepts_now_is_kept(value: Acceptance, decision: Decision, expected: Step) -> None:
    assert step(seen(S.AVAILABLE, value), OWNER, decision, OnRevoked.REJECT) is expected


@pytest.mark.parametrize("on_revoked", OnRevoked)
@pytest.mark.parametrize("decision", [REJECT, HOLD])
def test_while_organizations_fails_nothing_that_stands_is_touched(on_revoked: OnRevoked, decision: Decision) -> None:
    failed = Owner.failed(CONSUMER, "DescribeAccount failed")

    for value in (A.ACCEPTED, A.REVOKED):
        assert step(seen(S.AVAILABLE, value), failed, decision, on_revoked) is Step.LEAVE


@pytest.mark.parametrize(("state", "value", "service"), list(product(S, A, [GUARDED, OPEN])))
def test_only_what_autopilot_accepted_is_compared_with_the_list_again_and_only_by_a_sweep(
    state: AwsState, value: Acceptance, service: EndpointService
) -> None:
    row = seen(state, value)
    ours = value in (A.ACCEPTED, A.REVOKING, A.REVOKED)
    expected = (
        state is S.PENDING_ACCEPTANCE or state is S.REJECTED or (state in STANDING and ours and service is GUARDED)
    )

    assert asks_for_a_decision(row, service, True, NOW) is expected
    assert asks_for_a_decision(row, service, False, NOW) is (state is S.PENDING_ACCEPTANCE)


@pytest.mark.parametrize("value", A)
def test_a_pending_acceptance_just_after_it_was_answered_is_a_stale_read(value: Acceptance) -> None:
    fresh = seen(S.PENDING_ACCEPTANCE, value, minutes_ago=1)
    answered = value in (A.ACCEPTED, A.ADOPTED, A.REJECTED, A.REVOKED)

    assert asks_for_a_decision(fresh, GUARDED, False, NOW) is not answered


@pytest.mark.parametrize(
    ("state", "value", "becomes"),
    [
        *((state, A.ACCEPTING, A.ACCEPTED) for state in STANDING),
        *((state, value, value) for state in STANDING for value in (A.ACCEPTED, A.ADOPTED, A.REVOKED, A.REVOKING)),
        *((state, value, A.ADOPTED) for state in STANDING for value in (A.UNDECIDED, A.HELD, A.REJECTED, A.REJECTING)),
        (S.REJECTED, A.REJECTING, A.REJECTED),
        (S.REJECTED, A.REVOKING, A.REVOKED),
        *((S.REJECTED, value, value) for value in (A.REJECTED, A.REVOKED)),
        *((S.REJECTED, value, A.REJECTED) for value in (A.UNDECIDED, A.HELD, A.ACCEPTING, A.ACCEPTED, A.ADOPTED)),
        *((S.DELETED, value, value) for value in A),
    ],
)
def test_what_awss_state_proves(state: AwsState, value: Acceptance, becomes: Acceptance) -> None:
    row = seen(state, value)
    facet = recognised(row, GUARDED, None, NOW)

    assert facet.value is becomes
    assert (facet == row.acceptance) is (becomes is value)


@pytest.mark.parametrize("intent", [A.ACCEPTING, A.REJECTING, A.REVOKING])
def test_what_was_intended_keeps_its_reason_and_its_entry(intent: Acceptance) -> None:
    state = S.AVAILABLE if intent is A.ACCEPTING else S.REJECTED
    facet = recognised(seen(state, intent), GUARDED, None, NOW)

    assert (facet.reason, facet.decided_by, facet.answered_by) == (f"{intent} before", f"{CONSUMER}/*", "")


@pytest.mark.parametrize(("state", "accepted"), [(S.AVAILABLE, True), (S.REJECTED, False)])
def test_who_answered_is_told_whether_it_is_known_at_once_or_later(state: AwsState, accepted: bool) -> None:
    answer = Answer(accepted, ALICE)
    at_once = recognised(seen(state, A.HELD), GUARDED, answer, NOW)
    unknown = recognised(seen(state, A.HELD), GUARDED, None, NOW)
    later = recognised(replace(seen(state, A.HELD), acceptance=unknown), GUARDED, answer, NOW + timedelta(minutes=5))

    assert at_once.answered_by == later.answered_by == ALICE
    assert at_once.reason == later.reason
    assert ALICE in at_once.reason
    assert (unknown.answered_by, "somebody else" in unknown.reason) == ("somebody", True)
    assert later.timeline == unknown.timeline


@pytest.mark.parametrize(("state", "accepted"), [(S.AVAILABLE, False), (S.REJECTED, True)])
def test_an_answer_that_is_not_what_stands_says_nothing(state: AwsState, accepted: bool) -> None:
    facet = recognised(seen(state, A.HELD), GUARDED, Answer(accepted, ALICE), NOW)

    assert facet.answered_by == "somebody"


@pytest.mark.parametrize("value", [A.ACCEPTED, A.REVOKED])
def test_what_a_person_accepted_too_is_theirs_and_no_longer_revoked(value: Acceptance) -> None:
    facet = recognised(seen(S.AVAILABLE, value), GUARDED, Answer(True, ALICE), NOW)

    assert (facet.value, facet.answered_by, facet.decided_by) == (A.ADOPTED, ALICE, None)


@pytest.mark.parametrize(("state", "intent"), [(S.AVAILABLE, A.ACCEPTING), (S.REJECTED, A.REJECTING)])
def test_what_a_person_did_while_ours_was_only_intended_is_theirs(state: AwsState, intent: Acceptance) -> None:
    facet = recognised(seen(state, intent), GUARDED, Answer(state is S.AVAILABLE, ALICE), NOW)

    assert facet.answered_by == ALICE
    assert facet.value is (A.ADOPTED if state is S.AVAILABLE else A.REJECTED)


def test_what_a_service_without_acceptance_takes_is_nobodys_answer() -> None:
    facet = recognised(seen(S.AVAILABLE, A.UNDECIDED), OPEN, None, NOW)

    assert (facet.value, facet.answered_by) == (A.ADOPTED, "")
    assert "without acceptance" in facet.reason


def test_a_rejected_state_just_after_it_was_accepted_again_is_a_stale_read() -> None:
    rejected = seen(S.REJECTED, A.REJECTED).acceptance
    again = replace(seen(S.REJECTED, A.HELD), acceptance=rejected.became(A.ACCEPTED, NOW, reason="accepted: …"))

    assert recognised(again, GUARDED, None, NOW + timedelta(minutes=1)) == again.acceptance
    assert recognised(again, GUARDED, Answer(False, ALICE), NOW + timedelta(minutes=1)).value is A.REJECTED
    assert recognised(again, GUARDED, None, NOW + timedelta(minutes=2)).value is A.REJECTED
