"""The network around an endpoint, from the consumer account's EC2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from autopilot.aws.calls import calling, code_of
from autopilot.domain.connection import NetworkInterface
from autopilot.domain.endpoint import Endpoint
from autopilot.domain.network import InboundRule, Network, SecurityGroup, Vpc

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def read_network(ec2: EC2Client, endpoint: Endpoint) -> Network:
    """At most six calls. Raises AwsCallFailed."""
    return Network(_vpc(ec2, endpoint.vpc_id), _interfaces(ec2, endpoint), _groups(ec2, endpoint))


def _vpc(ec2: EC2Client, vpc_id: str) -> Vpc:
    """EC2 tells one attribute a call."""
    with calling("DescribeVpcs", vpc_id):
        owner = ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]["OwnerId"]
    with calling("DescribeVpcAttribute", vpc_id):
        support = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsSupport")["EnableDnsSupport"]
        hostnames = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsHostnames")["EnableDnsHostnames"]
    return Vpc(vpc_id, owner, support.get("Value", True), hostnames.get("Value", True))


def _interfaces(ec2: EC2Client, endpoint: Endpoint) -> tuple[NetworkInterface, ...]:
    if not endpoint.interface_ids:
        return ()
    with calling("DescribeNetworkInterfaces", endpoint.endpoint_id):
        found = ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint.interface_ids)["NetworkInterfaces"]
    with calling("DescribeSubnets", endpoint.endpoint_id):
        subnet_ids = sorted({interface["SubnetId"] for interface in found})
        subnets = ec2.describe_subnets(SubnetIds=subnet_ids)["Subnets"]
    zone_of = {subnet["SubnetId"]: subnet["AvailabilityZoneId"] for subnet in subnets}
    return tuple(
        NetworkInterface(
            interface["NetworkInterfaceId"],
            interface.get("PrivateIpAddress") or interface.get("Ipv6Address", ""),
            zone_of[interface["SubnetId"]],
        )
        for interface in sorted(found, key=lambda interface: interface["NetworkInterfaceId"])
    )


def _groups(ec2: EC2Client, endpoint: Endpoint) -> tuple[SecurityGroup, ...]:
    """Groups that were removed at this moment are none to judge by."""
    if not endpoint.group_ids:
        return ()
    with calling("DescribeSecurityGroups", endpoint.endpoint_id):
        try:
            found = ec2.describe_security_groups(GroupIds=endpoint.group_ids)["SecurityGroups"]
        except ClientError as error:
            if code_of(error) == "InvalidGroup.NotFound":
                return ()
            raise
    return tuple(
        SecurityGroup(
            group["GroupId"],
            tuple(
                InboundRule(rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
                for rule in group.get("IpPermissions", [])
            ),
        )
        for group in found
    )
