"""What the sweep tells people once, and again only when it changes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from autopilot.domain.allowlist import Action, AllowlistEntry, BadEntry, EntryKey
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns
from autopilot.domain.mode import Mode
from autopilot.domain.report import Notice
from autopilot.domain.wake_up import SeenBy
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, SECONDS_TO_INSYNC, FakeAutopilot
from tests.fakes.landscape import CONSUMER, MANAGED, STRANGER, ZONE, Vpc

INTERVAL_SECONDS = 300


def told(autopilot: FakeAutopilot, sweeps: int = 2) -> dict[str, str]:
    """The notices that were told meanwhile. A notice told twice fails the test."""
    notices: list[Notice] = []
    for _ in range(sweeps):
        autopilot.run()
        batch = autopilot.ledger.stream()
        autopilot.report_status(*batch)
        notices += batch[1]
        autopilot.clock.advance(INTERVAL_SECONDS)
    assert len({(notice.subject, notice.text) for notice in notices}) == len(notices)
    return {notice.subject: notice.text for notice in notices}


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

    assert told in autopilot.ledger.texts["INSTALLED"]


@pytest.mark.parametrize("operation", ["DescribeTrails", "GetTrailStatus"])
def test_the_inventory_is_told_where_cloudtrail_refuses_for_ever(autopilot: FakeAutopilot, operation: str) -> None:
    autopilot.calls.refused[operation] = "AccessDeniedException"
    autopilot.sweep()

    assert "CloudTrail does not say" in autopilot.ledger.texts["INSTALLED"]


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
    assert autopilot.ledger.texts[subject] == ""
    autopilot.aws.tag(service_id, autopilot_zone="nonsense")
    assert told() == [first]


def test_a_bad_entry_is_told_once_with_its_key_and_reason_and_stops_no_other(autopilot: FakeAutopilot) -> None:
    told(autopilot)
    autopilot.allowlist.put_bad(BadEntry("11112222333/*", "expected an account of 12 digits"))
    autopilot.allowlist.put_bad(BadEntry(f"{STRANGER}/*", "action is the text 'blok'"))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))

    assert {subject: text for subject, text in told(autopilot, 3).items() if "MANAGED" not in subject} == {
        "CHECK THE ALLOWLIST ENTRY 11112222333/*": "expected an account of 12 digits",
        f"CHECK THE ALLOWLIST ENTRY {STRANGER}/*": "action is the text 'blok'",
    }
    assert autopilot.row(ref).acceptance.value is Acceptance.ACCEPTED


def test_a_mended_entry_is_forgotten_and_told_again_when_it_breaks_again(autopilot: FakeAutopilot) -> None:
    bad, key = BadEntry(f"{STRANGER}/*", "action is the text 'blok'"), EntryKey(STRANGER)
    subject = f"CHECK THE ALLOWLIST ENTRY {bad.key}"
    autopilot.allowlist.put_bad(bad)
    assert subject in told(autopilot)
    autopilot.allowlist.put(AllowlistEntry(key, Action.BLOCK))
    assert told(autopilot) == {}
    assert autopilot.ledger.texts[subject] == ""
    autopilot.allowlist.put_bad(bad)
    assert told(autopilot) == {subject: bad.problem}


def test_while_the_list_cannot_be_read_no_entry_counts_as_mended(autopilot: FakeAutopilot) -> None:
    autopilot.allowlist.put_bad(BadEntry(f"{STRANGER}/*", "action is the text 'blok'"))
    told(autopilot)
    autopilot.calls.refused["Scan"] = "ProvisionedThroughputExceededException"
    with pytest.raises(Exception, match="Scan"):
        autopilot.sweep()
    autopilot.calls.refused.clear()

    assert told(autopilot) == {}


def test_very_many_bad_entries_are_told_by_and_by(autopilot: FakeAutopilot) -> None:
    for number in range(60):
        autopilot.allowlist.put_bad(BadEntry(f"{number:03}/*", "expected an account of 12 digits"))
    first = told(autopilot)

    assert sum("ENTRY" in subject for subject in first) == 50
    assert "CHECK THE ALLOWLIST" in first


def test_the_key_of_a_bad_entry_may_be_longer_than_the_ledgers_own(autopilot: FakeAutopilot) -> None:
    autopilot.allowlist.put_bad(BadEntry("x" * 5000, "expected an account of 12 digits"))

    assert max(len(subject) for subject in told(autopilot)) == 200


class TestBrownfield:
    """Connections that stood before Autopilot came."""

    def standing(
        self, autopilot: FakeAutopilot, number: int, service_id: str | None = None, vpc: Vpc | None = None
    ) -> list[ConnectionRef]:
        service_id = service_id or autopilot.aws.service()
        refs = [autopilot.aws.endpoint(service_id, vpc or autopilot.aws.new_vpc(CONSUMER)) for _ in range(number)]
        for ref in refs:
            autopilot.aws.accept(ref)
        autopilot.clock.advance(SECONDS_TO_AVAILABLE)
        return refs

    def settle(self, autopilot: FakeAutopilot) -> None:
        """The rounds that the queues would do by themselves."""
        for wake_up in autopilot.dns_queue.take():
            autopilot.converge(wake_up)
        autopilot.clock.advance(SECONDS_TO_INSYNC)
        for wake_up in autopilot.dns_queue.take():
            autopilot.converge(wake_up)

    def sweeps(self, autopilot: FakeAutopilot, number: int) -> None:
        """Each with what the queues and the stream do until the next one."""
        for _ in range(number):
            autopilot.sweep()
            autopilot.decide(*autopilot.requests_queue.take())
            self.settle(autopilot)
            autopilot.report()
            autopilot.clock.advance(INTERVAL_SECONDS)

    @pytest.mark.parametrize("listed", [True, False])
    def test_a_hundred_of_them_cause_no_revocation_no_disconnect_and_one_mail(self, listed: bool) -> None:
        autopilot = FakeAutopilot(allowed_principals=(CONSUMER,) if listed else ())
        refs = self.standing(autopilot, 100)
        self.sweeps(autopilot, 5)

        assert [mail.subject for mail in autopilot.topic.mails] == ["[Autopilot] INSTALLED"]
        made = Counter(autopilot.calls.made)
        assert not made["RejectVpcEndpointConnections"] + made["AcceptVpcEndpointConnections"]
        assert {autopilot.row(ref).acceptance.value for ref in refs} == {Acceptance.ADOPTED}
        assert {autopilot.row(ref).dns.value for ref in refs} == {Dns.PRESENT}
        assert len(autopilot.bus.events) >= 100
        assert {c.state for c in autopilot.services.connections(refs[0].service_id)} == {AwsState.AVAILABLE}

    def test_a_service_that_is_handed_over_later_has_a_summary_of_its_own(self, autopilot: FakeAutopilot) -> None:
        told(autopilot)
        autopilot.report()
        autopilot.topic.mails.clear()
        service_id = autopilot.aws.service()
        self.standing(autopilot, 7, service_id)
        self.sweeps(autopilot, 4)

        assert [mail.subject for mail in autopilot.topic.mails] == [f"[Autopilot] NOW MANAGED {service_id}"]

    def test_what_happens_to_them_afterwards_is_told_as_of_all_others(self, autopilot: FakeAutopilot) -> None:
        (ref,) = self.standing(autopilot, 1)
        for _ in range(3):
            autopilot.sweep()
            autopilot.decide(*autopilot.requests_queue.take())
            self.settle(autopilot)
        autopilot.report()
        autopilot.topic.mails.clear()
        autopilot.aws.delete(ref)
        autopilot.run()
        autopilot.report()

        assert [mail.subject.split()[1] for mail in autopilot.topic.mails] == ["RETIRED"]
        assert autopilot.row(ref).seen_by == SeenBy.INSTALLATION

    def test_what_was_still_under_way_when_they_were_summed_up_is_told_by_itself(
        self, autopilot: FakeAutopilot
    ) -> None:
        service_id, vpc = autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER)
        (ref,) = self.standing(autopilot, 1, service_id, vpc)
        autopilot.aws.zone(vpc, ZONE)
        for _ in range(5):
            autopilot.sweep()
            autopilot.decide(*autopilot.requests_queue.take())
            autopilot.dns_queue.take()
            autopilot.report()
            autopilot.clock.advance(INTERVAL_SECONDS)
        assert [mail.subject for mail in autopilot.topic.mails] == ["[Autopilot] INSTALLED"]

        autopilot.run()
        autopilot.report()
        assert [mail.subject.split()[1] for mail in autopilot.topic.mails] == ["INSTALLED", "DNS-BLOCKED"]
        assert autopilot.row(ref).seen_by == SeenBy.INSTALLATION

    def test_as_long_as_others_are_found_one_summary_waits_for_them(
        self, autopilot: FakeAutopilot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("autopilot.use_cases.sweep._MOST_WAITING", 2)
        self.standing(autopilot, 20)
        self.sweeps(autopilot, 12)

        assert [mail.subject for mail in autopilot.topic.mails] == ["[Autopilot] INSTALLED"]
        assert "20 connections stood before" in autopilot.topic.mails[0].text

    def test_the_first_mail_does_not_wait_for_ever(self, autopilot: FakeAutopilot) -> None:
        self.standing(autopilot, 1)
        first = []
        for _ in range(6):
            autopilot.sweep()
            autopilot.requests_queue.take()
            first.append("INSTALLED" in autopilot.ledger.notices())
            autopilot.clock.advance(INTERVAL_SECONDS)

        assert first == [False, False, False, True, True, True]

    def test_what_was_found_too_late_for_the_summary_is_told_by_itself(self, autopilot: FakeAutopilot) -> None:
        vpc = autopilot.aws.new_vpc(CONSUMER)
        (ref,) = self.standing(autopilot, 1, vpc=vpc)
        autopilot.aws.zone(vpc, ZONE)
        late = []
        for _ in range(4):
            autopilot.sweep()
            late += autopilot.requests_queue.take()
            autopilot.clock.advance(INTERVAL_SECONDS)
        autopilot.decide(*late)
        self.sweeps(autopilot, 1)

        subjects = sorted(mail.subject.split()[1] for mail in autopilot.topic.mails)
        assert subjects == ["ACCEPTED", "DNS-BLOCKED", "INSTALLED"]
        assert autopilot.row(ref).seen_by == SeenBy.SWEEP

    def test_a_summary_waits_for_a_day_at_most_where_others_come_all_the_time(self, autopilot: FakeAutopilot) -> None:
        began, service_id, vpc = autopilot.clock(), autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER)
        while "INSTALLED" not in autopilot.ledger.notices():
            self.standing(autopilot, 1, service_id, vpc)
            autopilot.sweep()
            autopilot.decide(*autopilot.requests_queue.take())
            autopilot.dns_queue.take()
            autopilot.clock.advance(INTERVAL_SECONDS)

        assert timedelta(hours=24) <= autopilot.clock() - began < timedelta(hours=25)

    def test_a_request_that_waits_is_no_part_of_it(self, autopilot: FakeAutopilot) -> None:
        ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
        autopilot.run()
        autopilot.report()

        assert autopilot.row(ref).seen_by == SeenBy.SWEEP
        assert sorted(mail.subject.split()[1] for mail in autopilot.topic.mails) == ["HELD", "INSTALLED"]

    def test_observe_tells_what_would_be_done_in_one_mail_and_enforce_what_was_in_another(self) -> None:
        autopilot = FakeAutopilot(mode=Mode.OBSERVE)
        self.standing(autopilot, 20)
        for mode in (Mode.OBSERVE, Mode.ENFORCE):
            autopilot.mode = mode
            for _ in range(4):
                autopilot.run()
                self.settle(autopilot)
                autopilot.report()
                autopilot.clock.advance(INTERVAL_SECONDS)

        observed, done = autopilot.topic.mails
        assert (observed.subject, done.subject) == ("[Autopilot] INSTALLED TO OBSERVE", "[Autopilot] INSTALLED")
        assert observed.text.count("would write to a new zone") == 20
        assert "20 ready" in done.text
