"""The consumer's template as CloudFormation deploys it with given parameters."""

from collections.abc import Mapping
from typing import Any

from tests.template.templates import CONSUMER

PROVIDER_ACCOUNT, ACCOUNT, REGION = "111111111111", "222222222222", "eu-central-1"
BUS = f"arn:aws:events:{REGION}:{PROVIDER_ACCOUNT}:event-bus/privatelink-autopilot"
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/consumer/1",
    "AWS::StackName": "consumer",
}
_ABSENT = object()


def stack(**parameters: str) -> dict[str, Any]:
    """The resources that there are, by logical id; a reference to one of them is its logical id, with the attribute.

    Raises Refused with what a rule says.
    """
    values = _values(parameters)
    for rule in CONSUMER["Rules"].values():
        if _evaluated(rule["RuleCondition"], values):
            for assertion in rule["Assertions"]:
                if not _evaluated(assertion["Assert"], values):
                    raise Refused(assertion["AssertDescription"])
    return {
        name: {**resource, "Properties": _evaluated(resource["Properties"], values)}
        for name, resource in CONSUMER["Resources"].items()
        if _holds(resource.get("Condition"), values)
    }


def outputs(**parameters: str) -> dict[str, Any]:
    values = _values(parameters)
    return {
        name: _evaluated(output["Value"], values)
        for name, output in CONSUMER["Outputs"].items()
        if _holds(output.get("Condition"), values)
    }


class Refused(Exception):
    """A rule of the template refuses the parameters."""


def _values(parameters: dict[str, str]) -> dict[str, str]:
    defaults = {name: parameter.get("Default") for name, parameter in CONSUMER["Parameters"].items()}
    return defaults | _PSEUDO | {"ProviderAccount": PROVIDER_ACCOUNT, "BusArn": BUS} | parameters


def _holds(condition: str | None, values: Mapping[str, str]) -> bool:
    return condition is None or bool(_evaluated(CONSUMER["Conditions"][condition], values))


def _evaluated(node: Any, values: Mapping[str, str]) -> Any:
    def deep(inner: Any) -> Any:
        return _evaluated(inner, values)

    match node:
        case {"Ref": "AWS::NoValue"}:
            return _ABSENT
        case {"Ref": name}:
            return values.get(name, name)
        case {"Condition": str(name)} if len(node) == 1:
            return _holds(name, values)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"{resource}.{attribute}"
        case {"Fn::If": [condition, given, otherwise]}:
            return deep(given if _holds(condition, values) else otherwise)
        case {"Fn::Equals": [one, other]}:
            return deep(one) == deep(other)
        case {"Fn::Not": [one]}:
            return not deep(one)
        case {"Fn::And": parts}:
            return all(map(deep, parts))
        case {"Fn::Split": [separator, text]}:
            return deep(text).split(separator)
        case {"Fn::Join": [separator, parts]}:
            return separator.join(deep(parts))
        case {"Fn::Sub": [str(text), variables]}:
            return _filled(text, values | deep(variables))
        case {"Fn::Sub": text}:
            return _filled(text, values)
        case dict():
            return {
                key: value for key, value in zip(node, map(deep, node.values()), strict=True) if value is not _ABSENT
            }
        case list():
            return [value for value in map(deep, node) if value is not _ABSENT]
    return node


def _filled(text: str, values: Mapping[str, Any]) -> str:
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", str(value))
    assert "${" not in text, text
    return text


def actions(role: Any) -> dict[str, list[Any]]:
    """The statements of a deployed role by the action they allow."""
    found: dict[str, list[Any]] = {}
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            named = statement["Action"]
            for action in named if isinstance(named, list) else [named]:
                found.setdefault(action, []).append(statement)
    return found
