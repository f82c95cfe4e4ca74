"""Queue messages to wake-ups. Four kinds arrive; of each, only hints are taken, never a fact.

CloudTrail writes an EC2 call as the old query API spelled it: the parameters in one wrapper object, one
element as itself and several as a list, nothing at all as "" (published records of CreateVpcEndpoint and
DeleteVpcEndpoints show it; AWS documents only the outer record,
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
CreateTags and DeleteTags are written otherwise: no wrapper, and {"items": […]} for a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from reprlib import Repr
from typing import Literal

from autopilot.domain.wake_up import Answer, SeenBy, WakeUp

_SERVICE_ID = re.compile(r"vpce-svc-[0-9a-f]{8,17}")
_ENDPOINT_ID = re.compile(r"vpce-[0-9a-f]{8,17}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,5}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")
_IDS_IN_TEXT = re.compile(rf"(?:{_SERVICE_ID.pattern}|{_ENDPOINT_ID.pattern})(?![0-9a-z])")
_ARN = re.compile(r"arn:[a-z-]+:(?:iam|sts)::([0-9]{12}):.+", re.DOTALL)
_EXCERPT_LENGTH = 200
_LONGEST_NAME = 200
# A notification is about one connection. Of one that named thousands each would be looked for, for minutes.
_MOST_IDS_IN_TEXT = 10

type _Fields = Mapping[str, object]


class UnreadableEvent(ValueError):
    """A message that is none of ours, or one of ours out of shape. Trying again cannot help.

    The text says what is wrong, what was expected, and shows at most 200 characters of what was found,
    with everything escaped that a terminal or a log would act on.
    """

    def __init__(self, wrong: str, expected: str, found: object) -> None:
        super().__init__(f"{wrong}; expected {expected}, found {_excerpt(found)}")


def read_wake_ups(body: str) -> tuple[WakeUp, ...]:
    """The connections that one message of the Requests or DNS queue asks us to look at.

    body is one of:
    - an EventBridge event with CloudTrail's record of CreateVpcEndpoint, ModifyVpcEndpoint, DeleteVpcEndpoints,
      AcceptVpcEndpointConnections, RejectVpcEndpointConnections, CreateTags or DeleteTags. Calls that failed, were
      a DryRun, or made an endpoint of something else than an endpoint service (an AWS service, a gateway, a
      resource) wake nobody; tags wake what waits at the tagged services;
    - the SNS envelope of a connection notification. AWS does not publish what is in it, so ids are found by
      their pattern, and a notification without any means "something changed": one wake-up without ids;
    - a wake-up of our own (`WakeUp.to_body`);
    - EventBridge's "CloudFormation Stack Status Change": a consumer's role may have come. It names a stack and no
      connection: one wake-up about the account that AWS says it is from.

    Raises UnreadableEvent, and nothing else, for whatever is not one of these.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableEvent("the message cannot be parsed", "JSON", body) from None
    match message:
        case {"autopilot": _}:
            return (_own(message),)
        case {"detail-type": "AWS API Call via CloudTrail"}:
            return _of_call(message, _object_in(message, "detail"))
        case {"detail-type": "CloudFormation Stack Status Change"}:
            account = _matching(_ACCOUNT, message.get("account"), "the event's account")
            return (WakeUp(None, None, account, _matching(_REGION, message.get("region"), "the region"), SeenBy.EVENT),)
        case {"Type": "Notification", "Message": str(text)}:
            return _of_notification(text)
    raise UnreadableEvent(
        "the message is of no known kind", "an EventBridge event, an SNS notification or a wake-up", message
    )


def _own(message: _Fields) -> WakeUp:
    try:
        wake_up = WakeUp.from_fields(message)
    except (TypeError, ValueError) as error:
        raise UnreadableEvent(f"the wake-up is out of shape: {_excerpt(str(error))}", "one of ours", message) from None
    hints = (wake_up.service_id, wake_up.endpoint_id, wake_up.account, wake_up.region)
    for pattern, hint in zip((_SERVICE_ID, _ENDPOINT_ID, _ACCOUNT, _REGION), hints, strict=True):
        if hint is not None:
            _matching(pattern, hint, "a field of the wake-up")
    if wake_up.answer and wake_up.answer.by != _harmless(wake_up.answer.by):
        raise UnreadableEvent("the wake-up's answer is out of shape", "a short printable name", wake_up.answer.by)
    return wake_up


def _of_notification(text: str) -> tuple[WakeUp, ...]:
    """Each endpoint that the text names, with its service if the text names exactly one.

    One that names too many ids to be AWS's says no more than that something changed.
    """
    ids = dict.fromkeys(_IDS_IN_TEXT.findall(text))
    services = [found for found in ids if found.startswith("vpce-svc-")]
    endpoints = [found for found in ids if not found.startswith("vpce-svc-")]
    service = services[0] if len(services) == 1 else None
    if len(ids) > _MOST_IDS_IN_TEXT:
        endpoints, services = [], [service] if service else []
    pairs = [(service, endpoint) for endpoint in endpoints] or [(found, None) for found in services] or [(None, None)]
    return tuple(WakeUp(*pair, account=None, region=None, seen_by=SeenBy.NOTIFICATION) for pair in pairs)


def _of_call(event: _Fields, detail: _Fields) -> tuple[WakeUp, ...]:
    if detail.get("errorCode"):
        return ()
    match detail.get("eventName"):
        case "CreateVpcEndpoint":
            return _created(event, detail)
        case "ModifyVpcEndpoint" | "DeleteVpcEndpoints":
            account, region = _consumer(event, detail)
            return tuple(_seen_in_event(None, endpoint, account, region) for endpoint in _succeeded(detail))
        case "AcceptVpcEndpointConnections" | "RejectVpcEndpointConnections":
            # The caller is the provider: its account is not the endpoint's, and its Region need not be.
            service = _matching(_SERVICE_ID, _body(detail, "request").get("ServiceId"), "the ServiceId")
            answer = _answer(event, detail)
            return tuple(
                WakeUp(service, endpoint, None, None, SeenBy.EVENT, answer=answer) for endpoint in _succeeded(detail)
            )
        case "CreateTags" | "DeleteTags":
            region = _region(event, detail)
            return tuple(WakeUp(service, None, None, region, SeenBy.EVENT) for service in _tagged_services(detail))
        case found:
            raise UnreadableEvent(
                "the record is of an unknown call", "one that changes an endpoint or the tags of a service", found
            )


def _created(event: _Fields, detail: _Fields) -> tuple[WakeUp, ...]:
    """The id of the new endpoint is in the response alone; the record's top-level `vpcEndpointId` is the
    endpoint that the call itself travelled through."""
    endpoint = _object_in(_body(detail, "response"), "vpcEndpoint")
    if not endpoint:
        raise UnreadableEvent("the record names no endpoint", "a vpcEndpoint in its response", detail)
    service_name = endpoint.get("serviceName", "")
    if not isinstance(service_name, str):
        raise UnreadableEvent("the serviceName is not text", "com.amazonaws.vpce.<Region>.vpce-svc-…", service_name)
    service = service_name.rpartition(".")[2]
    if not service.startswith("vpce-svc-"):
        return ()
    return (
        _seen_in_event(
            _matching(_SERVICE_ID, service, "the end of the serviceName"),
            _matching(_ENDPOINT_ID, endpoint.get("vpcEndpointId"), "the vpcEndpointId"),
            *_consumer(event, detail),
        ),
    )


def _answer(event: _Fields, detail: _Fields) -> Answer | None:
    """Who accepted or rejected, if the account where it happened says that it was one of its own.

    AWS sets the envelope's account, while a record may tell of another account's caller or, as for AWS's own
    services and for IAM Identity Center's users, have no ARN at all
    (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html).
    """
    match detail.get("userIdentity"):
        case {"arn": str(arn)} if (found := _ARN.fullmatch(arn)) and found[1] == event.get("account"):
            return Answer(detail["eventName"] == "AcceptVpcEndpointConnections", _harmless(arn))
    return None


def _tagged_services(detail: _Fields) -> list[str]:
    """The endpoint services among the tagged resources, each once. Other resources are none of our business."""
    items = _elements(_object_in(_object_in(detail, "requestParameters"), "resourcesSet").get("items"))
    resources = [_object(item, "an item of resourcesSet").get("resourceId") for item in items]
    services = [found for found in resources if isinstance(found, str) and found.startswith("vpce-svc-")]
    if not services:
        raise UnreadableEvent("the record names no endpoint service", "a vpce-svc-… in its resourcesSet", detail)
    return list(dict.fromkeys(_matching(_SERVICE_ID, service, "a resourceId") for service in services))


def _consumer(event: _Fields, detail: _Fields) -> tuple[str | None, str]:
    """The caller's account and Region. The account is the envelope's, which AWS sets and no sender can.

    Of a record that CloudTrail wrote to several accounts (`sharedEventID`), the envelope's account may be the
    provider's, which as a filter would hide the connection: no account then.
    """
    account = _matching(_ACCOUNT, event.get("account"), "the event's account")
    return None if detail.get("sharedEventID") else account, _region(event, detail)


def _region(event: _Fields, detail: _Fields) -> str:
    return _matching(_REGION, detail.get("awsRegion") or event.get("region"), "the awsRegion")


def _succeeded(detail: _Fields) -> list[str]:
    """The endpoints of the request without those that failed: a batch that fails in part has no errorCode."""
    requested = _elements(_body(detail, "request").get("VpcEndpointId"))
    if not requested:
        raise UnreadableEvent("the record names no endpoint", "a VpcEndpointId in its request", detail)
    unsuccessful = _elements(_object_in(_body(detail, "response"), "unsuccessful").get("item"))
    failed = [_object(item, "an item of unsuccessful").get("resourceId") for item in unsuccessful]
    refused = {resource for resource in failed if isinstance(resource, str)}
    endpoints = [endpoint for endpoint in requested if not (isinstance(endpoint, str) and endpoint in refused)]
    return list(dict.fromkeys(_matching(_ENDPOINT_ID, endpoint, "a VpcEndpointId") for endpoint in endpoints))


def _seen_in_event(service: str | None, endpoint: str, account: str | None, region: str | None) -> WakeUp:
    return WakeUp(service, endpoint, account, region, SeenBy.EVENT)


def _body(detail: _Fields, side: Literal["request", "response"]) -> _Fields:
    """What is in the wrapper: `CreateVpcEndpointRequest` and the like, or an abbreviation as the only key."""
    wrapped = _object_in(detail, {"request": "requestParameters", "response": "responseElements"}[side])
    usual = f"{detail['eventName']}{side.capitalize()}"
    return _object_in(wrapped, next(iter(wrapped)) if len(wrapped) == 1 else usual)


def _object_in(whole: _Fields, name: str) -> _Fields:
    return _object(whole.get(name), repr(name[:40]))


def _object(value: object, what: str) -> _Fields:
    match value:
        case dict():
            return value
        case None | "":
            return {}
    raise UnreadableEvent(f"{what} is out of shape", "an object", value)


def _elements(value: object) -> list[object]:
    """CloudTrail's lists: one element stands alone, scalars of a request are {"tag": 1, "content": …}."""
    if value is None or value == "":
        return []
    several = value if isinstance(value, list) else [value]
    return [one["content"] if isinstance(one, dict) and "content" in one else one for one in several]


def _matching(pattern: re.Pattern[str], value: object, what: str) -> str:
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise UnreadableEvent(f"{what} is out of shape", pattern.pattern, value)


def _harmless(name: str) -> str:
    """A name as people may read it in an e-mail or a log: short, and nothing in it that a terminal would act on."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_NAME])


def _excerpt(found: object) -> str:
    short = Repr(maxlevel=4, maxstring=_EXCERPT_LENGTH, maxother=_EXCERPT_LENGTH).repr(found)
    return short if len(short) <= _EXCERPT_LENGTH else f"{short[: _EXCERPT_LENGTH - 1]}…"
