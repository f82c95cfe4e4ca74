"""The brake: no step disrupts more connections than MaxDisruptions allows, and then none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aws_lambda_powertools import Logger

from autopilot.domain.allowlist import principal_of
from autopilot.domain.connection import LedgerRow
from autopilot.domain.disruption import Brake, MaxDisruptions, OnRevoked
from autopilot.domain.failures import LedgerChangedMeanwhile
from autopilot.domain.mode import Mode
from autopilot.domain.organization import is_wide
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.findings import Finding
from autopilot.use_cases.notices import Stop
from autopilot.use_cases.ports import Ledger

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Braking:
    """asks_organizations: whether the deployment lets Autopilot ask where an account is."""

    ledger: Ledger
    mode: Mode
    on_revoked: OnRevoked
    asks_organizations: bool
    max_disruptions: MaxDisruptions
    clock: Callable[[], datetime]

    def __call__(self, findings: Sequence[Finding]) -> Stop | None:
        """Have all that are revoked disconnected, and all names that left taken away; or, where that is more than may
        be disrupted, none, and a person asked. Raises AwsCallFailed."""
        if self.mode is Mode.OBSERVE:
            return None
        for finding in findings:
            finding.revoked = [row for row in finding.revoked if self._can_go(row)]
        revoked = [row for finding in findings for row in finding.revoked]
        leaving = [row for finding in findings for row in finding.leaving]
        number, read = len(revoked) + len(leaving), self.ledger.brake()
        if not number:
            if read and read.allowed:
                self._write(read, read.without_permission())
            return None
        now = self.clock()
        limit = self.max_disruptions.of(sum(finding.standing for finding in findings))
        brake = (read or Brake()).for_a_step(number, limit, now)
        # Also what is the same: a row from before disruptions were counted by the hour has no place to count them.
        is_written = self._write(read, brake)
        if brake.stops(number):
            return Stop(sorted(revoked, key=lambda row: row.ref), sorted(leaving, key=lambda row: row.ref), brake)
        if is_written:
            for finding in findings:
                finding.to_decide += [_disrupting(row) for row in finding.revoked]
                finding.to_converge += [_disrupting(row) for row in finding.leaving]
        return None

    def _can_go(self, row: LedgerRow) -> bool:
        """Whether it may be disconnected at all. What cannot be judged stays, and would keep the brake on for
        everybody."""
        is_judged = self.asks_organizations or not is_wide(principal_of(row.acceptance.decided_by))
        return self.on_revoked is OnRevoked.REJECT and is_judged

    def _write(self, read: Brake | None, brake: Brake) -> bool:
        try:
            self.ledger.record_brake(read, brake)
        except LedgerChangedMeanwhile:
            logger.info("another run is disconnecting; the next sweep looks again")
            return False
        return True


def _disrupting(row: LedgerRow) -> WakeUp:
    return replace(WakeUp.about(row.connection, SeenBy.SWEEP), may_disrupt=True)
