"""The two queues as decide_connection feeds them: what must wait comes back, what was answered goes on to DNS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from autopilot.domain.connection import AwsState
from autopilot.domain.wake_up import WakeUp
from autopilot.use_cases.looks import Look
from autopilot.use_cases.ports import Queue

logger = Logger(child=True)

# AWS takes a minute or more to make an accepted connection available: the first look can wait.
_FIRST_LOOK_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Wakes:
    """put_back_already: by service and endpoint, in this batch.

    What was put back before the batch was throttled would be put back twice otherwise, and be many before that ends.
    """

    requests_queue: Queue
    dns_queue: Queue
    put_back_already: set[tuple[str | None, str | None]] = field(default_factory=set)

    def put_back(self, wake_ups: Iterable[WakeUp]) -> None:
        """Not listed yet is not failing: look again after a pause, until the sweep takes over.

        A wake-up that names no service was asked of every service, and all but one had to say no: put back by each
        of them it would multiply, so it is left to the sweep.
        """
        waiting = [
            wake_up
            for wake_up in wake_ups
            if wake_up.service_id
            and not wake_up.has_waited_long_enough
            and (wake_up.service_id, wake_up.endpoint_id) not in self.put_back_already
        ]
        if waiting:
            logger.info(
                "looked at again after a pause", extra={"endpoint_ids": [wake_up.endpoint_id for wake_up in waiting]}
            )
            self.requests_queue.send((wake_up.put_back(), wake_up.pause_seconds) for wake_up in waiting)
            self.put_back_already.update((wake_up.service_id, wake_up.endpoint_id) for wake_up in waiting)

    def hand_on(self, looks: Iterable[Look]) -> None:
        self.dns((look.own_wake_up, _delay(look.state)) for look in looks)

    def dns(self, wake_ups: Iterable[tuple[WakeUp, int]]) -> None:
        if found := list(wake_ups):
            self.dns_queue.send(found)


def _delay(state: AwsState) -> int:
    return _FIRST_LOOK_SECONDS if state in (AwsState.PENDING_ACCEPTANCE, AwsState.PENDING) else 0
