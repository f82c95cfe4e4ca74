"""An endpoint service of the provider, and what its tags declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autopilot.domain.names import MalformedName, Name, parse_names

OPT_IN_TAG = "autopilot"
OPT_IN_VALUE = "enabled"
ZONE_TAG = "autopilot:zone"
RECORDS_TAG = "autopilot:records"


@dataclass(frozen=True, slots=True)
class EndpointService:
    """One of the provider's endpoint services.

    managed: it carries `autopilot=enabled`. names: what its tags declare, empty when nothing is declared.
    problem: why its tags cannot be followed; then nothing at all is changed on the service.
    availability_zone_ids: where it can be reached, empty while a runtime does not know the field.
    private_dns_name: what AWS's own private DNS resolves, once its owner proved the domain; empty before.
    """

    service_id: str
    region: str
    acceptance_required: bool
    managed: bool
    title: str
    names: tuple[Name, ...] = ()
    problem: str | None = None
    load_balancer_arns: tuple[str, ...] = ()
    availability_zone_ids: tuple[str, ...] = ()
    private_dns_name: str = ""

    @staticmethod
    def from_tags(
        service_id: str,
        region: str,
        tags: Mapping[str, str],
        *,
        acceptance_required: bool,
        load_balancer_arns: Sequence[str] = (),
        availability_zone_ids: Sequence[str] = (),
        private_dns_name: str = "",
    ) -> EndpointService:
        """Read the declaration. A wrong one never raises: it becomes the service's `problem`."""
        managed = tags.get(OPT_IN_TAG) == OPT_IN_VALUE
        names: tuple[Name, ...] = ()
        problem = None
        if managed:
            names, problem = _declared(service_id, tags)
        elif OPT_IN_TAG in tags:
            problem = (
                f"{service_id}: the tag {OPT_IN_TAG} is {tags[OPT_IN_TAG]!r}; expected {OPT_IN_VALUE!r} "
                "to have the service managed, or no such tag to leave it alone"
            )
        title = tags.get("Name") or service_id
        return EndpointService(
            service_id,
            region,
            acceptance_required,
            managed,
            title,
            names,
            problem,
            tuple(load_balancer_arns),
            tuple(availability_zone_ids),
            private_dns_name,
        )


def _declared(service_id: str, tags: Mapping[str, str]) -> tuple[tuple[Name, ...], str | None]:
    zone, records = tags.get(ZONE_TAG, "").strip(), tags.get(RECORDS_TAG, "").strip()
    unknown = sorted(tag for tag in tags if tag.startswith("autopilot:") and tag not in (ZONE_TAG, RECORDS_TAG))
    if unknown:
        return (), f"{service_id}: unknown tag {unknown[0]!r}; expected {ZONE_TAG} and {RECORDS_TAG}"
    if bool(zone) != bool(records):
        given, missing = (ZONE_TAG, RECORDS_TAG) if zone else (RECORDS_TAG, ZONE_TAG)
        return (), f"{service_id}: the tag {given} is set but {missing} is not; set both, or neither for no DNS"
    if not zone:
        return (), None
    try:
        return parse_names(zone, records), None
    except MalformedName as malformed:
        return (), f"{service_id}: {malformed}"
