"""What a document should be asked: faults, what can never happen, and what a reader should know."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import attrs

import trioflow
from harness.families._plan import Plan
from harness.families._values import input_references
from harness.oracle._document import Step
from harness.reports._certain import surely_unreached
from harness.reports._doubts import doubts
from harness.reports._obligations import deciding, why_not_reached, why_not_taken
from harness.solver._clauses import text_of
from harness.suites._library import one_by_one, unreached
from harness.suites._sidecar import sidecar_name

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
        plan, told = one_by_one(path)
    except trioflow.DefinitionError as error:
        return faults(path, error)
    # Most documents need none of the scenarios, and few need all: they are made when asked for.
    one, other = itertools.tee(told)
    never = _never(plan, set(unreached(plan, one)), sidecar_name(path).name)
    doubted = (Finding(NOTE, where, text) for where, text in doubts(plan, other))
    return [*never, *doubted, *_notes(plan)]


def faults(path: Path, error: trioflow.DefinitionError) -> list[Finding]:
    """Return what is wrong with a document, each with the line on which it stands."""
    # Only for messages, and nobody else needs all that this brings.
    from trioflow.cli import find_places

    places = find_places(path)
    return [Finding(FAULT, "", str(each), places.line(each.path)) for each in error.problems] or [
        Finding(FAULT, "", str(error))
    ]


def _never(plan: Plan, unreached: set[str], sidecar: str) -> Iterator[Finding]:
    sure = surely_unreached(plan) if unreached else frozenset()
    for step in plan.steps:
        name = f"step {step.id}"
        if name in unreached:
            why = why_not_reached(plan, step)
            if name in sure:
                yield Finding(NEVER, step.id, f"this step is never reached: {_surely(why)}")
            else:
                yield Finding(NOTE, step.id, f"it was never reached: {_perhaps(why, sidecar)}")
    for edge in plan.graph.edges:
        name = f"connection {edge.id}"
        if name in unreached:
            why = why_not_taken(plan, edge)
            if name in sure:
                yield Finding(NEVER, edge.id, f"this branch can never be taken: {_surely(why)}")
            else:
                yield Finding(NOTE, edge.id, f"it was never taken: {_perhaps(why, sidecar)}")
    for edge in plan.graph.edges:
        if edge.condition is not None and plan.decide(edge, False) is None:
            why = f"nothing was found that makes {text_of(edge.condition)} false"
            yield Finding(NOTE, edge.id, f"this branch is always taken: {why}")
    for each in deciding(plan):
        _, subject, what = each.key
        whole = f"connection {subject}" in unreached or f"step {subject}" in unreached
        if each.never and not whole:
            why = each.never.removeprefix(f"{what} never decides: ")
            yield Finding(NOTE, subject, f"{what} never decides anything: {why}")


def _surely(why: str) -> str:
    return why.replace("nothing was found that makes", "nothing makes")


def _perhaps(why: str, sidecar: str) -> str:
    """Return why something was not reached, and what to do if it can be: nobody knows that."""
    if why.startswith("nothing was found"):
        return f"{why}; if there is such data, give it in {sidecar} under [values.NAME]"
    return why.replace("can never be taken", "was never taken").replace("never runs", "never ran")


def _notes(plan: Plan) -> Iterator[Finding]:
    if plan.graph.fits_input is None and any(
        True for step in plan.steps for _ in input_references(step)
    ):
        yield Finding(NOTE, "", "there is no input_schema, so any input is accepted")
    if plan.graph.timeout is None:
        endless = [
            step.id
            for step in plan.steps
            if step.call is not None
            and step.call.timeout is None
            and step.total_timeout is None
            and plan.raises(step.id) is None
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
    yield from _not_undone(plan, step)
    if step.call is None:
        return
    if step.fits_output is None and _is_read(plan, step):
        yield "its output is used, but has no output_schema: what is generated is a guess"
    if step.compensate is not None and not plan.graph.compensate_on:
        yield "it has compensate, but compensate_on is empty, so nothing is ever undone"


def _not_undone(plan: Plan, step: Step) -> Iterator[str]:
    """R24, R28: a COMPLETED child is undone by its step alone, not by its own document."""
    child = plan.children.get(step.id)
    if child is None or step.compensate is not None or not plan.graph.compensate_on:
        return
    undone = [each.id for each in child.steps if each.compensate is not None]
    if undone:
        yield (
            f"it has no compensate, so nothing undoes its child once that is COMPLETED; the "
            f"compensate of {', '.join(undone)} in {child.graph.id} is for a child that fails"
        )


def _is_read(plan: Plan, step: Step) -> bool:
    """Whether somebody refers to its output."""
    text = str(plan.document)
    return any(f"${{{step.id}{end}" in text for end in (".", "[", "}"))
