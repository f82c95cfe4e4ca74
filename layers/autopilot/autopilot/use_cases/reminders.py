"""What is told again: a request that still waits for a person, and a report that was lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from autopilot.domain.connection import LedgerRow
from autopilot.domain.report import is_untold, repetition_due
from autopilot.use_cases.ports import Ledger

_PERIOD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reminders:
    """first: how long after it was held a request is told of again, then weekly; None for never."""

    ledger: Ledger
    first: timedelta | None
    clock: Callable[[], datetime]

    def of_held(self, row: LedgerRow) -> None:
        """Raises AwsCallFailed."""
        if self.first is None or row.acceptance.since is None:
            return
        overdue = self.clock() - row.acceptance.since - self.first
        due = 1 + overdue // _PERIOD
        if overdue >= timedelta(0) and due > row.reminders:
            self.ledger.record_reminded(row.ref, due)

    def of_lost(self, row: LedgerRow) -> bool:
        """Whether the last that there was to tell was lost; it is asked for again then. Raises AwsCallFailed."""
        due = repetition_due(row.written_at, row.repeats, self.clock()) if is_untold(row) else None
        if due:
            self.ledger.record_repeat(row.ref, due)
        return due is not None
