"""What the sweep tells people that is about no single connection: each thing once, and again when it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autopilot.domain.allowlist import BadEntry
from autopilot.domain.connection import LedgerRow
from autopilot.domain.disruption import Brake
from autopilot.domain.failures import UnreadableRow
from autopilot.domain.inventory import (
    expires,
    installed,
    no_longer_managed,
    nobody_hears,
    service_ended,
    stopped,
    stuck,
    taken_over,
)
from autopilot.domain.listener import Certificate, LoadBalancer
from autopilot.domain.mode import Mode
from autopilot.domain.public_suffix import is_registrable
from autopilot.domain.report import TAKEOVER_PATIENCE, repetition_due
from autopilot.domain.service import EndpointService
from autopilot.domain.shadowing import whole_domain
from autopilot.domain.tls import expiring
from autopilot.use_cases.ports import Ledger, Trails

# What was only observed is summed up anew once it is done.
_INSTALLED = {Mode.ENFORCE: "INSTALLED", Mode.OBSERVE: "INSTALLED TO OBSERVE"}
_MANAGED = {Mode.ENFORCE: "NOW MANAGED ", Mode.OBSERVE: "NOW OBSERVED "}
_TAKING_OVER = {Mode.ENFORCE: "TAKING OVER ", Mode.OBSERVE: "OBSERVING "}
_SINCE = " SINCE "
_LEFT = "NO LONGER MANAGED "
_ENDED = "ENDED "
_CERTIFICATE = "CHECK THE CERTIFICATE "
_TAGS = "CHECK THE TAGS of "
_ENTRY = "CHECK THE ALLOWLIST ENTRY "
_ENTRIES = "CHECK THE ALLOWLIST"
_STOPPED = "STOPPED before disconnecting"
_UNHEARD = "NOBODY HEARS what is told"
_STUCK = "STUCK for more than an hour"
_MOST_ENTRIES = 50
_LONGEST_SUBJECT = 200
_LONGEST_TAKEOVER = timedelta(days=1)
# More than decide_connection takes from its clock to its write.
_LONGEST_WRITE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Given:
    """texts: by subject; withdrawn ones have none, nor have those that nobody can read. lost: how many went lost."""

    texts: Mapping[str, str]
    lost: int
    unreadable: Sequence[UnreadableRow]


@dataclass(frozen=True, slots=True)
class Stop:
    """The brake is on: these connections would be disconnected, and those would lose names that work."""

    revoked: Sequence[LedgerRow]
    leaving: Sequence[LedgerRow]
    brake: Brake


@dataclass(frozen=True, slots=True)
class Takeover:
    """A service that came under management, and the connections that stood by then, as far as they were found.

    since: when the first of them were looked for. read_at: when the rows were about to be read. is_settled: nothing of
    them is under way any more.
    """

    service: EndpointService
    since: datetime
    read_at: datetime
    rows: Sequence[LedgerRow]
    is_settled: bool = False

    @property
    def due_at(self) -> datetime:
        """When people should not wait any longer for what is under way or not found yet."""
        found = (row.acceptance.found_at for row in self.rows)
        return max(filter(None, (self.since, *found))) + TAKEOVER_PATIENCE

    @property
    def found_by(self) -> datetime:
        """By when one must be found to be in the summary, however early that is due.

        Where more come all the time, the summary does not wait for those of the next day.
        """
        return min(self.due_at, self.since + _LONGEST_TAKEOVER) - _LONGEST_WRITE


@dataclass(frozen=True, slots=True)
class Notices:
    """Level-triggered like all else: what should be told is compared with what the ledger says was told.

    topic_arn: where they go in the end. Every method raises AwsCallFailed.
    """

    ledger: Ledger
    trails: Trails
    topic_arn: str
    mode: Mode
    region: str
    ledger_table: str
    clock: Callable[[], datetime]

    def given(self) -> Given:
        """What people were told. What was lost on its way is asked for again."""
        texts: dict[str, str] = {}
        lost, unreadable = 0, []
        for subject, notice in self.ledger.notices().items():
            texts[subject] = "" if isinstance(notice, UnreadableRow) else notice.text
            if isinstance(notice, UnreadableRow):
                unreadable.append(notice)
            elif notice.text and not notice.is_told:
                due = repetition_due(notice.written_at, notice.repeats, self.clock())
                lost += due is not None
                if due:
                    self.ledger.record_notice_repeat(subject, due)
        return Given(texts, lost, unreadable)

    def are_heard(self, unheard: Sequence[str] | None) -> bool:
        """Whether there is anybody to tell, or that is not known.

        After the first deployment there is nobody until the address is confirmed: what was told before would be lost,
        and once somebody listens it is still to be told.
        """
        return self.topic_arn not in (unheard or ())

    def is_taken_over(self, told: Mapping[str, str], service: EndpointService) -> bool:
        """Whether people know of the connections that stood when Autopilot came to this service."""
        return self._managed(service) in told

    def taking_over(self, told: Mapping[str, str], services: Sequence[EndpointService]) -> Mapping[str, datetime]:
        """The services whose connections are looked for that stood before, by id, and since when; not those of which
        people know them."""
        begun, now = self._begun(told), self.clock()
        ids = [service.service_id for service in services if not self.is_taken_over(told, service)]
        return {service_id: begun.get(service_id, now) for service_id in ids}

    def of_beginnings(self, told: Mapping[str, str], services: Sequence[EndpointService]) -> None:
        """Write down which services are taken over, whoever hears of it: one that ends must not be forgotten."""
        begun = self._begun(told)
        for service in services:
            if service.service_id not in begun:
                subject = f"{_TAKING_OVER[self.mode]}{service.service_id}{_SINCE}{self.clock().isoformat()}"
                self.ledger.record_notice(subject, "")

    def services_that_ended(self, told: Mapping[str, str], services: Sequence[EndpointService]) -> Sequence[str]:
        """The services that were taken over and that AWS does not list any more, until people were told so.

        Those that had left our hands before are none: it was said that nothing of theirs is touched.
        """
        there = {service.service_id for service in services}
        gone = self._ever_managed(told) - there
        return sorted(one for one in gone if _ENDED + one not in told and not told.get(_LEFT + one))

    def of_end(self, service_id: str) -> None:
        """Nothing of ours leads to the service any more, and nothing of it is left to tell."""
        self.ledger.record_notice(_ENDED + service_id, service_ended(service_id))

    def of_problems(
        self,
        told: Mapping[str, str],
        services: Sequence[EndpointService],
        bad: Sequence[BadEntry] | None,
        stop: Stop | None,
        *,
        is_complete: bool,
    ) -> None:
        """Tell what a person must mend, and withdraw what was mended.

        bad: None while the list could not be read. is_complete: everything could be read, so that without a stop
        there is none.
        """
        wanted = {_TAGS + service.service_id: problem for service in services if (problem := _problem_of(service))}
        wanted |= {_subject(entry): entry.problem for entry in sorted(bad or (), key=str)[:_MOST_ENTRIES]}
        if bad and len(bad) > _MOST_ENTRIES:
            wanted[_ENTRIES] = "More entries decide nothing; they are told of as these are mended."
        if stop:
            wanted[_STOPPED] = stopped(stop.revoked, stop.leaving, stop.brake, self.region, self.ledger_table)
        wanted |= {_LEFT + one.service_id: no_longer_managed(one) for one in services if self._has_left(told, one)}
        for subject, text in wanted.items():
            if told.get(subject) != text:
                self.ledger.record_notice(subject, text)
        back = [_LEFT + service.service_id for service in services]
        withdrawable = (_TAGS, *back, *((_STOPPED,) if is_complete else ()), *(() if bad is None else (_ENTRIES,)))
        for subject, text in told.items():
            if text and subject not in wanted and subject.startswith(withdrawable):
                self.ledger.record_notice(subject, "")

    def of_stuck(self, told: Mapping[str, str], rows: Sequence[LedgerRow], *, is_complete: bool) -> None:
        """Name the connections that should have come further by now; again when they are others."""
        if rows or is_complete:
            self._tell(told, _STUCK, stuck(rows) if rows else "")

    def of_audience(self, told: Mapping[str, str], unheard: Sequence[str] | None) -> None:
        """Tell, where anybody hears it, of topics that nobody subscribes to; None while that is not known."""
        if unheard is not None:
            self._tell(told, _UNHEARD, nobody_hears(unheard, self.region) if unheard else "")

    def _tell(self, told: Mapping[str, str], subject: str, text: str) -> None:
        if told.get(subject, "") != text:
            self.ledger.record_notice(subject, text)

    def of_certificates(
        self, told: Mapping[str, str], in_front_of: Mapping[EndpointService, Sequence[LoadBalancer]]
    ) -> None:
        """Tell of certificates that end, once a threshold, whatever services have them: thirty days before, seven days
        before, and at the end."""
        ending: defaultdict[tuple[Certificate, int], list[EndpointService]] = defaultdict(list)
        for service, load_balancers in in_front_of.items():
            for found in expiring(load_balancers, self.clock()):
                ending[found].append(service)
        for (certificate, days), services in ending.items():
            subject = f"{_CERTIFICATE}{certificate.arn}: {f'{days} days' if days else 'no day'} left"
            self._tell(told, subject, expires(sorted(services, key=lambda one: one.service_id), certificate))

    def _has_left(self, told: Mapping[str, str], service: EndpointService) -> bool:
        return not service.managed and not service.problem and service.service_id in self._ever_managed(told)

    def of_takeovers(
        self,
        told: Mapping[str, str],
        services: Sequence[EndpointService],
        takeovers: Sequence[Takeover],
        listed: int,
    ) -> None:
        """One summary for all connections that stood before, once what they asked for is done."""
        settled = [takeover for takeover in takeovers if takeover.is_settled or takeover.read_at >= takeover.due_at]
        is_observing = self.mode is Mode.OBSERVE
        if _INSTALLED[self.mode] in told:
            for takeover in settled:
                text = taken_over(takeover.service, takeover.rows, is_observing)
                self.ledger.record_notice(self._managed(takeover.service), text)
        elif len(settled) == len(takeovers):
            for takeover in takeovers:
                self.ledger.record_notice(self._managed(takeover.service), "")
            rows = {takeover.service.service_id: takeover.rows for takeover in takeovers}
            is_logging = self.trails.is_logging()
            text = installed(services, rows, listed, is_observing, is_logging, self.region)
            self.ledger.record_notice(_INSTALLED[self.mode], text)

    def _managed(self, service: EndpointService) -> str:
        return _MANAGED[self.mode] + service.service_id

    def _ever_managed(self, told: Mapping[str, str]) -> frozenset[str]:
        """The services that are in our hands or were, whether people know of it or not.

        Of those from before every beginning was written down, only what people were told tells.
        """
        managed = _MANAGED[self.mode]
        known = (subject.removeprefix(managed) for subject in told if subject.startswith(managed))
        return frozenset({*self._begun(told), *known})

    def _begun(self, told: Mapping[str, str]) -> Mapping[str, datetime]:
        """Since when each service is taken over, by its id."""
        began = _TAKING_OVER[self.mode]
        marks = [subject.removeprefix(began).split(_SINCE) for subject in told if subject.startswith(began)]
        return {service_id: datetime.fromisoformat(since) for service_id, since in marks}


def _problem_of(service: EndpointService) -> str | None:
    """What is wrong with the tags; a zone that would hide a whole domain is not made, while all else goes on."""
    if service.problem or service.allows_shadowing or not service.managed:
        return service.problem
    zones = sorted({name.zone for name in service.names})
    return "; ".join(whole_domain(zone) for zone in zones if is_registrable(zone)) or None


def _subject(entry: BadEntry) -> str:
    return f"{_ENTRY}{entry.key}"[:_LONGEST_SUBJECT]
