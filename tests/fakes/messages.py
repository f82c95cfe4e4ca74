"""What leaves Autopilot: wake-ups, e-mails and events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mails import Mail
from autopilot.domain.report import ConnectionEvent
from autopilot.domain.wake_up import WakeUp
from tests.fakes.calls import Calls


class FakeQueue:
    """`Queue` as a list of wake-ups and their delays in seconds."""

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls()
        self.sent: list[tuple[WakeUp, int]] = []

    def send(self, wake_ups: Iterable[tuple[WakeUp, int]]) -> None:
        sent = list(wake_ups)
        if sent:
            with self._calls.making("SendMessageBatch", "queue"):
                self.sent += sent

    def backlog(self) -> int:
        with self._calls.making("GetQueueAttributes", "queue"):
            return len(self.sent)

    def take(self) -> list[WakeUp]:
        """Everything that was sent, whatever its delay; the queue is empty then."""
        taken, self.sent = self.sent, []
        return [wake_up for wake_up, _ in taken]


class FakeStatusTopic:
    """`StatusTopic` as a list."""

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls()
        self.mails: list[Mail] = []

    def publish(self, mail: Mail) -> None:
        with self._calls.making("Publish", mail.subject):
            self.mails.append(mail)


class FakeBus:
    """`Bus` as a list."""

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls()
        self.events: list[ConnectionEvent] = []

    def put(self, events: Sequence[ConnectionEvent]) -> None:
        with self._calls.making("PutEvents", "bus"):
            self.events += events


class FakeAudience:
    """`Audience` with an answer."""

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls()
        self.deaf: list[str] = []

    def unheard(self) -> Sequence[str]:
        with self._calls.making("ListSubscriptionsByTopic", "topics"):
            return list(self.deaf)


class FakeTrails:
    """`Trails` with an answer."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.logging = True

    def is_logging(self) -> bool | None:
        try:
            for operation in ("DescribeTrails", "GetTrailStatus"):
                with self._calls.making(operation, "this Region"):
                    pass
        except AwsCallFailed:
            return None
        return self.logging
