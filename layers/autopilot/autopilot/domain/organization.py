"""Who owns an endpoint, and where in an organization that account is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")


class Placement(StrEnum):
    """How well it is known where an account is.

    KNOWN: Organizations said it, or that the account is in no organization of ours. NOT_ASKED: Autopilot was
    deployed without access to Organizations. REFUSED: Organizations does not let us ask. FAILED: it could not
    answer just now.
    """

    KNOWN = "known"
    NOT_ASKED = "not-asked"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OrganizationalUnit:
    """name: as people know it, or an empty text where Organizations does not tell."""

    unit_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that owns an endpoint.

    account: 12 digits. units: the organizational units above it, nearest first, the root left out.
    organization_id: None outside our organization. reason: why the placement is not known, as part of a sentence.
    """

    account: str
    name: str = ""
    units: tuple[OrganizationalUnit, ...] = ()
    organization_id: str | None = None
    placement: Placement = Placement.KNOWN
    reason: str = ""

    @property
    def path(self) -> str:
        """`Workloads/Prod`, from the widest unit to the nearest."""
        return "/".join(unit.name or unit.unit_id for unit in reversed(self.units))

    @staticmethod
    def failed(account: str, reason: str) -> Owner:
        return Owner(account, placement=Placement.FAILED, reason=reason)


def is_unit(text: str) -> bool:
    return bool(_UNIT.fullmatch(text))


def is_organization(text: str) -> bool:
    return bool(_ORGANIZATION.fullmatch(text))


def is_wide(principal: str) -> bool:
    """Whether only Organizations can tell if an account is meant."""
    return is_unit(principal) or is_organization(principal)
