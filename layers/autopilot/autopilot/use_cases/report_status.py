"""Tell people and machines of each change of status, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autopilot.domain.commands import Installation
from autopilot.domain.connection import Status
from autopilot.domain.mails import mails_of
from autopilot.domain.report import Notice, StatusChange, event_of, telling
from autopilot.use_cases.ports import Bus, Ledger, StatusTopic


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """mailed: the statuses that are worth an e-mail; machines are told of every one."""

    topic: StatusTopic
    bus: Bus
    ledger: Ledger
    mailed: frozenset[Status]
    installation: Installation

    def __call__(self, changes: Sequence[StatusChange], notices: Sequence[Notice]) -> None:
        """Publish, then mark as told: a failure in between repeats a report and never loses one.

        What was asked for again while reports were late comes twice here, and is told once. Raises AwsCallFailed.
        """
        changes = tuple({change.report_id: change for change in changes}.values())
        if changes:
            self.bus.put([event_of(change, self.installation.record_ttl) for change in changes])
        for mail in mails_of(changes, notices, self.mailed, self.installation):
            self.topic.publish(mail)
        for change in changes:
            self.ledger.record_told(change.row.ref, telling(change.row))
        for notice in notices:
            self.ledger.record_notice_told(notice.subject)
