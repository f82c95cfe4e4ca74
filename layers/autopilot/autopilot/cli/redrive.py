"""`redrive`: shows what is in the dead-letter queues, and puts back what can be worked off again."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import boto3

from autopilot.aws.calls import CONFIG
from autopilot.aws.dead_letters import DeadLetter, MoveTask, SqsDeadLetters
from autopilot.cli.command import Commands, Tell, stack_of, stack_options
from autopilot.cli.letters import Reading, of_function, of_rule, of_stream
from autopilot.domain.failures import AwsCallFailed

_MOST_LETTERS = 200
_MOST_OF_A_KIND = 10
_GLANCE_SECONDS = 2
_MOST_GLANCES = 300


class DeadLetters(Protocol):
    """A dead-letter queue. Every method raises AwsCallFailed."""

    def look(self, most: int) -> Sequence[DeadLetter]:
        """At most so many letters, which nobody else sees for a minute."""

    def hidden(self) -> int:
        """About how many letters nobody sees at this moment."""

    def show_again(self, letters: Sequence[DeadLetter]) -> None:
        """Have letters that were looked at be seen by others at once."""

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        """Delete letters that were looked at."""

    def start_move(self, destination_arn: str) -> None:
        """Have SQS move every letter to this queue."""

    def last_move(self) -> MoveTask | None:
        """The task that was started last, or None if there was none lately."""


@dataclass(frozen=True, slots=True)
class Source:
    """A dead-letter queue and how its letters are read.

    destination_arn: the queue that they are put back into; empty where nobody reads them and the sweep does their work.
    """

    title: str
    letters: DeadLetters
    read: Callable[[DeadLetter], Reading]
    destination_arn: str = ""


@dataclass(frozen=True, slots=True)
class Redrive:
    """is_dry: only show. discards: also delete the letters shown whose work nobody, or the sweep, does.

    pause: waits so many seconds.
    """

    tell: Tell
    is_dry: bool = False
    discards: bool = False
    pause: Callable[[float], None] = time.sleep

    def __call__(self, sources: Sequence[Source]) -> Sequence[str]:
        """A sentence for each source where something is left or failed. One that fails does not stop the others."""
        complaints: list[str] = []
        for source in sources:
            try:
                complaint = self._empty(source)
            except AwsCallFailed as failure:
                complaint = str(failure)
            complaints += [f"{source.title}: {complaint}"] if complaint else []
        return complaints

    def _empty(self, source: Source) -> str:
        found = source.letters.look(_MOST_LETTERS)
        if not found:
            hidden = source.letters.hidden()
            if hidden:
                return f"somebody is reading {_letters(hidden)} just now; look again in a minute"
            self.tell(f"{source.title}: no dead letters")
            return ""
        readings = [source.read(letter) for letter in found]
        self._show(source, readings)
        useless = [letter for letter, reading in zip(found, readings, strict=True) if reading.is_useless]
        deletable = useless if source.destination_arn else found
        deleted: Sequence[DeadLetter] = deletable if self.discards and not self.is_dry else ()
        try:
            source.letters.delete(deleted)
        finally:
            source.letters.show_again([letter for letter in found if letter not in deleted])
        if deleted:
            self.tell(f"{source.title}: deleted {_letters(len(deleted))}")
        if self.is_dry:
            return ""
        if source.destination_arn and len(deleted) < len(found):
            return self._move(source) or self._left(source)
        if source.destination_arn or self.discards:
            return self._left(source)
        return f"{_letters(len(found))} left, whose work the sweep does; --discard deletes them"

    def _show(self, source: Source, readings: Sequence[Reading]) -> None:
        kinds = defaultdict(list)
        for reading in readings:
            kinds[reading.kind].append(reading)
        more = " and perhaps more" if len(readings) == _MOST_LETTERS else ""
        self.tell(f"{source.title}: {_letters(len(readings))}{more}")
        for kind, alike in sorted(kinds.items(), key=lambda one: (-len(one[1]), one[0])):
            self.tell(f"  {len(alike)} x {kind}")
            for reading in alike[:_MOST_OF_A_KIND]:
                self.tell(f"      {reading.text}")
            if len(alike) > _MOST_OF_A_KIND:
                self.tell(f"      and {len(alike) - _MOST_OF_A_KIND} more")
        if source.destination_arn and not self.discards and any(reading.is_useless for reading in readings):
            self.tell("  What nobody can read comes back; --discard deletes it instead.")

    def _move(self, source: Source) -> str:
        before = source.letters.last_move()
        if before and before.is_under_way:
            self.tell(f"{source.title}: a task that was started before is still moving letters; waiting for its end")
            started_after = None
        else:
            source.letters.start_move(source.destination_arn)
            started_after = before.started_at if before else None
        for _ in range(_MOST_GLANCES):
            task = source.letters.last_move()
            if task and not task.is_under_way and task.started_at != started_after:
                break
            self.pause(_GLANCE_SECONDS)
        else:
            minutes = _GLANCE_SECONDS * _MOST_GLANCES // 60
            return f"the task has not ended after {minutes} minutes; the same command waits for it again"
        moved = f"{_letters(task.moved)} moved to {source.destination_arn.rpartition(':')[2]}"
        if task.status == "COMPLETED":
            self.tell(f"{source.title}: {moved}")
            return ""
        return f"the task ended as {task.status} {task.failure}".rstrip() + f", {moved}"

    def _left(self, source: Source) -> str:
        found = source.letters.look(1)
        source.letters.show_again(found)
        return "more letters are there; the same command goes on with them" if found else ""


def _letters(number: int) -> str:
    return f"{number} letter{'' if number == 1 else 's'}"


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "redrive",
        parents=[stack_options()],
        help="show the dead letters, and put back what can be worked off again",
        description="Shows what was given up and why, and puts the letters of the Requests and DNS queues back. What "
        "rules, streams and the schedule could not deliver is only shown: the sweep does that work. The exit status is "
        "1 when something failed or, without --dry-run, a letter is left.",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show")
    parser.add_argument(
        "--discard",
        action="store_true",
        help="also delete, once shown, the letters of rules, streams and the schedule, and those that nobody can read",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, tell: Tell) -> Sequence[str]:
    stack = stack_of(given)
    sqs = boto3.client("sqs", region_name=stack.region, config=CONFIG)

    def letters(name: str) -> DeadLetters:
        return SqsDeadLetters(sqs, stack.output(f"{name}DeadLettersArn"))

    def function(name: str) -> Callable[[DeadLetter], Reading]:
        return partial(of_function, log_group=f"/aws/lambda/{stack.name}/{name}")

    sources = [
        Source("Requests", letters("Requests"), function("decide-connection"), stack.output("RequestsQueueArn")),
        Source("DNS", letters("Dns"), function("converge-dns"), stack.output("DnsQueueArn")),
        Source("Rules and notifications", letters("Rule"), of_rule),
        Source("Streams and schedule", letters("Stream"), of_stream),
    ]
    return Redrive(tell, given.dry_run, given.discard)(sources)
