from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.stub import Stubber

from autopilot.aws.bus import EventBridgeBus
from autopilot.aws.status_topic import SnsStatusTopic
from autopilot.domain.failures import AwsCallFailed
from autopilot.domain.mails import Mail
from autopilot.domain.message_size import LEFT_OUT, MOST_BYTES
from autopilot.domain.report import ConnectionEvent
from autopilot.use_cases.ports import Bus, StatusTopic
from tests.adapters import real
from tests.fakes.landscape import PROVIDER, Landscape
from tests.fakes.messages import FakeBus, FakeStatusTopic
from tests.local_aws.moto_door import session

MAIL = Mail("[Autopilot] HELD payments", "Somebody must act: “Zürich”.\n", {"status": "held", "commands": ["aws …"]})
EVENTS = [ConnectionEvent({"report_id": str(number), "status": "ready"}) for number in range(23)]
TOPIC_ARN = f"arn:aws:sns:eu-central-1:{PROVIDER}:Status"


@dataclass(frozen=True)
class Topic:
    """A status topic, and what its subscribers get: the e-mail and, for everybody else, the document."""

    topic: StatusTopic
    published: Callable[[], list[Mail]]


@pytest.fixture
def topic(is_real: bool, landscape: Landscape) -> Topic:
    if not is_real:
        fake = FakeStatusTopic()
        return Topic(fake, lambda: fake.mails)
    sns = session(PROVIDER).client("sns")
    requests = real.requests_of(sns, "Publish")

    def published() -> list[Mail]:
        messages = [(request["Subject"], json.loads(request["Message"])) for request in requests]
        return [Mail(subject, parts["email"], json.loads(parts["default"])) for subject, parts in messages]

    return Topic(SnsStatusTopic(sns, sns.create_topic(Name="Status")["TopicArn"]), published)


@dataclass(frozen=True)
class Taken:
    """A bus, and the details of the events on it."""

    bus: Bus
    events: Callable[[], list[Mapping[str, object]]]


@pytest.fixture
def taken(is_real: bool, landscape: Landscape) -> Taken:
    if not is_real:
        fake = FakeBus()
        return Taken(fake, lambda: [event.detail for event in fake.events])
    events = session(PROVIDER).client("events")
    events.create_event_bus(Name="privatelink-autopilot")
    requests = real.requests_of(events, "PutEvents")

    def details() -> list[Mapping[str, object]]:
        return [json.loads(entry["Detail"]) for request in requests for entry in request["Entries"]]

    return Taken(EventBridgeBus(events, "privatelink-autopilot"), details)


def test_a_mail_reaches_people_as_text_and_programs_as_a_document(topic: Topic) -> None:
    topic.topic.publish(MAIL)

    assert topic.published() == [MAIL]


def test_every_event_is_put_on_the_bus_however_many(taken: Taken) -> None:
    taken.bus.put(EVENTS)
    taken.bus.put([])

    assert taken.events() == [event.detail for event in EVENTS]


only_real = pytest.mark.parametrize("is_real", [True], indirect=True)


@only_real
def test_sns_chooses_the_part_by_the_protocol(landscape: Landscape) -> None:
    """A queue that subscribes gets the `default` part."""
    sns, sqs = session(PROVIDER).client("sns"), session(PROVIDER).client("sqs")
    arn, url = sns.create_topic(Name="Status")["TopicArn"], sqs.create_queue(QueueName="Portal")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    SnsStatusTopic(sns, arn).publish(MAIL)

    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(json.loads(message["Body"])["Message"]) == MAIL.document


@only_real
def test_an_event_says_that_autopilot_sent_it(landscape: Landscape) -> None:
    events = session(PROVIDER).client("events")
    events.create_event_bus(Name="ours")
    requests = real.requests_of(events, "PutEvents")
    EventBridgeBus(events, "ours").put(EVENTS)

    entries: list[Any] = [entry for request in requests for entry in request["Entries"]]
    assert {(entry["EventBusName"], entry["Source"], entry["DetailType"]) for entry in entries} == {
        ("ours", "privatelink-autopilot", "Connection Status Changed")
    }
    assert [len(request["Entries"]) for request in requests] == [10, 10, 3]


@only_real
def test_a_mail_that_sns_would_refuse_for_its_length_is_published_without_its_end(landscape: Landscape) -> None:
    sns = session(PROVIDER).client("sns")
    requests = real.requests_of(sns, "Publish")
    line = "A line with “quotes”, \\, and 𝔭𝔩𝔢𝔫𝔱𝔶 more.\n"
    document = {"status": "held", "names": {f"name {number}": '"' * 20 for number in range(20_000)}}
    SnsStatusTopic(sns, sns.create_topic(Name="Status")["TopicArn"]).publish(Mail("long", line * 20_000, document))

    message = requests[0]["Message"]
    parts = json.loads(message)
    assert MOST_BYTES // 4 < len(message.encode()) <= MOST_BYTES
    assert json.loads(parts["default"]) == {"status": "held", LEFT_OUT: ["names"]}
    *kept, last = parts["email"].splitlines(keepends=True)
    assert set(kept) == {line}
    assert last.startswith("The rest is left out")


@only_real
def test_events_that_are_too_long_for_one_call_take_several_and_one_that_is_too_long_says_what_it_lacks(
    landscape: Landscape,
) -> None:
    events = session(PROVIDER).client("events")
    events.create_event_bus(Name="ours")
    requests = real.requests_of(events, "PutEvents")
    long = [ConnectionEvent({"report_id": str(number), "names": "n" * 100_000}) for number in range(5)]
    too_long = ConnectionEvent({"report_id": "5", "names": "n" * 300_000, "checks": "c" * 1000})
    EventBridgeBus(events, "ours").put([*long, too_long])

    details = [[json.loads(entry["Detail"]) for entry in request["Entries"]] for request in requests]
    assert [len(some) for some in details] == [2, 2, 2]
    assert all(sum(len(json.dumps(detail)) for detail in some) < MOST_BYTES for some in details)
    told = [detail for some in details for detail in some]
    assert told[:5] == [event.detail for event in long]
    assert told[5] == {"report_id": "5", "checks": "c" * 1000, LEFT_OUT: ["names"]}


def test_an_event_that_the_bus_refused_is_a_failure() -> None:
    events = session(PROVIDER).client("events")
    entries = [{"EventId": "1"}, {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}]
    with Stubber(events) as aws:
        aws.add_response("put_events", {"FailedEntryCount": 1, "Entries": entries})

        with pytest.raises(AwsCallFailed, match="PutEvents for ours failed with ThrottlingException: slow down"):
            EventBridgeBus(events, "ours").put(EVENTS[:2])


@only_real
def test_a_topic_that_is_not_there_is_a_failure(landscape: Landscape) -> None:
    with pytest.raises(AwsCallFailed, match=f"Publish for {TOPIC_ARN} failed with NotFound"):
        SnsStatusTopic(session(PROVIDER).client("sns"), TOPIC_ARN).publish(MAIL)
