"""Only what Autopilot accepted through an entry that verifiably no longer applies is revoked, under a brake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns, Status
from autopilot.domain.disruption import Brake, MaxDisruptions, OnRevoked
from autopilot.domain.failures import AwsCallFailed, UnreadableRow
from autopilot.domain.mode import Mode
from autopilot.domain.organization import OrganizationalUnit, Owner, Placement
from autopilot.domain.wake_up import Answer, SeenBy, WakeUp
from autopilot.use_cases.findings import Finding
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot, event
from tests.fakes.calls import Crash
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, STRANGER

REJECT = "RejectVpcEndpointConnections"
UNIT = "ou-ab12-11111111"
INTERVAL_SECONDS = 300


@pytest.fixture
def keeping() -> FakeAutopilot:
    return FakeAutopilot(allowed_principals=())


@pytest.fixture
def rejecting() -> FakeAutopilot:
    return FakeAutopilot(allowed_principals=(), on_revoked=OnRevoked.REJECT)


def accepted(
    autopilot: FakeAutopilot, principal: str = CONSUMER, expires_in: timedelta | None = None, service_id: str = ""
) -> ConnectionRef:
    """A connection of the consumer whose names resolve, accepted by an entry."""
    expires_at = autopilot.clock() + expires_in if expires_in else None
    autopilot.allowlist.put(AllowlistEntry(EntryKey(principal), expires_at=expires_at))
    return autopilot.ready(autopilot.aws.new_vpc(CONSUMER), service_id or None)


def sweeps(autopilot: FakeAutopilot, times: int = 1) -> None:
    for _ in range(times):
        autopilot.clock.advance(INTERVAL_SECONDS)
        autopilot.run()


def state(autopilot: FakeAutopilot, ref: ConnectionRef) -> AwsState:
    return next(c.state for c in autopilot.services.connections(ref.service_id) if c.ref == ref)


def mails(autopilot: FakeAutopilot) -> list[str]:
    """The subjects of what people were told since the last time."""
    autopilot.topic.mails.clear()
    autopilot.report()
    return [mail.subject for mail in autopilot.topic.mails]


def test_a_removed_entry_is_reported_and_by_default_nobody_is_cut_off(keeping: FakeAutopilot) -> None:
    ref = accepted(keeping)
    keeping.allowlist.remove(EntryKey(CONSUMER))
    sweeps(keeping, 3)

    row = keeping.row(ref)
    assert (row.status, row.acceptance.value, row.dns.value) == (Status.REVOKED, Acceptance.REVOKED, Dns.PRESENT)
    assert f"the entry {CONSUMER}/* that accepted it no longer decides" in row.acceptance.reason
    assert state(keeping, ref) is AwsState.AVAILABLE
    assert keeping.calls.made.count(REJECT) == 0
    assert len([subject for subject in mails(keeping) if "REVOKED" in subject]) == 1


def test_an_expiry_counts_at_the_next_sweep(keeping: FakeAutopilot) -> None:
    ref = accepted(keeping, expires_in=timedelta(hours=1))
    left = timedelta(hours=1) - timedelta(seconds=SECONDS_TO_AVAILABLE + 40 + 1)
    keeping.clock.advance(left.total_seconds())
    keeping.run()
    assert keeping.row(ref).acceptance.value is Acceptance.ACCEPTED

    keeping.clock.advance(1)
    keeping.run()
    assert keeping.row(ref).acceptance.value is Acceptance.REVOKED


@pytest.mark.parametrize("action", [Action.REJECT, Action.BLOCK])
def test_an_entry_that_beats_the_one_that_accepted_revokes_too(rejecting: FakeAutopilot, action: Action) -> None:
    ref = accepted(rejecting)
    rejecting.allowlist.put(AllowlistEntry(EntryKey(CONSUMER, ref.service_id), action))
    sweeps(rejecting, 2)

    assert state(rejecting, ref) is AwsState.REJECTED


def test_where_it_was_asked_for_the_connection_is_cut_at_the_next_but_one_sweep_and_its_dns_goes(
    rejecting: FakeAutopilot,
) -> None:
    ref = accepted(rejecting)
    rejecting.allowlist.remove(EntryKey(CONSUMER))
    sweeps(rejecting)
    assert state(rejecting, ref) is AwsState.AVAILABLE
    assert rejecting.row(ref).status is Status.REVOKED

    sweeps(rejecting)

    row = rejecting.row(ref)
    assert state(rejecting, ref) is AwsState.REJECTED
    assert (row.status, row.acceptance.decided_by, row.dns.value) == (Status.REVOKED, f"{CONSUMER}/*", Dns.ABSENT)
    sweeps(rejecting, 3)
    assert rejecting.calls.made.count(REJECT) == 1
    assert rejecting.row(ref).version == row.version


def test_an_entry_that_comes_back_in_time_keeps_the_connection(rejecting: FakeAutopilot) -> None:
    ref = accepted(rejecting)
    rejecting.allowlist.remove(EntryKey(CONSUMER))
    sweeps(rejecting)
    rejecting.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
    sweeps(rejecting, 3)

    assert (rejecting.row(ref).status, state(rejecting, ref)) == (Status.READY, AwsState.AVAILABLE)


def test_what_another_entry_accepts_is_not_revoked_and_remembers_that_entry(rejecting: FakeAutopilot) -> None:
    ref = accepted(rejecting)
    version = rejecting.row(ref).version
    rejecting.allowlist.put(AllowlistEntry(EntryKey("*")))
    rejecting.allowlist.remove(EntryKey(CONSUMER))
    sweeps(rejecting, 2)

    row = rejecting.row(ref)
    assert (row.acceptance.value, row.acceptance.decided_by) == (Acceptance.ACCEPTED, f"{CONSUMER}/*")
    assert row.version == version


@pytest.mark.parametrize("on_revoked", OnRevoked)
def test_what_was_not_accepted_by_autopilot_is_never_revoked(on_revoked: OnRevoked) -> None:
    autopilot = FakeAutopilot(allowed_principals=(), on_revoked=on_revoked)
    by_a_person, without_acceptance = (
        autopilot.aws.endpoint(autopilot.aws.service(acceptance=acceptance), autopilot.aws.new_vpc(CONSUMER))
        for acceptance in (True, False)
    )
    autopilot.run()
    autopilot.aws.accept(by_a_person)
    autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER), Action.BLOCK))
    sweeps(autopilot, 3)

    for ref in (by_a_person, without_acceptance):
        assert (autopilot.row(ref).acceptance.value, state(autopilot, ref)) == (Acceptance.ADOPTED, AwsState.AVAILABLE)
    assert REJECT not in autopilot.calls.made


def test_a_person_who_accepts_what_an_entry_had_accepted_makes_it_theirs(rejecting: FakeAutopilot) -> None:
    ref = accepted(rejecting)
    alice = Answer(True, f"arn:aws:iam::{PROVIDER}:user/alice")
    rejecting.decide(WakeUp(ref.service_id, ref.endpoint_id, None, None, SeenBy.EVENT, answer=alice))
    rejecting.allowlist.remove(EntryKey(CONSUMER))
    sweeps(rejecting, 3)

    assert (rejecting.row(ref).acceptance.value, state(rejecting, ref)) == (Acceptance.ADOPTED, AwsState.AVAILABLE)


@pytest.mark.parametrize("placement", [Placement.REFUSED, Placement.NOT_ASKED])
def test_what_organizations_no_longer_tells_is_not_revoked(rejecting: FakeAutopilot, placement: Placement) -> None:
    rejecting.organization.owners[CONSUMER] = Owner(CONSUMER, units=(OrganizationalUnit(UNIT),))
    ref = accepted(rejecting, UNIT)
    rejecting.organization.owners[CONSUMER] = Owner(CONSUMER, placement=placement, reason="it does not tell")
    rejecting.allowlist.remove(EntryKey(UNIT))
    sweeps(rejecting, 3)

    assert (rejecting.row(ref).acceptance.value, state(rejecting, ref)) == (Acceptance.ACCEPTED, AwsState.AVAILABLE)


def test_while_organizations_fails_nothing_is_revoked_and_then_it_is(rejecting: FakeAutopilot) -> None:
    ref = accepted(rejecting)
    rejecting.calls.refused["DescribeAccount"] = "ServiceException"
    rejecting.allowlist.remove(EntryKey(CONSUMER))
    sweeps(rejecting, 3)
    assert rejecting.row(ref).acceptance.value is Acceptance.ACCEPTED

    rejecting.calls.refused.clear()
    sweeps(rejecting, 2)
    assert state(rejecting, ref) is AwsState.REJECTED


def test_who_moved_out_of_the_unit_that_accepted_is_revoked(rejecting: FakeAutopilot) -> None:
    rejecting.organization.owners[CONSUMER] = Owner(CONSUMER, units=(OrganizationalUnit(UNIT),))
    ref = accepted(rejecting, UNIT)
    sweeps(rejecting, 3)
    assert rejecting.row(ref).status is Status.READY

    rejecting.organization.owners[CONSUMER] = Owner(CONSUMER)
    sweeps(rejecting, 2)
    assert state(rejecting, ref) is AwsState.REJECTED


def test_a_list_that_cannot_be_read_revokes_nobody_and_the_sweep_says_that_it_failed(rejecting: FakeAutopilot) -> None:
    ref = accepted(rejecting)
    rejecting.allowlist.remove(EntryKey(CONSUMER))
    rejecting.calls.refused["Scan"] = "ProvisionedThroughputExceededException"
    with pytest.raises(Exception, match="Scan"):
        rejecting.run()

    assert not rejecting.requests_queue.sent
    assert rejecting.row(ref).status is Status.READY


def calls_of_a_disconnecting_run() -> int:
    trial = FakeAutopilot(allowed_principals=(), on_revoked=OnRevoked.REJECT)
    accepted(trial)
    trial.allowlist.remove(EntryKey(CONSUMER))
    sweeps(trial)
    trial.sweep()
    before = len(trial.calls.made)
    trial.decide(*trial.requests_queue.take())
    return len(trial.calls.made) - before


@pytest.mark.parametrize("dies_after", range(1, calls_of_a_disconnecting_run() + 1))
def test_wherever_the_disconnecting_run_dies_the_connection_ends_revoked_and_within_the_brake(
    rejecting: FakeAutopilot, dies_after: int
) -> None:
    ref = accepted(rejecting)
    rejecting.allowlist.remove(EntryKey(CONSUMER))
    sweeps(rejecting)
    rejecting.sweep()
    rejecting.calls.crash_after = dies_after
    with pytest.raises(Crash):
        rejecting.decide(*rejecting.requests_queue.take())
    sweeps(rejecting, 2)

    row, brake = rejecting.row(ref), rejecting.ledger.brake()
    assert (row.acceptance.value, row.status) == (Acceptance.REVOKED, Status.REVOKED)
    assert state(rejecting, ref) is AwsState.REJECTED
    assert brake is not None
    assert brake.taken <= brake.limit


class TestBrake:
    @pytest.fixture
    def autopilot(self) -> FakeAutopilot:
        return FakeAutopilot(
            allowed_principals=(), on_revoked=OnRevoked.REJECT, max_disruptions=MaxDisruptions(2, percent=0)
        )

    def connections(self, autopilot: FakeAutopilot, number: int) -> list[ConnectionRef]:
        service_id = autopilot.aws.service()
        return [accepted(autopilot, service_id=service_id) for _ in range(number)]

    def rejected(self, autopilot: FakeAutopilot, refs: list[ConnectionRef]) -> int:
        return sum(state(autopilot, ref) is AwsState.REJECTED for ref in refs)

    def test_at_its_limit_all_are_disconnected(self, autopilot: FakeAutopilot) -> None:
        refs = self.connections(autopilot, 2)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 2)

        assert self.rejected(autopilot, refs) == 2
        assert not any("STOPPED" in subject for subject in mails(autopilot))

    def test_above_its_limit_none_is_and_a_person_is_told_once(self, autopilot: FakeAutopilot) -> None:
        refs = self.connections(autopilot, 3)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 2)
        told = mails(autopilot)
        sweeps(autopilot, 400)

        assert self.rejected(autopilot, refs) == 0
        assert len([subject for subject in told if "STOPPED" in subject]) == 1
        assert not any("STOPPED" in subject for subject in mails(autopilot))

    def test_what_a_person_allows_is_done_and_no_more_is_allowed_afterwards(self, autopilot: FakeAutopilot) -> None:
        refs = self.connections(autopilot, 3)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 2)
        autopilot.ledger.allow_disruptions(3)
        sweeps(autopilot, 2)

        assert self.rejected(autopilot, refs) == 3
        brake = autopilot.ledger.brake()
        assert brake is not None
        assert brake.allowed == 0

    def test_entries_that_come_back_let_it_go(self, autopilot: FakeAutopilot) -> None:
        refs = self.connections(autopilot, 3)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 2)
        autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER)))
        sweeps(autopilot, 2)

        assert self.rejected(autopilot, refs) == 0
        assert {autopilot.row(ref).status for ref in refs} == {Status.READY}
        assert autopilot.ledger.texts["STOPPED before disconnecting"] == ""

    def test_its_percentage_is_of_those_that_stand(self, autopilot: FakeAutopilot) -> None:
        autopilot.max_disruptions = MaxDisruptions(0, percent=10)
        refs = self.connections(autopilot, 1)
        for _ in range(9):
            autopilot.aws.endpoint(refs[0].service_id, autopilot.aws.new_vpc(STRANGER))
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 2)

        assert self.rejected(autopilot, refs) == 0
        assert any("STOPPED" in subject for subject in mails(autopilot))

    def test_connections_and_names_count_together(self, autopilot: FakeAutopilot) -> None:
        cut, *renamed = (autopilot.row(ref) for ref in self.connections(autopilot, 3))
        finding = Finding(autopilot.services.all()[0], standing=3, revoked=[cut], leaving=renamed)

        assert autopilot.braking([finding])
        assert (finding.to_decide, finding.to_converge) == ([], [])

    def test_where_a_person_wrote_meanwhile_nothing_is_disrupted_before_that_is_read(
        self, autopilot: FakeAutopilot
    ) -> None:
        revoked = [autopilot.row(ref) for ref in self.connections(autopilot, 2)]
        finding = Finding(autopilot.services.all()[0], standing=2, revoked=revoked)
        autopilot.calls.meanwhile = (1, lambda: autopilot.ledger.allow_disruptions(1))
        autopilot.braking([finding])
        assert finding.to_decide == []

        autopilot.braking([finding])
        assert len(finding.to_decide) == 2

    def test_a_day_sees_no_more_than_its_limit_however_slowly_they_come(self, autopilot: FakeAutopilot) -> None:
        services = [autopilot.aws.service() for _ in range(4)]
        for service_id in services:
            autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER, service_id)))
        refs = [autopilot.ready(autopilot.aws.new_vpc(CONSUMER), service_id) for service_id in services]
        for service_id in services:
            autopilot.allowlist.remove(EntryKey(CONSUMER, service_id))
            sweeps(autopilot, 3)
        assert self.rejected(autopilot, refs) == 2

        autopilot.clock.advance(25 * 60 * 60)
        sweeps(autopilot, 2)
        assert self.rejected(autopilot, refs) == 4

    def test_what_cannot_be_judged_without_organizations_keeps_it_on_for_nobody_else(
        self, autopilot: FakeAutopilot
    ) -> None:
        service_id = autopilot.aws.service()
        autopilot.organization.owners[CONSUMER] = Owner(CONSUMER, units=(OrganizationalUnit(UNIT),))
        kept = [accepted(autopilot, UNIT, service_id=service_id) for _ in range(3)]
        autopilot.allowlist.remove(EntryKey(UNIT))
        sweeps(autopilot)
        autopilot.asks_organizations = False
        ref = accepted(autopilot, service_id=service_id)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 3)

        assert self.rejected(autopilot, [ref]) == 1
        assert {(autopilot.row(one).status, state(autopilot, one)) for one in kept} == {
            (Status.REVOKED, AwsState.AVAILABLE)
        }
        assert not any("STOPPED" in subject for subject in mails(autopilot))

    def test_it_holds_whoever_asks_to_disconnect(self, autopilot: FakeAutopilot) -> None:
        refs = self.connections(autopilot, 3)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 2)
        autopilot.decide(*(event(ref, seen_by=SeenBy.SWEEP) for ref in refs))

        assert self.rejected(autopilot, refs) == 0

    def test_of_two_wake_ups_in_a_batch_the_one_that_a_sweep_counted_disconnects(
        self, autopilot: FakeAutopilot
    ) -> None:
        [ref] = self.connections(autopilot, 1)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot)
        autopilot.sweep()
        [counted] = autopilot.requests_queue.take()
        autopilot.decide(counted, event(ref, seen_by=SeenBy.SWEEP))

        assert self.rejected(autopilot, [ref]) == 1

    def test_a_wake_up_that_no_sweep_counted_disconnects_nobody(self, autopilot: FakeAutopilot) -> None:
        autopilot.ledger.record_brake(None, Brake({autopilot.clock(): 1}, limit=5))
        refs = self.connections(autopilot, 3)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        for _ in range(2):
            autopilot.follow_allowlist({EntryKey(UNIT)})
            autopilot.decide(*autopilot.requests_queue.take())

        assert {autopilot.row(ref).acceptance.value for ref in refs} == {Acceptance.REVOKED}
        assert self.rejected(autopilot, refs) == 0

    def test_one_that_nobody_can_read_stops_nothing_else(
        self, autopilot: FakeAutopilot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreadable() -> Brake:
            raise UnreadableRow(ConnectionRef("brake", "disruptions"), ValueError("many"))

        refs = self.connections(autopilot, 2)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 1)
        monkeypatch.setattr(autopilot.ledger, "brake", unreadable)
        new = autopilot.aws.endpoint(refs[0].service_id, autopilot.aws.new_vpc(CONSUMER))
        with pytest.raises(UnreadableRow):
            autopilot.sweep()

        assert [wake_up.endpoint_id for wake_up in autopilot.requests_queue.take()] == [new.endpoint_id]
        assert self.rejected(autopilot, refs) == 0

    def test_a_sweep_that_could_not_read_the_list_keeps_what_was_told_and_what_a_person_allowed(
        self, autopilot: FakeAutopilot
    ) -> None:
        refs = self.connections(autopilot, 3)
        autopilot.allowlist.remove(EntryKey(CONSUMER))
        sweeps(autopilot, 2)
        mails(autopilot)
        autopilot.ledger.allow_disruptions(3)
        autopilot.calls.refused["Scan"] = "ProvisionedThroughputExceededException"
        with pytest.raises(AwsCallFailed):
            autopilot.run()
        autopilot.calls.refused.clear()
        assert mails(autopilot) == []
        assert autopilot.ledger.texts["STOPPED before disconnecting"]

        sweeps(autopilot, 2)
        assert self.rejected(autopilot, refs) == 3


@pytest.mark.parametrize("on_revoked", OnRevoked)
def test_observe_says_what_would_be_revoked_and_enforce_then_does_it(on_revoked: OnRevoked) -> None:
    autopilot = FakeAutopilot(allowed_principals=(), on_revoked=on_revoked)
    ref = accepted(autopilot)
    autopilot.mode = Mode.OBSERVE
    autopilot.allowlist.remove(EntryKey(CONSUMER))
    sweeps(autopilot, 3)

    assert (autopilot.row(ref).acceptance.value, state(autopilot, ref)) == (Acceptance.ACCEPTED, AwsState.AVAILABLE)
    assert autopilot.row(ref).would.startswith("would be revoked: the entry")

    autopilot.mode = Mode.ENFORCE
    sweeps(autopilot, 2)
    assert autopilot.row(ref).status is Status.REVOKED
    assert (
        state(autopilot, ref) is {OnRevoked.KEEP: AwsState.AVAILABLE, OnRevoked.REJECT: AwsState.REJECTED}[on_revoked]
    )


def test_somebody_elses_connection_is_not_touched_by_anybodys_entry(rejecting: FakeAutopilot) -> None:
    ref = accepted(rejecting)
    rejecting.allowlist.put(AllowlistEntry(EntryKey(STRANGER), Action.BLOCK))
    sweeps(rejecting, 2)

    assert rejecting.row(ref).status is Status.READY
    assert rejecting.row(ref).connection.region == REGION
