from __future__ import annotations


class FakePublicDns:
    """`PublicDns` that knows the zones of a test."""

    def __init__(self) -> None:
        self.zones: set[str] = set()
        self.is_down = False

    def is_zone(self, name: str) -> bool | None:
        return None if self.is_down else name in self.zones
