from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters import real
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, SECONDS_TO_INSYNC, FakeAutopilot
from tests.fakes.clock import Clock
from tests.fakes.landscape import Landscape
from tests.local_aws.moto_door import moto_aws


@pytest.fixture(params=[False, True], ids=["fake", "real"])
def is_real(request: pytest.FixtureRequest) -> bool:
    """Every suite is run twice: over the fake, and over the adapter with moto and the model behind boto3."""
    return bool(request.param)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeAutopilot:
    return FakeAutopilot(clock=clock)


@pytest.fixture
def landscape(is_real: bool, clock: Clock, fake: FakeAutopilot) -> Iterator[Landscape]:
    """What AWS holds; with the real adapters moto runs as long as the test."""
    if not is_real:
        yield fake.aws
        return
    times = {"seconds_to_available": SECONDS_TO_AVAILABLE, "seconds_to_insync": SECONDS_TO_INSYNC}
    with moto_aws(now=clock.seconds, **times) as doors:
        yield Landscape(doors.privatelink, doors.hosted_zones, real.vpc)
