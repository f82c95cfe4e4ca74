"""The calls that the fakes make of AWS: in order, and broken where a test wants them broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from autopilot.domain.failures import AwsCallFailed


class Crash(BaseException):
    """The function dies. No use case knows this error, as none knows the end of its own process."""


class How(StrEnum):
    """When a call goes wrong. TWICE: its answer is lost on the way, and boto3 asks once more."""

    BEFORE = "before its effect"
    AFTER = "after its effect"
    TWICE = "done twice"


@dataclass(slots=True)
class Fault:
    """What befalls some call of AWS.

    code: the error that it ends with, or None where the function dies there. operation: whose call, None for any.
    passing: how many such calls go well before it. times: how many it befalls then.
    """

    code: str | None = None
    operation: str | None = None
    how: How = How.BEFORE
    passing: int = 0
    times: int = 1

    def befalls(self, operation: str) -> bool:
        """Whether this call is the one; counts it."""
        if self.operation not in (None, operation) or not self.times:
            return False
        if self.passing:
            self.passing -= 1
            return False
        self.times -= 1
        return True


class Calls:
    """One record for all fakes of a test, so that the order across them shows.

    made: the operations of AWS in the order they were called.
    refused: by operation or by its subject (a service id, a zone id), the error code that every such call gets, and
    AWS's words after it.
    crash_before: the operation at whose next call the function dies.
    crash_after: how many calls are still done before the function dies, the answer of the last one lost.
    faults: what befalls single calls. One that died makes no call more, until `revive`.
    meanwhile: after how many calls something else happens first, and what.
    is_asked_twice: whoever does the last call is to do it once more.
    """

    def __init__(self) -> None:
        self.made: list[str] = []
        self.refused: dict[str, str] = {}
        self.crash_before: str | None = None
        self.crash_after: int | None = None
        self.faults: list[Fault] = []
        self.meanwhile: tuple[int, Callable[[], object]] | None = None
        self.is_asked_twice = False
        self._is_dead = False

    def revive(self) -> None:
        """The function's next invocation begins."""
        self._is_dead = False

    @contextmanager
    def making(self, operation: str, subject: str) -> Iterator[None]:
        """Around whatever the call does. Raises AwsCallFailed or Crash as the test has it."""
        if self._is_dead:
            raise Crash(operation)
        self.is_asked_twice = False
        self._let_others_act()
        if operation == self.crash_before:
            self.crash_before = None
            raise Crash(operation)
        self.made.append(operation)
        if refusal := self.refused.get(operation) or self.refused.get(subject):
            code, _, words = refusal.partition(" ")
            raise AwsCallFailed(operation, subject, code, words or "the test says so")
        fault = next((fault for fault in self.faults if fault.befalls(operation)), None)
        if fault and fault.how is How.BEFORE:
            self._break(fault, operation, subject)
        self.is_asked_twice = fault is not None and fault.how is How.TWICE
        yield
        if fault and fault.how is How.AFTER:
            self._break(fault, operation, subject)
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after <= 0:
                self.crash_after = None
                raise Crash(operation)

    def _break(self, fault: Fault, operation: str, subject: str) -> None:
        if fault.code is None:
            self._is_dead = True
            raise Crash(operation)
        raise AwsCallFailed(operation, subject, fault.code, f"{fault.how}, as the test says")

    def _let_others_act(self) -> None:
        if self.meanwhile is None:
            return
        calls, act = self.meanwhile
        self.meanwhile = (calls - 1, act) if calls else None
        if not calls:
            act()
