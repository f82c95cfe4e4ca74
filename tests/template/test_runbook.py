"""docs/runbook.md: every alarm has its paragraph, and what is to be run can be run."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest

from autopilot.__main__ import parser
from autopilot.domain.connection import Status
from autopilot.domain.mails import _NEEDS_A_PERSON
from autopilot.use_cases import notices
from tests.template.templates import PROJECT, of_type

RUNBOOK = (PROJECT / "docs/runbook.md").read_text()
BLOCKS = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", RUNBOOK, re.DOTALL | re.MULTILINE)
COMMANDS = [text for language, text in BLOCKS if not language]
ALARMS = dict(re.findall(r"^### (\w+Alarm)\n(.*?)(?=^##)", RUNBOOK, re.DOTALL | re.MULTILINE))
UNINSTALL = RUNBOOK.partition("## Uninstall\n")[2].partition("\n## ")[0]
OURS = [line.strip() for commands in COMMANDS for line in commands.splitlines() if "python -m autopilot" in line]


def test_every_alarm_has_a_paragraph_and_every_paragraph_an_alarm() -> None:
    assert ALARMS.keys() == of_type("AWS::CloudWatch::Alarm").keys()


@pytest.mark.parametrize("alarm", ALARMS)
def test_a_paragraph_answers_every_question(alarm: str) -> None:
    answered = {word.lower() for word in re.findall(r"\*\*(\w+)\*\*", ALARMS[alarm])}

    assert {"means", "affected", "look", "run", "over"} - answered == set()


def test_every_notice_that_asks_for_something_is_explained() -> None:
    subjects = (notices._STOPPED, notices._STUCK, notices._TAGS, notices._ENTRY, notices._CERTIFICATE, notices._LEFT)

    assert [subject for subject in subjects if subject.removesuffix(" of ").strip() not in RUNBOOK] == []
    assert notices._UNHEARD.startswith("NOBODY HEARS")


def test_every_status_that_needs_a_person_is_explained() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", RUNBOOK, re.MULTILINE)) == _NEEDS_A_PERSON | {Status.REVOKED}


@pytest.mark.parametrize("commands", COMMANDS)
def test_commands_are_ones_that_bash_understands(commands: str) -> None:
    assert subprocess.run(["bash", "-n"], input=commands, text=True, capture_output=True).stderr == ""


@pytest.mark.parametrize("line", OURS)
def test_our_own_commands_have_the_arguments_that_they_are_given(line: str) -> None:
    words = shlex.split(line, comments=True)

    parser().parse_args(words[words.index("autopilot") + 1 :])


def test_the_logs_that_are_read_are_those_of_the_functions() -> None:
    groups = {group["LogGroupName"]["Fn::Sub"] for group in of_type("AWS::Logs::LogGroup").values()}
    named = re.findall(r'aws logs tail "([^"]+)"', RUNBOOK)

    assert {name.replace("$STACK", "${AWS::StackName}") for name in named} <= groups
    (shown,) = re.findall(r"^The logs are (.*?), in JSON", RUNBOOK, re.MULTILINE)
    assert {f"/aws/lambda/${{AWS::StackName}}/{name}" for name in re.findall(r"`([a-z-]+)`", shown)} == groups


def test_the_words_that_logs_are_searched_for_are_logged() -> None:
    code = "".join(path.read_text() for path in (PROJECT / "layers/autopilot").rglob("*.py"))
    words = set(re.findall(r"""--filter-pattern '"([^"]+)"'""", RUNBOOK))

    assert words == {"comes again"}
    assert all(re.search(rf"logger\.\w+\(.*{word}", code) for word in words)


def test_the_readme_removes_by_the_commands_that_are_shown_here() -> None:
    removes = (PROJECT / "README.md").read_text().partition("## Remove\n")[2].partition("\n## ")[0]
    commands = re.findall(r"`((?:sam|aws|make) [^`]+)`", removes)

    assert commands
    assert "`docs/runbook.md`" in removes
    assert "```" not in removes
    assert all(re.search(rf"^ *{re.escape(command)}\b", UNINSTALL, re.MULTILINE) for command in commands)
