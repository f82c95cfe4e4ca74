"""The deployed stack, as CloudFormation knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


def outputs_of(cloudformation: CloudFormationClient, stack: str) -> Mapping[str, str]:
    """The stack's outputs by name. Raises AwsCallFailed, also where there is no such stack."""
    with calling("DescribeStacks", stack):
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
