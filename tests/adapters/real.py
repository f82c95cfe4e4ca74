"""The AWS resources that the real adapters work with, made in moto as the templates make them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import ClientError
from moto.acm.models import acm_backends

from autopilot.domain.listener import Certificate, Listener, LoadBalancer
from tests.fakes.landscape import PROVIDER, REGION, Vpc
from tests.local_aws.moto_door import client, session

if TYPE_CHECKING:
    from mypy_boto3_acm import ACMClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_sts import STSClient

LEDGER, ALLOWLIST = "Ledger", "Allowlist"


def ledger_table() -> DynamoDBClient:
    dynamodb = _client("dynamodb")
    dynamodb.create_table(
        TableName=LEDGER,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=_strings("service_id", "endpoint_id", "owner", "vpc_id"),
        KeySchema=_keys("service_id", "endpoint_id"),
        GlobalSecondaryIndexes=[
            {"IndexName": name, "KeySchema": _keys(*keys), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for name, keys in {"by-endpoint": ("endpoint_id",), "by-owner": ("owner", "vpc_id")}.items()
        ],
    )
    return cast("DynamoDBClient", dynamodb)


def allowlist_table() -> DynamoDBClient:
    dynamodb = _client("dynamodb")
    dynamodb.create_table(
        TableName=ALLOWLIST,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=_strings("principal", "service_id"),
        KeySchema=_keys("principal", "service_id"),
    )
    return cast("DynamoDBClient", dynamodb)


def organizations(account: str = PROVIDER, *, with_paths: bool = True) -> OrganizationsClient:
    """A client that tries once only. with_paths: as if its botocore knew the paths of an account."""
    organizations = session(account).client("organizations", config=Config(retries={"total_max_attempts": 1}))
    if not with_paths:

        def drop(parsed: dict[str, Any], **_: object) -> None:
            parsed.get("Account", {}).pop("Paths", None)

        organizations.meta.events.register("after-call.organizations.DescribeAccount", drop)
    return organizations


def ec2(account: str) -> Any:
    return client("ec2", account)


def vpc(account: str) -> Vpc:
    """A VPC in moto's network, with one subnet."""
    vpc_id = ec2(account).create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2(account).modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": True})
    subnet = ec2(account).create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24", AvailabilityZone=f"{REGION}a")
    return Vpc(account, vpc_id, subnet["Subnet"]["SubnetId"])


def consumer_role(account: str, external_id: str = "") -> None:
    """The role of consumer/template.yaml, as far as its trust goes."""
    role(account, f"autopilot-{PROVIDER}-{REGION}", external_id)


def role(account: str, name: str, external_id: str = "") -> None:
    """A role that lets the provider in."""
    trust: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": PROVIDER}, "Action": "sts:AssumeRole"}
    if external_id:
        trust["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    client("iam", account).create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))


class Sts:
    """moto's STS, which lets anybody assume any role, behind AWS's refusal: no such role, or a wrong ExternalId."""

    def __init__(self) -> None:
        self._sts = _client("sts")
        self.meta = self._sts.meta
        self.requests: list[dict[str, Any]] = []

    def assume_role(self, **request: Any) -> Any:
        self.requests.append(request)
        account, role = request["RoleArn"].split(":")[4], request["RoleArn"].rpartition("/")[2]
        found = [known for known in client("iam", account).list_roles()["Roles"] if known["RoleName"] == role]
        trusts = [trust for known in found for trust in known["AssumeRolePolicyDocument"]["Statement"]]
        wanted = [trust.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId") for trust in trusts]
        if not any(external_id in (None, request.get("ExternalId")) for external_id in wanted):
            message = f"not authorized to perform: sts:AssumeRole on {role}"
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, "AssumeRole")
        return self._sts.assume_role(**request)

    def as_client(self) -> STSClient:
        return cast("STSClient", self)


def requests_of(boto_client: Any, operation: str) -> list[dict[str, Any]]:
    """The parameters of every call of the operation from now on, in order."""
    made: list[dict[str, Any]] = []
    keep: Callable[..., None] = lambda params, **_: made.append(params)  # noqa: E731
    boto_client.meta.events.register(f"provide-client-params.*.{operation}", keep)
    return made


def refuse(boto_client: Any, operation: str, code: str, of: str = "") -> None:
    """Have every call of the operation from now on refused; of: those that name this alone."""

    def refusal(params: object, **_: object) -> None:
        if of not in str(params):
            return
        raise ClientError({"Error": {"Code": code, "Message": "the test says so"}}, operation)

    boto_client.meta.events.register(f"provide-client-params.*.{operation}", refusal)


def page(boto_client: Any, operation: str, rows: str, size: int) -> None:
    """Have the operation answer with pages of `rows`, as AWS does and moto does not."""
    begins: list[int] = []

    def ask(params: dict[str, Any], **_: object) -> dict[str, Any]:
        begins.append(int(params.get("Marker", 0)))
        return {key: value for key, value in params.items() if key != "Marker"}

    def cut(parsed: dict[str, Any], **_: object) -> None:
        end = begins[-1] + size
        if parsed[rows][end:]:
            parsed["NextMarker"] = str(end)
        parsed[rows] = parsed[rows][begins[-1] : end]

    boto_client.meta.events.register(f"provide-client-params.*.{operation}", ask)
    boto_client.meta.events.register(f"after-call.*.{operation}", cut)


def elbv2() -> ElasticLoadBalancingv2Client:
    return cast("ElasticLoadBalancingv2Client", _client("elbv2"))


def acm() -> ACMClient:
    return cast("ACMClient", _client("acm"))


def load_balancer(wanted: LoadBalancer) -> LoadBalancer:
    """The same one in moto, under moto's ARNs; its certificates end when moto has them end."""
    elbv2, ec2, network = client("elbv2", PROVIDER), client("ec2", PROVIDER), vpc(PROVIDER)
    group = ec2.create_security_group(GroupName="balancer", Description="balancer", VpcId=network.vpc_id)["GroupId"]
    groups = [group] if wanted.filters_privatelink else []
    name = f"balancer-{len(elbv2.describe_load_balancers()['LoadBalancers'])}"
    made = elbv2.create_load_balancer(Name=name, Type="network", Subnets=[network.subnet_id], SecurityGroups=groups)
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    target = elbv2.create_target_group(Name=name, Protocol="TCP", Port=443, VpcId=network.vpc_id)["TargetGroups"][0]
    action = {"Type": "forward", "TargetGroupArn": target["TargetGroupArn"]}
    certificates = {one.arn: certificate(one) for listener in wanted.listeners for one in listener.certificates}
    listeners = []
    for listener in wanted.listeners:
        used = tuple(certificates[one.arn] for one in listener.certificates)
        arns = [{"CertificateArn": one.arn} for one in used]
        listeners.append(replace(listener, arn=_listener(arn, listener, arns, action), certificates=used))
    return replace(wanted, arn=arn, listeners=tuple(listeners))


def certificate(wanted: Certificate) -> Certificate:
    """The same one in moto's ACM; one of IAM is left as it is. moto issues it in a minute if it is not issued now."""
    if ":acm:" not in wanted.arn:
        return wanted
    first, *others = wanted.names
    arn = client("acm", PROVIDER).request_certificate(
        DomainName=first, **{"SubjectAlternativeNames": others} if others else {}
    )["CertificateArn"]
    made = acm_backends[PROVIDER][REGION].describe_certificate(arn)
    if wanted.is_issued:
        made.status = "ISSUED"
    return replace(wanted, arn=arn, not_after=made._cert.not_valid_after_utc)


def _listener(balancer: str, wanted: Listener, certificates: list[dict[str, str]], action: dict[str, str]) -> str:
    elbv2 = client("elbv2", PROVIDER)
    tls = {"Certificates": certificates[:1]} if certificates else {}
    made = elbv2.create_listener(
        LoadBalancerArn=balancer, Port=wanted.port, Protocol=wanted.protocol, DefaultActions=[action], **tls
    )
    arn = str(made["Listeners"][0]["ListenerArn"])
    if certificates[1:]:
        elbv2.add_listener_certificates(ListenerArn=arn, Certificates=certificates[1:])
    return arn


def _client(service: str) -> Any:
    """One for this test alone, whose requests may be watched."""
    return session(PROVIDER).client(service)  # type: ignore[call-overload]


def _strings(*names: str) -> Any:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _keys(*names: str) -> Any:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]
