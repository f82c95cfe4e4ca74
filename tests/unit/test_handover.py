from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import cfnlint.api  # type: ignore[import-untyped]
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
import jmespath
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
answer = json.loads(os.environ["ANSWERS"]).get(sys.argv[2])
if answer is None:
    sys.exit(254)
print(jmespath.search(sys.argv[sys.argv.index("--query") + 1], answer) if "--query" in sys.argv else "")
"""
_ENTRIES = [
    f"*.{regional_name()}",
    regional_name().replace("-q7w2k9ax.", f"-q7w2k9ax-{REGION}b."),
    regional_name().replace("-q7w2k9ax.", f"-q7w2k9ax-{REGION}a."),
    regional_name(),
    "api.payments.example.com",
]
_DESCRIBED = {
    "VpcId": VPC,
    "IpAddressType": "ipv4",
    "DnsEntries": [{"DnsName": name, "HostedZoneId": ENDPOINT_ZONE} for name in _ENTRIES],
}
_ANSWERS: dict[str, object] = {
    "describe-vpc-endpoints": {"VpcEndpoints": [_DESCRIBED]},
    "create-hosted-zone": {"HostedZone": {"Id": "/hostedzone/Z1"}},
    "change-resource-record-sets": {},
}
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


def run(script: str, place: Path, **answers: object) -> list[list[str]]:
    """The calls that the commands make of an AWS CLI. answers: others than usual, None for a refusal."""
    stub = place / "aws"
    stub.write_text(_STUB)
    stub.chmod(stub.stat().st_mode | stat.S_IEXEC)
    environment = {"PATH": f"{place}:{Path(sys.executable).parent}:{os.environ['PATH']}", "CALLS": str(place / "calls")}
    environment["ANSWERS"] = json.dumps(_ANSWERS | {name.replace("_", "-"): answer for name, answer in answers.items()})
    subprocess.run(["bash", "-eu", "-c", script], env=environment, check=True, capture_output=True)
    return [json.loads(line) for line in (place / "calls").read_text().splitlines()]


def records(calls: list[list[str]]) -> list[dict[str, Any]]:
    """The record sets that are written, each batch valid for the API."""
    batches = [json.loads(option(call, "--change-batch")) for call in calls if call[1] == "change-resource-record-sets"]
    shape = botocore.session.get_session().get_service_model("route53").operation_model("ChangeResourceRecordSets")
    assert shape.input_shape is not None
    for batch in batches:
        validate_parameters({"HostedZoneId": "Z1", "ChangeBatch": batch}, shape.input_shape)
    return [change["ResourceRecordSet"] for batch in batches for change in batch["Changes"]]


def option(call: list[str], name: str) -> str:
    return call[call.index(name) + 1]


def test_the_commands_make_zone_association_and_records_with_the_endpoints_own_values(tmp_path: Path) -> None:
    calls = run(commands(connected()), tmp_path)

    assert calls[0][:2] == ["ec2", "describe-vpc-endpoints"]
    creates = [call for call in calls if call[1] == "create-hosted-zone"]
    assert [option(call, "--name") for call in creates] == ["billing.example.com", ZONE]
    assert {option(call, "--vpc") for call in creates} == {f"VPCRegion={REGION},VPCId={VPC}"}
    assert all(option(call, "--hosted-zone-id") == "/hostedzone/Z1" for call in calls if call[1].startswith("change"))
    apex, *others = records(calls)
    alias = {"HostedZoneId": ENDPOINT_ZONE, "DNSName": regional_name(), "EvaluateTargetHealth": False}
    assert apex == {"Name": "billing.example.com", "Type": "A", "AliasTarget": alias}
    assert [record["Name"] for record in others] == [f"api.{ZONE}", f"*.{ZONE}"]
    assert all(record["ResourceRecords"] == [{"Value": regional_name()}] for record in others)


@pytest.mark.parametrize("known", [{}, {"regional_name": "", "regional_zone_id": ""}])
@pytest.mark.parametrize("place", range(len(_ENTRIES)))
def test_what_the_provider_cannot_know_is_looked_up_wherever_it_is_listed(
    known: dict[str, Any], place: int, tmp_path: Path
) -> None:
    entries = [*_DESCRIBED["DnsEntries"][place:], *_DESCRIBED["DnsEntries"][:place]]
    described = {"VpcEndpoints": [_DESCRIBED | {"DnsEntries": entries}]}
    calls = run(commands(connected(NAMES, **known)), tmp_path, describe_vpc_endpoints=described)

    apex, api, _ = records(calls)
    assert apex["AliasTarget"]["DNSName"] == api["ResourceRecords"][0]["Value"] == regional_name()
    assert apex["AliasTarget"]["HostedZoneId"] == ENDPOINT_ZONE


@pytest.mark.parametrize(("ip", "types"), [("ipv4", ["A"]), ("ipv6", ["AAAA"]), ("dualstack", ["A", "AAAA"])])
def test_an_apex_gets_the_types_that_the_endpoint_has_addresses_for(ip: str, types: list[str], tmp_path: Path) -> None:
    described = {"VpcEndpoints": [_DESCRIBED | {"IpAddressType": ip}]}
    calls = run(commands(connected(names=NAMES[2:])), tmp_path, describe_vpc_endpoints=described)

    assert [record["Type"] for record in records(calls)] == types


def test_a_zone_that_the_vpc_has_already_is_taken(tmp_path: Path) -> None:
    zones = [{"Name": "other.example.", "HostedZoneId": "Z8"}, {"Name": f"{ZONE}.", "HostedZoneId": "Z9"}]
    there = {"HostedZoneSummaries": zones}
    calls = run(commands(connected(NAMES[:1])), tmp_path, create_hosted_zone=None, list_hosted_zones_by_vpc=there)

    (listing,) = (call for call in calls if call[1] == "list-hosted-zones-by-vpc")
    assert (option(listing, "--vpc-id"), option(listing, "--vpc-region")) == (VPC, REGION)
    assert option(calls[-1], "--hosted-zone-id") == "Z9"


def test_a_caller_reference_is_short_enough_and_another_for_each_zone(tmp_path: Path) -> None:
    zones = [f"{'a' * 60}.{'b' * 60}.{n}.example.com" for n in range(3)]
    calls = run(commands(connected(tuple((zone, zone) for zone in zones))), tmp_path)

    references = [option(call, "--caller-reference") for call in calls if call[1] == "create-hosted-zone"]
    assert len(set(references)) == 3
    assert max(map(len, references)) <= 128


def test_a_known_vpc_is_not_asked_for(tmp_path: Path) -> None:
    calls = run(commands(connected(NAMES[:2], vpc_id=VPC)), tmp_path)

    assert calls[0][1] == "create-hosted-zone"
    assert option(calls[0], "--vpc") == f"VPCRegion={REGION},VPCId={VPC}"


def test_the_template_has_the_same_and_asks_for_the_vpc() -> None:
    made = template(connected())

    assert set(made["Parameters"]) == {"VpcId", "Target", "TargetZone", "IpAddressType"}
    assert made["Parameters"]["Target"]["Default"] == regional_name()
    kinds = [resource["Type"] for resource in made["Resources"].values()]
    assert kinds.count("AWS::Route53::HostedZone") == 2
    conditions = [r.get("Condition") for r in made["Resources"].values() if r["Type"] == "AWS::Route53::RecordSet"]
    assert conditions == ["A", "AAAA", None, None]
    assert cfnlint.api.lint(json.dumps(made), regions=[REGION]) == []


def test_a_template_without_an_apex_needs_no_zone_of_the_target() -> None:
    assert set(template(connected(names=NAMES[:1]))["Parameters"]) == {"VpcId", "Target"}


def test_native_private_dns_is_one_command() -> None:
    found = handover(connected(is_native=True), 60)

    assert found is not None
    assert found.commands.startswith(f"aws ec2 modify-vpc-endpoint --region {REGION} --vpc-endpoint-id {ENDPOINT} ")
    assert found.template == ""


def test_where_a_zone_of_ours_stands_only_the_commands_are_offered_which_write_into_it() -> None:
    found = handover(connected(zones=(ZONE,)), 60)

    assert found is not None
    assert f"point {ZONE} " in found.commands
    assert found.template == ""


def test_without_names_there_is_nothing_to_hand_over() -> None:
    assert handover(connected(names=()), 60) is None


@given(
    st.text(min_size=1).filter(lambda text: not all(one.isascii() and (one.isalnum() or one in "_.*-") for one in text))
)
def test_a_name_that_a_shell_would_act_on_is_left_out(text: str) -> None:
    assert handover(connected(names=((text, ZONE), (f"{text}.{ZONE}", ZONE))), 60) is None


@pytest.mark.parametrize("own_zones", [True, False])
def test_it_stays_small_enough_for_an_event_and_an_e_mail(own_zones: bool) -> None:
    names = [f"service-{number:03}.{'a' * 20}.{ZONE}" for number in range(50)]
    found = handover(connected(names=tuple((name, name if own_zones else ZONE) for name in names)), 60)

    assert found is not None
    assert len(found.commands) + len(found.template) < 20_000


@pytest.mark.parametrize("name", [f"API.{ZONE}", "bücher.example.com"])
def test_only_names_as_dns_has_them_are_handed_over(name: str) -> None:
    assert handover(connected(names=((name, ZONE),)), 60) is None
