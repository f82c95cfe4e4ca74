"""How many working connections may be taken away before a person must say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


class OnRevoked(StrEnum):
    """What happens to a connection whose entry no longer applies: it is only reported, or disconnected too."""

    KEEP = "keep"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class MaxDisruptions:
    """The larger of a number of connections and a percentage of those that stand."""

    connections: int = 5
    percent: int = 10

    def of(self, standing: int) -> int:
        return max(self.connections, standing * self.percent // 100)


@dataclass(frozen=True, slots=True)
class Brake:
    """What was disrupted in the last day, and what may be.

    hours: the number of disruptions by the hour in which they were taken, as `hour_of` has it. limit: how many may be
    taken in all. allowed: what a person allows beyond the deployment's limit, 0 without one. allowed_at: when a sweep
    first saw that.
    """

    hours: Mapping[datetime, int] = field(default_factory=dict)
    limit: int = 0
    allowed: int = 0
    allowed_at: datetime | None = None

    @property
    def taken(self) -> int:
        return sum(self.hours.values())

    def for_a_step(self, wanted: int, limit: int, now: datetime) -> Brake:
        """The brake for a step that would disrupt so many: all of them or, when that is too many, none.

        A mistake that would cut off half of the customers is thus stopped before the first one, not after the
        limit is used up. What a person allowed holds for a day.
        """
        recent = {hour: number for hour, number in self.hours.items() if now - hour < _DAY + _HOUR}
        began = replace(self, hours=recent, allowed_at=(self.allowed_at or now) if self.allowed else None)
        if began.allowed_at and now - began.allowed_at >= _DAY:
            began = began.without_permission()
        enough = max(limit, began.allowed)
        return replace(began, limit=enough if began.taken + wanted <= enough else began.taken)

    def without_permission(self) -> Brake:
        """What a person allowed was for those that were to be disconnected then."""
        return replace(self, limit=self.taken, allowed=0, allowed_at=None)

    def with_one_more(self, now: datetime) -> Brake:
        hour = hour_of(now)
        return replace(self, hours={**self.hours, hour: self.hours.get(hour, 0) + 1})

    def stops(self, wanted: int) -> bool:
        return self.taken + wanted > self.limit


def hour_of(moment: datetime) -> datetime:
    """The hour that a moment is in, by its beginning, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
