"""The private hosted zones of one consumer VPC: plan, then apply, in zones of ours only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from autopilot.domain.dns_plan import (
    Autopilot,
    ChangeAction,
    Holder,
    HostedZone,
    Record,
    RecordChange,
    plan_absent,
    plan_present,
)
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.use_cases.ports import HostedZones

logger = Logger(child=True)

# A reference serves once, even when its zone is gone. They are numbered from the minute on, so that a zone can be
# made and removed for years; two runs in one minute still name the same one, and only one of them makes the zone.
_SECONDS_A_REFERENCE = 60
_MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class ZoneOutcome:
    """change_id: a Route 53 change under way. blocked: why a name cannot be written, and the fix.

    would: what observe mode left undone. is_consumers_own: a zone that is not ours already sends the names here.
    """

    change_id: str | None = None
    blocked: str | None = None
    would: str | None = None
    is_consumers_own: bool = False


@dataclass(frozen=True, slots=True)
class ConsumerZones:
    """holder_of: who stands behind another endpoint that a record of our zone points to."""

    hosted_zones: HostedZones
    autopilot: Autopilot
    mode: Mode
    holder_of: Callable[[str], Holder]
    clock: Callable[[], datetime]

    def present(
        self, zone_name: str, wanted: Sequence[Record], vpc_id: str, endpoint_id: str, *, is_known_insync: bool
    ) -> ZoneOutcome:
        """Make the VPC answer with the wanted records. Raises AwsCallFailed.

        Zone and records come together: an empty private zone would hide the public name. Where the records are
        in place but nobody knows of which change (a run died after writing them), they are written once more as
        they are, so that there is a change whose INSYNC can be waited for.
        """
        ours = self._ours(zone_name, vpc_id)
        if ours is None:
            foreign = self._foreign(zone_name, wanted, vpc_id)
            if foreign:
                return foreign
        found = self.hosted_zones.records(ours.zone_id) if ours else ()
        plan = plan_present(wanted, found, endpoint_id, self.holder_of)
        if plan.conflicts:
            return ZoneOutcome(blocked="; ".join(plan.conflicts))
        changes = plan.changes
        if not changes and not is_known_insync and self.mode is Mode.ENFORCE:
            changes = tuple(RecordChange(ChangeAction.UPSERT, record) for record in wanted)
        if not changes:
            return ZoneOutcome()
        if self.mode is Mode.OBSERVE:
            place = f"zone {zone_name}" if ours else f"a new zone {zone_name} for {vpc_id}"
            return ZoneOutcome(would=f"would write to {place}: {_listed(changes)}")
        ours = ours or self._create(zone_name, vpc_id)
        if ours is None:
            return self._foreign(zone_name, wanted, vpc_id) or ZoneOutcome(
                blocked=f"Route 53 refused {_MOST_TRIES} references for the zone {zone_name} of {vpc_id}"
            )
        logger.info(
            f"writing to zone {zone_name} ({ours.zone_id}) of {vpc_id}: {_listed(changes)}",
            extra={"endpoint_id": endpoint_id},
        )
        return ZoneOutcome(change_id=self._write(ours, changes, is_empty=not found))

    def absent(self, zone_name: str, endpoint_id: str) -> tuple[str, ...]:
        """Take the endpoint's records out of our zones of this name, and each zone that is empty then.

        Returns what was removed, or in observe mode would be. Raises AwsCallFailed.
        """
        removed: list[str] = []
        for zone in self.hosted_zones.named(zone_name):
            if self.autopilot.owns(zone):
                removed += self._clear(zone, endpoint_id)
        return tuple(removed)

    def _ours(self, zone_name: str, vpc_id: str) -> HostedZone | None:
        same_name = self.hosted_zones.named(zone_name)
        return next((zone for zone in same_name if self.autopilot.owns(zone, vpc_id)), None)

    def _foreign(self, zone_name: str, wanted: Iterable[Record], vpc_id: str) -> ZoneOutcome | None:
        """What a zone that is not ours means for the VPC: it is never written to, and may do already what we would."""
        other = self.hosted_zones.in_vpc(zone_name, vpc_id)
        if other is None:
            return None
        if other.is_readable:
            theirs = {(record.name, record.target) for record in self.hosted_zones.records(other.zone_id)}
            if all((record.name, record.target) in theirs for record in wanted):
                return ZoneOutcome(is_consumers_own=True)
        lines = ", ".join(f"{record.name} {record.type} {record.target}" for record in wanted)
        return ZoneOutcome(
            blocked=f"{vpc_id} already has a zone {zone_name} that Autopilot did not make ({other.zone_id}, "
            f"owned by {other.owner}); its owner adds {lines}, or takes the zone off the VPC"
        )

    def _create(self, zone_name: str, vpc_id: str) -> HostedZone | None:
        """A zone born as ours, by another run at this moment perhaps; None when somebody else made one meanwhile."""
        first = int(self.clock().timestamp()) // _SECONDS_A_REFERENCE
        for n in range(first, first + _MOST_TRIES):
            zone = self.hosted_zones.create(zone_name, vpc_id, self.autopilot.reference(vpc_id, zone_name, n))
            if zone:
                return zone
            if self.hosted_zones.in_vpc(zone_name, vpc_id):
                return self._ours(zone_name, vpc_id)
        return None

    def _write(self, zone: HostedZone, changes: Sequence[RecordChange], *, is_empty: bool) -> str:
        """The change's id. A zone that nothing could be written to must not stay: it would hide the public names."""
        try:
            return self.hosted_zones.change(zone.zone_id, changes)
        except AwsCallFailed:
            if is_empty:
                self._delete(zone)
            raise

    def _delete(self, zone: HostedZone) -> None:
        try:
            self.hosted_zones.delete(zone.zone_id)
        except AwsCallFailed as failure:
            logger.warning(f"{failure}; the empty zone {zone.name} ({zone.zone_id}) hides the public names under it")

    def _clear(self, zone: HostedZone, endpoint_id: str) -> list[str]:
        found = self.hosted_zones.records(zone.zone_id)
        changes = plan_absent(found, endpoint_id)
        removed = [f"{change.record.name} {change.record.type}" for change in changes]
        is_empty = len(changes) == len(found)
        if self.mode is Mode.ENFORCE:
            if changes:
                self.hosted_zones.change(zone.zone_id, changes)
            is_empty = is_empty and self.hosted_zones.delete(zone.zone_id)
        return [*removed, f"zone {zone.name}"] if is_empty else removed


def _listed(changes: Iterable[RecordChange]) -> str:
    return ", ".join(
        f"{change.action} {change.record.name} {change.record.type} {change.record.target}" for change in changes
    )
