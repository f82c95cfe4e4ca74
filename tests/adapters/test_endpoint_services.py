from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from botocore.stub import Stubber

from autopilot.aws import endpoint_services
from autopilot.aws.endpoint_services import Ec2EndpointServices
from autopilot.domain.connection import AwsState, Connection
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.names import Name
from autopilot.use_cases.ports import EndpointServices
from tests.adapters import real
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot
from tests.fakes.aws_model import Client
from tests.fakes.clock import Clock
from tests.fakes.endpoint_services import ServicesOfACopy
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, STRANGER, ZONE, Landscape
from tests.local_aws.moto_door import client, session
from tests.local_aws.privatelink import Caller


@pytest.fixture
def services(is_real: bool, landscape: Landscape, fake: FakeAutopilot, clock: Clock) -> EndpointServices:
    return Ec2EndpointServices(client("ec2", PROVIDER), clock) if is_real else fake.services


def test_a_service_is_read_with_what_its_tags_declare(services: EndpointServices, landscape: Landscape) -> None:
    tags = {"autopilot": "enabled", "autopilot:zone": ZONE, "autopilot:records": "api", "Name": "payments"}
    managed, plain = landscape.service(tags), landscape.service({}, acceptance=False)

    found = services.find(managed)
    assert found is not None
    assert (found.title, found.region, found.managed, found.acceptance_required) == ("payments", REGION, True, True)
    assert found.names == (Name(f"api.{ZONE}", ZONE),)
    other = services.find(plain)
    assert other is not None
    assert (other.title, other.managed, other.acceptance_required, other.names) == (plain, False, False, ())
    assert {service.service_id for service in services.all()} == {managed, plain}


def test_somebody_elses_service_is_not_found(services: EndpointServices, landscape: Landscape) -> None:
    made = landscape.ec2(STRANGER, "CreateVpcEndpointServiceConfiguration", NetworkLoadBalancerArns=["arn"])

    assert services.find(made["ServiceConfiguration"]["ServiceId"]) is None
    assert list(services.all()) == []


def test_a_service_made_a_moment_ago_is_found(services: EndpointServices, landscape: Landscape, clock: Clock) -> None:
    assert list(services.all()) == []
    service_id = landscape.service()
    clock.advance(5)

    assert services.find(service_id) is not None


def test_a_tag_taken_away_is_noticed_within_a_minute(
    services: EndpointServices, landscape: Landscape, clock: Clock
) -> None:
    service_id = landscape.service()
    before = services.find(service_id)
    landscape.tag(service_id, autopilot=None)
    clock.advance(60)
    after = services.find(service_id)

    assert before is not None
    assert after is not None
    assert (before.managed, after.managed) == (True, False)


@pytest.mark.parametrize(("told", "seconds"), [((), 60), ((timedelta(seconds=5),), 5)])
def test_a_copy_works_with_the_services_that_it_has_read_for_so_long_and_no_longer(
    landscape: Landscape, fake: FakeAutopilot, clock: Clock, is_real: bool, told: Sequence[timedelta], seconds: int
) -> None:
    model = Client(fake.aws.privatelink, Caller(PROVIDER, REGION), fake.calls)
    copy = (
        Ec2EndpointServices(client("ec2", PROVIDER), clock, *told) if is_real else ServicesOfACopy(model, clock, *told)
    )
    first, second = landscape.service(), landscape.service()

    def declared() -> list[Sequence[Name]]:
        return [service.names for service in map(copy.find, (first, second)) if service]

    before = declared()
    landscape.tag(second, autopilot_records="ledger")
    clock.advance(seconds - 1)
    assert declared() == before
    clock.advance(1)
    assert declared() == [before[0], (Name(f"ledger.{ZONE}", ZONE),)]
    landscape.tag(first, autopilot_records="ledger")
    copy.all()
    assert declared() == [(Name(f"ledger.{ZONE}", ZONE),)] * 2


def test_a_connection_has_its_owner_state_and_time_from_the_api(
    services: EndpointServices, landscape: Landscape, clock: Clock
) -> None:
    ref = landscape.endpoint(landscape.service(), landscape.new_vpc(CONSUMER))

    assert list(services.connections(ref.service_id)) == [
        Connection(ref, CONSUMER, REGION, AwsState.PENDING_ACCEPTANCE, datetime(2027, 1, 15, 8, tzinfo=UTC))
    ]


def test_connections_are_narrowed_to_a_service_to_owners_and_to_a_state(
    services: EndpointServices, landscape: Landscape, clock: Clock
) -> None:
    service_id = landscape.service()
    consumer, stranger = landscape.new_vpc(CONSUMER), landscape.new_vpc(STRANGER)
    waiting, available = (landscape.endpoint(service_id, consumer) for _ in range(2))
    strangers = landscape.endpoint(service_id, stranger)
    landscape.endpoint(landscape.service(), consumer)
    landscape.accept(available)
    clock.advance(SECONDS_TO_AVAILABLE)

    def found(**narrowing: object) -> set[object]:
        return {connection.ref for connection in services.connections(service_id, **narrowing)}  # type: ignore[arg-type]

    assert found() == {waiting, available, strangers}
    assert found(owners=[CONSUMER]) == {waiting, available}
    assert found(owners=[CONSUMER, STRANGER], state=AwsState.PENDING_ACCEPTANCE) == {waiting, strangers}
    assert found(state=AwsState.AVAILABLE) == {available}
    assert found(state=AwsState.REJECTED) == set()


def test_all_pages_of_connections_are_read(
    services: EndpointServices, landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_services, "_PAGE", 5)
    service_id, vpc = landscape.service(), landscape.new_vpc(CONSUMER)
    refs = [landscape.endpoint(service_id, vpc) for _ in range(12)]

    assert [connection.ref for connection in services.connections(service_id)] == refs


def test_a_page_of_connections_is_a_thousand(clock: Clock) -> None:
    ec2, service_id = client("ec2", PROVIDER), "vpce-svc-0fa57c0de5e41ce01"
    filters = [{"Name": "service-id", "Values": [service_id]}]
    with Stubber(ec2) as stubbed:
        stubbed.add_response(
            "describe_vpc_endpoint_connections",
            {"VpcEndpointConnections": []},
            {"Filters": filters, "MaxResults": 1000},
        )
        assert list(Ec2EndpointServices(ec2, clock).connections(service_id)) == []
        stubbed.assert_no_pending_responses()


def test_accept_and_reject_act_on_what_waits_and_name_what_they_could_not_do(
    services: EndpointServices, landscape: Landscape, clock: Clock
) -> None:
    service_id, vpc = landscape.service(), landscape.new_vpc(CONSUMER)
    first, second, third = (landscape.endpoint(service_id, vpc) for _ in range(3))
    unknown = "vpce-0e1f2a3b4c5d6e7ff"

    assert services.accept(service_id, [first.endpoint_id]) == {}
    assert services.reject(service_id, [second.endpoint_id]) == {}
    refused = services.accept(service_id, [first.endpoint_id, third.endpoint_id, unknown])
    twice = services.reject(service_id, [second.endpoint_id])

    assert {endpoint: refusal.code for endpoint, refusal in refused.items()} == {
        first.endpoint_id: "InvalidState",
        unknown: "InvalidVpcEndpointId.NotFound",
    }
    assert first.endpoint_id in refused[first.endpoint_id].message
    assert twice[second.endpoint_id].code == "InvalidVpcEndpointId.NotFound"
    assert Counter(connection.state for connection in services.connections(service_id)) == {
        AwsState.PENDING: 2,
        AwsState.REJECTED: 1,
    }


ACCOUNTS = [f"{number:012}" for number in range(444444444001, 444444444251)]


def principals(landscape: Landscape, service_id: str) -> set[str]:
    found = landscape.ec2(PROVIDER, "DescribeVpcEndpointServicePermissions", ServiceId=service_id)
    return {row["Principal"] for row in found["AllowedPrincipals"]}


def test_accounts_are_permitted_and_forbidden_and_nobody_else_is_touched(
    services: EndpointServices, landscape: Landscape
) -> None:
    service_id, role = landscape.service(), f"arn:aws:iam::{CONSUMER}:role/deployer"
    landscape.ec2(PROVIDER, "ModifyVpcEndpointServicePermissions", ServiceId=service_id, AddAllowedPrincipals=[role])
    assert services.permitted_accounts(service_id) == set()

    services.permit(service_id, [CONSUMER, STRANGER])
    services.permit(service_id, {STRANGER})
    assert services.permitted_accounts(service_id) == {CONSUMER, STRANGER}

    services.forbid(service_id, [STRANGER, PROVIDER])
    assert services.permitted_accounts(service_id) == {CONSUMER}
    assert principals(landscape, service_id) == {"*", role, f"arn:aws:iam::{CONSUMER}:root"}


def test_some_accounts_may_be_asked_about(services: EndpointServices, landscape: Landscape) -> None:
    service_id = landscape.service()
    services.permit(service_id, [CONSUMER, STRANGER])

    assert services.permitted_accounts(service_id, among=[CONSUMER, PROVIDER]) == {CONSUMER}
    assert services.permitted_accounts(service_id, among=[]) == set()


def test_hundreds_of_accounts_are_permitted_found_and_forbidden(
    services: EndpointServices, landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_services, "_PAGE", 50)
    service_id = landscape.service()

    services.permit(service_id, ACCOUNTS)
    assert services.permitted_accounts(service_id) == set(ACCOUNTS)
    assert services.permitted_accounts(service_id, among=[*ACCOUNTS[5:], PROVIDER]) == set(ACCOUNTS[5:])

    services.forbid(service_id, ACCOUNTS)
    assert services.permitted_accounts(service_id) == set()
    services.permit(service_id, [])
    services.forbid(service_id, [])


def test_an_account_that_does_not_exist_keeps_no_other_out_and_is_named(
    services: EndpointServices, landscape: Landscape
) -> None:
    service_id, missing = landscape.service(), ACCOUNTS[42]
    landscape.privatelink.unknown_principals.add(f"arn:aws:iam::{missing}:root")

    with pytest.raises(AwsCallFailed, match=rf"InvalidPrincipal.*{missing}"):
        services.permit(service_id, ACCOUNTS[:60])

    assert services.permitted_accounts(service_id) == set(ACCOUNTS[:60]) - {missing}


def test_permissions_that_cannot_be_read_or_changed_are_a_failure(services: EndpointServices) -> None:
    gone = "vpce-svc-0fa57c0de5e41ce0f"
    for call in (services.permit, services.forbid):
        with pytest.raises(AwsCallFailed, match=f"ModifyVpcEndpointServicePermissions for {gone}"):
            call(gone, [CONSUMER, STRANGER])
    with pytest.raises(AwsCallFailed, match=f"DescribeVpcEndpointServicePermissions for {gone}"):
        services.permitted_accounts(gone)


@pytest.mark.parametrize("is_real", [True], indirect=True)
def test_permissions_are_changed_a_hundred_at_a_time_and_only_the_asked_for_are_read(
    landscape: Landscape, clock: Clock
) -> None:
    ec2 = session(PROVIDER).client("ec2")
    changes = real.requests_of(ec2, "ModifyVpcEndpointServicePermissions")
    reads = real.requests_of(ec2, "DescribeVpcEndpointServicePermissions")
    services, service_id = Ec2EndpointServices(ec2, clock), landscape.service()

    services.permit(service_id, ACCOUNTS)
    services.forbid(service_id, ACCOUNTS)
    services.permitted_accounts(service_id, among=ACCOUNTS)

    assert [len(request["AddAllowedPrincipals"]) for request in changes[:3]] == [100, 100, 50]
    assert [len(request["RemoveAllowedPrincipals"]) for request in changes[3:]] == [100, 100, 50]
    assert [len(request["Filters"][0]["Values"]) for request in reads] == [200, 50]


@pytest.mark.parametrize("is_real", [True], indirect=True)
def test_principals_are_those_of_the_partition(landscape: Landscape, clock: Clock) -> None:
    ec2 = session(PROVIDER, "cn-north-1").client("ec2")
    with Stubber(ec2) as aws:
        root = f"arn:aws-cn:iam::{CONSUMER}:root"
        aws.add_response(
            "modify_vpc_endpoint_service_permissions",
            {},
            {"ServiceId": "vpce-svc-0fa57c0de5e41ce01", "AddAllowedPrincipals": [root]},
        )
        aws.add_response("describe_vpc_endpoint_service_permissions", {"AllowedPrincipals": [{"Principal": root}]})
        services = Ec2EndpointServices(ec2, clock)
        services.permit("vpce-svc-0fa57c0de5e41ce01", [CONSUMER])

        assert services.permitted_accounts("vpce-svc-0fa57c0de5e41ce01") == {CONSUMER}


def test_a_refused_call_says_which_and_why(services: EndpointServices) -> None:
    with pytest.raises(AwsCallFailed, match=r"vpce-svc-0fa57c0de5e41ce0f.*InvalidVpcEndpointServiceId\.NotFound"):
        services.accept("vpce-svc-0fa57c0de5e41ce0f", ["vpce-0e1f2a3b4c5d6e7ff"])


@pytest.mark.parametrize("is_real", [True], indirect=True)
def test_a_service_at_work_is_looked_up_once_a_minute_and_all_else_is_read(landscape: Landscape, clock: Clock) -> None:
    ec2 = session(PROVIDER).client("ec2")
    reads = real.requests_of(ec2, "DescribeVpcEndpointServiceConfigurations")
    listings = real.requests_of(ec2, "DescribeVpcEndpointConnections")
    services, service_id, unmanaged = Ec2EndpointServices(ec2, clock), landscape.service(), landscape.service({})

    for _ in range(3):
        services.find(service_id)
        list(services.connections(service_id))
        clock.advance(19)
    assert (len(reads), len(listings)) == (1, 3)

    services.find(unmanaged)
    assert len(reads) == 2
    services.all()
    services.all()
    assert len(reads) == 4


def test_a_service_has_a_connection_notification_once_it_was_given_one(
    services: EndpointServices, landscape: Landscape
) -> None:
    topic = f"arn:aws:sns:{REGION}:{PROVIDER}:notifications"
    service, other = landscape.service(), landscape.service()
    assert services.notified(topic) == frozenset()

    services.notify(service, topic)
    services.notify(other, f"{topic}-2")

    assert services.notified(topic) == {service}
    [made] = [
        found
        for found in landscape.ec2(PROVIDER, "DescribeVpcEndpointConnectionNotifications")["ConnectionNotificationSet"]
        if found["ServiceId"] == service
    ]
    assert made["ConnectionEvents"] == ["Accept", "Connect", "Delete", "Reject"]
