"""What consumers, strangers and people do in the story, and what can be seen of Autopilot's answer.

Everything is done and seen through AWS's own API, as in a real account; nothing looks into Autopilot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.local_aws.control import CONSUMER, PROVIDER, STRANGER, LocalAws
from tests.local_aws.deployment import STACK, StepFailed, outputs

_deserialize = TypeDeserializer().deserialize

PATIENCE_SECONDS = 60.0
_GLANCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Story:
    """aws: a local AWS with both stacks deployed."""

    aws: LocalAws

    def create_endpoint(self, account: str = CONSUMER, tags: dict[str, str] | None = None) -> str:
        """CreateVpcEndpoint to the provider's service from this account's VPC; the new endpoint's id."""
        state = self.aws.state
        place: dict[str, Any] = {
            CONSUMER: {
                "VpcId": state.vpc_id,
                "SubnetIds": state.subnet_ids,
                "SecurityGroupIds": [state.security_group_id],
            },
            STRANGER: {"VpcId": state.stranger_vpc_id, "SubnetIds": state.stranger_subnet_ids},
        }[account]
        if tags:
            tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
            place["TagSpecifications"] = [{"ResourceType": "vpc-endpoint", "Tags": tagged}]
        answer = self.aws.client("ec2", account).create_vpc_endpoint(
            VpcEndpointType="Interface", ServiceName=state.service_name, **place
        )
        return str(answer["VpcEndpoint"]["VpcEndpointId"])

    def delete_endpoint(self, endpoint_id: str, account: str = CONSUMER) -> None:
        self.aws.client("ec2", account).delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])

    def accept_by_hand(self, endpoint_id: str) -> None:
        """What a person does in the provider's console."""
        self.aws.client("ec2", PROVIDER).accept_vpc_endpoint_connections(
            ServiceId=self.aws.state.service_id, VpcEndpointIds=[endpoint_id]
        )

    def sweep(self) -> None:
        """Run the sweep now instead of waiting for its schedule."""
        stack = self.aws.client("cloudformation", PROVIDER)
        resource = stack.describe_stack_resource(StackName=STACK, LogicalResourceId="SweepFunction")
        self.aws.client("lambda", PROVIDER).invoke(
            FunctionName=resource["StackResourceDetail"]["PhysicalResourceId"], Payload=b"{}"
        )

    def connection_state(self, endpoint_id: str) -> str | None:
        """The connection's state as the provider's list has it, or None when it is not listed."""
        filters = [{"Name": "service-id", "Values": [self.aws.state.service_id]}]
        listed = self.aws.client("ec2", PROVIDER).describe_vpc_endpoint_connections(Filters=filters)
        states = {row["VpcEndpointId"]: row["VpcEndpointState"] for row in listed["VpcEndpointConnections"]}
        return states.get(endpoint_id)

    def zone_id(self, account: str = CONSUMER) -> str | None:
        """The private hosted zone of the service's name in the consumer's VPC."""
        vpc_id = self.aws.state.vpc_id if account == CONSUMER else self.aws.state.stranger_vpc_id
        listed = self.aws.client("route53", account).list_hosted_zones_by_vpc(
            VPCId=vpc_id, VPCRegion=self.aws.state.region
        )
        names = {row["Name"]: row["HostedZoneId"] for row in listed["HostedZoneSummaries"]}
        return names.get(f"{self.aws.state.zone}.")

    def cname(self, account: str = CONSUMER) -> str | None:
        """Where the service's name leads in the consumer's VPC."""
        zone_id = self.zone_id(account)
        if zone_id is None:
            return None
        listed = self.aws.client("route53", account).list_resource_record_sets(HostedZoneId=zone_id)
        for record in listed["ResourceRecordSets"]:
            if record["Name"] == f"{self.aws.state.record}." and record["Type"] == "CNAME":
                return str(record["ResourceRecords"][0]["Value"])
        return None

    def reject_by_hand(self, endpoint_id: str) -> None:
        self.aws.client("ec2", PROVIDER).reject_vpc_endpoint_connections(
            ServiceId=self.aws.state.service_id, VpcEndpointIds=[endpoint_id]
        )

    def allowlist(self, principal: str, action: str = "accept", **attributes: dict[str, str]) -> None:
        """Put a row for the principal and all services. attributes: more of it, in DynamoDB's own notation."""
        item = {"principal": {"S": principal}, "service_id": {"S": "*"}, "action": {"S": action}, **attributes}
        self.aws.client("dynamodb", PROVIDER).put_item(TableName=outputs(self.aws)["AllowlistTableName"], Item=item)

    def forget(self, principal: str) -> None:
        """Remove the principal's rows: the one for all services, and that for the service."""
        table = self.aws.client("dynamodb", PROVIDER)
        for service_id in ("*", self.aws.state.service_id):
            key = {"principal": {"S": principal}, "service_id": {"S": service_id}}
            table.delete_item(TableName=outputs(self.aws)["AllowlistTableName"], Key=key)

    def tag(self, value: str | None) -> None:
        """Set the service's tag `autopilot`, or take it away."""
        ec2, of = self.aws.client("ec2", PROVIDER), [self.aws.state.service_id]
        if value is None:
            ec2.delete_tags(Resources=of, Tags=[{"Key": "autopilot"}])
        else:
            ec2.create_tags(Resources=of, Tags=[{"Key": "autopilot", "Value": value}])

    def notifications(self) -> list[str]:
        """The ids of the service's connection notifications."""
        found = self.aws.client("ec2", PROVIDER).describe_vpc_endpoint_connection_notifications()
        every = found["ConnectionNotificationSet"]
        return [one["ConnectionNotificationId"] for one in every if one["ServiceId"] == self.aws.state.service_id]

    def forget_notification(self) -> None:
        """Somebody deletes the service's connection notifications."""
        self.aws.client("ec2", PROVIDER).delete_vpc_endpoint_connection_notifications(
            ConnectionNotificationIds=self.notifications()
        )

    def permitted(self) -> set[str]:
        """Whom the service's own permissions name."""
        found = self.aws.client("ec2", PROVIDER).describe_vpc_endpoint_service_permissions(
            ServiceId=self.aws.state.service_id
        )
        return {row["Principal"] for row in found["AllowedPrincipals"]}

    def ledger(self, endpoint_id: str) -> dict[str, Any]:
        """The row of the endpoint, as anybody with the table's name can read it; empty without one."""
        key = {"service_id": {"S": self.aws.state.service_id}, "endpoint_id": {"S": endpoint_id}}
        table = outputs(self.aws)["LedgerTableName"]
        found = self.aws.client("dynamodb", PROVIDER).get_item(TableName=table, Key=key, ConsistentRead=True)
        return {name: _deserialize(value) for name, value in found.get("Item", {}).items()}

    def mail(self, subject: str, text: str = "") -> EmailMessage | None:
        """The first e-mail with this in its subject and that in its body."""
        mails = (mail for mail in self.aws.mail() if subject in str(mail["Subject"]))
        return next((mail for mail in mails if text in mail.get_content()), None)

    def mail_about(self, status: str, endpoint_id: str) -> EmailMessage | None:
        """The e-mail that reports this status of this endpoint."""
        return self.mail(f"] {status} ", endpoint_id)


def wait_for[T](what: str, look: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """What `look` finds, as soon as it finds anything. Raises StepFailed when it does not within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(_GLANCE_SECONDS)
    raise StepFailed(f"{what}: not seen within {seconds:.0f} seconds")
