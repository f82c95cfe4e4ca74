"""Whose connections are accepted, rejected or blocked: one pure function, and the sentence it explains itself with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from textwrap import shorten

from autopilot.domain.connection import Connection

EVERY_SERVICE = "*"
EVERYBODY = "*"
_ACCOUNT = re.compile(r"[0-9]{12}")
_LONGEST_NOTE = 200
_ENDPOINT = re.compile(r"vpce-[0-9a-f]{8,17}")


class Action(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    BLOCK = "block"


class Verdict(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, order=True)
class EntryKey:
    """The key of a row of the Allowlist table.

    principal: an endpoint id, an account id or `*`. service_id: `vpce-svc-…` or `*`.
    """

    principal: str
    service_id: str = EVERY_SERVICE

    def __str__(self) -> str:
        return f"{self.principal}/{self.service_id}"


@dataclass(frozen=True, slots=True)
class AllowlistEntry:
    """expires_at counts to the second: at that moment the entry no longer applies."""

    key: EntryKey
    action: Action = Action.ACCEPT
    expires_at: datetime | None = None
    note: str = ""

    def applies(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a request, the entry that won, and the sentence for people."""

    verdict: Verdict
    entry: AllowlistEntry | None
    sentence: str


def is_principal(text: str) -> bool:
    """Whether an entry may be for this: an account, an endpoint, or everybody."""
    return text == EVERYBODY or bool(_ACCOUNT.fullmatch(text) or _ENDPOINT.fullmatch(text))


def keys_for(connection: Connection) -> tuple[EntryKey, ...]:
    """Every key that could decide this connection: a fixed number, whatever the length of the list."""
    return tuple(
        EntryKey(principal, service)
        for principal in _principals(connection)
        for service in (connection.ref.service_id, EVERY_SERVICE)
    )


def decide(connection: Connection, entries: Iterable[AllowlistEntry], unlisted: Verdict, now: datetime) -> Decision:
    """The decision for a request.

    A block beats everything. Else the narrowest principal decides (endpoint, account, everybody), then
    the entry for this service before the one for all, then reject before accept. Entries for others and
    expired ones decide nothing; with none left the configured verdict for the unlisted is given.
    """
    ranks = {key: rank for rank, key in enumerate(keys_for(connection))}
    applying = [entry for entry in entries if entry.key in ranks and entry.applies(now)]
    if not applying:
        return Decision(unlisted, None, _sentence_for_unlisted(connection, unlisted))
    winner = min(
        applying, key=lambda entry: (entry.action is not Action.BLOCK, ranks[entry.key], entry.action is Action.ACCEPT)
    )
    verdict = Verdict.ACCEPT if winner.action is Action.ACCEPT else Verdict.REJECT
    return Decision(verdict, winner, _sentence(winner))


def _principals(connection: Connection) -> Sequence[str]:
    return connection.ref.endpoint_id, connection.owner, EVERYBODY


def _sentence_for_unlisted(connection: Connection, unlisted: Verdict) -> str:
    done = {Verdict.HOLD: "held", Verdict.REJECT: "rejected", Verdict.ACCEPT: "accepted"}[unlisted]
    return f"{done}: no entry allows account {connection.owner}"


def _sentence(entry: AllowlistEntry) -> str:
    done, listed = {
        Action.ACCEPT: ("accepted", "allowlisted"),
        Action.REJECT: ("rejected", "listed as rejected"),
        Action.BLOCK: ("rejected", "blocked"),
    }[entry.action]
    services = "all services" if entry.key.service_id == EVERY_SERVICE else entry.key.service_id
    until = f" until {entry.expires_at:%Y-%m-%dT%H:%M:%SZ}" if entry.expires_at else ""
    note = f", note: {shorten(entry.note, _LONGEST_NOTE)}" if entry.note else ""
    return f"{done}: {_named(entry.key.principal)} is {listed} for {services}{until}{note}"


def _named(principal: str) -> str:
    if principal == EVERYBODY:
        return "everybody"
    return f"endpoint {principal}" if principal.startswith("vpce-") else f"account {principal}"
