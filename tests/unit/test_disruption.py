from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.disruption import Brake, MaxDisruptions

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(("standing", "limit"), [(0, 5), (59, 5), (60, 6), (1000, 100)])
def test_the_larger_of_the_number_and_the_percentage_counts(standing: int, limit: int) -> None:
    assert MaxDisruptions(5, 10).of(standing) == limit


def test_none_at_all_can_be_asked_for() -> None:
    assert MaxDisruptions(0, 0).of(10_000) == 0


@given(st.integers(0, 20), st.integers(1, 30), st.integers(0, 20))
def test_a_step_disrupts_all_or_none(taken: int, wanted: int, limit: int) -> None:
    brake = Brake(NOW, limit=taken, taken=taken).for_a_step(wanted, limit, NOW)

    assert brake.stops(wanted) is (taken + wanted > limit)
    room = brake.limit - brake.taken
    assert room <= 0 if brake.stops(wanted) else room >= wanted


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 8)), max_size=40), st.integers(0, 10))
def test_no_day_sees_more_disruptions_than_the_limit(steps: list[tuple[int, int]], limit: int) -> None:
    brake, now = Brake(NOW), NOW
    disrupted: list[datetime] = []
    for minutes, wanted in steps:
        now += timedelta(minutes=minutes)
        brake = brake.for_a_step(wanted, limit, now)
        if not brake.stops(wanted):
            disrupted += [now] * wanted
            brake = replace(brake, taken=brake.taken + wanted)
        assert sum(brake.since <= at for at in disrupted) <= limit


def test_a_new_day_begins_anew() -> None:
    used_up = Brake(NOW, limit=5, taken=5)

    assert used_up.for_a_step(1, 5, NOW + DAY - timedelta(seconds=1)).stops(1)
    assert not used_up.for_a_step(5, 5, NOW + DAY).stops(5)


def test_a_person_allows_what_the_deployment_does_not() -> None:
    allowed = Brake(NOW, limit=0, taken=0, allowed=12)

    assert not allowed.for_a_step(12, 5, NOW + 3 * DAY).stops(12)
    assert allowed.for_a_step(13, 5, NOW).stops(13)
    assert allowed.without_permission().for_a_step(12, 5, NOW).stops(12)


def test_what_a_person_allowed_ends_with_the_day_on_which_it_was_used() -> None:
    used = Brake(NOW, limit=12, taken=12, allowed=12)

    assert used.for_a_step(3, 1, NOW + DAY).stops(3)
