"""What the ledger knows of a connection, with its timeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autopilot.aws.ledger import LedgerTable
from autopilot.aws.stack import outputs_of
from autopilot.domain.connection import LedgerRow
from autopilot.domain.mails import facts_of, plain
from autopilot.domain.report import StatusChange, is_untold, reason_of

if TYPE_CHECKING:
    import boto3


def explain(session: boto3.Session, stack: str, endpoint_id: str) -> Iterator[str]:
    """The lines to show; none for an endpoint that Autopilot has not seen. Raises AwsCallFailed."""
    outputs = outputs_of(session.client("cloudformation"), stack)
    ledger = LedgerTable(session.client("dynamodb"), outputs["LedgerTableName"])
    ref = ledger.find(endpoint_id)
    row = ledger.rows([ref]).get(ref) if ref else None
    if row:
        yield from _explained(row)


def _explained(row: LedgerRow) -> Iterator[str]:
    yield f"{(row.status or 'under way').upper()}: {plain(reason_of(StatusChange(row, None)))}"
    for name, value in facts_of(row):
        yield f"{name + ':':<13}{plain(value)}"
    yield f"{'Decided by:':<13}{plain(row.acceptance.decided_by or row.acceptance.answered_by or 'nobody yet')}"
    yield f"{'Seen first:':<13}by {plain(row.seen_by)}"
    yield f"{'Told:':<13}{plain(row.told) or 'nothing yet'}{', and there is news that was not' * is_untold(row)}"
    began = row.connection.created_at
    for moment in row.timeline:
        after = f"  +{(moment.at - began).total_seconds():.0f} s" if began else ""
        yield f"{'Timeline:':<13}{moment.at:%Y-%m-%d %H:%M:%S} UTC  {moment.what}{after}"
