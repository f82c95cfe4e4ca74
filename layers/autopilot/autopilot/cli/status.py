"""`status`: one line a connection."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from autopilot.cli.command import Commands, Tell, ledger_of, stack_of, stack_options
from autopilot.cli.explain import title_of
from autopilot.domain.connection import LedgerRow, Status
from autopilot.domain.failures import UnreadableRow
from autopilot.domain.report import StatusChange, reason_of

_LONGEST_REASON = 80


def listed(rows: Iterable[LedgerRow]) -> Iterator[str]:
    """A line a connection, those of a service together, and a summary as the last."""
    every = sorted(rows, key=lambda row: (row.service_title, row.ref.service_id, title_of(row), row.ref.endpoint_id))
    lines = [_columns(row) for row in every]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
    counts = Counter(map(title_of, every))
    told = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    yield f"{len(every)} connections: {told}" if every else "no connections"


def _columns(row: LedgerRow) -> tuple[str, ...]:
    service = (
        row.service_title if row.service_title == row.ref.service_id else f"{row.service_title} {row.ref.service_id}"
    )
    account = " ".join(filter(None, (row.connection.owner, row.acceptance.owner_name)))
    since = f"since {row.timeline[-1].at:%Y-%m-%d %H:%M} UTC" if row.timeline else ""
    reason = reason_of(StatusChange(row, None)) or row.would
    short = reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
    return title_of(row), service, row.ref.endpoint_id, account, since, short


def _statuses(text: str) -> frozenset[str]:
    chosen = frozenset(filter(None, text.split(",")))
    unknown = chosen - set(Status)
    if unknown or not chosen:
        raise argparse.ArgumentTypeError(f"{text!r}: give some of {','.join(Status)}, with commas")
    return chosen


def _account(text: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no account id, which has 12 digits")
    return text


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "status",
        parents=[stack_options()],
        help="one line a connection",
        description="Lists the connections of the ledger, and those that ended in the last 90 days. Without --account "
        "it reads the whole table.",
    )
    parser.add_argument("--status", type=_statuses, help="only these, such as held,dns-blocked")
    parser.add_argument("--account", type=_account, help="only the endpoints of this account")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, tell: Tell) -> Sequence[str]:
    ledger = ledger_of(stack_of(given))
    every = list(ledger.rows_in(given.account) if given.account else ledger.every_row())
    rows = [row for row in every if not isinstance(row, UnreadableRow)]
    for line in listed(row for row in rows if not given.status or row.status in given.status):
        tell(line)
    return [str(row) for row in every if isinstance(row, UnreadableRow)]
