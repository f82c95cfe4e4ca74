"""What lies between a client in the consumer's VPC and the service, beside the name: each finding with its fix."""

from __future__ import annotations

from collections.abc import Sequence

from autopilot.domain.endpoint import Endpoint
from autopilot.domain.listener import Listener, LoadBalancer
from autopilot.domain.network import InboundRule, Network
from autopilot.domain.service import EndpointService

_TRANSPORTS = {"TCP": ("tcp",), "TLS": ("tcp",), "UDP": ("udp",), "TCP_UDP": ("tcp", "udp")}


def obstacles(endpoint: Endpoint, network: Network, owner: str) -> tuple[str, ...]:
    """What keeps a private hosted zone of the owner's account from answering in this VPC.

    Both attributes must be on
    (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html), and a VPC is
    associated with a zone by the account that owns the VPC.
    """
    vpc, found = network.vpc, []
    for is_on, attribute, option in (
        (vpc.dns_support, "enableDnsSupport", "--enable-dns-support"),
        (vpc.dns_hostnames, "enableDnsHostnames", "--enable-dns-hostnames"),
    ):
        if not is_on:
            found.append(
                f"{attribute} is off in {vpc.vpc_id}, so that no private name resolves there; switch it on: "
                f"aws ec2 modify-vpc-attribute --region {endpoint.region} --vpc-id {vpc.vpc_id} {option}"
            )
    if vpc.owner != owner:
        found.append(
            f"{vpc.vpc_id} is shared with account {owner} by account {vpc.owner}, which alone can give it private "
            "hosted zones; have the endpoint made in a VPC of its own, or have that account make the zone"
        )
    return tuple(found)


def path_warnings(
    endpoint: Endpoint, network: Network, service: EndpointService, load_balancers: Sequence[LoadBalancer]
) -> tuple[str, ...]:
    """What may keep a client from reaching the service, or from reaching it from everywhere."""
    listeners = [listener for balancer in load_balancers for listener in balancer.listeners]
    return (
        *_zones(endpoint, network, service),
        *_consumers_groups(endpoint, network, listeners),
        *_providers_groups(service, load_balancers, listeners),
    )


def _zones(endpoint: Endpoint, network: Network, service: EndpointService) -> list[str]:
    """AZ names differ between accounts, AZ IDs do not. Across Regions there are no zones in common to have."""
    if not network.interfaces:
        return [f"{endpoint.endpoint_id} is in no subnet: nothing can reach it; add a subnet to it"]
    if endpoint.region != service.region:
        return [
            f"the endpoint is in {endpoint.region} and the service in {service.region}: PrivateLink crosses Regions"
        ]
    offered = set(service.availability_zone_ids)
    used = {interface.availability_zone_id for interface in network.interfaces} & offered
    missing = sorted(offered - used)
    if not missing:
        return []
    return [f"the endpoint is in {len(used)} of {len(offered)} zones; add a subnet in {', '.join(missing)}"]


def _consumers_groups(endpoint: Endpoint, network: Network, listeners: Sequence[Listener]) -> list[str]:
    """Traffic starts on the consumer's side only, so the groups' inbound rules are what counts."""
    if not network.groups:
        return []
    rules = [rule for group in network.groups for rule in group.inbound]
    closed = sorted(
        {
            (transport, listener.port)
            for listener in listeners
            for transport in _TRANSPORTS.get(listener.protocol, ())
            if not any(_lets_in(rule, transport, listener.port) for rule in rules)
        }
    )
    group_id = network.groups[0].group_id
    return [
        f"no security group of {endpoint.endpoint_id} lets {transport} {port} in; open it: aws ec2 "
        f"authorize-security-group-ingress --region {endpoint.region} --group-id {group_id} --protocol {transport} "
        f"--port {port} --cidr 10.0.0.0/8 (with your clients' addresses)"
        for transport, port in closed
    ]


def _lets_in(rule: InboundRule, transport: str, port: int) -> bool:
    if rule.protocol == "-1":
        return True
    if rule.protocol != transport or rule.from_port is None or rule.to_port is None:
        return False
    return rule.from_port <= port <= rule.to_port


def _providers_groups(
    service: EndpointService, load_balancers: Sequence[LoadBalancer], listeners: Sequence[Listener]
) -> list[str]:
    """By default a load balancer's groups apply to what comes through PrivateLink, from the clients' own addresses."""
    filtering = [balancer.arn for balancer in load_balancers if balancer.filters_privatelink]
    ports = ", ".join(str(port) for port in sorted({listener.port for listener in listeners}))
    return [
        f"the security groups of the load balancer {arn} apply to PrivateLink: they must let the consumer's addresses "
        f"in on {ports}, or be told not to apply: aws elbv2 set-security-groups --region {service.region} "
        f"--load-balancer-arn {arn} --enforce-security-group-inbound-rules-on-private-link-traffic off "
        "--security-groups …"
        for arn in filtering
    ]
