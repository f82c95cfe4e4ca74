from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.domain.connection import Acceptance, Dns, Status
from autopilot.domain.failures import AwsCallFailed, UnreadableRow
from autopilot.domain.mode import Mode
from autopilot.domain.organization import OrganizationalUnit, Owner
from autopilot.domain.wake_up import SeenBy
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot, event
from tests.fakes.calls import Crash
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, REGION, STRANGER, ZONE, Vpc
from tests.unit.served_names import target

SWEPT = SeenBy.SWEEP
UNIT = "ou-ab12-11111111"
INTERVAL_SECONDS = 300
HOUR, DAY = 3600, 86400


def run_all(autopilot: FakeAutopilot) -> None:
    """Sweep, then do what was enqueued."""
    autopilot.sweep()
    autopilot.decide(*autopilot.requests_queue.take())
    for wake_up in autopilot.dns_queue.take():
        autopilot.converge(wake_up)


def tried_at(autopilot: FakeAutopilot, sweeps: range) -> list[int]:
    """At which of these sweeps DNS was looked at, once a wake-up."""
    tried = []
    for sweep in sweeps:
        autopilot.clock.advance(INTERVAL_SECONDS)
        autopilot.sweep()
        for wake_up in autopilot.dns_queue.take():
            autopilot.converge(wake_up)
            tried.append(sweep)
    return tried


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
        "DescribeLoadBalancers",
        "Query",
        "Scan",
        "SendMessageBatch",
        "GetQueueAttributes",
        "ListSubscriptionsByTopic",
        "DescribeVpcEndpointConnectionNotifications",
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


def test_a_rejected_endpoint_that_is_deleted_unseen_is_retired(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    run_all(autopilot)
    autopilot.aws.reject(ref)
    run_all(autopilot)
    run_all(autopilot)
    assert autopilot.row(ref).status is Status.REJECTED

    autopilot.aws.delete(ref, STRANGER)
    autopilot.clock.advance(INTERVAL_SECONDS)
    autopilot.sweep()
    for wake_up in autopilot.dns_queue.take():
        autopilot.converge(replace(wake_up, waited_seconds=120))

    assert autopilot.row(ref).status is Status.RETIRED
    autopilot.sweep()
    assert not autopilot.dns_queue.sent


@pytest.mark.parametrize("state", ["failed", "partial", "somethingNew"])
def test_what_is_in_trouble_when_it_is_first_seen_is_told_and_once_it_works_known(
    autopilot: FakeAutopilot, vpc: Vpc, state: str
) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    autopilot.aws.accept(ref)
    autopilot.aws.privatelink.force_state(ref.endpoint_id, state)
    run_all(autopilot)
    run_all(autopilot)
    autopilot.report()
    assert [(event.detail["endpoint_id"], event.detail["status"]) for event in autopilot.bus.events] == [
        (ref.endpoint_id, Status.FAILED)
    ]
    autopilot.sweep()
    assert not autopilot.requests_queue.take()
    assert not autopilot.dns_queue.take()

    autopilot.aws.privatelink.force_state(ref.endpoint_id, "available")
    for _ in range(2):
        autopilot.run()
        autopilot.clock.advance(INTERVAL_SECONDS)
    assert autopilot.row(ref).status is Status.READY


def test_what_was_observed_to_be_gone_is_not_looked_at_again_and_again(vpc: Vpc) -> None:
    autopilot = FakeAutopilot(mode=Mode.OBSERVE)
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.aws.accept(ref)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    run_all(autopilot)
    run_all(autopilot)
    autopilot.aws.delete(ref)
    autopilot.clock.advance(INTERVAL_SECONDS)
    run_all(autopilot)
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

    assert tried_at(autopilot, range(1, 300)) == [1, 2, 4, 8, 16, 32, 64, 128, 256]


WHOLE_DOMAIN = {"autopilot:zone": "example.com"}
MENDED = {
    "another zone": (WHOLE_DOMAIN, {"autopilot:zone": ZONE}),
    "it may shadow": (WHOLE_DOMAIN, {"autopilot:allow-shadowing": "true"}),
    "AWS's own private DNS": (WHOLE_DOMAIN, {"autopilot:dns": "native"}),
    "a name beside the blocked one": ({}, {"autopilot:zone-2": "other.example.net", "autopilot:records-2": "api"}),
}


@pytest.mark.parametrize(("tags", "mend"), MENDED.values(), ids=MENDED)
def test_what_the_provider_mends_in_the_tags_is_tried_by_the_next_sweep_and_then_with_pauses_again(
    autopilot: FakeAutopilot, vpc: Vpc, tags: dict[str, str], mend: dict[str, str]
) -> None:
    def declare(**declared: str) -> None:
        tagged = [{"Key": key, "Value": value} for key, value in declared.items()]
        autopilot.aws.ec2(PROVIDER, "CreateTags", Resources=[service_id], Tags=tagged)

    def tried(sweeps: int) -> int:
        woken = []
        for _ in range(sweeps):
            autopilot.clock.advance(INTERVAL_SECONDS)
            autopilot.sweep()
            for wake_up in autopilot.dns_queue.take():
                woken.append(wake_up)
                autopilot.settle(ref)
        return len(woken)

    service_id = autopilot.aws.native_service("api.example.com")
    autopilot.aws.tag(service_id, autopilot_dns=None)
    declare(**tags)
    if not tags:
        autopilot.aws.zone(vpc)
    ref = autopilot.connected(vpc, service_id)
    assert autopilot.settle(ref) is Dns.BLOCKED
    tried(300)
    assert tried(12) == 0

    declare(**mend)
    autopilot.clock.advance(INTERVAL_SECONDS)
    autopilot.sweep()
    for wake_up in autopilot.dns_queue.take():
        autopilot.converge(wake_up)
        autopilot.settle(ref)

    if tags:
        assert autopilot.row(ref).status is Status.READY
    else:
        assert autopilot.aws.resolves(vpc, "api.other.example.net") == target(autopilot, ref)
        assert tried(12) == 0


def test_what_the_provider_declares_otherwise_is_what_a_consumer_without_a_role_is_told_to_make(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    autopilot.consumers.roles.clear()
    ref = autopilot.connected(vpc)
    autopilot.converge(ref)
    for _ in range(300):
        autopilot.clock.advance(INTERVAL_SECONDS)
        run_all(autopilot)
    autopilot.aws.tag(ref.service_id, autopilot_records="ledger")
    autopilot.clock.advance(INTERVAL_SECONDS)
    run_all(autopilot)

    assert autopilot.row(ref).dns.names == ((f"ledger.{ZONE}", ZONE),)


@pytest.mark.parametrize("end", ["rejected", "deleted"])
def test_names_that_stay_behind_are_tried_again_with_growing_pauses(
    autopilot: FakeAutopilot, vpc: Vpc, end: str
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.consumers.roles.clear()
    autopilot.consumers.leave(CONSUMER, REGION)
    (autopilot.aws.reject if end == "rejected" else autopilot.aws.delete)(ref)
    autopilot.decide(event(ref))
    autopilot.converge(replace(event(ref), waited_seconds=60))
    autopilot.dns_queue.take()

    assert tried_at(autopilot, range(1, 300)) == [1, 2, 4, 8, 16, 32, 64, 128, 256]


@pytest.mark.parametrize("state", ["new", "ready", "gone", "gone and forgotten by AWS"])
def test_what_fails_for_no_reason_that_we_know_is_tried_again_with_growing_pauses(
    autopilot: FakeAutopilot, vpc: Vpc, state: str
) -> None:
    ref = autopilot.connected(vpc) if state == "new" else autopilot.ready(vpc)
    if "gone" in state:
        autopilot.aws.delete(ref)
    autopilot.clock.advance({"ready": DAY, "gone and forgotten by AWS": HOUR}.get(state, 0))
    autopilot.calls.refused["ListHostedZonesByVPC"] = "ServiceUnavailable"
    tried = []
    for sweeps in range(60):
        autopilot.sweep()
        for wake_up in autopilot.dns_queue.take():
            with pytest.raises(AwsCallFailed, match="ServiceUnavailable"):
                autopilot.converge(wake_up)
            tried.append(sweeps)
        autopilot.clock.advance(INTERVAL_SECONDS)
    assert tried == [0, 1, 2, 4, 8, 16, 28, 40, 52]

    autopilot.calls.refused.clear()
    autopilot.settle(ref)
    assert (autopilot.aws.resolves(vpc, f"api.{ZONE}") is None) is ("gone" in state)
    autopilot.clock.advance(HOUR)
    autopilot.run()
    assert autopilot.row(ref).failing_since is None


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_fails_is_tried_with_growing_pauses_and_then_forgotten_in_observe_mode_too(is_gone: bool) -> None:
    autopilot = FakeAutopilot(mode=Mode.OBSERVE)
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.aws.accept(ref)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    run_all(autopilot)
    run_all(autopilot)
    if is_gone:
        autopilot.aws.delete(ref)
    autopilot.clock.advance(HOUR)
    autopilot.calls.refused["DescribeVpcEndpoints"] = "ServiceUnavailable"
    with pytest.raises(AwsCallFailed):
        autopilot.converge(ref)
    tried = []
    for sweeps in range(30):
        autopilot.sweep()
        for wake_up in autopilot.dns_queue.take():
            with pytest.raises(AwsCallFailed):
                autopilot.converge(wake_up)
            tried.append(sweeps)
        autopilot.clock.advance(INTERVAL_SECONDS)
    assert tried == [1, 2, 4, 8, 16, 28]

    autopilot.calls.refused.clear()
    autopilot.clock.advance(HOUR)
    autopilot.run()
    assert autopilot.row(ref).failing_since is None
    assert autopilot.sweep()["stuck"] == 0


def test_what_failed_is_told_as_it_was_although_the_ledger_fails_too(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    autopilot.calls.refused |= {"ListHostedZonesByVPC": "ServiceUnavailable", "UpdateItem": "InternalServerError"}

    with pytest.raises(AwsCallFailed, match="ListHostedZonesByVPC"):
        autopilot.converge(ref)


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
    autopilot.follow_allowlist({EntryKey(CONSUMER)})

    assert counts["listed"] == 0
    assert not autopilot.requests_queue.sent


def test_a_row_that_nobody_can_read_fails_the_sweep_and_has_nothing_decided_anew(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    autopilot.ledger.unreadable.add(autopilot.ready(vpc))

    with pytest.raises(UnreadableRow):
        autopilot.sweep()
    assert not autopilot.requests_queue.sent


def test_a_service_that_ended_is_not_over_while_nobody_can_read_what_it_left(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.run()
    autopilot.ledger.unreadable.add(ref)
    autopilot.aws.end_service(ref)

    with pytest.raises(UnreadableRow):
        autopilot.sweep()
    assert f"ENDED {ref.service_id}" not in autopilot.ledger.texts


def test_a_state_that_changed_unseen_is_known_after_the_next_sweep(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    for state, status in {"partial": Status.FAILED, "available": Status.READY}.items():
        autopilot.aws.privatelink.force_state(ref.endpoint_id, state)
        autopilot.run()
        assert autopilot.row(ref).status is status


def test_a_change_of_the_allowlist_wakes_what_waits_and_nothing_else(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    autopilot.ready(vpc, service_id)
    held = autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(STRANGER))
    autopilot.decide(event(held, STRANGER))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
    autopilot.follow_allowlist({EntryKey(STRANGER)})

    assert [wake_up.endpoint_id for wake_up, _ in autopilot.requests_queue.sent] == [held.endpoint_id]
    autopilot.decide(*autopilot.requests_queue.take())
    assert autopilot.row(held).acceptance.value is Acceptance.ACCEPTED


def test_a_change_of_an_accounts_entry_costs_nothing_for_the_others(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    waiting = [autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(account)) for account in (CONSUMER, STRANGER)]
    autopilot.follow_allowlist({EntryKey(STRANGER), EntryKey("vpce-0e1f2a3b4c5d6e7ff")})
    assert [wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()] == [
        waiting[1].endpoint_id,
        "vpce-0e1f2a3b4c5d6e7ff",
    ]

    autopilot.follow_allowlist({EntryKey("*")})
    assert {wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()} == {ref.endpoint_id for ref in waiting}
    autopilot.calls.made.clear()
    autopilot.follow_allowlist({EntryKey("vpce-0e1f2a3b4c5d6e7ff")})
    assert autopilot.calls.made == ["SendMessageBatch"]


def test_a_change_of_a_units_entry_has_all_that_stand_looked_at(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    standing = autopilot.ready(vpc, service_id)
    waiting, rejected = (autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(STRANGER)) for _ in range(2))
    autopilot.aws.reject(rejected)
    autopilot.follow_allowlist({EntryKey(UNIT)})

    found = {wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()}
    assert found == {standing.endpoint_id, waiting.endpoint_id}


def test_an_entry_for_an_endpoint_takes_its_rejection_back_at_once_where_aws_lets_it(autopilot: FakeAutopilot) -> None:
    autopilot.aws.privatelink.accepts_rejected = True
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    run_all(autopilot)
    autopilot.aws.reject(ref)
    run_all(autopilot)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER)))
    autopilot.follow_allowlist({EntryKey(STRANGER)})
    autopilot.decide(*autopilot.requests_queue.take())
    assert autopilot.row(ref).status is Status.REJECTED

    autopilot.allowlist.put(AllowlistEntry(EntryKey(ref.endpoint_id)))
    autopilot.follow_allowlist({EntryKey(ref.endpoint_id)})
    autopilot.decide(*autopilot.requests_queue.take())

    row = autopilot.row(ref)
    assert (row.acceptance.value, row.acceptance.decided_by) == (Acceptance.ACCEPTED, f"{ref.endpoint_id}/*")
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    for wake_up in autopilot.dns_queue.take():
        autopilot.converge(wake_up)
    assert autopilot.row(ref).status is Status.CONNECTED


def test_a_rejection_that_aws_does_not_take_back_is_told_and_not_tried_at_every_sweep(
    autopilot: FakeAutopilot,
) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    run_all(autopilot)
    autopilot.aws.reject(ref)
    run_all(autopilot)
    autopilot.report()
    autopilot.topic.mails.clear()
    autopilot.allowlist.put(AllowlistEntry(EntryKey(ref.endpoint_id)))
    for _ in range(5):
        run_all(autopilot)
        autopilot.clock.advance(INTERVAL_SECONDS)

    row = autopilot.row(ref)
    assert (row.status, autopilot.calls.made.count("AcceptVpcEndpointConnections")) == (Status.REJECTED, 1)
    assert "InvalidState" in row.acceptance.refusal
    assert "made anew" in row.acceptance.reason
    assert row.acceptance.answered_by == "somebody"
    autopilot.report()
    assert [mail.subject.split()[1] for mail in autopilot.topic.mails] == ["REJECTED"]


def test_a_held_request_is_told_again_after_a_day_and_then_weekly(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    run_all(autopilot)
    reminded = []
    for hour in range(1, 24 * 17):
        autopilot.clock.advance(3600)
        before = autopilot.row(ref).reminders
        run_all(autopilot)
        reminded += [hour] if autopilot.row(ref).reminders > before else []

    assert reminded == [24, 24 * 8, 24 * 15]


def test_a_sweep_that_slept_for_a_month_reminds_once(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    run_all(autopilot)
    autopilot.clock.advance(30 * 86400)
    version = autopilot.row(ref).version
    autopilot.report()
    for _ in range(3):
        run_all(autopilot)

    changes, _ = autopilot.ledger.stream()
    assert [change.row.reminders for change in changes] == [5]
    assert autopilot.row(ref).version == version


def test_nobody_is_reminded_where_that_was_asked_for() -> None:
    autopilot = FakeAutopilot(first_reminder=None)
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    run_all(autopilot)
    autopilot.clock.advance(30 * 86400)
    run_all(autopilot)

    assert autopilot.row(ref).reminders == 0


def test_what_was_held_again_later_is_reminded_of_anew(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    run_all(autopilot)
    autopilot.clock.advance(86400)
    run_all(autopilot)
    assert autopilot.row(ref).reminders == 1
    autopilot.calls.refused["DescribeAccount"] = "ServiceException"
    run_all(autopilot)

    assert autopilot.row(ref).reminders == 0


def test_where_the_account_is_by_now_is_asked_for_by_turns(autopilot: FakeAutopilot) -> None:
    autopilot.organization.owners[CONSUMER] = Owner(CONSUMER, units=(OrganizationalUnit(UNIT),))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(UNIT), Action.REJECT, expires_at=autopilot.clock()))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(UNIT, "vpce-svc-0be57ca5e5a1e5001"), Action.REJECT))
    service_id = autopilot.aws.service()
    refs = [autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(CONSUMER)) for _ in range(150)]
    autopilot.decide(*map(event, refs))
    autopilot.dns_queue.take()
    looked_at = []
    for _ in range(40):
        autopilot.clock.advance(INTERVAL_SECONDS)
        autopilot.sweep()
        looked_at.append({wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()})

    assert {len(found) for found in looked_at} == {100}
    assert set().union(*looked_at) == {ref.endpoint_id for ref in refs}


def test_an_entry_that_expired_is_noticed_by_the_next_sweep(autopilot: FakeAutopilot) -> None:
    autopilot.allowlist.put(AllowlistEntry(EntryKey(STRANGER), expires_at=autopilot.clock() + timedelta(seconds=1)))
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    autopilot.clock.advance(1)
    run_all(autopilot)

    assert autopilot.row(ref).acceptance.value is Acceptance.HELD


def test_what_was_observed_is_not_looked_at_again_and_again() -> None:
    autopilot = FakeAutopilot(mode=Mode.OBSERVE)
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.aws.accept(ref)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    run_all(autopilot)
    assert "adopted: accepted by somebody else" in autopilot.row(ref).would
    assert "would write to a new zone" in autopilot.row(ref).would
    autopilot.sweep()
    assert not autopilot.requests_queue.sent
    assert not autopilot.dns_queue.sent

    autopilot.mode = Mode.ENFORCE
    run_all(autopilot)
    assert autopilot.row(ref).acceptance.value is Acceptance.ADOPTED
