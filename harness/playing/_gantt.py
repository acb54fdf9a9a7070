"""A picture of virtual time: one line for each step, whatever was done to it, and a scale.

Time goes by unevenly: a second and a week can both be seen. Every instant has a place of its own,
and the room between two of them grows with the logarithm of what is between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from harness._scenario import Crash, Interrupt
from harness.playing._seen import Observed
from trioflow.events import Event

_MARKS = {
    "AttemptFailed": "x",
    "AttemptCrashed": "!",
    "AttemptInterrupted": "!",
    "FallbackStarted": "b",
    "StepStarted": "=",
    "ChildStarted": "=",
    "StepPaused": ".",
    "ItemPaused": ".",
    "StepHeld": ".",
    "StepRetried": "r",
    "ItemRetried": "r",
    "StepResumed": "=",
    "ItemResumed": "=",
    "StepCompleted": "C",
    "ItemCompleted": "C",
    "StepFailed": "F",
    "ItemFailed": "F",
    "StepCancelled": "/",
    "ItemCancelled": "/",
    "StepSkipped": "s",
    "StepCompensated": "u",
    "CompensationFailed": "f",
    "SignalReceived": "S",
    "InputReceived": "I",
    "PauseRequested": "P",
    "ResumeRequested": "R",
    "CancelRequested": "K",
    "StoppingStarted": "-",
    "ExecutionCompleted": "C",
    "ExecutionFailed": "F",
    "ExecutionCancelled": "/",
}
_WORDS = {
    "=": "runs",
    ".": "waits",
    "x": "attempt failed",
    "!": "gone, or died",
    "b": "fallback",
    "r": "again",
    "C": "completed",
    "F": "failed",
    "/": "cancelled",
    "s": "skipped",
    "u": "undone",
    "f": "undo failed",
    "S": "signal",
    "I": "input",
    "P": "pause",
    "R": "resume",
    "K": "cancel",
    "-": "stopping",
    "i": "engine left",
}
# What a line goes on with after a mark; nothing after all others.
_GOES_ON = {"=": "=", ".": ".", "x": ".", "!": ".", "b": ".", "r": "."}
# The line of the execution itself: it has no step's name, for these are not empty.
_SELF = ""
_LONGEST_NAME = 24
_MOST_ITEMS = 8
# Characters for a ten times longer wait, at most.
_STRETCH = 6.0

_Marks = list[tuple[float, str]]


def gantt(observed: Observed, width: int = 80) -> str:
    """Return the picture of a history, in lines of `width` characters at most (80 by default).

    A line for each step; a digit is where that attempt begins. The items of a step have lines of
    their own, if they are not too many. The last line is the execution's: what people asked for,
    and where its process died.
    """
    if not observed.history:
        return "(nothing was stored)"
    rows = _rows(observed)
    wide = min(max(len(name) for name in rows), _LONGEST_NAME)
    places, length = _places(rows.values(), max(width - wide - 3, 10))
    lines = [
        f"{_cut(name, wide):<{wide}} |{_line(marks, places, length)}|"
        for name, marks in rows.items()
    ]
    last = observed.history[-1]
    status = observed.phases[-1].status if observed.phases else ""
    ends = f"{status or type(last).__name__} at {_seconds(last.at)}"
    scale = f"{'':<{wide}}  {_scale(places, length)}".rstrip()
    return "\n".join([*lines, scale, f"{'':<{wide}}  {ends}", *_legend(lines, width)])


def _rows(observed: Observed) -> dict[str, _Marks]:
    """Return the marks of each line, by its name: steps as in the document, each one's items."""
    history = observed.history
    steps = observed.phases[-1].steps if observed.phases else {}
    found: dict[tuple[str, int | None], _Marks] = {(step, None): [] for step in steps}
    for event in history:
        for mark in _marks_of(event):
            key = getattr(event, "step", None) or _SELF, getattr(event, "item", None)
            found.setdefault(key, []).append((event.at, mark))
    own = found.pop((_SELF, None), [])
    for act, instant in observed.done:
        if isinstance(act, Crash | Interrupt):
            own.append((instant, "!" if isinstance(act, Crash) else "i"))
    own += [(death.died, "!") for death in observed.deaths]
    order = {step: number for number, (step, _) in enumerate(found)}
    rows = {}
    for (step, item), marks in sorted(found.items(), key=lambda row: _place_of(row[0], order)):
        if marks and (item is None or item < _MOST_ITEMS):
            rows[step if item is None else f"{step}[{item}]"] = marks
    rows[""] = sorted(own, key=lambda mark: mark[0])
    return rows


def _place_of(key: tuple[str, int | None], order: Mapping[str, int]) -> tuple[int, int]:
    step, item = key
    return order[step], -1 if item is None else item


def _marks_of(event: Event) -> Iterator[str]:
    kind = type(event).__name__
    if kind == "AttemptStarted":
        # Only the last digit: it says enough beside the one before.
        yield str(getattr(event, "attempt", 0) % 10)
    elif kind in _MARKS:
        yield _MARKS[kind]


def _places(rows: Iterable[_Marks], room: int) -> tuple[dict[float, int], int]:
    """Return the column of each instant, and how many columns there are.

    An instant has as many columns as one line has marks in it.
    """
    needed: dict[float, int] = {}
    for marks in rows:
        for instant in {at for at, _ in marks}:
            count = len(_at(marks, instant))
            needed[instant] = max(count, needed.get(instant, 1))
    instants = sorted(needed)
    weights = [math.log10(1 + (after - before) / 0.1) for before, after in pairwise(instants)]
    spare = room - sum(needed.values())
    stretch = min(_STRETCH, spare / sum(weights)) if spare > 0 and any(weights) else 0.0
    places, column = dict[float, int](), 0.0
    for instant, weight in zip(instants, [*weights, 0.0], strict=True):
        places[instant] = int(column)
        column = int(column) + needed[instant] + weight * stretch
    length = int(column)
    if length > room:
        # Too much happens: neighbours share a place, and the last one is seen.
        places = {at: place * (room - 1) // (length - 1) for at, place in places.items()}
        length = room
    return places, length


def _at(marks: _Marks, instant: float) -> list[str]:
    """Return the marks of one line at one instant, without those that another one says, too."""
    found = [mark for at, mark in marks if at == instant]
    if any(mark.isdigit() or mark not in _GOES_ON for mark in found):
        found = [mark for mark in found if mark not in "=."] or found
    return list(dict.fromkeys(found))


def _line(marks: _Marks, places: Mapping[float, int], length: int) -> str:
    line = [" "] * length
    instants = sorted({at for at, _ in marks})
    for number, instant in enumerate(instants):
        seen = _at(marks, instant)
        start = places[instant]
        for offset, mark in enumerate(seen):
            line[min(start + offset, length - 1)] = mark
        begun = next(mark for at, mark in reversed(marks) if at == instant)
        goes_on = "=" if begun.isdigit() else _GOES_ON.get(begun, " ")
        last = number + 1 == len(instants)
        end = length if last else places[instants[number + 1]]
        for column in range(min(start + len(seen), length), end):
            line[column] = goes_on
    return "".join(line)


def _scale(places: Mapping[float, int], length: int) -> str:
    """Return the instants below their columns, as many as there is room for."""
    line = said = ""
    for instant, place in places.items():
        before, said = said, _seconds(instant)
        fits = not line or place > len(line)
        if fits and said != before and place + len(said) <= length + 1:
            line = f"{line:<{place}}{said}"
    return line


def _seconds(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.4g}s"


def _cut(name: str, wide: int) -> str:
    return name if len(name) <= wide else name[: wide - 1] + "…"


def _legend(lines: Sequence[str], width: int) -> Iterator[str]:
    seen = {mark for line in lines for mark in line.partition("|")[2]}
    line = ""
    for mark, word in _WORDS.items():
        said = f"{mark} {word}"
        if mark not in seen:
            continue
        if line and len(line) + 2 + len(said) > width:
            yield line
            line = ""
        line = f"{line}  {said}" if line else said
    if line:
        yield line


__all__ = ("gantt",)
