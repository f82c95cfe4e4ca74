"""SQS: StartMessageMoveTask, ListMessageMoveTasks, and how AWS's services put messages into a queue."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.services import sqs

from tests.local_aws import stock

type Fields = dict[str, Any]


def install() -> Fields:
    """Add the two actions. Returns the tasks by source queue, for the reset."""
    stock.need(
        sqs, "_HANDLERS", "_Err", "_queues", "_queues_lock", "_queue_by_arn", "_ensure_msg_fields", "queue_delay"
    )
    stock.need(sqs, "_md5_msg_attrs")
    tasks: dict[str, list[Fields]] = {}

    def start(request: Fields, _url: str) -> Fields:
        task = _move(request["SourceArn"], request.get("DestinationArn"))
        tasks.setdefault(task["SourceArn"], []).insert(0, task)
        return {"TaskHandle": task["TaskHandle"]}

    def listed(request: Fields, _url: str) -> Fields:
        newest = tasks.get(request["SourceArn"], [])[: request.get("MaxResults", 1)]
        return {"Results": [{k: v for k, v in task.items() if k != "TaskHandle"} for task in newest]}

    sqs._HANDLERS.update(StartMessageMoveTask=start, ListMessageMoveTasks=listed)
    return tasks


def send(queue_arn: str, body: str, attributes: Mapping[str, str]) -> bool:
    """Put a message of an AWS service into a queue, past IAM. False when there is no such queue."""
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        return False
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    message = {
        "id": str(uuid.uuid4()),
        "body": body,
        "message_attributes": typed,
        "md5_attrs": sqs._md5_msg_attrs(typed),
        "visible_at": time.time() + sqs.queue_delay(queue),
    }
    sqs._ensure_msg_fields(message)
    with sqs._queues_lock:
        queue["messages"].append(message)
    esm_wake.set()
    return True


def _move(source_arn: str, destination_arn: str | None) -> Fields:
    """Move everything visible. Messages that never came from a queue (a rule's dead letters) need a destination.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html"""
    source = sqs._queue_by_arn(source_arn)
    if source is None:
        raise sqs._Err("ResourceNotFoundException", "The resource that you specified for the SourceArn doesn't exist.")
    policies = (json.loads(q["attributes"].get("RedrivePolicy") or "{}") for q in sqs._queues.values())
    if source_arn not in {policy.get("deadLetterTargetArn") for policy in policies}:
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    task: Fields = {
        "TaskHandle": uuid.uuid4().hex,
        "Status": "COMPLETED",
        "SourceArn": source_arn,
        "StartedTimestamp": int(time.time() * 1000),
        "ApproximateNumberOfMessagesMoved": 0,
    }
    if destination_arn:
        task["DestinationArn"] = destination_arn
    with sqs._queues_lock:
        visible = [m for m in source["messages"] if m["visible_at"] <= time.time()]
        task["ApproximateNumberOfMessagesToMove"] = len(visible)
        for message in visible:
            destination = sqs._queue_by_arn(destination_arn or message["sys"].get("DeadLetterQueueSourceArn", ""))
            if destination is None:
                task.update(Status="FAILED", FailureReason="CouldNotDetermineMessageSource")
                break
            source["messages"].remove(message)
            # To SQS a redriven message is a new one, with an id and a retention period of its own.
            message["sys"].pop("DeadLetterQueueSourceArn", None)
            message.update(
                id=str(uuid.uuid4()),
                receive_count=0,
                receipt_handle=None,
                first_receive_at=None,
                visible_at=time.time(),
            )
            destination["messages"].append(message)
            task["ApproximateNumberOfMessagesMoved"] += 1
    esm_wake.set()
    return task
