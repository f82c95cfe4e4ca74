"""The provider's endpoint services and their connections, from EC2."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING

from autopilot.aws.calls import calling
from autopilot.domain.connection import AwsState, Connection, ConnectionRef, DnsEntry
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.service import EndpointService
from autopilot.use_cases.ports import Refusal

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        FilterTypeDef,
        ServiceConfigurationTypeDef,
        UnsuccessfulItemTypeDef,
        VpcEndpointConnectionTypeDef,
    )

_FRESH_FOR = timedelta(seconds=60)
# What would be dropped may have been made, tagged or mended a moment ago.
_LOOK_AGAIN_AFTER = timedelta(seconds=5)
_PAGE = 1000
_MOST_FILTER_VALUES = 200
_MOST_PRINCIPALS = 100
_CONNECTION_EVENTS = ("Accept", "Connect", "Delete", "Reject")
# Roles, users, `*` and services are principals too.
_WHOLE_ACCOUNT = re.compile(r"arn:[\w-]+:iam::([0-9]{12}):root")


class Ec2EndpointServices:
    """Implements `EndpointServices`. `find` answers from a list no older than `fresh_for`; all else is read."""

    def __init__(self, ec2: EC2Client, clock: Callable[[], datetime], fresh_for: timedelta = _FRESH_FOR) -> None:
        self._ec2 = ec2
        self._clock = clock
        self._fresh_for = fresh_for
        self._services: dict[str, EndpointService] = {}
        self._read_at: datetime | None = None

    def all(self) -> Sequence[EndpointService]:
        self._read()
        return tuple(self._services.values())

    def find(self, service_id: str) -> EndpointService | None:
        known = self._services.get(service_id)
        is_workable = known is not None and known.managed and known.problem is None
        if self._age() >= (self._fresh_for if is_workable else _LOOK_AGAIN_AFTER):
            self._read()
        return self._services.get(service_id)

    def connections(
        self, service_id: str, *, owners: Collection[str] = (), state: AwsState | None = None
    ) -> Iterator[Connection]:
        filters: list[FilterTypeDef] = [{"Name": "service-id", "Values": [service_id]}]
        if owners:
            filters.append({"Name": "vpc-endpoint-owner", "Values": list(owners)})
        if state:
            filters.append({"Name": "vpc-endpoint-state", "Values": [state.value]})
        pages = self._ec2.get_paginator("describe_vpc_endpoint_connections").paginate(
            Filters=filters, PaginationConfig={"PageSize": _PAGE}
        )
        with calling("DescribeVpcEndpointConnections", service_id):
            for page in pages:
                for found in page["VpcEndpointConnections"]:
                    yield self._connection(found)

    def accept(self, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        with calling("AcceptVpcEndpointConnections", f"{service_id} {' '.join(endpoint_ids)}"):
            answer = self._ec2.accept_vpc_endpoint_connections(ServiceId=service_id, VpcEndpointIds=endpoint_ids)
        return _refusals(answer["Unsuccessful"])

    def reject(self, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        with calling("RejectVpcEndpointConnections", f"{service_id} {' '.join(endpoint_ids)}"):
            answer = self._ec2.reject_vpc_endpoint_connections(ServiceId=service_id, VpcEndpointIds=endpoint_ids)
        return _refusals(answer["Unsuccessful"])

    def permitted_accounts(self, service_id: str, *, among: Collection[str] | None = None) -> frozenset[str]:
        if among is None:
            return self._permitted(service_id, [])
        found: frozenset[str] = frozenset()
        for some in batched(sorted(among), _MOST_FILTER_VALUES, strict=False):
            found |= self._permitted(service_id, [{"Name": "principal", "Values": self._principals(some)}])
        return found.intersection(among)

    def permit(self, service_id: str, accounts: Collection[str]) -> None:
        """An account that does not exist is refused alone; the others are permitted before that is raised."""
        failures: list[AwsCallFailed] = []
        for some in batched(sorted(accounts), _MOST_PRINCIPALS, strict=False):
            self._permit(service_id, some, failures)
        if failures:
            raise failures[0]

    def forbid(self, service_id: str, accounts: Collection[str]) -> None:
        for some in batched(sorted(accounts), _MOST_PRINCIPALS, strict=False):
            with calling("ModifyVpcEndpointServicePermissions", service_id):
                self._ec2.modify_vpc_endpoint_service_permissions(
                    ServiceId=service_id, RemoveAllowedPrincipals=self._principals(some)
                )

    def notified(self, topic_arn: str) -> frozenset[str]:
        """All are read and compared here: a filter that AWS ignored would have one more made at each sweep."""
        pages = self._ec2.get_paginator("describe_vpc_endpoint_connection_notifications").paginate(
            PaginationConfig={"PageSize": _PAGE}
        )
        with calling("DescribeVpcEndpointConnectionNotifications", topic_arn):
            every = [found for page in pages for found in page["ConnectionNotificationSet"]]
        return frozenset(found["ServiceId"] for found in every if found["ConnectionNotificationArn"] == topic_arn)

    def notify(self, service_id: str, topic_arn: str) -> None:
        with calling("CreateVpcEndpointConnectionNotification", service_id):
            self._ec2.create_vpc_endpoint_connection_notification(
                ServiceId=service_id, ConnectionNotificationArn=topic_arn, ConnectionEvents=_CONNECTION_EVENTS
            )

    def _permitted(self, service_id: str, filters: Sequence[FilterTypeDef]) -> frozenset[str]:
        pages = self._ec2.get_paginator("describe_vpc_endpoint_service_permissions").paginate(
            ServiceId=service_id, Filters=filters, PaginationConfig={"PageSize": _PAGE}
        )
        with calling("DescribeVpcEndpointServicePermissions", service_id):
            principals = [found.get("Principal", "") for page in pages for found in page["AllowedPrincipals"]]
        return frozenset(found[1] for found in map(_WHOLE_ACCOUNT.fullmatch, principals) if found)

    def _permit(self, service_id: str, accounts: Sequence[str], failures: list[AwsCallFailed]) -> None:
        """One principal that AWS refuses fails the whole call, so the batch is halved until it stands alone."""
        try:
            with calling("ModifyVpcEndpointServicePermissions", f"{service_id} {' '.join(accounts)}"):
                self._ec2.modify_vpc_endpoint_service_permissions(
                    ServiceId=service_id, AddAllowedPrincipals=self._principals(accounts)
                )
        except AwsCallFailed as failure:
            if failure.code != "InvalidPrincipal":
                raise
            if len(accounts) == 1:
                failures.append(failure)
                return
            middle = len(accounts) // 2
            self._permit(service_id, accounts[:middle], failures)
            self._permit(service_id, accounts[middle:], failures)

    def _principals(self, accounts: Sequence[str]) -> list[str]:
        return [f"arn:{self._ec2.meta.partition}:iam::{account}:root" for account in accounts]

    def _age(self) -> timedelta:
        return self._clock() - self._read_at if self._read_at else timedelta.max

    def _read(self) -> None:
        pages = self._ec2.get_paginator("describe_vpc_endpoint_service_configurations").paginate()
        with calling("DescribeVpcEndpointServiceConfigurations", "this account"):
            found = [service for page in pages for service in page["ServiceConfigurations"]]
        self._services = {service["ServiceId"]: self._service(service) for service in found}
        self._read_at = self._clock()

    def _service(self, found: ServiceConfigurationTypeDef) -> EndpointService:
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
        is_verified = found.get("PrivateDnsNameConfiguration", {}).get("State") == "verified"
        return EndpointService.from_tags(
            found["ServiceId"],
            self._ec2.meta.region_name,
            tags,
            acceptance_required=found.get("AcceptanceRequired", True),
            load_balancer_arns=found.get("NetworkLoadBalancerArns", []),
            # A runtime from before the field drops it.
            availability_zone_ids=found.get("AvailabilityZoneIds", []),
            private_dns_name=found.get("PrivateDnsName", "") if is_verified else "",
        )

    def _connection(self, found: VpcEndpointConnectionTypeDef) -> Connection:
        return Connection(
            ConnectionRef(found["ServiceId"], found["VpcEndpointId"]),
            found["VpcEndpointOwner"],
            # Only cross-Region PrivateLink made the field necessary; a runtime from before it drops it.
            found.get("VpcEndpointRegion") or self._ec2.meta.region_name,
            AwsState.from_wire(found["VpcEndpointState"]),
            found.get("CreationTimestamp"),
            tuple(
                DnsEntry(entry["DnsName"], entry.get("HostedZoneId", ""))
                for entry in found.get("DnsEntries", [])
                if "DnsName" in entry
            ),
        )


def _refusals(unsuccessful: Sequence[UnsuccessfulItemTypeDef]) -> dict[str, Refusal]:
    return {
        item.get("ResourceId", ""): Refusal(
            item.get("Error", {}).get("Code", "Unknown"), item.get("Error", {}).get("Message", "")
        )
        for item in unsuccessful
    }
