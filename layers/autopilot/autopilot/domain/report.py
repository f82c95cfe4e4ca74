"""Changes of status, as people and machines read them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from autopilot.domain.connection import Acceptance, Dns, LedgerRow, Status
from autopilot.domain.dns_plan import Autopilot

_LONGEST_SUBJECT = 100
_MOST_SINGLE_MAILS = 5

_CALLS = {
    Status.HELD: "your decision needed",
    Status.ACCEPTED: "AWS makes it available",
    Status.READY: "the name resolves to the endpoint",
    Status.CONNECTED: "usable, without names",
    Status.DNS_BLOCKED: "usable, a name cannot be written",
    Status.REJECTED: "rejected",
    Status.REVOKED: "disconnected",
    Status.RETIRED: "gone, DNS removed",
    Status.FAILED: "look at it",
}
_NEEDS_A_PERSON = frozenset({Status.HELD, Status.CONNECTED, Status.DNS_BLOCKED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A row whose status, or whose `would` in observe mode, is not what it was.

    report_id: the same each time this change is told, so that a reader can drop a repetition.
    """

    row: LedgerRow
    before: Status | None

    @property
    def report_id(self) -> str:
        return f"{self.row.ref.service_id}/{self.row.ref.endpoint_id}/{self.row.version}"

    @property
    def is_observed(self) -> bool:
        """Only `would` is news. A change of status is told as one, whatever was observed before."""
        return self.row.status in (None, self.before)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell that is about no single connection: a service's wrong tags, the first inventory."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """subject: at most 100 printable ASCII characters, as SNS demands. document: the same for programs."""

    subject: str
    text: str
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """The `detail` of one `Connection Status Changed` event on the bus."""

    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Installation:
    """What the commands in a report need to know of the deployment.

    consumer_parameters: the parameters of the consumer's stack, as `aws cloudformation deploy` takes them.
    """

    autopilot: Autopilot
    consumer_parameters: str
    allowlist_table: str
    ledger_table: str


def change_of(before: LedgerRow | None, after: LedgerRow) -> StatusChange | None:
    """The change to tell between two images of a row, or None.

    A status that cannot be told yet is no change, and neither is a row that only got a new version.
    """
    old_status, old_would = (before.status, before.would) if before else (None, "")
    told = after.status is not None and after.status is not old_status
    return StatusChange(after, old_status) if told or (after.would and after.would != old_would) else None


def event_of(change: StatusChange) -> ConnectionEvent:
    """The change for machines, commands left out."""
    return ConnectionEvent(_document(change))


def mails_of(
    changes: Sequence[StatusChange],
    notices: Sequence[Notice],
    mailed: Collection[Status],
    installation: Installation,
) -> tuple[Mail, ...]:
    """One e-mail a change and a notice, or one digest of either when they are more than five.

    SNS suspends an e-mail subscription above ten messages a second.
    """
    wanted = [change for change in changes if change.is_observed or change.row.status in mailed]
    if len(notices) > _MOST_SINGLE_MAILS:
        text = "\n\n".join(f"{notice.subject}\n{notice.text}" for notice in notices)
        notices = [Notice(f"{len(notices)} notices", text)]
    told = [_notice_mail(notice) for notice in notices]
    if len(wanted) > _MOST_SINGLE_MAILS:
        return (*told, _digest(wanted))
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
    if change.is_observed:
        return f"OBSERVED {row.service_title} <- {row.connection.owner}: nothing was changed"
    assert row.status is not None
    return f"{row.status.upper()} {row.service_title} <- {row.connection.owner}: {_CALLS[row.status]}"


def _reason(change: StatusChange) -> str:
    """Why the status is what it is: a facet's sentence only where that facet made it so."""
    row = change.row
    if change.is_observed:
        return row.would
    acceptance, dns = _sentence(row.acceptance.reason), _sentence(row.dns.reason)
    state = f"AWS reports the state {row.connection.state}."
    match row.status:
        case Status.READY | Status.CONNECTED | Status.DNS_BLOCKED | Status.RETIRED:
            sentences = dns, acceptance
        case Status.FAILED:
            sentences = state, dns
        case Status.REJECTED if row.acceptance.value not in (Acceptance.REJECTING, Acceptance.REJECTED):
            sentences = state, ""
        case _:
            sentences = acceptance or state, ""
    return " ".join(filter(None, sentences))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].removesuffix('.')}." if text else ""


def _mail(change: StatusChange, installation: Installation) -> Mail:
    row = change.row
    commands = [] if change.is_observed else _commands(row, installation)
    paragraphs = [
        _must_act(change, bool(commands)),
        plain(_reason(change)),
        "\n".join(f"{name + ':':<13}{plain(value)}" for name, value in _facts(row)),
        *(f"{purpose}\n\n    {command}" for purpose, command in commands),
        f"Everything Autopilot knows of it:\n\n    {_ledger_command(row, installation)}",
    ]
    document = {**_document(change), "commands": [command for _, command in commands]}
    return Mail(_subject(f"[Autopilot] {_headline(change)}"), "\n\n".join(paragraphs) + "\n", document)


def _must_act(change: StatusChange, has_command: bool) -> str:
    if change.is_observed:
        return "You need not act: Autopilot only observes and changed nothing."
    if change.row.status is Status.FAILED:
        return "Somebody must look."
    if change.row.status in _NEEDS_A_PERSON:
        return f"Somebody must act: {'see the command below' if has_command else 'what to do is said next'}."
    return "You need not act."


def _facts(row: LedgerRow) -> list[tuple[str, str]]:
    connection, dns = row.connection, row.dns
    facts = [
        ("Service", f"{row.ref.service_id} ({row.service_title})"),
        ("Endpoint", row.ref.endpoint_id),
        ("Account", connection.owner),
        ("Region", connection.region),
        ("AWS state", connection.state),
    ]
    if dns.vpc_id:
        facts.append(("VPC", dns.vpc_id))
    facts += [
        ("Interface", f"{interface.interface_id} {interface.address} in {interface.availability_zone_id}")
        for interface in dns.interfaces
    ]
    if dns.value is not Dns.ABSENT:
        facts += [("Name", f"{name} -> {target}") for name, target in dns.records]
    if row.would:
        facts.append(("Observed", row.would))
    facts += [("Timeline", f"{moment.at:%Y-%m-%d %H:%M:%S} UTC {moment.what}") for moment in row.timeline]
    return facts


def _commands(row: LedgerRow, installation: Installation) -> list[tuple[str, str]]:
    """What a person can run next, each with its purpose."""
    service_id, endpoint_id = row.ref.service_id, row.ref.endpoint_id
    region = installation.autopilot.region
    if row.status is Status.HELD:
        item = f'{{"principal":{{"S":"{row.connection.owner}"}},"service_id":{{"S":"{service_id}"}}}}'
        return [
            (
                f"To allow every endpoint of account {row.connection.owner} to this service:",
                f"aws dynamodb put-item --region {region} --table-name {installation.allowlist_table} "
                f"--item {shlex.quote(item)}",
            ),
            (
                "To reject this endpoint:",
                f"aws ec2 reject-vpc-endpoint-connections --region {region} --service-id {service_id} "
                f"--vpc-endpoint-ids {endpoint_id}",
            ),
        ]
    if row.status is Status.CONNECTED and row.dns.value is Dns.UNDECLARED:
        return [
            (
                "To have names written, declare the names of the service's certificate:",
                f"aws ec2 create-tags --region {region} --resources {service_id} "
                "--tags Key=autopilot:zone,Value=payments.example.com Key=autopilot:records,Value=api",
            )
        ]
    if row.status is Status.CONNECTED:
        return [
            (
                f"To have names written, account {row.connection.owner} deploys the consumer role:",
                f"aws cloudformation deploy --region {row.connection.region} --template-file consumer/template.yaml "
                f"--stack-name privatelink-autopilot-consumer --capabilities CAPABILITY_NAMED_IAM "
                f"--parameter-overrides {installation.consumer_parameters}",
            )
        ]
    return []


def _ledger_command(row: LedgerRow, installation: Installation) -> str:
    key = f'{{"service_id":{{"S":"{row.ref.service_id}"}},"endpoint_id":{{"S":"{row.ref.endpoint_id}"}}}}'
    return (
        f"aws dynamodb get-item --region {installation.autopilot.region} --table-name {installation.ledger_table} "
        f"--key {shlex.quote(key)}"
    )


def _notice_mail(notice: Notice) -> Mail:
    return Mail(
        _subject(f"[Autopilot] {notice.subject}"),
        "\n".join(plain(line) for line in notice.text.splitlines()) + "\n",
        {"notice": notice.subject, "text": notice.text},
    )


def _digest(changes: Sequence[StatusChange]) -> Mail:
    waiting = sum(change.row.status in _NEEDS_A_PERSON and not change.is_observed for change in changes)
    lines = "\n".join(
        f"{plain(_headline(change))}\n    {change.row.ref.endpoint_id}: {plain(_reason(change))}" for change in changes
    )
    call = f"{waiting} of them need a person." if waiting else "None of them needs a person."
    return Mail(
        _subject(f"[Autopilot] {len(changes)} connections changed, {waiting} need a person"),
        f"{len(changes)} connections changed. {call}\n\n{lines}\n",
        {"changes": [_document(change) for change in changes]},
    )


def _document(change: StatusChange) -> dict[str, object]:
    row = change.row
    return {
        "report_id": change.report_id,
        "service_id": row.ref.service_id,
        "service": row.service_title,
        "endpoint_id": row.ref.endpoint_id,
        "account": row.connection.owner,
        "region": row.connection.region,
        "state": row.connection.state.value,
        "status": row.status.value if row.status else None,
        "previous_status": change.before.value if change.before else None,
        "reason": _reason(change),
        "decided_by": row.acceptance.decided_by,
        "would": row.would or None,
        "vpc_id": row.dns.vpc_id,
        "names": dict(row.dns.records),
        "seen_by": row.seen_by,
    }
