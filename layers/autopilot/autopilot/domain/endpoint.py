"""An interface endpoint as its own account sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autopilot.domain.connection import AwsState, DnsEntry

DNS_TAG = "autopilot:dns"
ALSO_VPCS_TAG = "autopilot:also-vpcs"
# On a VPC: the accounts whose endpoints may bring their names into it.
CONSENT_TAG = "autopilot:names-from"

_VPC = re.compile(
    r"(?:(?P<account>[0-9]{12})/)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9])/)?(?P<vpc>vpc-[0-9a-f]{8,17})"
)
_REGIONAL_NAME = re.compile(r"vpce-[0-9a-f]+-[0-9a-z]+")
_TARGET = re.compile(r"(vpce-[0-9a-f]{8,17})-[0-9a-z]+(-[0-9a-z-]+)?\.")


@dataclass(frozen=True, slots=True, order=True)
class VpcRef:
    """A VPC that may be in another account or Region; written `account/Region/vpc-…`."""

    account: str
    region: str
    vpc_id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.vpc_id}"

    @staticmethod
    def parse(text: str, account: str, region: str) -> VpcRef | None:
        """`vpc-…`, `account/vpc-…`, `Region/vpc-…` or all three; what is left out is the endpoint's own."""
        match = _VPC.fullmatch(text)
        return VpcRef(match["account"] or account, match["region"] or region, match["vpc"]) if match else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """ip_address_type: `ipv4`, `dualstack` or `ipv6`. private_dns_enabled: AWS's own private DNS is switched on."""

    endpoint_id: str
    vpc_id: str
    region: str
    state: AwsState
    dns_entries: tuple[DnsEntry, ...]
    interface_ids: tuple[str, ...]
    ip_address_type: str = "ipv4"
    group_ids: tuple[str, ...] = ()
    private_dns_enabled: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def declines_dns(self) -> bool:
        """Whether the endpoint's own account wants no names written for it."""
        return self.tags.get(DNS_TAG, "").strip().lower() == "off"

    def also_vpcs(self, account: str) -> tuple[tuple[VpcRef, ...], tuple[str, ...]]:
        """The other VPCs that the endpoint serves, as its tag names them, and what in the tag names none."""
        words = dict.fromkeys(self.tags.get(ALSO_VPCS_TAG, "").split())
        refs = {word: VpcRef.parse(word, account, self.region) for word in words}
        known = (ref for ref in refs.values() if ref and ref.vpc_id != self.vpc_id)
        return tuple(sorted(set(known))), tuple(word for word, ref in refs.items() if ref is None)

    @property
    def regional_entry(self) -> DnsEntry | None:
        """The entry that answers with every zone's address, or None while AWS has not filled it in.

        AWS does not promise an order. Zonal names carry the Availability Zone after the random part,
        wildcard ones begin with `*`, and a private name does not begin with the endpoint's id. What
        follows `.vpce.` is the partition's: `amazonaws.com`, in China `amazonaws.com.cn`.
        """
        return regional_entry_of(self.endpoint_id, self.dns_entries)


def regional_entry_of(endpoint_id: str, entries: Iterable[DnsEntry]) -> DnsEntry | None:
    """As `Endpoint.regional_entry`, for entries that the provider's list shows."""
    return next((entry for entry in entries if _is_regional(endpoint_id, entry.name)), None)


def _is_regional(endpoint_id: str, name: str) -> bool:
    label, _, rest = name.partition(".")
    return label.startswith(f"{endpoint_id}-") and bool(_REGIONAL_NAME.fullmatch(label)) and ".vpce." in rest


def endpoint_of_target(target: str) -> str | None:
    """The id of the endpoint that a record's target belongs to, or None when it is no endpoint's name."""
    match = _TARGET.match(target)
    return match[1] if match else None
