"""DynamoDB streams to functions, with the retries of the event source mapping. ministack repeats a failing batch for
ever and runs the function inside its poll loop, where it holds up every other mapping.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, request_scope
from ministack.services import dynamodb, lambda_svc

from tests.local_aws import stock
from tests.local_aws.enforcement import Permissions

READS = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
QUEUE_READS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0

type Record = dict[str, Any]

log = logging.getLogger("streams")


class Mappings:
    """Event source mappings. A function's role must allow what its mapping does: AWS refuses the mapping otherwise."""

    def __init__(self, permissions: Permissions, longest_window: float) -> None:
        """`longest_window` (seconds) cuts MaximumBatchingWindowInSeconds, so that a story does not wait for it."""
        self._permissions, self._longest_window = permissions, longest_window
        self._waiting_since: dict[str, float] = {}
        stock.need(lambda_svc, "_esms", "_iter_all_esms", "_esm_inflight", "_dispatch_esm_batch")
        stock.need(lambda_svc, "_get_func_record_for_qualifier", "_apply_filter_criteria", "_execute_function")
        stock.need(lambda_svc, "_dynamodb_stream_positions", "_send_ddb_stream_failure_record", "_init_stream_position")
        stock.need(dynamodb, "_tables", "stream_records_since", "stream_start_position")
        stock.replace(lambda_svc, "_poll_dynamodb_streams", self._poll)
        stock.replace(lambda_svc, "_run_sqs_batch", self._run_sqs_batch)

    def _run_sqs_batch(
        self, run: Callable[..., None], esm: dict[str, Any], func_rec: dict[str, Any], *batch: Any
    ) -> None:
        if self._may(func_rec, esm["EventSourceArn"], QUEUE_READS):
            run(esm, func_rec, *batch)

    def _poll(self, _stock: object) -> bool:
        started = False
        for account, region, mapping in lambda_svc._iter_all_esms():
            with request_scope(account, region):
                started = self._start(mapping) or started
        return started

    def _start(self, mapping: dict[str, Any]) -> bool:
        """Start the next batch of a mapping, unless one is under way or still gathers. True when one was started."""
        name = mapping["UUID"]
        source = parse_arn(mapping["EventSourceArn"])
        if source.service != "dynamodb" or not mapping.get("Enabled", True) or lambda_svc._esm_inflight.get(name):
            return False
        function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
        table = source.resource.split("/")[1]
        if not function or dynamodb._tables.get(table, {}).get("LatestStreamArn") != mapping["EventSourceArn"]:
            return False
        lambda_svc._init_stream_position(name, mapping["EventSourceArn"], mapping.get("StartingPosition", "LATEST"))
        position = max(lambda_svc._dynamodb_stream_positions[name], dynamodb.stream_start_position(table))
        size = int(mapping.get("BatchSize", 100))
        records = dynamodb.stream_records_since(table, position, size)
        since = self._waiting_since.setdefault(name, time.monotonic())
        window = min(float(mapping.get("MaximumBatchingWindowInSeconds", 0)), self._longest_window)
        if not records or (len(records) < size and time.monotonic() - since < window):
            if not records:
                del self._waiting_since[name]
            return False
        del self._waiting_since[name]
        lambda_svc._dispatch_esm_batch(name, self._run, mapping, function, records, position)
        return True

    def _run(self, mapping: dict[str, Any], function: dict[str, Any], records: list[Record], position: int) -> None:
        if self._may(function, mapping["EventSourceArn"], READS):
            wanted = lambda_svc._apply_filter_criteria(records, mapping)
            attempts = mapping.get("MaximumRetryAttempts")
            self._process(mapping, function, wanted, float("inf") if attempts in (None, -1) else int(attempts))
            lambda_svc._dynamodb_stream_positions[mapping["UUID"]] = position + len(records)

    def _process(
        self, mapping: dict[str, Any], function: dict[str, Any], records: list[Record], retries: float
    ) -> None:
        """Give the records to the function until it took them all, or they are given up. Bisecting costs no retry."""
        pause = FIRST_PAUSE
        while records and mapping["UUID"] in lambda_svc._esms:
            age = int(mapping.get("MaximumRecordAgeInSeconds") or -1)
            oldest = time.time() - float(records[0]["dynamodb"]["ApproximateCreationDateTime"])
            if 0 < age < oldest:
                return self._give_up(mapping, function, records, {}, "MaxRecordAgeExceeded")
            result = lambda_svc._execute_function(function, {"Records": records})
            records = _not_taken(mapping, records, result)
            if not records:
                return None
            if mapping.get("BisectBatchOnFunctionError") and len(records) > 1:
                middle = len(records) // 2
                self._process(mapping, function, records[:middle], retries)
                return self._process(mapping, function, records[middle:], retries)
            if retries <= 0:
                return self._give_up(mapping, function, records, result, "RetryAttemptsExhausted")
            retries -= 1
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return None

    def _give_up(
        self, mapping: dict[str, Any], function: dict[str, Any], records: list[Record], result: Any, condition: str
    ) -> None:
        log.warning("%s gives up %d records: %s", mapping["FunctionName"], len(records), condition)
        destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if ":sqs:" not in destination or self._may(function, destination, ("sqs:SendMessage",)):
            stream = mapping["EventSourceArn"]
            lambda_svc._send_ddb_stream_failure_record(mapping, function, records, stream, result, condition)

    def _may(self, function: dict[str, Any], resource: str, actions: tuple[str, ...]) -> bool:
        role = (function.get("config") or function)["Role"]
        asked = [self._permissions.role_allows(role, "lambda.amazonaws.com", action, resource) for action in actions]
        if not all(asked):
            log.error("account %s: %s lacks one of %s on %s", get_account_id(), role, actions, resource)
        return all(asked)


def _not_taken(mapping: dict[str, Any], records: list[Record], result: dict[str, Any]) -> list[Record]:
    """What is left of a batch: all after an error, else from the first failed item on. A failure that names no record
    of the batch fails the whole batch."""
    if result.get("error"):
        return records
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
        return []
    body = result.get("body")
    failures = body.get("batchItemFailures") or [] if isinstance(body, dict) else []
    failed = {failure.get("itemIdentifier") for failure in failures}
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    if not failed <= set(numbers):
        return records
    first = next((index for index, number in enumerate(numbers) if number in failed), len(records))
    return records[first:]
