from __future__ import annotations

from collections.abc import Callable

import pytest

from autopilot.aws.trails import CloudTrails
from autopilot.use_cases.ports import Trails
from tests.fakes.calls import Calls
from tests.fakes.landscape import PROVIDER, REGION, Landscape
from tests.fakes.messages import FakeTrails
from tests.local_aws.moto_door import client

type Switch = Callable[[bool], None]


@pytest.fixture
def trails(is_real: bool, landscape: Landscape) -> tuple[Trails, Switch]:
    """Trails, and a switch that makes one that logs or does not."""
    if not is_real:
        fake = FakeTrails(Calls())
        fake.logging = False
        return fake, lambda on: setattr(fake, "logging", on)
    cloudtrail, s3 = client("cloudtrail", PROVIDER), client("s3", PROVIDER)

    def switch(on: bool) -> None:
        if not cloudtrail.describe_trails()["trailList"]:
            s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": REGION})
            cloudtrail.create_trail(Name="management", S3BucketName="trail")
        (cloudtrail.start_logging if on else cloudtrail.stop_logging)(Name="management")

    return CloudTrails(cloudtrail), switch


def test_only_a_trail_that_logs_counts(trails: tuple[Trails, Switch]) -> None:
    port, switch = trails
    found = [port.is_logging()]
    for on in (False, True, False):
        switch(on)
        found.append(port.is_logging())

    assert found == [False, False, True, False]
