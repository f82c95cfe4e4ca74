"""What a function remembers between its runs: while it is fresh, and never more than so much."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta


class Memory[K, T]:
    """most: what was kept first goes when there would be more."""

    def __init__(self, clock: Callable[[], datetime], most: int) -> None:
        self._clock = clock
        self._most = most
        self._kept: dict[K, tuple[datetime, T]] = {}

    def get(self, key: K) -> T | None:
        until, value = self._kept.get(key, (None, None))
        return value if until and self._clock() < until else None

    def keep(self, key: K, value: T, fresh_for: timedelta) -> None:
        self._kept.pop(key, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (self._clock() + fresh_for, value)

    def forget(self, key: K) -> bool:
        """False where there was nothing to forget."""
        return self._kept.pop(key, None) is not None
