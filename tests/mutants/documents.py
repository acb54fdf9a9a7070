"""Mutants of documents: what was generated from a document has to notice that it was changed.

The module is generated from the document as it is. Then its scenarios are judged against the
changed one, first by the literal outcomes alone; what these do not notice, the drift alarm
(``python -m harness generate --check``) may.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import runpy
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.mutants import keeping
from tests.mutants.changing import changes
from tests.mutants.making import documents

# REFUSED: the changed document has faults of its own, so it is not even collected.
OUTCOME, DRIFT, REFUSED, UNNOTICED = "outcome", "drift", "refused", "unnoticed"
ENOUGH = 0.95


@attrs.frozen
class Notice:
    """What noticed a change."""

    document: str
    change: str
    noticed: str
    by: str = ""


def judge_all(files: Sequence[Path]) -> int:
    """Judge all changes of the documents; 1 if too few of them are noticed."""
    wanted = list(files) or documents()
    found: list[Notice] = []
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for each in pool.imap_unordered(_judge, [str(path) for path in wanted]):
            found += each
            counts = Counter(notice.noticed for notice in each)
            print(f"{each[0].document if each else '-'}: {dict(counts)}", flush=True)
    found.sort(key=lambda notice: (notice.document, notice.change))
    for notice in found:
        if notice.noticed == UNNOTICED:
            print(f"not noticed: {notice.document}: {notice.change}")
    counts = Counter(notice.noticed for notice in found)
    relevant = len(found) - counts[REFUSED]
    rate = (counts[OUTCOME] + counts[DRIFT]) / max(1, relevant)
    print(f"{rate:.1%} of {relevant} changes noticed, {dict(counts)}")
    if not files:
        keeping.keep(
            "documents",
            {
                "documents": len(wanted),
                **{name: counts[name] for name in (OUTCOME, DRIFT, REFUSED, UNNOTICED)},
                "rate": round(rate, 4),
                "unnoticed changes": [
                    f"{notice.document}: {notice.change}"
                    for notice in found
                    if notice.noticed == UNNOTICED
                ],
            },
        )
    return 0 if rate >= ENOUGH else 1


def _judge(path: str) -> list[Notice]:
    logging.disable(logging.CRITICAL)
    return list(_judged(Path(path)))


def _judged(path: Path) -> Iterator[Notice]:
    import trioflow

    document = json.loads(path.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Those beside it may be its children.
        for beside in path.parent.glob("*.workflow.json"):
            shutil.copy(beside, folder)
        copied = folder / path.name
        generated = folder / "generated"
        scenarios = _scenarios(_module(copied, generated))
        usual = trioflow.load_workflow(document).digest
        for words, changed in changes(document):
            try:
                if trioflow.load_workflow(changed).digest == usual:
                    # What is left out is what was written.
                    continue
            except trioflow.DefinitionError as error:
                yield Notice(path.name, words, REFUSED, str(error.problems[0])[:80])
                continue
            by = _other_outcome(scenarios, changed)
            if by:
                yield Notice(path.name, words, OUTCOME, by)
                continue
            copied.write_text(json.dumps(changed), "utf-8")
            drifted = _drift(copied, generated)
            copied.write_text(json.dumps(document), "utf-8")
            yield Notice(path.name, words, DRIFT if drifted else UNNOTICED, drifted)


def _harness(*arguments: Any) -> tuple[int, str]:
    """Do what ``python -m harness`` does; return its code, and what it printed."""
    from harness.__main__ import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main([str(each) for each in arguments])
    # It lets itself be heard again afterwards.
    logging.disable(logging.CRITICAL)
    return code, said.getvalue()


def _module(document: Path, folder: Path) -> Path:
    """Generate the module of a document; return where it is."""
    code, said = _harness("generate", document, "-o", folder)
    if code:
        raise RuntimeError(said)
    (module,) = folder.glob("*.py")
    return module


def _scenarios(place: Path) -> list[Any]:
    """Return the scenarios of a generated module."""
    module = runpy.run_path(str(place))
    found: list[Any] = []
    for name, test in module.items():
        if name.startswith("test_"):
            for mark in test.pytestmark:
                if mark.name == "parametrize":
                    found += mark.args[1]
    return [each for each in found if each.outcome is not None]


def _other_outcome(scenarios: Sequence[Any], changed: Any) -> str:
    """Return the first scenario that ends otherwise by the changed document."""
    import harness

    for scenario in scenarios:
        told = attrs.evolve(scenario, workflow=changed)
        if scenario.outcome.differs(harness.expect(changed, told)[0]):
            return str(scenario.id)
    return ""


def _drift(document: Path, folder: Path) -> str:
    """Return the first thing that the module of the changed document says otherwise."""
    code, said = _harness("generate", document, "-o", folder, "--check")
    return said.partition("\n")[0] if code else ""
