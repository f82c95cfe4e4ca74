"""Records of the ledger's stream to changes and notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from autopilot.aws.ledger_items import is_connection, is_notice, read_notice, read_row
from autopilot.domain.failures import UnreadableRow
from autopilot.domain.report import GivenNotice, Notice, StatusChange, change_of


def count_requests(event: Mapping[str, Any]) -> Counter[str]:
    """The connections that the records show for the first time, by who told us of them, as `SeenBy` has it."""
    images = (record["dynamodb"] for record in event["Records"])
    rows = (image["NewImage"] for image in images if "NewImage" in image and "OldImage" not in image)
    return Counter(row["seen_by"]["S"] for row in rows if is_connection(row))


def read_changes(event: Mapping[str, Any]) -> tuple[list[StatusChange], list[Notice]]:
    """What the records say that people should know.

    Nothing to tell is the end of an expired row, and what Autopilot keeps for itself: the brake, and whom it permitted.
    """
    changes: list[StatusChange] = []
    notices: list[Notice] = []
    for record in event["Records"]:
        before, after = record["dynamodb"].get("OldImage"), record["dynamodb"].get("NewImage")
        if after is None:
            continue
        if is_connection(after):
            change = change_of(read_row(before) if before else None, read_row(after))
            changes += [change] if change else []
        elif is_notice(after):
            subject, notice = read_notice(after)
            known = _known(before) if before else None
            is_news = known is None or notice.text != known.text or notice.repeats > known.repeats
            notices += [Notice(subject, notice.text)] if notice.text and is_news else []
    return changes, notices


def _known(before: Mapping[str, Any]) -> GivenNotice | None:
    """None also where nobody can read what it was: writing it anew mends it, and tells it."""
    try:
        return read_notice(before)[1]
    except UnreadableRow:
        return None
