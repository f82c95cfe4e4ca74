from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.dns_plan import (
    Autopilot,
    ChangeAction,
    Holder,
    HostedZone,
    NoRegionalName,
    Record,
    RecordChange,
    plan_zone,
    wanted_records,
)
from autopilot.domain.names import parse_names
from tests.events import ENDPOINT, PROVIDER, REGION, SECOND_ENDPOINT
from tests.unit.examples import AUTOPILOT, ENDPOINT_ZONE, STRANGER, VPC, ZONE, endpoint, regional_name

GONE_ENDPOINT = "vpce-0e1f2a3b4c5d6e703"
STRANGERS_ENDPOINT = "vpce-0e1f2a3b4c5d6e704"
TTL = 300
API = f"api.{ZONE}"


def holder_of(endpoint_id: str) -> Holder:
    return {SECOND_ENDPOINT: Holder.LIVE, GONE_ENDPOINT: Holder.GONE}.get(endpoint_id, Holder.STRANGER)


def may_be_replaced(record: Record) -> bool:
    return record.endpoint_id in (ENDPOINT, GONE_ENDPOINT)


def cname(target: str = "", name: str = API, ttl: int = TTL) -> Record:
    return Record(name, "CNAME", target or regional_name(), ttl)


def alias(target: str = "", type_: str = "A", name: str = ZONE) -> Record:
    return Record(name, type_, target or regional_name(), alias_zone_id=ENDPOINT_ZONE)


def text(name: str = ZONE) -> Record:
    return Record(name, "TXT", '"of the consumer"', 60)


def present(wanted: Sequence[Record], *found: Record) -> list[tuple[str, Record]]:
    """The changes for this endpoint, where nothing is in the way."""
    plan = plan_zone(wanted, found, ENDPOINT, holder_of)
    assert not plan.conflicts
    return [(change.action.value, change.record) for change in plan.changes]


def applied(found: Sequence[Record], changes: Sequence[RecordChange]) -> list[Record]:
    """The zone after one batch, which Route 53 refuses as a whole for each of these."""
    zone = {(record.name, record.type): record for record in found}
    for action, record in ((change.action, change.record) for change in changes):
        key = record.name, record.type
        match action:
            case ChangeAction.CREATE:
                assert key not in zone, f"{key} already exists"
                zone[key] = record
            case ChangeAction.DELETE:
                assert zone.pop(key) == record, "the values do not match"
            case ChangeAction.UPSERT:
                zone[key] = record
    for name, type_ in zone:
        assert type_ != "CNAME" or [key for key in zone if key[0] == name] == [(name, type_)], "a CNAME stands alone"
        assert type_ != "CNAME" or name != ZONE, "no CNAME at the apex"
    return sorted(zone.values(), key=lambda record: (record.name, record.type))


# A zone as it may be found: at each name a CNAME, or records of other types, to anybody.

TARGETS = [regional_name(id_) for id_ in (ENDPOINT, SECOND_ENDPOINT, GONE_ENDPOINT, STRANGERS_ENDPOINT)]
NAMES = [ZONE, API, f"ledger.{ZONE}", f"*.{ZONE}"]
targets = st.sampled_from([*TARGETS, "nlb.example.net", "10.20.1.31"])
ttls = st.sampled_from([60, TTL])


def records_at(name: str) -> st.SearchStrategy[list[Record]]:
    one_cname = st.builds(Record, st.just(name), st.just("CNAME"), targets, ttls).map(lambda record: [record])
    alias_zones = st.sampled_from([ENDPOINT_ZONE, "ZOTHER"])
    others = st.lists(
        st.builds(Record, st.just(name), st.sampled_from(["A", "AAAA"]), targets, st.none(), alias_zones)
        | st.builds(Record, st.just(name), st.sampled_from(["A", "TXT", "MX"]), st.just("10.20.1.31"), ttls),
        unique_by=lambda record: record.type,
        max_size=3,
    )
    return others if name == ZONE else others | one_cname


zones = st.tuples(*map(records_at, NAMES)).map(lambda lists: [record for some in lists for record in some])
wantings = st.builds(
    lambda declared, type_: list(
        wanted_records(parse_names(ZONE, " ".join(declared)), endpoint(ip_address_type=type_), TTL)
    ),
    st.lists(st.sampled_from(["@", "api", "ledger", "*"]), unique=True),
    st.sampled_from(["ipv4", "dualstack", "ipv6"]),
)


@given(wantings, zones)
def test_a_plan_applied_gives_every_wanted_record_or_says_whose_the_name_is(
    wanted: list[Record], found: list[Record]
) -> None:
    plan = plan_zone(wanted, found, ENDPOINT, holder_of, kept=NAMES)
    after = applied(found, plan.changes)

    for name in NAMES:
        wanted_here = {record for record in wanted if record.name == name}
        before_here, after_here = ({record for record in zone if record.name == name} for zone in (found, after))
        if not wanted_here or any(sentence.startswith(f"{name} ") for sentence in plan.conflicts):
            assert after_here == before_here
            assert not wanted_here or any(not may_be_replaced(record) for record in before_here - wanted_here)
        else:
            assert after_here >= wanted_here
            assert not any(may_be_replaced(record) for record in after_here - wanted_here)


@given(wantings, zones)
def test_what_others_hold_survives_every_plan(wanted: list[Record], found: list[Record]) -> None:
    after = applied(found, plan_zone(wanted, found, ENDPOINT, holder_of).changes)

    assert {record for record in found if not may_be_replaced(record)} <= set(after)


@given(wantings, zones)
def test_a_second_plan_changes_nothing_and_complains_alike(wanted: list[Record], found: list[Record]) -> None:
    first = plan_zone(wanted, found, ENDPOINT, holder_of)
    second = plan_zone(wanted, applied(found, first.changes), ENDPOINT, holder_of)

    assert (second.changes, second.conflicts) == ((), first.conflicts)


@given(wantings, zones)
def test_an_upsert_only_ever_replaces_what_autopilot_wrote(wanted: list[Record], found: list[Record]) -> None:
    was = {(record.name, record.type): record for record in found}
    for change in plan_zone(wanted, found, ENDPOINT, holder_of).changes:
        old = was.get((change.record.name, change.record.type))
        assert (change.action is ChangeAction.CREATE) == (old is None)
        assert old is None or may_be_replaced(old)


@given(zones, st.sampled_from([ENDPOINT, SECOND_ENDPOINT]))
def test_leaving_takes_the_endpoints_records_and_no_others(found: list[Record], endpoint_id: str) -> None:
    after = applied(found, plan_zone([], found, endpoint_id, holder_of).changes)

    assert set(after) == {record for record in found if record.endpoint_id != endpoint_id}
    assert plan_zone([], after, endpoint_id, holder_of).changes == ()


@given(wantings, zones)
def test_a_zone_ends_with_what_the_endpoint_wants_and_nothing_else_of_it(
    wanted: list[Record], found: list[Record]
) -> None:
    plan = plan_zone(wanted, found, ENDPOINT, holder_of)
    disputed = {name for name in NAMES if any(sentence.startswith(f"{name} ") for sentence in plan.conflicts)}
    after = applied(found, plan.changes)

    ours = {record for record in after if record.endpoint_id == ENDPOINT and record.name not in disputed}
    assert ours == {record for record in wanted if record.name not in disputed}


@given(wantings, zones, st.lists(st.sampled_from(NAMES)))
def test_a_name_that_is_given_up_goes_to_its_heir_in_the_same_batch(
    wanted: list[Record], found: list[Record], kept: list[str]
) -> None:
    """Wherever the leaving endpoint answered, the heir does afterwards, or the name is free."""
    heirs = [replace(record, target=regional_name(SECOND_ENDPOINT)) for record in wanted]
    plan = plan_zone([], found, ENDPOINT, holder_of, kept=kept, successors=heirs)
    after = applied(found, plan.changes)

    assert plan.conflicts == ()
    for name in {record.name for record in found if record.endpoint_id == ENDPOINT}:
        here = {record for record in after if record.name == name}
        if name in kept:
            assert here == {record for record in found if record.name == name}
            continue
        assert all(record.endpoint_id != ENDPOINT for record in here)
        staying = {record for record in found if record.name == name and record.endpoint_id != ENDPOINT}
        wants = {record for record in heirs if record.name == name}
        is_free = not any(
            "CNAME" in (one.type, other.type) or one.type == other.type for one in wants for other in staying
        )
        assert here == staying | (wants if is_free else set())
    assert {record for record in found if record.endpoint_id != ENDPOINT} <= set(after)
    assert plan_zone([], after, ENDPOINT, holder_of, kept=kept, successors=heirs).changes == ()


def test_of_two_heirs_the_first_in_line_gets_the_name() -> None:
    first, second = cname(TARGETS[1]), cname(TARGETS[3])
    plan = plan_zone([], [cname()], ENDPOINT, holder_of, successors=[first, second])

    assert plan.changes == (RecordChange(ChangeAction.UPSERT, first),)


@given(wantings)
def test_coming_and_leaving_an_empty_zone_leaves_it_empty(wanted: list[Record]) -> None:
    there = applied([], plan_zone(wanted, [], ENDPOINT, holder_of).changes)

    assert set(there) == set(wanted)
    assert applied(there, plan_zone([], there, ENDPOINT, holder_of).changes) == []


def test_a_name_becomes_a_cname_and_the_apex_an_alias() -> None:
    names = parse_names(ZONE, "api *.api @")

    assert wanted_records(names, endpoint(), TTL) == (cname(), cname(name=f"*.{API}"), alias())


@pytest.mark.parametrize(
    ("ip_address_type", "types"),
    [("ipv4", ["A"]), ("ipv6", ["AAAA"]), ("dualstack", ["A", "AAAA"]), ("new", ["A", "AAAA"])],
)
def test_the_apex_has_an_alias_for_each_address_family(ip_address_type: str, types: list[str]) -> None:
    found = wanted_records(parse_names(ZONE, "@"), endpoint(ip_address_type=ip_address_type), TTL)

    assert [record.type for record in found] == types


def test_without_a_regional_name_nothing_can_be_wanted_yet() -> None:
    with pytest.raises(NoRegionalName, match=f"{ENDPOINT} has no Regional DNS name yet"):
        wanted_records(parse_names(ZONE, "api"), endpoint("payments.example.com"), TTL)


def test_where_nothing_is_a_create_cannot_overwrite_what_comes_meanwhile() -> None:
    assert present([cname()]) == [("CREATE", cname())]


@pytest.mark.parametrize("old", [cname(ttl=60), cname(TARGETS[2])])
def test_an_old_record_of_ours_is_replaced(old: Record) -> None:
    assert present([cname()], old) == [("UPSERT", cname())]


def test_a_record_of_ours_of_another_type_makes_way_in_the_same_batch() -> None:
    old = alias(name=API)

    assert present([cname()], old) == [("DELETE", old), ("CREATE", cname())]


def test_an_endpoint_that_lost_an_address_family_loses_that_alias() -> None:
    assert present([alias(type_="AAAA")], alias(), alias(type_="AAAA")) == [("DELETE", alias())]


def test_the_consumers_own_records_at_the_apex_stand_beside_ours() -> None:
    assert present([alias()], text()) == [("CREATE", alias())]
    assert present([alias()], text(), alias()) == []


@pytest.mark.parametrize(
    ("wanted", "found", "sentence"),
    [
        (cname(), cname(TARGETS[1]), f"{API} is held by {SECOND_ENDPOINT}, which is in use; delete that endpoint"),
        (alias(type_="AAAA"), alias(TARGETS[1]), f"{ZONE} is held by {SECOND_ENDPOINT}, which is in use"),
        (cname(), cname(TARGETS[3]), f"{API} has a CNAME record to {TARGETS[3]} that Autopilot did not write"),
        (cname(), text(API), f"{API} has a TXT record"),
        (cname(), replace(cname(), set_identifier="blue"), f"{API} has a CNAME record to"),
        (alias(), Record(ZONE, "A", "10.20.1.31", 60), f"{ZONE} has a A record to 10.20.1.31"),
        (alias(), Record(ZONE, "AAAA", "fd00::31", 60), f"{ZONE} has a AAAA record to fd00::31"),
        (alias(name=API), cname("nlb.example.net"), f"{API} has a CNAME record to nlb.example.net"),
    ],
)
def test_a_name_that_others_hold_stays_theirs(wanted: Record, found: Record, sentence: str) -> None:
    plan = plan_zone([wanted], [found], ENDPOINT, holder_of)

    assert plan.changes == ()
    assert len(plan.conflicts) == 1
    assert plan.conflicts[0].startswith(sentence)


def test_one_name_in_dispute_does_not_keep_the_others_waiting() -> None:
    ledger = cname(name=f"ledger.{ZONE}")
    plan = plan_zone([cname(), ledger], [cname(TARGETS[1])], ENDPOINT, holder_of)

    assert plan.changes == (RecordChange(ChangeAction.CREATE, ledger),)
    assert len(plan.conflicts) == 1


# Ownership

LONGEST_REGION = "us-isof-southeast-1"
ours = HostedZone("Z1", ZONE, AUTOPILOT.reference(VPC, ZONE, 0))

accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
regions = st.sampled_from([REGION, "eu-west-1", "us-gov-east-1", LONGEST_REGION])
vpcs = st.from_regex(r"vpc-[0-9a-f]{8}([0-9a-f]{9})?", fullmatch=True)
zone_names = st.sampled_from([ZONE, "example.com", f"sub.{ZONE}", "a" * 249 + ".com"])
origins = st.tuples(accounts, regions, vpcs, zone_names)


@given(origins, origins, st.integers(0, 10**9))
def test_a_reference_is_short_and_owned_by_its_own_origin_alone(
    born: tuple[str, str, str, str], other: tuple[str, str, str, str], n: int
) -> None:
    account, region, vpc, name = born
    reference = Autopilot(account, region).reference(vpc, name, n)

    assert len(reference) <= 128
    for asking in (born, other, *(born[:i] + other[i : i + 1] + born[i + 1 :] for i in range(4))):
        zone = HostedZone("Z1", asking[3], reference)
        assert Autopilot(*asking[:2]).owns(zone, asking[2]) == (asking == born)
        assert Autopilot(*asking[:2]).owns(zone) == (asking[:2] + asking[3:] == born[:2] + born[3:])


@given(origins, st.integers(0, 60), st.integers(0, 60))
def test_no_two_references_of_one_origin_are_the_same(born: tuple[str, str, str, str], n: int, m: int) -> None:
    autopilot = Autopilot(*born[:2])

    assert (autopilot.reference(*born[2:], n) == autopilot.reference(*born[2:], m)) == (n == m)


@pytest.mark.parametrize(
    "autopilot",
    [Autopilot(STRANGER, REGION), Autopilot(PROVIDER, "eu-west-1"), Autopilot("", ""), Autopilot(REGION, PROVIDER)],
)
def test_another_autopilots_zone_is_not_ours(autopilot: Autopilot) -> None:
    assert not autopilot.owns(ours)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "plap1",
        ":::::",
        "terraform-20260302091412000000000001",
        ours.caller_reference.replace("plap1", "plap2"),
        ours.caller_reference.replace("plap1", ""),
        ours.caller_reference.removesuffix(":0"),
        f"{ours.caller_reference}:0",
        f" {ours.caller_reference}",
        f"x{ours.caller_reference}",
        ours.caller_reference.replace(":", ";"),
        ours.caller_reference.upper(),
    ],
)
def test_a_malformed_reference_is_nobodys(reference: str) -> None:
    assert not AUTOPILOT.owns(replace(ours, caller_reference=reference))
    assert not AUTOPILOT.owns(replace(ours, caller_reference=reference), VPC)


@given(st.text() | st.lists(st.sampled_from(["plap1", PROVIDER, REGION, VPC, "0", ""])).map(":".join))
def test_no_reference_of_others_is_ours_or_raises(reference: str) -> None:
    assert not AUTOPILOT.owns(replace(ours, caller_reference=reference), VPC)


def test_a_zone_of_ours_for_another_vpc_is_ours_to_clear_and_not_to_write_to() -> None:
    assert AUTOPILOT.owns(ours)
    assert AUTOPILOT.owns(ours, VPC)
    assert not AUTOPILOT.owns(ours, "vpc-0b22df1111c1c1d02")
    assert not AUTOPILOT.owns(ours, "")
