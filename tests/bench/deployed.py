"""The deployed stack on the local AWS: seconds of our own time, and every call that the functions made."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.measurement import Measurement
from tests.local_aws.control import PROVIDER, Speed
from tests.local_aws.deployment import up
from tests.story.story import Story, wait_for

_ROUNDS = 6
# What the local AWS itself lets pass until an endpoint is available, and until a record is known everywhere. The way of
# an event is left in: a notification may be faster.
_AWS = Speed()


# The goal is two calls of EC2 to accept one; the least that each connection needs of the others, once.
LEAST = {
    "ec2:AcceptVpcEndpointConnections": 1,
    "route53:CreateHostedZone": 1,
    "route53:DeleteHostedZone": 1,
    "route53:ChangeResourceRecordSets": 2,
}


def deployed() -> list[Measurement]:
    """Connections one after another, from request to retired. The first is left out, as the functions start cold."""
    with tempfile.TemporaryDirectory() as directory, up(Path(directory), SweepMinutes="60") as aws:
        story = Story(aws)
        _connection(story)
        before = _calls(story)
        times = [_connection(story) for _ in range(_ROUNDS)]
        calls = _calls(story) - before
    accepted, ready = zip(*times, strict=True)
    to_ready = "from CreateVpcEndpoint to ready, median, with the pauses between looks"
    found = [
        Measurement("from CreateVpcEndpoint to accepted, median", statistics.median(accepted), "s of our own", 1.0),
        Measurement("from CreateVpcEndpoint to accepted, worst", max(accepted), "s of our own"),
        Measurement(to_ready, statistics.median(ready), "s of our own"),
    ]
    return found + [
        Measurement(f"a connection from request to retired: {action}", count / _ROUNDS, "calls", LEAST.get(action))
        for action, count in sorted(calls.items())
    ]


def _connection(story: Story) -> tuple[float, float]:
    """Seconds of our own until accepted, and until ready, of one that is deleted then."""
    began = time.perf_counter()
    endpoint = story.create_endpoint()
    wait_for("accepted", lambda: _facet(story, endpoint, "acceptance") == "accepted")
    accepted = time.perf_counter() - began
    wait_for("ready", lambda: _facet(story, endpoint, "dns") == "present")
    ready = time.perf_counter() - began - _AWS.to_available - _AWS.to_insync
    story.delete_endpoint(endpoint)
    wait_for("RETIRED", lambda: story.mail_about("RETIRED", endpoint))
    return accepted, ready


def _facet(story: Story, endpoint_id: str, name: str) -> str:
    return str(story.ledger(endpoint_id).get(name, {}).get("value", ""))


def _calls(story: Story) -> Counter[str]:
    """By service and operation, of the provider's functions and of the consumer role."""
    made = (one for one in story.aws.decisions(decision="allow") if one.principal_role)
    return Counter(one.action for one in made if one.account == PROVIDER or one.principal_role.startswith("autopilot-"))
