"""The floors (docs/architecture.md): imports only go down, and importing starts nothing.

If a test here stops you, you probably want the thing one floor down, or an event.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import grimp
import pytest

import harness
import trioflow

ROOT = Path(__file__).parent.parent


def _modules(package: ModuleType) -> Iterator[str]:
    yield package.__name__
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield info.name


MODULES = tuple(sorted({*_modules(trioflow), *_modules(harness)}))
PUBLIC = tuple(name for name in MODULES if "._" not in name)


def _source(module: ModuleType) -> ast.Module:
    assert module.__file__ is not None
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def test_imports_only_go_down() -> None:
    """All contracts in pyproject.toml are kept."""
    # In a process of its own: it configures logging for all that comes after it.
    script = (
        "import sys; from importlinter.cli import lint_imports; "
        f"sys.exit(lint_imports(config_filename={str(ROOT / 'pyproject.toml')!r}, no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("above", ("trioflow.cli", "harness"), ids=str)
def test_what_stands_on_top_uses_only_what_any_user_can_import(above: str) -> None:
    graph = grimp.build_graph("trioflow", "harness", cache_dir=None)
    own = {above, *graph.find_descendants(above)}

    reached = {
        f"{module} imports {imported}"
        for module in own
        for imported in graph.find_modules_directly_imported_by(module) - own
        if "._" in imported
    }

    assert set() == reached


PROBE = """
import json, sys, threading
import {module}
heavy = {heavy}
print(json.dumps([
    [name for name in heavy if name in sys.modules],
    [thread.name for thread in threading.enumerate()],
]))
"""

HEAVY = ("asyncio", "click", "httpx2", "multiprocessing", "rich", "ruamel", "uvicorn", "yaml")


def _environment() -> dict[str, str]:
    # Coverage would measure the probe, too, and imports things of its own for that.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.parametrize("module", ("trioflow", "harness", "harness.suites"), ids=str)
def test_importing_starts_nothing_and_stays_light(module: str, tmp_path: Path) -> None:
    """No thread, no output, no file, and none of the libraries that only some people need."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE.format(module=module, heavy=HEAVY)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=_environment(),
    )

    assert [[], ["MainThread"]] == json.loads(result.stdout)
    assert "" == result.stderr
    assert [] == list(tmp_path.iterdir())


def _is_facade(module: ModuleType) -> bool:
    return hasattr(module, "__path__")


@pytest.mark.parametrize("name", PUBLIC, ids=str)
def test_packages_re_export_and_do_nothing_else(name: str) -> None:
    """An `__init__` has a docstring, imports and `__all__`; what works lives in `_modules`."""
    module = importlib.import_module(name)
    # The package itself imports what it re-exports when somebody asks for it.
    if not _is_facade(module) or module in (trioflow, harness):
        return

    docstring, *body = _source(module).body
    others = [
        ast.unparse(node)
        for node in body
        if not isinstance(node, ast.Import | ast.ImportFrom) and not _assigns_dunder(node)
    ]

    assert isinstance(docstring, ast.Expr), f"{name} has no docstring"
    assert [] == others


@pytest.mark.parametrize("package", (trioflow, harness), ids=lambda each: each.__name__)
def test_the_package_has_what_it_says(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `TYPE_CHECKING` stands the same as in the table of what is imported on demand."""
    (block,) = (node for node in _source(package).body if isinstance(node, ast.If))
    said = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    modules = {name for name, module in said.items() if module == package.__name__}
    said = {name: module for name, module in said.items() if name not in modules}

    assert set(package._MODULES) == modules
    assert said == package._HOMES
    assert sorted(said) == sorted(package.__all__)
    for name, home in said.items():
        monkeypatch.delitem(vars(package), name, raising=False)
        assert getattr(importlib.import_module(home), name) is getattr(package, name)
    assert {*package._MODULES, *package.__all__} <= set(dir(package))
    for name in package._MODULES:
        assert importlib.import_module(f"{package.__name__}.{name}") is getattr(package, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def _assigns_dunder(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return False
    return all(
        isinstance(target, ast.Name) and target.id in ("__all__", "__version__")
        for target in targets
    )


def _sort_key(name: str) -> tuple[bool, bool, str]:
    # CONSTANTS, Classes, functions: the order in which ruff's RUF022 wants them.
    return (not name.isupper(), not name[:1].isupper(), name)


@pytest.mark.parametrize("name", MODULES, ids=str)
def test_all_is_sorted_and_true(name: str) -> None:
    """What `__all__` names is there, and in order."""
    module = importlib.import_module(name)
    exported = list(getattr(module, "__all__", ()))

    assert sorted(set(exported), key=_sort_key) == exported
    assert [] == [entry for entry in exported if not hasattr(module, entry)]


@pytest.mark.parametrize("name", PUBLIC, ids=str)
def test_all_is_complete(name: str) -> None:
    """What a public package imports from its private modules is public."""
    module = importlib.import_module(name)
    if not _is_facade(module):
        return

    imported = {
        alias.asname or alias.name
        for node in ast.walk(_source(module))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(name)
        for alias in node.names
    }

    # Modules that type checkers are told of are public by themselves.
    modules = set(getattr(module, "_MODULES", ()))

    assert set() == imported - set(getattr(module, "__all__", ())) - modules
