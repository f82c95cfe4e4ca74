"""Network Load Balancers with the ARNs they have on AWS: ministack writes `/app/` into those of every type.

Their TLS listeners have further certificates besides the default one, of which ministack knows nothing.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import alb

from tests.local_aws import stock

type Reply = tuple[int, dict[str, str], bytes]


def install() -> None:
    """Rename network load balancers and their listeners as they are created, and add the missing operations."""
    stock.need(alb, "_lbs", "_tags", "_lb_attrs", "_listeners", "_listener_attrs", "_p", "_xml", "_error")
    stock.need(alb, "_ACTION_MAP", "_parse_certificate_arns")
    stock.replace(alb, "_create_lb", _create)
    stock.replace(alb, "_create_listener", _create_listener)
    alb._ACTION_MAP["AddListenerCertificates"] = _add_listener_certificates
    alb._ACTION_MAP["DescribeListenerCertificates"] = _describe_listener_certificates


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


def _add_listener_certificates(params: dict[str, Any]) -> Reply:
    return _certificates(params, "AddListenerCertificates", alb._parse_certificate_arns(params))


def _describe_listener_certificates(params: dict[str, Any]) -> Reply:
    return _certificates(params, "DescribeListenerCertificates", [])


def _certificates(params: dict[str, Any], operation: str, added: list[str]) -> Reply:
    """All certificates of a listener, the default one among them, after `added` are."""
    arn = alb._p(params, "ListenerArn")
    if arn not in alb._listeners:
        refusal: Reply = alb._error("ListenerNotFound", f"Listener '{arn}' not found")
        return refusal
    listener = alb._listeners[arn]
    further = listener["FurtherCertificates"] = list(dict.fromkeys([*listener.get("FurtherCertificates", []), *added]))
    listed = [*((one, "true") for one in listener.get("Certificates", [])), *((one, "false") for one in further)]
    members = (f"<member><CertificateArn>{a}</CertificateArn><IsDefault>{d}</IsDefault></member>" for a, d in listed)
    reply: Reply = alb._xml(200, operation, f"<Certificates>{''.join(members)}</Certificates>")
    return reply


def _rename(arn: str, *stores: Any) -> str:
    network = arn.replace("/app/", "/net/")
    for store in stores:
        if arn in store:
            store[network] = store.pop(arn)
    return network
