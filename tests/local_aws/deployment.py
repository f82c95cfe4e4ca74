"""Both stacks deployed to a local AWS, by the commands that people use: `sam deploy` and the stack's own outputs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from tests.local_aws import control
from tests.local_aws.control import CONSUMER, PROJECT, PROVIDER, RECORD, ZONE, LocalAws

STACK = "privatelink-autopilot"
EMAIL = "ops@example.com"
_DEPLOY_SECONDS = 300


class StepFailed(Exception):
    """A step did not do what it should; the message says which, and where its log is."""


def deploy_provider(aws: LocalAws, **parameters: str) -> None:
    """`sam deploy` of the built template, as the README has it, and its e-mail subscriptions confirmed.

    parameters: of template.yaml, over the ones that the story needs. Raises StepFailed.
    """
    values = {
        "Email": EMAIL,
        "OrganizationId": "o-autopilot01",
        "ReportWindowSeconds": "1",
        "SweepMinutes": "1",
        "AllowedPrincipals": CONSUMER,
        "NetworkLoadBalancerArns": aws.state.load_balancer_arn,
        "ServiceAllowedPrincipals": "*",
        "ServiceZone": ZONE,
        "ServiceRecords": RECORD,
        **parameters,
    }
    # The SAM CLI splits a value at its spaces unless it is quoted.
    overrides = [f'{name}="{value}"' for name, value in values.items()]
    run(
        aws,
        "sam-deploy",
        ["sam", "deploy", "--config-env", "local", "--parameter-overrides", *overrides],
        {**aws.env(PROVIDER), "SAM_CLI_POLL_DELAY": "0.2", "SAM_CLI_TELEMETRY": "0"},
    )
    aws.confirm_subscriptions()
    found = outputs(aws)
    aws.update_state(
        stack_name=STACK,
        service_id=found["ServiceId"],
        service_name=found["ServiceName"],
        zone=ZONE,
        record=f"{RECORD}.{ZONE}",
    )


def deploy_consumer(aws: LocalAws) -> None:
    """The command that the provider's stack has ready for a consumer, run in the consumer's account."""
    shell(aws, "consumer-deploy", outputs(aws)["DeployConsumer"], CONSUMER)


def outputs(aws: LocalAws) -> dict[str, str]:
    """The outputs of the provider's stack."""
    stack = aws.client("cloudformation", PROVIDER).describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def shell(aws: LocalAws, step: str, command: str, account: str) -> str:
    """Run a command that people are told to type, in this account; what it printed. Raises StepFailed.

    The AWS CLI's own script does not start from a path with a space in it.
    """
    return run(aws, step, ["sh", "-c", 'aws() { python -m awscli "$@"; }; ' + command], aws.env(account))


def run(aws: LocalAws, step: str, command: list[str], environment: Mapping[str, str]) -> str:
    """Run a command in the project, its output in `<step>.log`; what it printed. Raises StepFailed."""
    log = aws.directory / f"{step}.log"
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    inherited = {"PATH": path, "HOME": os.environ.get("HOME", str(aws.directory)), "AWS_PAGER": ""}
    with log.open("w") as output:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=_DEPLOY_SECONDS,
            check=False,
        )
    if done.returncode:
        raise StepFailed(f"{step} ended with {done.returncode}; its log is {log}:\n{log.read_text()[-3000:]}")
    return log.read_text()


type Step = Callable[[str], AbstractContextManager[object]]


def up(directory: Path = PROJECT / ".local", step: Step = nullcontext, **parameters: str) -> LocalAws:
    """A local AWS with everything in it and both stacks deployed. It is stopped again if that fails.

    step: entered around each part with what it is, `told` to print it. parameters: as for `deploy_provider`.
    """
    with step("the local AWS starts on loopback"):
        aws = control.start(directory)
    try:
        with step("a provider with a load balancer, a consumer and a stranger, each with a VPC"):
            control.seed(aws)
        with step("sam deploy of template.yaml in the provider's account"):
            deploy_provider(aws, **parameters)
        with step("consumer/template.yaml in the consumer's account, by the stack's own command"):
            deploy_consumer(aws)
    except BaseException:
        aws.stop()
        raise
    return aws


@contextmanager
def told(what: str) -> Iterator[None]:
    """A long step, named when it begins and timed when it ends."""
    began = time.monotonic()
    print(f"  {what} ...", end="", flush=True)
    yield
    print(f" {time.monotonic() - began:.1f} s", flush=True)
