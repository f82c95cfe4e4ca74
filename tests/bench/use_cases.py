"""The use cases over the fakes: EC2's calls for a crowd, a decision by the length of the list, a sweep by its size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import batched, pairwise

from autopilot.domain.allowlist import AllowlistEntry, EntryKey
from autopilot.domain.connection import AwsState, Dns
from tests.bench.measurement import Measurement
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE, FakeAutopilot, event
from tests.fakes.aws_model import Client
from tests.fakes.endpoint_services import ServicesOfACopy
from tests.fakes.landscape import PROVIDER, REGION
from tests.faults.token_buckets import PROVIDERS_EC2
from tests.local_aws.privatelink import Caller

_BATCH = 10
# AWS's list prices of November 2026 in us-east-1, to be checked: a million read units, a GB-second, a million requests.
_READ_UNITS, _GB_SECOND = 0.125e-6, 0.0000133334
_SWEEPS_A_MONTH = 12 * 24 * 30
# A row with its two facets and timelines, in units of 4 KB read eventually consistent.
_READ_UNITS_A_ROW = 0.25


def accepting(connections: int, *, most: float | None, is_cold: bool = False) -> Measurement:
    """EC2's calls for each of so many connections of as many accounts, ten messages a batch.

    The least is one describe and one Accept a batch: SQS hands over ten messages at once. is_cold: by a copy that has
    to describe the services first, which it does once a minute.
    """
    autopilot = FakeAutopilot(allowed_principals=("*",))
    service = autopilot.aws.service()
    ec2 = Client(autopilot.aws.privatelink, Caller(PROVIDER, REGION), autopilot.calls)
    autopilot.services = ServicesOfACopy(ec2, autopilot.clock)
    if not is_cold:
        autopilot.services.find(service)
    accounts = [f"{number:012}" for number in range(300_000_000_000, 300_000_000_000 + connections)]
    wake_ups = [event(autopilot.aws.endpoint(service, autopilot.aws.new_vpc(account)), account) for account in accounts]
    autopilot.calls.made.clear()
    for some in batched(wake_ups, _BATCH, strict=False):
        autopilot.decide(*some)
    calls = sum(operation in PROVIDERS_EC2 for operation in autopilot.calls.made)
    copy = "a copy that just started" if is_cold else "a copy that knows the services"
    return Measurement(f"to accept one of {connections:,}, {copy}", calls / connections, "calls", most)


def deciding(entries: int) -> Measurement:
    """The time of one decision, held, with a list of so many entries of other accounts.

    The list is in memory, asked by key as DynamoDB is: what the table itself takes is not measured.
    """
    autopilot = FakeAutopilot(allowed_principals=())
    for number in range(entries):
        autopilot.allowlist.put(AllowlistEntry(EntryKey(f"{number:012}")))
    ref = autopilot.aws.endpoint(autopilot.aws.service(), autopilot.aws.new_vpc("999999999999"))
    woken = event(ref, "999999999999")
    seconds = _least(lambda: autopilot.decide(woken), range(15))
    return Measurement(f"one decision with {entries:,} entries in the allowlist", seconds * 1000, "ms")


def sweeping(connections: int) -> tuple[Measurement, Measurement, Measurement]:
    """A sweep over so many connections that are as they should be: time, calls, and what a month of it costs."""
    autopilot = FakeAutopilot(allowed_principals=("*",))
    service = autopilot.aws.service({"autopilot": "enabled"})
    vpcs = [autopilot.aws.new_vpc("222222222222") for _ in range(1 + connections // 100)]
    refs = [autopilot.aws.endpoint(service, vpcs[number // 100]) for number in range(connections)]
    autopilot.decide(*map(event, refs))
    autopilot.clock.advance(SECONDS_TO_AVAILABLE)
    for row in autopilot.ledger.rows(refs).values():
        available = replace(row, connection=replace(row.connection, state=AwsState.AVAILABLE))
        autopilot.ledger.record_dns(available, row.dns.became(Dns.UNDECLARED, autopilot.clock()))
    autopilot.report()
    autopilot.requests_queue.take()
    autopilot.dns_queue.take()
    autopilot.calls.made.clear()
    autopilot.sweep()
    assert not autopilot.dns_queue.sent
    calls = len(autopilot.calls.made)
    # What the model takes to make up its pages is not ours.
    listed, rows = list(autopilot.services.connections(service)), list(autopilot.ledger.rows_of(service))
    autopilot.services.connections = lambda *_, **__: iter(listed)  # type: ignore[method-assign]
    autopilot.ledger.rows_of = lambda service_id: iter(rows)  # type: ignore[method-assign]
    seconds = _least(autopilot.sweep, range(3))
    month = _SWEEPS_A_MONTH * (connections * _READ_UNITS_A_ROW * _READ_UNITS + seconds * 0.5 * _GB_SECOND)
    name = f"a sweep of {connections:,} connections"
    return (
        Measurement(f"{name}: time of our own", seconds, "s"),
        Measurement(f"{name}: calls", calls, "calls"),
        Measurement(f"{name}: a month by list prices, to be checked", month, "US dollars"),
    )


def comparing(entries: int) -> Measurement:
    """The time of a sweep over one accepted connection with a list of so many entries of other accounts."""
    autopilot = FakeAutopilot()
    for number in range(entries):
        autopilot.allowlist.put(AllowlistEntry(EntryKey(f"{number:012}")))
    autopilot.connected(autopilot.aws.new_vpc("222222222222"))
    return Measurement(f"a sweep with {entries:,} entries in the allowlist", _least(autopilot.sweep, range(5)), "s")


def linearity(curve: Iterable[tuple[int, Measurement]], what: str = "a sweep: time a connection") -> Measurement:
    """How much more time each takes with ten times as many, where that is most; 1 is linear."""
    ratios = {
        f"{many:,} against {few:,}": (large.value / many) / (small.value / few)
        for (few, small), (many, large) in pairwise(curve)
    }
    where = max(ratios, key=lambda name: ratios[name])
    return Measurement(f"{what} at {where}", ratios[where], "times", 1.5)


def _least(work: Callable[[], object], times: range) -> float:
    """The shortest of several runs, in seconds: what the machine does beside is not ours."""
    found = []
    for _ in times:
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
