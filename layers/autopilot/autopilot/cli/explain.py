"""`explain vpce-…`: what Autopilot knows of one connection, and why it is as it is."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from autopilot.cli.command import Commands, Tell, ledger_of, stack_of, stack_options
from autopilot.domain.connection import Dns, LedgerRow, Moment
from autopilot.domain.mails import facts_of
from autopilot.domain.report import StatusChange, document_of, is_untold, reason_of, telling, word_of

# What the ledger calls it, in the words of the reports.
MEANINGS = {
    Dns.NONE: "no names yet",
    Dns.WAITING: "available, the names are under way",
    Dns.PRESENT: "ready",
    Dns.CONSUMERS_OWN: "ready, by the consumer's own names",
    Dns.NO_ROLE: "connected, no role to write names with",
    Dns.UNDECLARED: "connected, no names are declared",
    Dns.DECLINED: "connected, the consumer declines names",
    Dns.BLOCKED: "dns-blocked",
    Dns.BEHIND: "names stay behind",
    Dns.ABSENT: "no names any more",
}
_OF_A_REPORT = ("report_id", "previous_status", "reminder")


def title_of(row: LedgerRow) -> str:
    """Its status in one word; a connection that is being worked on has none yet."""
    return row.status or ("observed" if row.would else "under-way")


def explained(row: LedgerRow) -> Iterator[str]:
    """The row, a fact a line."""
    yield f"{title_of(row).upper()}: {reason_of(StatusChange(row, None)) or 'nothing to tell yet'}"
    dns = row.dns
    facts = [
        *facts_of(row),
        *(("Leaving", f"{moment.what}, not declared since {_utc(moment.at)}") for moment in dns.leaving),
        ("Acceptance", _and_why(row.acceptance.value, row.acceptance.reason)),
        ("DNS", _and_why(dns.value, dns.reason)),
        *([("Failing", f"since {_utc(row.failing_since)}; a dead letter says why")] if row.failing_since else []),
        ("Decided by", row.acceptance.decided_by or row.acceptance.answered_by or "nobody yet"),
        ("Seen first", f"by {row.seen_by}"),
        ("Told", _told(row)),
    ]
    for name, value in facts:
        yield f"{name + ':':<13}{value}"
    for moment in row.timeline:
        after = _since_request(row, moment)
        seconds = "" if after is None else f"  +{after:.0f} s"
        yield f"{'Timeline:':<13}{_utc(moment.at)}{seconds}  {_meaning(moment)}"


def document(row: LedgerRow) -> Mapping[str, object]:
    """The row for programs: what the event on the bus has, and where the row stands."""
    known = {name: value for name, value in document_of(StatusChange(row, None)).items() if name not in _OF_A_REPORT}
    return {
        **known,
        "acceptance": row.acceptance.value,
        "dns": row.dns.value,
        "dns_reason": row.dns.reason,
        "zones": list(row.dns.zones),
        "is_reported": not is_untold(row),
        "version": row.version,
        "written_at": row.written_at.isoformat() if row.written_at else None,
        "timeline": [
            {"at": moment.at.isoformat(), "what": moment.what, "seconds_since_request": _since_request(row, moment)}
            for moment in row.timeline
        ],
    }


def unknown(endpoint_id: str, region: str) -> str:
    """What it means that the ledger has no row, and what to do."""
    return (
        f"{endpoint_id}: Autopilot has seen no connection of it to a service that it manages in {region}, or it ended "
        "more than 90 days ago. See whether EC2 lists it: aws ec2 describe-vpc-endpoint-connections "
        f"--region {region} --filters Name=vpc-endpoint-id,Values={endpoint_id} -- if so, its service lacks the tag "
        "autopilot=enabled, or the next sweep finds it; if not, it was made for another service, account or Region."
    )


def _and_why(value: str, reason: str) -> str:
    return f"{value} ({reason})" if reason else value


def _told(row: LedgerRow) -> str:
    lost = f"{word_of(telling(row))} is not told yet; the sweep has what was lost told again, hourly, after a day daily"
    return ", ".join(filter(None, (word_of(row.told), lost if is_untold(row) else ""))) or "nothing yet"


def _meaning(moment: Moment) -> str:
    found = next((MEANINGS[dns] for dns in Dns if dns == moment.what), moment.what)
    return found if found == moment.what else f"{moment.what}: {found}"


def _since_request(row: LedgerRow, moment: Moment) -> float | None:
    created_at = row.connection.created_at
    return round((moment.at - created_at).total_seconds(), 1) if created_at else None


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _endpoint_id(text: str) -> str:
    if not re.fullmatch(r"vpce-[0-9a-f]{8,17}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no endpoint's id, which looks like vpce-0123456789abcdef0")
    return text


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "explain",
        parents=[stack_options()],
        help="what Autopilot knows of a connection, and why",
        description="Shows the ledger's row of an endpoint: its status and why, names, checks and timeline.",
    )
    parser.add_argument("endpoint", type=_endpoint_id, help="the endpoint's id, vpce-…")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, tell: Tell) -> Sequence[str]:
    stack = stack_of(given)
    ledger = ledger_of(stack)
    ref = ledger.find(given.endpoint)
    row = ledger.rows([ref]).get(ref) if ref else None
    if row is None:
        return [unknown(given.endpoint, stack.region)]
    for line in [json.dumps(document(row))] if given.json else explained(row):
        tell(line)
    return []
