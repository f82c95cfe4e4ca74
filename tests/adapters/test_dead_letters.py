from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from autopilot.aws.dead_letters import DeadLetterQueue, Move
from autopilot.aws.queues import SqsQueue
from autopilot.aws.stack import outputs_of
from autopilot.domain.failures import AwsCallFailed
from tests.fakes.landscape import PROVIDER, REGION, Landscape
from tests.local_aws.moto_door import session

ARN = f"arn:aws:sqs:{REGION}:{PROVIDER}:dead-letters"
QUEUE = f"arn:aws:sqs:{REGION}:{PROVIDER}:requests"


pytestmark = pytest.mark.parametrize("is_real", [True], indirect=True)


@pytest.fixture
def sqs(landscape: Landscape) -> Any:
    return session(PROVIDER).client("sqs")


def test_letters_are_shown_once_each_with_what_is_said_of_them_and_stay(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    for number in range(23):
        SqsQueue(sqs, "", url).give_up(f"letter {number}", "AccessDenied", "no")
    sqs.send_message(QueueUrl=url, MessageBody="killed")

    letters = DeadLetterQueue(sqs, ARN).letters()

    assert {letter.body for letter in letters} == {"killed", *(f"letter {number}" for number in range(23))}
    told = {letter.body: letter.attributes for letter in letters}
    assert told["letter 7"] == {"ERROR_CODE": "AccessDenied", "ERROR_MESSAGE": "no"}
    assert told["killed"] == {}


def test_letters_are_deleted_only_when_that_is_asked_for(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="dead-letters", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    for body in ("one", "two"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    queue = DeadLetterQueue(sqs, ARN)

    queue.discard(queue.letters())

    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


@pytest.mark.parametrize(
    ("tasks", "move"),
    [
        ([{"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 3}], Move("COMPLETED", 3)),
        (
            [{"Status": "RUNNING"}, {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 1}],
            Move("COMPLETED", 1),
        ),
        ([{"Status": "FAILED", "FailureReason": "AccessDenied"}], Move("FAILED", 0, "AccessDenied")),
        ([{"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 9}] * 120, Move("RUNNING", 9)),
    ],
)
def test_a_move_is_followed_to_its_end_and_not_for_ever(sqs: Any, tasks: list[dict[str, Any]], move: Move) -> None:
    slept: list[float] = []
    with Stubber(sqs) as aws:
        aws.add_response("start_message_move_task", {"TaskHandle": "x"}, {"SourceArn": ARN, "DestinationArn": QUEUE})
        for task in tasks:
            aws.add_response("list_message_move_tasks", {"Results": [{"SourceArn": ARN, **task}]})

        assert DeadLetterQueue(sqs, ARN, slept.append).put_back(QUEUE) == move
        aws.assert_no_pending_responses()
    assert sum(slept) <= len(tasks)


def test_a_move_that_is_under_way_already_is_a_failure_that_says_so(sqs: Any) -> None:
    with Stubber(sqs) as aws:
        aws.add_client_error("start_message_move_task", "UnsupportedOperation", "there is an active task")

        with pytest.raises(AwsCallFailed, match="there is an active task"):
            DeadLetterQueue(sqs, ARN, lambda _: None).put_back(QUEUE)


def test_a_stacks_outputs_are_read_by_name_and_one_that_is_not_there_is_named(
    landscape: Landscape,
) -> None:
    cloudformation = session(PROVIDER).client("cloudformation")
    output = {"OutputKey": "QueueUrl", "OutputValue": "here"}
    stack = {"StackName": "autopilot", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE", "Outputs": [output]}
    with Stubber(cloudformation) as aws:
        aws.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "autopilot"})
        aws.add_client_error("describe_stacks", "ValidationError", "Stack with id autopilot does not exist")

        assert outputs_of(cloudformation, "autopilot") == {"QueueUrl": "here"}
        with pytest.raises(AwsCallFailed, match="Stack with id autopilot does not exist"):
            outputs_of(cloudformation, "autopilot")
