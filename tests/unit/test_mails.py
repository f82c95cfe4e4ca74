"""What e-mails say about decisions."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from itertools import pairwise

import pytest

from autopilot.domain.commands import Installation
from autopilot.domain.connection import Acceptance, AwsState, Dns, LedgerRow, NetworkInterface, Status
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.mails import Mail, mails_of
from autopilot.domain.report import StatusChange, change_of, event_of
from autopilot.domain.wake_up import SeenBy
from tests.events import CONSUMER, ENDPOINT, PROVIDER, SERVICE
from tests.unit.examples import AUTOPILOT, ZONE, row

HELD = row(Acceptance.HELD, Dns.NONE, AwsState.PENDING_ACCEPTANCE, reason="held: no entry allows it")
REVOKED = row(Acceptance.REVOKED, reason="revoked: the entry is gone")
DISCONNECTED = replace(REVOKED, connection=replace(REVOKED.connection, state=AwsState.REJECTED))
REJECTED = row(Acceptance.REJECTED, Dns.ABSENT, AwsState.REJECTED, reason="rejected: blocked")


def mails(*changes: StatusChange, on_revoked: OnRevoked = OnRevoked.KEEP) -> tuple[Mail, ...]:
    installation = Installation(AUTOPILOT, f"ProviderAccount={PROVIDER}", "allowlist", "ledger", on_revoked)
    return mails_of(changes, [], frozenset(Status), installation)


def mail(to: LedgerRow, before: Status | None = None, on_revoked: OnRevoked = OnRevoked.KEEP) -> Mail:
    (one,) = mails(StatusChange(to, before), on_revoked=on_revoked)
    return one


def allowed(told: Mail) -> dict[str, str]:
    """Whom the first command allows, and for what."""
    command = next(line.strip() for line in told.text.splitlines() if "put-item" in line)
    item = json.loads(dict(pairwise(shlex.split(command)))["--item"])
    return {name: value["S"] for name, value in item.items()}


def known_as(to: LedgerRow, name: str, path: str = "") -> LedgerRow:
    return replace(to, acceptance=replace(to.acceptance, owner_name=name, owner_path=path))


def test_a_held_mail_names_who_asks_where_and_since_when() -> None:
    told = mail(known_as(HELD, "team-x", "Workloads/Prod"))

    assert told.subject == f"[Autopilot] HELD payments <- {CONSUMER} team-x: your decision needed"
    facts = {name: value.strip() for name, _, value in (line.partition(":") for line in told.text.splitlines())}
    assert facts["Account"] == f"{CONSUMER} (team-x in Workloads/Prod)"
    assert facts["Since"] == "2026-03-02 09:14:06 UTC"
    assert facts["Region"] == "eu-central-1"


def test_where_organizations_tells_nothing_only_the_account_is_shown() -> None:
    assert f"Account:     {CONSUMER}\n" in mail(HELD).text
    assert f"Account:     {CONSUMER} (team-x)\n" in mail(known_as(HELD, "team-x")).text


def test_a_request_that_is_tried_again_by_itself_asks_for_nobody() -> None:
    failing = replace(HELD, acceptance=replace(HELD.acceptance, refusal="DescribeAccount failed"))

    assert mail(failing).text.startswith("You need not act: it is tried again by itself.")
    assert allowed(mail(failing)) == {"principal": CONSUMER, "service_id": SERVICE}


def test_when_nobody_will_try_again_a_person_is_told_after_all() -> None:
    failing = replace(HELD, acceptance=replace(HELD.acceptance, refusal="DescribeAccount failed"))
    change = change_of(failing, HELD)

    assert change == StatusChange(HELD, Status.HELD)
    (told,) = mails(change)
    assert told.text.startswith("Somebody must act")
    assert change_of(HELD, failing) is None


def test_a_reminder_is_a_change_that_says_so() -> None:
    change = change_of(HELD, replace(HELD, reminders=1))
    assert change == StatusChange(replace(HELD, reminders=1), Status.HELD, is_reminder=True)
    assert change.report_id != StatusChange(HELD, None).report_id

    (told,) = mails(change)
    assert told.subject.startswith("[Autopilot] STILL HELD payments <- ")
    assert told.text.startswith("Somebody must act: see the command below.")
    assert event_of(change).detail["reminder"] == 1
    assert change_of(replace(HELD, reminders=1), HELD) is None


def test_many_reminders_are_one_digest_with_the_commands_of_each() -> None:
    changes = [StatusChange(replace(HELD, reminders=1), Status.HELD, is_reminder=True)] * 7
    (told,) = mails(*changes)

    assert told.text.startswith("7 connections changed. 7 of them need a person.")
    assert told.text.count("STILL HELD") == 7
    assert told.text.count("put-item") == told.text.count("reject-vpc-endpoint-connections") == 7


@pytest.mark.parametrize(("on_revoked", "needing"), [(OnRevoked.KEEP, 7), (OnRevoked.REJECT, 0)])
def test_a_digest_counts_who_waits_for_a_person(on_revoked: OnRevoked, needing: int) -> None:
    (told,) = mails(*[StatusChange(REVOKED, Status.READY)] * 7, on_revoked=on_revoked)

    assert told.subject == f"[Autopilot] 7 connections changed, {needing} need a person"


def test_a_digest_of_very_many_stays_small_enough_for_sns() -> None:
    (told,) = mails(*[StatusChange(replace(HELD, version=version), None) for version in range(100)])

    assert told.text.count("put-item") == 20
    assert len(told.text) + len(json.dumps(told.document)) < 256 * 1024


def test_a_revoked_connection_that_is_kept_waits_for_a_person() -> None:
    told = mail(REVOKED)

    assert told.subject == f"[Autopilot] REVOKED payments <- {CONSUMER}: no entry accepts it any more"
    assert told.text.startswith("Somebody must decide: it stays connected")
    assert allowed(told) == {"principal": CONSUMER, "service_id": SERVICE}
    assert f"--vpc-endpoint-ids {ENDPOINT}" in told.text


def test_a_revoked_connection_that_will_be_cut_off_says_so_before() -> None:
    told = mail(REVOKED, on_revoked=OnRevoked.REJECT)

    assert told.text.startswith("You need act only to keep it: one of the next sweeps disconnects it.")


def test_a_disconnection_is_told_of_although_the_status_stays() -> None:
    change = change_of(REVOKED, DISCONNECTED)

    assert change == StatusChange(DISCONNECTED, Status.REVOKED)
    assert change_of(DISCONNECTED, replace(DISCONNECTED, version=9)) is None
    (told,) = mails(change)
    assert told.subject.endswith(": disconnected")
    assert told.text.startswith("You need not act.")


@pytest.mark.parametrize("ended", [REJECTED, DISCONNECTED])
def test_what_was_rejected_comes_back_by_an_entry_for_its_endpoint(ended: LedgerRow) -> None:
    assert allowed(mail(ended)) == {"principal": ENDPOINT, "service_id": SERVICE}


def test_what_aws_does_not_take_back_is_not_offered_again() -> None:
    refused = replace(REJECTED, acceptance=replace(REJECTED.acceptance, refusal="InvalidState"))

    assert "put-item" not in mail(refused).text
    change = change_of(REJECTED, refused)
    assert change == StatusChange(refused, Status.REJECTED)
    (told,) = mails(change)
    assert told.subject.startswith("[Autopilot] REJECTED ")
    assert change_of(refused, replace(refused, version=9)) is None


@pytest.mark.parametrize("before", [None, Status.ACCEPTED])
@pytest.mark.parametrize("dns", [Dns.NONE, Dns.PRESENT, Dns.NO_ROLE, Dns.BLOCKED])
def test_what_stood_before_is_mailed_in_the_summary_only_and_told_to_machines(dns: Dns, before: Status | None) -> None:
    standing = replace(row(Acceptance.ADOPTED, dns), seen_by=SeenBy.INSTALLATION)
    change = StatusChange(standing, before)

    assert mails(change) == ()
    assert event_of(change).detail["endpoint_id"] == ENDPOINT


@pytest.mark.parametrize(
    ("later", "before"),
    [
        (row(Acceptance.ADOPTED, Dns.BLOCKED), Status.READY),
        (row(Acceptance.ADOPTED, Dns.PRESENT), Status.CONNECTED),
        (row(Acceptance.ADOPTED, Dns.ABSENT, AwsState.DELETED), Status.READY),
        (row(Acceptance.REJECTED, Dns.ABSENT, AwsState.REJECTED), Status.READY),
    ],
)
def test_what_happens_to_it_afterwards_is_mailed_as_usual(later: LedgerRow, before: Status) -> None:
    assert len(mails(StatusChange(replace(later, seen_by=SeenBy.INSTALLATION), before))) == 1


def test_machines_read_the_decision_and_who_answered() -> None:
    facet = replace(known_as(HELD, "team-x", "Workloads").acceptance, answered_by="alice")
    detail = event_of(StatusChange(replace(row(), acceptance=facet), None)).detail

    assert detail["decision"] == "held: no entry allows it"
    assert (detail["account_name"], detail["account_path"], detail["answered_by"]) == ("team-x", "Workloads", "alice")


def test_the_ready_mail_lists_interfaces_and_what_the_checks_found() -> None:
    interfaces = (NetworkInterface("eni-1", "10.0.0.10", "euc1-az1"),)
    checks = ("the endpoint is in 1 of 3 zones; add a subnet in euc1-az2, euc1-az3",)
    ready = row()
    unserved = (f"{CONSUMER}/eu-central-1/vpc-2 is not served: its owner tags it",)
    told = mail(replace(ready, dns=replace(ready.dns, interfaces=interfaces, checks=checks, unserved=unserved)))

    assert "Interface:   eni-1 10.0.0.10 in euc1-az1\n" in told.text
    assert "Check:       the endpoint is in 1 of 3 zones; add a subnet in euc1-az2, euc1-az3\n" in told.text
    assert f"Check:       {unserved[0]}\n" in told.text
    assert told.document["checks"] == [*checks, *unserved]


def test_who_has_no_role_for_us_is_handed_all_it_needs_by_mail_and_by_event() -> None:
    connected = row(Acceptance.ACCEPTED, Dns.NO_ROLE)
    connected = replace(connected, dns=replace(connected.dns, names=((f"api.{ZONE}", ZONE),), zones=()))
    told, detail = mail(connected), event_of(StatusChange(connected, None)).detail

    assert "aws route53 create-hosted-zone" in told.text
    assert "AWS::Route53::HostedZone" in told.text
    by_hand = detail["handover"]
    assert isinstance(by_hand, dict)
    assert "aws route53 create-hosted-zone" in by_hand["commands"]
    assert json.loads(by_hand["template"])["Resources"]
    assert "handover" not in event_of(StatusChange(row(), None)).detail


def test_a_consumer_that_declines_names_asks_for_nobody() -> None:
    declined = row(Acceptance.ACCEPTED, Dns.DECLINED, reason="the endpoint's own tag autopilot:dns=off declines names")
    told = mail(declined)

    assert told.text.startswith("You need not act: the consumer wants it so.")
    assert "create-hosted-zone" not in told.text
    assert "cloudformation deploy" not in told.text
