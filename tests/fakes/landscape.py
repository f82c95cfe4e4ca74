"""Accounts, VPCs, endpoint services and endpoints: what a test finds on the side of AWS, and changes there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from autopilot.domain.connection import ConnectionRef
from autopilot.domain.network import InboundRule
from tests.local_aws.hosted_zones import HostedZones
from tests.local_aws.privatelink import Caller, PrivateLink, Subnet

PROVIDER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
REGION = "eu-central-1"
ZONE = "payments.example.com"
MANAGED = {"autopilot": "enabled", "autopilot:zone": ZONE, "autopilot:records": "api"}

_NLB = f"arn:aws:elasticloadbalancing:{REGION}:{PROVIDER}:loadbalancer/net/payments/50dc6c495c0c9188"


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC of an account, with a subnet to put endpoints in."""

    account: str
    vpc_id: str
    subnet_id: str


@dataclass(slots=True)
class FakeNetwork:
    """VPCs without an emulator behind them, where a test has not broken them.

    without: VPC attributes that are off. owners: of VPCs that are shared. consents: what a VPC's tag says. rules: of
    security groups.
    """

    vpcs: list[Vpc] = field(default_factory=list)
    without: dict[str, set[str]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)
    rules: dict[str, tuple[InboundRule, ...]] = field(default_factory=dict)

    def add(self, account: str) -> Vpc:
        number = len(self.vpcs) + 1
        self.vpcs.append(Vpc(account, f"vpc-{number:017x}", f"subnet-{number:017x}"))
        return self.vpcs[-1]

    def vpc_exists(self, account: str, region: str, vpc_id: str) -> bool:
        return any((vpc.account, vpc.vpc_id) == (account, vpc_id) for vpc in self.vpcs)

    def subnet(self, account: str, region: str, subnet_id: str) -> Subnet | None:
        vpcs = [vpc for vpc in self.vpcs if (vpc.account, vpc.subnet_id) == (account, subnet_id)]
        return Subnet(subnet_id, vpcs[0].vpc_id, f"{region}a", "10.0.0.0/24") if vpcs else None

    def load_balancer_zones(self, account: str, region: str, arn: str) -> Sequence[str]:
        return ()


@dataclass(frozen=True, slots=True)
class Landscape:
    """The model of AWS with what a person does to it. new_vpc: makes a VPC in the account's network."""

    privatelink: PrivateLink
    hosted_zones: HostedZones
    new_vpc: Callable[[str], Vpc]
    _numbers: count[int] = field(default_factory=count)

    def service(self, tags: dict[str, str] = MANAGED, *, acceptance: bool = True, permitted: Sequence[str] = ()) -> str:
        """An endpoint service that everybody may connect to, and some accounts by name; its id."""
        specification = {"ResourceType": "vpc-endpoint-service", "Tags": _tags(tags)}
        made = self.ec2(
            PROVIDER,
            "CreateVpcEndpointServiceConfiguration",
            NetworkLoadBalancerArns=[_NLB],
            SupportedIpAddressTypes=["ipv4", "ipv6"],
            AcceptanceRequired=acceptance,
            TagSpecifications=[specification] if tags else [],
        )
        service_id = str(made["ServiceConfiguration"]["ServiceId"])
        principals = ["*", *(f"arn:aws:iam::{account}:root" for account in permitted)]
        self.ec2(PROVIDER, "ModifyVpcEndpointServicePermissions", ServiceId=service_id, AddAllowedPrincipals=principals)
        return service_id

    def native_service(self, name: str) -> str:
        """A service whose name AWS's own private DNS resolves, its owner having proved the domain; its id."""
        service_id = self.service(MANAGED | {"autopilot:dns": "native"})
        self.ec2(PROVIDER, "ModifyVpcEndpointServiceConfiguration", ServiceId=service_id, PrivateDnsName=name)
        self.ec2(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", ServiceId=service_id)
        return service_id

    def tag(self, service_id: str, **tags: str | None) -> None:
        """Set tags, `autopilot_zone` for `autopilot:zone`; None takes one away."""
        for name, value in tags.items():
            key = name.replace("_", ":")
            if value is None:
                self.ec2(PROVIDER, "DeleteTags", Resources=[service_id], Tags=[{"Key": key}])
            else:
                self.ec2(PROVIDER, "CreateTags", Resources=[service_id], Tags=[{"Key": key, "Value": value}])

    def endpoint(
        self, service_id: str, vpc: Vpc, ip_address_type: str = "ipv4", tags: dict[str, str] | None = None
    ) -> ConnectionRef:
        """A new interface endpoint in the VPC: a request for a connection."""
        specification = {"ResourceType": "vpc-endpoint", "Tags": _tags(tags or {})}
        made = self.ec2(
            vpc.account,
            "CreateVpcEndpoint",
            ServiceName=f"com.amazonaws.vpce.{REGION}.{service_id}",
            VpcEndpointType="Interface",
            VpcId=vpc.vpc_id,
            SubnetIds=[vpc.subnet_id],
            IpAddressType=ip_address_type,
            TagSpecifications=[specification] if tags else [],
        )
        return ConnectionRef(service_id, made["VpcEndpoint"]["VpcEndpointId"])

    def accept(self, ref: ConnectionRef) -> None:
        self._answer("AcceptVpcEndpointConnections", ref)

    def reject(self, ref: ConnectionRef) -> None:
        self._answer("RejectVpcEndpointConnections", ref)

    def end_service(self, ref: ConnectionRef) -> None:
        """The provider deletes the service of this connection, its only one, which EC2 wants rejected first."""
        self.reject(ref)
        self.ec2(PROVIDER, "DeleteVpcEndpointServiceConfigurations", ServiceIds=[ref.service_id])

    def delete(self, ref: ConnectionRef, account: str = CONSUMER) -> None:
        self.ec2(account, "DeleteVpcEndpoints", VpcEndpointIds=[ref.endpoint_id])

    def regional_name(self, ref: ConnectionRef, account: str = CONSUMER) -> str:
        """The endpoint's own DNS name."""
        found = self.ec2(account, "DescribeVpcEndpoints", VpcEndpointIds=[ref.endpoint_id])
        return str(found["VpcEndpoints"][0]["DnsEntries"][0]["DnsName"])

    def zone(self, vpc: Vpc, name: str = ZONE, **records: str) -> str:
        """A private zone that somebody made by hand, with CNAMEs by their first label; its id."""
        made = self.route53(
            vpc.account,
            "CreateHostedZone",
            Name=name,
            VPC=place_of(vpc),
            CallerReference=f"by hand {next(self._numbers)}",
            HostedZoneConfig={"PrivateZone": True},
        )
        zone_id = str(made["HostedZone"]["Id"])
        for label, target in records.items():
            self.write(vpc.account, zone_id, f"{label}.{name}", target)
        return zone_id.rpartition("/")[2]

    def write(self, account: str, zone_id: str, name: str, target: str, action: str = "CREATE") -> None:
        """One CNAME, by hand."""
        record = {"Name": name, "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": target}]}
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.route53(account, "ChangeResourceRecordSets", HostedZoneId=zone_id, ChangeBatch=batch)

    def resolves(self, vpc: Vpc, name: str) -> str | None:
        """The target that a client in the VPC finds; empty for NXDOMAIN, None where public DNS is asked."""
        found = self.hosted_zones.resolve(vpc.account, REGION, vpc.vpc_id, name)
        return found.target if found.zone else None

    def zones_in(self, vpc: Vpc) -> set[str]:
        return self.hosted_zones.names_in(vpc.account, REGION, vpc.vpc_id)

    def ec2(self, account: str, operation: str, **request: Any) -> dict[str, Any]:
        return self.privatelink.call(Caller(account, REGION), operation, request)

    def route53(self, account: str, operation: str, **request: Any) -> dict[str, Any]:
        return self.hosted_zones.call(Caller(account, REGION), operation, request)

    def _answer(self, operation: str, ref: ConnectionRef) -> None:
        answer = self.ec2(PROVIDER, operation, ServiceId=ref.service_id, VpcEndpointIds=[ref.endpoint_id])
        assert not answer["Unsuccessful"]


def place_of(vpc: Vpc) -> dict[str, str]:
    """The VPC as requests to Route 53 name it."""
    return {"VPCRegion": REGION, "VPCId": vpc.vpc_id}


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
