"""Calls that go wrong when a function makes them. People's own calls are let alone."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

_BROKEN = "BrokenByTheTest"
# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html; the others have one of two.
_THROTTLED = {"ec2": "RequestLimitExceeded", "dynamodb": "ThrottlingException"}


class Fault(StrEnum):
    """What befalls a call.

    BEFORE, AFTER: it fails, without its effect or with it, for a reason that the SDK does not try again for.
    THROTTLED: it is told to slow down. UNANSWERED: its effect comes and its answer is lost, so that the SDK asks once
    more. KILLED: the processes of all functions end as it is made.
    """

    BEFORE = "before"
    AFTER = "after"
    THROTTLED = "throttled"
    UNANSWERED = "unanswered"
    KILLED = "killed"

    @property
    def has_effect(self) -> bool:
        return self in (Fault.AFTER, Fault.UNANSWERED)


# https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53.html
_ROUTE_53 = {
    "CreateHostedZone": r"POST /2013-04-01/hostedzone",
    "DeleteHostedZone": r"DELETE /2013-04-01/hostedzone/[^/]+",
    "ChangeResourceRecordSets": r"POST /2013-04-01/hostedzone/[^/]+/rrset/?",
    "ListResourceRecordSets": r"GET /2013-04-01/hostedzone/[^/]+/rrset",
    "ListHostedZonesByName": r"GET /2013-04-01/hostedzonesbyname",
    "ListHostedZonesByVPC": r"GET /2013-04-01/hostedzonesbyvpc",
    "GetChange": r"GET /2013-04-01/change/[^/]+",
}
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")


@dataclass(frozen=True, slots=True)
class Call:
    """A request, as far as it matters here. service: as the signature spells it, such as ec2."""

    operation: str
    service: str
    is_of_a_role: bool

    @staticmethod
    def read(method: str, path: str, headers: Mapping[str, str], body: bytes) -> "Call":
        """What a request asks for, in whichever of AWS's protocols."""
        credential = _CREDENTIAL.search(headers.get("authorization", ""))
        key, service = credential.groups() if credential else ("", "")
        target = headers.get("x-amz-target", "").rpartition(".")[2]
        action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0] if not target else ""
        rest = next((name for name, of in _ROUTE_53.items() if re.fullmatch(of, f"{method} {path}")), "")
        return Call(target or rest or action, service, bool(key) and not key.isdigit())

    def refusal(self, fault: Fault) -> bytes:
        """The answer to a call that failed."""
        code = _THROTTLED.get(self.service, "Throttling") if fault is Fault.THROTTLED else _BROKEN
        if self.service in ("dynamodb", "sqs", "events", "lambda", "organizations"):
            return json.dumps({"__type": code, "message": "the test says so"}).encode()
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>the test says so</Message></Error>"
        if self.service == "ec2":
            return f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()
        return f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()


class Faults:
    """The next calls of an operation that something befalls."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[Fault, int]] = {}

    @property
    def are_pending(self) -> bool:
        return bool(self._pending)

    def add(self, operation: str, fault: str, times: int = 1) -> None:
        """Raises ValueError."""
        self._pending[operation] = Fault(fault), times

    def take(self, call: Call) -> Fault | None:
        """What befalls this call, or None; it is one of the number then."""
        if not call.is_of_a_role or call.operation not in self._pending:
            return None
        fault, times = self._pending.pop(call.operation)
        if times > 1:
            self._pending[call.operation] = fault, times - 1
        return fault

    def pending(self) -> dict[str, Any]:
        """The operations that a fault still waits for, with how often."""
        return {operation: times for operation, (_, times) in self._pending.items()}

    def reset(self) -> None:
        self._pending.clear()
