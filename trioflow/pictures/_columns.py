"""`timeline_text`: when each step was under way, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from trioflow.definitions import Workflow
from trioflow.events import Event
from trioflow.pictures._scale import Scale
from trioflow.pictures._times import duration
from trioflow.timelines import Row, Timeline

_MOST_NAME = 32
_NARROWEST = 20


@attrs.frozen
class _Signs:
    """One column each. Attempts by how they ended, then what is between and beside them."""

    completed: str
    failed: str
    stopped: str
    running: str
    undo: str
    waiting: str
    asleep: str
    child: str
    between: str
    gap: str
    broken: str


_UNICODE = _Signs("█", "✗", "■", "▶", "◀", "░", "─", "▒", "·", "▓", "┊")
_ASCII = _Signs("#", "x", "!", ">", "<", "~", "-", "=", ".", "%", ":")

# What a sign means, in the order of the legend.
_MEANINGS = {
    "completed": "attempt",
    "failed": "failed",
    "stopped": "stopped",
    "running": "running",
    "undo": "undo",
    "waiting": "waits for somebody",
    "asleep": "asleep",
    "child": "child execution",
    "between": "between attempts",
    "gap": "no engine",
    "broken": "left out",
}


def timeline_text(
    workflow: Workflow,
    events: Iterable[Event],
    *,
    now: float | None = None,
    width: int = 100,
    ascii_only: bool = False,
) -> str:
    """Draw when what happened in an execution, in lines of at most `width` columns.

    `events` and `now` are as for `timeline_svg`. A line per step, an axis above, and below what
    the signs mean, as far as they occur. Names and signs are shortened, never wrapped; a width
    below 60 is taken for 60.
    """
    timeline = Timeline(workflow.plan)
    timeline.apply(events)
    chart = _Chart(timeline, timeline.last_instant(now), width, ascii_only=ascii_only)
    return "\n".join(line.rstrip() for line in chart.lines())


class _Chart:
    def __init__(self, timeline: Timeline, now: float, width: int, *, ascii_only: bool) -> None:
        self._timeline = timeline
        self._now = now
        self._more = "..." if ascii_only else "…"
        self._signs = _ASCII if ascii_only else _UNICODE
        self._names = min(max(map(len, timeline.rows), default=0), _MOST_NAME)
        # Behind the chart: how long it took, and what became of it.
        self._columns = max(max(width, 60) - self._names - 26, _NARROWEST)
        self._scale = Scale(timeline, now, float(self._columns), broken=7.0, least=4.0)
        self._used: set[str] = set()

    def lines(self) -> Iterator[str]:
        indent = " " * (self._names + 2)
        yield indent + self._axis()
        for row in self._timeline.rows.values():
            yield self._line(row)
        marks = self._marks()
        if marks.strip():
            yield indent + marks
        yield ""
        meanings = [
            f"{getattr(self._signs, name)} {words}"
            for name, words in _MEANINGS.items()
            if name in self._used
        ]
        yield from _wrapped(meanings, self._columns + self._names + 26)

    def _column(self, at: float) -> int:
        return max(0, min(int(self._scale.x(at)), self._columns - 1))

    def _axis(self) -> str:
        cells = [" "] * (self._columns + 12)
        for piece in self._scale.pieces:
            if piece.is_broken:
                # The first unit says enough where there are seven columns.
                words = duration(piece.end - piece.start).split()[:2]
                _write(cells, int(piece.left) + 1, "".join(words))
        for tick in self._scale.ticks(12.0):
            _write(cells, int(tick.x), f"|{tick.label}")
        return "".join(cells)

    def _line(self, row: Row) -> str:
        name = row.id
        if len(name) > self._names:
            name = name[: self._names - len(self._more)] + self._more
        cells = [" "] * self._columns
        for piece in self._scale.pieces:
            if piece.is_broken:
                cells[int(piece.left)] = cells[min(int(piece.right), self._columns) - 1] = "broken"
        seconds = row.seconds(self._now)
        took = ""
        if row.began_at is not None and row.status != "SKIPPED":
            took = duration(seconds or 0.0)
            self._fill(cells, row)
        drawn = "".join(cell if cell == " " else getattr(self._signs, cell) for cell in cells)
        self._used.update(cell for cell in cells if cell != " ")
        return f"{name:<{self._names}}  {drawn}  {took:>12} {row.status}"

    def _fill(self, cells: list[str], row: Row) -> None:
        end = self._now if row.ended_at is None else row.ended_at
        assert row.began_at is not None
        self._put(cells, row.began_at, end, "between")
        for spell in row.spells:
            until = self._now if spell.ended_at is None else spell.ended_at
            self._put(cells, spell.began_at, until, spell.kind)
        for attempt in row.attempts:
            until = self._timeline.end_of(attempt, self._now)
            failed = attempt.outcome in ("failed", "crashed")
            kind = "completed"
            if attempt.role == "compensate":
                kind = "undo"
            elif attempt.outcome in ("stopped", "running"):
                kind = attempt.outcome
            self._put(cells, attempt.started_at, until, kind)
            if failed or attempt.outcome == "interrupted":
                cells[self._column(until)] = "failed" if failed else "stopped"

    def _put(self, cells: list[str], start: float, end: float, kind: str) -> None:
        for column in range(self._column(start), self._column(end) + 1):
            cells[column] = kind

    def _marks(self) -> str:
        """Return a line that shows when no engine had the execution."""
        cells = [" "] * self._columns
        for gap in self._timeline.gaps:
            self._put(cells, gap.began_at, gap.ended_at, "gap")
            self._used.add("gap")
        return "".join(self._signs.gap if cell != " " else cell for cell in cells)


def _write(cells: list[str], place: int, words: str) -> None:
    """Write words there if nothing stands in their place, or beside it."""
    around = cells[max(place - 1, 0) : place + len(words) + 1]
    if place + len(words) <= len(cells) and not "".join(around).strip():
        cells[place : place + len(words)] = words


def _wrapped(words: Iterable[str], width: int) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 3 + len(word) > width:
            yield line
            line = ""
        line = f"{line}   {word}" if line else word
    yield line
