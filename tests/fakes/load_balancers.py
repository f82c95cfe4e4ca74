from __future__ import annotations

from collections.abc import Sequence

from autopilot.domain.listener import LoadBalancer
from tests.fakes.calls import Calls


class FakeLoadBalancers:
    """`LoadBalancers` in a dictionary. load_balancers: by ARN, as a test puts them there."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.load_balancers: dict[str, LoadBalancer] = {}

    def describe(self, arns: Sequence[str]) -> Sequence[LoadBalancer]:
        with self._calls.making("DescribeLoadBalancers", " ".join(arns)):
            return [self.load_balancers[arn] for arn in arns if arn in self.load_balancers]
