"""`endpoint-policies`: which of AWS's own services support endpoint policies."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import boto3

from autopilot.aws.aws_services import endpoint_policies
from autopilot.aws.calls import CONFIG
from autopilot.cli.command import REGION_HELP, Commands, Tell
from autopilot.domain.endpoint_policy import full_name


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "endpoint-policies",
        help="which services support endpoint policies, as EC2 says at this moment",
        description="Asks DescribeVpcEndpointServices. Without a name: every service that does not support them.",
    )
    parser.add_argument("service", nargs="*", help="a full name, or a short one such as s3 or vpce-svc-…")
    parser.add_argument("--region", help=REGION_HELP)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, tell: Tell) -> Sequence[str]:
    ec2 = boto3.client("ec2", region_name=given.region, config=CONFIG)
    names = [full_name(name, ec2.meta.region_name) for name in given.service]
    found = endpoint_policies(ec2, names)
    for one in found:
        if names or not one.is_supported:
            tell(one.sentence)
    if not names:
        tell(f"{sum(one.is_supported for one in found)} of {len(found)} services support endpoint policies")
    known = {one.name for one in found}
    unknown = [name for name in names if name not in known]
    return [f"{name}: EC2 knows no such service in this Region, or this account may not see it" for name in unknown]
