"""Tags that declare a name in another zone than before: it resolves all the while."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from autopilot.domain.connection import ConnectionRef, Dns, Status
from tests.fakes.autopilot import SECONDS_TO_INSYNC, FakeAutopilot
from tests.fakes.calls import Crash
from tests.fakes.clock import DAY
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, REGION, STRANGER, ZONE, Vpc
from tests.local_aws.privatelink import Response
from tests.unit.served_names import API, LEDGER, behind, certified, our_zone, target

EU = f"eu.{ZONE}"
API_EU, LEDGER_EU = f"api.{EU}", f"ledger.{EU}"
OWN = f"own.{ZONE}"
APEX = {"autopilot:zone": API, "autopilot:records": "@"}


def service_with(autopilot: FakeAutopilot, zone: str, records: str) -> str:
    return autopilot.aws.service(MANAGED | {"autopilot:zone": zone, "autopilot:records": records})


def declare(autopilot: FakeAutopilot, service_id: str, zone: str, records: str, suffix: str = "") -> None:
    tags = [
        {"Key": f"autopilot:zone{suffix}", "Value": zone},
        {"Key": f"autopilot:records{suffix}", "Value": records},
    ]
    autopilot.aws.ec2(PROVIDER, "CreateTags", Resources=[service_id], Tags=tags)


def names_in(autopilot: FakeAutopilot, zone: str) -> set[str]:
    zones = autopilot.consumers.enter(CONSUMER, REGION).hosted_zones
    return {record.name for record in zones.records(our_zone(autopilot, zone))}


def looks(autopilot: FakeAutopilot, vpc: Vpc, name: str, rounds: int = 4) -> set[str | None]:
    """What the name resolved to after each look of the sweeps, a minute apart."""
    seen: set[str | None] = set()
    for _ in range(rounds):
        autopilot.clock.advance(300)
        autopilot.sweep()
        for _ in range(4):
            for wake_up in autopilot.dns_queue.take():
                autopilot.converge(wake_up)
                seen.add(autopilot.aws.resolves(vpc, name))
            autopilot.clock.advance(60)
    return seen


def test_a_name_stays_in_its_own_zone_when_a_wider_one_is_declared(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc, service_with(autopilot, API, "@"))

    declare(autopilot, ref.service_id, ZONE, "api ledger")

    assert looks(autopilot, vpc, API) == {target(autopilot, ref)}
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ref)
    assert autopilot.row(ref).status is Status.READY
    assert autopilot.aws.zones_in(vpc) == {API, ZONE}
    autopilot.aws.delete(ref)
    looks(autopilot, vpc, API)
    assert autopilot.aws.zones_in(vpc) == set()


def test_the_narrower_zone_goes_with_its_last_name(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc, service_with(autopilot, API, "@"))
    declare(autopilot, ref.service_id, ZONE, "api ledger")
    looks(autopilot, vpc, API)

    declare(autopilot, ref.service_id, ZONE, "ledger")
    looks(autopilot, vpc, API)
    autopilot.clock.advance(DAY)
    looks(autopilot, vpc, API)

    assert autopilot.aws.zones_in(vpc) == {ZONE}
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, ref)


def test_a_name_of_a_certificate_stays_where_it_is_when_its_zone_is_declared(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    service_id = certified(autopilot)
    behind(autopilot, service_id, API)
    ref = autopilot.ready(vpc, service_id)

    declare(autopilot, service_id, ZONE, "api")

    assert looks(autopilot, vpc, API) == {target(autopilot, ref)}


def test_a_narrower_zone_answers_before_the_wider_one_goes(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    declare(autopilot, ref.service_id, API, "@")

    autopilot.converge(ref)

    assert autopilot.aws.zones_in(vpc) == {API, ZONE}, "Route 53 is still bringing the new one to its servers"
    assert autopilot.row(ref).status is Status.READY
    autopilot.clock.advance(SECONDS_TO_INSYNC)
    autopilot.converge(ref)
    assert autopilot.aws.zones_in(vpc) == {API}
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.row(ref).dns.zones == (API,)


def test_a_sweep_finds_that_a_zone_is_declared_anew(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    declare(autopilot, ref.service_id, API, "@")

    assert looks(autopilot, vpc, API) == {target(autopilot, ref)}

    assert autopilot.aws.zones_in(vpc) == {API}
    assert looks(autopilot, vpc, API) == set(), "nothing is left to look at"


def test_names_that_leave_while_their_zone_is_narrowed_keep_their_grace(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc, service_with(autopilot, ZONE, "api.eu ledger.eu ledger"))

    declare(autopilot, ref.service_id, EU, "api")
    looks(autopilot, vpc, API_EU)

    assert autopilot.aws.zones_in(vpc) == {EU, ZONE}
    assert {autopilot.aws.resolves(vpc, name) for name in (API_EU, LEDGER_EU, LEDGER)} == {target(autopilot, ref)}
    autopilot.clock.advance(DAY)
    looks(autopilot, vpc, API_EU)
    assert autopilot.aws.zones_in(vpc) == {EU}
    assert autopilot.aws.resolves(vpc, API_EU) == target(autopilot, ref)
    assert not autopilot.aws.resolves(vpc, LEDGER_EU)


def test_names_within_their_grace_are_in_a_narrower_zone_also_where_a_run_died_before_it_wrote_them(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    ref = autopilot.ready(vpc, service_with(autopilot, ZONE, "api.eu ledger.eu"))
    declare(autopilot, ref.service_id, EU, "api")
    autopilot.calls.crash_before = "ChangeResourceRecordSets"
    with pytest.raises(Crash):
        autopilot.converge(ref)

    autopilot.settle(ref)

    assert {autopilot.aws.resolves(vpc, name) for name in (API_EU, LEDGER_EU)} == {target(autopilot, ref)}


def test_a_zone_of_ours_that_others_have_names_in_is_not_hidden_in_part(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    other = autopilot.ready(vpc, service_with(autopilot, ZONE, "ledger.eu"))
    ref = autopilot.ready(vpc, service_with(autopilot, ZONE, "api.eu"))

    declare(autopilot, ref.service_id, EU, "api")
    looks(autopilot, vpc, API_EU)

    assert autopilot.aws.resolves(vpc, LEDGER_EU) == target(autopilot, other)
    assert autopilot.aws.resolves(vpc, API_EU) == target(autopilot, ref), "it stays where it was"
    assert autopilot.row(ref).dns.value is Dns.BLOCKED
    assert f"would hide {LEDGER_EU}" in autopilot.row(ref).dns.reason


def test_a_name_that_another_endpoint_holds_cannot_be_taken_by_a_narrower_zone(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    service_id = autopilot.aws.service(MANAGED | {"autopilot:allow-shadowing": "true"})
    holder, waiting = autopilot.ready(vpc, service_id), autopilot.ready(vpc, service_id)
    declare(autopilot, service_id, API, "@")

    autopilot.settle(waiting)

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, holder)
    assert looks(autopilot, vpc, API) == {target(autopilot, holder)}
    assert autopilot.row(holder).status is Status.READY
    assert autopilot.aws.zones_in(vpc) == {API}
    autopilot.aws.delete(holder)
    assert looks(autopilot, vpc, API) == {target(autopilot, waiting)}


def test_a_zone_that_others_still_need_is_left_to_them(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    other = autopilot.ready(vpc, service_with(autopilot, ZONE, "ledger"))
    ref = autopilot.ready(vpc)

    declare(autopilot, ref.service_id, API, "@")
    looks(autopilot, vpc, API)

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, other)
    assert autopilot.row(ref).dns.zones == (API,)


def test_where_the_new_zone_cannot_be_made_the_name_stays_in_the_old_one(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    declare(autopilot, ref.service_id, API, "@")
    autopilot.calls.refused["CreateHostedZone"] = "TooManyHostedZones"

    autopilot.settle(ref)

    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.aws.zones_in(vpc) == {ZONE}
    autopilot.calls.refused.clear()
    autopilot.clock.advance(DAY)
    looks(autopilot, vpc, API)
    assert autopilot.aws.zones_in(vpc) == {API}


@pytest.mark.parametrize("before", [(), ("api",), ("api", "@")])
def test_a_name_that_two_zones_declare_is_in_the_more_specific_one(
    autopilot: FakeAutopilot, vpc: Vpc, before: tuple[str, ...]
) -> None:
    service_id = service_with(autopilot, ZONE, "api ledger")
    ref = autopilot.ready(vpc, service_id) if before else None
    declare(autopilot, service_id, API, "@", suffix="-2")

    ref = ref or autopilot.ready(vpc, service_id)
    looks(autopilot, vpc, API)

    assert autopilot.row(ref).status is Status.READY
    assert autopilot.aws.zones_in(vpc) == {API, ZONE}
    assert {autopilot.aws.resolves(vpc, name) for name in (API, LEDGER)} == {target(autopilot, ref)}


def test_a_name_that_a_certificate_and_the_tags_have_is_in_one_zone(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = certified(autopilot)
    declare(autopilot, service_id, ZONE, "api ledger", suffix="-2")
    behind(autopilot, service_id, API)

    ref = autopilot.ready(vpc, service_id)

    assert autopilot.row(ref).status is Status.READY
    assert {autopilot.aws.resolves(vpc, name) for name in (API, LEDGER)} == {target(autopilot, ref)}


def test_a_name_below_another_declared_zone_is_written_to_that_one(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    service_id = service_with(autopilot, ZONE, "api.eu ledger")
    declare(autopilot, service_id, EU, "ledger", suffix="-2")

    ref = autopilot.ready(vpc, service_id)

    assert autopilot.row(ref).status is Status.READY
    assert {autopilot.aws.resolves(vpc, name) for name in (API_EU, LEDGER_EU, LEDGER)} == {target(autopilot, ref)}


def test_two_services_share_the_more_specific_zone_of_ours(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    narrow = autopilot.ready(vpc, service_with(autopilot, EU, "ledger"))
    wide = autopilot.ready(vpc, service_with(autopilot, ZONE, "api.eu"))
    assert autopilot.aws.resolves(vpc, API_EU) == target(autopilot, wide)

    autopilot.aws.delete(narrow)
    looks(autopilot, vpc, API_EU)
    assert autopilot.aws.resolves(vpc, API_EU) == target(autopilot, wide)

    autopilot.aws.delete(wide)
    looks(autopilot, vpc, API_EU)
    assert autopilot.aws.zones_in(vpc) == set()


@pytest.mark.parametrize(("zone", "records"), [("other.example.com", "api"), ("", "")])
def test_a_record_of_the_consumers_own_stays_when_its_zone_leaves_the_tags(
    autopilot: FakeAutopilot, vpc: Vpc, zone: str, records: str
) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.write(CONSUMER, our_zone(autopilot), OWN, target(autopilot, ref))

    declare(autopilot, ref.service_id, zone, records)
    for _ in range(3):
        looks(autopilot, vpc, OWN)
        autopilot.clock.advance(DAY)

    assert autopilot.aws.resolves(vpc, OWN) == target(autopilot, ref)
    assert not autopilot.aws.resolves(vpc, API), "what Autopilot wrote went"
    autopilot.aws.delete(ref)
    looks(autopilot, vpc, OWN)
    assert autopilot.aws.zones_in(vpc) == set()


def test_a_record_of_the_consumers_own_stays_when_the_consumer_declines(autopilot: FakeAutopilot, vpc: Vpc) -> None:
    ref = autopilot.ready(vpc)
    autopilot.aws.write(CONSUMER, our_zone(autopilot), OWN, target(autopilot, ref))

    off = [{"Key": "autopilot:dns", "Value": "off"}]
    autopilot.aws.ec2(CONSUMER, "CreateTags", Resources=[ref.endpoint_id], Tags=off)
    autopilot.settle(ref)

    assert autopilot.aws.resolves(vpc, OWN) == target(autopilot, ref)
    assert not autopilot.aws.resolves(vpc, API), "what Autopilot wrote went"
    autopilot.aws.delete(ref)
    looks(autopilot, vpc, OWN)
    assert autopilot.aws.zones_in(vpc) == set()


def served_too(autopilot: FakeAutopilot, vpc: Vpc) -> tuple[ConnectionRef, Vpc]:
    """A connection whose names resolve, and another account's VPC that its endpoint serves."""
    spoke = autopilot.aws.new_vpc(STRANGER)
    autopilot.consumers.roles.add(STRANGER)
    autopilot.network.consents[spoke.vpc_id] = CONSUMER
    ref = autopilot.connected(vpc, also_vpcs=f"{STRANGER}/{spoke.vpc_id}")
    autopilot.settle(ref)
    return ref, spoke


def answers_at_each_call(autopilot: FakeAutopilot, vpc: Vpc, name: str) -> list[str | None]:
    """What the name resolves to after each call of Route 53 from now on."""
    answers: list[str | None] = []
    call = autopilot.aws.hosted_zones.call

    def watched(*request: Any) -> Response:
        answer = call(*request)
        answers.append(autopilot.aws.resolves(vpc, name))
        return answer

    autopilot.aws.hosted_zones.call = watched  # type: ignore[method-assign, assignment]
    return answers


@pytest.mark.parametrize("is_needed", [True, False])
@pytest.mark.parametrize("has_wider", [True, False])
def test_another_vpc_resolves_at_each_call_while_a_zone_is_narrowed(
    autopilot: FakeAutopilot, vpc: Vpc, is_needed: bool, has_wider: bool
) -> None:
    """is_needed: another service has names in the wide zone. has_wider: the other VPC has got a wider zone since."""
    ref, spoke = served_too(autopilot, vpc)
    if is_needed:
        autopilot.ready(vpc, service_with(autopilot, ZONE, "ledger"))
    if has_wider:
        wider = autopilot.aws.zone(spoke, "example.com")
        autopilot.aws.write(STRANGER, wider, API, "www.example.net")
    declare(autopilot, ref.service_id, API, "@")
    answers = answers_at_each_call(autopilot, spoke, API)

    looks(autopilot, vpc, API)

    assert set(answers) == {target(autopilot, ref)}
    assert autopilot.aws.zones_in(vpc) == ({API, ZONE} if is_needed else {API})
    assert autopilot.aws.zones_in(spoke) == ({API, "example.com"} if has_wider else {API})
    assert autopilot.row(ref).dns.zones == (API,)


@pytest.mark.parametrize("is_let", [True, False])
def test_a_zone_that_others_still_need_serves_no_other_vpc_for_names_that_left(
    autopilot: FakeAutopilot, vpc: Vpc, is_let: bool
) -> None:
    """is_let: the other VPC's account lets us take the zone off it at once."""
    ref, spoke = served_too(autopilot, vpc)
    other = autopilot.ready(vpc, service_with(autopilot, ZONE, "ledger"))
    if not is_let:
        autopilot.consumers.roles.discard(STRANGER)
        autopilot.consumers.leave(STRANGER, REGION)

    declare(autopilot, ref.service_id, "", "")
    for _ in range(2):
        looks(autopilot, vpc, API)
        autopilot.clock.advance(DAY)

    assert autopilot.aws.resolves(vpc, LEDGER) == target(autopilot, other)
    assert not autopilot.aws.resolves(vpc, API)
    assert autopilot.aws.zones_in(spoke) == (set() if is_let else {ZONE})
    assert autopilot.row(ref).status is (Status.CONNECTED if is_let else Status.DNS_BLOCKED)
    autopilot.consumers.roles.add(STRANGER)
    looks(autopilot, vpc, API)
    assert autopilot.aws.zones_in(spoke) == set()
    assert autopilot.row(ref).status is Status.CONNECTED
    assert autopilot.row(ref).dns.maybe_served == ()


@pytest.mark.parametrize("stays", [True, False])
def test_while_another_vpc_cannot_have_the_narrower_zone_the_name_stays_in_the_wide_one(
    autopilot: FakeAutopilot, vpc: Vpc, stays: bool
) -> None:
    """stays: the wide one is declared for another name as well."""
    ref, spoke = served_too(autopilot, vpc)
    autopilot.consumers.roles.discard(STRANGER)
    autopilot.consumers.leave(STRANGER, REGION)

    declare(autopilot, ref.service_id, API, "@")
    if stays:
        declare(autopilot, ref.service_id, ZONE, "ledger", suffix="-2")
    looks(autopilot, vpc, API)

    assert autopilot.row(ref).status is Status.READY
    assert autopilot.aws.zones_in(vpc) == {API, ZONE}
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)
    autopilot.consumers.roles.add(STRANGER)
    for _ in range(2):
        autopilot.clock.advance(DAY)
        looks(autopilot, vpc, API)
    assert autopilot.aws.zones_in(vpc) == autopilot.aws.zones_in(spoke) == ({API, ZONE} if stays else {API})
    assert autopilot.aws.resolves(spoke, API) == target(autopilot, ref)
    assert API not in (names_in(autopilot, ZONE) if stays else ())


def test_a_narrower_zone_of_ours_that_hides_nothing_of_a_wider_one_serves_the_same_vpc(
    autopilot: FakeAutopilot, vpc: Vpc
) -> None:
    spoke = autopilot.aws.new_vpc(CONSUMER)
    wide = autopilot.connected(vpc, also_vpcs=spoke.vpc_id)
    autopilot.settle(wide)

    narrow = autopilot.connected(vpc, service_with(autopilot, EU, "api"), also_vpcs=spoke.vpc_id)
    autopilot.settle(narrow)

    assert autopilot.aws.resolves(spoke, API) == target(autopilot, wide)
    assert autopilot.aws.resolves(spoke, API_EU) == target(autopilot, narrow)


@pytest.mark.parametrize("hidden", [API, f"www.{ZONE}"])
@pytest.mark.parametrize("account", [CONSUMER, STRANGER])
def test_another_vpc_that_would_lose_names_of_a_wider_zone_is_not_served(
    autopilot: FakeAutopilot, vpc: Vpc, account: str, hidden: str
) -> None:
    spoke = autopilot.aws.new_vpc(account)
    autopilot.consumers.roles.add(STRANGER)
    autopilot.network.consents[spoke.vpc_id] = CONSUMER
    autopilot.aws.write(account, autopilot.aws.zone(spoke, "example.com"), hidden, "www.example.net")

    ref = autopilot.connected(vpc, also_vpcs=f"{account}/{spoke.vpc_id}")
    autopilot.settle(ref)

    assert autopilot.aws.resolves(spoke, hidden) == "www.example.net"
    assert any(f"names under {ZONE} would be hidden" in text for text in autopilot.row(ref).dns.unserved)


def moving(autopilot: FakeAutopilot) -> tuple[Vpc, Vpc, ConnectionRef]:
    vpc = autopilot.aws.new_vpc(CONSUMER)
    ref, spoke = served_too(autopilot, vpc)
    declare(autopilot, ref.service_id, API, "@")
    return vpc, spoke, ref


def calls_to_move() -> int:
    trial = FakeAutopilot()
    vpc, *_ = moving(trial)
    trial.calls.made.clear()
    looks(trial, vpc, API, rounds=1)
    return len(trial.calls.made)


@pytest.mark.parametrize("dies_after", range(1, calls_to_move() + 1))
def test_wherever_a_run_dies_while_a_zone_is_narrowed_the_next_ones_finish(dies_after: int) -> None:
    autopilot = FakeAutopilot()
    vpc, spoke, ref = moving(autopilot)
    answers = answers_at_each_call(autopilot, spoke, API)
    autopilot.calls.crash_after = dies_after
    with suppress(Crash):
        looks(autopilot, vpc, API, rounds=1)
    autopilot.calls.crash_after = None

    assert looks(autopilot, vpc, API) <= {target(autopilot, ref)}
    autopilot.clock.advance(DAY)
    looks(autopilot, vpc, API)
    assert set(answers) == {target(autopilot, ref)}
    assert autopilot.aws.resolves(vpc, API) == target(autopilot, ref)
    assert autopilot.aws.zones_in(vpc) == autopilot.aws.zones_in(spoke) == {API}


@pytest.mark.parametrize("label", ["api", "refunds"])
def test_a_name_leaves_a_zone_that_stays_once_every_server_has_the_narrower_one(
    autopilot: FakeAutopilot, vpc: Vpc, label: str
) -> None:
    ref, name = autopilot.ready(vpc, service_with(autopilot, ZONE, f"{label} ledger")), f"{label}.{ZONE}"
    declare(autopilot, ref.service_id, name, "@", suffix="-2")

    autopilot.converge(ref)

    assert autopilot.aws.zones_in(vpc) == {name, ZONE}
    assert name in names_in(autopilot, ZONE), "Route 53 is still bringing the new one to its servers"
    autopilot.settle(ref)
    assert name not in names_in(autopilot, ZONE)
    assert {autopilot.aws.resolves(vpc, one) for one in (name, LEDGER)} == {target(autopilot, ref)}


@pytest.mark.parametrize("label", ["api", "refunds"])
def test_a_name_stays_in_a_zone_that_stays_where_the_narrower_one_cannot_be_made(
    autopilot: FakeAutopilot, vpc: Vpc, label: str
) -> None:
    ref, name = autopilot.ready(vpc, service_with(autopilot, ZONE, f"{label} ledger")), f"{label}.{ZONE}"
    declare(autopilot, ref.service_id, name, "@", suffix="-2")
    autopilot.calls.refused["CreateHostedZone"] = "TooManyHostedZones"

    autopilot.settle(ref)

    assert autopilot.aws.resolves(vpc, name) == target(autopilot, ref)


@pytest.mark.parametrize("dies_after", range(1, calls_to_move() + 1))
def test_wherever_a_run_dies_the_wider_zone_stays_until_every_server_has_the_narrower_one(dies_after: int) -> None:
    autopilot = FakeAutopilot()
    vpc, _, ref = moving(autopilot)
    autopilot.calls.crash_after = dies_after
    with suppress(Crash):
        autopilot.converge(ref)

    autopilot.calls.crash_after = None
    autopilot.converge(ref)

    assert autopilot.aws.zones_in(vpc) == {API, ZONE}
    autopilot.settle(ref)
    assert autopilot.aws.zones_in(vpc) == {API}
