"""Which rules take which events: every pattern of both templates against every event of the events folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern

from tests.events import CONSUMER, NAMES, PROVIDER, event

_PROJECT = Path(__file__).parent.parent.parent

# What the templates' patterns refer to, as the deployed stacks of the events folder have it.
_DECIDE_ROLE = event("accept-one-by-autopilot")["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"]
_VALUES = {
    "AWS::AccountId": PROVIDER,
    "AWS::StackId": event("stack-status-change")["detail"]["stack-id"],
    "DecideConnectionRole.Arn": _DECIDE_ROLE,
}

FORWARDED, REQUESTS, DNS = "forwarded", "RequestsQueue", "DnsQueue"

# Forwarded by the account where it happens to the Autopilot bus, and from there to a queue.
TAKEN_BY = {
    "create-one-subnet": {FORWARDED, REQUESTS},
    "create-several-subnets-and-tags": {FORWARDED, REQUESTS},
    "create-account-with-leading-zero": {FORWARDED, REQUESTS},
    "create-nothing-set": {FORWARDED, REQUESTS},
    "create-through-an-endpoint": {FORWARDED, REQUESTS},
    "create-by-console": {FORWARDED, REQUESTS},
    "create-by-terraform": {FORWARDED, REQUESTS},
    "create-by-cloudformation": {FORWARDED, REQUESTS},
    "create-in-another-region": {FORWARDED, REQUESTS},
    "create-in-the-providers-account": {FORWARDED, REQUESTS},
    "create-copied-to-the-provider": {FORWARDED, REQUESTS},
    # Nothing in a service name tells whose it is: decide_connection drops it at once.
    "create-of-another-vendors-service": {FORWARDED, REQUESTS},
    "delete-one": {FORWARDED, DNS},
    "delete-two": {FORWARDED, DNS},
    "delete-two-one-failed": {FORWARDED, DNS},
    "delete-abbreviated-wrapper": {FORWARDED, DNS},
    "modify-subnets-and-private-dns": {FORWARDED, DNS},
    "accept-one-by-console": {FORWARDED, REQUESTS},
    "accept-one-by-iam-user": {FORWARDED, REQUESTS},
    "accept-two-one-failed": {FORWARDED, REQUESTS},
    "reject-one-by-console": {FORWARDED, REQUESTS},
    "reject-one-by-iam-user": {FORWARDED, REQUESTS},
    "reject-two-one-failed": {FORWARDED, REQUESTS},
    # No queue: what decide_connection did itself is no news to it.
    "accept-one-by-autopilot": {FORWARDED},
    "reject-one-by-autopilot": {FORWARDED},
    "stack-status-change": {FORWARDED, DNS},
    # Readable by its pattern but not by us: this is what the dead-letter queues are for.
    "poison-account-as-number": {FORWARDED, REQUESTS},
    "poison-endpoint-id-out-of-shape": {FORWARDED, REQUESTS},
    "poison-region-out-of-shape": {FORWARDED, REQUESTS},
    "poison-delete-without-ids": {FORWARDED, DNS},
}


@dataclass(frozen=True)
class Rule:
    name: str
    on_default_bus: bool
    pattern: EventPattern
    targets: frozenset[str]

    def takes(self, happened: Any) -> bool:
        return bool(self.pattern.matches_event(happened))


class _Template(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, read as their long ones."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Template.add_multi_constructor("!", _intrinsic)


def _resolved(node: Any) -> Any:
    match node:
        case {"Ref": str(name)} | {"Fn::GetAtt": str(name)}:
            return _VALUES[name]
        case dict():
            return {key: _resolved(value) for key, value in node.items()}
        case list():
            return [_resolved(value) for value in node]
    return node


def _rules_of(template: str) -> Iterator[Rule]:
    resources = yaml.load((_PROJECT / template).read_text(), _Template)["Resources"]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Events::Rule":
            properties = resource["Properties"]
            arns = [next(iter(target["Arn"].values())) for target in properties["Targets"]]
            yield Rule(
                name,
                "EventBusName" not in properties,
                EventPattern.load(json.dumps(_resolved(properties["EventPattern"]))),
                frozenset(arn.removesuffix(".Arn") for arn in arns),
            )


PROVIDERS = tuple(_rules_of("template.yaml"))
CONSUMERS = tuple(_rules_of("consumer/template.yaml"))
ON_OUR_BUS = tuple(rule for rule in PROVIDERS if not rule.on_default_bus)
ON_EVENTBRIDGE = [name for name in NAMES if not name.startswith("invoke-") and "detail-type" in event(name)]


def taken(happened: Any) -> set[str]:
    """Where an event ends up: `FORWARDED` by its account's default bus, and the queues that our bus feeds."""
    at_home = PROVIDERS if happened["account"] == PROVIDER else CONSUMERS
    forwarded = any(rule.takes(happened) for rule in at_home if rule.on_default_bus)
    return {FORWARDED, *queues(happened)} if forwarded else set()


def queues(put_on_our_bus: Any) -> set[str]:
    return {target for rule in ON_OUR_BUS if rule.takes(put_on_our_bus) for target in rule.targets}


def test_the_rules_of_both_templates_are_the_ones_meant_here() -> None:
    assert {target for rule in PROVIDERS if rule.on_default_bus for target in rule.targets} == {"AutopilotBus"}
    assert {target for rule in CONSUMERS for target in rule.targets} == {"BusArn"}
    assert all(rule.on_default_bus for rule in CONSUMERS)
    assert {target for rule in ON_OUR_BUS for target in rule.targets} == {REQUESTS, DNS}


@pytest.mark.parametrize("name", ON_EVENTBRIDGE)
def test_an_event_is_taken_by_these_rules_and_no_others(name: str) -> None:
    assert taken(event(name)) == TAKEN_BY.get(name, set())


@pytest.mark.parametrize("rule", PROVIDERS + CONSUMERS, ids=lambda rule: rule.name)
def test_every_rule_has_an_event_that_it_takes(rule: Rule) -> None:
    assert any(rule.takes(event(name)) for name in ON_EVENTBRIDGE)


@pytest.mark.parametrize("rule", PROVIDERS + CONSUMERS, ids=lambda rule: rule.name)
def test_every_rule_pins_a_source_that_nobody_but_aws_can_send(rule: Rule) -> None:
    (source,) = rule.pattern.get_pattern()["source"]

    assert source in ("aws.ec2", "aws.cloudformation")


@pytest.mark.parametrize("name", ON_EVENTBRIDGE)
def test_no_queue_hears_of_the_same_call_from_somebody_elses_source(name: str) -> None:
    assert queues(event(name) | {"source": "com.example.ec2"}) == set()


@pytest.mark.parametrize("name", [name for name in ON_EVENTBRIDGE if name.startswith(("accept-", "reject-"))])
def test_an_answer_given_in_another_account_is_none_of_ours(name: str) -> None:
    assert queues(event(name) | {"account": CONSUMER}) == set()


@pytest.mark.parametrize("name", [name for name in ON_EVENTBRIDGE if name.startswith(("create-", "delete-"))])
def test_a_queue_gets_an_event_once_however_many_rules_could_take_it(name: str) -> None:
    assert sum(rule.takes(event(name)) for rule in ON_OUR_BUS) <= 1


def test_another_stack_of_the_consumers_is_not_forwarded() -> None:
    another = event("stack-status-change")
    another["detail"]["stack-id"] += "0"

    assert taken(another) == set()


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE"])
def test_a_stack_without_a_usable_role_is_not_forwarded(status: str) -> None:
    happened = event("stack-status-change")
    happened["detail"]["status-details"]["status"] = status

    assert taken(happened) == set()
    assert queues(happened) == set()
