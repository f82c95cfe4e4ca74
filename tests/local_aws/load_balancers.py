"""Network Load Balancers with the ARNs they have on AWS: ministack writes `/app/` into those of every type."""

from collections.abc import Callable
from typing import Any

from ministack.services import alb

from tests.local_aws import stock

type Reply = tuple[int, dict[str, str], bytes]


def install() -> None:
    """Rename network load balancers and their listeners as they are created."""
    stock.need(alb, "_lbs", "_tags", "_lb_attrs", "_listeners", "_listener_attrs", "_p")
    stock.replace(alb, "_create_lb", _create)
    stock.replace(alb, "_create_listener", _create_listener)


def _create(create: Callable[..., Reply], params: dict[str, Any]) -> Reply:
    status, headers, body = create(params)
    if alb._p(params, "Type") == "network":
        for arn, balancer in list(alb._lbs.items()):
            if balancer["Type"] == "network" and "/app/" in arn:
                balancer["LoadBalancerArn"] = _rename(arn, alb._lbs, alb._tags, alb._lb_attrs)
        body = body.replace(b"loadbalancer/app/", b"loadbalancer/net/")
    return status, headers, body


def _create_listener(create: Callable[..., Reply], params: dict[str, Any]) -> Reply:
    status, headers, body = create(params)
    if "/net/" in alb._p(params, "LoadBalancerArn"):
        for arn, listener in list(alb._listeners.items()):
            if "/net/" in listener["LoadBalancerArn"] and "/app/" in arn:
                listener["ListenerArn"] = _rename(arn, alb._listeners, alb._tags, alb._listener_attrs)
        body = body.replace(b"listener/app/", b"listener/net/")
    return status, headers, body


def _rename(arn: str, *stores: Any) -> str:
    network = arn.replace("/app/", "/net/")
    for store in stores:
        if arn in store:
            store[network] = store.pop(arn)
    return network
