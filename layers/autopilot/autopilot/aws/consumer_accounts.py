"""Consumer accounts, entered through the consumer role."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from autopilot.aws.calls import ADAPTIVE, BRIEF, calling, code_of
from autopilot.aws.consumer_network import read_network
from autopilot.aws.hosted_zones import Route53HostedZones
from autopilot.aws.memory import Memory
from autopilot.domain.connection import AwsState, DnsEntry
from autopilot.domain.dns_plan import Autopilot
from autopilot.domain.endpoint import CONSENT_TAG, Endpoint
from autopilot.domain.failures import NoConsumerRole
from autopilot.domain.mode import Mode
from autopilot.domain.network import Network

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import VpcEndpointTypeDef
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef

# STS sessions last an hour; one that is nearly over is not used.
_SESSION = timedelta(minutes=50)

_MOST_SESSIONS = 50

# What observe mode may do at most, whatever the role allows.
_READ_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ec2:Describe*", "route53:Get*", "route53:List*"],
                "Resource": "*",
            }
        ],
    }
)


@dataclass(frozen=True, slots=True)
class AwsConsumerAccount:
    """Implements `ConsumerAccount` with the consumer role's credentials."""

    ec2: EC2Client
    hosted_zones: Route53HostedZones
    region: str

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """An empty id would match every endpoint of the account, so it is none."""
        if not endpoint_id:
            return None
        with calling("DescribeVpcEndpoints", endpoint_id):
            try:
                found = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
            except ClientError as error:
                if code_of(error) == "InvalidVpcEndpointId.NotFound":
                    return None
                raise
        return _endpoint(found[0], self.region) if found else None

    def enable_private_dns(self, endpoint_id: str) -> None:
        with calling("ModifyVpcEndpoint", endpoint_id):
            self.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=True)

    def consents(self, vpc_id: str, account: str) -> bool:
        with calling("DescribeVpcs", vpc_id):
            vpcs = self.ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"]
        tags = {tag["Key"]: tag["Value"] for vpc in vpcs for tag in vpc.get("Tags", [])}
        return account in tags.get(CONSENT_TAG, "").split()

    def network(self, endpoint: Endpoint) -> Network:
        return read_network(self.ec2, endpoint)


class AwsConsumerAccounts:
    """Implements `ConsumerAccounts`. Sessions are kept while they last, each for one account and Region."""

    def __init__(
        self, sts: STSClient, autopilot: Autopilot, external_id: str, mode: Mode, clock: Callable[[], datetime]
    ) -> None:
        self._sts = sts
        self._autopilot = autopilot
        self._external_id = external_id
        self._mode = mode
        self._entered = Memory[tuple[str, str], AwsConsumerAccount](clock, _MOST_SESSIONS)

    def enter(self, account: str, region: str) -> AwsConsumerAccount:
        if known := self._entered.get((account, region)):
            return known
        entered = self._enter(account, region)
        self._entered.keep((account, region), entered, _SESSION)
        return entered

    def leave(self, account: str, region: str) -> bool:
        return self._entered.forget((account, region))

    def _enter(self, account: str, region: str) -> AwsConsumerAccount:
        """The role's name holds provider and Region, so that several stacks never collide."""
        role_arn = f"arn:{self._partition}:iam::{account}:role/autopilot-{self._autopilot.account}-{region}"
        request: AssumeRoleRequestTypeDef = {"RoleArn": role_arn, "RoleSessionName": "privatelink-autopilot"}
        if self._external_id:
            request["ExternalId"] = self._external_id
        if self._mode is Mode.OBSERVE:
            request["Policy"] = _READ_ONLY
        with calling("AssumeRole", role_arn):
            try:
                credentials = self._sts.assume_role(**request)["Credentials"]
            except ClientError as error:
                if code_of(error) in ("AccessDenied", "AccessDeniedException"):
                    raise NoConsumerRole(account, role_arn) from error
                raise
        # Clients of one boto3 session share EC2's parsed model; a session each would cost 20 MB an account.
        client = partial(
            boto3.client,
            region_name=region,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )
        return AwsConsumerAccount(
            client("ec2", config=BRIEF),
            Route53HostedZones(client("route53", config=ADAPTIVE), account, region),
            region,
        )

    @property
    def _partition(self) -> str:
        return self._sts.meta.partition


def _endpoint(found: VpcEndpointTypeDef, region: str) -> Endpoint:
    return Endpoint(
        found["VpcEndpointId"],
        found["VpcId"],
        region,
        AwsState.from_wire(found["State"]),
        tuple(
            DnsEntry(entry["DnsName"], entry.get("HostedZoneId", ""))
            for entry in found.get("DnsEntries", [])
            if "DnsName" in entry
        ),
        tuple(found.get("NetworkInterfaceIds", [])),
        found.get("IpAddressType", "ipv4"),
        tuple(group["GroupId"] for group in found.get("Groups", []) if "GroupId" in group),
        found.get("PrivateDnsEnabled", False),
        {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
    )
