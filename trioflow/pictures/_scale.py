"""A time axis that can be read, be it 2 seconds long or 30 days.

An execution that works for a second and waits for a week would be a week of nothing with a dot at
each end. Where nearly all the time is such waiting, the axis is broken there: a gap of fixed width
stands for it, and says how long it was; the rest is drawn to one scale.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import attrs

from trioflow.timelines import Timeline

# Broken out is what together is at least this part of the whole ...
_LEAST_SHARE = 0.9
# ... in gaps of at least this part of all the rest, and no more of them than this.
_LEAST_GAP = 0.5
_MOST_GAPS = 12
_STEPS = (
    *(digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 5)),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 10800.0, 21600.0, 43200.0, 86400.0, 172800.0, 604800.0),
)


@attrs.frozen
class Piece:
    """A part of the axis: from one instant to another, and from one x to another."""

    start: float
    end: float
    left: float
    right: float
    is_broken: bool


@attrs.frozen
class Tick:
    """A mark on the axis. `at_start`: of a piece behind a gap; it tells the time since the start.

    Other ticks behind a gap count from there, with a plus.
    """

    x: float
    label: str
    at_start: bool = False


class Scale:
    """Where each instant is; `broken` is the width of a gap, `least` that of what is between."""

    def __init__(
        self, timeline: Timeline, now: float, width: float, *, broken: float, least: float
    ) -> None:
        self.start = timeline.began_at
        self.end = max(now, self.start)
        self.width = width
        gaps = list(_gaps(timeline, self.start, self.end))
        if len(gaps) * (broken + least) + least > width:
            gaps = []
        self.pieces = self._pieces(gaps, broken, least)
        self._starts = [piece.start for piece in self.pieces]

    def _pieces(
        self, gaps: Sequence[tuple[float, float]], broken: float, least: float
    ) -> list[Piece]:
        cuts: list[tuple[float, float, bool]] = []
        at = self.start
        for start, end in gaps:
            cuts += [(at, start, False), (start, end, True)]
            at = end
        cuts.append((at, self.end, False))
        cuts = [cut for cut in cuts if cut[1] > cut[0] or len(cuts) == 1]
        whole = sum(end - start for start, end, is_gap in cuts if not is_gap)
        fixed = sum(broken if is_gap else least for _, _, is_gap in cuts)
        pieces = []
        x = 0.0
        for start, end, is_gap in cuts:
            share = (end - start) / whole if whole > 0 else 1.0
            wide = broken if is_gap else least + share * (self.width - fixed)
            pieces.append(Piece(start, end, x, x + wide, is_gap))
            x += wide
        return pieces

    def x(self, at: float) -> float:
        """Return where an instant is; those outside are at the ends."""
        piece = self.pieces[max(bisect_right(self._starts, at) - 1, 0)]
        if piece.end <= piece.start:
            return piece.left
        share = min(max((at - piece.start) / (piece.end - piece.start), 0.0), 1.0)
        return piece.left + share * (piece.right - piece.left)

    def ticks(self, distance: float) -> Iterator[Tick]:
        """Yield marks at round times, at least this far from each other within a piece."""
        for piece in self.pieces:
            if piece.is_broken:
                continue
            is_first = piece.start == self.start
            since = piece.start - self.start
            yield Tick(piece.left, "0" if is_first else moment(since), not is_first)
            length = piece.end - piece.start
            wide = piece.right - piece.left
            if length <= 0:
                continue
            step = _step(length * distance / wide)
            for index in range(1, int(length / step + 1e-9) + 1):
                x = piece.left + index * step / length * wide
                if x - piece.left >= distance * 0.99 and piece.right - x >= 1:
                    yield Tick(x, ("" if is_first else "+") + moment(index * step, step))


def moment(seconds: float, step: float = 1.0) -> str:
    """Return a time exactly, as far as `step` tells it: ``250 ms``, ``1.5 s``, ``2 d 6 h``."""
    if seconds < 1 and step < 0.1:
        return f"{round(seconds * 1000, 3):g} ms"
    if seconds < 60:
        return f"{round(seconds, 6):g} s"
    left = round(seconds)
    words = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        many, left = divmod(left, size)
        if many:
            words.append(f"{many} {unit}")
    # Two say enough: nobody needs the seconds of the third day.
    return " ".join(words[:2])


def _step(least: float) -> float:
    for step in _STEPS:
        if step >= least:
            return step
    weeks = _STEPS[-1]
    while weeks < least:
        weeks *= 2
    return weeks


def _gaps(timeline: Timeline, start: float, end: float) -> Iterator[tuple[float, float]]:
    """Yield the times to break out: long ones in which no attempt was under way."""
    idle = sorted(_idle(_work(timeline, end), start, end), key=lambda gap: gap[0] - gap[1])
    taken, best = 0.0, 0
    for count, (began, ended) in enumerate(idle[:_MOST_GAPS], start=1):
        taken += ended - began
        rest = end - start - taken
        enough = taken >= _LEAST_SHARE * (end - start)
        if enough and 0 < rest < (ended - began) / _LEAST_GAP:
            best = count
    yield from sorted(idle[:best])


def _work(timeline: Timeline, now: float) -> Iterator[tuple[float, float]]:
    """Yield the times in which something was done: here, or in a child that waits for nobody."""
    for row in timeline.rows.values():
        for attempt in row.attempts:
            yield attempt.started_at, timeline.end_of(attempt, now)
        waits = [(s.began_at, s.ended_at or now) for s in row.spells if s.kind == "waiting"]
        for spell in row.spells:
            if spell.kind == "child":
                yield from _idle(waits, spell.began_at, spell.ended_at or now)


def _idle(
    work: Iterable[tuple[float, float]], start: float, end: float
) -> Iterator[tuple[float, float]]:
    """Yield the times between two instants in which there is none of this work."""
    at = start
    for began, ended in sorted(work):
        if min(began, end) > at:
            yield at, min(began, end)
        at = max(at, ended)
    if end > at:
        yield at, end
