"""Whose names a private hosted zone hides.

In a VPC the most specific private zone answers alone: what it lacks does not exist there, whatever wider zones and
public DNS say (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html).
So a zone of ours may hide names of a wider one, and a narrower one hides names of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autopilot.domain.dns_plan import Record
from autopilot.domain.names import is_within


@dataclass(frozen=True, slots=True)
class ZoneInVpc:
    """A hosted zone that is associated with a VPC, whoever made it. owner: an account id or a service's name.

    is_readable: it belongs to the account whose role is used, so that its records can be read.
    """

    zone_id: str
    name: str
    owner: str
    is_readable: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.zone_id}, owned by {self.owner})"


def zone_that_answers(name: str, zones: Iterable[ZoneInVpc]) -> ZoneInVpc | None:
    """The most specific of these zones that a name falls in."""
    return max((zone for zone in zones if is_within(name, zone.name)), key=lambda zone: len(zone.name), default=None)


def wider_zone(zone_name: str, zones: Sequence[ZoneInVpc]) -> ZoneInVpc | None:
    """The zone that answers for the names of a zone that is not there yet."""
    return zone_that_answers(zone_name, (zone for zone in zones if zone.name != zone_name))


def hidden_records(zone_name: str, records: Iterable[Record]) -> tuple[Record, ...]:
    """The records of a wider zone that would answer no longer once there is a zone of this name.

    A wildcard of an ancestor answers for names that do not exist otherwise, also below the new zone.
    """
    return tuple(record for record in records if is_within(record.name, zone_name) or _stands_above(record, zone_name))


def lost_names(zone_name: str, records: Iterable[Record], wider: Iterable[Record]) -> frozenset[str]:
    """The names of a wider zone's records that lead elsewhere, or nowhere, where a zone with these records answers."""
    same = {(record.name, record.target) for record in records}
    hidden = hidden_records(zone_name, wider)
    return frozenset(record.name for record in hidden if (record.name, record.target) not in same)


def _stands_above(record: Record, zone_name: str) -> bool:
    is_wildcard = record.name.startswith("*.")
    return is_wildcard and zone_name.endswith(record.name.removeprefix("*"))


def whole_domain(zone_name: str) -> str:
    """Why a zone of this name is not made."""
    return (
        f"the zone {zone_name} is a whole registrable domain: in every consumer's VPC it would hide all of its public "
        "names; declare a narrower one, or tag the service autopilot:allow-shadowing=true if that is what you want"
    )
