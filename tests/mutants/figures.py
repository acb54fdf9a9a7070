"""Write ``docs/harness-figures.md`` from what was measured.

    python tests/mutants/figures.py

What was not measured is said to be so. `run.py` and `measuring.py` measure.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if not __package__:
    sys.path.append(str(Path(__file__).parents[2]))

from tests.mutants import keeping
from tests.mutants.making import ROOT

TARGET = ROOT / "docs" / "harness-figures.md"

HEAD = """# How good the harness is, in figures

Written by `nox -s figures` from `tests/mutants/figures.json`; do not edit. Each figure says when
it was measured, and by which command it is measured again.

A **seeded fault** is one of the list in `tests/mutants/seeds.py`, written into the engine by hand.
An **automatic mutant** is the engine with one statement deleted, one operator exchanged, one
condition negated or one constant changed. Both are to be noticed by the scenarios alone that are
generated from the documents of `tests/fixtures` and `examples`; no test written by hand is run. A
**document mutant** is one of these documents with one change.
"""

# What is measured: the title, what has to be, the command.
LINES: dict[str, tuple[str, str, str]] = {
    "seeded": ("Seeded faults", "all that are not equivalent die", "run.py seeded"),
    "automatic": ("Automatic mutants", "at least 95 % die", "run.py sample"),
    "documents": ("Mutants of documents", "at least 95 % are noticed", "run.py documents"),
    "alarms": ("False alarms", "none, under 20 schedules of every scenario", "measuring.py alarms"),
    "differential": (
        "Random workflows", "10,000 without a difference", "measuring.py differential",
    ),
    "determinism": ("Determinism", "same seed, same history", "measuring.py determinism"),
    "speed": ("Speed", "1,200 scenarios in at most 10 s in pytest", "measuring.py speed"),
    "regeneration": ("Regeneration", "changes nothing", "measuring.py regeneration"),
    "cuts": ("Five cuts by hand", "all die", "run.py cuts"),
}  # fmt: skip


def main() -> int:
    TARGET.write_text("\n".join(_text(keeping.kept())) + "\n", "utf-8")
    print(TARGET)
    return 0


def _text(kept: dict[str, Any]) -> Iterator[str]:
    yield HEAD
    yield "| what | has to be | is | measured |"
    yield "|---|---|---|---|"
    for name, (title, wanted, _) in LINES.items():
        found = kept.get(name)
        is_now = "not measured" if found is None else _SAID[name](found)
        when = "" if found is None else found["measured"]
        yield f"| {title} | {wanted} | {is_now} | {when} |"
    for name, (title, _, command) in LINES.items():
        yield f"\n## {title}\n"
        yield f"    python tests/mutants/{command}\n"
        found = kept.get(name)
        if found is None:
            yield "Not measured."
            continue
        yield (
            f"Measured on {found['measured']} UTC with Python {found['python']} and "
            f"trio {found['trio']}: {_SAID[name](found)}."
        )
        more = list(_MORE.get(name, lambda _: iter(()))(found))
        if more:
            yield ""
            yield from more


def _faults(found: dict[str, Any]) -> str:
    counts = Counter(
        "equivalent" if fault["equivalent"] else fault["outcome"] for fault in found["faults"]
    )
    alive = sum(
        fault["outcome"] != "killed" and not fault["equivalent"] for fault in found["faults"]
    )
    said = f"{counts['killed']} of {sum(counts.values()) - counts['equivalent']} killed"
    if counts["equivalent"]:
        said += f", {counts['equivalent']} equivalent"
    return said + (f", **{alive} alive**" if alive else "")


def _fault_rows(found: dict[str, Any]) -> Iterator[str]:
    yield "| fault | what it does | killed by |"
    yield "|---|---|---|"
    for fault in found["faults"]:
        by = f"`{fault['by']}`" if fault["by"] else f"**{fault['outcome']}**"
        if fault["equivalent"]:
            by = f"equivalent: {fault['equivalent']}"
        yield f"| {fault['name']} | {fault['does']} | {by} |"


def _automatic(found: dict[str, Any]) -> str:
    total = found["total"]
    said = f"{total['rate']:.1%} of those that a scenario could notice"
    if total["unclassified"]:
        said += f", {total['unclassified']} survivors not classified yet"
    return said


def _automatic_rows(found: dict[str, Any]) -> Iterator[str]:
    total = found["total"]
    yield (
        f"{total['made']} of {found['possible']} possible ones, chosen by a hash: "
        f"{total['killed']} killed, {total['broken']} broken (they cannot be imported)."
    )
    yield "Of the others `tests/mutants/survivors.toml` says what they are:\n"
    yield "| file | mutants | killed | broken | survivors | rate |"
    yield "|---|---|---|---|---|---|"
    for file, part in {**found["files"], "all": total}.items():
        classes = dict(part["classes"])
        if part["unclassified"]:
            classes["not classified"] = part["unclassified"]
        survivors = ", ".join(f"{count} {name}" for name, count in classes.items()) or "-"
        yield (
            f"| {file} | {part['made']} | {part['killed']} | {part['broken']} | {survivors} "
            f"| {part['rate']:.1%} |"
        )


def _documents(found: dict[str, Any]) -> str:
    relevant = found["outcome"] + found["drift"] + found["unnoticed"]
    return (
        f"{found['rate']:.1%} of {relevant} noticed: {found['outcome']} by an outcome, "
        f"{found['drift']} by `--check` alone"
    )


def _document_rows(found: dict[str, Any]) -> Iterator[str]:
    yield f"Besides, {found['refused']} changed documents are refused, because they are faulty."
    if found["unnoticed changes"]:
        yield "Not noticed:\n"
        yield from (f"* {change}" for change in found["unnoticed changes"])


def _speed_rows(found: dict[str, Any]) -> Iterator[str]:
    yield "A test of crashes plays a scenario for each write of its carrier, all others play one."


_SAID = {
    "seeded": _faults,
    "cuts": _faults,
    "automatic": _automatic,
    "documents": _documents,
    "alarms": lambda found: (
        f"{found['alarms']} in {found['played']} plays of {found['scenarios']} scenarios"
    ),
    "differential": lambda found: f"{found['examples']} examples for each test: {found['said']}",
    "determinism": lambda found: f"{found['different']} of {found['scenarios']} differ",
    "speed": lambda found: (
        f"{found['per second']} a second: {found['scenarios']} in {found['tests']} tests in "
        f"{found['seconds']} s, "
        f"1,200 in {found['seconds for 1200']} s"
    ),
    "regeneration": lambda found: (
        f"{found['modules']} modules, {'the same' if found['same'] else 'not the same'} the second "
        f"time; `--check` exits with {found['check']}"
    ),
}


_MORE = {
    "seeded": _fault_rows,
    "cuts": _fault_rows,
    "automatic": _automatic_rows,
    "documents": _document_rows,
    "speed": _speed_rows,
}


if __name__ == "__main__":
    sys.exit(main())
