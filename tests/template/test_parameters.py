"""What people type and read: parameters, samconfig.toml, outputs; and what of it reaches the functions."""

import re
import shlex
import tomllib
from typing import Any

import pytest

from autopilot.settings import Settings
from tests.template.parameter_values import ACCEPTED, REFUSED
from tests.template.templates import BOTH, CONSUMER, PROJECT, PROVIDER, of_type, target

PARAMETERS = [
    pytest.param(template, name, id=f"{path}: {name}")
    for path, template in BOTH.items()
    for name in template["Parameters"]
]
ENVIRONMENTS = tomllib.loads((PROJECT / "samconfig.toml").read_text())

ENVIRONMENT = {
    "DecideConnectionFunction": "MODE UNLISTED ON_REVOKED ALLOWED_PRINCIPALS ALLOWLIST_TABLE ORGANIZATION_ID"
    " ORGANIZATIONS_ROLE_ARN LEDGER_TABLE REQUESTS_QUEUE_URL REQUESTS_DEAD_LETTERS_URL DNS_QUEUE_URL",
    "ConvergeDnsFunction": "MODE LEDGER_TABLE DNS_QUEUE_URL DNS_DEAD_LETTERS_URL EXTERNAL_ID RECORD_TTL"
    " NAME_GRACE_HOURS PUBLIC_RESOLVER",
    "ReportStatusFunction": "LEDGER_TABLE STATUS_TOPIC_ARN BUS_NAME EMAIL_ON ON_REVOKED ALLOWLIST_TABLE"
    " CONSUMER_PARAMETERS RECORD_TTL",
    "SweepFunction": "MODE ON_REVOKED MAX_DISRUPTIONS MAX_DISRUPTIONS_PERCENT HELD_REMINDER_HOURS MANAGE_PERMISSIONS"
    " NAME_GRACE_HOURS DRIFT_CHECK_HOURS FOREIGN_DRIFT_CHECK_HOURS"
    " ALLOWED_PRINCIPALS ALLOWLIST_TABLE ORGANIZATION_ID ORGANIZATIONS_ROLE_ARN LEDGER_TABLE REQUESTS_QUEUE_URL"
    " DNS_QUEUE_URL NOTIFICATION_TOPIC_ARN STATUS_TOPIC_ARN ALARM_TOPIC_ARN",
}
VALUES = {
    "MODE": "Mode",
    "UNLISTED": "Unlisted",
    "ON_REVOKED": "OnRevoked",
    "MAX_DISRUPTIONS": "MaxDisruptions",
    "MAX_DISRUPTIONS_PERCENT": "MaxDisruptionsPercent",
    "HELD_REMINDER_HOURS": "HeldReminder",
    "MANAGE_PERMISSIONS": "ManagePermissions",
    "ORGANIZATION_ID": "OrganizationId",
    "ORGANIZATIONS_ROLE_ARN": "OrganizationsRoleArn",
    "ALLOWED_PRINCIPALS": "AllowedPrincipals",
    "ALLOWLIST_TABLE": "AllowlistTable",
    "LEDGER_TABLE": "LedgerTable",
    "REQUESTS_QUEUE_URL": "RequestsQueue",
    "DNS_QUEUE_URL": "DnsQueue",
    "REQUESTS_DEAD_LETTERS_URL": "RequestsDeadLetters",
    "DNS_DEAD_LETTERS_URL": "DnsDeadLetters",
    "STATUS_TOPIC_ARN": "StatusTopic",
    "ALARM_TOPIC_ARN": "AlarmTopic",
    "NOTIFICATION_TOPIC_ARN": "NotificationTopic",
    "BUS_NAME": "AutopilotBus",
    "EMAIL_ON": "EmailOn",
    "EXTERNAL_ID": "ExternalId",
    "RECORD_TTL": "RecordTtl",
    "NAME_GRACE_HOURS": "NameGrace",
    "DRIFT_CHECK_HOURS": "DriftCheck",
    "FOREIGN_DRIFT_CHECK_HOURS": "ForeignDriftCheck",
    "PUBLIC_RESOLVER": "PublicResolver",
}


def keyed(examples: dict[str, list[str]]) -> list[Any]:
    return [pytest.param(name, value, id=f"{name}={value}") for name, values in examples.items() for value in values]


def pattern(parameter: str) -> str:
    """The pattern, which is the same in both templates where both have the parameter."""
    (found,) = {t["Parameters"][parameter]["AllowedPattern"] for t in BOTH.values() if parameter in t["Parameters"]}
    return str(found)


@pytest.mark.parametrize(("template", "name"), PARAMETERS)
def test_a_parameter_explains_itself_and_refuses_with_a_message(template: Any, name: str) -> None:
    parameter = template["Parameters"][name]
    assert parameter["Description"].endswith(".")
    assert parameter["ConstraintDescription"].endswith(".")
    assert {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys()
    assert "Default" in parameter or name in ("Email", "ProviderAccount")


@pytest.mark.parametrize("template", BOTH.values(), ids=BOTH)
def test_the_console_shows_every_parameter_in_a_group(template: Any) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])


def test_every_pattern_has_examples() -> None:
    patterns = {n for t in BOTH.values() for n, p in t["Parameters"].items() if "AllowedPattern" in p}
    assert patterns == ACCEPTED.keys() == REFUSED.keys()


@pytest.mark.parametrize(("name", "value"), keyed(ACCEPTED))
def test_a_good_value_is_accepted(name: str, value: str) -> None:
    assert re.fullmatch(pattern(name), value)


@pytest.mark.parametrize(("name", "value"), keyed(REFUSED))
def test_a_bad_value_is_refused(name: str, value: str) -> None:
    assert not re.fullmatch(pattern(name), value)


@pytest.mark.parametrize("value", ACCEPTED["AllowedPrincipals"])
def test_the_functions_read_what_the_parameter_accepts(value: str) -> None:
    assert Settings({"ALLOWED_PRINCIPALS": value}).allowed_principals == tuple(filter(None, value.split(",")))


@pytest.mark.parametrize(
    ("parameter", "least", "most"),
    [("MaxDisruptions", 0, None), ("MaxDisruptionsPercent", 0, 100), ("HeldReminder", 0, 8760)],
)
def test_a_number_has_the_bounds_that_the_functions_expect(parameter: str, least: int, most: int | None) -> None:
    found = PROVIDER["Parameters"][parameter]
    assert (found["Type"], found["MinValue"], found.get("MaxValue")) == ("Number", least, most)


def test_without_a_word_nothing_is_disconnected_and_no_permission_is_touched() -> None:
    defaults = {name: PROVIDER["Parameters"][name]["Default"] for name in ("OnRevoked", "ManagePermissions")}
    assert defaults == {"OnRevoked": "keep", "ManagePermissions": "false"}


@pytest.mark.parametrize(("template", "name"), PARAMETERS)
def test_a_default_is_a_value_that_its_parameter_accepts(template: Any, name: str) -> None:
    parameter = template["Parameters"][name]
    if "Default" in parameter:
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), str(parameter["Default"]))
        assert parameter["Default"] in parameter.get("AllowedValues", [parameter["Default"]])


@pytest.mark.parametrize("environment", ENVIRONMENTS.keys() - {"version"})
def test_samconfig_sets_only_parameters_that_exist(environment: str) -> None:
    deploy = ENVIRONMENTS[environment]["deploy"]["parameters"]
    assert deploy["capabilities"] == ["CAPABILITY_NAMED_IAM"]
    given = dict(shlex.split(override)[0].split("=", 1) for override in deploy.get("parameter_overrides", ()))
    for name, value in given.items():
        assert re.fullmatch(PROVIDER["Parameters"][name].get("AllowedPattern", ".*"), value)


def test_samconfig_has_an_environment_for_each_purpose() -> None:
    assert ENVIRONMENTS.keys() == {"version", "default", "observe", "local"}
    confirms = {name: ENVIRONMENTS[name]["deploy"]["parameters"]["confirm_changeset"] for name in ("default", "local")}
    assert confirms == {"default": True, "local": False}


@pytest.mark.parametrize("function", of_type("AWS::Lambda::Function"))
def test_a_function_gets_the_variables_that_it_reads_and_no_others(function: str) -> None:
    variables = of_type("AWS::Lambda::Function")[function]["Environment"]["Variables"]
    ours = {name for name in variables if not name.startswith("POWERTOOLS_")}
    assert ours == set(ENVIRONMENT[function].split())
    assert all(target(variables[name]) == VALUES[name] for name in ours & VALUES.keys())
    assert ours - VALUES.keys() <= {"CONSUMER_PARAMETERS"}
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "PrivateLinkAutopilot"
    assert variables["POWERTOOLS_SERVICE_NAME"] == "privatelink-autopilot"


def test_the_report_has_the_parameters_that_the_stack_puts_out_for_consumers() -> None:
    variables = of_type("AWS::Lambda::Function")["ReportStatusFunction"]["Environment"]["Variables"]
    text, values = variables["CONSUMER_PARAMETERS"]["Fn::Sub"]
    command, same_values = PROVIDER["Outputs"]["DeployConsumer"]["Value"]["Fn::Sub"]
    assert command.endswith(text)
    assert same_values == values


def test_the_consumers_commands_use_parameters_that_the_consumers_template_has() -> None:
    for output, parameter in (("DeployConsumer", r"(\w+)="), ("DeployConsumers", r"ParameterKey=(\w+)")):
        command, variables = PROVIDER["Outputs"][output]["Value"]["Fn::Sub"]
        assert "consumer/template.yaml" in command
        assert "CAPABILITY_NAMED_IAM" in command
        text = command.partition("parameter")[2] + str(variables)
        named = set(re.findall(parameter, text)) - {"ParameterKey", "ParameterValue"}
        assert {"ProviderAccount", "BusArn", "ForwardEvents"} <= named <= CONSUMER["Parameters"].keys()


@pytest.mark.parametrize("rule", PROVIDER["Rules"])
def test_a_wrong_combination_is_refused_with_what_to_do(rule: str) -> None:
    (assertion,) = PROVIDER["Rules"][rule]["Assertions"]
    assert re.search(r"\b(needed|give)\b", assertion["AssertDescription"])
