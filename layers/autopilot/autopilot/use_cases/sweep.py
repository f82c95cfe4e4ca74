"""Find what the events missed: the truth against the ledger, both ways. It only enqueues and gives notice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from autopilot.domain.connection import Acceptance, AwsState, Connection, Dns, LedgerRow
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.domain.service import OPT_IN_TAG, OPT_IN_VALUE, EndpointService
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.ports import EndpointServices, Ledger, Queue, Trails

logger = Logger(child=True)

_INSTALLED = "INSTALLED"
_RETRY_UNIT = timedelta(minutes=5)
_LONGEST_PAUSE_UNITS = 144


@dataclass(frozen=True, slots=True)
class Sweep:
    """Reads a thousand connections a page and enqueues only what is not as it should be."""

    services: EndpointServices
    ledger: Ledger
    requests_queue: Queue
    dns_queue: Queue
    trails: Trails
    mode: Mode
    clock: Callable[[], datetime]

    def __call__(self) -> Counter[str]:
        """How many connections were listed and how many need a look.

        A service that cannot be read does not stop the others; its AwsCallFailed is raised at the end.
        """
        counts: Counter[str] = Counter()
        failures: list[AwsCallFailed] = []
        services = self.services.all()
        for service in services:
            if service.managed and not service.problem:
                try:
                    self._sweep(service, counts)
                except AwsCallFailed as failure:
                    logger.warning(str(failure), extra={"service_id": service.service_id})
                    failures.append(failure)
        self._give_notice(services, counts)
        if failures:
            raise failures[0]
        return counts

    def wake_waiting(self) -> None:
        """The allowlist changed: every connection that waits is decided anew. Raises AwsCallFailed."""
        for service in self.services.all():
            if service.managed and not service.problem:
                waiting = self.services.connections(service.service_id, state=AwsState.PENDING_ACCEPTANCE)
                self.requests_queue.send((WakeUp.about(connection, SeenBy.SWEEP), 0) for connection in waiting)

    def _sweep(self, service: EndpointService, counts: Counter[str]) -> None:
        unlisted = {row.ref: row for row in self.ledger.rows_of(service.service_id)}
        to_decide: list[Connection] = []
        to_converge: list[Connection] = []
        for connection in self.services.connections(service.service_id):
            counts["listed"] += 1
            row = unlisted.pop(connection.ref, None)
            if _asks_for_a_decision(connection, row, self.mode):
                to_decide.append(connection)
            elif row and self._asks_for_dns(service, connection, row):
                to_converge.append(connection)
        to_converge += [row.connection for row in unlisted.values() if row.dns.value is not Dns.ABSENT]
        self.requests_queue.send((WakeUp.about(connection, SeenBy.SWEEP), 0) for connection in to_decide)
        self.dns_queue.send((WakeUp.about(connection, SeenBy.SWEEP), 0) for connection in to_converge)
        counts["to_decide"] += len(to_decide)
        counts["to_converge"] += len(to_converge)

    def _asks_for_dns(self, service: EndpointService, connection: Connection, row: LedgerRow) -> bool:
        if self.mode is Mode.OBSERVE and row.dns.would:
            return False
        if connection.state is not row.connection.state:
            return True
        if connection.state.asks_for_no_dns:
            return row.dns.value is not Dns.ABSENT
        if connection.state is not AwsState.AVAILABLE:
            return False
        match row.dns.value:
            case Dns.PRESENT | Dns.CONSUMERS_OWN:
                known = {name for name, _ in row.dns.records}
                return any(name.fqdn not in known for name in service.names)
            case Dns.UNDECLARED:
                return bool(service.names)
            case Dns.NO_ROLE | Dns.BLOCKED:
                return self._is_due_again(row)
            case Dns.NONE | Dns.WAITING | Dns.ABSENT:
                return True

    def _is_due_again(self, row: LedgerRow) -> bool:
        """What a person must mend is tried again with growing pauses: 5, 10, 20, 40 … minutes, at most 12 hours."""
        waited = self.clock() - max(moment.at for moment in row.dns.timeline)
        units = waited // _RETRY_UNIT
        return units.bit_count() == 1 or units % _LONGEST_PAUSE_UNITS == 0 < units

    def _give_notice(self, services: Sequence[EndpointService], counts: Counter[str]) -> None:
        known = self.ledger.notices()
        for service in services:
            subject = f"CHECK THE TAGS of {service.service_id}"
            if known.get(subject, "") != (service.problem or ""):
                self.ledger.record_notice(subject, service.problem or "")
        if _INSTALLED not in known:
            self.ledger.record_notice(_INSTALLED, self._inventory(services, counts))

    def _inventory(self, services: Sequence[EndpointService], counts: Counter[str]) -> str:
        """The one e-mail after the first deployment."""
        managed = [service for service in services if service.managed]
        others = [service for service in services if not service.managed]
        lines = [
            f"PrivateLink Autopilot is installed and {'observes' if self.mode is Mode.OBSERVE else 'acts'}.",
            f"It manages {len(managed)} of {len(services)} endpoint services, with {counts['listed']} connections.",
            "",
            *(f"managed      {service.service_id} ({service.title}): {_declaration(service)}" for service in managed),
            *(f"not managed  {service.service_id} ({service.title})" for service in others),
        ]
        if others:
            ids = " ".join(service.service_id for service in others)
            lines += ["", "To have one managed, tag it:", ""]
            lines.append(f"    aws ec2 create-tags --resources {ids} --tags Key={OPT_IN_TAG},Value={OPT_IN_VALUE}")
        lines.append("")
        if self.trails.is_logging():
            lines.append(
                "A CloudTrail trail logs management events here, so a person's Accept or Reject is seen at once."
            )
        else:
            lines.append(
                "No CloudTrail trail logs here: changes are found by the sweep, minutes later. Create a trail."
            )
        return "\n".join(lines)


def _asks_for_a_decision(connection: Connection, row: LedgerRow | None, mode: Mode) -> bool:
    if connection.state is AwsState.PENDING_ACCEPTANCE:
        return True
    if row is None:
        return not connection.state.asks_for_no_dns
    if mode is Mode.OBSERVE and row.acceptance.would:
        return False
    match connection.state:
        case AwsState.REJECTED:
            return row.acceptance.value not in (Acceptance.REJECTED, Acceptance.REVOKED)
        case AwsState.PENDING | AwsState.AVAILABLE:
            return row.acceptance.value not in (Acceptance.ACCEPTED, Acceptance.ADOPTED)
        case _:
            return False


def _declaration(service: EndpointService) -> str:
    return ", ".join(name.fqdn for name in service.names) or "no names declared"
