from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from autopilot import __main__ as command
from autopilot.aws.aws_services import endpoint_policies
from autopilot.domain.endpoint_policy import EndpointPolicy, full_name
from autopilot.domain.failures import AwsCallFailed
from tests.fakes.landscape import REGION

S3, CODE = f"com.amazonaws.{REGION}.s3", f"com.amazonaws.{REGION}.codesomething"
OURS = f"com.amazonaws.vpce.{REGION}.vpce-svc-0123456789abcdef0"
ROWS = [
    {"ServiceName": S3, "Owner": "amazon", "VpcEndpointPolicySupported": True},
    {"ServiceName": CODE, "Owner": "amazon", "VpcEndpointPolicySupported": False},
    {"ServiceName": OURS, "Owner": "111111111111", "VpcEndpointPolicySupported": False},
]


class Ec2:
    """DescribeVpcEndpointServices a row a page, which refuses a call with a name that it does not know, as EC2 does."""

    class meta:  # noqa: N801, as boto3 names it
        region_name = REGION

    def __init__(self, code: str = "") -> None:
        self._code = code

    def get_paginator(self, operation: str) -> Ec2:
        assert operation == "describe_vpc_endpoint_services"
        return self

    def paginate(self, ServiceNames: list[str]) -> Iterator[dict[str, Any]]:  # noqa: N803
        known = {row["ServiceName"] for row in ROWS}
        if self._code or set(ServiceNames) - known:
            code = self._code or "InvalidServiceName"
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeVpcEndpointServices")
        return iter([{"ServiceDetails": [row]} for row in ROWS if row["ServiceName"] in (ServiceNames or known)])


def asked(*names: str, code: str = "") -> tuple[EndpointPolicy, ...]:
    return endpoint_policies(Ec2(code), names)  # type: ignore[arg-type]


def test_every_page_is_read_and_what_ec2_says_is_told() -> None:
    assert {one.name: one.is_supported for one in asked()} == {S3: True, CODE: False, OURS: False}


def test_one_unknown_name_does_not_hide_the_others() -> None:
    assert [one.name for one in asked(S3, "com.amazonaws.x.unknown")] == [S3]
    assert asked("com.amazonaws.x.unknown") == ()


def test_a_refusal_is_a_failure() -> None:
    with pytest.raises(AwsCallFailed, match="UnauthorizedOperation"):
        asked(S3, code="UnauthorizedOperation")


@pytest.mark.parametrize(
    ("name", "full"),
    [("s3", S3), (S3, S3), ("vpce-svc-0123456789abcdef0", OURS), (f"aws.api.{REGION}.x", f"aws.api.{REGION}.x")],
)
def test_a_short_name_is_enough(name: str, full: str) -> None:
    assert full_name(name, REGION) == full


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["s3"], 0, f"{S3}: supports endpoint policies"),
        (["codesomething"], 0, f"{CODE}: does not support endpoint policies; whoever reaches the endpoint"),
        (["vpce-svc-0123456789abcdef0"], 0, "endpoint policies never apply, access is full"),
        ([], 0, "1 of 3 services support endpoint policies"),
        (["unknown"], 1, "EC2 knows no such service in this Region"),
    ],
)
def test_the_operator_is_told(
    arguments: list[str],
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(boto3, "client", lambda *_, **__: Ec2())

    assert command.main(["endpoint-policies", *arguments]) == status
    assert told in "".join(capsys.readouterr())


def test_the_operator_is_told_when_aws_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boto3, "client", lambda *_, **__: Ec2("UnauthorizedOperation"))

    assert command.main(["endpoint-policies"]) == 1
    assert "DescribeVpcEndpointServices for this Region failed with UnauthorizedOperation" in capsys.readouterr().err
