"""Whether an endpoint's policy means anything to the service behind it."""

from __future__ import annotations

from dataclasses import dataclass

_CUSTOMERS = "com.amazonaws.vpce."


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """name: the service's full one. owner: `amazon`, or an account. is_supported: what EC2 says of the service."""

    name: str
    owner: str
    is_supported: bool

    @property
    def sentence(self) -> str:
        if self.name.startswith(_CUSTOMERS):
            return f"{self.name}: an endpoint service of a customer; endpoint policies never apply, access is full"
        if self.is_supported:
            return f"{self.name}: supports endpoint policies"
        return f"{self.name}: does not support endpoint policies; whoever reaches the endpoint has full access"


def full_name(name: str, region: str) -> str:
    """A service's full name from a short one, `s3` for `com.amazonaws.<Region>.s3`."""
    if name.startswith("vpce-svc-"):
        return f"{_CUSTOMERS}{region}.{name}"
    return name if "." in name and name.startswith(("com.", "aws.", "cn.com.")) else f"com.amazonaws.{region}.{name}"
