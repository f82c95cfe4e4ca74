"""Both templates as CloudFormation sees them: short forms spelled out, and AWS::Serverless transformed."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

PROJECT = Path(__file__).parents[2]
NAMESPACE = "PrivateLinkAutopilot"


def read(path: str) -> Any:
    """A template of the project, with `!Ref X` as {"Ref": "X"} and so on."""
    return json.loads(json.dumps(load(str(PROJECT / path))))


def _transformed(template: Any) -> Any:
    class NoManagedPolicies:
        def load(self) -> dict[str, str]:
            return {}

    for resource in template["Resources"].values():
        for source in {"CodeUri", "ContentUri"} & resource["Properties"].keys():
            resource["Properties"][source] = "s3://artifacts/as-uploaded-by-sam-deploy"
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    return transform(template, {}, NoManagedPolicies())


PROVIDER = _transformed(read("template.yaml"))
CONSUMER = read("consumer/template.yaml")
BOTH = {"template.yaml": PROVIDER, "consumer/template.yaml": CONSUMER}


def of_type(kind: str, template: Any = PROVIDER) -> dict[str, Any]:
    """The properties of every resource of a type, by logical id."""
    return {name: r["Properties"] for name, r in template["Resources"].items() if r["Type"] == kind}


def own_metrics() -> tuple[frozenset[str], frozenset[str]]:
    """The metrics of our own namespace that alarms watch, and those that the dashboard shows."""
    alarms = of_type("AWS::CloudWatch::Alarm").values()
    watched = frozenset(alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == NAMESPACE)
    body = of_type("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    # A line takes over from the one before it what it has dots for.
    shown, line = set(), ["", ""]
    for widget in json.loads(re.sub(r"\$\{[\w.:]+\}", "x", body))["widgets"]:
        for given in widget["properties"].get("metrics", []):
            if given[0] != "...":
                line = [old if new == "." else new for old, new in zip(line, given[:2], strict=True)]
            shown |= {line[1]} if line[0] == NAMESPACE else set()
    return watched, frozenset(shown)


def targets(rule: Any) -> list[Any]:
    """The targets of a rule, those in an Fn::If included."""
    return [to["Fn::If"][1] if "Fn::If" in to else to for to in rule["Targets"]]


def target(reference: Any) -> str:
    """The logical id that a Ref or GetAtt points to."""
    return str(reference["Ref"] if "Ref" in reference else reference["Fn::GetAtt"][0])


def policies(role: Any) -> Iterator[Any]:
    """The inline policies of a role, those in an Fn::If included."""
    for policy in role["Policies"]:
        yield policy["Fn::If"][1] if "Fn::If" in policy else policy


def statements(policy: Any) -> Iterator[Any]:
    """The statements of a policy document, those in an Fn::If included."""
    for statement in policy["Statement"]:
        yield from [s for s in statement["Fn::If"][1:] if "Effect" in s] if "Fn::If" in statement else [statement]


def listed(value: Any) -> list[Any]:
    """IAM writes one element alone and several as a list."""
    return value if isinstance(value, list) else [value]
