"""The allowlist: the deployment's own entries and the rows of the Allowlist table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from boto3.dynamodb.types import TypeDeserializer

from autopilot.aws.batch_get import batch_get
from autopilot.domain.allowlist import EVERY_SERVICE, Action, AllowlistEntry, EntryKey, is_principal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = Logger(child=True)

_deserialize = TypeDeserializer().deserialize
# Seconds since 1970 in the year 5138: a larger number was surely meant as milliseconds.
_LATEST_EXPIRY = 100_000_000_000
_OWN_NOTE = "AllowedPrincipals of the deployment"


class MalformedEntry(ValueError):
    """A row that decides nothing; the message says which and why."""


class AllowlistTable:
    """Implements `Allowlist`. allowed_principals: accounts, endpoints or `*`, accepted for every service."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, allowed_principals: Collection[str]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._own = {
            EntryKey(principal): AllowlistEntry(EntryKey(principal), note=_OWN_NOTE) for principal in allowed_principals
        }

    def entries(self, keys: Collection[EntryKey]) -> Sequence[AllowlistEntry]:
        """The entries of these keys. A malformed row is logged with its reason and decides nothing."""
        wanted = [{"principal": {"S": key.principal}, "service_id": {"S": key.service_id}} for key in sorted(keys)]
        entries = [self._own[key] for key in keys if key in self._own]
        for item in batch_get(self._dynamodb, self._table, wanted):
            try:
                entries.append(read_entry({name: _deserialize(value) for name, value in item.items()}))
            except MalformedEntry as malformed:
                logger.warning(f"{malformed}; the entry decides nothing")
        return entries


def read_entry(item: Mapping[str, Any]) -> AllowlistEntry:
    """An entry from a row. Raises MalformedEntry."""
    principal, service_id = str(item["principal"]), str(item["service_id"])
    where = f"allowlist entry {principal}/{service_id}"
    if not is_principal(principal):
        raise MalformedEntry(f"{where}: expected an account of 12 digits, an endpoint vpce-… or * as principal")
    if service_id != EVERY_SERVICE and not re.fullmatch(r"vpce-svc-[0-9a-f]{8,17}", service_id):
        raise MalformedEntry(f"{where}: expected vpce-svc-… or * as service_id")
    action = str(item.get("action", Action.ACCEPT))
    if action not in list(Action):
        raise MalformedEntry(f"{where}: unknown action {action!r}; expected {', '.join(Action)}")
    return AllowlistEntry(
        EntryKey(principal, service_id),
        Action(action),
        _expiry(item.get("expires_at"), where),
        str(item.get("note", "")),
    )


def _expiry(value: object, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        seconds = int(str(value))
    except ValueError:
        seconds = -1
    if not 0 <= seconds < _LATEST_EXPIRY:
        raise MalformedEntry(f"{where}: expires_at is {value}; expected seconds since 1970 (not milliseconds)")
    return datetime.fromtimestamp(seconds, UTC)
