"""The ledger: a row a connection in DynamoDB, written facet by facet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from autopilot.aws.batch_get import batch_get, batch_write
from autopilot.aws.calls import calling
from autopilot.aws.ledger_items import (
    BRAKE,
    NOTICE,
    PERMISSIONS,
    brake_fields,
    facet_item,
    is_connection,
    key_of,
    permission_of,
    read_brake,
    read_notice,
    read_row,
    ref_of,
    serialize,
)
from autopilot.domain.connection import AcceptanceFacet, ConnectionRef, Dns, DnsFacet, LedgerRow
from autopilot.domain.disruption import Brake, hour_of
from autopilot.domain.failures import LedgerChangedMeanwhile, UnreadableRow
from autopilot.domain.report import GivenNotice

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_ENDPOINT = "by-endpoint"
BY_OWNER = "by-owner"
# What a key of the index has while the VPC is not known.
_NO_VPC = "unknown"
# The sweep reads the rows of what has ended too, so that they must not pile up.
_KEPT_AFTER_THE_END = timedelta(days=90)


class LedgerTable:
    """Implements `Ledger`.

    Each writer names the revision of its own facet that it has read as the condition of the write, so that
    two runs of one writer cannot overwrite each other, and the two writers never wait for one another.
    """

    def __init__(
        self, dynamodb: DynamoDBClient, table: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def rows(self, refs: Collection[ConnectionRef]) -> Mapping[ConnectionRef, LedgerRow]:
        found = map(read_row, batch_get(self._dynamodb, self._table, [key_of(ref) for ref in refs]))
        return {row.ref: row for row in found}

    def rows_of(self, service_id: str) -> Iterator[LedgerRow | UnreadableRow]:
        return map(_read, self._query(service_id, is_consistent=False))

    def every_row(self) -> Iterator[LedgerRow | UnreadableRow]:
        """Every connection's row, eventually consistent; what cannot be read, as its error.

        It reads the whole table, so only a person asks for it.
        """
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table)
        with calling("Scan", self._table):
            for page in pages:
                yield from map(_read, filter(is_connection, page["Items"]))

    def rows_in(self, owner: str, vpc_id: str | None = None) -> Sequence[LedgerRow]:
        condition, values = "#owner = :owner", {":owner": serialize(owner)}
        if vpc_id:
            condition, values[":vpc"] = f"{condition} AND vpc_id = :vpc", serialize(vpc_id)
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=BY_OWNER,
            KeyConditionExpression=condition,
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues=values,
        )
        with calling("Query", f"{self._table} for {owner}"):
            items = [item for page in pages for item in page["Items"]]
        keys = [key_of(ref_of(item)) for item in items]
        found = map(_read, batch_get(self._dynamodb, self._table, keys))
        # What nobody can read is left out here, so that its neighbours go on; each sweep names it.
        return tuple(row for row in found if isinstance(row, LedgerRow))

    def find(self, endpoint_id: str) -> ConnectionRef | None:
        with calling("Query", f"{self._table} for {endpoint_id}"):
            answer = self._dynamodb.query(
                TableName=self._table,
                IndexName=BY_ENDPOINT,
                KeyConditionExpression="endpoint_id = :endpoint",
                ExpressionAttributeValues={":endpoint": {"S": endpoint_id}},
            )
        found = filter(is_connection, answer["Items"])
        return next(map(ref_of, found), None)

    def record_acceptance(self, row: LedgerRow, facet: AcceptanceFacet) -> LedgerRow:
        return self._record(row, "acceptance", row.acceptance_revision, row.acceptance.value, facet)

    def record_dns(self, row: LedgerRow, facet: DnsFacet) -> LedgerRow:
        return self._record(row, "dns", row.dns_revision, row.dns.value, facet)

    def record_told(self, ref: ConnectionRef, told: str) -> None:
        self._mark(ref, "SET told = :value REMOVE repeats", told)

    def record_repeat(self, ref: ConnectionRef, repeats: int) -> None:
        self._mark(ref, "SET repeats = :value", repeats)

    def record_reminded(self, ref: ConnectionRef, reminders: int) -> None:
        self._mark(ref, "SET reminders = :value", reminders)

    def record_dns_failure(self, ref: ConnectionRef) -> None:
        update = "SET failed_at = :value, failing_since = if_not_exists(failing_since, :value)"
        self._mark(ref, update, self._clock().isoformat())

    def brake(self) -> Brake | None:
        item = next(iter(self._query(BRAKE.service_id)), None)
        return read_brake(item) if item else None

    def record_brake(self, read: Brake | None, brake: Brake) -> None:
        """A person may change `allowed` at any time, or write it before there is a brake."""
        written = brake_fields(brake)
        values = {f":{name}": serialize(value) for name, value in written.items()}
        condition = "attribute_not_exists(service_id)"
        if read:
            values |= {f":read_{name}": serialize(value) for name, value in brake_fields(read).items()}
            as_read = [f"(#{name} = :read_{name} OR attribute_not_exists(#{name}))" for name in written]
            # A person who allows the same number anew takes it away.
            seen = ["attribute_exists(#allowed_at)"] if read.allowed_at else []
            condition = " AND ".join(["attribute_exists(service_id)", *as_read, *seen])
        with calling("UpdateItem", f"{self._table} {BRAKE.service_id}"):
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=key_of(BRAKE),
                    UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in written),
                    ConditionExpression=condition,
                    ExpressionAttributeNames={f"#{name}": name for name in written},
                    ExpressionAttributeValues=values,
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
                raise LedgerChangedMeanwhile("the brake is no longer what was read") from error

    def take_disruption(self) -> bool:
        with calling("UpdateItem", f"{self._table} {BRAKE.service_id}"):
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=key_of(BRAKE),
                    UpdateExpression=(
                        "SET #taken = #taken + :one, #hours.#hour = if_not_exists(#hours.#hour, :zero) + :one"
                    ),
                    ConditionExpression="#taken < #limit",
                    ExpressionAttributeNames={
                        "#taken": "taken",
                        "#limit": "limit",
                        "#hours": "hours",
                        "#hour": hour_of(self._clock()).isoformat(),
                    },
                    ExpressionAttributeValues={":one": serialize(1), ":zero": serialize(0)},
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def permitted(self, service_id: str, *, among: Collection[str] | None = None) -> frozenset[str]:
        if among is None:
            found = self._query(PERMISSIONS + service_id)
        else:
            keys = [key_of(permission_of(service_id, account)) for account in sorted(set(among))]
            found = iter(batch_get(self._dynamodb, self._table, keys))
        return frozenset(item["endpoint_id"]["S"] for item in found)

    def record_permitted(self, service_id: str, accounts: Collection[str]) -> None:
        items = [key_of(permission_of(service_id, account)) for account in sorted(set(accounts))]
        batch_write(self._dynamodb, self._table, [{"PutRequest": {"Item": item}} for item in items])

    def forget_permitted(self, service_id: str, accounts: Collection[str]) -> None:
        keys = [key_of(permission_of(service_id, account)) for account in sorted(set(accounts))]
        batch_write(self._dynamodb, self._table, [{"DeleteRequest": {"Key": key}} for key in keys])

    def notices(self) -> Mapping[str, GivenNotice | UnreadableRow]:
        return dict(map(_read_notice, self._query(NOTICE)))

    def record_notice(self, subject: str, text: str) -> None:
        with calling("UpdateItem", f"{self._table} {subject}"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=key_of(ConnectionRef(NOTICE, subject)),
                UpdateExpression="SET #text = :text, written_at = :now REMOVE told, repeats",
                ExpressionAttributeNames={"#text": "text"},
                ExpressionAttributeValues={":text": {"S": text}, ":now": serialize(self._clock().isoformat())},
            )

    def record_notice_told(self, subject: str) -> None:
        self._mark(ConnectionRef(NOTICE, subject), "SET told = :value REMOVE repeats", value=True)

    def record_notice_repeat(self, subject: str, repeats: int) -> None:
        self._mark(ConnectionRef(NOTICE, subject), "SET repeats = :value", repeats)

    def _mark(self, ref: ConnectionRef, update: str, value: str | int) -> None:
        """Of a row that somebody has deleted meanwhile nothing is left to mark, and an update would revive it."""
        with (
            calling("UpdateItem", f"{self._table} {ref}"),
            suppress(self._dynamodb.exceptions.ConditionalCheckFailedException),
        ):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=key_of(ref),
                UpdateExpression=update,
                ConditionExpression="attribute_exists(service_id)",
                ExpressionAttributeValues={":value": serialize(value)},
            )

    def _query(self, service_id: str, *, is_consistent: bool = True) -> Iterator[Mapping[str, Any]]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=is_consistent,
            KeyConditionExpression="service_id = :service",
            ExpressionAttributeValues={":service": {"S": service_id}},
        )
        with calling("Query", f"{self._table} for {service_id}"):
            for page in pages:
                yield from page["Items"]

    def _record(
        self, row: LedgerRow, name: str, revision: int, value: str, facet: AcceptanceFacet | DnsFacet
    ) -> LedgerRow:
        connection = row.connection
        created_at = connection.created_at.isoformat() if connection.created_at else None
        other, default = ("dns", DnsFacet()) if name == "acceptance" else ("acceptance", AcceptanceFacet())
        values = {
            ":facet": facet_item(facet),
            ":default": facet_item(default),
            ":owner": connection.owner,
            ":region": connection.region,
            ":state": connection.state.value,
            ":created": created_at,
            ":title": row.service_title,
            ":seen": str(row.seen_by),
            ":vpc": (isinstance(facet, DnsFacet) and facet.vpc_id) or _NO_VPC,
            ":now": self._clock().isoformat(),
            ":zero": 0,
            ":one": 1,
        }
        names = {"#facet": name, "#other": other, "#owner": "owner", "#region": "region", "#state": "state"}
        names["#revision"] = f"{name}_revision"
        condition = "attribute_not_exists(service_id)"
        if revision:
            condition, values[":read"] = "#revision = :read", revision
        elif row.version:
            # The facet was not written since it has revisions: once, its value has to do.
            condition = "attribute_not_exists(#revision) AND #facet.#value = :read"
            values[":read"], names["#value"] = str(value), "value"
        end = _end_of(facet)
        vpc = ", vpc_id = :vpc" if name == "dns" else ", vpc_id = if_not_exists(vpc_id, :vpc)"
        forgetting = ["repeats", *(("failing_since", "failed_at") if name == "dns" else ("reminders",))]
        if end:
            vpc += ", delete_at = :end"
            values[":end"] = int((end + _KEPT_AFTER_THE_END).timestamp())
        elif name == "dns":
            forgetting.append("delete_at")
        with calling("UpdateItem", f"{self._table} {row.ref}"):
            try:
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=key_of(row.ref),
                    UpdateExpression=f"{_UPDATE}{vpc} REMOVE {', '.join(forgetting)}",
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues={name: serialize(value) for name, value in values.items()},
                    ReturnValues="ALL_NEW",
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
                raise LedgerChangedMeanwhile(f"the {name} of {row.ref} is no longer what was read") from error
        return read_row(answer["Attributes"])


def _read(item: Mapping[str, Any]) -> LedgerRow | UnreadableRow:
    """Where many are read, one that nobody can read stops no other."""
    try:
        return read_row(item)
    except UnreadableRow as unreadable:
        return unreadable


def _read_notice(item: Mapping[str, Any]) -> tuple[str, GivenNotice | UnreadableRow]:
    try:
        return read_notice(item)
    except UnreadableRow as unreadable:
        return unreadable.ref.endpoint_id, unreadable


_UPDATE = (
    "SET #facet = :facet, #other = if_not_exists(#other, :default), #owner = :owner, "
    "#region = :region, #state = :state, created_at = :created, service_title = :title, "
    "seen_by = if_not_exists(seen_by, :seen), version = if_not_exists(version, :zero) + :one, "
    "#revision = if_not_exists(#revision, :zero) + :one, written_at = :now"
)


def _end_of(facet: AcceptanceFacet | DnsFacet) -> datetime | None:
    """When the connection's story ended: its row is kept for an audit and then expires."""
    if facet.value is not Dns.ABSENT or not facet.timeline:
        return None
    return facet.timeline[-1].at
