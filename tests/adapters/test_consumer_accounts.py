from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from autopilot.aws.consumer_accounts import AwsConsumerAccount, AwsConsumerAccounts
from autopilot.domain.connection import AwsState, DnsEntry, NetworkInterface
from autopilot.domain.dns_plan import Autopilot
from autopilot.domain.failures import AwsCallFailed, NoConsumerRole
from autopilot.domain.mode import Mode
from autopilot.domain.network import InboundRule, SecurityGroup
from autopilot.domain.network import Vpc as NetworkVpc
from autopilot.use_cases.ports import ConsumerAccounts
from tests.adapters import real
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, US, FakeAutopilot
from tests.fakes.clock import Clock
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, STRANGER, ZONE, Landscape
from tests.local_aws.privatelink import ENDPOINT_ZONE, zone_ids


@pytest.fixture
def consumers(is_real: bool, landscape: Landscape, fake: FakeAutopilot, clock: Clock) -> ConsumerAccounts:
    """Only the consumer has the role."""
    if not is_real:
        return fake.consumers
    real.consumer_role(CONSUMER)
    return AwsConsumerAccounts(real.Sts().as_client(), US, "", Mode.ENFORCE, clock)


def test_an_account_without_the_role_does_not_let_us_in(consumers: ConsumerAccounts) -> None:
    with pytest.raises(NoConsumerRole) as refusal:
        consumers.enter(STRANGER, REGION)

    assert refusal.value.account == STRANGER
    assert refusal.value.role_arn == f"arn:aws:iam::{STRANGER}:role/autopilot-{PROVIDER}-{REGION}"


def test_an_endpoint_is_seen_as_its_own_account_sees_it(
    consumers: ConsumerAccounts, landscape: Landscape, clock: Clock
) -> None:
    vpc = landscape.new_vpc(CONSUMER)
    ref = landscape.endpoint(landscape.service(), vpc, ip_address_type="dualstack")
    landscape.accept(ref)
    account = consumers.enter(CONSUMER, REGION)

    clock.advance(SECONDS_TO_AVAILABLE)
    endpoint = account.endpoint(ref.endpoint_id)

    assert endpoint is not None
    assert (endpoint.endpoint_id, endpoint.vpc_id, endpoint.region) == (ref.endpoint_id, vpc.vpc_id, REGION)
    assert (endpoint.state, endpoint.ip_address_type) == (AwsState.AVAILABLE, "dualstack")
    assert endpoint.regional_entry == DnsEntry(landscape.regional_name(ref), ENDPOINT_ZONE)
    network = account.network(endpoint)
    (interface,) = network.interfaces
    zone_id = zone_ids(CONSUMER, REGION)[f"{REGION}a"]
    assert interface == NetworkInterface(endpoint.interface_ids[0], "10.0.0.10", zone_id)
    assert network.vpc == NetworkVpc(vpc.vpc_id, CONSUMER, dns_support=True, dns_hostnames=True)


def test_an_endpoint_that_its_own_account_does_not_know_is_none(
    consumers: ConsumerAccounts, landscape: Landscape
) -> None:
    ref = landscape.endpoint(landscape.service(), landscape.new_vpc(CONSUMER))
    strangers = landscape.endpoint(ref.service_id, landscape.new_vpc(STRANGER))
    account = consumers.enter(CONSUMER, REGION)
    assert account.endpoint(ref.endpoint_id) is not None

    landscape.delete(ref)

    assert account.endpoint(ref.endpoint_id) is None
    assert account.endpoint(strangers.endpoint_id) is None
    assert account.endpoint("") is None


def test_an_endpoint_without_subnets_has_no_interfaces(consumers: ConsumerAccounts, landscape: Landscape) -> None:
    vpc = landscape.new_vpc(CONSUMER)
    ref = landscape.endpoint(landscape.service(), vpc)
    landscape.ec2(CONSUMER, "ModifyVpcEndpoint", VpcEndpointId=ref.endpoint_id, RemoveSubnetIds=[vpc.subnet_id])
    account = consumers.enter(CONSUMER, REGION)
    endpoint = account.endpoint(ref.endpoint_id)

    assert endpoint is not None
    assert account.network(endpoint).interfaces == ()


def test_the_hosted_zones_are_the_accounts_own(consumers: ConsumerAccounts, landscape: Landscape) -> None:
    landscape.zone(landscape.new_vpc(STRANGER))
    ours = landscape.zone(landscape.new_vpc(CONSUMER))

    assert [zone.zone_id for zone in consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)] == [ours]


def test_private_dns_is_switched_on_for_an_endpoint(consumers: ConsumerAccounts, landscape: Landscape) -> None:
    service_id, vpc = landscape.service(), landscape.new_vpc(CONSUMER)
    landscape.ec2(PROVIDER, "ModifyVpcEndpointServiceConfiguration", ServiceId=service_id, PrivateDnsName=f"api.{ZONE}")
    landscape.ec2(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", ServiceId=service_id)
    ref = landscape.endpoint(service_id, vpc, tags={"autopilot:dns": "off"})
    landscape.accept(ref)
    account = consumers.enter(CONSUMER, REGION)
    account.enable_private_dns(ref.endpoint_id)
    endpoint = account.endpoint(ref.endpoint_id)

    assert endpoint is not None
    assert endpoint.private_dns_enabled
    assert endpoint.declines_dns
    assert landscape.resolves(vpc, f"api.{ZONE}") == landscape.regional_name(ref)


def test_a_session_that_is_left_is_left_once(consumers: ConsumerAccounts) -> None:
    assert not consumers.leave(CONSUMER, REGION)
    consumers.enter(CONSUMER, REGION)
    assert consumers.leave(CONSUMER, REGION)
    assert not consumers.leave(CONSUMER, REGION)


@dataclass
class Around:
    """A VPC that is broken, tagged and guarded: in the fake's network, or with the API in moto's."""

    fake: FakeAutopilot | None

    def switch_off(self, vpc_id: str, attribute: str) -> None:
        if self.fake:
            self.fake.network.without.setdefault(vpc_id, set()).add(attribute)
        else:
            name = attribute[0].upper() + attribute[1:]
            real.ec2(CONSUMER).modify_vpc_attribute(VpcId=vpc_id, **{name: {"Value": False}})

    def consent(self, vpc_id: str, accounts: str) -> None:
        if self.fake:
            self.fake.network.consents[vpc_id] = accounts
        else:
            real.ec2(CONSUMER).create_tags(
                Resources=[vpc_id], Tags=[{"Key": "autopilot:names-from", "Value": accounts}]
            )

    def group(self, vpc_id: str, port: int) -> str:
        if self.fake:
            self.fake.network.rules["sg-0123456789abcdef0"] = (InboundRule("tcp", port, port),)
            return "sg-0123456789abcdef0"
        made = real.ec2(CONSUMER).create_security_group(GroupName="endpoint", Description="x", VpcId=vpc_id)
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        real.ec2(CONSUMER).authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[rule])
        return str(made["GroupId"])


@pytest.fixture
def around(is_real: bool, fake: FakeAutopilot, landscape: Landscape) -> Around:
    return Around(None if is_real else fake)


@pytest.mark.parametrize("attribute", ["enableDnsSupport", "enableDnsHostnames"])
def test_an_attribute_of_the_vpc_that_is_off_is_seen(
    consumers: ConsumerAccounts, landscape: Landscape, around: Around, attribute: str
) -> None:
    vpc = landscape.new_vpc(CONSUMER)
    ref = landscape.endpoint(landscape.service(), vpc)
    around.switch_off(vpc.vpc_id, attribute)
    account = consumers.enter(CONSUMER, REGION)
    endpoint = account.endpoint(ref.endpoint_id)

    assert endpoint is not None
    found = account.network(endpoint).vpc
    assert (found.dns_support, found.dns_hostnames) == (
        attribute != "enableDnsSupport",
        attribute != "enableDnsHostnames",
    )


def test_the_endpoints_security_groups_are_seen_with_their_inbound_rules(
    consumers: ConsumerAccounts, landscape: Landscape, around: Around
) -> None:
    vpc = landscape.new_vpc(CONSUMER)
    ref, group_id = landscape.endpoint(landscape.service(), vpc), around.group(vpc.vpc_id, 8443)
    landscape.ec2(CONSUMER, "ModifyVpcEndpoint", VpcEndpointId=ref.endpoint_id, AddSecurityGroupIds=[group_id])
    account = consumers.enter(CONSUMER, REGION)
    endpoint = account.endpoint(ref.endpoint_id)

    assert endpoint is not None
    assert account.network(endpoint).groups == (SecurityGroup(group_id, (InboundRule("tcp", 8443, 8443),)),)


def test_looking_around_an_endpoint_takes_the_calls_that_storms_count(
    consumers: ConsumerAccounts, landscape: Landscape, around: Around, fake: FakeAutopilot
) -> None:
    vpc = landscape.new_vpc(CONSUMER)
    ref, group_id = landscape.endpoint(landscape.service(), vpc), around.group(vpc.vpc_id, 443)
    landscape.ec2(CONSUMER, "ModifyVpcEndpoint", VpcEndpointId=ref.endpoint_id, AddSecurityGroupIds=[group_id])
    account, made = consumers.enter(CONSUMER, REGION), fake.calls.made
    endpoint = account.endpoint(ref.endpoint_id)
    made.clear()
    if isinstance(account, AwsConsumerAccount):
        account.ec2.meta.events.register("before-call.ec2", lambda model, **_: made.append(model.name))

    assert endpoint is not None
    account.network(endpoint)
    assert sorted(made) == [
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeVpcAttribute",
        "DescribeVpcAttribute",
        "DescribeVpcs",
    ]


def test_a_vpc_says_itself_whose_names_it_takes(
    consumers: ConsumerAccounts, landscape: Landscape, around: Around
) -> None:
    vpc, silent = landscape.new_vpc(CONSUMER), landscape.new_vpc(CONSUMER)
    around.consent(vpc.vpc_id, f"{STRANGER} {PROVIDER}")
    account = consumers.enter(CONSUMER, REGION)

    assert account.consents(vpc.vpc_id, STRANGER)
    assert not account.consents(vpc.vpc_id, STRANGER[:11])
    assert not account.consents(silent.vpc_id, STRANGER)


def test_a_vpc_that_the_account_does_not_have_is_not_found(consumers: ConsumerAccounts, landscape: Landscape) -> None:
    account = consumers.enter(CONSUMER, REGION)
    for vpc_id in ("vpc-0123456789abcdef0", landscape.new_vpc(STRANGER).vpc_id):
        with pytest.raises(AwsCallFailed, match=f"DescribeVpcs for {vpc_id} failed with InvalidVpcID.NotFound"):
            account.consents(vpc_id, STRANGER)


@dataclass
class Entrance:
    """How the real adapter enters a consumer account, and what it asks of STS for it."""

    sts: real.Sts
    clock: Clock

    def accounts(self, external_id: str = "", mode: Mode = Mode.ENFORCE) -> AwsConsumerAccounts:
        return AwsConsumerAccounts(self.sts.as_client(), Autopilot(PROVIDER, REGION), external_id, mode, self.clock)


@pytest.fixture
def entrance(landscape: Landscape, clock: Clock) -> Entrance:
    return Entrance(real.Sts(), clock)


only_real = pytest.mark.parametrize("is_real", [True], indirect=True)


@only_real
def test_the_external_id_opens_the_role_that_asks_for_it(entrance: Entrance) -> None:
    real.consumer_role(CONSUMER, external_id="customer-4711")

    entrance.accounts("customer-4711").enter(CONSUMER, REGION)
    for wrong in ("", "customer-4712"):
        with pytest.raises(NoConsumerRole):
            entrance.accounts(wrong).enter(CONSUMER, REGION)

    assert [request.get("ExternalId") for request in entrance.sts.requests] == [
        "customer-4711",
        None,
        "customer-4712",
    ]


@only_real
def test_observe_mode_takes_read_rights_only_whatever_the_role_allows(entrance: Entrance) -> None:
    real.consumer_role(CONSUMER)
    entrance.accounts(mode=Mode.OBSERVE).enter(CONSUMER, REGION)
    entrance.accounts(mode=Mode.ENFORCE).enter(CONSUMER, REGION)
    observing, enforcing = entrance.sts.requests

    (statement,) = json.loads(observing["Policy"])["Statement"]
    assert statement["Effect"] == "Allow"
    assert all(action.split(":")[1].startswith(("Describe", "Get", "List")) for action in statement["Action"])
    assert "Policy" not in enforcing


@only_real
def test_a_session_is_kept_while_it_lasts_and_a_refusal_is_not(entrance: Entrance, clock: Clock) -> None:
    accounts = entrance.accounts()
    with pytest.raises(NoConsumerRole):
        accounts.enter(CONSUMER, REGION)
    real.consumer_role(CONSUMER)

    for _ in range(3):
        accounts.enter(CONSUMER, REGION)
    assert len(entrance.sts.requests) == 2

    clock.advance(3000)
    accounts.enter(CONSUMER, REGION)
    assert len(entrance.sts.requests) == 3


@only_real
def test_what_the_role_does_is_done_in_the_consumers_account(entrance: Entrance, landscape: Landscape) -> None:
    real.consumer_role(CONSUMER)
    vpc = landscape.new_vpc(CONSUMER)
    zone = entrance.accounts().enter(CONSUMER, REGION).hosted_zones.create(ZONE, vpc.vpc_id, "plap1")

    assert zone is not None
    assert landscape.route53(CONSUMER, "GetHostedZone", Id=zone.zone_id)["VPCs"][0]["VPCId"] == vpc.vpc_id
