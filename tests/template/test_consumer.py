"""What the consumer's stack makes, and what it lets the provider do, with the parameters that people give."""

from typing import Any

import pytest

from autopilot.domain.endpoint import ALSO_VPCS_TAG, DNS_TAG, VpcRef
from tests.template.consumer_stack import ACCOUNT, BUS, PROVIDER_ACCOUNT, REGION, Refused, actions, outputs, stack
from tests.template.parameter_values import ACCEPTED
from tests.template.templates import CONSUMER

BUSES = {f"BusArn{n}": BUS.replace(REGION, region) for n, region in ((2, "us-east-1"), (3, "eu-west-1"))}
SERVICE = "com.amazonaws.vpce.eu-central-1.vpce-svc-0123456789abcdef0"
ENDPOINT = {
    "EndpointServiceName": SERVICE,
    "EndpointVpcId": "vpc-01234567",
    "EndpointSubnetIds": "subnet-01234567,subnet-76543210",
}


def allowed(action: str, **parameters: str) -> Any:
    """The one statement by which the deployed role allows an action."""
    (statement,) = actions(stack(**parameters)["ConsumerRole"])[action]
    return statement


def test_every_combination_of_optional_parts_is_a_stack_without_loose_ends() -> None:
    made = stack(**BUSES, **ENDPOINT, AllowedVpcs="vpc-01234567", OrganizationId="o-autopilot01", ExternalId="x1")
    assert made.keys() == CONSUMER["Resources"].keys()
    assert stack(ForwardEvents="false", BusArn="").keys() == {"ConsumerRole"}


def test_only_the_role_has_a_name_and_it_has_the_provider_and_the_region_in_it() -> None:
    made = stack(**BUSES, **ENDPOINT)
    names = {key for resource in made.values() for key in resource["Properties"] if key.endswith("Name")}
    assert names == {"RoleName", "ServiceName"}
    named = [resource["Properties"]["RoleName"] for resource in made.values() if "RoleName" in resource["Properties"]]
    assert named == [f"autopilot-{PROVIDER_ACCOUNT}-{REGION}"]


@pytest.mark.parametrize("action", ["CreateHostedZone", "AssociateVPCWithHostedZone", "DisassociateVPCFromHostedZone"])
class TestVpcsOfZones:
    def test_without_allowed_vpcs_any_vpc_will_do_and_an_absent_key_will_not(self, action: str) -> None:
        assert allowed(f"route53:{action}")["Condition"] == {
            "Null": {"route53:VPCs": "false"},
            "ForAllValues:StringLike": {"route53:VPCs": "VPCId=*,VPCRegion=*"},
        }

    def test_with_allowed_vpcs_these_and_no_others(self, action: str) -> None:
        condition = allowed(f"route53:{action}", AllowedVpcs="vpc-01234567,vpc-76543210")["Condition"]
        assert condition["Null"] == {"route53:VPCs": "false"}
        assert condition["ForAllValues:StringLike"]["route53:VPCs"] == [
            "VPCId=vpc-01234567,VPCRegion=*",
            "VPCId=vpc-76543210,VPCRegion=*",
        ]


@pytest.mark.parametrize("action", ["CreateVPCAssociationAuthorization", "DeleteVPCAssociationAuthorization"])
def test_vpcs_of_other_accounts_are_authorised_whatever_the_allowed_vpcs_of_this_one(action: str) -> None:
    statement = allowed(f"route53:{action}", AllowedVpcs="vpc-01234567")
    assert statement["Resource"] == "arn:aws:route53:::hostedzone/*"
    assert statement["Condition"] == {
        "Null": {"route53:VPCs": "false"},
        "ForAllValues:StringLike": {"route53:VPCs": "VPCId=*,VPCRegion=*"},
    }


def test_the_attributes_of_vpcs_are_read_those_that_another_account_shares_included() -> None:
    assert allowed("ec2:DescribeVpcAttribute")["Resource"] == f"arn:aws:ec2:{REGION}:*:vpc/*"


def test_private_dns_may_be_switched_on_and_nothing_else_of_an_endpoint_be_changed() -> None:
    statement = allowed("ec2:ModifyVpcEndpoint", AllowPrivateDns="true")
    assert statement["Resource"] == f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc-endpoint/*"
    assert statement["Condition"]["BoolIfExists"] == {"ec2:Attribute/PrivateDnsEnabled": "true"}
    assert statement["Condition"]["Null"] == {
        "ec2:Attribute/PolicyDocument": "true",
        "ec2:Attribute/ResetPolicy": "true",
    }


def test_an_endpoint_whose_tag_declines_names_keeps_its_private_dns_as_it_is() -> None:
    declined = allowed("ec2:ModifyVpcEndpoint", AllowPrivateDns="true")["Condition"]["StringNotEqualsIgnoreCase"]
    assert declined == {f"aws:ResourceTag/{DNS_TAG}": "off"}


def test_no_endpoint_may_be_changed_where_private_dns_is_not_allowed() -> None:
    assert "ec2:ModifyVpcEndpoint" not in actions(stack()["ConsumerRole"])


@pytest.mark.parametrize("rule", ["EndpointRule", "StackRule"])
@pytest.mark.parametrize("more", [{}, {"BusArn2": BUSES["BusArn2"]}, {"BusArn3": BUSES["BusArn3"]}, BUSES])
def test_every_bus_that_is_given_gets_the_events_and_no_other_may(rule: str, more: dict[str, str]) -> None:
    made, given = stack(**more), [BUS, *more.values()]
    targets = made[rule]["Properties"]["Targets"]
    assert [target["Arn"] for target in targets] == given
    assert len({target["Id"] for target in targets}) == len(given)
    assert {target["RoleArn"] for target in targets} == {"ForwardingRole.Arn"}
    (statement,) = actions(made["ForwardingRole"])["events:PutEvents"]
    assert statement["Resource"] == given


def test_more_buses_need_the_first_one() -> None:
    with pytest.raises(Refused, match="BusArn"):
        stack(**BUSES, BusArn="")


def test_without_a_service_there_is_no_endpoint() -> None:
    assert "Endpoint" not in stack(EndpointVpcId="vpc-01234567", EndpointSubnetIds="subnet-01234567")
    assert "EndpointId" not in outputs()


def test_an_endpoint_is_made_after_the_role_with_what_is_given() -> None:
    endpoint = stack(**ENDPOINT)["Endpoint"]
    assert endpoint["DependsOn"] == "ConsumerRole"
    assert endpoint["Properties"] == {
        "VpcEndpointType": "Interface",
        "ServiceName": SERVICE,
        "VpcId": "vpc-01234567",
        "SubnetIds": ["subnet-01234567", "subnet-76543210"],
        "PrivateDnsEnabled": False,
        "Tags": [{"Key": "Name", "Value": "consumer"}],
    }
    assert outputs(**ENDPOINT)["EndpointId"] == "Endpoint"


def test_an_endpoint_may_have_security_groups_and_a_service_in_another_region() -> None:
    more = {"EndpointSecurityGroupIds": "sg-01234567,sg-76543210", "EndpointServiceRegion": "us-east-1"}
    properties = stack(**ENDPOINT, **more)["Endpoint"]["Properties"]
    assert properties["SecurityGroupIds"] == ["sg-01234567", "sg-76543210"]
    assert properties["ServiceRegion"] == "us-east-1"


def test_other_vpcs_of_an_endpoint_are_named_in_the_tag_that_autopilot_reads() -> None:
    tags = stack(**ENDPOINT, EndpointAlsoVpcs="vpc-76543210 333333333333/vpc-01234567")["Endpoint"]["Properties"][
        "Tags"
    ]
    assert {"Key": ALSO_VPCS_TAG, "Value": "vpc-76543210 333333333333/vpc-01234567"} in tags


@pytest.mark.parametrize("value", ACCEPTED["EndpointAlsoVpcs"])
def test_autopilot_reads_every_vpc_that_the_parameter_accepts(value: str) -> None:
    assert all(VpcRef.parse(word, ACCOUNT, REGION) for word in value.split())


@pytest.mark.parametrize("missing", ["EndpointVpcId", "EndpointSubnetIds"])
def test_an_endpoint_needs_a_vpc_and_subnets(missing: str) -> None:
    with pytest.raises(Refused, match="Give EndpointVpcId and EndpointSubnetIds too"):
        stack(**ENDPOINT | {missing: ""})
