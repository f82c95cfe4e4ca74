"""CloudFormation: the types that ministack does not know, and the properties that it drops.

A handler gets (logical id, properties, stack name) on create and returns (physical id, attributes); the physical id is
what `Ref` gives. On update it gets (physical id, old properties, new properties, stack name).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb, eventbridge, iam, lambda_svc, scheduler, sns
from ministack.services.cloudformation import provisioners

from tests.local_aws import stock
from tests.local_aws.privatelink import Caller, PrivateLink

type Properties = dict[str, Any]
type Created = tuple[str, dict[str, Any]]

SERVICE = "VpcEndpointServiceConfiguration"


def install(privatelink: PrivateLink, ask_to_confirm: Callable[[str], bool]) -> None:
    """Add the types and mend the others. `ask_to_confirm` gets the ARN of a topic with new subscriptions."""
    stock.need(provisioners, "_RESOURCE_HANDLERS")
    stock.need(dynamodb, "_update_ttl", "_update_continuous_backups", "_tables")
    stock.need(eventbridge, "_event_bus_policies", "_remove_permission")
    stock.need(iam, "_roles")
    stock.need(lambda_svc, "_functions")
    stock.need(scheduler, "_schedules")
    stock.need(sns, "_topics")
    types: dict[str, ResourceType] = {
        "AWS::EC2::VPCEndpointService": EndpointServices(privatelink),
        "AWS::EC2::VPCEndpointServicePermissions": Permissions(privatelink),
        "AWS::EC2::VPCEndpointConnectionNotification": Notifications(privatelink),
        "AWS::Events::EventBusPolicy": BusPolicies(),
    }
    for name, kind in types.items():
        handlers = {"create": kind.create, "update": kind.update, "delete": kind.delete}
        provisioners._RESOURCE_HANDLERS[name] = handlers
    _also("AWS::DynamoDB::Table", _table)
    _also("AWS::IAM::Role", _role)
    _also("AWS::Lambda::Function", _function)
    _first("AWS::Lambda::EventSourceMapping", _event_source_mapping)
    _also("AWS::Scheduler::Schedule", _schedule)
    _also("AWS::SNS::Topic", _topic)
    _also("AWS::SNS::Topic", lambda arn, _: ask_to_confirm(arn))
    _also("AWS::SNS::Subscription", lambda arn, _: ask_to_confirm(arn.rpartition(":")[0]))


class ResourceType(Protocol):
    """One CloudFormation type; the module's docstring says what the arguments are."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created: ...
    def update(self, name: str, old: Properties, new: Properties, stack: str) -> Created: ...
    def delete(self, name: str, properties: Properties) -> None: ...


class EndpointServices:
    """AWS::EC2::VPCEndpointService."""

    def __init__(self, privatelink: PrivateLink) -> None:
        self._call = privatelink.call

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        wanted = {key: value for key, value in _service(properties).items() if value not in ([], None)}
        if properties.get("Tags"):
            wanted["TagSpecifications"] = [{"ResourceType": "vpc-endpoint-service", "Tags": properties["Tags"]}]
        service = self._call(_caller(), f"Create{SERVICE}", wanted)["ServiceConfiguration"]
        return service["ServiceId"], {"ServiceId": service["ServiceId"]}

    def update(self, name: str, old: Properties, new: Properties, stack: str) -> Created:
        before, after = _service(old), _service(new)
        change: Properties = {"ServiceId": name, "AcceptanceRequired": after.pop("AcceptanceRequired")}
        for items in (
            "NetworkLoadBalancerArns",
            "GatewayLoadBalancerArns",
            "SupportedIpAddressTypes",
            "SupportedRegions",
        ):
            if added := [item for item in after[items] if item not in before[items]]:
                change[f"Add{items}"] = added
            if removed := [item for item in before[items] if item not in after[items]]:
                change[f"Remove{items}"] = removed
        self._call(_caller(), f"Modify{SERVICE}", change)
        gone = {tag["Key"] for tag in old.get("Tags", [])} - {tag["Key"] for tag in new.get("Tags", [])}
        if gone:
            tags = [{"Key": key} for key in sorted(gone)]
            self._call(_caller(), "DeleteTags", {"Resources": [name], "Tags": tags})
        if new.get("Tags"):
            self._call(_caller(), "CreateTags", {"Resources": [name], "Tags": new["Tags"]})
        return name, {"ServiceId": name}

    def delete(self, name: str, properties: Properties) -> None:
        answer = self._call(_caller(), f"Delete{SERVICE}s", {"ServiceIds": [name]})
        if answer["Unsuccessful"]:
            raise ValueError(answer["Unsuccessful"][0]["Error"]["Message"])


class Permissions:
    """AWS::EC2::VPCEndpointServicePermissions."""

    def __init__(self, privatelink: PrivateLink) -> None:
        self._call = privatelink.call

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        self._change(properties["ServiceId"], properties.get("AllowedPrincipals", []), [])
        return f"{properties['ServiceId']}-permissions", {}

    def update(self, name: str, old: Properties, new: Properties, stack: str) -> Created:
        before, after = old.get("AllowedPrincipals", []), new.get("AllowedPrincipals", [])
        added, removed = [p for p in after if p not in before], [p for p in before if p not in after]
        self._change(new["ServiceId"], added, removed)
        return name, {}

    def delete(self, name: str, properties: Properties) -> None:
        self._change(properties["ServiceId"], [], properties.get("AllowedPrincipals", []))

    def _change(self, service_id: str, added: list[str], removed: list[str]) -> None:
        change = {"ServiceId": service_id, "AddAllowedPrincipals": added, "RemoveAllowedPrincipals": removed}
        if added or removed:
            wanted = {key: value for key, value in change.items() if value}
            self._call(_caller(), "ModifyVpcEndpointServicePermissions", wanted)


class Notifications:
    """AWS::EC2::VPCEndpointConnectionNotification."""

    def __init__(self, privatelink: PrivateLink) -> None:
        self._call = privatelink.call

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        created = self._call(_caller(), "CreateVpcEndpointConnectionNotification", properties)["ConnectionNotification"]
        name = created["ConnectionNotificationId"]
        return name, {"VPCEndpointConnectionNotificationId": name}

    def update(self, name: str, old: Properties, new: Properties, stack: str) -> Created:
        change = {key: new[key] for key in ("ConnectionNotificationArn", "ConnectionEvents")}
        self._call(_caller(), "ModifyVpcEndpointConnectionNotification", {"ConnectionNotificationId": name, **change})
        return name, {"VPCEndpointConnectionNotificationId": name}

    def delete(self, name: str, properties: Properties) -> None:
        self._call(_caller(), "DeleteVpcEndpointConnectionNotifications", {"ConnectionNotificationIds": [name]})


class BusPolicies:
    """AWS::Events::EventBusPolicy."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        bus, statement_id = properties.get("EventBusName", "default"), properties.get("StatementId", logical_id)
        policy = eventbridge._event_bus_policies.get(bus) or {"Version": "2012-10-17", "Statement": []}
        others = [statement for statement in policy["Statement"] if statement.get("Sid") != statement_id]
        statements = [*others, {"Sid": statement_id, **properties["Statement"]}]
        eventbridge._event_bus_policies[bus] = {**policy, "Statement": statements}
        return f"{bus}|{statement_id}", {}

    def update(self, name: str, old: Properties, new: Properties, stack: str) -> Created:
        return self.create(name.split("|")[1], new, stack)

    def delete(self, name: str, properties: Properties) -> None:
        bus, statement_id = name.split("|")
        eventbridge._remove_permission({"EventBusName": bus, "StatementId": statement_id})


def _caller() -> Caller:
    return Caller(get_account_id(), get_region())


def _service(properties: Mapping[str, Any]) -> Properties:
    return {
        "NetworkLoadBalancerArns": properties.get("NetworkLoadBalancerArns", []),
        "GatewayLoadBalancerArns": properties.get("GatewayLoadBalancerArns", []),
        "SupportedIpAddressTypes": properties.get("SupportedIpAddressTypes", []),
        "SupportedRegions": properties.get("SupportedRegions", []),
        "AcceptanceRequired": _boolean(properties.get("AcceptanceRequired", True)),
    }


def _also(kind: str, mend: Callable[[str, Properties], object]) -> None:
    """Let `mend(physical id, properties)` run after the type's own create and update."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    create, update = handlers["create"], handlers["update"]

    def created(logical_id: str, properties: Properties, stack: str) -> Created:
        physical_id, attributes = create(logical_id, properties, stack)
        mend(physical_id, properties)
        return physical_id, attributes

    def updated(physical_id: str, old: Properties, new: Properties, *context: str) -> Created:
        physical_id, attributes = update(physical_id, old, new, *context)
        mend(physical_id, new)
        return physical_id, attributes

    handlers["create"], handlers["update"] = created, updated


def _first(kind: str, mend: Callable[[Properties], Properties]) -> None:
    """Let the type's own create and update see `mend(properties)`."""
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    create, update = handlers["create"], handlers["update"]
    handlers["create"] = lambda logical_id, properties, stack: create(logical_id, mend(properties), stack)
    handlers["update"] = lambda name, old, new, *context: update(name, mend(old), mend(new), *context)


def _table(name: str, properties: Properties) -> None:
    if specification := properties.get("TimeToLiveSpecification"):
        dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification})
    if specification := properties.get("PointInTimeRecoverySpecification"):
        request = {"TableName": name, "PointInTimeRecoverySpecification": specification}
        dynamodb._update_continuous_backups(request)
    if _boolean(properties.get("SSESpecification", {}).get("SSEEnabled", False)):
        dynamodb._tables[name]["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS"}


def _role(name: str, properties: Properties) -> None:
    iam._roles[name].pop("PermissionsBoundary", None)
    if boundary := properties.get("PermissionsBoundary"):
        iam._roles[name]["PermissionsBoundary"] = boundary


def _function(name: str, properties: Properties) -> None:
    lambda_svc._functions[name].pop("concurrency", None)
    if (reserved := properties.get("ReservedConcurrentExecutions")) is not None:
        lambda_svc._functions[name]["concurrency"] = int(reserved)


def _event_source_mapping(properties: Properties) -> Properties:
    """A parameter of type Number arrives as text, which the poller cannot compare."""
    scaling = {key: int(value) for key, value in properties.get("ScalingConfig", {}).items()}
    return {**properties, "ScalingConfig": scaling} if scaling else properties


def _schedule(name: str, properties: Properties) -> None:
    kept = ("ScheduleExpressionTimezone", "StartDate", "EndDate", "ActionAfterCompletion", "KmsKeyArn")
    schedule = scheduler._schedules[f"{properties.get('GroupName', 'default')}/{name}"]
    schedule.update({key: properties[key] for key in kept if key in properties})


def _topic(arn: str, properties: Properties) -> None:
    attributes = sns._topics[arn]["attributes"]
    attributes.pop("KmsMasterKeyId", None)
    if key := properties.get("KmsMasterKeyId"):
        attributes["KmsMasterKeyId"] = key
    attributes["DisplayName"] = properties.get("DisplayName", "")


def _boolean(value: object) -> bool:
    return json.loads(str(value).lower()) is True
