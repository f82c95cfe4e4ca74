from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autopilot.aws.ledger import LedgerTable
from autopilot.aws.ledger_items import BRAKE, NOTICE, key_of, read_brake, serialize
from autopilot.domain.connection import (
    Acceptance,
    AcceptanceFacet,
    AwsState,
    Connection,
    ConnectionRef,
    Dns,
    DnsFacet,
    LedgerRow,
    Moment,
    NetworkInterface,
)
from autopilot.domain.disruption import Brake, MaxDisruptions, OnRevoked, hour_of
from autopilot.domain.failures import LedgerChangedMeanwhile, UnreadableRow
from autopilot.domain.mode import Mode
from autopilot.domain.report import GivenNotice
from autopilot.domain.service import EndpointService
from autopilot.use_cases.braking import Braking
from autopilot.use_cases.findings import Finding
from autopilot.use_cases.ports import Ledger
from tests.adapters import real
from tests.fakes.clock import Clock
from tests.fakes.landscape import CONSUMER, REGION, Landscape
from tests.fakes.ledger import FakeLedger

SERVICE, OTHER_SERVICE = "vpce-svc-0fa57c0de5e41ce01", "vpce-svc-0fa57c0de5e41ce02"
REF = ConnectionRef(SERVICE, "vpce-0e1f2a3b4c5d6e701")
CONNECTION = Connection(REF, CONSUMER, REGION, AwsState.PENDING_ACCEPTANCE, datetime(2027, 1, 15, 7, 59, tzinfo=UTC))
UNSEEN = LedgerRow(CONNECTION, "event", "payments")
KEPT = timedelta(days=90)
HOUR = datetime(2027, 1, 15, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Subject:
    """A ledger, and what no port shows: when a row expires."""

    ledger: Ledger
    dynamodb: Any = None

    def expiry(self, ref: ConnectionRef) -> datetime | None:
        if isinstance(self.ledger, FakeLedger):
            return self.ledger.expiries.get(ref)
        key = {"service_id": {"S": ref.service_id}, "endpoint_id": {"S": ref.endpoint_id}}
        item = self.dynamodb.get_item(TableName=real.LEDGER, Key=key)["Item"]
        return datetime.fromtimestamp(int(item["delete_at"]["N"]), UTC) if "delete_at" in item else None

    def garble(self, ref: ConnectionRef) -> None:
        """As somebody does who edits the row by hand, or a later version with words of its own."""
        if isinstance(self.ledger, FakeLedger):
            self.ledger.unreadable.add(ref)
            return
        self._edit(ref, "SET dns.#name = :later", "value")

    def garble_notice(self, subject: str) -> None:
        ref = ConnectionRef(NOTICE, subject)
        if isinstance(self.ledger, FakeLedger):
            self.ledger.unreadable.add(ref)
            return
        self._edit(ref, "SET #name = :later", "written_at")

    def _edit(self, ref: ConnectionRef, update: str, name: str) -> None:
        self.dynamodb.update_item(
            TableName=real.LEDGER,
            Key=key_of(ref),
            UpdateExpression=update,
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":later": {"S": "of-a-later-version"}},
        )

    def forget_revisions(self, ref: ConnectionRef) -> None:
        """As a row is that was written before facets had revisions."""
        if isinstance(self.ledger, FakeLedger):
            self.ledger.forget_revisions(ref)
            return
        self.dynamodb.update_item(
            TableName=real.LEDGER, Key=key_of(ref), UpdateExpression="REMOVE acceptance_revision, dns_revision"
        )

    def allow_disruptions(self, allowed: int) -> None:
        """As a person does."""
        if isinstance(self.ledger, FakeLedger):
            self.ledger.allow_disruptions(allowed)
            return
        self.dynamodb.update_item(
            TableName=real.LEDGER,
            Key={"service_id": {"S": "brake"}, "endpoint_id": {"S": "disruptions"}},
            UpdateExpression="SET allowed = :allowed REMOVE allowed_at",
            ExpressionAttributeValues={":allowed": {"N": str(allowed)}},
        )

    def keep_brake_of_before(self, since: datetime, taken: int) -> None:
        """As it was before disruptions were counted by the hour."""
        if isinstance(self.ledger, FakeLedger):
            self.ledger.record_brake(None, Brake({hour_of(since): taken}, limit=5))
            return
        fields = {"since": since.isoformat(), "limit": 5, "taken": taken, "allowed": 0}
        item = key_of(BRAKE) | {name: serialize(value) for name, value in fields.items()}
        self.dynamodb.put_item(TableName=real.LEDGER, Item=item)


@pytest.fixture
def subject(is_real: bool, landscape: Landscape, clock: Clock) -> Subject:
    if not is_real:
        return Subject(FakeLedger(clock=clock))
    dynamodb = real.ledger_table()
    return Subject(LedgerTable(dynamodb, real.LEDGER, clock), dynamodb)


@pytest.fixture
def ledger(subject: Subject) -> Ledger:
    return subject.ledger


def held(clock: Clock, reason: str = "held: no entry") -> AcceptanceFacet:
    return AcceptanceFacet().became(Acceptance.HELD, clock(), reason=reason)


def absent(clock: Clock) -> DnsFacet:
    return DnsFacet().became(Dns.ABSENT, clock(), reason="the endpoint is deleted")


def test_a_row_reads_back_as_it_was_written(ledger: Ledger, clock: Clock) -> None:
    acceptance = AcceptanceFacet().became(
        Acceptance.ACCEPTED,
        clock(),
        reason="accepted: “Zürich”",
        decided_by=f"{CONSUMER}/*",
        answered_by=f"arn:aws:iam::{CONSUMER}:user/alice",
        refusal="EC2 refused it",
        owner_name="team-a",
        owner_path="Workloads/Prod",
    )
    dns = DnsFacet().became(
        Dns.WAITING,
        clock(),
        vpc_id="vpc-0a1b2c3d4e5f60718",
        zones=("payments.example.com",),
        records=(("*.payments.example.com", "vpce-0e1f2a3b4c5d6e701-abcd1234.example"),),
        change_ids=("C0123456789",),
        interfaces=(NetworkInterface("eni-0a1b2c3d4e5f60718", "10.0.0.10", "euc1-az2"),),
        names=(("*.payments.example.com", "payments.example.com"),),
        leaving=(Moment(clock(), "api.payments.example.com"),),
        also_vpcs=(f"{CONSUMER}/eu-central-1/vpc-0123456789abcdef0",),
        letting_go=(f"{CONSUMER}/eu-central-1/vpc-0123456789abcdef0",),
        unserved=(f"{CONSUMER}/eu-central-1/vpc-0123456789abcdef1 is not served: it is gone",),
        checks=("the endpoint is in 1 of 3 zones",),
        checked_at=clock(),
        regional_name="vpce-0e1f2a3b4c5d6e701-abcd1234.example",
        regional_zone_id="Z273ZU8SZ5RJPC",
        is_native=True,
        declared="0123456789ab",
    )
    written = ledger.record_dns(ledger.record_acceptance(UNSEEN, acceptance), dns.would_become("would do more"))

    assert ledger.rows([REF]) == {REF: written}
    expected = replace(UNSEEN, acceptance=acceptance, dns=dns.would_become("would do more"), version=2)
    assert written == replace(expected, acceptance_revision=1, dns_revision=1, written_at=clock())


def test_the_rows_of_an_account_are_found_by_their_vpc_too(ledger: Ledger, clock: Clock) -> None:
    here, there = (ConnectionRef(REF.service_id, f"vpce-0e1f2a3b4c5d6e70{number}") for number in (2, 3))
    for ref, vpc_id in ((here, "vpc-0a1b2c3d4e5f60718"), (there, "vpc-0a1b2c3d4e5f60719")):
        row = ledger.record_acceptance(replace(UNSEEN, connection=replace(CONNECTION, ref=ref)), held(clock))
        ledger.record_dns(row, DnsFacet().became(Dns.BLOCKED, clock(), vpc_id=vpc_id))
    ledger.record_acceptance(UNSEEN, held(clock))
    elsewhere = replace(CONNECTION, ref=ConnectionRef(REF.service_id, "vpce-0e1f2a3b4c5d6e704"), owner="999999999999")
    ledger.record_acceptance(replace(UNSEEN, connection=elsewhere), held(clock))

    assert {row.ref for row in ledger.rows_in(CONSUMER)} == {REF, here, there}
    assert [row.ref for row in ledger.rows_in(CONSUMER, "vpc-0a1b2c3d4e5f60718")] == [here]
    assert list(ledger.rows_in("888888888888")) == []


def test_a_connection_without_its_time_of_creation_reads_back(ledger: Ledger, clock: Clock) -> None:
    timeless = replace(UNSEEN, connection=replace(CONNECTION, created_at=None))

    assert ledger.rows([REF]) == {}
    assert ledger.record_acceptance(timeless, held(clock)) == ledger.rows([REF])[REF]


def test_of_two_runs_that_never_saw_the_connection_the_second_must_look_again(ledger: Ledger, clock: Clock) -> None:
    ledger.record_acceptance(UNSEEN, held(clock, "first"))

    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_acceptance(UNSEEN, held(clock, "second"))

    assert ledger.rows([REF])[REF].acceptance.reason == "first"


def test_of_two_runs_of_one_writer_the_second_must_look_again(ledger: Ledger, clock: Clock) -> None:
    read = ledger.record_acceptance(UNSEEN, held(clock))
    accepting = read.acceptance.became(Acceptance.ACCEPTING, clock(), reason="accepted")
    ledger.record_acceptance(read, accepting)
    ledger.record_dns(read, DnsFacet().became(Dns.WAITING, clock()))

    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_acceptance(read, read.acceptance.became(Acceptance.REJECTED, clock(), reason="too late"))
    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_dns(read, absent(clock))

    row = ledger.rows([REF])[REF]
    assert (row.acceptance, row.dns.value, row.version) == (accepting, Dns.WAITING, 3)


def test_a_write_over_a_newer_one_of_the_same_value_is_refused_too(ledger: Ledger, clock: Clock) -> None:
    read = ledger.record_acceptance(UNSEEN, held(clock))
    read = ledger.record_dns(read, DnsFacet().became(Dns.PRESENT, clock()))
    newer = ledger.record_dns(read, replace(read.dns, also_vpcs=("vpc-0123456789abcdef0",)))
    newer = ledger.record_acceptance(newer, held(clock, "held: for another reason"))

    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_dns(read, read.dns)
    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_acceptance(read, read.acceptance)

    assert ledger.rows([REF]) == {REF: newer}
    assert ledger.record_dns(newer, read.dns).dns_revision == 3


@pytest.mark.parametrize("is_written", [False, True])
def test_a_row_from_before_facets_had_revisions_is_written_once_by_its_value(
    subject: Subject, clock: Clock, is_written: bool
) -> None:
    ledger = subject.ledger
    read = ledger.record_acceptance(UNSEEN, held(clock))
    if is_written:
        ledger.record_dns(read, DnsFacet().became(Dns.PRESENT, clock()))
    subject.forget_revisions(REF)
    read = ledger.rows([REF])[REF]
    assert (read.acceptance_revision, read.dns_revision) == (0, 0)

    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_dns(replace(read, dns=absent(clock)), read.dns)
    assert ledger.record_dns(read, read.dns).dns_revision == 1
    assert ledger.record_acceptance(read, read.acceptance).acceptance_revision == 1

    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_dns(read, read.dns)
    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_acceptance(read, read.acceptance)


def test_the_two_writers_never_stand_in_each_others_way(ledger: Ledger, clock: Clock) -> None:
    read = ledger.record_acceptance(UNSEEN, held(clock))
    accepted = read.acceptance.became(Acceptance.ACCEPTED, clock(), reason="accepted")
    present = read.dns.became(Dns.PRESENT, clock())

    ledger.record_dns(read, present)
    row = ledger.record_acceptance(read, accepted)

    assert (row.acceptance, row.dns, row.version) == (accepted, present, 3)


def test_a_write_brings_the_state_of_now_and_keeps_who_saw_it_first(ledger: Ledger, clock: Clock) -> None:
    read = ledger.record_acceptance(UNSEEN, held(clock))
    ledger.record_told(REF, "held")
    available = replace(read, connection=replace(CONNECTION, state=AwsState.AVAILABLE), seen_by="sweep")

    row = ledger.record_dns(replace(available, service_title="renamed"), DnsFacet())

    assert (row.connection.state, row.service_title) == (AwsState.AVAILABLE, "renamed")
    assert (row.seen_by, row.told) == ("event", "held")


def test_rows_are_found_by_the_hundreds_and_unknown_ones_left_out(ledger: Ledger, clock: Clock) -> None:
    refs = [ConnectionRef(SERVICE, f"vpce-{number:017x}") for number in range(120)]
    for ref in refs[::2]:
        ledger.record_acceptance(replace(UNSEEN, connection=replace(CONNECTION, ref=ref)), held(clock))

    assert ledger.rows(refs).keys() == set(refs[::2])
    assert ledger.rows([]) == {}


def test_all_rows_of_a_service_are_read_page_by_page(ledger: Ledger, clock: Clock) -> None:
    refs = [ConnectionRef(SERVICE, f"vpce-{number:017x}") for number in range(4)]
    for ref in [*refs, ConnectionRef(OTHER_SERVICE, refs[0].endpoint_id)]:
        long = held(clock, "x" * 300_000)
        ledger.record_acceptance(replace(UNSEEN, connection=replace(CONNECTION, ref=ref)), long)

    assert [row.ref for row in ledger.rows_of(SERVICE)] == refs


def rows_of(ledger: Ledger) -> list[LedgerRow]:
    """Those of the service that can be read."""
    return [row for row in ledger.rows_of(SERVICE) if isinstance(row, LedgerRow)]


def test_a_row_that_nobody_can_read_is_named_and_hides_no_other(subject: Subject, clock: Clock) -> None:
    refs = [ConnectionRef(SERVICE, f"vpce-{number:017x}") for number in range(3)]
    for ref in refs:
        subject.ledger.record_acceptance(replace(UNSEEN, connection=replace(CONNECTION, ref=ref)), held(clock))
    subject.garble(refs[1])

    first, garbled, last = subject.ledger.rows_of(SERVICE)
    assert [getattr(row, "ref", None) for row in (first, garbled, last)] == refs
    assert isinstance(garbled, UnreadableRow)
    assert str(garbled).startswith(f"the ledger's row of {refs[1]} cannot be read (ValueError: ")
    assert subject.ledger.rows(refs[::2]).keys() == set(refs[::2])
    assert {row.ref for row in subject.ledger.rows_in(CONSUMER)} == set(refs[::2])
    with pytest.raises(UnreadableRow, match="Mend it, or delete it"):
        subject.ledger.rows(refs)


def test_a_connection_is_found_by_its_endpoint(ledger: Ledger, clock: Clock) -> None:
    ledger.record_acceptance(UNSEEN, held(clock))

    assert ledger.find(REF.endpoint_id) == REF
    assert ledger.find("vpce-0e1f2a3b4c5d6e702") is None


def test_only_a_row_whose_dns_is_gone_expires(subject: Subject, clock: Clock) -> None:
    ledger = subject.ledger
    row = ledger.record_acceptance(UNSEEN, held(clock))
    assert subject.expiry(REF) is None

    row = ledger.record_dns(row, absent(clock))
    assert subject.expiry(REF) == clock() + KEPT

    row = ledger.record_acceptance(row, row.acceptance.became(Acceptance.REJECTED, clock(), reason="late news"))
    assert subject.expiry(REF) == clock() + KEPT

    ledger.record_dns(row, row.dns.became(Dns.WAITING, clock()))
    assert subject.expiry(REF) is None


def test_what_was_reported_is_remembered_and_nothing_is_made_up(ledger: Ledger, clock: Clock) -> None:
    ledger.record_acceptance(UNSEEN, held(clock))
    ledger.record_told(REF, "held")
    ledger.record_told(ConnectionRef(SERVICE, "vpce-0e1f2a3b4c5d6e702"), "ready")

    assert [(row.ref, row.version, row.told) for row in rows_of(ledger)] == [(REF, 1, "held")]


def test_a_row_remembers_when_it_was_written_and_marks_do_not_count(ledger: Ledger, clock: Clock) -> None:
    ledger.record_acceptance(UNSEEN, held(clock))
    written_at = clock()
    clock.advance(60)
    ledger.record_told(REF, "held")
    ledger.record_repeat(REF, 1)
    ledger.record_reminded(REF, 1)

    (row,) = rows_of(ledger)
    assert (row.written_at, row.version, row.acceptance_revision, row.dns_revision) == (written_at, 1, 1, 0)


def test_a_report_is_asked_for_again_until_it_is_told_or_there_is_something_new(ledger: Ledger, clock: Clock) -> None:
    row = ledger.record_acceptance(UNSEEN, held(clock))
    asked: list[int] = []
    for change in (
        lambda: ledger.record_repeat(REF, 2),
        lambda: ledger.record_told(REF, "held"),
        lambda: ledger.record_repeat(REF, 3),
        lambda: ledger.record_dns(row, absent(clock)),
        lambda: ledger.record_repeat(REF, 1),
        lambda: ledger.record_acceptance(row, row.acceptance.became(Acceptance.REJECTED, clock())),
    ):
        change()
        asked += [found.repeats for found in rows_of(ledger)]

    assert asked == [2, 0, 3, 0, 1, 0]


def test_a_mark_of_nothing_makes_up_no_row(ledger: Ledger) -> None:
    ledger.record_repeat(REF, 1)
    ledger.record_dns_failure(REF)
    ledger.record_notice_repeat("INSTALLED", 1)
    ledger.record_notice_told("INSTALLED")

    assert list(ledger.rows_of(SERVICE)) == []
    assert ledger.notices() == {}


def test_notices_are_given_changed_and_withdrawn(ledger: Ledger, clock: Clock) -> None:
    assert ledger.notices() == {}
    ledger.record_notice("INSTALLED", "it manages 1 service")
    ledger.record_notice("CHECK THE TAGS", "zone is no name")
    ledger.record_notice("CHECK THE TAGS", "")

    assert ledger.notices() == {
        "INSTALLED": GivenNotice("it manages 1 service", clock()),
        "CHECK THE TAGS": GivenNotice("", clock()),
    }
    assert list(ledger.rows_of(SERVICE)) == []


def test_failures_of_the_dns_are_remembered_until_it_is_written(ledger: Ledger, clock: Clock) -> None:
    row = ledger.record_acceptance(UNSEEN, held(clock))
    since = clock()
    ledger.record_dns_failure(REF)
    clock.advance(60)
    ledger.record_dns_failure(REF)
    failing = ledger.rows([REF])[REF]
    assert failing == replace(row, failing_since=since, failed_at=clock())

    assert ledger.record_acceptance(row, held(clock, "held: for another reason")).failing_since == since
    written = ledger.record_dns(row, DnsFacet())
    assert (written.failing_since, written.failed_at) == (None, None)


def test_reminders_are_counted_until_the_next_decision(ledger: Ledger, clock: Clock) -> None:
    row = ledger.record_acceptance(UNSEEN, held(clock))
    ledger.record_reminded(REF, 1)
    ledger.record_reminded(REF, 2)
    assert ledger.rows([REF])[REF] == replace(row, reminders=2)

    assert ledger.record_dns(row, DnsFacet()).reminders == 2

    assert ledger.record_acceptance(row, held(clock, "held: for another reason")).reminders == 0
    assert ledger.rows([REF])[REF].reminders == 0


def test_nobody_is_reminded_of_a_row_that_is_gone(ledger: Ledger) -> None:
    ledger.record_reminded(REF, 1)

    assert ledger.rows([REF]) == {}


def test_there_is_no_brake_before_one_is_written(ledger: Ledger) -> None:
    assert ledger.brake() is None
    assert not ledger.take_disruption()
    assert ledger.brake() is None

    ledger.record_brake(None, Brake(limit=2))

    assert ledger.brake() == Brake({}, limit=2, allowed=0, allowed_at=None)


def test_disruptions_are_taken_until_the_limit(ledger: Ledger, clock: Clock) -> None:
    now, earlier = hour_of(clock()), hour_of(clock()) - timedelta(hours=3)
    brake = Brake({earlier: 1}, limit=4, allowed=7, allowed_at=clock())
    ledger.record_brake(None, brake)

    assert [ledger.take_disruption() for _ in range(5)] == [True, True, True, False, False]
    assert ledger.brake() == replace(brake, hours={earlier: 1, now: 3})


@pytest.mark.parametrize(
    "now", [Brake({HOUR: 1}, 6, 2, None), Brake({HOUR: 1, HOUR + timedelta(hours=1): 1}, 5, 3, HOUR)]
)
def test_who_writes_over_a_brake_that_changed_meanwhile_must_look_again(ledger: Ledger, now: Brake) -> None:
    read = Brake({HOUR: 1}, 5, 2, HOUR)
    ledger.record_brake(None, read)
    ledger.record_brake(read, now)

    others: tuple[dict[datetime, int], ...] = ({HOUR + timedelta(hours=7): now.taken}, {HOUR: 9}, {})
    for stale in (None, read, *(replace(now, hours=hours) for hours in others)):
        with pytest.raises(LedgerChangedMeanwhile):
            ledger.record_brake(stale, Brake())
    assert ledger.brake() == now


def test_a_brake_that_is_gone_is_not_made_anew_from_memory(ledger: Ledger) -> None:
    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_brake(Brake(), Brake(limit=5))

    assert ledger.brake() is None


@pytest.mark.parametrize("before", [0, 12])
def test_what_a_person_allows_at_any_time_is_a_change(subject: Subject, clock: Clock, before: int) -> None:
    ledger, read = subject.ledger, Brake(limit=2, allowed=before, allowed_at=clock() if before else None)
    ledger.record_brake(None, read)
    subject.allow_disruptions(12)

    assert ledger.brake() == replace(read, allowed=12, allowed_at=None)
    with pytest.raises(LedgerChangedMeanwhile):
        ledger.record_brake(read, read.without_permission())


def test_a_person_may_allow_before_there_is_a_brake(subject: Subject, clock: Clock) -> None:
    subject.allow_disruptions(12)
    ledger, brake = subject.ledger, Brake(limit=12, allowed=12, allowed_at=clock())
    assert not ledger.take_disruption()
    read = ledger.brake()
    assert read is not None
    assert (read.limit, read.taken, read.allowed) == (0, 0, 12)
    assert read.for_a_step(12, 5, clock()) == brake

    ledger.record_brake(read, brake)

    assert ledger.brake() == brake


@pytest.mark.parametrize("taken", [0, 3])
def test_a_brake_from_before_it_counted_by_the_hour_goes_on_with_what_was_taken(
    subject: Subject, clock: Clock, taken: int
) -> None:
    since, ledger = clock() - timedelta(hours=3), subject.ledger
    subject.keep_brake_of_before(since, taken)
    assert ledger.brake() == Brake({hour_of(since): taken}, limit=5)

    finding = Finding(EndpointService.ended(SERVICE), revoked=[UNSEEN])
    assert Braking(ledger, Mode.ENFORCE, OnRevoked.REJECT, True, MaxDisruptions(5, 0), clock)([finding]) is None

    room = 5 - taken
    assert [ledger.take_disruption() for _ in range(room + 1)] == [*[True] * room, False]
    assert ledger.brake() == Brake({hour_of(since): taken, hour_of(clock()): room}, limit=5)


@pytest.mark.parametrize("garbled", [{"hours": "many"}, {"hours": {"today": 3}}, {"allowed_at": "just now"}])
def test_a_brake_that_nobody_can_read_is_said_to_be_so(garbled: dict[str, object]) -> None:
    item = key_of(BRAKE) | {name: serialize(value) for name, value in garbled.items()}

    with pytest.raises(UnreadableRow, match="the ledger's row of disruptions to brake cannot be read"):
        read_brake(item)


def test_whom_autopilot_permitted_is_remembered_by_service(ledger: Ledger) -> None:
    accounts = [f"{number:012}" for number in range(130)]
    assert ledger.permitted(SERVICE) == set()
    ledger.record_permitted(SERVICE, accounts)
    ledger.record_permitted(SERVICE, [*accounts[:2], *accounts[:2]])
    ledger.record_permitted(OTHER_SERVICE, [CONSUMER])

    assert ledger.permitted(SERVICE) == set(accounts)
    assert ledger.permitted(SERVICE, among=[accounts[7], CONSUMER, CONSUMER]) == {accounts[7]}
    assert ledger.permitted(SERVICE, among=[]) == set()

    ledger.forget_permitted(SERVICE, [*accounts[:-1], CONSUMER])
    ledger.forget_permitted(SERVICE, [])
    ledger.record_permitted(SERVICE, [])
    assert ledger.permitted(SERVICE) == {accounts[-1]}
    assert ledger.permitted(OTHER_SERVICE) == {CONSUMER}


def test_what_is_no_connection_is_never_found_as_one(ledger: Ledger, clock: Clock) -> None:
    ledger.record_brake(None, Brake())
    ledger.record_permitted(SERVICE, [CONSUMER])
    ledger.record_notice("INSTALLED", "it manages 1 service")

    assert [ledger.find(endpoint) for endpoint in ("disruptions", CONSUMER, "INSTALLED")] == [None] * 3
    assert list(ledger.rows_of(SERVICE)) == []
    assert ledger.notices() == {"INSTALLED": GivenNotice("it manages 1 service", clock())}


def test_a_notice_that_nobody_can_read_is_an_error_until_it_is_given_anew(subject: Subject, clock: Clock) -> None:
    ledger = subject.ledger
    ledger.record_notice("INSTALLED", "it manages 1 service")
    ledger.record_notice("CHECK THE TAGS", "zone is no name")
    subject.garble_notice("CHECK THE TAGS")

    given = ledger.notices()
    assert given["INSTALLED"] == GivenNotice("it manages 1 service", clock())
    assert isinstance(given["CHECK THE TAGS"], UnreadableRow)
    assert "CHECK THE TAGS" in str(given["CHECK THE TAGS"])

    ledger.record_notice("CHECK THE TAGS", "zone is no name")
    assert ledger.notices()["CHECK THE TAGS"] == GivenNotice("zone is no name", clock())


def test_a_notice_is_told_once_and_asked_for_again_until_then(ledger: Ledger, clock: Clock) -> None:
    given = clock()
    ledger.record_notice("INSTALLED", "it manages 1 service")
    clock.advance(60)

    ledger.record_notice_repeat("INSTALLED", 1)
    assert ledger.notices() == {"INSTALLED": GivenNotice("it manages 1 service", given, repeats=1)}

    ledger.record_notice_told("INSTALLED")
    assert ledger.notices() == {"INSTALLED": GivenNotice("it manages 1 service", given, is_told=True)}

    ledger.record_notice("INSTALLED", "it manages 2 services")
    assert ledger.notices() == {"INSTALLED": GivenNotice("it manages 2 services", clock())}
