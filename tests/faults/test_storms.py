"""A thousand connections at once, and five hundred VPCs of one account, with AWS's token buckets, in simulated time."""

from __future__ import annotations

import botocore.session
import pytest

from tests.faults.storm import (
    CONVERGE,
    DECIDE,
    DECIDING,
    ROUTE_53_CALLS,
    STORMS,
    Outcome,
    Storm,
    allowed_seconds,
    alone_line,
    table_row,
)
from tests.faults.token_buckets import ACCEPT, CONSUMERS_EC2, LIMITS, PROVIDERS_EC2, Limit, TokenBucket
from tests.template.templates import PROJECT, PROVIDER, of_type

# What the template has.
CONCURRENCY = PROVIDER["Parameters"]["MaximumConcurrency"]["Default"]
# SNS suspends an e-mail subscription above that.
MOST_MAILS_A_SECOND = 10
MOST_SECONDS = {(1000, 1000): 4 * 60, (500, 1): 13 * 60}
# A connection, of EC2 in the provider's account and in the consumer's, and of Route 53. In one account's storm that
# account is busy: what is put back looks around anew.
MOST_CALLS = {(1, 1): (28, 11, 11), (1000, 1000): (2, 10, 10), (500, 1): (7, 19, 12)}
CAPACITY = (PROJECT / "docs" / "capacity.md").read_text()
# Of the sweep's own, see sweep.py.
MOST_WAITING = 1000


@pytest.fixture(scope="module")
def alone() -> Outcome:
    return Storm(1, 1, 2).run()


@pytest.fixture(scope="module", params=[(1000, 1000), (500, 1)], ids=["1000-accounts", "500-vpcs-of-one-account"])
def storm(request: pytest.FixtureRequest) -> tuple[int, int, Outcome]:
    connections, accounts = request.param
    return connections, accounts, Storm(connections, accounts, CONCURRENCY).run()


def test_all_end_ready_and_none_is_lost(storm: tuple[int, int, Outcome]) -> None:
    connections, _, outcome = storm

    assert (outcome.ready, outcome.dead_letters) == (connections, 0)


def test_the_time_is_what_the_buckets_allow_and_a_tenth_more_at_most(
    storm: tuple[int, int, Outcome], alone: Outcome
) -> None:
    connections, accounts, outcome = storm

    assert outcome.seconds <= 1.1 * allowed_seconds(alone, connections, accounts)
    # Whatever one connection takes alone: what docs/capacity.md tells people to expect.
    assert outcome.seconds <= MOST_SECONDS[connections, accounts]


def test_calls_are_bounded_whatever_the_storm(storm: tuple[int, int, Outcome], alone: Outcome) -> None:
    connections, accounts, outcome = storm

    assert outcome.per_connection(ACCEPT) == 0.1
    for found, most in ((outcome, MOST_CALLS[connections, accounts]), (alone, MOST_CALLS[1, 1])):
        providers, consumers, route_53 = most
        assert found.providers_ec2_per_connection <= providers
        assert found.consumers_ec2_per_connection <= consumers
        assert found.route_53_per_connection <= route_53


def test_every_call_of_ec2_and_route_53_is_counted_and_has_a_bucket(storm: tuple[int, int, Outcome]) -> None:
    *_, outcome = storm

    def made(service: str) -> set[str]:
        return outcome.counts.keys() & set(botocore.session.get_session().get_service_model(service).operation_names)

    assert made("ec2") <= PROVIDERS_EC2 | CONSUMERS_EC2 <= LIMITS.keys()
    assert made("ec2") >= CONSUMERS_EC2
    assert made("route53") <= ROUTE_53_CALLS


def test_the_document_has_what_is_found(storm: tuple[int, int, Outcome], alone: Outcome) -> None:
    connections, accounts, outcome = storm
    [name] = [name for name, *of in STORMS if of == [connections, accounts]]

    assert alone_line(alone) in CAPACITY
    assert table_row(name, CONCURRENCY, outcome, allowed_seconds(alone, connections, accounts)) in CAPACITY


def test_no_more_mail_is_sent_than_sns_delivers(storm: tuple[int, int, Outcome]) -> None:
    *_, outcome = storm

    assert outcome.most_mails_a_second <= MOST_MAILS_A_SECOND
    assert outcome.mails <= 40


def test_the_sweep_does_not_add_up_what_waits(storm: tuple[int, int, Outcome]) -> None:
    connections, _, outcome = storm

    # Of a request an event tells, and a notification in the same second.
    assert outcome.deepest[DECIDE] <= max(2 * connections, MOST_WAITING)
    assert outcome.deepest[CONVERGE] <= max(connections, MOST_WAITING)


def test_the_simulated_copies_are_the_templates() -> None:
    mappings = of_type("AWS::Lambda::EventSourceMapping").values()
    copies = [mapping["ScalingConfig"]["MaximumConcurrency"] for mapping in mappings if "ScalingConfig" in mapping]

    assert sorted(copies, key=str) == [DECIDING, {"Ref": "MaximumConcurrency"}]


def test_a_bucket_gives_what_it_holds_and_then_what_flows_in() -> None:
    bucket = TokenBucket(Limit(per_second=2, size=3), tokens=3, at=0)

    assert [bucket.take(now) for now in (0, 0, 0, 0, 0.4, 0.5, 0.6, 1.0)] == [True] * 3 + [False] * 2 + [
        True,
        False,
        True,
    ]
    assert Limit(2, 40).seconds_for(100) == 30
    assert Limit(2, 40).seconds_for(40) == 0


def test_a_bucket_never_holds_more_than_its_size_and_time_runs_only_forwards() -> None:
    bucket = TokenBucket(Limit(per_second=2, size=3), tokens=0, at=0)

    assert [bucket.take(100) for _ in range(4)] == [True] * 3 + [False]
    assert not bucket.take(50)
