"""The shapes in which CloudTrail writes PrivateLink calls, rule by rule as genuine records show them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.events import SERVICE, event
from tests.local_aws.cloudtrail import RECORDED, envelope, identity_of, record, request_parameters
from tests.local_aws.privatelink import ApiCall, AwsError, Caller

CALLER = Caller("022222222222", "eu-central-1", "arn:aws:sts::022222222222:assumed-role/Deployer/terraform")
NOW = datetime(2026, 3, 1, 12, 30, 5, 987654, tzinfo=UTC)
REQUEST_ID = "5d0c8a0e-58c8-4d5b-a6a5-1ef3b1c0a001"


def recorded(operation: str, request: dict[str, Any], outcome: dict[str, Any] | AwsError) -> dict[str, Any]:
    error = outcome if isinstance(outcome, AwsError) else None
    response = None if isinstance(outcome, AwsError) else outcome
    call = ApiCall(CALLER, operation, request, response, error, REQUEST_ID)
    return record(call, identity_of(CALLER), NOW)


def response_body(operation: str, response: dict[str, Any]) -> Any:
    return recorded(operation, {}, response)["responseElements"][f"{operation}Response"]


class TestRequests:
    def test_the_wrapper_is_the_operation_and_names_are_those_of_the_query_protocol(self) -> None:
        request = {"VpcId": "vpc-0a", "SubnetIds": ["subnet-0a"], "PrivateDnsEnabled": True}
        assert request_parameters("CreateVpcEndpoint", request) == {
            "CreateVpcEndpointRequest": {
                "VpcId": "vpc-0a",
                "SubnetId": {"tag": 1, "content": "subnet-0a"},
                "PrivateDnsEnabled": True,
            }
        }

    def test_several_elements_are_a_numbered_list(self) -> None:
        body = request_parameters("DeleteVpcEndpoints", {"VpcEndpointIds": ["vpce-0a", "vpce-0b"]})
        assert body["DeleteVpcEndpointsRequest"]["VpcEndpointId"] == [
            {"tag": 1, "content": "vpce-0a"},
            {"tag": 2, "content": "vpce-0b"},
        ]

    def test_elements_that_are_structures_carry_their_number_beside_their_own_tags(self) -> None:
        tags = [{"Key": "managed", "Value": "true"}, {"Key": "CostCenter", "Value": "4711"}]
        specification = {"ResourceType": "vpc-endpoint", "Tags": tags}
        body = request_parameters("CreateVpcEndpoint", {"TagSpecifications": [specification]})
        assert body["CreateVpcEndpointRequest"]["TagSpecification"] == {
            "ResourceType": "vpc-endpoint",
            "tag": 1,
            "Tag": [
                {"Key": "managed", "Value": True, "tag": 1},
                {"Key": "CostCenter", "Value": 4711, "tag": 2},
            ],
        }

    def test_some_names_stay_plural(self) -> None:
        body = request_parameters("ModifyVpcEndpointServicePermissions", {"AddAllowedPrincipals": ["*"]})
        assert body["ModifyVpcEndpointServicePermissionsRequest"] == {
            "AddAllowedPrincipals": {"tag": 1, "content": "*"}
        }

    def test_no_parameters_are_an_empty_text(self) -> None:
        assert request_parameters("CreateVpcEndpoint", {}) == {"CreateVpcEndpointRequest": ""}

    def test_tags_have_no_wrapper_and_always_lists(self) -> None:
        tags = {"autopilot": "enabled", "autopilot:zone": "payments.example.com", "autopilot:records": "api ledger"}
        request = {"Resources": [SERVICE], "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        parameters = event("tag-one-service")["detail"]["requestParameters"]
        assert request_parameters("CreateTags", request) == parameters
        assert set(parameters) == {"resourcesSet", "tagSet"}


class TestResponses:
    def test_one_element_stands_alone_and_several_are_a_list(self) -> None:
        endpoint = {"SubnetIds": ["subnet-0a"], "NetworkInterfaceIds": ["eni-0a", "eni-0b"], "State": "pending"}
        body = response_body("CreateVpcEndpoint", {"VpcEndpoint": endpoint})["vpcEndpoint"]
        assert body["subnetIdSet"] == {"item": "subnet-0a"}
        assert body["networkInterfaceIdSet"] == {"item": ["eni-0a", "eni-0b"]}

    def test_an_empty_list_is_an_empty_text(self) -> None:
        assert response_body("DeleteVpcEndpoints", {"Unsuccessful": []})["unsuccessful"] == ""

    @pytest.mark.parametrize(
        ("text", "written"),
        [("222222222222", 222222222222), ("022222222222", "022222222222"), ("0", 0), ("-7", -7), ("1.5", "1.5")],
    )
    def test_whole_numbers_become_numbers_unless_they_begin_with_a_zero(self, text: str, written: object) -> None:
        body = response_body("CreateVpcEndpoint", {"VpcEndpoint": {"OwnerId": text}})
        assert body["vpcEndpoint"]["ownerId"] == written

    @pytest.mark.parametrize(("text", "written"), [("true", True), ("False", False), ("yes", "yes")])
    def test_booleans_in_texts_become_booleans(self, text: str, written: object) -> None:
        body = response_body("CreateVpcEndpoint", {"VpcEndpoint": {"Tags": [{"Key": "k", "Value": text}]}})
        assert body["vpcEndpoint"]["tagSet"] == {"item": {"key": "k", "value": written}}

    @pytest.mark.parametrize("state", ["pendingAcceptance", "available"])
    def test_a_new_endpoint_is_pending_whatever_the_api_said(self, state: str) -> None:
        body = response_body("CreateVpcEndpoint", {"VpcEndpoint": {"VpcEndpointId": "vpce-0a", "State": state}})
        assert body["vpcEndpoint"] == {"vpcEndpointId": "vpce-0a", "state": "pending"}

    def test_moments_have_milliseconds(self) -> None:
        body = response_body("CreateVpcEndpoint", {"VpcEndpoint": {"CreationTimestamp": NOW}})
        assert body["vpcEndpoint"]["creationTimestamp"] == "2026-03-01T12:30:05.987Z"

    def test_tags_say_that_it_worked_and_nothing_else(self) -> None:
        found = recorded("CreateTags", {"Resources": [SERVICE], "Tags": []}, {})["responseElements"]
        assert found.keys() == event("tag-one-service")["detail"]["responseElements"].keys()

    def test_it_names_its_schema_and_the_request(self) -> None:
        body = response_body("ModifyVpcEndpoint", {"Return": True})
        assert body == {"xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/", "requestId": REQUEST_ID, "return": True}

    def test_a_batch_that_failed_in_part_has_no_error_code(self) -> None:
        problem = {"Code": "InvalidVpcEndpointId.NotFound", "Message": "The Vpc Endpoint Id 'vpce-0b' does not exist"}
        request = {"ServiceId": "vpce-svc-0a", "VpcEndpointIds": ["vpce-0a", "vpce-0b"]}
        failed = [{"ResourceId": "vpce-0b", "Error": problem}]
        found = recorded("AcceptVpcEndpointConnections", request, {"Unsuccessful": failed})
        assert "errorCode" not in found
        assert found["responseElements"]["AcceptVpcEndpointConnectionsResponse"]["unsuccessful"] == {
            "item": {"resourceId": "vpce-0b", "error": {"code": problem["Code"], "message": problem["Message"]}}
        }


class TestRecords:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (AwsError("InvalidServiceName", "does not exist"), "Client.InvalidServiceName"),
            (AwsError("DryRunOperation", "would have succeeded", 412), "Client.DryRunOperation"),
            (AwsError("InternalError", "sorry", 500), "Server.InternalError"),
        ],
    )
    def test_a_refused_call_has_a_prefixed_code_the_request_and_no_response(self, error: AwsError, code: str) -> None:
        found = recorded("CreateVpcEndpoint", {"VpcId": "vpc-0a"}, error)
        assert (found["errorCode"], found["errorMessage"]) == (code, error.message)
        assert found["responseElements"] is None
        assert found["requestParameters"] == {"CreateVpcEndpointRequest": {"VpcId": "vpc-0a"}}

    def test_it_says_when_where_and_who(self) -> None:
        found = recorded("ModifyVpcEndpoint", {}, {"Return": True})
        assert (found["eventTime"], found["awsRegion"]) == ("2026-03-01T12:30:05Z", "eu-central-1")
        assert (found["eventSource"], found["readOnly"]) == ("ec2.amazonaws.com", False)
        assert found["recipientAccountId"] == found["userIdentity"]["accountId"] == CALLER.account
        assert found["requestID"] == REQUEST_ID

    def test_only_calls_that_change_something_are_recorded(self) -> None:
        assert {"CreateVpcEndpoint", "RejectVpcEndpointConnections", "DeleteVpcEndpoints"} <= RECORDED
        assert not any(name.startswith("Describe") for name in RECORDED)

    def test_eventbridge_wraps_it_for_the_callers_own_bus(self) -> None:
        detail = recorded("ModifyVpcEndpoint", {}, {"Return": True})
        event = envelope(detail)
        assert event["detail"] == detail
        assert (event["source"], event["detail-type"]) == ("aws.ec2", "AWS API Call via CloudTrail")
        assert (event["account"], event["region"], event["resources"]) == (CALLER.account, "eu-central-1", [])
        assert event["time"] == detail["eventTime"]


class TestIdentities:
    def test_a_session_names_the_role_that_issued_it(self) -> None:
        identity = identity_of(CALLER)
        assert (identity["type"], identity["arn"]) == ("AssumedRole", CALLER.arn)
        assert identity["principalId"].endswith(":terraform")
        issuer = identity["sessionContext"]["sessionIssuer"]
        assert (issuer["arn"], issuer["userName"]) == ("arn:aws:iam::022222222222:role/Deployer", "Deployer")

    @pytest.mark.parametrize(
        ("arn", "kind"),
        [("", "Root"), ("arn:aws:iam::022222222222:root", "Root"), ("arn:aws:iam::022222222222:user/ann", "IAMUser")],
    )
    def test_users_and_the_root_have_no_session(self, arn: str, kind: str) -> None:
        identity = identity_of(Caller("022222222222", "eu-central-1", arn))
        assert identity["type"] == kind
        assert identity["arn"].startswith("arn:aws:iam::022222222222:")
        assert "sessionContext" not in identity
