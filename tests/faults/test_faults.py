"""One thing goes wrong, and the end is the same as without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns, Status
from autopilot.domain.disruption import MaxDisruptions, OnRevoked
from autopilot.domain.listener import Certificate, Listener, LoadBalancer
from autopilot.domain.organization import OrganizationalUnit, Owner
from autopilot.domain.report import ConnectionEvent, word_of
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot
from tests.fakes.calls import Fault, How
from tests.fakes.clock import DAY, HOUR
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, REGION, STRANGER, ZONE, Vpc
from tests.faults.witness import Witness
from tests.faults.world import AND_AGAIN, LATE, LOST, ON_TIME, TWICE, World
from tests.local_aws import hosted_zones

API = f"api.{ZONE}"
ACCEPT, REJECT = "AcceptVpcEndpointConnections", "RejectVpcEndpointConnections"
FEW_MINUTES = 400
LONG_ENOUGH = 25 * 60
# After it names go that left the tags, and what was retagged in a consumer's account was looked at.
GRACE_AND_DRIFT = 2 * DAY


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def vpc(world: World) -> Vpc:
    return world.aws.new_vpc(CONSUMER)


def requested(world: World, vpc: Vpc, service_id: str | None = None) -> ConnectionRef:
    return world.aws.endpoint(service_id or world.aws.service(), vpc)


def ready(world: World, vpc: Vpc, service_id: str | None = None) -> ConnectionRef:
    ref = requested(world, vpc, service_id)
    world.wait(FEW_MINUTES)
    assert world.rows[ref].status is Status.READY
    return ref


def statuses(world: World, ref: ConnectionRef) -> list[object]:
    """What machines were told of a connection."""
    details = [event.detail for event in world.autopilot.bus.events]
    return [detail["status"] for detail in details if detail["endpoint_id"] == ref.endpoint_id]


def own_name(world: World, ref: ConnectionRef) -> str:
    return world.aws.privatelink._endpoints[ref.endpoint_id].dns_name


def is_unharmed(world: World) -> bool:
    return not world.surprises and not world.requests.dead_letters and not world.dns.dead_letters


# Each call of each flow


@dataclass
class Flow:
    """A world before something happens in it. act: what happens. seconds: how long it takes where nothing goes wrong.

    others: connections beside the first.
    """

    world: World
    vpc: Vpc
    refs: list[ConnectionRef] = field(default_factory=list)
    act: Callable[[], object] = lambda: None
    seconds: int = 200

    def end(self) -> object:
        """What is, by the order of the connections and not by their ids."""
        world, numbers = self.world, {own_name(self.world, ref): number for number, ref in enumerate(self.refs)}
        known = [
            (world.state(ref.endpoint_id), row.acceptance.value, row.dns.value, row.status, row.told)
            for ref in self.refs
            if (row := world.rows.get(ref))
        ]
        zones = {
            zone.name: sorted(
                (name, kind, numbers[hosted_zones.leads_to(record).rstrip(".")])
                for (name, kind, _), record in zone.records.items()
                if kind not in ("NS", "SOA")
            )
            for zone in world.aws.hosted_zones._zones.values()
        }
        places = sorted((zone.name, sorted(zone.vpcs)) for zone in world.aws.hosted_zones._zones.values())
        permitted = [sorted(service.principals) for service in world.aws.privatelink._services.values()]
        resolves = numbers.get(world.aws.resolves(self.vpc, API) or "")
        return known, zones, places, permitted, resolves


def acceptance() -> Flow:
    world = World()
    flow = Flow(world, world.aws.new_vpc(CONSUMER))
    service_id = world.aws.service()
    flow.act = lambda: flow.refs.append(requested(world, flow.vpc, service_id))
    return flow


def acceptance_by_a_unit() -> Flow:
    """Organizations tells where the account is, the entry that its unit is let in."""
    flow = Flow(world := World(FakeAutopilot(allowed_principals=())), world.aws.new_vpc(CONSUMER))
    unit = OrganizationalUnit("ou-ab12-11111111", "Prod")
    world.autopilot.organization.owners[CONSUMER] = Owner(CONSUMER, name="team-a", units=(unit,))
    world.autopilot.allowlist.put(AllowlistEntry(EntryKey(unit.unit_id)))
    service_id = world.aws.service()
    flow.act = lambda: flow.refs.append(requested(world, flow.vpc, service_id))
    return flow


def installation() -> Flow:
    """The first sweep finds what stands, and people get one summary."""
    world = World()
    flow = Flow(world, world.aws.new_vpc(CONSUMER), seconds=700)
    flow.refs.append(world.aws.endpoint(world.aws.service(), flow.vpc))
    world.aws.accept(flow.refs[0])
    world.autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    return flow


def deletion() -> Flow:
    flow = acceptance()
    flow.refs.append(ready(flow.world, flow.vpc))
    flow.act = lambda: flow.world.aws.delete(flow.refs[0])
    return flow


def hand_over() -> Flow:
    """From one endpoint to another, which waits for the name."""
    flow = acceptance()
    flow.refs += [ready(flow.world, flow.vpc), requested(flow.world, flow.vpc)]
    flow.world.wait(FEW_MINUTES)
    assert flow.world.rows[flow.refs[1]].status is Status.DNS_BLOCKED
    flow.act = lambda: flow.world.aws.delete(flow.refs[0])
    return flow


def rejection() -> Flow:
    flow = acceptance()
    flow.world.autopilot.allowlist.put(AllowlistEntry(EntryKey(CONSUMER, "*"), Action.BLOCK))
    return flow


def revocation() -> Flow:
    """The entry goes; the sweep after the next disconnects."""
    world = World(FakeAutopilot(allowed_principals=(), on_revoked=OnRevoked.REJECT))
    key = EntryKey(CONSUMER)
    world.allow(AllowlistEntry(key))
    flow = Flow(world, world.aws.new_vpc(CONSUMER), act=lambda: world.disallow(key), seconds=700)
    flow.refs.append(ready(world, flow.vpc))
    return flow


def renaming() -> Flow:
    """One name leaves the tags and goes at once, another comes."""
    world = World(FakeAutopilot(grace=timedelta(0)))
    flow = Flow(world, world.aws.new_vpc(CONSUMER), seconds=700)
    flow.refs.append(ready(world, flow.vpc))
    flow.act = lambda: world.aws.tag(flow.refs[0].service_id, autopilot_records="ledger")
    return flow


def serving_another_vpc() -> Flow:
    """Of another account, which consents."""
    flow = acceptance()
    spoke, service_id = flow.world.aws.new_vpc(STRANGER), flow.world.aws.service()
    flow.world.autopilot.consumers.roles.add(STRANGER)
    flow.world.autopilot.network.consents[spoke.vpc_id] = CONSUMER
    tags = {"autopilot:also-vpcs": f"{STRANGER}/{spoke.vpc_id}"}
    flow.act = lambda: flow.refs.append(flow.world.aws.endpoint(service_id, flow.vpc, tags=tags))
    return flow


def serving_another_vpc_no_longer() -> Flow:
    """The zone stays, as another endpoint has a name in it."""
    flow = serving_another_vpc()
    flow.act()
    flow.refs.append(requested(flow.world, flow.vpc, flow.world.aws.service(MANAGED | {"autopilot:records": "ledger"})))
    flow.world.wait(FEW_MINUTES)
    assert [flow.world.rows[ref].status for ref in flow.refs] == [Status.READY] * 2
    flow.act = lambda: flow.world.aws.delete(flow.refs[0])
    return flow


def native_private_dns() -> Flow:
    flow = acceptance()
    service_id = flow.world.aws.native_service(API)
    flow.act = lambda: flow.refs.append(requested(flow.world, flow.vpc, service_id))
    return flow


def names_of_a_certificate() -> Flow:
    flow = acceptance()
    service_id = flow.world.aws.service({"autopilot": "enabled", "autopilot:records": "certificate"})
    [service] = [one for one in flow.world.autopilot.services.all() if one.service_id == service_id]
    [arn] = service.load_balancer_arns
    listener = Listener("arn:l", 443, "TLS", (Certificate("arn:c", (API,), is_issued=True),))
    flow.world.autopilot.load_balancers.load_balancers[arn] = LoadBalancer(arn, (listener,))
    flow.act = lambda: flow.refs.append(requested(flow.world, flow.vpc, service_id))
    return flow


def permission() -> Flow:
    """An entry comes, for an account that nobody permitted, and one goes that was permitted for its entry."""
    world = World(FakeAutopilot(manages_permissions=True, allowed_principals=()))
    flow, old, new = Flow(world, world.aws.new_vpc(CONSUMER), seconds=400), EntryKey(CONSUMER), EntryKey(STRANGER)
    world.aws.service()
    world.allow(AllowlistEntry(old))
    world.wait(FEW_MINUTES)

    def act() -> None:
        world.allow(AllowlistEntry(new))
        world.disallow(old)

    flow.act = act
    return flow


def a_new_service() -> Flow:
    """Its connection notification is made, and what stood before is taken over."""
    flow = acceptance()
    service_id = flow.world.aws.service({})
    flow.refs.append(requested(flow.world, flow.vpc, service_id))
    flow.world.aws.accept(flow.refs[0])
    flow.world.wait(FEW_MINUTES)
    flow.act = lambda: flow.world.aws.tag(
        service_id, **{key.replace(":", "_"): value for key, value in MANAGED.items()}
    )
    flow.seconds = 700
    return flow


FLOWS = (
    installation,
    acceptance,
    acceptance_by_a_unit,
    deletion,
    hand_over,
    rejection,
    revocation,
    renaming,
    serving_another_vpc,
    serving_another_vpc_no_longer,
    native_private_dns,
    names_of_a_certificate,
    permission,
    a_new_service,
)
FAULTS: dict[str, Callable[[int], Fault]] = {
    "fails": lambda passing: Fault("InternalError", passing=passing),
    "is throttled": lambda passing: Fault("RequestLimitExceeded", passing=passing),
    "times out after its effect": lambda passing: Fault("ReadTimeoutError", how=How.AFTER, passing=passing),
    "is asked twice": lambda passing: Fault(how=How.TWICE, passing=passing),
    "is the last": lambda passing: Fault(how=How.AFTER, passing=passing),
}


def undisturbed(flow: Flow) -> tuple[list[str], object]:
    """The calls that a flow makes, and its end."""
    before = len(flow.world.calls.made)
    flow.act()
    flow.world.wait(flow.seconds)
    made = flow.world.calls.made[before:]
    flow.world.wait(LONG_ENOUGH)
    return made, flow.end()


def settle(flow: Flow, end: object) -> None:
    """Until the end is reached, or ought to be."""
    flow.act()
    flow.world.wait(flow.seconds)
    for _ in range(0, LONG_ENOUGH, 300):
        if flow.end() == end:
            break
        flow.world.wait(300)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("begin", FLOWS, ids=lambda begin: begin.__name__.replace("_", " "))
def test_whatever_call_fails_the_end_is_the_same(begin: Callable[[], Flow], fault: str) -> None:
    calls, end = undisturbed(begin())
    for number, call in enumerate(calls):
        flow = begin()
        flow.world.calls.faults.append(FAULTS[fault](number))
        settle(flow, end)

        assert is_unharmed(flow.world)
        assert flow.end() == end, f"call {number}, {call}, {fault}"


@pytest.mark.parametrize("begin", FLOWS, ids=lambda begin: begin.__name__.replace("_", " "))
def test_whenever_the_sweep_comes_in_between_the_end_is_the_same(begin: Callable[[], Flow]) -> None:
    calls, end = undisturbed(begin())
    for number, call in enumerate(calls):
        flow = begin()
        flow.world.calls.meanwhile = (number, flow.world.sweep)
        settle(flow, end)

        assert is_unharmed(flow.world)
        assert flow.end() == end, f"before call {number}, {call}"


@pytest.mark.parametrize("code", ["InternalError", "RequestLimitExceeded", "AccessDenied"])
@pytest.mark.parametrize(
    "operation", ["BatchGetItem", "DescribeVpcEndpointConnections", "SendMessageBatch", "UpdateItem", ACCEPT]
)
@pytest.mark.parametrize("also", ["nothing", "DescribeAccount"])
def test_one_message_never_becomes_two_however_long_it_lasts(operation: str, code: str, also: str) -> None:
    """What waits is put back and what fails comes again; what did both would soon be thousands."""
    world = World(sweep_seconds=DAY)
    service_id, vpc = world.aws.service(), world.aws.new_vpc(CONSUMER)
    world.calls.refused |= {also: "InternalError", operation: code}
    for _ in range(5):
        requested(world, vpc, service_id)
    events_and_notifications = 10
    for _ in range(200):
        world.wait(5)
        assert len(world.requests.messages) <= events_and_notifications


def undeclare(flow: Flow) -> None:
    flow.world.aws.tag(flow.refs[0].service_id, autopilot_zone=None, autopilot_records=None)


def rename(flow: Flow) -> None:
    flow.world.aws.tag(flow.refs[0].service_id, autopilot_zone="billing.example.com")


def decline(flow: Flow) -> None:
    tags = [{"Key": "autopilot:dns", "Value": "off"}]
    flow.world.aws.ec2(CONSUMER, "CreateTags", Resources=[flow.refs[0].endpoint_id], Tags=tags)


def delete(flow: Flow) -> None:
    flow.world.aws.delete(flow.refs[0])


def undeclare_where_the_role_is_gone(flow: Flow) -> None:
    undeclare(flow)
    flow.world.autopilot.consumers.roles.discard(CONSUMER)
    flow.world.autopilot.consumers.leave(CONSUMER, REGION)


def delete_where_the_role_is_gone(flow: Flow) -> None:
    undeclare_where_the_role_is_gone(flow)
    delete(flow)


ENDINGS = (undeclare, rename, decline, delete, undeclare_where_the_role_is_gone, delete_where_the_role_is_gone)


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__.replace("_", " "))
def test_what_a_function_had_begun_when_it_died_is_undone_where_it_is_no_longer_wanted(
    end: Callable[[Flow], None],
) -> None:
    calls, _ = undisturbed(acceptance())
    for number, call in enumerate(calls):
        flow = acceptance()
        flow.world.calls.meanwhile = (number, partial(end, flow))
        flow.world.calls.faults.append(Fault(passing=number))
        flow.act()
        flow.world.wait(LONG_ENOUGH)
        flow.world.autopilot.consumers.roles.add(CONSUMER)
        flow.world.sweep_seconds = 4 * HOUR
        flow.world.wait(GRACE_AND_DRIFT)

        zones = [zone.name for zone in flow.world.aws.hosted_zones._zones.values()]
        wanted = ["billing.example.com."] if end is rename else []
        assert is_unharmed(flow.world)
        assert zones == wanted, f"call {number}, {call}"


def test_a_flow_makes_calls_of_all_kinds() -> None:
    """That the tests above break what they mean to."""
    made = {call for begin in FLOWS for call in undisturbed(begin())[0]}

    assert {ACCEPT, REJECT, "UpdateItem", "SendMessageBatch", "PutEvents", "Publish"} <= made
    assert {"ModifyVpcEndpoint", "AssociateVPCWithHostedZone", "DisassociateVPCFromHostedZone"} <= made
    assert {"CreateVPCAssociationAuthorization", "DeleteVPCAssociationAuthorization"} <= made
    assert {"ModifyVpcEndpointServicePermissions", "DescribeVpcEndpointServicePermissions", "BatchWriteItem"} <= made
    assert {"CreateVpcEndpointConnectionNotification", "DescribeLoadBalancers"} <= made
    assert {"AssumeRole", "CreateHostedZone", "ChangeResourceRecordSets", "DeleteHostedZone", "GetChange"} <= made


# Events


@pytest.mark.parametrize("deliveries", [TWICE, AND_AGAIN, LATE, LOST, (3600.0, 7200.0, 2.0)])
def test_events_may_come_twice_late_or_never(world: World, vpc: Vpc, deliveries: Sequence[float]) -> None:
    world.deliveries = deliveries
    ref = requested(world, vpc)
    world.wait(3 * HOUR)
    assert world.rows[ref].status is Status.READY
    assert world.calls.made.count(ACCEPT) == 1
    assert statuses(world, ref) == [Status.ACCEPTED, Status.READY]

    world.aws.delete(ref)
    world.wait(3 * HOUR)
    assert world.rows[ref].status is Status.RETIRED
    assert world.aws.zones_in(vpc) == set()
    assert statuses(world, ref)[2:] == [Status.RETIRED]
    assert is_unharmed(world)


def test_a_request_whose_event_comes_after_that_of_its_deletion_is_forgotten(world: World, vpc: Vpc) -> None:
    world.sweep_seconds = 12 * HOUR
    world.deliveries = LATE
    ref = requested(world, vpc)
    world.wait(60)
    world.deliveries = ON_TIME
    world.aws.delete(ref)
    world.wait(DAY)

    assert ref not in world.rows
    assert ACCEPT not in world.calls.made
    assert world.is_quiet


def test_an_old_event_brings_no_names_back(world: World, vpc: Vpc) -> None:
    world.deliveries = AND_AGAIN
    ref = ready(world, vpc)
    world.aws.delete(ref)
    world.wait(2 * HOUR)

    assert world.rows[ref].dns.value is Dns.ABSENT
    assert world.aws.zones_in(vpc) == set()


# Describes


@pytest.mark.parametrize("seconds", [60, 150])
def test_a_describe_that_shows_the_state_of_before_the_accept_undoes_nothing(
    world: World, vpc: Vpc, seconds: int
) -> None:
    ref = requested(world, vpc)
    world.show(ref, seconds)
    world.wait(seconds + LONG_ENOUGH)

    assert world.rows[ref].status is Status.READY
    assert statuses(world, ref) == [Status.ACCEPTED, Status.READY]


@pytest.mark.parametrize("seconds", [30, 600, HOUR])
def test_what_a_describe_leaves_out_keeps_its_names(world: World, vpc: Vpc, seconds: int) -> None:
    ref = ready(world, vpc)
    world.show(ref, seconds, is_listed=False)
    for _ in range(seconds // 30):
        world.wait(30)
        assert world.aws.resolves(vpc, API) == own_name(world, ref)
    world.wait(LONG_ENOUGH)

    assert world.rows[ref].status is Status.READY
    assert statuses(world, ref) == [Status.ACCEPTED, Status.READY]


def test_what_a_describe_does_not_show_yet_is_waited_for(world: World, vpc: Vpc) -> None:
    ref = requested(world, vpc)
    world.show(ref, 1200, is_listed=False)
    world.wait(1100)
    assert ref not in world.rows

    world.wait(LONG_ENOUGH)
    assert world.rows[ref].status is Status.READY


# Answers


def test_what_ec2_does_not_take_keeps_no_other_waiting(world: World, vpc: Vpc) -> None:
    service_id = world.aws.service(MANAGED | {"autopilot:records": "@"})
    refs = [requested(world, world.aws.new_vpc(CONSUMER), service_id) for _ in range(3)]
    world.refuses = {refs[1].endpoint_id}
    world.wait(4)
    states = [world.state(ref.endpoint_id) for ref in refs]
    assert states == [AwsState.PENDING, AwsState.PENDING_ACCEPTANCE, AwsState.PENDING]

    world.wait(FEW_MINUTES)
    assert [world.rows[ref].status for ref in refs] == [Status.READY] * 3
    assert is_unharmed(world)


def test_a_person_who_accepts_while_we_do_is_no_harm(world: World, vpc: Vpc) -> None:
    ref = requested(world, vpc)
    calls, _ = undisturbed(acceptance())

    def accept() -> None:
        running, world.running = world.running, None
        world.aws.accept(ref)
        world.running = running

    world.calls.meanwhile = (calls.index(ACCEPT), accept)
    world.wait(FEW_MINUTES)

    row = world.rows[ref]
    assert (row.status, row.acceptance.value) == (Status.READY, Acceptance.ADOPTED)
    assert row.acceptance.answered_by == f"arn:aws:iam::{PROVIDER}:root"


def test_a_persons_accept_is_remembered_although_a_describe_leaves_the_connection_out(world: World, vpc: Vpc) -> None:
    world.calls.refused[ACCEPT] = "InternalError"
    ref = requested(world, vpc)
    world.wait(3)
    assert world.rows[ref].acceptance.value is Acceptance.ACCEPTING

    world.aws.accept(ref)
    world.show(ref, 60, is_listed=False)
    world.calls.refused.clear()
    world.wait(FEW_MINUTES)
    assert (world.rows[ref].status, world.rows[ref].acceptance.value) == (Status.READY, Acceptance.ADOPTED)


# The consumer's role


def take_role(world: World) -> None:
    world.autopilot.consumers.roles.discard(CONSUMER)
    world.autopilot.consumers.leave(CONSUMER, REGION)


def test_names_that_were_written_before_the_role_went_are_removed_once_it_is_back(world: World, vpc: Vpc) -> None:
    ref = ready(world, vpc)
    take_role(world)
    world.wait(2 * DAY)
    assert world.rows[ref].dns.value is Dns.NO_ROLE
    world.aws.delete(ref)
    world.wait(DAY)
    assert world.rows[ref].status is Status.FAILED

    world.autopilot.consumers.roles.add(CONSUMER)
    world.wait(DAY)
    assert world.rows[ref].status is Status.RETIRED
    assert world.aws.zones_in(vpc) == set()


def test_names_that_left_the_tags_while_the_role_was_gone_are_removed_once_it_is_back(vpc: Vpc, world: World) -> None:
    ref = ready(world, vpc)
    take_role(world)
    world.aws.tag(ref.service_id, autopilot_zone=None, autopilot_records=None)
    world.wait(2 * HOUR)
    assert world.rows[ref].status is Status.DNS_BLOCKED
    assert f"although no names are declared any more: {API} -> " in world.rows[ref].dns.reason

    world.autopilot.consumers.roles.add(CONSUMER)
    world.wait(2 * DAY)
    assert world.aws.zones_in(vpc) == set()
    assert world.rows[ref].dns.value is Dns.UNDECLARED


@pytest.mark.parametrize("is_told", [True, False])
def test_a_role_that_is_gone_for_a_day_costs_its_account_names_and_nobody_else(world: World, is_told: bool) -> None:
    service_id = world.aws.service()
    world.allow(AllowlistEntry(EntryKey(STRANGER)))
    world.autopilot.consumers.roles.add(STRANGER)
    theirs, other = world.aws.new_vpc(CONSUMER), world.aws.new_vpc(STRANGER)
    take_role(world)
    ref = requested(world, theirs, service_id)
    assert ready(world, other, service_id) in world.rows
    world.wait(DAY)
    assert world.rows[ref].status is Status.CONNECTED

    world.autopilot.consumers.roles.add(CONSUMER)
    if is_told:
        world.stack_changed(CONSUMER)
    world.wait(300 if is_told else 13 * HOUR)
    assert world.rows[ref].status is Status.READY


# The allowlist


def test_an_entry_for_a_unit_cuts_off_whom_an_entry_of_its_own_still_admits() -> None:
    world = World(FakeAutopilot(on_revoked=OnRevoked.REJECT))
    unit = "ou-ab12-11111111"
    placed = Owner(CONSUMER, units=(OrganizationalUnit(unit),), organization_id="o-a1b2c3d4e5")
    world.autopilot.organization.owners[CONSUMER] = placed
    ref = ready(world, world.aws.new_vpc(CONSUMER))
    world.allow(AllowlistEntry(EntryKey(unit), Action.BLOCK))
    world.wait(HOUR)

    assert world.state(ref.endpoint_id) is AwsState.REJECTED
    assert world.rows[ref].status is Status.REVOKED


def test_the_names_of_a_connection_that_asks_for_a_decision_at_every_sweep_follow_the_tags() -> None:
    """Its account's own entry seems to accept it again, which only Organizations can deny."""
    world = World(FakeAutopilot(grace=timedelta(hours=1)))
    unit = "ou-ab12-11111111"
    placed = Owner(CONSUMER, units=(OrganizationalUnit(unit),), organization_id="o-a1b2c3d4e5")
    world.autopilot.organization.owners[CONSUMER] = placed
    vpc = world.aws.new_vpc(CONSUMER)
    ref = ready(world, vpc)
    world.allow(AllowlistEntry(EntryKey(unit), Action.BLOCK))
    world.wait(HOUR)
    assert world.rows[ref].acceptance.value is Acceptance.REVOKED
    world.aws.tag(ref.service_id, autopilot_records="ledger")
    world.wait(3 * HOUR)

    assert world.aws.resolves(vpc, f"ledger.{ZONE}") == own_name(world, ref)
    assert world.aws.resolves(vpc, API) == ""


# The brake


@pytest.mark.parametrize("allowed", [0, 4])
@pytest.mark.parametrize("what", ["connections", "names"])
def test_more_than_the_brake_allows_is_not_disrupted_at_all_until_a_person_says_so(what: str, allowed: int) -> None:
    """By the witness's own count, whatever the product counts."""
    world = World(
        FakeAutopilot(allowed_principals=(), on_revoked=OnRevoked.REJECT, max_disruptions=MaxDisruptions(1, 0))
    )
    witness, service_id, key = Witness(world, most_disruptions=1), world.aws.service(), EntryKey(CONSUMER)
    world.allow(AllowlistEntry(key))
    for _ in range(4):
        vpc = world.aws.new_vpc(CONSUMER)
        witness.requested(requested(world, vpc, service_id), vpc)
    world.wait(FEW_MINUTES)
    assert [world.rows[ref].status for ref in witness.refs] == [Status.READY] * 4
    if what == "connections":
        world.disallow(key)
    else:
        world.aws.tag(service_id, autopilot_records="ledger")
    # Until the names' grace is over, too.
    world.wait(DAY + HOUR)
    if allowed:
        world.autopilot.ledger.allow_disruptions(allowed)
        witness.allowed_disruptions(allowed)
    world.wait(3 * DAY)

    witness.assert_unbroken()
    standing = [world.state(ref.endpoint_id) for ref in witness.refs].count(AwsState.AVAILABLE)
    named = sum(bool(world.aws.resolves(witness.vpc_of[ref.endpoint_id], API)) for ref in witness.refs)
    assert (standing if what == "connections" else named) == 4 - allowed


# Clocks


@pytest.mark.parametrize("seconds", [-300, -90, 90, 300])
@pytest.mark.parametrize("function", ["decide_connection", "converge_dns", "sweep"])
def test_a_clock_that_runs_wrong_changes_nothing(world: World, vpc: Vpc, function: str, seconds: int) -> None:
    world.skews[function] = seconds
    ref = ready(world, vpc)
    world.aws.delete(ref)
    world.wait(LONG_ENOUGH)

    assert world.rows[ref].status is Status.RETIRED
    assert statuses(world, ref) == [Status.ACCEPTED, Status.READY, Status.RETIRED]
    assert world.aws.zones_in(vpc) == set()


# What is told


@pytest.mark.parametrize("operation", ["Publish", "PutEvents"])
def test_while_nobody_can_be_told_the_work_goes_on_and_all_is_told_after(
    world: World, vpc: Vpc, operation: str
) -> None:
    world.calls.refused[operation] = "InternalError"
    ref = ready(world, vpc)
    world.wait(6 * HOUR)
    assert world.lost
    assert world.rows[ref].told == ""

    world.heal()
    world.wait(2 * HOUR)
    assert word_of(world.rows[ref].told) == Status.READY
    assert statuses(world, ref)[-1] == Status.READY
    assert any("READY" in mail.subject for mail in world.autopilot.topic.mails)


def test_a_report_that_cannot_be_told_keeps_no_other_back(
    world: World, vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [requested(world, world.aws.new_vpc(CONSUMER)) for _ in range(7)]
    poison, put = refs[3].endpoint_id, world.autopilot.bus.put

    def choking(events: Sequence[ConnectionEvent]) -> None:
        if any(event.detail["endpoint_id"] == poison for event in events):
            raise ValueError(poison)
        put(events)

    monkeypatch.setattr(world.autopilot.bus, "put", choking)
    world.wait(LONG_ENOUGH)
    assert [word_of(world.rows[ref].told) for ref in refs] == ["" if ref == refs[3] else Status.READY for ref in refs]

    monkeypatch.undo()
    world.wait(2 * HOUR)
    assert statuses(world, refs[3])[-1] == Status.READY


# The ledger


def test_without_the_ledger_nobody_is_let_in_and_with_it_everybody_is(world: World, vpc: Vpc) -> None:
    world.calls.refused["UpdateItem"] = "InternalServerError"
    ref = requested(world, vpc)
    world.wait(HOUR)
    assert world.state(ref.endpoint_id) is AwsState.PENDING_ACCEPTANCE
    assert ACCEPT not in world.calls.made
    assert world.requests.dead_letters

    world.heal()
    world.wait(2 * FEW_MINUTES)
    assert world.rows[ref].status is Status.READY


@pytest.mark.parametrize("is_mended", [True, False], ids=["mended", "deleted"])
def test_a_row_that_nobody_can_read_stops_no_other_and_its_connection_is_left_as_it_is(
    vpc: Vpc, world: World, is_mended: bool
) -> None:
    service_id, ledger = world.aws.service(), world.autopilot.ledger
    ref = ready(world, vpc, service_id)
    ledger.unreadable.add(ref)
    world.wait(FEW_MINUTES)
    other = world.aws.new_vpc(CONSUMER)
    world.deliveries = LOST
    found_by_the_sweep = requested(world, other, service_id)
    world.wait(2 * FEW_MINUTES)
    assert world.rows[found_by_the_sweep].status is Status.READY
    assert world.aws.resolves(vpc, API) == own_name(world, ref)
    world.aws.delete(ref)
    world.wait(HOUR)
    assert [type(error).__name__ for error in world.surprises].count("UnreadableRow") == len(world.surprises) > 0
    assert world.rows[ref].status is Status.READY

    ledger.unreadable.clear()
    if not is_mended:
        del ledger._rows[ref]
    world.wait(HOUR)
    assert world.aws.zones_in(vpc) == (set() if is_mended else {ZONE})


# Messages


def test_a_message_that_nobody_can_read_is_a_dead_letter_and_stops_no_other(world: World, vpc: Vpc) -> None:
    world.requests.put("<?xml?>")
    world.dns.put('{"autopilot": "wake-up", "seen_by": "nobody"}')
    ref = ready(world, vpc)

    assert world.requests.dead_letters == ["<?xml?>"]
    assert len(world.dns.dead_letters) == 1
    assert world.rows[ref].acceptance.value is Acceptance.ACCEPTED


def test_what_breaks_the_function_each_time_stops_no_other_and_is_done_once_it_is_mended(
    world: World, vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_id, owner = world.aws.service(), world.autopilot.organization.owner

    def choking(account: str) -> Owner:
        if account == STRANGER:
            raise ValueError(account)
        return owner(account)

    monkeypatch.setattr(world.autopilot.organization, "owner", choking)
    world.allow(AllowlistEntry(EntryKey(STRANGER)))
    world.autopilot.consumers.roles.add(STRANGER)
    poison, other = requested(world, world.aws.new_vpc(STRANGER), service_id), requested(world, vpc, service_id)
    world.wait(HOUR)
    assert world.rows[other].status is Status.READY
    assert poison not in world.rows
    assert world.requests.dead_letters

    monkeypatch.undo()
    world.wait(2 * FEW_MINUTES)
    assert world.rows[poison].status is Status.READY


def test_a_message_whose_function_dies_five_times_is_a_dead_letter_and_the_sweep_does_its_work(
    world: World, vpc: Vpc
) -> None:
    world.sweep_seconds = 3 * HOUR
    world.wait(300)
    world.calls.faults.append(Fault(operation=ACCEPT, times=5))
    ref = requested(world, vpc)
    world.wait(2 * HOUR)
    assert len(world.requests.dead_letters) == 1
    assert world.state(ref.endpoint_id) is AwsState.PENDING_ACCEPTANCE

    world.wait(2 * HOUR)
    assert world.rows[ref].status is Status.READY


@pytest.mark.parametrize("days", [0, 3])
def test_dead_letters_may_be_put_back_at_any_time(world: World, vpc: Vpc, days: int) -> None:
    world.calls.refused["UpdateItem"] = "InternalServerError"
    ref = requested(world, vpc)
    world.wait(HOUR)
    dead = len(world.requests.dead_letters)
    world.heal()
    if days:
        world.wait(FEW_MINUTES)
        world.aws.delete(ref)
    world.wait(days * DAY)
    world.requests.redrive()
    world.wait(2 * FEW_MINUTES)

    assert dead
    assert world.requests.dead_letters == []
    assert world.rows[ref].status is (Status.RETIRED if days else Status.READY)
    assert statuses(world, ref).count(Status.READY) == 1


def test_the_days_of_an_outage_of_everything_are_made_up_for(world: World) -> None:
    service_id, vpcs = world.aws.service(), [world.aws.new_vpc(CONSUMER) for _ in range(3)]
    stays, goes = (ready(world, where, service_id) for where in vpcs[:2])
    world.deliveries = LOST
    world.calls.faults.append(Fault("ServiceUnavailable", times=10**6))
    comes = requested(world, vpcs[2], service_id)
    world.aws.delete(goes)
    world.wait(2 * DAY)
    assert world.state(comes.endpoint_id) is AwsState.PENDING_ACCEPTANCE
    assert world.aws.resolves(vpcs[0], API) == own_name(world, stays)

    world.heal()
    world.wait(2 * HOUR)
    assert [world.rows[ref].status for ref in (stays, goes, comes)] == [Status.READY, Status.RETIRED, Status.READY]
    assert world.aws.zones_in(vpcs[1]) == set()
