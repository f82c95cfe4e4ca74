from __future__ import annotations

from datetime import timedelta

import pytest

from autopilot.domain.allowlist import AllowlistEntry, EntryKey
from autopilot.domain.connection import Acceptance, Dns
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.domain.wake_up import SeenBy
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot, event
from tests.fakes.calls import Crash
from tests.fakes.landscape import CONSUMER, MANAGED, STRANGER, Vpc

SWEPT = SeenBy.SWEEP
INTERVAL_SECONDS = 300


@pytest.fixture
def autopilot() -> FakeAutopilot:
    return FakeAutopilot()


@pytest.fixture
def vpc(autopilot: FakeAutopilot) -> Vpc:
    return autopilot.aws.new_vpc(CONSUMER)


def run_all(autopilot: FakeAutopilot) -> None:
    """Sweep, then do what was enqueued."""
    autopilot.sweep()
    autopilot.decide(*autopilot.requests_queue.take())
    for wake_up in autopilot.dns_queue.take():
        autopilot.converge(wake_up)


def test_a_connection_that_no_event_told_of_is_found(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    counts = autopilot.sweep()

    assert autopilot.requests_queue.sent == [(event(ref, seen_by=SWEPT), 0)]
    assert not autopilot.dns_queue.sent
    assert (counts["listed"], counts["to_decide"], counts["to_converge"]) == (1, 1, 0)


def test_a_connection_that_stood_before_is_adopted_and_gets_its_names(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    autopilot.aws.accept(ref)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    run_all(autopilot)

    assert autopilot.row(ref).acceptance.value is Acceptance.ADOPTED
    assert autopilot.row(ref).dns.value is Dns.WAITING


def test_it_only_enqueues(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    autopilot.aws.endpoint(service_id, vpc)
    autopilot.ready(autopilot.aws.new_vpc(CONSUMER), service_id)
    autopilot.sweep()
    autopilot.calls.made.clear()
    autopilot.sweep()

    assert set(autopilot.calls.made) == {
        "DescribeVpcEndpointServiceConfigurations",
        "DescribeVpcEndpointConnections",
        "Query",
        "SendMessageBatch",
    }


def test_what_is_as_it_should_be_is_left_alone(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.ready(vpc)
    autopilot.sweep()

    assert not autopilot.requests_queue.sent
    assert not autopilot.dns_queue.sent


def test_the_whole_way_is_gone_by_sweeps_alone(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    for _ in range(3):
        run_all(autopilot)
        autopilot.clock.advance(INTERVAL_SECONDS)
    assert autopilot.row(ref).dns.value is Dns.PRESENT

    autopilot.aws.delete(ref)
    autopilot.clock.advance(INTERVAL_SECONDS)
    run_all(autopilot)

    assert autopilot.row(ref).dns.value is Dns.ABSENT
    assert autopilot.aws.zones_in(vpc) == set()
    run_all(autopilot)
    autopilot.sweep()
    assert not autopilot.dns_queue.sent


def test_a_run_that_died_between_its_writes_is_taken_up(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    autopilot.calls.crash_before = "SendMessageBatch"
    with pytest.raises(Crash):
        autopilot.decide(event(ref))
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    run_all(autopilot)

    assert autopilot.row(ref).dns.value is Dns.WAITING


def test_a_persons_accept_and_reject_are_found(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id, strange = autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER)
    accepted, rejected = (autopilot.aws.endpoint(service_id, strange) for _ in range(2))
    run_all(autopilot)
    autopilot.aws.accept(accepted)
    autopilot.aws.reject(rejected)
    run_all(autopilot)

    assert autopilot.row(accepted).acceptance.value is Acceptance.ADOPTED
    assert autopilot.row(rejected).dns.value is Dns.ABSENT


def test_a_missing_role_is_tried_again_with_growing_pauses(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.consumers.roles.clear()
    ref = autopilot.connected(vpc)
    autopilot.converge(ref)
    tried = []
    for sweeps in range(1, 300):
        autopilot.clock.advance(INTERVAL_SECONDS)
        autopilot.sweep()
        if autopilot.dns_queue.take():
            tried.append(sweeps)

    assert tried == [1, 2, 4, 8, 16, 32, 64, 128, 144, 256, 288]


def test_a_name_that_was_declared_later_is_written_for_those_that_stand(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    undeclared = autopilot.connected(vpc, autopilot.aws.service({"autopilot": "enabled"}))
    autopilot.converge(undeclared)
    ready = autopilot.ready(autopilot.aws.new_vpc(CONSUMER))
    autopilot.sweep()
    assert not autopilot.dns_queue.sent

    autopilot.aws.tag(undeclared.service_id, autopilot_zone="billing.example.com", autopilot_records="api")
    autopilot.aws.tag(ready.service_id, autopilot_records="api ledger")
    autopilot.sweep()

    assert {wake_up.endpoint_id for wake_up in autopilot.dns_queue.take()} == {
        undeclared.endpoint_id,
        ready.endpoint_id,
    }


def test_names_that_left_the_tags_disturb_nobody(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.tag(ref.service_id, autopilot_zone=None, autopilot_records=None)
    autopilot.sweep()

    assert not autopilot.dns_queue.sent


def test_one_service_that_cannot_be_read_stops_no_other(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    bad, good = (autopilot.aws.endpoint(autopilot.aws.service(), vpc) for _ in range(2))
    autopilot.calls.refused[bad.service_id] = "RequestLimitExceeded"

    with pytest.raises(AwsCallFailed, match=bad.service_id):
        autopilot.sweep()

    assert [wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()] == [good.endpoint_id]
    assert "INSTALLED" in autopilot.ledger.notices()


@pytest.mark.parametrize("tags", [{}, {"autopilot": "on"}, MANAGED | {"autopilot:records": "-"}])
def test_a_service_that_is_not_ours_to_touch_is_left_alone(
    autopilot: FakeAutopilot, vpc: Vpc, tags: dict[str, str]
) -> None:
    autopilot.aws.endpoint(autopilot.aws.service(tags), vpc)
    counts = autopilot.sweep()
    autopilot.sweep.wake_waiting()

    assert counts["listed"] == 0
    assert not autopilot.requests_queue.sent


def test_a_change_of_the_allowlist_wakes_what_waits_and_nothing_else(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    autopilot.ready(vpc, service_id)
    held = autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(STRANGER))
    autopilot.decide(event(held, STRANGER))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
    autopilot.sweep.wake_waiting()

    assert [wake_up.endpoint_id for wake_up, _ in autopilot.requests_queue.sent] == [held.endpoint_id]
    autopilot.decide(*autopilot.requests_queue.take())
    assert autopilot.row(held).acceptance.value is Acceptance.ACCEPTED


def test_an_entry_that_expired_is_noticed_by_the_next_sweep(autopilot: FakeAutopilot) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER), expires_at=autopilot.clock() + timedelta(seconds=1)))
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    autopilot.clock.advance(1)
    run_all(autopilot)

    assert autopilot.row(ref).acceptance.value is Acceptance.HELD


def test_the_inventory_is_told_once(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    managed, other = autopilot.aws.service(MANAGED | {"Name": "payments"}), autopilot.aws.service({})
    autopilot.aws.endpoint(managed, vpc)
    for _ in range(3):
        autopilot.sweep()

    _, (notice,) = autopilot.ledger.stream()
    assert notice.subject == "INSTALLED"
    assert "manages 1 of 2 endpoint services, with 1 connections" in notice.text
    assert f"{managed} (payments): api.payments.example.com" in notice.text
    assert f"--resources {other} --tags Key=autopilot,Value=enabled" in notice.text


@pytest.mark.parametrize(("logging", "told"), [(True, "seen at once"), (False, "Create a trail")])
def test_the_inventory_tells_whether_a_trail_logs(autopilot: FakeAutopilot, logging: bool, told: str) -> None:
    autopilot.trails.logging = logging
    autopilot.sweep()

    assert told in autopilot.ledger.notices()["INSTALLED"]


def test_a_wrong_tag_is_told_once_again_when_it_changes_and_then_withdrawn(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service(MANAGED | {"autopilot:zone": "nonsense"})
    subject = f"CHECK THE TAGS of {service_id}"

    def told() -> list[str]:
        autopilot.sweep()
        autopilot.sweep()
        return [notice.text for notice in autopilot.ledger.stream()[1] if notice.subject == subject]

    (first,) = told()
    assert "nonsense" in first
    autopilot.aws.tag(service_id, autopilot_zone="*.example.com")
    (second,) = told()
    assert "*.example.com" in second
    autopilot.aws.tag(service_id, autopilot_zone="payments.example.com")
    assert told() == []
    assert autopilot.ledger.notices()[subject] == ""
    autopilot.aws.tag(service_id, autopilot_zone="nonsense")
    assert told() == [first]


def test_what_was_observed_is_not_looked_at_again_and_again() -> None:
    autopilot = FakeAutopilot(mode=Mode.OBSERVE)
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.aws.accept(ref)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    run_all(autopilot)
    assert "adopted: it was accepted by somebody else" in autopilot.row(ref).would
    assert "would write to a new zone" in autopilot.row(ref).would
    autopilot.sweep()
    assert not autopilot.requests_queue.sent
    assert not autopilot.dns_queue.sent

    autopilot.mode = Mode.ENFORCE
    run_all(autopilot)
    assert autopilot.row(ref).acceptance.value is Acceptance.ADOPTED
