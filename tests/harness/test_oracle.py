"""The oracle stands on its own feet: what it imports, and that it knows every rule."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HARNESS = Path(__file__).parents[2] / "harness"

# What predicts and what invents scenarios: only `playing`, and what stands above it, runs trioflow.
FLOORS = ("oracle", "data", "solver", "families")
ORACLE = (
    HARNESS / "_built_in.py",
    HARNESS / "_formats.py",
    HARNESS / "_scenario.py",
    *(path for floor in FLOORS for path in sorted((HARNESS / floor).glob("*.py"))),
)
ALLOWED = {"attrs", "jsonschema", "referencing"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert 0 == node.level
            found.add(str(node.module))
    return found


@pytest.mark.parametrize("path", ORACLE, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_the_oracle_imports_nothing_of_trioflow(path: Path) -> None:
    import sys

    modules = imported(path)

    assert not {each for each in modules if each.partition(".")[0] in ("trioflow", "trio")}
    assert not {each for each in modules if each.startswith(("harness.playing", "harness.suites"))}
    for module in modules:
        top = module.partition(".")[0]
        assert top in ALLOWED | {"harness"} or top in sys.stdlib_module_names, module


def test_every_rule_is_named_where_it_is_carried_out() -> None:
    rules = {f"R{number}" for number in range(1, 32)}
    named = {
        rule
        for path in ORACLE
        for rule in re.findall(r"\bR\d+\b", path.read_text(encoding="utf-8"))
    }

    assert rules == named & rules
    assert not named - rules


def test_every_rule_has_a_scenario() -> None:
    text = Path(__file__).with_name("test_oracle_rules.py").read_text(encoding="utf-8")

    assert {f"R{n}" for n in range(1, 32)} <= set(re.findall(r"\bR\d+\b", text))
