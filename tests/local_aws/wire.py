"""AWS's wire protocols that the models speak, read off botocore's own service models.

EC2 talks the query protocol (form parameters in, XML out), Route 53 REST with XML both ways, Organizations JSON.
Requests become the dictionaries that boto3 users write, responses become what boto3 parses. `Doors` holds the models
and decides which calls it answers; what it does not know is left to the emulator in which the door is built.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

import botocore.session
from botocore import xform_name
from botocore.model import ListShape, ServiceModel, Shape, StructureShape
from botocore.parsers import create_parser

from tests.local_aws.hosted_zones import HostedZones
from tests.local_aws.organizations import Organizations
from tests.local_aws.privatelink import AwsError, Caller, PrivateLink, Response

EC2_XMLNS = "http://ec2.amazonaws.com/doc/2016-11-15/"
ROUTE53_XMLNS = "https://route53.amazonaws.com/doc/2013-04-01/"
_NOTHING = StructureShape("Nothing", {"type": "structure", "members": {}})


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


@cache
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def operations(service: str, model: type) -> frozenset[str]:
    """The operations of an AWS service that a model has methods for."""
    return frozenset(name for name in service_model(service).operation_names if hasattr(model, xform_name(name)))


def query_name(name: str, member: Shape) -> str:
    """What the query protocol, and CloudTrail after it, call a member of a request."""
    found = str(member.serialization.get("queryName") or member.serialization.get("name", name))
    return found[0].upper() + found[1:]


def request_shape(service: str, operation: str) -> StructureShape:
    return service_model(service).operation_model(operation).input_shape or _NOTHING


def response_shape(service: str, operation: str) -> StructureShape:
    return service_model(service).operation_model(operation).output_shape or _NOTHING


# EC2: the query protocol


def read_query(operation: str, form: Mapping[str, str]) -> Response:
    """The request in boto3's shape from form parameters such as `SubnetId.1`."""
    return dict(_from_query(request_shape("ec2", operation), "", form) or {})


def _from_query(shape: Shape, prefix: str, form: Mapping[str, str]) -> Any:
    match shape:
        case StructureShape():
            named = {key: f"{prefix}{'.' if prefix else ''}{query_name(key, m)}" for key, m in shape.members.items()}
            values = {key: _from_query(shape.members[key], path, form) for key, path in named.items()}
            return {key: value for key, value in values.items() if value is not None} or None
        case ListShape():
            return list(_list_from_query(shape, prefix, form)) or None
        case _:
            return _scalar(shape, form[prefix]) if prefix in form else None


def _list_from_query(shape: ListShape, prefix: str, form: Mapping[str, str]) -> Iterator[Any]:
    index = 1
    while (value := _from_query(shape.member, f"{prefix}.{index}", form)) is not None:
        yield value
        index += 1


def _scalar(shape: Shape, text: str) -> Any:
    match shape.type_name:
        case "boolean":
            return text.lower() == "true"
        case "integer" | "long":
            return int(text)
        case _:
            return text


# Route 53: REST with XML


def read_rest(method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[str, Response] | None:
    """The Route 53 operation and its request in boto3's shape; None where no operation has that method and path."""
    for operation, pattern in _routes(method):
        if found := pattern.fullmatch(path.rstrip("/")):
            document = ElementTree.fromstring(body) if body else None
            return operation, dict(
                _rest_members(request_shape("route53", operation), found.groupdict(), query, document)
            )
    return None


@cache
def _routes(method: str) -> list[tuple[str, re.Pattern[str]]]:
    model = service_model("route53")
    https = ((name, model.operation_model(name).http) for name in model.operation_names)
    return [
        (name, re.compile(re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", http["requestUri"].partition("?")[0].rstrip("/"))))
        for name, http in https
        if http["method"] == method
    ]


def _rest_members(
    shape: StructureShape, path: Mapping[str, str], query: Mapping[str, str], document: ElementTree.Element | None
) -> Iterator[tuple[str, Any]]:
    for key, member in shape.members.items():
        name = str(member.serialization.get("name", key))
        match member.serialization.get("location"):
            case "uri":
                yield key, unquote(path[name]).removeprefix("/hostedzone/").removeprefix("/change/")
            case "querystring" if name in query:
                yield key, _scalar(member, query[name])
            case None if document is not None and (element := document.find(f"{{*}}{name}")) is not None:
                yield key, _from_xml(member, element)
            case _:
                pass


def _from_xml(shape: Shape, element: ElementTree.Element) -> Any:
    match shape:
        case StructureShape():
            return dict(_rest_members(shape, {}, {}, element))
        case ListShape():
            return [_from_xml(shape.member, item) for item in element]
        case _:
            return _scalar(shape, element.text or "")


# Responses, both protocols


def write_response(service: str, operation: str, response: Mapping[str, Any], request_id: str) -> Reply:
    """The XML that AWS answers with. Raises KeyError for a member that AWS's response does not have."""
    root = ElementTree.Element(f"{operation}Response", xmlns=EC2_XMLNS if service == "ec2" else ROUTE53_XMLNS)
    headers = {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id}
    if service == "ec2":
        ElementTree.SubElement(root, "requestId").text = request_id
    for key, value in response.items():
        member = response_shape(service, operation).members[key]
        if member.serialization.get("location") == "header":
            headers[member.serialization["name"]] = str(value)
        else:
            _to_xml(root, key, member, value)
    status = service_model(service).operation_model(operation).http.get("responseCode", 200)
    return Reply(int(status), headers, _document(root))


def _to_xml(parent: ElementTree.Element, key: str, shape: Shape, value: Any) -> None:
    element = ElementTree.SubElement(parent, str(shape.serialization.get("name", key)))
    match shape:
        case StructureShape():
            for name, item in value.items():
                _to_xml(element, name, shape.members[name], item)
        case ListShape():
            for item in value:
                _to_xml(element, "member", shape.member, item)
        case _:
            element.text = _text(value)


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
        case _:
            return str(value)


def write_error(service: str, error: AwsError, request_id: str) -> Reply:
    """An error in the words and the XML of the service."""
    if service == "ec2":
        root = ElementTree.Element("Response")
        problem = ElementTree.SubElement(ElementTree.SubElement(root, "Errors"), "Error")
    else:
        root = ElementTree.Element("ErrorResponse", xmlns=ROUTE53_XMLNS)
        problem = ElementTree.SubElement(root, "Error")
        ElementTree.SubElement(problem, "Type").text = "Sender"
    ElementTree.SubElement(problem, "Code").text = error.code
    ElementTree.SubElement(problem, "Message").text = error.message
    ElementTree.SubElement(root, "RequestID" if service == "ec2" else "RequestId").text = request_id
    return Reply(error.status, {"Content-Type": "text/xml;charset=UTF-8"}, _document(root))


def write_json_error(error: AwsError) -> Reply:
    """An error of a service that talks JSON."""
    body = {"__type": error.code, "Message": error.message}
    return Reply(error.status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode())


def _document(root: ElementTree.Element) -> bytes:
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def read_response(operation: str, reply: Reply) -> Response:
    """An EC2 response as boto3 would hand it over; empty for an error."""
    if reply.status >= 300:
        return {}
    answer = {"status_code": reply.status, "headers": reply.headers, "body": reply.body}
    parsed = create_parser("ec2").parse(answer, response_shape("ec2", operation))
    return {key: value for key, value in parsed.items() if key != "ResponseMetadata"}


# Who answers

PRIVATELINK = operations("ec2", PrivateLink)
HOSTED_ZONES = operations("route53", HostedZones)
_SHARED = {
    "CreateTags": "",
    "DeleteTags": "",
    "DeleteVpcEndpoints": "",
    "ModifyVpcEndpoint": "",
    "DescribeTags": "Tags",
    "DescribeVpcEndpoints": "VpcEndpoints",
    "DescribeNetworkInterfaces": "NetworkInterfaces",
}
"""Operations whose subjects are partly the emulator's, and the list to join where both have something to show."""


def _ids(request: Response) -> list[str]:
    """The endpoints, network interfaces and tagged resources that a request names."""
    named = [request.get(key, ()) for key in ("VpcEndpointIds", "NetworkInterfaceIds", "Resources")]
    single = [request["VpcEndpointId"]] if "VpcEndpointId" in request else []
    return [resource_id for group in (*named, single) for resource_id in group]


@dataclass(frozen=True, slots=True)
class Doors:
    """The models behind both doors."""

    privatelink: PrivateLink
    hosted_zones: HostedZones
    organizations: Organizations = field(default_factory=Organizations)

    def reset(self) -> None:
        self.privatelink.reset()
        self.hosted_zones.reset()
        self.organizations.reset()

    def ec2(self, caller: Caller, operation: str, form: Mapping[str, str], stock: Callable[[], Reply]) -> Reply:
        """Answers an EC2 call. `stock` is the emulator's own answer: for endpoints to AWS's services, for resources
        that are not PrivateLink's, and added to lists that show both. It reads no page tokens of ours."""
        if operation not in PRIVATELINK:
            return stock()
        request = read_query(operation, form)
        if operation == "CreateVpcEndpoint" and "vpce-svc-" not in request.get("ServiceName", ""):
            return stock()
        if operation not in _SHARED:
            return self._privatelink(caller, operation, request)
        ids, joined = _ids(request), _SHARED[operation]
        ours = [resource_id for resource_id in ids if self.privatelink.knows(resource_id)]
        others = stock() if len(ours) < len(ids) or (joined and not ids) else None
        if others and ids and not ours:
            # No emulator refuses an endpoint id that nobody ever had; the model does.
            unknown = operation == "DescribeVpcEndpoints" and not read_response(operation, others).get(joined)
            return self._privatelink(caller, operation, request) if unknown else others
        if "Resources" in request:
            request["Resources"] = ours
        return self._privatelink(caller, operation, request, read_response(operation, others) if others else {})

    def route53(self, caller: Caller, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply | None:
        """Answers a Route 53 call; None for one that is not about hosted zones."""
        call = read_rest(method, path, query, body)
        if not call or call[0] not in HOSTED_ZONES or call[1].get("ResourceType", "hostedzone") != "hostedzone":
            return None
        request_id = str(uuid.uuid4())
        try:
            response = self.hosted_zones.call(caller, *call)
        except AwsError as error:
            return write_error("route53", error, request_id)
        return write_response("route53", call[0], response, request_id)

    def ask_organizations(self, caller: Caller, target: str, body: bytes) -> Reply:
        """Answers every call of Organizations; an emulator would make each account an organization of its own.
        `target` is the header that names the operation."""
        try:
            answer = self.organizations.call(caller, target.rpartition(".")[2], json.loads(body))
        except AwsError as error:
            return write_json_error(error)
        return Reply(200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode())

    def _privatelink(self, caller: Caller, operation: str, request: Response, others: Response | None = None) -> Reply:
        request_id, joined = str(uuid.uuid4()), _SHARED.get(operation, "")
        try:
            response = self.privatelink.call(caller, operation, request, request_id)
        except AwsError as error:
            return write_error("ec2", error, request_id)
        if others and joined and "NextToken" not in request:
            response[joined] += [
                r for r in others.get(joined, ()) if not self.privatelink.knows(r.get("ResourceId", ""))
            ]
        return write_response("ec2", operation, response, request_id)
