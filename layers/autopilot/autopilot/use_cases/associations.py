"""Another VPC that an endpoint serves: our zones are associated with it too, where its account lets us."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from aws_lambda_powertools import Logger

from autopilot.domain.endpoint import CONSENT_TAG, VpcRef
from autopilot.domain.failures import AwsCallFailed, NoConsumerRole
from autopilot.domain.shadowing import ZoneInVpc, lost_names, zone_that_answers
from autopilot.use_cases.ports import ConsumerAccount, ConsumerAccounts, HostedZones

logger = Logger(child=True)


@dataclass(slots=True)
class Asked:
    """What another VPC has of our zones, by name and id, and what it lacks; why it cannot have it, with the fix.

    in_vpc: all of its zones, None where its account does not let us ask.
    """

    vpc: VpcRef
    in_vpc: Sequence[ZoneInVpc] | None = None
    has: dict[str, str] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Associations:
    """account: the endpoint's, whose zones these are.

    A VPC of another account is served only where its own tag names this account: whoever can tag an endpoint must not
    thereby put names into somebody else's VPC.
    """

    consumers: ConsumerAccounts
    hosted_zones: HostedZones
    account: str

    def ask(self, vpc: VpcRef, ours: Mapping[str, str], *, allows_shadowing: bool) -> Asked:
        """ours: our zones by name. Raises AwsCallFailed."""
        asked = Asked(vpc)
        looking = partial(self._look_into, asked, ours, allows_shadowing=allows_shadowing)
        self._through_role(vpc, f"{vpc} is not served", asked.refusals, looking)
        return asked

    def add(self, asked: Asked) -> None:
        """Associate what it lacks. Raises AwsCallFailed."""
        vpc = asked.vpc

        def associate(its_account: ConsumerAccount) -> None:
            for name, zone_id in asked.lacks.items():
                with self._authorized(zone_id, vpc):
                    is_done = its_account.hosted_zones.associate(zone_id, vpc.vpc_id)
                logger.info(f"associated zone {name} ({zone_id}) with {vpc}: {is_done}")
                if is_done:
                    asked.has[name] = zone_id
                else:
                    asked.refusals.append(f"{vpc} is not served: it got another zone {name} meanwhile")

        self._through_role(vpc, f"{vpc} is not served", asked.refusals, associate)

    def withdraw(self, zone_ids: Iterable[str], vpc: VpcRef) -> None:
        """The authorizations that a run which died may have left behind. Raises AwsCallFailed."""
        if self._is_foreign(vpc):
            for zone_id in zone_ids:
                self.hosted_zones.withdraw_authorization(zone_id, vpc.vpc_id, vpc.region)

    def remove(self, zone_ids: Iterable[str], vpc: VpcRef) -> Sequence[str]:
        """Disassociate; sentences that say why not. Raises AwsCallFailed."""
        refusals: list[str] = []

        def disassociate(its_account: ConsumerAccount) -> None:
            try:
                for zone_id in zone_ids:
                    its_account.hosted_zones.disassociate(zone_id, vpc.vpc_id)
            except AwsCallFailed as failure:
                # What Route 53 says of a VPC that was deleted is not published; EC2 knows.
                if not failure.needs_a_person or not self._is_gone(vpc, its_account):
                    raise

        self._through_role(vpc, f"{vpc} is still served", refusals, disassociate)
        return refusals

    def _look_into(
        self, asked: Asked, ours: Mapping[str, str], its_account: ConsumerAccount, *, allows_shadowing: bool
    ) -> None:
        vpc = asked.vpc
        asked.in_vpc = in_vpc = its_account.hosted_zones.of_vpc(vpc.vpc_id)
        there = {zone.zone_id for zone in in_vpc}
        asked.has = {name: zone_id for name, zone_id in ours.items() if zone_id in there}
        lacking = ours.items() - asked.has.items()
        if lacking and self._is_foreign(vpc) and not its_account.consents(vpc.vpc_id, self.account):
            asked.refusals.append(f"{vpc} is not served: its owner tags it {CONSENT_TAG}={self.account} to allow that")
            return
        for name, zone_id in sorted(lacking):
            rival = zone_that_answers(name, in_vpc)
            if rival and rival.name == name:
                asked.refusals.append(f"{vpc} is not served: it has a zone {rival} of that name; take that off the VPC")
            elif rival and not allows_shadowing and self._hides_names(zone_id, name, rival, its_account):
                asked.refusals.append(
                    f"{vpc} is not served: it has the zone {rival}, whose names under {name} would be hidden; tag "
                    "the service autopilot:allow-shadowing=true if they may be"
                )
            else:
                asked.lacks[name] = zone_id

    def _hides_names(self, zone_id: str, name: str, wider: ZoneInVpc, its_account: ConsumerAccount) -> bool:
        """Whether our zone would hide anything of the one that answers in the VPC for its names until then: another
        one of ours perhaps, which the names move out of. What cannot be read is taken to be hidden."""
        if wider.owner == self.account:
            wider_records = self.hosted_zones.records(wider.zone_id)
        elif wider.is_readable:
            wider_records = its_account.hosted_zones.records(wider.zone_id)
        else:
            return True
        return bool(lost_names(name, self.hosted_zones.records(zone_id), wider_records))

    def _through_role(
        self,
        vpc: VpcRef,
        what: str,
        refusals: list[str],
        act: Callable[[ConsumerAccount], None],
        *,
        is_anew: bool = False,
    ) -> None:
        """An account that does not let us is no failure of ours. A session that is no longer good is ended, once."""
        try:
            act(self.consumers.enter(vpc.account, vpc.region))
        except NoConsumerRole as refusal:
            refusals.append(f"{what}: {refusal}")
        except AwsCallFailed as failure:
            if failure.is_of_the_session and not is_anew:
                self.consumers.leave(vpc.account, vpc.region)
                self._through_role(vpc, what, refusals, act, is_anew=True)
            elif failure.needs_a_person or failure.is_of_the_session:
                refusals.append(f"{what}: {failure}")
            else:
                raise

    def _is_gone(self, vpc: VpcRef, its_account: ConsumerAccount) -> bool:
        try:
            its_account.consents(vpc.vpc_id, self.account)
        except AwsCallFailed as failure:
            return failure.code == "InvalidVpcID.NotFound"
        return False

    def _is_foreign(self, vpc: VpcRef) -> bool:
        return vpc.account != self.account

    @contextmanager
    def _authorized(self, zone_id: str, vpc: VpcRef) -> Iterator[None]:
        """An authorization that is left over would let the VPC come back by itself after it was taken off."""
        if not self._is_foreign(vpc):
            yield
            return
        self.hosted_zones.authorize(zone_id, vpc.vpc_id, vpc.region)
        try:
            yield
        finally:
            self.hosted_zones.withdraw_authorization(zone_id, vpc.vpc_id, vpc.region)
