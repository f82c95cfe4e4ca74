"""The AWS CLI commands that reports hand to people: each one line, ready to paste."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from autopilot.domain.connection import Dns, LedgerRow, Status
from autopilot.domain.disruption import OnRevoked
from autopilot.domain.dns_plan import Autopilot
from autopilot.domain.report import is_disconnected


@dataclass(frozen=True, slots=True)
class Installation:
    """What the commands need to know of the deployment.

    consumer_parameters: the parameters of the consumer's stack, as `aws cloudformation deploy` takes them.
    record_ttl: of the CNAMEs, in seconds.
    """

    autopilot: Autopilot
    consumer_parameters: str
    allowlist_table: str
    ledger_table: str
    on_revoked: OnRevoked = OnRevoked.KEEP
    record_ttl: int = 60


@dataclass(frozen=True, slots=True)
class Command:
    """purpose: a line that ends with a colon."""

    purpose: str
    line: str


def commands_for(row: LedgerRow, installation: Installation) -> Sequence[Command]:
    """What a person can run next."""
    account, service_id = row.connection.owner, row.ref.service_id
    match row.status:
        case Status.HELD:
            return (
                Command(
                    f"To allow every endpoint of account {account} to this service:",
                    _allow(account, service_id, installation),
                ),
                Command("To reject this endpoint:", _reject(row, installation)),
            )
        case Status.REVOKED if not is_disconnected(row):
            again = Command(f"To allow account {account} again:", _allow(account, service_id, installation))
            return again, Command("To disconnect it:", _reject(row, installation))
        case Status.REJECTED | Status.REVOKED if not row.acceptance.refusal:
            allow = _allow(row.ref.endpoint_id, service_id, installation)
            return (Command("To let this endpoint in all the same; AWS may want it made anew:", allow),)
        case Status.CONNECTED if row.dns.value is Dns.UNDECLARED:
            return (
                Command(
                    "To have names written, declare the names of the service's certificate:",
                    f"aws ec2 create-tags --region {installation.autopilot.region} --resources {service_id} "
                    "--tags Key=autopilot:zone,Value=payments.example.com Key=autopilot:records,Value=api",
                ),
            )
        case Status.CONNECTED if row.dns.value is Dns.NO_ROLE:
            return (
                Command(
                    f"To have names written, account {account} deploys the consumer role:",
                    f"aws cloudformation deploy --region {row.connection.region} "
                    "--template-file consumer/template.yaml "
                    f"--stack-name privatelink-autopilot-consumer-{installation.autopilot.account} "
                    f"--capabilities CAPABILITY_NAMED_IAM --parameter-overrides {installation.consumer_parameters}",
                ),
            )
        case _:
            return ()


def show(row: LedgerRow, installation: Installation) -> str:
    """Prints everything Autopilot knows of a connection."""
    key = _item(service_id=row.ref.service_id, endpoint_id=row.ref.endpoint_id)
    region, table = installation.autopilot.region, installation.ledger_table
    return f"aws dynamodb get-item --region {region} --table-name {table} --key {key}"


def allow_disruptions(number: int, region: str, ledger_table: str) -> str:
    """Lets the brake go for so many disconnections."""
    key = _item(service_id="brake", endpoint_id="disruptions")
    value = shlex.quote(json.dumps({":allowed": {"N": str(number)}}, separators=(",", ":")))
    return (
        f"aws dynamodb update-item --region {region} --table-name {ledger_table} --key {key} "
        f"--update-expression 'SET allowed = :allowed REMOVE allowed_at' --expression-attribute-values {value}"
    )


def _allow(principal: str, service_id: str, installation: Installation) -> str:
    item = _item(principal=principal, service_id=service_id)
    region, table = installation.autopilot.region, installation.allowlist_table
    return f"aws dynamodb put-item --region {region} --table-name {table} --item {item}"


def _reject(row: LedgerRow, installation: Installation) -> str:
    return (
        f"aws ec2 reject-vpc-endpoint-connections --region {installation.autopilot.region} "
        f"--service-id {row.ref.service_id} --vpc-endpoint-ids {row.ref.endpoint_id}"
    )


def _item(**attributes: str) -> str:
    """Attributes that are text, in DynamoDB's notation, quoted for a shell."""
    return shlex.quote(json.dumps({name: {"S": value} for name, value in attributes.items()}, separators=(",", ":")))
