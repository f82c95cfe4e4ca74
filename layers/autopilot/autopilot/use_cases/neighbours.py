"""The other endpoints of a consumer's VPC: who holds a name there, and who waits for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from autopilot.domain.connection import AwsState, Dns, LedgerRow
from autopilot.domain.dns_plan import Holder, NoRegionalName, Record, wanted_records
from autopilot.domain.failures import UnreadableRow
from autopilot.domain.names import placed
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.dns_look import DnsLook
from autopilot.use_cases.ports import ConsumerAccount, EndpointServices, Ledger, Queue
from autopilot.use_cases.service_names import ServiceNames

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """ttl: of the CNAMEs, in seconds."""

    services: EndpointServices
    ledger: Ledger
    dns_queue: Queue
    names: ServiceNames
    ttl: int

    def holders(self, look: DnsLook, consumer: ConsumerAccount) -> Callable[[str], Holder]:
        """Who stands behind an endpoint that a record of ours leads to, by its id. Raises AwsCallFailed."""

        def holder_of(endpoint_id: str) -> Holder:
            ref, row = self.ledger.find(endpoint_id), None
            with suppress(UnreadableRow):
                row = self.ledger.rows([ref]).get(ref) if ref else None
            if row and row.connection.state.asks_for_no_dns:
                return Holder.GONE
            if row and (row.connection.owner, row.connection.region) != (look.owner, look.known.connection.region):
                return Holder.LIVE
            # What the ledger knows may be of a service that nobody looks at any more. Where it knows nothing, it was
            # lost, or nobody can read it, or somebody wrote the record, to another account's endpoint perhaps.
            endpoint = consumer.endpoint(endpoint_id)
            if endpoint is None:
                return Holder.GONE if row else Holder.STRANGER
            return Holder.GONE if endpoint.state.asks_for_no_dns else Holder.LIVE

        return holder_of

    def heirs(self, look: DnsLook, consumer: ConsumerAccount) -> Callable[[str, str], Sequence[Record]]:
        """What those want of a zone, in a VPC, who wait for names there, the eldest request first. Raises
        AwsCallFailed."""

        def heirs(zone_name: str, vpc_id: str) -> Sequence[Record]:
            records: list[Record] = []
            # What is stopped by something else has no part in the zone so far, and might never come back for it.
            for row in (row for row in self._waiting(look, vpc_id) if zone_name in row.dns.zones):
                service = self.services.find(row.ref.service_id)
                if service is None or not service.managed or service.problem:
                    continue
                endpoint = consumer.endpoint(row.ref.endpoint_id)
                if endpoint is None or endpoint.state is not AwsState.AVAILABLE or endpoint.declines_dns:
                    continue
                names = [name for name in placed(self.names(service), row.dns.zones) if name.zone == zone_name]
                try:
                    records += wanted_records(names, endpoint, self.ttl)
                except NoRegionalName as early:
                    logger.info(str(early), extra={"endpoint_id": endpoint.endpoint_id})
            return records

        return heirs

    def have_zone(self, look: DnsLook, vpc_id: str, zone_name: str) -> bool:
        """Whether others there have written to a zone of ours of that name: it may stand although the VPC asks it no
        longer. Raises AwsCallFailed."""
        others = self.others(look, vpc_id)
        return any(zone_name in row.dns.zones for row in others if row.dns.value not in (Dns.NONE, Dns.ABSENT))

    def wake_waiting(self, look: DnsLook) -> None:
        """A name is free, or was handed on: an endpoint that was refused it need not wait for the sweep. Raises
        AwsCallFailed."""
        self.wake(self._waiting(look, look.known.dns.vpc_id))

    def wake(self, rows: Iterable[LedgerRow]) -> None:
        """Have them looked at now. Raises AwsCallFailed."""
        self.dns_queue.send((WakeUp.about(row.connection, SeenBy.EVENT), 0) for row in rows)

    def others(self, look: DnsLook, vpc_id: str | None) -> Sequence[LedgerRow]:
        """What the ledger knows of the other endpoints there; of the whole account where no VPC is known. Raises
        AwsCallFailed."""
        return [row for row in self.ledger.rows_in(look.owner, vpc_id) if row.ref != look.ref]

    def _waiting(self, look: DnsLook, vpc_id: str | None) -> Sequence[LedgerRow]:
        waiting = [row for row in self.others(look, vpc_id) if row.dns.value is Dns.BLOCKED]
        return sorted(waiting, key=lambda row: (row.connection.created_at is None, row.connection.created_at, row.ref))
