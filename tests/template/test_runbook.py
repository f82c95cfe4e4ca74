"""docs/runbook.md: every alarm has its paragraph, and what is to be run can be run."""

from __future__ import annotations

import re
import subprocess

import pytest

from autopilot.use_cases import notices
from tests.template.templates import PROJECT, of_type

RUNBOOK = (PROJECT / "docs/runbook.md").read_text()
COMMANDS = re.findall(r"```\n(.*?)```", RUNBOOK, re.DOTALL)


def test_every_alarm_has_a_paragraph_and_every_paragraph_an_alarm() -> None:
    assert set(re.findall(r"^### (\w+Alarm)$", RUNBOOK, re.MULTILINE)) == of_type("AWS::CloudWatch::Alarm").keys()


def test_every_notice_that_asks_for_something_is_explained() -> None:
    subjects = (notices._STOPPED, notices._STUCK, notices._TAGS, notices._ENTRY, notices._CERTIFICATE, notices._LEFT)

    assert [subject for subject in subjects if subject.removesuffix(" of ").strip() not in RUNBOOK] == []
    assert notices._UNHEARD.startswith("NOBODY HEARS")


@pytest.mark.parametrize("commands", COMMANDS)
def test_commands_are_ones_that_bash_understands(commands: str) -> None:
    assert subprocess.run(["bash", "-n"], input=commands, text=True, capture_output=True).stderr == ""
