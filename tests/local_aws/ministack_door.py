"""The models of PrivateLink, Route 53 and Organizations inside ministack, in place of its own.

Endpoints to AWS's own services stay ministack's, and DescribeVpcEndpoints shows both kinds. Availability zone IDs
become the model's, so that zone names mean different zones in different accounts, as on AWS.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import alb, ec2, organizations, route53

from tests.local_aws import cloudtrail, stock
from tests.local_aws.hosted_zones import HostedZones
from tests.local_aws.privatelink import ApiCall, Caller, Notification, PrivateLink, Subnet, zone_ids
from tests.local_aws.wire import PRIVATELINK, Doors, Reply


class MinistackNetwork:
    """ministack's VPCs and load balancers."""

    def vpc_exists(self, account: str, region: str, vpc_id: str) -> bool:
        with request_scope(account, region):
            ec2._ensure_defaults_initialized()
            return vpc_id in ec2._vpcs

    def subnet(self, account: str, region: str, subnet_id: str) -> Subnet | None:
        with request_scope(account, region):
            row = ec2._subnets.get(subnet_id)
        return Subnet(subnet_id, row["VpcId"], row["AvailabilityZone"], row["CidrBlock"]) if row else None

    def load_balancer_zones(self, account: str, region: str, arn: str) -> Sequence[str]:
        with request_scope(account, region):
            subnets = (alb._lbs.get(arn) or {}).get("Subnets", ())
        return [found.zone_name for i in subnets if (found := self.subnet(account, region, i))]


def install(
    *,
    on_record: Callable[[str, str, dict[str, Any]], None],
    on_notification: Callable[[Notification], None],
    seconds_to_available: float,
    seconds_to_insync: float,
) -> Doors:
    """Puts the model in front of ministack's EC2 and Route 53; once per process, before it serves.

    `on_record(account, region, record)` gets the CloudTrail record of every mutating PrivateLink call, refused ones
    too, in the account and Region of the caller. `on_notification` gets what PrivateLink publishes to SNS. Both are
    called in the request's thread, after the call has taken effect and before it is answered. Resetting ministack
    resets the model. Raises stock.PinChanged when ministack lacks a private name that is used here.
    """
    stock.need(ec2, "_ACTION_MAP", "_ensure_defaults_initialized", "_subnets", "_vpcs")
    stock.need(alb, "_lbs")
    stock.need(iam_evaluator, "caller_arn")

    def on_call(call: ApiCall) -> None:
        if call.operation in cloudtrail.RECORDED:
            record = cloudtrail.record(call, cloudtrail.identity_of(call.caller), datetime.now(UTC))
            on_record(call.account, call.region, record)

    network = MinistackNetwork()
    privatelink = PrivateLink(
        network,
        seconds_to_available=seconds_to_available,
        zone_names=lambda *vpc: zones.names_in(*vpc),
        on_call=on_call,
        on_notification=on_notification,
    )
    zones = HostedZones(network, seconds_to_insync=seconds_to_insync, private_dns_names=privatelink.private_dns_names)
    doors = Doors(privatelink, zones)
    for operation in PRIVATELINK:
        ec2._ACTION_MAP[operation] = _ec2_handler(doors, operation, ec2._ACTION_MAP.get(operation))
    _replace_route53(doors)
    _replace_organizations(doors)
    stock.replace(ec2, "_az_id_for_zone_name", _zone_id)

    def reset(own: Callable[[], None]) -> None:
        own()
        doors.reset()

    stock.replace(ec2, "reset", reset)
    return doors


def _caller() -> Caller:
    return Caller(get_account_id(), get_region(), iam_evaluator.caller_arn())


def _ec2_handler(
    doors: Doors, operation: str, handler: Callable[[Mapping[str, Any]], tuple[int, dict[str, str], bytes]] | None
) -> Callable[[Mapping[str, Any]], Reply]:
    def handle(params: Mapping[str, Any]) -> Reply:
        def own() -> Reply:
            return Reply(*handler(params)) if handler else Reply(404, {}, b"")

        return doors.ec2(_caller(), operation, _flat(params), own)

    return handle


def _replace_route53(doors: Doors) -> None:
    async def handle_request(
        own: Any, method: str, path: str, headers: Any, body: bytes, query_params: Mapping[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        reply = doors.route53(_caller(), method, path, _flat(query_params), body)
        return reply or await own(method, path, headers, body, query_params)

    stock.replace(route53, "handle_request", handle_request)


def _replace_organizations(doors: Doors) -> None:
    async def handle_request(
        _own: object, method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: object
    ) -> Reply:
        return doors.ask_organizations(_caller(), headers["x-amz-target"], body)

    stock.replace(organizations, "handle_request", handle_request)


def _zone_id(own: Callable[[str], str], zone_name: str) -> str:
    ids = zone_ids(get_account_id(), zone_name[:-1])
    return ids.get(zone_name) or own(zone_name)


def _flat(params: Mapping[str, Any]) -> dict[str, str]:
    """ministack hands over both lists, as `parse_qs` makes them, and plain texts."""
    return {key: value[0] if isinstance(value, list) else value for key, value in params.items()}
