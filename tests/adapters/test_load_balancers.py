from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from autopilot.aws.load_balancers import Elbv2LoadBalancers
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.listener import Certificate, Listener, LoadBalancer
from autopilot.use_cases.ports import LoadBalancers
from tests.adapters import real
from tests.fakes.autopilot import FakeAutopilot
from tests.fakes.clock import Clock
from tests.fakes.landscape import PROVIDER, REGION, Landscape
from tests.fakes.load_balancers import FakeLoadBalancers
from tests.local_aws.moto_door import client, moto_aws

MINUTE = 60
_ACM = f"arn:aws:acm:{REGION}:{PROVIDER}:certificate"
ENDS = datetime(2027, 6, 1, tzinfo=UTC)
API = Certificate(f"{_ACM}/1", ("api.payments.example.com",), is_issued=True, not_after=ENDS)
LEDGER = Certificate(f"{_ACM}/2", ("ledger.payments.example.com",), is_issued=True, not_after=ENDS)
UPLOADED = Certificate(f"arn:aws:iam::{PROVIDER}:server-certificate/old", (), is_issued=False)


def balancer(*listeners: tuple[int, str, tuple[Certificate, ...]], filters_privatelink: bool = False) -> LoadBalancer:
    """A new one with these listeners: port, protocol, certificates."""
    told = tuple(Listener(f"listener {port}", port, protocol, used) for port, protocol, used in listeners)
    return LoadBalancer(f"balancer {listeners}", told, filters_privatelink)


PAYMENTS = balancer((443, "TLS", (API,)))


@dataclass(frozen=True, slots=True)
class Subject:
    """put: make a load balancer, and say what it became. delete: one by ARN. refuse: DescribeLoadBalancers."""

    port: LoadBalancers
    put: Callable[[LoadBalancer], LoadBalancer]
    delete: Callable[[str], object]
    refuse: Callable[[str], object]


@pytest.fixture
def subject(is_real: bool, landscape: Landscape, fake: FakeAutopilot, clock: Clock) -> Subject:
    if is_real:
        elbv2 = real.elbv2()
        return Subject(
            Elbv2LoadBalancers(elbv2, real.acm(), clock),
            real.load_balancer,
            lambda arn: client("elbv2", PROVIDER).delete_load_balancer(LoadBalancerArn=arn),
            lambda code: real.refuse(elbv2, "DescribeLoadBalancers", code),
        )
    port = FakeLoadBalancers(fake.calls)

    def put(wanted: LoadBalancer) -> LoadBalancer:
        return port.load_balancers.setdefault(wanted.arn, wanted)

    return Subject(
        port, put, port.load_balancers.pop, lambda code: fake.calls.refused.update(DescribeLoadBalancers=code)
    )


@pytest.mark.parametrize(
    "wanted",
    [
        balancer(),
        balancer((80, "TCP", ()), (53, "UDP", ()), (5353, "TCP_UDP", ())),
        balancer((443, "TLS", (API,)), filters_privatelink=True),
        balancer((443, "TLS", (API, LEDGER)), (8443, "TLS", (LEDGER,)), (80, "TCP", ())),
        balancer((443, "TLS", (replace(API, names=("*.example.com", "api.payments.example.com")),))),
        balancer((443, "TLS", (replace(API, is_issued=False),))),
        balancer((443, "TLS", (UPLOADED, API))),
    ],
    ids=[
        "no listener",
        "no TLS",
        "security groups",
        "several certificates",
        "several names",
        "not yet issued",
        "not in ACM",
    ],
)
def test_a_load_balancer_has_its_listeners_with_their_certificates_the_default_one_first(
    subject: Subject, wanted: LoadBalancer
) -> None:
    made = subject.put(wanted)

    assert list(subject.port.describe([made.arn])) == [made]


def test_those_asked_for_are_described_and_one_that_is_gone_is_left_out(subject: Subject) -> None:
    first, gone, last = (subject.put(balancer((port, "TCP", ()))) for port in (1, 2, 3))
    subject.delete(gone.arn)

    assert list(subject.port.describe([last.arn, gone.arn, first.arn])) == [last, first]
    assert list(subject.port.describe([gone.arn])) == []
    assert list(subject.port.describe([])) == []


def test_load_balancers_that_cannot_be_described_now_are_no_answer(subject: Subject) -> None:
    made = subject.put(PAYMENTS)
    subject.refuse("Throttling")

    with pytest.raises(AwsCallFailed, match=r"DescribeLoadBalancers for .* failed with Throttling"):
        subject.port.describe([made.arn])


@dataclass(frozen=True, slots=True)
class Aws:
    """The adapter, and its clients."""

    port: Elbv2LoadBalancers
    elbv2: Any
    acm: Any


@pytest.fixture
def aws(clock: Clock) -> Iterator[Aws]:
    with moto_aws(now=clock.seconds):
        elbv2, acm = real.elbv2(), real.acm()
        yield Aws(Elbv2LoadBalancers(elbv2, acm, clock), elbv2, acm)


def test_every_page_of_listeners_and_of_certificates_is_read(aws: Aws) -> None:
    certificates = [replace(API, arn=f"{_ACM}/{label}", names=(f"{label}.example.com",)) for label in "abc"]
    made = real.load_balancer(
        balancer((443, "TLS", tuple(certificates)), *((port, "TCP", ()) for port in (1, 2, 3, 4)))
    )
    real.page(aws.elbv2, "DescribeListeners", "Listeners", 2)
    real.page(aws.elbv2, "DescribeListenerCertificates", "Certificates", 1)
    asked = {rows: real.requests_of(aws.elbv2, f"Describe{rows}") for rows in ("Listeners", "ListenerCertificates")}

    assert list(aws.port.describe([made.arn])) == [made]
    assert [len(requests) for requests in asked.values()] == [3, 3]


def test_a_certificate_is_read_once_however_many_listeners_have_it(aws: Aws) -> None:
    made = real.load_balancer(balancer(*((port, "TLS", (API, LEDGER)) for port in (1, 2, 3)), (80, "TCP", ())))
    certificates = real.requests_of(aws.acm, "DescribeCertificate")
    of_listeners = real.requests_of(aws.elbv2, "DescribeListenerCertificates")

    assert list(aws.port.describe([made.arn, made.arn])) == [made]
    assert (len(certificates), len(of_listeners)) == (2, 3)


def test_what_was_read_is_kept_for_five_minutes(aws: Aws, clock: Clock) -> None:
    made = real.load_balancer(PAYMENTS)
    requests = real.requests_of(aws.elbv2, "DescribeLoadBalancers")
    for seconds in (0, 5 * MINUTE - 1, 1):
        clock.advance(seconds)
        assert list(aws.port.describe([made.arn])) == [made]

    assert len(requests) == 2


@pytest.mark.parametrize(
    "code", ["ResourceNotFoundException", "AccessDeniedException", "AccessDenied", "InvalidArnException"]
)
def test_a_certificate_that_acm_does_not_show_has_no_names(aws: Aws, code: str) -> None:
    made = real.load_balancer(balancer((443, "TLS", (API, UPLOADED))))
    real.refuse(aws.acm, "DescribeCertificate", code)

    [found] = aws.port.describe([made.arn])
    assert found.listeners[0].certificates == (
        Certificate(made.listeners[0].certificates[0].arn, (), is_issued=False),
        UPLOADED,
    )


@pytest.mark.parametrize("operation", ["DescribeListeners", "DescribeListenerCertificates", "DescribeCertificate"])
def test_a_call_that_fails_is_no_answer_and_is_not_kept(aws: Aws, operation: str) -> None:
    made = real.load_balancer(PAYMENTS)
    boto_client = aws.acm if operation == "DescribeCertificate" else aws.elbv2
    real.refuse(boto_client, operation, "ThrottlingException")
    asked = real.requests_of(aws.elbv2, "DescribeLoadBalancers")
    for _ in range(2):
        with pytest.raises(AwsCallFailed, match=f"{operation} for .* failed with ThrottlingException"):
            aws.port.describe([made.arn])

    assert len(asked) == 2


def test_a_load_balancer_that_goes_between_two_calls_is_left_out(aws: Aws) -> None:
    made = real.load_balancer(PAYMENTS)
    real.refuse(aws.elbv2, "DescribeListeners", "LoadBalancerNotFound")

    assert list(aws.port.describe([made.arn])) == []


@pytest.mark.parametrize(("enforced", "filters"), [("on", True), ("off", False)])
def test_security_groups_filter_privatelink_unless_that_is_switched_off(aws: Aws, enforced: str, filters: bool) -> None:
    made = real.load_balancer(replace(PAYMENTS, filters_privatelink=True))

    def switch(parsed: dict[str, Any], **_: object) -> None:
        parsed["LoadBalancers"][0]["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"] = enforced

    aws.elbv2.meta.events.register("after-call.*.DescribeLoadBalancers", switch)

    assert [found.filters_privatelink for found in aws.port.describe([made.arn])] == [filters]


def test_names_are_lower_case_and_the_default_certificate_is_the_first_wherever_it_is_listed(aws: Aws) -> None:
    made = real.load_balancer(balancer((443, "TLS", (LEDGER, replace(API, names=("API.Payments.example.com",))))))
    aws.elbv2.meta.events.register(
        "after-call.*.DescribeListeners", lambda parsed, **_: parsed["Listeners"][0].pop("Certificates")
    )
    aws.elbv2.meta.events.register(
        "after-call.*.DescribeListenerCertificates", lambda parsed, **_: parsed["Certificates"].reverse()
    )

    [found] = aws.port.describe([made.arn])
    assert [one.names for one in found.listeners[0].certificates] == [LEDGER.names, API.names]
