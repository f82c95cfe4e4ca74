"""What decide_connection works on: connections as they were just described, and what came of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from autopilot.domain.acceptance import Step
from autopilot.domain.allowlist import Decision
from autopilot.domain.connection import Acceptance, AwsState, ConnectionRef, Dns, LedgerRow
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.organization import Owner
from autopilot.domain.wake_up import SeenBy, WakeUp

SWEPT = (SeenBy.SWEEP, SeenBy.INSTALLATION)


@dataclass(frozen=True, slots=True)
class Look:
    """A connection as it was just described, over what the ledger knows of it, and what woke us for it.

    was: the state that the ledger had.
    """

    row: LedgerRow
    wake_up: WakeUp | None
    was: AwsState | None

    @property
    def ref(self) -> ConnectionRef:
        return self.row.ref

    @property
    def state(self) -> AwsState:
        return self.row.connection.state

    @property
    def is_swept(self) -> bool:
        return self.wake_up is not None and self.wake_up.seen_by in SWEPT

    @property
    def was_put_back(self) -> bool:
        """Whether this is not the first look that the same wake-up asked for."""
        return self.wake_up is not None and self.wake_up.waited > 0

    @property
    def was_handed_on(self) -> bool:
        """We accepted it and AWS is not done: whoever wrote that has handed it on, or comes again to. A look that was
        put back may be that one, so it hands on itself.

        Of each connection an event tells and two notifications, one of them of our own Accept.
        """
        row = self.row
        is_ours = row.acceptance.value is Acceptance.ACCEPTED and row.dns.value is Dns.NONE
        return is_ours and self.state is AwsState.PENDING and not self.was_put_back

    @property
    def goes_first(self) -> bool:
        """Whether it is handed on before it is written, as what we accepted is.

        What is new goes after, when converge_dns can find its row; so does what was put back: a ledger that is
        throttled for minutes must not make many messages of one.
        """
        return self.was is not None and not self.was_put_back

    @property
    def may_be_disconnected(self) -> bool:
        """Only where a sweep has counted it, or it was begun: nobody else knows how many others there are."""
        is_begun = self.row.acceptance.value is Acceptance.REVOKING
        return is_begun or (self.wake_up is not None and self.wake_up.may_disrupt)

    @property
    def next_wake_up(self) -> WakeUp:
        """What woke us, with the service that is known by now."""
        return replace(self.wake_up or self.own_wake_up, service_id=self.ref.service_id)

    @property
    def own_wake_up(self) -> WakeUp:
        return WakeUp.about(self.row.connection, SeenBy(self.row.seen_by))


@dataclass(frozen=True, slots=True)
class Decided(Look):
    """A look with what the allowlist says of it."""

    owner: Owner
    decision: Decision
    step: Step

    @property
    def is_held_already(self) -> bool:
        known = self.row.acceptance
        is_same = known.value is Acceptance.HELD and known.reason == self.decision.sentence
        return is_same and self.was is self.state


@dataclass(slots=True)
class Outcome:
    """failed: what is tried again, with the reason. counts: what was decided or reached, how often, for the log."""

    failed: dict[WakeUp, AwsCallFailed] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
