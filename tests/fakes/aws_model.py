"""The model of PrivateLink and Route 53 as one caller meets it, without boto3 in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from autopilot.domain.failures import AwsCallFailed
from tests.fakes.calls import Calls
from tests.local_aws.privatelink import AwsError, Caller, Request, Response


class Model(Protocol):
    def call(self, caller: Caller, operation: str, request: Request) -> Response: ...


@dataclass(frozen=True, slots=True)
class Client:
    """What a boto3 client is to an adapter."""

    model: Model
    caller: Caller
    calls: Calls

    def call(self, operation: str, subject: str, **request: Any) -> Response:
        """Raises AwsCallFailed with the model's own refusal."""
        with self.calls.making(operation, subject):
            try:
                return self.model.call(self.caller, operation, request)
            except AwsError as refusal:
                raise AwsCallFailed(operation, subject, refusal.code, refusal.message) from refusal

    def listing(self, operation: str, subject: str, member: str, **request: Any) -> Iterator[Response]:
        """Every row of every page."""
        page: Response = {"NextToken": None}
        while "NextToken" in page:
            token = {"NextToken": page["NextToken"]} if page["NextToken"] else {}
            page = self.call(operation, subject, **request, **token)
            yield from page[member]
