"""AWS's throttling: a bucket of tokens an account and action, filled at a steady rate.

Route 53's are published (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html), and so are
EC2's for kinds of actions (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html): 100 calls and 20 a
second to read, half of that to list without a filter or a page's size, 50 calls and 5 a second to write. Of which kind
each action is, is assumed. The page gives some actions smaller buckets of their own; these are taken to have none.
"""

from __future__ import annotations

from dataclasses import dataclass

ACCEPT, LIST = "AcceptVpcEndpointConnections", "DescribeVpcEndpointConnections"


@dataclass(frozen=True, slots=True)
class Limit:
    """per_second: how fast the bucket is filled. size: how many calls at once."""

    per_second: float
    size: float

    def seconds_for(self, calls: float) -> float:
        """The least time in which so many calls can be made, the bucket being full at first."""
        return max(calls - self.size, 0) / self.per_second


ROUTE_53 = "every call of Route 53"
# EC2's, as far as connections on their way to `ready` ask for them, and the sweeps meanwhile.
SERVICES, NOTIFY = "DescribeVpcEndpointServiceConfigurations", "CreateVpcEndpointConnectionNotification"
PROVIDERS_EC2 = {ACCEPT, LIST, SERVICES, NOTIFY, "DescribeVpcEndpointConnectionNotifications"}
CONSUMERS_EC2 = {
    *("DescribeVpcEndpoints", "DescribeVpcs", "DescribeVpcAttribute"),
    *("DescribeNetworkInterfaces", "DescribeSubnets", "DescribeSecurityGroups"),
}
LIMITS = {
    ROUTE_53: Limit(10, 50),
    "CreateHostedZone": Limit(2, 40),
    "DeleteHostedZone": Limit(5, 40),
    **dict.fromkeys(PROVIDERS_EC2 | CONSUMERS_EC2, Limit(20, 100)),
    SERVICES: Limit(10, 50),
    **dict.fromkeys((ACCEPT, NOTIFY), Limit(5, 50)),
}


@dataclass(slots=True)
class TokenBucket:
    limit: Limit
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Whether a call at this second, since 1970, is let through. Calls may come a little out of order."""
        self.tokens = min(self.limit.size, self.tokens + max(now - self.at, 0) * self.limit.per_second)
        self.at = max(self.at, now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class TokenBuckets:
    """Every account's."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def take(self, account: str, names: tuple[str, ...], now: float) -> bool:
        """Whether all of these buckets have a token left; what one refuses is not taken from the others."""
        buckets = [self._bucket(account, name, now) for name in names if name in LIMITS]
        taken: list[TokenBucket] = []
        for bucket in buckets:
            if not bucket.take(now):
                for other in taken:
                    other.tokens += 1
                return False
            taken.append(bucket)
        return True

    def _bucket(self, account: str, name: str, now: float) -> TokenBucket:
        limit = LIMITS[name]
        return self._buckets.setdefault((account, name), TokenBucket(limit, limit.size, now))
