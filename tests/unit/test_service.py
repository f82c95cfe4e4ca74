from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.names import Name
from autopilot.domain.service import EndpointService
from tests.events import REGION, SERVICE
from tests.unit.examples import ZONE

ENABLED = {"autopilot": "enabled"}
DECLARED = ENABLED | {"autopilot:zone": ZONE, "autopilot:records": "api"}


def service(tags: dict[str, str]) -> EndpointService:
    return EndpointService.from_tags(SERVICE, REGION, tags, acceptance_required=True)


def test_a_declared_service_is_managed_and_has_its_names() -> None:
    assert service(DECLARED | {"Name": "payments", "team": "blue"}) == EndpointService(
        SERVICE, REGION, True, True, "payments", (Name(f"api.{ZONE}", ZONE),), None
    )


@pytest.mark.parametrize("tags", [{}, {"Name": ""}, {"name": "payments"}])
def test_a_service_without_a_name_tag_is_called_by_its_id(tags: dict[str, str]) -> None:
    assert service(tags).title == SERVICE


@pytest.mark.parametrize("tags", [{}, {"Autopilot": "enabled"}, {"autopilot:zone": ZONE, "autopilot:records": "-"}])
def test_a_service_without_the_opt_in_is_nobodys_business(tags: dict[str, str]) -> None:
    found = service(tags)

    assert (found.managed, found.names, found.problem) == (False, (), None)


@pytest.mark.parametrize("value", ["", "Enabled", " enabled", "true", "disabled"])
def test_an_opt_in_that_iam_would_not_match_is_a_problem_and_no_opt_in(value: str) -> None:
    found = service(DECLARED | {"autopilot": value})

    assert (found.managed, found.names) == (False, ())
    assert found.problem is not None
    assert f"{SERVICE}: the tag autopilot is {value!r}; expected 'enabled'" in found.problem


def test_a_service_may_declare_nothing() -> None:
    for tags in (ENABLED, ENABLED | {"autopilot:zone": " ", "autopilot:records": ""}):
        found = service(tags)
        assert (found.managed, found.names, found.problem) == (True, (), None)


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ({"autopilot:zone": ZONE}, "autopilot:zone is set but autopilot:records is not"),
        ({"autopilot:zone": ZONE, "autopilot:records": " "}, "autopilot:zone is set but autopilot:records is not"),
        ({"autopilot:records": "api"}, "autopilot:records is set but autopilot:zone is not"),
        ({"autopilot:zone": "*.example.com", "autopilot:records": "api"}, "zone '*.example.com' is no domain name"),
        ({"autopilot:zone": ZONE, "autopilot:records": "api ledger."}, "record 'ledger.' is no DNS label"),
        (
            DECLARED | {"autopilot:zones": ZONE},
            "unknown tag 'autopilot:zones'; expected one of autopilot:zone, autopilot:records,",
        ),
    ],
)
def test_a_wrong_declaration_is_a_problem_and_declares_nothing(tags: dict[str, str], problem: str) -> None:
    found = service(ENABLED | tags)

    assert (found.managed, found.names) == (True, ())
    assert found.problem is not None
    assert found.problem.startswith(SERVICE)
    assert problem in found.problem


tag_keys = st.sampled_from(["autopilot", "autopilot:zone", "autopilot:records", "autopilot:", "Name"]) | st.text()
tag_values = st.sampled_from(["enabled", ZONE, "@ api", "*"]) | st.text()


@given(st.dictionaries(tag_keys, tag_values))
def test_no_tags_raise_and_a_problem_never_comes_with_names(tags: dict[str, str]) -> None:
    found = service(tags)

    assert found.managed == (tags.get("autopilot") == "enabled")
    assert not (found.names and (found.problem or not found.managed))
