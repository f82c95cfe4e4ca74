"""The time of a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

HOUR, DAY = 3600, 24 * 3600


class Clock:
    """Passes only when told."""

    def __init__(self) -> None:
        self.now = datetime(2027, 1, 15, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        """The same since 1970, as the model of AWS wants it."""
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
