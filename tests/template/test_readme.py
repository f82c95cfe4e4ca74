"""The commands that the documents promise are there."""

from __future__ import annotations

import re

import pytest

from tests.fakes.autopilot import FakeAutopilot
from tests.template.templates import PROJECT, of_type, own_metrics

TARGETS = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
DOCUMENTS = ("README.md", "docs/runbook.md", "docs/capacity.md", "docs/security.md")


def code(text: str) -> str:
    """What is set as code: blocks and words."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    words = re.findall(r"`([^`\n]+)`", text)
    return "\n".join([*blocks, *words])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_that_is_named_is_in_the_makefile(document: str) -> None:
    named = set(re.findall(r"(?:^|[( ])make (?:-s )?([a-z]+)", code((PROJECT / document).read_text()), re.MULTILINE))

    assert named <= TARGETS


def test_the_readme_names_every_command_that_people_run() -> None:
    named = set(re.findall(r"make (?:-s )?([a-z]+)", code((PROJECT / "README.md").read_text())))

    assert {"demo", "test", "up", "down", "env", "redrive", "bench", "soak"} <= named


def test_the_readme_counts_what_is_paid_for_every_month() -> None:
    """At rest only the sweep measures: each of its findings, and that it came through."""
    alarms, metrics = len(of_type("AWS::CloudWatch::Alarm")), len(frozenset().union(*own_metrics()))
    at_rest = len(FakeAutopilot().sweep()) + 1

    text = " ".join((PROJECT / "README.md").read_text().split())
    assert f"{alarms} alarms, a dashboard, {at_rest} metrics ({metrics} when everything happens)" in text
