"""A whole deployment in simulated time: events on their way, two queues, the ledger's stream and the sweep's schedule.

The use cases, `work_off` and the reading of events are the real ones; AWS around them is the model, and whatever can
go wrong on its side is a field here that a test sets.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast

from autopilot.aws.queues import SqsQueue
from autopilot.domain.allowlist import AllowlistEntry, EntryKey
from autopilot.domain.connection import AwsState, Connection, ConnectionRef, LedgerRow
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.report import Notice, StatusChange
from autopilot.domain.wake_up import WakeUp
from autopilot.messages import MOST_TRIES, work_off
from tests.fakes.autopilot import FakeAutopilot
from tests.fakes.calls import Calls, Crash
from tests.fakes.clock import Clock
from tests.fakes.landscape import PROVIDER, REGION
from tests.fakes.messages import FakeQueue
from tests.local_aws.cloudtrail import envelope, identity_of, record
from tests.local_aws.privatelink import ApiCall, Caller, Notification, Request, Response

ANSWERS = ("AcceptVpcEndpointConnections", "RejectVpcEndpointConnections")
ON_TIME, LOST, TWICE, LATE, AND_AGAIN = (2.0,), (), (2.0, 2.0), (3600.0,), (2.0, 3600.0)
SWEEP_SECONDS = 300
_STREAM_SECONDS = 30
_MOST_REPORTS = 11
_BATCH = 10
# A message that became two would be thousands before an outage ends, and a test of one would not.
_MOST_MESSAGES = 500
_ROUTES = {
    "CreateVpcEndpoint": "requests",
    **dict.fromkeys((*ANSWERS, "CreateTags", "DeleteTags"), "requests"),
    **dict.fromkeys(("ModifyVpcEndpoint", "DeleteVpcEndpoints"), "dns"),
}

type Work = Callable[[Sequence[WakeUp]], Mapping[WakeUp, Exception]]


@dataclass(eq=False, slots=True)
class Message:
    """handle: its receipt handle. tries: how often it was received."""

    handle: str
    body: str
    visible_at: datetime
    tries: int = 0


class SimulatedQueue(FakeQueue):
    """SQS: a message that was received is hidden for a while, and after five tries it is a dead letter."""

    def __init__(self, calls: Calls, clock: Clock, visibility_seconds: int) -> None:
        super().__init__(calls)
        self._clock, self._visibility = clock, timedelta(seconds=visibility_seconds)
        self._numbers = count()
        self.messages: list[Message] = []
        self.dead_letters: list[str] = []

    def put(self, body: str, seconds: float = 0) -> None:
        """Whatever somebody sends."""
        visible_at = self._clock() + timedelta(seconds=seconds)
        self.messages.append(Message(str(next(self._numbers)), body, visible_at))

    def send(self, wake_ups: Any) -> None:
        sent = list(wake_ups)
        if sent:
            with self._calls.making("SendMessageBatch", "queue"):
                for wake_up, seconds in sent * (1 + self._calls.is_asked_twice):
                    self.put(wake_up.to_body(), seconds)

    def backlog(self) -> int:
        with self._calls.making("GetQueueAttributes", "queue"):
            return len(self.messages)

    def give_up(self, body: str, code: str, reason: str) -> None:
        with self._calls.making("SendMessage", "dead letters"):
            self.dead_letters.append(body)

    def show_again_soon(self, failed: Sequence[tuple[str, int]]) -> None:
        pauses = dict(failed)
        if pauses:
            with self._calls.making("ChangeMessageVisibilityBatch", "queue"):
                for message in self.messages:
                    if message.handle in pauses:
                        message.visible_at = self._clock() + timedelta(seconds=pauses[message.handle])

    def receive(self) -> list[Message]:
        """At most ten of the visible ones, oldest first."""
        now, received = self._clock(), list[Message]()
        for message in sorted(self.messages, key=lambda one: one.visible_at):
            if message.visible_at > now or len(received) == _BATCH:
                break
            if message.tries == MOST_TRIES:
                self.messages.remove(message)
                self.dead_letters.append(message.body)
                continue
            message.tries += 1
            message.visible_at = now + self._visibility
            received.append(message)
        return received

    def delete(self, messages: Collection[Message]) -> None:
        self.messages = [message for message in self.messages if message not in messages]

    def redrive(self) -> None:
        """What a person does after mending: all dead letters come again."""
        for body in self.dead_letters:
            self.put(body)
        self.dead_letters = []

    @property
    def next_at(self) -> datetime | None:
        return min((message.visible_at for message in self.messages), default=None)


class SkewedClock(Clock):
    """What a function believes the time to be."""

    def __init__(self, true: Clock, seconds: float) -> None:
        self._true, self._seconds = true, seconds

    def __call__(self) -> datetime:
        return self._true() + timedelta(seconds=self._seconds)


@dataclass(slots=True)
class Report:
    """Records of the ledger's stream that one invocation is given."""

    records: list[StatusChange | Notice]
    tries: int = 0


@dataclass(eq=False)
class World:
    """deliveries: after how many seconds each event arrives, once for each; none is lost. skews: of the functions'
    clocks, in seconds. sweep_seconds: between two sweeps. refuses: endpoints that EC2's next Accept or Reject does not
    take. running: the function that runs. invocations: of all functions, so far. surprises: errors that no use case
    should raise.
    """

    autopilot: FakeAutopilot = field(default_factory=FakeAutopilot)
    sweep_seconds: int = SWEEP_SECONDS
    deliveries: Sequence[float] = ON_TIME
    stream_is_lost: bool = False
    skews: dict[str, float] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    before_answer: Callable[[bool, str, str, Sequence[str]], None] = lambda *_: None
    after_change_of_zones: Callable[[bool, str, Request], None] = lambda *_: None
    surprises: list[Exception] = field(default_factory=list)
    lost: list[StatusChange | Notice] = field(default_factory=list)
    running: str | None = None
    invocations: int = 0

    def __post_init__(self) -> None:
        autopilot, self.clock, self.calls = self.autopilot, self.autopilot.clock, self.autopilot.calls
        self.requests = SimulatedQueue(self.calls, self.clock, visibility_seconds=360)
        self.dns = SimulatedQueue(self.calls, self.clock, visibility_seconds=720)
        autopilot.requests_queue, autopilot.dns_queue = self.requests, self.dns
        self.aws = autopilot.aws
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = count()
        self._reports: list[Report] = []
        self._is_reporting = False
        self._shown: dict[str, tuple[datetime, Connection | None]] = {}
        self._watch_aws()
        self._at(self.sweep_seconds, self._scheduled_sweep)

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass, with all that happens in it."""
        until = self.clock() + timedelta(seconds=seconds)
        while (at := self._next_at()) <= until:
            self.clock.now = max(at, self.clock.now)
            self._do_next()
            messages = len(self.requests.messages) + len(self.dns.messages)
            assert messages < _MOST_MESSAGES, f"{messages} messages wait, and become more"
        self.clock.now = until

    @property
    def is_quiet(self) -> bool:
        """Whether nothing but the next sweep is still to come."""
        waiting = self.requests.messages or self.dns.messages or self._reports or self._has_news
        return not waiting and len(self._agenda) == 1

    def _next_at(self) -> datetime:
        ats = (self._agenda[0][0], self.requests.next_at, self.dns.next_at)
        return min(at for at in ats if at)

    def _do_next(self) -> None:
        now = self.clock()
        if self._agenda[0][0] <= now:
            _, _, act = heapq.heappop(self._agenda)
            act()
        elif self.requests.next_at and self.requests.next_at <= now:
            self.decide()
        else:
            self.converge()

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.clock() + timedelta(seconds=seconds), next(self._numbers), act))

    # The functions

    def decide(self) -> None:
        """One invocation of decide_connection with what its queue has."""
        self._serve("decide_connection", self.requests, lambda some: self.autopilot.decide(*some).failed)

    def converge(self) -> None:
        """One invocation of converge_dns."""
        self._serve("converge_dns", self.dns, lambda some: self.autopilot.converge_all(some).failed)

    def sweep(self) -> None:
        self._invoke("sweep", lambda: self.autopilot.sweep())

    def _scheduled_sweep(self) -> None:
        self._at(self.sweep_seconds, self._scheduled_sweep)
        self.sweep()

    def _serve(self, function: str, queue: SimulatedQueue, work: Work) -> None:
        messages = queue.receive()
        if not messages:
            return

        def watched(wake_ups: Sequence[WakeUp]) -> Mapping[WakeUp, Exception]:
            try:
                return work(wake_ups)
            except Exception as error:
                self.surprises.append(error)
                raise

        def work_all_off() -> None:
            answer = work_off(_sqs_event(messages), cast(SqsQueue, queue), watched)
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            queue.delete([message for message in messages if message.handle not in failed])

        self._invoke(function, work_all_off)

    def _invoke(self, function: str, act: Callable[[], object]) -> bool:
        """One invocation, with its own clock; whether it came to its end."""
        before, clock = self.running, self.autopilot.clock
        self.running = function
        self.invocations += 1
        if function in self.skews:
            self.autopilot.clock = SkewedClock(self.clock, self.skews[function])
        self.calls.revive()
        try:
            act()
        except (AwsCallFailed, Crash):
            return False
        except Exception as error:
            self.surprises.append(error)
            return False
        finally:
            self.running, self.autopilot.clock = before, clock
            self.calls.revive()
            self._listen_to_the_stream()
        return True

    # What tells Autopilot

    def allow(self, entry: AllowlistEntry) -> None:
        """Put an entry into the allowlist."""
        self.autopilot.allowlist.put(entry)
        self._at(2, lambda: self._follow(entry.key))

    def disallow(self, key: EntryKey) -> None:
        self.autopilot.allowlist.remove(key)
        self._at(2, lambda: self._follow(key))

    def stack_changed(self, account: str) -> None:
        """An account's stack, and with it the consumer role, is there."""
        kind = {"source": "aws.cloudformation", "detail-type": "CloudFormation Stack Status Change"}
        self._deliver(self.dns, json.dumps({**kind, "account": account, "region": REGION, "detail": {}}))

    def _follow(self, key: EntryKey, tries: int = 1) -> None:
        """The allowlist's stream: an invocation that fails is tried again, and given up in the end."""
        is_done = self._invoke("sweep", lambda: self.autopilot.follow_allowlist([key]))
        if not is_done and tries < _MOST_REPORTS:
            self._at(_STREAM_SECONDS, lambda: self._follow(key, tries + 1))

    def _recorded(self, call: ApiCall) -> None:
        queue = self._queue_of(call)
        if queue and self.deliveries:
            body = json.dumps(envelope(record(call, identity_of(call.caller), self.clock())))
            self._deliver(queue, body)

    def _queue_of(self, call: ApiCall) -> SimulatedQueue | None:
        """As the template's rules have it: decide_connection's own answers wake nobody."""
        is_own = call.operation in ANSWERS and self.running is not None
        is_of_a_service = not call.operation.endswith("Tags") or call.request["Resources"][0].startswith("vpce-svc-")
        if call.error or is_own or not is_of_a_service or call.operation not in _ROUTES:
            return None
        return self.requests if _ROUTES[call.operation] == "requests" else self.dns

    def _notified(self, notification: Notification) -> None:
        self._deliver(self.requests, json.dumps({"Type": "Notification", "Message": notification.body}))

    def _deliver(self, queue: SimulatedQueue, body: str) -> None:
        for seconds in self.deliveries:
            self._at(seconds, lambda: queue.put(body))

    # What Autopilot tells

    @property
    def _has_news(self) -> bool:
        return bool(self.autopilot.ledger._changes or self.autopilot.ledger._told)

    def _listen_to_the_stream(self) -> None:
        if not self._is_reporting and (self._has_news or self._reports):
            self._is_reporting = True
            self._at(_STREAM_SECONDS, self._report)

    def _report(self) -> None:
        """What fails is told again, by halves, so that one record alone is given up in the end."""
        self._is_reporting = False
        changes, notices = self.autopilot.ledger.stream()
        if changes or notices:
            self._reports.append(Report([*changes, *notices]))
        while self._reports:
            report = self._reports[0]
            if not self._is_told(report):
                self._put_off(report)
                break
            self._reports.pop(0)
        self._listen_to_the_stream()

    def _is_told(self, report: Report) -> bool:
        if self.stream_is_lost:
            self.lost += report.records
            return True
        report.tries += 1
        changes = [record for record in report.records if isinstance(record, StatusChange)]
        notices = [record for record in report.records if isinstance(record, Notice)]
        return self._invoke("report_status", lambda: self.autopilot.report_status(changes, notices))

    def _put_off(self, report: Report) -> None:
        if len(report.records) > 1:
            half = len(report.records) // 2
            self._reports[:1] = [Report(report.records[:half]), Report(report.records[half:])]
        elif report.tries >= _MOST_REPORTS:
            self.lost += self._reports.pop(0).records

    # What goes wrong on AWS's side

    def show(self, ref: ConnectionRef, seconds: float, *, is_listed: bool = True) -> None:
        """For a while, describes show the connection as it is now, or not at all."""
        connection = next((one for one in self._listed(ref.service_id) if one.ref == ref), None) if is_listed else None
        self._shown[ref.endpoint_id] = (self.clock() + timedelta(seconds=seconds), connection)

    def _as_shown(self, connection: Connection) -> Connection | None:
        until, shown = self._shown.get(connection.ref.endpoint_id, (self.clock(), None))
        return shown if self.clock() < until else connection

    def heal(self) -> None:
        """From now on everything works."""
        self.calls.refused.clear()
        self.calls.faults.clear()
        self.calls.meanwhile = None
        self.calls.crash_before = self.calls.crash_after = None
        self.deliveries, self.stream_is_lost = ON_TIME, False
        self.skews.clear()
        self.refuses.clear()
        self._shown.clear()

    def _watch_aws(self) -> None:
        """Put ourselves between the model and everybody who calls it."""
        privatelink, hosted_zones = self.aws.privatelink, self.aws.hosted_zones
        privatelink._on_call, privatelink._on_notification = self._recorded, self._notified
        self.autopilot.services.shown = self._as_shown
        answer = privatelink.call

        def answered(caller: Caller, operation: str, request: Request, request_id: str = "") -> Response:
            if operation in ANSWERS:
                is_ours, ids = self.running is not None, request["VpcEndpointIds"]
                self.before_answer(is_ours, operation, request["ServiceId"], ids)
                refused = self.refuses.intersection(ids) if is_ours else set()
                self.refuses -= refused
                request = {**request, "VpcEndpointIds": [one for one in ids if one not in refused]}
                response = answer(caller, operation, request, request_id)
                error = {"Code": "InternalError", "Message": "the test says so"}
                unsuccessful = [{"ResourceId": one, "Error": error} for one in sorted(refused)]
                return {**response, "Unsuccessful": [*response["Unsuccessful"], *unsuccessful]}
            return answer(caller, operation, request, request_id)

        change = hosted_zones.call

        def changed(caller: Caller, operation: str, request: Request) -> Response:
            response = change(caller, operation, request)
            if not operation.startswith(("Get", "List")):
                self.after_change_of_zones(self.running is not None, operation, request)
            return response

        privatelink.call = self._asked_twice(answered)  # type: ignore[method-assign]
        hosted_zones.call = self._asked_twice(changed)  # type: ignore[method-assign]
        ledger = self.autopilot.ledger
        ledger.record_acceptance = self._asked_twice(ledger.record_acceptance)  # type: ignore[method-assign]
        ledger.record_dns = self._asked_twice(ledger.record_dns)  # type: ignore[method-assign]

    def _asked_twice[**P, R](self, call: Callable[P, R]) -> Callable[P, R]:
        """boto3 repeats a call of which it got no answer; the second one's counts."""

        def asked(*arguments: P.args, **named: P.kwargs) -> R:
            answer = call(*arguments, **named)
            if self.running and self.calls.is_asked_twice:
                self.calls.is_asked_twice = False
                answer = call(*arguments, **named)
            return answer

        return asked

    # What is, whatever anybody is shown

    @property
    def rows(self) -> Mapping[ConnectionRef, LedgerRow]:
        return self.autopilot.ledger._rows

    def state(self, endpoint_id: str) -> AwsState:
        """AWS's state; what is gone altogether is deleted."""
        endpoint = self.aws.privatelink._endpoints[endpoint_id]
        return AwsState.from_wire(self.aws.privatelink.state_of(endpoint) or "deleted")

    def _listed(self, service_id: str) -> list[Connection]:
        filters = [{"Name": "service-id", "Values": [service_id]}]
        request = {"Filters": filters}
        rows = self.aws.privatelink.call(Caller(PROVIDER, REGION), "DescribeVpcEndpointConnections", request)
        return [
            Connection(
                ConnectionRef(row["ServiceId"], row["VpcEndpointId"]),
                row["VpcEndpointOwner"],
                row["VpcEndpointRegion"],
                AwsState.from_wire(row["VpcEndpointState"]),
                row["CreationTimestamp"],
            )
            for row in rows["VpcEndpointConnections"]
        ]


def _sqs_event(messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": message.handle,
                "receiptHandle": message.handle,
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": str(message.tries)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{PROVIDER}:queue",
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }
