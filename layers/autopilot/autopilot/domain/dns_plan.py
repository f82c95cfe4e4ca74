"""What a private hosted zone should hold and what it holds go in; the changes come out.

Ownership is written at birth: the `CallerReference` of a zone is set by the create call itself, never
changes, and no reference can be used twice. So a zone is ours exactly when its reference says so, even
after a crash between two calls or the loss of the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autopilot.domain.endpoint import Endpoint, endpoint_of_target
from autopilot.domain.names import Name

_SCHEME = "plap1"
_ADDRESSES = frozenset({"A", "AAAA", "CNAME"})


class ChangeAction(StrEnum):
    CREATE = "CREATE"
    UPSERT = "UPSERT"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """A CNAME, or an alias A or AAAA.

    name and target are lower case without a trailing dot; `*` is itself, not `\\052`. ttl is in seconds and
    None for an alias; alias_zone_id is the target's hosted zone and None for a CNAME. set_identifier: of a record
    that is one of several under its name and type (weighted, by latency …). health_check_id, evaluates_health: what it
    hinges on. Autopilot writes none of those three.
    """

    name: str
    type: str
    target: str
    ttl: int | None = None
    alias_zone_id: str | None = None
    set_identifier: str = ""
    health_check_id: str = ""
    evaluates_health: bool = False

    @property
    def endpoint_id(self) -> str | None:
        """The endpoint that the record alone leads to, or None where it is none of the kind that Autopilot writes."""
        is_of_our_kind = self.type in _ADDRESSES and not self.set_identifier and " " not in self.target
        return endpoint_of_target(self.target) if is_of_our_kind else None


@dataclass(frozen=True, slots=True)
class RecordChange:
    action: ChangeAction
    record: Record


@dataclass(frozen=True, slots=True)
class HostedZone:
    """A private hosted zone as ListHostedZonesByName returns it; the id is without `/hostedzone/`."""

    zone_id: str
    name: str
    caller_reference: str


@dataclass(frozen=True, slots=True)
class Autopilot:
    """Who writes: one Autopilot is a provider account in a Region."""

    account: str
    region: str

    def owns(self, zone: HostedZone, vpc_id: str | None = None) -> bool:
        """Whether this Autopilot made the zone, for this VPC or, without one, for any."""
        made_for = self.vpc_of(zone)
        return made_for is not None and vpc_id in (None, made_for)

    def vpc_of(self, zone: HostedZone) -> str | None:
        """The VPC that this Autopilot made the zone for; None when somebody else made it."""
        scheme, *origin = zone.caller_reference.split(":")
        if scheme != _SCHEME or len(origin) != 5:
            return None
        account, region, made_for, digest, _ = origin
        return made_for if (account, region, digest) == (self.account, self.region, _digest(zone.name)) else None

    def reference(self, vpc_id: str, zone_name: str, n: int) -> str:
        """The `CallerReference` of a zone of this name for this VPC. n: one that was never used for it before.

        At most 128 characters.
        """
        return ":".join((_SCHEME, self.account, self.region, vpc_id, _digest(zone_name), str(n)))


def _digest(zone_name: str) -> str:
    return hashlib.sha256(zone_name.encode()).hexdigest()[:16]


class Holder(StrEnum):
    """Who stands behind an endpoint that a record of our zone points to."""

    LIVE = "live"
    GONE = "gone"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """changes: one batch, empty when the zone is as it should be. conflicts: sentences; their names stay."""

    changes: tuple[RecordChange, ...] = ()
    conflicts: tuple[str, ...] = ()


def wanted_records(names: Iterable[Name], endpoint: Endpoint, ttl: int) -> tuple[Record, ...]:
    """The records that send these names to the endpoint: a CNAME, and at the apex an alias.

    Route 53 refuses a CNAME at the apex. AWS fills the endpoint's DNS entries in late: without a Regional
    one there is nothing to want yet. Raises NoRegionalName.
    """
    entry = endpoint.regional_entry
    if entry is None:
        raise NoRegionalName(endpoint.endpoint_id)
    records = []
    for name in names:
        if name.is_apex:
            types = {"ipv4": ("A",), "ipv6": ("AAAA",)}.get(endpoint.ip_address_type, ("A", "AAAA"))
            records += [Record(name.fqdn, kind, entry.name, alias_zone_id=entry.hosted_zone_id) for kind in types]
        else:
            records.append(Record(name.fqdn, "CNAME", entry.name, ttl=ttl))
    return tuple(records)


class NoRegionalName(Exception):
    """AWS lists the endpoint without its Regional DNS name so far."""

    def __init__(self, endpoint_id: str) -> None:
        super().__init__(f"{endpoint_id} has no Regional DNS name yet")


def plan_zone(
    wanted: Sequence[Record],
    found: Sequence[Record],
    endpoint_id: str,
    holder_of: Callable[[str], Holder],
    *,
    kept: Collection[str] = (),
    successors: Sequence[Record] = (),
) -> ZonePlan:
    """The changes that make one zone of ours hold what this endpoint wants, and nothing else of this endpoint.

    wanted: empty when the endpoint is gone. kept: names of the endpoint that are wanted no longer and stay for now.
    successors: what other endpoints of this VPC want, the first in line first; a name that this endpoint gives up
    goes to the first of them in the same batch, so that it never stops resolving.

    A record of another name is left alone. One of a wanted name is replaced only if it points to this
    endpoint or to one of ours that is gone; held by anybody else it stays, and becomes a conflict. At the
    apex a TXT record and its like stand beside the alias and are left alone too; a CNAME stands alone.
    """
    changes: list[RecordChange] = []
    conflicts: list[str] = []
    names = {record.name for record in wanted}
    for name in sorted(names):
        _plan_name(
            [record for record in wanted if record.name == name], found, endpoint_id, holder_of, changes, conflicts
        )
    freed = {record.name for record in found if record.endpoint_id == endpoint_id} - names - set(kept)
    for name in sorted(freed):
        heirs = [record for record in successors if record.name == name]
        heir = [record for record in heirs if record.endpoint_id == heirs[0].endpoint_id]
        _plan_handover(name, heir, found, endpoint_id, changes)
    return ZonePlan(tuple(changes), tuple(conflicts))


def _plan_name(
    wanted: Sequence[Record],
    found: Sequence[Record],
    endpoint_id: str,
    holder_of: Callable[[str], Holder],
    changes: list[RecordChange],
    conflicts: list[str],
) -> None:
    """What one wanted name asks for."""
    target_state, name = set(wanted), wanted[0].name
    types = {record.type for record in target_state}
    present = {record for record in found if record.name == name and ("CNAME" in types or record.type in _ADDRESSES)}
    holders = {record: _holder(record, endpoint_id, holder_of) for record in present - target_state}
    taken = [record for record, holder in holders.items() if holder is not Holder.GONE]
    if taken:
        conflicts += [_conflict(record, holders[record]) for record in sorted(taken)]
        return
    changes += [RecordChange(ChangeAction.DELETE, record) for record in sorted(holders) if record.type not in types]
    changes += [_write(record, present) for record in sorted(target_state - present)]


def _plan_handover(
    name: str, heir: Sequence[Record], found: Sequence[Record], endpoint_id: str, changes: list[RecordChange]
) -> None:
    """The endpoint's records of this name go; what the heir wants comes in their place."""
    here = {record for record in found if record.name == name}
    leaving = {record for record in here if record.endpoint_id == endpoint_id}
    staying = here - leaving
    if any("CNAME" in (record.type, other.type) or record.type == other.type for record in heir for other in staying):
        heir = ()
    types = {record.type for record in heir}
    changes += [RecordChange(ChangeAction.DELETE, record) for record in sorted(leaving) if record.type not in types]
    changes += [_write(record, leaving) for record in sorted(heir)]


def _write(record: Record, present: Iterable[Record]) -> RecordChange:
    """CREATE where nothing is: unlike an UPSERT it can never overwrite what somebody wrote meanwhile."""
    replaces = any(record.type == other.type for other in present)
    return RecordChange(ChangeAction.UPSERT if replaces else ChangeAction.CREATE, record)


def _holder(record: Record, endpoint_id: str, holder_of: Callable[[str], Holder]) -> Holder:
    if record.endpoint_id == endpoint_id:
        return Holder.GONE
    return holder_of(record.endpoint_id) if record.endpoint_id else Holder.STRANGER


def _conflict(record: Record, holder: Holder) -> str:
    if holder is Holder.LIVE:
        return f"{record.name} is held by {record.endpoint_id}, which is in use; delete that endpoint to move the name"
    return f"{record.name} has a {record.type} record to {record.target} that Autopilot did not write; remove it"
