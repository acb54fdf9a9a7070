"""The program as a whole: its help, its commands, and its page in the documentation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from trioflow.cli import main
from trioflow.cli._program import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_help_names_all_commands(do: Any) -> None:
    printed = do("--help").stdout

    assert list(COMMANDS) == re.findall(r"^  ([a-z]+)  +[A-Z]", printed, re.MULTILINE)
    assert "130 interrupted" in printed
    assert do("--version").stdout.startswith("trioflow ")


@pytest.mark.parametrize("name", COMMANDS, ids=str)
def test_help_of_a_command(do: Any, name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert COMMANDS[name][1].rstrip(".") in (command.get_short_help_str(200) + ".").rstrip(".")
    assert "Usage: trioflow" in do(name, "--help").stdout


PROBE = """
import sys, trioflow.cli
print([name for name in ("rich", "trioflow.cli._run") if name in sys.modules])
"""


def test_help_is_quick() -> None:
    """Neither rich nor a command is imported for it."""
    command = [sys.executable, "-c", PROBE]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout

    assert "[]\n" == printed


def test_the_page_has_every_command_and_option() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert list(COMMANDS) == re.findall(r"^## ([a-z]+)$", page, re.MULTILINE)
    for name in COMMANDS:
        for parameter in main.get_command(click.Context(main), name).params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in page, (name, parameter.opts)
