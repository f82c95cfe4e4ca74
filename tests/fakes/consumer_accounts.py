from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autopilot.domain.connection import AwsState, DnsEntry, NetworkInterface
from autopilot.domain.endpoint import Endpoint
from autopilot.domain.failures import AwsCallFailed, NoConsumerRole
from autopilot.domain.network import Network, SecurityGroup, Vpc
from tests.fakes.aws_model import Client, Model
from tests.fakes.calls import Calls
from tests.fakes.hosted_zones import FakeHostedZones
from tests.fakes.landscape import FakeNetwork
from tests.local_aws.privatelink import Caller


@dataclass(frozen=True, slots=True)
class FakeConsumerAccount:
    """`ConsumerAccount` straight from the model."""

    ec2: Client
    hosted_zones: FakeHostedZones
    around: FakeNetwork

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

    def enable_private_dns(self, endpoint_id: str) -> None:
        self.ec2.call("ModifyVpcEndpoint", endpoint_id, VpcEndpointId=endpoint_id, PrivateDnsEnabled=True)

    def consents(self, vpc_id: str, account: str) -> bool:
        self._describe_vpc(vpc_id)
        return account in self.around.consents.get(vpc_id, "").split()

    def network(self, endpoint: Endpoint) -> Network:
        return Network(self._vpc(endpoint.vpc_id), tuple(self._interfaces(endpoint)), tuple(self._groups(endpoint)))

    def _vpc(self, vpc_id: str) -> Vpc:
        """One call an attribute, as EC2 wants it."""
        off, is_on = self.around.without.get(vpc_id, set()), list[bool]()
        self._describe_vpc(vpc_id)
        owner = self.around.owners.get(vpc_id, self.ec2.caller.account)
        for attribute in ("enableDnsSupport", "enableDnsHostnames"):
            with self.ec2.calls.making("DescribeVpcAttribute", vpc_id):
                is_on.append(attribute not in off)
        return Vpc(vpc_id, owner, *is_on)

    def _describe_vpc(self, vpc_id: str) -> None:
        account, region = self.ec2.caller.account, self.ec2.caller.region
        with self.ec2.calls.making("DescribeVpcs", vpc_id):
            if not self.around.vpc_exists(account, region, vpc_id):
                message = f"The vpc ID '{vpc_id}' does not exist"
                raise AwsCallFailed("DescribeVpcs", vpc_id, "InvalidVpcID.NotFound", message)

    def _groups(self, endpoint: Endpoint) -> Sequence[SecurityGroup]:
        if not endpoint.group_ids:
            return ()
        with self.ec2.calls.making("DescribeSecurityGroups", endpoint.endpoint_id):
            return [SecurityGroup(group, self.around.rules.get(group, ())) for group in endpoint.group_ids]

    def _interfaces(self, endpoint: Endpoint) -> Sequence[NetworkInterface]:
        if not endpoint.interface_ids:
            return ()
        answer = self.ec2.call(
            "DescribeNetworkInterfaces", endpoint.endpoint_id, NetworkInterfaceIds=endpoint.interface_ids
        )
        with self.ec2.calls.making("DescribeSubnets", endpoint.endpoint_id):
            rows = answer["NetworkInterfaces"]
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

    def __init__(
        self, privatelink: Model, hosted_zones: Model, network: FakeNetwork, provider: str, calls: Calls
    ) -> None:
        self._privatelink = privatelink
        self._hosted_zones = hosted_zones
        self._network = network
        self._provider = provider
        self._entered: set[tuple[str, str]] = set()
        self._calls = calls
        self.roles: set[str] = set()

    def enter(self, account: str, region: str) -> FakeConsumerAccount:
        role_arn = f"arn:aws:iam::{account}:role/autopilot-{self._provider}-{region}"
        if (account, region) in self._entered:
            return self._account(account, region)
        with self._calls.making("AssumeRole", role_arn):
            if account not in self.roles:
                raise NoConsumerRole(account, role_arn)
        self._entered.add((account, region))
        return self._account(account, region)

    def leave(self, account: str, region: str) -> bool:
        is_known = (account, region) in self._entered
        self._entered.discard((account, region))
        return is_known

    def _account(self, account: str, region: str) -> FakeConsumerAccount:
        caller = Caller(account, region)
        return FakeConsumerAccount(
            Client(self._privatelink, caller, self._calls),
            FakeHostedZones(Client(self._hosted_zones, caller, self._calls)),
            self._network,
        )
