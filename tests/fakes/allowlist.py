from __future__ import annotations

from collections.abc import Collection, Sequence

from autopilot.domain.allowlist import AllowlistEntry, BadEntry, EntryKey, Listing
from tests.fakes.calls import Calls


class FakeAllowlist:
    """`Allowlist` in a dictionary. allowed_principals: the deployment's own entries."""

    def __init__(self, calls: Calls | None = None, allowed_principals: Collection[str] = ()) -> None:
        self._calls = calls or Calls()
        self._own = {
            EntryKey(principal): AllowlistEntry(EntryKey(principal), note="AllowedPrincipals of the deployment")
            for principal in allowed_principals
        }
        self._rows: dict[EntryKey, AllowlistEntry] = {}
        self._bad: dict[str, BadEntry] = {}

    def put(self, entry: AllowlistEntry) -> None:
        self._bad.pop(str(entry.key), None)
        self._rows[entry.key] = entry

    def put_bad(self, entry: BadEntry) -> None:
        """A row that decides nothing; `put` of its key mends it."""
        self._bad[entry.key] = entry
        self._rows = {key: row for key, row in self._rows.items() if str(key) != entry.key}

    def remove(self, key: EntryKey) -> None:
        if self._bad.pop(str(key), None) is None:
            del self._rows[key]

    def entries(self, keys: Collection[EntryKey]) -> Sequence[AllowlistEntry]:
        with self._calls.making("BatchGetItem", "Allowlist"):
            own = [self._own[key] for key in keys if key in self._own]
            return own + [self._rows[key] for key in keys if key in self._rows]

    def listing(self) -> Listing:
        with self._calls.making("Scan", "Allowlist"):
            return Listing((*self._own.values(), *self._rows.values()), tuple(self._bad.values()))
