"""IAM enforcement: what ministack evaluates wrongly or not at all, and a journal of every decision.

With AUTH=true ministack evaluates identity policies, boundaries, session policies, trust policies and some resource
policies. Mended here: `aws:ResourceTag` of endpoint services, Route 53's condition keys, `aws:PrincipalArn` of a
session (AWS gives the role's ARN), `aws:PrincipalOrgID`, and the calls that AWS's services make with a role.
"""

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, kms, tagging

from tests.local_aws import stock

RECORD_SETS = "route53:ChangeResourceRecordSets"
# A call about a VPC's zones is also a call about the VPC: https://docs.aws.amazon.com/Route53/latest/APIReference/
NEEDS_DESCRIBE_VPCS = {"route53:CreateHostedZone", "route53:ListHostedZonesByVPC", "route53:AssociateVPCWithHostedZone"}

log = logging.getLogger("iam")


class Journal:
    """The last decisions about calls of roles and users; calls of an account's root are not asked about."""

    def __init__(self, length: int = 20_000) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=length)
        self._lock = threading.Lock()

    def record(self, principal_arn: str, action: str, resource: str, decision: str) -> None:
        """Keep one decision, "allow" or "deny"; a denial is also a line in the log."""
        role = principal_arn.split("/")[1] if ":assumed-role/" in principal_arn else principal_arn.rsplit("/")[-1]
        row = {
            "time": time.time(),
            "principal_role": role,
            "account": principal_arn.split(":")[4],
            "action": action,
            "resource": resource,
            "decision": decision,
        }
        with self._lock:
            self._rows.append(row)
        if decision == "deny":
            log.warning("DENIED %s %s %s", role, action, resource)

    def rows(self) -> list[dict[str, Any]]:
        """All decisions kept, oldest first."""
        with self._lock:
            return list(self._rows)

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._rows.clear()


class Permissions:
    """What an AWS service asks before it does something with a role or a key of the customer's; journalled."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def role_allows(self, role_arn: str, service: str, action: str, resource: str, source_arn: str = "") -> bool:
        """Whether `service` ("events.amazonaws.com") may assume the role and the role may do this."""
        account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
        session = f"arn:aws:sts::{account}:assumed-role/{name}/{service.split('.')[0]}"
        role = iam._roles.get_scoped(account, None, name) or {}
        source = {"aws:sourcearn": source_arn, "aws:sourceaccount": account} if source_arn else {}
        assume = context(session, "sts:AssumeRole", "*", source)
        if not allows(role.get("AssumeRolePolicyDocument"), assume, service):
            self._journal.record(session, "sts:AssumeRole", role_arn, "deny")
            return False
        return self._journalled(session, action, resource, _identity(session, action, resource))

    def key_allows(self, key_id: str, *, caller_arn: str = "", service: str = "") -> bool:
        """Whether a publisher to an encrypted topic or queue, a principal or a service, may use the key.
        https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"""
        key = kms._resolve_key(key_id)
        if key is None:
            return False
        if caller_arn.endswith(":root"):
            return True
        return all(
            self._journalled(caller_arn, action, key["Arn"], _key_policy(key, action, caller_arn, service))
            for action in ("kms:GenerateDataKey", "kms:Decrypt")
        )

    def _journalled(self, principal_arn: str, action: str, resource: str, result: iam_evaluator.EvalResult) -> bool:
        allowed = bool(result.decision == "Allow")
        if principal_arn:
            self._journal.record(principal_arn, action, resource, "allow" if allowed else "deny")
        return allowed


def context(principal_arn: str, action: str, resource: str, keys: Mapping[str, Any]) -> iam_evaluator.EvalContext:
    """A call to evaluate: of a role or its session, or of an AWS service when `principal_arn` is empty. `keys` are
    the condition keys of the call, in lower case."""
    return iam_evaluator.EvalContext(
        principal_arn=principal_arn or "*",
        principal_type="AssumedRole" if principal_arn else "Service",
        principal_account=principal_arn.split(":")[4] if principal_arn else "",
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context=dict(keys),
    )


def _identity(session_arn: str, action: str, resource: str) -> iam_evaluator.EvalResult:
    account, name = session_arn.split(":")[4], session_arn.split("/")[1]
    policies = iam_evaluator._gather_role_policies(name, account)
    boundary = iam_evaluator._permissions_boundary(iam._roles, name, account)
    return iam_evaluator.evaluate(context(session_arn, action, resource, {}), policies, *boundary)


def _key_policy(key: Mapping[str, Any], action: str, caller_arn: str, service: str) -> iam_evaluator.EvalResult:
    call = context(caller_arn, action, key["Arn"], {})
    if service:
        return iam_evaluator.evaluate_resource_policy(key.get("Policy"), call, service)
    identity = _identity(caller_arn, action, key["Arn"])
    return iam_evaluator.combine_resource_policy(identity, call, key.get("Policy"), get_account_id(), required=True)


def allows(policy: object, call: iam_evaluator.EvalContext, service: str | None = None) -> bool:
    """Whether a resource's policy allows the call of a principal, or of an AWS service."""
    return bool(iam_evaluator.evaluate_resource_policy(policy, call, service).decision == "Allow")


def install(
    journal: Journal, tags_of: Callable[[str], Mapping[str, str]], organization_of: Callable[[str], str | None]
) -> None:
    """Mend the evaluation and keep the journal. `tags_of` gives the tags of an endpoint service by its id,
    `organization_of` the organization of an account."""
    stock.need(iam_evaluator, "EvalContext", "evaluate", "evaluate_resource_policy", "_gather_role_policies")
    stock.need(iam_evaluator, "combine_resource_policy", "_permissions_boundary", "_role_name_from_assumed_arn")
    stock.need(iam_evaluator, "resolve_principal", "AuthError")
    stock.need(iam_actions, "_query_param")
    stock.need(iam, "_roles")
    stock.need(kms, "_resolve_key")

    def resource_tags(stock_tags: Callable[[str], Any], arn: str) -> Any:
        _, is_service, service_id = arn.partition(":vpc-endpoint-service/")
        return tags_of(service_id) if is_service else stock_tags(arn)

    stock.replace(tagging, "resource_tags", resource_tags)
    stock.replace(iam_actions, "extract_resource_arn", _resource_arn)
    stock.replace(iam_actions, "request_tag_context", _request_context)
    stock.replace(iam_evaluator, "_resolve_condition_key", _condition_key)
    stock.replace(iam_evaluator, "_principal_org_id", lambda _stock, account_id: organization_of(account_id))

    def enforce(
        stock_enforce: Callable[..., Any],
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        if service == "sqs":  # a batch needs the permission of the single call
            iam_action = iam_action.removesuffix("Batch")
        refusal = stock_enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        principal = iam_evaluator.resolve_principal(access_key_id, get_account_id())
        if isinstance(refusal, iam_evaluator.AuthError) or isinstance(principal, iam_evaluator.AuthError):
            return refusal
        if principal.policies is not None:
            journal.record(principal.arn, iam_action, resource_arn, "deny" if refusal else "allow")
        if not refusal and iam_action in NEEDS_DESCRIBE_VPCS:
            return enforce(stock_enforce, access_key_id, "ec2:DescribeVpcs", "ec2", region)
        return refusal

    def trust(
        stock_trust: Callable[..., bool], trust_doc: Any, caller_arn: str, ctx: iam_evaluator.EvalContext | None = None
    ) -> bool:
        allowed = stock_trust(trust_doc, caller_arn, ctx)
        if ctx and not allowed:
            journal.record(caller_arn, ctx.action, ctx.resource_arn, "deny")
        return allowed

    stock.replace(iam_evaluator, "enforce", enforce)
    stock.replace(iam_evaluator, "evaluate_trust_policy", trust)


def _resource_arn(stock_arn: Callable[..., str], service: str, method: str, path: str, *rest: Any) -> str:
    _, _, query_params, region, account_id = rest
    service_id = iam_actions._query_param(query_params, "ServiceId") if service == "ec2" else ""
    if service_id:
        return f"arn:aws:ec2:{region}:{account_id}:vpc-endpoint-service/{service_id}"
    endpoint_id = iam_actions._query_param(query_params, "VpcEndpointId") if service == "ec2" else ""
    if endpoint_id:
        return f"arn:aws:ec2:{region}:{account_id}:vpc-endpoint/{endpoint_id}"
    if service == "route53" and "/change/" in path:
        return f"arn:aws:route53:::change/{path.rpartition('/')[2]}"
    return stock_arn(service, method, path, *rest)


def _request_context(
    stock_context: Callable[..., dict[str, Any]], service: str, iam_action: str, body: bytes, params: dict[str, Any]
) -> dict[str, Any]:
    """Route 53's keys: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html"""
    keys = dict(stock_context(service, iam_action, body, params))
    if service != "route53":
        return keys
    xml = body.decode()
    if iam_action == RECORD_SETS:
        keys[f"{RECORD_SETS}NormalizedRecordNames"] = [_normalized(name) for name in _texts(xml, "Name")]
        keys[f"{RECORD_SETS}RecordTypes"] = _texts(xml, "Type")
        keys[f"{RECORD_SETS}Actions"] = _texts(xml, "Action")
    vpcs = list(zip(_texts(xml, "VPCId"), _texts(xml, "VPCRegion"), strict=True))
    if "vpcid" in params:
        vpcs = [(iam_actions._query_param(params, "vpcid"), iam_actions._query_param(params, "vpcregion"))]
    if vpcs:
        keys["route53:VPCs"] = [f"VPCId={vpc},VPCRegion={region}" for vpc, region in vpcs]
    return keys


def _texts(xml: str, element: str) -> list[str]:
    return re.findall(rf"<{element}>(.*?)</{element}>", xml)


def _normalized(name: str) -> str:
    return name.rstrip(".").lower().replace("*", r"\052")


def _condition_key(stock_key: Callable[..., Any], key: str, ctx: iam_evaluator.EvalContext) -> Any:
    if key.lower() == "aws:principalarn" and ":assumed-role/" in ctx.principal_arn:
        name = iam_evaluator._role_name_from_assumed_arn(ctx.principal_arn)
        role = iam._roles.get_scoped(ctx.principal_account, None, name)
        return role["Arn"] if role else None
    return stock_key(key, ctx)
