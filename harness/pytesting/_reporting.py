"""`--harness-report`: what the scenarios of this session have shown of each document.

With pytest-xdist they are played in several processes. Each hands in what it has seen, as JSON, and
the one that started them writes the report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

import trioflow
from harness.reports import Entry, listening, report, write
from harness.suites._library import Told

_KEY = "harness_report"


@attrs.define(eq=False)
class Reporter:
    """A plugin that collects entries, and writes a report on each document into a folder."""

    folder: Path
    entries: list[Entry] = attrs.field(factory=list)
    # What the budget of each document left out, by the path of the document.
    documents: dict[str, Mapping[str, int]] = attrs.field(factory=dict)
    written: list[Path] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)

    def play(self, scenario: Told, playing: Any) -> str:
        """Play a scenario, which returns what is wrong with it, and note what was seen."""
        with listening() as heard:
            problem: str = playing()
        entry = Entry(scenario.id, str(scenario.workflow["id"]), scenario.family, scenario.why)
        self.entries.append(attrs.evolve(heard[-1] if heard else entry, problem=problem))
        return problem

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a process of xdist hands in; one that has died hands in nothing."""
        told = json.loads(getattr(node, "workeroutput", {}).get(_KEY, "{}"))
        self.entries += map(Entry.from_json, told.get("entries", ()))
        self.documents |= told.get("documents", {})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand in what was seen, or write it down; the session fails if that cannot be done."""
        output: dict[str, str] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            told = [entry.to_json() for entry in self.entries]
            output[_KEY] = json.dumps({"entries": told, "documents": self.documents})
            return
        for path, left_out in sorted(self.documents.items()):
            try:
                made = report(path, self.entries, left_out=left_out)
                self.written += write(made, self.folder)
            except (trioflow.TrioflowError, ValueError, OSError) as error:
                said = (error.strerror or error) if isinstance(error, OSError) else error
                self.problems.append(f"no report on {path} in {self.folder}: {said}")
                session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the reports are."""
        if self.written or self.problems:
            terminalreporter.section("workflow reports")
            for path in self.written:
                terminalreporter.line(str(path))
            for problem in self.problems:
                terminalreporter.line(problem, red=True)
