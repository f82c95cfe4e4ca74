"""How AWS is called: one client configuration, and one kind of failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from autopilot.domain.failures import AwsCallFailed

# A function lives for a minute: a call that hangs must fail while there is time to say so.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=3, read_timeout=10)

# A consumer's account that answers slowly must not use up the time of the others in its batch: half a minute at most.
BRIEF = CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 3}, read_timeout=5))

# Route 53 gives an account ten calls a second for everybody in it: who is told to slow down slows down by itself.
ADAPTIVE = BRIEF.merge(Config(retries={"mode": "adaptive", "total_max_attempts": 3}))


@contextmanager
def calling(operation: str, subject: str) -> Iterator[None]:
    """Turn what boto3 raises inside into AwsCallFailed, which names the operation and what it was for."""
    try:
        yield
    except ClientError as error:
        detail = error.response.get("Error", {})
        # Another each time, and nothing that a person could read.
        message, _, _ = detail.get("Message", str(error)).partition(" Encoded authorization failure message:")
        raise AwsCallFailed(operation, subject, detail.get("Code", "Unknown"), message) from error
    except BotoCoreError as error:
        raise AwsCallFailed(operation, subject, type(error).__name__, str(error)) from error


def code_of(error: ClientError) -> str:
    """AWS's error code, such as `NoSuchHostedZone`."""
    return error.response.get("Error", {}).get("Code", "")
