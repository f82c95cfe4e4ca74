"""What a changed entry of the allowlist asks for at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from autopilot.domain.acceptance import stands
from autopilot.domain.allowlist import EntryKey, is_account, is_endpoint
from autopilot.domain.connection import AwsState
from autopilot.domain.organization import is_wide
from autopilot.domain.wake_up import SeenBy, WakeUp
from autopilot.use_cases.ports import EndpointServices, Queue
from autopilot.use_cases.service_permissions import ServicePermissions

# EC2 takes two hundred values a filter.
_MOST_OWNERS = 200


@dataclass(frozen=True, slots=True)
class FollowAllowlist:
    """permissions: None where the services' permissions are somebody else's."""

    services: EndpointServices
    requests_queue: Queue
    permissions: ServicePermissions | None

    def __call__(self, keys: Collection[EntryKey]) -> None:
        """Entries were put, changed or removed: what waits is decided anew. Raises AwsCallFailed.

        Entries for accounts concern those accounts alone. One for an endpoint may take back its rejection, wherever
        that is. One for a unit concerns whoever is in it by now, so that every connection is looked at.
        A permission that fails is the next sweep's to try, and to fail for: the records would come again and again,
        and each time wake all of these.
        """
        concerns_units = any(is_wide(key.principal) for key in keys)
        principals = {key.principal for key in keys if not is_endpoint(key.principal)}
        owners = sorted(principals) if all(map(is_account, principals)) and len(principals) <= _MOST_OWNERS else ()
        state = None if concerns_units else AwsState.PENDING_ACCEPTANCE
        every = self.services.all() if principals else ()
        services = [service for service in every if service.managed and not service.problem]
        for service in services:
            listed = self.services.connections(service.service_id, owners=owners, state=state)
            concerned = (c for c in listed if c.state is AwsState.PENDING_ACCEPTANCE or stands(c.state))
            self.requests_queue.send((WakeUp.about(connection, SeenBy.SWEEP), 0) for connection in concerned)
        endpoints = sorted({key.principal for key in keys if is_endpoint(key.principal)})
        self.requests_queue.send((WakeUp(None, endpoint, None, None, SeenBy.SWEEP), 0) for endpoint in endpoints)
        if self.permissions:
            self.permissions.follow(services, keys)
