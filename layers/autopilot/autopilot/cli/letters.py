"""What a dead letter says: what it was about, and why it was given up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from autopilot.aws.dead_letters import DeadLetter
from autopilot.domain.wake_up import WakeUp
from autopilot.wake_ups import UnreadableEvent, read_wake_ups

_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """kind: what letters of one cause have in common. text: what is of this one alone.

    is_useless: put back it would only be given up again.
    """

    kind: str
    text: str
    is_useless: bool = False


def of_function(letter: DeadLetter, log_group: str) -> Reading:
    """A message that a function could not work off.

    The function writes down why when it gives up. SQS itself, which moves a message whose function broke off, does not.
    """
    subject, is_useless = _subject(letter.body)
    code, message = letter.attributes.get("ERROR_CODE"), letter.attributes.get("ERROR_MESSAGE", "")
    if code is None:
        kind = f"no reason: the function was killed or timed out, its log group {log_group} may say more"
        return Reading(kind, f"{subject}, {_when(letter)}", is_useless)
    kind = "nobody can read it" if is_useless else code
    return Reading(kind, f"{subject}, {_when(letter)}: {_short(message)}", is_useless)


def of_rule(letter: DeadLetter) -> Reading:
    """An event or a notification that reached no queue.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html; SNS tells no reason.
    """
    subject, _ = _subject(letter.body)
    if "ERROR_CODE" not in letter.attributes:
        kind = "no reason: the notification topic, or whoever sent it, could not reach its queue"
        return Reading(kind, f"{subject}, {_when(letter)}")
    return _of_events(letter, subject)


def of_stream(letter: DeadLetter) -> Reading:
    """Changes of a table that a function gave up, or a sweep that the schedule could not start.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    if "ERROR_CODE" in letter.attributes:
        return _of_events(letter, "a sweep")
    match _fields(letter.body):
        case {"requestContext": dict(request), "DDBStreamBatchInfo": dict(batch)}:
            function = _last(request.get("functionArn"), ":function:")
            table = _last(batch.get("streamArn"), ":table/").partition("/")[0]
            kind = f"{function} gave up changes of {table}: {request.get('condition', 'no condition')}"
            size, tries = batch.get("batchSize", "some"), request.get("approximateInvokeCount", "some")
            first, last = batch.get("startSequenceNumber"), batch.get("endSequenceNumber")
            where = f"{batch.get('shardId')} from {first} to {last}"
            return Reading(kind, f"{size} changes, {_when(letter)}, {tries} tries; {where}")
    return Reading("a letter of no known kind", f"{_when(letter)}: {_short(letter.body)}")


def _of_events(letter: DeadLetter, subject: str) -> Reading:
    """EventBridge's rules and schedules say the same of what they could not deliver."""
    told = letter.attributes
    source = _last(told.get("RULE_ARN") or told.get("SCHEDULE_ARN") or "a rule or schedule", "/")
    target = _last(told.get("TARGET_ARN", "its target"), ":")
    retries, reason = told.get("RETRY_ATTEMPTS", "no"), _short(told.get("ERROR_MESSAGE", ""))
    kind = f"{source} could not reach {target}: {told['ERROR_CODE']}"
    return Reading(kind, f"{subject}, {_when(letter)}, {retries} retries: {reason}")


def _subject(body: str) -> tuple[str, bool]:
    """What a message asks to look at, and whether nobody can tell."""
    try:
        wake_ups = read_wake_ups(body)
    except UnreadableEvent as unreadable:
        return str(unreadable), True
    return ", ".join(map(_about, wake_ups)) or "nothing to look at", False


def _about(wake_up: WakeUp) -> str:
    service = f"of {wake_up.service_id}" if wake_up.service_id else ""
    account = f"of account {wake_up.account}" if wake_up.account else ""
    return " ".join(filter(None, (wake_up.endpoint_id or "every connection", service, account)))


def _when(letter: DeadLetter) -> str:
    return f"sent {letter.sent_at:%Y-%m-%d %H:%M:%S} UTC"


def _fields(body: str) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _last(arn: object, mark: str) -> str:
    return str(arn).rpartition(mark)[2]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
