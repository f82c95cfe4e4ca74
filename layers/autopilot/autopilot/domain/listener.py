"""What a service's Network Load Balancers show of themselves: listeners, certificates, security groups."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of a TLS listener.

    names: its subject alternative names, the common name among them, lower case; empty for one that is not in ACM,
    which nobody can look into. is_issued: ACM's status is `ISSUED`. not_after: when it expires, None while unknown.
    """

    arn: str
    names: tuple[str, ...]
    is_issued: bool
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """protocol: `TCP`, `UDP`, `TCP_UDP` or `TLS`. certificates: the default one first, each once; none without TLS."""

    arn: str
    port: int
    protocol: str
    certificates: tuple[Certificate, ...] = ()

    @property
    def is_tls(self) -> bool:
        return self.protocol == "TLS"


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """filters_privatelink: its security groups apply to traffic that comes through PrivateLink."""

    arn: str
    listeners: tuple[Listener, ...]
    filters_privatelink: bool = False
