from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat

import pytest

from autopilot.domain.connection import Dns
from autopilot.domain.wake_up import SeenBy, WakeUp
from tests.fakes.autopilot import FakeAutopilot, event
from tests.fakes.landscape import CONSUMER, REGION, STRANGER

LIST = "DescribeVpcEndpointConnections"


@pytest.fixture
def autopilot() -> FakeAutopilot:
    return FakeAutopilot(allowed_principals=("*",))


def test_a_batch_asks_for_each_services_list_once(autopilot: FakeAutopilot) -> None:
    autopilot.consumers.roles.add(STRANGER)
    vpcs = [autopilot.aws.new_vpc(account) for account in (CONSUMER, STRANGER, CONSUMER)]
    services = [autopilot.aws.service(), autopilot.aws.service()]
    refs = [autopilot.connected(vpc, service) for service in services for vpc in vpcs]
    autopilot.calls.made.clear()

    outcome = autopilot.converge_all([event(ref) for ref in refs])

    assert autopilot.calls.made.count(LIST) == 2
    assert outcome.failed == {}
    assert {autopilot.row(ref).dns.value for ref in refs[:3]} == {Dns.WAITING}


def test_wake_ups_about_one_connection_are_one_look_by_who_waited_longest(autopilot: FakeAutopilot) -> None:
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc(CONSUMER))
    autopilot.decide(event(ref))
    autopilot.dns_queue.take()
    first = event(ref)
    waited = first.put_back().put_back()

    autopilot.converge_all([waited, first, replace(first, service_id=None)])

    assert autopilot.dns_queue.sent == [(waited.put_back(), waited.pause_seconds)]


def test_what_there_is_no_time_for_comes_again_at_once_and_is_no_failure(autopilot: FakeAutopilot) -> None:
    service = autopilot.aws.service()
    refs = [autopilot.connected(autopilot.aws.new_vpc(CONSUMER), service) for _ in range(3)]
    has_time: Iterator[bool] = iter([*repeat(True, 4), *repeat(False, 2)])

    outcome = autopilot.converge_all([event(ref) for ref in refs], lambda: next(has_time))

    assert outcome.failed == {}
    assert [autopilot.row(ref).dns.value for ref in refs] == [Dns.WAITING, Dns.NONE, Dns.NONE]
    assert [(event(ref), 0) for ref in refs[1:]] == [sent for sent in autopilot.dns_queue.sent if not sent[1]]


def test_an_event_that_names_thousands_is_worked_off_as_far_as_there_is_time(autopilot: FakeAutopilot) -> None:
    named = [WakeUp(None, f"vpce-{number:017x}", CONSUMER, REGION, SeenBy.EVENT) for number in range(50)]
    has_time = iter([*repeat(True, 20), *repeat(False, 30)])

    assert autopilot.converge_all(named, lambda: next(has_time)).failed == {}
    assert autopilot.calls.made.count("Query") == 20
    assert {wake_up for wake_up, _ in autopilot.dns_queue.sent} == set(named[20:])


def test_one_account_that_fails_fails_alone(autopilot: FakeAutopilot) -> None:
    service = autopilot.aws.service()
    autopilot.consumers.roles.add(STRANGER)
    broken, fine = (autopilot.connected(autopilot.aws.new_vpc(account), service) for account in (CONSUMER, STRANGER))
    autopilot.calls.refused[broken.endpoint_id] = "InternalError"

    outcome = autopilot.converge_all([event(broken), event(fine)])

    assert [wake_up.endpoint_id for wake_up in outcome.failed] == [broken.endpoint_id]
    assert autopilot.row(fine).dns.value is Dns.WAITING


def test_who_is_told_to_slow_down_waits_and_has_not_failed(autopilot: FakeAutopilot) -> None:
    ref = autopilot.connected(autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.refused["CreateHostedZone"] = "Throttling"

    outcome = autopilot.converge_all([event(ref)])

    assert outcome.failed == {}
    assert autopilot.dns_queue.sent == [(event(ref).put_back(), 5)]


def test_while_an_account_slows_us_down_its_other_connections_wait_untried(autopilot: FakeAutopilot) -> None:
    service = autopilot.aws.service()
    refs = [autopilot.connected(autopilot.aws.new_vpc(CONSUMER), service) for _ in range(2)]
    autopilot.calls.refused["CreateHostedZone"] = "Throttling"

    assert autopilot.converge_all([event(ref) for ref in refs]).failed == {}
    assert autopilot.dns_queue.sent == [(event(ref).put_back(), 5) for ref in refs]
    assert autopilot.calls.made.count("CreateHostedZone") == 1


def test_who_is_told_to_slow_down_for_a_quarter_of_an_hour_has_failed(autopilot: FakeAutopilot) -> None:
    ref = autopilot.connected(autopilot.aws.new_vpc(CONSUMER))
    autopilot.calls.refused["CreateHostedZone"] = "Throttling"
    tired = replace(event(ref), waited_seconds=900)

    assert list(autopilot.converge_all([tired]).failed) == [tired]


def test_while_the_ledger_is_throttled_everybody_waits_and_nobody_has_failed(autopilot: FakeAutopilot) -> None:
    ref = autopilot.connected(autopilot.aws.new_vpc(CONSUMER))
    autopilot.dns_queue.take()
    autopilot.calls.refused["BatchGetItem"] = "ProvisionedThroughputExceededException"
    tired = replace(event(ref), waited_seconds=900)

    assert autopilot.converge_all([event(ref)]).failed == {}
    assert autopilot.dns_queue.sent == [(event(ref).put_back(), 5)]
    assert list(autopilot.converge_all([tired]).failed) == [tired]


def test_what_cannot_be_put_back_comes_again_by_its_own_message(autopilot: FakeAutopilot) -> None:
    service = autopilot.aws.service()
    refs = [autopilot.aws.endpoint(service, autopilot.aws.new_vpc(CONSUMER)) for _ in range(2)]
    autopilot.decide(*map(event, refs))
    autopilot.dns_queue.take()
    autopilot.calls.refused["SendMessageBatch"] = "InternalError"

    assert set(autopilot.converge_all([event(ref) for ref in refs]).failed) == {event(ref) for ref in refs}
