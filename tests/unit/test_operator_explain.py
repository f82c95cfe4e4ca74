from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from autopilot.cli.explain import MEANINGS, document, explained, unknown
from autopilot.domain.connection import Acceptance, AwsState, Dns, LedgerRow, Moment
from tests.events import CONSUMER, ENDPOINT, REGION, SERVICE
from tests.unit.examples import NOW, VPC, ZONE, regional_name, row

HELD = row(Acceptance.HELD, Dns.NONE, AwsState.PENDING_ACCEPTANCE, reason="held: no entry allows it")


def facts(of: LedgerRow) -> dict[str, list[str]]:
    """Every labelled line by its label."""
    lines = [line.partition(":") for line in list(explained(of))[1:]]
    return {label: [value.strip() for name, _, value in lines if name == label] for label, _, _ in lines}


def test_a_ready_connection_tells_its_status_and_why_its_names_and_who_decided() -> None:
    ready = replace(row(owner_name="team-x"), told="ready")

    assert next(explained(ready)).startswith("READY: The VPC resolves the name. Accepted: account")
    told = facts(ready)
    assert told["Account"] == [f"{CONSUMER} (team-x)"]
    assert told["Name"] == [f"api.{ZONE} -> {regional_name()}"]
    assert told["VPC"] == [VPC]
    assert told["Decided by"] == [f"{CONSUMER}/*"]
    assert told["Seen first"] == ["by event"]
    assert told["Told"] == ["ready"]
    assert told["DNS"] == ["present (the VPC resolves the name)"]


def test_it_says_since_when_the_looks_at_its_dns_fail() -> None:
    failing = replace(row(), failing_since=NOW)

    assert facts(failing)["Failing"] == [f"since {NOW:%Y-%m-%d %H:%M:%S} UTC; a dead letter says why"]
    assert "Failing" not in facts(row())


def test_the_timeline_has_the_seconds_since_the_request_and_the_words_of_the_reports() -> None:
    assert facts(row())["Timeline"] == [
        "2026-03-02 09:14:06 UTC  +0 s  requested",
        "2026-03-02 09:14:12 UTC  +6 s  accepted",
        "2026-03-02 09:16:12 UTC  +126 s  present: ready",
    ]


def test_without_a_time_of_the_request_there_are_no_seconds() -> None:
    timeless = replace(row(), connection=replace(row().connection, created_at=None))

    assert facts(timeless)["Timeline"][0] == "2026-03-02 09:14:12 UTC  accepted"
    assert [moment["seconds_since_request"] for moment in timeline_of(timeless)] == [None, None]


def test_every_value_of_the_dns_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(Dns)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("", "ready is not told yet; the sweep has what was lost told again, hourly, after a day daily"),
        ("held", "held, ready is not told yet; the sweep has what was lost told again, hourly, after a day daily"),
        ("ready", "ready"),
    ],
)
def test_a_report_that_is_still_to_be_told_is_named(told: str, sentence: str) -> None:
    assert facts(replace(row(), told=told))["Told"] == [sentence]


def test_a_connection_that_is_being_worked_on_says_so() -> None:
    undecided = row(Acceptance.UNDECIDED, Dns.NONE, AwsState.PENDING_ACCEPTANCE, reason="", dns_reason="")

    assert next(explained(undecided)).startswith("UNDER-WAY: ")
    assert facts(undecided)["Told"] == ["nothing yet"]


def test_what_would_be_done_is_told_in_observe_mode() -> None:
    observed = replace(
        HELD, acceptance=replace(HELD.acceptance, value=Acceptance.UNDECIDED, would="would be accepted by o-1/*")
    )

    assert next(explained(observed)).startswith("OBSERVED: ")
    assert facts(observed)["Observed"] == ["would be accepted by o-1/*"]


def test_names_that_leave_are_told_with_the_moment_that_was_seen() -> None:
    leaving = replace(row(), dns=replace(row().dns, leaving=(Moment(NOW, f"old.{ZONE}"),)))

    assert facts(leaving)["Leaving"] == [f"old.{ZONE}, not declared since 2026-03-02 09:14:12 UTC"]


def timeline_of(of: LedgerRow) -> list[dict[str, object]]:
    timeline = document(of)["timeline"]
    assert isinstance(timeline, list)
    return timeline


def test_programs_get_the_same_as_json() -> None:
    written_at = NOW + timedelta(minutes=2)
    told = json.loads(json.dumps(document(replace(row(), told="ready", written_at=written_at))))

    assert (told["status"], told["service_id"], told["endpoint_id"]) == ("ready", SERVICE, ENDPOINT)
    assert (told["acceptance"], told["dns"], told["is_reported"]) == ("accepted", "present", True)
    assert told["names"] == {f"api.{ZONE}": regional_name()}
    assert told["written_at"] == "2026-03-02T09:16:12+00:00"
    assert told["timeline"][2] == {
        "at": "2026-03-02T09:16:12+00:00",
        "what": "present",
        "seconds_since_request": 126.0,
    }
    assert not {"report_id", "previous_status", "reminder"} & told.keys()


def test_programs_see_that_a_report_was_lost() -> None:
    assert document(row())["is_reported"] is False


def test_an_unknown_endpoint_is_said_to_be_so_with_what_to_do() -> None:
    told = unknown(ENDPOINT, REGION)

    assert told.startswith(f"{ENDPOINT}: Autopilot has seen no connection of it")
    assert (
        f"describe-vpc-endpoint-connections --region {REGION} --filters Name=vpc-endpoint-id,Values={ENDPOINT}" in told
    )
