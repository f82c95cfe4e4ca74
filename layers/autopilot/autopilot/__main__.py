"""The operator's command, run with the operator's own credentials: `python -m autopilot …`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

import boto3

from autopilot.aws.aws_services import endpoint_policies
from autopilot.aws.calls import CONFIG
from autopilot.domain.endpoint_policy import EndpointPolicy, full_name
from autopilot.domain.failures import AwsCallFailed
from autopilot.operator.explain import explain
from autopilot.operator.redrive import redrive


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 when AWS did not answer, does not know a name or could not do it, 2 for a wrong command."""
    given = _parser().parse_args(arguments)
    try:
        match given.command:
            case "redrive":
                return _say(redrive(_session(given), given.stack, is_dry=given.dry_run, discards=given.discard))
            case "explain":
                return _say(explain(_session(given), given.stack, given.endpoint), f"{given.endpoint}: {_NOT_SEEN}")
            case _:
                return _endpoint_policies(given.region, given.service)
    except AwsCallFailed as failure:
        print(failure, file=sys.stderr)
        return 1


_NOT_SEEN = (
    "Autopilot has not seen it. The next sweep does if it is connected to a managed service of this Region; its tags "
    "or the endpoint's Region may be others than you think."
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m autopilot", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument("--region", help="the Region; by default that of your AWS configuration")
    of_a_stack = argparse.ArgumentParser(add_help=False)
    of_a_stack.add_argument("--stack", default="privatelink-autopilot", help="the deployed stack's name")
    policies = commands.add_parser(
        "endpoint-policies",
        parents=[everywhere],
        help="which services support endpoint policies, as EC2 says at this moment",
        description="Asks DescribeVpcEndpointServices. Without a name: every service that does not support them.",
    )
    policies.add_argument("service", nargs="*", help="a full name, or a short one such as s3 or vpce-svc-…")
    redriving = commands.add_parser(
        "redrive",
        parents=[everywhere, of_a_stack],
        help="show dead letters with their reasons, and put them back into their queues",
    )
    redriving.add_argument("--dry-run", action="store_true", help="only show them")
    redriving.add_argument("--discard", action="store_true", help="delete those whose work the sweep does")
    explaining = commands.add_parser(
        "explain", parents=[everywhere, of_a_stack], help="what Autopilot knows of an endpoint, with its timeline"
    )
    explaining.add_argument("endpoint", help="the endpoint's id, vpce-…")
    return parser


def _say(lines: Iterable[str], otherwise: str = "") -> int:
    """Print each line as it comes, or what is to be said where none does."""
    said = []
    for line in lines:
        print(line, flush=True)
        said.append(line)
    if not said:
        print(otherwise, file=sys.stderr)
    return 1 if not said or any(line.startswith("FAILED") for line in said) else 0


def _session(given: argparse.Namespace) -> boto3.Session:
    return boto3.Session(region_name=given.region)


def _endpoint_policies(region: str | None, services: Sequence[str]) -> int:
    ec2 = boto3.client("ec2", region_name=region, config=CONFIG)
    names = [full_name(name, ec2.meta.region_name) for name in services]
    return _tell(endpoint_policies(ec2, names), names)


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
