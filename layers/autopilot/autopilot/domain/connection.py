"""A PrivateLink connection: AWS's state, our two facets of it, and the status that people read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum


class AwsState(StrEnum):
    """The state of a connection in the wire's spelling.

    botocore's enum capitalises the names while the wire, the CLI and the filters use camelCase, so
    `from_wire` ignores case. A value AWS may add one day is UNKNOWN: reported and left alone.
    """

    PENDING_ACCEPTANCE = "pendingAcceptance"
    PENDING = "pending"
    AVAILABLE = "available"
    REJECTED = "rejected"
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"
    EXPIRED = "expired"
    PARTIAL = "partial"
    UNKNOWN = "unknown"

    @staticmethod
    def from_wire(text: str) -> AwsState:
        return _STATES.get(text.lower(), AwsState.UNKNOWN)

    @property
    def asks_for_no_dns(self) -> bool:
        """Positive evidence that no client can use the endpoint any more, or that it never could."""
        return self in _WITHOUT_DNS


_STATES = {state.value.lower(): state for state in AwsState}
_WITHOUT_DNS = frozenset({AwsState.REJECTED, AwsState.DELETING, AwsState.DELETED, AwsState.FAILED, AwsState.EXPIRED})


class Acceptance(StrEnum):
    """What became of the request. decide_connection alone writes it.

    ACCEPTING, REJECTING and REVOKING are recorded before the call to EC2, so that a crash between the two can
    tell our own accept from a person's. REVOKED means that the entry that accepted no longer applies; AWS's
    state tells whether the connection still stands.
    """

    UNDECIDED = "undecided"
    HELD = "held"
    ACCEPTING = "accepting"
    ACCEPTED = "accepted"
    ADOPTED = "adopted"
    REJECTING = "rejecting"
    REJECTED = "rejected"
    REVOKING = "revoking"
    REVOKED = "revoked"

    @property
    def is_revocation(self) -> bool:
        return self in (Acceptance.REVOKING, Acceptance.REVOKED)

    @property
    def is_intent(self) -> bool:
        """Whether a request is about to be answered."""
        return self in (Acceptance.ACCEPTING, Acceptance.REJECTING)


class Dns(StrEnum):
    """What became of the names in the consumer's VPC. converge_dns alone writes it.

    DECLINED: the endpoint's own tags say that its account wants no names written. BEHIND: no client can use the
    endpoint any more, and what was written for it could not be taken away.
    """

    NONE = "none"
    WAITING = "waiting"
    PRESENT = "present"
    CONSUMERS_OWN = "consumers-own"
    NO_ROLE = "no-role"
    UNDECLARED = "undeclared"
    DECLINED = "declined"
    BLOCKED = "blocked"
    BEHIND = "behind"
    ABSENT = "absent"

    @property
    def is_settled(self) -> bool:
        """Nothing is left to do for an available endpoint. Not so where a person must act first."""
        return self in (Dns.PRESENT, Dns.CONSUMERS_OWN)

    @property
    def waits_for_a_person(self) -> bool:
        """Somebody must mend something before it can come further, so that it is tried with growing pauses."""
        return self in (Dns.NO_ROLE, Dns.BLOCKED, Dns.BEHIND)


class Status(StrEnum):
    """The status people read; README.md has a sentence for each."""

    HELD = "held"
    ACCEPTED = "accepted"
    READY = "ready"
    CONNECTED = "connected"
    DNS_BLOCKED = "dns-blocked"
    REJECTED = "rejected"
    REVOKED = "revoked"
    RETIRED = "retired"
    FAILED = "failed"


def status(acceptance: Acceptance, dns: Dns, state: AwsState) -> Status | None:
    """The status of a connection, or None while there is nothing to tell yet."""
    if dns is Dns.BEHIND and state.asks_for_no_dns:
        return Status.FAILED
    if acceptance.is_revocation and state in _NOT_ENDED:
        return Status.REVOKED
    match state:
        case AwsState.PENDING_ACCEPTANCE:
            # A describe may be older than our Accept or Reject: what was done stays done.
            return _WHILE_PENDING.get(acceptance)
        case AwsState.PENDING:
            return Status.ACCEPTED if acceptance in (Acceptance.ACCEPTED, Acceptance.ADOPTED) else None
        case AwsState.AVAILABLE:
            return _status_of_available(acceptance, dns)
        case AwsState.REJECTED:
            return Status.REJECTED
        case AwsState.DELETING | AwsState.DELETED:
            return Status.RETIRED if dns is Dns.ABSENT else None
        case AwsState.FAILED | AwsState.EXPIRED | AwsState.PARTIAL | AwsState.UNKNOWN:
            return Status.FAILED


# A revoked connection stays so until its end, whether it was disconnected or kept; names that stay behind are worse.
_NOT_ENDED = frozenset({AwsState.PENDING_ACCEPTANCE, AwsState.PENDING, AwsState.AVAILABLE, AwsState.REJECTED})
_WHILE_PENDING = {
    Acceptance.HELD: Status.HELD,
    Acceptance.ACCEPTED: Status.ACCEPTED,
    Acceptance.REJECTED: Status.REJECTED,
}


def _status_of_available(acceptance: Acceptance, dns: Dns) -> Status | None:
    match dns:
        case Dns.PRESENT | Dns.CONSUMERS_OWN:
            return Status.READY
        case Dns.NO_ROLE | Dns.UNDECLARED | Dns.DECLINED:
            return Status.CONNECTED
        case Dns.BLOCKED:
            return Status.DNS_BLOCKED
        case Dns.NONE | Dns.WAITING | Dns.BEHIND | Dns.ABSENT:
            return Status.ACCEPTED if acceptance in (Acceptance.ACCEPTED, Acceptance.ADOPTED) else None


@dataclass(frozen=True, slots=True, order=True)
class ConnectionRef:
    """The two ids that name a connection, as the provider sees it."""

    service_id: str
    endpoint_id: str

    def __str__(self) -> str:
        return f"{self.endpoint_id} to {self.service_id}"


@dataclass(frozen=True, slots=True)
class DnsEntry:
    """One of an endpoint's DNS names, without a trailing dot, and the hosted zone an alias to it names."""

    name: str
    hosted_zone_id: str


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of DescribeVpcEndpointConnections. It never shows the consumer's VPC.

    owner: 12 digits, and the only account id a decision may be based on.
    region: the endpoint's Region. dns_entries: the endpoint's, as far as the list shows them, and no part of what the
    ledger keeps.
    """

    ref: ConnectionRef
    owner: str
    region: str
    state: AwsState
    created_at: datetime | None = None
    dns_entries: tuple[DnsEntry, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a connection's timeline."""

    at: datetime
    what: str


_TIMELINE_LENGTH = 20
_INTENTS = frozenset({Acceptance.ACCEPTING, Acceptance.REJECTING, Acceptance.REVOKING})


@dataclass(frozen=True, slots=True)
class AcceptanceFacet:
    """What became of the request, and why.

    decided_by: the key of the entry that decided, `principal/service`, or None. reason: a sentence.
    answered_by: the person who accepted or rejected in the place of Autopilot, as CloudTrail names them,
    `somebody` while nobody knows, or an empty text where Autopilot did. refusal: what AWS would not do: accept
    what was rejected before, or say where the account is. owner_name, owner_path: what Organizations calls the
    owner's account, and its units.
    """

    value: Acceptance = Acceptance.UNDECIDED
    decided_by: str | None = None
    reason: str = ""
    answered_by: str = ""
    refusal: str = ""
    owner_name: str = ""
    owner_path: str = ""
    would: str = ""
    timeline: tuple[Moment, ...] = ()

    def became(self, value: Acceptance, now: datetime, **changes: str | None) -> AcceptanceFacet:
        """The facet at its new value. What is not given is empty, except what is known of the owner."""
        forgotten: dict[str, str | None] = {
            "decided_by": None,
            "reason": "",
            "answered_by": "",
            "refusal": "",
            "would": "",
        }
        timeline = _longer(self.timeline, Moment(now, value))
        return replace(self, value=value, timeline=timeline, **{**forgotten, **changes})  # type: ignore[arg-type]

    def would_become(self, sentence: str) -> AcceptanceFacet:
        return replace(self, would=sentence)

    @property
    def since(self) -> datetime | None:
        """When the facet got its value."""
        return self.timeline[-1].at if self.timeline else None

    @property
    def found_at(self) -> datetime | None:
        """When the facet got its first value."""
        return self.timeline[0].at if self.timeline else None


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """One of the endpoint's network interfaces; AZ names differ between accounts, AZ IDs do not."""

    interface_id: str
    address: str
    availability_zone_id: str


@dataclass(frozen=True, slots=True)
class DnsFacet:
    """What Autopilot wrote for this endpoint and what it would take to do more.

    vpc_id: the consumer VPC. zones: names of our zones that its names belong to, or still stand in. written: the names
    that these send to the endpoint. Both as they are about to be, where a run died. names: fqdn → zone, as the service
    declares them. records: name → target, whoever sends it there. leaving: names of ours that the service no longer
    declares, each with the moment that was seen. releasing: those of them that the brake let go, until they are gone.
    also_vpcs: the other VPCs that our zones were associated with for this endpoint, as its tag names them. associating:
    those that are about to be, or that may have some of our zones. letting_go: those of both that are to lose them: who
    else serves one is asked only once that is written. unserved: what keeps our zones from such VPCs, or on those that
    are to lose them, in sentences with the fix.
    change_ids: the Route 53 changes not yet seen INSYNC. reason: a sentence. checks: sentences about the path to the
    endpoint, each with its fix. checked_at: when the account was last looked into. regional_name, regional_zone_id:
    the endpoint's own DNS entry, where only the provider's list told it. is_native: AWS's own private DNS is to be
    switched on instead of making zones. declared: what the service declared when a person was last waited for, as its
    `declaration` puts it. is_refused: the account let us in at the last look, and no further.
    """

    value: Dns = Dns.NONE
    reason: str = ""
    vpc_id: str | None = None
    zones: tuple[str, ...] = ()
    records: tuple[tuple[str, str], ...] = ()
    change_ids: tuple[str, ...] = ()
    interfaces: tuple[NetworkInterface, ...] = ()
    would: str = ""
    timeline: tuple[Moment, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    written: tuple[str, ...] = ()
    leaving: tuple[Moment, ...] = ()
    releasing: tuple[str, ...] = ()
    also_vpcs: tuple[str, ...] = ()
    associating: tuple[str, ...] = ()
    letting_go: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    checked_at: datetime | None = None
    regional_name: str = ""
    regional_zone_id: str = ""
    is_native: bool = False
    is_refused: bool = False
    declared: str = ""

    @property
    def since(self) -> datetime | None:
        """When the facet got its value."""
        return self.timeline[-1].at if self.timeline else None

    @property
    def maybe_served(self) -> tuple[str, ...]:
        """The other VPCs that our zones may be associated with: what died or was refused may have done it or not."""
        return (*self.also_vpcs, *self.associating)

    @property
    def serving(self) -> frozenset[str]:
        """The other VPCs that the endpoint serves or is about to."""
        return frozenset(self.maybe_served) - set(self.letting_go)

    @property
    def all_checks(self) -> tuple[str, ...]:
        """What people should know of the path to the endpoint and of the other VPCs."""
        return (*self.checks, *self.unserved)

    def names_due(self, now: datetime, grace: timedelta) -> tuple[str, ...]:
        """The names that left the service's declaration long enough ago to go."""
        return tuple(moment.what for moment in self.leaving if now - moment.at >= grace)

    def became(self, value: Dns, now: datetime, **changes: object) -> DnsFacet:
        """The facet at its new value. What is not given keeps its value, except reason and would."""
        timeline = self.timeline if value is self.value else _longer(self.timeline, Moment(now, value))
        return replace(self, **{"reason": "", "would": "", **changes}, value=value, timeline=timeline)  # type: ignore[arg-type]

    def would_become(self, sentence: str) -> DnsFacet:
        return replace(self, would=sentence)


def _longer(timeline: tuple[Moment, ...], moment: Moment) -> tuple[Moment, ...]:
    return (*timeline, moment)[-_TIMELINE_LENGTH:]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the ledger knows of one connection.

    connection.state is AWS's state when one of the two writers last looked. service_title is the service's
    Name tag, or its id. version grows by one with each write, the last of which was at written_at; acceptance_revision
    and dns_revision with each write of their facet. told: what was reported last, as `report.telling` puts it. repeats:
    how often a report that was lost was asked for again. reminders: how often a person was reminded of this held
    request. failing_since, failed_at: the first and the last of the looks at its DNS that failed, one after another,
    for no reason that is known.
    """

    connection: Connection
    seen_by: str
    service_title: str
    acceptance: AcceptanceFacet = field(default_factory=AcceptanceFacet)
    dns: DnsFacet = field(default_factory=DnsFacet)
    version: int = 0
    acceptance_revision: int = 0
    dns_revision: int = 0
    written_at: datetime | None = None
    told: str = ""
    repeats: int = 0
    reminders: int = 0
    failing_since: datetime | None = None
    failed_at: datetime | None = None

    @property
    def ref(self) -> ConnectionRef:
        return self.connection.ref

    @property
    def status(self) -> Status | None:
        return status(self.acceptance.value, self.dns.value, self.connection.state)

    @property
    def has_ended(self) -> bool:
        """Whether the endpoint is gone and nothing of ours led to it when that was found."""
        return self.dns.value is Dns.ABSENT and self.connection.state in (AwsState.DELETING, AwsState.DELETED)

    @property
    def would(self) -> str:
        """What observe mode would have done, or an empty text."""
        return "; ".join(filter(None, (self.acceptance.would, self.dns.would)))

    @property
    def timeline(self) -> tuple[Moment, ...]:
        requested = (Moment(self.connection.created_at, "requested"),) if self.connection.created_at else ()
        moments = (*requested, *self.acceptance.timeline, *self.dns.timeline)
        happened = (moment for moment in moments if moment.what not in _INTENTS)
        return tuple(sorted(happened, key=lambda moment: moment.at))
