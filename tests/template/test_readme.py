"""The commands that the documents promise are there."""

from __future__ import annotations

import re

import pytest

from tests.template.templates import PROJECT

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
