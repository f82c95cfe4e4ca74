"""Each function as Lambda calls it, wired as it is deployed, with moto and the models of AWS behind boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from autopilot.aws.ledger import LedgerTable
from autopilot.aws.queues import SqsQueue
from autopilot.domain.connection import Acceptance, ConnectionRef, Dns
from autopilot.domain.failures import AwsCallFailed
from autopilot.wake_ups import read_wake_ups
from functions.converge_dns import handler as converge_dns
from functions.decide_connection import handler as decide_connection
from functions.report_status import handler as report_status
from functions.sweep import handler as sweep
from tests.adapters import real
from tests.bench.functions import ENVIRONMENT
from tests.events import ENDPOINT, SERVICE, body, event
from tests.fakes.autopilot import SECONDS_TO_AVAILABLE
from tests.fakes.clock import DAY, Clock
from tests.fakes.landscape import CONSUMER, PROVIDER, REGION, Landscape
from tests.local_aws.moto_door import client, moto_aws, session

# An invocation that counts nothing says so, in Lambda's log too.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

QUEUES = ("REQUESTS_QUEUE", "DNS_QUEUE", "REQUESTS_DEAD_LETTERS", "DNS_DEAD_LETTERS")
TOPICS = ("STATUS_TOPIC", "ALARM_TOPIC", "NOTIFICATION_TOPIC")
UNDECLARED = {"autopilot": "enabled"}

of_each_queue = pytest.mark.parametrize(
    ("function", "invocation", "failures", "dead_letters"),
    [
        (decide_connection, "invoke-decide-connection", "RequestFailures", "REQUESTS_DEAD_LETTERS"),
        (converge_dns, "invoke-converge-dns", "DnsFailures", "DNS_DEAD_LETTERS"),
    ],
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aws(clock: Clock) -> Iterator[Landscape]:
    """AWS with what the template makes there, whose names are in the functions' environment."""
    with (
        moto_aws(now=clock.seconds, seconds_to_available=SECONDS_TO_AVAILABLE) as doors,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(boto3, "DEFAULT_SESSION", session(PROVIDER))
        real.ledger_table()
        real.allowlist_table()
        queues = {f"{name}_URL": sqs().create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
        topics = {f"{name}_ARN": sns().create_topic(Name=name)["TopicArn"] for name in TOPICS}
        mails = sqs().create_queue(QueueName="MAILS")["QueueUrl"]
        arn = sqs().get_queue_attributes(QueueUrl=mails, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns().subscribe(TopicArn=topics["STATUS_TOPIC_ARN"], Protocol="sqs", Endpoint=arn)
        client("events", PROVIDER).create_event_bus(Name=ENVIRONMENT["BUS_NAME"])
        tables = {"LEDGER_TABLE": real.LEDGER, "ALLOWLIST_TABLE": real.ALLOWLIST, "ALLOWED_PRINCIPALS": CONSUMER}
        for name, value in {**ENVIRONMENT, **tables, **queues, **topics}.items():
            patch.setenv(name, value)
        for function in (decide_connection, converge_dns, report_status, sweep):
            patch.setattr(function, "now", clock, raising=False)
            patch.setattr(function.metrics, "namespace", "autopilot")
            function.wire.cache_clear()
        yield Landscape(doors.privatelink, doors.hosted_zones, real.vpc)


@pytest.fixture
def ref(aws: Landscape) -> ConnectionRef:
    """A request of the consumer, who is allowlisted."""
    return aws.endpoint(aws.service(UNDECLARED), aws.new_vpc(CONSUMER))


def context(milliseconds: int = 300_000) -> LambdaContext:
    """What Lambda tells an invocation that has so much time left."""
    told = SimpleNamespace(
        function_name="autopilot",
        memory_limit_in_mb=512,
        aws_request_id="request",
        invoked_function_arn=f"arn:aws:lambda:{REGION}:{PROVIDER}:function:autopilot",
        get_remaining_time_in_millis=lambda: milliseconds,
    )
    return cast(LambdaContext, told)


def sqs() -> Any:
    return client("sqs", PROVIDER)


def sns() -> Any:
    return client("sns", PROVIDER)


def dynamodb() -> Any:
    return client("dynamodb", PROVIDER)


def ledger() -> LedgerTable:
    return LedgerTable(dynamodb(), real.LEDGER)


def invoked(name: str, ref: ConnectionRef, receives: int = 1) -> dict[str, Any]:
    """A payload of events/, about this connection."""
    payload: dict[str, Any] = json.loads(body(name).replace(SERVICE, ref.service_id).replace(ENDPOINT, ref.endpoint_id))
    for record in payload["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = str(receives)
    return payload


def queue(name: str) -> SqsQueue:
    return SqsQueue(sqs(), sqs().get_queue_url(QueueName=name)["QueueUrl"])


def received(name: str) -> list[Any]:
    """The messages that the queue shows."""
    url = sqs().get_queue_url(QueueName=name)["QueueUrl"]
    answer = sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    return list(answer.get("Messages", ()))


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """What was logged for CloudWatch since the last time."""
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    return {
        metric["Name"]: document[metric["Name"]]
        for document in logged
        for directive in document["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }


def test_a_request_is_accepted_and_handed_on_to_dns(ref: ConnectionRef, capsys: pytest.CaptureFixture[str]) -> None:
    answer = decide_connection.handler(invoked("invoke-decide-connection", ref), context())

    assert answer == {"batchItemFailures": []}
    assert metrics(capsys) == {"RequestFailures": [0]}
    assert ledger().rows([ref])[ref].acceptance.value is Acceptance.ACCEPTED
    assert queue("DNS_QUEUE").backlog() == 1


def test_the_dns_of_a_connection_is_converged_while_there_is_time(
    ref: ConnectionRef, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    decide_connection.handler(invoked("invoke-decide-connection", ref), context())
    clock.advance(SECONDS_TO_AVAILABLE)
    reached = []
    for milliseconds in (45_000, 45_001):
        capsys.readouterr()
        answer = converge_dns.handler(invoked("invoke-converge-dns", ref), context(milliseconds))
        assert answer == {"batchItemFailures": []}
        assert metrics(capsys) == {"DnsFailures": [0]}
        reached.append(ledger().rows([ref])[ref].dns.value)

    assert reached == [Dns.NONE, Dns.UNDECLARED]
    [put_back] = received("DNS_QUEUE")
    assert [wake_up.endpoint_id for wake_up in read_wake_ups(put_back["Body"])] == [ref.endpoint_id]


@of_each_queue
def test_what_failed_comes_again_and_is_a_dead_letter_with_its_reason_at_the_last_try(
    ref: ConnectionRef,
    capsys: pytest.CaptureFixture[str],
    function: ModuleType,
    invocation: str,
    failures: str,
    dead_letters: str,
) -> None:
    dynamodb().delete_table(TableName=real.LEDGER)
    first = invoked(invocation, ref)
    [record] = first["Records"]

    answer = function.handler(first, context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
    assert metrics(capsys) == {failures: [1]}
    assert received(dead_letters) == []

    assert function.handler(invoked(invocation, ref, receives=5), context()) == {"batchItemFailures": []}
    [letter] = received(dead_letters)
    assert letter["Body"] == record["body"]
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "ResourceNotFoundException"


def test_a_sweep_enqueues_counts_and_says_that_it_is_done(
    ref: ConnectionRef, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.handler(event("invoke-sweep-schedule"), context())

    assert queue("REQUESTS_QUEUE").backlog() == 1
    counted = metrics(capsys)
    assert counted["SweepHeld"] == [0]
    # Nobody subscribed to the alarms' topic.
    once = ("SweepListed", "SweepToDecide", "SweepUnheardTopics", "SweepsDone")
    assert {name: values for name, values in counted.items() if values != [0]} == {name: [1] for name in once}


def test_a_sweep_that_failed_does_not_say_that_it_is_done(
    ref: ConnectionRef, capsys: pytest.CaptureFixture[str]
) -> None:
    dynamodb().delete_table(TableName=real.ALLOWLIST)
    with pytest.raises(AwsCallFailed, match=real.ALLOWLIST):
        sweep.handler(event("invoke-sweep-schedule"), context())

    assert queue("REQUESTS_QUEUE").backlog() == 1
    counted = metrics(capsys)
    assert counted["SweepListed"] == [1]
    assert "SweepsDone" not in counted


def test_a_change_of_the_allowlist_wakes_what_waits_and_is_no_sweep(
    ref: ConnectionRef, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.handler(event("invoke-sweep-allowlist"), context())

    assert queue("REQUESTS_QUEUE").backlog() == 1
    assert metrics(capsys) == {}


def test_a_sweep_reminds_of_what_was_held_for_as_long_as_is_set(
    ref: ConnectionRef, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("ALLOWED_PRINCIPALS", "")
        decide_connection.handler(invoked("invoke-decide-connection", ref), context())
    reminders = []
    for seconds in (DAY - 1, 1):
        clock.advance(seconds)
        sweep.handler(event("invoke-sweep-schedule"), context())
        reminders.append(ledger().rows([ref])[ref].reminders)

    assert reminders == [0, 1]


def test_changes_and_notices_are_told_and_counted(aws: Landscape, capsys: pytest.CaptureFixture[str]) -> None:
    told = event("invoke-report-status")
    [ready] = told["Records"]
    images = ready["dynamodb"]
    first = {**ready, "eventName": "INSERT", "dynamodb": {"Keys": images["Keys"], "NewImage": images["OldImage"]}}
    dynamodb().put_item(TableName=real.LEDGER, Item=images["NewImage"])
    ledger().record_notice("STUCK for more than an hour", "Look at it.")
    key = {"service_id": {"S": "notice"}, "endpoint_id": {"S": "STUCK for more than an hour"}}
    notice = dynamodb().get_item(TableName=real.LEDGER, Key=key)["Item"]
    notices = {**ready, "eventName": "INSERT", "dynamodb": {"Keys": key, "NewImage": notice}}

    report_status.handler({"Records": [first, ready, notices]}, context())

    subjects = [json.loads(message["Body"])["Subject"] for message in received("MAILS")]
    assert sorted(subject.split()[1] for subject in subjects) == ["READY", "STUCK"]
    assert "told" in dynamodb().get_item(TableName=real.LEDGER, Key=key)["Item"]
    assert metrics(capsys) == {
        "Requested": [1],
        "SeenFirstByEvent": [1],
        "Accepted": [1],
        "SecondsToAccepted": [6],
        "Ready": [1],
        "SecondsToReady": [154],
    }
