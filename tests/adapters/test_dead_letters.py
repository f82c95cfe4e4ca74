from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from autopilot.aws.dead_letters import MoveTask, SqsDeadLetters
from autopilot.aws.queues import SqsQueue
from autopilot.aws.stack import NoSuchOutput, deployed_stack
from autopilot.cli.redrive import DeadLetters
from autopilot.domain.failures import AwsCallFailed
from tests.adapters import real
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.landscape import PROVIDER, REGION, Landscape
from tests.local_aws.moto_door import session

ARN = f"arn:aws:sqs:{REGION}:{PROVIDER}:RequestsDeadLetters"
QUEUE = f"arn:aws:sqs:{REGION}:{PROVIDER}:Requests"


@dataclass(frozen=True)
class Subject:
    """Dead letters, and how a message with its reason gets there."""

    letters: DeadLetters
    give_up: Callable[[str, str], None]


@pytest.fixture
def subject(is_real: bool, landscape: Landscape) -> Subject:
    if not is_real:
        fake = FakeDeadLetters()
        return Subject(fake, lambda body, code: fake.add(body, ERROR_CODE=code, ERROR_MESSAGE="no"))
    sqs, letters, url = dead_letters()
    return Subject(letters, lambda body, code: SqsQueue(sqs, "", url).give_up(body, code, "no"))


def dead_letters() -> tuple[Any, SqsDeadLetters, str]:
    sqs = session(PROVIDER).client("sqs")
    url = sqs.create_queue(QueueName="RequestsDeadLetters")["QueueUrl"]
    return sqs, SqsDeadLetters(sqs, ARN), url


def test_a_look_shows_each_letter_once_with_what_is_said_of_it(subject: Subject) -> None:
    for number in range(23):
        subject.give_up(f"letter {number}", "AccessDenied")

    found = subject.letters.look(200)

    assert sorted(letter.body for letter in found) == sorted(f"letter {number}" for number in range(23))
    assert {tuple(sorted(letter.attributes.items())) for letter in found} == {
        (("ERROR_CODE", "AccessDenied"), ("ERROR_MESSAGE", "no"))
    }


def test_a_look_is_no_longer_than_asked_for(subject: Subject) -> None:
    for number in range(13):
        subject.give_up(f"letter {number}", "AccessDenied")

    assert len(subject.letters.look(12)) == 12
    assert len(subject.letters.look(12)) == 1


def test_letters_that_were_looked_at_are_hidden_until_they_are_shown_again(subject: Subject) -> None:
    for number in range(12):
        subject.give_up(f"letter {number}", "AccessDenied")

    found = subject.letters.look(200)
    assert (len(subject.letters.look(200)), subject.letters.hidden()) == (0, 12)

    subject.letters.show_again(found)
    assert subject.letters.hidden() == 0
    assert len(subject.letters.look(200)) == 12


def test_deleted_letters_are_gone_and_others_stay(subject: Subject) -> None:
    for number in range(12):
        subject.give_up(f"letter {number}", "AccessDenied")

    found = subject.letters.look(200)
    subject.letters.delete(found[:11])
    subject.letters.show_again(found[11:])

    assert [letter.body for letter in subject.letters.look(200)] == [found[11].body]


def test_nothing_is_asked_of_no_letters(subject: Subject) -> None:
    subject.letters.delete([])
    subject.letters.show_again([])

    assert subject.letters.look(200) == []


only_real = pytest.mark.parametrize("is_real", [True], indirect=True)


@only_real
def test_a_letter_says_when_it_was_sent_and_may_say_nothing_else(landscape: Landscape) -> None:
    sqs, letters, url = dead_letters()
    sqs.send_message(QueueUrl=url, MessageBody="killed")

    [letter] = letters.look(1)

    assert (letter.body, letter.attributes) == ("killed", {})
    assert abs((letter.sent_at - datetime.now(UTC)).total_seconds()) < 60


@only_real
def test_a_look_asks_all_of_sqs_s_servers(landscape: Landscape) -> None:
    sqs, letters, _ = dead_letters()
    requests = real.requests_of(sqs, "ReceiveMessage")

    letters.look(200)

    assert [(request["WaitTimeSeconds"], request["VisibilityTimeout"]) for request in requests] == [(1, 60)]


@only_real
@pytest.mark.parametrize(
    ("method", "call"), [("delete", "delete_message_batch"), ("show_again", "change_message_visibility_batch")]
)
def test_a_letter_that_sqs_would_not_take_is_a_failure(method: str, call: str, landscape: Landscape) -> None:
    sqs, letters, url = dead_letters()
    sqs.send_message(QueueUrl=url, MessageBody="one")
    found = letters.look(1)
    refused = {"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid", "Message": "too late"}
    with Stubber(sqs) as aws:
        aws.add_response(call, {"Successful": [], "Failed": [refused]})

        with pytest.raises(AwsCallFailed, match="RequestsDeadLetters failed with ReceiptHandleIsInvalid: too late"):
            getattr(letters, method)(found)


@only_real
def test_letters_are_moved_to_the_queue_that_is_named(landscape: Landscape) -> None:
    sqs, letters, _ = dead_letters()
    ended = {"Status": "FAILED", "StartedTimestamp": 1772442852000, "FailureReason": "AccessDenied", "SourceArn": ARN}
    asked = {"SourceArn": ARN, "MaxResults": 1}
    with Stubber(sqs) as aws:
        aws.add_response("list_message_move_tasks", {"Results": []}, asked)
        aws.add_response("start_message_move_task", {"TaskHandle": "x"}, {"SourceArn": ARN, "DestinationArn": QUEUE})
        aws.add_response("list_message_move_tasks", {"Results": [{**ended, "ApproximateNumberOfMessagesMoved": 9}]})

        assert letters.last_move() is None
        letters.start_move(QUEUE)
        moment = datetime(2026, 3, 2, 9, 14, 12, tzinfo=UTC)
        assert letters.last_move() == MoveTask("FAILED", moment, 9, "AccessDenied")
        aws.assert_no_pending_responses()


@only_real
def test_a_refused_move_is_a_failure(landscape: Landscape) -> None:
    sqs, letters, _ = dead_letters()
    with Stubber(sqs) as aws:
        aws.add_client_error("start_message_move_task", "UnsupportedOperation", "there is an active task")

        with pytest.raises(AwsCallFailed, match="there is an active task"):
            letters.start_move(QUEUE)


@only_real
def test_a_queue_that_is_not_there_is_a_failure(landscape: Landscape) -> None:
    with pytest.raises(AwsCallFailed, match="GetQueueUrl for RequestsDeadLetters failed with"):
        SqsDeadLetters(session(PROVIDER).client("sqs"), ARN)


def test_a_stacks_outputs_are_read_by_name_and_one_that_is_not_there_is_named() -> None:
    cloudformation = session(PROVIDER).client("cloudformation")
    output = {"OutputKey": "BusArn", "OutputValue": "here"}
    found = {"StackName": "autopilot", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE", "Outputs": [output]}
    with Stubber(cloudformation) as aws:
        aws.add_response("describe_stacks", {"Stacks": [found]}, {"StackName": "arn:…:stack/autopilot/1"})

        stack = deployed_stack(cloudformation, "arn:…:stack/autopilot/1")

    assert (stack.name, stack.region, stack.output("BusArn")) == ("autopilot", REGION, "here")
    with pytest.raises(NoSuchOutput, match="the stack autopilot has no output DnsQueueArn"):
        stack.output("DnsQueueArn")


def test_a_stack_that_is_not_there_is_a_failure_that_names_the_region() -> None:
    cloudformation = session(PROVIDER).client("cloudformation")
    with Stubber(cloudformation) as aws:
        aws.add_client_error("describe_stacks", "ValidationError", "Stack with id autopilot does not exist")

        with pytest.raises(AwsCallFailed, match=f"autopilot in {REGION} failed with ValidationError: Stack with id"):
            deployed_stack(cloudformation, "autopilot")
