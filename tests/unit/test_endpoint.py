from __future__ import annotations

from itertools import permutations

import pytest

from autopilot.domain.endpoint import endpoint_of_target
from tests.events import ENDPOINT, REGION, SECOND_ENDPOINT, SERVICE
from tests.unit.examples import endpoint, regional_name

ZONAL = f"{ENDPOINT}-q7w2k9ax-{REGION}a.{SERVICE}.{REGION}.vpce.amazonaws.com"
OTHERS = (ZONAL, f"*.{regional_name()}", "payments.example.com", "*.payments.example.com")


def test_the_regional_name_is_found_in_any_order() -> None:
    for names in permutations([regional_name(), *OTHERS]):
        found = endpoint(*names).regional_entry
        assert found is not None
        assert found.name == regional_name()


@pytest.mark.parametrize(
    "name",
    [
        *OTHERS,
        regional_name(SECOND_ENDPOINT),
        f"{ENDPOINT}.{SERVICE}.{REGION}.vpce.amazonaws.com",
        f"{ENDPOINT}-q7w2k9ax.example.com",
        f"{ENDPOINT}-q7w2k9ax.vpce.amazonaws.com.example.com",
        "",
    ],
)
def test_no_other_name_is_taken_for_it(name: str) -> None:
    assert endpoint(name).regional_entry is None


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("us-gov-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn"), ("eusc-de-east-1", "amazonaws.eu")],
)
def test_every_partition_has_its_own_suffix(region: str, suffix: str) -> None:
    name = f"{ENDPOINT}-q7w2k9ax.{SERVICE}.{region}.vpce.{suffix}"

    assert endpoint(name).regional_entry is not None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (regional_name(), ENDPOINT),
        (ZONAL, ENDPOINT),
        ("vpce-0123abcd-x.vpce-svc-0123abcd.eu-central-1.vpce.amazonaws.com", "vpce-0123abcd"),
        (f"*.{regional_name()}", None),
        (f"old.{regional_name()}", None),
        (f"{SERVICE}.{REGION}.vpce.amazonaws.com", None),
        (f"{ENDPOINT}.{SERVICE}.{REGION}.vpce.amazonaws.com", None),
        (f'"{regional_name()}"', None),
        (f"10 {regional_name()}", None),
        ("10.20.1.31", None),
        ("nlb-0123abcd.elb.eu-central-1.amazonaws.com", None),
        ("", None),
    ],
)
def test_a_target_tells_its_endpoint(target: str, expected: str | None) -> None:
    assert endpoint_of_target(target) == expected
