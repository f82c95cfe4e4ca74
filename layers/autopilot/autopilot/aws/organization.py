"""AWS Organizations: whose an account is, and which organizational units it is under."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import boto3
from aws_lambda_powertools import Logger

from autopilot.aws.calls import CONFIG, calling
from autopilot.aws.memory import Memory
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.organization import OrganizationalUnit, Owner, Placement, is_organization, is_unit
from autopilot.use_cases.ports import Organization

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef
    from mypy_boto3_sts import STSClient

logger = Logger(child=True)

_FRESH_FOR = timedelta(minutes=5)
# Somebody is perhaps mending it just now.
_REFUSED_FOR = timedelta(minutes=1)
# A unit's name seldom changes, and no API moves a unit.
_UNIT_FRESH_FOR = timedelta(hours=1)
_MOST_KEPT = 1000
# AWS allows five levels of units below the root.
_MOST_PARENTS = 10
# STS sessions last an hour; one that is nearly over is not used.
_SESSION = timedelta(minutes=50)

_DELEGATION = "add the statement of the stack's output OrganizationsDelegation to the organization's delegation policy"
_NOT_ASKED = "Organizations is not asked; deploy with OrganizationId"


class NoOrganization:
    """Implements `Organization` where Autopilot was deployed without access to one."""

    def owner(self, account: str) -> Owner:
        return Owner(account, placement=Placement.NOT_ASKED, reason=_NOT_ASKED)


class AwsOrganization:
    """Implements `Organization`. What was read is kept for minutes: Organizations answers a few calls a second.

    client: makes the client when it is first needed, and may raise AwsCallFailed.
    remedy: what to do about a refusal, as part of a sentence.
    """

    def __init__(
        self, client: Callable[[], OrganizationsClient], clock: Callable[[], datetime], remedy: str = _DELEGATION
    ) -> None:
        self._client = client
        self._clock = clock
        self._remedy = remedy
        self._owners = Memory[str, Owner](clock, _MOST_KEPT)
        self._names = Memory[str, str](clock, _MOST_KEPT)
        self._parents = Memory[str, str](clock, _MOST_KEPT)
        self._no_names_until: datetime | None = None

    def owner(self, account: str) -> Owner:
        if known := self._owners.get(account):
            return known
        try:
            owner = self._look_up(account)
        except AwsCallFailed as failure:
            owner = self._refused(account, failure)
        self._owners.keep(account, owner, _FRESH_FOR if owner.placement is Placement.KNOWN else _REFUSED_FOR)
        return owner

    def _refused(self, account: str, failure: AwsCallFailed) -> Owner:
        """The owner as far as a refusal tells. Raises the failure when it is none."""
        if failure.code == "AccountNotFoundException":
            # Nobody learns anything about accounts outside the own organization.
            return Owner(account)
        if failure.code == "AWSOrganizationsNotInUseException":
            reason = "the account of this deployment is in no organization; deploy without OrganizationId"
        elif failure.needs_a_person:
            reason = f"{failure.operation} is refused; {self._remedy}"
        else:
            raise failure
        logger.warning(f"{failure}; {reason}", extra={"account": account})
        return Owner(account, placement=Placement.REFUSED, reason=reason)

    def _look_up(self, account: str) -> Owner:
        client = self._client()
        with calling("DescribeAccount", account):
            found = client.describe_account(AccountId=account)["Account"]
        arn = found.get("Arn", "")
        organization = re.search(r":account/(o-[a-z0-9]{10,32})/", arn)
        if not organization:
            # Without it an entry that blocks the whole organization would be overlooked.
            raise AwsCallFailed("DescribeAccount", account, "UnexpectedArn", f"no organization in {arn!r}")
        unit_ids = units_of_paths(_paths(found), account)
        if unit_ids is None:
            unit_ids = self._walk(client, account)
        units = tuple(OrganizationalUnit(unit_id, self._name(client, unit_id)) for unit_id in unit_ids)
        return Owner(account, found.get("Name", ""), units, organization[1])

    def _walk(self, client: OrganizationsClient, account: str) -> tuple[str, ...]:
        """The units from the nearest to the widest: ListParents answers with the next parent only."""
        unit_ids: list[str] = []
        child = account
        for _ in range(_MOST_PARENTS):
            child = self._parent(client, child)
            if not is_unit(child):
                return tuple(unit_ids)
            unit_ids.append(child)
        raise AwsCallFailed("ListParents", account, "TooDeep", f"no root above {', '.join(unit_ids)}")

    def _parent(self, client: OrganizationsClient, child: str) -> str:
        if known := self._parents.get(child):
            return known
        with calling("ListParents", child):
            pages = client.get_paginator("list_parents").paginate(ChildId=child)
            parents = [parent for page in pages for parent in page["Parents"]]
        # An answer that is cut short must not look like an account outside all units.
        parent = parents[0].get("Id", "") if parents else ""
        if not is_unit(parent) and not _is_root(parent):
            raise AwsCallFailed("ListParents", child, "UnexpectedParent", f"neither a unit nor a root in {parents}")
        if is_unit(child):
            self._parents.keep(child, parent, _UNIT_FRESH_FOR)
        return parent

    def _name(self, client: OrganizationsClient, unit_id: str) -> str:
        """As people know the unit. After a failure no name is asked for during some minutes: names decide nothing."""
        known = self._names.get(unit_id)
        if known is not None or (self._no_names_until and self._clock() < self._no_names_until):
            return known or ""
        try:
            with calling("DescribeOrganizationalUnit", unit_id):
                found = client.describe_organizational_unit(OrganizationalUnitId=unit_id)
        except AwsCallFailed as failure:
            logger.info(f"{failure}; the unit goes without its name")
            self._no_names_until = self._clock() + _FRESH_FOR
            return ""
        name = found["OrganizationalUnit"].get("Name", "")
        self._names.keep(unit_id, name, _UNIT_FRESH_FOR)
        return name


class OrganizationsRole:
    """Makes the client with the credentials of a role of the management account, and renews it before their end."""

    def __init__(self, sts: Callable[[], STSClient], role_arn: str, clock: Callable[[], datetime]) -> None:
        self._sts = sts
        self._role_arn = role_arn
        self._clock = clock
        self._entered: tuple[datetime, OrganizationsClient] | None = None

    @property
    def remedy(self) -> str:
        return (
            f"have the trust policy of {self._role_arn} let Autopilot assume it, and its permissions allow "
            "organizations:DescribeAccount, ListParents and DescribeOrganizationalUnit"
        )

    def __call__(self) -> OrganizationsClient:
        """Raises AwsCallFailed."""
        if self._entered is None or self._clock() >= self._entered[0]:
            self._entered = (self._clock() + _SESSION, self._enter())
        return self._entered[1]

    def _enter(self) -> OrganizationsClient:
        sts = self._sts()
        with calling("AssumeRole", self._role_arn):
            answer = sts.assume_role(RoleArn=self._role_arn, RoleSessionName="privatelink-autopilot")
        credentials = answer["Credentials"]
        session = boto3.Session(
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials["SessionToken"],
            region_name=sts.meta.region_name,
        )
        return session.client("organizations", config=CONFIG)


def organization(organization_id: str, role_arn: str, clock: Callable[[], datetime]) -> Organization:
    """The organization as the deployment's settings have it; both texts may be empty. No client is made yet."""
    if role_arn:
        role = OrganizationsRole(lambda: boto3.client("sts", config=CONFIG), role_arn, clock)
        return AwsOrganization(role, clock, role.remedy)
    if organization_id:
        return AwsOrganization(cache(lambda: boto3.client("organizations", config=CONFIG)), clock)
    return NoOrganization()


def units_of_paths(paths: Iterable[str], account: str) -> tuple[str, ...] | None:
    """The units above an account, nearest first, from `o-…/r-…/ou-…/ou-…/<account>/`; None when no path tells.

    A path with anything unknown in it tells nothing: a unit overlooked might be a blocked one.
    """
    for path in paths:
        parts = path.strip("/").split("/")
        units = [part for part in parts if is_unit(part)]
        others = [part for part in parts if not is_unit(part) and not is_organization(part) and part != account]
        if len(others) == 1 and _is_root(others[0]):
            return tuple(reversed(units))
    return None


def _is_root(text: str) -> bool:
    return bool(re.fullmatch(r"r-[0-9a-z]{4,32}", text))


def _paths(found: AccountTypeDef) -> Iterable[str]:
    """All parents at once. A runtime whose botocore is from before they came drops them silently."""
    return found.get("Paths", ())
