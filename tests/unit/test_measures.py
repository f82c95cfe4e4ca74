from __future__ import annotations

from dataclasses import replace

import pytest

from autopilot.domain.measures import counted_as, seconds_of
from autopilot.domain.report import StatusChange
from autopilot.domain.wake_up import SeenBy
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, SECONDS_TO_INSYNC, FakeAutopilot, event
from tests.fakes.landscape import CONSUMER, STRANGER


def told(autopilot: FakeAutopilot) -> list[StatusChange]:
    return autopilot.ledger.stream()[0]


def test_a_connection_is_measured_when_it_is_accepted_and_when_it_is_ready() -> None:
    autopilot = FakeAutopilot()
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.clock.advance(3)
    autopilot.decide(event(ref))
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    autopilot.settle(ref)

    total = 3 + SECONDS_TO_AVAILABLE + SECONDS_TO_INSYNC
    assert [seconds_of(change) for change in told(autopilot)] == [{"SecondsToAccepted": 3}, {"SecondsToReady": total}]


def test_a_held_request_is_counted_once_however_often_a_person_is_reminded() -> None:
    autopilot = FakeAutopilot()
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    autopilot.decide(event(ref, STRANGER))
    [held] = told(autopilot)

    assert counted_as(held) == "Held"
    assert counted_as(replace(held, is_reminder=True)) is None


def test_how_long_a_person_took_is_not_measured() -> None:
    autopilot = FakeAutopilot()
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER))
    autopilot.decide(event(ref, STRANGER))
    autopilot.clock.advance(86400)
    autopilot.aws.accept(ref)
    autopilot.decide(event(ref, STRANGER))

    changes = told(autopilot)
    assert [change.row.status for change in changes] == ["held", "accepted"]
    assert [seconds_of(change) for change in changes] == [{}, {}]


@pytest.mark.parametrize("seen_by", [SeenBy.INSTALLATION])
def test_what_stood_before_is_not_measured(seen_by: SeenBy) -> None:
    autopilot = FakeAutopilot()
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.aws.accept(ref)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    autopilot.decide(event(ref, seen_by=seen_by))
    autopilot.settle(ref)

    assert [seconds_of(change) for change in told(autopilot)] == [{}, {}]
