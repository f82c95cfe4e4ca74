"""What the use cases need of AWS. `autopilot.aws` fulfils it, and the tests' fakes do, proven by one suite."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from autopilot.domain.allowlist import AllowlistEntry, EntryKey, Listing
from autopilot.domain.connection import (
    AcceptanceFacet,
    AwsState,
    Connection,
    ConnectionRef,
    DnsFacet,
    LedgerRow,
)
from autopilot.domain.disruption import Brake
from autopilot.domain.dns_plan import HostedZone, Record, RecordChange
from autopilot.domain.endpoint import Endpoint
from autopilot.domain.failures import UnreadableRow
from autopilot.domain.listener import LoadBalancer
from autopilot.domain.mails import Mail
from autopilot.domain.network import Network
from autopilot.domain.organization import Owner
from autopilot.domain.report import ConnectionEvent, GivenNotice
from autopilot.domain.service import EndpointService
from autopilot.domain.shadowing import ZoneInVpc
from autopilot.domain.wake_up import WakeUp


@dataclass(frozen=True, slots=True)
class Refusal:
    """One element of `Unsuccessful`: Accept and Reject fail inside HTTP 200."""

    code: str
    message: str


class EndpointServices(Protocol):
    """The provider's endpoint services in this Region. Every method raises AwsCallFailed."""

    def all(self) -> Sequence[EndpointService]:
        """Every service of the account, as it is now."""

    def find(self, service_id: str) -> EndpointService | None:
        """One of the account's services, at most a minute old; None for somebody else's."""

    def connections(
        self, service_id: str, *, owners: Collection[str] = (), state: AwsState | None = None
    ) -> Iterator[Connection]:
        """The service's connections, narrowed to endpoint owners (at most 200) or a state."""

    def accept(self, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        """Accept; the refusals by endpoint id, empty when all went well."""

    def reject(self, service_id: str, endpoint_ids: Sequence[str]) -> Mapping[str, Refusal]:
        """Reject; the refusals by endpoint id, empty when all went well."""

    def permitted_accounts(self, service_id: str, *, among: Collection[str] | None = None) -> frozenset[str]:
        """The accounts that the service's own permissions name as a whole: who can find it and ask.

        among: ask about these only, at a cost that the others have no part in.
        """

    def permit(self, service_id: str, accounts: Collection[str]) -> None:
        """Add whole accounts to the service's permissions."""

    def forbid(self, service_id: str, accounts: Collection[str]) -> None:
        """Take whole accounts off the service's permissions. It disconnects nobody."""

    def notified(self, topic_arn: str) -> frozenset[str]:
        """The services with a connection notification to the topic, by id."""

    def notify(self, service_id: str, topic_arn: str) -> None:
        """Give the service a connection notification to the topic, for every kind of event."""


class LoadBalancers(Protocol):
    """The provider's Network Load Balancers in this Region."""

    def describe(self, arns: Sequence[str]) -> Sequence[LoadBalancer]:
        """The load balancers, minutes old at most; one that is gone is left out. Raises AwsCallFailed."""


class PublicDns(Protocol):
    def is_zone(self, name: str) -> bool | None:
        """Whether public DNS has a zone of exactly this name; None when that cannot be told just now."""


class Allowlist(Protocol):
    """Whose connections are accepted. Every method raises AwsCallFailed."""

    def entries(self, keys: Collection[EntryKey]) -> Sequence[AllowlistEntry]:
        """The entries of these keys, the deployment's own among them, consistently read."""

    def listing(self) -> Listing:
        """Every entry, eventually consistent. Its cost grows with the list, so only the sweep asks for it."""


class Organization(Protocol):
    def owner(self, account: str) -> Owner:
        """Who an account is and where it is, minutes old at most.

        Raises AwsCallFailed when Organizations cannot answer just now; a refusal is an answer.
        """


class Ledger(Protocol):
    """What Autopilot knows of each connection. Every method raises AwsCallFailed."""

    def rows(self, refs: Collection[ConnectionRef]) -> Mapping[ConnectionRef, LedgerRow]:
        """The rows of these connections, consistently read; a connection without a row is left out.

        Raises UnreadableRow.
        """

    def rows_of(self, service_id: str) -> Iterator[LedgerRow | UnreadableRow]:
        """Every row of a service, eventually consistent; one that nobody can read, as its error."""

    def rows_in(self, owner: str, vpc_id: str | None = None) -> Sequence[LedgerRow]:
        """The rows of an account, of one VPC or of all; which they are is eventually consistent."""

    def find(self, endpoint_id: str) -> ConnectionRef | None:
        """The connection of an endpoint whose service is not known; eventually consistent."""

    def record_acceptance(self, row: LedgerRow, facet: AcceptanceFacet) -> LedgerRow:
        """Write the facet and AWS's state over `row`, which is what was read.

        Raises LedgerChangedMeanwhile when the facet was written since `row` was read, be it with the same value.
        """

    def record_dns(self, row: LedgerRow, facet: DnsFacet) -> LedgerRow:
        """As `record_acceptance`, for the other facet."""

    def record_told(self, ref: ConnectionRef, told: str) -> None:
        """What there was to tell of the connection has been told."""

    def record_repeat(self, ref: ConnectionRef, repeats: int) -> None:
        """A report was lost: ask for it again, for the so-many-eth time; the stream tells it."""

    def record_dns_failure(self, ref: ConnectionRef) -> None:
        """Remember that a look at its DNS failed just now, and since when they do; until the facet is written."""

    def record_reminded(self, ref: ConnectionRef, reminders: int) -> None:
        """A person is to be reminded of a held request, for the so-many-eth time; the stream tells it."""

    def brake(self) -> Brake | None:
        """What was disrupted and may be, or None when nothing ever was to be."""

    def record_brake(self, read: Brake | None, brake: Brake) -> None:
        """Write the brake over what was read. Raises LedgerChangedMeanwhile when it is no longer that."""

    def take_disruption(self) -> bool:
        """Count one more disruption if the brake allows it; False when it does not, or none was ever recorded."""

    def permitted(self, service_id: str, *, among: Collection[str] | None = None) -> frozenset[str]:
        """The accounts that Autopilot itself put on the service's permissions; among: ask about these only."""

    def record_permitted(self, service_id: str, accounts: Collection[str]) -> None:
        """Remember accounts as put there by Autopilot."""

    def forget_permitted(self, service_id: str, accounts: Collection[str]) -> None:
        """Forget accounts that are no longer there."""

    def notices(self) -> Mapping[str, GivenNotice | UnreadableRow]:
        """The notices given, by subject: a service's problem, the first inventory. One that nobody can read, as its
        error."""

    def record_notice(self, subject: str, text: str) -> None:
        """Give a notice; the stream tells it to people as it tells a status. An empty text withdraws it."""

    def record_notice_told(self, subject: str) -> None:
        """The notice has been told."""

    def record_notice_repeat(self, subject: str, repeats: int) -> None:
        """As `record_repeat`, for a notice."""


class Queue(Protocol):
    """Every method raises AwsCallFailed."""

    def send(self, wake_ups: Iterable[tuple[WakeUp, int]]) -> None:
        """Enqueue wake-ups, each with a delay of 0 to 900 seconds."""

    def backlog(self) -> int:
        """About how many messages the queue holds: those that wait, are delayed, and are being worked on."""


@dataclass(frozen=True, slots=True)
class ZoneQuota:
    """How many hosted zones an account has, and may have."""

    used: int
    limit: int


class HostedZones(Protocol):
    """The private hosted zones of a consumer account. Every method raises AwsCallFailed."""

    def named(self, zone_name: str) -> Sequence[HostedZone]:
        """Every private hosted zone of the account with exactly this name, whatever its VPC."""

    def find(self, zone_id: str) -> HostedZone | None:
        """One zone of the account; None when it is gone."""

    def of_vpc(self, vpc_id: str) -> Sequence[ZoneInVpc]:
        """Every zone that is associated with the VPC, other accounts' and AWS's own among them."""

    def quota(self) -> ZoneQuota: ...

    def create(self, zone_name: str, vpc_id: str, reference: str) -> HostedZone | None:
        """Make the zone; None when the reference was used before or the VPC has a zone of that name."""

    def delete(self, zone_id: str) -> bool:
        """Delete an empty zone; False when something else is in it. One that is gone is deleted."""

    def records(self, zone_id: str) -> Sequence[Record]:
        """All records of the zone but its own NS and SOA."""

    def change(self, zone_id: str, changes: Sequence[RecordChange]) -> str:
        """Write one batch, all or nothing; the id of the change."""

    def is_insync(self, change_id: str) -> bool:
        """Whether every DNS server answers with the change."""

    def associate(self, zone_id: str, vpc_id: str) -> bool:
        """Let a VPC of the account ask the zone; False when the VPC has another zone of that name."""

    def disassociate(self, zone_id: str, vpc_id: str) -> None:
        """The contrary; nothing to do where they are not associated, or where the zone is gone."""

    def authorize(self, zone_id: str, vpc_id: str, region: str) -> None:
        """Allow another account to associate its VPC with the account's zone."""

    def withdraw_authorization(self, zone_id: str, vpc_id: str, region: str) -> None:
        """Take the permission back; it is none of what keeps an association."""


class ConsumerAccount(Protocol):
    """A consumer account in the endpoint's Region, seen through the consumer role. Raises AwsCallFailed."""

    @property
    def hosted_zones(self) -> HostedZones: ...

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint, or None when its own account says that there is none."""

    def enable_private_dns(self, endpoint_id: str) -> None:
        """Switch AWS's own private DNS on for the endpoint."""

    def consents(self, vpc_id: str, account: str) -> bool:
        """Whether the VPC's own tag lets an account's endpoints bring their names into it."""

    def network(self, endpoint: Endpoint) -> Network:
        """The VPC, the endpoint's network interfaces with their addresses and AZ IDs, and its security groups."""


class ConsumerAccounts(Protocol):
    def enter(self, account: str, region: str) -> ConsumerAccount:
        """Assume the consumer role, or go on with a session that lasts. Raises NoConsumerRole, AwsCallFailed."""

    def leave(self, account: str, region: str) -> bool:
        """End the session, so that the next `enter` assumes the role anew; False where there was none."""


class StatusTopic(Protocol):
    def publish(self, mail: Mail) -> None:
        """Send one e-mail, and JSON to the other subscribers. Raises AwsCallFailed."""


class Bus(Protocol):
    def put(self, events: Sequence[ConnectionEvent]) -> None:
        """Tell machines of each change. Raises AwsCallFailed."""


class Audience(Protocol):
    def unheard(self) -> Sequence[str]:
        """The topics, by ARN, of which nobody has confirmed a subscription. Raises AwsCallFailed."""


class Trails(Protocol):
    def is_logging(self) -> bool | None:
        """Whether a trail logs management events here, without which EventBridge gets none; None where that cannot be
        told."""
