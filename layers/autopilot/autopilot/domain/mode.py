"""Whether Autopilot acts."""

from enum import StrEnum


class Mode(StrEnum):
    """OBSERVE reads, decides, plans and reports, and writes nothing but what it would have done."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
