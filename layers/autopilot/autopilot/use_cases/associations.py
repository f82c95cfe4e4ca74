"""Other VPCs that an endpoint serves: our zones are associated with them too, where they let us."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from autopilot.domain.endpoint import CONSENT_TAG, VpcRef
from autopilot.domain.failures import AwsCallFailed, NoConsumerRole
from autopilot.domain.shadowing import wider_zone, zone_that_answers
from autopilot.use_cases.ports import ConsumerAccount, ConsumerAccounts, HostedZones

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Associations:
    """account: the endpoint's, whose zones these are.

    A VPC of another account is served only where its own tag names this account: whoever can tag an endpoint must not
    thereby put names into somebody else's VPC.
    """

    consumers: ConsumerAccounts
    hosted_zones: HostedZones
    account: str

    def add(self, zone_id: str, zone_name: str, vpc: VpcRef, *, allows_shadowing: bool, is_known: bool) -> str | None:
        """Associate; a sentence that says why not, and the fix. What is associated already stays so.

        is_known: a run that ended well has associated it. One that died may have left its authorization behind.
        """
        try:
            if vpc.account != self.account and not is_known:
                self.hosted_zones.withdraw_authorization(zone_id, vpc.vpc_id, vpc.region)
            return self._add(zone_id, zone_name, vpc, self.consumers.enter(vpc.account, vpc.region), allows_shadowing)
        except NoConsumerRole as refusal:
            return f"{vpc} is not served: {refusal}"
        except AwsCallFailed as failure:
            if not failure.needs_a_person:
                raise
            return f"{vpc} is not served: {failure}"

    def remove(self, zone_ids: Iterable[str], vpc: VpcRef) -> str | None:
        """Disassociate; a sentence that says why not."""
        try:
            hosted_zones = self._zones_of(vpc)
            for zone_id in zone_ids:
                hosted_zones.disassociate(zone_id, vpc.vpc_id)
        except NoConsumerRole as refusal:
            return f"{vpc} is still served: {refusal}"
        except AwsCallFailed as failure:
            if not failure.needs_a_person:
                raise
            return f"{vpc} is still served: {failure}"
        return None

    def _zones_of(self, vpc: VpcRef) -> HostedZones:
        return self.consumers.enter(vpc.account, vpc.region).hosted_zones

    def _add(
        self, zone_id: str, zone_name: str, vpc: VpcRef, its_account: ConsumerAccount, allows_shadowing: bool
    ) -> str | None:
        in_vpc = its_account.hosted_zones.of_vpc(vpc.vpc_id)
        is_foreign = vpc.account != self.account
        if any(zone.zone_id == zone_id for zone in in_vpc):
            return None
        if is_foreign and not its_account.consents(vpc.vpc_id, self.account):
            return f"{vpc} is not served: its owner tags it {CONSENT_TAG}={self.account} to allow that"
        rival = zone_that_answers(zone_name, in_vpc)
        if rival and rival.name == zone_name:
            return f"{vpc} is not served: it has a zone {rival} of that name; take that off the VPC"
        if (wider := wider_zone(zone_name, in_vpc)) and not allows_shadowing:
            return (
                f"{vpc} is not served: it has the zone {wider}, whose names under {zone_name} would be hidden; tag the "
                "service autopilot:allow-shadowing=true if they may be"
            )
        associate: Callable[[], bool] = lambda: its_account.hosted_zones.associate(zone_id, vpc.vpc_id)  # noqa: E731
        is_done = self._authorized(zone_id, vpc, associate) if is_foreign else associate()
        logger.info(f"associated zone {zone_name} ({zone_id}) with {vpc}: {is_done}")
        return None if is_done else f"{vpc} is not served: it got another zone {zone_name} meanwhile"

    def _authorized(self, zone_id: str, vpc: VpcRef, associate: Callable[[], bool]) -> bool:
        """An authorization that is left over would let the VPC come back by itself after it was taken off."""
        self.hosted_zones.authorize(zone_id, vpc.vpc_id, vpc.region)
        try:
            return associate()
        finally:
            self.hosted_zones.withdraw_authorization(zone_id, vpc.vpc_id, vpc.region)
