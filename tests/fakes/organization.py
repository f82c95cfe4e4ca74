from __future__ import annotations

from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.organization import Owner, Placement
from tests.fakes.calls import Calls

_REFUSALS = ("AccessDeniedException", "AWSOrganizationsNotInUseException")


class FakeOrganization:
    """`Organization` in a dictionary. An account that is not among the owners is in no organization of ours."""

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls()
        self.owners: dict[str, Owner] = {}

    def owner(self, account: str) -> Owner:
        try:
            with self._calls.making("DescribeAccount", account):
                return self.owners.get(account, Owner(account))
        except AwsCallFailed as failure:
            if failure.code not in _REFUSALS:
                raise
            return Owner(account, placement=Placement.REFUSED, reason="DescribeAccount is refused")
