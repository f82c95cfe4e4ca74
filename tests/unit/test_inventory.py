"""The summaries that people read."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from itertools import pairwise

import pytest

from autopilot.domain.connection import Acceptance, AwsState, Dns, LedgerRow
from autopilot.domain.disruption import Brake
from autopilot.domain.inventory import installed, stopped, taken_over
from autopilot.domain.names import Name
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import SeenBy
from tests.events import CONSUMER, REGION, SERVICE
from tests.unit.examples import NOW, STRANGER, ZONE, row

OTHER, THIRD = "vpce-svc-0be57ca5e5a1e5001", "vpce-svc-0be57ca5e5a1e5002"
MANAGED = EndpointService(SERVICE, REGION, True, True, "payments", (Name(f"api.{ZONE}", ZONE),))
UNMANAGED = [EndpointService(service_id, REGION, True, False, service_id) for service_id in (OTHER, THIRD)]


def standing(dns: Dns = Dns.PRESENT, **facts: str) -> LedgerRow:
    """A row of a connection that stood before."""
    return replace(row(Acceptance.ADOPTED, dns, AwsState.AVAILABLE, **facts), seen_by=SeenBy.INSTALLATION)  # type: ignore[arg-type]


def told(*rows: LedgerRow, is_observing: bool = False) -> str:
    return installed([MANAGED, *UNMANAGED], {SERVICE: rows}, 7, is_observing, True, REGION)


def test_each_unmanaged_service_has_a_command_of_its_own() -> None:
    commands = [line.strip() for line in told().splitlines() if line.startswith("    aws")]

    assert len(commands) == 2
    for command, service_id in zip(commands, (OTHER, THIRD), strict=True):
        options = dict(pairwise(shlex.split(command)))
        assert (options["--resources"], options["--region"]) == (service_id, REGION)


def test_what_stood_before_is_counted_by_what_became_of_it() -> None:
    text = told(
        standing(),
        standing(),
        standing(Dns.NO_ROLE, owner=STRANGER),
        standing(Dns.BLOCKED, dns_reason="the VPC already has a zone of that name"),
        standing(Dns.NONE),
    )

    assert "5 connections stood before. They are adopted: Autopilot writes their names and never" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert {"2 ready", "1 connected", "1 dns-blocked", "1 accepted"} <= set(lines)
    assert STRANGER in lines
    assert f"of account {CONSUMER}: the VPC already has a zone of that name" in text


def test_observing_it_says_what_would_be_done_for_each_and_stays_readable() -> None:
    rows = [standing(would=f"is adopted; would write zone {number}") for number in range(60)]
    text = told(*rows, is_observing=True)

    assert "is installed and observes" in text
    assert "would write zone 49" in text
    assert "would write zone 50" not in text
    assert "and 10 more" in text


def test_where_nothing_stood_before_nothing_is_said_of_it() -> None:
    assert "stood before" not in told()
    assert taken_over(MANAGED, [], False) == f"{SERVICE} (payments) is managed now: api.{ZONE}."


def test_a_service_that_is_handed_over_later_is_summed_up_alike() -> None:
    text = taken_over(MANAGED, [standing(), standing(Dns.NO_ROLE)], False)

    assert "2 connections stood before." in text
    assert "deploy the consumer's stack" in text


@pytest.mark.parametrize("number", [3, 60])
def test_who_stopped_before_disconnecting_says_whom_why_and_how_to_go_on(number: int) -> None:
    rows = [row(Acceptance.REVOKED, reason="revoked: the entry is gone")] * number
    text = stopped(rows, [], Brake({NOW: 2}, limit=2), REGION, "ledger")

    assert text.startswith(f"{number} connections would be disconnected")
    assert "Nothing was disconnected or removed." in text
    assert text.count("revoked: the entry is gone") == min(number, 50)
    command = shlex.split(text.splitlines()[-1])
    options = dict(pairwise(command))
    assert command[:3] == ["aws", "dynamodb", "update-item"]
    assert json.loads(options["--key"]) == {"service_id": {"S": "brake"}, "endpoint_id": {"S": "disruptions"}}
    assert json.loads(options["--expression-attribute-values"]) == {":allowed": {"N": str(2 + number)}}
