"""A picture of virtual time: one line for each step, from its first record to its last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs

from harness.playing._play import Observed
from trioflow import events

_MARKS = {
    "AttemptStarted": "=",
    "StepStarted": "=",
    "AttemptFailed": "x",
    "AttemptCrashed": "!",
    "AttemptInterrupted": "!",
    "StepPaused": ".",
    "StepCompleted": "C",
    "StepFailed": "F",
    "StepCancelled": "/",
    "StepSkipped": "s",
    "StepCompensated": "u",
    "CompensationFailed": "f",
    "ItemCompleted": "C",
    "ItemFailed": "F",
    "ItemCancelled": "/",
    "FallbackStarted": "b",
    "ItemPaused": ".",
}
_UNDOING = (events.StepCompensated, events.CompensationFailed)
_LEGEND = (
    "= runs  . waits  x attempt failed  ! gone  b fallback  C completed  F failed  / cancelled  "
    "s skipped  u undone  f undo failed"
)


@attrs.define
class _Row:
    name: str
    marks: list[tuple[float, str]] = attrs.field(factory=list)


def gantt(observed: Observed, width: int = 60) -> str:
    """Return the picture of a history, each instant with a column: time goes by unevenly."""
    history = observed.history
    if not history:
        return "(nothing was stored)"
    rows: dict[str, _Row] = {}
    instants: list[float] = []
    for event in history:
        kind = type(event).__name__
        step = getattr(event, "step", None)
        if step is None or kind not in _MARKS:
            continue
        name = _name(event, step)
        rows.setdefault(name, _Row(name)).marks.append((event.at, _MARKS[kind]))
        instants.append(event.at)
    columns = _columns(instants, width)
    lines = [_line(row, columns) for row in rows.values()]
    wide = max((len(row.name) for row in rows.values()), default=4)
    label = [f"{row.name:<{wide}} |{line}|" for row, line in zip(rows.values(), lines, strict=True)]
    last = history[-1]
    kind = type(last).__name__.removeprefix("Execution").upper()
    ends = f"{'':<{wide}}  0 s … {last.at:.6g} s: {kind}"
    return "\n".join([*label, ends, _LEGEND])


def _name(event: Any, step: str) -> str:
    item = getattr(event, "item", None)
    name = str(step) if item is None else f"{step}[{item}]"
    return f"{name} (undo)" if isinstance(event, _UNDOING) else name


def _columns(instants: Sequence[float], width: int) -> dict[float, int]:
    """Give each instant a column: what is a day apart stands as near as what is a second apart."""
    different = sorted(set(instants))
    if not different:
        return {}
    weights = [0.0]
    for before, after in pairwise(different):
        gap = after - before
        weights.append(weights[-1] + 1 + min(gap, 30.0) ** 0.5)
    scale = (width - 1) / weights[-1] if weights[-1] else 0
    return {
        instant: int(weight * scale) for instant, weight in zip(different, weights, strict=True)
    }


def _line(row: _Row, columns: dict[float, int]) -> str:
    found = [" "] * (max(columns.values()) + 1)
    for (at, mark), following in zip(row.marks, [*row.marks[1:], None], strict=True):
        start = columns[at]
        if mark in "=.b" and following is not None:
            for column in range(start, columns[following[0]]):
                found[column] = "." if mark == "." else "="
        if mark != "=" or following is None:
            found[start] = mark
    return "".join(found)
