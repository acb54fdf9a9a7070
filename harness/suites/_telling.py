"""How a scenario ends, in few words: what generated modules say, and what people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from harness._scenario import Expected
from harness.families._cases import span

# The status of the steps that an outcome does not name.
OTHERS = {
    "COMPLETED": "COMPLETED",
    "FAILED": "CANCELLED",
    "CANCELLED": "CANCELLED",
    "PAUSED": "PENDING",
    "RUNNING": "PENDING",
}


def seconds_text(seconds: float) -> str:
    """Return an instant as it is written: ``32.5s``."""
    return f"{round(seconds, 6):.6f}".rstrip("0").rstrip(".") + "s"


def read_seconds(text: float | str) -> float:
    """The inverse of `seconds_text`; numbers are seconds already."""
    return float(text.removesuffix("s")) if isinstance(text, str) else float(text)


class _NotTold:
    def __repr__(self) -> str:
        return "NOT_TOLD"

    def __copy__(self) -> _NotTold:
        return self

    def __deepcopy__(self, memo: object) -> _NotTold:
        return self

    def __reduce__(self) -> str:
        return "NOT_TOLD"


# An output of which an outcome says nothing: null would be one.
NOT_TOLD = _NotTold()


@attrs.frozen
class Outcome:
    """The end of a scenario.

    `steps` are the ones that have not the status of the others: all COMPLETED where the execution
    is, CANCELLED where it has FAILED or is CANCELLED, PENDING where it waits. `attempts` are the
    numbers of calls of those that were called more than once. `refused` counts requests. `output`
    is that of the execution, if anything is said about it.
    """

    status: str
    steps: Mapping[str, str] = attrs.field(factory=dict)
    code: str | None = None
    undone: tuple[str, ...] = ()
    after: float | None = None
    waiting: tuple[str, ...] = ()
    attempts: Mapping[str, int] = attrs.field(factory=dict)
    refused: int = 0
    output: Any = NOT_TOLD

    def differs(self, expected: Expected) -> str:
        """Return in lines what is otherwise in an expectation; nothing if nothing is."""
        other = outcome_of(expected)
        lines = []
        for field in attrs.fields(Outcome):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if field.name == "after":
                if mine is None or abs(mine - theirs) < 2e-6 * max(1.0, mine * 1e-6):
                    continue
                mine, theirs = seconds_text(mine), seconds_text(theirs)
            if field.name == "output" and mine is NOT_TOLD:
                continue
            if mine != theirs:
                lines += [f"-{field.name}: {mine}", f"+{field.name}: {theirs}"]
        return "\n".join(lines)


def outcome_of(expected: Expected) -> Outcome:
    """Return the end of what is expected."""
    last = expected.last
    usual = OTHERS.get(last.status, "")
    calls: Counter[str] = Counter(
        name for phase in expected.phases for _, made in phase.calls for name, _, _ in made
    )
    return Outcome(
        last.status,
        {step: status for step, status in last.steps.items() if status != usual},
        last.errors[0][0] if last.errors else None,
        tuple(each for phase in expected.phases for each in phase.compensated),
        round(last.elapsed, 6),
        tuple(f"{kind}:{name}:{where}" for kind, name, where in last.waiting_for),
        {name: count for name, count in calls.items() if count > 1},
        sum(answer == "refused" for phase in expected.phases for answer in phase.answers),
        last.output if last.status == "COMPLETED" else NOT_TOLD,
    )


def tell(expected: Expected) -> str:
    """Return the end in words."""
    return ", ".join(_words(outcome_of(expected)))


def _words(outcome: Outcome) -> Iterator[str]:
    if outcome.status == "InputRejected":
        yield "it is rejected"
        return
    if outcome.status == "UnknownAction":
        yield "it is refused"
        return
    ends = {"COMPLETED": "it ends well", "FAILED": "it fails", "CANCELLED": "it is cancelled"}
    after = 0.0 if outcome.after is None else outcome.after
    yield f"{ends.get(outcome.status, 'it waits')} after {span(after)}"
    if outcome.refused:
        yield f"{outcome.refused} refused"
    if outcome.undone:
        yield f"undone: {', '.join(outcome.undone)}"


def table(
    rows: Iterable[tuple[str, Outcome, str]], what: str = "it is", width: int = 96, most: int = 60
) -> list[str]:
    """Return an overview: when, how it ends and because of what, after how long, what is undone.

    No line is longer than `width`: what is undone is cut first, then what happened.
    """
    lines = [
        (when, _status(outcome) + because, _short(outcome.after), ", ".join(outcome.undone) or "-")
        for when, outcome, because in rows
    ]
    left = len(lines) - most
    lines = lines[:most]
    head = ("when", what, "after", "undone")
    widths = [max(len(row[i]) for row in [head, *lines]) for i in range(4)]
    room = width - widths[2] - 6
    widths[1] = min(widths[1], 36)
    widths[3] = min(widths[3], max(room - widths[0] - widths[1], 16))
    widths[0] = min(widths[0], room - widths[1] - widths[3])
    found = []
    for row in [head, *lines]:
        when, status, after, undone = map(_cut, row, [*widths[:2], 20, widths[3]])
        found.append(
            f"{when:<{widths[0]}}  {status:<{widths[1]}}  {after:>{widths[2]}}  {undone}".rstrip()
        )
    if left > 0:
        found.append(f"and {left} more")
    return found


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _status(outcome: Outcome) -> str:
    """Return the status, with what it waits for."""
    if outcome.status != "PAUSED" or not outcome.waiting:
        return outcome.status
    return f"PAUSED for {outcome.waiting[0].split(':')[1] or outcome.waiting[0].split(':')[0]}"


def _short(seconds: float | None) -> str:
    """Return a length of time in the unit in which people think of it."""
    if seconds is None:
        return ""
    return span(seconds) if seconds >= 120 else f"{seconds:.1f} s"
