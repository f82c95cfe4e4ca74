"""What the dashboard shows and the alarms watch is what the functions log, in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.local_aws.control import CONSUMER, PROVIDER, STRANGER
from tests.local_aws.deployment import STACK, up
from tests.story.story import Story, wait_for
from tests.template.templates import NAMESPACE, own_metrics

WATCHED, SHOWN = own_metrics()
EVENTS_ALONE, NOTIFICATIONS_ALONE = {"notifications": "off"}, {"events": "off"}
NOTHING = EVENTS_ALONE | NOTIFICATIONS_ALONE


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Where nothing else happens that would be counted, too."""
    with up(tmp_path_factory.mktemp("local-aws"), SweepMinutes="60") as aws:
        yield Story(aws)


def test_whatever_is_shown_or_watched_is_measured_and_nothing_else(story: Story) -> None:
    standing_before(story)
    first = unseen(story, EVENTS_ALONE, CONSUMER)
    wait_for("READY", lambda: story.mail_about("READY", first))
    second, held = story.create_endpoint(), story.create_endpoint(STRANGER)
    wait_for("DNS-BLOCKED", lambda: story.mail_about("DNS-BLOCKED", second))
    wait_for("HELD", lambda: story.mail_about("HELD", held))
    story.sweep()
    story.allowlist(STRANGER, "reject")
    wait_for("REJECTED", lambda: story.mail_about("REJECTED", held))
    allow_and_follow(story)
    kept = unseen(story, NOTIFICATIONS_ALONE)
    wait_for("CONNECTED", lambda: story.mail_about("CONNECTED", kept))
    story.forget(STRANGER)
    story.sweep()
    wait_for("REVOKED", lambda: story.mail_about("REVOKED", kept))
    late = unseen(story, NOTHING)
    story.sweep()
    wait_for("HELD", lambda: story.mail_about("HELD", late))
    story.delete_endpoint(late, STRANGER)
    wait_for("RETIRED", lambda: story.mail_about("RETIRED", late))
    shut_out(story)
    for endpoint_id in (first, second):
        story.delete_endpoint(endpoint_id)
    wait_for("FAILED", lambda: story.mail_about("FAILED", first))

    # What was told last is what is logged last.
    wait_for("Failed", lambda: "Failed" in metrics_of(story))
    found = metrics_of(story)
    assert found.keys() == WATCHED | SHOWN, "each costs something: none is logged that nobody sees"
    assert 0 < min(found["SecondsToAccepted"]) <= min(found["SecondsToReady"]) < 60
    assert sum(found["Requested"]) == 6
    assert sum(found["Rejected"]) == sum(found["DnsBlocked"]) == sum(found["Revoked"]) == 1
    assert sum(found["SeenFirstByInstallation"]) == sum(found["SeenFirstBySweep"]) == 1
    assert max(found["SweepHeld"]) == 1


def standing_before(story: Story) -> None:
    """A service that is handed over with a connection that a person accepted, and that only the sweep tells of."""
    story.aws.switch(**NOTHING)
    state, ec2 = story.aws.state, story.aws.client("ec2", PROVIDER)
    made = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[state.load_balancer_arn])
    service = made["ServiceConfiguration"]
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service["ServiceId"], AddAllowedPrincipals=["*"])
    endpoint = story.aws.client("ec2", STRANGER).create_vpc_endpoint(
        VpcEndpointType="Interface",
        ServiceName=service["ServiceName"],
        VpcId=state.stranger_vpc_id,
        SubnetIds=state.stranger_subnet_ids,
    )
    endpoint_ids = [endpoint["VpcEndpoint"]["VpcEndpointId"]]
    ec2.accept_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=endpoint_ids)
    ec2.create_tags(Resources=[service["ServiceId"]], Tags=[{"Key": "autopilot", "Value": "enabled"}])
    story.sweep()
    story.aws.switch(**dict.fromkeys(NOTHING, "on"))


def allow_and_follow(story: Story) -> None:
    """An entry for the stranger, whose requests are looked for once, before any that is made later."""

    def looks() -> int:
        role, action = "SweepRole", "ec2:DescribeVpcEndpointConnections"
        return sum(role in one.principal_role and one.action == action for one in story.aws.decisions())

    before = looks()
    story.allowlist(STRANGER)
    wait_for("the look", lambda: looks() > before)


def unseen(story: Story, switches: dict[str, str], account: str = STRANGER) -> str:
    """An endpoint that is made while these are off."""
    story.aws.switch(**switches)
    endpoint_id = story.create_endpoint(account)
    story.aws.switch(**dict.fromkeys(switches, "on"))
    return endpoint_id


def shut_out(story: Story) -> None:
    """The consumer's role may do nothing any more."""
    iam = story.aws.client("iam", CONSUMER)
    for role in iam.list_roles()["Roles"]:
        if role["RoleName"].startswith(f"autopilot-{PROVIDER}-"):
            for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
                iam.delete_role_policy(RoleName=role["RoleName"], PolicyName=policy)


def metrics_of(story: Story) -> dict[str, list[float]]:
    """The values of each metric that a function logged, under the dimension that dashboard and alarms ask for."""
    found = defaultdict[str, list[float]](list)
    for name, values in logged(story):
        found[name] += values
    return found


def logged(story: Story) -> Iterator[tuple[str, list[float]]]:
    logs = story.aws.client("logs", PROVIDER)
    for group in logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for line in (event["message"] for page in pages for event in page["events"]):
            if line.startswith('{"_aws":'):
                metrics = json.loads(line)
                for directive in metrics["_aws"]["CloudWatchMetrics"]:
                    assert (directive["Namespace"], directive["Dimensions"]) == (NAMESPACE, [["service"]])
                    assert metrics["service"] == STACK
                    yield from ((metric["Name"], metrics[metric["Name"]]) for metric in directive["Metrics"])
