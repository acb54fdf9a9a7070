"""What a document should be asked: faults, what can never happen, and what a reader should know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

import trioflow
from harness.families import FAMILIES
from harness.families._plan import Plan
from harness.families._values import input_references
from harness.oracle._document import Step
from harness.reports._doubts import doubts
from harness.reports._obligations import obligations, why_not_reached, why_not_taken
from harness.suites._library import read, suite
from harness.suites._overview import unreached

FAULT, NEVER, NOTE = "fault", "never", "note"


@attrs.frozen
class Finding:
    """Something about a document. `kind` is ``fault``, ``never`` or ``note``; only a note is fine.

    `where` is a step, a connection, or a place in the document; empty if it is all of it. Of a
    fault the `line` of the file is told, as far as that is known.
    """

    kind: str
    where: str
    text: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        if self.line is not None:
            where = f"line {self.line}, {where}"
        return f"{where}{'note: ' if self.kind == NOTE else ''}{self.text}"


def lint(path: Path) -> list[Finding]:
    """Return what is found in a document; raises `OSError` and `ValueError` if it is not there."""
    try:
        document, _, children = read(path)
    except trioflow.DefinitionError as error:
        return faults(path, error)
    plan = Plan(document, children)
    made = suite(path, "standard", FAMILIES)
    doubted = (Finding(NOTE, where, text) for where, text in doubts(plan, made.scenarios))
    return [*_never(plan, set(unreached(made))), *doubted, *_notes(plan)]


def faults(path: Path, error: trioflow.DefinitionError) -> list[Finding]:
    """Return what is wrong with a document, each with the line on which it stands."""
    # Only for messages, and nobody else needs all that this brings.
    from trioflow.cli import find_places

    places = find_places(path)
    return [Finding(FAULT, "", str(each), places.line(each.path)) for each in error.problems] or [
        Finding(FAULT, "", str(error))
    ]


def _never(plan: Plan, unreached: set[str]) -> Iterator[Finding]:
    for step in plan.steps:
        if f"step {step.id}" in unreached:
            why = why_not_reached(plan, step)
            yield Finding(NEVER, step.id, f"this step is never reached: {why}")
    for edge in plan.graph.edges:
        if f"connection {edge.id}" in unreached:
            why = why_not_taken(plan, edge)
            yield Finding(NEVER, edge.id, f"this branch can never be taken: {why}")
    for each in obligations(plan, crashes=False):
        kind, subject, what = each.key
        whole = f"connection {subject}" in unreached or f"step {subject}" in unreached
        if each.never and kind == "clause" and not whole:
            why = each.never.removeprefix(f"{what} never decides: ")
            yield Finding(NOTE, subject, f"{what} never decides anything: {why}")
        elif each.never and kind == "connection" and what == "dead":
            yield Finding(NOTE, subject, f"this branch is always taken: {each.never}")


def _notes(plan: Plan) -> Iterator[Finding]:
    if plan.graph.fits_input is None and any(
        True for step in plan.steps for _ in input_references(step)
    ):
        yield Finding(NOTE, "", "there is no input_schema, so any input is accepted")
    if plan.graph.timeout is None:
        endless = [
            step.id
            for step in plan.steps
            if step.call is not None and step.call.timeout is None and step.total_timeout is None
        ]
        if endless:
            text = "nothing limits their time (timeout, total_timeout), so they may hang for ever"
            yield Finding(NOTE, ", ".join(endless), text)
    for step in plan.steps:
        yield from (Finding(NOTE, step.id, text) for text in _notes_on(plan, step))


def _notes_on(plan: Plan, step: Step) -> Iterator[str]:
    limited = step.total_timeout is not None or plan.graph.timeout is not None
    if step.type == "wait" and not limited:
        yield "it has no total_timeout, so it waits for ever"
    if step.type == "wait" and step.fits_output is None:
        yield "it has no schema, so any payload is accepted"
    if step.call is None:
        return
    if step.fits_output is None and _is_read(plan, step):
        yield "its output is used, but has no output_schema: what is generated is a guess"
    if step.compensate is not None and not plan.graph.compensate_on:
        yield "it has compensate, but compensate_on is empty, so nothing is ever undone"


def _is_read(plan: Plan, step: Step) -> bool:
    """Whether somebody refers to its output."""
    text = str(plan.document)
    return any(f"${{{step.id}{end}" in text for end in (".", "[", "}"))
