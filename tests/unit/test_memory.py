from __future__ import annotations

from datetime import timedelta

from autopilot.aws.memory import Memory
from tests.fakes.clock import Clock


def test_what_is_kept_is_there_until_it_is_no_longer_fresh() -> None:
    clock = Clock()
    memory = Memory[str, int](clock, most=2)
    memory.keep("one", 1, timedelta(seconds=10))
    clock.advance(9)
    assert memory.get("one") == 1
    clock.advance(1)
    assert memory.get("one") is None


def test_there_is_never_more_than_the_most_and_the_oldest_goes() -> None:
    memory = Memory[int, int](Clock(), most=3)
    for number in (1, 2, 3, 1, 4):
        memory.keep(number, number, timedelta(hours=1))

    assert [memory.get(number) for number in (1, 2, 3, 4)] == [1, None, 3, 4]
