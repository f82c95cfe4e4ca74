"""docs/security.md says of every permission what it is for and how far it goes; here it is held to the templates."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.templates import BOTH, PROJECT, PROVIDER, listed, of_type, policies, statements, target, targets

DOCUMENT = (PROJECT / "docs" / "security.md").read_text()
ROLES = {
    f"{path}: {name}": role
    for path, template in BOTH.items()
    for name, role in of_type("AWS::IAM::Role", template).items()
}
_ROW = re.compile(r"^\| (?P<actions>`[^|]+) \| (?P<resource>[^|]+) \| (?P<reason>[^|]+) \|$", re.MULTILINE)
_TOKEN = re.compile(r"`([a-z0-9]+:[A-Za-z*]+)`")
_DENIED = "Deny"


def allowed(role: Any) -> dict[str, list[Any]]:
    """The resources of each action that a role may have, under whatever condition."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for policy in policies(role):
        for statement in statements(policy["PolicyDocument"]):
            if statement["Effect"] != _DENIED:
                for action in listed(statement["Action"]):
                    found[action] += listed(statement["Resource"])
    return found


def documented(role: str) -> dict[str, tuple[str, str]]:
    """Resource and reason of each action in the table under the heading of a role."""
    (section,) = re.findall(rf"^### {re.escape(role)}$(.*?)(?=^##|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    rows = [(row, _TOKEN.findall(row["actions"])) for row in _ROW.finditer(section)]
    return {action: (row["resource"], row["reason"]) for row, actions in rows for action in actions}


def every_statement(node: Any) -> Iterator[Any]:
    """The statements of all policies, those of resources and trusts too."""
    match node:
        case {"Effect": _, "Action": _}:
            yield node
        case dict():
            for inner in node.values():
                yield from every_statement(inner)
        case list():
            for inner in node:
                yield from every_statement(inner)


def keys_of_conditions() -> set[str]:
    found = {
        key
        for template in BOTH.values()
        for statement in every_statement(template)
        for keys in statement.get("Condition", {}).values()
        for key in keys
    }
    return {key.partition("/")[0] for key in found}


@pytest.mark.parametrize("role", ROLES)
def test_the_document_has_exactly_the_actions_of_each_role(role: str) -> None:
    assert documented(role).keys() == allowed(ROLES[role]).keys()


@pytest.mark.parametrize("role", ROLES)
def test_the_document_says_which_actions_are_on_every_resource(role: str) -> None:
    said = {action for action, (resource, _) in documented(role).items() if resource.startswith("every")}

    assert said == {action for action, resources in allowed(ROLES[role]).items() if "*" in resources}


def test_the_document_names_every_action_of_both_templates_and_no_other() -> None:
    actions = {
        action for template in BOTH.values() for one in every_statement(template) for action in listed(one["Action"])
    }
    actions |= {permission["Action"] for permission in of_type("AWS::Lambda::Permission").values()}

    assert set(_TOKEN.findall(DOCUMENT)) - keys_of_conditions() == actions


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
