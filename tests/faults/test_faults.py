"""One thing goes wrong, and the end is the same as without it."""

from __future__ import annotations

import pytest

from autopilot.domain.connection import Dns, Status
from tests.fakes.landscape import CONSUMER, REGION, Vpc
from tests.faults.world import World

HOUR, DAY = 3600, 24 * 3600


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def vpc(world: World) -> Vpc:
    return world.aws.new_vpc(CONSUMER)


def take_role(world: World) -> None:
    world.autopilot.consumers.roles.discard(CONSUMER)
    world.autopilot.consumers.leave(CONSUMER, REGION)


# The consumer's role


def test_names_that_were_written_before_the_role_went_are_removed_once_it_is_back(world: World, vpc: Vpc) -> None:
    ref = world.aws.endpoint(world.aws.service(), vpc)
    world.wait(400)
    assert world.rows[ref].status is Status.READY

    take_role(world)
    world.wait(2 * DAY)
    assert world.rows[ref].dns.value is Dns.NO_ROLE
    world.aws.delete(ref)
    world.wait(DAY)
    assert world.rows[ref].status is Status.FAILED

    world.autopilot.consumers.roles.add(CONSUMER)
    world.wait(DAY)
    assert world.rows[ref].status is Status.RETIRED
    assert world.aws.zones_in(vpc) == set()
