"""What the product takes for granted of DynamoDB, asked of whichever emulator is behind the client."""

from typing import Any

from botocore.exceptions import ClientError

TABLE = "Rows"


def check(dynamodb: Any) -> None:
    """Raises AssertionError where the emulator behind the boto3 client is not as DynamoDB."""
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("service_id", "endpoint_id")],
        KeySchema=[
            {"AttributeName": "service_id", "KeyType": "HASH"},
            {"AttributeName": "endpoint_id", "KeyType": "RANGE"},
        ],
    )
    _counts_up_to_a_limit(dynamodb)
    _writes_and_queries_in_batches(dynamodb)
    _scans_in_pages(dynamodb)


def _counts_up_to_a_limit(dynamodb: Any) -> None:
    """One attribute is compared with another, as numbers: as texts 9 would not be less than 10."""
    brake = _key("brake", "disruptions")
    take = {
        "TableName": TABLE,
        "Key": brake,
        "UpdateExpression": "SET #taken = #taken + :one",
        "ConditionExpression": "#taken < #limit",
        "ExpressionAttributeNames": {"#taken": "taken", "#limit": "limit"},
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    assert _refusal(dynamodb.update_item, **take) == "ConditionalCheckFailedException", "there is nothing to compare"
    dynamodb.put_item(TableName=TABLE, Item={**brake, "taken": {"N": "8"}, "limit": {"N": "10"}})
    assert [_refusal(dynamodb.update_item, **take) for _ in range(3)] == ["", "", "ConditionalCheckFailedException"]
    assert dynamodb.get_item(TableName=TABLE, Key=brake, ConsistentRead=True)["Item"]["taken"] == {"N": "10"}


def _writes_and_queries_in_batches(dynamodb: Any) -> None:
    """25 writes a batch at most, each of another item."""
    accounts = [f"{number:012}" for number in range(26)]
    puts: list[dict[str, Any]] = [{"PutRequest": {"Item": _key("permissions/s", account)}} for account in accounts]
    for refused in (puts, puts[:1] * 2):
        assert _refusal(dynamodb.batch_write_item, RequestItems={TABLE: refused}) == "ValidationException"
    first = {"DeleteRequest": {"Key": _key("permissions/s", accounts[0])}}
    for batch in (puts[:25], [first, puts[25]]):
        assert not dynamodb.batch_write_item(RequestItems={TABLE: batch})["UnprocessedItems"]
    pages = dynamodb.get_paginator("query").paginate(
        TableName=TABLE,
        KeyConditionExpression="service_id = :service",
        ExpressionAttributeValues={":service": {"S": "permissions/s"}},
        ConsistentRead=True,
        PaginationConfig={"PageSize": 10},
    )
    found = [[item["endpoint_id"]["S"] for item in page["Items"]] for page in pages]
    assert found == [accounts[1:11], accounts[11:21], accounts[21:]]


def _scans_in_pages(dynamodb: Any) -> None:
    """A filter is applied to a page that is already cut."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=TABLE,
        FilterExpression="service_id = :service",
        ExpressionAttributeValues={":service": {"S": "brake"}},
        PaginationConfig={"PageSize": 20},
    )
    counts = [(page["Count"], page["ScannedCount"]) for page in pages]
    assert sorted(counts) == [(0, 6), (1, 20)] or sorted(counts) == [(0, 20), (1, 6)], counts


def _key(service_id: str, endpoint_id: str) -> dict[str, Any]:
    return {"service_id": {"S": service_id}, "endpoint_id": {"S": endpoint_id}}


def _refusal(call: Any, **request: Any) -> str:
    """The code of DynamoDB's refusal, or an empty text."""
    try:
        call(**request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""
