"""The ledger's items in DynamoDB's own notation: connections, and the few rows that are no connection's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from autopilot.domain.connection import (
    Acceptance,
    AcceptanceFacet,
    AwsState,
    Connection,
    ConnectionRef,
    Dns,
    DnsFacet,
    LedgerRow,
    Moment,
    NetworkInterface,
)
from autopilot.domain.disruption import Brake, hour_of
from autopilot.domain.failures import UnreadableRow
from autopilot.domain.report import GivenNotice

# What rows that are no connection's have in the place of a service id.
NOTICE = "notice"
PERMISSIONS = "permissions/"
BRAKE = ConnectionRef("brake", "disruptions")

serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def read_row(item: Mapping[str, Any]) -> LedgerRow:
    """A row from an item or a stream's image, both in DynamoDB's own notation. Raises UnreadableRow."""
    try:
        return _row(item)
    except (AttributeError, KeyError, TypeError, ValueError) as why:
        raise UnreadableRow(ref_of(item), why) from why


def ref_of(item: Mapping[str, Any]) -> ConnectionRef:
    """The connection of an item or an index's entry, whatever else is in it."""
    return ConnectionRef(item["service_id"]["S"], item["endpoint_id"]["S"])


def _row(item: Mapping[str, Any]) -> LedgerRow:
    fields = {name: _deserialize(value) for name, value in item.items()}
    acceptance, dns = fields["acceptance"], fields["dns"]
    return LedgerRow(
        connection=Connection(
            ConnectionRef(fields["service_id"], fields["endpoint_id"]),
            fields["owner"],
            fields["region"],
            AwsState(fields["state"]),
            datetime.fromisoformat(fields["created_at"]) if fields["created_at"] else None,
        ),
        seen_by=fields["seen_by"],
        service_title=fields["service_title"],
        acceptance=AcceptanceFacet(
            Acceptance(acceptance["value"]),
            acceptance["decided_by"],
            acceptance["reason"],
            # A row from before these were known has none of them.
            answered_by=acceptance.get("answered_by", ""),
            refusal=acceptance.get("refusal", ""),
            owner_name=acceptance.get("owner_name", ""),
            owner_path=acceptance.get("owner_path", ""),
            would=acceptance["would"],
            timeline=_timeline(acceptance),
        ),
        dns=DnsFacet(
            Dns(dns["value"]),
            dns["reason"],
            dns["vpc_id"],
            tuple(dns["zones"]),
            _pairs(dns["records"]),
            tuple(dns["change_ids"]),
            tuple(NetworkInterface(**interface) for interface in dns["interfaces"]),
            dns["would"],
            _timeline(dns),
            # A row from before these were told apart calls all its own, until it is next looked at.
            written=tuple(dns.get("written", (name for name, _ in dns["records"]))),
            # A row from before these were known has none of them.
            names=_pairs(dns.get("names", ())),
            leaving=_moments(dns.get("leaving", ())),
            releasing=tuple(dns.get("releasing", ())),
            also_vpcs=tuple(dns.get("also_vpcs", ())),
            associating=tuple(dns.get("associating", ())),
            letting_go=tuple(dns.get("letting_go", ())),
            unserved=tuple(dns.get("unserved", ())),
            checks=tuple(check for check in dns.get("checks", ()) if "unserved" in dns or not _is_of_other_vpcs(check)),
            checked_at=_moment(dns, "checked_at"),
            regional_name=dns.get("regional_name", ""),
            regional_zone_id=dns.get("regional_zone_id", ""),
            is_native=dns.get("is_native", False),
            is_refused=dns.get("is_refused", False),
            declared=dns.get("declared", ""),
        ),
        version=int(fields["version"]),
        # A facet that was not written yet has none, nor has one from before these were known.
        acceptance_revision=int(fields.get("acceptance_revision", 0)),
        dns_revision=int(fields.get("dns_revision", 0)),
        written_at=datetime.fromisoformat(fields["written_at"]),
        told=fields.get("told", ""),
        repeats=int(fields.get("repeats", 0)),
        reminders=int(fields.get("reminders", 0)),
        failing_since=_moment(fields, "failing_since"),
        failed_at=_moment(fields, "failed_at"),
    )


def _is_of_other_vpcs(check: str) -> bool:
    """Rows from before these had a place of their own have them among the checks; the next look tells them anew."""
    return " served: " in check or check.startswith("the endpoint's tag names no VPC with ")


def is_connection(item: Mapping[str, Any]) -> bool:
    """Whether an item or a stream's image is a connection's row, which `read_row` reads."""
    return str(item["service_id"]["S"]).startswith("vpce-svc-")


def is_notice(item: Mapping[str, Any]) -> bool:
    return bool(item["service_id"]["S"] == NOTICE)


def read_notice(item: Mapping[str, Any]) -> tuple[str, GivenNotice]:
    """A notice by its subject, from an item or a stream's image. Raises UnreadableRow."""
    ref = ref_of(item)
    fields = {name: _deserialize(value) for name, value in item.items()}
    try:
        written_at = datetime.fromisoformat(fields["written_at"])
        return ref.endpoint_id, GivenNotice(fields["text"], written_at, "told" in fields, int(fields.get("repeats", 0)))
    except (KeyError, TypeError, ValueError) as why:
        raise UnreadableRow(ref, why) from why


def _moment(fields: Mapping[str, Any], name: str) -> datetime | None:
    text = fields.get(name)
    return datetime.fromisoformat(text) if text else None


def _timeline(facet: Mapping[str, Any]) -> tuple[Moment, ...]:
    return _moments(facet["timeline"])


def _moments(items: Iterable[Mapping[str, Any]]) -> tuple[Moment, ...]:
    return tuple(Moment(datetime.fromisoformat(moment["at"]), moment["what"]) for moment in items)


def _pairs(items: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in items)


def key_of(ref: ConnectionRef) -> dict[str, Any]:
    return {"service_id": {"S": ref.service_id}, "endpoint_id": {"S": ref.endpoint_id}}


def permission_of(service_id: str, account: str) -> ConnectionRef:
    return ConnectionRef(PERMISSIONS + service_id, account)


def read_brake(item: Mapping[str, Any]) -> Brake:
    """A person who allowed disruptions before there was a brake made a row with nothing else in it.

    Raises UnreadableRow.
    """
    fields = {name: _deserialize(value) for name, value in item.items()}
    allowed_at = fields.get("allowed_at")
    try:
        return Brake(
            _hours(fields),
            _count(fields.get("limit")),
            _count(fields.get("allowed")),
            datetime.fromisoformat(allowed_at) if allowed_at else None,
        )
    except (AttributeError, TypeError, ValueError) as why:
        raise UnreadableRow(BRAKE, why) from why


def _hours(fields: Mapping[str, Any]) -> Mapping[datetime, int]:
    """A row from before disruptions were counted by the hour has their sum, and the beginning of their day."""
    if "since" in fields and "hours" not in fields:
        return {hour_of(datetime.fromisoformat(fields["since"])): _count(fields.get("taken"))}
    return {datetime.fromisoformat(hour): int(number) for hour, number in fields.get("hours", {}).items()}


def _count(value: object) -> int:
    """A number that a person may have written, and as anything: what is none allows nothing."""
    try:
        return int(str(value))
    except ValueError:
        return 0


def brake_fields(brake: Brake) -> dict[str, object]:
    """With the sum of the hours, as a condition cannot add them up."""
    return {
        "hours": {hour.isoformat(): number for hour, number in brake.hours.items()},
        "taken": brake.taken,
        "limit": brake.limit,
        "allowed": brake.allowed,
        "allowed_at": brake.allowed_at.isoformat() if brake.allowed_at else "",
    }


def facet_item(facet: AcceptanceFacet | DnsFacet) -> dict[str, Any]:
    return cast(dict[str, Any], _plain(asdict(facet)))


def _plain(value: object) -> object:
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case datetime():
            return value.isoformat()
        case str():
            return str(value)
        case _:
            return value
