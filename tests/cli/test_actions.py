"""``--actions``: modules, files, and what may be wrong with them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trioflow.cli._actions import load_actions
from trioflow.cli._errors import Refused

ACTION = "import trioflow\n\n\n@trioflow.action\ndef {name}() -> None: ...\n"


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_is_found_by_its_own_name_and_finds_its_neighbours(here: Path) -> None:
    folder = here / "deep"
    folder.mkdir()
    (folder / "one_of_them.py").write_text("import neighbour_of_it\n" + ACTION.format(name="x"))
    (folder / "neighbour_of_it.py").write_text("")
    (module,) = load_actions(["deep/one_of_them.py"])

    assert "one_of_them" == module.__name__
    assert module.x is pickle.loads(pickle.dumps(module.x))


def test_two_files_of_one_name_are_two_modules(here: Path) -> None:
    for folder in ("a", "b", "c"):
        (here / folder).mkdir()
        (here / folder / "same_name.py").write_text(ACTION.format(name=folder))
    modules = load_actions([f"{folder}/same_name.py" for folder in "abcb"])

    assert 3 == len({module.__name__ for module in modules})
    assert modules[1] is modules[3]
    assert all(sys.modules[module.__name__] is module for module in modules)
    assert modules[2].c is pickle.loads(pickle.dumps(modules[2].c))


def test_a_file_never_hides_a_module_of_python(here: Path) -> None:
    (here / "json.py").write_text(ACTION.format(name="x"))
    (module,) = load_actions(["./json.py"])

    import json

    assert module is not json
    assert hasattr(json, "loads")


def test_a_file_whose_name_is_no_word(here: Path) -> None:
    (here / "my-actions.py").write_text(ACTION.format(name="x"))
    (module,) = load_actions(["my-actions.py"])

    assert callable(module.x)


def test_a_module_of_the_current_folder(here: Path) -> None:
    (here / "package_here").mkdir()
    (here / "package_here" / "module.py").write_text(ACTION.format(name="x"))
    (module,) = load_actions(["package_here.module"])

    assert "package_here.module" == module.__name__


@pytest.mark.parametrize(
    ("content", "message"),
    (
        ("import trioflow\n1 / 0\n", "broken.py, line 2: ZeroDivisionError: division by zero"),
        ("import not_there_at_all\n", "line 1: ModuleNotFoundError: No module named 'not_there"),
        ("def f(:\n", "line 1: SyntaxError: "),
        ("raise SystemExit\n", "line 1: SystemExit"),
        ("import json\n\njson.loads('x')\n", "broken.py, line 3: JSONDecodeError: "),
    ),
    ids=str,
)
@pytest.mark.parametrize("name", ("broken.py", "./my-broken.py", "broken"), ids=str)
def test_what_fails_is_told_with_its_line(
    here: Path, content: str, message: str, name: str
) -> None:
    for file in ("broken.py", "my-broken.py"):
        (here / file).write_text(content)
    with pytest.raises(Refused) as caught:
        load_actions([name])

    assert "cannot be imported: " in caught.value.message
    assert message in caught.value.message
    assert not {"broken", "trioflow_actions_my-broken"} & set(sys.modules)


@pytest.mark.parametrize(
    ("name", "message"),
    (
        ("nothing.py", "there is no file 'nothing.py' with actions"),
        ("no/thing", "there is no file 'no/thing'"),
        ("not_there_at_all", "there is no module 'not_there_at_all'"),
        ("os.nothing", "there is no module 'os.nothing'"),
        ("..", "neither a file nor a module"),
        ("notes.txt", "no Python file"),
    ),
    ids=str,
)
def test_what_is_not_there(here: Path, name: str, message: str) -> None:
    (here / "notes.txt").write_text("")
    with pytest.raises(Refused) as caught:
        load_actions([name])

    assert message in caught.value.message


def test_a_module_without_actions(do: Any, here: Path) -> None:
    (here / "no_actions_here.py").write_text("")
    result = do("run", "wait.json", "--actions", "no_actions_here.py", exits=2)

    assert "has no action" in result.stderr
