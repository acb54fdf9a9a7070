"""The examples are folders, not packages: their actions are loaded from where they lie."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

import trioflow
from trioflow.actions import ActionContext

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load_actions(example: str) -> ModuleType:
    """Import `actions.py` of an example under a name of its own."""
    name = f"example_{example}"
    if name not in sys.modules:
        path = EXAMPLES / example / "actions.py"
        specification = importlib.util.spec_from_file_location(name, path)
        assert specification is not None
        assert specification.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def examples() -> Path:
    """Return the folder of the examples."""
    return EXAMPLES


@pytest.fixture
def actions_of() -> Callable[[str], ModuleType]:
    """Return what loads the actions of an example."""
    return load_actions


@pytest.fixture
def context() -> Callable[[str], ActionContext]:
    """Return what makes the context of a step of the execution ``demo``."""

    def make(step: str, execution_id: str = "demo") -> ActionContext:
        return ActionContext(
            execution_id=execution_id, step=step, idempotency_key=f"{execution_id}:{step}"
        )

    return make


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXAMPLE_CALLS", "EXAMPLE_PAUSE", "EXAMPLE_KEY", "SHOP_DB"):
        monkeypatch.delenv(name, raising=False)


@attrs.frozen
class Place:
    """A folder of a test's own, in which it gives commands to do with one example.

    The store is `store.db`, the shop `shop.db`, and `calls` the file with a line for each call
    that came to its end.
    """

    folder: Path
    example: str

    @property
    def calls(self) -> Path:
        """Return the file in which calls are listed."""
        return self.folder / "calls"

    def listed(self) -> list[str]:
        """Return the steps of the calls that came to their end, in that order."""
        if not self.calls.exists():
            return []
        return [line.split()[0] for line in self.calls.read_text().splitlines()]

    def start(self, *arguments: str, pause: float = 0.0) -> subprocess.Popen[str]:
        """Start `trioflow` with these arguments and the store, and do not wait for it."""
        command = [
            sys.executable,
            "-c",
            "import sys; from trioflow.cli import main; sys.exit(main())",
        ]
        # The process is to use what this one tests, be it the checkout or an installed wheel.
        found = str(Path(trioflow.__file__).parents[1])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [found, os.environ.get("PYTHONPATH")])),
            "EXAMPLE_CALLS": str(self.calls),
            "EXAMPLE_PAUSE": str(pause),
            "SHOP_DB": str(self.folder / "shop.db"),
        }
        return subprocess.Popen(
            [*command, *arguments, "--store", f"sqlite:{self.folder / 'store.db'}"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def do(self, *arguments: str, exits: int = 0) -> str:
        """Run `trioflow` to its end, which must be `exits`, and return what it printed."""
        with self.start(*arguments) as process:
            printed, _ = process.communicate(timeout=60)
        assert exits == process.returncode, printed
        return printed

    def run(
        self, *more: str, input_file: str = "input.json", execution_id: str = "demo"
    ) -> list[str]:
        """Return the arguments that run the example, as its README has them."""
        folder = EXAMPLES / self.example
        allowed = ["--allow", "process.run"] if self.example == "release" else []
        return [
            "run",
            str(folder / f"{self.example}.workflow.json"),
            "--actions",
            str(folder / "actions.py"),
            *allowed,
            "--input",
            str(folder / input_file),
            "--id",
            execution_id,
            *more,
        ]

    def history(self, execution_id: str = "demo") -> list[dict[str, Any]]:
        """Return the events of an execution."""
        events: list[dict[str, Any]] = json.loads(self.do("history", execution_id, "--json"))
        return events

    def steps(self, event: str, execution_id: str = "demo") -> list[str]:
        """Return the steps of all events of one type."""
        return [found["step"] for found in self.history(execution_id) if event == found["type"]]

    def ask(self, query: str) -> Any:
        """Return the one value that the query finds in the shop."""
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection:
            return connection.execute(query).fetchone()[0]


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Place]:
    """Return what makes the `Place` of an example."""
    return lambda example: Place(tmp_path, example)
