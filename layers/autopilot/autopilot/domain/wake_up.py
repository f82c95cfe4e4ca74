"""A wake-up: all that an event means to us, namely "look at this connection"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum

from autopilot.domain.connection import Connection

_PAUSES_SECONDS = (5, 10, 20, 30)
_LONGEST_WAIT_SECONDS = 15 * 60


class SeenBy(StrEnum):
    """Which way first told us of a connection; a broken event path shows in it.

    INSTALLATION: it stood when Autopilot took its service over.
    """

    EVENT = "event"
    NOTIFICATION = "notification"
    SWEEP = "sweep"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's Accept or Reject in the provider's account. by: CloudTrail's ARN of who called."""

    accepted: bool
    by: str


@dataclass(frozen=True, slots=True)
class WakeUp:
    """Look at this connection. Every field is a hint that narrows a describe; none is ever trusted.

    service_id: ``vpce-svc-…``, or None where the event does not carry it (a DeleteVpcEndpoints record).
    endpoint_id: ``vpce-…``, or None for "something changed" (a notification whose body names nothing).
    account: 12 digits, the endpoint's account as the event claims it.
    region: the endpoint's Region (its VPC's), not the service's.
    waited: how often this wake-up was put back to wait.
    waited_seconds: how long that was in all.
    answer: what a person did, for the record only: what is, is read from the API.
    may_disrupt: a sweep counted this one among those that it may have disconnected.
    found_by: by when a connection that stood before must be found to be in the summary of its service's takeover.
    """

    service_id: str | None
    endpoint_id: str | None
    account: str | None
    region: str | None
    seen_by: SeenBy
    waited: int = 0
    waited_seconds: int = 0
    answer: Answer | None = None
    may_disrupt: bool = False
    found_by: datetime | None = None

    @staticmethod
    def about(connection: Connection, seen_by: SeenBy) -> WakeUp:
        """A wake-up of our own that knows everything a describe of this connection can be narrowed by."""
        ref = connection.ref
        return WakeUp(ref.service_id, ref.endpoint_id, connection.owner, connection.region, seen_by)

    @property
    def pause_seconds(self) -> int:
        """How long to wait before the next look: 5, 10, 20, then 30 seconds."""
        return _PAUSES_SECONDS[min(self.waited, len(_PAUSES_SECONDS) - 1)]

    @property
    def has_waited_long_enough(self) -> bool:
        """After 15 minutes the sweep takes over, so that no message circles for ever."""
        return self.waited_seconds >= _LONGEST_WAIT_SECONDS

    def first_seen_by(self, now: datetime) -> SeenBy:
        """Who told us of a connection that is found now: what is too late for the summary is told of by itself."""
        return SeenBy.SWEEP if self.found_by and now >= self.found_by else self.seen_by

    def put_back(self) -> WakeUp:
        """The same wake-up after one more pause."""
        return replace(self, waited=self.waited + 1, waited_seconds=self.waited_seconds + self.pause_seconds)

    def to_body(self) -> str:
        """The wake-up as the body of one of our own queue messages; `from_fields` reads it back."""
        fields = {name: value for name, value in asdict(self).items() if value not in (None, 0)}
        return json.dumps({"autopilot": "wake-up", **fields}, separators=(",", ":"), default=datetime.isoformat)

    @staticmethod
    def from_fields(fields: Mapping[str, object]) -> WakeUp:
        """Read back what `to_body` wrote. Raises TypeError or ValueError on anything else."""
        if fields.get("autopilot") != "wake-up":
            raise ValueError("its 'autopilot' is not 'wake-up'")
        return WakeUp(
            service_id=_text(fields, "service_id"),
            endpoint_id=_text(fields, "endpoint_id"),
            account=_text(fields, "account"),
            region=_text(fields, "region"),
            seen_by=SeenBy(_text(fields, "seen_by") or ""),
            waited=_number(fields, "waited"),
            waited_seconds=_number(fields, "waited_seconds"),
            answer=_answer(fields),
            may_disrupt=fields.get("may_disrupt") is True,
            found_by=_moment(fields, "found_by"),
        )


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"its '{name}' is not text")


def _moment(fields: Mapping[str, object], name: str) -> datetime | None:
    text = _text(fields, name)
    return datetime.fromisoformat(text) if text else None


def _answer(fields: Mapping[str, object]) -> Answer | None:
    match fields.get("answer"):
        case None:
            return None
        case {"accepted": bool(accepted), "by": str(by)}:
            return Answer(accepted, by)
    raise TypeError("its 'answer' is not one")


def _number(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name, 0)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise TypeError(f"its '{name}' is not a number")
