"""The consumer's network around an interface endpoint, as the consumer's own account sees it."""

from __future__ import annotations

from dataclasses import dataclass

from autopilot.domain.connection import NetworkInterface


@dataclass(frozen=True, slots=True)
class Vpc:
    """owner: the account that owns it, another one than the endpoint's where it is shared through RAM.

    dns_support, dns_hostnames: its two attributes; a private hosted zone works only where both are on.
    """

    vpc_id: str
    owner: str
    dns_support: bool
    dns_hostnames: bool


@dataclass(frozen=True, slots=True)
class InboundRule:
    """One range of a security group's inbound rules.

    protocol: `tcp`, `udp`, another one's name or number, or `-1` for all. from_port, to_port: inclusive, and None
    where the protocol is `-1` and every port is meant.
    """

    protocol: str
    from_port: int | None = None
    to_port: int | None = None


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    group_id: str
    inbound: tuple[InboundRule, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """interfaces: the endpoint's, with the AZ IDs of their subnets. groups: those of the endpoint."""

    vpc: Vpc
    interfaces: tuple[NetworkInterface, ...]
    groups: tuple[SecurityGroup, ...]
