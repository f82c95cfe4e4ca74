"""A dead-letter queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from autopilot.aws.dead_letters import DeadLetter, MoveTask
from autopilot.domain.failures import AwsCallFailed

SENT_AT = datetime(2026, 3, 2, 9, 14, 12, tzinfo=UTC)


class FakeDeadLetters:
    """`DeadLetters` in memory.

    A task is listed only after `lag` looks, runs for as many more as `glances`, and ends as `end`.
    """

    def __init__(self, *, glances: int = 0, lag: int = 0, end: str = "COMPLETED", breaks: str = "") -> None:
        self.waiting: list[DeadLetter] = []
        self.taken: list[DeadLetter] = []
        self.moved: list[tuple[DeadLetter, str]] = []
        self.tasks: list[MoveTask] = []
        self._glances, self._lag, self._end, self._breaks = glances, lag, end, breaks
        self._unlisted = 0

    def add(self, body: str, **attributes: str) -> None:
        self.waiting.append(DeadLetter(body, attributes, SENT_AT, f"handle {len(self.waiting)}"))

    def look(self, most: int) -> Sequence[DeadLetter]:
        if self._breaks:
            raise AwsCallFailed("ReceiveMessage", "dead letters", self._breaks, "no")
        found, self.waiting = self.waiting[:most], self.waiting[most:]
        self.taken += found
        return found

    def hidden(self) -> int:
        return len(self.taken)

    def show_again(self, letters: Sequence[DeadLetter]) -> None:
        self.delete(letters)
        self.waiting += letters

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self.taken.remove(letter)

    def start_move(self, destination_arn: str) -> None:
        letters, self.waiting = (self.waiting, []) if self._end == "COMPLETED" else ([], self.waiting)
        self.moved += [(letter, destination_arn) for letter in letters]
        self._unlisted = self._lag
        self.tasks.append(MoveTask("RUNNING", SENT_AT + timedelta(seconds=len(self.tasks)), len(letters)))

    def last_move(self) -> MoveTask | None:
        if self._unlisted:
            self._unlisted -= 1
            return self.tasks[-2] if len(self.tasks) > 1 else None
        if not self.tasks:
            return None
        last = self.tasks[-1]
        if last.is_under_way:
            self._glances -= 1
        if last.is_under_way and self._glances < 0:
            failure = "" if self._end == "COMPLETED" else "AWS's own words"
            self.tasks[-1] = MoveTask(self._end, last.started_at, last.moved, failure)
        return last
