"""The operator's command, run with the operator's own credentials: `python -m autopilot …`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import boto3

from autopilot.aws.aws_services import endpoint_policies
from autopilot.aws.calls import CONFIG
from autopilot.domain.endpoint_policy import EndpointPolicy, full_name
from autopilot.domain.failures import AwsCallFailed


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 when AWS did not answer or does not know a name, and 2 for a wrong command."""
    parser = argparse.ArgumentParser(prog="python -m autopilot", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    policies = commands.add_parser(
        "endpoint-policies",
        help="which services support endpoint policies, as EC2 says at this moment",
        description="Asks DescribeVpcEndpointServices. Without a name: every service that does not support them.",
    )
    policies.add_argument("service", nargs="*", help="a full name, or a short one such as s3 or vpce-svc-…")
    policies.add_argument("--region", help="the Region; by default that of your AWS configuration")
    given = parser.parse_args(arguments)
    ec2 = boto3.client("ec2", region_name=given.region, config=CONFIG)
    names = [full_name(name, ec2.meta.region_name) for name in given.service]
    try:
        found = endpoint_policies(ec2, names)
    except AwsCallFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return _tell(found, names)


def _tell(found: Sequence[EndpointPolicy], names: Sequence[str]) -> int:
    known = {one.name for one in found}
    for one in found:
        if names or not one.is_supported:
            print(one.sentence)
    if not names:
        print(f"{sum(one.is_supported for one in found)} of {len(found)} services support endpoint policies")
    unknown = [name for name in names if name not in known]
    for name in unknown:
        print(f"{name}: EC2 knows no such service in this Region, or this account may not see it", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
