"""EventBridge's deliveries: to queues, functions and buses, also of another account, with the permissions, the
retries and the dead-letter queues of the target; and the sources of events that ministack lacks: CloudTrail's records,
the statuses of CloudFormation's stacks, and PrivateLink's connection notifications.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html
"""

import contextvars
import heapq
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ministack.core.arn import Arn
from ministack.core.responses import get_account_id, request_scope
from ministack.services import eventbridge, lambda_svc, sns, sqs
from ministack.services.cloudformation import stacks

from tests.local_aws import enforcement, queues, stock
from tests.local_aws.enforcement import Permissions
from tests.local_aws.privatelink import Notification
from tests.local_aws.switches import Switches

MAXIMUM_RETRY_ATTEMPTS, MAXIMUM_EVENT_AGE = 185, 86_400
LONGEST_PAUSE = 30.0
PRIVATELINK = "vpce.amazonaws.com"

type Event = dict[str, Any]

log = logging.getLogger("delivery")


class Later:
    """Work for later, on one thread, in order of its time."""

    def __init__(self) -> None:
        self._jobs: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="later", daemon=True).start()

    def after(self, seconds: float, job: Callable[[], object]) -> None:
        """Run `job` after so many seconds, in the caller's account and Region."""
        context = contextvars.copy_context()
        with self._changed:
            heapq.heappush(self._jobs, (time.monotonic() + seconds, next(self._order), lambda: context.run(job)))
            self._changed.notify()

    def reset(self) -> None:
        """Forget what has not run yet."""
        with self._changed:
            self._jobs.clear()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs or self._jobs[0][0] > time.monotonic():
                    self._changed.wait(self._jobs[0][0] - time.monotonic() if self._jobs else None)
                job = heapq.heappop(self._jobs)[2]
            try:
                job()
            except Exception:
                log.exception("a delivery failed in the local AWS itself")


class UndeliveredError(Exception):
    """A target did not take an event. Only `retriable` failures are tried again; the others are dead at once."""

    def __init__(self, code: str, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.retriable = code, message, retriable


@dataclass(frozen=True)
class Errand:
    """One target of one rule or schedule."""

    source_arn: str
    target: Mapping[str, Any]

    @property
    def is_schedule(self) -> bool:
        return ":scheduler:" in self.source_arn

    @property
    def service(self) -> str:
        return "scheduler.amazonaws.com" if self.is_schedule else "events.amazonaws.com"


class Deliveries:
    """Takes the place of ministack's dispatchers. AWS's own events come after `seconds_to_event`."""

    def __init__(self, later: Later, permissions: Permissions, switches: Switches, *, seconds_to_event: float) -> None:
        self._later, self._permissions, self._switches = later, permissions, switches
        self._seconds_to_event = seconds_to_event
        self._errand: ContextVar[Errand] = ContextVar("errand")
        stock.need(eventbridge, "_event_buses", "_event_bus_policies", "_dispatch_event", "_rule_key", "_put_events")
        stock.need(eventbridge, "_pattern_event_view")
        stock.need(lambda_svc, "_get_func_record_for_ref", "_execution_record_for_config", "invoke_async_with_retry")
        stock.need(sqs, "queue_policy_allows")
        stock.need(stacks, "CLIENT_REQUEST_TOKEN")
        stock.need(sns, "topic_policy_allows", "publish_internal", "_topic_by_arn_any_scope")
        stock.replace(eventbridge, "_invoke_target", self._invoke_target)
        stock.replace(eventbridge, "_dispatch_to_event_bus", self._to_bus)
        stock.replace(eventbridge, "_dispatch_to_lambda", self._to_lambda)
        stock.replace(eventbridge, "_dispatch_to_sqs", self._to_sqs)
        stock.replace(stacks, "_add_event", self._stack_event)

    def cloudtrail(self, account: str, region: str, record: Mapping[str, Any]) -> None:
        """Put a CloudTrail record on the account's default bus, unless records are lost now."""
        for _ in range({True: 1, False: 0, "twice": 2}[self._switches.events]):
            source = "aws." + record["eventSource"].split(".")[0]
            with request_scope(account, region):
                self._put_event(source, "AWS API Call via CloudTrail", record)

    def notification(self, notice: Notification) -> None:
        """Publish a connection notification of PrivateLink, if its topic lets PrivateLink do so."""
        if not self._switches.notifications:
            return
        owner = notice.source_arn.split(":")[4]

        def publish() -> None:
            topic = sns._topic_by_arn_any_scope(notice.topic_arn) or {"attributes": {}}
            key = topic["attributes"].get("KmsMasterKeyId")
            if not sns.topic_policy_allows(notice.topic_arn, PRIVATELINK, notice.source_arn, owner):
                log.warning("LOST a notification: topic %s does not let %s publish", notice.topic_arn, PRIVATELINK)
            elif key and not self._permissions.key_allows(key, service=PRIVATELINK):
                log.warning("LOST a notification: key %s does not let %s use it", key, PRIVATELINK)
            else:
                sns.publish_internal(notice.topic_arn, notice.body)

        with request_scope(notice.account, notice.region):
            self._later.after(0, publish)

    def _stack_event(
        self,
        add: Callable[..., None],
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        reason: str = "",
        *rest: str,
        **named: str,
    ) -> None:
        """Every event of a stack is kept; what becomes of the stack itself is also put on the default bus.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html"""
        add(stack_id, stack_name, logical_id, resource_type, status, reason, *rest, **named)
        if (logical_id, resource_type) == (stack_name, "AWS::CloudFormation::Stack"):
            detail = {
                "stack-id": stack_id,
                "status-details": {"status": status, "status-reason": reason},
                "client-request-token": stacks.CLIENT_REQUEST_TOKEN.get(),
            }
            self._put_event("aws.cloudformation", "CloudFormation Stack Status Change", detail, stack_id)

    def _put_event(self, source: str, detail_type: str, detail: Mapping[str, Any], *resources: str) -> None:
        entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "Resources": resources}
        self._later.after(
            self._seconds_to_event, lambda: eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        )

    def _invoke_target(
        self, invoke: Callable[..., None], target: Mapping[str, Any], event: Event, rule: Mapping[str, Any], *rest: Any
    ) -> None:
        token = self._errand.set(Errand(rule["Arn"], target))
        try:
            invoke(target, event, rule, *rest)
        finally:
            self._errand.reset(token)

    def _to_bus(
        self, _stock: object, spec: Arn, event: Event, rule: Mapping[str, Any], event_path: set[str], *_input: str
    ) -> None:
        errand, here = self._errand.get(), get_account_id()
        name = spec.resource.removeprefix("event-bus/")
        key = eventbridge._rule_key(rule["Name"], rule.get("EventBusName", "default"))
        abroad = spec.account_id != here

        def put() -> None:
            if name != "default" and not eventbridge._event_buses.contains_scoped(spec.account_id, spec.region, name):
                raise UndeliveredError("NO_RESOURCE", f"Event bus {spec} does not exist.")
            if abroad and event["Account"] != here:
                raise UndeliveredError("THIRD_ACCOUNT_HOP_DETECTED", "An event is not passed on to a third account.")
            self._need(self._may(errand, "events:PutEvents", str(spec)), errand)
            self._need(not abroad or _bus_policy_allows(spec, name, event, errand), errand)
            with request_scope(spec.account_id, spec.region):
                path = [] if abroad else [*event_path, key]
                eventbridge._dispatch_event({**event, "EventBusName": name, "_DispatchPath": path})

        self._deliver(errand, json.dumps(eventbridge._pattern_event_view(event).event_with_detail()), put)

    def _to_sqs(self, _stock: object, spec: Arn, payload: str, *_fifo: object) -> None:
        errand, queue = self._errand.get(), str(spec)

        def send() -> None:
            self._need_queue(errand, queue)
            queues.send(queue, payload, {})

        self._deliver(errand, payload, send)

    def _to_lambda(self, _stock: object, arn: str, payload: str) -> None:
        errand = self._errand.get()

        def invoke() -> None:
            function, config, _ = lambda_svc._get_func_record_for_ref(arn)
            if not function:
                raise UndeliveredError("NO_RESOURCE", f"Function {arn} does not exist.")
            if errand.is_schedule:
                allowed = self._may(errand, "lambda:InvokeFunction", arn)
            else:
                call = enforcement.context("", "lambda:InvokeFunction", arn, _source(errand))
                allowed = enforcement.allows(function.get("policy"), call, errand.service)
            self._need(allowed, errand)
            lambda_svc.invoke_async_with_retry(
                lambda_svc._execution_record_for_config(function, config), json.loads(payload)
            )

        self._deliver(errand, payload, invoke)

    def _deliver(
        self, errand: Errand, payload: str, attempt: Callable[[], None], retries: int = 0, since: float = 0.0
    ) -> None:
        since = since or time.monotonic()
        try:
            (attempt if self._switches.targets else _fail)()
        except UndeliveredError as failure:
            policy = errand.target.get("RetryPolicy") or {}
            pause = min(0.2 * 2**retries, LONGEST_PAUSE)
            exhausted = ""
            if retries >= policy.get("MaximumRetryAttempts", MAXIMUM_RETRY_ATTEMPTS):
                exhausted = "MaximumRetryAttempts"
            elif time.monotonic() - since + pause > policy.get("MaximumEventAgeInSeconds", MAXIMUM_EVENT_AGE):
                exhausted = "MaximumEventAgeInSeconds"
            if failure.retriable and not exhausted:
                self._later.after(pause, lambda: self._deliver(errand, payload, attempt, retries + 1, since))
            else:
                self._bury(errand, payload, failure, retries, exhausted if failure.retriable else "")

    def _bury(self, errand: Errand, payload: str, failure: UndeliveredError, retries: int, exhausted: str) -> None:
        log.warning("UNDELIVERED %s -> %s: %s %s", errand.source_arn, errand.target["Arn"], failure.code, failure)
        queue = (errand.target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        attributes = {
            "SCHEDULE_ARN" if errand.is_schedule else "RULE_ARN": errand.source_arn,
            "TARGET_ARN": errand.target["Arn"],
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": failure.message,
            "RETRY_ATTEMPTS": str(retries),
        }
        if exhausted:
            attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
        try:
            self._need_queue(errand, queue)
            queues.send(queue, payload, attributes)
        except UndeliveredError as refusal:
            log.warning("LOST %s: its dead-letter queue %s refuses it: %s", errand.source_arn, queue, refusal)

    def _need_queue(self, errand: Errand, queue_arn: str) -> None:
        if sqs._queue_by_arn(queue_arn) is None:
            raise UndeliveredError("NO_RESOURCE", f"Queue {queue_arn} does not exist.")
        if errand.is_schedule:
            self._need(self._may(errand, "sqs:SendMessage", queue_arn), errand)
        else:
            self._need(sqs.queue_policy_allows(queue_arn, errand.service, errand.source_arn, get_account_id()), errand)

    def _may(self, errand: Errand, action: str, resource: str) -> bool:
        """Whether the target's role allows it. A bus as a target needs a role, and so does every schedule."""
        role = errand.target.get("RoleArn", "")
        return bool(role) and self._permissions.role_allows(role, errand.service, action, resource, errand.source_arn)

    def _need(self, allowed: bool, errand: Errand) -> None:
        if not allowed:
            raise UndeliveredError("NO_PERMISSIONS", f"Lack of permissions to invoke {errand.target['Arn']}.")


def _fail() -> None:
    raise UndeliveredError("INTERNAL_ERROR", "Targets fail: the switch says so.", retriable=True)


def _bus_policy_allows(bus: Arn, name: str, event: Event, errand: Errand) -> bool:
    """Whether the policy of another account's bus lets this event in. The caller is the role of the target:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html"""
    keys = {
        **_source(errand),
        "events:source": [event["Source"]],
        "events:detail-type": event["DetailType"],
        "events:eventbusinvocation": "true",
    }
    call = enforcement.context(errand.target["RoleArn"], "events:PutEvents", str(bus), keys)
    policy = eventbridge._event_bus_policies.get_scoped(bus.account_id, bus.region, name)
    return enforcement.allows(policy, call)


def _source(errand: Errand) -> dict[str, Any]:
    return {"aws:sourcearn": errand.source_arn, "aws:sourceaccount": get_account_id()}
