"""What Autopilot calls its own in a consumer VPC: what it wrote, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest

from autopilot.domain.connection import ConnectionRef, Dns, Status
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot
from tests.fakes.clock import DAY, HOUR
from tests.fakes.landscape import CONSUMER, MANAGED, REGION, STRANGER, Vpc
from tests.unit.served_names import API, LEDGER, our_zone, target

TWO_NAMES = MANAGED | {"autopilot:records": "api ledger"}
OTHERS = "other.example.com"


def answered_by(autopilot: FakeAutopilot, whom: str, service_id: str, vpc: Vpc) -> ConnectionRef:
    """A connection whose names somebody else answers for in its VPC, or keeps from it."""
    ref = autopilot.connected(vpc, service_id)
    if whom != "AWS's private DNS":
        names = {"api": target(autopilot, ref), "ledger": target(autopilot, ref)}
        autopilot.aws.zone(vpc, **(names if whom == "the consumer" else {}))
    for _ in range(2):
        autopilot.settle(ref)
        autopilot.clock.advance(90)
    return ref


def lose_the_role(autopilot: FakeAutopilot) -> None:
    autopilot.consumers.roles.discard(CONSUMER)
    autopilot.consumers.leave(CONSUMER, REGION)


@pytest.mark.parametrize("whom", ["the consumer", "a zone in the way", "AWS's private DNS"])
def test_names_that_others_answer_for_leave_at_once_and_under_no_brake(autopilot: FakeAutopilot, whom: str) -> None:
    is_native = whom == "AWS's private DNS"
    service_id = autopilot.aws.native_service(API) if is_native else autopilot.aws.service(TWO_NAMES)
    refs = [answered_by(autopilot, whom, service_id, autopilot.aws.new_vpc(CONSUMER)) for _ in range(12)]
    autopilot.aws.tag(service_id, autopilot_zone=OTHERS, autopilot_records="ledger", autopilot_dns=None)
    for _ in range(2):
        autopilot.clock.advance(DAY)
        autopilot.run()

    assert not any("STOPPED" in subject for subject in autopilot.ledger.notices())
    assert not any(autopilot.row(ref).dns.leaving for ref in refs)


@pytest.mark.parametrize("whom", ["the consumer", "a zone in the way"])
def test_a_look_goes_through_no_other_vpcs_zones_where_none_is_ours(autopilot: FakeAutopilot, whom: str) -> None:
    ref = answered_by(autopilot, whom, autopilot.aws.service(TWO_NAMES), autopilot.aws.new_vpc(CONSUMER))
    version = autopilot.row(ref).version
    autopilot.calls.made.clear()
    autopilot.clock.advance(60)
    autopilot.converge(ref)

    assert Counter(autopilot.calls.made)["ListHostedZonesByName"] == 0
    assert autopilot.row(ref).version - version == (whom == "a zone in the way"), "only a try is counted"


def test_what_was_never_written_does_not_stay_behind(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = answered_by(autopilot, "a zone in the way", autopilot.aws.service(), vpc)
    assert autopilot.row(ref).dns.value is Dns.BLOCKED
    lose_the_role(autopilot)
    autopilot.aws.delete(ref)
    autopilot.converge(ref)

    assert autopilot.row(ref).status is Status.RETIRED


def test_what_stands_beside_the_consumers_own_zone_is_not_forgotten(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    """Ours answers for a name within its grace, while the consumer's answers for all that is declared."""
    ref = autopilot.ready(vpc)
    autopilot.aws.zone(vpc, OTHERS, ledger=target(autopilot, ref))
    autopilot.aws.tag(ref.service_id, autopilot_zone=OTHERS, autopilot_records="ledger")
    autopilot.converge(ref)
    assert autopilot.row(ref).dns.value is Dns.CONSUMERS_OWN
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)

    lose_the_role(autopilot)
    autopilot.aws.delete(ref)
    autopilot.converge(ref)
    row = autopilot.row(ref)
    assert (row.status, API in row.dns.reason) == (Status.FAILED, True)

    autopilot.consumers.roles.add(CONSUMER)
    autopilot.clock.advance(DAY)
    autopilot.run()
    assert autopilot.aws.zones_in(vpc) == {OTHERS}
    assert autopilot.row(ref).status is Status.RETIRED


def test_names_whose_zone_somebody_replaced_are_ours_no_longer(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc, autopilot.aws.service(TWO_NAMES))
    for name in (API, LEDGER):
        record = {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": target(autopilot, ref)}]}
        batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
        autopilot.aws.route53(CONSUMER, "ChangeResourceRecordSets", HostedZoneId=our_zone(autopilot), ChangeBatch=batch)
    autopilot.aws.route53(CONSUMER, "DeleteHostedZone", Id=our_zone(autopilot))
    autopilot.aws.zone(vpc)
    autopilot.clock.advance(DAY)
    autopilot.run()
    assert (autopilot.row(ref).dns.value, autopilot.row(ref).dns.written) == (Dns.BLOCKED, ())

    autopilot.aws.tag(ref.service_id, autopilot_records="api")
    autopilot.run()
    assert autopilot.row(ref).dns.leaving == ()
    lose_the_role(autopilot)
    autopilot.aws.delete(ref)
    autopilot.converge(ref)
    assert autopilot.row(ref).status is Status.RETIRED


@pytest.mark.parametrize("has_role", [True, False])
def test_names_that_went_with_a_rejection_are_ours_no_longer_when_it_is_taken_back(
    autopilot: FakeAutopilot, vpc: Vpc, has_role: bool
) -> None:
    autopilot.aws.privatelink.accepts_rejected = True
    ref = autopilot.ready(vpc, autopilot.aws.service(TWO_NAMES))
    autopilot.aws.reject(ref)
    autopilot.converge(ref)
    assert autopilot.row(ref).dns.value is Dns.ABSENT

    autopilot.aws.tag(ref.service_id, autopilot_records="api")
    autopilot.aws.accept(ref)
    if not has_role:
        lose_the_role(autopilot)
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    autopilot.settle(ref)
    row = autopilot.row(ref)
    assert row.dns.written == ((API,) if has_role else ())
    assert row.dns.leaving == ()
    assert ("no names were written" in row.dns.reason) is not has_role


@pytest.mark.parametrize("has_role", [True, False])
def test_what_the_consumers_own_zone_does_is_forgotten_once_nothing_is_declared(
    autopilot: FakeAutopilot, vpc: Vpc, has_role: bool
) -> None:
    ref = autopilot.connected(vpc, also_vpcs=f"{STRANGER}/vpc-0123456789abcdef0")
    autopilot.aws.zone(vpc, api=target(autopilot, ref))
    autopilot.settle(ref)
    assert (autopilot.row(ref).dns.value, len(autopilot.row(ref).dns.unserved)) == (Dns.CONSUMERS_OWN, 1)

    autopilot.aws.tag(ref.service_id, autopilot_zone=None, autopilot_records=None)
    if not has_role:
        lose_the_role(autopilot)
    autopilot.run()
    dns = autopilot.row(ref).dns
    assert dns.value is Dns.UNDECLARED
    assert (dns.names, dns.records, dns.unserved) == ((), (), ())


def test_aws_private_dns_is_a_way_out_of_a_zone_that_may_not_be_made(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.native_service("api.example.com")
    autopilot.aws.tag(service_id, autopilot_dns=None, autopilot_zone="example.com")
    ref = autopilot.connected(vpc, service_id)
    autopilot.settle(ref)
    assert "whole registrable domain" in autopilot.row(ref).dns.reason

    autopilot.aws.tag(service_id, autopilot_dns="native")
    for _ in range(2):
        autopilot.settle(ref)
        autopilot.clock.advance(HOUR)
    assert autopilot.row(ref).status is Status.READY


@pytest.mark.parametrize("calls", range(11))
def test_two_that_go_at_once_leave_no_zone(autopilot: FakeAutopilot, vpc: Vpc, calls: int) -> None:
    """Each sees the name of the other in the zone, and neither comes back."""
    one, other = (
        autopilot.ready(vpc),
        autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"})),
    )
    for ref in (one, other):
        autopilot.aws.delete(ref)
    autopilot.calls.meanwhile = calls, lambda: autopilot.converge(other)
    autopilot.converge(one)

    assert autopilot.aws.zones_in(vpc) == set()
    assert {autopilot.row(ref).status for ref in (one, other)} == {Status.RETIRED}
