from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autopilot.domain.connection import AwsState, NetworkInterface
from autopilot.domain.endpoint import DnsEntry, Endpoint
from autopilot.domain.failures import AwsCallFailed, NoConsumerRole
from tests.fakes.aws_model import Client, Model
from tests.fakes.calls import Calls
from tests.fakes.hosted_zones import FakeHostedZones
from tests.local_aws.privatelink import Caller


@dataclass(frozen=True, slots=True)
class FakeConsumerAccount:
    """`ConsumerAccount` straight from the model."""

    ec2: Client
    hosted_zones: FakeHostedZones

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        if not endpoint_id:
            return None
        try:
            answer = self.ec2.call("DescribeVpcEndpoints", endpoint_id, VpcEndpointIds=[endpoint_id])
        except AwsCallFailed as refusal:
            if refusal.code == "InvalidVpcEndpointId.NotFound":
                return None
            raise
        row = answer["VpcEndpoints"][0]
        return Endpoint(
            row["VpcEndpointId"],
            row["VpcId"],
            self.ec2.caller.region,
            AwsState.from_wire(row["State"]),
            tuple(DnsEntry(entry["DnsName"], entry["HostedZoneId"]) for entry in row["DnsEntries"]),
            tuple(row["NetworkInterfaceIds"]),
            row["IpAddressType"],
            tuple(group["GroupId"] for group in row["Groups"]),
            row["PrivateDnsEnabled"],
            {tag["Key"]: tag["Value"] for tag in row["Tags"]},
        )

    def interfaces(self, endpoint: Endpoint) -> Sequence[NetworkInterface]:
        answer = self.ec2.call(
            "DescribeNetworkInterfaces", endpoint.endpoint_id, NetworkInterfaceIds=endpoint.interface_ids
        )
        rows = answer["NetworkInterfaces"] if endpoint.interface_ids else []
        return tuple(
            sorted(
                (
                    NetworkInterface(row["NetworkInterfaceId"], row["PrivateIpAddress"], row["AvailabilityZoneId"])
                    for row in rows
                ),
                key=lambda interface: interface.interface_id,
            )
        )


class FakeConsumerAccounts:
    """`ConsumerAccounts`. roles: the accounts that let Autopilot in, with the provider's account in the role's name."""

    def __init__(self, privatelink: Model, hosted_zones: Model, provider: str, calls: Calls) -> None:
        self._privatelink = privatelink
        self._hosted_zones = hosted_zones
        self._provider = provider
        self._calls = calls
        self.roles: set[str] = set()

    def enter(self, account: str, region: str) -> FakeConsumerAccount:
        role_arn = f"arn:aws:iam::{account}:role/autopilot-{self._provider}-{region}"
        with self._calls.making("AssumeRole", role_arn):
            if account not in self.roles:
                raise NoConsumerRole(account, role_arn)
        caller = Caller(account, region)
        return FakeConsumerAccount(
            Client(self._privatelink, caller, self._calls),
            FakeHostedZones(Client(self._hosted_zones, caller, self._calls)),
        )
