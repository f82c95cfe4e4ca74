"""Records of the ledger's stream to changes and notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autopilot.aws.ledger_items import is_connection, read_notice, read_row
from autopilot.domain.report import Notice, StatusChange, change_of


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
        elif (notice := read_notice(after)) and notice[1] and (before is None or read_notice(before) != notice):
            notices.append(Notice(*notice))
    return changes, notices
