"""What a sweep found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from autopilot.domain.connection import LedgerRow
from autopilot.domain.failures import UnreadableRow
from autopilot.domain.service import EndpointService
from autopilot.domain.wake_up import WakeUp
from autopilot.use_cases.notices import Takeover


@dataclass(slots=True)
class Finding:
    """What one service's connections ask for.

    held, untold: how many wait for a person, and of how many the last report was lost. revoked: those that are to be
    disconnected. leaving: those with names to be taken away while they work. stuck: those that should have come
    further by now. unreadable: rows of the ledger that nobody can read; their connections are left as they are.
    is_over: the service ended, nothing of ours is left of it, and all that there was to tell was told.
    """

    service: EndpointService
    listed: int = 0
    standing: int = 0
    held: int = 0
    untold: int = 0
    to_decide: list[WakeUp] = field(default_factory=list)
    to_converge: list[WakeUp] = field(default_factory=list)
    revoked: list[LedgerRow] = field(default_factory=list)
    leaving: list[LedgerRow] = field(default_factory=list)
    stuck: list[LedgerRow] = field(default_factory=list)
    unreadable: list[UnreadableRow] = field(default_factory=list)
    is_over: bool = False
    takeover: Takeover | None = None


def counts_of(findings: Iterable[Finding]) -> Counter[str]:
    """How many connections were listed, and how many are what; none is 0 and not left out."""
    every = list(findings)
    return Counter(
        listed=sum(finding.listed for finding in every),
        held=sum(finding.held for finding in every),
        untold=sum(finding.untold for finding in every),
        stuck=sum(len(finding.stuck) for finding in every),
        to_decide=sum(len(finding.to_decide) for finding in every),
        to_converge=sum(len(finding.to_converge) for finding in every),
    )
