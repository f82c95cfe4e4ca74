from __future__ import annotations

import json
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.wake_up import Answer, SeenBy, WakeUp

SOMETHING_CHANGED = WakeUp(None, None, None, None, SeenBy.NOTIFICATION)

hints = st.none() | st.text(min_size=1)
wake_ups = st.builds(
    WakeUp,
    service_id=hints,
    endpoint_id=hints,
    account=hints,
    region=hints,
    seen_by=st.sampled_from(SeenBy),
    waited=st.integers(0, 1000),
    waited_seconds=st.integers(0, 1000),
    answer=st.none() | st.builds(Answer, accepted=st.booleans(), by=st.text()),
    may_disrupt=st.booleans(),
    found_by=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(wake_ups)
def test_a_body_reads_back_as_the_wake_up_it_was_written_from(wake_up: WakeUp) -> None:
    assert WakeUp.from_fields(json.loads(wake_up.to_body())) == wake_up


def test_a_body_is_short_and_says_that_it_is_ours() -> None:
    assert SOMETHING_CHANGED.to_body() == '{"autopilot":"wake-up","seen_by":"notification"}'


def test_pauses_grow_to_thirty_seconds_and_end_after_a_quarter_of_an_hour() -> None:
    wake_up, pauses = SOMETHING_CHANGED, []
    while not wake_up.has_waited_long_enough:
        pauses.append(wake_up.pause_seconds)
        wake_up = wake_up.put_back()

    assert pauses[:6] == [5, 10, 20, 30, 30, 30]
    assert sum(pauses) == wake_up.waited_seconds
    assert 15 * 60 <= wake_up.waited_seconds < 15 * 60 + 30


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("autopilot", "alarm"),
        ("service_id", 7),
        ("endpoint_id", ["vpce-1"]),
        ("seen_by", None),
        ("seen_by", "hearsay"),
        ("seen_by", {}),
        ("waited", -1),
        ("waited", True),
        ("waited_seconds", "15"),
        ("answer", "accepted"),
        ("answer", {"accepted": "yes", "by": "ann"}),
        ("answer", {"accepted": True}),
        ("answer", {"accepted": False, "by": None}),
        ("found_by", "soon"),
        ("found_by", 7),
    ],
)
def test_fields_that_to_body_never_writes_are_refused(field: str, value: object) -> None:
    fields = {"autopilot": "wake-up", "seen_by": "event", field: value}

    with pytest.raises((TypeError, ValueError)):
        WakeUp.from_fields(fields)
