from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autopilot.domain.names import MalformedName, Name, covers, parse_names
from tests.unit.examples import ZONE

LONGEST_LABEL = "a" * 63

labels = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,14}[a-z0-9_])?", fullmatch=True)
domains = st.lists(labels, min_size=2, max_size=5).map(".".join)
records = st.just("@") | st.just("*") | labels | labels.map("*.{}".format) | domains


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ("api ledger", [f"api.{ZONE}", f"ledger.{ZONE}"]),
        ("  api\t\nledger ", [f"api.{ZONE}", f"ledger.{ZONE}"]),
        ("v2.api", [f"v2.api.{ZONE}"]),
        ("API", [f"api.{ZONE}"]),
        ("api API api", [f"api.{ZONE}"]),
        ("@", [ZONE]),
        ("*", [f"*.{ZONE}"]),
        ("*.api", [f"*.api.{ZONE}"]),
        ("@ * api", [ZONE, f"*.{ZONE}", f"api.{ZONE}"]),
        ("_sip._tcp", [f"_sip._tcp.{ZONE}"]),
        ("xn--bcher-kva", [f"xn--bcher-kva.{ZONE}"]),
        (LONGEST_LABEL, [f"{LONGEST_LABEL}.{ZONE}"]),
        ("", []),
    ],
)
def test_records_are_relative_to_their_zone(records: str, expected: list[str]) -> None:
    assert parse_names(ZONE, records) == tuple(Name(fqdn, ZONE) for fqdn in expected)


@pytest.mark.parametrize("zone", [ZONE, f"{ZONE}.", ZONE.upper(), "Payments.Example.Com."])
def test_a_zone_is_one_name_however_it_is_written(zone: str) -> None:
    assert parse_names(zone, "api") == (Name(f"api.{ZONE}", ZONE),)


def test_only_the_zone_itself_is_the_apex() -> None:
    assert [name.is_apex for name in parse_names(ZONE, "@ * api")] == [True, False, False]


@pytest.mark.parametrize(
    "zone",
    [
        "",
        ".",
        "example",
        "example.",
        ".example.com",
        "example.com..",
        "pay..example.com",
        "*.example.com",
        "@.example.com",
        "-pay.example.com",
        "pay-.example.com",
        "pay ments.example.com",
        "payments.example.com\n",
        "https://example.com",
        f"a{LONGEST_LABEL}.example.com",
        ".".join([LONGEST_LABEL] * 4),
    ],
    ids=lambda zone: ascii(zone[:20]),
)
def test_a_zone_that_is_no_domain_name_is_refused(zone: str) -> None:
    with pytest.raises(MalformedName) as refusal:
        parse_names(zone, "api")

    assert f"zone {zone!r} is no domain name; expected" in str(refusal.value)


@pytest.mark.parametrize(
    "record",
    [
        "api.",
        ".api",
        "api..v2",
        "-api",
        "api-",
        "**",
        "*api",
        "*.",
        "*.*",
        "api.*",
        "a*i",
        "@.api",
        "api.@",
        "@@",
        "api,ledger",
        "$(reboot)",
        f"a{LONGEST_LABEL}",
        ".".join([LONGEST_LABEL] * 4),
    ],
    ids=lambda record: ascii(record[:20]),
)
def test_a_record_that_is_no_name_is_refused_and_takes_the_good_ones_with_it(record: str) -> None:
    with pytest.raises(MalformedName) as refusal:
        parse_names(ZONE, f"fine {record}")

    assert f"record {record!r} is no DNS label relative to {ZONE!r}; expected labels" in str(refusal.value)


@pytest.mark.parametrize(
    ("zone", "record", "ascii_form"),
    [
        ("bücher.example.com", "api", "xn--bcher-kva.example.com"),
        ("\u212aelvin.example.com", "api", "kelvin.example.com"),
        (ZONE, "büro", "xn--bro-hoa"),
        (ZONE, "\u212aelvin", "kelvin"),
    ],
)
def test_an_internationalised_name_is_asked_for_in_its_ascii_form(zone: str, record: str, ascii_form: str) -> None:
    with pytest.raises(MalformedName, match=f"is not in ASCII form; write it as '{ascii_form}'"):
        parse_names(zone, record)


def test_the_ascii_form_of_an_internationalised_name_is_a_name() -> None:
    assert parse_names("xn--bcher-kva.example.com", "xn--bro-hoa @") == (
        Name("xn--bro-hoa.xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        Name("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
    )


@pytest.mark.parametrize(
    ("general", "name", "is_covered"),
    [
        ("api.example.com", "api.example.com", True),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "v2.api.example.com", False),
        ("*.api.example.com", "*.example.com", False),
        ("*.example.com", "*.api.example.com", False),
        ("api.example.com", "*.example.com", False),
        ("", "example.com", False),
        ("*.com", "*.com", True),
    ],
)
def test_a_wildcard_covers_one_label(general: str, name: str, is_covered: bool) -> None:
    assert covers(general, name) is is_covered


def test_a_name_has_at_most_253_characters() -> None:
    zone = f"{'.'.join([LONGEST_LABEL] * 3)}.{'a' * 59}"

    assert len(parse_names(zone, "@ *")[1].fqdn) == 253
    with pytest.raises(MalformedName):
        parse_names(zone, "ab")
    with pytest.raises(MalformedName):
        parse_names(f"{zone}a", "*")


@pytest.mark.parametrize("record", ["api.payments.example.com", "payments.example.com", "*.payments.example.com"])
def test_a_record_that_repeats_its_zone_is_refused_rather_than_doubled(record: str) -> None:
    with pytest.raises(MalformedName, match="repeats its zone"):
        parse_names("payments.example.com", record)


@given(domains, st.lists(records))
def test_every_name_is_in_its_zone_and_reads_back(zone: str, written: list[str]) -> None:
    assume(not any(f".{record}".endswith(f".{zone}") for record in written))
    names = parse_names(zone, " ".join(written))

    assert len(names) == len(set(names)) == len(set(written))
    for name in names:
        assert name.fqdn == name.zone == zone or name.fqdn.endswith(f".{zone}")
        assert parse_names(zone, name.fqdn.removesuffix(zone).removesuffix(".") or "@") == (name,)


@given(st.text(), st.text())
def test_whatever_is_declared_becomes_plain_names_or_is_refused(zone: str, declared: str) -> None:
    try:
        names = parse_names(zone, declared)
    except MalformedName:
        return
    assert all(set(name.fqdn) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.*") for name in names)
