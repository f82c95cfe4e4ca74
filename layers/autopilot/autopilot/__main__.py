"""The operator's commands, run with the operator's own credentials: `python -m autopilot …`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError

from autopilot.aws.stack import NoSuchOutput
from autopilot.cli import endpoint_policies, explain, redrive, status
from autopilot.domain.failures import AwsCallFailed, UnreadableRow
from autopilot.domain.mails import plain

_COMMANDS = (status, explain, redrive, endpoint_policies)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 where the command says on stderr what failed or is left, and 2 for a wrong command."""
    given = parser().parse_args(arguments)
    try:
        complaints = given.run(given, _tell)
    except BrokenPipeError:
        # Whoever reads, `head` perhaps, has seen enough. What is left over must not be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (AwsCallFailed, BotoCoreError, NoSuchOutput, UnreadableRow) as failure:
        complaints = [str(failure)]
    for complaint in complaints:
        print(plain(complaint), file=sys.stderr)
    return 1 if complaints else 0


def parser() -> argparse.ArgumentParser:
    """Of every command; what it parses has the command's `run`."""
    every = argparse.ArgumentParser(prog="python -m autopilot", description=__doc__)
    commands = every.add_subparsers(required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return every


def _tell(line: str) -> None:
    """Names, notes and tags are foreign text, which must not command the terminal."""
    print(plain(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
