"""The other VPCs that an endpoint serves: what a client there resolves, and when no longer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest

from autopilot.domain.connection import ConnectionRef, Dns, Status
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot
from tests.fakes.calls import Crash, Fault
from tests.fakes.clock import DAY, HOUR
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, REGION, STRANGER, ZONE, Vpc, place_of
from tests.unit.served_names import API, LEDGER, behind, certified, our_zone, target


def test_other_vpcs_of_the_account_are_served_and_let_go_again(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ref = autopilot.connected(vpc, also_vpcs=spoke.vpc_id)
    assert autopilot.settle(ref) is Dns.PRESENT
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)

    autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[ref.endpoint_id], Tags=[{"Key": "autopilot:also-vpcs"}])
    autopilot.settle(ref)
    assert autopilot.aws.resolves(spoke, API) is None
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


@pytest.mark.parametrize("consents", [False, True])
def test_another_accounts_vpc_is_served_only_if_it_says_so(autopilot: FakeAutopilot, vpc: Vpc, consents: bool) -> None:
    """Whoever can tag an endpoint must not thereby put names into somebody else's VPC."""
    spoke = autopilot.aws.new_vpc(STRANGER)
    autopilot.consumers.roles.add(STRANGER)
    if consents:
        autopilot.network.consents[spoke.vpc_id] = f"{CONSUMER} {PROVIDER}"
    ref = autopilot.connected(vpc, also_vpcs=f"{STRANGER}/{spoke.vpc_id}")
    assert autopilot.settle(ref) is Dns.PRESENT

    assert autopilot.aws.resolves(spoke, API) == (target(autopilot, ref) if consents else None)
    assert any("autopilot:names-from" in check for check in autopilot.row(ref).dns.unserved) is not consents
    autopilot.converge(ref)
    assert autopilot.row(ref).dns.maybe_served == ((f"{STRANGER}/{REGION}/{spoke.vpc_id}",) if consents else ())
    zone_id = our_zone(autopilot)
    left_over = autopilot.aws.route53(CONSUMER, "ListVPCAssociationAuthorizations", HostedZoneId=zone_id)
    assert left_over["VPCs"] == []


def test_with_the_endpoint_the_other_vpcs_lose_the_zone_too(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ref = autopilot.connected(vpc, also_vpcs=spoke.vpc_id)
    autopilot.settle(ref)
    autopilot.aws.delete(ref)
    autopilot.converge(ref)

    assert autopilot.aws.zones_in(spoke) == autopilot.aws.zones_in(vpc) == set()


def test_a_zone_that_was_taken_off_its_own_vpc_is_put_back_for_the_next_endpoint_there(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    """A second one would take its place in the VPC, and nobody would come back for the first."""
    spoke, service = autopilot.aws.new_vpc(CONSUMER), autopilot.aws.service()
    ref = autopilot.connected(vpc, service, also_vpcs=spoke.vpc_id)
    autopilot.settle(ref)
    its_vpc = place_of(vpc)
    zone_id = our_zone(autopilot)
    autopilot.aws.route53(CONSUMER, "DisassociateVPCFromHostedZone", HostedZoneId=zone_id, VPC=its_vpc)
    ledger = autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))

    assert our_zone(autopilot) == zone_id
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ledger)


@pytest.mark.parametrize("goes", [True, False])
def test_a_zone_that_stays_for_another_endpoint_no_longer_serves_the_vpcs_of_the_one_that_went(
    autopilot: FakeAutopilot, vpc: Vpc, goes: bool
) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ledger = autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))
    ref = autopilot.connected(vpc, also_vpcs=spoke.vpc_id)
    autopilot.settle(ref)
    if goes:
        autopilot.aws.delete(ref)
    else:
        off = [{"Key": "autopilot:dns", "Value": "off"}]
        autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=off)
    autopilot.converge(ref)

    assert autopilot.aws.zones_in(spoke) == set()
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ledger)


def calls_to_serve_others() -> int:
    trial = FakeAutopilot()
    ref = serving(trial)
    trial.calls.made.clear()
    trial.converge(ref)
    return len(trial.calls.made)


def serving(autopilot: FakeAutopilot) -> ConnectionRef:
    vpc, spoke = autopilot.aws.new_vpc(CONSUMER), autopilot.aws.new_vpc(STRANGER)
    autopilot.consumers.roles.add(STRANGER)
    autopilot.network.consents[spoke.vpc_id] = CONSUMER
    return autopilot.connected(vpc, also_vpcs=f"{STRANGER}/{spoke.vpc_id}")


@pytest.mark.parametrize("dies_after", range(1, calls_to_serve_others() + 1))
def test_wherever_a_run_dies_while_it_serves_other_vpcs_the_next_ones_finish(dies_after: int) -> None:
    autopilot = FakeAutopilot()
    ref = serving(autopilot)
    autopilot.calls.crash_after = dies_after
    with pytest.raises(Crash):
        autopilot.converge(ref)

    assert autopilot.settle(ref) is Dns.PRESENT
    spoke = autopilot.network.vpcs[1]
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)
    zone_id = our_zone(autopilot)
    left_over = autopilot.aws.route53(CONSUMER, "ListVPCAssociationAuthorizations", HostedZoneId=zone_id)
    assert left_over["VPCs"] == []


@pytest.mark.parametrize("goes", ["tag", "endpoint", "names"])
@pytest.mark.parametrize("dies_after", range(1, calls_to_serve_others() + 1))
def test_wherever_a_run_dies_while_it_serves_other_vpcs_nothing_stays_that_is_not_wanted_any_more(
    dies_after: int, goes: str
) -> None:
    """Another endpoint keeps the zone alive."""
    autopilot = FakeAutopilot()
    ref = serving(autopilot)
    autopilot.ready(autopilot.network.vpcs[0], autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))
    autopilot.calls.crash_after = dies_after
    with suppress(Crash):
        autopilot.converge(ref)
    autopilot.calls.crash_after = None
    match goes:
        case "tag":
            also = [{"Key": "autopilot:also-vpcs"}]
            autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[ref.endpoint_id], Tags=also)
        case "endpoint":
            autopilot.aws.delete(ref)
        case _:
            off = [{"Key": "autopilot:dns", "Value": "off"}]
            autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=off)
    autopilot.settle(ref)

    spoke = autopilot.network.vpcs[1]
    assert autopilot.aws.zones_in(spoke) == set()
    assert autopilot.row(ref).dns.also_vpcs == ()


def test_an_authorization_that_a_killed_run_left_behind_is_withdrawn(autopilot: FakeAutopilot) -> None:
    """A killed run does nothing any more: neither the withdrawal nor the ledger's write comes."""
    ref = serving(autopilot)
    autopilot.calls.crash_before = "DeleteVPCAssociationAuthorization"
    with pytest.raises(Crash):
        autopilot.converge(ref)
    zone_id = our_zone(autopilot)
    place = place_of(autopilot.network.vpcs[1])
    autopilot.aws.route53(CONSUMER, "CreateVPCAssociationAuthorization", HostedZoneId=zone_id, VPC=place)

    assert autopilot.settle(ref) is Dns.PRESENT
    left_over = autopilot.aws.route53(CONSUMER, "ListVPCAssociationAuthorizations", HostedZoneId=zone_id)
    assert left_over["VPCs"] == []


def test_another_accounts_vpc_that_could_not_be_taken_off_is_taken_off_later(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke = autopilot.aws.new_vpc(STRANGER)
    autopilot.consumers.roles.add(STRANGER)
    autopilot.network.consents[spoke.vpc_id] = CONSUMER
    other = autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"})
    ref = autopilot.connected(vpc, also_vpcs=f"{STRANGER}/{spoke.vpc_id}")
    autopilot.settle(ref)
    autopilot.ready(vpc, other)
    assert autopilot.aws.zones_in(spoke) == {ZONE}

    autopilot.consumers.roles.discard(STRANGER)
    autopilot.consumers.leave(STRANGER, REGION)
    autopilot.aws.delete(ref)
    autopilot.report()
    told = len(autopilot.topic.mails)
    for _ in range(3):
        autopilot.run()
        autopilot.report()
        autopilot.clock.advance(HOUR)
    assert autopilot.row(ref).status is Status.FAILED
    assert f"{STRANGER}/{REGION}/{spoke.vpc_id} is still served" in autopilot.row(ref).dns.reason
    assert sum("FAILED" in mail.subject for mail in autopilot.topic.mails[told:]) == 1

    autopilot.consumers.roles.add(STRANGER)
    for _ in range(2):
        autopilot.clock.advance(DAY)
        autopilot.run()
    assert autopilot.aws.zones_in(spoke) == set()
    assert autopilot.row(ref).status is Status.RETIRED


def test_a_zone_of_certificates_is_taken_off_another_accounts_vpc_later_though_the_endpoint_wants_no_names(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke, service_id = autopilot.aws.new_vpc(STRANGER), certified(autopilot)
    behind(autopilot, service_id, API)
    autopilot.consumers.roles.add(STRANGER)
    autopilot.network.consents[spoke.vpc_id] = CONSUMER
    ref = autopilot.connected(vpc, service_id, also_vpcs=f"{STRANGER}/{spoke.vpc_id}")
    autopilot.settle(ref)
    autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:zone": API, "autopilot:records": "eu"}))

    autopilot.consumers.roles.discard(STRANGER)
    autopilot.consumers.leave(STRANGER, REGION)
    off = [{"Key": "autopilot:dns", "Value": "off"}]
    autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=off)
    for _ in range(2):
        autopilot.clock.advance(DAY)
        autopilot.run()
        assert "is still served" in autopilot.row(ref).dns.reason

    autopilot.consumers.roles.add(STRANGER)
    autopilot.clock.advance(DAY)
    autopilot.run()
    assert autopilot.aws.zones_in(spoke) == set()
    assert autopilot.row(ref).dns.zones == autopilot.row(ref).dns.also_vpcs == ()


@pytest.mark.parametrize("code", ["InvalidVPCId", "AccessDenied"])
@pytest.mark.parametrize("is_gone", [True, False])
def test_a_vpc_that_was_deleted_is_served_no_longer_whatever_route_53_says_of_it(
    autopilot: FakeAutopilot, vpc: Vpc, code: str, is_gone: bool
) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ref = autopilot.connected(vpc, also_vpcs=spoke.vpc_id)
    autopilot.settle(ref)
    autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))
    autopilot.calls.refused["DisassociateVPCFromHostedZone"] = code
    if is_gone:
        autopilot.network.vpcs.remove(spoke)
    autopilot.aws.delete(ref)
    autopilot.run()

    assert autopilot.row(ref).status is (Status.RETIRED if is_gone else Status.FAILED)


ALSO = "autopilot:also-vpcs"


def about_to(autopilot: FakeAutopilot, does: str, label: str) -> ConnectionRef:
    """An endpoint of the first VPC that begins to serve the second, or is to let it go, at its next look."""
    vpc, spoke = autopilot.network.vpcs
    service_id = autopilot.aws.service(MANAGED | {"autopilot:records": label})
    if does == "gets the tag":
        ref = autopilot.ready(vpc, service_id)
        tags = [{"Key": ALSO, "Value": spoke.vpc_id}]
        autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=tags)
        return ref
    ref = autopilot.connected(vpc, service_id, also_vpcs=spoke.vpc_id)
    autopilot.settle(ref)
    match does:
        case "loses the tag":
            autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[ref.endpoint_id], Tags=[{"Key": ALSO}])
        case "declines":
            off = [{"Key": "autopilot:dns", "Value": "off"}]
            autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=off)
        case _:
            autopilot.aws.delete(ref)
    return ref


def look_at_both(autopilot: FakeAutopilot, first: ConnectionRef, second: ConnectionRef, calls: int) -> bool:
    """Look at the first; at the second after that many calls. Whether there were as many."""
    looked: list[Dns | None] = []
    autopilot.calls.meanwhile = (calls, lambda: looked.append(autopilot.converge(second)))
    autopilot.converge(first)
    autopilot.calls.meanwhile = None
    return bool(looked)


DOES = ["gets the tag", "loses the tag", "declines", "goes"]


@pytest.mark.parametrize("second", DOES)
@pytest.mark.parametrize("first", DOES)
def test_whenever_two_endpoints_begin_to_serve_or_let_go_of_one_vpc_it_is_served_as_the_last_of_them_wants(
    first: str, second: str
) -> None:
    """The second is looked at before each call of the first's look."""
    is_wanted = "gets the tag" in (first, second)
    for calls in count():
        autopilot = FakeAutopilot()
        for _ in range(2):
            autopilot.aws.new_vpc(CONSUMER)
        refs = about_to(autopilot, first, "api"), about_to(autopilot, second, "ledger")
        spoke = autopilot.network.vpcs[1]
        autopilot.dns_queue.take()
        if not look_at_both(autopilot, *refs, calls):
            break
        for _ in range(3):
            autopilot.clock.advance(60)
            for wake_up in autopilot.dns_queue.take():
                autopilot.converge(wake_up)
        assert (ZONE in autopilot.aws.zones_in(spoke)) is is_wanted, calls


def let_go(autopilot: FakeAutopilot, ref: ConnectionRef) -> None:
    also = [{"Key": "autopilot:also-vpcs"}]
    autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[ref.endpoint_id], Tags=also)
    autopilot.settle(ref)


def test_a_vpc_that_got_only_some_of_the_zones_loses_them_again(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    autopilot.aws.zone(spoke, "other.example.com")
    further = {"autopilot:zone-2": "other.example.com", "autopilot:records-2": "x"}
    ref = autopilot.connected(vpc, autopilot.aws.service(MANAGED | further), also_vpcs=spoke.vpc_id)
    autopilot.settle(ref)
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)

    let_go(autopilot, ref)

    assert autopilot.aws.resolves(spoke, API) is None


def test_a_vpc_that_two_endpoints_serve_loses_the_zones_of_each(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    other = MANAGED | {"autopilot:zone": "other.example.com"}
    refs = [autopilot.connected(vpc, autopilot.aws.service(tags), also_vpcs=spoke.vpc_id) for tags in (MANAGED, other)]
    for ref in refs:
        autopilot.settle(ref)

    for ref in refs:
        let_go(autopilot, ref)

    assert autopilot.aws.zones_in(spoke) == set()


def serve(autopilot: FakeAutopilot, ref: ConnectionRef, also_vpcs: str) -> None:
    """Tag the endpoint with these VPCs, and have it looked at."""
    tags = [{"Key": "autopilot:also-vpcs", "Value": also_vpcs}]
    autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=tags)
    autopilot.settle(ref)


def test_what_keeps_another_vpc_from_the_names_is_told_once_whenever_it_arises(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke = autopilot.aws.new_vpc(STRANGER)
    autopilot.consumers.roles.add(STRANGER)
    ref = autopilot.ready(vpc)
    autopilot.report()
    autopilot.topic.mails.clear()

    serve(autopilot, ref, f"{STRANGER}/{spoke.vpc_id}")
    autopilot.settle(ref)
    autopilot.report()

    (told,) = autopilot.topic.mails
    assert told.subject.startswith("[Autopilot] READY")
    assert f"{spoke.vpc_id} is not served: its owner tags it autopilot:names-from={CONSUMER}" in told.text


def test_a_name_that_awss_private_dns_has_in_the_endpoints_vpc_is_told_for_the_others(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ref = autopilot.connected(vpc, autopilot.aws.native_service(API), also_vpcs=spoke.vpc_id)
    for _ in range(2):
        autopilot.settle(ref)
        autopilot.clock.advance(SECONDS_TO_AVAILABLE)

    assert autopilot.row(ref).status is Status.READY
    (told,) = autopilot.row(ref).dns.unserved
    assert f"{spoke.vpc_id} is not served with {API}" in told


def test_a_name_that_the_consumers_own_zone_has_is_told_for_the_others_until_they_have_that_zone(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ref = autopilot.connected(vpc, also_vpcs=spoke.vpc_id)
    own_zone = autopilot.aws.zone(vpc, api=target(autopilot, ref))

    autopilot.settle(ref)
    (told,) = autopilot.row(ref).dns.unserved
    assert f"{spoke.vpc_id} is not served with {API}" in told

    place = place_of(spoke)
    autopilot.aws.route53(CONSUMER, "AssociateVPCWithHostedZone", HostedZoneId=own_zone, VPC=place)
    autopilot.settle(ref)
    assert autopilot.row(ref).dns.unserved == ()


def test_a_zone_of_ours_without_the_name_does_not_hide_that_another_vpc_lacks_it(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    native = autopilot.connected(vpc, autopilot.aws.native_service(API), also_vpcs=spoke.vpc_id)
    for _ in range(2):
        autopilot.settle(native)
        autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    ledger = autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"})
    autopilot.settle(autopilot.connected(vpc, ledger, also_vpcs=spoke.vpc_id))

    autopilot.settle(native)

    assert autopilot.aws.zones_in(spoke) == {ZONE}
    assert any(API in text for text in autopilot.row(native).dns.unserved)


def test_another_vpc_keeps_the_name_when_awss_private_dns_takes_over_in_the_endpoints_own(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke, service_id = autopilot.aws.new_vpc(CONSUMER), autopilot.aws.native_service(API)
    autopilot.aws.tag(service_id, autopilot_dns=None)
    ref = autopilot.connected(vpc, service_id, also_vpcs=spoke.vpc_id)
    autopilot.settle(ref)

    autopilot.aws.ec2(CONSUMER, "ModifyVpcEndpoint", VpcEndpointId=ref.endpoint_id, PrivateDnsEnabled=True)
    for _ in range(2):
        autopilot.clock.advance(DAY)
        autopilot.settle(ref)

    assert autopilot.row(ref).dns.value is Dns.CONSUMERS_OWN
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)
    assert autopilot.row(ref).dns.unserved == ()
    autopilot.aws.delete(ref)
    autopilot.run()
    assert autopilot.aws.zones_in(spoke) == autopilot.aws.zones_in(vpc) == set()


def test_a_vpc_that_another_ones_endpoint_serves_gets_its_own_endpoints_names_once_it_is_out_of_that_tag(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke, service_id = autopilot.aws.new_vpc(CONSUMER), autopilot.aws.service()
    hub = autopilot.connected(vpc, service_id, also_vpcs=spoke.vpc_id)
    autopilot.settle(hub)

    own = autopilot.ready(spoke, service_id)

    assert f"of {vpc.vpc_id}, where the tag autopilot:also-vpcs of an endpoint names" in autopilot.row(own).dns.reason
    autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[hub.endpoint_id], Tags=[{"Key": ALSO}])
    autopilot.converge(hub)
    for wake_up in autopilot.dns_queue.take():
        autopilot.converge(wake_up)
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, own)


def test_two_that_wait_for_a_person_and_may_not_let_go_of_one_anothers_vpc_do_not_wake_one_another_for_ever() -> None:
    autopilot = FakeAutopilot(allowed_principals=(CONSUMER, STRANGER))
    autopilot.consumers.roles.add(STRANGER)
    one, two = autopilot.aws.new_vpc(CONSUMER), autopilot.aws.new_vpc(STRANGER)
    autopilot.network.consents = {one.vpc_id: STRANGER, two.vpc_id: CONSUMER}
    refs = []
    for zone, vpc, spoke in [("one.example.com", one, two), ("two.example.com", two, one)]:
        blocked = {"autopilot:zone-2": "example.org", "autopilot:records-2": "api"}
        service_id = autopilot.aws.service(MANAGED | {"autopilot:zone": zone} | blocked)
        refs.append(autopilot.connected(vpc, service_id, also_vpcs=f"{spoke.account}/{spoke.vpc_id}"))
        autopilot.settle(refs[-1])
        autopilot.aws.ec2(vpc.account, "DeleteTags", Resources=[refs[-1].endpoint_id], Tags=[{"Key": ALSO}])
    assert all(autopilot.row(ref).dns.value is Dns.BLOCKED and autopilot.row(ref).dns.also_vpcs for ref in refs)

    autopilot.calls.refused["DisassociateVPCFromHostedZone"] = "AccessDenied"
    autopilot.dns_queue.take()
    for ref in refs:
        autopilot.converge(ref)
    assert all("is still served" in text for ref in refs for text in autopilot.row(ref).dns.unserved)
    assert autopilot.dns_queue.take() == []


def test_a_word_of_the_tag_that_was_mended_is_told_no_longer(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ref = autopilot.ready(vpc)

    serve(autopilot, ref, "vpc-oops")
    assert any("'vpc-oops'" in text for text in autopilot.row(ref).dns.unserved)
    serve(autopilot, ref, spoke.vpc_id)
    assert autopilot.row(ref).dns.unserved == ()


def test_a_refused_vpc_is_asked_again_without_a_write(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc, also_vpcs=f"{STRANGER}/vpc-0123456789abcdef0")
    autopilot.settle(ref)
    version = autopilot.row(ref).version

    autopilot.converge(ref)

    assert autopilot.row(ref).status is Status.READY
    assert autopilot.row(ref).version == version
    assert autopilot.row(ref).dns.maybe_served == ()


@pytest.mark.parametrize("account", [CONSUMER, STRANGER])
def test_a_vpc_that_does_not_exist_keeps_neither_the_endpoint_nor_its_other_vpcs_waiting(
    autopilot: FakeAutopilot, vpc: Vpc, account: str
) -> None:
    spoke, nowhere = autopilot.aws.new_vpc(CONSUMER), f"{account}/vpc-0123456789abcdef0"
    autopilot.consumers.roles.add(STRANGER)
    ref = autopilot.connected(vpc, also_vpcs=f"{nowhere} {spoke.vpc_id}")

    assert autopilot.settle(ref) is Dns.PRESENT
    assert any("vpc-0123456789abcdef0 is not served" in check for check in autopilot.row(ref).dns.unserved)
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)


@pytest.mark.parametrize(
    ("goes", "fault"),
    [
        (False, Fault("ExpiredToken", "ListHostedZonesByVPC", passing=1)),
        (True, Fault("ExpiredToken", "DisassociateVPCFromHostedZone")),
    ],
)
def test_a_session_in_another_vpcs_account_that_is_no_longer_good_is_begun_anew(goes: bool, fault: Fault) -> None:
    autopilot = FakeAutopilot()
    ref = serving(autopilot)
    spoke = autopilot.network.vpcs[1]
    if goes:
        autopilot.settle(ref)
        autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[ref.endpoint_id], Tags=[{"Key": "autopilot:also-vpcs"}])
    autopilot.consumers.enter(STRANGER, REGION)
    autopilot.calls.made.clear()
    autopilot.calls.faults.append(replace(fault))

    assert autopilot.settle(ref) is Dns.PRESENT
    assert autopilot.calls.made.count("AssumeRole") == (1 if goes else 2), "and for the endpoint's own account"
    assert autopilot.aws.zones_in(spoke) == (set() if goes else {ZONE})


def test_an_account_where_no_session_is_good_keeps_no_endpoint_waiting() -> None:
    autopilot = FakeAutopilot()
    ref = serving(autopilot)
    spoke = autopilot.network.vpcs[1]
    autopilot.calls.refused[spoke.vpc_id] = "InvalidClientTokenId"

    assert autopilot.settle(ref) is Dns.PRESENT
    assert any("InvalidClientTokenId" in text for text in autopilot.row(ref).dns.unserved)


@pytest.mark.parametrize("goes_after", range(calls_to_serve_others()))
def test_whenever_another_vpc_is_deleted_the_endpoint_is_ready_all_the_same(goes_after: int) -> None:
    autopilot = FakeAutopilot()
    ref = serving(autopilot)
    spoke = autopilot.network.vpcs[1]
    autopilot.calls.meanwhile = (goes_after, lambda: autopilot.network.vpcs.remove(spoke))

    assert autopilot.settle(ref) is Dns.PRESENT
    assert any(f"{spoke.vpc_id} is not served" in check for check in autopilot.row(ref).dns.unserved)


def calls_of_a_look() -> int:
    trial = FakeAutopilot()
    ref = trial.ready(trial.aws.new_vpc(CONSUMER))
    trial.clock.advance(DAY)
    trial.calls.made.clear()
    trial.converge(ref)
    return len(trial.calls.made)


@pytest.mark.parametrize("others_after", range(calls_of_a_look()))
def test_a_look_that_began_before_the_tag_came_does_not_forget_the_vpc_that_another_one_served(
    autopilot: FakeAutopilot, vpc: Vpc, others_after: int
) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    ref = autopilot.ready(vpc)
    tag = {"Key": "autopilot:also-vpcs", "Value": spoke.vpc_id}
    autopilot.clock.advance(DAY)

    def serve_the_other() -> None:
        autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=[tag])
        autopilot.converge(ref)

    autopilot.calls.meanwhile = (others_after, serve_the_other)
    autopilot.converge(ref)
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)

    autopilot.aws.ec2(CONSUMER, "DeleteTags", Resources=[ref.endpoint_id], Tags=[tag])
    autopilot.settle(ref)
    assert autopilot.aws.zones_in(spoke) == set()
