"""AWS PrivateLink as a provider and its consumers meet it: endpoint services, interface endpoints, connections.

A model, not a mock: it refuses what AWS refuses, with AWS's codes and texts, and its states follow an injected clock,
so that a test decides what time it is and nothing runs in the background. It knows neither HTTP nor boto3; requests
and responses have the shapes boto3 gives them. Where AWS's behaviour is not documented the docstring says what this
model chose.
"""

import base64
import ipaddress
import json
import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol

from botocore import xform_name

type Request = Mapping[str, Any]
type Response = dict[str, Any]

EVENTS = ("Accept", "Connect", "Delete", "Reject")
LIVE = frozenset({"pendingAcceptance", "pending", "available"})
PRINCIPAL = re.compile(r"\*|arn:aws[\w-]*:iam::\d{12}:(root|(role|user)/[\w+=,.@-]+)")  # without a path
ENDPOINT_ZONE = "Z273ZU8SZ5RJPC"
PRIVATE_DNS_ZONE = "Z0PRIVATEDNS"


class AwsError(Exception):
    """A refusal: AWS's error code, its text, and the HTTP status it comes with."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes an API call, and where. `arn` is the principal; empty stands for the account itself."""

    account: str
    region: str
    arn: str = ""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One finished call: exactly one of `response` and `error` is set. Batch calls fail inside `response`."""

    caller: Caller
    operation: str
    request: Request
    response: Response | None
    error: AwsError | None
    request_id: str

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def region(self) -> str:
        return self.caller.region


@dataclass(frozen=True, slots=True)
class Notification:
    """What PrivateLink publishes to the topic of a connection notification. `account` and `region` are the topic's
    side of the connection; `source_arn` is what the topic's policy sees as `aws:SourceArn`."""

    topic_arn: str
    account: str
    region: str
    source_arn: str
    event: str
    service_id: str
    endpoint_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet as its own account sees it: zone names are the account's, zone IDs are everybody's."""

    subnet_id: str
    vpc_id: str
    zone_name: str
    cidr: str


class Network(Protocol):
    """The VPCs and load balancers around PrivateLink; the emulator behind the door has them."""

    def vpc_exists(self, account: str, region: str, vpc_id: str) -> bool: ...
    def subnet(self, account: str, region: str, subnet_id: str) -> Subnet | None: ...
    def load_balancer_zones(self, account: str, region: str, arn: str) -> Sequence[str]:
        """The names of the zones the load balancer is in, empty when the balancer is unknown."""
        ...


def zone_ids(account: str, region: str) -> dict[str, str]:
    """An account's zone names and the zones they stand for: the same three IDs, in another order per account."""
    direction = {"central": "c", "north": "n", "south": "s", "east": "e", "west": "w"}
    continent, *middle, number = region.split("-")
    words = re.findall("|".join(direction), "".join(middle))
    prefix = f"{continent}{''.join(direction[word] for word in words)}{number}"
    turn = int(account[-1])
    return {f"{region}{letter}": f"{prefix}-az{(index + turn) % 3 + 1}" for index, letter in enumerate("abc")}


def our_notification_body(event: str, service_id: str, endpoint_id: str) -> str:
    """A stand-in: AWS does not publish what these messages look like. Only the ids in it mean anything."""
    return json.dumps({"stand-in": True, "event": event, "serviceId": service_id, "vpcEndpointId": endpoint_id})


@dataclass(slots=True, eq=False)
class Service:
    service_id: str
    owner: str
    region: str
    acceptance_required: bool
    load_balancers: list[str]
    ip_address_types: list[str]
    regions: list[str]
    tags: dict[str, str]
    private_dns_name: str = ""
    private_dns_state: str = "pendingVerification"
    principals: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"com.amazonaws.vpce.{self.region}.{self.service_id}"

    @property
    def arn(self) -> str:
        return f"arn:aws:ec2:{self.region}:{self.owner}:vpc-endpoint-service/{self.service_id}"

    def permits(self, caller: Caller) -> bool:
        """The provider's own account needs no permission; everybody else is `*`, an account, a role or a user."""
        who = {"*", f"arn:aws:iam::{caller.account}:root", principal_arn(caller.arn)}
        return caller.account == self.owner or not who.isdisjoint(self.principals)


@dataclass(slots=True, eq=False)
class Endpoint:
    endpoint_id: str
    service: Service
    owner: str
    region: str
    vpc_id: str
    name: str
    connection_id: str
    ip_address_type: str
    created: float
    groups: list[str]
    tags: dict[str, str]
    interfaces: dict[str, Response] = field(default_factory=dict)
    private_dns: bool = False
    accepted: float | None = None
    rejected: bool = False
    deleted: float | None = None
    forced: str = ""

    @property
    def dns_name(self) -> str:
        return f"{self.name}.{self.service.service_id}.{self.service.region}.vpce.amazonaws.com"

    def dns_entries(self) -> list[dict[str, str]]:
        host, domain = self.dns_name.split(".", 1)
        zonal = [f"{host}-{interface['AvailabilityZone']}.{domain}" for interface in self.interfaces.values()]
        entries = [{"DnsName": name, "HostedZoneId": ENDPOINT_ZONE} for name in (self.dns_name, *zonal)]
        if self.private_dns:
            entries.append({"DnsName": self.service.private_dns_name, "HostedZoneId": PRIVATE_DNS_ZONE})
        return entries


class PrivateLink:
    """The EC2 operations of PrivateLink for all accounts and Regions. `call` is the way in: it tells the observers.

    Times are seconds. `seconds_to_available` runs from accepted to available, `seconds_to_delete` is how long the
    provider's list shows a deleted endpoint as `deleting`, `visible_after` how long it does not show a new one.
    `unknown_principals` are ARNs of accounts, roles and users that do not exist.
    `zone_names(account, region, vpc)` tells which domains hosted zones give the VPC: private DNS refuses those.
    """

    def __init__(
        self,
        network: Network,
        *,
        now: Callable[[], float] = time.time,
        seconds_to_available: float = 60,
        seconds_to_delete: float = 60,
        visible_after: float = 0,
        zone_names: Callable[[str, str, str], Collection[str]] = lambda *_: (),
        on_call: Callable[[ApiCall], None] = lambda _: None,
        on_notification: Callable[[Notification], None] = lambda _: None,
        notification_body: Callable[[str, str, str], str] = our_notification_body,
    ) -> None:
        self.seconds_to_available, self.seconds_to_delete = seconds_to_available, seconds_to_delete
        self.visible_after, self.notification_body = visible_after, notification_body
        self.accepts_rejected, self.unknown_principals = False, set[str]()
        self._network, self._now, self._zone_names = network, now, zone_names
        self._on_call, self._on_notification = on_call, on_notification
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._services: dict[str, Service] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._notifications: dict[str, tuple[Caller, Response]] = {}
        self._outbox: list[Notification] = []

    def call(self, caller: Caller, operation: str, request: Request, request_id: str = "") -> Response:
        """Carries out one API call, in boto3's names. Raises AwsError where AWS answers with an error."""
        response, refusal = None, None
        with self._lock:
            try:
                response = getattr(self, xform_name(operation))(caller, request)
            except AwsError as error:
                refusal = error
            sent, self._outbox = self._outbox, []
        self._on_call(ApiCall(caller, operation, request, response, refusal, request_id or str(uuid.uuid4())))
        for notification in sent:
            self._on_notification(notification)
        if response is None:
            raise refusal or AssertionError(operation)
        return dict(response)

    # What the doors and the tests ask the model itself

    def knows(self, resource_id: str) -> bool:
        """Whether the id of an endpoint, service or network interface was ever given out here."""
        return (
            resource_id in self._services
            or resource_id in self._endpoints
            or any(resource_id == i["NetworkInterfaceId"] for e in self._endpoints.values() for i in _interfaces(e))
        )

    def tags_of(self, resource_id: str) -> Mapping[str, str]:
        """The tags of a service or an endpoint, for conditions on `aws:ResourceTag`; empty for anything else."""
        resource = self._services.get(resource_id) or self._endpoints.get(resource_id)
        return dict(resource.tags) if resource else {}

    def force_state(self, endpoint_id: str, state: str) -> None:
        """Puts a connection into a state that only AWS can bring about: failed, expired, partial, deleted."""
        self._endpoints[endpoint_id].forced = state

    def private_dns_names(self, account: str, region: str, vpc_id: str) -> dict[str, str]:
        """The domains that endpoints with private DNS give a VPC, each with the endpoint name it leads to."""
        return {
            endpoint.service.private_dns_name: endpoint.dns_name
            for endpoint in self._endpoints.values()
            if (endpoint.owner, endpoint.region, endpoint.vpc_id) == (account, region, vpc_id)
            and endpoint.private_dns
            and endpoint.deleted is None
        }

    def state_of(self, endpoint: Endpoint) -> str:
        """The connection's state at this moment, in the casing of the wire; empty once it is gone altogether."""
        now = self._now()
        if endpoint.deleted is not None:
            return "deleting" if now < endpoint.deleted + self.seconds_to_delete else ""
        if endpoint.forced:
            return endpoint.forced
        if endpoint.rejected:
            return "rejected"
        if endpoint.accepted is None:
            return "pendingAcceptance"
        return "pending" if now < endpoint.accepted + self.seconds_to_available else "available"

    # Endpoint services

    def create_vpc_endpoint_service_configuration(self, caller: Caller, request: Request) -> Response:
        if not request.get("NetworkLoadBalancerArns"):
            raise AwsError("InvalidParameter", "network_load_balancer_arn is a required member")
        service = Service(
            service_id=_new_id("vpce-svc"),
            owner=caller.account,
            region=caller.region,
            acceptance_required=request.get("AcceptanceRequired", True),
            load_balancers=list(request["NetworkLoadBalancerArns"]),
            ip_address_types=list(request.get("SupportedIpAddressTypes") or ["ipv4"]),
            regions=list(dict.fromkeys([caller.region, *request.get("SupportedRegions", ())])),
            tags=_specified_tags(request, "vpc-endpoint-service"),
            private_dns_name=request.get("PrivateDnsName", ""),
        )
        self._services[service.service_id] = service
        return _with_token(request, {"ServiceConfiguration": self._service_configuration(service)})

    def describe_vpc_endpoint_service_configurations(self, caller: Caller, request: Request) -> Response:
        ids = request.get("ServiceIds")
        services = [self._service(caller, i) for i in ids] if ids else self._services_of(caller)
        rows = map(self._service_configuration, services)
        return _listing(
            request, "ServiceConfigurations", rows, "service-id service-name service-state tag-key", least=0
        )

    def modify_vpc_endpoint_service_configuration(self, caller: Caller, request: Request) -> Response:
        service = self._service(caller, request["ServiceId"])
        balancers = _changed(request, "NetworkLoadBalancerArns", service.load_balancers)
        if not balancers:
            raise AwsError("InvalidParameter", "An endpoint service must have at least one load balancer.")
        service.load_balancers = balancers
        service.ip_address_types = _changed(request, "SupportedIpAddressTypes", service.ip_address_types)
        service.regions = _changed(request, "SupportedRegions", service.regions)
        service.acceptance_required = request.get("AcceptanceRequired", service.acceptance_required)
        if request.get("RemovePrivateDnsName"):
            service.private_dns_name = ""
        if "PrivateDnsName" in request:
            service.private_dns_name, service.private_dns_state = request["PrivateDnsName"], "pendingVerification"
        return {"Return": True}

    def start_vpc_endpoint_service_private_dns_verification(self, caller: Caller, request: Request) -> Response:
        """Succeeds at once: there is no public DNS here in which to look for the TXT record."""
        self._service(caller, request["ServiceId"]).private_dns_state = "verified"
        return {"ReturnValue": True}

    def delete_vpc_endpoint_service_configurations(self, caller: Caller, request: Request) -> Response:
        def delete(service_id: str) -> None:
            service = self._service(caller, service_id)
            if any(e.service is service and self.state_of(e) in LIVE for e in self._endpoints.values()):
                message = f"Service {service_id} has existing active VPC Endpoint connections!"
                raise AwsError("ExistingVpcEndpointConnections", message)
            del self._services[service_id]

        return _each(request["ServiceIds"], delete)

    def modify_vpc_endpoint_service_permissions(self, caller: Caller, request: Request) -> Response:
        """All or nothing: a principal that does not exist fails the call. AWS documents neither that nor the code;
        the harder case is modelled. What is there is added again, and what is not is removed, without an error."""
        service = self._service(caller, request["ServiceId"])
        for principal in request.get("AddAllowedPrincipals", ()):
            if principal in self.unknown_principals or not PRINCIPAL.fullmatch(principal):
                raise AwsError("InvalidPrincipal", f"Invalid principal: {principal}")
        for principal in request.get("RemoveAllowedPrincipals", ()):
            service.principals.pop(principal, None)
        new = [p for p in request.get("AddAllowedPrincipals", ()) if p not in service.principals]
        service.principals |= {principal: _new_id("vpce-svc-perm") for principal in new}
        added = [row for row in self._permissions(service) if row["Principal"] in new]
        return {"AddedPrincipals": added, "ReturnValue": True}

    def describe_vpc_endpoint_service_permissions(self, caller: Caller, request: Request) -> Response:
        rows = self._permissions(self._service(caller, request["ServiceId"]))
        return _listing(request, "AllowedPrincipals", rows, "principal principal-type")

    # Connection notifications

    def create_vpc_endpoint_connection_notification(self, caller: Caller, request: Request) -> Response:
        if "ServiceId" in request:
            self._service(caller, request["ServiceId"])
        else:
            self._endpoint(caller, request["VpcEndpointId"])
        for event in request["ConnectionEvents"]:
            if event not in EVENTS:
                raise AwsError("InvalidParameter", f"{event} is not a connection event: {', '.join(EVENTS)}")
        notification = {
            "ConnectionNotificationId": _new_id("vpce-nfn"),
            **{key: request[key] for key in ("ServiceId", "VpcEndpointId") if key in request},
            "ConnectionNotificationType": "Topic",
            "ConnectionNotificationArn": request["ConnectionNotificationArn"],
            "ConnectionEvents": sorted(request["ConnectionEvents"]),
            "ConnectionNotificationState": "Enabled",
        }
        self._notifications[notification["ConnectionNotificationId"]] = (caller, notification)
        return _with_token(request, {"ConnectionNotification": notification})

    def modify_vpc_endpoint_connection_notification(self, caller: Caller, request: Request) -> Response:
        notification = self._notification(caller, request["ConnectionNotificationId"])
        notification["ConnectionEvents"] = sorted(request.get("ConnectionEvents", notification["ConnectionEvents"]))
        if "ConnectionNotificationArn" in request:
            notification["ConnectionNotificationArn"] = request["ConnectionNotificationArn"]
        return {"ReturnValue": True}

    def describe_vpc_endpoint_connection_notifications(self, caller: Caller, request: Request) -> Response:
        if wanted := request.get("ConnectionNotificationId"):
            rows = [self._notification(caller, wanted)]
        else:
            rows = [row for creator, row in self._notifications.values() if _same_place(creator, caller)]
        filters = "connection-notification-arn connection-notification-id service-id vpc-endpoint-id"
        return _listing(request, "ConnectionNotificationSet", rows, filters)

    def delete_vpc_endpoint_connection_notifications(self, caller: Caller, request: Request) -> Response:
        def delete(notification_id: str) -> None:
            del self._notifications[self._notification(caller, notification_id)["ConnectionNotificationId"]]

        return _each(request["ConnectionNotificationIds"], delete)

    # Interface endpoints, the consumer's side

    def create_vpc_endpoint(self, caller: Caller, request: Request) -> Response:
        name = request["ServiceName"]
        service = self._services.get(name.rpartition(".")[2])
        served = service and (service.name, service.region) == (name, request.get("ServiceRegion", caller.region))
        if not service or not served or caller.region not in service.regions or not service.permits(caller):
            # Without permission the service is as good as absent, and this is the text of both.
            raise AwsError("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
        if request.get("VpcEndpointType") != "Interface":
            raise AwsError("InvalidParameter", f"The service {name} supports only endpoints of type Interface.")
        if not self._network.vpc_exists(caller.account, caller.region, request["VpcId"]):
            raise AwsError("InvalidVpcID.NotFound", f"The vpc ID '{request['VpcId']}' does not exist")
        endpoint_id, accepted = _new_id("vpce"), None if service.acceptance_required else self._now()
        endpoint = Endpoint(
            endpoint_id=endpoint_id,
            service=service,
            owner=caller.account,
            region=caller.region,
            vpc_id=request["VpcId"],
            name=f"{endpoint_id}-{_random(8, 'abcdefghijklmnopqrstuvwxyz0123456789')}",
            connection_id=_new_id("vpce-con"),
            ip_address_type=request.get("IpAddressType", "ipv4"),
            created=self._now(),
            groups=list(request.get("SecurityGroupIds", ())),
            tags=_specified_tags(request, "vpc-endpoint"),
            accepted=accepted,
        )
        if endpoint.ip_address_type != "ipv4" and "ipv6" not in service.ip_address_types:
            raise AwsError("InvalidParameter", f"The service {name} does not support the endpoint's IP address type.")
        for subnet_id in request.get("SubnetIds", ()):
            self._attach(endpoint, subnet_id)
        if request.get("PrivateDnsEnabled"):
            self._enable_private_dns(endpoint)
        if request.get("DryRun"):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        self._endpoints[endpoint_id] = endpoint
        self._notify("Connect", endpoint)
        return _with_token(request, {"VpcEndpoint": self._vpc_endpoint(endpoint)})

    def describe_vpc_endpoints(self, caller: Caller, request: Request) -> Response:
        """Finds no endpoint that was deleted, from the moment of deletion. (Whether AWS shows `deleting` to the
        consumer for a while is not documented; the harder case is modelled.)"""
        ids = request.get("VpcEndpointIds")
        found = [self._endpoint(caller, i) for i in ids] if ids else self._endpoints_of(caller)
        filters = "vpc-id service-name service-region vpc-endpoint-id vpc-endpoint-state vpc-endpoint-type tag-key"
        return _listing(request, "VpcEndpoints", map(self._vpc_endpoint, found), f"{filters} ip-address-type")

    def modify_vpc_endpoint(self, caller: Caller, request: Request) -> Response:
        endpoint = self._endpoint(caller, request["VpcEndpointId"])
        if request.get("PrivateDnsEnabled"):
            self._enable_private_dns(endpoint)
        elif "PrivateDnsEnabled" in request:
            endpoint.private_dns = False
        for subnet_id in request.get("RemoveSubnetIds", ()):
            endpoint.interfaces.pop(subnet_id, None)
        for subnet_id in request.get("AddSubnetIds", ()):
            self._attach(endpoint, subnet_id)
        endpoint.groups = _changed(request, "SecurityGroupIds", endpoint.groups)
        return {"Return": True}

    def delete_vpc_endpoints(self, caller: Caller, request: Request) -> Response:
        def delete(endpoint_id: str) -> None:
            endpoint = self._endpoint(caller, endpoint_id)
            endpoint.deleted = self._now()
            self._notify("Delete", endpoint)

        return _each(request["VpcEndpointIds"], delete)

    def describe_network_interfaces(self, caller: Caller, request: Request) -> Response:
        rows = [interface for e in self._endpoints_of(caller) for interface in _interfaces(e)]
        if ids := request.get("NetworkInterfaceIds"):
            rows = [row for row in rows if row["NetworkInterfaceId"] in ids]
        return _listing(request, "NetworkInterfaces", rows, "network-interface-id vpc-id subnet-id")

    # Connections, the provider's side

    def describe_vpc_endpoint_connections(self, caller: Caller, request: Request) -> Response:
        """Refuses the filter `vpc-endpoint-id`: documented, but reported to be refused by the server
        (hashicorp/terraform-provider-aws#48442)."""
        rows = [self._connection(e) for e in self._endpoints.values() if self._listed(caller, e)]
        filters = "service-id vpc-endpoint-owner vpc-endpoint-region vpc-endpoint-state ip-address-type"
        return _listing(request, "VpcEndpointConnections", rows, filters)

    def accept_vpc_endpoint_connections(self, caller: Caller, request: Request) -> Response:
        """Only what is pendingAcceptance, and with `accepts_rejected` what was rejected: which of the two AWS does is
        not documented."""

        def accept(endpoint: Endpoint) -> None:
            acceptable = {"pendingAcceptance", *(["rejected"] if self.accepts_rejected else [])}
            if self.state_of(endpoint) not in acceptable:
                raise self._invalid_state(endpoint, "accept")
            endpoint.accepted, endpoint.rejected = self._now(), False
            self._notify("Accept", endpoint)

        return self._decide(caller, request, accept)

    def reject_vpc_endpoint_connections(self, caller: Caller, request: Request) -> Response:
        """Works from available too. A rejected connection stays listed, but is not found when rejected again."""

        def reject(endpoint: Endpoint) -> None:
            if endpoint.rejected:
                raise _no_endpoint(endpoint.endpoint_id)
            if self.state_of(endpoint) not in LIVE:
                raise self._invalid_state(endpoint, "reject")
            endpoint.rejected, endpoint.private_dns = True, False
            self._notify("Reject", endpoint)

        return self._decide(caller, request, reject)

    # Tags

    def create_tags(self, caller: Caller, request: Request) -> Response:
        for resource in self._tagged(caller, request["Resources"]):
            resource.tags |= {tag["Key"]: tag.get("Value", "") for tag in request["Tags"]}
        return {}

    def delete_tags(self, caller: Caller, request: Request) -> Response:
        for resource in self._tagged(caller, request["Resources"]):
            for tag in request.get("Tags") or [{"Key": key} for key in tuple(resource.tags)]:
                if resource.tags.get(tag["Key"]) == tag.get("Value", resource.tags.get(tag["Key"])):
                    resource.tags.pop(tag["Key"], None)
        return {}

    def describe_tags(self, caller: Caller, request: Request) -> Response:
        resources = [(s.service_id, "vpc-endpoint-service", s.tags) for s in self._services_of(caller)]
        resources += [(e.endpoint_id, "vpc-endpoint", e.tags) for e in self._endpoints_of(caller)]
        rows = [
            {"ResourceId": resource_id, "ResourceType": kind, "Key": key, "Value": value}
            for resource_id, kind, tags in resources
            for key, value in tags.items()
        ]
        return _listing(request, "Tags", rows, "resource-id resource-type key value")

    # Finding

    def _service(self, caller: Caller, service_id: str) -> Service:
        service = self._services.get(service_id)
        if not service or service not in self._services_of(caller):
            message = f"The VpcEndpointService Id '{service_id}' does not exist"
            raise AwsError("InvalidVpcEndpointServiceId.NotFound", message)
        return service

    def _endpoint(self, caller: Caller, endpoint_id: str) -> Endpoint:
        endpoint = self._endpoints.get(endpoint_id)
        if not endpoint or endpoint not in self._endpoints_of(caller):
            raise _no_endpoint(endpoint_id)
        return endpoint

    def _services_of(self, caller: Caller) -> list[Service]:
        return [s for s in self._services.values() if (s.owner, s.region) == (caller.account, caller.region)]

    def _endpoints_of(self, caller: Caller) -> list[Endpoint]:
        place = (caller.account, caller.region)
        return [e for e in self._endpoints.values() if (e.owner, e.region) == place and e.deleted is None]

    def _notification(self, caller: Caller, notification_id: str) -> Response:
        creator, notification = self._notifications.get(notification_id, (None, None))
        if not creator or not notification or not _same_place(creator, caller):
            message = f"The connection notification '{notification_id}' does not exist"
            raise AwsError("InvalidConnectionNotification", message)
        return notification

    def _tagged(self, caller: Caller, resource_ids: Iterable[str]) -> list[Service | Endpoint]:
        return [
            self._service(caller, i) if i.startswith("vpce-svc-") else self._endpoint(caller, i) for i in resource_ids
        ]

    def _listed(self, provider: Caller, endpoint: Endpoint) -> bool:
        visible = self._now() >= endpoint.created + self.visible_after and bool(self.state_of(endpoint))
        return visible and endpoint.service in self._services_of(provider)

    # Doing

    def _decide(self, caller: Caller, request: Request, decide: Callable[[Endpoint], None]) -> Response:
        service = self._service(caller, request["ServiceId"])

        def decide_one(endpoint_id: str) -> None:
            endpoint = self._endpoints.get(endpoint_id)
            if not endpoint or endpoint.service is not service or not self._listed(caller, endpoint):
                raise _no_endpoint(endpoint_id)
            decide(endpoint)

        return _each(request["VpcEndpointIds"], decide_one)

    def _invalid_state(self, endpoint: Endpoint, verb: str) -> AwsError:
        state = self.state_of(endpoint)
        return AwsError("InvalidState", f"Cannot {verb} VPC endpoint {endpoint.endpoint_id} in state {state}")

    def _attach(self, endpoint: Endpoint, subnet_id: str) -> None:
        subnet = self._network.subnet(endpoint.owner, endpoint.region, subnet_id)
        if not subnet or subnet.vpc_id != endpoint.vpc_id:
            raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        zone_id = zone_ids(endpoint.owner, endpoint.region)[subnet.zone_name]
        if endpoint.region == endpoint.service.region and zone_id not in self._zones(endpoint.service):
            raise AwsError(
                "InvalidParameter",
                f"The VPC endpoint service {endpoint.service.name} does not support the availability zone of the "
                f"subnet: {subnet_id}.",
            )
        if any(interface["AvailabilityZone"] == subnet.zone_name for interface in endpoint.interfaces.values()):
            message = f"Found another VPC endpoint subnet in the availability zone of {subnet_id}."
            raise AwsError("DuplicateSubnetsInSameZone", message)
        taken = sum(subnet_id in other.interfaces for other in self._endpoints.values())
        address = str(ipaddress.ip_network(subnet.cidr)[10 + taken])
        endpoint.interfaces[subnet_id] = {
            "NetworkInterfaceId": _new_id("eni"),
            "InterfaceType": "vpc_endpoint",
            "Description": f"VPC Endpoint Interface {endpoint.endpoint_id}",
            "OwnerId": endpoint.owner,
            "RequesterManaged": True,
            "Status": "in-use",
            "VpcId": endpoint.vpc_id,
            "SubnetId": subnet_id,
            "AvailabilityZone": subnet.zone_name,
            "AvailabilityZoneId": zone_id,
            "PrivateIpAddress": address,
            "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": address}],
        }

    def _enable_private_dns(self, endpoint: Endpoint) -> None:
        service, name = endpoint.service, endpoint.service.private_dns_name
        if not name or service.private_dns_state != "verified":
            message = f"the service {service.name} does not provide a private DNS name."
            raise AwsError("InvalidParameter", f"Private DNS can't be enabled because {message}")
        if self.state_of(endpoint) not in {"pending", "available"}:
            message = f"the VPC endpoint is not accepted by the owner of {service.name}."
            raise AwsError("InvalidParameter", f"Private DNS can't be enabled because {message}")
        place = (endpoint.owner, endpoint.region, endpoint.vpc_id)
        if not endpoint.private_dns and name in {*self._zone_names(*place), *self.private_dns_names(*place)}:
            raise AwsError(
                "InvalidParameter",
                f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} "
                f"in the VPC {endpoint.vpc_id}",
            )
        endpoint.private_dns = True

    def _notify(self, event: str, endpoint: Endpoint) -> None:
        service = endpoint.service
        for creator, row in self._notifications.values():
            subject = row.get("ServiceId") or row["VpcEndpointId"]
            if subject in (service.service_id, endpoint.endpoint_id) and event in row["ConnectionEvents"]:
                self._outbox.append(
                    Notification(
                        topic_arn=row["ConnectionNotificationArn"],
                        account=creator.account,
                        region=creator.region,
                        source_arn=service.arn
                        if "ServiceId" in row
                        else f"arn:aws:ec2:{endpoint.region}:{endpoint.owner}:vpc-endpoint/{endpoint.endpoint_id}",
                        event=event,
                        service_id=service.service_id,
                        endpoint_id=endpoint.endpoint_id,
                        body=self.notification_body(event, service.service_id, endpoint.endpoint_id),
                    )
                )

    # Telling

    def _zones(self, service: Service) -> list[str]:
        """The zone IDs of the load balancers; all zones of the Region when the emulator does not know them."""
        ids = zone_ids(service.owner, service.region)
        names = {
            zone
            for arn in service.load_balancers
            for zone in self._network.load_balancer_zones(service.owner, service.region, arn)
        }
        return sorted(ids[name] for name in names or ids)

    def _service_configuration(self, service: Service) -> Response:
        zones = self._zones(service)
        private_dns: Response = {}
        if service.private_dns_name:
            challenge = {"Type": "TXT", "Value": f"vpce:{service.service_id[-20:]}", "Name": "_vpce"}
            configuration = {"State": service.private_dns_state, **challenge}
            private_dns = {"PrivateDnsName": service.private_dns_name, "PrivateDnsNameConfiguration": configuration}
        return {
            "ServiceType": [{"ServiceType": "Interface"}],
            "ServiceId": service.service_id,
            "ServiceName": service.name,
            "ServiceState": "Available",
            "AvailabilityZoneIds": zones,
            "AvailabilityZones": [n for n, i in zone_ids(service.owner, service.region).items() if i in zones],
            "AcceptanceRequired": service.acceptance_required,
            "ManagesVpcEndpoints": False,
            "NetworkLoadBalancerArns": list(service.load_balancers),
            "SupportedIpAddressTypes": list(service.ip_address_types),
            "BaseEndpointDnsNames": [f"{service.service_id}.{service.region}.vpce.amazonaws.com"],
            **private_dns,
            "Tags": _tag_list(service.tags),
            "SupportedRegions": [{"Region": region, "ServiceState": "Available"} for region in service.regions],
        }

    def _permissions(self, service: Service) -> list[Response]:
        return [
            {
                "PrincipalType": _principal_type(principal),
                "Principal": principal,
                "ServicePermissionId": permission_id,
                "ServiceId": service.service_id,
            }
            for principal, permission_id in service.principals.items()
        ]

    def _vpc_endpoint(self, endpoint: Endpoint) -> Response:
        return {
            "VpcEndpointId": endpoint.endpoint_id,
            "VpcEndpointType": "Interface",
            "VpcId": endpoint.vpc_id,
            "ServiceName": endpoint.service.name,
            "State": self.state_of(endpoint),
            "RouteTableIds": [],
            "SubnetIds": list(endpoint.interfaces),
            "Groups": [{"GroupId": group} for group in endpoint.groups],
            "IpAddressType": endpoint.ip_address_type,
            "DnsOptions": {"DnsRecordIpType": endpoint.ip_address_type},
            "PrivateDnsEnabled": endpoint.private_dns,
            "RequesterManaged": False,
            "NetworkInterfaceIds": [interface["NetworkInterfaceId"] for interface in endpoint.interfaces.values()],
            "DnsEntries": endpoint.dns_entries(),
            "CreationTimestamp": _moment(endpoint.created),
            "Tags": _tag_list(endpoint.tags),
            "OwnerId": endpoint.owner,
            "ServiceRegion": endpoint.service.region,
        }

    def _connection(self, endpoint: Endpoint) -> Response:
        return {
            "ServiceId": endpoint.service.service_id,
            "VpcEndpointId": endpoint.endpoint_id,
            "VpcEndpointOwner": endpoint.owner,
            "VpcEndpointState": self.state_of(endpoint),
            "CreationTimestamp": _moment(endpoint.created),
            "DnsEntries": endpoint.dns_entries(),
            "NetworkLoadBalancerArns": list(endpoint.service.load_balancers),
            "IpAddressType": endpoint.ip_address_type,
            "VpcEndpointConnectionId": endpoint.connection_id,
            "Tags": [],
            "VpcEndpointRegion": endpoint.region,
        }


def principal_arn(arn: str) -> str:
    """The IAM principal behind a caller's ARN: of a role's session the role, else the ARN itself."""
    session = re.fullmatch(r"arn:(aws[\w-]*):sts::(\d{12}):assumed-role/([^/]+)/.+", arn)
    return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}" if session else arn


def _principal_type(principal: str) -> str:
    if principal == "*":
        return "All"
    kind = principal.rpartition(":")[2].partition("/")[0]
    return {"role": "Role", "user": "User"}.get(kind, "Account")


def _interfaces(endpoint: Endpoint) -> list[Response]:
    groups = [{"GroupId": group} for group in endpoint.groups]
    return [{**interface, "Groups": groups} for interface in endpoint.interfaces.values()]


def _no_endpoint(endpoint_id: str) -> AwsError:
    return AwsError("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{endpoint_id}' does not exist")


def _same_place(one: Caller, other: Caller) -> bool:
    return (one.account, one.region) == (other.account, other.region)


def _each(resource_ids: Iterable[str], act: Callable[[str], None]) -> Response:
    """A batch as AWS does it: what fails is listed, the rest is done, and the answer is 200 either way."""
    unsuccessful = []
    for resource_id in resource_ids:
        try:
            act(resource_id)
        except AwsError as error:
            problem = {"Code": error.code, "Message": error.message}
            unsuccessful.append({"ResourceId": resource_id, "Error": problem})
    return {"Unsuccessful": unsuccessful}


def _listing(request: Request, key: str, rows: Iterable[Response], filters: str, least: int = 5) -> Response:
    """One page of the rows that match every filter. `filters` are the names that the operation has, beside tags.

    Raises AwsError InvalidFilter for any other name and InvalidParameterValue for a page size AWS does not allow.
    """
    found = list(rows)
    for condition in request.get("Filters", ()):
        name, patterns = condition["Name"], condition.get("Values", ())
        if name not in filters.split() and not name.startswith("tag:"):
            raise AwsError("InvalidFilter", f"The filter '{name}' is invalid")
        found = [row for row in found if any(fnmatchcase(v, p) for v in _values(row, name) for p in patterns)]
    size = request.get("MaxResults", 1000)
    if not least <= size <= 1000:
        message = f"Value ( {size} ) for parameter MaxResults is invalid. Expecting a value between {least} and 1000."
        raise AwsError("InvalidParameterValue", message)
    try:
        start = int(base64.urlsafe_b64decode(request.get("NextToken", "MA==")))
    except ValueError:
        raise AwsError("InvalidNextToken", "The token is not one that this operation gave out.") from None
    page: Response = {key: found[start : start + size]}
    if start + size < len(found):
        page["NextToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return page


def _values(row: Response, filter_name: str) -> list[str]:
    if filter_name.startswith("tag:"):
        return [tag["Value"] for tag in row.get("Tags", ()) if tag["Key"] == filter_name.removeprefix("tag:")]
    if filter_name == "tag-key":
        return [tag["Key"] for tag in row.get("Tags", ())]
    member = "".join(word.capitalize() for word in filter_name.split("-"))
    return [str(row.get(member, row.get(member.removeprefix("VpcEndpoint"), "")))]


def _changed(request: Request, members: str, current: Sequence[str]) -> list[str]:
    gone = request.get(f"Remove{members}", ())
    return [m for m in dict.fromkeys([*current, *request.get(f"Add{members}", ())]) if m not in gone]


def _specified_tags(request: Request, resource_type: str) -> dict[str, str]:
    return {
        tag["Key"]: tag.get("Value", "")
        for specification in request.get("TagSpecifications", ())
        if specification["ResourceType"] == resource_type
        for tag in specification.get("Tags", ())
    }


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _with_token(request: Request, response: Response) -> Response:
    return response | ({"ClientToken": request["ClientToken"]} if "ClientToken" in request else {})


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _random(length: int, alphabet: str) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _new_id(prefix: str) -> str:
    return f"{prefix}-0{_random(16, '0123456789abcdef')}"
