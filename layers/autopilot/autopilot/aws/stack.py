"""The deployed CloudFormation stack, whose outputs say what is called how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class NoSuchOutput(Exception):
    """The stack has no output of this name, so it is another stack, or one of an older version."""

    def __init__(self, stack: str, key: str) -> None:
        super().__init__(f"the stack {stack} has no output {key}: is it PrivateLink Autopilot's, and of this version?")


@dataclass(frozen=True, slots=True)
class Stack:
    name: str
    region: str
    outputs: Mapping[str, str]

    def output(self, key: str) -> str:
        """Raises NoSuchOutput."""
        try:
            return self.outputs[key]
        except KeyError:
            raise NoSuchOutput(self.name, key) from None


def deployed_stack(cloudformation: CloudFormationClient, name: str) -> Stack:
    """Raises AwsCallFailed, also where there is no such stack."""
    region = cloudformation.meta.region_name
    with calling("DescribeStacks", f"{name} in {region}"):
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {one.get("OutputKey", ""): one.get("OutputValue", "") for one in stack.get("Outputs", [])}
    return Stack(stack["StackName"], region, outputs)
