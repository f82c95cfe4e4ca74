"""The allowlist: the deployment's own entries and the rows of the Allowlist table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from autopilot.aws.batch_get import batch_get
from autopilot.aws.calls import calling
from autopilot.domain.allowlist import (
    EVERY_SERVICE,
    Action,
    AllowlistEntry,
    BadEntry,
    EntryKey,
    Listing,
    is_principal,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = Logger(child=True)

# Seconds since 1970 in the year 5138: a larger number was surely meant as milliseconds.
_LATEST_EXPIRY = 100_000_000_000
_OWN_NOTE = "AllowedPrincipals of the deployment"
_SERVICE = re.compile(r"vpce-svc-[0-9a-f]{8,17}")
_LONGEST_SHOWN = 100


class MalformedEntry(ValueError):
    """A row that decides nothing; the message says which and why."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"allowlist entry {key}: {problem}")
        self.bad = BadEntry(key, problem)


class AllowlistTable:
    """Implements `Allowlist`.

    allowed_principals: endpoints, accounts, units, organizations or `*`, accepted for every service.
    """

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
                entries.append(read_entry(item))
            except MalformedEntry as malformed:
                logger.warning(f"{malformed}; the entry decides nothing")
        return entries

    def listing(self) -> Listing:
        entries, bad = list(self._own.values()), []
        for item in self._scan():
            try:
                entries.append(read_entry(item))
            except MalformedEntry as malformed:
                bad.append(malformed.bad)
        return Listing(tuple(entries), tuple(bad))

    def _scan(self) -> Iterator[Mapping[str, Any]]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table)
        with calling("Scan", self._table):
            for page in pages:
                yield from page["Items"]


def read_entry(item: Mapping[str, Any]) -> AllowlistEntry:
    """An entry from an item in DynamoDB's own notation. Raises MalformedEntry, and nothing else."""
    principal, service_id = item["principal"]["S"], item["service_id"]["S"]
    key = f"{_printable(principal)}/{_printable(service_id)}"
    if not is_principal(principal):
        raise MalformedEntry(
            key,
            "expected an account of 12 digits, an endpoint vpce-…, a unit ou-…, an organization o-… or * as principal",
        )
    if service_id != EVERY_SERVICE and not _SERVICE.fullmatch(service_id):
        raise MalformedEntry(key, "expected vpce-svc-… or * as service_id")
    return AllowlistEntry(
        EntryKey(principal, service_id),
        _action(item.get("action"), key),
        _expiry(item.get("expires_at"), key),
        _note(item.get("note")),
    )


def _action(found: Mapping[str, Any] | None, key: str) -> Action:
    match found:
        case None:
            return Action.ACCEPT
        case {"S": str(text)} if text in list(Action):
            return Action(text)
    raise MalformedEntry(key, f"action is {_shown(found)}; expected {', '.join(Action)}")


def _expiry(found: Mapping[str, Any] | None, key: str) -> datetime | None:
    """Null, as some programs write what is not there, means no expiry."""
    match found:
        case None | {"NULL": True}:
            return None
        case {"N": str(number)} if (seconds := _seconds(number)) is not None:
            return datetime.fromtimestamp(seconds, UTC)
    raise MalformedEntry(
        key, f"expires_at is {_shown(found)}; expected a whole number of seconds since 1970 (not milliseconds)"
    )


def _seconds(number: str) -> int | None:
    with suppress(DecimalException):
        found = Decimal(number)
        if 0 <= found < _LATEST_EXPIRY and found == int(found):
            return int(found)
    return None


def _note(found: Mapping[str, Any] | None) -> str:
    """Whatever a note holds, it is only shown: a block must not be lost over its note."""
    match found:
        case None | {"NULL": True}:
            return ""
        case {"S": str(text)}:
            return text
        case _:
            return _shown(found)


def _shown(found: Mapping[str, Any]) -> str:
    """An attribute for people: its type, and as much of its value as fits a sentence."""
    match found:
        case {"S": str(text)}:
            return f"the text '{_printable(text)}'"
        case {"N": str(number)}:
            return f"the number {_printable(number)}"
        case {"BOOL": bool(value)}:
            return f"the boolean {str(value).lower()}"
    return f"of the type {', '.join(found)}"


def _printable(text: str) -> str:
    """The text on one line, whatever it holds."""
    escaped = repr(text)[1:-1]
    return escaped if len(escaped) <= _LONGEST_SHOWN else f"{escaped[:_LONGEST_SHOWN]}…"
