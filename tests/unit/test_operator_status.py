from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from autopilot.cli.status import listed
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns, LedgerRow
from tests.events import CONSUMER, ENDPOINT, SERVICE
from tests.unit.examples import STRANGER, row

OTHER_SERVICE = "vpce-svc-0fa57c0de5e41ce02"
HELD = row(Acceptance.HELD, Dns.NONE, AwsState.PENDING_ACCEPTANCE, reason="held: no entry allows it", owner=STRANGER)


def at(of: LedgerRow, endpoint_id: str, service_id: str = SERVICE, title: str = "payments") -> LedgerRow:
    connection = replace(of.connection, ref=ConnectionRef(service_id, endpoint_id))
    return replace(of, connection=connection, service_title=title)


def test_a_connection_is_a_line_with_who_what_since_when_and_why() -> None:
    [line, summary] = listed([row(owner_name="team-x")])

    assert line == (
        f"ready  payments {SERVICE}  {ENDPOINT}  {CONSUMER} team-x  since 2026-03-02 09:16 UTC  "
        "The VPC resolves the name. Accepted: account 222222222222 is allowlisted for al…"
    )
    assert summary == "1 connections: 1 ready"


def test_the_connections_of_a_service_are_together_by_status_and_endpoint() -> None:
    rows = [
        at(row(), "vpce-00000000000000003"),
        at(row(), "vpce-00000000000000004", OTHER_SERVICE, "ledger"),
        at(HELD, "vpce-00000000000000002"),
        at(row(), "vpce-00000000000000001"),
    ]

    *lines, summary = listed(rows)

    assert [line.split()[3] for line in lines] == [f"vpce-0000000000000000{number}" for number in (4, 2, 1, 3)]
    assert summary == "4 connections: 1 held, 3 ready"


def test_columns_are_under_each_other() -> None:
    lines = list(listed([row(owner_name="a long name"), HELD]))[:-1]

    assert len({line.index("since ") for line in lines}) == 1


def test_a_service_without_a_name_is_not_told_twice() -> None:
    [line, _] = listed([at(row(), ENDPOINT, SERVICE, SERVICE)])

    assert line.count(SERVICE) == 1


def test_what_has_no_status_yet_is_told_too() -> None:
    undecided = row(Acceptance.UNDECIDED, Dns.NONE, AwsState.PENDING_ACCEPTANCE)

    assert list(listed([undecided]))[-1] == "1 connections: 1 under-way"
    assert list(listed([replace(undecided, dns=replace(undecided.dns, would="x"))]))[-1] == "1 connections: 1 observed"


def test_a_reader_who_has_seen_enough_ends_the_command_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    one_line = (
        "import sys\n"
        "from autopilot import __main__ as commands\n"
        "commands.status.run = lambda given, tell: tell('a line') or []\n"
        "sys.exit(commands.main(['status']))\n"
    )
    done = subprocess.run([sys.executable, "-c", one_line], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_a_sentence() -> None:
    assert list(listed([])) == ["no connections"]
