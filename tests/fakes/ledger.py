from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from autopilot.domain.connection import AcceptanceFacet, ConnectionRef, Dns, DnsFacet, LedgerRow
from autopilot.domain.failures import LedgerChangedMeanwhile
from autopilot.domain.report import Notice, StatusChange, change_of
from tests.fakes.calls import Calls


class FakeLedger:
    """`Ledger` in a dictionary, with the table's conditions, its expiry and its stream."""

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls()
        self._rows: dict[ConnectionRef, LedgerRow] = {}
        self._notices: dict[str, str] = {}
        self._changes: list[StatusChange] = []
        self._told: list[Notice] = []
        self.expiries: dict[ConnectionRef, datetime] = {}

    def rows(self, refs: Collection[ConnectionRef]) -> Mapping[ConnectionRef, LedgerRow]:
        with self._calls.making("BatchGetItem", "Ledger"):
            return {ref: self._rows[ref] for ref in refs if ref in self._rows}

    def rows_of(self, service_id: str) -> Iterator[LedgerRow]:
        with self._calls.making("Query", service_id):
            return iter([row for ref, row in sorted(self._rows.items()) if ref.service_id == service_id])

    def find(self, endpoint_id: str) -> ConnectionRef | None:
        with self._calls.making("Query", endpoint_id):
            return next((ref for ref in self._rows if ref.endpoint_id == endpoint_id), None)

    def record_acceptance(self, row: LedgerRow, facet: AcceptanceFacet) -> LedgerRow:
        known = self._known(row)
        return self._write(row, known, replace(known, acceptance=facet), known.acceptance.value == row.acceptance.value)

    def record_dns(self, row: LedgerRow, facet: DnsFacet) -> LedgerRow:
        known = self._known(row)
        written = self._write(row, known, replace(known, dns=facet), known.dns.value == row.dns.value)
        self.expiries.pop(row.ref, None)
        if facet.value is Dns.ABSENT:
            self.expiries[row.ref] = facet.timeline[-1].at + timedelta(days=400)
        return written

    def record_reported(self, ref: ConnectionRef, version: int) -> None:
        with self._calls.making("UpdateItem", str(ref)):
            if ref in self._rows:
                self._rows[ref] = replace(self._rows[ref], reported_version=version)

    def notices(self) -> Mapping[str, str]:
        with self._calls.making("Query", "notices"):
            return dict(self._notices)

    def record_notice(self, subject: str, text: str) -> None:
        with self._calls.making("UpdateItem", subject):
            self._notices[subject] = text
        if text:
            self._told.append(Notice(subject, text))

    def stream(self) -> tuple[list[StatusChange], list[Notice]]:
        """What the table's stream holds since it was last read."""
        told = self._changes, self._told
        self._changes, self._told = [], []
        return told

    def _known(self, row: LedgerRow) -> LedgerRow:
        return self._rows.get(row.ref) or LedgerRow(row.connection, row.seen_by, row.service_title)

    def _write(self, row: LedgerRow, known: LedgerRow, facets: LedgerRow, is_as_read: bool) -> LedgerRow:
        with self._calls.making("UpdateItem", str(row.ref)):
            if not is_as_read or bool(known.version) != bool(row.version):
                raise LedgerChangedMeanwhile(f"{row.ref} is not what was read")
            written = replace(
                facets, connection=row.connection, service_title=row.service_title, version=known.version + 1
            )
            self._rows[row.ref] = written
            change = change_of(known if known.version else None, written)
            self._changes += [change] if change else []
        return written
