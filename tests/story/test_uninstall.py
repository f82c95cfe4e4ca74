"""What the runbook says about removing Autopilot, done as it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.local_aws.control import CONSUMER, PROVIDER, SECRET
from tests.local_aws.deployment import STACK, outputs, up
from tests.story.story import Story, wait_for

PROJECT = Path(__file__).parents[2]
UNINSTALL = (PROJECT / "docs/runbook.md").read_text().partition("## Uninstall")[2].partition("\n## ")[0]
OTHERS = "arn:aws:sns:eu-central-1:111111111111:somebody-elses"


def test_the_stack_goes_with_every_notification_and_leaves_connections_and_names(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with up(tmp_path_factory.mktemp("local-aws")) as aws:
        story, ec2 = Story(aws), aws.client("ec2", PROVIDER)
        endpoint_id = story.create_endpoint()
        wait_for("READY", lambda: story.mail_about("READY", endpoint_id))
        handed_over = made_by_hand(story)
        ec2.create_vpc_endpoint_connection_notification(
            ServiceId=handed_over, ConnectionNotificationArn=OTHERS, ConnectionEvents=["Connect"]
        )
        story.sweep()
        topic = outputs(aws)["NotificationTopicArn"]
        wait_for("the notification", lambda: (handed_over, topic) in notifications(story))

        zones, *commands = re.findall(r"```\n(.*?)```", UNINSTALL, re.DOTALL)
        assert run(story, zones, CONSUMER) == f"/hostedzone/{story.zone_id()}\t{aws.state.zone}.\n"
        run(story, "\n".join(commands))

        assert notifications(story) == [(handed_over, OTHERS)]
        assert story.connection_state(endpoint_id) == "available"
        assert (story.cname() or "").startswith(endpoint_id)
        names = aws.client("cloudformation", PROVIDER).list_stacks()["StackSummaries"]
        assert {one["StackStatus"] for one in names if one["StackName"] == STACK} == {"DELETE_COMPLETE"}


def made_by_hand(story: Story) -> str:
    """A service that exists already and is handed over by its tag."""
    made = story.aws.client("ec2", PROVIDER).create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[story.aws.state.load_balancer_arn],
        TagSpecifications=[
            {"ResourceType": "vpc-endpoint-service", "Tags": [{"Key": "autopilot", "Value": "enabled"}]}
        ],
    )
    return str(made["ServiceConfiguration"]["ServiceId"])


def notifications(story: Story) -> list[tuple[str, str]]:
    """The service and the topic of each connection notification in the provider's account."""
    found = story.aws.client("ec2", PROVIDER).describe_vpc_endpoint_connection_notifications()
    return sorted((one["ServiceId"], one["ConnectionNotificationArn"]) for one in found["ConnectionNotificationSet"])


def run(story: Story, commands: str, account: str = PROVIDER) -> str:
    """As a person in the account, with nothing but AWS's own tools; what they print.

    The AWS CLI's own script does not start from a path with a space in it.
    """
    aws = story.aws.directory / "bin" / "aws"
    aws.parent.mkdir(exist_ok=True)
    aws.write_text('#!/bin/sh\nexec python -m awscli "$@"\n')
    aws.chmod(0o755)
    path = f"{aws.parent}:{PROJECT}/.venv/development/bin:{os.environ['PATH']}"
    told = {"STACK": STACK, "AWS_REGION": story.aws.state.region, "SAM_CLI_TELEMETRY": "0"}
    environment = {**story.aws.env(account), **told, "PATH": path, "HOME": os.environ["HOME"]}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert SECRET not in done.stdout
    return done.stdout
