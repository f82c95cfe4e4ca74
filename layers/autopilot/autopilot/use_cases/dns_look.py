"""What is known of a connection while its DNS is converged."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autopilot.domain.connection import Acceptance, AwsState, Connection, ConnectionRef, Dns, DnsFacet, LedgerRow
from autopilot.domain.service import EndpointService

# What a look found out, and the facet that was reached; None for "look again".
type Reached = tuple[DnsLook, DnsFacet | None]

_ABSENT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class DnsLook:
    """What the ledger knows of a connection and what the provider's list says of it, None when it is not listed.

    waited_seconds: for how long it has been looked at already. may_disrupt: a sweep counted it among those whose
    names may be taken away while they work. insync: the changes that were waited for and are in place everywhere.
    own_state: what the endpoint's own account tells of it, None while that was not asked or there is no such endpoint.
    """

    known: LedgerRow
    service: EndpointService
    listed: Connection | None
    waited_seconds: int
    may_disrupt: bool
    insync: frozenset[str] = frozenset()
    own_state: AwsState | None = None

    @property
    def ref(self) -> ConnectionRef:
        return self.known.ref

    @property
    def owner(self) -> str:
        return self.known.connection.owner

    @property
    def is_usable(self) -> bool:
        """Whether the provider's list says that clients can use the endpoint."""
        return self.listed is not None and self.listed.state is AwsState.AVAILABLE

    @property
    def may_be_in_use(self) -> bool:
        """Absence from the list is no evidence: then, too, the consumer's own account is asked."""
        return self.listed is None or self.is_usable

    @property
    def is_missing_just_now(self) -> bool:
        """One describe may overlook what the next one shows; what is known to be gone does not come back."""
        is_known_to_be_gone = self.known.connection.state in (AwsState.DELETING, AwsState.DELETED)
        return self.listed is None and not is_known_to_be_gone and self.waited_seconds < _ABSENT_SECONDS

    @property
    def is_still_spreading(self) -> bool:
        """Written moments ago, and Route 53 is not done yet: there is nothing to compare so soon."""
        known = self.known.dns
        return known.value is Dns.WAITING and any(change not in self.insync for change in known.change_ids)

    @property
    def must_wait(self) -> bool:
        """AWS is under way. A pendingAcceptance after our own Accept is a stale read."""
        accepted = self.known.acceptance.value in (Acceptance.ACCEPTING, Acceptance.ACCEPTED)
        state = self.listed and self.listed.state
        return state is AwsState.PENDING or (state is AwsState.PENDING_ACCEPTANCE and accepted)

    @property
    def gone(self) -> Connection:
        """The connection as it is once no client can use the endpoint any more."""
        if self.listed and self.listed.state.asks_for_no_dns:
            return self.listed
        own_state = self.own_state if self.service.exists else None
        return replace(self.known.connection, state=own_state or AwsState.DELETED)

    def found_connection(self, facet: DnsFacet) -> Connection:
        """AWS's state to remember with this facet.

        An endpoint that is pending again while its names resolve is being modified, or the list is stale: no news.
        What the list lacks lives on as long as its own account has it, and then the facet is the known one.
        """
        if facet.value is Dns.ABSENT or (self.listed is None and facet != self.known.dns):
            return self.gone
        if self.listed is None or (self.must_wait and self.known.dns.value.is_settled):
            return self.known.connection
        return self.listed
