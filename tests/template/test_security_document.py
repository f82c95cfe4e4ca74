"""docs/security.md says of every permission what it is for and how far it goes; here it is held to the templates."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.template.templates import BOTH, PROJECT, PROVIDER, listed, of_type, target, targets

DOCUMENT = (PROJECT / "docs" / "security.md").read_text()
ROLES = {
    f"{path}: {name}": role
    for path, template in BOTH.items()
    for name, role in of_type("AWS::IAM::Role", template).items()
}
_ROW = re.compile(r"^\| (?P<actions>`[^|]+) \| (?P<resource>[^|]+) \| (?P<reason>[^|]+) \|$", re.MULTILINE)
_TOKEN = re.compile(r"`([a-z0-9]+:[A-Za-z*]+)`")


# What the words of the second column stand for, in those of `limits`.
WORDS = {
    "every one": {"*"},
    "its own log group": {"own log group"},
    "Requests queue": {"RequestsQueue"},
    "Requests queue and its dead letters": {"RequestsQueue", "RequestsDeadLetters"},
    "DNS queue": {"DnsQueue"},
    "DNS queue and its dead letters": {"DnsQueue", "DnsDeadLetters"},
    "dead letters of the streams": {"StreamDeadLetters"},
    "Allowlist table": {"AllowlistTable"},
    "stream of the Allowlist table": {"AllowlistTable.StreamArn"},
    "Ledger table": {"LedgerTable"},
    "Ledger table and its indexes": {"LedgerTable", "${LedgerTable.Arn}/index/*"},
    "stream of the Ledger table": {"LedgerTable.StreamArn"},
    "Status topic": {"StatusTopic"},
    "Alarm topic": {"AlarmTopic"},
    "key of the topics": {"TopicsKey"},
    "Autopilot bus": {"AutopilotBus"},
    "the sweep": {"SweepFunction"},
    "the provider's buses, as given": {"BusArn", "BusArn2", "BusArn3"},
    "endpoint services of this account and Region": {"ec2:${AWS::Region}:${AWS::AccountId}:vpc-endpoint-service/*"},
    "endpoints of this account and Region": {"ec2:${AWS::Region}:${AWS::AccountId}:vpc-endpoint/*"},
    "VPCs of this Region, shared ones too": {"ec2:${AWS::Region}:*:vpc/*"},
    "certificates of this Region": {"acm:${AWS::Region}:*:certificate/*"},
    "roles called `autopilot-<this account>-…` in any account": {"iam::*:role/autopilot-${AWS::AccountId}-*"},
    "changes": {"route53:::change/*"},
    "hosted zones": {"route53:::hostedzone/*"},
    "with the tag `autopilot=enabled`": {"StringEquals aws:ResourceTag/autopilot enabled"},
    "not with the tag `autopilot:dns=off`": {"StringNotEqualsIgnoreCase aws:ResourceTag/autopilot:dns off"},
    "private DNS on, and no policy": {
        "BoolIfExists ec2:Attribute/PrivateDnsEnabled true",
        "Null ec2:Attribute/PolicyDocument true",
        "Null ec2:Attribute/ResetPolicy true",
    },
    "with a VPC of `AllowedVpcs` only": {
        "Null route53:VPCs false",
        "ForAllValues:StringLike route53:VPCs of AllowedVpcs",
    },
    "with any VPC": {"Null route53:VPCs false", "ForAllValues:StringLike route53:VPCs VPCId=*,VPCRegion=*"},
    "names of `AllowedRecordNames` only": {
        "Null route53:ChangeResourceRecordSetsNormalizedRecordNames false",
        "ForAllValues:StringLike route53:ChangeResourceRecordSetsNormalizedRecordNames of AllowedRecordNames",
        # Any that there is.
        "Null route53:ChangeResourceRecordSetsActions false",
        "ForAllValues:StringEquals route53:ChangeResourceRecordSetsActions CREATE UPSERT DELETE",
    },
    "types CNAME, A and AAAA only": {
        "Null route53:ChangeResourceRecordSetsRecordTypes false",
        "ForAllValues:StringEquals route53:ChangeResourceRecordSetsRecordTypes CNAME A AAAA",
    },
    "the role in `OrganizationsRoleArn`, only if given": {"OrganizationsRoleArn", "if HasOrganizationsRole"},
    "only with `OrganizationId` and no role for it": {"if AsksOrganizations"},
    "only with `ManagePermissions`": {"if ManagesPermissions"},
    "only with `AllowPrivateDns`": {"if AllowsPrivateDns"},
    "denied when observing": {"denied if Observing"},
}
_WORD = re.compile("|".join(map(re.escape, sorted(WORDS, key=len, reverse=True))))


def limits(role: str) -> dict[str, set[str]]:
    """How far each action that a role may have goes: resources, IAM's conditions, and the template's own."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for condition, statement in conditional_statements(ROLES[role]):
        is_denied = statement["Effect"] == "Deny"
        facts = {f"denied if {condition}"} if is_denied else {f"if {condition}"} if condition else set()
        if not is_denied:
            own = f"{role.split(': ')[1].removesuffix('Role')}Logs"
            resources = {named(resource) for resource in listed(statement["Resource"])}
            facts |= {"own log group" if resource == own else resource for resource in resources}
            facts |= {
                f"{operator} {key} {value_of(value)}"
                for operator, keys in statement.get("Condition", {}).items()
                for key, value in keys.items()
            }
        for action in listed(statement["Action"]):
            found[action] |= facts
    return dict(found)


def conditional_statements(role: Any) -> Iterator[tuple[str | None, Any]]:
    """The statements of a role's policies, each with the template's condition that it is there for."""
    for given in role["Policies"]:
        condition, policy = given["Fn::If"][:2] if "Fn::If" in given else (None, given)
        for statement in policy["PolicyDocument"]["Statement"]:
            if "Fn::If" in statement:
                inner, yes, no = statement["Fn::If"]
                yield from ((name, one) for name, one in ((inner, yes), (f"not {inner}", no)) if "Effect" in one)
            else:
                yield condition, statement


def named(resource: Any) -> str:
    """A resource by its logical id, or an ARN without its beginning."""
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name} | {"Fn::If": [_, {"Ref": name}, _]}:
            return str(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": str(arn)}:
            return arn.removeprefix("arn:${AWS::Partition}:")
        case _:
            return str(resource)


def value_of(value: Any) -> str:
    """The literals of a condition, or the parameter that it comes from."""
    parameters = re.findall(r'"Ref": "(\w+)"', json.dumps(value))
    return f"of {parameters[0]}" if parameters else " ".join(listed(value))


def documented(role: str) -> dict[str, str]:
    """The second column of each action in the table under the heading of a role."""
    (section,) = re.findall(rf"^### {re.escape(role)}$(.*?)(?=^##|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    rows = [(row["resource"], _TOKEN.findall(row["actions"])) for row in _ROW.finditer(section)]
    return {action: resource for resource, actions in rows for action in actions}


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
def test_the_document_says_of_exactly_the_actions_of_each_role_how_far_they_go(role: str) -> None:
    said = {
        action: set[str]().union(*(WORDS[word] for word in _WORD.findall(text)))
        for action, text in documented(role).items()
    }

    assert said == limits(role)


@pytest.mark.parametrize("role", ROLES)
def test_it_says_so_in_words_that_are_known_here(role: str) -> None:
    assert {text for text in documented(role).values() if _WORD.sub("", text).strip(",; ")} == set()


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
