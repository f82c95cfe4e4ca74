from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.connection import NetworkInterface
from autopilot.domain.listener import Listener, LoadBalancer
from autopilot.domain.network import InboundRule, Network, SecurityGroup, Vpc
from autopilot.domain.path_checks import obstacles, path_warnings
from autopilot.domain.service import EndpointService
from tests.events import CONSUMER, REGION, SERVICE
from tests.unit.examples import STRANGER, VPC, endpoint

ZONES = ("euc1-az1", "euc1-az2", "euc1-az3")
SERVED = EndpointService(SERVICE, REGION, True, True, "payments", availability_zone_ids=ZONES)
OPEN = SecurityGroup("sg-1", (InboundRule("tcp", 443, 443),))
INTERFACES = tuple(NetworkInterface(f"eni-{zone}", "10.0.0.10", zone) for zone in ZONES)
NETWORK = Network(Vpc(VPC, CONSUMER, True, True), INTERFACES, (OPEN,))


def balancers(port: int = 443, protocol: str = "TCP", *, filters: bool = False) -> list[LoadBalancer]:
    return [LoadBalancer("arn:nlb", (Listener("arn:listener", port, protocol),), filters)]


def warnings(network: Network = NETWORK, of: list[LoadBalancer] | None = None) -> tuple[str, ...]:
    return path_warnings(endpoint(), network, SERVED, of or balancers())


def test_where_all_is_fine_nothing_is_said() -> None:
    assert obstacles(endpoint(), NETWORK, CONSUMER) == ()
    assert warnings() == ()


@pytest.mark.parametrize(
    ("off", "attribute", "option"),
    [
        ("dns_support", "enableDnsSupport", "--enable-dns-support"),
        ("dns_hostnames", "enableDnsHostnames", "--enable-dns-hostnames"),
    ],
)
def test_an_attribute_that_is_off_is_told_with_the_command(off: str, attribute: str, option: str) -> None:
    (told,) = obstacles(endpoint(), replace(NETWORK, vpc=replace(NETWORK.vpc, **{off: False})), CONSUMER)  # type: ignore[arg-type]

    assert told.startswith(f"{attribute} is off in {VPC}")
    assert told.endswith(f"aws ec2 modify-vpc-attribute --region {REGION} --vpc-id {VPC} {option}")


def test_a_shared_vpc_is_its_owners_to_give_zones_to() -> None:
    (told,) = obstacles(endpoint(), replace(NETWORK, vpc=replace(NETWORK.vpc, owner=STRANGER)), CONSUMER)

    assert f"by account {STRANGER}, which alone can give it private hosted zones" in told


def test_the_zones_that_an_endpoint_lacks_are_named_by_their_ids() -> None:
    (told,) = warnings(replace(NETWORK, interfaces=INTERFACES[:1]))

    assert told == "the endpoint is in 1 of 3 zones; add a subnet in euc1-az2, euc1-az3"


@given(st.sets(st.sampled_from([*ZONES, "euc1-az9"]), min_size=1))
def test_only_zones_that_the_service_has_are_asked_for(used: set[str]) -> None:
    network = replace(NETWORK, interfaces=tuple(NetworkInterface("eni", "10.0.0.10", zone) for zone in sorted(used)))
    told = " ".join(warnings(network))

    assert {zone for zone in ZONES if zone in told} == set(ZONES) - used
    assert "euc1-az9" not in told


def test_across_regions_zones_need_not_match() -> None:
    (told,) = path_warnings(
        replace(endpoint(), region="us-east-1"), replace(NETWORK, interfaces=INTERFACES[:1]), SERVED, []
    )

    assert told.startswith("the endpoint is in us-east-1 and the service in eu-central-1")


def test_an_endpoint_in_no_subnet_is_told() -> None:
    assert "is in no subnet" in warnings(replace(NETWORK, interfaces=()))[0]


@given(st.integers(1, 65535), st.integers(1, 65535), st.integers(1, 65535), st.sampled_from(["tcp", "udp", "-1", "6"]))
def test_a_port_is_open_where_a_rule_has_it(port: int, low: int, high: int, protocol: str) -> None:
    group = SecurityGroup("sg-1", (InboundRule(protocol, min(low, high), max(low, high)),))
    told = warnings(replace(NETWORK, groups=(group,)), balancers(port))

    is_open = protocol == "-1" or (protocol == "tcp" and min(low, high) <= port <= max(low, high))
    assert (not told) == is_open


def test_a_closed_port_is_told_with_the_command_and_a_second_group_may_open_it() -> None:
    closed = SecurityGroup("sg-2", ())
    (told,) = warnings(replace(NETWORK, groups=(closed,)))

    assert f"authorize-security-group-ingress --region {REGION} --group-id sg-2 --protocol tcp --port 443" in told
    assert warnings(replace(NETWORK, groups=(closed, OPEN))) == ()


def test_a_listener_of_both_transports_needs_both() -> None:
    assert [told.split(" in;")[0][-7:] for told in warnings(of=balancers(443, "TCP_UDP"))] == ["udp 443"]


def test_the_providers_own_groups_are_told_where_they_apply() -> None:
    (told,) = warnings(of=balancers(filters=True))

    assert "apply to PrivateLink" in told
    assert "--enforce-security-group-inbound-rules-on-private-link-traffic off" in told
