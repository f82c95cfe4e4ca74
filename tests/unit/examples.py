"""Domain values of one invented connection; a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from autopilot.domain.connection import (
    Acceptance,
    AcceptanceFacet,
    AwsState,
    Connection,
    ConnectionRef,
    Dns,
    DnsEntry,
    DnsFacet,
    LedgerRow,
    Moment,
    NetworkInterface,
)
from autopilot.domain.dns_plan import Autopilot
from autopilot.domain.endpoint import Endpoint
from autopilot.domain.wake_up import SeenBy
from tests.events import CONSUMER, ENDPOINT, PROVIDER, REGION, SERVICE

STRANGER = "333333333333"
VPC = "vpc-0a11ce0000b0b0c01"
ZONE = "payments.example.com"
ENDPOINT_ZONE = "Z273ZU8SZ5RJPC"
NOW = datetime(2026, 3, 2, 9, 14, 12, tzinfo=UTC)
REF = ConnectionRef(SERVICE, ENDPOINT)
AUTOPILOT = Autopilot(PROVIDER, REGION)


def regional_name(endpoint_id: str = ENDPOINT) -> str:
    return f"{endpoint_id}-q7w2k9ax.{SERVICE}.{REGION}.vpce.amazonaws.com"


def connection(
    state: AwsState = AwsState.PENDING_ACCEPTANCE, owner: str = CONSUMER, ref: ConnectionRef = REF
) -> Connection:
    return Connection(ref, owner, REGION, state, NOW - timedelta(seconds=6))


def endpoint(*names: str, ip_address_type: str = "ipv4") -> Endpoint:
    """names: of its DNS entries; the Regional one alone when none is given."""
    entries = tuple(DnsEntry(name, ENDPOINT_ZONE) for name in names or (regional_name(),))
    return Endpoint(ENDPOINT, VPC, REGION, AwsState.AVAILABLE, entries, ("eni-0a000000000000e01",), ip_address_type)


def row(
    acceptance: Acceptance = Acceptance.ACCEPTED,
    dns: Dns = Dns.PRESENT,
    state: AwsState = AwsState.AVAILABLE,
    *,
    owner: str = CONSUMER,
    title: str = "payments",
    reason: str = "accepted: account 222222222222 is allowlisted for all services",
    dns_reason: str = "the VPC resolves the name",
    would: str = "",
    owner_name: str = "",
    version: int = 4,
) -> LedgerRow:
    """A row with every field filled."""
    return LedgerRow(
        connection(state, owner),
        SeenBy.EVENT,
        title,
        AcceptanceFacet(
            acceptance, f"{owner}/*", reason, would=would, timeline=(Moment(NOW, acceptance),), owner_name=owner_name
        ),
        DnsFacet(
            dns,
            dns_reason,
            VPC,
            (ZONE,),
            ((f"api.{ZONE}", regional_name()),),
            (),
            (NetworkInterface("eni-0a000000000000e01", "10.20.1.31", "euc1-az2"),),
            "",
            (Moment(NOW + timedelta(minutes=2), dns),),
        ),
        version,
    )
