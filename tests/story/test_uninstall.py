"""What the README says about removing Autopilot, done as it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.local_aws.control import PROVIDER, SECRET
from tests.local_aws.deployment import STACK, outputs, up
from tests.story.story import Story, wait_for

PROJECT = Path(__file__).parents[2]
REMOVE = (PROJECT / "README.md").read_text().partition("## Remove")[2].partition("## ")[0]
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

        run(story, f"sam delete --no-prompts --stack-name {STACK} --region {aws.state.region}")
        (block,) = re.findall(r"```\n(.*?)```", REMOVE, re.DOTALL)
        run(story, re.sub(r"topic=….*", f"topic={topic}", block))

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


def run(story: Story, commands: str) -> None:
    """As a person in the provider's account, with nothing but AWS's own tools.

    The AWS CLI's own script does not start from a path with a space in it.
    """
    aws = story.aws.directory / "bin" / "aws"
    aws.parent.mkdir(exist_ok=True)
    aws.write_text('#!/bin/sh\nexec python -m awscli "$@"\n')
    aws.chmod(0o755)
    path = f"{aws.parent}:{PROJECT}/.venv/development/bin:{os.environ['PATH']}"
    environment = {**story.aws.env(PROVIDER), "PATH": path, "HOME": os.environ["HOME"], "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert SECRET not in done.stdout
