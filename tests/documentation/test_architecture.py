"""docs/architecture.md shows what there is: folders, modules, and the tables of the kernel."""

from __future__ import annotations

import re
from pathlib import Path

from trioflow.kernel._states import EXECUTION, STEP, draw

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_pictures_are_those_of_the_tables() -> None:
    found = re.findall(r"^```mermaid\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)

    assert [draw(STEP), draw(EXECUTION)] == found


def test_every_folder_and_every_public_module_has_its_place() -> None:
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for package in ("trioflow", "harness")
        for path in (ROOT / package).iterdir()
        if (path.is_dir() and any(path.glob("*.py"))) or path.suffix == ".py"
    }
    named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", PAGE)}
    named |= {name.split("/")[-2] + "/" for name in re.findall(r"`([\w/]+/)`", PAGE)}
    # They stand for their packages.
    entrances = {"__init__.py", "__main__.py"}

    assert set() == there - entrances - named


def test_every_file_of_the_kernel_the_engine_and_the_stores_is_explained() -> None:
    there = {
        path.name
        for folder in ("kernel", "engine", "stores")
        for path in _files(f"trioflow/{folder}")
    }

    assert set() == {name for name in there - {"__init__.py"} if f"`{name}`" not in PAGE}


def test_every_file_that_is_named_is_there() -> None:
    there = {path.name for folder in ("trioflow", "harness", "tests") for path in _files(folder)}
    named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", PAGE)}

    assert set() == named - there


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))
