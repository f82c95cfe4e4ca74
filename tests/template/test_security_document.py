"""docs/security.md says of every permission what it is for and how far it goes; here it is held to the templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.template.templates import BOTH, PROJECT, PROVIDER, listed, of_type, target, targets
from tests.template.terms import DEPLOYED, OBSERVING, REQUESTED, RESOURCES, WHO

DOCUMENT = (PROJECT / "docs" / "security.md").read_text()
_TOKEN = re.compile(r"`([a-z0-9]+:[A-Za-z*]+)`")
_DENIED = "denied when observing"


class Permission(NamedTuple):
    """One action on one resource, as a policy of one resource of a template gives or denies it."""

    of: str
    effect: str
    who: str  # whom a resource's policy or a trust admits; null in a role's own policies
    action: str
    resource: str
    conditions: frozenset[str]


def text(node: Any) -> str:
    """A part of a template in a form that can be compared and kept in a set."""
    return json.dumps(node, sort_keys=True)


def requested(block: dict[str, dict[str, Any]]) -> set[str]:
    """What a Condition of IAM asks for, key by key; the order of a key's values is none."""
    return {
        f"{operator} {key}: {sorted(map(text, listed(value)))}"
        for operator, keys in block.items()
        for key, value in keys.items()
    }


# What the templates give


def spelled_out(node: Any, conditions: dict[str, Any]) -> Any:
    """A part of a template with its conditions' definitions in place of their names."""
    match node:
        case {"Condition": str(name), **others} if not others:
            return spelled_out(conditions[name], conditions)
        case {"Fn::If": [str(name), *branches]}:
            return {"Fn::If": [spelled_out(one, conditions) for one in ({"Condition": name}, *branches)]}
        case dict():
            return {key: spelled_out(value, conditions) for key, value in node.items()}
        case list():
            return [spelled_out(one, conditions) for one in node]
    return node


def statements(node: Any, *deployed: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every statement of every policy inside, with what must be so at deployment."""
    match node:
        case {"Effect": _}:
            yield node, deployed
        case {"FunctionName": {"Ref": function}, "Action": action, "Principal": service, "SourceArn": source, **others}:
            assert not others
            invokes = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action}
            on = {"Resource": {"Fn::GetAtt": [function, "Arn"]}, "Condition": {"ArnEquals": {"aws:SourceArn": source}}}
            yield invokes | on, deployed
        case {"Fn::If": [condition, then, otherwise]}:
            yield from statements(then, *deployed, text(condition))
            yield from statements(otherwise, *deployed, text({"Fn::Not": [condition]}))
        case dict():
            yield from statements(list(node.values()), *deployed)
        case list():
            for inner in node:
                yield from statements(inner, *deployed)


def given() -> Iterator[Permission]:
    for path, template in BOTH.items():
        for name, resource in template["Resources"].items():
            made = [{"Condition": resource["Condition"]}] if "Condition" in resource else []
            deployed = map(text, spelled_out(made, template["Conditions"]))
            properties = spelled_out(resource["Properties"], template["Conditions"])
            for statement, besides in statements(properties, *deployed):
                assert statement.keys() <= {"Effect", "Principal", "Action", "Resource", "Condition"}, name
                conditions = frozenset({*besides, *requested(statement.get("Condition", {}))})
                who = text(statement.get("Principal"))
                for action in listed(statement["Action"]):
                    for one in listed(statement.get("Resource")):
                        yield Permission(f"{path}: {name}", statement["Effect"], who, action, text(one), conditions)


# What the document says


def said(of: str, who: Any, actions: str, cell: str) -> Iterator[Permission]:
    resources, *terms = re.sub(r" \([^)]+\)", "", cell).split("; ")
    conditions = {text(DEPLOYED[term]) for term in terms if term in DEPLOYED}
    for term in terms:
        if term not in DEPLOYED and term != _DENIED:
            conditions |= requested(REQUESTED[term])
    for action in _TOKEN.findall(actions):
        for resource in resources.split(", "):
            for one in listed(RESOURCES[resource]):
                yield Permission(of, "Allow", text(who), action, text(one), frozenset(conditions))
        if _DENIED in terms:
            yield Permission(of, "Deny", text(who), action, text("*"), frozenset({text(OBSERVING)}))


def documented() -> Iterator[Permission]:
    for path, name, section in re.findall(r"^### ([a-z/]+\.yaml)(?:: (\w+))?$(.*?)(?=^##)", DOCUMENT, re.M | re.S):
        for row in re.findall(r"^\| (.*`.*) \|$", section, re.MULTILINE):
            match row.split(" | "):
                case [actions, cell, _]:
                    yield from said(f"{path}: {name}", None, actions, cell)
                case [names, who, actions, cell]:
                    for one in names.split(", "):
                        yield from said(f"{path}: {one}", WHO[who], actions, cell)


GIVEN, DOCUMENTED = list(given()), list(documented())


@pytest.mark.parametrize("of", sorted({one.of for one in GIVEN + DOCUMENTED}))
def test_the_document_says_all_that_a_resource_gives_on_what_and_when(of: str) -> None:
    assert {one for one in DOCUMENTED if one.of == of} == {one for one in GIVEN if one.of == of}


def test_the_document_says_nothing_twice() -> None:
    assert len(DOCUMENTED) == len(set(DOCUMENTED))


def test_every_term_that_is_defined_is_used() -> None:
    assert [term for term in (*DEPLOYED, *REQUESTED, *RESOURCES, *WHO) if term not in DOCUMENT] == []


def test_the_document_names_no_action_that_nobody_has() -> None:
    keys = {key for block in REQUESTED.values() for asked in block.values() for key in asked}

    assert set(_TOKEN.findall(DOCUMENT)) - {key.partition("/")[0] for key in keys} == {one.action for one in GIVEN}


# What it says of who may write where


@pytest.mark.parametrize("policy", of_type("AWS::SQS::QueuePolicy"))
def test_from_outside_only_our_own_rules_and_our_own_topic_write_to_a_queue(policy: str) -> None:
    made = {*of_type("AWS::Events::Rule"), *of_type("AWS::SNS::Topic")}
    for statement in of_type("AWS::SQS::QueuePolicy")[policy]["PolicyDocument"]["Statement"]:
        assert statement["Principal"].keys() == {"Service"}
        assert statement["Condition"].keys() == {"ArnEquals"}
        sources = listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        assert sources
        assert {target(source) for source in sources} <= made


@pytest.mark.parametrize("rule", of_type("AWS::Events::Rule"))
def test_a_rule_hands_on_the_whole_event_so_that_a_detail_is_never_the_outermost_object(rule: str) -> None:
    for one in targets(of_type("AWS::Events::Rule")[rule]):
        assert not one.keys() & {"Input", "InputPath", "InputTransformer"}


def test_a_notification_keeps_its_envelope_so_that_its_text_is_never_the_outermost_object() -> None:
    for subscription in of_type("AWS::SNS::Subscription").values():
        assert subscription.get("RawMessageDelivery", False) is False


def test_no_rule_takes_what_autopilot_itself_puts_on_the_bus() -> None:
    sources = {source for rule in of_type("AWS::Events::Rule").values() for source in rule["EventPattern"]["source"]}

    assert sources == {"aws.ec2", "aws.cloudformation"}
    for policy in of_type("AWS::Events::EventBusPolicy").values():
        admitted = policy["Statement"]["Condition"]["ForAllValues:StringEquals"]["events:source"]
        assert set(admitted) == sources


def test_the_tables_and_the_topics_of_people_admit_nobody_from_outside() -> None:
    assert all("ResourcePolicy" not in table for table in of_type("AWS::DynamoDB::Table").values())
    public = {target(topic) for policy in of_type("AWS::SNS::TopicPolicy").values() for topic in policy["Topics"]}
    assert public == {"NotificationTopic", "AlarmTopic"}
    assert PROVIDER["Resources"].keys() >= {"StatusTopic", "AllowlistTable", "LedgerTable"}
