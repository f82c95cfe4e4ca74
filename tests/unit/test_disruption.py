from __future__ import annotations

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
    brake = Brake({NOW: taken}, limit=taken).for_a_step(wanted, limit, NOW)

    assert brake.stops(wanted) is (taken + wanted > limit)
    room = brake.limit - brake.taken
    assert room <= 0 if brake.stops(wanted) else room >= wanted


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 8)), max_size=40), st.integers(0, 10))
def test_no_24_hours_see_more_disruptions_than_the_limit(steps: list[tuple[int, int]], limit: int) -> None:
    brake, now = Brake(), NOW
    disrupted: list[datetime] = []
    for minutes, wanted in steps:
        now += timedelta(minutes=minutes)
        brake = brake.for_a_step(wanted, limit, now)
        if not brake.stops(wanted):
            disrupted += [now] * wanted
            for _ in range(wanted):
                brake = brake.with_one_more(now)
        assert sum(now - at < DAY for at in disrupted) <= limit


def test_what_was_taken_is_forgotten_after_a_day_and_an_hour_at_most() -> None:
    used_up = Brake(limit=5).with_one_more(NOW + timedelta(minutes=59))

    assert used_up.for_a_step(5, 5, NOW + DAY + timedelta(minutes=59)).stops(5)
    assert not used_up.for_a_step(5, 5, NOW + DAY + timedelta(hours=1)).stops(5)


def test_a_person_allows_what_the_deployment_does_not() -> None:
    allowed = Brake(allowed=12)

    assert not allowed.for_a_step(12, 5, NOW).stops(12)
    assert allowed.for_a_step(13, 5, NOW).stops(13)
    ended = allowed.for_a_step(12, 5, NOW).without_permission()
    assert ended.stops(1)
    assert ended.for_a_step(12, 5, NOW).stops(12)


@pytest.mark.parametrize("taken", [0, 5])
def test_what_a_person_allowed_holds_for_a_day_from_when_it_was_seen_whatever_was_taken_before(taken: int) -> None:
    allowed = Brake({NOW: taken}, limit=5, allowed=12).for_a_step(12 - taken, 5, NOW)

    assert not allowed.stops(12 - taken)
    assert not allowed.for_a_step(12 - taken, 5, NOW + DAY - timedelta(seconds=1)).stops(12 - taken)
    assert allowed.for_a_step(12 - taken, 5, NOW + DAY).stops(12 - taken)
