"""What fits into one message: SNS and EventBridge refuse a longer one, and would at every retry."""

from __future__ import annotations

import json
from collections.abc import Mapping

MOST_BYTES = 256 * 1024

LEFT_OUT = "left_out"


def fitted(document: Mapping[str, object], most_bytes: int) -> Mapping[str, object]:
    """The document, in JSON not longer than that. Of a longer one the longest fields are left out, and only named."""
    kept: dict[str, object] = dict(document)
    left_out: list[str] = []
    while len(json.dumps(kept)) > most_bytes and (fields := kept.keys() - {LEFT_OUT}):
        longest = max(sorted(fields), key=lambda name: len(json.dumps(kept[name])))
        del kept[longest]
        left_out.append(longest)
        kept[LEFT_OUT] = left_out
    return kept


def shortened(text: str, most_characters: int) -> str:
    return text if len(text) <= most_characters else f"{text[: most_characters - 1]}…"
