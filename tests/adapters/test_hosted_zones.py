from __future__ import annotations

from dataclasses import replace

import pytest

from autopilot.aws.hosted_zones import Route53HostedZones
from autopilot.domain.dns_plan import ChangeAction, HostedZone, Record, RecordChange
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.shadowing import ZoneInVpc
from autopilot.use_cases.ports import HostedZones, ZoneQuota
from tests.adapters import real
from tests.fakes.autopilot import SECONDS_TO_INSYNC, US, FakeAutopilot
from tests.fakes.aws_model import Client
from tests.fakes.clock import Clock
from tests.fakes.hosted_zones import FakeHostedZones
from tests.fakes.landscape import CONSUMER, REGION, STRANGER, ZONE, Landscape, Vpc
from tests.local_aws.moto_door import client
from tests.local_aws.privatelink import Caller

TARGET = "vpce-0e1f2a3b4c5d6e701-abcd1234.vpce-svc-0fa57c0de5e41ce01.eu-central-1.vpce.amazonaws.com"
CNAME = Record(f"api.{ZONE}", "CNAME", TARGET, ttl=60)


@pytest.fixture
def zones(is_real: bool, landscape: Landscape, fake: FakeAutopilot) -> HostedZones:
    if is_real:
        return Route53HostedZones(client("route53", CONSUMER), CONSUMER, REGION)
    return FakeHostedZones(Client(landscape.hosted_zones, Caller(CONSUMER, REGION), fake.calls))


@pytest.fixture
def vpc(landscape: Landscape) -> Vpc:
    return landscape.new_vpc(CONSUMER)


def reference(vpc: Vpc, n: int = 0, name: str = ZONE) -> str:
    return US.reference(vpc.vpc_id, name, n)


def made(zones: HostedZones, vpc: Vpc, n: int = 0, name: str = ZONE) -> HostedZone:
    zone = zones.create(name, vpc.vpc_id, reference(vpc, n, name))
    assert zone is not None
    return zone


def create(*records: Record) -> list[RecordChange]:
    return [RecordChange(ChangeAction.CREATE, record) for record in records]


def test_a_zone_is_born_with_its_owner_and_found_by_its_name(
    zones: HostedZones, landscape: Landscape, vpc: Vpc
) -> None:
    zone = made(zones, vpc)

    assert zone == HostedZone(zone.zone_id, ZONE, reference(vpc))
    assert "/" not in zone.zone_id
    assert list(zones.named(ZONE)) == [zone]
    assert US.owns(zone, vpc.vpc_id)
    assert list(zones.of_vpc(vpc.vpc_id)) == [ZoneInVpc(zone.zone_id, ZONE, CONSUMER, is_readable=True)]
    assert landscape.zones_in(vpc) == {ZONE}


def test_only_zones_of_exactly_the_name_are_named_ours_or_not(
    zones: HostedZones, landscape: Landscape, vpc: Vpc
) -> None:
    others = [landscape.new_vpc(CONSUMER) for _ in range(2)]
    for name in ("a.payments.example.com", "payments.example.org", "example.com", "xpayments.example.com"):
        landscape.zone(vpc, name)
    landscape.route53(CONSUMER, "CreateHostedZone", Name=ZONE, CallerReference="a public one")
    landscape.zone(landscape.new_vpc(STRANGER))
    ours, by_hand = made(zones, others[0]), landscape.zone(others[1])

    found = zones.named(ZONE)

    assert {zone.zone_id for zone in found} == {ours.zone_id, by_hand}
    assert [zone.zone_id for zone in found if US.owns(zone)] == [ours.zone_id]


def test_a_reference_serves_once_even_when_its_zone_is_gone(zones: HostedZones, vpc: Vpc) -> None:
    zone = made(zones, vpc)
    assert zones.create(ZONE, vpc.vpc_id, reference(vpc)) is None
    assert zones.delete(zone.zone_id)
    assert zones.create(ZONE, vpc.vpc_id, reference(vpc)) is None

    assert US.owns(made(zones, vpc, n=1), vpc.vpc_id)


def test_a_vpc_has_one_zone_of_a_name(zones: HostedZones, landscape: Landscape, vpc: Vpc) -> None:
    by_hand = landscape.zone(vpc)

    assert zones.create(ZONE, vpc.vpc_id, reference(vpc)) is None
    assert list(zones.of_vpc(vpc.vpc_id)) == [ZoneInVpc(by_hand, ZONE, CONSUMER, is_readable=True)]


def test_another_accounts_zone_in_the_vpc_is_seen_and_cannot_be_read(
    zones: HostedZones, landscape: Landscape, vpc: Vpc
) -> None:
    theirs = landscape.zone(landscape.new_vpc(STRANGER))
    place = {"HostedZoneId": theirs, "VPC": {"VPCRegion": REGION, "VPCId": vpc.vpc_id}}
    landscape.route53(STRANGER, "CreateVPCAssociationAuthorization", **place)
    landscape.route53(CONSUMER, "AssociateVPCWithHostedZone", **place)

    assert list(zones.of_vpc(vpc.vpc_id)) == [ZoneInVpc(theirs, ZONE, STRANGER, is_readable=False)]
    assert list(zones.named(ZONE)) == []
    with pytest.raises(AwsCallFailed, match="AccessDenied"):
        zones.records(theirs)


def test_a_vpc_has_its_own_zones_and_no_others(zones: HostedZones, landscape: Landscape, vpc: Vpc) -> None:
    landscape.zone(vpc, "example.com")
    landscape.zone(landscape.new_vpc(CONSUMER))

    assert [zone.name for zone in zones.of_vpc(vpc.vpc_id)] == ["example.com"]


def test_a_zone_is_put_back_on_its_vpc_and_taken_off_another(
    zones: HostedZones, landscape: Landscape, vpc: Vpc
) -> None:
    zone, other = made(zones, vpc), landscape.new_vpc(CONSUMER)

    for _ in range(2):
        zones.disassociate(zone.zone_id, other.vpc_id)
    assert zones.associate(zone.zone_id, other.vpc_id)
    assert [one.zone_id for one in zones.of_vpc(other.vpc_id)] == [zone.zone_id]
    assert not zones.associate(zone.zone_id, other.vpc_id)

    zones.disassociate(zone.zone_id, other.vpc_id)
    assert list(zones.of_vpc(other.vpc_id)) == []
    zones.disassociate("Z0000000000000000000", other.vpc_id)


def test_another_accounts_vpc_is_associated_once_it_is_authorized(
    zones: HostedZones, landscape: Landscape, vpc: Vpc
) -> None:
    zone, theirs = made(zones, vpc), landscape.new_vpc(STRANGER)
    place = {"HostedZoneId": zone.zone_id, "VPC": {"VPCRegion": REGION, "VPCId": theirs.vpc_id}}

    for _ in range(2):
        zones.authorize(zone.zone_id, theirs.vpc_id, REGION)
    landscape.route53(STRANGER, "AssociateVPCWithHostedZone", **place)
    for _ in range(2):
        zones.withdraw_authorization(zone.zone_id, theirs.vpc_id, REGION)

    left = landscape.route53(CONSUMER, "ListVPCAssociationAuthorizations", HostedZoneId=zone.zone_id)
    assert left["VPCs"] == []
    assert landscape.zones_in(theirs) == {ZONE}


def test_the_quota_counts_the_accounts_zones(zones: HostedZones, landscape: Landscape, vpc: Vpc) -> None:
    landscape.zone(landscape.new_vpc(STRANGER))
    made(zones, vpc)

    assert zones.quota() == ZoneQuota(used=1, limit=500)


def test_one_of_several_records_of_a_name_is_nothing_of_ours(
    zones: HostedZones, landscape: Landscape, vpc: Vpc
) -> None:
    zone = made(zones, vpc)
    endpoint = landscape.regional_name(landscape.endpoint(landscape.service(), vpc))
    weighted = {"Name": f"api.{ZONE}", "Type": "CNAME", "TTL": 60, "SetIdentifier": "blue", "Weight": 1}
    change = {"Action": "CREATE", "ResourceRecordSet": {**weighted, "ResourceRecords": [{"Value": endpoint}]}}
    batch = {"Changes": [change]}
    landscape.route53(CONSUMER, "ChangeResourceRecordSets", HostedZoneId=zone.zone_id, ChangeBatch=batch)

    (record,) = zones.records(zone.zone_id)
    assert record.set_identifier == "blue"
    assert record.endpoint_id is None


@pytest.mark.parametrize(
    "by_hand",
    [
        {"Type": "CNAME", "TTL": 60, "HealthCheckId": "abcdef11-2222-3333-4444-555555fedcba"},
        {"Type": "A", "AliasTarget": {"HostedZoneId": "Z273ZU8SZ5RJPC", "EvaluateTargetHealth": True}},
    ],
    ids=["health check", "target health"],
)
def test_a_record_that_hinges_on_health_can_be_deleted_and_written_over(
    zones: HostedZones, landscape: Landscape, vpc: Vpc, by_hand: dict[str, object]
) -> None:
    """Route 53 deletes only what is told it as it stands."""
    zone_id, name = made(zones, vpc).zone_id, f"api.{ZONE}"
    match by_hand:
        case {"AliasTarget": dict(alias)}:
            record_set = {**by_hand, "Name": name, "AliasTarget": {**alias, "DNSName": TARGET}}
        case _:
            record_set = {**by_hand, "Name": name, "ResourceRecords": [{"Value": TARGET}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record_set}]}
    landscape.route53(CONSUMER, "ChangeResourceRecordSets", HostedZoneId=zone_id, ChangeBatch=batch)
    (found,) = zones.records(zone_id)
    plain = Record(name, found.type, TARGET, found.ttl, found.alias_zone_id)
    assert found != plain
    assert found.endpoint_id == plain.endpoint_id

    zones.change(zone_id, [RecordChange(ChangeAction.DELETE, found)])
    zones.change(zone_id, create(found))
    zones.change(zone_id, [RecordChange(ChangeAction.UPSERT, plain)])
    assert list(zones.records(zone_id)) == [plain]


@pytest.mark.parametrize(
    "record",
    [
        CNAME,
        Record(f"*.{ZONE}", "CNAME", TARGET, ttl=300),
        Record(f"*.eu.{ZONE}", "CNAME", TARGET, ttl=300),
        Record(ZONE, "A", TARGET, alias_zone_id="Z273ZU8SZ5RJPC"),
        Record(ZONE, "AAAA", TARGET, alias_zone_id="Z273ZU8SZ5RJPC"),
    ],
    ids=lambda record: f"{record.name} {record.type}",
)
def test_a_record_is_written_read_back_replaced_and_deleted(zones: HostedZones, vpc: Vpc, record: Record) -> None:
    zone_id = made(zones, vpc).zone_id
    moved = replace(record, target=TARGET.replace("abcd1234", "wxyz9876"))
    assert list(zones.records(zone_id)) == []

    zones.change(zone_id, create(record))
    assert list(zones.records(zone_id)) == [record]

    zones.change(zone_id, [RecordChange(ChangeAction.UPSERT, moved)])
    assert list(zones.records(zone_id)) == [moved]

    zones.change(zone_id, [RecordChange(ChangeAction.DELETE, moved)])
    assert list(zones.records(zone_id)) == []


def test_what_somebody_wrote_by_hand_is_read_with_the_same_words(
    zones: HostedZones, landscape: Landscape, vpc: Vpc
) -> None:
    zone_id = made(zones, vpc).zone_id
    landscape.write(CONSUMER, zone_id, f"DB.{ZONE}.", "Elsewhere.Example.COM.")
    addresses = {
        "Name": f"web.{ZONE}",
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "10.0.0.1"}, {"Value": "10.0.0.2"}],
    }
    delegated = {"Name": f"sub.{ZONE}", "Type": "NS", "TTL": 60, "ResourceRecords": [{"Value": "ns.example.com"}]}
    for record_set in (addresses, delegated):
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record_set}]}
        landscape.route53(CONSUMER, "ChangeResourceRecordSets", HostedZoneId=zone_id, ChangeBatch=batch)

    assert set(zones.records(zone_id)) == {
        Record(f"db.{ZONE}", "CNAME", "elsewhere.example.com", ttl=300),
        Record(f"web.{ZONE}", "A", "10.0.0.1 10.0.0.2", ttl=60),
        Record(f"sub.{ZONE}", "NS", "ns.example.com", ttl=60),
    }


def test_a_batch_is_written_whole_or_not_at_all(zones: HostedZones, vpc: Vpc) -> None:
    zone_id = made(zones, vpc).zone_id
    at_the_apex = Record(ZONE, "CNAME", TARGET, ttl=60)

    with pytest.raises(AwsCallFailed, match=r"InvalidChangeBatch: .*not permitted at apex"):
        zones.change(zone_id, create(CNAME, at_the_apex))

    assert list(zones.records(zone_id)) == []


def test_a_create_never_overwrites(zones: HostedZones, landscape: Landscape, vpc: Vpc) -> None:
    zone_id = made(zones, vpc).zone_id
    landscape.write(CONSUMER, zone_id, CNAME.name, "elsewhere.example.com")

    with pytest.raises(AwsCallFailed, match="already exists"):
        zones.change(zone_id, create(CNAME))


def test_a_change_is_insync_after_a_while(zones: HostedZones, vpc: Vpc, clock: Clock) -> None:
    change_id = zones.change(made(zones, vpc).zone_id, create(CNAME))

    assert not zones.is_insync(change_id)
    clock.advance(SECONDS_TO_INSYNC)
    assert zones.is_insync(change_id)


def test_a_change_that_route_53_has_forgotten_is_long_done(zones: HostedZones, landscape: Landscape) -> None:
    assert zones.is_insync("C0123456789ABCDEFGHIJ")


def test_only_an_empty_zone_is_deleted_and_one_that_is_gone_is_deleted(zones: HostedZones, vpc: Vpc) -> None:
    zone_id = made(zones, vpc).zone_id
    zones.change(zone_id, create(CNAME))
    assert not zones.delete(zone_id)
    assert list(zones.records(zone_id)) == [CNAME]

    zones.change(zone_id, [RecordChange(ChangeAction.DELETE, CNAME)])
    assert zones.delete(zone_id)
    assert zones.delete(zone_id)
    assert list(zones.named(ZONE)) == []


def test_a_zone_for_a_vpc_that_is_not_there_is_refused_with_the_reason(
    zones: HostedZones, landscape: Landscape
) -> None:
    with pytest.raises(AwsCallFailed, match=r"CreateHostedZone for .* failed with InvalidVPCId"):
        zones.create(ZONE, "vpc-0123456789abcdef0", "plap1")


@pytest.mark.parametrize("is_real", [True], indirect=True)
def test_all_pages_are_read(zones: HostedZones, landscape: Landscape, vpc: Vpc) -> None:
    crowd = [real.vpc(CONSUMER) for _ in range(101)]
    of_the_name = {landscape.zone(other) for other in crowd}
    for number in range(101):
        landscape.zone(vpc, f"{number}.example.com")
    last = made(zones, vpc)
    records = [replace(CNAME, name=f"{number:03}.{ZONE}") for number in range(301)]
    zones.change(last.zone_id, create(*records))

    assert {zone.zone_id for zone in zones.named(ZONE)} == {*of_the_name, last.zone_id}
    assert last.zone_id in {zone.zone_id for zone in zones.of_vpc(vpc.vpc_id)}
    assert list(zones.records(last.zone_id)) == records
