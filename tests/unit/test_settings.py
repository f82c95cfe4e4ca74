from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.allowlist import Verdict
from autopilot.domain.connection import Status
from autopilot.domain.disruption import MaxDisruptions, OnRevoked
from autopilot.domain.mode import Mode
from autopilot.settings import Settings, WrongSetting
from tests.events import CONSUMER, ENDPOINT, PROVIDER
from tests.unit.examples import ZONE

QUEUE = "https://sqs.eu-central-1.amazonaws.com/111111111111/privatelink-autopilot-requests"
PARAMETERS = f"ProviderAccount={PROVIDER} ForwardEvents=false AllowedRecordNames='{ZONE},*.{ZONE}'"
TOPIC = "arn:aws:sns:eu-central-1:111111111111:status"
ROLE = "arn:aws:iam::999999999999:role/platform/look-up-accounts"
UNIT, ORGANIZATION = "ou-ab12-11111111", "o-autopilot01"

# Where one property reads several variables, or is named otherwise.
PROPERTIES = {
    "AWS_REGION": "region",
    "MAX_DISRUPTIONS_PERCENT": "max_disruptions",
    "HELD_REMINDER_HOURS": "held_reminder",
    "NAME_GRACE_HOURS": "name_grace",
    "DRIFT_CHECK_HOURS": "drift_check",
    "FOREIGN_DRIFT_CHECK_HOURS": "foreign_drift_check",
}
BESIDE = {"MAX_DISRUPTIONS": {"MAX_DISRUPTIONS_PERCENT": "10"}, "MAX_DISRUPTIONS_PERCENT": {"MAX_DISRUPTIONS": "5"}}

RIGHT: list[tuple[str, str, Any]] = [
    ("MODE", "enforce", Mode.ENFORCE),
    ("MODE", "observe", Mode.OBSERVE),
    ("UNLISTED", "hold", Verdict.HOLD),
    ("UNLISTED", "reject", Verdict.REJECT),
    ("ON_REVOKED", "keep", OnRevoked.KEEP),
    ("ON_REVOKED", "reject", OnRevoked.REJECT),
    ("MAX_DISRUPTIONS", "0", MaxDisruptions(0, 10)),
    ("MAX_DISRUPTIONS", "100000", MaxDisruptions(100_000, 10)),
    ("MAX_DISRUPTIONS_PERCENT", "0", MaxDisruptions(5, 0)),
    ("MAX_DISRUPTIONS_PERCENT", "100", MaxDisruptions(5, 100)),
    ("HELD_REMINDER_HOURS", "0", None),
    ("HELD_REMINDER_HOURS", "24", timedelta(days=1)),
    ("HELD_REMINDER_HOURS", "8760", timedelta(days=365)),
    ("NAME_GRACE_HOURS", "0", timedelta()),
    ("NAME_GRACE_HOURS", "24", timedelta(days=1)),
    ("DRIFT_CHECK_HOURS", "1", timedelta(hours=1)),
    ("FOREIGN_DRIFT_CHECK_HOURS", "24", timedelta(days=1)),
    ("PUBLIC_RESOLVER", "", ""),
    ("PUBLIC_RESOLVER", "127.0.0.1:5353", "127.0.0.1:5353"),
    ("MANAGE_PERMISSIONS", "true", True),
    ("MANAGE_PERMISSIONS", "false", False),
    ("ORGANIZATION_ID", "", ""),
    ("ORGANIZATION_ID", ORGANIZATION, ORGANIZATION),
    ("ORGANIZATIONS_ROLE_ARN", "", ""),
    ("ORGANIZATIONS_ROLE_ARN", ROLE, ROLE),
    ("ALLOWED_PRINCIPALS", "", ()),
    ("ALLOWED_PRINCIPALS", "*", ("*",)),
    ("ALLOWED_PRINCIPALS", f"{CONSUMER}, {ENDPOINT},", (CONSUMER, ENDPOINT)),
    ("ALLOWED_PRINCIPALS", f"{UNIT},{ORGANIZATION}", (UNIT, ORGANIZATION)),
    ("EMAIL_ON", "", frozenset()),
    ("EMAIL_ON", "held, dns-blocked", frozenset({Status.HELD, Status.DNS_BLOCKED})),
    ("EMAIL_ON", ",".join(Status), frozenset(Status)),
    ("RECORD_TTL", "1", 1),
    ("RECORD_TTL", "86400", 86400),
    ("EXTERNAL_ID", "", ""),
    ("EXTERNAL_ID", "our secret", "our secret"),
    ("AWS_REGION", "eu-central-1", "eu-central-1"),
    ("AWS_REGION", "us-gov-west-1", "us-gov-west-1"),
    ("AWS_REGION", "eusc-de-east-1", "eusc-de-east-1"),
    ("ALLOWLIST_TABLE", "stack-AllowlistTable-1ABC", "stack-AllowlistTable-1ABC"),
    ("LEDGER_TABLE", "led", "led"),
    ("REQUESTS_QUEUE_URL", QUEUE, QUEUE),
    ("REQUESTS_DEAD_LETTERS_URL", QUEUE, QUEUE),
    ("DNS_DEAD_LETTERS_URL", QUEUE, QUEUE),
    ("ALARM_TOPIC_ARN", TOPIC, TOPIC),
    ("NOTIFICATION_TOPIC_ARN", TOPIC, TOPIC),
    ("DNS_QUEUE_URL", "http://127.0.0.1:4566/111111111111/dns", "http://127.0.0.1:4566/111111111111/dns"),
    ("STATUS_TOPIC_ARN", TOPIC, TOPIC),
    ("STATUS_TOPIC_ARN", TOPIC.replace("aws", "aws-us-gov"), TOPIC.replace("aws", "aws-us-gov")),
    ("BUS_NAME", "privatelink-autopilot", "privatelink-autopilot"),
    ("CONSUMER_PARAMETERS", PARAMETERS, PARAMETERS),
    ("CONSUMER_PARAMETERS", PARAMETERS.split()[0], PARAMETERS.split()[0]),
]

WRONG = {
    "MODE": ["", "Enforce", "observe ", "dry-run"],
    "UNLISTED": ["", "accept", "HOLD"],
    "ON_REVOKED": ["", "Keep", "disconnect"],
    "MAX_DISRUPTIONS": ["", "-1", "5.0", "five"],
    "MAX_DISRUPTIONS_PERCENT": ["", "-1", "101", "10%"],
    "HELD_REMINDER_HOURS": ["", "-1", "8761", "1d"],
    "NAME_GRACE_HOURS": ["", "-1", "8761", "1d"],
    "DRIFT_CHECK_HOURS": ["", "0", "8761", "hourly"],
    "FOREIGN_DRIFT_CHECK_HOURS": ["", "0", "8761", "daily"],
    "PUBLIC_RESOLVER": ["dns.example.com", "127.0.0.1:", "::1", "127.0.0.1 "],
    "MANAGE_PERMISSIONS": ["", "True", "yes", "1"],
    "ORGANIZATION_ID": ["autopilot01", "o-x", f"{ORGANIZATION} ", UNIT],
    "ORGANIZATIONS_ROLE_ARN": ["look-up-accounts", TOPIC, ROLE.replace("role", "user"), f"{ROLE} {ROLE}"],
    "ALLOWED_PRINCIPALS": ["all", "22222222222", f"{CONSUMER} {ENDPOINT}", f"{CONSUMER},o-x", "٢٢٢٢٢٢٢٢٢٢٢٢"],
    "EMAIL_ON": ["all", "held,HELD", "held dns-blocked"],
    "RECORD_TTL": ["", "0", "-1", "86401", "5m", "60.0"],
    "AWS_REGION": ["", "eu-central", "eu-central-1a", "EU-CENTRAL-1", "eu-central-١", "aws-global"],
    "ALLOWLIST_TABLE": ["", "ab", "a table", "a" * 256],
    "LEDGER_TABLE": ["", "ab", "a table", "a" * 256],
    "REQUESTS_QUEUE_URL": ["", "requests", TOPIC, "https://", f"{QUEUE} {QUEUE}"],
    "DNS_QUEUE_URL": ["", "dns", TOPIC],
    "REQUESTS_DEAD_LETTERS_URL": ["", "requests-dead-letters", TOPIC],
    "DNS_DEAD_LETTERS_URL": ["", "dns-dead-letters", TOPIC],
    "ALARM_TOPIC_ARN": ["", "alarms", QUEUE],
    "NOTIFICATION_TOPIC_ARN": ["", "notifications", QUEUE],
    "STATUS_TOPIC_ARN": ["", "status", QUEUE, "arn:aws:sns:"],
    "BUS_NAME": ["", "a bus", "a" * 257],
    "CONSUMER_PARAMETERS": ["", "ForwardEvents=false", "ProviderAccount=1", f"{PARAMETERS} ;reboot", f"{PARAMETERS}\n"],
}

OPTIONAL = {"EXTERNAL_ID"}


def read(name: str, environment: dict[str, str]) -> Any:
    return getattr(Settings(BESIDE.get(name, {}) | environment), PROPERTIES.get(name, name.lower()))


def properties() -> set[str]:
    return {name for name, value in vars(Settings).items() if isinstance(value, property)}


@pytest.mark.parametrize(("name", "text", "expected"), RIGHT)
def test_a_variable_is_read_as_what_it_means(name: str, text: str, expected: object) -> None:
    assert read(name, {name: text}) == expected


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_wrong_variable_is_named_with_what_was_found_and_what_is_expected(name: str, text: str) -> None:
    with pytest.raises(WrongSetting) as refusal:
        read(name, {name: text})

    assert re.fullmatch(
        rf"environment variable {name} is {re.escape(repr(text))}; expected \w.+\. "
        r"Set the stack back, as docs/runbook\.md says\.",
        str(refusal.value),
    )


@pytest.mark.parametrize("name", WRONG)
def test_a_missing_variable_is_named_with_what_is_expected(name: str) -> None:
    with pytest.raises(WrongSetting, match=f"^environment variable {name} is not set; expected \\w"):
        read(name, {})


def test_without_an_external_id_there_is_none() -> None:
    assert read("EXTERNAL_ID", {}) == ""


def test_every_variable_has_its_cases_here() -> None:
    named = {PROPERTIES.get(name, name.lower()) for name in {*WRONG, *OPTIONAL}}

    assert named == properties()
    assert {name for name, _, _ in RIGHT} == {*WRONG, *OPTIONAL}


@given(st.sampled_from(sorted(WRONG)), st.text())
def test_no_value_raises_anything_but_wrong_setting(name: str, text: str) -> None:
    try:
        read(name, {name: text})
    except WrongSetting as refusal:
        assert name in str(refusal)  # noqa: PT017
