"""AWS's own services behind interface endpoints, as EC2 lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from autopilot.aws.calls import calling, code_of
from autopilot.domain.endpoint_policy import EndpointPolicy

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def endpoint_policies(ec2: EC2Client, names: Sequence[str] = ()) -> tuple[EndpointPolicy, ...]:
    """Whether services support endpoint policies, all of the Region or those of these full names.

    EC2 refuses a name that it does not know, or that this account may not see; such a one is left out. Raises
    AwsCallFailed.
    """
    with calling("DescribeVpcEndpointServices", " ".join(names) or "this Region"):
        try:
            pages = ec2.get_paginator("describe_vpc_endpoint_services").paginate(ServiceNames=names)
            found = [service for page in pages for service in page["ServiceDetails"]]
        except ClientError as error:
            if code_of(error) == "InvalidServiceName" and len(names) == 1:
                return ()
            if code_of(error) != "InvalidServiceName":
                raise
            return tuple(one for name in names for one in endpoint_policies(ec2, [name]))
    kinds = {
        service["ServiceName"]: EndpointPolicy(
            service["ServiceName"], service.get("Owner", ""), service.get("VpcEndpointPolicySupported", False)
        )
        for service in found
    }
    return tuple(kinds[name] for name in sorted(kinds))
