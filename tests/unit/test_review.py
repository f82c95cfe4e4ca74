from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey, Verdict, decide
from autopilot.domain.connection import Acceptance, AcceptanceFacet, LedgerRow
from autopilot.domain.organization import OrganizationalUnit, Owner
from autopilot.domain.review import Review
from tests.events import CONSUMER, ENDPOINT, SERVICE
from tests.unit.examples import NOW, STRANGER, connection

REQUEST = connection()
UNIT, ORGANIZATION = "ou-ab12-nearest1", "o-autopilot01"
SECOND = timedelta(seconds=1)

principals = st.sampled_from([ENDPOINT, CONSUMER, STRANGER, UNIT, ORGANIZATION, "*"])
keys = st.builds(EntryKey, principals, st.sampled_from([SERVICE, "*"]))
entries = st.builds(AllowlistEntry, keys, st.sampled_from(Action), st.none() | st.sampled_from([NOW, NOW + SECOND]))


def accepted_by(principal: str, value: Acceptance = Acceptance.ACCEPTED) -> LedgerRow:
    facet = AcceptanceFacet(value, decided_by=f"{principal}/*")
    return LedgerRow(REQUEST, "event", "payments", acceptance=facet, version=1)


@given(st.lists(entries, max_size=10), st.sampled_from([ENDPOINT, CONSUMER, "*"]))
def test_without_units_the_review_is_the_decision(allowlist: list[AllowlistEntry], principal: str) -> None:
    expected = decide(REQUEST, Owner(CONSUMER), allowlist, Verdict.HOLD, NOW).verdict is Verdict.ACCEPT
    review = Review(allowlist, NOW)

    assert review.still_accepts(accepted_by(principal)) is expected
    assert review.accepts_again(accepted_by(principal, Acceptance.REVOKED)) is expected


@given(st.lists(entries, max_size=10))
def test_what_a_unit_accepted_is_reviewed_as_if_the_account_were_still_in_it(allowlist: list[AllowlistEntry]) -> None:
    review = Review(allowlist, NOW)
    in_unit = Owner(CONSUMER, units=(OrganizationalUnit(UNIT),))
    in_organization = Owner(CONSUMER, organization_id=ORGANIZATION)

    for principal, owner in ((UNIT, in_unit), (ORGANIZATION, in_organization)):
        expected = decide(REQUEST, owner, allowlist, Verdict.HOLD, NOW).verdict is Verdict.ACCEPT
        assert review.still_accepts(accepted_by(principal)) is expected


def test_only_an_entry_for_the_endpoint_names_it() -> None:
    assert Review([AllowlistEntry(EntryKey(ENDPOINT))], NOW).names(REQUEST)
    assert not Review([AllowlistEntry(EntryKey(CONSUMER)), AllowlistEntry(EntryKey("*"))], NOW).names(REQUEST)
    blocked = AllowlistEntry(EntryKey(CONSUMER), Action.BLOCK)
    assert not Review([AllowlistEntry(EntryKey(ENDPOINT)), blocked], NOW).names(REQUEST)


@pytest.mark.parametrize(
    ("row", "entry", "hinges"),
    [
        (accepted_by(UNIT), AllowlistEntry(EntryKey(UNIT)), True),
        (accepted_by(ORGANIZATION), AllowlistEntry(EntryKey(ORGANIZATION)), True),
        (accepted_by(CONSUMER), AllowlistEntry(EntryKey(UNIT)), False),
        (accepted_by(CONSUMER), AllowlistEntry(EntryKey(UNIT), Action.BLOCK), True),
        (accepted_by(CONSUMER), AllowlistEntry(EntryKey(UNIT), Action.BLOCK, expires_at=NOW), False),
        (accepted_by(CONSUMER, Acceptance.REVOKED), AllowlistEntry(EntryKey(UNIT)), True),
        (accepted_by(CONSUMER, Acceptance.REVOKED), AllowlistEntry(EntryKey(UNIT), Action.BLOCK), False),
        (accepted_by(UNIT, Acceptance.ADOPTED), AllowlistEntry(EntryKey(UNIT), Action.BLOCK), False),
    ],
)
def test_organizations_is_asked_only_where_its_answer_could_change_something(
    row: LedgerRow, entry: AllowlistEntry, hinges: bool
) -> None:
    assert Review([entry], NOW).hinges_on_units(row) is hinges


def test_a_row_of_somebody_else_is_not_accepted() -> None:
    stranger = replace(accepted_by(STRANGER), connection=replace(REQUEST, owner=STRANGER))

    assert not Review([AllowlistEntry(EntryKey(CONSUMER))], NOW).still_accepts(stranger)
