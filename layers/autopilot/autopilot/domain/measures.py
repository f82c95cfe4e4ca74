"""What is measured of a change, for the metrics and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from autopilot.domain.connection import Acceptance, Dns, LedgerRow, Moment, Status
from autopilot.domain.report import StatusChange
from autopilot.domain.wake_up import SeenBy

_FROM_THE_REQUEST_ON = (SeenBy.EVENT, SeenBy.NOTIFICATION, SeenBy.SWEEP)


def counted_as(change: StatusChange) -> str | None:
    """The metric that counts the change: `Held`, `DnsBlocked` and so on. What keeps its status counts nowhere."""
    status = change.row.status if change.is_new else None
    return status.title().replace("-", "") if status else None


def seconds_of(change: StatusChange) -> Mapping[str, float]:
    """`SecondsToAccepted` and `SecondsToReady`, since AWS made the request, of a change that just reached them.

    Only where nobody had to act in between, as people take days: what was held, answered by a person, repeated or
    stood before Autopilot came is left out.
    """
    row = change.row
    created_at = row.connection.created_at
    if created_at is None or row.seen_by not in _FROM_THE_REQUEST_ON or _needed_a_person(row):
        return {}
    reached: dict[str, datetime | None] = {}
    if change.before is None and row.status in (Status.ACCEPTED, Status.READY):
        reached["SecondsToAccepted"] = _first(row.acceptance.timeline, Acceptance.ACCEPTED)
    if change.before in (None, Status.ACCEPTED) and row.status is Status.READY:
        reached["SecondsToReady"] = _first(row.dns.timeline, Dns.PRESENT)
    return {name: (at - created_at).total_seconds() for name, at in reached.items() if at}


def _needed_a_person(row: LedgerRow) -> bool:
    passed = {moment.what for moment in row.timeline}
    return bool(passed & {Acceptance.HELD, Acceptance.REJECTED, Dns.NO_ROLE, Dns.BLOCKED, Dns.UNDECLARED})


def _first(timeline: tuple[Moment, ...], what: str) -> datetime | None:
    return next((moment.at for moment in timeline if moment.what == what), None)
