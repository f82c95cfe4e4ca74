"""The calls that the fakes make of AWS: in order, and broken where a test wants them broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autopilot.domain.failures import AwsCallFailed


class Crash(Exception):
    """The function dies. No use case knows this error, as none knows the end of its own process."""


class Calls:
    """One record for all fakes of a test, so that the order across them shows.

    made: the operations of AWS in the order they were called.
    refused: by operation or by its subject (a service id, a zone id), the error code that every such call gets.
    crash_before: the operation at whose next call the function dies.
    crash_after: how many calls are still done before the function dies, the answer of the last one lost.
    """

    def __init__(self) -> None:
        self.made: list[str] = []
        self.refused: dict[str, str] = {}
        self.crash_before: str | None = None
        self.crash_after: int | None = None

    @contextmanager
    def making(self, operation: str, subject: str) -> Iterator[None]:
        """Around whatever the call does. Raises AwsCallFailed or Crash as the test has it."""
        if operation == self.crash_before:
            self.crash_before = None
            raise Crash(operation)
        self.made.append(operation)
        if code := self.refused.get(operation) or self.refused.get(subject):
            raise AwsCallFailed(operation, subject, code, "the test says so")
        yield
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after <= 0:
                self.crash_after = None
                raise Crash(operation)
