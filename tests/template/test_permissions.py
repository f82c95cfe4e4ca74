"""Every role has the actions of this table and no others; an action on every resource needs a reason here."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.templates import BOTH, CONSUMER, PROVIDER, listed, of_type, policies, statements

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
RECEIVE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"}
DESCRIBE = {"ec2:DescribeVpcEndpointServiceConfigurations", "ec2:DescribeVpcEndpointConnections"}
STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
ANSWER = {"ec2:AcceptVpcEndpointConnections", "ec2:RejectVpcEndpointConnections"}
ORGANIZATIONS = {
    "organizations:DescribeAccount",
    "organizations:DescribeOrganizationalUnit",
    "organizations:ListParents",
}
NOTIFY = "ec2:CreateVpcEndpointConnectionNotification"
PERMISSIONS = {"ec2:DescribeVpcEndpointServicePermissions", "ec2:ModifyVpcEndpointServicePermissions"}
KEEP_PERMISSIONS = PERMISSIONS | {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"}
BALANCERS = {
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeListenerCertificates",
}

ALLOWED = {
    "DecideConnectionRole": LOGS
    | RECEIVE
    | DESCRIBE
    | ANSWER
    | ORGANIZATIONS
    | {"sqs:SendMessage", "dynamodb:BatchGetItem", "dynamodb:UpdateItem", "sts:AssumeRole"},
    "ConvergeDnsRole": LOGS
    | RECEIVE
    | DESCRIBE
    | BALANCERS
    | {"sqs:SendMessage", "dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:Query", "sts:AssumeRole"}
    | {"acm:DescribeCertificate"},
    "ReportStatusRole": LOGS
    | STREAM
    | {"dynamodb:UpdateItem", "sns:Publish", "kms:GenerateDataKey*", "kms:Decrypt"}
    | {"events:PutEvents", "sqs:SendMessage"},
    "SweepRole": LOGS
    | STREAM
    | DESCRIBE
    | KEEP_PERMISSIONS
    | BALANCERS
    | {"acm:DescribeCertificate"}
    | {"dynamodb:Scan", "dynamodb:Query", "dynamodb:UpdateItem", "sqs:SendMessage", "sqs:GetQueueAttributes"}
    | {"ec2:DescribeVpcEndpointConnectionNotifications", NOTIFY, "sns:ListSubscriptionsByTopic"}
    | {"cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus"},
    "ForwardingRole": {"events:PutEvents"},
    "ScheduleRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
    "ConsumerRole": {
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeSecurityGroups",
        "ec2:ModifyVpcEndpoint",
        "route53:GetAccountLimit",
        "route53:GetHostedZone",
        "route53:AssociateVPCWithHostedZone",
        "route53:DisassociateVPCFromHostedZone",
        "route53:CreateVPCAssociationAuthorization",
        "route53:DeleteVPCAssociationAuthorization",
        "route53:ListHostedZonesByName",
        "route53:ListHostedZonesByVPC",
        "route53:GetChange",
        "route53:ListResourceRecordSets",
        "route53:CreateHostedZone",
        "route53:DeleteHostedZone",
        "route53:ChangeResourceRecordSets",
    },
}

# What a role may do only if a parameter asks for it, by the condition.
ONLY_IF = {
    "DecideConnectionRole": {"AsksOrganizations": ORGANIZATIONS, "HasOrganizationsRole": {"sts:AssumeRole"}},
    "SweepRole": {"ManagesPermissions": KEEP_PERMISSIONS},
    "ConsumerRole": {"AllowsPrivateDns": {"ec2:ModifyVpcEndpoint"}},
}
# What observe mode denies, whatever a role is allowed.
DENIED = {
    "DecideConnectionRole": ANSWER,
    "SweepRole": {"ec2:ModifyVpcEndpointServicePermissions", NOTIFY},
}

# Action, and why AWS has nothing narrower (or why the narrower would not do).
ON_EVERY_RESOURCE = {
    "ec2:DescribeVpcEndpointServiceConfigurations": "EC2's describes know no resources",
    "ec2:DescribeVpcEndpointConnections": "EC2's describes know no resources",
    "ec2:DescribeVpcEndpointConnectionNotifications": "EC2's describes know no resources",
    "ec2:DescribeVpcEndpoints": "EC2's describes know no resources",
    "ec2:DescribeNetworkInterfaces": "EC2's describes know no resources",
    "ec2:DescribeSubnets": "EC2's describes know no resources",
    "ec2:DescribeVpcs": "EC2's describes know no resources",
    "ec2:DescribeSecurityGroups": "EC2's describes know no resources",
    "elasticloadbalancing:DescribeLoadBalancers": "Elastic Load Balancing's describes know no resources",
    "elasticloadbalancing:DescribeListeners": "Elastic Load Balancing's describes know no resources",
    "elasticloadbalancing:DescribeListenerCertificates": "Elastic Load Balancing's describes know no resources",
    "dynamodb:ListStreams": "knows no resources",
    "route53:GetAccountLimit": "knows no resources",
    "organizations:DescribeAccount": "an account outside the organization has no ARN in it, and asking finds that out",
    "organizations:DescribeOrganizationalUnit": "nothing of the organization is named beforehand",
    "organizations:ListParents": "nothing of the organization is named beforehand",
    "cloudtrail:DescribeTrails": "knows no resources",
    "cloudtrail:GetTrailStatus": "an organization's trail belongs to another account",
    "route53:ListHostedZonesByName": "knows no resources",
    "route53:ListHostedZonesByVPC": "knows no hosted zone",
    "route53:CreateHostedZone": "a zone that does not exist yet has no ARN",
}

ROLES = [
    pytest.param(name, role, id=f"{path}: {name}")
    for path, template in BOTH.items()
    for name, role in of_type("AWS::IAM::Role", template).items()
]


def allows(role: Any, *, on: object = None) -> list[Any]:
    found = [s for p in policies(role) for s in statements(p["PolicyDocument"]) if s["Effect"] == "Allow"]
    return found if on is None else [s for s in found if on in listed(s["Resource"])]


def statement_on(role: Any, action: str) -> Any:
    (found,) = (s for s in allows(role) if action in listed(s["Action"]))
    return found


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_a_role_has_the_actions_it_uses_and_no_others(name: str, role: Any) -> None:
    assert {action for statement in allows(role) for action in listed(statement["Action"])} == ALLOWED[name]


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_every_resource_is_named_where_aws_lets_it_be(name: str, role: Any) -> None:
    actions = {action for statement in allows(role, on="*") for action in listed(statement["Action"])}
    assert actions <= ON_EVERY_RESOURCE.keys(), name


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_a_permissions_boundary_covers_every_role(name: str, role: Any) -> None:
    boundary = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    assert role["PermissionsBoundary"] == boundary, name
    assert "ManagedPolicyArns" not in role


@pytest.mark.parametrize("function", of_type("AWS::Lambda::Function"))
def test_a_function_writes_only_its_own_log_group(function: str) -> None:
    name = function.removesuffix("Function")
    statement = statement_on(of_type("AWS::IAM::Role")[f"{name}Role"], "logs:PutLogEvents")
    assert statement["Resource"] == {"Fn::GetAtt": [f"{name}Logs", "Arn"]}


@pytest.mark.parametrize(
    ("role", "actions"), [("DecideConnectionRole", ANSWER), ("SweepRole", PERMISSIONS), ("SweepRole", {NOTIFY})]
)
def test_only_services_that_opted_in_are_touched(role: str, actions: set[str]) -> None:
    statement = statement_on(of_type("AWS::IAM::Role")[role], max(actions))
    assert set(listed(statement["Action"])) == actions
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/autopilot": "enabled"}}
    assert statement["Resource"]["Fn::Sub"].endswith(":vpc-endpoint-service/*")


def conditional(role: Any) -> Iterator[tuple[str, Any]]:
    """The statements that depend on a condition, with its name; without it there is nothing in their place."""
    for item in [*role["Policies"], *(s for p in policies(role) for s in p["PolicyDocument"]["Statement"])]:
        if "Fn::If" in item:
            condition, given, otherwise = item["Fn::If"]
            assert otherwise == {"Ref": "AWS::NoValue"}
            for statement in statements(given.get("PolicyDocument", {"Statement": [given]})):
                yield condition, statement


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_what_only_some_deployments_need_only_those_have(name: str, role: Any) -> None:
    found: dict[str, set[str]] = {}
    for condition, statement in conditional(role):
        if statement["Effect"] == "Allow":
            found.setdefault(condition, set()).update(listed(statement["Action"]))
    assert found == ONLY_IF.get(name, {})


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_observing_denies_what_changes_something_in_this_account(name: str, role: Any) -> None:
    denials = [(condition, s) for condition, s in conditional(role) if s["Effect"] == "Deny"]
    assert [(condition, set(listed(s["Action"])), s["Resource"]) for condition, s in denials] == [
        ("Observing", DENIED[name], "*") for name in DENIED.keys() & {name}
    ]
    assert PROVIDER["Conditions"]["Observing"] == {"Fn::Equals": [{"Ref": "Mode"}, "observe"]}


def test_organizations_is_asked_with_our_own_rights_or_through_the_given_role() -> None:
    conditions = PROVIDER["Conditions"]
    no_role = {"Fn::Not": [{"Condition": "HasOrganizationsRole"}]}
    assert conditions["AsksOrganizations"] == {"Fn::And": [{"Condition": "InOrganization"}, no_role]}
    assumes = statement_on(of_type("AWS::IAM::Role")["DecideConnectionRole"], "sts:AssumeRole")
    assert assumes["Resource"] == {"Ref": "OrganizationsRoleArn"}


def test_the_delegation_grants_this_account_what_its_role_asks_for() -> None:
    output = PROVIDER["Outputs"]["OrganizationsDelegation"]
    statement = json.loads(output["Value"]["Fn::Sub"])
    assert (output["Condition"], statement["Effect"]) == ("AsksOrganizations", "Allow")
    assert statement["Principal"] == {"AWS": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    assert set(statement["Action"]) == ORGANIZATIONS


def test_the_consumer_role_is_found_and_trusted_by_name() -> None:
    role = of_type("AWS::IAM::Role", CONSUMER)["ConsumerRole"]
    assert role["RoleName"] == {"Fn::Sub": "autopilot-${ProviderAccount}-${AWS::Region}"}
    assert "Path" not in role  # converge_dns knows the name only
    assumes = statement_on(of_type("AWS::IAM::Role")["ConvergeDnsRole"], "sts:AssumeRole")
    assert assumes["Resource"]["Fn::Sub"].endswith(":iam::*:role/autopilot-${AWS::AccountId}-*")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${ProviderAccount}:root"}}
    converges = of_type("AWS::IAM::Role")["ConvergeDnsRole"]["RoleName"]["Fn::Sub"].replace("${AWS::Region}", "*")
    trusted = [arn["Fn::Sub"].rpartition(":role/")[2] for arn in trust["Condition"]["ArnLike"]["aws:PrincipalArn"]]
    assert trusted == [converges, f"*/{converges}"]
    for key, condition in (("aws:PrincipalOrgID", "InOrganization"), ("sts:ExternalId", "HasExternalId")):
        assert trust["Condition"]["StringEquals"][key]["Fn::If"][0] == condition


def test_the_consumer_role_changes_only_the_allowed_names_and_never_by_an_absent_key() -> None:
    statement = statement_on(of_type("AWS::IAM::Role", CONSUMER)["ConsumerRole"], "route53:ChangeResourceRecordSets")
    key, condition = "route53:ChangeResourceRecordSets{}".format, statement["Condition"]
    names = {"Fn::Split": [",", {"Ref": "AllowedRecordNames"}]}
    assert condition["ForAllValues:StringLike"] == {key("NormalizedRecordNames"): names}
    assert condition["ForAllValues:StringEquals"] == {
        key("RecordTypes"): ["CNAME", "A", "AAAA"],
        key("Actions"): ["CREATE", "UPSERT", "DELETE"],
    }
    restricted = {k for operator, keys in condition.items() if operator != "Null" for k in keys}
    assert condition["Null"] == dict.fromkeys(restricted, "false")


def test_the_consumer_role_makes_private_zones_only_and_only_in_the_allowed_vpcs() -> None:
    statement = statement_on(of_type("AWS::IAM::Role", CONSUMER)["ConsumerRole"], "route53:CreateHostedZone")
    assert statement["Condition"]["Null"] == {"route53:VPCs": "false"}
    condition, given, otherwise = statement["Condition"]["ForAllValues:StringLike"]["route53:VPCs"]["Fn::If"]
    assert (condition, otherwise) == ("HasAllowedVpcs", "VPCId=*,VPCRegion=*")
    separator, (pattern, variables) = given["Fn::Split"][0], given["Fn::Split"][1]["Fn::Sub"]
    between = variables["Vpcs"]["Fn::Join"][0]
    joined = pattern.replace("${Vpcs}", between.join(["vpc-0aa", "vpc-0bb"]))
    assert joined.split(separator) == ["VPCId=vpc-0aa,VPCRegion=*", "VPCId=vpc-0bb,VPCRegion=*"]


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_a_service_assumes_a_role_for_this_account_only(name: str, role: Any) -> None:
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    if trust["Principal"].get("Service") in ("events.amazonaws.com", "scheduler.amazonaws.com"):
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    elif name != "ConsumerRole":
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
