"""What the whole list says of connections that were decided before, as far as it can be told without Organizations.

A sweep asks this of every connection at no cost; what looks different is then decided anew by decide_connection,
on a consistent read and with Organizations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from autopilot.domain.acceptance import names_the_endpoint
from autopilot.domain.allowlist import (
    Action,
    AllowlistEntry,
    Decision,
    EntryKey,
    Verdict,
    decide,
    keys_for,
    principal_of,
)
from autopilot.domain.connection import Acceptance, Connection, LedgerRow
from autopilot.domain.organization import OrganizationalUnit, Owner, is_organization, is_unit, is_wide


class Review:
    """The list, indexed by key."""

    def __init__(self, entries: Sequence[AllowlistEntry], now: datetime) -> None:
        self._now = now
        self._entries: defaultdict[EntryKey, list[AllowlistEntry]] = defaultdict(list)
        for entry in entries:
            self._entries[entry.key].append(entry)
        wide = [entry for entry in entries if is_wide(entry.key.principal) and entry.applies(now)]
        self._units_accept = any(entry.action is Action.ACCEPT for entry in wide)
        self._units_refuse = any(entry.action is not Action.ACCEPT for entry in wide)

    def still_accepts(self, row: LedgerRow) -> bool:
        """Whether what accepted the connection seems to accept it still, its account being where it was."""
        principal = principal_of(row.acceptance.decided_by)
        owner = Owner(
            row.connection.owner,
            units=(OrganizationalUnit(principal),) if is_unit(principal) else (),
            organization_id=principal if is_organization(principal) else None,
        )
        return self._decide(row.connection, owner).verdict is Verdict.ACCEPT

    def accepts_again(self, row: LedgerRow) -> bool:
        """Whether an entry that needs no Organizations accepts what was revoked."""
        return self._decide(row.connection, Owner(row.connection.owner)).verdict is Verdict.ACCEPT

    def names(self, connection: Connection) -> bool:
        """Whether an entry for this very endpoint accepts it."""
        return names_the_endpoint(self._decide(connection, Owner(connection.owner)))

    def hinges_on_units(self, row: LedgerRow) -> bool:
        """Whether where the account is by now could change the decision."""
        match row.acceptance.value:
            case Acceptance.ACCEPTED:
                return self._units_refuse or is_wide(principal_of(row.acceptance.decided_by))
            case Acceptance.REVOKED:
                return self._units_accept
            case _:
                return False

    def _decide(self, connection: Connection, owner: Owner) -> Decision:
        entries = [entry for key in keys_for(connection, owner) for entry in self._entries.get(key, ())]
        return decide(connection, owner, entries, Verdict.HOLD, self._now)
