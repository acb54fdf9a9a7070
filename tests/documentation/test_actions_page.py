"""docs/actions.md has every built-in action, and every parameter with its default."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trioflow.actions import Registry
from trioflow.actions._http import http_request
from trioflow.actions._process import process_run

PAGE = (Path(__file__).parents[2] / "docs" / "actions.md").read_text(encoding="utf-8")
BUILT_IN = tuple(Registry(allow=["process.run"], entry_points=False).names)


def section(name: str) -> str:
    """Return what stands below the heading of an action."""
    _, found, after = PAGE.partition(f"\n## {name}\n")
    assert found, name
    return after.partition("\n## ")[0]


def parameters(name: str) -> dict[str, Any]:
    """Return the parameters of an action that have a name, with their defaults."""
    function = Registry(allow=["process.run"], entry_points=False).get(name).function
    return {
        each.name: each.default
        for each in inspect.signature(function).parameters.values()
        if each.name != "context" and each.kind is not each.VAR_KEYWORD
    }


def test_every_action_has_its_section() -> None:
    assert set(BUILT_IN) == set(re.findall(r"^## (\S+)$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", BUILT_IN, ids=str)
def test_every_parameter_has_its_row(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section(name), re.MULTILINE))
    wanted = parameters(name)

    assert wanted.keys() == rows.keys()
    for key, default in wanted.items():
        said = rows[key].rpartition(" | ")[2].strip("` ")
        if default is inspect.Parameter.empty:
            assert rows[key].startswith("required")
        elif default is not None:
            assert default == json.loads(said), key


@pytest.mark.parametrize("function", (http_request, process_run), ids=lambda each: each.__name__)
def test_the_codes_of_the_docstring_are_on_the_page(function: Callable[..., Any]) -> None:
    named = re.findall(r"``((?:http|process|result|action)\.\w+)``", function.__doc__ or "")

    assert named
    assert [] == [code for code in named if f"| `{code}` |" not in PAGE]
