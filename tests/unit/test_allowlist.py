from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey, Verdict, decide, is_principal, keys_for
from autopilot.domain.connection import ConnectionRef
from tests.events import ANOTHER_VENDORS_SERVICE, CONSUMER, ENDPOINT, SECOND_ENDPOINT, SERVICE
from tests.unit.examples import NOW, STRANGER, connection

REQUEST = connection()
SECOND = timedelta(seconds=1)

OWN_PRINCIPALS = (ENDPOINT, CONSUMER, "*")
OWN_SERVICES = (SERVICE, "*")

actions = st.sampled_from(Action)
expiries = st.none() | st.sampled_from([NOW - SECOND, NOW, NOW + SECOND])
own_keys = st.builds(EntryKey, st.sampled_from(OWN_PRINCIPALS), st.sampled_from(OWN_SERVICES))
others_keys = st.builds(
    EntryKey, st.sampled_from([SECOND_ENDPOINT, STRANGER, ENDPOINT.upper(), ""]), st.sampled_from(OWN_SERVICES)
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
    decision = decide(REQUEST, allowlist, unlisted, NOW)

    assert decision.verdict is decided_slowly(allowlist, unlisted)
    assert (decision.entry is None) or decision.entry in allowlist
    assert decision.sentence.startswith({"accept": "accepted", "reject": "rejected", "hold": "held"}[decision.verdict])


@given(st.data(), st.lists(entries, max_size=8))
def test_the_order_of_the_list_does_not_matter(data: st.DataObject, allowlist: list[AllowlistEntry]) -> None:
    shuffled = data.draw(st.permutations(allowlist))

    assert decide(REQUEST, shuffled, Verdict.HOLD, NOW).verdict is decide(REQUEST, allowlist, Verdict.HOLD, NOW).verdict


@given(st.lists(entries, max_size=8), own_keys, st.sampled_from([None, NOW + SECOND]))
def test_a_block_beats_everything(allowlist: list[AllowlistEntry], key: EntryKey, expires_at: datetime | None) -> None:
    block = AllowlistEntry(key, Action.BLOCK, expires_at)

    assert decide(REQUEST, [*allowlist, block], Verdict.ACCEPT, NOW).verdict is Verdict.REJECT


@given(st.lists(entries, max_size=8), st.lists(st.builds(AllowlistEntry, others_keys, actions), max_size=8), verdicts)
def test_entries_of_others_never_matter(
    allowlist: list[AllowlistEntry], others: list[AllowlistEntry], unlisted: Verdict
) -> None:
    assert decide(REQUEST, [*others, *allowlist], unlisted, NOW) == decide(REQUEST, allowlist, unlisted, NOW)


@given(st.lists(entries, max_size=8), own_keys, actions, st.timedeltas(max_value=timedelta(0), min_value=-SECOND * 9))
def test_expired_entries_never_matter(
    allowlist: list[AllowlistEntry], key: EntryKey, action: Action, ago: timedelta
) -> None:
    expired = AllowlistEntry(key, action, NOW + ago)

    assert decide(REQUEST, [expired, *allowlist], Verdict.HOLD, NOW) == decide(REQUEST, allowlist, Verdict.HOLD, NOW)


@pytest.mark.parametrize("action", Action)
def test_an_entry_ends_with_the_second_it_expires(action: Action) -> None:
    def verdict(now: datetime) -> Verdict:
        return decide(REQUEST, [entry(action=action, expires_at=NOW)], Verdict.HOLD, now).verdict

    assert verdict(NOW - timedelta(microseconds=1)) is not Verdict.HOLD
    assert verdict(NOW) is Verdict.HOLD


@given(st.lists(entries), st.builds(ConnectionRef, st.text(), st.text()), st.text())
def test_the_keys_are_six_whoever_asks_and_are_all_that_decides(
    allowlist: list[AllowlistEntry], ref: ConnectionRef, owner: str
) -> None:
    request = connection(ref=ref, owner=owner)
    keys = keys_for(request)
    looked_up = [entry for entry in allowlist if entry.key in keys]

    assert len(keys) == 6
    assert decide(request, looked_up, Verdict.HOLD, NOW) == decide(request, allowlist, Verdict.HOLD, NOW)


def test_the_keys_go_from_the_narrowest_to_the_widest() -> None:
    assert [str(key) for key in keys_for(REQUEST)] == [
        f"{ENDPOINT}/{SERVICE}",
        f"{ENDPOINT}/*",
        f"{CONSUMER}/{SERVICE}",
        f"{CONSUMER}/*",
        f"*/{SERVICE}",
        "*/*",
    ]


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
        (entry(action=Action.BLOCK), f"rejected: account {CONSUMER} is blocked for all services"),
    ],
)
def test_a_decision_explains_itself_with_the_entry_that_won(winner: AllowlistEntry, sentence: str) -> None:
    decision = decide(REQUEST, [winner], Verdict.HOLD, NOW)

    assert (decision.entry, decision.sentence) == (winner, sentence)


@pytest.mark.parametrize(
    ("unlisted", "done"), [(Verdict.HOLD, "held"), (Verdict.REJECT, "rejected"), (Verdict.ACCEPT, "accepted")]
)
def test_the_unlisted_get_the_deployments_verdict_and_no_entry(unlisted: Verdict, done: str) -> None:
    decision = decide(REQUEST, [], unlisted, NOW)

    assert (decision.verdict, decision.entry) == (unlisted, None)
    assert decision.sentence == f"{done}: no entry allows account {CONSUMER}"


@pytest.mark.parametrize("text", ["*", CONSUMER, "000000000000", ENDPOINT, "vpce-0123abcd"])
def test_a_principal_is_an_account_an_endpoint_or_everybody(text: str) -> None:
    assert is_principal(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "**", "22222222222", "2222222222222", f"{CONSUMER}\n", "٢٢٢٢٢٢٢٢٢٢٢٢", f"arn:aws:iam::{CONSUMER}:root"),
        *("vpce-", f"vpce-{'0' * 18}", ENDPOINT.upper(), SERVICE, "o-autopilot01", "ou-abcd-12345678"),
    ],
    ids=ascii,
)
def test_nothing_else_is_a_principal(text: str) -> None:
    assert not is_principal(text)
