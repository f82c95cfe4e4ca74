"""How many working connections may be taken away before a person must say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

_WINDOW = timedelta(days=1)


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
    """What was disrupted since when, and what may be.

    limit: how many disruptions this window allows in all. taken: how many it has seen. allowed: what a person
    allows beyond the deployment's limit, 0 without one.
    """

    since: datetime
    limit: int = 0
    taken: int = 0
    allowed: int = 0

    def for_a_step(self, wanted: int, limit: int, now: datetime) -> Brake:
        """The brake for a step that would disrupt so many: all of them or, when that is too many, none.

        A mistake that would cut off half of the customers is thus stopped before the first one, not after the
        limit is used up.
        """
        # What a person allowed is for once: it ends with the window in which it was used.
        unused = self.allowed if self.taken == 0 else 0
        began = self if now - self.since < _WINDOW else replace(self, since=now, taken=0, allowed=unused)
        enough = max(limit, began.allowed)
        return replace(began, limit=enough if began.taken + wanted <= enough else began.taken)

    def without_permission(self) -> Brake:
        """What a person allowed was for those that were to be disconnected then."""
        return replace(self, allowed=0)

    def stops(self, wanted: int) -> bool:
        return self.taken + wanted > self.limit
