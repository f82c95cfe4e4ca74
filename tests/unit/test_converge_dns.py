from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from autopilot.domain.connection import Acceptance, AwsState, Connection, ConnectionRef, Dns, Status
from autopilot.domain.dns_plan import HostedZone
from autopilot.domain.mails import Mail
from autopilot.domain.mode import Mode
from autopilot.domain.wake_up import WakeUp
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, SECONDS_TO_INSYNC, US, FakeAutopilot, event
from tests.fakes.calls import Crash
from tests.fakes.hosted_zones import FakeHostedZones
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, REGION, STRANGER, ZONE, Vpc
from tests.unit.served_names import API, target

CREATE, CHANGE, DELETE = "CreateHostedZone", "ChangeResourceRecordSets", "DeleteHostedZone"
ROUTE_53_WRITES = {CREATE, CHANGE, DELETE}


def unlisted(autopilot: FakeAutopilot) -> None:
    """From now on the provider's list shows nothing."""
    autopilot.services.shown = lambda _: None


def made_by(autopilot: FakeAutopilot, wake_up: WakeUp | ConnectionRef) -> list[str]:
    """What is called to converge once more."""
    autopilot.calls.made.clear()
    autopilot.converge(wake_up)
    return autopilot.calls.made


# Towards presence


def test_nothing_is_written_before_the_endpoint_is_available(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    autopilot.decide(event(ref))
    (wake_up,) = autopilot.dns_queue.take()

    assert autopilot.converge(wake_up) is None
    assert autopilot.dns_queue.sent == [(wake_up.put_back(), 5)]
    assert not ROUTE_53_WRITES & set(autopilot.calls.made)
    assert autopilot.aws.zones_in(vpc) == set()


def test_the_wait_has_growing_pauses_and_ends_with_the_sweep(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    autopilot.decide(event(ref))
    autopilot.aws.privatelink.force_state(ref.endpoint_id, "pending")
    waiting, pauses = autopilot.dns_queue.take(), []
    while waiting:
        autopilot.converge(*waiting)
        pauses += [delay for _, delay in autopilot.dns_queue.sent]
        waiting = autopilot.dns_queue.take()

    assert pauses[:5] == [5, 10, 20, 30, 30]
    assert 900 <= sum(pauses) < 930


def test_zone_and_record_come_and_are_waited_for_until_route_53_is_insync(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    assert autopilot.converge(ref) is None
    waiting = autopilot.row(ref)
    assert (waiting.dns.value, waiting.status) == (Dns.WAITING, Status.ACCEPTED)
    assert len(waiting.dns.change_ids) == 1
    assert autopilot.dns_queue.take() == [event(ref).put_back()]

    assert autopilot.converge(ref) is None
    autopilot.clock.advance(SECONDS_TO_INSYNC)
    assert autopilot.converge(ref) is Dns.PRESENT

    row = autopilot.row(ref)
    assert row.status is Status.READY
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert (row.dns.vpc_id, row.dns.zones, row.dns.records) == (vpc.vpc_id, (ZONE,), ((API, target(autopilot, ref)),))
    assert [interface.address for interface in row.dns.interfaces] == ["10.0.0.10"]


def test_the_zone_is_born_as_ours(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.ready(vpc)
    (zone,) = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)

    assert US.owns(zone, vpc.vpc_id)


@pytest.mark.parametrize(("ip_address_type", "types"), [("ipv4", ["A"]), ("dualstack", ["A", "AAAA"])])
def test_the_apex_is_an_alias(autopilot: FakeAutopilot, vpc: Vpc, ip_address_type: str, types: list[str]) -> None:
    service_id = autopilot.aws.service(MANAGED | {"autopilot:records": "@ *"})
    ref = autopilot.aws.endpoint(service_id, vpc, ip_address_type)
    autopilot.decide(event(ref))
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)

    assert autopilot.settle(ref) is Dns.PRESENT
    for name in (ZONE, f"anything.{ZONE}"):
        assert autopilot.aws.resolves(vpc, name) == target(autopilot, ref)
    zones = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones
    records = zones.records(zones.named(ZONE)[0].zone_id)
    assert [record.type for record in records if record.name == ZONE] == types


def test_a_second_run_writes_nothing(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)

    assert not {*ROUTE_53_WRITES, "UpdateItem", "SendMessageBatch"} & set(made_by(autopilot, ref))


def test_two_services_share_the_zone_of_a_vpc(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    api = autopilot.ready(vpc)
    ledger = autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, api)
    assert autopilot.aws.resolves(vpc, f"ledger.{ZONE}") == target(autopilot, ledger)
    assert autopilot.calls.made.count(CREATE) == 1


def test_two_vpcs_have_a_zone_each(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    other, service_id = autopilot.aws.new_vpc(CONSUMER), autopilot.aws.service()
    refs = [autopilot.ready(place, service_id) for place in (vpc, other)]

    assert [autopilot.aws.resolves(place, API) for place in (vpc, other)] == [target(autopilot, ref) for ref in refs]


def test_of_two_runs_that_need_the_zone_at_once_the_slower_uses_the_fasters(
    autopilot: FakeAutopilot, vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = autopilot.connected(vpc)
    ledger = autopilot.connected(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))
    create = FakeHostedZones.create

    def slow(zones: FakeHostedZones, zone_name: str, vpc_id: str, reference: str) -> HostedZone | None:
        """While this run is about to make the zone, another one does."""
        monkeypatch.undo()
        autopilot.converge(ledger)
        return create(zones, zone_name, vpc_id, reference)

    monkeypatch.setattr(FakeHostedZones, "create", slow)

    assert autopilot.settle(api) is Dns.PRESENT
    assert autopilot.settle(ledger) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, api)


def test_a_record_that_somebody_removed_comes_back(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    zone = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)[0]
    record = {"Name": API, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": target(autopilot, ref)}]}
    batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
    autopilot.aws.route53(CONSUMER, CHANGE, HostedZoneId=zone.zone_id, ChangeBatch=batch)

    assert autopilot.settle(ref) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


# What a person must do


def test_without_a_role_the_connection_is_usable_and_the_role_is_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.consumers.roles.clear()
    ref = autopilot.connected(vpc)

    assert autopilot.converge(ref) is Dns.NO_ROLE
    assert autopilot.row(ref).status is Status.CONNECTED
    assert f"arn:aws:iam::{CONSUMER}:role/autopilot-" in autopilot.row(ref).dns.reason
    assert not autopilot.dns_queue.sent

    autopilot.consumers.roles.add(CONSUMER)
    assert autopilot.settle(ref) is Dns.PRESENT


def test_a_role_that_went_is_told_with_the_names_that_resolve_all_the_same(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.report()
    autopilot.topic.mails.clear()
    autopilot.consumers.roles.clear()
    autopilot.consumers.leave(CONSUMER, REGION)
    autopilot.converge(ref)
    autopilot.report()

    [mail] = autopilot.topic.mails
    assert mail.subject.startswith("[Autopilot] CONNECTED ")
    assert mail.subject.endswith("usable, nobody keeps its names")
    assert f"so these stay in {vpc.vpc_id} as they are: {API} -> {target(autopilot, ref)}." in mail.text
    assert "deploys the consumer role" in mail.text


@pytest.mark.parametrize("why", ["no role", "AccessDenied"])
def test_what_needs_a_person_while_a_change_spreads_waits_for_that_change_no_more(
    autopilot: FakeAutopilot, vpc: Vpc, why: str
) -> None:
    ref = autopilot.connected(vpc)
    autopilot.converge(ref)
    autopilot.dns_queue.take()
    if why == "no role":
        autopilot.consumers.roles.clear()
        autopilot.consumers.leave(CONSUMER, REGION)
    else:
        autopilot.calls.refused["GetChange"] = why

    assert autopilot.converge(ref) is (Dns.NO_ROLE if why == "no role" else Dns.BLOCKED)
    assert autopilot.dns_queue.take() == []

    autopilot.calls.refused.clear()
    autopilot.consumers.roles.add(CONSUMER)
    assert autopilot.settle(ref) is Dns.PRESENT


@pytest.mark.parametrize("role", [{CONSUMER}, set()])
def test_without_declared_names_the_connection_is_usable_and_no_role_is_missed(
    autopilot: FakeAutopilot, vpc: Vpc, role: set[str]
) -> None:
    autopilot.consumers.roles = role
    ref = autopilot.connected(vpc, autopilot.aws.service({"autopilot": "enabled"}))

    assert autopilot.converge(ref) is Dns.UNDECLARED
    assert autopilot.row(ref).status is Status.CONNECTED


def test_a_foreign_zone_of_the_name_is_left_alone_and_its_owner_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    zone_id = autopilot.aws.zone(vpc, web="elsewhere.example.com")
    ref = autopilot.connected(vpc)

    assert autopilot.converge(ref) is Dns.BLOCKED
    row = autopilot.row(ref)
    assert row.status is Status.DNS_BLOCKED
    assert zone_id in row.dns.reason
    assert f"{API} CNAME {target(autopilot, ref)}" in row.dns.reason
    assert not ROUTE_53_WRITES & set(autopilot.calls.made)


def test_a_foreign_zone_that_already_does_it_is_ready(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    autopilot.aws.zone(vpc, api=target(autopilot, ref))

    assert autopilot.converge(ref) is Dns.CONSUMERS_OWN
    assert autopilot.row(ref).status is Status.READY
    assert not ROUTE_53_WRITES & set(autopilot.calls.made)


def test_a_name_that_awss_private_dns_resolves_is_ready(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc, autopilot.aws.service())
    change = {"ServiceId": ref.service_id}
    autopilot.aws.ec2(PROVIDER, "ModifyVpcEndpointServiceConfiguration", PrivateDnsName=API, **change)
    autopilot.aws.ec2(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", **change)
    autopilot.aws.ec2(CONSUMER, "ModifyVpcEndpoint", VpcEndpointId=ref.endpoint_id, PrivateDnsEnabled=True)

    assert autopilot.converge(ref) is Dns.CONSUMERS_OWN
    assert autopilot.row(ref).status is Status.READY
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert not ROUTE_53_WRITES & set(autopilot.calls.made)

    autopilot.aws.tag(ref.service_id, autopilot_records="api ledger")
    autopilot.sweep()
    assert [wake_up.endpoint_id for wake_up in autopilot.dns_queue.take()] == [ref.endpoint_id]
    assert autopilot.settle(ref) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, f"ledger.{ZONE}") == target(autopilot, ref)


def test_another_accounts_zone_in_the_vpc_is_not_ours_to_read(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    theirs = autopilot.aws.zone(autopilot.aws.new_vpc(STRANGER))
    place = {"HostedZoneId": theirs, "VPC": {"VPCRegion": REGION, "VPCId": vpc.vpc_id}}
    autopilot.aws.route53(STRANGER, "CreateVPCAssociationAuthorization", **place)
    autopilot.aws.route53(CONSUMER, "AssociateVPCWithHostedZone", **place)
    ref = autopilot.connected(vpc)

    assert autopilot.converge(ref) is Dns.BLOCKED
    assert STRANGER in autopilot.row(ref).dns.reason


def test_a_record_of_a_live_endpoint_of_ours_is_a_conflict(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    first = autopilot.ready(vpc, service_id)
    second = autopilot.connected(vpc, service_id)

    assert autopilot.converge(second) is Dns.BLOCKED
    assert first.endpoint_id in autopilot.row(second).dns.reason
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, first)


def test_a_name_moves_to_its_next_holder_as_soon_as_it_is_free(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id, elsewhere = autopilot.aws.service(), autopilot.aws.new_vpc(STRANGER)
    blue, green = autopilot.ready(vpc, service_id), autopilot.connected(vpc, service_id)
    autopilot.connected(elsewhere, service_id)
    autopilot.converge(green)
    autopilot.aws.delete(blue)
    autopilot.converge(blue)

    (wake_up,) = autopilot.dns_queue.take()
    assert wake_up.endpoint_id == green.endpoint_id
    assert autopilot.settle(green) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, green)


def test_an_endpoint_whose_vpc_was_never_known_wakes_nobody_when_it_goes(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    """The account may have thousands that wait, in other VPCs."""
    autopilot.ready(vpc)
    waiting, early = autopilot.connected(vpc), autopilot.aws.endpoint(autopilot.aws.service(), vpc)
    autopilot.settle(waiting)
    autopilot.decide(event(early))
    autopilot.aws.delete(early)
    autopilot.dns_queue.take()

    assert autopilot.converge(early) is Dns.ABSENT
    assert autopilot.dns_queue.take() == []


def test_a_record_of_an_endpoint_that_is_gone_is_taken_over(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    first = autopilot.ready(vpc, service_id)
    autopilot.aws.delete(first)
    autopilot.calls.crash_before = CHANGE
    with pytest.raises(Crash):
        autopilot.converge(first)
    row = autopilot.row(first)
    autopilot.ledger.record_dns(replace(row, connection=replace(row.connection, state=AwsState.DELETED)), row.dns)
    second = autopilot.connected(vpc, service_id)

    assert autopilot.settle(second) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, second)


def test_a_record_in_our_zone_that_we_did_not_write_is_a_conflict(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))
    zone = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)[0]
    autopilot.aws.write(CONSUMER, zone.zone_id, API, "elsewhere.example.com")
    ref = autopilot.connected(vpc)

    assert autopilot.converge(ref) is Dns.BLOCKED
    assert autopilot.aws.resolves(vpc, API) == "elsewhere.example.com"


@pytest.mark.parametrize("refused", [CREATE, CHANGE, "ListHostedZonesByVPC"])
def test_a_role_that_may_not_write_the_name_is_a_persons_case_and_no_failure(
    autopilot: FakeAutopilot, vpc: Vpc, refused: str
) -> None:
    ref = autopilot.connected(vpc)
    autopilot.calls.refused[refused] = "AccessDenied"

    assert autopilot.converge(ref) is Dns.BLOCKED
    assert autopilot.row(ref).status is Status.DNS_BLOCKED
    assert f"{refused} for" in autopilot.row(ref).dns.reason
    assert autopilot.aws.zones_in(vpc) == set()

    autopilot.calls.refused.clear()
    assert autopilot.settle(ref) is Dns.PRESENT


def test_a_role_that_may_not_look_at_endpoints_is_a_persons_case(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    autopilot.calls.refused["DescribeVpcEndpoints"] = "UnauthorizedOperation"

    assert autopilot.converge(ref) is Dns.BLOCKED


# Towards absence


def test_with_the_endpoint_its_record_and_zone_go(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.delete(ref)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.aws.zones_in(vpc) == set()
    assert autopilot.row(ref).status is Status.RETIRED
    assert f"removed {API} CNAME, removed zone {ZONE}" in autopilot.row(ref).dns.reason
    assert not {*ROUTE_53_WRITES, "UpdateItem"} & set(made_by(autopilot, ref))


def test_a_zone_that_stays_because_somebody_wrote_into_it_is_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    [zone_id] = autopilot.aws.hosted_zones._zones
    for name in ("theirs", "more"):
        autopilot.aws.write(CONSUMER, zone_id, f"{name}.{ZONE}", "elsewhere.example.org")
    autopilot.aws.delete(ref)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert (
        f"removed {API} CNAME, zone {ZONE} ({zone_id}) stays, to be deleted with what Autopilot did not write: "
        f"more.{ZONE} CNAME, theirs.{ZONE} CNAME"
    ) in autopilot.row(ref).dns.reason


def test_a_delete_is_believed_before_the_providers_list_shows_it(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.delete(ref)
    autopilot.services.shown = lambda connection: replace(connection, state=AwsState.AVAILABLE)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.aws.zones_in(vpc) == set()
    assert autopilot.row(ref).connection.state is AwsState.DELETED


@pytest.mark.parametrize("state", ["rejected", "failed", "expired"])
def test_what_aws_says_cannot_be_used_loses_its_names(autopilot: FakeAutopilot, vpc: Vpc, state: str) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.privatelink.force_state(ref.endpoint_id, state)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.aws.zones_in(vpc) == set()


@pytest.mark.parametrize("state", ["partial", "somethingNew", "pending", "pendingAcceptance"])
def test_a_state_that_asks_for_nothing_leaves_dns_alone(autopilot: FakeAutopilot, vpc: Vpc, state: str) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.privatelink.force_state(ref.endpoint_id, state)

    assert not ROUTE_53_WRITES & set(made_by(autopilot, ref))
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


def test_an_endpoint_that_works_again_after_a_change_is_no_news(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.privatelink.force_state(ref.endpoint_id, "pending")
    autopilot.converge(ref)

    assert autopilot.row(ref).status is Status.READY


def test_what_the_list_lacks_but_its_own_account_has_is_untouched(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    row = autopilot.row(ref)
    unlisted(autopilot)

    assert not {*ROUTE_53_WRITES, "UpdateItem"} & set(made_by(autopilot, ref))
    assert autopilot.row(ref) == row
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)


@pytest.mark.parametrize("waited", [0, 60])
def test_what_the_list_lacks_and_its_own_account_does_not_tell_is_gone_only_if_it_stays_so(
    autopilot: FakeAutopilot, vpc: Vpc, waited: int
) -> None:
    ref = autopilot.ready(vpc)
    row = autopilot.row(ref)
    unlisted(autopilot)
    autopilot.calls.refused["DescribeVpcEndpoints"] = "UnauthorizedOperation"

    reached = autopilot.converge(replace(event(ref), waited_seconds=waited))
    assert reached is (Dns.BEHIND if waited else None)
    assert autopilot.row(ref).status is (Status.FAILED if waited else Status.READY)
    assert (autopilot.row(ref) == row) is not bool(waited)


def test_what_was_rejected_and_is_only_left_out_of_the_list_is_not_retired(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.reject(ref)
    autopilot.converge(ref)
    row = autopilot.row(ref)
    unlisted(autopilot)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.row(ref) == row
    assert row.status is Status.REJECTED


def test_the_state_that_its_own_account_tells_is_what_is_remembered(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.reject(ref)
    unlisted(autopilot)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.row(ref).status is Status.REJECTED
    assert autopilot.row(ref).dns.reason.startswith("the endpoint is rejected; removed ")


def test_the_state_that_its_own_account_tells_is_remembered_also_where_a_removal_is_denied(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.reject(ref)
    unlisted(autopilot)
    autopilot.calls.refused[CHANGE] = "AccessDenied"

    assert autopilot.converge(replace(event(ref), waited_seconds=60)) is Dns.BEHIND
    assert autopilot.row(ref).connection.state is AwsState.REJECTED
    autopilot.calls.refused.clear()
    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.row(ref).status is Status.REJECTED


def test_what_neither_the_list_nor_its_own_account_has_is_gone(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.delete(ref)
    unlisted(autopilot)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.row(ref).status is Status.RETIRED
    assert autopilot.aws.zones_in(vpc) == set()


def test_a_foreign_record_survives_and_keeps_the_zone(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    zone = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)[0]
    autopilot.aws.write(CONSUMER, zone.zone_id, f"web.{ZONE}", "elsewhere.example.com")
    autopilot.aws.delete(ref)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.aws.resolves(vpc, f"web.{ZONE}") == "elsewhere.example.com"
    assert autopilot.aws.resolves(vpc, API) == ""


def test_the_names_of_another_endpoint_survive(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    api = autopilot.ready(vpc)
    ledger = autopilot.ready(vpc, autopilot.aws.service(MANAGED | {"autopilot:records": "ledger"}))
    autopilot.aws.delete(api)
    autopilot.converge(api)

    assert autopilot.aws.resolves(vpc, f"ledger.{ZONE}") == target(autopilot, ledger)
    assert autopilot.aws.resolves(vpc, API) == ""


def test_a_zone_that_the_consumer_made_is_never_removed(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    autopilot.aws.zone(vpc, api=target(autopilot, ref))
    autopilot.converge(ref)
    autopilot.aws.delete(ref)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.aws.zones_in(vpc) == {ZONE}


def test_a_zone_that_the_tags_no_longer_name_goes_with_the_endpoint(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.tag(ref.service_id, autopilot_zone="billing.example.com")
    assert autopilot.settle(ref) is Dns.PRESENT
    assert autopilot.aws.resolves(vpc, "api.billing.example.com") == target(autopilot, ref)

    autopilot.aws.delete(ref)
    autopilot.converge(ref)

    assert autopilot.aws.zones_in(vpc) == set()


def test_a_zone_is_made_again_under_a_new_reference(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = autopilot.aws.service()
    for _ in range(60):
        ref = autopilot.ready(vpc, service_id)
        autopilot.aws.delete(ref)
        autopilot.converge(ref)
        assert autopilot.aws.zones_in(vpc) == set()

    assert autopilot.calls.made.count(CREATE) == autopilot.calls.made.count(DELETE) == 60


def test_a_zone_that_comes_and_goes_within_a_second_is_made_under_the_next_number(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    service_id = autopilot.aws.service()
    first, second = (autopilot.connected(vpc, service_id) for _ in range(2))
    references = []
    for ref in (first, second):
        autopilot.converge(ref)
        (zone,) = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)
        references.append(int(zone.caller_reference.rpartition(":")[2]))
        autopilot.aws.delete(ref)
        autopilot.converge(ref)

    assert references[1] == references[0] + 1


def test_without_a_role_what_stays_behind_is_told(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.consumers.roles.clear()
    autopilot.consumers.leave(CONSUMER, REGION)
    autopilot.aws.delete(ref)

    assert autopilot.converge(ref) is Dns.BEHIND
    assert autopilot.row(ref).status is Status.FAILED
    assert API in autopilot.row(ref).dns.reason

    unlisted(autopilot)
    autopilot.consumers.roles.add(CONSUMER)
    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.aws.zones_in(vpc) == set()


@pytest.mark.parametrize("acceptance", [Acceptance.REJECTED, Acceptance.REVOKED])
@pytest.mark.parametrize("why", ["does not let Autopilot assume", "AccessDenied"])
def test_names_that_stay_behind_of_what_was_rejected_are_told_with_the_reason_until_they_go(
    autopilot: FakeAutopilot, vpc: Vpc, acceptance: Acceptance, why: str
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.reject(ref)
    autopilot.decide(event(ref))
    row = autopilot.row(ref)
    autopilot.ledger.record_acceptance(row, row.acceptance.became(acceptance, autopilot.clock()))
    autopilot.report()
    if why == "AccessDenied":
        autopilot.calls.refused[CHANGE] = why
    else:
        autopilot.consumers.roles.clear()
        autopilot.consumers.leave(CONSUMER, REGION)

    def told() -> list[Mail]:
        autopilot.topic.mails.clear()
        autopilot.converge(ref)
        autopilot.report()
        return autopilot.topic.mails

    [mail] = told()
    assert "FAILED" in mail.subject
    assert f"{API} -> {target(autopilot, ref)}" in mail.text
    assert why in mail.text
    assert told() == []

    autopilot.calls.refused.clear()
    autopilot.consumers.roles.add(CONSUMER)
    [mail] = told()
    assert acceptance.upper() in mail.subject
    assert autopilot.aws.zones_in(vpc) == set()


@pytest.mark.parametrize("why", ["no role", "AccessDenied"])
def test_what_is_rejected_without_ever_having_names_is_only_rejected(
    autopilot: FakeAutopilot, vpc: Vpc, why: str
) -> None:
    ref = autopilot.connected(vpc)
    if why == "AccessDenied":
        autopilot.calls.refused["ListHostedZonesByVPC"] = autopilot.calls.refused["ListHostedZonesByName"] = why
        assert autopilot.converge(ref) is Dns.BLOCKED
    else:
        autopilot.consumers.roles.clear()
        assert autopilot.converge(ref) is Dns.NO_ROLE
    autopilot.aws.reject(ref)
    autopilot.decide(event(ref))
    assert autopilot.row(ref).status is Status.REJECTED

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.row(ref).status is Status.REJECTED


def test_without_a_role_and_without_names_an_endpoint_just_goes(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.consumers.roles.clear()
    ref = autopilot.connected(vpc)
    autopilot.converge(ref)
    autopilot.aws.delete(ref)

    assert autopilot.converge(ref) is Dns.ABSENT
    assert autopilot.row(ref).status is Status.RETIRED


# Whose business it is


@pytest.mark.parametrize("tag", [None, "disabled"])
def test_an_untagged_service_means_hands_off(autopilot: FakeAutopilot, vpc: Vpc, tag: str | None) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.tag(ref.service_id, autopilot=tag)
    autopilot.aws.delete(ref)

    assert autopilot.converge(ref) is None
    assert autopilot.aws.zones_in(vpc) == {ZONE}
    assert not autopilot.dns_queue.sent


def test_a_connection_that_nobody_decided_is_dropped(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), vpc)

    for wake_up in (event(ref), replace(event(ref), service_id=None), replace(event(ref), endpoint_id=None)):
        assert autopilot.converge(wake_up) is None
    assert not autopilot.dns_queue.sent


def test_a_wake_up_without_a_service_finds_the_connection_by_its_endpoint(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    autopilot.converge(replace(event(ref), service_id=None))

    assert autopilot.row(ref).dns.value is Dns.WAITING
    assert autopilot.dns_queue.take() == [event(ref).put_back()]


def test_another_run_that_was_faster_is_waited_for(
    autopilot: FakeAutopilot, vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = autopilot.connected(vpc)
    shown = autopilot.services.shown

    def slow(connection: Connection) -> Connection | None:
        monkeypatch.undo()
        autopilot.converge(ref)
        autopilot.dns_queue.take()
        return shown(connection)

    monkeypatch.setattr(autopilot.services, "shown", slow)

    assert autopilot.converge(ref) is None
    assert autopilot.dns_queue.take() == [event(ref).put_back()]
    assert autopilot.settle(ref) is Dns.PRESENT


# Wherever a run dies


def calls_of(ref: ConnectionRef, autopilot: FakeAutopilot) -> Sequence[str]:
    return [*made_by(autopilot, ref)]


def calls_to_write() -> int:
    trial = FakeAutopilot()
    return len(calls_of(trial.connected(trial.aws.new_vpc(CONSUMER)), trial))


def calls_to_remove() -> int:
    trial = FakeAutopilot()
    ref = trial.ready(trial.aws.new_vpc(CONSUMER))
    trial.aws.delete(ref)
    return len(calls_of(ref, trial))


@pytest.mark.parametrize("dies_after", range(1, calls_to_write() + 1))
def test_wherever_a_run_dies_while_writing_the_next_ones_end_in_the_same_zone(
    autopilot: FakeAutopilot, vpc: Vpc, dies_after: int
) -> None:
    ref = autopilot.connected(vpc)
    autopilot.calls.crash_after = dies_after
    with pytest.raises(Crash):
        autopilot.converge(ref)

    assert autopilot.settle(ref) is Dns.PRESENT
    assert len(autopilot.consumers.enter(CONSUMER, REGION).hosted_zones.named(ZONE)) == 1
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.calls.made.count(CREATE) == 1


@pytest.mark.parametrize("dies_after", range(1, calls_to_remove() + 1))
def test_wherever_a_run_dies_while_removing_the_next_one_leaves_nothing(
    autopilot: FakeAutopilot, vpc: Vpc, dies_after: int
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.delete(ref)
    autopilot.calls.crash_after = dies_after
    with pytest.raises(Crash):
        autopilot.converge(ref)
    autopilot.converge(ref)

    assert autopilot.row(ref).dns.value is Dns.ABSENT
    assert autopilot.aws.zones_in(vpc) == set()


# Observing


def observing(autopilot: FakeAutopilot, ref: ConnectionRef) -> str:
    """Converge twice in observe mode: the second run must find nothing to say."""
    autopilot.mode = Mode.OBSERVE
    autopilot.calls.made.clear()
    autopilot.converge(ref)
    before = autopilot.row(ref)
    autopilot.converge(ref)
    assert autopilot.row(ref) == before
    assert not ROUTE_53_WRITES & set(autopilot.calls.made)
    return before.dns.would


def test_observe_mode_tells_of_the_zone_it_would_make(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.connected(vpc)
    would = observing(autopilot, ref)

    assert would.startswith(f"would write to a new zone {ZONE} for {vpc.vpc_id}: CREATE {API} CNAME")
    assert autopilot.row(ref).dns.value is Dns.NONE


def test_observe_mode_tells_what_it_would_remove(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.delete(ref)

    assert observing(autopilot, ref) == f"would remove {API} CNAME; would remove zone {ZONE}"
    assert autopilot.row(ref).dns.value is Dns.PRESENT
    assert autopilot.aws.zones_in(vpc) == {ZONE}


def test_observe_mode_tells_what_stands_in_the_way(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.aws.zone(vpc)

    assert "already has a zone" in observing(autopilot, autopilot.connected(vpc))


def test_observe_mode_tells_of_a_missing_role(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    autopilot.consumers.roles.clear()

    assert "does not let Autopilot assume" in observing(autopilot, autopilot.connected(vpc))


def test_observe_mode_has_nothing_to_say_where_all_is_done(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)

    assert observing(autopilot, ref) == ""
