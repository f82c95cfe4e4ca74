from __future__ import annotations

from collections.abc import Callable

import pytest

from autopilot.aws.trails import CloudTrails
from autopilot.use_cases.ports import Trails
from tests.adapters.real import refuse
from tests.fakes.calls import Calls
from tests.fakes.clock import Clock
from tests.fakes.landscape import PROVIDER, REGION, Landscape
from tests.fakes.messages import FakeTrails
from tests.local_aws.moto_door import client, moto_aws, session

type Switch = Callable[[bool], None]
type Refuse = Callable[[str], None]


@pytest.fixture
def trails(is_real: bool, landscape: Landscape) -> tuple[Trails, Switch, Refuse]:
    """Trails, a switch that makes one that logs or does not, and how an operation comes to be refused."""
    if not is_real:
        fake = FakeTrails(calls := Calls())
        fake.logging = False
        return (
            fake,
            lambda on: setattr(fake, "logging", on),
            lambda operation: calls.refused.update({operation: "AccessDeniedException"}),
        )
    cloudtrail, s3 = session(PROVIDER).client("cloudtrail"), client("s3", PROVIDER)

    def switch(on: bool) -> None:
        if not cloudtrail.describe_trails()["trailList"]:
            s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": REGION})
            cloudtrail.create_trail(Name="management", S3BucketName="trail")
        (cloudtrail.start_logging if on else cloudtrail.stop_logging)(Name="management")

    return (
        CloudTrails(cloudtrail),
        switch,
        lambda operation: refuse(cloudtrail, operation, "AccessDeniedException"),
    )


def test_only_a_trail_that_logs_counts(trails: tuple[Trails, Switch, Refuse]) -> None:
    port, switch, _ = trails
    found = [port.is_logging()]
    for on in (False, True, False):
        switch(on)
        found.append(port.is_logging())

    assert found == [False, False, True, False]


@pytest.mark.parametrize("operation", ["DescribeTrails", "GetTrailStatus"])
def test_where_cloudtrail_refuses_nothing_is_known(trails: tuple[Trails, Switch, Refuse], operation: str) -> None:
    port, switch, refuse = trails
    switch(True)
    refuse(operation)

    assert port.is_logging() is None


@pytest.mark.parametrize(("is_on", "found"), [(True, True), (False, None)])
def test_a_trail_that_cannot_be_asked_hides_no_other(clock: Clock, is_on: bool, found: bool | None) -> None:
    with moto_aws(now=clock.seconds):
        cloudtrail, s3 = session(PROVIDER).client("cloudtrail"), client("s3", PROVIDER)
        s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": REGION})
        for name in ("another-accounts", "ours"):
            cloudtrail.create_trail(Name=name, S3BucketName="trail")
        if is_on:
            cloudtrail.start_logging(Name="ours")

        refuse(cloudtrail, "GetTrailStatus", "TrailNotFoundException", of="another-accounts")

        assert CloudTrails(cloudtrail).is_logging() is found
