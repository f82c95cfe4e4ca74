from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from autopilot.aws.ledger import LedgerTable
from autopilot.aws.ledger_items import NOTICE, read_row
from autopilot.domain.connection import AcceptanceFacet, Status
from autopilot.domain.report import Notice
from autopilot.ledger_stream import count_requests, read_changes
from tests.events import CONSUMER, ENDPOINT, SERVICE, event

SAMPLE = event("invoke-report-status")["Records"][0]["dynamodb"]
# What rows from before persons, units and reminders were known do not have.
SINCE_THEN = {name: {"S": ""} for name in ("answered_by", "refusal", "owner_name", "owner_path")}

# And what rows from before the path to the endpoint was looked at do not have.
LATER = {
    **{
        name: {"L": []}
        for name in ("names", "leaving", "releasing", "also_vpcs", "associating", "letting_go", "unserved", "checks")
    },
    **{name: {"S": ""} for name in ("regional_name", "regional_zone_id", "declared")},
    "checked_at": {"NULL": True},
    **{name: {"BOOL": False} for name in ("is_native", "is_refused")},
}
# And what rows from before facets had revisions do not have.
REVISIONS = {f"{facet}_revision": {"N": "1"} for facet in ("acceptance", "dns")}


def record(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    images = {"OldImage": before, "NewImage": after}
    return {"dynamodb": {name: image for name, image in images.items() if image}}


def notice(text: str, **more: dict[str, Any]) -> dict[str, Any]:
    written_at = {"S": "2026-03-02T09:16:12+00:00"}
    key = {"service_id": {"S": NOTICE}, "endpoint_id": {"S": "CHECK THE TAGS"}}
    return key | {"text": {"S": text}, "written_at": written_at} | more


def test_the_sample_invocation_tells_that_a_name_became_ready() -> None:
    (change,), notices = read_changes(event("invoke-report-status"))

    assert (change.before, change.row.status) == (Status.ACCEPTED, Status.READY)
    assert change.report_id == f"{SERVICE}/{ENDPOINT}/4"
    assert not notices


@pytest.mark.parametrize("image", ["OldImage", "NewImage"])
def test_the_sample_invocation_has_what_the_ledger_writes(image: str) -> None:
    row = read_row(SAMPLE[image])
    with mock_aws():
        dynamodb = boto3.client("dynamodb", "eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
        dynamodb.create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": "S"} for key in ("service_id", "endpoint_id")
            ],
            KeySchema=[
                {"AttributeName": "service_id", "KeyType": "HASH"},
                {"AttributeName": "endpoint_id", "KeyType": "RANGE"},
            ],
        )
        ledger = LedgerTable(dynamodb, "ledger")
        ledger.record_dns(ledger.record_acceptance(replace(row, version=0), row.acceptance), row.dns)
        (written,) = dynamodb.scan(TableName="ledger")["Items"]

    counters = {name: SAMPLE[image][name] for name in ("version", "written_at")}
    acceptance = {"acceptance": {"M": SINCE_THEN | SAMPLE[image]["acceptance"]["M"]}}
    # Those rows called all that they had their own.
    later = LATER | {"written": {"L": [{"S": name} for name, _ in row.dns.records]}}
    dns = {"dns": {"M": later | SAMPLE[image]["dns"]["M"]}, "vpc_id": {"S": row.dns.vpc_id}}
    assert written | counters == SAMPLE[image] | REVISIONS | acceptance | dns


def test_a_notice_that_is_given_anew_over_one_that_nobody_could_read_is_told() -> None:
    garbled = notice("zone is no name") | {"written_at": {"S": "yesterday"}}
    _, notices = read_changes({"Records": [record(garbled, notice("zone is no name"))]})

    assert notices == [Notice("CHECK THE TAGS", "zone is no name")]


def test_a_row_from_before_there_were_persons_units_and_reminders_is_read() -> None:
    acceptance = {
        name: value for name, value in SAMPLE["NewImage"]["acceptance"]["M"].items() if name not in SINCE_THEN
    }
    row = read_row(SAMPLE["NewImage"] | {"acceptance": {"M": acceptance}})

    known = row.acceptance
    assert known == AcceptanceFacet(known.value, known.decided_by, known.reason, timeline=known.timeline)
    assert row.reminders == 0


def test_a_row_from_before_other_vpcs_had_sentences_of_their_own_leaves_them_to_the_next_look() -> None:
    path = "the endpoint is in 1 of 3 zones"
    checks = [path, "222222222222/eu-central-1/vpc-1 is not served: …", "the endpoint's tag names no VPC with 'x'; …"]
    dns = SAMPLE["NewImage"]["dns"]["M"] | {"checks": {"L": [{"S": check} for check in checks]}}

    assert read_row(SAMPLE["NewImage"] | {"dns": {"M": dns}}).dns.all_checks == (path,)


@pytest.mark.parametrize(
    ("service_id", "endpoint_id"),
    [("brake", "disruptions"), (f"permissions/{SERVICE}", CONSUMER), ("something", "a person put there")],
)
def test_what_autopilot_keeps_for_itself_is_nothing_to_tell(service_id: str, endpoint_id: str) -> None:
    before = {"service_id": {"S": service_id}, "endpoint_id": {"S": endpoint_id}}
    after = before | {"taken": {"N": "3"}}
    records = [record(None, before), record(before, after), record(after, None)]

    assert read_changes({"Records": records}) == ([], [])


def test_a_new_row_and_a_new_version_without_news_tell_what_is_new_and_no_more() -> None:
    after = SAMPLE["NewImage"]
    told = after | {"told": {"S": "ready"}}

    (change,), _ = read_changes({"Records": [record(None, after), record(after, told)]})

    assert (change.before, change.row.status) == (None, Status.READY)


def test_the_end_of_an_expired_row_tells_nothing() -> None:
    expired = [record(SAMPLE["NewImage"], None), record(notice("all is wrong"), None)]

    assert read_changes({"Records": expired}) == ([], [])


def test_a_lost_report_is_told_when_it_is_asked_for_again_with_what_was_told_last() -> None:
    untold = SAMPLE["NewImage"] | {"told": {"S": "accepted"}}
    asked_for = untold | {"repeats": {"N": "1"}}

    (change,), _ = read_changes({"Records": [record(untold, asked_for)]})

    assert (change.before, change.row.status) == (Status.ACCEPTED, Status.READY)
    assert change.report_id == f"{SERVICE}/{ENDPOINT}/4"


def test_a_report_that_was_told_meanwhile_is_not_told_again() -> None:
    told = SAMPLE["NewImage"] | {"told": {"S": "ready"}}

    assert read_changes({"Records": [record(told, told | {"repeats": {"N": "1"}})]}) == ([], [])


def test_a_lost_notice_is_told_when_it_is_asked_for_again_and_not_when_it_is_marked_as_told() -> None:
    lost, told = notice("all is wrong"), notice("all is wrong", told={"BOOL": True})
    again = notice("all is wrong", repeats={"N": "1"})

    assert read_changes({"Records": [record(lost, again), record(again, told)]}) == (
        [],
        [Notice("CHECK THE TAGS", "all is wrong")],
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, "all is wrong", True),
        ("nearly all is wrong", "all is wrong", True),
        ("", "all is wrong", True),
        ("all is wrong", "all is wrong", False),
        ("all is wrong", "", False),
        (None, "", False),
    ],
)
def test_a_notice_is_told_when_it_is_given_and_not_when_it_is_withdrawn(
    before: str | None, after: str, told: bool
) -> None:
    changes, notices = read_changes({"Records": [record(None if before is None else notice(before), notice(after))]})

    assert notices == ([Notice("CHECK THE TAGS", after)] if told else [])
    assert not changes


def test_requests_are_counted_once_by_who_told_of_them() -> None:
    row = SAMPLE["NewImage"]
    swept = row | {"seen_by": {"S": "sweep"}}
    records = [record(None, row), record(row, row), record(None, swept), record(row, None), record(None, notice("x"))]

    assert count_requests({"Records": records}) == {"event": 1, "sweep": 1}
