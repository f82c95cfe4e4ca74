"""The events folder by name: `event("create-one-subnet")`, as it is kept or as the body of a queue message."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "events"

NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))
INVOCATIONS = tuple(name for name in NAMES if name.startswith("invoke-"))
POISON = tuple(name for name in NAMES if name.startswith("poison-"))
READABLE = tuple(name for name in NAMES if name not in INVOCATIONS + POISON)

SERVICE = "vpce-svc-0fa57c0de5e41ce01"
SECOND_SERVICE = "vpce-svc-0fa57c0de5e41ce02"
ANOTHER_VENDORS_SERVICE = "vpce-svc-0be57ca5e5a1e5001"
ENDPOINT = "vpce-0e1f2a3b4c5d6e701"
SECOND_ENDPOINT = "vpce-0e1f2a3b4c5d6e702"
PROVIDER = "111111111111"
CONSUMER = "222222222222"
REGION = "eu-central-1"


def event(name: str) -> Any:
    """A fresh copy of events/<name>.json."""
    return json.loads(body(name))


@cache
def body(name: str) -> str:
    """The text of events/<name>.json, which is what a queue message's body would be."""
    return (_FOLDER / f"{name}.json").read_text()
