from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.stub import Stubber

from autopilot.aws.batch_get import batch_get, batch_write
from autopilot.domain.failures import AwsCallFailed
from tests.fakes.landscape import PROVIDER
from tests.local_aws.moto_door import session

TABLE = "Ledger"


def key(number: int) -> dict[str, Any]:
    return {"endpoint_id": {"S": f"vpce-{number}"}}


KEYS = [key(number) for number in range(130)]


@pytest.fixture
def dynamodb() -> Any:
    return session(PROVIDER).client("dynamodb")


def request(keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": True}}}


def answer(items: list[dict[str, Any]], unprocessed: list[dict[str, Any]]) -> dict[str, Any]:
    rest = {TABLE: {"Keys": unprocessed}} if unprocessed else {}
    return {"Responses": {TABLE: items}, "UnprocessedKeys": rest}


def test_a_hundred_keys_a_call_and_what_was_not_processed_is_asked_again(dynamodb: Any) -> None:
    with Stubber(dynamodb) as aws:
        aws.add_response("batch_get_item", answer(KEYS[:60], KEYS[60:100]), request(tuple(KEYS[:100])))
        aws.add_response("batch_get_item", answer(KEYS[60:100], []), request(KEYS[60:100]))
        aws.add_response("batch_get_item", answer(KEYS[100:], []), request(tuple(KEYS[100:])))

        assert list(batch_get(dynamodb, TABLE, KEYS)) == KEYS
        aws.assert_no_pending_responses()


def test_keys_that_stay_unprocessed_are_a_failure_and_not_absence(dynamodb: Any) -> None:
    with Stubber(dynamodb) as aws:
        for _ in range(5):
            aws.add_response("batch_get_item", answer([], KEYS[:1]))

        with pytest.raises(AwsCallFailed, match="1 keys stayed unread"):
            list(batch_get(dynamodb, TABLE, KEYS[:1]))


def test_a_throttled_table_is_a_failure_that_says_so(dynamodb: Any) -> None:
    with Stubber(dynamodb) as aws:
        aws.add_client_error("batch_get_item", "ProvisionedThroughputExceededException", "slow down")

        with pytest.raises(AwsCallFailed, match=r"BatchGetItem for Ledger failed with Provisioned.*slow down"):
            list(batch_get(dynamodb, TABLE, KEYS[:1]))


def write(number: int) -> Any:
    return {"PutRequest": {"Item": key(number)}}


WRITES = [write(number) for number in range(30)]


def unprocessed(writes: Sequence[Any]) -> dict[str, Any]:
    return {"UnprocessedItems": {TABLE: writes} if writes else {}}


def test_twenty_five_writes_a_call_and_what_was_not_processed_is_written_again(dynamodb: Any) -> None:
    with Stubber(dynamodb) as aws:
        for writes, rest in ((tuple(WRITES[:25]), WRITES[20:25]), (WRITES[20:25], []), (tuple(WRITES[25:]), [])):
            aws.add_response("batch_write_item", unprocessed(rest), {"RequestItems": {TABLE: writes}})

        batch_write(dynamodb, TABLE, WRITES)
        batch_write(dynamodb, TABLE, [])
        aws.assert_no_pending_responses()


def test_writes_that_stay_unprocessed_are_a_failure(dynamodb: Any) -> None:
    with Stubber(dynamodb) as aws:
        for _ in range(5):
            aws.add_response("batch_write_item", unprocessed(WRITES[:2]))

        with pytest.raises(AwsCallFailed, match="2 items stayed unwritten"):
            batch_write(dynamodb, TABLE, WRITES[:3])
