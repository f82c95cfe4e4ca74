"""Whose connections are accepted, rejected or blocked: one pure function, and the sentence it explains itself with."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from textwrap import shorten

from autopilot.domain.connection import Connection
from autopilot.domain.organization import Owner, Placement, is_organization, is_unit, is_wide

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

    principal: an endpoint, an account, an organizational unit, an organization or `*`.
    service_id: `vpce-svc-…` or `*`.
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
class BadEntry:
    """A row that decides nothing. key: as far as it can be read. problem: what is wrong and what was expected."""

    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The whole allowlist, the deployment's own entries among it."""

    entries: tuple[AllowlistEntry, ...]
    bad: tuple[BadEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a request, the entry that won, and the sentence for people."""

    verdict: Verdict
    entry: AllowlistEntry | None
    sentence: str

    @property
    def decided_by(self) -> str | None:
        """The key of the entry that won, as the ledger keeps it."""
        return str(self.entry.key) if self.entry else None


def is_principal(text: str) -> bool:
    """Whether an entry may be for this: an endpoint, an account, a unit, an organization, or everybody."""
    return text == EVERYBODY or bool(_ACCOUNT.fullmatch(text) or _ENDPOINT.fullmatch(text)) or is_wide(text)


def is_account(principal: str) -> bool:
    return bool(_ACCOUNT.fullmatch(principal))


def is_endpoint(principal: str) -> bool:
    return bool(_ENDPOINT.fullmatch(principal))


def principal_of(decided_by: str | None) -> str:
    """Whom the entry of this key is for; an empty text without one."""
    return (decided_by or "").partition("/")[0]


def keys_for(connection: Connection, owner: Owner) -> tuple[EntryKey, ...]:
    """Every key that could decide this connection, the narrowest first.

    Their number depends on how deep the account is in its organization (AWS allows five levels), never on the
    length of the list.
    """
    return tuple(
        EntryKey(principal, service)
        for principal in _principals(connection, owner)
        for service in (connection.ref.service_id, EVERY_SERVICE)
    )


def decide(
    connection: Connection, owner: Owner, entries: Iterable[AllowlistEntry], unlisted: Verdict, now: datetime
) -> Decision:
    """The decision for a request.

    A block beats everything. Else the narrowest principal decides (endpoint, account, nearest unit, … the
    organization, everybody), then the entry for this service before the one for all, then reject before accept.
    Entries for others and expired ones decide nothing; with none left the configured verdict for the unlisted
    is given. While Organizations cannot answer, nothing is decided: a unit's entry might be a block. Where it refuses
    to, only entries that name the endpoint, the account or a block for everybody decide; what else would, is held.
    """
    if owner.placement is Placement.FAILED:
        return Decision(Verdict.HOLD, None, f"held: {owner.reason}; it is tried again")
    ranks = {key: rank for rank, key in enumerate(keys_for(connection, owner))}
    applying = [entry for entry in entries if entry.key in ranks and entry.applies(now)]
    is_refused = owner.placement is Placement.REFUSED
    if not applying:
        given = Verdict.HOLD if is_refused else unlisted
        return Decision(given, None, _sentence_for_unlisted(owner, given))
    winner = _winner({entry: ranks[entry.key] for entry in applying})
    if is_refused and winner.key.principal == EVERYBODY and winner.action is not Action.BLOCK:
        reason = (
            f"the entry for everybody would decide, but whether one for its units does is not known: {owner.reason}"
        )
        return Decision(Verdict.HOLD, None, f"held: {reason}")
    verdict = Verdict.ACCEPT if winner.action is Action.ACCEPT else Verdict.REJECT
    return Decision(verdict, winner, _sentence(winner, owner))


def revocation(decided_by: str | None, owner: Owner, decision: Decision) -> str | None:
    """Why what was accepted would not be accepted now, or None when it still would be, or nobody can tell.

    What cannot be resolved never revokes: while Organizations fails, and where it does not tell (any more) whether
    the account is in the unit whose entry accepted.
    """
    if decision.verdict is Verdict.ACCEPT or owner.placement is Placement.FAILED:
        return None
    principal = principal_of(decided_by)
    if owner.placement is not Placement.KNOWN and is_wide(principal):
        return None
    if owner.placement is Placement.REFUSED and not (is_account(principal) or is_endpoint(principal)):
        return None
    return f"revoked: the entry {decided_by} that accepted it no longer decides; now it would be {decision.sentence}"


def allowed_accounts(entries: Iterable[AllowlistEntry], service_id: str, now: datetime) -> frozenset[str]:
    """The accounts that entries of their own admit to a service: whom the service's permissions should name."""
    ranks = {service_id: 0, EVERY_SERVICE: 1}
    theirs: defaultdict[str, list[AllowlistEntry]] = defaultdict(list)
    for entry in entries:
        if entry.key.service_id in ranks and entry.applies(now):
            theirs[entry.key.principal].append(entry)
    if any(entry.action is Action.BLOCK for entry in theirs[EVERYBODY]):
        return frozenset()
    return frozenset(
        principal
        for principal, found in theirs.items()
        if is_account(principal)
        and _winner({entry: ranks[entry.key.service_id] for entry in found}).action is Action.ACCEPT
    )


def _winner(ranks: Mapping[AllowlistEntry, int]) -> AllowlistEntry:
    """Of entries with their ranks, 0 the narrowest, the one that decides."""
    return min(ranks, key=lambda entry: (entry.action is not Action.BLOCK, ranks[entry], entry.action is Action.ACCEPT))


def _principals(connection: Connection, owner: Owner) -> Sequence[str]:
    units = [unit.unit_id for unit in owner.units]
    organization = [owner.organization_id] if owner.organization_id else []
    return [connection.ref.endpoint_id, connection.owner, *units, *organization, EVERYBODY]


def _sentence_for_unlisted(owner: Owner, unlisted: Verdict) -> str:
    done = {Verdict.HOLD: "held", Verdict.REJECT: "rejected", Verdict.ACCEPT: "accepted"}[unlisted]
    return f"{done}: no entry allows account {owner.account}{_blind(owner)}"


def _sentence(entry: AllowlistEntry, owner: Owner) -> str:
    done, listed = {
        Action.ACCEPT: ("accepted", "allowlisted"),
        Action.REJECT: ("rejected", "listed as rejected"),
        Action.BLOCK: ("rejected", "blocked"),
    }[entry.action]
    services = "all services" if entry.key.service_id == EVERY_SERVICE else entry.key.service_id
    until = f" until {_moment(entry.expires_at)}" if entry.expires_at else ""
    note = f", note: {shorten(entry.note, _LONGEST_NOTE)}" if entry.note else ""
    return f"{done}: {_named(entry.key.principal, owner)} is {listed} for {services}{until}{note}{_blind(owner)}"


def _blind(owner: Owner) -> str:
    return f"; entries for organizational units do not count: {owner.reason}" if owner.reason else ""


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d}" if (at.hour, at.minute, at.second) == (0, 0, 0) else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _named(principal: str, owner: Owner) -> str:
    if principal == EVERYBODY:
        return "everybody"
    if is_unit(principal):
        name = next((unit.name for unit in owner.units if unit.unit_id == principal), "")
        return f"organizational unit {principal}{f' ({name})' if name else ''} of account {owner.account}"
    if is_organization(principal):
        return f"organization {principal} of account {owner.account}"
    return f"endpoint {principal}" if is_endpoint(principal) else f"account {principal}"
