from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st

from autopilot.aws.allowlist_table import AllowlistTable, MalformedEntry, read_entry
from autopilot.domain.allowlist import Action, AllowlistEntry, BadEntry, EntryKey
from autopilot.domain.failures import AwsCallFailed
from autopilot.use_cases.ports import Allowlist
from tests.adapters import real
from tests.fakes.allowlist import FakeAllowlist
from tests.fakes.landscape import CONSUMER, STRANGER, Landscape

SERVICE = "vpce-svc-0fa57c0de5e41ce01"
UNIT, ORGANIZATION = "ou-ab12-11111111", "o-a1b2c3d4e5"
OWN = AllowlistEntry(EntryKey(CONSUMER), note="AllowedPrincipals of the deployment")


@dataclass(frozen=True)
class Subject:
    """An allowlist whose deployment allows the consumer, and a way to put rows into it."""

    allowlist: Allowlist
    put: Callable[[AllowlistEntry], object]
    dynamodb: Any = None

    def put_bad(self, bad: BadEntry, **attributes: Any) -> None:
        """attributes: what the row must hold so that `bad` is what is said of it."""
        if isinstance(self.allowlist, FakeAllowlist):
            self.allowlist.put_bad(bad)
            return
        principal, _, service_id = bad.key.partition("/")
        key = {"principal": {"S": principal}, "service_id": {"S": service_id}}
        self.dynamodb.put_item(TableName=real.ALLOWLIST, Item=key | attributes)


@pytest.fixture
def subject(is_real: bool, landscape: Landscape) -> Subject:
    if not is_real:
        fake = FakeAllowlist(allowed_principals=[CONSUMER])
        return Subject(fake, fake.put)
    dynamodb = real.allowlist_table()

    def put(entry: AllowlistEntry) -> None:
        row = {"principal": {"S": entry.key.principal}, "service_id": {"S": entry.key.service_id}}
        row |= {"action": {"S": entry.action.value}, "note": {"S": entry.note}}
        if entry.expires_at:
            row["expires_at"] = {"N": str(int(entry.expires_at.timestamp()))}
        dynamodb.put_item(TableName=real.ALLOWLIST, Item=row)

    return Subject(AllowlistTable(dynamodb, real.ALLOWLIST, [CONSUMER]), put, dynamodb)


def test_only_the_entries_asked_for_are_found(subject: Subject) -> None:
    wanted = AllowlistEntry(EntryKey(STRANGER, SERVICE), Action.BLOCK, note="owes us money")
    subject.put(wanted)
    subject.put(AllowlistEntry(EntryKey("*")))

    assert list(subject.allowlist.entries([wanted.key, EntryKey(STRANGER)])) == [wanted]
    assert list(subject.allowlist.entries([])) == []


def test_the_deployments_own_entries_stand_beside_the_rows(subject: Subject) -> None:
    row = AllowlistEntry(EntryKey(CONSUMER), Action.REJECT)
    assert list(subject.allowlist.entries([row.key])) == [OWN]

    subject.put(row)

    assert set(subject.allowlist.entries([row.key])) == {OWN, row}


def test_an_expiry_is_read_to_the_second(subject: Subject) -> None:
    entry = AllowlistEntry(EntryKey(STRANGER), expires_at=datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC))
    subject.put(entry)

    assert list(subject.allowlist.entries([entry.key])) == [entry]


def test_hundreds_of_keys_are_looked_up(subject: Subject) -> None:
    keys = [EntryKey(f"{number:012}") for number in range(250)]
    for key in keys[::50]:
        subject.put(AllowlistEntry(key))

    assert {entry.key for entry in subject.allowlist.entries(keys)} == set(keys[::50])


def test_entries_for_units_and_organizations_are_entries(subject: Subject) -> None:
    entries = [AllowlistEntry(EntryKey(principal, SERVICE), Action.BLOCK) for principal in (UNIT, ORGANIZATION)]
    for entry in entries:
        subject.put(entry)

    assert set(subject.allowlist.entries([entry.key for entry in entries])) == set(entries)


def test_the_listing_is_all_there_is_with_the_deployments_own(subject: Subject) -> None:
    assert (subject.allowlist.listing().entries, subject.allowlist.listing().bad) == ((OWN,), ())
    entries = [AllowlistEntry(EntryKey(f"{number:012}"), note="x" * 4000) for number in range(300)]
    for entry in entries:
        subject.put(entry)

    assert set(subject.allowlist.listing().entries) == {OWN, *entries}


def test_a_row_that_makes_no_sense_decides_nothing_until_it_is_mended(subject: Subject) -> None:
    bad = BadEntry(f"{STRANGER}/*", "action is the text 'Accept'; expected accept, reject, block")
    good = AllowlistEntry(EntryKey(STRANGER, SERVICE))
    subject.put(AllowlistEntry(EntryKey(STRANGER)))
    subject.put(good)
    subject.put_bad(bad, action={"S": "Accept"})

    listing = subject.allowlist.listing()
    assert (set(listing.entries), listing.bad) == ({OWN, good}, (bad,))
    assert list(subject.allowlist.entries([EntryKey(STRANGER), EntryKey(CONSUMER)])) == [OWN]

    subject.put(AllowlistEntry(EntryKey(STRANGER)))
    assert subject.allowlist.listing().bad == ()


def row(principal: str = STRANGER, service_id: str = "*", **attributes: Any) -> dict[str, Any]:
    return {"principal": {"S": principal}, "service_id": {"S": service_id}} | attributes


ACTION = "expected accept, reject, block"
EXPIRY = "expected a whole number of seconds since 1970 (not milliseconds)"
PRINCIPAL = "expected an account of 12 digits, an endpoint vpce-…, a unit ou-…, an organization o-… or * as principal"


@pytest.mark.parametrize(
    ("item", "key", "problem"),
    [
        (row("somebody"), "somebody/*", PRINCIPAL),
        (row(f"{STRANGER}\n"), f"{STRANGER}\\n/*", PRINCIPAL),
        (row("٣" * 12), f"{'٣' * 12}/*", PRINCIPAL),
        (row("r-ab12"), "r-ab12/*", PRINCIPAL),
        (row("ou-ab12"), "ou-ab12/*", PRINCIPAL),
        (row("a\0" * 100), "a\\x00" * 20 + "…/*", PRINCIPAL),
        (
            row(STRANGER, "vpce-svc-somewhere"),
            f"{STRANGER}/vpce-svc-somewhere",
            "expected vpce-svc-… or * as service_id",
        ),
        (row(action={"S": "Accept"}), f"{STRANGER}/*", f"action is the text 'Accept'; {ACTION}"),
        (row(action={"S": "accept "}), f"{STRANGER}/*", f"action is the text 'accept '; {ACTION}"),
        (row(action={"S": ""}), f"{STRANGER}/*", f"action is the text ''; {ACTION}"),
        (row(action={"BOOL": True}), f"{STRANGER}/*", f"action is the boolean true; {ACTION}"),
        (row(action={"NULL": True}), f"{STRANGER}/*", f"action is of the type NULL; {ACTION}"),
        (row(action={"SS": ["accept"]}), f"{STRANGER}/*", f"action is of the type SS; {ACTION}"),
        (row(expires_at={"S": "1800000000"}), f"{STRANGER}/*", f"expires_at is the text '1800000000'; {EXPIRY}"),
        (row(expires_at={"S": "tomorrow"}), f"{STRANGER}/*", f"expires_at is the text 'tomorrow'; {EXPIRY}"),
        (row(expires_at={"N": "1800000000000"}), f"{STRANGER}/*", f"expires_at is the number 1800000000000; {EXPIRY}"),
        (row(expires_at={"N": "-1"}), f"{STRANGER}/*", f"expires_at is the number -1; {EXPIRY}"),
        (row(expires_at={"N": "1.5"}), f"{STRANGER}/*", f"expires_at is the number 1.5; {EXPIRY}"),
        (row(expires_at={"N": "9E+125"}), f"{STRANGER}/*", f"expires_at is the number 9E+125; {EXPIRY}"),
        (row(expires_at={"N": "9E+999999999999"}), f"{STRANGER}/*", None),
        (row(expires_at={"N": "NaN"}), f"{STRANGER}/*", None),
        (row(expires_at={"N": "Infinity"}), f"{STRANGER}/*", None),
        (row(expires_at={"BOOL": False}), f"{STRANGER}/*", f"expires_at is the boolean false; {EXPIRY}"),
        (row(expires_at={"M": {}}), f"{STRANGER}/*", f"expires_at is of the type M; {EXPIRY}"),
    ],
)
def test_a_malformed_row_says_what_was_found_and_what_is_expected(
    item: dict[str, Any], key: str, problem: str | None
) -> None:
    with pytest.raises(MalformedEntry) as malformed:
        read_entry(item)

    assert malformed.value.bad.key == key
    assert problem in (None, malformed.value.bad.problem)
    assert str(malformed.value) == f"allowlist entry {key}: {malformed.value.bad.problem}"


@pytest.mark.parametrize(
    ("attributes", "entry"),
    [
        ({}, AllowlistEntry(EntryKey(STRANGER))),
        ({"expires_at": {"NULL": True}, "note": {"NULL": True}}, AllowlistEntry(EntryKey(STRANGER))),
        ({"owner": {"BOOL": True}, "action": {"S": "block"}}, AllowlistEntry(EntryKey(STRANGER), Action.BLOCK)),
        (
            {"note": {"S": "first line\n\tZürich 👩‍💻"}},
            AllowlistEntry(EntryKey(STRANGER), note="first line\n\tZürich 👩‍💻"),
        ),
        (
            {"expires_at": {"N": "1.8E+9"}},
            AllowlistEntry(EntryKey(STRANGER), expires_at=datetime(2027, 1, 15, 8, tzinfo=UTC)),
        ),
        ({"note": {"N": "7"}}, AllowlistEntry(EntryKey(STRANGER), note="the number 7")),
        (
            {"action": {"S": "block"}, "note": {"S": "a\0b"}},
            AllowlistEntry(EntryKey(STRANGER), Action.BLOCK, note="a\0b"),
        ),
        ({"expires_at": {"N": "0"}}, AllowlistEntry(EntryKey(STRANGER), expires_at=datetime(1970, 1, 1, tzinfo=UTC))),
    ],
)
def test_a_row_may_be_bare_and_may_hold_more_than_is_asked(attributes: dict[str, Any], entry: AllowlistEntry) -> None:
    assert read_entry(row(**attributes)) == entry


def attributes() -> st.SearchStrategy[dict[str, Any]]:
    """Whatever DynamoDB can hold, and some that it cannot."""
    scalars = (
        st.text().map(lambda text: {"S": text})
        | st.decimals().map(lambda number: {"N": str(number)})
        | st.integers().map(lambda number: {"N": str(number)})
        | st.text().map(lambda text: {"N": text})
        | st.booleans().map(lambda value: {"BOOL": value})
        | st.binary().map(lambda value: {"B": value})
        | st.just({"NULL": True})
        | st.lists(st.text()).map(lambda texts: {"SS": texts})
    )
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner).map(lambda values: {"L": values})
            | st.dictionaries(st.text(), inner).map(lambda values: {"M": values})
        ),
        max_leaves=5,
    )


PRINCIPALS = st.sampled_from([STRANGER, UNIT, ORGANIZATION, "*", "vpce-0e1f2a3b4c5d6e701"]) | st.text()


@given(
    PRINCIPALS,
    st.sampled_from(["*", SERVICE]) | st.text(),
    st.dictionaries(st.sampled_from(["action", "expires_at", "note", "other"]), attributes()),
)
@example(STRANGER, "*", {"expires_at": {"N": "1E-1000000000000000000"}})
def test_whatever_a_row_holds_it_is_an_entry_or_malformed_and_can_be_told(
    principal: str, service_id: str, found: dict[str, Any]
) -> None:
    told = ""
    try:
        assert read_entry(row(principal, service_id, **found)).key == EntryKey(principal, service_id)
    except MalformedEntry as malformed:
        told = str(malformed)

    assert told == "" or told.isprintable()
    assert len(told) < 500


@pytest.mark.parametrize("is_real", [True], indirect=True)
def test_a_malformed_row_that_is_asked_for_is_named_in_the_log(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    subject.dynamodb.put_item(TableName=real.ALLOWLIST, Item=row(action={"S": "welcome"}))

    assert list(subject.allowlist.entries([EntryKey(STRANGER)])) == []
    assert f"allowlist entry {STRANGER}/*: action is the text 'welcome'" in caplog.text


@pytest.mark.parametrize("is_real", [True], indirect=True)
def test_a_list_that_cannot_be_read_to_its_end_is_a_failure(subject: Subject) -> None:
    with Stubber(subject.dynamodb) as aws:
        aws.add_response("scan", {"Items": [row()], "LastEvaluatedKey": row()})
        aws.add_client_error("scan", "AccessDeniedException", "no")

        with pytest.raises(AwsCallFailed, match="Scan for Allowlist failed with AccessDeniedException"):
            subject.allowlist.listing()
