"""The commands of docs/harness.md, one after the other, in a folder with the order document."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import trioflow

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "harness.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Return the commands of the page, each with what it prints."""
    blocks = [code for language, code in FENCE.findall(PAGE.read_text("utf-8"))]
    parts = [part for code in blocks if code.startswith("$ ") for part in _parts(code)]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


def _parts(code: str) -> list[str]:
    return re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]


def normal(text: str) -> list[str]:
    """Return the lines of a text without what depends on the day, or on the width of a screen."""
    text = re.sub(r"\bin [0-9.]+ ?s\b", "in TIME", text)
    text = re.sub(r"harness\.[\w.]*Mis\w*[.:]*", "Mismatch", text)
    text = re.sub(r"(={3,}|_{3,})", "===", text)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """`python` and `pytest` are those of this interpreter; what is tested is what this one has."""
    programs = {"python": "", "pytest": "-m pytest "}
    for name, words in programs.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        program.chmod(0o755)
    found = str(Path(trioflow.__file__).parents[1])
    kept = {key: each for key, each in os.environ.items() if not key.startswith("PYTEST_")}
    return {
        **kept,
        "PATH": os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [found, os.environ.get("PYTHONPATH")])),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


def test_the_commands_print_what_the_page_says(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(ROOT / "examples/order/order.workflow.json", folder)
    for command, printed in commands():
        done = subprocess.run(
            command,
            shell=True,
            check=False,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )

        assert normal(printed) == normal(done.stdout), command
    assert 14 == len(commands())
    assert {"order.html", "order.json", "order.txt"} == {
        path.name for path in (folder / "report").iterdir()
    }


def test_the_python_of_the_page(tmp_path: Path, environment: dict[str, str]) -> None:
    (code,) = (
        code for language, code in FENCE.findall(PAGE.read_text("utf-8")) if "python" == language
    )
    shutil.copy(ROOT / "examples/order/order.workflow.json", tmp_path)
    (tmp_path / "test_it.py").write_text(code)
    done = subprocess.run(
        ["pytest", "-q", "test_it.py"],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert 0 == done.returncode, done.stdout
    assert "18 passed" in done.stdout
