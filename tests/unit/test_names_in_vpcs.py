"""What a client in the consumer's VPC resolves before, during and after each change."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from autopilot.domain.connection import ConnectionRef, Dns, Status
from autopilot.domain.disruption import MaxDisruptions
from autopilot.domain.dns_plan import ChangeAction, RecordChange
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.listener import Certificate, Listener, LoadBalancer
from autopilot.domain.mode import Mode
from autopilot.domain.wake_up import SeenBy, WakeUp
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, SECONDS_TO_INSYNC, STATUS_TOPIC, FakeAutopilot, event
from tests.fakes.calls import Crash
from tests.fakes.clock import DAY, HOUR
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, REGION, STRANGER, ZONE, Vpc, place_of
from tests.local_aws.privatelink import Caller
from tests.unit.served_names import API, LEDGER, behind, certified, our_zone, target

CREATE, CHANGE, DELETE = "CreateHostedZone", "ChangeResourceRecordSets", "DeleteHostedZone"


def mails(autopilot: FakeAutopilot) -> list[str]:
    autopilot.report()
    subjects = [mail.subject for mail in autopilot.topic.mails]
    autopilot.topic.mails.clear()
    return subjects


# One endpoint after another


@pytest.mark.parametrize("other", [MANAGED, MANAGED | {"autopilot:records": "api ledger"}])
def test_a_name_goes_from_blue_to_green_without_a_gap(
    autopilot: FakeAutopilot, vpc: Vpc, other: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blue, green = autopilot.ready(vpc), autopilot.connected(vpc, autopilot.aws.service(other))
    autopilot.settle(green)
    assert autopilot.row(green).status is Status.DNS_BLOCKED
    wanted = target(autopilot, green)
    answers = set()
    call = autopilot.aws.hosted_zones.call

    def watching(*request: object) -> dict[str, object]:
        answered = call(*request)  # type: ignore[arg-type]
        answers.add(autopilot.aws.resolves(vpc, API))
        return answered

    before = target(autopilot, blue)
    autopilot.aws.delete(blue)
    monkeypatch.setattr(autopilot.aws.hosted_zones, "call", watching)
    autopilot.converge(blue)
    assert f"handed {API} CNAME to {green.endpoint_id}" in autopilot.row(blue).dns.reason
    assert [wake_up.endpoint_id for wake_up in autopilot.dns_queue.take()] == [green.endpoint_id]
    assert autopilot.settle(green) is Dns.PRESENT
    assert answers == {before, wanted}


def test_of_two_that_wait_the_eldest_request_gets_the_name(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    first = autopilot.ready(vpc, service_id)
    second = autopilot.connected(vpc, service_id)
    third = autopilot.connected(vpc, service_id)
    for ref in (third, second):
        autopilot.converge(ref)
    autopilot.aws.delete(first)
    autopilot.converge(first)

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, second)
    assert autopilot.settle(third) is Dns.BLOCKED


def test_one_that_something_else_stops_gets_no_name_either(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    """It has no part in the zone, and nobody would come back for that when it goes."""
    service_id = certified(autopilot)
    behind(autopilot, service_id, API)
    holder = autopilot.ready(vpc, service_id)
    autopilot.network.without[vpc.vpc_id] = {"enableDnsHostnames"}
    waiting = autopilot.connected(vpc, service_id)
    assert autopilot.settle(waiting) is Dns.BLOCKED
    autopilot.aws.delete(holder)
    autopilot.converge(holder)
    assert autopilot.aws.zones_in(vpc) == set()

    autopilot.network.without.clear()
    autopilot.settle(waiting)
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, waiting)


def test_an_heir_that_is_gone_by_then_gets_nothing(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    first, second = autopilot.ready(vpc, service_id), autopilot.connected(vpc, service_id)
    autopilot.converge(second)
    autopilot.aws.delete(second)
    autopilot.aws.delete(first)
    autopilot.converge(first)

    assert autopilot.aws.zones_in(vpc) == set()


def test_one_name_in_dispute_does_not_keep_the_endpoints_others_waiting(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    first = autopilot.ready(vpc)
    second = autopilot.connected(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"}))

    assert autopilot.settle(second) is Dns.BLOCKED
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, first)
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, second)


def test_a_record_of_an_endpoint_that_a_lost_ledger_forgot_is_taken_over_once_a_person_removed_it(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    service_id = autopilot.aws.service()
    lost = autopilot.ready(vpc, service_id)
    autopilot.ledger._rows.clear()
    second = autopilot.connected(vpc, service_id)
    assert autopilot.converge(second) is Dns.BLOCKED
    assert lost.endpoint_id in autopilot.row(second).dns.reason

    # Nothing tells it from one that somebody made to another account's endpoint.
    forgotten = target(autopilot, lost)
    autopilot.aws.delete(lost)
    assert autopilot.settle(second) is Dns.BLOCKED
    assert "remove it" in autopilot.row(second).dns.reason

    records = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones
    [stale] = [record for record in records.records(our_zone(autopilot)) if record.target == forgotten]
    records.change(our_zone(autopilot), [RecordChange(ChangeAction.DELETE, stale)])
    assert autopilot.settle(second) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, second)


def test_a_name_that_is_added_leaves_the_connection_ready(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.tag(ref.service_id, autopilot_records="api ledger")

    assert autopilot.converge(ref) is None
    assert autopilot.row(ref).status is Status.READY
    assert autopilot.dns_queue.take()
    autopilot.clock.advance(SECONDS_TO_INSYNC)
    assert autopilot.converge(ref) is Dns.PRESENT
    assert autopilot.row(ref).dns.change_ids == ()


# Names that leave


def left(autopilot: FakeAutopilot, vpc: Vpc) -> ConnectionRef:
    """A connection whose second name was taken out of the tags, and that was seen."""
    ref = autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"}))
    autopilot.aws.tag(ref.service_id, autopilot_records="api")
    autopilot.run()
    return ref


def test_a_name_that_left_the_tags_stays_for_the_grace_and_goes_at_a_sweep(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = left(autopilot, vpc)
    assert autopilot.row(ref).status is Status.READY
    assert LEDGER in autopilot.row(ref).dns.reason
    autopilot.clock.advance(DAY - 600)
    autopilot.run()
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ref)

    autopilot.clock.advance(601)
    autopilot.run()
    assert autopilot.aws.resolves(vpc, LEDGER) == ""
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.row(ref).dns.leaving == ()
    assert autopilot.row(ref).status is Status.READY


def test_of_two_wake_ups_in_a_batch_the_one_that_a_sweep_counted_takes_the_name_away(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    left(autopilot, vpc)
    autopilot.clock.advance(DAY)
    autopilot.sweep()
    [counted] = (wake_up for wake_up in autopilot.dns_queue.take() if wake_up.may_disrupt)
    autopilot.converge_all([counted, replace(counted, may_disrupt=False).put_back()])

    assert autopilot.aws.resolves(vpc, LEDGER) == ""


TWO_ZONES = MANAGED | {
    "autopilot:records": "api ledger",
    "autopilot:zone-2": "billing.example.com",
    "autopilot:records-2": "api",
}


def test_where_one_zone_is_denied_the_names_of_the_other_keep_their_grace(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service(TWO_ZONES | {"autopilot:zone-2": "zz.example.com"})
    ref = autopilot.connected(vpc, service_id)
    autopilot.calls.refused["zz.example.com"] = "AccessDenied"
    autopilot.settle(ref)
    row = autopilot.row(ref)
    assert (row.dns.value, row.dns.vpc_id) == (Dns.BLOCKED, vpc.vpc_id)
    assert {API, LEDGER} <= {name for name, _ in row.dns.records}

    autopilot.aws.tag(service_id, autopilot_records="ledger")
    autopilot.clock.advance(3600)
    autopilot.run()
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


def test_where_one_zone_was_denied_the_other_goes_with_the_endpoint(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service(TWO_ZONES | {"autopilot:zone-2": "zz.example.com"})
    ref = autopilot.connected(vpc, service_id)
    autopilot.calls.refused["zz.example.com"] = "AccessDenied"
    autopilot.settle(ref)
    autopilot.aws.tag(service_id, autopilot_zone=None, autopilot_records=None)
    autopilot.aws.delete(ref)
    autopilot.calls.refused.clear()
    for _ in range(3):
        autopilot.clock.advance(DAY)
        autopilot.run()

    assert autopilot.aws.zones_in(vpc) == set()


def test_names_that_cannot_be_taken_away_keep_the_brake_on_for_nobody(autopilot: FakeAutopilot) -> None:
    """Their role is gone, and the name is declared again by now."""
    service_id = autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"})
    refs = [autopilot.ready(autopilot.aws.new_vpc(CONSUMER), service_id) for _ in range(6)]
    autopilot.aws.tag(service_id, autopilot_records="ledger")
    for _ in range(2):
        autopilot.clock.advance(DAY / 2)
        autopilot.run()
    assert all(autopilot.row(ref).dns.leaving for ref in refs)
    autopilot.consumers.roles.clear()
    autopilot.consumers.leave(CONSUMER, REGION)
    autopilot.aws.tag(service_id, autopilot_records="api ledger")
    for _ in range(4):
        autopilot.clock.advance(DAY)
        autopilot.run()

    assert [autopilot.row(ref).dns.value for ref in refs] == [Dns.NO_ROLE] * 6
    assert not any("STOPPED" in subject for subject in autopilot.ledger.notices())
    assert autopilot.ledger.brake() is None


def test_names_that_may_still_be_certified_keep_the_brake_on_for_nobody(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.max_disruptions = MaxDisruptions(0, 0)
    service_id = certified(autopilot)
    behind(autopilot, service_id, API, LEDGER)
    ref = autopilot.ready(vpc, service_id)
    behind(autopilot, service_id, API)
    autopilot.run()
    assert autopilot.row(ref).dns.leaving
    behind(autopilot, service_id, API, is_issued=False)
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert not any("STOPPED" in subject for subject in autopilot.ledger.notices())


def test_names_that_are_to_go_are_tried_with_growing_pauses_where_that_fails(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    ref = autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"}))
    autopilot.aws.tag(ref.service_id, autopilot_records="ledger")
    autopilot.settle(ref)
    autopilot.clock.advance(DAY)
    autopilot.calls.refused["DescribeVpcEndpoints"] = "InternalError"
    looks = 0
    for _ in range(36):
        autopilot.sweep()
        looks += len(autopilot.converge_all(autopilot.dns_queue.take()).failed)
        autopilot.clock.advance(300)
    assert looks < 12

    autopilot.calls.refused.clear()
    for _ in range(2):
        autopilot.clock.advance(3600)
        autopilot.run()
    assert autopilot.aws.resolves(vpc, API) == ""


@pytest.mark.parametrize("code", ["Throttling", "AccessDenied", "InternalError"])
def test_a_removal_that_is_tried_again_uses_up_the_brake_once(autopilot: FakeAutopilot, vpc: Vpc, code: str) -> None:
    service_id = autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"})
    ref = autopilot.ready(vpc, service_id)
    autopilot.aws.tag(service_id, autopilot_records="ledger")
    autopilot.run()
    autopilot.clock.advance(DAY)
    autopilot.calls.refused[CHANGE] = code
    for _ in range(6):
        with suppress(AwsCallFailed):
            autopilot.run()
        autopilot.clock.advance(3600)
    brake = autopilot.ledger.brake()
    assert brake is not None
    assert brake.taken == 1
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)

    autopilot.calls.refused.clear()
    autopilot.clock.advance(DAY)
    autopilot.run()
    brake = autopilot.ledger.brake()
    assert brake is not None
    assert brake.taken == 1
    assert autopilot.aws.resolves(vpc, API) == ""
    assert autopilot.row(ref).dns.releasing == ()


def test_a_name_of_the_consumers_own_for_the_endpoint_is_left_alone_while_it_lives(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    """A zonal name, for who wants to stay in an Availability Zone."""
    ref = autopilot.ready(vpc)
    zonal = target(autopilot, ref).replace(".", "-eu-central-1a.", 1)
    autopilot.aws.write(CONSUMER, our_zone(autopilot), f"zonal.{ZONE}", zonal)
    for _ in range(3):
        autopilot.clock.advance(DAY)
        autopilot.run()
    assert autopilot.aws.resolves(vpc, f"zonal.{ZONE}") == zonal

    autopilot.aws.delete(ref)
    autopilot.run()
    assert autopilot.aws.zones_in(vpc) == set()


def test_a_name_that_was_sent_to_another_accounts_endpoint_by_hand_is_not_taken_back(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    ref, hub = autopilot.ready(vpc), autopilot.aws.new_vpc(STRANGER)
    other = autopilot.aws.endpoint(autopilot.aws.service({}), hub)
    autopilot.aws.accept(other)
    autopilot.clock.advance(DAY)
    elsewhere = autopilot.aws.regional_name(other, STRANGER)
    autopilot.aws.write(CONSUMER, our_zone(autopilot), API, elsewhere, "UPSERT")
    autopilot.run()

    assert autopilot.aws.resolves(vpc, API) == elsewhere
    assert autopilot.row(ref).status is Status.DNS_BLOCKED
    assert "that Autopilot did not write" in autopilot.row(ref).dns.reason


@pytest.mark.parametrize("goes", [True, False])
def test_who_wants_a_name_whose_holders_row_nobody_can_read_is_told_and_never_takes_it_over_unseen(
    autopilot: FakeAutopilot, vpc: Vpc, goes: bool
) -> None:
    holder, waiting = autopilot.ready(vpc), autopilot.connected(vpc)
    held = target(autopilot, holder)
    autopilot.ledger.unreadable.add(holder)
    if goes:
        autopilot.aws.delete(holder)
        autopilot.clock.advance(DAY)

    assert autopilot.settle(waiting) is Dns.BLOCKED
    assert autopilot.row(waiting).status is Status.DNS_BLOCKED
    assert autopilot.aws.resolves(vpc, API) == held


@pytest.mark.parametrize("goes", [True, False])
def test_a_name_that_an_endpoint_of_a_service_out_of_our_hands_holds_is_free_once_that_endpoint_is_gone(
    autopilot: FakeAutopilot, vpc: Vpc, goes: bool
) -> None:
    """Nobody looks at it any more, so that the ledger still takes it for one that works."""
    holder, waiting = autopilot.ready(vpc), autopilot.connected(vpc)
    autopilot.settle(waiting)
    assert autopilot.row(waiting).status is Status.DNS_BLOCKED
    autopilot.aws.tag(holder.service_id, autopilot_records=None)
    if goes:
        autopilot.aws.delete(holder)
    autopilot.clock.advance(DAY)
    autopilot.run()
    autopilot.settle(waiting)

    assert autopilot.row(waiting).status is (Status.READY if goes else Status.DNS_BLOCKED)
    assert autopilot.aws.resolves(vpc, API) == (target(autopilot, waiting) if goes else target(autopilot, holder))


def test_an_account_that_denies_everything_keeps_the_brake_on_for_nobody_and_is_tried_with_pauses(
    autopilot: FakeAutopilot,
) -> None:
    """As an organization's policy does, which the role's own rights do not show."""
    service_id = autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"})
    refs = [autopilot.ready(autopilot.aws.new_vpc(CONSUMER), service_id) for _ in range(12)]
    autopilot.aws.tag(service_id, autopilot_records="api")
    for ref in refs:
        autopilot.settle(ref)
    autopilot.calls.refused["DescribeVpcEndpoints"] = "UnauthorizedOperation"
    autopilot.clock.advance(2 * DAY)
    looks = 0
    for _ in range(6 * HOUR // 300):
        autopilot.sweep()
        wake_ups = autopilot.dns_queue.take()
        looks += len(wake_ups)
        autopilot.converge_all(wake_ups)
        autopilot.clock.advance(300)
    assert looks < 12 * 15
    assert not autopilot.ledger.texts["STOPPED before disconnecting"], "withdrawn once that was known"

    autopilot.calls.refused.clear()
    for _ in range(2):
        autopilot.clock.advance(DAY)
        autopilot.run()
    assert autopilot.ledger.texts["STOPPED before disconnecting"], "now they would go"


@pytest.mark.parametrize("answer", ["InvalidInput", "InvalidVPCId", "AccessDenied The VPC is not owned by you."])
def test_the_zone_goes_although_its_vpc_went_before(autopilot: FakeAutopilot, vpc: Vpc, answer: str) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.delete(ref)
    autopilot.calls.refused[vpc.vpc_id] = answer
    autopilot.converge(ref)

    assert not autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)
    assert autopilot.row(ref).status is Status.RETIRED


@pytest.mark.parametrize("is_heard", [True, False])
def test_what_a_deleted_service_left_behind_goes_and_people_are_told(
    autopilot: FakeAutopilot, vpc: Vpc, is_heard: bool
) -> None:
    """Once somebody listens; what was written goes all the same."""
    autopilot.audience.deaf = [] if is_heard else [STATUS_TOPIC]
    ref, other = autopilot.ready(vpc), autopilot.ready(autopilot.aws.new_vpc(CONSUMER))
    autopilot.run()
    autopilot.aws.end_service(ref)
    for _ in range(3):
        autopilot.clock.advance(300)
        autopilot.run()
        autopilot.report()

    assert autopilot.aws.zones_in(vpc) == set()
    assert (autopilot.row(ref).status, autopilot.row(other).status) == (Status.RETIRED, Status.READY)
    autopilot.audience.deaf = []
    autopilot.run()
    told = [subject for subject in mails(autopilot) if ref.service_id in subject and "ENDED" in subject]
    assert len(told) == 1


def test_what_a_deleted_service_left_in_an_account_that_shut_us_out_is_tried_with_growing_pauses(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.run()
    autopilot.aws.end_service(ref)
    autopilot.consumers.roles.clear()
    autopilot.consumers.leave(CONSUMER, REGION)
    entered = 0
    for _ in range(2 * 12 * 24):
        autopilot.clock.advance(300)
        autopilot.sweep()
        wake_ups = autopilot.dns_queue.take()
        entered += len(wake_ups)
        for wake_up in wake_ups:
            autopilot.converge(replace(wake_up, waited_seconds=120))
        autopilot.dns_queue.take()
    assert 0 < entered < 20
    assert autopilot.row(ref).dns.value is Dns.BEHIND
    assert not any(subject.startswith("ENDED") for subject in autopilot.ledger.notices())

    autopilot.consumers.roles.add(CONSUMER)
    for _ in range(2 * 12 * 24):
        autopilot.clock.advance(300)
        autopilot.run()
        autopilot.report()

    assert autopilot.aws.zones_in(vpc) == set()
    assert "ENDED " + ref.service_id in autopilot.ledger.notices()


def test_hands_off_a_service_outlasts_the_service(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.run()
    autopilot.aws.tag(ref.service_id, autopilot=None)
    autopilot.run()
    autopilot.aws.end_service(ref)
    autopilot.clock.advance(300)
    autopilot.aws.delete(ref)
    autopilot.converge(event(ref))
    for _ in range(3):
        autopilot.clock.advance(300)
        autopilot.run()

    assert autopilot.aws.zones_in(vpc) == {ZONE}
    assert not any("ENDED" in subject for subject in mails(autopilot))


def test_hands_off_a_service_outlasts_the_service_although_its_takeover_was_not_told_yet(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    autopilot.run()
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    autopilot.aws.accept(ref)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    autopilot.run()
    autopilot.settle(ref)
    autopilot.aws.tag(ref.service_id, autopilot=None)
    autopilot.run()
    assert f"[Autopilot] NO LONGER MANAGED {ref.service_id}" in mails(autopilot)

    autopilot.aws.end_service(ref)
    for _ in range(3):
        autopilot.clock.advance(300)
        autopilot.run()

    assert autopilot.aws.zones_in(vpc) == {ZONE}
    assert not any("ENDED" in subject for subject in mails(autopilot))


def test_what_a_service_left_behind_that_ended_before_beginnings_were_written_down_goes_too(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.run()
    autopilot.ledger.forget_notices("TAKING OVER")
    autopilot.aws.end_service(ref)
    for _ in range(3):
        autopilot.clock.advance(300)
        autopilot.run()
        autopilot.report()

    assert autopilot.aws.zones_in(vpc) == set()
    assert f"ENDED {ref.service_id}" in autopilot.ledger.texts


def test_a_service_that_a_describe_leaves_out_for_a_moment_costs_no_name(
    autopilot: FakeAutopilot, vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.run()
    autopilot.run()
    monkeypatch.setattr(autopilot.services, "all", list)
    before = autopilot.row(ref)
    autopilot.clock.advance(300)
    autopilot.run()

    assert autopilot.row(ref).dns == before.dns
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert not any(subject.startswith("ENDED") for subject in autopilot.ledger.notices())


def test_a_name_that_comes_back_within_the_grace_never_went(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = left(autopilot, vpc)
    autopilot.aws.tag(ref.service_id, autopilot_records="api ledger")
    autopilot.run()
    autopilot.clock.advance(2 * DAY)
    autopilot.run()

    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ref)
    assert autopilot.calls.made.count(CHANGE) == 1


def test_no_event_takes_a_name_away_that_works_however_old_its_leaving(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = left(autopilot, vpc)
    autopilot.clock.advance(2 * DAY)
    autopilot.converge(ref)

    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ref)


def test_a_whole_zone_that_left_the_tags_goes_after_the_grace(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.tag(ref.service_id, autopilot_zone="billing.example.com")
    autopilot.run()
    assert autopilot.aws.zones_in(vpc) == {ZONE, "billing.example.com"}
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert autopilot.aws.zones_in(vpc) == {"billing.example.com"}


def test_names_of_a_service_that_declares_none_any_more_go_after_the_grace(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.tag(ref.service_id, autopilot_zone=None, autopilot_records=None)
    autopilot.run()
    assert autopilot.row(ref).status is Status.READY
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert autopilot.aws.zones_in(vpc) == set()
    assert autopilot.row(ref).status is Status.CONNECTED


def test_more_than_may_be_disrupted_keeps_all_names_until_a_person_says_so(vpc: Vpc) -> None:
    autopilot = FakeAutopilot(max_disruptions=MaxDisruptions(1, 0))
    service_id = autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"})
    vpcs = [autopilot.aws.new_vpc(CONSUMER) for _ in range(3)]
    refs = [autopilot.ready(place, service_id) for place in vpcs]
    autopilot.aws.tag(service_id, autopilot_records="api")
    autopilot.run()
    autopilot.clock.advance(DAY)
    mails(autopilot)
    autopilot.run()

    assert all(autopilot.aws.resolves(place, LEDGER) for place in vpcs)
    assert any("STOPPED" in subject for subject in mails(autopilot))

    autopilot.ledger.allow_disruptions(len(refs))
    autopilot.run()
    assert not any(autopilot.aws.resolves(place, LEDGER) for place in vpcs)


def test_what_observe_mode_would_take_away_is_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = left(autopilot, vpc)
    autopilot.clock.advance(DAY)
    autopilot.mode = Mode.OBSERVE
    autopilot.converge(ref)

    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ref)
    assert f"DELETE {LEDGER}" in autopilot.row(ref).dns.would


# Zones of others


@pytest.mark.parametrize("allowed", [False, True])
def test_a_zone_that_would_hide_names_of_a_wider_one_needs_leave(
    autopilot: FakeAutopilot, vpc: Vpc, allowed: bool
) -> None:
    wider = autopilot.aws.zone(vpc, "example.com")
    autopilot.aws.write(CONSUMER, wider, f"www.{ZONE}", "elsewhere.example.org")
    tags = MANAGED | ({"autopilot:allow-shadowing": "true"} if allowed else {})
    ref = autopilot.connected(vpc, autopilot.aws.service(tags))

    assert autopilot.settle(ref) is (Dns.PRESENT if allowed else Dns.BLOCKED)
    if not allowed:
        assert f"would hide www.{ZONE}" in autopilot.row(ref).dns.reason
        assert autopilot.aws.resolves(vpc, f"www.{ZONE}") == "elsewhere.example.org"


def test_a_wider_zone_that_hides_nothing_is_no_obstacle(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.aws.zone(vpc, "example.com", www="elsewhere.example.org")
    ref = autopilot.ready(vpc)

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.aws.resolves(vpc, "www.example.com") == "elsewhere.example.org"


def test_a_wider_zone_that_already_does_it_is_the_consumers_own(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    wider = autopilot.aws.zone(vpc, "example.com")
    autopilot.aws.write(CONSUMER, wider, API, target(autopilot, ref))

    assert autopilot.converge(ref) is Dns.CONSUMERS_OWN
    assert autopilot.aws.zones_in(vpc) == {"example.com"}


def test_a_wider_zone_of_another_account_cannot_be_looked_into(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    theirs = autopilot.aws.zone(autopilot.aws.new_vpc(STRANGER), "example.com")
    place = {"HostedZoneId": theirs, "VPC": place_of(vpc)}
    autopilot.aws.route53(STRANGER, "CreateVPCAssociationAuthorization", **place)
    autopilot.aws.route53(CONSUMER, "AssociateVPCWithHostedZone", **place)
    ref = autopilot.connected(vpc)

    assert autopilot.converge(ref) is Dns.BLOCKED
    assert "cannot be read" in autopilot.row(ref).dns.reason
    autopilot.aws.ec2(
        PROVIDER, "CreateTags", Resources=[ref.service_id], Tags=[{"Key": "autopilot:allow-shadowing", "Value": "true"}]
    )
    assert autopilot.settle(ref) is Dns.PRESENT


def test_a_narrower_zone_answers_in_our_place_and_that_is_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    narrower = autopilot.aws.zone(vpc, API)
    ref = autopilot.connected(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "api ledger"}))

    assert autopilot.settle(ref) is Dns.BLOCKED
    assert narrower in autopilot.row(ref).dns.reason
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ref)


def test_a_narrower_zone_that_comes_later_is_seen_at_the_drift_check(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.zone(vpc, API)
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert autopilot.row(ref).status is Status.DNS_BLOCKED


@pytest.mark.parametrize("allowed", [False, True])
def test_a_whole_registrable_domain_needs_leave(autopilot: FakeAutopilot, vpc: Vpc, allowed: bool) -> None:
    tags = MANAGED | {"autopilot:zone": "example.com"} | ({"autopilot:allow-shadowing": "true"} if allowed else {})
    ref = autopilot.connected(vpc, autopilot.aws.service(tags))

    assert autopilot.settle(ref) is (Dns.PRESENT if allowed else Dns.BLOCKED)
    assert autopilot.aws.zones_in(vpc) == ({"example.com"} if allowed else set())
    autopilot.sweep()
    assert any("CHECK THE TAGS" in subject for subject in mails(autopilot)) is not allowed


def test_a_zone_that_is_a_public_one_too_is_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.public_dns.zones.add(ZONE)
    ref = autopilot.ready(vpc)

    assert any("is a zone of public DNS too" in check for check in autopilot.row(ref).dns.checks)


def test_our_zone_that_was_taken_off_the_vpc_is_put_back(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref, elsewhere = autopilot.ready(vpc), autopilot.aws.new_vpc(CONSUMER)
    zone_id = our_zone(autopilot)
    autopilot.aws.route53(CONSUMER, "AssociateVPCWithHostedZone", HostedZoneId=zone_id, VPC=place_of(elsewhere))
    autopilot.aws.route53(CONSUMER, "DisassociateVPCFromHostedZone", HostedZoneId=zone_id, VPC=place_of(vpc))
    assert autopilot.aws.resolves(vpc, API) is None
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.calls.made.count(CREATE) == 1


def test_our_zone_that_another_of_its_name_replaced_is_not_forced_back(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref, elsewhere = autopilot.ready(vpc), autopilot.aws.new_vpc(CONSUMER)
    zone_id = our_zone(autopilot)
    autopilot.aws.route53(CONSUMER, "AssociateVPCWithHostedZone", HostedZoneId=zone_id, VPC=place_of(elsewhere))
    autopilot.aws.route53(CONSUMER, "DisassociateVPCFromHostedZone", HostedZoneId=zone_id, VPC=place_of(vpc))
    theirs = autopilot.aws.zone(vpc)

    assert autopilot.settle(ref) is Dns.BLOCKED
    assert theirs in autopilot.row(ref).dns.reason


@pytest.mark.parametrize("zone_too", [False, True])
def test_what_was_deleted_by_hand_is_back_at_the_drift_check(
    autopilot: FakeAutopilot, vpc: Vpc, zone_too: bool
) -> None:
    ref = autopilot.ready(vpc)
    zone_id = our_zone(autopilot)
    autopilot.aws.write(CONSUMER, zone_id, API, target(autopilot, ref), "UPSERT")
    autopilot.aws.write(CONSUMER, zone_id, API, target(autopilot, ref), "DELETE")
    if zone_too:
        autopilot.aws.route53(CONSUMER, DELETE, Id=zone_id)
    autopilot.run()
    assert not autopilot.aws.resolves(vpc, API)
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


def test_a_quota_that_is_nearly_used_up_is_told_before_it_is_hit(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.aws.hosted_zones.most_zones = 1
    ref = autopilot.ready(vpc)

    assert any("has 0 of 1 hosted zones" in check for check in autopilot.row(ref).dns.checks)


# Certificates


def test_the_names_of_the_certificates_are_each_in_a_zone_of_its_own(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = certified(autopilot)
    behind(autopilot, service_id, API, "billing.example.net", f"*.{ZONE}")
    ref = autopilot.ready(vpc, service_id)

    assert autopilot.aws.zones_in(vpc) == {API, "billing.example.net"}
    assert {autopilot.aws.resolves(vpc, name) for name in (API, "billing.example.net")} == {target(autopilot, ref)}
    assert autopilot.aws.resolves(vpc, LEDGER) is None


def test_a_certificate_that_lapsed_takes_no_name_away(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = certified(autopilot)
    behind(autopilot, service_id, API)
    ref = autopilot.ready(vpc, service_id)
    behind(autopilot, service_id, API, is_issued=False)
    for _ in range(3):
        autopilot.run()
        autopilot.clock.advance(DAY)

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)

    behind(autopilot, service_id, "new.example.net")
    autopilot.run()
    assert autopilot.aws.zones_in(vpc) == {"new.example.net"}


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken"])
def test_certificates_that_the_provider_may_not_read_are_a_failure_of_its_own_and_block_nobody(
    autopilot: FakeAutopilot, vpc: Vpc, code: str
) -> None:
    service_id = certified(autopilot)
    behind(autopilot, service_id, API)
    ready, fresh = autopilot.ready(vpc, service_id), autopilot.connected(autopilot.aws.new_vpc(CONSUMER), service_id)
    autopilot.calls.refused["DescribeLoadBalancers"] = code
    autopilot.calls.made.clear()
    for ref in (ready, fresh):
        with pytest.raises(AwsCallFailed, match=f"DescribeLoadBalancers .* {code}"):
            autopilot.converge(ref)

    assert [autopilot.row(ref).status for ref in (ready, fresh)] == [Status.READY, Status.ACCEPTED]
    assert "AssumeRole" not in autopilot.calls.made

    autopilot.calls.refused.clear()
    assert autopilot.settle(fresh) is Dns.PRESENT


def test_the_end_of_a_certificate_is_mailed_once_a_threshold(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service()
    behind(autopilot, service_id, API)
    (arn,) = autopilot.load_balancers.load_balancers
    balancer = autopilot.load_balancers.load_balancers[arn]
    (listener,) = balancer.listeners
    ending = replace(listener.certificates[0], not_after=autopilot.clock() + timedelta(days=40))
    autopilot.load_balancers.load_balancers[arn] = replace(
        balancer, listeners=(replace(listener, certificates=(ending,)),)
    )
    told = []
    for _ in range(42):
        for _ in range(2):
            autopilot.sweep()
        told += [subject for subject in mails(autopilot) if "CHECK THE CERTIFICATE" in subject]
        autopilot.clock.advance(DAY)

    assert len(told) == 3
    notices = [subject for subject in autopilot.ledger.notices() if subject.startswith("CHECK THE CERTIFICATE")]
    assert [subject.rpartition(": ")[2] for subject in notices] == ["30 days left", "7 days left", "no day left"]


def test_a_certificate_of_two_services_is_told_of_once(autopilot: FakeAutopilot) -> None:
    services = [autopilot.aws.service(), autopilot.aws.service()]
    behind(autopilot, services[0], API)
    (arn,) = autopilot.load_balancers.load_balancers
    ending = Certificate("arn:aws:acm:eu-central-1:111111111111:certificate/1", (API,), True)
    ending = replace(ending, not_after=autopilot.clock() + timedelta(days=20))
    autopilot.load_balancers.load_balancers[arn] = LoadBalancer(arn, (Listener("arn:l", 443, "TLS", (ending,)),))
    for _ in range(4):
        autopilot.sweep()
        autopilot.report()

    [mail] = [mail for mail in autopilot.topic.mails if "CHECK THE CERTIFICATE" in mail.subject]
    assert all(service_id in mail.text for service_id in services)


def test_names_that_no_certificate_has_are_told_with_the_ready_report(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    behind(autopilot, service_id, LEDGER)
    ref = autopilot.ready(vpc, service_id)

    assert any(API in check and "TLS" in check for check in autopilot.row(ref).dns.checks)


# The network


@pytest.mark.parametrize("off", ["enableDnsSupport", "enableDnsHostnames"])
def test_where_private_names_cannot_resolve_nothing_is_written(autopilot: FakeAutopilot, vpc: Vpc, off: str) -> None:
    autopilot.network.without[vpc.vpc_id] = {off}
    ref = autopilot.connected(vpc)

    assert autopilot.converge(ref) is Dns.BLOCKED
    assert f"{off} is off in {vpc.vpc_id}" in autopilot.row(ref).dns.reason
    assert autopilot.aws.zones_in(vpc) == set()

    autopilot.network.without.clear()
    assert autopilot.settle(ref) is Dns.PRESENT


def test_a_shared_vpc_is_a_persons_case(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.network.owners[vpc.vpc_id] = STRANGER
    ref = autopilot.connected(vpc)

    assert autopilot.converge(ref) is Dns.BLOCKED
    assert STRANGER in autopilot.row(ref).dns.reason


# AWS's own private DNS


def test_native_private_dns_is_switched_on_instead_of_a_zone(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc, autopilot.aws.native_service(API))

    assert autopilot.settle(ref) is Dns.CONSUMERS_OWN
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert CREATE not in autopilot.calls.made
    assert autopilot.row(ref).status is Status.READY


def test_native_private_dns_that_a_zone_is_in_the_way_of_is_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.aws.zone(vpc, API)
    ref = autopilot.connected(vpc, autopilot.aws.native_service(API))

    assert autopilot.converge(ref) is Dns.BLOCKED
    assert "conflicting DNS domain" in autopilot.row(ref).dns.reason


def test_what_a_zone_of_ours_resolves_is_not_switched_over(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.ec2(PROVIDER, "ModifyVpcEndpointServiceConfiguration", ServiceId=ref.service_id, PrivateDnsName=API)
    autopilot.aws.ec2(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", ServiceId=ref.service_id)
    autopilot.aws.tag(ref.service_id, autopilot_dns="native")

    assert autopilot.settle(ref) is Dns.PRESENT
    assert "ModifyVpcEndpoint" not in autopilot.calls.made


def test_a_customer_without_a_role_switches_native_private_dns_on_with_one_command(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    autopilot.consumers.roles.clear()
    ref = autopilot.connected(vpc, autopilot.aws.native_service(API))
    autopilot.converge(ref)
    autopilot.report()

    (mail,) = [mail for mail in autopilot.topic.mails if "CONNECTED" in mail.subject]
    assert f"--vpc-endpoint-id {ref.endpoint_id} --private-dns-enabled" in mail.text


# The consumer's say, and other VPCs


def test_a_consumer_that_declines_gets_no_names_and_loses_those_it_had(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    off = [{"Key": "autopilot:dns", "Value": "off"}]
    autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=off)
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert autopilot.row(ref).dns.value is Dns.DECLINED
    assert autopilot.row(ref).status is Status.CONNECTED
    assert autopilot.aws.zones_in(vpc) == set()

    autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[ref.endpoint_id], Tags=off)
    autopilot.clock.advance(DAY)
    autopilot.run()
    autopilot.settle(ref)
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


# Roles that come and go


def test_names_are_written_at_once_when_the_role_comes(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.consumers.roles.clear()
    ref = autopilot.connected(vpc)
    assert autopilot.converge(ref) is Dns.NO_ROLE
    autopilot.consumers.roles.add(CONSUMER)
    autopilot.converge(WakeUp(None, None, CONSUMER, REGION, SeenBy.EVENT))

    (wake_up,) = autopilot.dns_queue.take()
    assert wake_up.endpoint_id == ref.endpoint_id
    assert autopilot.settle(ref) is Dns.PRESENT


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidClientTokenId", "ExpiredToken"])
def test_a_session_that_outlived_its_role_is_given_up(autopilot: FakeAutopilot, vpc: Vpc, code: str) -> None:
    ref = autopilot.ready(vpc)
    autopilot.consumers.roles.clear()
    autopilot.calls.refused["DescribeVpcEndpoints"] = code

    assert autopilot.converge(ref) is Dns.NO_ROLE
    autopilot.calls.refused.clear()
    autopilot.consumers.roles.add(CONSUMER)
    assert autopilot.settle(ref) is Dns.PRESENT


def test_a_zone_that_another_run_removes_at_this_moment_is_looked_at_again(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    autopilot.calls.refused[CHANGE] = "PriorRequestNotComplete"

    assert autopilot.converge(ref) is None
    assert autopilot.dns_queue.take()
    autopilot.calls.refused.clear()
    assert autopilot.settle(ref) is Dns.PRESENT


def test_a_service_that_is_taken_out_of_our_hands_is_told_once(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    for _ in range(3):
        autopilot.run()
        autopilot.clock.advance(timedelta(hours=1).total_seconds())
    mails(autopilot)
    autopilot.aws.tag(ref.service_id, autopilot=None)
    autopilot.run()
    autopilot.run()

    assert [subject for subject in mails(autopilot) if "NO LONGER MANAGED" in subject] == [
        f"[Autopilot] NO LONGER MANAGED {ref.service_id}"
    ]
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


# Wherever a run dies


def handing_over(autopilot: FakeAutopilot) -> tuple[Vpc, ConnectionRef, ConnectionRef]:
    """Blue is about to go, green waits for its name, and another VPC is served."""
    vpc, spoke, service_id = autopilot.aws.new_vpc(CONSUMER), autopilot.aws.new_vpc(CONSUMER), autopilot.aws.service()
    blue = autopilot.connected(vpc, service_id, also_vpcs=spoke.vpc_id)
    autopilot.settle(blue)
    green = autopilot.connected(vpc, service_id)
    autopilot.settle(green)
    autopilot.aws.delete(blue)
    autopilot.dns_queue.take()
    return vpc, blue, green


def calls_to_hand_over() -> int:
    trial = FakeAutopilot()
    _, blue, _ = handing_over(trial)
    trial.calls.made.clear()
    trial.converge(blue)
    return len(trial.calls.made)


@pytest.mark.parametrize("dies_after", range(1, calls_to_hand_over() + 1))
def test_wherever_a_run_dies_while_it_hands_a_name_on_the_next_ones_finish(dies_after: int) -> None:
    autopilot = FakeAutopilot()
    vpc, blue, green = handing_over(autopilot)
    autopilot.calls.crash_after = dies_after
    with pytest.raises(Crash):
        autopilot.converge(blue)
    assert autopilot.aws.resolves(vpc, API)
    autopilot.converge(blue)
    autopilot.settle(green)

    assert autopilot.row(blue).dns.value is Dns.ABSENT
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, green)
    assert autopilot.row(green).status is Status.READY


# Another Region


THERE = Caller(CONSUMER, "us-east-1")


def connected_there(autopilot: FakeAutopilot, vpc: Vpc, service_id: str) -> ConnectionRef:
    """The service is in our Region; the endpoint, its VPC and the zone's association are in the consumer's."""
    autopilot.aws.ec2(
        PROVIDER, "ModifyVpcEndpointServiceConfiguration", ServiceId=service_id, AddSupportedRegions=[THERE.region]
    )
    made = autopilot.aws.privatelink.call(
        THERE,
        "CreateVpcEndpoint",
        {
            "ServiceName": f"com.amazonaws.vpce.{REGION}.{service_id}",
            "ServiceRegion": REGION,
            "VpcEndpointType": "Interface",
            "VpcId": vpc.vpc_id,
            "SubnetIds": [vpc.subnet_id],
        },
    )
    ref = ConnectionRef(service_id, made["VpcEndpoint"]["VpcEndpointId"])
    autopilot.decide(replace(event(ref), region=THERE.region))
    autopilot.clock.advance(90)
    return ref


def test_an_endpoint_in_another_region_gets_its_names_there(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = connected_there(autopilot, vpc, autopilot.aws.service())

    assert autopilot.settle(ref) is Dns.PRESENT
    assert autopilot.row(ref).connection.region == THERE.region
    leads_to = autopilot.aws.hosted_zones.resolve(CONSUMER, THERE.region, vpc.vpc_id, API)
    assert leads_to.target.startswith(ref.endpoint_id)
    assert any("PrivateLink crosses Regions" in check for check in autopilot.row(ref).dns.checks)

    autopilot.aws.privatelink.call(THERE, "DeleteVpcEndpoints", {"VpcEndpointIds": [ref.endpoint_id]})
    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.aws.hosted_zones.names_in(CONSUMER, THERE.region, vpc.vpc_id) == set()


def test_a_name_that_the_consumer_sends_to_its_endpoint_in_another_region_is_not_taken_back(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    """Only that Region knows the endpoint."""
    ref = autopilot.ready(vpc)
    zone_id = our_zone(autopilot)
    other = connected_there(autopilot, autopilot.aws.new_vpc(CONSUMER), ref.service_id)
    autopilot.settle(other)
    made = autopilot.aws.privatelink.call(THERE, "DescribeVpcEndpoints", {"VpcEndpointIds": [other.endpoint_id]})
    elsewhere = made["VpcEndpoints"][0]["DnsEntries"][0]["DnsName"]
    autopilot.aws.write(CONSUMER, zone_id, API, elsewhere, "UPSERT")
    autopilot.clock.advance(DAY)
    autopilot.run()

    assert autopilot.aws.resolves(vpc, API) == elsewhere
    assert autopilot.row(ref).status is Status.DNS_BLOCKED


# Whatever Route 53 refuses


@pytest.mark.parametrize("operation", ["ListHostedZonesByVPC", "GetAccountLimit", CREATE, CHANGE])
@pytest.mark.parametrize(
    "code", ["Throttling", "ServiceUnavailable", "InvalidChangeBatch", "InvalidInput", "TooManyHostedZones"]
)
def test_whatever_route_53_refuses_leaves_nothing_behind_and_is_done_once_it_allows_it(
    autopilot: FakeAutopilot, vpc: Vpc, operation: str, code: str
) -> None:
    ref = autopilot.connected(vpc)
    autopilot.calls.refused[operation] = code
    with suppress(AwsCallFailed):
        autopilot.converge(ref)
    assert autopilot.aws.zones_in(vpc) == set()

    autopilot.calls.refused.clear()
    assert autopilot.settle(ref) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
