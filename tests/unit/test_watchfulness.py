"""What the sweep does beside finding work: it repeats, names what is stuck, and sees that people hear of it."""

from __future__ import annotations

from itertools import batched

import pytest

from autopilot.aws.ledger_items import NOTICE
from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.domain.connection import ConnectionRef, Status
from autopilot.domain.failures import AwsCallFailed, UnreadableRow
from autopilot.domain.mode import Mode
from autopilot.domain.report import Notice
from autopilot.use_cases.ports import Refusal
from tests.fakes.autopilot import NOTIFICATION_TOPIC, STATUS_TOPIC, FakeAutopilot, event
from tests.fakes.clock import DAY, HOUR
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, STRANGER, Vpc

INTERVAL_SECONDS = 300
NOTIFY = "CreateVpcEndpointConnectionNotification"


def notices(autopilot: FakeAutopilot, subject: str) -> list[str]:
    """The texts that were told under a subject since this was last asked."""
    batch = autopilot.ledger.stream()
    autopilot.report_status(*batch)
    return [notice.text for notice in batch[1] if notice.subject.startswith(subject)]


class TestLostReports:
    def held(self, autopilot: FakeAutopilot) -> ConnectionRef:
        ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
        autopilot.decide(event(ref, STRANGER))
        return ref

    def test_a_lost_report_is_told_by_a_later_sweep_under_the_same_id(self, autopilot: FakeAutopilot) -> None:
        ref = self.held(autopilot)
        (lost,), _ = autopilot.ledger.stream()
        autopilot.clock.advance(900)
        autopilot.run()
        autopilot.report()

        assert [found.detail["report_id"] for found in autopilot.bus.events] == [lost.report_id]
        assert autopilot.row(ref).told == "held"

    def test_what_was_told_is_not_repeated(self, autopilot: FakeAutopilot) -> None:
        self.held(autopilot)
        autopilot.report()
        for _ in range(30):
            autopilot.clock.advance(INTERVAL_SECONDS)
            autopilot.run()
            autopilot.report()

        assert len(autopilot.bus.events) == 1

    def test_what_is_merely_late_is_neither_repeated_nor_counted(self, autopilot: FakeAutopilot) -> None:
        self.held(autopilot)
        autopilot.clock.advance(899)

        assert autopilot.sweep()["untold"] == 0
        changes, _ = autopilot.ledger.stream()
        assert len(changes) == 1

    def test_what_stays_lost_is_counted_in_two_of_any_three_hours_of_the_first_day(
        self, autopilot: FakeAutopilot
    ) -> None:
        """As the alarm has it, wherever its hours begin."""
        self.held(autopilot)
        counted = []
        for _ in range(24 * 12):
            autopilot.clock.advance(INTERVAL_SECONDS)
            counted.append(autopilot.sweep()["untold"])

        for begin in range(12, 24):
            hours = [any(hour) for hour in batched(counted[begin : 12 * 22 + begin], 12, strict=True)]
            assert all(sum(three) >= 2 for three in zip(hours, hours[1:], hours[2:], strict=False))

    def test_a_report_that_cannot_be_told_is_asked_for_hourly_and_after_a_day_daily(
        self, autopilot: FakeAutopilot
    ) -> None:
        self.held(autopilot)
        autopilot.first_reminder = None
        asked_by_day = [0] * 5
        for sweep in range(len(asked_by_day) * DAY // INTERVAL_SECONDS):
            autopilot.clock.advance(INTERVAL_SECONDS)
            autopilot.sweep()
            autopilot.requests_queue.take()
            asked_by_day[sweep * INTERVAL_SECONDS // DAY] += len(autopilot.ledger.stream()[0])

        assert asked_by_day == [1 + 24, 1, 1, 1, 1]

    def test_a_repetition_says_what_was_told_last(self, autopilot: FakeAutopilot, vpc: Vpc) -> None:
        ref = autopilot.connected(vpc)
        autopilot.report()
        autopilot.settle(ref)
        autopilot.ledger.stream()
        autopilot.clock.advance(900)
        autopilot.sweep()
        autopilot.report()

        told = autopilot.bus.events[-1].detail
        assert (told["previous_status"], told["status"]) == ("accepted", "ready")

    def test_a_lost_report_of_a_service_that_ended_is_told_before_its_end(
        self, autopilot: FakeAutopilot, vpc: Vpc
    ) -> None:
        ref = autopilot.ready(vpc)
        autopilot.run()
        autopilot.report()
        autopilot.aws.end_service(ref)
        autopilot.run()
        lost, _ = autopilot.ledger.stream()
        assert lost[-1].row.status is Status.RETIRED
        autopilot.run()
        autopilot.clock.advance(900)
        assert f"ENDED {ref.service_id}" not in autopilot.ledger.texts

        assert autopilot.sweep()["untold"] == 1
        autopilot.report()
        assert autopilot.bus.events[-1].detail["report_id"] == lost[-1].report_id
        autopilot.sweep()
        assert f"ENDED {ref.service_id}" in autopilot.ledger.texts

    def test_a_lost_notice_is_told_by_a_later_sweep(self, autopilot: FakeAutopilot) -> None:
        autopilot.sweep()
        _, (lost,) = autopilot.ledger.stream()
        autopilot.clock.advance(900)
        autopilot.sweep()
        batch = autopilot.ledger.stream()
        autopilot.report_status(*batch)
        autopilot.clock.advance(900)
        autopilot.sweep()

        assert batch[1] == [Notice("INSTALLED", lost.text)]
        assert autopilot.ledger.stream() == ([], [])

    def test_reports_that_were_late_for_hours_are_told_once(self, autopilot: FakeAutopilot) -> None:
        self.held(autopilot)
        for _ in range(4):
            autopilot.clock.advance(HOUR)
            autopilot.run()
        autopilot.report()

        assert len(autopilot.bus.events) == len([one for one in autopilot.topic.mails if "HELD" in one.subject]) == 1


class TestStuck:
    def test_what_nothing_happens_to_is_named_once_and_withdrawn_when_it_comes_further(
        self, autopilot: FakeAutopilot, vpc: Vpc
    ) -> None:
        ref = autopilot.connected(vpc)
        autopilot.calls.refused[ref.endpoint_id] = "InternalError"
        autopilot.clock.advance(HOUR)
        counts = autopilot.sweep()
        autopilot.sweep()

        [text] = notices(autopilot, "STUCK")
        assert counts["stuck"] == 1
        assert f"{ref} of account {CONSUMER}: AWS's state available, acceptance accepted, DNS none, since 20" in text

        autopilot.calls.refused.clear()
        autopilot.settle(ref)
        autopilot.sweep()
        assert autopilot.ledger.texts["STUCK for more than an hour"] == ""

    @pytest.mark.parametrize("state", ["ready", "gone", "of a service that ended"])
    def test_what_fails_for_an_hour_is_named_whatever_its_status(
        self, autopilot: FakeAutopilot, vpc: Vpc, state: str
    ) -> None:
        ref = autopilot.ready(vpc)
        autopilot.run()
        if state == "gone":
            autopilot.aws.delete(ref)
        if state == "of a service that ended":
            autopilot.aws.end_service(ref)
        autopilot.calls.refused["ListHostedZonesByVPC"] = "InternalError"
        autopilot.clock.advance(24 * HOUR)
        for stuck in (0, 0, 1):
            counts = autopilot.sweep()
            assert counts["stuck"] == stuck
            for wake_up in autopilot.dns_queue.take():
                with pytest.raises(AwsCallFailed):
                    autopilot.converge(wake_up)
            autopilot.clock.advance(HOUR / 2)

        [text] = notices(autopilot, "STUCK")
        assert f"{ref} of account {CONSUMER}" in text
        assert "its DNS could not be looked at since 20" in text

    def test_what_waits_for_a_person_is_not_stuck_but_held(self, autopilot: FakeAutopilot) -> None:
        ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
        autopilot.decide(event(ref, STRANGER))
        autopilot.clock.advance(2 * HOUR)
        counts = autopilot.sweep()

        assert (counts["stuck"], counts["held"]) == (0, 1)

    def test_aws_itself_has_an_hour_to_make_a_connection_available(self, autopilot: FakeAutopilot, vpc: Vpc) -> None:
        ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
        autopilot.decide(event(ref))
        autopilot.aws.privatelink.force_state(ref.endpoint_id, "pending")
        autopilot.clock.advance(HOUR - 1)
        assert autopilot.sweep()["stuck"] == 0

        autopilot.clock.advance(1)
        assert autopilot.sweep()["stuck"] == 1

    @pytest.mark.parametrize("action", [Action.ACCEPT, Action.REJECT])
    def test_what_ec2_refuses_again_and_again_is_stuck_and_written_once(
        self, autopilot: FakeAutopilot, vpc: Vpc, action: Action, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
        autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER), action))
        refusal = Refusal("LimitExceeded", "the test says so")
        monkeypatch.setattr(autopilot.services, action.value, lambda _, ids: dict.fromkeys(ids, refusal))
        for _ in range(HOUR // INTERVAL_SECONDS + 1):
            counts = autopilot.sweep()
            autopilot.decide(*autopilot.requests_queue.take())
            autopilot.clock.advance(INTERVAL_SECONDS)

        assert counts["stuck"] == 1
        assert any(f"{ref} of account {CONSUMER}" in text for text in notices(autopilot, "STUCK"))
        assert autopilot.row(ref).version == 1

    def test_what_could_not_be_read_is_not_mended(self, autopilot: FakeAutopilot, vpc: Vpc) -> None:
        service = autopilot.aws.service()
        autopilot.connected(vpc, service)
        autopilot.clock.advance(HOUR)
        autopilot.sweep()
        autopilot.calls.refused[service] = "InternalError"
        with pytest.raises(AwsCallFailed):
            autopilot.sweep()

        assert autopilot.ledger.texts["STUCK for more than an hour"]


class TestRoom:
    def test_no_more_is_enqueued_than_the_queue_has_room_for_and_others_each_time(
        self, autopilot: FakeAutopilot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("autopilot.use_cases.sweep._MOST_WAITING", 10)
        service = autopilot.aws.service()
        refs = {autopilot.aws.endpoint(service, autopilot.aws.new_vpc(CONSUMER)) for _ in range(16)}
        counts = autopilot.sweep()
        assert (len(autopilot.requests_queue.sent), counts["left_out"]) == (10, 6)

        autopilot.sweep()
        assert len(autopilot.requests_queue.sent) == 10

        seen = set()
        for _ in range(12):
            seen |= {wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()}
            autopilot.clock.advance(INTERVAL_SECONDS)
            autopilot.sweep()
        assert seen == {ref.endpoint_id for ref in refs}

    def test_what_the_dns_queue_has_no_room_for_is_counted_too(
        self, autopilot: FakeAutopilot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("autopilot.use_cases.sweep._MOST_WAITING", 1)
        for _ in range(3):
            autopilot.connected(autopilot.aws.new_vpc(CONSUMER))
        counts = autopilot.sweep()

        assert (len(autopilot.dns_queue.sent), counts["left_out"]) == (1, 2)

    def test_an_empty_sweep_asks_no_queue(self, autopilot: FakeAutopilot) -> None:
        autopilot.aws.service()
        autopilot.sweep()

        assert "GetQueueAttributes" not in autopilot.calls.made


class TestConnectionNotifications:
    def notified(self, autopilot: FakeAutopilot) -> frozenset[str]:
        return autopilot.services.notified(NOTIFICATION_TOPIC)

    def test_every_managed_service_has_one_and_only_one(self, autopilot: FakeAutopilot) -> None:
        managed = {autopilot.aws.service(), autopilot.aws.service()}
        autopilot.aws.service({})
        for _ in range(3):
            autopilot.sweep()

        assert self.notified(autopilot) == managed
        assert autopilot.calls.made.count(NOTIFY) == 2

    def test_one_that_somebody_deletes_is_made_again(self, autopilot: FakeAutopilot) -> None:
        service = autopilot.aws.service()
        autopilot.sweep()
        [found] = autopilot.aws.ec2(PROVIDER, "DescribeVpcEndpointConnectionNotifications")["ConnectionNotificationSet"]
        made = [found["ConnectionNotificationId"]]
        autopilot.aws.ec2(PROVIDER, "DeleteVpcEndpointConnectionNotifications", ConnectionNotificationIds=made)
        assert self.notified(autopilot) == frozenset()

        autopilot.sweep()
        assert self.notified(autopilot) == {service}

    def test_another_topics_notification_is_none_of_ours(self, autopilot: FakeAutopilot) -> None:
        service = autopilot.aws.service()
        autopilot.services.notify(service, f"{NOTIFICATION_TOPIC}-of-somebody-else")
        autopilot.sweep()

        assert self.notified(autopilot) == {service}

    def test_observe_mode_makes_none(self) -> None:
        autopilot = FakeAutopilot(mode=Mode.OBSERVE)
        autopilot.aws.service()
        autopilot.sweep()

        assert NOTIFY not in autopilot.calls.made

    def test_a_service_that_aws_refuses_keeps_no_other_from_its_own_and_no_work_from_the_queues(
        self, autopilot: FakeAutopilot, vpc: Vpc
    ) -> None:
        refused, other = autopilot.aws.service(), autopilot.aws.service()
        autopilot.aws.endpoint(other, vpc)
        notify = autopilot.services.notify

        def refusing(service_id: str, topic_arn: str) -> None:
            if service_id == refused:
                raise AwsCallFailed(NOTIFY, service_id, "UnauthorizedOperation", "a policy denies it")
            notify(service_id, topic_arn)

        autopilot.services.notify = refusing  # type: ignore[method-assign]
        with pytest.raises(AwsCallFailed, match=refused):
            autopilot.sweep()

        assert self.notified(autopilot) == {other}
        assert len(autopilot.requests_queue.sent) == 1


class TestAudience:
    def test_topics_that_nobody_hears_are_told_of_once_with_the_command_and_counted(
        self, autopilot: FakeAutopilot
    ) -> None:
        autopilot.audience.deaf = ["arn:aws:sns:eu-central-1:111111111111:alarms"]
        assert [autopilot.sweep()["unheard_topics"] for _ in range(2)] == [1, 1]

        [text] = notices(autopilot, "NOBODY HEARS")
        assert f"--topic-arn {autopilot.audience.deaf[0]}" in text

        autopilot.audience.deaf = []
        autopilot.sweep()
        assert autopilot.ledger.texts["NOBODY HEARS what is told"] == ""

    def test_until_somebody_has_confirmed_nothing_is_told_that_would_be_lost(self, autopilot: FakeAutopilot) -> None:
        autopilot.aws.service({"autopilot": "enabled", "autopilot:zone": "nonsense", "autopilot:records": "x"})
        autopilot.audience.deaf = [STATUS_TOPIC]
        autopilot.sweep()
        assert autopilot.ledger.notices() == {}

        autopilot.audience.deaf = []
        autopilot.sweep()
        assert len(notices(autopilot, "INSTALLED")) == 1
        assert any(subject.startswith("CHECK THE TAGS") for subject in autopilot.ledger.notices())

    def test_while_that_cannot_be_read_nothing_is_said_of_it(self, autopilot: FakeAutopilot) -> None:
        autopilot.audience.deaf = ["arn:aws:sns:eu-central-1:111111111111:alarms"]
        autopilot.sweep()
        autopilot.calls.refused["ListSubscriptionsByTopic"] = "InternalError"
        with pytest.raises(AwsCallFailed, match="ListSubscriptionsByTopic"):
            autopilot.sweep()

        assert autopilot.ledger.texts["NOBODY HEARS what is told"]


def test_the_status_of_a_stuck_connection_is_what_it_was(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    autopilot.clock.advance(2 * HOUR)
    autopilot.sweep()

    assert autopilot.row(ref).status is Status.ACCEPTED


def test_a_notice_that_nobody_can_read_stops_nothing_else_and_is_given_anew(autopilot: FakeAutopilot) -> None:
    service_id = autopilot.aws.service(MANAGED | {"autopilot:zone": "nonsense"})
    autopilot.run()
    autopilot.ledger.unreadable |= {
        ConnectionRef(NOTICE, f"CHECK THE TAGS of {service_id}"),
        ConnectionRef(NOTICE, "X"),
    }
    autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    notices(autopilot, "")
    with pytest.raises(UnreadableRow, match="CHECK THE TAGS"):
        autopilot.sweep()

    assert autopilot.requests_queue.take()
    assert len(notices(autopilot, "CHECK THE TAGS")) == 1
    with pytest.raises(UnreadableRow, match="X"):
        autopilot.sweep()


def test_notices_that_went_lost_are_counted(autopilot: FakeAutopilot) -> None:
    autopilot.aws.service(MANAGED | {"autopilot:zone": "nonsense"})
    autopilot.sweep()
    autopilot.ledger.stream()
    autopilot.clock.advance(HOUR / 2)

    assert autopilot.sweep()["untold"] == 2, "what is wrong with the tags, and what was installed"
    autopilot.report()
    assert autopilot.sweep()["untold"] == 0
