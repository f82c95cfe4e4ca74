"""BatchGetItem and BatchWriteItem, to the last key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from autopilot.aws.calls import calling
from autopilot.domain.failures import AwsCallFailed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import WriteRequestUnionTypeDef

_MOST_KEYS = 100
_MOST_WRITES = 25
_MOST_CALLS = 5


def batch_get(dynamodb: DynamoDBClient, table: str, keys: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The items of these keys, consistently read, in DynamoDB's own notation; what does not exist is left out.

    A throttled table answers with part of them and `UnprocessedKeys`. Raises AwsCallFailed.
    """
    for some in batched(keys, _MOST_KEYS, strict=False):
        remaining: Sequence[Mapping[str, Any]] = some
        for _ in range(_MOST_CALLS):
            with calling("BatchGetItem", table):
                answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": remaining, "ConsistentRead": True}})
            yield from answer["Responses"].get(table, [])
            unprocessed = answer["UnprocessedKeys"].get(table)
            remaining = unprocessed["Keys"] if unprocessed else ()
            if not remaining:
                break
        else:
            raise AwsCallFailed("BatchGetItem", table, "UnprocessedKeys", f"{len(remaining)} keys stayed unread")


def batch_write(dynamodb: DynamoDBClient, table: str, writes: Sequence[WriteRequestUnionTypeDef]) -> None:
    """Put and delete items, no two of one key.

    A throttled table does part of them and answers with `UnprocessedItems`. Raises AwsCallFailed.
    """
    for some in batched(writes, _MOST_WRITES, strict=False):
        remaining: Sequence[WriteRequestUnionTypeDef] = some
        for _ in range(_MOST_CALLS):
            with calling("BatchWriteItem", table):
                answer = dynamodb.batch_write_item(RequestItems={table: remaining})
            remaining = answer["UnprocessedItems"].get(table, ())
            if not remaining:
                break
        else:
            raise AwsCallFailed("BatchWriteItem", table, "UnprocessedItems", f"{len(remaining)} items stayed unwritten")
