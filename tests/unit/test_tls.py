from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.domain.listener import Certificate, Listener, LoadBalancer
from autopilot.domain.names import Name, covers
from autopilot.domain.tls import certified_names, expiring, tls_warnings
from tests.unit.examples import NOW, ZONE

API, LEDGER = f"api.{ZONE}", f"ledger.{ZONE}"
ARN = "arn:aws:acm:eu-central-1:111111111111:certificate/1"
YEAR, DAY, SECOND = timedelta(days=365), timedelta(days=1), timedelta(seconds=1)

labels = st.sampled_from(["api", "ledger", "payments", "example", "com", "*"])
names = st.lists(labels, min_size=1, max_size=3).map(lambda parts: ".".join([*parts, ZONE]))


def certificate(*names: str, ends: datetime | None = NOW + YEAR, is_issued: bool = True, arn: str = ARN) -> Certificate:
    return Certificate(arn, names, is_issued, ends)


def balancer(*certificates: Certificate, protocol: str = "TLS", arn: str = "payments") -> LoadBalancer:
    """With one listener."""
    return LoadBalancer(arn, (Listener(f"{arn}/443", 443, protocol, certificates),))


def warnings_of(*certificates: Certificate, name: str = API) -> tuple[str, ...]:
    return tls_warnings([name], [balancer(*certificates)], NOW)


def sni(*names: str, **changes: object) -> Certificate:
    return replace(certificate(*names, arn=f"{ARN}-sni"), **changes)  # type: ignore[arg-type]


def test_names_that_a_certificate_has_are_good() -> None:
    both = balancer(certificate(API, f"*.{LEDGER}"), sni(f"*.{ZONE}"))

    assert tls_warnings([API, LEDGER, f"eu.{LEDGER}", f"*.{ZONE}"], [both], NOW) == ()


@pytest.mark.parametrize("name", [ZONE, f"v2.{API}", f"*.{API}", "api.example.org"])
def test_a_name_without_a_certificate_is_told_with_the_fix(name: str) -> None:
    [warning] = warnings_of(certificate(f"*.{ZONE}"), name=name)

    assert warning == (
        f"no certificate of the load balancer is for {name}: TLS will not verify; add one to the TLS listener"
    )


def test_each_name_is_judged_for_itself() -> None:
    [warning] = tls_warnings([API, LEDGER], [balancer(certificate(API))], NOW)

    assert LEDGER in warning


def test_a_certificate_that_is_not_in_acm_cannot_be_looked_into() -> None:
    unseen = Certificate("arn:aws:iam::111111111111:server-certificate/old", (), is_issued=False)

    [warning] = warnings_of(unseen)
    assert unseen.arn in warning
    assert "cannot be looked into" in warning
    assert API in warning


def test_beside_a_certificate_that_cannot_be_looked_into_no_name_is_said_to_have_none() -> None:
    unseen = Certificate("arn:aws:iam::111111111111:server-certificate/old", (), is_issued=False)

    assert len(tls_warnings([API, LEDGER], [balancer(unseen, certificate(API))], NOW)) == 1


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "TCP_UDP"])
def test_without_a_tls_listener_the_backend_has_the_certificate(protocol: str) -> None:
    assert tls_warnings([API, LEDGER], [balancer(protocol=protocol)], NOW) == (
        f"the certificate cannot be seen, as no listener does TLS: your backend must serve one for {API}, {LEDGER}",
    )


def test_a_load_balancer_without_a_listener_is_told_and_so_is_what_the_others_lack() -> None:
    bare = LoadBalancer("arn of the bare one", ())

    missing = "the load balancer arn of the bare one has no listener: nothing answers there; add one"
    assert tls_warnings([API], [bare], NOW) == (missing,)
    assert tls_warnings([API], [bare, balancer(certificate(API))], NOW) == (missing,)
    assert len(tls_warnings([API], [bare, balancer(certificate(LEDGER))], NOW)) == 2


def test_nothing_is_said_without_names_or_without_load_balancers() -> None:
    assert tls_warnings([], [LoadBalancer("bare", ())], NOW) == ()
    assert tls_warnings([API], [], NOW) == ()


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (30 * DAY + SECOND, None),
        (30 * DAY, f"the certificate for {API} ends on {NOW + 30 * DAY:%Y-%m-%d}: renew it"),
        (SECOND, f"the certificate for {API} ends on {NOW:%Y-%m-%d}: renew it"),
        (0 * DAY, f"the certificate for {API} ended on {NOW:%Y-%m-%d}: TLS does not verify; renew it now"),
        (-DAY, f"the certificate for {API} ended on {NOW - DAY:%Y-%m-%d}: TLS does not verify; renew it now"),
    ],
)
def test_a_certificate_that_ends_within_thirty_days_is_told_with_the_date(
    left: timedelta, expected: str | None
) -> None:
    assert warnings_of(certificate(f"*.{ZONE}", ends=NOW + left)) == ((expected,) if expected else ())


def test_acm_no_longer_calls_an_ended_certificate_issued_and_its_date_is_told_all_the_same() -> None:
    [warning] = warnings_of(certificate(API, ends=NOW - DAY, is_issued=False))

    assert f"{API} ended on {NOW - DAY:%Y-%m-%d}" in warning


def test_a_certificate_that_was_never_issued_is_good_for_nothing() -> None:
    [warning] = warnings_of(certificate(API, ends=None, is_issued=False))

    assert f"{ARN} for {API} is not issued" in warning
    assert "have ACM validate it" in warning


@pytest.mark.parametrize("worse", [sni(API, not_after=NOW + DAY), sni(API, not_after=NOW - DAY, is_issued=False)])
def test_the_certificate_that_lasts_longest_counts(worse: Certificate) -> None:
    assert warnings_of(worse, certificate(f"*.{ZONE}")) == ()
    assert warnings_of(certificate(f"*.{ZONE}"), worse) == ()


def test_an_end_that_is_not_known_is_no_reason_to_warn() -> None:
    assert warnings_of(certificate(API, ends=None)) == ()


def test_certified_names_are_the_exact_ones_of_every_issued_certificate_each_a_zone_of_its_own() -> None:
    first = balancer(certificate(LEDGER, f"*.{ZONE}"), sni(API, LEDGER))
    second = balancer(
        certificate("admin.example.com", is_issued=False, arn=f"{ARN}-2"),
        certificate(ZONE, arn=f"{ARN}-3"),
        arn="second",
    )

    assert certified_names([first, second]) == tuple(Name(name, name) for name in (API, LEDGER, ZONE))
    assert all(name.is_apex for name in certified_names([first, second]))


@given(st.lists(st.lists(names, max_size=4), max_size=4))
def test_what_is_certified_is_covered_sorted_and_named_once(sans: Sequence[Sequence[str]]) -> None:
    certificates = [certificate(*each, arn=f"{ARN}-{number}") for number, each in enumerate(sans)]
    certified = [name.fqdn for name in certified_names([balancer(*certificates)])]

    assert certified == sorted(set(certified))
    assert not any("*" in name for name in certified)
    assert tls_warnings(certified, [balancer(*(one for one in certificates if one.names))], NOW) == ()


@given(names, st.lists(names, min_size=1, max_size=4))
def test_a_name_is_told_exactly_when_no_name_of_the_certificate_covers_it(name: str, sans: list[str]) -> None:
    assert bool(warnings_of(certificate(*sans), name=name)) is not any(covers(general, name) for general in sans)


@pytest.mark.parametrize(
    ("left", "threshold"),
    [
        (30 * DAY + SECOND, None),
        (30 * DAY, 30),
        (7 * DAY + SECOND, 30),
        (7 * DAY, 7),
        (SECOND, 7),
        (0 * DAY, 0),
        (-YEAR, 0),
    ],
)
def test_a_certificate_passes_thirty_days_then_seven_then_its_end(left: timedelta, threshold: int | None) -> None:
    one = certificate(API, ends=NOW + left)

    assert expiring([balancer(one)], NOW) == (((one, threshold),) if threshold is not None else ())


def test_a_certificate_is_told_once_however_many_listeners_have_it_and_whatever_acm_calls_it() -> None:
    ended, unknown = certificate(API, ends=NOW - DAY, is_issued=False), sni(LEDGER, not_after=None)

    assert expiring([balancer(ended, unknown), balancer(unknown, ended, arn="second")], NOW) == ((ended, 0),)
