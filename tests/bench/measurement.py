"""One line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """value: in `unit`. most: the goal, None where there is none."""

    what: str
    value: float
    unit: str
    most: float | None = None

    @property
    def verdict(self) -> str:
        if self.most is None:
            return ""
        if self.value <= self.most:
            return f"met: at most {self.most:g}"
        return f"missed by {self.value - self.most:.2g}: at most {self.most:g}"

    @property
    def line(self) -> str:
        return f"{self.what:<74} {self.value:>10,.3g} {self.unit:<22} {self.verdict}".rstrip()
