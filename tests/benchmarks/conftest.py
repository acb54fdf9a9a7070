"""The scripts of `benchmarks`, which import one another as scripts do: from their own folder."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Return a function that imports a script by its name; afterwards all of them are gone."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = dict(sys.modules)
    yield importlib.import_module
    for name, module in list(sys.modules.items()):
        if name not in before and Path(getattr(module, "__file__", None) or "").is_relative_to(
            BENCHMARKS
        ):
            del sys.modules[name]
