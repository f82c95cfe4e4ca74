"""The operator's commands from their arguments to what is printed, on tables and queues of a stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from autopilot import __main__ as command
from autopilot.aws.ledger import LedgerTable
from autopilot.domain.connection import (
    Acceptance,
    AcceptanceFacet,
    AwsState,
    Connection,
    ConnectionRef,
    Dns,
    DnsFacet,
    LedgerRow,
)
from tests.adapters import real
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, Landscape
from tests.local_aws.moto_door import session
from tests.template.templates import PROVIDER as TEMPLATE

SERVICE, STRANGER = "vpce-svc-0fa57c0de5e41ce01", "333333333333"
READY, HELD = "vpce-0e1f2a3b4c5d6e701", "vpce-0e1f2a3b4c5d6e702"
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
QUEUES = ("RequestsDeadLetters", "DnsDeadLetters", "RuleDeadLetters", "StreamDeadLetters", "RequestsQueue", "DnsQueue")

type Run = Callable[..., int]


@pytest.fixture
def is_real() -> bool:
    return True


class CloudFormation:
    """DescribeStacks of one stack."""

    class meta:  # noqa: N801, as boto3 names it
        region_name = REGION

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._outputs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName != "mine":
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [{"StackName": StackName, "Outputs": self._outputs}]}


@pytest.fixture
def run(landscape: Landscape, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with the provider's credentials and a stack that has two connections in its ledger."""
    mine = session(PROVIDER)
    arns = {name: f"arn:aws:sqs:{REGION}:{PROVIDER}:{name}" for name in QUEUES}
    stack = CloudFormation({"LedgerTableName": real.LEDGER, **{f"{name}Arn": arn for name, arn in arns.items()}})
    monkeypatch.setattr(boto3, "client", lambda name, **_: stack if name == "cloudformation" else mine.client(name))
    for name in QUEUES:
        mine.client("sqs").create_queue(QueueName=name)
    ledger = LedgerTable(real.ledger_table(), real.LEDGER, lambda: NOW)
    held = AcceptanceFacet().became(Acceptance.HELD, NOW, reason="held: \x1b[2J no entry")
    ledger.record_acceptance(unseen(HELD, STRANGER, AwsState.PENDING_ACCEPTANCE), held)
    accepted = AcceptanceFacet().became(Acceptance.ACCEPTED, NOW, reason="accepted", decided_by=f"{CONSUMER}/*")
    written = ledger.record_acceptance(unseen(READY, CONSUMER, AwsState.AVAILABLE), accepted)
    ledger.record_dns(written, DnsFacet().became(Dns.PRESENT, NOW, reason="the VPC resolves the name"))
    ledger.record_notice("CHECK THE TAGS of it", "is no connection")
    return lambda *arguments: command.main([arguments[0], "--stack", "mine", "--region", REGION, *arguments[1:]])


def unseen(endpoint_id: str, owner: str, state: AwsState) -> LedgerRow:
    return LedgerRow(Connection(ConnectionRef(SERVICE, endpoint_id), owner, REGION, state, NOW), "event", "payments")


def test_status_lists_every_connection_and_nothing_else(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["held", "ready", "2"]
    assert "Held: ?[2J no entry." in lines[0]


@pytest.mark.parametrize(
    ("arguments", "endpoints"),
    [
        (["--status", "held,dns-blocked"], [HELD]),
        (["--account", CONSUMER], [READY]),
        (["--account", CONSUMER, "--status", "held"], []),
    ],
)
def test_status_is_narrowed(
    arguments: list[str], endpoints: list[str], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", *arguments) == 0

    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()[:-1]] == endpoints


@pytest.mark.parametrize(
    "arguments",
    [["status", "--status", "helt"], ["status", "--status", ""], ["status", "--account", "1"], ["explain", SERVICE]],
)
def test_a_wrong_argument_is_refused_before_anything_is_asked(
    arguments: list[str], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        run(*arguments)

    assert left.value.code == 2


def test_explain_tells_of_one_connection(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", READY) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "READY: The VPC resolves the name. Accepted."
    assert f"Decided by:  {CONSUMER}/*" in lines


def test_explain_has_json_for_programs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", HELD, "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["endpoint_id"], told["account"]) == ("held", HELD, STRANGER)


def test_explain_makes_foreign_text_harmless(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", HELD) == 0

    assert "Held: ?[2J no entry." in capsys.readouterr().out


def test_explain_says_what_an_unknown_endpoint_means(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "vpce-0e1f2a3b4c5d6e703") == 1

    told = capsys.readouterr()
    assert told.out == ""
    assert "Autopilot has seen no connection of it" in told.err


def test_redrive_reads_the_four_queues_of_the_stack(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("redrive") == 0

    assert capsys.readouterr().out.splitlines() == [
        "Requests: no dead letters",
        "DNS: no dead letters",
        "Rules and notifications: no dead letters",
        "Streams and schedule: no dead letters",
    ]


def test_redrive_is_not_done_while_a_letter_is_left(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    sqs: Any = session(PROVIDER).client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="StreamDeadLetters")["QueueUrl"], MessageBody="\x9b what")

    assert run("redrive") == 1
    told = capsys.readouterr()
    assert "? what" in told.out
    assert told.err == "Streams and schedule: 1 letter left, whose work the sweep does; --discard deletes them\n"

    assert run("redrive", "--discard") == 0
    assert run("redrive") == 0


def test_a_stack_that_is_not_there_is_a_sentence(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["status", "--stack", "yours", "--region", REGION]) == 1

    assert f"DescribeStacks for yours in {REGION} failed with ValidationError" in capsys.readouterr().err


def test_the_outputs_that_the_commands_read_are_the_templates() -> None:
    read = {"LedgerTableName", *(f"{name}Arn" for name in QUEUES)}

    assert read - TEMPLATE["Outputs"].keys() == set()
