from __future__ import annotations

from autopilot.allowlist_stream import read_keys
from autopilot.domain.allowlist import EntryKey


def test_the_keys_that_changed_are_read_and_nothing_else() -> None:
    def record(principal: str, service_id: str) -> dict[str, object]:
        return {"dynamodb": {"Keys": {"principal": {"S": principal}, "service_id": {"S": service_id}}}}

    event = {"Records": [record("222222222222", "*"), record("*", "vpce-svc-0fa57c0de5e41ce01")] * 2}

    assert read_keys(event) == {EntryKey("222222222222"), EntryKey("*", "vpce-svc-0fa57c0de5e41ce01")}
