"""What a connection asks for, where the truth differs from what the ledger knows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from autopilot.domain.acceptance import IN_TROUBLE, stands
from autopilot.domain.connection import Acceptance, AwsState, Connection, Dns, LedgerRow, Status
from autopilot.domain.mode import Mode
from autopilot.domain.names import Name
from autopilot.domain.review import Review
from autopilot.domain.service import EndpointService

_SHORTEST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=12)
_LONGEST_OUTAGE_PAUSE = timedelta(hours=1)
# AWS takes minutes at most for each step.
_STUCK_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DriftChecks:
    """How often what was written is compared with what should be: in accounts of the organization, and in others."""

    period: timedelta
    foreign_period: timedelta

    def is_due(self, row: LedgerRow, now: datetime) -> bool:
        """Only of accounts of its own organization does Organizations tell a name."""
        period = self.period if row.acceptance.owner_name else self.foreign_period
        return row.dns.checked_at is None or now - row.dns.checked_at >= period


@dataclass(frozen=True, slots=True)
class Differences:
    mode: Mode
    drift: DriftChecks
    clock: Callable[[], datetime]

    def ask_for_a_decision(
        self, service: EndpointService, connection: Connection, row: LedgerRow | None, review: Review | None
    ) -> bool:
        """review: None while the allowlist cannot be read; then only what it has no part in is asked for."""
        if connection.state is AwsState.PENDING_ACCEPTANCE:
            return True
        if row is None:
            is_there = not connection.state.asks_for_no_dns or connection.state in IN_TROUBLE
            return is_there or bool(review and review.names(connection))
        if self.mode is Mode.OBSERVE and row.acceptance.would:
            return False
        known = row.acceptance
        if connection.state is AwsState.REJECTED:
            is_known = known.value in (Acceptance.REJECTED, Acceptance.REVOKED)
            return not is_known or bool(review and review.names(connection) and not known.refusal)
        if not stands(connection.state):
            return False
        compared = review if service.acceptance_required else None
        match known.value:
            case Acceptance.ADOPTED:
                return False
            case Acceptance.ACCEPTED:
                return compared is not None and not compared.still_accepts(row)
            case Acceptance.REVOKED:
                return compared is not None and compared.accepts_again(row)
            case _:
                return True

    def ask_for_dns(
        self, service: EndpointService, names: frozenset[Name] | None, connection: Connection, row: LedgerRow
    ) -> bool:
        """names: what the service declares, or None while that cannot be read."""
        if row.failing_since:
            return self._is_due_after_failing(row)
        if self.mode is Mode.OBSERVE and row.dns.would:
            return False
        if connection.state is not row.connection.state:
            return True
        if connection.state.asks_for_no_dns:
            return self._is_due_again(row) if row.dns.value is Dns.BEHIND else row.dns.value is not Dns.ABSENT
        if connection.state is not AwsState.AVAILABLE:
            return False
        match row.dns.value:
            case Dns.PRESENT | Dns.CONSUMERS_OWN:
                declared = {(name.fqdn, name.zone) for name in names or ()}
                is_changed = names is not None and declared != set(row.dns.names)
                return is_changed or bool(row.dns.change_ids) or self.drift.is_due(row, self.clock())
            case Dns.DECLINED:
                return self.drift.is_due(row, self.clock())
            case Dns.UNDECLARED:
                return bool(names)
            case Dns.NO_ROLE | Dns.BLOCKED:
                is_changed = names is not None and service.declaration(names) != row.dns.declared
                return is_changed or self._is_due_again(row)
            case Dns.NONE | Dns.WAITING | Dns.BEHIND | Dns.ABSENT:
                return True

    def ask_for_an_end(self, row: LedgerRow) -> bool:
        """Of a connection that is no longer listed. What waits for a person is tried again with pauses."""
        if row.failing_since:
            return self._is_due_after_failing(row)
        if self.mode is Mode.OBSERVE:
            return row.connection.state is not AwsState.DELETED
        return self._is_due_again(row) if row.dns.value is Dns.BEHIND else not row.has_ended

    def is_stuck(self, connection: Connection, row: LedgerRow) -> bool:
        """Whether it should have come further by now: nobody was told that somebody must act, and nothing happens."""
        if row.failing_since:
            return self.clock() - row.failing_since >= _STUCK_AFTER
        if self.mode is Mode.OBSERVE or row.status not in (None, Status.ACCEPTED):
            return False
        last = max(filter(None, (row.acceptance.since, row.dns.since)), default=None)
        is_under_way = not connection.state.asks_for_no_dns
        return is_under_way and last is not None and self.clock() - last >= _STUCK_AFTER

    def _is_due_again(self, row: LedgerRow) -> bool:
        """What a person must mend is tried again with pauses of up to twelve hours."""
        return self._is_due(row.dns.since, row.dns.checked_at, _LONGEST_PAUSE)

    def _is_due_after_failing(self, row: LedgerRow) -> bool:
        """What failed for no reason that is known may pass at any time, as an outage of AWS's does."""
        return self._is_due(row.failing_since, row.failed_at, _LONGEST_OUTAGE_PAUSE)

    def _is_due(self, since: datetime | None, last: datetime | None, longest: timedelta) -> bool:
        """Each pause is as long as the trouble had lasted at the last try, so that they double."""
        if last is None or since is None:
            return True
        return self.clock() - last >= min(max(last - since, _SHORTEST_PAUSE), longest)
