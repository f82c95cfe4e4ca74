"""Changes of status and notices, as people read them in an e-mail."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from autopilot.domain.commands import Command, Installation, commands_for, show
from autopilot.domain.connection import Dns, LedgerRow, Status
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.message_size import fitted, shortened
from autopilot.domain.report import Notice, StatusChange, document_of, handover_of, is_disconnected, reason_of

_LONGEST_SUBJECT = 100
_MOST_SINGLE_MAILS = 5
# Hundreds of names would hide the command below them.
_MOST_FACTS_OF_A_KIND = 50
_LONGEST_REASON = 2000
# SNS takes 256 KB a message: of what a digest has for programs, and for people.
_DOCUMENTS_OF_A_DIGEST_BYTES = 128 * 1024
_MOST_COMMANDS_IN_A_DIGEST = 20
_LONGEST_REASON_IN_A_DIGEST = 300

_CALLS = {
    Status.HELD: "your decision needed",
    Status.ACCEPTED: "AWS makes it available",
    Status.READY: "the name resolves to the endpoint",
    Status.CONNECTED: "usable, without names",
    Status.DNS_BLOCKED: "usable, a name cannot be written",
    Status.REJECTED: "rejected",
    Status.REVOKED: "no entry accepts it any more",
    Status.RETIRED: "the endpoint is gone",
    Status.FAILED: "look at it",
}
_NEEDS_A_PERSON = frozenset({Status.HELD, Status.CONNECTED, Status.DNS_BLOCKED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Mail:
    """subject: at most 100 printable ASCII characters, as SNS demands. document: the same for programs."""

    subject: str
    text: str
    document: Mapping[str, object]


def mails_of(
    changes: Sequence[StatusChange],
    notices: Sequence[Notice],
    mailed: Collection[Status],
    installation: Installation,
) -> tuple[Mail, ...]:
    """One e-mail a change and a notice, or one digest of either when they are more than five.

    SNS suspends an e-mail subscription above ten messages a second.
    """
    wanted = [
        change
        for change in changes
        if not change.is_of_a_takeover and (change.is_observed or change.row.status in mailed)
    ]
    if len(notices) > _MOST_SINGLE_MAILS:
        text = "\n\n".join(f"{notice.subject}\n{notice.text}" for notice in notices)
        notices = [Notice(f"{len(notices)} notices", text)]
    told = [_notice_mail(notice) for notice in notices]
    if len(wanted) > _MOST_SINGLE_MAILS:
        return (*told, _digest(wanted, installation))
    return (*told, *(_mail(change, installation) for change in wanted))


def plain(text: str) -> str:
    """Foreign text made harmless: names, notes and tags are shown, never interpreted."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _subject(text: str) -> str:
    """SNS: at most 100 printable ASCII characters, no line break."""
    ascii_only = "".join(character if character.isascii() else "?" for character in plain(text))
    return ascii_only if len(ascii_only) <= _LONGEST_SUBJECT else ascii_only[: _LONGEST_SUBJECT - 3] + "..."


def _headline(change: StatusChange) -> str:
    row = change.row
    who = " ".join(filter(None, (row.connection.owner, row.acceptance.owner_name)))
    if change.is_observed:
        return f"OBSERVED {row.service_title} <- {who}: nothing was changed"
    assert row.status is not None
    status = f"STILL {row.status}" if change.is_reminder else row.status
    call = "disconnected" if is_disconnected(row) else _CALLS[row.status]
    if row.status is change.before is Status.READY:
        call = "what it serves changed"
    if row.status is Status.CONNECTED and row.dns.written:
        call = "usable, nobody keeps its names"
    return f"{status.upper()} {row.service_title} <- {who}: {call}"


def _mail(change: StatusChange, installation: Installation) -> Mail:
    row = change.row
    commands = [] if change.is_observed else commands_for(row, installation)
    paragraphs = [
        _must_act(change, commands, installation),
        plain(shortened(reason_of(change), _LONGEST_REASON)),
        "\n".join(f"{name + ':':<13}{plain(shortened(value, _LONGEST_REASON))}" for name, value in _facts(row)),
        *(f"{command.purpose}\n\n    {command.line}" for command in commands),
        *_by_hand(change, installation),
        f"Everything Autopilot knows of it:\n\n    {show(row, installation)}",
    ]
    document = {**document_of(change), "commands": [command.line for command in commands]}
    return Mail(_subject(f"[Autopilot] {_headline(change)}"), "\n\n".join(paragraphs) + "\n", document)


def _by_hand(change: StatusChange, installation: Installation) -> list[str]:
    """How the consumer's account makes the names without a role for us, for the provider to pass on."""
    found = handover_of(change, installation.record_ttl)
    if found is None:
        return []
    account = change.row.connection.owner
    told = [f"Or account {account} makes the names itself, with these commands:\n\n{_indented(found.commands)}"]
    if found.template:
        told.append(f"Or with this CloudFormation template:\n\n{_indented(found.template)}")
    return told


def _indented(text: str) -> str:
    return "\n".join(f"    {plain(line)}" for line in text.splitlines())


def _needs_a_person(change: StatusChange, installation: Installation) -> bool:
    is_kept = change.row.status is Status.REVOKED and not is_disconnected(change.row)
    decides = is_kept and installation.on_revoked is OnRevoked.KEEP
    is_wanted_so = change.row.status is Status.CONNECTED and change.row.dns.value is Dns.DECLINED
    needs = decides or (change.row.status in _NEEDS_A_PERSON and not is_wanted_so)
    return not change.is_observed and needs


def _must_act(change: StatusChange, commands: Sequence[Command], installation: Installation) -> str:
    row = change.row
    if change.is_observed:
        return "You need not act: Autopilot only observes and changed nothing."
    match row.status:
        case Status.FAILED:
            return "Somebody must look."
        case Status.HELD if row.acceptance.refusal:
            return "You need not act: it is tried again by itself. The commands below are for who cannot wait."
        case Status.CONNECTED if row.dns.value is Dns.DECLINED:
            return "You need not act: the consumer wants it so."
        case Status.REVOKED if not is_disconnected(row):
            if installation.on_revoked is OnRevoked.REJECT:
                return "You need act only to keep it: one of the next sweeps disconnects it."
            return "Somebody must decide: it stays connected, see the commands below."
        case status if status in _NEEDS_A_PERSON:
            return f"Somebody must act: {'see the command below' if commands else 'what to do is said next'}."
        case _:
            return "You need not act."


def _facts(row: LedgerRow) -> list[tuple[str, str]]:
    return [
        *_first_of_a_kind(facts_of(row)),
        *(("Timeline", f"{moment.at:%Y-%m-%d %H:%M:%S} UTC {moment.what}") for moment in row.timeline),
    ]


def _first_of_a_kind(facts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    first: list[tuple[str, str]] = []
    for kind, found in groupby(facts, key=itemgetter(0)):
        every = list(found)
        first += every[:_MOST_FACTS_OF_A_KIND]
        if (more := len(every) - _MOST_FACTS_OF_A_KIND) > 0:
            first.append((kind, f"and {more} more"))
    return first


def facts_of(row: LedgerRow) -> list[tuple[str, str]]:
    """What is known of the connection, but its history: foreign text in it is not made plain yet."""
    connection, dns = row.connection, row.dns
    facts = [
        ("Service", f"{row.ref.service_id} ({row.service_title})"),
        ("Endpoint", row.ref.endpoint_id),
        ("Account", _account(row)),
        ("Region", connection.region),
        ("AWS state", connection.state),
    ]
    if row.status is Status.HELD and connection.created_at:
        facts.append(("Since", f"{connection.created_at:%Y-%m-%d %H:%M:%S} UTC"))
    if dns.vpc_id:
        facts.append(("VPC", dns.vpc_id))
    facts += [
        ("Interface", f"{interface.interface_id} {interface.address} in {interface.availability_zone_id}")
        for interface in dns.interfaces
    ]
    if dns.value is not Dns.ABSENT:
        facts += [("Name", f"{name} -> {target}") for name, target in dns.records]
    facts += [("Check", check) for check in dns.all_checks if dns.value is not Dns.ABSENT]
    if row.would:
        facts.append(("Observed", row.would))
    return facts


def _account(row: LedgerRow) -> str:
    """`222222222222 (team-x in Workloads/Prod)`, as far as Organizations tells."""
    name, path = row.acceptance.owner_name, row.acceptance.owner_path
    where = " in ".join(filter(None, (name, path)))
    return f"{row.connection.owner} ({where})" if where else row.connection.owner


def _notice_mail(notice: Notice) -> Mail:
    return Mail(
        _subject(f"[Autopilot] {notice.subject}"),
        "\n".join(plain(line) for line in notice.text.splitlines()) + "\n",
        {"notice": notice.subject, "text": notice.text},
    )


def _digest(changes: Sequence[StatusChange], installation: Installation) -> Mail:
    """Many changes in one e-mail; the first of them that need a person with their commands.

    Programs get of each change what fits; all of it is on the bus.
    """
    waiting = [change for change in changes if _needs_a_person(change, installation)]
    with_commands = waiting[:_MOST_COMMANDS_IN_A_DIGEST]
    lines = []
    for change in changes:
        reason = plain(shortened(reason_of(change), _LONGEST_REASON_IN_A_DIGEST))
        lines.append(f"{plain(_headline(change))}\n    {change.row.ref.endpoint_id}: {reason}")
        if change in with_commands:
            lines += [f"    {command.line}" for command in commands_for(change.row, installation)]
    call = f"{len(waiting)} of them need a person." if waiting else "None of them needs a person."
    text = "\n".join(lines)
    return Mail(
        _subject(f"[Autopilot] {len(changes)} connections changed, {len(waiting)} need a person"),
        f"{len(changes)} connections changed. {call}\n\n{text}\n",
        {"changes": [fitted(document_of(change), _DOCUMENTS_OF_A_DIGEST_BYTES // len(changes)) for change in changes]},
    )
