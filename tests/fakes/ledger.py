from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched

from autopilot.aws.ledger_items import NOTICE
from autopilot.domain.connection import AcceptanceFacet, ConnectionRef, Dns, DnsFacet, LedgerRow
from autopilot.domain.disruption import Brake
from autopilot.domain.failures import LedgerChangedMeanwhile, UnreadableRow
from autopilot.domain.report import GivenNotice, Notice, StatusChange, change_of
from tests.fakes.calls import Calls
from tests.fakes.clock import Clock

# A Query answers with a megabyte, and a row with its two facets and timelines has about two kilobytes.
_ROWS_A_PAGE = 512


class FakeLedger:
    """`Ledger` in a dictionary, with the table's conditions, its expiry and its stream."""

    def __init__(self, calls: Calls | None = None, clock: Clock | None = None) -> None:
        self._calls, self._clock = calls or Calls(), clock or Clock()
        self._rows: dict[ConnectionRef, LedgerRow] = {}
        self._notices: dict[str, GivenNotice] = {}
        self._changes: list[StatusChange] = []
        self._told: list[Notice] = []
        self._brake: Brake | None = None
        self._permitted: defaultdict[str, set[str]] = defaultdict(set)
        self.expiries: dict[ConnectionRef, datetime] = {}
        self.unreadable: set[ConnectionRef] = set()

    def rows(self, refs: Collection[ConnectionRef]) -> Mapping[ConnectionRef, LedgerRow]:
        with self._calls.making("BatchGetItem", "Ledger"):
            if garbled := self.unreadable.intersection(refs):
                raise _unreadable(min(garbled))
            return {ref: self._rows[ref] for ref in refs if ref in self._rows}

    def rows_of(self, service_id: str) -> Iterator[LedgerRow | UnreadableRow]:
        rows = sorted((ref, row) for ref, row in self._rows.items() if ref.service_id == service_id)
        for page in [*batched(rows, _ROWS_A_PAGE, strict=False)] or [()]:
            with self._calls.making("Query", service_id):
                found = [_unreadable(ref) if ref in self.unreadable else row for ref, row in page]
            yield from found

    def rows_in(self, owner: str, vpc_id: str | None = None) -> Sequence[LedgerRow]:
        with self._calls.making("Query", owner):
            rows = [r for ref, r in self._rows.items() if r.connection.owner == owner and ref not in self.unreadable]
        return [row for row in rows if vpc_id in (None, row.dns.vpc_id)]

    def find(self, endpoint_id: str) -> ConnectionRef | None:
        with self._calls.making("Query", endpoint_id):
            return next((ref for ref in self._rows if ref.endpoint_id == endpoint_id), None)

    def record_acceptance(self, row: LedgerRow, facet: AcceptanceFacet) -> LedgerRow:
        with self._calls.making("UpdateItem", str(row.ref)):
            known = self._known(row)
            read, found = ((one.acceptance_revision, one.acceptance.value) for one in (row, known))
            decided = replace(known, acceptance=facet, acceptance_revision=known.acceptance_revision + 1, reminders=0)
            return self._write(row, known, decided, read == found)

    def record_dns(self, row: LedgerRow, facet: DnsFacet) -> LedgerRow:
        with self._calls.making("UpdateItem", str(row.ref)):
            known = self._known(row)
            read, found = ((one.dns_revision, one.dns.value) for one in (row, known))
            reached = replace(known, dns=facet, dns_revision=known.dns_revision + 1, failing_since=None, failed_at=None)
            written = self._write(row, known, reached, read == found)
            self.expiries.pop(row.ref, None)
            if facet.value is Dns.ABSENT:
                self.expiries[row.ref] = facet.timeline[-1].at + timedelta(days=90)
            return written

    def record_told(self, ref: ConnectionRef, told: str) -> None:
        with self._calls.making("UpdateItem", str(ref)):
            if ref in self._rows:
                self._put(replace(self._rows[ref], told=told, repeats=0))

    def record_repeat(self, ref: ConnectionRef, repeats: int) -> None:
        with self._calls.making("UpdateItem", str(ref)):
            if ref in self._rows:
                self._put(replace(self._rows[ref], repeats=repeats))

    def record_dns_failure(self, ref: ConnectionRef) -> None:
        with self._calls.making("UpdateItem", str(ref)):
            if row := self._rows.get(ref):
                self._put(replace(row, failing_since=row.failing_since or self._clock(), failed_at=self._clock()))

    def record_reminded(self, ref: ConnectionRef, reminders: int) -> None:
        with self._calls.making("UpdateItem", str(ref)):
            if ref in self._rows:
                self._put(replace(self._rows[ref], reminders=reminders))

    def brake(self) -> Brake | None:
        with self._calls.making("Query", "brake"):
            return self._brake

    def record_brake(self, read: Brake | None, brake: Brake) -> None:
        with self._calls.making("UpdateItem", "brake"):
            if self._brake != read:
                raise LedgerChangedMeanwhile("the brake is no longer what was read")
            self._brake = brake

    def take_disruption(self) -> bool:
        with self._calls.making("UpdateItem", "brake"):
            if self._brake is None or self._brake.stops(1):
                return False
            self._brake = self._brake.with_one_more(self._clock())
        return True

    def allow_disruptions(self, allowed: int) -> None:
        """What a person writes into the brake's row."""
        self._brake = replace(self._brake or Brake(), allowed=allowed, allowed_at=None)

    def forget_revisions(self, ref: ConnectionRef) -> None:
        """As a row is that was written before facets had revisions."""
        self._rows[ref] = replace(self._rows[ref], acceptance_revision=0, dns_revision=0)

    def forget_notices(self, beginning: str) -> None:
        """As a ledger is in which such ones were not written."""
        self._notices = {subject: one for subject, one in self._notices.items() if not subject.startswith(beginning)}

    def permitted(self, service_id: str, *, among: Collection[str] | None = None) -> frozenset[str]:
        with self._calls.making("Query" if among is None else "BatchGetItem", service_id):
            known = frozenset(self._permitted[service_id])
            return known if among is None else known.intersection(among)

    def record_permitted(self, service_id: str, accounts: Collection[str]) -> None:
        with self._calls.making("BatchWriteItem", service_id):
            self._permitted[service_id].update(accounts)

    def forget_permitted(self, service_id: str, accounts: Collection[str]) -> None:
        with self._calls.making("BatchWriteItem", service_id):
            self._permitted[service_id].difference_update(accounts)

    @property
    def texts(self) -> Mapping[str, str]:
        """Of the notices, by subject."""
        return {subject: notice.text for subject, notice in self._notices.items()}

    def notices(self) -> Mapping[str, GivenNotice | UnreadableRow]:
        with self._calls.making("Query", "notices"):
            garbled = {ref.endpoint_id: _unreadable(ref) for ref in self.unreadable if ref.service_id == NOTICE}
            return self._notices | garbled

    def record_notice(self, subject: str, text: str) -> None:
        with self._calls.making("UpdateItem", subject):
            self._notices[subject] = GivenNotice(text, self._clock())
            self.unreadable.discard(ConnectionRef(NOTICE, subject))
        if text:
            self._told.append(Notice(subject, text))

    def record_notice_told(self, subject: str) -> None:
        with self._calls.making("UpdateItem", subject):
            if subject in self._notices:
                self._notices[subject] = replace(self._notices[subject], is_told=True, repeats=0)

    def record_notice_repeat(self, subject: str, repeats: int) -> None:
        with self._calls.making("UpdateItem", subject):
            if subject in self._notices:
                self._notices[subject] = replace(self._notices[subject], repeats=repeats)
                self._told.append(Notice(subject, self._notices[subject].text))

    def stream(self) -> tuple[list[StatusChange], list[Notice]]:
        """What the table's stream holds since it was last read."""
        told = self._changes, self._told
        self._changes, self._told = [], []
        return told

    def _known(self, row: LedgerRow) -> LedgerRow:
        return self._rows.get(row.ref) or LedgerRow(row.connection, row.seen_by, row.service_title)

    def _write(self, row: LedgerRow, known: LedgerRow, facets: LedgerRow, is_as_read: bool) -> LedgerRow:
        if not is_as_read or bool(known.version) != bool(row.version):
            raise LedgerChangedMeanwhile(f"{row.ref} is not what was read")
        written = replace(
            facets,
            connection=row.connection,
            service_title=row.service_title,
            version=known.version + 1,
            written_at=self._clock(),
            repeats=0,
        )
        self._put(written)
        return written

    def _put(self, row: LedgerRow) -> None:
        change = change_of(self._rows.get(row.ref), row)
        self._rows[row.ref] = row
        self._changes += [change] if change else []


def _unreadable(ref: ConnectionRef) -> UnreadableRow:
    return UnreadableRow(ref, ValueError("the test says so"))
