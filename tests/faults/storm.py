"""Many connections at once, in simulated time: what the deployed system would take, limited as AWS limits it.

The use cases are the real ones, AWS is the model with its token buckets, and each call takes its time. `python -m
tests.faults.storm` prints the table of docs/capacity.md. It is a model: nothing here was measured on AWS.
"""

from __future__ import annotations

import heapq
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched, count

from autopilot.domain.connection import ConnectionRef, Status
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.wake_up import WakeUp
from functions.converge_dns import handler as converge_dns
from tests.fakes.autopilot import (
    NOTIFICATION_TOPIC,
    SECONDS_TO_AVAILABLE,
    SECONDS_TO_INSYNC,
    FakeAutopilot,
    event,
    notification,
)
from tests.fakes.aws_model import Client
from tests.fakes.calls import Calls
from tests.fakes.clock import Clock
from tests.fakes.consumer_accounts import FakeConsumerAccount
from tests.fakes.endpoint_services import ServicesOfACopy
from tests.fakes.landscape import PROVIDER, REGION
from tests.fakes.messages import FakeQueue
from tests.faults.token_buckets import ACCEPT, CONSUMERS_EC2, LIMITS, LIST, PROVIDERS_EC2, ROUTE_53, TokenBuckets
from tests.local_aws.privatelink import Caller, Notification

DECIDE, CONVERGE, REPORT, SWEEP = "decide_connection", "converge_dns", "report_status", "sweep"
ROUTE_53_CALLS = {
    "ListHostedZonesByName",
    "ListHostedZonesByVPC",
    "GetHostedZone",
    "GetAccountLimit",
    "CreateHostedZone",
    "DeleteHostedZone",
    "ListResourceRecordSets",
    "ChangeResourceRecordSets",
    "GetChange",
    "AssociateVPCWithHostedZone",
}
CONSUMERS_CALLS = ROUTE_53_CALLS | CONSUMERS_EC2
# What a call takes within a Region, and Route 53, which is far away. A guess; what matters is their order.
_SECONDS = {
    **dict.fromkeys(ROUTE_53_CALLS | PROVIDERS_EC2, 0.1),
    **dict.fromkeys(CONSUMERS_EC2, 0.05),
    ACCEPT: 0.15,
    "CreateHostedZone": 0.3,
}
_USUAL_SECONDS = 0.015
_MOST_ATTEMPTS = {**dict.fromkeys(CONSUMERS_CALLS, 3)}
_USUAL_ATTEMPTS = 5
_BATCH, _RECORDS = 10, 100
DECIDING = 5
# How long a copy of each function works with the services that it has read.
_FRESH_FOR = {DECIDE: timedelta(minutes=1), CONVERGE: converge_dns.FRESH_FOR, SWEEP: timedelta(minutes=1)}
_GROUP = "sg-0123456789abcdef0"
AWS_SECONDS = SECONDS_TO_AVAILABLE + SECONDS_TO_INSYNC
_REPORT_SECONDS, _SWEEP_SECONDS = 30, 300
_MESSAGE_SECONDS = 0.05
# PrivateLink to topic to queue, longer than an event takes: so none is answered together with it. A guess.
_NOTIFICATION_SECONDS = 1
_RETRY_SECONDS = (2, 10, 60, 300)


class LimitedCalls(Calls):
    """Calls that take their time and are throttled. account: whose rights the running function has taken on."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock, self._buckets, self._random = clock, TokenBuckets(), random.Random(1)
        self.account = PROVIDER
        self.counts: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.mailed_at: list[float] = []

    @contextmanager
    def making(self, operation: str, subject: str) -> Iterator[None]:
        account = self.account if operation in CONSUMERS_CALLS else PROVIDER
        names = (operation, ROUTE_53) if operation in ROUTE_53_CALLS else (operation,)
        for attempt in range(_MOST_ATTEMPTS.get(operation, _USUAL_ATTEMPTS)):
            self._clock.advance(_SECONDS.get(operation, _USUAL_SECONDS))
            if self._buckets.take(account, names, self._clock.seconds()):
                break
            self.throttled[operation] += 1
            self._clock.advance(self._random.uniform(0, min(2**attempt, 20)))
        else:
            raise AwsCallFailed(operation, subject, "Throttling", "Rate exceeded")
        self.counts[operation] += 1
        if operation == "Publish":
            self.mailed_at.append(self._clock.seconds())
        with super().making(operation, subject):
            yield


@dataclass(eq=False, slots=True)
class Message:
    wake_up: WakeUp
    visible_at: float
    tries: int = 0


class StormQueue(FakeQueue):
    """SQS, as far as a storm meets it."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        super().__init__(calls)
        self._clock, self._numbers = clock, count()
        self._waiting: list[tuple[float, int, Message]] = []
        self.sent_in_all = self.deepest = 0

    def send(self, wake_ups: object) -> None:
        for some in batched(wake_ups, _BATCH, strict=False):  # type: ignore[call-overload]
            with self._calls.making("SendMessageBatch", "queue"):
                for wake_up, seconds in some:
                    self.put(Message(wake_up, self._clock.seconds() + max(seconds, _MESSAGE_SECONDS)))

    def put(self, message: Message) -> None:
        heapq.heappush(self._waiting, (message.visible_at, next(self._numbers), message))
        self.sent_in_all += 1
        self.deepest = max(self.deepest, len(self._waiting))

    def backlog(self) -> int:
        with self._calls.making("GetQueueAttributes", "queue"):
            return len(self._waiting)

    @property
    def next_at(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def receive(self, now: float) -> list[Message]:
        received: list[Message] = []
        while self._waiting and self._waiting[0][0] <= now and len(received) < _BATCH:
            received.append(heapq.heappop(self._waiting)[2])
        return received


@dataclass(frozen=True, slots=True)
class Outcome:
    """seconds: from the storm to the last `ready`. counts, throttled: calls that were let through, and not. deepest:
    how many messages waited at most, by queue."""

    ready: int
    seconds: float
    dead_letters: int
    counts: Counter[str]
    throttled: Counter[str]
    mails: int
    most_mails_a_second: int
    deepest: Mapping[str, int]

    def per_connection(self, *operations: str) -> float:
        return sum(self.counts[operation] for operation in operations) / self.ready

    @property
    def providers_ec2_per_connection(self) -> float:
        return self.per_connection(*PROVIDERS_EC2)

    @property
    def consumers_ec2_per_connection(self) -> float:
        return self.per_connection(*CONSUMERS_EC2)

    @property
    def route_53_per_connection(self) -> float:
        return self.per_connection(*ROUTE_53_CALLS)


@dataclass(eq=False)
class Storm:
    """connections at once, from accounts by turns. concurrency: MaximumConcurrency, of converge_dns."""

    connections: int
    accounts: int
    concurrency: int
    dead_letters: int = 0
    _agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def run(self, most_seconds: float = 4 * 3600) -> Outcome:
        """Raises AssertionError when not all are ready by then."""
        clock = Clock()
        self.calls = LimitedCalls(clock)
        self.autopilot = FakeAutopilot(allowed_principals=("*",), clock=clock, calls=self.calls)
        self.clock, self.queues = clock, {name: StormQueue(self.calls, clock) for name in (DECIDE, CONVERGE)}
        self.autopilot.requests_queue, self.autopilot.dns_queue = self.queues[DECIDE], self.queues[CONVERGE]
        self._watch_whose_rights()
        refs = self._begin()
        began = clock.seconds()
        copies = {DECIDE: DECIDING, CONVERGE: self.concurrency}
        self._free = {name: [(began, copy) for copy in range(number)] for name, number in copies.items()}
        ec2 = Client(self.autopilot.aws.privatelink, Caller(PROVIDER, REGION), self.calls)
        self._services = {
            (name, copy): ServicesOfACopy(ec2, clock, _FRESH_FOR[name])
            for name, number in {**copies, SWEEP: 1}.items()
            for copy in range(number)
        }
        self._at(began + _REPORT_SECONDS, self._report)
        self._at(began + _SWEEP_SECONDS, self._sweep)
        while not self._all_ready(refs):
            assert clock.seconds() - began < most_seconds, "not all are ready in time"
            self._do_next()
        return self._outcome(refs, began)

    def _begin(self) -> list[ConnectionRef]:
        """Everybody asks in the same second. Of each connection an event tells, and PrivateLink itself: of the request,
        and of our own Accept as well."""
        service = self.autopilot.aws.service()
        self.autopilot.services.notify(service, NOTIFICATION_TOPIC)
        self.autopilot.aws.privatelink._on_notification = self._notified
        accounts = [f"{number:012}" for number in range(300_000_000_000, 300_000_000_000 + self.accounts)]
        self.autopilot.consumers.roles |= set(accounts)
        owners = [accounts[number % self.accounts] for number in range(self.connections)]
        refs = [self.autopilot.aws.endpoint(service, self.autopilot.aws.new_vpc(owner)) for owner in owners]
        for ref, owner in zip(refs, owners, strict=True):
            # EC2 gives every endpoint a security group, the VPC's own if no other.
            group = {"VpcEndpointId": ref.endpoint_id, "AddSecurityGroupIds": [_GROUP]}
            self.autopilot.aws.ec2(owner, "ModifyVpcEndpoint", **group)
            self.queues[DECIDE].put(Message(event(ref, owner), self.clock.seconds()))
        self.calls.counts.clear()
        return refs

    def _notified(self, notice: Notification) -> None:
        ref = ConnectionRef(notice.service_id, notice.endpoint_id)
        self.queues[DECIDE].put(Message(notification(ref), self.clock.seconds() + _NOTIFICATION_SECONDS))

    def _watch_whose_rights(self) -> None:
        enter = self.autopilot.consumers.enter

        def entered(account: str, region: str) -> FakeConsumerAccount:
            self.calls.account = account
            return enter(account, region)

        self.autopilot.consumers.enter = entered  # type: ignore[method-assign]

    # Time

    def _at(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), act))

    def _do_next(self) -> None:
        """Whatever begins first. Invocations overlap, so that the clock is set back where one begins in another."""
        starts = [
            (max(queue.next_at, min(self._free[name])[0]), name)
            for name, queue in self.queues.items()
            if queue.next_at is not None
        ]
        at, name = min(starts, default=(float("inf"), ""))
        if self._agenda[0][0] <= at:
            at, _, act = heapq.heappop(self._agenda)
            self._set(at)
            act()
            return
        self._set(at)
        _, copy = heapq.heappop(self._free[name])
        self.autopilot.services = self._services[name, copy]
        self._serve(self.queues[name], name)
        heapq.heappush(self._free[name], (self.clock.seconds(), copy))

    def _set(self, at: float) -> None:
        self.clock.advance(at - self.clock.seconds())

    # The functions

    def _serve(self, queue: StormQueue, name: str) -> None:
        messages = queue.receive(self.clock.seconds())
        wake_ups = [message.wake_up for message in messages]
        outcome = self.autopilot.decide(*wake_ups) if name == DECIDE else self.autopilot.converge_all(wake_ups)
        for message in messages:
            if message.wake_up in outcome.failed:
                self._again(queue, message)

    def _again(self, queue: StormQueue, message: Message) -> None:
        message.tries += 1
        if message.tries > len(_RETRY_SECONDS):
            self.dead_letters += 1
            return
        message.visible_at = self.clock.seconds() + _RETRY_SECONDS[message.tries - 1]
        queue.put(message)

    def _report(self) -> None:
        changes, notices = self.autopilot.ledger.stream()
        for some in batched(changes, _RECORDS, strict=False):
            self.autopilot.report_status(some, [])
        self.autopilot.report_status([], notices)
        self._at(self.clock.seconds() + _REPORT_SECONDS, self._report)

    def _sweep(self) -> None:
        self._at(self.clock.seconds() + _SWEEP_SECONDS, self._sweep)
        self.autopilot.services = self._services[SWEEP, 0]
        self.autopilot.sweep()

    # What came of it

    def _all_ready(self, refs: Sequence[ConnectionRef]) -> bool:
        rows = self.autopilot.ledger._rows
        return len(rows) == len(refs) and all(row.status is Status.READY for row in rows.values())

    def _outcome(self, refs: Sequence[ConnectionRef], began: float) -> Outcome:
        rows = self.autopilot.ledger._rows.values()
        last = max(row.dns.since.timestamp() for row in rows if row.dns.since)
        self._set(last)
        self._report()
        seconds = Counter(int(at) for at in self.calls.mailed_at)
        return Outcome(
            ready=sum(row.status is Status.READY for row in rows),
            seconds=last - began,
            dead_letters=self.dead_letters,
            counts=self.calls.counts,
            throttled=self.calls.throttled,
            mails=len(self.calls.mailed_at),
            most_mails_a_second=max(seconds.values(), default=0),
            deepest={name: queue.deepest for name, queue in self.queues.items()},
        )


def allowed_seconds(alone: Outcome, connections: int, accounts: int) -> float:
    """What one connection takes alone, and what the busiest bucket adds where all make the calls that it makes.

    Of the provider's calls ten connections share one Accept, and one describe before it and another one after it.
    """
    zones = connections / accounts
    least = (
        LIMITS[ROUTE_53].seconds_for(zones * alone.route_53_per_connection),
        LIMITS["CreateHostedZone"].seconds_for(zones),
        LIMITS[ACCEPT].seconds_for(connections / _BATCH),
        LIMITS[LIST].seconds_for(2 * connections / _BATCH),
        *(LIMITS[one].seconds_for(zones * alone.counts[one]) for one in CONSUMERS_EC2),
    )
    return alone.seconds + max(least)


STORMS = (("1,000 accounts", 1000, 1000), ("500 VPCs of one account", 500, 1))
COPIES = (2, 5, 10, 20, 28, 50)


def alone_line(alone: Outcome) -> str:
    return f"One connection alone: {alone.seconds:.0f} seconds, {AWS_SECONDS} of them AWS's own."


def table_row(name: str, copies: int, found: Outcome, allowed: float) -> str:
    """A row of the table in docs/capacity.md."""
    calls = (found.providers_ec2_per_connection, found.consumers_ec2_per_connection, found.route_53_per_connection)
    cells = [name, copies, f"{found.seconds:.0f}", f"{allowed:.0f}", *(f"{number:.1f}" for number in calls)]
    return f"| {' | '.join(map(str, [*cells, sum(found.throttled.values()), found.mails]))} |"


def main() -> None:
    """Print the table."""
    alone = Storm(1, 1, 2).run()
    print(f"{alone_line(alone)}\n")
    print("| storm | copies | seconds | buckets allow | EC2, yours | EC2, theirs | Route 53 | throttled | e-mails |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, connections, accounts in STORMS:
        allowed = allowed_seconds(alone, connections, accounts)
        for copies in COPIES:
            print(table_row(name, copies, Storm(connections, accounts, copies).run(), allowed))


if __name__ == "__main__":
    logging.disable()
    main()
