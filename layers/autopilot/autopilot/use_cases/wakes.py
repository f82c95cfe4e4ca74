"""The two queues as decide_connection feeds them: what must wait comes back, what was answered goes on to DNS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from autopilot.domain.connection import AwsState
from autopilot.domain.wake_up import WakeUp
from autopilot.use_cases.looks import SWEPT, Look
from autopilot.use_cases.ports import Queue

logger = Logger(child=True)

# AWS takes a minute or more to make an accepted connection available: the first look can wait.
_FIRST_LOOK_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Wakes:
    """For the wake-ups of one service.

    What waits is only noted at first: where the batch fails after all its messages come again by themselves, and a
    message that came again and was put back as well would be thousands before an outage of minutes ends.
    """

    requests_queue: Queue
    dns_queue: Queue
    _waiting: dict[tuple[str | None, str | None], WakeUp] = field(default_factory=dict)

    def put_back(self, wake_ups: Iterable[WakeUp]) -> None:
        """Not listed yet is not failing: what may wait is looked at again after a pause, one for a connection."""
        for wake_up in sorted(wake_ups, key=_says_more):
            if may_wait(wake_up):
                self._waiting[wake_up.service_id, wake_up.endpoint_id] = wake_up

    def send_what_waits(self) -> None:
        """Once nothing can fail any more. Raises AwsCallFailed."""
        waiting = self._waiting.values()
        if waiting:
            logger.info(
                "looked at again after a pause", extra={"endpoint_ids": [wake_up.endpoint_id for wake_up in waiting]}
            )
            self.requests_queue.send((wake_up.put_back(), wake_up.pause_seconds) for wake_up in waiting)

    def hand_on(self, looks: Iterable[Look]) -> None:
        self.dns((look.own_wake_up, _delay(look.state)) for look in looks)

    def dns(self, wake_ups: Iterable[tuple[WakeUp, int]]) -> None:
        if found := list(wake_ups):
            self.dns_queue.send(found)


def may_wait(wake_up: WakeUp) -> bool:
    """Until the sweep takes over.

    A wake-up that names no service was asked of every service, and all but one had to say no: put back by each of them
    it would multiply, so it is left to the sweep.
    """
    return wake_up.service_id is not None and not wake_up.has_waited_long_enough


def _delay(state: AwsState) -> int:
    return _FIRST_LOOK_SECONDS if state in (AwsState.PENDING_ACCEPTANCE, AwsState.PENDING) else 0


def by_endpoint(wake_ups: Iterable[WakeUp]) -> dict[str, WakeUp]:
    """One wake-up an endpoint, that which says most; those that name none are left out."""
    ordered = sorted(wake_ups, key=_says_more)
    return {wake_up.endpoint_id: wake_up for wake_up in ordered if wake_up.endpoint_id}


def _says_more(wake_up: WakeUp) -> tuple[bool, bool, bool, int]:
    """Last comes one that tells who answered, or else one of the sweep, which asks for more; then the youngest."""
    return wake_up.answer is not None, wake_up.may_disrupt, wake_up.seen_by in SWEPT, -wake_up.waited_seconds
