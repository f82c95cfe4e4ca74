"""Thousands of random sequences, other ones each time: `make soak`, or `python -m tests.faults.soak 5000 <seed>`."""

from __future__ import annotations

import logging
import random
import sys
import time
from itertools import count

from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.test_invariants import SETTINGS, Deployment

SEQUENCES = 5000
_AT_ONCE = 250


def soak(sequences: int, first_seed: int) -> None:
    """Raises whatever the first sequence that breaks a promise raises, with the sequence as short as it was found."""
    logging.disable(logging.CRITICAL)
    began, done = time.monotonic(), 0
    print(f"{sequences} sequences from seed {first_seed}", flush=True)
    # Hypothesis may run some more than it was asked for.
    for number in count(first_seed):
        if done >= sequences:
            break
        Deployment.sequences = 0
        some = settings(
            SETTINGS,
            max_examples=min(_AT_ONCE, sequences - done),
            derandomize=False,
            phases=[Phase.generate, Phase.shrink],
            print_blob=False,
        )
        try:
            run_state_machine_as_test(seed(number)(Deployment), settings=some)
        finally:
            done += Deployment.sequences
            print(f"{done} sequences, seed {number}, {time.monotonic() - began:.0f} s", flush=True)
    print(f"every promise held in {done} sequences; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    given = dict(enumerate(map(int, sys.argv[1:])))
    soak(given.get(0, SEQUENCES), given.get(1, random.SystemRandom().randrange(10**6)))
