"""What docs/runbook.md tells people to run, run as it is written; at the end everything is uninstalled.

Left to others: `make redrive` is run by test_redrive.py, and `aws logs tail` needs version 2 of the AWS CLI and logs,
of which the local AWS has neither; tests/template/test_runbook.py holds what it names to template and code.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autopilot.domain.wake_up import SeenBy, WakeUp
from tests.local_aws.control import CONSUMER, PROVIDER, SECRET
from tests.local_aws.deployment import STACK, outputs, up
from tests.story.story import Story, wait_for

PROJECT = Path(__file__).parents[2]
RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text()
OTHERS = "arn:aws:sns:eu-central-1:111111111111:somebody-elses"
FORMER = "222222222222"  # the account of the runbook's example
_LEFT_TO_OTHERS = re.compile(r"^ *(make redrive|aws logs tail)\b.*\n", re.MULTILINE)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with up(tmp_path_factory.mktemp("local-aws")) as aws:
        yield Story(aws)


@pytest.fixture(scope="module")
def endpoint_id(story: Story) -> str:
    made = story.create_endpoint()
    wait_for("READY", lambda: story.mail_about("READY", made))
    return made


def blocks(heading: str) -> list[str]:
    """The commands under a heading, block by block."""
    (section,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^##|\Z)", RUNBOOK, re.DOTALL | re.MULTILINE)
    found = re.findall(r"^ *```\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)
    return [_LEFT_TO_OTHERS.sub("", block) for block in found]


def run(story: Story, commands: str, account: str = PROVIDER, **variables: str) -> str:
    """As a person in this account and in the project's directory, with the variables that the text speaks of.

    The AWS CLI's own script does not start from a path with a space in it, and version 1 sends `aws sqs` to AWS itself.
    """
    aws = story.aws.directory / "bin" / "aws"
    aws.parent.mkdir(exist_ok=True)
    aws.write_text('#!/bin/sh\nexec python -m awscli --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
    aws.chmod(0o755)
    path = f"{aws.parent}:{PROJECT}/.venv/development/bin:{os.environ['PATH']}"
    environment = {**story.aws.env(account), "PATH": path, "HOME": os.environ["HOME"], "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=PROJECT,
        env={**environment, "STACK": STACK, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert SECRET not in done.stdout
    return done.stdout


def test_every_command_is_run_here_or_by_others() -> None:
    headings = re.findall(r"^#+ (.*)$", RUNBOOK, re.MULTILINE)

    assert [heading for heading in headings if any(blocks(heading))] == [
        "Runbook",
        "RequestsDeadLettersAlarm",
        "NoSweepAlarm",
        "NobodyHearsAlarm",
        "Notices by e-mail",
        "Uninstall",
        "Restore the tables",
    ]


def test_the_first_look_shows_what_goes_on(story: Story, endpoint_id: str) -> None:
    cloudwatch = story.aws.client("cloudwatch", PROVIDER)
    alarm = cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"]
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="somebody tries it")
    (look,) = blocks("Runbook")

    told = run(story, look.replace("vpce-0123456789abcdef0", endpoint_id))

    assert told.startswith("no connections\nREADY: The VPC resolves")
    assert f'"{alarm}"' in told


def test_a_letter_is_put_back_by_hand(story: Story, endpoint_id: str) -> None:
    sqs, arn = story.aws.client("sqs", PROVIDER), outputs(story.aws)["RequestsDeadLettersArn"]
    url = sqs.get_queue_url(QueueName=arn.split(":")[-1])["QueueUrl"]
    wake_up = WakeUp(story.aws.state.service_id, endpoint_id, CONSUMER, story.aws.state.region, SeenBy.EVENT)
    sqs.send_message(QueueUrl=url, MessageBody=wake_up.to_body())
    _, by_hand = blocks("RequestsDeadLettersAlarm")

    assert arn in run(story, by_hand)

    number = "ApproximateNumberOfMessages"
    wait_for(
        "the letter to go",
        lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[number])["Attributes"][number] == "0",
    )


def test_the_schedule_is_shown_and_a_sweep_is_started(story: Story) -> None:
    look, start = blocks("NoSweepAlarm")

    assert re.fullmatch(rf"{STACK}-Schedule-\w+\tENABLED\n", run(story, look))
    assert '"StatusCode": 200' in run(story, start)


def test_who_hears_is_shown_and_somebody_is_subscribed(story: Story) -> None:
    look, subscribe = blocks("NobodyHearsAlarm")
    topic = outputs(story.aws)["StatusTopicArn"]

    assert "ops@example.com" in run(story, look, TOPIC=topic)
    assert "SubscriptionArn" in run(story, subscribe, TOPIC=topic)
    assert "you@example.com" in run(story, look, TOPIC=topic)


def test_a_row_that_cannot_be_read_is_deleted(story: Story) -> None:
    story.allowlist(FORMER, action="perhaps")
    (delete,) = blocks("Notices by e-mail")

    run(story, delete, ALLOWLIST=outputs(story.aws)["AllowlistTableName"])

    assert FORMER not in principals(story)


def test_the_allowlist_is_restored_without_touching_what_is_there(story: Story) -> None:
    restore, copy = blocks("Restore the tables")
    table = outputs(story.aws)["AllowlistTableName"]
    story.allowlist("333333333333")
    story.allowlist("444444444444")
    run(story, restore, TABLE=table)
    story.forget("333333333333")
    story.allowlist("444444444444", action="block")

    kept = run(story, copy, TABLE=table)

    assert kept.count("kept:") == 1
    assert principals(story) == {"333333333333": "accept", "444444444444": "block"}


def test_the_stack_goes_with_every_notification_and_leaves_connections_and_names(
    story: Story, endpoint_id: str
) -> None:
    aws, ec2, table = story.aws, story.aws.client("ec2", PROVIDER), outputs(story.aws)["LedgerTableName"]
    handed_over = made_by_hand(story)
    ec2.create_vpc_endpoint_connection_notification(
        ServiceId=handed_over, ConnectionNotificationArn=OTHERS, ConnectionEvents=["Connect"]
    )
    story.sweep()
    topic = outputs(aws)["NotificationTopicArn"]
    wait_for("the notification", lambda: (handed_over, topic) in notifications(story))

    names, delete, forget, consumers, tables = blocks("Uninstall")
    assert run(story, names, CONSUMER) == f"/hostedzone/{story.zone_id()}\t{aws.state.zone}.\n"
    run(story, delete + forget)
    run(story, consumers, CONSUMER, PROVIDER=PROVIDER)
    run(story, tables, TABLE=table)

    assert notifications(story) == [(handed_over, OTHERS)]
    assert story.connection_state(endpoint_id) == "available"
    assert (story.cname() or "").startswith(endpoint_id)
    assert stacks(story, PROVIDER) == stacks(story, CONSUMER) == {"DELETE_COMPLETE"}
    assert table not in aws.client("dynamodb", PROVIDER).list_tables()["TableNames"]


def principals(story: Story) -> dict[str, str]:
    """The action of each row of the allowlist."""
    table = outputs(story.aws)["AllowlistTableName"]
    rows = story.aws.client("dynamodb", PROVIDER).scan(TableName=table)["Items"]
    return {row["principal"]["S"]: row["action"]["S"] for row in rows}


def stacks(story: Story, account: str) -> set[str]:
    """How the stacks of ours stand in this account."""
    found = story.aws.client("cloudformation", account).list_stacks()["StackSummaries"]
    return {one["StackStatus"] for one in found if one["StackName"].startswith(STACK)}


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
