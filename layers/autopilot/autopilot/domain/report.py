"""What is told of a change: to machines here, to people in `mails`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from autopilot.domain.connection import Acceptance, AwsState, Dns, LedgerRow, Status
from autopilot.domain.handover import Handover, handover
from autopilot.domain.wake_up import SeenBy

# How long the summary of a takeover waits for what is under way: AWS's own time to make connections available and names
# known, and a few retries.
TAKEOVER_PATIENCE = timedelta(minutes=15)
_FIRST = (None, Status.ACCEPTED)
# A report that was given up is told again by the sweep: the first time after all that is usual, then hourly, and daily
# once that did not help for a day.
_USUAL_DELAY = timedelta(minutes=15)
_HOURLY, _DAILY = timedelta(hours=1), timedelta(days=1)
_MOST_HOURLY = 24


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A row whose status, or whose `would` in observe mode, is not what it was; or one to remind of.

    before: the status that was told of last, the row's own where something else changed that people should know of.
    is_reminder: nothing changed, the request is still held.
    """

    row: LedgerRow
    before: Status | None
    is_reminder: bool = False

    @property
    def report_id(self) -> str:
        """The same each time this change is told, so that a reader can drop a repetition."""
        reminder = f"/{self.row.reminders}" if self.is_reminder else ""
        return f"{self.row.ref.service_id}/{self.row.ref.endpoint_id}/{self.row.version}{reminder}"

    @property
    def is_observed(self) -> bool:
        """Only `would` is news. A change of status is told as one, whatever was observed before."""
        if self.is_reminder or is_disconnected(self.row) or _is_refused(self.row):
            return False
        return bool(self.row.would) and self.row.status in (None, self.before)

    @property
    def is_of_a_takeover(self) -> bool:
        """The first that is known of a connection that stood before Autopilot came: the summary tells of all.

        Of what was still under way by then it could not tell.
        """
        if self.row.seen_by != SeenBy.INSTALLATION:
            return False
        found_at, now = self.row.acceptance.found_at, self.row.written_at
        is_late = bool(found_at and now and now - found_at >= TAKEOVER_PATIENCE)
        is_first = self.row.acceptance.value is Acceptance.ADOPTED and self.before in _FIRST
        return self.is_observed or (is_first and not is_late)

    @property
    def is_new(self) -> bool:
        """Whether the status is another one than before."""
        return not self.is_reminder and self.row.status is not self.before


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell that is about no single connection: a service's wrong tags, the first inventory."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class GivenNotice:
    """A notice as the ledger keeps it. text: empty once it is withdrawn. repeats: as a row's."""

    text: str
    written_at: datetime | None = None
    is_told: bool = False
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """The `detail` of one `Connection Status Changed` event on the bus."""

    detail: Mapping[str, object]


def change_of(before: LedgerRow | None, after: LedgerRow) -> StatusChange | None:
    """The change to tell between two images of a row, or None.

    A status that cannot be told yet is no change, and neither is a row that only got a new version. A revoked
    connection is told of again when it is disconnected, a rejected one when AWS does not take it back, one that
    works when its names change or what keeps them from another VPC, and one that waits for a person when that is for
    something else.
    """
    old_status, old_would, old_reminders = (before.status, before.would, before.reminders) if before else (None, "", 0)
    if after.status is not None and after.status is not old_status:
        return StatusChange(after, old_status)
    if after.reminders > old_reminders:
        return StatusChange(after, old_status, is_reminder=True)
    if before and after.repeats > before.repeats and is_untold(after):
        return StatusChange(after, _TOLD_AS.get(word_of(after.told)))
    was_disconnected = before is not None and is_disconnected(after) and not is_disconnected(before)
    was_refused = _is_refused(after) and (before is None or before.acceptance.refusal != after.acceptance.refusal)
    # The e-mail said that nobody need act, as it would be tried again; now somebody must.
    is_clear = before is not None and _is_unclear(before) and after.status is Status.HELD and not _is_unclear(after)
    is_other = before is not None and after.status is not None and _details(before) != _details(after)
    if was_disconnected or was_refused or is_clear or is_other or (after.would and after.would != old_would):
        return StatusChange(after, old_status)
    return None


def telling(row: LedgerRow) -> str:
    """What there is to tell of a row: a word, and a digest of what else people should know; empty for nothing."""
    if is_disconnected(row):
        return _DISCONNECTED
    if _is_refused(row):
        return _REFUSED
    if row.status is None:
        return "observed" if row.would else ""
    details = _details(row)
    return row.status.value if details is None else f"{row.status} {hashlib.sha256(details.encode()).hexdigest()[:12]}"


def word_of(told: str) -> str:
    """The word of what was told."""
    return told.partition(" ")[0]


def is_untold(row: LedgerRow) -> bool:
    """Whether the last that there is to tell was never reported."""
    now = telling(row)
    # Rows that were told of before there was a digest have the word alone.
    return (now if " " in row.told else word_of(now)) not in ("", row.told)


_DISCONNECTED, _REFUSED = "disconnected", "refused"
_TOLD_AS = {status.value: status for status in Status} | {_DISCONNECTED: Status.REVOKED, _REFUSED: Status.REJECTED}


def _details(row: LedgerRow) -> str | None:
    """What may change while the status stays, and people should know all the same; None for nothing."""
    match row.status:
        case Status.READY:
            names = sorted(name for name, _ in row.dns.names)
            return " ".join([*names, *(f"-{moment.what}" for moment in row.dns.leaving), *row.dns.unserved])
        case Status.CONNECTED:
            return row.dns.value
        case Status.DNS_BLOCKED:
            return row.dns.reason
        case Status.FAILED if row.dns.value is Dns.BEHIND:
            return row.dns.reason
        case _:
            return None


def repetition_due(written_at: datetime | None, repeats: int, now: datetime) -> int | None:
    """The how-manieth repetition of a lost report is due, or None. Hourly on the first day, daily after it."""
    if written_at is None or now - written_at < _USUAL_DELAY:
        return None
    overdue = now - written_at - _USUAL_DELAY
    due = min(1 + overdue // _HOURLY, _MOST_HOURLY + overdue // _DAILY)
    return due if due > repeats else None


def is_disconnected(row: LedgerRow) -> bool:
    """Whether the connection was revoked and no longer stands."""
    return row.status is Status.REVOKED and row.connection.state is AwsState.REJECTED


def _is_unclear(row: LedgerRow) -> bool:
    return row.status is Status.HELD and bool(row.acceptance.refusal)


def _is_refused(row: LedgerRow) -> bool:
    return row.status is Status.REJECTED and bool(row.acceptance.refusal)


def event_of(change: StatusChange, record_ttl: int = 60) -> ConnectionEvent:
    """The change for machines, with what a customer's portal can show of how to make the names by hand."""
    by_hand = handover_of(change, record_ttl)
    more = {"handover": {"commands": by_hand.commands, "template": by_hand.template}} if by_hand else {}
    return ConnectionEvent({**document_of(change), **more})


def handover_of(change: StatusChange, record_ttl: int) -> Handover | None:
    """What the consumer can do without a role for us; None where there is one, or nothing to do."""
    is_theirs = change.row.status is Status.CONNECTED and change.row.dns.value is Dns.NO_ROLE
    return handover(change.row, record_ttl) if is_theirs and not change.is_observed else None


def reason_of(change: StatusChange) -> str:
    """Why the status is what it is: a facet's sentence only where that facet made it so."""
    row = change.row
    if change.is_observed:
        return row.would
    acceptance, dns = _sentence(row.acceptance.reason), _sentence(row.dns.reason)
    state = f"AWS reports the state {row.connection.state}."
    match row.status:
        case Status.READY | Status.CONNECTED | Status.DNS_BLOCKED | Status.RETIRED:
            sentences = dns, acceptance
        case Status.FAILED:
            sentences = state, dns
        case Status.REJECTED if row.acceptance.value not in (Acceptance.REJECTING, Acceptance.REJECTED):
            sentences = state, ""
        case _:
            sentences = acceptance or state, ""
    return " ".join(filter(None, sentences))


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name or an id, which people copy."""
    first = text.partition(" ")[0].rstrip(",:;")
    begin = text[:1].upper() if first.isalpha() else text[:1]
    return f"{begin}{text[1:].removesuffix('.')}." if text else ""


def document_of(change: StatusChange) -> dict[str, object]:
    """The change as programs read it."""
    row = change.row
    return {
        "report_id": change.report_id,
        "service_id": row.ref.service_id,
        "service": row.service_title,
        "endpoint_id": row.ref.endpoint_id,
        "account": row.connection.owner,
        "region": row.connection.region,
        "state": row.connection.state.value,
        "status": row.status.value if row.status else None,
        "previous_status": change.before.value if change.before else None,
        "reason": reason_of(change),
        "decision": row.acceptance.reason,
        "decided_by": row.acceptance.decided_by,
        "answered_by": row.acceptance.answered_by or None,
        "account_name": row.acceptance.owner_name or None,
        "account_path": row.acceptance.owner_path or None,
        "reminder": row.reminders if change.is_reminder else 0,
        "would": row.would or None,
        "vpc_id": row.dns.vpc_id,
        "names": dict(row.dns.records),
        "checks": list(row.dns.all_checks),
        "interfaces": [
            {"id": one.interface_id, "address": one.address, "availability_zone_id": one.availability_zone_id}
            for one in row.dns.interfaces
        ],
        "seen_by": row.seen_by,
    }
