"""The AWS resources that the real adapters work with, made in moto as the templates make them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import ClientError

from tests.fakes.landscape import PROVIDER, REGION, Vpc
from tests.local_aws.moto_door import client, session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_sts import STSClient

LEDGER, ALLOWLIST = "Ledger", "Allowlist"


def ledger_table() -> DynamoDBClient:
    dynamodb = _client("dynamodb")
    dynamodb.create_table(
        TableName=LEDGER,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=_strings("service_id", "endpoint_id"),
        KeySchema=_keys("service_id", "endpoint_id"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-endpoint",
                "KeySchema": _keys("endpoint_id"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
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


def vpc(account: str) -> Vpc:
    """A VPC in moto's network, with one subnet."""
    ec2 = client("ec2", account)
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24", AvailabilityZone=f"{REGION}a")
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


def _client(service: str) -> Any:
    """One for this test alone, whose requests may be watched."""
    return session(PROVIDER).client(service)  # type: ignore[call-overload]


def _strings(*names: str) -> Any:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _keys(*names: str) -> Any:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]
