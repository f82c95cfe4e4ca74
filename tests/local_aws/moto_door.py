"""The models of PrivateLink, Route 53 and Organizations inside moto, for tests in one process:
`with moto_aws(now=clock) as doors: …`.

moto goes on playing EC2's networks, STS and everything else. Any 12-digit access key id is the account of that
number, as in the local AWS; credentials that `sts.assume_role` gave belong to the role's account.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest
from botocore.loaders import Loader, create_loader
from moto import mock_aws
from moto.core.models import botocore_stubber
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.iam.models import get_account_id_from
from moto.sts.models import sts_backends

from tests.local_aws.hosted_zones import HostedZones
from tests.local_aws.privatelink import AwsError, Caller, PrivateLink, Subnet, zone_ids
from tests.local_aws.wire import Doors, Reply, read_response, write_json_error, write_response

REGION = "eu-central-1"
MAXIMUM_BATCH_WRITES = 25


class MotoNetwork:
    """moto's VPCs and load balancers."""

    def vpc_exists(self, account: str, region: str, vpc_id: str) -> bool:
        return vpc_id in ec2_backends[account][region].vpcs

    def subnet(self, account: str, region: str, subnet_id: str) -> Subnet | None:
        for subnet in ec2_backends[account][region].describe_subnets():
            if subnet.id == subnet_id:
                return Subnet(subnet_id, subnet.vpc_id, subnet.availability_zone, subnet.cidr_block)
        return None

    def load_balancer_zones(self, account: str, region: str, arn: str) -> Sequence[str]:
        balancer = elbv2_backends[account][region].load_balancers.get(arn)
        return [subnet.availability_zone for subnet in balancer.subnets] if balancer else []


def session(account: str, region: str = REGION) -> boto3.Session:
    """A boto3 session with an access key id: an account's number or what `sts.assume_role` gave."""
    core = botocore.session.Session()
    # Reading EC2's model takes a second; one loader reads it once for all sessions.
    core.register_component("data_loader", _loader())
    return boto3.Session(
        aws_access_key_id=account, aws_secret_access_key="x", region_name=region, botocore_session=core
    )


@cache
def client(service: str, account: str, region: str = REGION) -> Any:
    """A boto3 client of the account. Clients hold no state of the model, so tests share them."""
    return session(account, region).client(service)  # type: ignore[call-overload]


@cache
def _loader() -> Loader:
    return create_loader()


@contextmanager
def moto_aws(*, now: Callable[[], float], seconds_to_insync: float = 30, **options: Any) -> Iterator[Doors]:
    """moto with the model in front of it, until the block ends. `options` are those of `PrivateLink`."""
    network = MotoNetwork()
    privatelink = PrivateLink(network, now=now, zone_names=lambda *vpc: zones.names_in(*vpc), **options)
    zones = HostedZones(
        network, now=now, seconds_to_insync=seconds_to_insync, private_dns_names=privatelink.private_dns_names
    )
    doors = Doors(privatelink, zones)
    stock = botocore_stubber.process_request

    def answer(request: AWSPreparedRequest) -> Any:
        return _answer(doors, request, lambda: stock(request))

    # moto invents 1,300 machine images for every account and Region otherwise, half a second each time.
    without_images = mock.patch.dict("os.environ", MOTO_EC2_LOAD_DEFAULT_AMIS="false")
    with without_images, mock_aws(), mock.patch.object(botocore_stubber, "process_request", answer):
        yield doors


def _answer(doors: Doors, request: AWSPreparedRequest, stock: Callable[[], Any]) -> Any:
    key, region, service = _credential(request)
    account = key if key.isdigit() and len(key) == 12 else get_account_id_from(key)
    request.headers["x-moto-account-id"] = account
    role = sts_backends[account]["aws"].get_assumed_role_from_access_key(key)
    caller = Caller(account, region, role.arn if role else "")
    if service == "route53":
        url = urlsplit(request.url)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return doors.route53(caller, request.method, url.path, query, _bytes(request.body)) or stock()
    if service == "organizations":
        return doors.ask_organizations(caller, _text(request.headers["X-Amz-Target"]), _bytes(request.body))
    if service == "ec2":
        form = dict(parse_qsl(_bytes(request.body).decode(), keep_blank_values=True))
        return doors.ec2(caller, form["Action"], form, lambda: _with_zones(caller, form["Action"], stock()))
    if service == "dynamodb" and _text(request.headers["X-Amz-Target"]).endswith(".BatchWriteItem"):
        batches = json.loads(_bytes(request.body))["RequestItems"].values()
        if sum(map(len, batches)) > MAXIMUM_BATCH_WRITES:  # moto takes any number
            return write_json_error(AwsError("ValidationException", "Too many items in one BatchWriteItem call"))
    return stock()


def _credential(request: AWSPreparedRequest) -> tuple[str, str, str]:
    """The access key id, Region and service that the request is signed for."""
    scope = _text(request.headers.get("Authorization", "")).partition("Credential=")[2].split(",")[0].split("/")
    return (scope[0], scope[2], scope[3]) if len(scope) == 5 else ("", "", "")


def _with_zones(caller: Caller, operation: str, answer: Any) -> Reply:
    """moto gives every account the same zone IDs; AWS and the model do not."""
    status, headers, body = answer
    reply = Reply(status, {str(key): str(value) for key, value in headers.items()}, _bytes(body))
    if operation not in ("CreateSubnet", "DescribeSubnets", "DescribeAvailabilityZones"):
        return reply
    response, ids = read_response(operation, reply), zone_ids(caller.account, caller.region)
    rows = [row for value in response.values() for row in (value if isinstance(value, list) else [value])]
    for row in rows:
        if "AvailabilityZone" in row:
            row["AvailabilityZoneId"] = ids[row["AvailabilityZone"]]
        elif "ZoneName" in row:
            row["ZoneId"] = ids[row["ZoneName"]]
    return write_response("ec2", operation, response, "moto") if rows else reply


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
