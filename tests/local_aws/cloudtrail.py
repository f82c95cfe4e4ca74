"""How CloudTrail writes a PrivateLink call down: the genuine shape, built from botocore's model of EC2.

The rules were read off real records. A request is `{<Operation>Request: …}` in query names, its lists are
`{"tag": 1, "content": x}`; a response is `{<Operation>Response: {xmlns, requestId, …}}` in the names of the XML, its
lists are `{"item": x}`. One element stands alone, several are a list, nothing at all is `""`. Texts that look like a
boolean or a whole number become one, account ids and tag values included. CreateTags and DeleteTags are older than
those rules: their lists are `{"items": […]}` always, and nothing is wrapped.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from tests.local_aws.privatelink import ApiCall, Caller, principal_arn
from tests.local_aws.wire import EC2_XMLNS, PRIVATELINK, query_name, request_shape, response_shape

RECORDED = frozenset(name for name in PRIVATELINK if not name.startswith("Describe"))
"""The mutating PrivateLink operations: those CloudTrail hands to EventBridge."""
TAGGING = frozenset({"CreateTags", "DeleteTags"})


def record(call: ApiCall, identity: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The CloudTrail record of a finished call, in the account that made it. `identity` is its `userIdentity`.

    A refused call has an `errorCode` with the prefix `Client.` or `Server.` and no response. A batch that failed in
    part has neither error code nor message: what failed is in `unsuccessful.item`.
    """
    refusal: dict[str, str] = {}
    if call.error:
        side = "Server" if call.error.status >= 500 else "Client"
        refusal = {"errorCode": f"{side}.{call.error.code}", "errorMessage": call.error.message}
    return {
        "eventVersion": "1.11",
        "userIdentity": dict(identity),
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "ec2.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": call.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "local-aws",
        **refusal,
        "requestParameters": request_parameters(call.operation, call.request),
        "responseElements": _response_elements(call),
        "requestID": call.request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }


def envelope(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The EventBridge event around a record, as a rule on the default bus of the record's account sees it."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": detail["recipientAccountId"],
        "time": detail["eventTime"],
        "region": detail["awsRegion"],
        "resources": [],
        "detail": dict(detail),
    }


def identity_of(caller: Caller) -> dict[str, Any]:
    """The `userIdentity` of a caller: a role's session with its issuer, a user, or the account's root."""
    root = f"arn:aws:iam::{caller.account}:root"
    base = {"principalId": caller.account, "arn": caller.arn or root, "accountId": caller.account}
    issuer = principal_arn(caller.arn)
    if issuer != caller.arn:
        name, session = caller.arn.split("/")[-2:]
        role = {
            "type": "Role",
            "principalId": "AROALOCALAWS",
            "arn": issuer,
            "accountId": caller.account,
            "userName": name,
        }
        context = {"sessionIssuer": role, "webIdFederationData": {}, "attributes": {"mfaAuthenticated": "false"}}
        principal = {"type": "AssumedRole", **base, "principalId": f"AROALOCALAWS:{session}"}
        return {**principal, "accessKeyId": "ASIALOCALAWS", "sessionContext": context}
    if ":user/" in caller.arn:
        name = caller.arn.rpartition("/")[2]
        return {
            "type": "IAMUser",
            **base,
            "principalId": "AIDALOCALAWS",
            "accessKeyId": "AKIALOCALAWS",
            "userName": name,
        }
    return {"type": "Root", **base, "accessKeyId": ""}


def request_parameters(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """What CloudTrail makes of a request in boto3's shape."""
    if operation in TAGGING:
        tags = [{key.lower(): value for key, value in tag.items()} for tag in request.get("Tags", ())]
        resources = [{"resourceId": resource_id} for resource_id in request["Resources"]]
        return {"resourcesSet": {"items": resources}, "tagSet": {"items": tags}}
    return {f"{operation}Request": _request_body(request_shape("ec2", operation), request) or ""}


def _response_elements(call: ApiCall) -> dict[str, Any] | None:
    if call.response is None:
        return None
    if call.operation in TAGGING:
        return {"requestId": call.request_id, "_return": True}
    response = dict(call.response)
    if call.operation == "CreateVpcEndpoint":
        # Genuine records say `pending` whatever state the API answered with.
        response["VpcEndpoint"] = {**response["VpcEndpoint"], "State": "pending"}
    body = _response_body(response_shape("ec2", call.operation), response)
    return {f"{call.operation}Response": {"xmlns": EC2_XMLNS, "requestId": call.request_id, **(body or {})}}


def _request_body(shape: Shape, value: Any) -> Any:
    match shape:
        case StructureShape():
            return {query_name(k, shape.members[k]): _request_body(shape.members[k], v) for k, v in value.items()}
        case ListShape():
            items = [_request_body(shape.member, item) for item in value]
            tagged = [
                {**item, "tag": tag} if isinstance(item, dict) else {"tag": tag, "content": item}
                for tag, item in enumerate(items, 1)
            ]
            return tagged[0] if len(tagged) == 1 else tagged
        case _:
            return _scalar(value)


def _response_body(shape: Shape, value: Any) -> Any:
    match shape:
        case StructureShape():
            named = {key: str(member.serialization.get("name", key)) for key, member in shape.members.items()}
            return {named[k]: _response_body(shape.members[k], v) for k, v in value.items()} or ""
        case ListShape():
            items = [_response_body(shape.member, item) for item in value]
            return {"item": items[0] if len(items) == 1 else items} if items else ""
        case _:
            return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case str() if value.lower() in ("true", "false"):
            return value.lower() == "true"
        case str() if re.fullmatch(r"-?(0|[1-9]\d*)", value):
            return int(value)
        case _:
            return value
