"""PrivateLink's own notifications, kept on every managed service: they tell whatever consumers forward."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mode import Mode
from autopilot.domain.service import EndpointService
from autopilot.use_cases.ports import EndpointServices

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class ConnectionNotifications:
    """topic_arn: where they go."""

    services: EndpointServices
    topic_arn: str
    mode: Mode

    def keep(self, services: Iterable[EndpointService]) -> None:
        """Give each service a notification that has none. Raises AwsCallFailed, after all were tried."""
        if self.mode is Mode.OBSERVE:
            return
        notified = self.services.notified(self.topic_arn)
        failures: list[AwsCallFailed] = []
        for service in services:
            if service.service_id not in notified:
                try:
                    self.services.notify(service.service_id, self.topic_arn)
                    logger.info("has a connection notification now", extra={"service_id": service.service_id})
                except AwsCallFailed as failure:
                    failures.append(failure)
        if failures:
            raise failures[0]
