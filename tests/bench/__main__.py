"""Measure everything in one run: a table in plain words, and `.local/bench.json`."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.deployed import deployed
from tests.bench.functions import sizes, starting
from tests.bench.measurement import Measurement, as_json
from tests.bench.use_cases import accepting, comparing, deciding, linearity, sweeping

RESULTS = Path(__file__).parents[2] / ".local" / "bench.json"


def crowds() -> list[Measurement]:
    return [accepting(1, most=2), accepting(1, most=None, is_cold=True), accepting(1000, most=0.25, is_cold=True)]


def lists() -> list[Measurement]:
    few, many = deciding(10), deciding(10_000)
    growth = Measurement("a decision: time with 10,000 entries against 10", many.value / few.value, "times", 1.5)
    compared = [(entries, comparing(entries)) for entries in (1_000, 10_000)]
    curve = linearity(compared, "a sweep: time an entry")
    return [few, many, growth, *(measured for _, measured in compared), curve]


def sweeps() -> list[Measurement]:
    found = {connections: sweeping(connections) for connections in (100, 1_000, 10_000)}
    times = [(connections, measured[0]) for connections, measured in found.items()]
    return [*(one for measured in found.values() for one in measured), linearity(times)]


PARTS: Sequence[tuple[str, Callable[[], list[Measurement]]]] = (
    ("Accepting, in calls of EC2", crowds),
    ("Deciding and sweeping, by the length of the allowlist", lists),
    ("Sweeping, by the number of connections", sweeps),
    ("Built functions, through Lambda's runtime client", starting),
    ("Built artifacts", sizes),
    ("Deployed on the local AWS, with AWS's own waiting taken out", deployed),
)


def main() -> None:
    began, found = time.monotonic(), list[Measurement]()
    logging.disable()
    print(f"Python {platform.python_version()} on {platform.machine()}; this machine, not AWS.")
    for title, measure in PARTS:
        print(f"\n{title}")
        for measured in measure():
            print(f"  {measured.line}", flush=True)
            found.append(measured)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(as_json(found))
    missed = [one.what for one in found if one.verdict.startswith("missed")]
    print(f"\n{len(missed) or 'No'} goals missed. {time.monotonic() - began:.0f} seconds; as JSON in {RESULTS.name}.")


if __name__ == "__main__":
    main()
