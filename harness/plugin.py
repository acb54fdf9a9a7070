"""The pytest plugin: workflow documents are test modules, if somebody asks for that.

pytest imports this in every project that has the package installed. So it imports nothing of it,
and does nothing, until a document is named on the command line or lies under `harness_paths`.
What it does then is in `harness.pytesting`.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_REPORTER = "trioflow-harness-report"
_ENDINGS = (".workflow.json", ".workflow.yaml", ".workflow.yml")
# Any of these makes a file that was named a workflow document, be it with faults.
_KEYS = re.compile(r"""["']?\b(?:trioflow|steps|nodes)["']?\s*:""")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "workflow documents as test modules (trioflow)")
    group.addoption(
        "--harness-level",
        choices=("smoke", "standard", "deep"),
        help="how many scenarios for each step: about 3, 45 or 55 (default: standard)",
    )
    group.addoption(
        "--harness-families",
        metavar="NAMES",
        help="only scenarios of these families, with commas between them: ok,timeout",
    )
    group.addoption(
        "--harness-seed",
        type=int,
        default=0,
        metavar="N",
        help="what the schedules of the scenarios are drawn with (default: 0)",
    )
    group.addoption(
        "--harness-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="of real time that one scenario may take, 0 for no limit (default: 10)",
    )
    group.addoption(
        "--harness-report",
        type=Path,
        metavar="DIR",
        help="write into this folder what the scenarios have shown of each document",
    )
    parser.addini(
        "harness_paths",
        type="paths",
        default=[],
        help="folders in which workflow documents are collected without being named",
    )
    parser.addini(
        "harness_timeout",
        default="10",
        help="seconds of real time that one scenario may take, 0 for no limit",
    )


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write seconds, such as 10, or 0 for no limit")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "harness(family): a scenario of a workflow document, of this family"
    )
    folder: Path | None = config.option.harness_report
    if folder is not None:
        from harness.pytesting import Reporter

        config.pluginmanager.register(Reporter(config.invocation_params.dir / folder), _REPORTER)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not _is_asked_for(file_path, parent):
        return None
    from harness.pytesting import Document

    return Document.from_parent(parent, path=file_path)


def _is_asked_for(path: Path, parent: pytest.Collector) -> bool:
    named = parent.session.isinitpath(path)
    if path.name.endswith(_ENDINGS):
        folders: list[Path] = parent.config.getini("harness_paths")
        return named or any(path.is_relative_to(folder) for folder in folders)
    return named and path.suffix in (".json", ".yaml", ".yml") and _looks_like_one(path)


def _looks_like_one(path: Path) -> bool:
    try:
        return _KEYS.search(path.read_text("utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show of a test that a scenario fails only where it checks, and not all its scenarios.

    pytest shows a function from its decorators on, and the decorator of a generated one holds
    everything that its family has.
    """
    report = yield
    usual = item.config.getoption("tbstyle", "auto") == "auto"
    if usual and call.excinfo is not None and _is_mismatch(call.excinfo.value):
        report.longrepr = pytest.Item.repr_failure(item, call.excinfo, "short")
    return report


def _is_mismatch(error: BaseException) -> bool:
    # Not imported for that: who has not imported it has raised none.
    playing = sys.modules.get("harness.playing")
    return playing is not None and isinstance(error, playing.Mismatch)


@pytest.fixture
def harness_actions() -> Any:
    """Real actions for the scenarios of documents, instead of scripted ones: by default none.

    A conftest beside the document overrides it and returns functions marked with
    `trioflow.action`. They are called where the script lets an attempt return.
    """
    return None
