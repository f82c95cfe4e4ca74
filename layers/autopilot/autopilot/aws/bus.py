"""The Autopilot bus, on which every change of status is told to machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.message_size import MOST_BYTES, fitted
from autopilot.domain.report import ConnectionEvent

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

_BATCH = 10
# EventBridge counts its own keys too.
_LONGEST_DETAIL = MOST_BYTES - 4096


class EventBridgeBus:
    """Implements `Bus`: source `privatelink-autopilot`, detail type `Connection Status Changed`."""

    def __init__(self, events: EventBridgeClient, name: str) -> None:
        self._events = events
        self._name = name

    def put(self, events: Sequence[ConnectionEvent]) -> None:
        for details in _batches(json.dumps(fitted(event.detail, _LONGEST_DETAIL)) for event in events):
            with calling("PutEvents", self._name):
                answer = self._events.put_events(
                    Entries=[
                        {
                            "EventBusName": self._name,
                            "Source": "privatelink-autopilot",
                            "DetailType": "Connection Status Changed",
                            "Detail": detail,
                        }
                        for detail in details
                    ]
                )
            for entry in answer["Entries"]:
                if "ErrorCode" in entry:
                    raise AwsCallFailed("PutEvents", self._name, entry["ErrorCode"], entry.get("ErrorMessage", ""))


def _batches(details: Iterable[str]) -> Iterator[Sequence[str]]:
    """As many as one call takes: ten, and together as long as one alone may be."""
    batch: list[str] = []
    for detail in details:
        if batch and (len(batch) == _BATCH or sum(map(len, batch)) + len(detail) > _LONGEST_DETAIL):
            yield batch
            batch = []
        batch.append(detail)
    if batch:
        yield batch
