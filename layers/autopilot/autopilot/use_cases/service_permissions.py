"""Keep the endpoint services' own permissions as the allowlist has it: who can find a service and ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from autopilot.domain.allowlist import EVERY_SERVICE, EVERYBODY, AllowlistEntry, EntryKey, allowed_accounts, is_account
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

    def __call__(self, service: EndpointService, entries: Iterable[AllowlistEntry]) -> None:
        """Make one service's permissions what the whole list asks for. Raises AwsCallFailed."""
        self._make(service, allowed_accounts(entries, service.service_id, self.clock()), None)

    def follow(self, service: EndpointService, changed: Collection[EntryKey]) -> None:
        """Make them so for the accounts whose entries changed, at a cost that the rest of the list has no part in.

        Raises AwsCallFailed.
        """
        accounts = frozenset(key.principal for key in changed if is_account(key.principal))
        if accounts:
            both = (service.service_id, EVERY_SERVICE)
            keys = {EntryKey(principal, of) for principal in {*accounts, EVERYBODY} for of in both}
            entries = self.allowlist.entries(keys)
            self._make(service, allowed_accounts(entries, service.service_id, self.clock()), accounts)

    def _make(self, service: EndpointService, wanted: frozenset[str], among: frozenset[str] | None) -> None:
        service_id = service.service_id
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
