"""Every public name has one address and one typed use, and type checkers agree with both."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import trioflow
from tests.test_floors import PUBLIC

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
USES = tuple(sorted(HERE.glob("*_uses.py")))
# What programs import. `definitions`, `actions`, `engine` are the floors that the first one
# re-exports, `stores` is both; what the harness has beside its names is for those who extend it.
PROGRAMS = (
    "trioflow",
    "trioflow.aio",
    "trioflow.blocking",
    "trioflow.events",
    "trioflow.expressions",
    "trioflow.pictures",
    "trioflow.stores",
    "trioflow.testing",
    "trioflow.timelines",
    "harness",
)
# These stand for themselves: a program, a plugin that pytest finds, rules that nobody imports.
WITHOUT = ("harness.__main__", "harness.plugin", "trioflow.__main__", "trioflow.kernel")


def used_in(path: Path) -> set[tuple[str, str]]:
    """Return the modules and names of all attributes in a file, as in ``events.Event``."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


@pytest.mark.parametrize("name", PROGRAMS, ids=str)
def test_every_public_name_has_a_typed_use(name: str) -> None:
    uses = set().union(*map(used_in, USES))
    short = name.rpartition(".")[2]
    # Errors have their address in `trioflow`.
    elsewhere = set(trioflow.__all__) if name == "trioflow.expressions" else set()
    exported = set(importlib.import_module(name).__all__) - elsewhere

    assert set() == {entry for entry in exported if (short, entry) not in uses}


@pytest.mark.parametrize("name", PUBLIC, ids=str)
def test_every_public_module_says_what_is_public(name: str) -> None:
    if name in WITHOUT:
        return

    assert len(importlib.import_module(name).__all__) > 0


@pytest.mark.parametrize("name", PUBLIC, ids=str)
def test_what_a_public_module_defines_is_public(name: str) -> None:
    module = importlib.import_module(name)
    if name in WITHOUT:
        return

    defined = {
        key
        for key, thing in vars(module).items()
        if getattr(thing, "__module__", None) == name
        and isinstance(thing, type | FunctionType)
        and not key.startswith("_")
    }

    assert set() == defined - set(module.__all__) - GIVEN.get(name, set())


# What `events()` returns: to be iterated over, and never made or named by a program.
GIVEN = {"trioflow.aio": {"Events"}, "trioflow.blocking": {"Events"}}


def modules(package: str) -> list[ModuleType]:
    return [
        importlib.import_module(name)
        for name in PUBLIC
        if name.split(".")[0] == package and name not in WITHOUT
    ]


@pytest.mark.parametrize("package", ("trioflow", "harness"), ids=str)
def test_a_public_thing_has_one_address(package: str) -> None:
    """Beside the floor that it stands on: that of the package, or one of its modules."""
    homes: dict[int, set[str]] = defaultdict(set)
    for module in modules(package):
        for name in module.__all__:
            thing = getattr(module, name)
            # Text and numbers may well be the same.
            if not isinstance(thing, str | int | tuple | frozenset):
                homes[id(thing)].add(f"{module.__name__}.{name}")
    several = sorted(
        tuple(sorted(found))
        for found in homes.values()
        # The package and one floor: `trioflow.Step` is that of `trioflow.definitions`.
        if len(found) > (2 if any(each.count(".") == 1 for each in found) else 1)
    )

    assert ALIASES.get(package, []) == several


# The two errors that one meets with conditions stand beside them, too.
ALIASES = {
    "trioflow": [
        (
            "trioflow.ExpressionError",
            "trioflow.errors.ExpressionError",
            "trioflow.expressions.ExpressionError",
        ),
        (
            "trioflow.MissingInputError",
            "trioflow.errors.MissingInputError",
            "trioflow.expressions.MissingInputError",
        ),
    ],
}


def checked(*command: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    found = Path(trioflow.__file__).parents[1]
    # Where it is installed mypy looks by itself, and wants to hear of no such path.
    if found.name != "site-packages":
        kept["MYPYPATH"] = str(found)
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=kept,
    )


@pytest.mark.slow
def test_mypy_agrees(tmp_path: Path) -> None:
    """Pyright does in the session of its name."""
    done = checked("-m", "mypy", "--strict", "--cache-dir", str(tmp_path), *map(str, USES))

    assert 0 == done.returncode, done.stdout + done.stderr


WRONG = """
import harness, trioflow

trioflow.Step("a", join="some")
trioflow.Stpe
harness.sceanrio
trioflow.testing.open_engien
async def right() -> None:
    async with trioflow.testing.open_engine() as engine:
        reveal_type(engine)
"""


@pytest.mark.slow
def test_what_is_wrong_would_be_seen(tmp_path: Path) -> None:
    """A name that is not there, too, although names are only looked for when they are asked for."""
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)
    done = checked("-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(path))

    assert ["4", "5", "6", "7"] == re.findall(
        r"^.*wrong\.py:(\d+): error", done.stdout, re.MULTILINE
    )
    assert 'Revealed type is "trioflow.engine._engine.Engine"' in done.stdout
