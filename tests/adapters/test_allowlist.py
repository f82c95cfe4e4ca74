from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from autopilot.aws.allowlist_table import AllowlistTable
from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.use_cases.ports import Allowlist
from tests.adapters import real
from tests.fakes.allowlist import FakeAllowlist
from tests.fakes.landscape import CONSUMER, STRANGER, Landscape

SERVICE = "vpce-svc-0fa57c0de5e41ce01"
OWN = AllowlistEntry(EntryKey(CONSUMER), note="AllowedPrincipals of the deployment")


@dataclass(frozen=True)
class Subject:
    """An allowlist whose deployment allows the consumer, and a way to put rows into it."""

    allowlist: Allowlist
    put: Callable[[AllowlistEntry], object]
    dynamodb: Any = None


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


@pytest.mark.parametrize("is_real", [True], indirect=True)
@pytest.mark.parametrize(
    ("key", "fields"),
    [
        (EntryKey("somebody"), {}),
        (EntryKey(STRANGER, "vpce-svc-somewhere"), {}),
        (EntryKey(STRANGER), {"action": {"S": "welcome"}}),
        (EntryKey(STRANGER), {"expires_at": {"S": "tomorrow"}}),
        (EntryKey(STRANGER), {"expires_at": {"N": "1800000000000"}}),
    ],
)
def test_a_row_that_makes_no_sense_decides_nothing_and_is_named_in_the_log(
    subject: Subject, key: EntryKey, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    names = {"principal": {"S": key.principal}, "service_id": {"S": key.service_id}}
    subject.dynamodb.put_item(TableName=real.ALLOWLIST, Item=names | fields)

    assert list(subject.allowlist.entries([key, EntryKey(CONSUMER)])) == [OWN]
    assert f"allowlist entry {key}" in caplog.text


@pytest.mark.parametrize("is_real", [True], indirect=True)
def test_a_bare_row_accepts(subject: Subject) -> None:
    row = {"principal": {"S": STRANGER}, "service_id": {"S": "*"}}
    subject.dynamodb.put_item(TableName=real.ALLOWLIST, Item=row)

    assert list(subject.allowlist.entries([EntryKey(STRANGER)])) == [AllowlistEntry(EntryKey(STRANGER))]
