"""Keep the endpoint services' own permissions as the allowlist has it: who can find a service and ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from autopilot.domain.allowlist import EVERY_SERVICE, EVERYBODY, AllowlistEntry, EntryKey, allowed_accounts, is_account
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.domain.service import EndpointService
from autopilot.use_cases.ports import Allowlist, EndpointServices, Ledger

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class ServicePermissions:
    """Accounts of the list in, accounts that left it out; what somebody else permitted is left alone.

    What is ours is written down before it is permitted, so that a crash in between leaves nothing that nobody owns.
    """

    services: EndpointServices
    allowlist: Allowlist
    ledger: Ledger
    mode: Mode
    clock: Callable[[], datetime]

    def keep(self, services: Iterable[EndpointService], entries: Iterable[AllowlistEntry]) -> Sequence[AwsCallFailed]:
        """Make the services' permissions what the whole list asks for. What failed; it stops no other service."""
        return self._each(services, lambda service: self._make(service, entries, None))

    def follow(self, services: Iterable[EndpointService], changed: Collection[EntryKey]) -> Sequence[AwsCallFailed]:
        """Make them so for the accounts whose entries changed, at a cost that the rest of the list has no part in."""
        accounts = frozenset(key.principal for key in changed if is_account(key.principal))
        return self._each(services, lambda service: self._follow(service, accounts)) if accounts else ()

    def _each(
        self, services: Iterable[EndpointService], permit: Callable[[EndpointService], None]
    ) -> Sequence[AwsCallFailed]:
        """An account that AWS does not know fails at every service and every sweep: nothing else may wait for that."""
        failures: list[AwsCallFailed] = []
        for service in services:
            try:
                permit(service)
            except AwsCallFailed as failure:
                logger.warning(str(failure), extra={"service_id": service.service_id})
                failures.append(failure)
        return failures

    def _follow(self, service: EndpointService, accounts: frozenset[str]) -> None:
        both = (service.service_id, EVERY_SERVICE)
        keys = {EntryKey(principal, of) for principal in {*accounts, EVERYBODY} for of in both}
        self._make(service, self.allowlist.entries(keys), accounts)

    def _make(self, service: EndpointService, entries: Iterable[AllowlistEntry], among: frozenset[str] | None) -> None:
        """among: the accounts that are looked at, None for all."""
        service_id = service.service_id
        wanted = allowed_accounts(entries, service_id, self.clock())
        found = self.services.permitted_accounts(service_id, among=among)
        ours = self.ledger.permitted(service_id, among=among)
        missing, left_over = sorted(wanted - found), sorted((ours & found) - wanted)
        if missing or left_over:
            would = "would be " if self.mode is Mode.OBSERVE else ""
            logger.info(
                f"accounts {would}permitted: {missing}; {would}no longer permitted: {left_over}",
                extra={"service_id": service_id},
            )
        if self.mode is Mode.OBSERVE:
            return
        if left_over:
            self.services.forbid(service_id, left_over)
        if gone := sorted(ours - wanted):
            self.ledger.forget_permitted(service_id, gone)
        if missing:
            # Last, as an account that AWS does not know fails here at every sweep.
            self.ledger.record_permitted(service_id, missing)
            self.services.permit(service_id, missing)
