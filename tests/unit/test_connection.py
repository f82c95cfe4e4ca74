from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import botocore.session
import pytest

from autopilot.domain.connection import Acceptance, AcceptanceFacet, AwsState, Dns, DnsFacet, Moment, Status, status
from tests.unit.examples import NOW, row

A = Acceptance
D = Dns
S = AwsState

ENDED = (S.REJECTED, S.DELETING, S.DELETED, S.FAILED, S.EXPIRED)


def test_every_state_of_the_api_is_known_in_any_case() -> None:
    states = botocore.session.get_session().get_service_model("ec2").shape_for("State")
    known = {state for wire in states.enum for state in map(S.from_wire, (wire, wire.upper(), wire.lower()))}  # type: ignore[attr-defined]

    assert known == set(S) - {S.UNKNOWN}


@pytest.mark.parametrize("text", ["", "half-available", "pending acceptance"])
def test_a_state_that_aws_may_add_is_unknown(text: str) -> None:
    assert S.from_wire(text) is S.UNKNOWN


def test_only_states_without_a_way_back_ask_for_no_dns() -> None:
    assert {state for state in S if state.asks_for_no_dns} == set(ENDED)


def test_only_a_name_that_resolves_is_settled() -> None:
    assert {dns for dns in D if dns.is_settled} == {D.PRESENT, D.CONSUMERS_OWN}


def combinations(
    states: S | tuple[S, ...], acceptances: tuple[A, ...] = tuple(A), dns: tuple[D, ...] = tuple(D)
) -> set[tuple[A, D, S]]:
    return set(product(acceptances, dns, (states,) if isinstance(states, S) else states))


ACCEPTED = (A.ACCEPTED, A.ADOPTED)
REVOKED = (A.REVOKING, A.REVOKED)
NOT_REVOKED = tuple(set(A) - set(REVOKED))
NOT_ACCEPTED = tuple(set(NOT_REVOKED) - set(ACCEPTED))
UNDER_WAY = (D.NONE, D.WAITING, D.BEHIND, D.ABSENT)
NOT_BEHIND = tuple(set(D) - {D.BEHIND})

STATUSES: dict[Status | None, set[tuple[A, D, S]]] = {
    Status.HELD: combinations(S.PENDING_ACCEPTANCE, (A.HELD,)),
    Status.ACCEPTED: combinations(S.PENDING_ACCEPTANCE, (A.ACCEPTED,))
    | combinations(S.PENDING, ACCEPTED)
    | combinations(S.AVAILABLE, ACCEPTED, UNDER_WAY),
    Status.READY: combinations(S.AVAILABLE, NOT_REVOKED, (D.PRESENT, D.CONSUMERS_OWN)),
    Status.CONNECTED: combinations(S.AVAILABLE, NOT_REVOKED, (D.NO_ROLE, D.UNDECLARED, D.DECLINED)),
    Status.DNS_BLOCKED: combinations(S.AVAILABLE, NOT_REVOKED, (D.BLOCKED,)),
    Status.REJECTED: combinations(S.PENDING_ACCEPTANCE, (A.REJECTED,))
    | combinations(S.REJECTED, NOT_REVOKED, NOT_BEHIND),
    Status.REVOKED: combinations((S.PENDING_ACCEPTANCE, S.PENDING, S.AVAILABLE), REVOKED)
    | combinations(S.REJECTED, REVOKED, NOT_BEHIND),
    Status.RETIRED: combinations((S.DELETING, S.DELETED), dns=(D.ABSENT,)),
    Status.FAILED: combinations((S.REJECTED, S.DELETING, S.DELETED), dns=(D.BEHIND,))
    | combinations((S.FAILED, S.EXPIRED, S.PARTIAL, S.UNKNOWN)),
    None: combinations(S.PENDING_ACCEPTANCE, tuple(set(NOT_REVOKED) - {A.HELD, A.ACCEPTED, A.REJECTED}))
    | combinations(S.PENDING, NOT_ACCEPTED)
    | combinations(S.AVAILABLE, NOT_ACCEPTED, UNDER_WAY)
    | combinations((S.DELETING, S.DELETED), dns=tuple(set(NOT_BEHIND) - {D.ABSENT})),
}


@pytest.mark.parametrize(("told", "of"), STATUSES.items(), ids=str)
def test_the_status_of_every_combination(told: Status | None, of: set[tuple[A, D, S]]) -> None:
    assert {status(*combination) for combination in of} == {told}


def test_the_table_above_has_every_combination_once_and_every_status() -> None:
    assert sorted(combination for of in STATUSES.values() for combination in of) == sorted(product(A, D, S))
    assert set(STATUSES) == {*Status, None}


def test_a_facet_that_became_something_forgets_what_was_said_of_the_value_before() -> None:
    held = AcceptanceFacet().became(A.HELD, NOW, reason="held", decided_by="222222222222/*").would_become("accepted")
    accepted = held.became(A.ACCEPTED, NOW + timedelta(seconds=1), reason="accepted")

    assert (accepted.value, accepted.reason, accepted.decided_by, accepted.would) == (A.ACCEPTED, "accepted", None, "")
    assert [moment.what for moment in accepted.timeline] == ["held", "accepted"]


def test_the_dns_facet_keeps_its_facts_and_forgets_its_sentences() -> None:
    blocked = DnsFacet().became(D.BLOCKED, NOW, reason="taken", zones=("example.com",), vpc_id="vpc-1")
    waiting = blocked.would_become("more").became(D.WAITING, NOW, change_ids=("C1",))

    assert (waiting.reason, waiting.would) == ("", "")
    assert (waiting.zones, waiting.vpc_id, waiting.change_ids) == (("example.com",), "vpc-1", ("C1",))


def test_the_timeline_of_dns_tells_changes_only() -> None:
    facet = DnsFacet().became(D.WAITING, NOW).became(D.WAITING, NOW, reason="still").became(D.PRESENT, NOW)

    assert [moment.what for moment in facet.timeline] == ["waiting", "present"]


def test_a_timeline_ends_with_its_last_twenty_moments() -> None:
    facet = AcceptanceFacet()
    for minute in range(30):
        facet = facet.became(A.HELD, NOW + timedelta(minutes=minute), reason="")

    assert [moment.at for moment in facet.timeline] == [NOW + timedelta(minutes=minute) for minute in range(10, 30)]


def test_a_row_tells_the_moments_of_both_writers_in_their_order() -> None:
    assert row().timeline == (
        Moment(NOW - timedelta(seconds=6), "requested"),
        Moment(NOW, "accepted"),
        Moment(NOW + timedelta(minutes=2), "present"),
    )


def test_an_intent_recorded_before_a_call_is_no_moment_for_people() -> None:
    accepting = AcceptanceFacet().became(A.ACCEPTING, NOW, reason="").became(A.ACCEPTED, NOW, reason="")

    assert [moment.what for moment in replace(row(), acceptance=accepting).timeline] == [
        "requested",
        "accepted",
        "present",
    ]


def test_a_row_joins_what_both_writers_would_do() -> None:
    accepting = row(would="would be accepted")
    writing = replace(accepting, dns=accepting.dns.would_become("would write to zone example.com"))

    assert row().would == ""
    assert accepting.would == "would be accepted"
    assert writing.would == "would be accepted; would write to zone example.com"
