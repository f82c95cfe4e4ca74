"""What the operator's commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import boto3

from autopilot.aws.calls import CONFIG
from autopilot.aws.ledger import LedgerTable
from autopilot.aws.stack import Stack, deployed_stack

# Shows a line of text.
type Tell = Callable[[str], None]
type Commands = argparse._SubParsersAction[argparse.ArgumentParser]

REGION_HELP = "the Region; by default that of your AWS configuration"


def stack_options() -> argparse.ArgumentParser:
    """Which deployment a command is about."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--stack", default="privatelink-autopilot", help="the stack's name (%(default)s)")
    options.add_argument("--region", help=REGION_HELP)
    return options


def stack_of(given: argparse.Namespace) -> Stack:
    """Raises AwsCallFailed, and BotoCoreError where there is no Region or profile."""
    return deployed_stack(boto3.client("cloudformation", region_name=given.region, config=CONFIG), given.stack)


def ledger_of(stack: Stack) -> LedgerTable:
    """Raises NoSuchOutput."""
    dynamodb = boto3.client("dynamodb", region_name=stack.region, config=CONFIG)
    return LedgerTable(dynamodb, stack.output("LedgerTableName"))
