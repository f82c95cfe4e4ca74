"""Find what the events missed: the truth against the ledger and the allowlist, both ways. It only enqueues."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from autopilot.domain.acceptance import stands
from autopilot.domain.allowlist import EntryKey, Listing, is_account, is_endpoint
from autopilot.domain.connection import Acceptance, AwsState, Connection, Dns, LedgerRow, Status
from autopilot.domain.disruption import Brake, MaxDisruptions, OnRevoked
from autopilot.domain.failures import AwsCallFailed, LedgerChangedMeanwhile
from autopilot.domain.listener import LoadBalancer
from autopilot.domain.mode import Mode
from autopilot.domain.organization import is_wide
from autopilot.domain.review import Review
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.notices import Notices, Stop, Takeover
from autopilot.use_cases.ports import Allowlist, EndpointServices, Ledger, Queue
from autopilot.use_cases.service_names import ServiceNames
from autopilot.use_cases.service_permissions import ServicePermissions

logger = Logger(child=True)

_SHORTEST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=12)
_REMINDER_PERIOD = timedelta(days=7)
# Only Organizations can tell whether an account is still in its unit, and it answers a few calls a second.
_MOST_PLACES_A_SWEEP = 100
# EC2 takes two hundred values a filter.
_MOST_OWNERS = 200


@dataclass(slots=True)
class _Finding:
    """What one service's connections ask for.

    revoked: those that are to be disconnected. leaving: those with names to be taken away while they work.
    """

    service: EndpointService
    listed: int = 0
    standing: int = 0
    to_decide: list[WakeUp] = field(default_factory=list)
    to_converge: list[WakeUp] = field(default_factory=list)
    revoked: list[LedgerRow] = field(default_factory=list)
    leaving: list[LedgerRow] = field(default_factory=list)
    takeover: Takeover | None = None


@dataclass(frozen=True, slots=True)
class DriftChecks:
    """How often what was written is compared with what should be: in accounts of the organization, and in others."""

    period: timedelta
    foreign_period: timedelta

    def is_due(self, row: LedgerRow, now: datetime) -> bool:
        """Only of accounts of its own organization does Organizations tell a name."""
        period = self.period if row.acceptance.owner_name else self.foreign_period
        return row.dns.checked_at is None or now - row.dns.checked_at >= period


@dataclass(frozen=True, slots=True)
class Sweep:
    """Reads a thousand connections a page and enqueues only what is not as it should be.

    permissions: None where the services' permissions are somebody else's. grace: how long names stay that left the
    service's tags. first_reminder: how long after it was
    held a request is told of again, then weekly; None for never.
    """

    services: EndpointServices
    allowlist: Allowlist
    ledger: Ledger
    requests_queue: Queue
    dns_queue: Queue
    notices: Notices
    names: ServiceNames
    permissions: ServicePermissions | None
    mode: Mode
    on_revoked: OnRevoked
    max_disruptions: MaxDisruptions
    first_reminder: timedelta | None
    grace: timedelta
    drift: DriftChecks
    clock: Callable[[], datetime]

    def __call__(self) -> Counter[str]:
        """How many connections were listed and how many need a look.

        What cannot be read does not stop the rest; its AwsCallFailed is raised at the end.
        """
        failures: list[AwsCallFailed] = []
        services, told = self.services.all(), self.notices.told()
        listing = self._listing(failures)
        review = Review(listing.entries, self.clock()) if listing else None
        findings: list[_Finding] = []
        for service in filter(_is_ours, services):
            try:
                findings.append(self._look(service, review, is_new=not self.notices.is_taken_over(told, service)))
                if self.permissions and listing:
                    self.permissions(service, listing.entries)
            except AwsCallFailed as failure:
                logger.warning(str(failure), extra={"service_id": service.service_id})
                failures.append(failure)
        # Where something could not be read, nobody knows how many they are: none is disconnected then.
        stop = None if failures else self._apply_brake(findings)
        self.requests_queue.send((wake_up, 0) for finding in findings for wake_up in finding.to_decide)
        self.dns_queue.send((wake_up, 0) for finding in findings for wake_up in finding.to_converge)
        counts = _counts(findings)
        self.notices.of_problems(told, services, listing.bad if listing else None, stop, is_complete=not failures)
        self.notices.of_certificates(told, {one: self._in_front_of(one) for one in services if _is_ours(one)})
        takeovers = [finding.takeover for finding in findings if finding.takeover]
        self.notices.of_takeovers(told, services, takeovers, counts["listed"])
        if failures:
            raise failures[0]
        return counts

    def on_change(self, keys: Collection[EntryKey]) -> None:
        """Entries of the allowlist were put, changed or removed: what waits is decided anew. Raises AwsCallFailed.

        Entries for accounts concern those accounts alone. One for an endpoint may take back its rejection, wherever
        that is. One for a unit concerns whoever is in it by now, so that every connection is looked at.
        """
        concerns_units = any(is_wide(key.principal) for key in keys)
        principals = {key.principal for key in keys if not is_endpoint(key.principal)}
        owners = sorted(principals) if all(map(is_account, principals)) and len(principals) <= _MOST_OWNERS else ()
        state = None if concerns_units else AwsState.PENDING_ACCEPTANCE
        services = list(filter(_is_ours, self.services.all())) if principals else []
        for service in services:
            listed = self.services.connections(service.service_id, owners=owners, state=state)
            concerned = (c for c in listed if c.state is AwsState.PENDING_ACCEPTANCE or stands(c.state))
            self.requests_queue.send((WakeUp.about(connection, SeenBy.SWEEP), 0) for connection in concerned)
        endpoints = sorted({key.principal for key in keys if is_endpoint(key.principal)})
        self.requests_queue.send((WakeUp(None, endpoint, None, None, SeenBy.SWEEP), 0) for endpoint in endpoints)
        if self.permissions:
            self._follow(self.permissions, services, keys)

    def _follow(
        self, permissions: ServicePermissions, services: Iterable[EndpointService], keys: Collection[EntryKey]
    ) -> None:
        """An account that AWS does not know fails at every service, and must not keep the others out."""
        failures: list[AwsCallFailed] = []
        for service in services:
            try:
                permissions.follow(service, keys)
            except AwsCallFailed as failure:
                logger.warning(str(failure), extra={"service_id": service.service_id})
                failures.append(failure)
        if failures:
            raise failures[0]

    def _listing(self, failures: list[AwsCallFailed]) -> Listing | None:
        try:
            return self.allowlist.listing()
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; what was accepted is not compared with the allowlist this time")
            failures.append(failure)
            return None

    def _look(self, service: EndpointService, review: Review | None, *, is_new: bool) -> _Finding:
        finding = _Finding(service)
        names = self._names_of(service)
        unlisted = {row.ref: row for row in self.ledger.rows_of(service.service_id)}
        stood_before = [row for row in unlisted.values() if row.seen_by == SeenBy.INSTALLATION]
        is_settled = all(self._is_settled(row) for row in stood_before)
        hinging: list[LedgerRow] = []
        for connection in self.services.connections(service.service_id):
            finding.listed += 1
            finding.standing += stands(connection.state)
            row = unlisted.pop(connection.ref, None)
            is_before = is_new and row is None and stands(connection.state)
            is_settled = is_settled and not is_before
            if self._asks_for_a_decision(service, connection, row, review):
                seen_by = SeenBy.INSTALLATION if is_before else SeenBy.SWEEP
                finding.to_decide.append(WakeUp.about(connection, seen_by))
            elif row:
                if self._asks_for_dns(names, connection, row):
                    finding.to_converge.append(WakeUp.about(connection, SeenBy.SWEEP))
                if connection.state is AwsState.AVAILABLE and row.dns.names_due(self.clock(), self.grace):
                    finding.leaving.append(row)
                if stands(connection.state) and service.acceptance_required and review:
                    finding.revoked += [row] if row.acceptance.value is Acceptance.REVOKED else []
                    hinging += [row] if review.hinges_on_units(row) else []
            if row:
                self._remind(connection, row)
        gone = [row.connection for row in unlisted.values() if self._may_be_gone(row)]
        finding.to_converge += [WakeUp.about(connection, SeenBy.SWEEP) for connection in gone]
        finding.to_decide += [WakeUp.about(row.connection, SeenBy.SWEEP) for row in self._some_of(hinging)]
        finding.takeover = Takeover(service, stood_before, is_settled) if is_new else None
        return finding

    def _may_be_gone(self, row: LedgerRow) -> bool:
        """What waits for a person who must mend it is tried again with pauses, like all else that does."""
        if row.dns.value is Dns.BLOCKED and row.connection.state.asks_for_no_dns:
            return self._is_due_again(row)
        return row.dns.value is not Dns.ABSENT

    def _asks_for_a_decision(
        self, service: EndpointService, connection: Connection, row: LedgerRow | None, review: Review | None
    ) -> bool:
        if connection.state is AwsState.PENDING_ACCEPTANCE:
            return True
        if row is None:
            return not connection.state.asks_for_no_dns or bool(review and review.names(connection))
        if self.mode is Mode.OBSERVE and row.acceptance.would:
            return False
        known = row.acceptance
        if connection.state is AwsState.REJECTED:
            is_known = known.value in (Acceptance.REJECTED, Acceptance.REVOKED)
            return not is_known or bool(review and review.names(connection) and not known.refusal)
        if not stands(connection.state):
            return False
        compared = review if service.acceptance_required else None
        match known.value:
            case Acceptance.ADOPTED:
                return False
            case Acceptance.ACCEPTED:
                return compared is not None and not compared.still_accepts(row)
            case Acceptance.REVOKED:
                return compared is not None and compared.accepts_again(row)
            case _:
                return True

    def _some_of(self, rows: Sequence[LedgerRow]) -> Sequence[LedgerRow]:
        """As many as Organizations may be asked about, others each time, so that none is forgotten for long."""
        minute = f"{self.clock():%Y-%m-%dT%H:%M}"
        return sorted(rows, key=lambda row: hashlib.sha256(f"{minute}{row.ref}".encode()).digest())[
            :_MOST_PLACES_A_SWEEP
        ]

    def _names_of(self, service: EndpointService) -> frozenset[str] | None:
        """The names to write, or None while its certificates cannot be read: then nothing is compared with them."""
        try:
            return frozenset(name.fqdn for name in self.names(service))
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; its names are not compared this time", extra={"service_id": service.service_id})
            return None

    def _in_front_of(self, service: EndpointService) -> Sequence[LoadBalancer]:
        try:
            return self.names.in_front_of(service) if service.declares_names else ()
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; its certificates are not looked at", extra={"service_id": service.service_id})
            return ()

    def _apply_brake(self, findings: Sequence[_Finding]) -> Stop | None:
        """Have all that are revoked disconnected, and all names that left taken away; or, where that is more than may
        be disrupted, none, and a person asked."""
        if self.mode is Mode.OBSERVE:
            return None
        rejects = self.on_revoked is OnRevoked.REJECT
        revoked = [row for finding in findings for row in finding.revoked if rejects]
        leaving = [row for finding in findings for row in finding.leaving]
        number, read = len(revoked) + len(leaving), self.ledger.brake()
        if not number:
            if read and read.allowed:
                self._write_brake(read, read.without_permission())
            return None
        now = self.clock()
        limit = self.max_disruptions.of(sum(finding.standing for finding in findings))
        brake = (read or Brake(since=now)).for_a_step(number, limit, now)
        is_written = brake == read or self._write_brake(read, brake)
        if brake.stops(number):
            return Stop(sorted(revoked, key=lambda row: row.ref), sorted(leaving, key=lambda row: row.ref), brake)
        if is_written:
            for finding in findings:
                finding.to_decide += [_disrupting(row) for row in finding.revoked if rejects]
                finding.to_converge += [_disrupting(row) for row in finding.leaving]
        return None

    def _write_brake(self, read: Brake | None, brake: Brake) -> bool:
        try:
            self.ledger.record_brake(read, brake)
        except LedgerChangedMeanwhile:
            logger.info("another run is disconnecting; the next sweep looks again")
            return False
        return True

    def _remind(self, connection: Connection, row: LedgerRow) -> None:
        held = row.acceptance
        is_waiting = connection.state is AwsState.PENDING_ACCEPTANCE and held.value is Acceptance.HELD
        if not is_waiting or self.first_reminder is None or held.since is None:
            return
        overdue = self.clock() - held.since - self.first_reminder
        due = 1 + overdue // _REMINDER_PERIOD
        if overdue >= timedelta(0) and due > row.reminders:
            self.ledger.record_reminded(row.ref, due)

    def _is_settled(self, row: LedgerRow) -> bool:
        """Whether Autopilot has done for the connection what there is to do, or said what it would."""
        if self.mode is Mode.OBSERVE:
            return bool(row.acceptance.would and (row.dns.would or row.connection.state is not AwsState.AVAILABLE))
        return row.status not in (None, Status.ACCEPTED)

    def _asks_for_dns(self, names: frozenset[str] | None, connection: Connection, row: LedgerRow) -> bool:
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
                is_changed = names is not None and names != {name for name, _ in row.dns.names}
                return is_changed or bool(row.dns.change_ids) or self.drift.is_due(row, self.clock())
            case Dns.DECLINED:
                return self.drift.is_due(row, self.clock())
            case Dns.UNDECLARED:
                return bool(names)
            case Dns.NO_ROLE | Dns.BLOCKED:
                return self._is_due_again(row)
            case Dns.NONE | Dns.WAITING | Dns.ABSENT:
                return True

    def _is_due_again(self, row: LedgerRow) -> bool:
        """What a person must mend is tried again with pauses that double, from five minutes to twelve hours.

        The pause before the next try is as long as it had been in its state at the last one.
        """
        last, since = row.dns.checked_at, row.dns.since
        if last is None or since is None:
            return True
        return self.clock() - last >= min(max(last - since, _SHORTEST_PAUSE), _LONGEST_PAUSE)


def _disrupting(row: LedgerRow) -> WakeUp:
    return replace(WakeUp.about(row.connection, SeenBy.SWEEP), may_disrupt=True)


def _is_ours(service: EndpointService) -> bool:
    return service.managed and not service.problem


def _counts(findings: Iterable[_Finding]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for finding in findings:
        counts["listed"] += finding.listed
        counts["to_decide"] += len(finding.to_decide)
        counts["to_converge"] += len(finding.to_converge)
    return counts
