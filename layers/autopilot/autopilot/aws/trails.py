"""CloudTrail, without which EventBridge gets no API calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from autopilot.aws.calls import calling
from autopilot.domain.failures import AwsCallFailed

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient


logger = Logger(child=True)


class CloudTrails:
    """Implements `Trails`."""

    def __init__(self, cloudtrail: CloudTrailClient) -> None:
        self._cloudtrail = cloudtrail

    def is_logging(self) -> bool | None:
        """A trail that cannot be asked, another account's perhaps, hides no other that logs."""
        try:
            with calling("DescribeTrails", "this Region"):
                trails = self._cloudtrail.describe_trails(includeShadowTrails=True)["trailList"]
        except AwsCallFailed as failure:
            logger.warning(str(failure))
            return None
        answers = {self._is_logging(trail["TrailARN"]) for trail in trails}
        if True in answers:
            return True
        return None if None in answers else False

    def _is_logging(self, arn: str) -> bool | None:
        try:
            with calling("GetTrailStatus", arn):
                return self._cloudtrail.get_trail_status(Name=arn)["IsLogging"]
        except AwsCallFailed as failure:
            logger.warning(str(failure))
            return None
