"""Find what the events missed: the truth against the ledger and the allowlist, both ways. It only enqueues."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from autopilot.domain.acceptance import stands
from autopilot.domain.allowlist import Listing
from autopilot.domain.connection import Acceptance, AwsState, Connection, ConnectionRef, Dns, LedgerRow, Status
from autopilot.domain.failures import AwsCallFailed, UnreadableRow
from autopilot.domain.listener import LoadBalancer
from autopilot.domain.mode import Mode
from autopilot.domain.names import Name
from autopilot.domain.report import is_untold
from autopilot.domain.review import Review
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.braking import Braking
from autopilot.use_cases.connection_notifications import ConnectionNotifications
from autopilot.use_cases.differences import Differences
from autopilot.use_cases.findings import Finding, counts_of
from autopilot.use_cases.notices import Notices, Stop, Takeover
from autopilot.use_cases.ports import Allowlist, Audience, EndpointServices, Ledger, Queue
from autopilot.use_cases.reminders import Reminders
from autopilot.use_cases.service_names import ServiceNames
from autopilot.use_cases.service_permissions import ServicePermissions

logger = Logger(child=True)

type Failures = list[AwsCallFailed | UnreadableRow]

# Only Organizations can tell whether an account is still in its unit, and it answers a few calls a second.
_MOST_PLACES_A_SWEEP = 100
# About what the functions work off between two sweeps. What is left out is found again by the next one.
_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Swept:
    """counts: how many connections were listed, and how many are what, as far as that could be read. failures: what
    kept it from being all.
    """

    counts: Counter[str]
    failures: Sequence[AwsCallFailed | UnreadableRow]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Reads a thousand connections a page and enqueues only what is not as it should be.

    permissions: None where the services' permissions are somebody else's. grace: how long names stay that left the
    service's tags.
    """

    services: EndpointServices
    allowlist: Allowlist
    ledger: Ledger
    requests_queue: Queue
    dns_queue: Queue
    audience: Audience
    notices: Notices
    names: ServiceNames
    permissions: ServicePermissions | None
    notifications: ConnectionNotifications
    differences: Differences
    reminders: Reminders
    braking: Braking
    mode: Mode
    grace: timedelta
    clock: Callable[[], datetime]

    def __call__(self) -> Swept:
        """What cannot be read does not stop the rest. Raises AwsCallFailed where it would be all."""
        services, given = self.services.all(), self.notices.given()
        failures: Failures = list(given.unreadable)
        told = given.texts
        ours = [service for service in services if service.managed and not service.problem]
        listing = self._listing(failures)
        review = Review(listing.entries, self.clock()) if listing else None
        taking_over = self.notices.taking_over(told, ours)
        findings: list[Finding] = []
        for service in ours:
            try:
                findings.append(self._look(service, review, taking_over.get(service.service_id)))
            except AwsCallFailed as failure:
                logger.warning(str(failure), extra={"service_id": service.service_id})
                failures.append(failure)
        ended = [end for one in self.notices.services_that_ended(told, services) if (end := self._end(one, failures))]
        failures += [row for finding in [*findings, *ended] for row in finding.unreadable]
        # Where something could not be read, nobody knows how many they are: none is disrupted then.
        stop = None if failures else self._brake(findings, failures)
        is_complete = not failures
        counts = counts_of([*findings, *ended])
        counts["untold"] += given.lost
        counts["left_out"] += self._enqueue(self.requests_queue, [w for one in findings for w in one.to_decide])
        counts["left_out"] += self._enqueue(self.dns_queue, [w for one in [*findings, *ended] for w in one.to_converge])
        unheard = self._unheard(failures)
        if unheard is not None:
            counts["unheard_topics"] = len(unheard)
        self._keep_notifications(ours, failures)
        self.notices.of_beginnings(told, ours)
        if self.notices.are_heard(unheard):
            self.notices.of_audience(told, unheard)
            bad = listing.bad if listing else None
            self.notices.of_problems(told, services, bad, stop, is_complete=is_complete)
            stuck = [row for finding in [*findings, *ended] for row in finding.stuck]
            self.notices.of_stuck(told, stuck, is_complete=is_complete)
            self.notices.of_certificates(told, {service: self._in_front_of(service) for service in ours})
            takeovers = [finding.takeover for finding in findings if finding.takeover]
            self.notices.of_takeovers(told, services, takeovers, counts["listed"])
            for end in ended:
                if end.is_over:
                    self.notices.of_end(end.service.service_id)
        # Last, as a thousand of them may take longer than a sweep has.
        if self.permissions and listing:
            failures += self.permissions.keep(ours, listing.entries)
        return Swept(counts, failures)

    def _listing(self, failures: Failures) -> Listing | None:
        try:
            return self.allowlist.listing()
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; what was accepted is not compared with the allowlist this time")
            failures.append(failure)
            return None

    def _look(self, service: EndpointService, review: Review | None, since: datetime | None) -> Finding:
        """since: when it began to be taken over, or None where it is."""
        finding, read_at = Finding(service), self.clock()
        names = self._names_of(service)
        unlisted = self._known(service, finding)
        untouchable = {unreadable.ref for unreadable in finding.unreadable}
        stood_before = [row for row in unlisted.values() if row.seen_by == SeenBy.INSTALLATION]
        takeover = Takeover(service, since, read_at, stood_before) if since else None
        found_by = takeover.found_by if takeover else None
        is_settled = all(self._is_settled(row) for row in stood_before)
        hinging: list[LedgerRow] = []
        finding.untold = sum(self.reminders.of_lost(row) for row in unlisted.values())
        for connection in self.services.connections(service.service_id):
            finding.listed += 1
            finding.standing += stands(connection.state)
            if connection.ref in untouchable:
                continue
            row = unlisted.pop(connection.ref, None)
            is_before = takeover is not None and row is None and stands(connection.state)
            is_settled = is_settled and not is_before
            if self.differences.ask_for_a_decision(service, connection, row, review):
                wake_up = WakeUp.about(connection, SeenBy.SWEEP)
                of_takeover = replace(wake_up, seen_by=SeenBy.INSTALLATION, found_by=found_by)
                finding.to_decide.append(of_takeover if is_before else wake_up)
            elif row and stands(connection.state) and service.acceptance_required and review:
                hinging += [row] if review.hinges_on_units(row) else []
            # Whatever is to be decided: a connection may ask for that at every sweep, and its names must not wait.
            if row and self.differences.ask_for_dns(service, names, connection, row):
                finding.to_converge.append(WakeUp.about(connection, SeenBy.SWEEP))
            if row and connection.state is AwsState.AVAILABLE and self._loses_names(service, names, row):
                finding.leaving.append(row)
            # Also where an entry seems to accept it again: one for a unit may forbid it, which only decide_connection
            # finds out.
            if row and stands(connection.state) and service.acceptance_required and review:
                finding.revoked += [row] if row.acceptance.value is Acceptance.REVOKED else []
            if row and _is_held(connection, row):
                finding.held += 1
                self.reminders.of_held(row)
            if row and self.differences.is_stuck(connection, row):
                finding.stuck.append(replace(row, connection=connection))
        gone = [row.connection for row in unlisted.values() if self.differences.ask_for_an_end(row)]
        finding.to_converge += [WakeUp.about(connection, SeenBy.SWEEP) for connection in gone]
        finding.stuck += self._stuck(unlisted.values())
        finding.to_decide += [
            WakeUp.about(row.connection, SeenBy.SWEEP) for row in self._some_of(hinging, _MOST_PLACES_A_SWEEP, _ref_of)
        ]
        finding.takeover = replace(takeover, is_settled=is_settled) if takeover else None
        return finding

    def _end(self, service_id: str, failures: Failures) -> Finding | None:
        """What is left of a service that AWS does not list any more: whoever deletes one rejects its connections."""
        finding = Finding(EndpointService.ended(service_id))
        try:
            rows = self._known(finding.service, finding).values()
            finding.untold = sum(self.reminders.of_lost(row) for row in rows)
        except AwsCallFailed as failure:
            logger.warning(str(failure), extra={"service_id": service_id})
            failures.append(failure)
            return None
        behind = [row for row in rows if row.dns.value is not Dns.ABSENT]
        finding.is_over = not behind and not finding.unreadable and not any(map(is_untold, rows))
        finding.stuck = self._stuck(behind)
        due = filter(self.differences.ask_for_an_end, behind)
        finding.to_converge = [WakeUp.about(row.connection, SeenBy.SWEEP) for row in due]
        return finding

    def _brake(self, findings: Sequence[Finding], failures: Failures) -> Stop | None:
        try:
            return self.braking(findings)
        except UnreadableRow as unreadable:
            logger.warning(f"{unreadable}; nothing is disrupted meanwhile")
            failures.append(unreadable)
            return None

    def _loses_names(self, service: EndpointService, names: frozenset[Name] | None, row: LedgerRow) -> bool:
        """Whether its names can and may be taken away. What cannot would keep the brake on for everybody; it is tried
        with pauses, until the account lets us."""
        due = (
            set(row.dns.names_due(self.clock(), self.grace))
            - set(row.dns.releasing)
            - {name.fqdn for name in names or ()}
        )
        is_out_of_reach = row.failing_since or row.dns.is_refused or row.dns.value is Dns.NO_ROLE
        if not due or names is None or is_out_of_reach:
            return False
        return self.names.are_certain(service)

    def _known(self, service: EndpointService, finding: Finding) -> dict[ConnectionRef, LedgerRow]:
        """The service's rows, and among the findings those that nobody can read."""
        known: dict[ConnectionRef, LedgerRow] = {}
        for row in self.ledger.rows_of(service.service_id):
            if isinstance(row, UnreadableRow):
                logger.error(str(row), extra={"service_id": service.service_id})
                finding.unreadable.append(row)
            else:
                known[row.ref] = row
        return known

    def _stuck(self, unlisted: Iterable[LedgerRow]) -> list[LedgerRow]:
        return [row for row in unlisted if self.differences.is_stuck(row.connection, row)]

    def _enqueue(self, queue: Queue, wake_ups: Sequence[WakeUp]) -> int:
        """Send as many as the queue has room for, and say how many were left out.

        Where the work piles up, each sweep would add all of it once more.
        """
        if not wake_ups:
            return 0
        chosen = self._some_of(wake_ups, max(_MOST_WAITING - queue.backlog(), 0), str)
        queue.send((wake_up, 0) for wake_up in chosen)
        return len(wake_ups) - len(chosen)

    def _some_of[T](self, every: Sequence[T], most: int, key: Callable[[T], object]) -> Sequence[T]:
        """At most so many, others each time, so that none is forgotten for long."""
        if len(every) <= most:
            return every
        minute = f"{self.clock():%Y-%m-%dT%H:%M}"
        return sorted(every, key=lambda one: hashlib.sha256(f"{minute}{key(one)}".encode()).digest())[:most]

    def _names_of(self, service: EndpointService) -> frozenset[Name] | None:
        """The names to write, or None while its certificates cannot be read: then nothing is compared with them."""
        try:
            return frozenset(self.names(service))
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; its names are not compared this time", extra={"service_id": service.service_id})
            return None

    def _in_front_of(self, service: EndpointService) -> Sequence[LoadBalancer]:
        try:
            return self.names.in_front_of(service) if service.declares_names else ()
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; its certificates are not looked at", extra={"service_id": service.service_id})
            return ()

    def _unheard(self, failures: Failures) -> Sequence[str] | None:
        try:
            return self.audience.unheard()
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; whether anybody is told is not known this time")
            failures.append(failure)
            return None

    def _keep_notifications(self, ours: Sequence[EndpointService], failures: Failures) -> None:
        try:
            self.notifications.keep(ours)
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; its connections are found by events and by the sweep alone")
            failures.append(failure)

    def _is_settled(self, row: LedgerRow) -> bool:
        """Whether Autopilot has done for the connection what there is to do, or said what it would."""
        if self.mode is Mode.OBSERVE:
            return bool(row.acceptance.would and (row.dns.would or row.connection.state is not AwsState.AVAILABLE))
        return row.status not in (None, Status.ACCEPTED)


def _is_held(connection: Connection, row: LedgerRow) -> bool:
    return connection.state is AwsState.PENDING_ACCEPTANCE and row.acceptance.value is Acceptance.HELD


def _ref_of(row: LedgerRow) -> object:
    return row.ref
