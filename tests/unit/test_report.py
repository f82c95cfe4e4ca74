from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.commands import Installation
from autopilot.domain.connection import Acceptance, AwsState, Dns, LedgerRow, Moment, Status
from autopilot.domain.mails import Mail, mails_of, plain
from autopilot.domain.measures import counted_as
from autopilot.domain.report import Notice, StatusChange, change_of, event_of, is_untold, telling
from tests.events import CONSUMER, ENDPOINT, PROVIDER, REGION, SERVICE
from tests.unit.examples import AUTOPILOT, NOW, VPC, ZONE, regional_name, row

PARAMETERS = f"ProviderAccount={PROVIDER} ForwardEvents=false AllowedRecordNames='{ZONE},*.{ZONE}'"
INSTALLATION = Installation(AUTOPILOT, PARAMETERS, "allowlist", "ledger")
EVERY_STATUS = frozenset(Status)

ROWS = {
    Status.HELD: row(Acceptance.HELD, Dns.NONE, AwsState.PENDING_ACCEPTANCE, reason="held: no entry allows it"),
    Status.ACCEPTED: row(Acceptance.ACCEPTED, Dns.NONE, AwsState.PENDING),
    Status.READY: row(),
    Status.CONNECTED: row(dns=Dns.NO_ROLE, dns_reason="the account does not let Autopilot in"),
    Status.DNS_BLOCKED: row(dns=Dns.BLOCKED, dns_reason="the VPC already has a zone of that name"),
    Status.REJECTED: row(Acceptance.REJECTED, Dns.ABSENT, AwsState.REJECTED, reason="rejected: the account is blocked"),
    Status.REVOKED: row(Acceptance.REVOKED, Dns.ABSENT, AwsState.REJECTED, reason="revoked: the entry expired"),
    Status.RETIRED: row(dns=Dns.ABSENT, state=AwsState.DELETED, dns_reason="the endpoint is deleted; removed the name"),
    Status.FAILED: row(dns=Dns.NONE, state=AwsState.FAILED, dns_reason=""),
}
OBSERVED = row(
    Acceptance.UNDECIDED, Dns.NONE, AwsState.PENDING_ACCEPTANCE, would="would be accepted: account is listed"
)

foreign = st.text() | st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "So", "Co"]), min_size=1)
facets = st.sampled_from(Acceptance), st.sampled_from(Dns), st.sampled_from(AwsState)
rows = st.builds(row, *facets, title=foreign, reason=foreign, dns_reason=foreign, would=st.just("") | foreign)
changes = st.builds(lambda old, new: change_of(old, new), st.none() | rows, rows).filter(bool)


def change(to: LedgerRow, before: Status | None = None) -> StatusChange:
    return StatusChange(to, before)


def mail(to: LedgerRow, before: Status | None = None) -> Mail:
    (one,) = mails_of([change(to, before)], [], EVERY_STATUS, INSTALLATION)
    return one


def commands(told: Mail) -> list[str]:
    """What the body shows to be run: the indented lines."""
    return [line.strip() for line in told.text.splitlines() if line.startswith("    ")]


def options(command: str) -> dict[str, str]:
    return {option: value for option, value in pairwise(shlex.split(command)) if option.startswith("--")}


def is_harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("dns_reason", "told"),
    [
        ("api.example.com is held by another", "api.example.com is held by another."),
        ("vpc-0a1b2c3d already has a zone", "vpc-0a1b2c3d already has a zone."),
        ("the VPC resolves it", "The VPC resolves it."),
        ("usable, it is said", "Usable, it is said."),
    ],
)
def test_a_sentence_begins_with_a_capital_but_never_changes_a_name_or_an_id(dns_reason: str, told: str) -> None:
    assert told in mail(row(dns=Dns.BLOCKED, dns_reason=dns_reason)).text


def test_the_example_rows_have_the_status_they_stand_for() -> None:
    assert {status: example.status for status, example in ROWS.items()} == {status: status for status in Status}


# What is told at all


@pytest.mark.parametrize("status", Status)
def test_a_new_status_is_a_change_once(status: Status) -> None:
    after = ROWS[status]

    assert change_of(None, after) == StatusChange(after, None)
    assert change_of(replace(after, version=1, told="ready"), after) is None


def test_a_row_without_a_status_yet_is_no_change() -> None:
    undecided = row(Acceptance.UNDECIDED, Dns.NONE, AwsState.PENDING_ACCEPTANCE)

    assert change_of(None, undecided) is None
    assert change_of(ROWS[Status.HELD], undecided) is None


def with_dns(**changes: object) -> LedgerRow:
    return replace(row(), dns=replace(row().dns, **changes))  # type: ignore[arg-type]


LATER = {
    "another name": (row(), with_dns(names=((f"api.{ZONE}", ZONE), (f"ledger.{ZONE}", ZONE)))),
    "a name that leaves": (row(), with_dns(leaving=(Moment(NOW, f"api.{ZONE}"),))),
    "another block": (ROWS[Status.DNS_BLOCKED], row(dns=Dns.BLOCKED, dns_reason="the role may not write that name")),
    "another name that stays": (
        row(dns=Dns.BEHIND, state=AwsState.REJECTED, dns_reason="api stays behind"),
        row(dns=Dns.BEHIND, state=AwsState.REJECTED, dns_reason="ledger stays behind"),
    ),
    "names to write": (row(dns=Dns.UNDECLARED), row(dns=Dns.NO_ROLE)),
}


@pytest.mark.parametrize(("before", "after"), LATER.values(), ids=LATER)
def test_what_people_should_know_of_within_a_status_is_told_once(before: LedgerRow, after: LedgerRow) -> None:
    assert before.status is after.status

    assert change_of(before, after) == StatusChange(after, after.status)
    assert change_of(after, replace(after, version=9)) is None
    assert is_untold(replace(after, told=telling(before)))
    assert not is_untold(replace(after, told=telling(after)))


@pytest.mark.parametrize("status", Status)
def test_what_was_told_before_there_was_a_digest_is_not_told_again(status: Status) -> None:
    told = replace(ROWS[status], told=telling(ROWS[status]).partition(" ")[0])

    assert not is_untold(told)
    assert change_of(told, replace(told, repeats=1)) is None
    assert all(is_untold(replace(other, told=told.told)) for other in ROWS.values() if other.status is not status)


def test_other_names_are_not_told_as_if_the_connection_were_new() -> None:
    before, after = LATER["another name"]
    told = change_of(before, after)

    assert told is not None
    assert mail(after, told.before).subject.endswith("what it serves changed")
    assert counted_as(told) is None


def test_an_observation_is_told_once_and_anew_when_it_changes() -> None:
    nothing = row(Acceptance.UNDECIDED, Dns.NONE, AwsState.PENDING_ACCEPTANCE)
    other = replace(OBSERVED, acceptance=OBSERVED.acceptance.would_become("would be held: no entry allows it"))

    assert change_of(None, OBSERVED) == change_of(nothing, OBSERVED) == StatusChange(OBSERVED, None)
    assert change_of(OBSERVED, other) == StatusChange(other, None)
    assert change_of(OBSERVED, replace(OBSERVED, version=9)) is None
    assert change_of(OBSERVED, nothing) is None


def test_the_report_id_is_the_same_each_time_and_another_for_each_version() -> None:
    assert change(row(version=7)).report_id == change(row(version=7)).report_id == f"{SERVICE}/{ENDPOINT}/7"


# How many e-mails


@pytest.mark.parametrize("count", range(6))
def test_up_to_five_changes_are_mailed_one_by_one(count: int) -> None:
    told = mails_of([change(row())] * count, [], EVERY_STATUS, INSTALLATION)

    assert [one.subject for one in told] == [mail(row()).subject] * count


@pytest.mark.parametrize("count", [6, 7, 100])
def test_more_than_five_changes_become_one_digest(count: int) -> None:
    (digest,) = mails_of([change(ROWS[Status.HELD]), *[change(row())] * (count - 1)], [], EVERY_STATUS, INSTALLATION)

    assert digest.subject == f"[Autopilot] {count} connections changed, 1 need a person"
    assert digest.text.startswith(f"{count} connections changed. 1 of them need a person.\n")
    assert digest.text.count(ENDPOINT) >= count
    assert "HELD payments" in digest.text
    assert "Held: no entry allows it." in digest.text
    assert len(digest.document["changes"]) == count  # type: ignore[arg-type]


def test_a_digest_without_a_decision_to_make_says_so() -> None:
    (digest,) = mails_of([change(row())] * 3 + [change(OBSERVED)] * 3, [], EVERY_STATUS, INSTALLATION)

    assert "None of them needs a person." in digest.text
    assert "would be accepted: account is listed" in digest.text


def test_only_the_chosen_statuses_are_mailed_and_every_observation() -> None:
    everything = [*map(change, ROWS.values()), change(OBSERVED)]

    told = mails_of(everything, [], {Status.HELD, Status.DNS_BLOCKED}, INSTALLATION)

    assert [one.subject.split()[1] for one in told] == ["HELD", "DNS-BLOCKED", "OBSERVED"]
    assert mails_of([*map(change, ROWS.values())], [], set(), INSTALLATION) == ()


@given(st.lists(changes, max_size=12), st.lists(st.builds(Notice, foreign, foreign), max_size=12))
def test_a_batch_never_sends_more_than_the_ten_that_sns_bears(
    told: Sequence[StatusChange], notices: Sequence[Notice]
) -> None:
    assert len(mails_of(told, notices, EVERY_STATUS, INSTALLATION)) <= 10


def test_many_notices_become_one_with_all_they_say() -> None:
    notices = [Notice(f"CHECK THE TAGS of {number}", f"text {number}") for number in range(6)]

    (told,) = mails_of([], notices, EVERY_STATUS, INSTALLATION)

    assert told.subject == "[Autopilot] 6 notices"
    assert all(notice.subject in told.text and notice.text in told.text for notice in notices)


def test_a_notice_is_mailed_whatever_the_chosen_statuses() -> None:
    (told,) = mails_of([], [Notice("INSTALLED", "It observes.\n\nIt manages 1 service.")], set(), INSTALLATION)

    assert (told.subject, told.text) == ("[Autopilot] INSTALLED", "It observes.\n\nIt manages 1 service.\n")
    assert told.document == {"notice": "INSTALLED", "text": "It observes.\n\nIt manages 1 service."}


# What an e-mail says


@pytest.mark.parametrize(
    ("told", "call"),
    [
        (ROWS[Status.HELD], "Somebody must act: see the command below."),
        (ROWS[Status.ACCEPTED], "You need not act."),
        (ROWS[Status.READY], "You need not act."),
        (ROWS[Status.CONNECTED], "Somebody must act: see the command below."),
        (ROWS[Status.DNS_BLOCKED], "Somebody must act: what to do is said next."),
        (ROWS[Status.REJECTED], "You need not act."),
        (ROWS[Status.REVOKED], "You need not act."),
        (ROWS[Status.RETIRED], "You need not act."),
        (ROWS[Status.FAILED], "Somebody must look."),
        (OBSERVED, "You need not act: Autopilot only observes and changed nothing."),
    ],
)
def test_the_body_says_first_whether_to_act(told: LedgerRow, call: str) -> None:
    text = mail(told).text

    assert text.startswith(f"{call}\n\n")
    assert "below" not in call or len(commands(mail(told))) > 1


def test_the_subject_says_what_happened_to_whom() -> None:
    assert mail(ROWS[Status.HELD]).subject == f"[Autopilot] HELD payments <- {CONSUMER}: your decision needed"
    assert mail(OBSERVED).subject == f"[Autopilot] OBSERVED payments <- {CONSUMER}: nothing was changed"


def test_the_body_has_everything_to_find_the_endpoint_and_its_name() -> None:
    text = mail(row()).text

    for fact in (
        f"{SERVICE} (payments)",
        ENDPOINT,
        CONSUMER,
        REGION,
        VPC,
        "eni-0a000000000000e01 10.20.1.31 in euc1-az2",
        f"api.{ZONE} -> {regional_name()}",
        "2026-03-02 09:14:06 UTC requested",
        "2026-03-02 09:16:12 UTC present",
    ):
        assert fact in text


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (row(reason="accepted: listed"), "The VPC resolves the name. Accepted: listed."),
        (ROWS[Status.HELD], "Held: no entry allows it."),
        (ROWS[Status.REVOKED], "Revoked: the entry expired."),
        (ROWS[Status.REJECTED], "Rejected: the account is blocked."),
        (ROWS[Status.FAILED], "AWS reports the state failed."),
        (row(Acceptance.ACCEPTED, Dns.ABSENT, AwsState.REJECTED), "AWS reports the state rejected."),
        (row(Acceptance.HELD, Dns.NONE, AwsState.REJECTED), "AWS reports the state rejected."),
        (
            row(dns=Dns.BEHIND, state=AwsState.DELETED, dns_reason="the names stay behind"),
            "AWS reports the state deleted. The names stay behind.",
        ),
        (row(dns=Dns.NONE, state=AwsState.PENDING, reason=""), "AWS reports the state pending."),
        (OBSERVED, "would be accepted: account is listed"),
    ],
)
def test_the_reason_is_of_this_status_and_not_of_an_earlier_one(told: LedgerRow, reason: str) -> None:
    assert mail(told).text.split("\n\n")[1] == reason
    assert event_of(change(told)).detail["reason"] == reason


@pytest.mark.parametrize("status", [Status.REJECTED, Status.REVOKED, Status.RETIRED])
def test_a_name_that_was_removed_is_not_shown_as_there(status: Status) -> None:
    assert f"api.{ZONE} ->" not in mail(ROWS[status]).text


def test_what_was_done_is_not_told_as_only_observed() -> None:
    done = replace(row(), acceptance=OBSERVED.acceptance)

    told = mail(done, before=Status.ACCEPTED)

    assert done.would
    assert told.subject.startswith("[Autopilot] READY ")
    assert told.text.startswith("You need not act.\n")
    assert "would be accepted: account is listed" in told.text


# Commands


@pytest.mark.parametrize("told", [*ROWS.values(), OBSERVED])
def test_every_command_is_one_line_of_a_shell_with_its_region(told: LedgerRow) -> None:
    for command in commands(mail(told)):
        assert shlex.split(command)[0] == "aws"
        assert options(command)["--region"] == REGION


@pytest.mark.parametrize("told", [*ROWS.values(), OBSERVED])
def test_the_last_command_shows_the_whole_row(told: LedgerRow) -> None:
    found = options(commands(mail(told))[-1])

    assert found["--table-name"] == "ledger"
    assert json.loads(found["--key"]) == {"service_id": {"S": SERVICE}, "endpoint_id": {"S": ENDPOINT}}


def test_who_is_held_can_be_allowed_or_rejected() -> None:
    allow, reject, _ = commands(mail(ROWS[Status.HELD]))

    assert allow.startswith("aws dynamodb put-item ")
    assert options(allow)["--table-name"] == "allowlist"
    assert json.loads(options(allow)["--item"]) == {"principal": {"S": CONSUMER}, "service_id": {"S": SERVICE}}
    assert reject.startswith("aws ec2 reject-vpc-endpoint-connections ")
    assert (options(reject)["--service-id"], options(reject)["--vpc-endpoint-ids"]) == (SERVICE, ENDPOINT)


def test_where_no_role_is_the_consumer_is_told_how_to_deploy_it() -> None:
    deploy, _ = commands(mail(ROWS[Status.CONNECTED]))

    assert deploy.startswith("aws cloudformation deploy ")
    assert options(deploy)["--template-file"] == "consumer/template.yaml"
    assert shlex.split(deploy)[-3:] == shlex.split(PARAMETERS)
    assert f"AllowedRecordNames={ZONE},*.{ZONE}" in shlex.split(deploy)


def test_where_no_names_are_declared_the_tags_are_ready() -> None:
    tag, _ = commands(mail(row(dns=Dns.UNDECLARED)))

    assert options(tag)["--resources"] == SERVICE
    assert {"Key=autopilot:zone,Value=payments.example.com", "Key=autopilot:records,Value=api"} <= set(shlex.split(tag))


def test_the_documents_commands_are_the_bodys() -> None:
    told = mail(ROWS[Status.HELD])

    assert told.document["commands"] == commands(told)[:-1]
    assert mail(OBSERVED).document["commands"] == []


# For machines


@pytest.mark.parametrize("status", Status)
def test_an_event_has_the_status_the_one_before_and_no_commands(status: Status) -> None:
    detail = event_of(change(ROWS[status], Status.ACCEPTED)).detail

    assert (detail["status"], detail["previous_status"]) == (status.value, "accepted")
    assert "commands" not in detail
    assert json.loads(json.dumps(detail)) == detail


def test_an_event_of_an_observation_has_no_status_and_what_would_be_done() -> None:
    detail = event_of(change(OBSERVED)).detail

    assert (detail["status"], detail["would"]) == (None, "would be accepted: account is listed")
    assert event_of(change(row())).detail["would"] is None


# Foreign text


@given(st.lists(changes, max_size=7), st.lists(st.builds(Notice, foreign, foreign), max_size=7))
def test_nothing_that_a_terminal_acts_on_gets_through(told: Sequence[StatusChange], notices: Sequence[Notice]) -> None:
    for one in mails_of(told, notices, EVERY_STATUS, INSTALLATION):
        assert 1 <= len(one.subject) <= 100
        assert one.subject.isascii()
        assert one.subject.isprintable()
        assert one.subject.startswith("[Autopilot] ")
        assert is_harmless(one.text)
        assert json.loads(json.dumps(one.document)) == one.document


@given(changes)
def test_whatever_the_text_the_commands_are_the_same(told: StatusChange) -> None:
    (one,) = mails_of([told], [], EVERY_STATUS, INSTALLATION)
    tame = replace(told.row, service_title="payments")

    assert commands(one) == commands(mail(tame, told.before))


@given(foreign)
def test_plain_text_keeps_its_length_and_what_is_printable(text: str) -> None:
    shown = plain(text)

    assert shown.isprintable()
    assert len(shown) == len(text)
    assert all(new in (old, "?") for old, new in zip(text, shown, strict=True))
    assert plain(shown) == shown


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\r", "\u202egnp", "\u2028", "\ud800", "\x00", "\x9b", "\u200b"])
def test_what_a_terminal_or_a_mail_header_would_act_on_becomes_a_question_mark(text: str) -> None:
    told = mail(row(title=text))

    assert "?" in told.subject
    assert text not in told.subject + told.text


def test_a_long_title_leaves_a_subject_of_a_hundred_characters() -> None:
    assert len(mail(row(title="p" * 300)).subject) == 100
    assert mail(row(title="p" * 300)).subject.endswith("...")
    assert mail(row(title="Zahlungen 💶 für alle")).subject.startswith("[Autopilot] READY Zahlungen ? f?r alle <-")
