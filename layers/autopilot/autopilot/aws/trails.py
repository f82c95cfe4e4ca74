"""CloudTrail, without which EventBridge gets no API calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient


class CloudTrails:
    """Implements `Trails`."""

    def __init__(self, cloudtrail: CloudTrailClient) -> None:
        self._cloudtrail = cloudtrail

    def is_logging(self) -> bool:
        with calling("DescribeTrails", "this Region"):
            trails = self._cloudtrail.describe_trails(includeShadowTrails=True)["trailList"]
        for trail in trails:
            with calling("GetTrailStatus", trail["TrailARN"]):
                if self._cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"]:
                    return True
        return False
