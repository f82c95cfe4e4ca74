from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.organization import (
    OrganizationalUnit,
    Owner,
    Placement,
    is_organization,
    is_unit,
    is_wide,
)

ACCOUNT, UNIT, ORGANIZATION = "222222222222", "ou-ab12-11111111", "o-a1b2c3d4e5"


def test_the_path_leads_from_the_widest_unit_to_the_nearest_and_does_without_a_name() -> None:
    units = (OrganizationalUnit("ou-ab12-22222222", "Prod"), OrganizationalUnit(UNIT))

    assert Owner(ACCOUNT, units=units).path == f"{UNIT}/Prod"
    assert Owner(ACCOUNT).path == ""


def test_what_could_not_be_asked_is_nowhere_and_says_why() -> None:
    owner = Owner.failed(ACCOUNT, "it does not answer")

    assert (owner.placement, owner.units, owner.organization_id) == (Placement.FAILED, (), None)
    assert owner.reason == "it does not answer"


@pytest.mark.parametrize("unit", [UNIT, f"ou-{'a' * 32}-{'1' * 32}"])
def test_a_unit_is_told_by_its_id(unit: str) -> None:
    assert is_unit(unit)
    assert is_wide(unit)
    assert not is_organization(unit)


@pytest.mark.parametrize("organization", [ORGANIZATION, f"o-{'a' * 32}"])
def test_an_organization_is_told_by_its_id(organization: str) -> None:
    assert is_organization(organization)
    assert is_wide(organization)
    assert not is_unit(organization)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        ACCOUNT,
        "r-ab12",
        "ou-ab12",
        "ou-ab1-11111111",
        "ou-ab12-1111111",
        "OU-AB12-11111111",
        f"{UNIT}\n",
        f" {UNIT}",
        f"{UNIT}-1",
        "o-a1b2c3d4e",
        "o-A1B2C3D4E5",
        f"{ORGANIZATION}/",
        "vpce-0e1f2a3b4c5d6e701",
        "ou-ab12-١١١١١١١١",
    ],
)
def test_nothing_else_is_either(text: str) -> None:
    assert not is_wide(text)


@given(st.text())
def test_a_wide_principal_is_safe_to_show(text: str) -> None:
    assert not is_wide(text) or (text.isascii() and text.isprintable())
