"""An interface endpoint as its own account sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from autopilot.domain.connection import AwsState

_REGIONAL_NAME = re.compile(r"vpce-[0-9a-f]+-[0-9a-z]+")
_TARGET = re.compile(r"(vpce-[0-9a-f]{8,17})-[0-9a-z]+(-[0-9a-z-]+)?\.")


@dataclass(frozen=True, slots=True)
class DnsEntry:
    """One of the endpoint's DNS names, without a trailing dot, and the hosted zone an alias to it names."""

    name: str
    hosted_zone_id: str


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
    def regional_entry(self) -> DnsEntry | None:
        """The entry that answers with every zone's address, or None while AWS has not filled it in.

        AWS does not promise an order. Zonal names carry the Availability Zone after the random part,
        wildcard ones begin with `*`, and a private name does not begin with the endpoint's id. What
        follows `.vpce.` is the partition's: `amazonaws.com`, in China `amazonaws.com.cn`.
        """
        return next((entry for entry in self.dns_entries if self._is_regional(entry)), None)

    def _is_regional(self, entry: DnsEntry) -> bool:
        label, _, rest = entry.name.partition(".")
        return label.startswith(f"{self.endpoint_id}-") and bool(_REGIONAL_NAME.fullmatch(label)) and ".vpce." in rest


def endpoint_of_target(target: str) -> str | None:
    """The id of the endpoint that a record's target belongs to, or None when it is no endpoint's name."""
    match = _TARGET.match(target)
    return match[1] if match else None
