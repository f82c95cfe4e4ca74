from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.bench.deployed import calls_of_each
from tests.bench.functions import FUNCTIONS, artifacts, sizes, start
from tests.bench.measurement import Measurement, as_json
from tests.bench.use_cases import accepting, comparing, deciding, linearity, sweeping


@pytest.mark.parametrize(("connections", "most"), [(1, 2), (100, 0.25)])
def test_accepting_stays_within_its_calls_of_ec2(connections: int, most: float) -> None:
    assert accepting(connections, most=most).verdict == f"met: at most {most:g}"
    cold = accepting(connections, most=None, is_cold=True).value
    assert cold == pytest.approx(accepting(connections, most=None).value + 1 / connections)


def test_a_decision_and_a_sweep_are_measured() -> None:
    seconds, calls, month = sweeping(20)

    assert deciding(10).value > 0
    assert comparing(10).value > 0
    assert seconds.value > 0
    assert 0 < calls.value < 20
    assert month.value > 0


def test_a_sweep_calls_aws_as_often_for_many_as_for_few() -> None:
    assert sweeping(40)[1].value == sweeping(20)[1].value


@pytest.mark.parametrize(("small", "large", "ratio"), [(1, 10, 1), (1, 20, 2)])
def test_a_curve_above_linear_shows(small: float, large: float, ratio: float) -> None:
    measured = [(100, Measurement("", small, "s")), (1000, Measurement("", large, "s"))]

    assert linearity(measured).value == ratio


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_built_function_works_through_the_runtimes_own_client(function: str) -> None:
    with artifacts() as build:
        found = start(build / function)

    assert 0 < found.ready < found.first_done
    assert 0 < found.warm < found.first_done
    assert found.megabytes < 512


def test_a_missed_goal_is_said_with_by_how_much() -> None:
    assert Measurement("x", 1.5, "s", 1).verdict == "missed by 0.5: at most 1"
    assert Measurement("x", 1.5, "s").verdict == ""
    assert json.loads(as_json([Measurement("x", 1.5, "s", 1)])) == [
        {"what": "x", "value": 1.5, "unit": "s", "most": 1, "least": None}
    ]


def test_calls_are_counted_by_service_against_the_least_possible() -> None:
    calls = Counter({"route53:GetChange": 4, "route53:GetHostedZone": 2, "sqs:ReceiveMessage": 50})
    of_route53, *each = calls_of_each(calls, connections=2)

    assert (of_route53.what, of_route53.value) == ("a connection from request to retired: all of route53", 3)
    assert of_route53.least == 7
    assert [(one.value, one.verdict) for one in each] == [(2, "the least possible: 1"), (1, "the least possible: 0")]


def test_what_others_ask_in_a_functions_name_is_not_its_call() -> None:
    calls = Counter({"kms:Decrypt": 2, "sqs:ReceiveMessage": 9, "ec2:DescribeVpcs": 3, "route53:CreateHostedZone": 2})

    assert {one.what.rpartition(" ")[2]: one.value for one in calls_of_each(calls, connections=1)} == {
        "ec2": 1,
        "route53": 2,
        "ec2:DescribeVpcs": 1,
        "route53:CreateHostedZone": 2,
    }


def test_artifacts_are_weighed() -> None:
    assert all(0 < one.value < 20_000 for one in sizes())
