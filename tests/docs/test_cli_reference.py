"""The reference of the command line tells every command with every option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from analysis_store.cli.app import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"


def commands(group: Any, before: str = "") -> dict[str, Any]:
    """Return the commands of a group by name, and those of the groups in it, in the order of its help."""
    found = {}
    for name in group.list_commands(None):
        command = group.commands[name]
        inner = commands(command, f"{before}{name} ") if isinstance(command, TyperGroup) else {}
        found |= inner or {f"{before}{name}": command}
    return found


COMMANDS = commands(typer.main.get_command(app))


def sections() -> dict[str, str]:
    """Return the text of the page under each heading, every run of blanks as one."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def test_every_command_has_its_section():
    """The page has exactly the commands that there are, in the same order."""
    assert list(sections()) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_told(name):
    """Each command, option and argument is there with its help."""
    text = sections()[name]
    command = COMMANDS[name]

    assert " ".join(command.help.split()) in text
    for parameter in command.params:
        if parameter.name != "help":
            assert parameter.help, f"{name} {parameter.name} has no help"
            assert parameter.help in text
            for option in parameter.opts:
                assert option.startswith("-") is False or option in text
