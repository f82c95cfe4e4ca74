from __future__ import annotations

import pytest

from autopilot.domain.dns_plan import Record
from autopilot.domain.names import is_within
from autopilot.domain.public_suffix import is_registrable
from autopilot.domain.shadowing import ZoneInVpc, hidden_records, wider_zone, zone_that_answers
from tests.events import CONSUMER
from tests.unit.examples import ZONE


def zone(name: str) -> ZoneInVpc:
    return ZoneInVpc(f"Z-{name}", name, CONSUMER, is_readable=True)


EXAMPLE, PAYMENTS, API = zone("example.com"), zone(ZONE), zone(f"api.{ZONE}")


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        (f"api.{ZONE}", API),
        (f"v2.api.{ZONE}", API),
        (f"ledger.{ZONE}", PAYMENTS),
        (f"*.api.{ZONE}", API),
        (f"*.{ZONE}", PAYMENTS),
        (f"x{ZONE}", EXAMPLE),
        ("example.org", None),
    ],
)
def test_the_most_specific_zone_answers(name: str, answers: ZoneInVpc | None) -> None:
    assert zone_that_answers(name, [EXAMPLE, API, PAYMENTS]) == answers


def test_a_wider_zone_is_another_one_above() -> None:
    assert wider_zone(ZONE, [EXAMPLE, PAYMENTS, API]) == EXAMPLE
    assert wider_zone("example.com", [EXAMPLE, PAYMENTS]) is None
    assert not is_within(f"x{ZONE}", ZONE)


@pytest.mark.parametrize(
    ("name", "is_hidden"),
    [
        (ZONE, True),
        (f"api.{ZONE}", True),
        (f"*.{ZONE}", True),
        ("*.example.com", True),
        ("www.example.com", False),
        ("example.com", False),
        ("*.other.example.com", False),
    ],
)
def test_a_new_zone_hides_what_the_wider_one_says_below_it(name: str, is_hidden: bool) -> None:
    record = Record(name, "A", "10.20.1.31", 60)

    assert hidden_records(ZONE, [record]) == ((record,) if is_hidden else ())


@pytest.mark.parametrize(
    ("name", "is_whole"),
    [
        ("example.com", True),
        ("example.co.uk", True),
        ("co.uk", True),
        ("com", True),
        ("payments.example.com", False),
        ("payments.example.co.uk", False),
        ("corp.internal", False),
        ("payments.corp", False),
    ],
)
def test_a_registrable_domain_is_a_whole_one(name: str, is_whole: bool) -> None:
    assert is_registrable(name) is is_whole
