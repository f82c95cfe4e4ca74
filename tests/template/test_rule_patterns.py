"""Which rules take which events: every pattern of both templates against every event of the events folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern

from tests.events import CONSUMER, NAMES, PROVIDER, SERVICE, event

_PROJECT = Path(__file__).parent.parent.parent

# What the templates' patterns refer to, as the deployed stacks of the events folder have it.
_DECIDE_ROLE = event("accept-one-by-autopilot")["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"]
_VALUES = {"AWS::AccountId": PROVIDER, "DecideConnectionRole.Arn": _DECIDE_ROLE}
_STACKS = {
    "template.yaml": event("stack-status-change-of-autopilot")["detail"]["stack-id"],
    "consumer/template.yaml": event("stack-status-change")["detail"]["stack-id"],
}

FORWARDED, REQUESTS, DNS, SWEEP = "forwarded", "RequestsQueue", "DnsQueue", "SweepFunction"
_CONSUMERS_BUSES = {"BusArn", "BusArn2", "BusArn3"}
_BUSES = {"AutopilotBus"} | _CONSUMERS_BUSES

# Forwarded by the account where it happens to the Autopilot bus, and from there to a queue; or taken there at once.
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
    "accept-one-by-root": {FORWARDED, REQUESTS},
    "reject-one-by-root": {FORWARDED, REQUESTS},
    "tag-one-service": {REQUESTS},
    "tag-several-resources": {REQUESTS},
    "untag-one-service": {REQUESTS},
    "stack-status-change": {FORWARDED, DNS},
    "stack-status-change-of-autopilot": {SWEEP},
    # Readable by its pattern but not by us: this is what the dead-letter queues are for.
    "poison-account-as-number": {FORWARDED, REQUESTS},
    "poison-endpoint-id-out-of-shape": {FORWARDED, REQUESTS},
    "poison-region-out-of-shape": {FORWARDED, REQUESTS},
    "poison-delete-without-ids": {FORWARDED, DNS},
    "poison-service-id-out-of-shape": {REQUESTS},
}


@dataclass(frozen=True)
class Rule:
    name: str
    on_default_bus: bool
    pattern: EventPattern
    targets: frozenset[str]

    def takes(self, happened: Any) -> bool:
        return bool(self.pattern.matches_event(_without_arrays_of_objects(happened)))


def _without_arrays_of_objects(node: Any) -> Any:
    """An event as EventBridge's matching engine sees it and moto's does not: what objects in an array hold is held
    by the array's field (https://github.com/aws/event-ruler#json-array-matching)."""
    match node:
        case dict():
            return {key: _without_arrays_of_objects(value) for key, value in node.items()}
        case [dict(), *_]:
            keys = dict.fromkeys(key for element in node for key in element)
            return {key: [_without_arrays_of_objects(element.get(key)) for element in node] for key in keys}
    return node


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


def _resolved(node: Any, values: dict[str, str]) -> Any:
    match node:
        case {"Ref": str(name)} | {"Fn::GetAtt": str(name)}:
            return values[name]
        case dict():
            return {key: _resolved(value, values) for key, value in node.items()}
        case list():
            return [_resolved(value, values) for value in node]
    return node


def _rules_of(template: str) -> Iterator[Rule]:
    resources = yaml.load((_PROJECT / template).read_text(), _Template)["Resources"]
    values = _VALUES | {"AWS::StackId": _STACKS[template]}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Events::Rule":
            properties = resource["Properties"]
            targets = [target.get("Fn::If", [None, target])[1] for target in properties["Targets"]]
            arns = [next(iter(target["Arn"].values())) for target in targets]
            yield Rule(
                name,
                "EventBusName" not in properties,
                EventPattern.load(json.dumps(_resolved(properties["EventPattern"], values))),
                frozenset(arn.removesuffix(".Arn") for arn in arns),
            )


PROVIDERS = tuple(_rules_of("template.yaml"))
CONSUMERS = tuple(_rules_of("consumer/template.yaml"))
ON_OUR_BUS = tuple(rule for rule in PROVIDERS if not rule.on_default_bus)
ON_DEFAULT_BUS = tuple(rule for rule in PROVIDERS if rule.on_default_bus)
ON_EVENTBRIDGE = [name for name in NAMES if not name.startswith("invoke-") and "detail-type" in event(name)]


def taken(happened: Any) -> set[str]:
    """Where an event ends up: `FORWARDED` by its account's default bus, and what it and our bus feed."""
    targets = targets_of(ON_DEFAULT_BUS if happened["account"] == PROVIDER else CONSUMERS, happened)
    return (targets - _BUSES) | ({FORWARDED, *queues(happened)} if targets & _BUSES else set())


def queues(put_on_our_bus: Any) -> set[str]:
    return targets_of(ON_OUR_BUS, put_on_our_bus)


def targets_of(rules: Iterable[Rule], happened: Any) -> set[str]:
    return {target for rule in rules if rule.takes(happened) for target in rule.targets}


def test_the_rules_of_both_templates_are_the_ones_meant_here() -> None:
    assert {target for rule in ON_DEFAULT_BUS for target in rule.targets} == {"AutopilotBus", REQUESTS, SWEEP}
    assert all(rule.targets == _CONSUMERS_BUSES for rule in CONSUMERS)
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
def test_nobody_hears_of_the_same_call_from_somebody_elses_source(name: str) -> None:
    assert targets_of(PROVIDERS, event(name) | {"source": "com.example.ec2"}) == set()


@pytest.mark.parametrize("name", [name for name in ON_EVENTBRIDGE if name.startswith(("accept-", "reject-"))])
def test_an_answer_given_in_another_account_is_none_of_ours(name: str) -> None:
    assert queues(event(name) | {"account": CONSUMER}) == set()


@pytest.mark.parametrize("name", ["tag-one-service", "tag-several-resources", "untag-one-service"])
def test_tags_that_changed_in_another_account_are_none_of_ours(name: str) -> None:
    assert targets_of(PROVIDERS, event(name) | {"account": CONSUMER}) == set()


@pytest.mark.parametrize("position", [0, 1])
def test_a_tagged_service_is_found_wherever_it_is_among_the_tagged_resources(position: int) -> None:
    tagged = event("tag-of-another-resource")
    items = tagged["detail"]["requestParameters"]["resourcesSet"]["items"]
    assert taken(tagged) == set()
    items.insert(position, {"resourceId": SERVICE})
    assert taken(tagged) == {REQUESTS}


@pytest.mark.parametrize("name", [name for name in ON_EVENTBRIDGE if name.startswith(("create-", "delete-"))])
def test_a_queue_gets_an_event_once_however_many_rules_could_take_it(name: str) -> None:
    assert sum(rule.takes(event(name)) for rule in ON_OUR_BUS) <= 1


@pytest.mark.parametrize("name", ["stack-status-change", "stack-status-change-of-autopilot"])
def test_another_stack_in_the_account_is_none_of_ours(name: str) -> None:
    another = event(name)
    another["detail"]["stack-id"] += "0"

    assert taken(another) == set()


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE"])
@pytest.mark.parametrize("name", ["stack-status-change", "stack-status-change-of-autopilot"])
def test_a_stack_that_is_not_deployed_is_no_news(name: str, status: str) -> None:
    happened = event(name)
    happened["detail"]["status-details"]["status"] = status

    assert taken(happened) == set()
    assert queues(happened) == set()
