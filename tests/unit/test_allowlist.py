from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.allowlist import (
    Action,
    AllowlistEntry,
    Decision,
    EntryKey,
    Verdict,
    allowed_accounts,
    decide,
    is_principal,
    keys_for,
    revocation,
)
from autopilot.domain.connection import Connection, ConnectionRef
from autopilot.domain.organization import OrganizationalUnit, Owner, Placement
from tests.events import ANOTHER_VENDORS_SERVICE, CONSUMER, ENDPOINT, SECOND_ENDPOINT, SERVICE
from tests.unit.examples import NOW, STRANGER, connection

REQUEST = connection()
SECOND = timedelta(seconds=1)

NEAREST, ABOVE, ORGANIZATION = "ou-ab12-nearest1", "ou-ab12-above111", "o-autopilot01"
UNITS = (OrganizationalUnit(NEAREST, "Prod"), OrganizationalUnit(ABOVE, "Workloads"))
OWNER = Owner(CONSUMER, "team-x", UNITS, ORGANIZATION)

# The narrowest first.
OWN_PRINCIPALS = (ENDPOINT, CONSUMER, NEAREST, ABOVE, ORGANIZATION, "*")
OWN_SERVICES = (SERVICE, "*")

actions = st.sampled_from(Action)
expiries = st.none() | st.sampled_from([NOW - SECOND, NOW, NOW + SECOND])
own_keys = st.builds(EntryKey, st.sampled_from(OWN_PRINCIPALS), st.sampled_from(OWN_SERVICES))
others_keys = st.builds(
    EntryKey,
    st.sampled_from([SECOND_ENDPOINT, STRANGER, ENDPOINT.upper(), "ou-ab12-someother", "o-someother01", ""]),
    st.sampled_from(OWN_SERVICES),
) | st.builds(EntryKey, st.sampled_from(OWN_PRINCIPALS), st.sampled_from([ANOTHER_VENDORS_SERVICE, ""]))
entries = st.builds(AllowlistEntry, own_keys | others_keys, actions, expiries)
verdicts = st.sampled_from(Verdict)


def entry(
    principal: str = CONSUMER,
    service: str = "*",
    action: Action = Action.ACCEPT,
    expires_at: datetime | None = None,
    note: str = "",
) -> AllowlistEntry:
    return AllowlistEntry(EntryKey(principal, service), action, expires_at, note)


def decided_slowly(allowlist: list[AllowlistEntry], unlisted: Verdict) -> Verdict:
    """The rule as people are told it, question by question."""
    left = [entry for entry in allowlist if entry.expires_at is None or entry.expires_at > NOW]
    actions_of = [
        {entry.action for entry in left if (entry.key.principal, entry.key.service_id) == (principal, service)}
        for principal in OWN_PRINCIPALS
        for service in OWN_SERVICES
    ]
    if any(Action.BLOCK in found for found in actions_of):
        return Verdict.REJECT
    for found in actions_of:
        if Action.REJECT in found:
            return Verdict.REJECT
        if Action.ACCEPT in found:
            return Verdict.ACCEPT
    return unlisted


@given(st.lists(entries, max_size=12), verdicts)
def test_any_list_is_decided_as_the_rule_says(allowlist: list[AllowlistEntry], unlisted: Verdict) -> None:
    decision = decide(REQUEST, OWNER, allowlist, unlisted, NOW)

    assert decision.verdict is decided_slowly(allowlist, unlisted)
    assert (decision.entry is None) or decision.entry in allowlist
    assert decision.sentence.startswith({"accept": "accepted", "reject": "rejected", "hold": "held"}[decision.verdict])


@given(st.data(), st.lists(entries, max_size=8))
def test_the_order_of_the_list_does_not_matter(data: st.DataObject, allowlist: list[AllowlistEntry]) -> None:
    shuffled = data.draw(st.permutations(allowlist))

    assert (
        decide(REQUEST, OWNER, shuffled, Verdict.HOLD, NOW).verdict
        is decide(REQUEST, OWNER, allowlist, Verdict.HOLD, NOW).verdict
    )


@given(st.lists(entries, max_size=8), own_keys, st.sampled_from([None, NOW + SECOND]))
def test_a_block_beats_everything(allowlist: list[AllowlistEntry], key: EntryKey, expires_at: datetime | None) -> None:
    block = AllowlistEntry(key, Action.BLOCK, expires_at)

    assert decide(REQUEST, OWNER, [*allowlist, block], Verdict.ACCEPT, NOW).verdict is Verdict.REJECT


@given(st.lists(entries, max_size=8), st.lists(st.builds(AllowlistEntry, others_keys, actions), max_size=8), verdicts)
def test_entries_of_others_never_matter(
    allowlist: list[AllowlistEntry], others: list[AllowlistEntry], unlisted: Verdict
) -> None:
    assert decide(REQUEST, OWNER, [*others, *allowlist], unlisted, NOW) == decide(
        REQUEST, OWNER, allowlist, unlisted, NOW
    )


@given(st.lists(entries, max_size=8), own_keys, actions, st.timedeltas(max_value=timedelta(0), min_value=-SECOND * 9))
def test_expired_entries_never_matter(
    allowlist: list[AllowlistEntry], key: EntryKey, action: Action, ago: timedelta
) -> None:
    expired = AllowlistEntry(key, action, NOW + ago)

    assert decide(REQUEST, OWNER, [expired, *allowlist], Verdict.HOLD, NOW) == decide(
        REQUEST, OWNER, allowlist, Verdict.HOLD, NOW
    )


@pytest.mark.parametrize("action", Action)
def test_an_entry_ends_with_the_second_it_expires(action: Action) -> None:
    def verdict(now: datetime) -> Verdict:
        return decide(REQUEST, OWNER, [entry(action=action, expires_at=NOW)], Verdict.HOLD, now).verdict

    assert verdict(NOW - timedelta(microseconds=1)) is not Verdict.HOLD
    assert verdict(NOW) is Verdict.HOLD


@given(
    st.lists(entries),
    st.builds(ConnectionRef, st.text(), st.text()),
    st.text(),
    st.lists(st.builds(OrganizationalUnit, st.text(min_size=1)), max_size=5),
)
def test_the_keys_depend_on_the_depth_of_the_organization_alone_and_are_all_that_decides(
    allowlist: list[AllowlistEntry], ref: ConnectionRef, account: str, units: list[OrganizationalUnit]
) -> None:
    request, owner = connection(ref=ref, owner=account), Owner(account, units=tuple(units), organization_id="o-1")
    keys = keys_for(request, owner)
    looked_up = [entry for entry in allowlist if entry.key in keys]

    assert len(keys) == 2 * (4 + len(units))
    assert decide(request, owner, looked_up, Verdict.HOLD, NOW) == decide(request, owner, allowlist, Verdict.HOLD, NOW)


def test_the_keys_go_from_the_narrowest_to_the_widest() -> None:
    assert [str(key) for key in keys_for(REQUEST, OWNER)] == [
        f"{principal}/{service}" for principal in OWN_PRINCIPALS for service in OWN_SERVICES
    ]
    assert [key.principal for key in keys_for(REQUEST, Owner(CONSUMER))[::2]] == [ENDPOINT, CONSUMER, "*"]


@pytest.mark.parametrize(
    ("winner", "sentence"),
    [
        (entry(), f"accepted: account {CONSUMER} is allowlisted for all services"),
        (
            entry(ENDPOINT, SERVICE, note="ticket 7"),
            f"accepted: endpoint {ENDPOINT} is allowlisted for {SERVICE}, note: ticket 7",
        ),
        (
            entry("*", action=Action.REJECT, expires_at=NOW + SECOND),
            "rejected: everybody is listed as rejected for all services until 2026-03-02T09:14:13Z",
        ),
        (
            entry(expires_at=datetime(2027, 1, 1, tzinfo=UTC), note="contract 4711"),
            f"accepted: account {CONSUMER} is allowlisted for all services until 2027-01-01, note: contract 4711",
        ),
        (
            entry(ABOVE, SERVICE),
            f"accepted: organizational unit {ABOVE} (Workloads) of account {CONSUMER} is allowlisted for {SERVICE}",
        ),
        (
            entry(ORGANIZATION, action=Action.REJECT),
            f"rejected: organization {ORGANIZATION} of account {CONSUMER} is listed as rejected for all services",
        ),
        (entry(action=Action.BLOCK), f"rejected: account {CONSUMER} is blocked for all services"),
    ],
)
def test_a_decision_explains_itself_with_the_entry_that_won(winner: AllowlistEntry, sentence: str) -> None:
    decision = decide(REQUEST, OWNER, [winner], Verdict.HOLD, NOW)

    assert (decision.entry, decision.sentence) == (winner, sentence)


@pytest.mark.parametrize(
    ("unlisted", "done"), [(Verdict.HOLD, "held"), (Verdict.REJECT, "rejected"), (Verdict.ACCEPT, "accepted")]
)
def test_the_unlisted_get_the_deployments_verdict_and_no_entry(unlisted: Verdict, done: str) -> None:
    decision = decide(REQUEST, OWNER, [], unlisted, NOW)

    assert (decision.verdict, decision.entry) == (unlisted, None)
    assert decision.sentence == f"{done}: no entry allows account {CONSUMER}"


@given(st.lists(entries, max_size=8), verdicts)
def test_while_organizations_cannot_answer_nothing_is_decided(
    allowlist: list[AllowlistEntry], unlisted: Verdict
) -> None:
    decision = decide(REQUEST, Owner.failed(CONSUMER, "DescribeAccount failed"), allowlist, unlisted, NOW)

    assert (decision.verdict, decision.entry) == (Verdict.HOLD, None)
    assert decision.sentence == "held: DescribeAccount failed; it is tried again"


@pytest.mark.parametrize("placement", [Placement.NOT_ASKED, Placement.REFUSED])
def test_where_organizations_is_closed_a_units_entry_never_matches_and_the_status_says_why(
    placement: Placement,
) -> None:
    blind = Owner(CONSUMER, placement=placement, reason="nobody asks")
    decision = decide(REQUEST, blind, [entry(ABOVE), entry(ORGANIZATION, action=Action.BLOCK)], Verdict.HOLD, NOW)

    assert decision.verdict is Verdict.HOLD
    assert decision.sentence.endswith("; entries for organizational units do not count: nobody asks")


@pytest.mark.parametrize("unlisted", Verdict)
@pytest.mark.parametrize("entries", [[], [entry("*")], [entry("*", action=Action.REJECT)]], ids=str)
def test_where_organizations_refuses_what_a_units_entry_might_forbid_or_allow_is_held(
    entries: list[AllowlistEntry], unlisted: Verdict
) -> None:
    """An accident with a policy must neither open the door nor reject for good."""
    refused = Owner(CONSUMER, placement=Placement.REFUSED, reason="DescribeAccount is refused")
    decision = decide(REQUEST, refused, entries, unlisted, NOW)

    assert decision.verdict is Verdict.HOLD
    assert "DescribeAccount is refused" in decision.sentence
    assert revocation("*/*", refused, decision) is None
    assert revocation(None, refused, decision) is None


@pytest.mark.parametrize(
    ("principal", "action", "verdict"),
    [
        (CONSUMER, Action.ACCEPT, Verdict.ACCEPT),
        (CONSUMER, Action.REJECT, Verdict.REJECT),
        ("*", Action.BLOCK, Verdict.REJECT),
    ],
)
def test_where_organizations_refuses_what_needs_no_unit_decides_and_says_so(
    principal: str, action: Action, verdict: Verdict
) -> None:
    refused = Owner(CONSUMER, placement=Placement.REFUSED, reason="DescribeAccount is refused")
    decision = decide(REQUEST, refused, [entry(principal, action=action)], Verdict.HOLD, NOW)

    assert decision.verdict is verdict
    assert decision.sentence.endswith("; entries for organizational units do not count: DescribeAccount is refused")


def test_what_an_entry_accepts_now_is_not_revoked() -> None:
    assert revocation(f"{CONSUMER}/*", OWNER, decided([entry("*")])) is None


@pytest.mark.parametrize(
    "allowlist", [[], [entry(action=Action.BLOCK)], [entry(NEAREST, action=Action.REJECT)]], ids=len
)
def test_what_verifiably_no_entry_accepts_any_more_is_revoked_with_the_reason(allowlist: list[AllowlistEntry]) -> None:
    decision = decided(allowlist)

    assert revocation(f"{CONSUMER}/*", OWNER, decision) == (
        f"revoked: the entry {CONSUMER}/* that accepted it no longer decides; now it would be {decision.sentence}"
    )


@pytest.mark.parametrize("principal", [CONSUMER, ABOVE, ORGANIZATION])
def test_while_organizations_fails_nothing_is_revoked(principal: str) -> None:
    failed = Owner.failed(CONSUMER, "DescribeAccount failed")

    assert revocation(f"{principal}/*", failed, decided([], failed)) is None


@pytest.mark.parametrize("placement", [Placement.NOT_ASKED, Placement.REFUSED])
def test_where_organizations_does_not_tell_only_an_entry_that_never_needed_it_can_be_missed(
    placement: Placement,
) -> None:
    unknown = Owner(CONSUMER, placement=placement, reason="it does not tell")

    assert revocation(f"{CONSUMER}/*", unknown, decided([], unknown)) is not None
    assert revocation(f"{ABOVE}/*", unknown, decided([], unknown)) is None
    assert revocation(f"{ORGANIZATION}/*", unknown, decided([], unknown)) is None


def decided(allowlist: list[AllowlistEntry], owner: Owner = OWNER) -> Decision:
    return decide(REQUEST, owner, allowlist, Verdict.HOLD, NOW)


@given(st.lists(st.builds(AllowlistEntry, own_keys | others_keys, actions, expiries), max_size=12))
def test_the_accounts_to_permit_are_those_that_their_own_entries_accept(allowlist: list[AllowlistEntry]) -> None:
    def is_accepted(account: str) -> bool:
        theirs = [one for one in allowlist if one.key.principal == account]
        blocks = [one for one in allowlist if one.key.principal == "*" and one.action is Action.BLOCK]
        request = Connection(ConnectionRef(SERVICE, "none"), account, "eu-west-1", REQUEST.state)
        return decide(request, Owner(account), theirs + blocks, Verdict.HOLD, NOW).verdict is Verdict.ACCEPT

    assert allowed_accounts(allowlist, SERVICE, NOW) == {one for one in (CONSUMER, STRANGER) if is_accepted(one)}


@pytest.mark.parametrize(
    "text", ["*", CONSUMER, "000000000000", ENDPOINT, "vpce-0123abcd", "ou-abcd-12345678", "o-autopilot01"]
)
def test_a_principal_is_an_endpoint_an_account_a_unit_an_organization_or_everybody(text: str) -> None:
    assert is_principal(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "**", "22222222222", "2222222222222", f"{CONSUMER}\n", "٢٢٢٢٢٢٢٢٢٢٢٢", f"arn:aws:iam::{CONSUMER}:root"),
        *(
            "vpce-",
            f"vpce-{'0' * 18}",
            ENDPOINT.upper(),
            SERVICE,
            "o-autopilot",
            "ou-abcd-1234567",
            "ou-abcd-12345678\n",
            "r-abcd",
        ),
    ],
    ids=ascii,
)
def test_nothing_else_is_a_principal(text: str) -> None:
    assert not is_principal(text)
