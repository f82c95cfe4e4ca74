"""The model of PrivateLink and private zones, met as the product meets it: boto3 in front, moto's networks behind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local_aws import cloudtrail, tables
from tests.local_aws.hosted_zones import Resolution
from tests.local_aws.moto_door import REGION, client, moto_aws, session
from tests.local_aws.organizations import MANAGEMENT, PROD, ROOT, SANDBOX, WORKLOADS
from tests.local_aws.privatelink import ApiCall, Notification
from tests.local_aws.wire import Doors

PROVIDER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
ACCEPT_SECONDS, INSYNC_SECONDS = 90, 30
NLB = "arn:aws:elasticloadbalancing:eu-central-1:111111111111:loadbalancer/net/payments/64dd9dbad4434c92"


@dataclass
class World:
    """Two accounts, a VPC with three subnets in the consumer's, and a clock that the test moves."""

    time: float = 1_800_000_000
    calls: list[ApiCall] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    doors: Doors = field(init=False)
    provider: Any = field(init=False)
    consumer: Any = field(init=False)
    route53: Any = field(init=False)
    vpc: str = field(init=False)
    subnets: list[str] = field(init=False)

    def build(self, doors: Doors) -> "World":
        self.doors = doors
        self.provider = client("ec2", PROVIDER)
        self.consumer = client("ec2", CONSUMER)
        self.route53 = client("route53", CONSUMER)
        self.vpc, self.subnets = network(self.consumer)
        return self

    def service(self, principals: tuple[str, ...] = ("*",), **options: Any) -> Any:
        created = self.provider.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[NLB], **options)
        service = created["ServiceConfiguration"]
        self.provider.modify_vpc_endpoint_service_permissions(
            ServiceId=service["ServiceId"], AddAllowedPrincipals=list(principals)
        )
        return service

    def endpoint(self, service: Any, **options: Any) -> Any:
        request = {"VpcId": self.vpc, "SubnetIds": self.subnets[:1], **options}
        return self.consumer.create_vpc_endpoint(
            VpcEndpointType="Interface", ServiceName=service["ServiceName"], **request
        )["VpcEndpoint"]

    def decide(self, verb: str, service: Any, *endpoint_ids: str) -> list[tuple[str, str]]:
        """Accepts or rejects; answers (id, code) of what was unsuccessful."""
        decide = getattr(self.provider, f"{verb}_vpc_endpoint_connections")
        answer = decide(ServiceId=service["ServiceId"], VpcEndpointIds=list(endpoint_ids))
        return [(item["ResourceId"], item["Error"]["Code"]) for item in answer["Unsuccessful"]]

    def states(self, service: Any) -> dict[str, str]:
        """What the provider's list shows of a service."""
        filters = [{"Name": "service-id", "Values": [service["ServiceId"]]}]
        rows = self.provider.describe_vpc_endpoint_connections(Filters=filters)["VpcEndpointConnections"]
        return {row["VpcEndpointId"]: row["VpcEndpointState"] for row in rows}

    def zone(self, name: str = "payments.example.com", reference: str = "", **options: Any) -> str:
        vpc = {"VPCRegion": REGION, "VPCId": self.vpc}
        created = self.route53.create_hosted_zone(Name=name, CallerReference=reference or name, VPC=vpc, **options)
        return str(created["HostedZone"]["Id"])

    def change(self, zone_id: str, *changes: tuple[str, str, str, str]) -> Any:
        """Changes given as (action, name, type, value)."""
        batch = [
            {
                "Action": action,
                "ResourceRecordSet": {"Name": n, "Type": t, "TTL": 60, "ResourceRecords": [{"Value": value}]},
            }
            for action, n, t, value in changes
        ]
        answer = self.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": batch})
        return answer["ChangeInfo"]

    def resolve(self, name: str) -> Resolution:
        return self.doors.hosted_zones.resolve(CONSUMER, REGION, self.vpc, name)


def network(ec2: Any) -> tuple[str, list[str]]:
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for i, zone in enumerate("abc")
    ]
    return vpc_id, [subnet["SubnetId"] for subnet in subnets]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    world = World()
    with moto_aws(
        now=lambda: world.time,
        seconds_to_available=ACCEPT_SECONDS,
        seconds_to_insync=INSYNC_SECONDS,
        on_call=world.calls.append,
        on_notification=world.notifications.append,
    ) as doors:
        yield world.build(doors)


def refusal(code: str, text: str = "") -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\).*{text}")


class TestEndpointServices:
    def test_a_service_is_described_with_its_zones_and_tags(self, world: World) -> None:
        tags = [{"Key": "autopilot", "Value": "enabled"}]
        specification = {"ResourceType": "vpc-endpoint-service", "Tags": tags}
        created = world.service(TagSpecifications=[specification])
        (service,) = world.provider.describe_vpc_endpoint_service_configurations(ServiceIds=[created["ServiceId"]])[
            "ServiceConfigurations"
        ]
        assert service == created
        assert service["ServiceName"] == f"com.amazonaws.vpce.{REGION}.{service['ServiceId']}"
        assert service["AvailabilityZoneIds"] == ["euc1-az1", "euc1-az2", "euc1-az3"]
        assert service["Tags"] == tags

    @pytest.mark.parametrize(
        "condition",
        [("tag:autopilot", "enabled"), ("tag:autopilot", "en*"), ("tag-key", "autopilot"), ("service-id", None)],
    )
    def test_services_are_found_by_tag_and_id(self, world: World, condition: tuple[str, str | None]) -> None:
        world.service()
        tagged = world.service()["ServiceId"]
        world.provider.create_tags(Resources=[tagged], Tags=[{"Key": "autopilot", "Value": "enabled"}])
        name, value = condition
        found = world.provider.describe_vpc_endpoint_service_configurations(
            Filters=[{"Name": name, "Values": [value or tagged]}]
        )
        assert [row["ServiceId"] for row in found["ServiceConfigurations"]] == [tagged]

    def test_services_come_in_pages(self, world: World) -> None:
        created = [world.service()["ServiceId"] for _ in range(3)]
        pages = world.provider.get_paginator("describe_vpc_endpoint_service_configurations").paginate(
            PaginationConfig={"PageSize": 2}
        )
        sizes = [[row["ServiceId"] for row in page["ServiceConfigurations"]] for page in pages]
        assert sizes == [created[:2], created[2:]]

    def test_another_accounts_service_does_not_exist(self, world: World) -> None:
        service_id = world.service()["ServiceId"]
        with refusal(
            "InvalidVpcEndpointServiceId.NotFound", f"The VpcEndpointService Id '{service_id}' does not exist"
        ):
            world.consumer.describe_vpc_endpoint_service_configurations(ServiceIds=[service_id])

    def test_a_service_needs_a_load_balancer(self, world: World) -> None:
        with refusal("InvalidParameter", "network_load_balancer_arn is a required member"):
            world.provider.create_vpc_endpoint_service_configuration(AcceptanceRequired=True)
        service_id = world.service()["ServiceId"]
        with refusal("InvalidParameter", "at least one load balancer"):
            world.provider.modify_vpc_endpoint_service_configuration(
                ServiceId=service_id, RemoveNetworkLoadBalancerArns=[NLB]
            )

    def test_a_service_with_live_connections_is_not_deleted(self, world: World) -> None:
        service = world.service()
        endpoint_id = world.endpoint(service)["VpcEndpointId"]

        def delete() -> list[str]:
            answer = world.provider.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])
            return [item["Error"]["Code"] for item in answer["Unsuccessful"]]

        assert delete() == ["ExistingVpcEndpointConnections"]
        world.decide("reject", service, endpoint_id)
        assert delete() == []
        assert delete() == ["InvalidVpcEndpointServiceId.NotFound"]

    def test_permissions_know_what_kind_of_principal_they_name(self, world: World) -> None:
        role = f"arn:aws:iam::{CONSUMER}:role/deployer"
        service_id = world.service((f"arn:aws:iam::{CONSUMER}:root", role, "*"))["ServiceId"]
        world.provider.modify_vpc_endpoint_service_permissions(ServiceId=service_id, RemoveAllowedPrincipals=["*"])
        rows = world.provider.describe_vpc_endpoint_service_permissions(ServiceId=service_id)["AllowedPrincipals"]
        assert [row["PrincipalType"] for row in rows] == ["Account", "Role"]

    def test_permissions_come_in_pages(self, world: World) -> None:
        accounts = [f"arn:aws:iam::{number:012}:root" for number in range(7)]
        service_id = world.service(tuple(accounts))["ServiceId"]
        pages = world.provider.get_paginator("describe_vpc_endpoint_service_permissions").paginate(
            ServiceId=service_id, PaginationConfig={"PageSize": 5}
        )
        assert [[row["Principal"] for row in page["AllowedPrincipals"]] for page in pages] == [
            accounts[:5],
            accounts[5:],
        ]

    @pytest.mark.parametrize("bad", [CONSUMER, f"arn:aws:iam::{CONSUMER}:role/a/path", f"arn:aws:iam::{STRANGER}:root"])
    def test_a_bad_principal_fails_the_whole_call(self, world: World, bad: str) -> None:
        world.doors.privatelink.unknown_principals = {f"arn:aws:iam::{STRANGER}:root"}
        service_id = world.service(("*",))["ServiceId"]
        with refusal("InvalidPrincipal", bad):
            world.provider.modify_vpc_endpoint_service_permissions(
                ServiceId=service_id,
                AddAllowedPrincipals=[f"arn:aws:iam::{CONSUMER}:root", bad],
                RemoveAllowedPrincipals=["*"],
            )
        rows = world.provider.describe_vpc_endpoint_service_permissions(ServiceId=service_id)["AllowedPrincipals"]
        assert [row["Principal"] for row in rows] == ["*"]

    def test_adding_and_removing_again_is_no_error(self, world: World) -> None:
        service_id = world.service()["ServiceId"]
        for principals in ({"AddAllowedPrincipals": ["*"]}, {"RemoveAllowedPrincipals": ["*"]}) * 2:
            changed = world.provider.modify_vpc_endpoint_service_permissions(ServiceId=service_id, **principals)
            assert changed["ReturnValue"]

    def test_tags_come_and_go(self, world: World) -> None:
        service_id = world.service()["ServiceId"]
        world.provider.create_tags(
            Resources=[service_id], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        )
        world.provider.delete_tags(Resources=[service_id], Tags=[{"Key": "a"}, {"Key": "b", "Value": "other"}])
        tags = world.provider.describe_tags(Filters=[{"Name": "resource-id", "Values": [service_id]}])["Tags"]
        assert [(tag["Key"], tag["Value"], tag["ResourceType"]) for tag in tags] == [("b", "2", "vpc-endpoint-service")]
        assert world.doors.privatelink.tags_of(service_id) == {"b": "2"}

    def test_cloudtrail_writes_tagging_down_in_its_older_shape(self, world: World) -> None:
        """As genuine records have it: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/"""
        service_id = world.service()["ServiceId"]
        tags = [{"Key": "autopilot", "Value": "enabled"}]
        world.provider.create_tags(Resources=[service_id], Tags=tags)
        world.provider.delete_tags(Resources=[service_id], Tags=[{"Key": "autopilot"}])
        created, deleted = (
            cloudtrail.record(call, cloudtrail.identity_of(call.caller), datetime.now(UTC)) for call in world.calls[-2:]
        )
        resources = {"items": [{"resourceId": service_id}]}
        assert created["requestParameters"] == {
            "resourcesSet": resources,
            "tagSet": {"items": [{"key": "autopilot", "value": "enabled"}]},
        }
        assert created["responseElements"] == {"requestId": created["requestID"], "_return": True}
        assert deleted["requestParameters"] == {"resourcesSet": resources, "tagSet": {"items": [{"key": "autopilot"}]}}
        assert {created["eventName"], deleted["eventName"]} <= cloudtrail.RECORDED


class TestEndpoints:
    def test_names_and_interfaces_have_awss_form(self, world: World) -> None:
        service = world.service()
        endpoint = world.endpoint(service, SubnetIds=world.subnets[:2], SecurityGroupIds=["sg-0a"])
        endpoint_id, domain = endpoint["VpcEndpointId"], f"{service['ServiceId']}.{REGION}.vpce.amazonaws.com"
        names = [entry["DnsName"] for entry in endpoint["DnsEntries"]]
        host = names[0].removesuffix(f".{domain}")
        assert len(endpoint_id) == len("vpce-") + 17
        assert host.startswith(f"{endpoint_id}-")
        assert len(host) == len(endpoint_id) + 9
        assert names[1:] == [f"{host}-{REGION}a.{domain}", f"{host}-{REGION}b.{domain}"]
        interfaces = world.consumer.describe_network_interfaces(
            NetworkInterfaceIds=endpoint["NetworkInterfaceIds"],
        )["NetworkInterfaces"]
        found = [(i["SubnetId"], i["PrivateIpAddress"], i["Groups"][0]["GroupId"]) for i in interfaces]
        assert found == [(world.subnets[0], "10.0.0.10", "sg-0a"), (world.subnets[1], "10.0.1.10", "sg-0a")]

    @pytest.mark.parametrize(
        "principals", [(), (f"arn:aws:iam::{STRANGER}:root",), (f"arn:aws:iam::{CONSUMER}:role/a",)]
    )
    def test_without_permission_there_is_no_such_service(self, world: World, principals: tuple[str, ...]) -> None:
        service = world.service(principals)
        text = f"The Vpc Endpoint Service '{service['ServiceName']}' does not exist"
        with refusal("InvalidServiceName", text):
            world.endpoint(service)

    def test_a_role_may_be_permitted_alone(self, world: World) -> None:
        role = f"arn:aws:iam::{CONSUMER}:role/deployer"
        service = world.service((role,))
        sts = client("sts", CONSUMER)
        credentials = sts.assume_role(RoleArn=role, RoleSessionName="deploy")["Credentials"]
        world.consumer = session(credentials["AccessKeyId"]).client("ec2")
        assert world.endpoint(service)["OwnerId"] == CONSUMER

    def test_a_dry_run_creates_nothing(self, world: World) -> None:
        service = world.service()
        with refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set."):
            world.endpoint(service, DryRun=True)
        assert world.states(service) == {}
        assert world.notifications == []

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"VpcId": "vpc-0000"}, "InvalidVpcID.NotFound"),
            ({"SubnetIds": ["subnet-0000"]}, "InvalidSubnetID.NotFound"),
            ({"VpcEndpointType": "Gateway"}, "InvalidParameter"),
            ({"IpAddressType": "dualstack"}, "InvalidParameter"),
            ({"PrivateDnsEnabled": True}, "InvalidParameter"),
        ],
    )
    def test_what_cannot_be_is_refused(self, world: World, options: dict[str, Any], code: str) -> None:
        service = world.service()
        request = {"VpcEndpointType": "Interface", "VpcId": world.vpc, "SubnetIds": world.subnets[:1]} | options
        with refusal(code):
            world.consumer.create_vpc_endpoint(ServiceName=service["ServiceName"], **request)

    def test_a_subnet_in_a_zone_without_the_service_is_refused(self, world: World) -> None:
        """Both accounts call their zone `a`, and mean different ones."""
        _, subnets = network(world.provider)
        balancer = client("elbv2", PROVIDER).create_load_balancer(Name="n", Type="network", Subnets=subnets[:1])
        arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        service = world.service(AcceptanceRequired=True)
        world.provider.modify_vpc_endpoint_service_configuration(
            ServiceId=service["ServiceId"], AddNetworkLoadBalancerArns=[arn], RemoveNetworkLoadBalancerArns=[NLB]
        )
        with refusal("InvalidParameter", f"does not support the availability zone of the subnet: {world.subnets[0]}"):
            world.endpoint(service)
        theirs = world.provider.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["AvailabilityZoneId"]
        ours = world.consumer.describe_subnets(SubnetIds=world.subnets)["Subnets"]
        (same_zone,) = [s["SubnetId"] for s in ours if s["AvailabilityZoneId"] == theirs]
        assert world.endpoint(service, SubnetIds=[same_zone])["SubnetIds"] == [same_zone]

    def test_zone_ids_agree_between_subnets_and_zones(self, world: World) -> None:
        zones = world.consumer.describe_availability_zones()["AvailabilityZones"]
        subnets = world.consumer.describe_subnets(SubnetIds=world.subnets)["Subnets"]
        assert {z["ZoneName"]: z["ZoneId"] for z in zones} == {
            s["AvailabilityZone"]: s["AvailabilityZoneId"] for s in subnets
        }

    def test_subnets_and_groups_can_be_changed(self, world: World) -> None:
        endpoint_id = world.endpoint(world.service(), SecurityGroupIds=["sg-0a"])["VpcEndpointId"]
        world.consumer.modify_vpc_endpoint(
            VpcEndpointId=endpoint_id,
            AddSubnetIds=world.subnets[1:2],
            RemoveSubnetIds=world.subnets[:1],
            AddSecurityGroupIds=["sg-0b"],
            RemoveSecurityGroupIds=["sg-0a"],
        )
        (endpoint,) = world.consumer.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
        assert (endpoint["SubnetIds"], endpoint["Groups"]) == (world.subnets[1:2], [{"GroupId": "sg-0b"}])
        with refusal("DuplicateSubnetsInSameZone"):
            world.consumer.modify_vpc_endpoint(VpcEndpointId=endpoint_id, AddSubnetIds=world.subnets[1:2])

    def test_a_deleted_endpoint_is_gone_for_its_owner(self, world: World) -> None:
        endpoint_id = world.endpoint(world.service())["VpcEndpointId"]
        answer = world.consumer.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id, "vpce-0feed"])
        assert [item["ResourceId"] for item in answer["Unsuccessful"]] == ["vpce-0feed"]
        assert world.consumer.describe_vpc_endpoints()["VpcEndpoints"] == []
        with refusal("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{endpoint_id}' does not exist"):
            world.consumer.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])

    @pytest.mark.parametrize("endpoint_id", ["vpce-0feed", "somebody else's"])
    def test_an_endpoint_of_nobody_or_of_others_is_not_found(self, world: World, endpoint_id: str) -> None:
        mine = world.endpoint(world.service())["VpcEndpointId"]
        asked = mine if " " in endpoint_id else endpoint_id
        with refusal("InvalidVpcEndpointId.NotFound"):
            client("ec2", STRANGER).describe_vpc_endpoints(VpcEndpointIds=[asked])

    def test_endpoints_to_awss_own_services_are_shown_beside_ours(self, world: World) -> None:
        own = world.consumer.create_vpc_endpoint(VpcId=world.vpc, ServiceName=f"com.amazonaws.{REGION}.s3")
        own_id, ours = own["VpcEndpoint"]["VpcEndpointId"], world.endpoint(world.service())["VpcEndpointId"]
        found = world.consumer.describe_vpc_endpoints()["VpcEndpoints"]
        assert [row["VpcEndpointId"] for row in found] == [ours, own_id]
        (row,) = world.consumer.describe_vpc_endpoints(VpcEndpointIds=[own_id])["VpcEndpoints"]
        assert row["ServiceName"] == f"com.amazonaws.{REGION}.s3"

    def test_endpoints_are_found_by_vpc_and_state_and_come_in_pages(self, world: World) -> None:
        service = world.service()
        created = [world.endpoint(service)["VpcEndpointId"] for _ in range(6)]
        filters = [
            {"Name": "vpc-id", "Values": [world.vpc]},
            {"Name": "vpc-endpoint-state", "Values": ["pendingAcceptance"]},
        ]
        pages = world.consumer.get_paginator("describe_vpc_endpoints").paginate(
            Filters=filters, PaginationConfig={"PageSize": 5}
        )
        assert [[row["VpcEndpointId"] for row in p["VpcEndpoints"]] for p in pages] == [created[:5], created[5:]]


class TestConnections:
    def test_the_states_from_request_to_the_end(self, world: World) -> None:
        service = world.service()
        endpoint_id = world.endpoint(service)["VpcEndpointId"]
        assert world.states(service) == {endpoint_id: "pendingAcceptance"}
        world.decide("accept", service, endpoint_id)
        assert world.states(service) == {endpoint_id: "pending"}
        world.time += ACCEPT_SECONDS
        assert world.states(service) == {endpoint_id: "available"}
        world.consumer.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
        assert world.states(service) == {endpoint_id: "deleting"}
        world.time += 60
        assert world.states(service) == {}

    def test_without_acceptance_a_connection_is_pending_at_once(self, world: World) -> None:
        service = world.service(AcceptanceRequired=False)
        assert world.endpoint(service)["State"] == "pending"

    def test_a_new_connection_may_be_invisible_for_a_while(self, world: World) -> None:
        world.doors.privatelink.visible_after = 10
        service = world.service()
        endpoint_id = world.endpoint(service)["VpcEndpointId"]
        assert world.states(service) == {}
        assert world.decide("accept", service, endpoint_id) == [(endpoint_id, "InvalidVpcEndpointId.NotFound")]
        world.time += 10
        assert world.decide("accept", service, endpoint_id) == []

    def test_a_batch_fails_in_part_inside_a_success(self, world: World) -> None:
        service, other = world.service(), world.service()
        good, foreign = world.endpoint(service)["VpcEndpointId"], world.endpoint(other)["VpcEndpointId"]
        assert world.decide("accept", service, good, foreign, "vpce-0feed") == [
            (foreign, "InvalidVpcEndpointId.NotFound"),
            ("vpce-0feed", "InvalidVpcEndpointId.NotFound"),
        ]
        assert world.states(service) == {good: "pending"}

    def test_accepting_twice_is_an_invalid_state(self, world: World) -> None:
        service = world.service()
        endpoint_id = world.endpoint(service)["VpcEndpointId"]
        assert world.decide("accept", service, endpoint_id) == []
        assert world.decide("accept", service, endpoint_id) == [(endpoint_id, "InvalidState")]

    def test_a_rejected_connection_stays_listed_but_is_not_found_again(self, world: World) -> None:
        service = world.service()
        endpoint_id = world.endpoint(service)["VpcEndpointId"]
        world.decide("accept", service, endpoint_id)
        world.time += ACCEPT_SECONDS
        assert world.decide("reject", service, endpoint_id) == []
        assert world.states(service) == {endpoint_id: "rejected"}
        assert world.decide("reject", service, endpoint_id) == [(endpoint_id, "InvalidVpcEndpointId.NotFound")]
        assert world.decide("accept", service, endpoint_id) == [(endpoint_id, "InvalidState")]

    def test_a_rejected_connection_can_be_accepted_where_aws_should_allow_it(self, world: World) -> None:
        world.doors.privatelink.accepts_rejected = True
        service = world.service()
        endpoint_id = world.endpoint(service)["VpcEndpointId"]
        world.decide("reject", service, endpoint_id)
        assert world.decide("accept", service, endpoint_id) == []
        assert world.states(service) == {endpoint_id: "pending"}

    @pytest.mark.parametrize("verb", ["accept", "reject"])
    def test_deciding_for_a_wrong_service_is_an_error(self, world: World, verb: str) -> None:
        with refusal("InvalidVpcEndpointServiceId.NotFound"):
            world.decide(verb, {"ServiceId": "vpce-svc-0feed"}, "vpce-0feed")

    @pytest.mark.parametrize("state", ["failed", "expired", "partial", "deleted"])
    def test_awss_own_states_can_be_brought_about(self, world: World, state: str) -> None:
        service = world.service()
        endpoint_id = world.endpoint(service)["VpcEndpointId"]
        world.doors.privatelink.force_state(endpoint_id, state)
        assert world.states(service) == {endpoint_id: state}
        assert world.decide("reject", service, endpoint_id) == [(endpoint_id, "InvalidState")]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("vpc-endpoint-owner", CONSUMER),
            ("vpc-endpoint-region", REGION),
            ("vpc-endpoint-state", "pendingAcceptance"),
            ("ip-address-type", "ipv4"),
        ],
    )
    def test_connections_are_filtered(self, world: World, name: str, value: str) -> None:
        world.endpoint(world.service())
        for values, count in (([value], 1), (["else"], 0)):
            answer = world.provider.describe_vpc_endpoint_connections(Filters=[{"Name": name, "Values": values}])
            assert len(answer["VpcEndpointConnections"]) == count

    def test_the_filter_by_endpoint_is_refused(self, world: World) -> None:
        filters = [{"Name": "vpc-endpoint-id", "Values": ["vpce-0feed"]}]
        with refusal("InvalidFilter", "The filter 'vpc-endpoint-id' is invalid"):
            world.provider.describe_vpc_endpoint_connections(Filters=filters)

    def test_a_page_has_at_least_five(self, world: World) -> None:
        with refusal("InvalidParameterValue"):
            world.provider.describe_vpc_endpoint_connections(MaxResults=4)
        with refusal("InvalidNextToken"):
            world.provider.describe_vpc_endpoint_connections(NextToken="x")

    def test_connections_come_in_pages(self, world: World) -> None:
        service = world.service()
        created = [world.endpoint(service)["VpcEndpointId"] for _ in range(7)]
        pages = world.provider.get_paginator("describe_vpc_endpoint_connections").paginate(
            PaginationConfig={"PageSize": 5}
        )
        found = [[row["VpcEndpointId"] for row in page["VpcEndpointConnections"]] for page in pages]
        assert found == [created[:5], created[5:]]

    def test_the_consumer_lists_no_connections(self, world: World) -> None:
        world.endpoint(world.service())
        assert world.consumer.describe_vpc_endpoint_connections()["VpcEndpointConnections"] == []

    def test_every_call_is_observed_with_its_outcome(self, world: World) -> None:
        service = world.service(())
        with refusal("InvalidServiceName"):
            world.endpoint(service)
        created, refused = world.calls[0], world.calls[-1]
        assert (created.account, created.operation) == (PROVIDER, "CreateVpcEndpointServiceConfiguration")
        assert created.response is not None
        assert (refused.account, refused.region, refused.operation) == (CONSUMER, REGION, "CreateVpcEndpoint")
        assert refused.error is not None
        assert refused.error.code == "InvalidServiceName"


class TestNotifications:
    TOPIC = f"arn:aws:sns:{REGION}:{PROVIDER}:connections"

    def subscribe(self, world: World, service: Any, *events: str) -> str:
        created = world.provider.create_vpc_endpoint_connection_notification(
            ServiceId=service["ServiceId"], ConnectionNotificationArn=self.TOPIC, ConnectionEvents=list(events)
        )
        return str(created["ConnectionNotification"]["ConnectionNotificationId"])

    def test_each_event_is_published_once(self, world: World) -> None:
        service = world.service()
        self.subscribe(world, service, "Accept", "Connect", "Delete", "Reject")
        endpoint_id = world.endpoint(service)["VpcEndpointId"]
        world.decide("accept", service, endpoint_id)
        world.decide("reject", service, endpoint_id)
        world.consumer.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
        assert [n.event for n in world.notifications] == ["Connect", "Accept", "Reject", "Delete"]
        first = world.notifications[0]
        assert (first.topic_arn, first.account) == (self.TOPIC, PROVIDER)
        assert first.source_arn == f"arn:aws:ec2:{REGION}:{PROVIDER}:vpc-endpoint-service/{service['ServiceId']}"
        assert endpoint_id in first.body

    def test_the_body_may_say_nothing(self, world: World) -> None:
        world.doors.privatelink.notification_body = lambda *_: "Something happened."
        service = world.service()
        self.subscribe(world, service, "Connect")
        world.endpoint(service)
        assert [n.body for n in world.notifications] == ["Something happened."]

    def test_notifications_are_described_changed_and_deleted(self, world: World) -> None:
        notification_id = self.subscribe(world, world.service(), "Connect")
        world.provider.modify_vpc_endpoint_connection_notification(
            ConnectionNotificationId=notification_id,
            ConnectionEvents=["Reject", "Accept"],
            ConnectionNotificationArn=f"{self.TOPIC}-2",
        )
        describe = world.provider.describe_vpc_endpoint_connection_notifications
        (row,) = describe()["ConnectionNotificationSet"]
        assert describe(ConnectionNotificationId=notification_id)["ConnectionNotificationSet"] == [row]
        assert row["ConnectionEvents"] == ["Accept", "Reject"]
        assert row["ConnectionNotificationArn"] == f"{self.TOPIC}-2"
        delete = world.provider.delete_vpc_endpoint_connection_notifications
        assert delete(ConnectionNotificationIds=[notification_id])["Unsuccessful"] == []
        assert len(delete(ConnectionNotificationIds=[notification_id])["Unsuccessful"]) == 1

    def test_an_endpoint_can_have_its_own(self, world: World) -> None:
        endpoint_id, topic = world.endpoint(world.service())["VpcEndpointId"], f"arn:aws:sns:{REGION}:{CONSUMER}:mine"
        world.consumer.create_vpc_endpoint_connection_notification(
            VpcEndpointId=endpoint_id, ConnectionNotificationArn=topic, ConnectionEvents=["Delete"]
        )
        world.consumer.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
        (sent,) = world.notifications
        source = f"arn:aws:ec2:{REGION}:{CONSUMER}:vpc-endpoint/{endpoint_id}"
        assert (sent.topic_arn, sent.account, sent.source_arn) == (topic, CONSUMER, source)

    def test_only_the_four_events_exist(self, world: World) -> None:
        service = world.service()
        with refusal("InvalidParameter"):
            self.subscribe(world, service, "Explode")


class TestPrivateDns:
    NAME = "payments.example.com"

    def verified(self, world: World) -> Any:
        service = world.service(PrivateDnsName=self.NAME)
        world.provider.start_vpc_endpoint_service_private_dns_verification(ServiceId=service["ServiceId"])
        return service

    def available(self, world: World) -> str:
        service = self.verified(world)
        endpoint_id = str(world.endpoint(service)["VpcEndpointId"])
        world.decide("accept", service, endpoint_id)
        world.time += ACCEPT_SECONDS
        return endpoint_id

    def enable(self, world: World, endpoint_id: str) -> None:
        world.consumer.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=True)

    def test_it_is_refused_before_acceptance(self, world: World) -> None:
        with refusal("InvalidParameter", "not accepted"):
            world.endpoint(self.verified(world), PrivateDnsEnabled=True)

    def test_it_gives_the_vpc_a_zone_that_only_awss_lists_show(self, world: World) -> None:
        endpoint_id = self.available(world)
        self.enable(world, endpoint_id)
        (endpoint,) = world.consumer.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
        assert endpoint["DnsEntries"][-1]["DnsName"] == self.NAME
        assert world.resolve(self.NAME).target == endpoint["DnsEntries"][0]["DnsName"]
        assert world.resolve(f"api.{self.NAME}").target == ""
        summaries = world.route53.list_hosted_zones_by_vpc(VPCId=world.vpc, VPCRegion=REGION)["HostedZoneSummaries"]
        assert [row["Owner"] for row in summaries] == [{"OwningService": "vpce.amazonaws.com"}]
        assert world.route53.list_hosted_zones()["HostedZones"] == []

    def test_it_can_be_turned_off(self, world: World) -> None:
        endpoint_id = self.available(world)
        self.enable(world, endpoint_id)
        world.consumer.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=False)
        assert world.resolve(self.NAME) == Resolution()

    def test_a_new_name_must_be_verified_anew(self, world: World) -> None:
        service_id = self.verified(world)["ServiceId"]
        modify = world.provider.modify_vpc_endpoint_service_configuration
        describe = world.provider.describe_vpc_endpoint_service_configurations
        modify(ServiceId=service_id, PrivateDnsName="other.example.com")
        (service,) = describe(ServiceIds=[service_id])["ServiceConfigurations"]
        assert service["PrivateDnsNameConfiguration"]["State"] == "pendingVerification"
        modify(ServiceId=service_id, RemovePrivateDnsName=True)
        (service,) = describe(ServiceIds=[service_id])["ServiceConfigurations"]
        assert "PrivateDnsName" not in service

    def test_it_and_a_zone_of_the_name_exclude_each_other(self, world: World) -> None:
        endpoint_id = self.available(world)
        zone_id = world.zone(self.NAME)
        with refusal("InvalidParameter", "private-dns-enabled cannot be set .* conflicting DNS domain"):
            self.enable(world, endpoint_id)
        world.route53.delete_hosted_zone(Id=zone_id)
        self.enable(world, endpoint_id)
        with refusal("ConflictingDomainExists"):
            world.zone(self.NAME, reference="second")


class TestHostedZones:
    def test_a_zone_is_born_with_ns_and_soa(self, world: World) -> None:
        zone_id = world.zone("Payments.Example.com")
        zone = world.route53.get_hosted_zone(Id=zone_id)
        assert zone_id.startswith("/hostedzone/Z")
        assert zone["HostedZone"]["Name"] == "payments.example.com."
        assert zone["VPCs"] == [{"VPCRegion": REGION, "VPCId": world.vpc}]
        records = world.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
        assert [record["Type"] for record in records] == ["NS", "SOA"]

    def test_a_public_zone_has_name_servers_and_no_vpc(self, world: World) -> None:
        zone = world.route53.create_hosted_zone(Name="example.com", CallerReference="public")
        assert len(zone["DelegationSet"]["NameServers"]) == 4
        assert "VPCs" not in world.route53.get_hosted_zone(Id=zone["HostedZone"]["Id"])
        vpc = {"VPCRegion": REGION, "VPCId": world.vpc}
        with refusal("PublicZoneVPCAssociation"):
            world.route53.associate_vpc_with_hosted_zone(HostedZoneId=zone["HostedZone"]["Id"], VPC=vpc)

    def test_a_private_zone_needs_a_vpc(self, world: World) -> None:
        with refusal("InvalidInput"):
            world.route53.create_hosted_zone(Name="a.com", CallerReference="1", HostedZoneConfig={"PrivateZone": True})

    def test_the_vpc_must_be_the_callers(self, world: World) -> None:
        stranger = client("route53", STRANGER)
        with refusal("InvalidVPCId"):
            stranger.create_hosted_zone(
                Name="a.com", CallerReference="1", VPC={"VPCRegion": REGION, "VPCId": world.vpc}
            )

    def test_a_caller_reference_is_used_up_for_ever(self, world: World) -> None:
        world.route53.delete_hosted_zone(Id=world.zone(reference="once"))
        with refusal("HostedZoneAlreadyExists") as refused:
            world.zone("other.example.com", reference="once")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409

    def test_a_vpc_has_one_zone_of_a_name(self, world: World) -> None:
        world.zone()
        with refusal("ConflictingDomainExists", f"The VPC {world.vpc} in region {REGION}"):
            world.zone(reference="second")

    def test_a_zone_name_cannot_begin_with_a_wildcard(self, world: World) -> None:
        with refusal("InvalidDomainName"):
            world.zone("*.example.com")

    def test_a_zone_with_records_is_not_deleted(self, world: World) -> None:
        zone_id = world.zone()
        record = ("api.payments.example.com", "CNAME", "target.example.net")
        world.change(zone_id, ("CREATE", *record))
        with refusal("HostedZoneNotEmpty"):
            world.route53.delete_hosted_zone(Id=zone_id)
        world.change(zone_id, ("DELETE", *record))
        world.route53.delete_hosted_zone(Id=zone_id)
        with refusal("NoSuchHostedZone", "No hosted zone found with ID: Z"):
            world.route53.get_hosted_zone(Id=zone_id)

    def test_another_accounts_zone_is_denied(self, world: World) -> None:
        zone_id = world.zone()
        with refusal("AccessDenied"):
            client("route53", STRANGER).list_resource_record_sets(HostedZoneId=zone_id)

    def test_zones_are_listed_from_a_name_on_in_dns_order(self, world: World) -> None:
        for name in ("b.example.com", "example.com", "a.example.org", "a.example.com"):
            world.zone(name)
        found = world.route53.list_hosted_zones_by_name(DNSName="a.example.com", MaxItems="2")
        assert [zone["Name"] for zone in found["HostedZones"]] == ["a.example.com.", "b.example.com."]
        assert found["HostedZones"][0]["CallerReference"] == "a.example.com"
        assert (found["IsTruncated"], found["NextDNSName"]) == (True, "a.example.org.")

    def test_zones_are_listed_in_pages(self, world: World) -> None:
        ids = {world.zone(f"{i}.example.com") for i in range(3)}
        pages = list(world.route53.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 2}))
        assert [len(page["HostedZones"]) for page in pages] == [2, 1]
        assert {zone["Id"] for page in pages for zone in page["HostedZones"]} == ids

    def test_zones_of_a_vpc_come_without_the_prefix_and_reference(self, world: World) -> None:
        ids = [world.zone(f"{i}.example.com").removeprefix("/hostedzone/") for i in range(3)]
        place = {"VPCId": world.vpc, "VPCRegion": REGION, "MaxItems": "2"}
        first = world.route53.list_hosted_zones_by_vpc(**place)
        second = world.route53.list_hosted_zones_by_vpc(**place, NextToken=first["NextToken"])
        assert [r["HostedZoneId"] for p in (first, second) for r in p["HostedZoneSummaries"]] == ids
        assert first["HostedZoneSummaries"][0].keys() == {"HostedZoneId", "Name", "Owner"}

    def test_a_change_is_in_sync_after_a_while(self, world: World) -> None:
        change = world.change(world.zone(), ("UPSERT", "api.payments.example.com", "CNAME", "t.example.net"))
        assert change["Status"] == "PENDING"
        world.time += INSYNC_SECONDS
        assert world.route53.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC"
        with refusal("NoSuchChange"):
            world.route53.get_change(Id="C0")

    def test_a_role_of_the_consumer_works_in_its_account(self, world: World) -> None:
        zone_id = world.zone()
        sts = client("sts", PROVIDER)
        role = f"arn:aws:iam::{CONSUMER}:role/autopilot-{PROVIDER}-{REGION}"
        credentials = sts.assume_role(RoleArn=role, RoleSessionName="converge")["Credentials"]
        route53 = session(credentials["AccessKeyId"]).client("route53")
        assert route53.get_hosted_zone(Id=zone_id)["HostedZone"]["Id"] == zone_id

    def test_tags_come_and_go(self, world: World) -> None:
        zone_id = world.zone().removeprefix("/hostedzone/")
        tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        change = world.route53.change_tags_for_resource
        change(ResourceType="hostedzone", ResourceId=zone_id, AddTags=tags)
        change(ResourceType="hostedzone", ResourceId=zone_id, RemoveTagKeys=["a"])
        found = world.route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)
        assert found["ResourceTagSet"]["Tags"] == tags[1:]


class TestRecords:
    ZONE, API, TARGET = "payments.example.com", "api.payments.example.com", "vpce-0a-b.vpce.amazonaws.com"

    @pytest.mark.parametrize(
        ("before", "change", "text"),
        [
            ([], ("CREATE", ZONE, "CNAME", TARGET), "RRSet of type CNAME .* not permitted at apex in zone payments"),
            ([("A", "10.0.0.1")], ("CREATE", API, "CNAME", TARGET), "it conflicts with other records"),
            ([("CNAME", TARGET)], ("CREATE", API, "A", "10.0.0.1"), "a conflicting RRSet of type CNAME"),
            ([("CNAME", TARGET)], ("CREATE", API, "CNAME", TARGET), "but it already exists"),
            ([], ("DELETE", API, "CNAME", TARGET), "but it was not found"),
            ([("CNAME", TARGET)], ("DELETE", API, "CNAME", "other"), "values provided do not match"),
            ([], ("CREATE", "api.example.org", "CNAME", TARGET), "is not permitted in zone"),
        ],
    )
    def test_what_route_53_refuses(
        self, world: World, before: list[tuple[str, str]], change: tuple[str, str, str, str], text: str
    ) -> None:
        zone_id = world.zone(self.ZONE)
        for kind, value in before:
            world.change(zone_id, ("CREATE", self.API, kind, value))
        with refusal("InvalidChangeBatch", text):
            world.change(zone_id, change)

    def test_a_batch_is_all_or_nothing_and_names_every_problem(self, world: World) -> None:
        zone_id = world.zone(self.ZONE)
        with refusal("InvalidChangeBatch", r"\[RRSet .* at apex .*, Tried to delete .* not found\]"):
            world.change(
                zone_id,
                ("CREATE", self.API, "CNAME", self.TARGET),
                ("CREATE", self.ZONE, "CNAME", self.TARGET),
                ("DELETE", f"gone.{self.ZONE}", "CNAME", self.TARGET),
            )
        assert world.resolve(self.API).target == ""

    def test_a_cname_may_take_the_place_of_another_record_in_one_batch(self, world: World) -> None:
        zone_id = world.zone(self.ZONE)
        world.change(zone_id, ("CREATE", self.API, "A", "10.0.0.1"))
        world.change(zone_id, ("DELETE", self.API, "A", "10.0.0.1"), ("CREATE", self.API, "CNAME", self.TARGET))
        assert world.resolve(self.API).target == self.TARGET

    def test_the_zones_own_records_stay(self, world: World) -> None:
        zone_id = world.zone(self.ZONE)
        (name_servers, _) = world.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
        batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": name_servers}]}
        with refusal("InvalidChangeBatch", "must contain at least one NS record"):
            world.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)

    def test_records_are_listed_in_dns_order_and_in_pages(self, world: World) -> None:
        zone_id = world.zone(self.ZONE)
        for name in ("b.a", "*", "a", "z.a"):
            world.change(zone_id, ("UPSERT", f"{name}.{self.ZONE}", "CNAME", self.TARGET))
        pages = world.route53.get_paginator("list_resource_record_sets").paginate(
            HostedZoneId=zone_id, PaginationConfig={"PageSize": 4}
        )
        names = [record["Name"].removesuffix(f"{self.ZONE}.") for p in pages for record in p["ResourceRecordSets"]]
        assert names == ["", "", "\\052.", "a.", "b.a.", "z.a."]

    def test_a_listing_starts_where_it_is_told(self, world: World) -> None:
        zone_id = world.zone(self.ZONE)
        world.change(zone_id, ("UPSERT", self.API, "CNAME", self.TARGET))
        found = world.route53.list_resource_record_sets(
            HostedZoneId=zone_id, StartRecordName=self.API, StartRecordType="CNAME", MaxItems="1"
        )
        assert [record["Name"] for record in found["ResourceRecordSets"]] == [f"{self.API}."]

    def test_an_alias_stands_at_the_apex(self, world: World) -> None:
        zone_id = world.zone(self.ZONE)
        alias = {"HostedZoneId": "Z273ZU8SZ5RJPC", "DNSName": self.TARGET, "EvaluateTargetHealth": False}
        record = {"Name": self.ZONE, "Type": "A", "AliasTarget": alias}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        world.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
        assert world.resolve(self.ZONE).target == self.TARGET
        stored = world.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"][0]
        assert stored["AliasTarget"] == {**alias, "DNSName": f"{self.TARGET}."}
        batch["Changes"][0]["Action"] = "DELETE"
        world.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)


class TestResolving:
    def test_the_most_specific_zone_answers_and_does_not_fall_through(self, world: World) -> None:
        wide, narrow = world.zone("example.com"), world.zone("payments.example.com")
        world.change(wide, ("CREATE", "api.payments.example.com", "CNAME", "wide.example.net"))
        world.change(narrow, ("CREATE", "ledger.payments.example.com", "CNAME", "narrow.example.net"))
        zone = narrow.removeprefix("/hostedzone/")
        assert world.resolve("Ledger.payments.example.com.") == Resolution(zone, "narrow.example.net")
        assert world.resolve("api.payments.example.com") == Resolution(zone)
        assert world.resolve("www.example.org") == Resolution()

    def test_a_wildcard_covers_every_depth_but_not_what_exists_nor_the_apex(self, world: World) -> None:
        zone_id = world.zone("example.com")
        world.change(zone_id, ("CREATE", "*.example.com", "CNAME", "any.example.net"))
        world.change(zone_id, ("CREATE", "api.example.com", "CNAME", "api.example.net"))
        targets = {n: world.resolve(f"{n}example.com").target for n in ("", "x.", "y.x.", "api.", "below.api.")}
        assert targets == {
            "": "",
            "x.": "any.example.net",
            "y.x.": "any.example.net",
            "api.": "api.example.net",
            "below.api.": "",
        }


class TestVpcAssociations:
    @pytest.fixture
    def stranger(self, world: World) -> Any:
        return client("route53", STRANGER)

    @pytest.fixture
    def their_vpc(self, world: World) -> dict[str, str]:
        return {"VPCRegion": REGION, "VPCId": network(client("ec2", STRANGER))[0]}

    def test_another_accounts_vpc_must_be_authorised(
        self, world: World, stranger: Any, their_vpc: dict[str, str]
    ) -> None:
        zone_id = world.zone()
        with refusal("NotAuthorizedException", "is not authorized to make the association"):
            stranger.associate_vpc_with_hosted_zone(HostedZoneId=zone_id, VPC=their_vpc)
        world.route53.create_vpc_association_authorization(HostedZoneId=zone_id, VPC=their_vpc)
        assert world.route53.list_vpc_association_authorizations(HostedZoneId=zone_id)["VPCs"] == [their_vpc]
        stranger.associate_vpc_with_hosted_zone(HostedZoneId=zone_id, VPC=their_vpc)
        world.route53.delete_vpc_association_authorization(HostedZoneId=zone_id, VPC=their_vpc)
        with refusal("VPCAssociationAuthorizationNotFound"):
            world.route53.delete_vpc_association_authorization(HostedZoneId=zone_id, VPC=their_vpc)
        found = world.doors.hosted_zones.resolve(STRANGER, REGION, their_vpc["VPCId"], "payments.example.com")
        assert f"/hostedzone/{found.zone}" == zone_id

    def test_the_last_vpc_stays(self, world: World) -> None:
        zone_id, second = world.zone(), {"VPCRegion": REGION, "VPCId": network(world.consumer)[0]}
        first = {"VPCRegion": REGION, "VPCId": world.vpc}
        world.route53.associate_vpc_with_hosted_zone(HostedZoneId=zone_id, VPC=second)
        world.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone_id, VPC=first)
        with refusal("VPCAssociationNotFound"):
            world.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone_id, VPC=first)
        with refusal("LastVPCAssociation"):
            world.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone_id, VPC=second)

    def test_a_vpc_with_a_zone_of_the_name_is_not_associated(self, world: World) -> None:
        world.zone()
        second = {"VPCRegion": REGION, "VPCId": network(world.consumer)[0]}
        zone = world.route53.create_hosted_zone(Name="payments.example.com", CallerReference="2", VPC=second)
        first = {"VPCRegion": REGION, "VPCId": world.vpc}
        with refusal("ConflictingDomainExists"):
            world.route53.associate_vpc_with_hosted_zone(HostedZoneId=zone["HostedZone"]["Id"], VPC=first)


class TestOrganizations:
    @pytest.fixture
    def provider(self, world: World) -> Any:
        """One that does not try again."""
        return session(PROVIDER).client("organizations", config=Config(retries={"total_max_attempts": 1}))

    def test_an_account_is_described_with_its_path(self, provider: Any) -> None:
        account = provider.describe_account(AccountId=CONSUMER)["Account"]
        assert (account["Name"], account["State"]) == ("team-a", "ACTIVE")
        assert account["Paths"] == [f"o-autopilot01/{ROOT}/{WORKLOADS}/{PROD}/{CONSUMER}/"]

    def test_the_parents_are_found_step_by_step(self, provider: Any) -> None:
        chain, child = [], CONSUMER
        while child != ROOT:
            pages = provider.get_paginator("list_parents").paginate(ChildId=child)
            ((child, kind),) = [(row["Id"], row["Type"]) for page in pages for row in page["Parents"]]
            chain.append((child, kind))
        kind = "ORGANIZATIONAL_UNIT"
        assert chain == [(PROD, kind), (WORKLOADS, kind), (ROOT, "ROOT")]
        unit = provider.describe_organizational_unit(OrganizationalUnitId=PROD)["OrganizationalUnit"]
        assert (unit["Id"], unit["Name"]) == (PROD, "Prod")

    def test_an_account_moves_and_leaves(self, world: World, provider: Any) -> None:
        moves = world.doors.organizations
        moves.move(CONSUMER, SANDBOX)
        account = provider.describe_account(AccountId=CONSUMER)["Account"]
        assert account["Paths"] == [f"o-autopilot01/{ROOT}/{SANDBOX}/{CONSUMER}/"]
        moves.move(CONSUMER, "")
        with refusal("AccountNotFoundException"):
            provider.describe_account(AccountId=CONSUMER)
        assert moves.organization_of(CONSUMER) is None
        with pytest.raises(ValueError, match="ou-none is none of"):
            moves.move(CONSUMER, "ou-none")

    def test_what_does_not_exist_is_not_found(self, provider: Any) -> None:
        with refusal("AccountNotFoundException"):
            provider.describe_account(AccountId=STRANGER)
        with refusal("ChildNotFoundException"):
            provider.list_parents(ChildId=STRANGER)
        with refusal("OrganizationalUnitNotFoundException"):
            provider.describe_organizational_unit(OrganizationalUnitId="ou-ab12-99999999")

    @pytest.mark.parametrize(
        ("account", "state", "code"),
        [
            (PROVIDER, "refused", "AccessDeniedException"),
            (PROVIDER, "throttled", "TooManyRequestsException"),
            (MANAGEMENT, "failing", "ServiceException"),
            (CONSUMER, "ok", "AccessDeniedException"),
            (STRANGER, "ok", "AWSOrganizationsNotInUseException"),
        ],
    )
    def test_not_everybody_gets_an_answer(self, world: World, account: str, state: str, code: str) -> None:
        once = Config(retries={"total_max_attempts": 1})
        world.doors.organizations.state = state
        with refusal(code):
            session(account).client("organizations", config=once).describe_account(AccountId=CONSUMER)

    def test_the_management_account_needs_no_delegation(self, world: World) -> None:
        world.doors.organizations.state = "refused"
        management = client("organizations", MANAGEMENT)
        assert management.describe_account(AccountId=CONSUMER)["Account"]["Id"] == CONSUMER


def test_motos_tables_are_as_the_product_needs_them(world: World) -> None:
    tables.check(session(PROVIDER).client("dynamodb"))


def test_what_is_not_about_zones_stays_with_the_emulator(world: World) -> None:
    assert world.route53.list_health_checks()["HealthChecks"] == []


def test_a_reset_forgets_services_zones_and_references(world: World) -> None:
    service = world.service()
    world.zone()
    world.doors.reset()
    assert world.states(service) == {}
    assert world.zone()
