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


# What nobody could leave out who writes down what is meant, reads the truth before each change, looks once whether it
# came to hold, and tells of accepted, ready and retired. All else is caution, or a look that came too early.
LEAST = {
    "dynamodb:BatchGetItem": 3,
    "dynamodb:UpdateItem": 5,
    "ec2:AcceptVpcEndpointConnections": 1,
    "ec2:DescribeVpcEndpointConnections": 3,
    "ec2:DescribeVpcEndpointServiceConfigurations": 1,
    "ec2:DescribeVpcEndpoints": 1,
    "events:PutEvents": 3,
    "route53:ChangeResourceRecordSets": 2,
    "route53:CreateHostedZone": 1,
    "route53:DeleteHostedZone": 1,
    "route53:GetChange": 1,
    "route53:ListHostedZonesByVPC": 1,
    "route53:ListResourceRecordSets": 1,
    "sns:Publish": 2,
    "sqs:SendMessage": 1,
}
# What others ask in the functions' name: Lambda reads queues and streams, and SNS needs the topic's key.
_NOT_OURS = {
    "kms:Decrypt",
    "kms:GenerateDataKey",
    *(f"dynamodb:{operation}" for operation in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")),
    *(f"sqs:{operation}" for operation in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")),
}
# For each of these Route 53 asks for the right to see the VPC.
_WITH_DESCRIBE_VPCS = ("route53:CreateHostedZone", "route53:ListHostedZonesByVPC")


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
    return found + calls_of_each(calls, _ROUNDS)


def calls_of_each(calls: Counter[str], connections: int) -> list[Measurement]:
    """By service, and then by operation: what a connection takes on the average, against the least possible."""
    made = Counter({action: count for action, count in sorted(calls.items()) if action not in _NOT_OURS})
    made["ec2:DescribeVpcs"] -= sum(made[action] for action in _WITH_DESCRIBE_VPCS)
    made = +made
    by_service: Counter[str] = Counter()
    least_by_service: Counter[str] = Counter()
    for action, count in made.items():
        by_service[_service(action)] += count
    for action, least in LEAST.items():
        least_by_service[_service(action)] += least

    def measured(what: str, count: int, least: int) -> Measurement:
        return Measurement(f"a connection from request to retired: {what}", count / connections, "calls", least=least)

    return [
        *(measured(f"all of {service}", count, least_by_service[service]) for service, count in by_service.items()),
        *(measured(action, count, LEAST.get(action, 0)) for action, count in made.items()),
    ]


def _service(action: str) -> str:
    return action.partition(":")[0]


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
