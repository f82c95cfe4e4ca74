from __future__ import annotations

from collections.abc import Collection, Sequence

from autopilot.domain.allowlist import AllowlistEntry, EntryKey
from tests.fakes.calls import Calls


class FakeAllowlist:
    """`Allowlist` in a dictionary. allowed_principals: the deployment's own entries."""

    def __init__(self, calls: Calls | None = None, allowed_principals: Collection[str] = ()) -> None:
        self._calls = calls or Calls()
        self._own = {EntryKey(principal) for principal in allowed_principals}
        self._rows: dict[EntryKey, AllowlistEntry] = {}

    def put(self, entry: AllowlistEntry) -> None:
        self._rows[entry.key] = entry

    def remove(self, key: EntryKey) -> None:
        del self._rows[key]

    def entries(self, keys: Collection[EntryKey]) -> Sequence[AllowlistEntry]:
        with self._calls.making("BatchGetItem", "Allowlist"):
            own = [AllowlistEntry(key, note="AllowedPrincipals of the deployment") for key in keys if key in self._own]
            return own + [self._rows[key] for key in keys if key in self._rows]
