"""What can go wrong at AWS, said so that a person can act on it."""

from __future__ import annotations

from autopilot.domain.connection import ConnectionRef


class AwsCallFailed(Exception):
    """An AWS call did not do what was asked. It is tried again; the code tells why."""

    def __init__(self, operation: str, subject: str, code: str, message: str) -> None:
        super().__init__(f"{operation} for {subject} failed with {code}: {message}")
        self.operation = operation
        self.subject = subject
        self.code = code
        self.message = message

    @property
    def needs_a_person(self) -> bool:
        """Somebody must widen a policy or a quota first; trying again soon cannot help."""
        return self.code in _REFUSALS

    @property
    def is_throttling(self) -> bool:
        """AWS asks to slow down, which is no failure."""
        return self.code in _THROTTLED

    @property
    def is_of_the_session(self) -> bool:
        """The credentials are no longer good, as after the role was made anew."""
        return self.code in _SESSION_ENDED

    @property
    def says_vpc_is_gone(self) -> bool:
        """What Route 53 may answer about a VPC that was deleted. Terraform's own tests of an association that went take
        the last one for that (`testAccCheckZoneAssociationDestroy`)."""
        is_disowned = self.code == "AccessDenied" and "is not owned by you" in self.message
        return self.code in ("InvalidInput", "InvalidVPCId") or is_disowned

    @property
    def is_race(self) -> bool:
        """Another run removed or changes the zone at this moment; look again."""
        return self.code in ("NoSuchHostedZone", "PriorRequestNotComplete")


class OwnCallFailed(AwsCallFailed):
    """A call to the provider's own account failed. What is refused there is for no consumer to mend, so that it is told
    as any failure of ours and tried again."""

    @property
    def needs_a_person(self) -> bool:
        return False

    @property
    def is_of_the_session(self) -> bool:
        return False


# As botocore has them (`retries.standard`), without what is a race or a quota.
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_SESSION_ENDED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidToken",
        "UnrecognizedClientException",
    }
)
_REFUSALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "InvalidDomainName",
        "InvalidInput",
        "InvalidVPCId",
        "InvalidVpcID.NotFound",
        "LimitsExceeded",
        "NotAuthorizedException",
        "OptInRequired",
        "RegionDisabledException",
        "TooManyHostedZones",
        "UnauthorizedOperation",
    }
)


class LedgerChangedMeanwhile(Exception):
    """Another run wrote this connection's facet between our read and our write; look again."""


class UnreadableRow(Exception):
    """A row of the ledger is not as this version writes it: somebody edited it, or a later version wrote it.

    Not an AwsCallFailed, so that in a batch it fails alone.
    """

    def __init__(self, ref: ConnectionRef, why: Exception) -> None:
        super().__init__(
            f"the ledger's row of {ref} cannot be read ({type(why).__name__}: {why}); expected a row as this version "
            "writes it. Mend it, or delete it: it is made anew then, a connection's as of one that stood before"
        )
        self.ref = ref


class NoConsumerRole(Exception):
    """The consumer account does not let Autopilot in: no role of that name, or its trust refuses us."""

    def __init__(self, account: str, role_arn: str) -> None:
        super().__init__(f"account {account} does not let Autopilot assume {role_arn}")
        self.account = account
        self.role_arn = role_arn
