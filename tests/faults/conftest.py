from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

# Their thousands of runs would otherwise log more than they do; of no other test is the log any business of theirs.
_LOUD = ("test_invariants", "test_faults", "test_storms")


@pytest.fixture(autouse=True, scope="module")
def quiet(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.module.__name__.rpartition(".")[2] in _LOUD:
        logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
