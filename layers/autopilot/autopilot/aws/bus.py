"""The Autopilot bus, on which every change of status is told to machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.report import ConnectionEvent

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

_BATCH = 10


class EventBridgeBus:
    """Implements `Bus`: source `privatelink-autopilot`, detail type `Connection Status Changed`."""

    def __init__(self, events: EventBridgeClient, name: str) -> None:
        self._events = events
        self._name = name

    def put(self, events: Sequence[ConnectionEvent]) -> None:
        for some in batched(events, _BATCH, strict=False):
            with calling("PutEvents", self._name):
                answer = self._events.put_events(
                    Entries=[
                        {
                            "EventBusName": self._name,
                            "Source": "privatelink-autopilot",
                            "DetailType": "Connection Status Changed",
                            "Detail": json.dumps(event.detail),
                        }
                        for event in some
                    ]
                )
            for entry in answer["Entries"]:
                if "ErrorCode" in entry:
                    raise AwsCallFailed("PutEvents", self._name, entry["ErrorCode"], entry.get("ErrorMessage", ""))
