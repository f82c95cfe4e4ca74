"""An endpoint service of the provider, and what its tags declare."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autopilot.domain.names import MalformedName, Name, parse_names, placed

OPT_IN_TAG = "autopilot"
OPT_IN_VALUE = "enabled"
ZONE_TAG = "autopilot:zone"
RECORDS_TAG = "autopilot:records"
DNS_TAG = "autopilot:dns"
SHADOWING_TAG = "autopilot:allow-shadowing"
CERTIFICATE = "certificate"
NATIVE = "native"

# Further zones have a suffix of their own: `autopilot:zone-2` with `autopilot:records-2`.
_PAIRED = re.compile(rf"(?:{ZONE_TAG}|{RECORDS_TAG})(?P<suffix>(?:-[a-z0-9]+)?)")


@dataclass(frozen=True, slots=True)
class EndpointService:
    """One of the provider's endpoint services.

    managed: it carries `autopilot=enabled`. names: what its tags declare, empty when nothing is declared.
    problem: why its tags cannot be followed; then nothing at all is changed on the service.
    availability_zone_ids: where it can be reached, empty while a runtime does not know the field.
    private_dns_name: what AWS's own private DNS resolves, once its owner proved the domain; empty before.
    is_certified: its names are those of its load balancers' certificates, instead of declared ones.
    is_native: AWS's own private DNS is switched on for the endpoints, where it covers a name.
    allows_shadowing: zones may hide names of others. exists: False of one that AWS does not list any more.
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
    is_certified: bool = False
    is_native: bool = False
    allows_shadowing: bool = False
    exists: bool = True

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
        problem = None
        declared = Declaration()
        if managed:
            try:
                declared = _declared(tags, private_dns_name)
            except MalformedName as malformed:
                problem = f"{service_id}: {malformed}"
        elif OPT_IN_TAG in tags:
            problem = (
                f"{service_id}: the tag {OPT_IN_TAG} is {tags[OPT_IN_TAG]!r}; expected {OPT_IN_VALUE!r} "
                "to have the service managed, or no such tag to leave it alone"
            )
        # On one line, as it stands in texts that have several.
        title = " ".join(tags.get("Name", "").split()) or service_id
        return EndpointService(
            service_id,
            region,
            acceptance_required,
            managed,
            title,
            declared.names,
            problem,
            tuple(load_balancer_arns),
            tuple(availability_zone_ids),
            private_dns_name,
            declared.is_certified,
            declared.is_native,
            declared.allows_shadowing,
        )

    @staticmethod
    def ended(service_id: str, title: str = "") -> EndpointService:
        """A service that AWS does not list any more: nothing is declared, and what was written is to go."""
        return EndpointService(
            service_id, "", acceptance_required=True, managed=True, title=title or service_id, exists=False
        )

    def declaration(self, names: Iterable[Name]) -> str:
        """A digest of whatever decides which names are written, and how. names: all of them, also of certificates."""
        declared = (sorted(names), self.is_native, self.private_dns_name, self.allows_shadowing)
        return hashlib.sha256(repr(declared).encode()).hexdigest()[:12]

    @property
    def declares_names(self) -> bool:
        return bool(self.names) or self.is_certified


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the tags of a managed service say of its names."""

    names: tuple[Name, ...] = ()
    is_certified: bool = False
    is_native: bool = False
    allows_shadowing: bool = False


def _declared(tags: Mapping[str, str], private_dns_name: str) -> Declaration:
    """Raises MalformedName for whatever cannot be followed."""
    ours = {tag: value.strip() for tag, value in tags.items() if tag.startswith(f"{OPT_IN_TAG}:")}
    suffixes = sorted({match["suffix"] for match in map(_PAIRED.fullmatch, ours) if match})
    unknown = sorted(tag for tag in ours if not _PAIRED.fullmatch(tag) and tag not in (DNS_TAG, SHADOWING_TAG))
    if unknown:
        known = ", ".join((ZONE_TAG, RECORDS_TAG, DNS_TAG, SHADOWING_TAG))
        raise MalformedName(f"unknown tag {unknown[0]!r}; expected one of {known}")
    allows_shadowing = _flag(ours, SHADOWING_TAG, "true")
    is_native = _flag(ours, DNS_TAG, NATIVE)
    is_certified = ours.get(RECORDS_TAG) == CERTIFICATE and not ours.get(ZONE_TAG)
    names: list[Name] = []
    for suffix in suffixes:
        zone, records = ours.get(ZONE_TAG + suffix, ""), ours.get(RECORDS_TAG + suffix, "")
        if not zone and not records:
            continue
        if is_certified and not suffix:
            continue
        if bool(zone) != bool(records):
            given, missing = (ZONE_TAG, RECORDS_TAG) if zone else (RECORDS_TAG, ZONE_TAG)
            raise MalformedName(
                f"the tag {given}{suffix} is set but {missing}{suffix} is not; set both, or neither for no DNS "
                f"({RECORDS_TAG}={CERTIFICATE} needs no zone)"
            )
        names += parse_names(zone, records)
    if is_native and not private_dns_name:
        raise MalformedName(
            f"the tag {DNS_TAG} is {NATIVE!r} but the service has no verified PrivateDnsName; give it one and prove "
            "the domain with its TXT record, or remove the tag"
        )
    if is_native and not names and not is_certified:
        names = [Name(private_dns_name, private_dns_name)]
    return Declaration(placed(names), is_certified, is_native, allows_shadowing)


def _flag(tags: Mapping[str, str], tag: str, yes: str) -> bool:
    found = tags.get(tag, "")
    if found not in ("", yes):
        raise MalformedName(f"the tag {tag} is {found!r}; expected {yes!r}, or no such tag")
    return found == yes
