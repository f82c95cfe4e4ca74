from __future__ import annotations

import pytest

from tests.fakes.autopilot import FakeAutopilot
from tests.fakes.landscape import CONSUMER, Vpc


@pytest.fixture
def autopilot() -> FakeAutopilot:
    return FakeAutopilot()


@pytest.fixture
def vpc(autopilot: FakeAutopilot) -> Vpc:
    return autopilot.aws.new_vpc(CONSUMER)
