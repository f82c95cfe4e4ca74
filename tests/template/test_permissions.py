"""What roles have in common; what each is given, on what and when, is held to docs/security.md.

An action on every resource needs a reason here.
"""

import json
from typing import Any

import pytest

from tests.template.templates import BOTH, CONSUMER, PROVIDER, listed, of_type, policies, statements

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


def allowed(role: Any) -> list[Any]:
    return [s for p in policies(role) for s in statements(p["PolicyDocument"]) if s["Effect"] == "Allow"]


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_every_resource_is_named_where_aws_lets_it_be(name: str, role: Any) -> None:
    actions = {action for s in allowed(role) if "*" in listed(s["Resource"]) for action in listed(s["Action"])}
    assert actions <= ON_EVERY_RESOURCE.keys(), name


@pytest.mark.parametrize(("name", "role"), ROLES)
def test_a_permissions_boundary_covers_every_role(name: str, role: Any) -> None:
    boundary = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    assert role["PermissionsBoundary"] == boundary, name
    assert "ManagedPolicyArns" not in role


def test_the_delegation_grants_this_account_what_its_role_asks_for() -> None:
    output = PROVIDER["Outputs"]["OrganizationsDelegation"]
    statement = json.loads(output["Value"]["Fn::Sub"])
    assert (output["Condition"], statement["Effect"]) == ("AsksOrganizations", "Allow")
    assert statement["Principal"] == {"AWS": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    actions = {one for s in allowed(of_type("AWS::IAM::Role")["DecideConnectionRole"]) for one in listed(s["Action"])}
    assert set(statement["Action"]) == {action for action in actions if action.startswith("organizations:")}


def test_the_consumer_role_is_found_by_its_name_and_trusts_by_name() -> None:
    role = of_type("AWS::IAM::Role", CONSUMER)["ConsumerRole"]
    assert role["RoleName"] == {"Fn::Sub": "autopilot-${ProviderAccount}-${AWS::Region}"}
    assert "Path" not in role  # converge_dns knows the name only
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    converges = of_type("AWS::IAM::Role")["ConvergeDnsRole"]["RoleName"]["Fn::Sub"].replace("${AWS::Region}", "*")
    trusted = [arn["Fn::Sub"].rpartition(":role/")[2] for arn in trust["Condition"]["ArnLike"]["aws:PrincipalArn"]]
    assert trusted == [converges, f"*/{converges}"]


def test_the_allowed_vpcs_become_one_pattern_each() -> None:
    role = of_type("AWS::IAM::Role", CONSUMER)["ConsumerRole"]
    (statement,) = (s for s in allowed(role) if s["Action"] == "route53:CreateHostedZone")
    _, given, _ = statement["Condition"]["ForAllValues:StringLike"]["route53:VPCs"]["Fn::If"]
    separator, (pattern, variables) = given["Fn::Split"][0], given["Fn::Split"][1]["Fn::Sub"]
    between = variables["Vpcs"]["Fn::Join"][0]
    joined = pattern.replace("${Vpcs}", between.join(["vpc-0aa", "vpc-0bb"]))
    assert joined.split(separator) == ["VPCId=vpc-0aa,VPCRegion=*", "VPCId=vpc-0bb,VPCRegion=*"]
