"""With ManagePermissions the services' own permissions follow the allowlist."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.domain.connection import AwsState
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from tests.fakes.autopilot import FakeAutopilot
from tests.fakes.calls import Crash
from tests.fakes.landscape import CONSUMER, PROVIDER, STRANGER

FOREIGN = "444444444444"
MODIFY = "ModifyVpcEndpointServicePermissions"


@pytest.fixture
def autopilot() -> FakeAutopilot:
    return FakeAutopilot(allowed_principals=(), manages_permissions=True)


@pytest.fixture
def service_id(autopilot: FakeAutopilot) -> str:
    """A service that somebody permitted an account already."""
    made = autopilot.aws.service(permitted=[FOREIGN])
    autopilot.sweep()
    return made


def permitted(autopilot: FakeAutopilot, service_id: str) -> set[str]:
    return set(autopilot.services.permitted_accounts(service_id))


def test_one_entry_is_all_that_a_customer_needs(autopilot: FakeAutopilot, service_id: str) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    autopilot.follow_allowlist({EntryKey(CONSUMER)})

    assert permitted(autopilot, service_id) == {CONSUMER, FOREIGN}


def test_a_removed_entry_takes_its_account_off_and_leaves_foreign_ones_alone(
    autopilot: FakeAutopilot, service_id: str
) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(FOREIGN)))
    autopilot.sweep()
    autopilot.allowlist.remove(EntryKey(CONSUMER))
    autopilot.allowlist.remove(EntryKey(FOREIGN))
    autopilot.sweep()

    assert permitted(autopilot, service_id) == {FOREIGN}
    assert autopilot.ledger.permitted(service_id) == set()


def test_the_sweep_finds_what_the_stream_missed_and_what_expired(autopilot: FakeAutopilot, service_id: str) -> None:
    expires_at = autopilot.clock() + timedelta(hours=1)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER, service_id), expires_at=expires_at))
    autopilot.sweep()
    assert permitted(autopilot, service_id) == {CONSUMER, FOREIGN}

    autopilot.clock.advance(3600)
    autopilot.sweep()
    assert permitted(autopilot, service_id) == {FOREIGN}


def test_whom_the_list_rejects_or_blocks_is_not_permitted(autopilot: FakeAutopilot, service_id: str) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER), Action.REJECT))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER, service_id), Action.BLOCK))
    autopilot.sweep()

    assert permitted(autopilot, service_id) == {FOREIGN}


def test_an_entry_for_one_service_permits_nothing_on_another(autopilot: FakeAutopilot, service_id: str) -> None:
    other = autopilot.aws.service()
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER, other)))
    autopilot.sweep()

    assert (permitted(autopilot, service_id), permitted(autopilot, other)) == ({FOREIGN}, {CONSUMER})


def test_what_is_as_it_should_be_is_not_written_again(autopilot: FakeAutopilot, service_id: str) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    for _ in range(4):
        autopilot.sweep()
        autopilot.follow_allowlist({EntryKey(CONSUMER)})

    assert autopilot.calls.made.count(MODIFY) == 1


@pytest.mark.parametrize("dies_before", ["BatchWriteItem", MODIFY])
@pytest.mark.parametrize("gone", [False, True])
def test_a_run_that_dies_leaves_nothing_that_nobody_owns(
    autopilot: FakeAutopilot, service_id: str, dies_before: str, gone: bool
) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    if gone:
        autopilot.sweep()
        autopilot.allowlist.remove(EntryKey(CONSUMER))
    autopilot.calls.crash_before = dies_before
    with pytest.raises(Crash):
        autopilot.sweep()
    autopilot.sweep()
    assert permitted(autopilot, service_id) == ({FOREIGN} if gone else {CONSUMER, FOREIGN})

    if not gone:
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        autopilot.sweep()
    assert permitted(autopilot, service_id) == {FOREIGN}


def test_one_account_that_aws_does_not_know_keeps_nobody_else_out(autopilot: FakeAutopilot, service_id: str) -> None:
    autopilot.aws.privatelink.unknown_principals = {f"arn:aws:iam::{STRANGER}:root"}
    for account in (CONSUMER, STRANGER):
        autopilot.allowlist.put(AllowlistEntry(EntryKey(account)))
    with pytest.raises(AwsCallFailed, match="InvalidPrincipal"):
        autopilot.sweep()

    assert permitted(autopilot, service_id) == {CONSUMER, FOREIGN}


def test_nor_does_it_keep_the_change_of_the_list_from_anybody(autopilot: FakeAutopilot, service_id: str) -> None:
    others = autopilot.aws.service()
    waiting = [autopilot.aws.endpoint(one, autopilot.aws.new_vpc(CONSUMER)) for one in (service_id, others)]
    autopilot.aws.privatelink.unknown_principals = {f"arn:aws:iam::{STRANGER}:root"}
    for account in (CONSUMER, STRANGER):
        autopilot.allowlist.put(AllowlistEntry(EntryKey(account)))
    autopilot.follow_allowlist({EntryKey(CONSUMER), EntryKey(STRANGER)})

    assert {wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()} == {one.endpoint_id for one in waiting}
    assert CONSUMER in permitted(autopilot, others)


def test_what_was_found_waits_for_no_permission(autopilot: FakeAutopilot, service_id: str) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    ref = autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.crash_before = MODIFY
    with pytest.raises(Crash):
        autopilot.sweep()

    assert [wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()] == [ref.endpoint_id]
    assert "INSTALLED" in autopilot.ledger.notices()


def test_nor_does_it_keep_anybody_connected_who_is_to_be_disconnected() -> None:
    autopilot = FakeAutopilot(allowed_principals=(), manages_permissions=True, on_revoked=OnRevoked.REJECT)
    key = EntryKey(CONSUMER)
    autopilot.allowlist.put(AllowlistEntry(key))
    ref = autopilot.ready(autopilot.aws.new_vpc(CONSUMER))
    autopilot.aws.privatelink.unknown_principals = {f"arn:aws:iam::{STRANGER}:root"}
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
    autopilot.allowlist.remove(key)
    for _ in range(3):
        autopilot.clock.advance(300)
        with pytest.raises(AwsCallFailed, match="InvalidPrincipal"):
            autopilot.sweep()
        autopilot.decide(*autopilot.requests_queue.take())

    [connection] = autopilot.services.connections(ref.service_id)
    assert connection.state is AwsState.REJECTED


def test_observe_changes_nothing(autopilot: FakeAutopilot, service_id: str) -> None:
    autopilot.mode = Mode.OBSERVE
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    autopilot.sweep()
    autopilot.follow_allowlist({EntryKey(CONSUMER)})

    assert permitted(autopilot, service_id) == {FOREIGN}
    assert not {MODIFY, "BatchWriteItem"} & set(autopilot.calls.made)


def test_without_the_setting_permissions_are_somebody_elses() -> None:
    autopilot = FakeAutopilot()
    autopilot.aws.service()
    autopilot.sweep()
    autopilot.follow_allowlist({EntryKey(PROVIDER)})

    assert not any("ServicePermissions" in operation for operation in autopilot.calls.made)
