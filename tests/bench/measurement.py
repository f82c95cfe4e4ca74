"""The lines of the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """value: in `unit`. most: the goal, None where there is none. least: what nobody could do with less than."""

    what: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def verdict(self) -> str:
        if self.least is not None:
            return f"the least possible: {self.least:g}"
        if self.most is None:
            return ""
        if self.value <= self.most:
            return f"met: at most {self.most:g}"
        return f"missed by {self.value - self.most:.2g}: at most {self.most:g}"

    @property
    def line(self) -> str:
        return f"{self.what:<74} {self.value:>10,.3g} {self.unit:<22} {self.verdict}".rstrip()


def as_json(measurements: Sequence[Measurement]) -> str:
    return json.dumps([asdict(one) for one in measurements], indent=2)
