from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from autopilot.domain.connection import AwsState, Connection, ConnectionRef
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.service import EndpointService
from autopilot.use_cases.ports import Refusal
from tests.fakes.aws_model import Client
from tests.local_aws.privatelink import Response


class FakeEndpointServices:
    """`EndpointServices` straight from the model.

    shown: what a describe makes of each connection; a test puts a stale or a missing one there.
    """

    def __init__(self, ec2: Client) -> None:
        self._ec2 = ec2
        self.shown: Callable[[Connection], Connection | None] = lambda connection: connection

    def all(self) -> Sequence[EndpointService]:
        operation = "DescribeVpcEndpointServiceConfigurations"
        return [self._service(row) for row in self._ec2.listing(operation, "this account", "ServiceConfigurations")]

    def find(self, service_id: str) -> EndpointService | None:
        return next((service for service in self.all() if service.service_id == service_id), None)

    def connections(
        self, service_id: str, *, owners: Collection[str] = (), state: AwsState | None = None
    ) -> Iterator[Connection]:
        narrowed = {"service-id": [service_id], "vpc-endpoint-owner": list(owners)}
        filters = [{"Name": name, "Values": values} for name, values in narrowed.items() if values]
        for row in self._ec2.listing(
            "DescribeVpcEndpointConnections", service_id, "VpcEndpointConnections", Filters=filters
        ):
            connection = self.shown(_connection(row))
            if connection and state in (None, connection.state):
                yield connection

    def accept(self, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        return self._answer("AcceptVpcEndpointConnections", service_id, endpoint_ids)

    def reject(self, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        return self._answer("RejectVpcEndpointConnections", service_id, endpoint_ids)

    def permitted_accounts(self, service_id: str, *, among: Collection[str] | None = None) -> frozenset[str]:
        permitted = self._ec2.listing(
            "DescribeVpcEndpointServicePermissions", service_id, "AllowedPrincipals", ServiceId=service_id
        )
        accounts = frozenset(row["Principal"].split(":")[4] for row in permitted if row["PrincipalType"] == "Account")
        return accounts if among is None else accounts.intersection(among)

    def permit(self, service_id: str, accounts: Collection[str]) -> None:
        try:
            self._modify(service_id, AddAllowedPrincipals=_principals(accounts))
        except AwsCallFailed as failure:
            if failure.code != "InvalidPrincipal" or len(accounts) == 1:
                raise
            self._permit_each(service_id, accounts)

    def forbid(self, service_id: str, accounts: Collection[str]) -> None:
        self._modify(service_id, RemoveAllowedPrincipals=_principals(accounts))

    def notified(self, topic_arn: str) -> frozenset[str]:
        found = self._ec2.call("DescribeVpcEndpointConnectionNotifications", topic_arn)["ConnectionNotificationSet"]
        return frozenset(one["ServiceId"] for one in found if one["ConnectionNotificationArn"] == topic_arn)

    def notify(self, service_id: str, topic_arn: str) -> None:
        self._ec2.call(
            "CreateVpcEndpointConnectionNotification",
            service_id,
            ServiceId=service_id,
            ConnectionNotificationArn=topic_arn,
            ConnectionEvents=["Accept", "Connect", "Delete", "Reject"],
        )

    def _permit_each(self, service_id: str, accounts: Collection[str]) -> None:
        failures: list[AwsCallFailed] = []
        for account in accounts:
            try:
                self.permit(service_id, [account])
            except AwsCallFailed as failure:
                failures.append(failure)
        raise failures[0]

    def _modify(self, service_id: str, **principals: list[str]) -> None:
        self._ec2.call("ModifyVpcEndpointServicePermissions", service_id, ServiceId=service_id, **principals)

    def _answer(self, operation: str, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        answer = self._ec2.call(operation, service_id, ServiceId=service_id, VpcEndpointIds=endpoint_ids)
        return {
            item["ResourceId"]: Refusal(item["Error"]["Code"], item["Error"]["Message"])
            for item in answer["Unsuccessful"]
        }

    def _service(self, row: Response) -> EndpointService:
        tags = {tag["Key"]: tag["Value"] for tag in row["Tags"]}
        is_verified = row.get("PrivateDnsNameConfiguration", {}).get("State") == "verified"
        return EndpointService.from_tags(
            row["ServiceId"],
            self._ec2.caller.region,
            tags,
            acceptance_required=row["AcceptanceRequired"],
            load_balancer_arns=row["NetworkLoadBalancerArns"],
            availability_zone_ids=row["AvailabilityZoneIds"],
            private_dns_name=row["PrivateDnsName"] if is_verified else "",
        )


class ServicesOfACopy(FakeEndpointServices):
    """One copy of a function: `find` answers from a list no older than fresh_for, as `Ec2EndpointServices` does.

    What could not be worked with is read at each call, where the adapter waits five seconds.
    """

    def __init__(self, ec2: Client, clock: Callable[[], datetime], fresh_for: timedelta = timedelta(minutes=1)) -> None:
        super().__init__(ec2)
        self._clock, self._fresh_for = clock, fresh_for
        self._known: Sequence[EndpointService] = ()
        self._read_at: datetime | None = None

    def all(self) -> Sequence[EndpointService]:
        self._known, self._read_at = super().all(), self._clock()
        return self._known

    def find(self, service_id: str) -> EndpointService | None:
        is_fresh = self._read_at is not None and self._clock() - self._read_at < self._fresh_for
        known = next((service for service in self._known if service.service_id == service_id), None)
        is_workable = known is not None and known.managed and known.problem is None
        return known if is_fresh and is_workable else super().find(service_id)


def _principals(accounts: Collection[str]) -> list[str]:
    return [f"arn:aws:iam::{account}:root" for account in sorted(accounts)]


def _connection(row: Response) -> Connection:
    return Connection(
        ConnectionRef(row["ServiceId"], row["VpcEndpointId"]),
        row["VpcEndpointOwner"],
        row["VpcEndpointRegion"],
        AwsState.from_wire(row["VpcEndpointState"]),
        row["CreationTimestamp"],
    )
