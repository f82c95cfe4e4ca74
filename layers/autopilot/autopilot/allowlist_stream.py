"""Records of the allowlist's stream to the keys that changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autopilot.domain.allowlist import EntryKey


def read_keys(event: Mapping[str, Any]) -> frozenset[EntryKey]:
    """The keys of the entries that were put, changed or removed. What they hold by now is read from the table."""
    keys = [record["dynamodb"]["Keys"] for record in event["Records"]]
    return frozenset(EntryKey(key["principal"]["S"], key["service_id"]["S"]) for key in keys)
