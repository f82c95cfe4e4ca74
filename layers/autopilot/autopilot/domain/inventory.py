"""The summaries: what is managed, what stood before, and what the brake stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from autopilot.domain.commands import allow_disruptions
from autopilot.domain.connection import Dns, LedgerRow, Status
from autopilot.domain.disruption import Brake
from autopilot.domain.listener import Certificate
from autopilot.domain.mails import plain
from autopilot.domain.service import OPT_IN_TAG, OPT_IN_VALUE, EndpointService

_LONGEST_LIST = 50
_TRAIL = {
    True: "A CloudTrail trail logs management events here, so a person's Accept or Reject is seen at once.",
    False: "No CloudTrail trail logs here: changes are found by the sweep, minutes later. Create a trail.",
    None: "CloudTrail does not say whether a trail logs management events here: without one, changes are found by the "
    "sweep, minutes later.",
}


def installed(
    services: Sequence[EndpointService],
    rows: Mapping[str, Sequence[LedgerRow]],
    listed: int,
    is_observing: bool,
    is_trail_logging: bool | None,
    region: str,
) -> str:
    """The one e-mail after the first deployment.

    rows: by service id, of the connections that stood before. is_trail_logging: None where CloudTrail did not say.
    """
    managed = [service for service in services if service.managed]
    others = [service for service in services if not service.managed]
    lines = [
        f"PrivateLink Autopilot is installed and {'observes' if is_observing else 'acts'}.",
        f"It manages {len(managed)} of {len(services)} endpoint services, with {listed} connections.",
        "",
        *(f"managed      {service.service_id} ({service.title}): {_declaration(service)}" for service in managed),
        *(f"not managed  {service.service_id} ({service.title})" for service in others),
    ]
    if others:
        tags = f"--tags Key={OPT_IN_TAG},Value={OPT_IN_VALUE}"
        commands = (f"    aws ec2 create-tags --region {region} --resources {one.service_id} {tags}" for one in others)
        lines += ["", "To have one managed, tag it:", "", *_shortened(commands)]
    if before := [row for of_service in rows.values() for row in of_service]:
        lines += ["", *_stood_before(before, is_observing)]
    lines += ["", _TRAIL[is_trail_logging]]
    return "\n".join(lines)


def taken_over(service: EndpointService, rows: Sequence[LedgerRow], is_observing: bool) -> str:
    """The e-mail after a service was handed to Autopilot. rows: of the connections that stood before."""
    lines = [f"{service.service_id} ({service.title}) is managed now: {_declaration(service)}."]
    if rows:
        lines += ["", *_stood_before(rows, is_observing)]
    return "\n".join(lines)


def stopped(
    revoked: Sequence[LedgerRow], leaving: Sequence[LedgerRow], brake: Brake, region: str, ledger_table: str
) -> str:
    """The brake is on: what would be disconnected or lose its names, and what a person can do."""
    lines: list[str] = []
    if revoked:
        lines.append(
            f"{len(revoked)} connections would be disconnected, as no entry of the allowlist accepts them any more."
        )
    if leaving:
        lines.append(f"{len(leaving)} connections would lose names that work, as the service declares them no longer.")
    return "\n".join(
        [
            *lines,
            f"Together with the {brake.taken} of this day that is more than MaxDisruptions allows. "
            "Nothing was disconnected or removed.",
            "",
            *_shortened(f"{row.ref} of account {row.connection.owner}: {row.acceptance.reason}" for row in revoked),
            *_shortened(
                f"{row.ref} of account {row.connection.owner}: {', '.join(moment.what for moment in row.dns.leaving)}"
                for row in leaving
            ),
            "",
            "To keep them, put their entries or the service's tags back. To have it all done:",
            "",
            f"    {allow_disruptions(brake.taken + len(revoked) + len(leaving), region, ledger_table)}",
        ]
    )


def stuck(rows: Sequence[LedgerRow]) -> str:
    """The e-mail about connections that nothing happens to any more, though nobody was told to act."""
    return "\n".join(
        [
            f"{len(rows)} connections should have come further by now. Autopilot goes on trying at each sweep.",
            "Look at the runbook, and in the functions' logs for the endpoint.",
            "",
            *_shortened(map(_where_it_stands, sorted(rows, key=lambda row: row.ref))),
        ]
    )


def _where_it_stands(row: LedgerRow) -> str:
    since = f", since {row.timeline[-1].at:%Y-%m-%d %H:%M} UTC" if row.timeline else ""
    failing = (
        f"; its DNS could not be looked at since {row.failing_since:%Y-%m-%d %H:%M} UTC" if row.failing_since else ""
    )
    facets = f"acceptance {row.acceptance.value}, DNS {row.dns.value}{since}"
    return f"{row.ref} of account {row.connection.owner}: AWS's state {row.connection.state}, {facets}{failing}"


def nobody_hears(topics: Sequence[str], region: str) -> str:
    """The e-mail, to whoever hears of the other topic, that one has no confirmed subscription."""
    subscribe = f"aws sns subscribe --region {region} --protocol email --notification-endpoint YOU@EXAMPLE.COM"
    return "\n".join(
        [
            "Nobody has confirmed a subscription, so nobody is told of what goes here:",
            "",
            *topics,
            "",
            "A confirmation that AWS sent is valid for two days. To have another one:",
            "",
            *(f"    {subscribe} --topic-arn {topic}" for topic in topics),
        ]
    )


def no_longer_managed(service: EndpointService) -> str:
    """The e-mail after a service was taken out of Autopilot's hands."""
    return "\n".join(
        [
            f"{service.service_id} ({service.title}) no longer has the tag {OPT_IN_TAG}={OPT_IN_VALUE}: hands off.",
            "Its connections and their names stay as they are, also when their endpoints or the service go.",
            "",
            "To have it managed again:",
            "",
            f"    aws ec2 create-tags --region {service.region} --resources {service.service_id} "
            f"--tags Key={OPT_IN_TAG},Value={OPT_IN_VALUE}",
        ]
    )


def service_ended(service_id: str) -> str:
    """The e-mail once a service that was managed does not exist any more."""
    return (
        f"The endpoint service {service_id} does not exist any more. Whatever Autopilot wrote for its connections was "
        "taken away; nothing is left to do."
    )


def expires(services: Sequence[EndpointService], certificate: Certificate) -> str:
    """The e-mail before a certificate ends, or once it has."""
    names = ", ".join(certificate.names[:_LONGEST_LIST])
    of = ", ".join(f"{service.service_id} ({service.title})" for service in services[:_LONGEST_LIST])
    return "\n".join(
        [
            f"The certificate {certificate.arn} of {of} ends on {certificate.not_after:%Y-%m-%d %H:%M} UTC.",
            f"It is for {names}. From then on no client will accept it: renew it, or give the listener another one.",
        ]
    )


def _declaration(service: EndpointService) -> str:
    return ", ".join(name.fqdn for name in service.names) or "no names declared"


def _stood_before(rows: Sequence[LedgerRow], is_observing: bool) -> list[str]:
    lines = [f"{len(rows)} connections stood before. They are adopted: Autopilot writes their names and never"]
    lines.append("disconnects them.")
    if is_observing:
        return [*lines, *_shortened(f"{row.ref}: {row.would}" for row in rows)]
    counts = Counter(row.status or "under way" for row in rows)
    lines += ["", *(f"{count:>6} {status}" for status, count in sorted(counts.items()))]
    roleless = sorted({row.connection.owner for row in rows if row.dns.value is Dns.NO_ROLE})
    if roleless:
        lines += ["", "Names can be written once these accounts deploy the consumer's stack (output DeployConsumer):"]
        lines += _shortened(roleless)
    blocked = [row for row in rows if row.status is Status.DNS_BLOCKED]
    if blocked:
        lines += ["", "Names that could not be written:"]
        lines += _shortened(f"{row.ref} of account {row.connection.owner}: {row.dns.reason}" for row in blocked)
    return lines


def _shortened(lines: Iterable[str]) -> list[str]:
    """The first of them. What others named may stand in a line, and must not begin another one."""
    every = [plain(line) for line in lines]
    more = len(every) - _LONGEST_LIST
    return every[:_LONGEST_LIST] + ([f"and {more} more"] if more > 0 else [])
