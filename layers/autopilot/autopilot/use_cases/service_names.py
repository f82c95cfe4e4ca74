"""The names of an endpoint service: those its tags declare, or those its certificates have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autopilot.domain.failures import AwsCallFailed, OwnCallFailed
from autopilot.domain.listener import LoadBalancer
from autopilot.domain.names import Name, placed
from autopilot.domain.service import EndpointService
from autopilot.domain.tls import certified_names
from autopilot.use_cases.ports import LoadBalancers


@dataclass(frozen=True, slots=True)
class ServiceNames:
    load_balancers: LoadBalancers

    def __call__(self, service: EndpointService) -> tuple[Name, ...]:
        """Every name to write, each in one zone. Raises OwnCallFailed where certificates have to be read and cannot."""
        if not service.is_certified:
            return service.names
        return placed((*service.names, *certified_names(self.in_front_of(service))))

    def are_certain(self, service: EndpointService) -> bool:
        """Whether a name that is missing is really declared no longer. Raises OwnCallFailed.

        A certificate that lapsed, or that cannot be read just now, is no reason to take its names away.
        """
        if not service.is_certified:
            return True
        balancers = self.in_front_of(service)
        certificates = [
            one for balancer in balancers for listener in balancer.listeners for one in listener.certificates
        ]
        return len(balancers) == len(service.load_balancer_arns) and all(one.is_issued for one in certificates)

    def in_front_of(self, service: EndpointService) -> Sequence[LoadBalancer]:
        """The service's load balancers. Raises OwnCallFailed: in the midst of a consumer's account its own is meant."""
        try:
            return self.load_balancers.describe(service.load_balancer_arns)
        except AwsCallFailed as failure:
            raise OwnCallFailed(failure.operation, failure.subject, failure.code, failure.message) from failure
