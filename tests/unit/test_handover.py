from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.connection import AwsState, Connection, ConnectionRef, Dns, DnsFacet, LedgerRow
from autopilot.domain.handover import handover
from tests.events import CONSUMER, ENDPOINT, REGION, SERVICE
from tests.unit.examples import ENDPOINT_ZONE, VPC, ZONE, regional_name

# Tells what it was asked, a line of JSON a call, and answers as the AWS CLI would with `--output text`.
_STUB = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
print({"describe-vpc-endpoints": "looked-up", "create-hosted-zone": "/hostedzone/Z1"}.get(sys.argv[2], "done"))
"""
NAMES = ((f"api.{ZONE}", ZONE), (f"*.{ZONE}", ZONE), ("billing.example.com", "billing.example.com"))


def connected(names: tuple[tuple[str, str], ...] = NAMES, **facts: Any) -> LedgerRow:
    connection = Connection(ConnectionRef(SERVICE, ENDPOINT), CONSUMER, REGION, AwsState.AVAILABLE)
    known = {"regional_name": regional_name(), "regional_zone_id": ENDPOINT_ZONE} | facts
    return LedgerRow(connection, "event", "payments", dns=DnsFacet(Dns.NO_ROLE, names=names, **known))


def commands(row: LedgerRow) -> str:
    found = handover(row, 60)
    assert found is not None
    return found.commands


def template(row: LedgerRow) -> dict[str, Any]:
    found = handover(row, 60)
    assert found is not None
    return dict(json.loads(found.template))


def run(script: str, place: Path) -> list[list[str]]:
    """The calls that the commands make of an AWS CLI."""
    stub = place / "aws"
    stub.write_text(_STUB)
    stub.chmod(stub.stat().st_mode | stat.S_IEXEC)
    environment = {"PATH": f"{place}:{os.environ['PATH']}", "CALLS": str(place / "calls")}
    subprocess.run(["bash", "-eu", "-c", script], env=environment, check=True, capture_output=True)
    return [json.loads(line) for line in (place / "calls").read_text().splitlines()]


def option(call: list[str], name: str) -> str:
    return call[call.index(name) + 1]


def test_the_commands_make_zone_association_and_records_with_the_endpoints_own_values(tmp_path: Path) -> None:
    look_up, *calls = run(commands(connected()), tmp_path)

    assert look_up[:2] == ["ec2", "describe-vpc-endpoints"]
    creates = [call for call in calls if call[1] == "create-hosted-zone"]
    assert [option(call, "--name") for call in creates] == ["billing.example.com", ZONE]
    assert {option(call, "--vpc") for call in creates} == {f"VPCRegion={REGION},VPCId=looked-up"}
    batches = [json.loads(option(call, "--change-batch")) for call in calls if call[1] != "create-hosted-zone"]
    model = botocore.session.get_session().get_service_model("route53")
    shape = model.operation_model("ChangeResourceRecordSets").input_shape
    assert shape is not None
    for batch in batches:
        validate_parameters({"HostedZoneId": "Z1", "ChangeBatch": batch}, shape)
    records = [change["ResourceRecordSet"] for batch in batches for change in batch["Changes"]]
    alias = {"HostedZoneId": ENDPOINT_ZONE, "DNSName": regional_name(), "EvaluateTargetHealth": False}
    assert records[0] == {"Name": "billing.example.com", "Type": "A", "AliasTarget": alias}
    assert [record["Name"] for record in records[1:]] == [f"api.{ZONE}", f"*.{ZONE}"]
    assert all(record["ResourceRecords"] == [{"Value": regional_name()}] for record in records[1:])


def test_what_the_provider_cannot_know_is_looked_up(tmp_path: Path) -> None:
    calls = run(commands(connected(regional_name="", regional_zone_id="")), tmp_path)

    assert [call[1] for call in calls[:3]] == ["describe-vpc-endpoints"] * 3
    batch = json.loads(option(calls[-1], "--change-batch"))
    assert batch["Changes"][0]["ResourceRecordSet"]["ResourceRecords"] == [{"Value": "looked-up"}]


def test_a_known_vpc_is_not_asked_for(tmp_path: Path) -> None:
    calls = run(commands(connected(vpc_id=VPC)), tmp_path)

    assert calls[0][1] == "create-hosted-zone"
    assert option(calls[0], "--vpc") == f"VPCRegion={REGION},VPCId={VPC}"


def test_the_template_has_the_same_and_asks_for_the_vpc(tmp_path: Path) -> None:
    made = template(connected())

    assert set(made["Parameters"]) == {"VpcId", "Target", "TargetZone"}
    assert made["Parameters"]["Target"]["Default"] == regional_name()
    kinds = [resource["Type"] for resource in made["Resources"].values()]
    assert kinds.count("AWS::Route53::HostedZone") == 2
    assert kinds.count("AWS::Route53::RecordSet") == 3
    path = tmp_path / "template.json"
    path.write_text(json.dumps(made))
    assert subprocess.run(["cfn-lint", path], capture_output=True, text=True, check=False).stdout == ""


def test_a_template_without_an_apex_needs_no_zone_of_the_target() -> None:
    assert set(template(connected(names=NAMES[:1]))["Parameters"]) == {"VpcId", "Target"}


def test_native_private_dns_is_one_command() -> None:
    found = handover(connected(is_native=True), 60)

    assert found is not None
    assert found.commands.startswith(f"aws ec2 modify-vpc-endpoint --region {REGION} --vpc-endpoint-id {ENDPOINT} ")
    assert found.template == ""


def test_without_names_there_is_nothing_to_hand_over() -> None:
    assert handover(connected(names=()), 60) is None


@given(
    st.text(min_size=1).filter(lambda text: not all(one.isascii() and (one.isalnum() or one in "_.*-") for one in text))
)
def test_a_name_that_a_shell_would_act_on_is_left_out(text: str) -> None:
    assert handover(connected(names=((text, ZONE), (f"{text}.{ZONE}", ZONE))), 60) is None


def test_it_stays_small_enough_for_an_event_and_an_e_mail() -> None:
    found = handover(connected(names=tuple((f"{'a' * 60}{number}.{ZONE}", ZONE) for number in range(50))), 60)

    assert found is not None
    assert len(found.commands) + len(found.template) < 30_000


@pytest.mark.parametrize("name", [f"API.{ZONE}", "bücher.example.com"])
def test_only_names_as_dns_has_them_are_handed_over(name: str) -> None:
    assert handover(connected(names=((name, ZONE),)), 60) is None
