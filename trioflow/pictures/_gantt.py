"""`timeline_svg`: when each step, and each attempt of it, was under way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from trioflow.definitions import Workflow
from trioflow.events import Event
from trioflow.pictures._scale import Scale
from trioflow.pictures._style import COLOURS, colours, glyph, style
from trioflow.pictures._times import duration
from trioflow.pictures._words import element, fit, number, plain, text, width
from trioflow.timelines import Attempt, Gap, Row, Spell, Timeline

if TYPE_CHECKING:
    from trioflow.kernel._requests import Waiting

_MARGIN = 16.0
_CHART = 760.0
_MOST_NAME = 200.0
_AXIS = 26.0
_LANE = 16.0
_BAR = 12.0
_ROW_GAP = 6.0
# Attempts that overlap (items of a `for_each`) stand below each other, up to this many.
_MOST_LANES = 8
_FONT = 11.0

# What an attempt, or a spell, looks like. An undo looks like what is called off.
_LOOKS = {
    "completed": "completed",
    "failed": "failed",
    "crashed": "failed",
    "stopped": "cancelled",
    "interrupted": "skipped",
    "running": "running",
    "waiting": "paused",
    "asleep": "pending",
    "child": "running",
}
_UNDO = "M-4-1.5H1.5A2.7 2.7 0 0 1 1.5 4H-1M-4-1.5L-1.2-4.5M-4-1.5L-1.2 1.5"
_BOLT = "M1.5-5L-3 1H0.5L-1.5 5"

_RULES = (
    ".tf .bar{fill:var(--fill);stroke:var(--edge);stroke-width:1.2}"
    ".tf .waiting .bar,.tf .asleep .bar{stroke-dasharray:3 2}"
    ".tf .between{stroke:var(--tf-line);stroke-width:1;stroke-dasharray:2 3;fill:none}"
    ".tf .rule{stroke:var(--tf-rule);stroke-width:1;fill:none}"
    ".tf .band{fill:var(--tf-band)}.tf .gap{fill:var(--tf-failed);opacity:.45}"
    ".tf .note{fill:var(--tf-soft)}.tf .stop{stroke:var(--tf-failed-edge);stroke-width:1.5;"
    "stroke-dasharray:6 3;fill:none}"
)


def timeline_svg(
    workflow: Workflow,
    events: Iterable[Event],
    *,
    now: float | None = None,
    title: str = "",
    waiting_for: Iterable[Waiting] | None = None,
) -> str:
    """Draw when what happened in an execution: an SVG document that needs nothing else.

    `events` is its history. What has not ended goes on until `now` (seconds since the epoch);
    without it, until the last event. `waiting_for` is that of its `Snapshot` or `Execution`: of a
    step that waits for nothing in it the picture says that what it waited for has come.

    Attempts are bars with a sign of how they ended; dotted lines are what lies between them (a
    back-off, a queue), broken frames stand for waiting and sleeping, and a back arrow for an undo.
    Where no engine had the execution is a band over all rows. If nearly all the time is waiting it
    is cut out of the axis, which says how long it was.
    """
    timeline = Timeline(workflow.plan)
    timeline.apply(events)
    if waiting_for is not None:
        timeline.compare(waiting_for)
    return _Gantt(timeline, timeline.last_instant(now), title or workflow.id).svg(bool(title))


@attrs.frozen
class _Line:
    """A row, and in which lane each attempt of it is."""

    row: Row
    lanes: Sequence[int]
    top: float
    height: float


class _Gantt:
    def __init__(self, timeline: Timeline, now: float, title: str) -> None:
        self._timeline = timeline
        self._now = now
        self._title = title
        self._scale = Scale(timeline, now, _CHART, broken=64.0, least=40.0)
        self._lines: list[_Line] = []
        top = _AXIS
        for row in timeline.rows.values():
            lanes = _lanes(row, timeline, now)
            height = _LANE * (max(lanes, default=0) + 1) + _ROW_GAP
            self._lines.append(_Line(row, lanes, top, height))
            top += height
        self._bottom = top
        names = [width(line.row.id, _FONT, mono=True) for line in self._lines]
        self._names = min(max(names, default=0.0), _MOST_NAME)
        self._left = self._names + 34.0

    def svg(self, titled: bool) -> str:
        top = _MARGIN + (26.0 if titled else 0.0)
        size = (self._left + _CHART + 2 * _MARGIN + 40, top + self._bottom + _MARGIN)
        content = "\n".join([*self._ground(), *self._rows(), *self._notes()])
        parts = [
            element("title", text(plain(self._title))),
            style(COLOURS, _RULES),
            element("rect", class_="paper", width="100%", height="100%", fill="#ffffff"),
        ]
        if titled:
            parts.append(
                element(
                    "text",
                    text(fit(plain(self._title), 15.0, size[0] - 2 * _MARGIN)),
                    x=_MARGIN,
                    y=_MARGIN + 12,
                    font_size="15",
                    font_weight="bold",
                )
            )
        place = f"translate({number(_MARGIN)} {number(top)})"
        parts.append(element("g", f"\n{content}\n", transform=place))
        return element(
            "svg",
            "\n" + "\n".join(parts) + "\n",
            xmlns="http://www.w3.org/2000/svg",
            class_="tf",
            role="img",
            width=size[0],
            height=size[1],
            viewBox=f"0 0 {number(size[0])} {number(size[1])}",
        )

    def _x(self, at: float) -> float:
        return self._left + self._scale.x(at)

    # ---- what lies under it ----

    def _ground(self) -> Iterator[str]:
        for index, line in enumerate(self._lines):
            if index % 2:
                wide = self._left + _CHART
                yield element(
                    "rect", class_="band", x=0.0, y=line.top, width=wide, height=line.height,
                    fill="#f4f4f6",
                )  # fmt: skip
        for gap in self._timeline.gaps:
            yield self._gap(gap)
        for tick in self._scale.ticks(84.0):
            x = self._left + tick.x
            path = f"M{number(x)} {number(_AXIS - 6)}V{number(self._bottom)}"
            yield element("path", class_="rule", d=path, stroke="#dcdce2")
            weight = "bold" if tick.at_start else None
            yield _label(tick.label, x + 2, _AXIS - 10, weight=weight)
        for piece in self._scale.pieces:
            if piece.is_broken:
                yield from self._break(self._left + piece.left, self._left + piece.right,
                                       piece.end - piece.start)  # fmt: skip

    def _gap(self, gap: Gap) -> str:
        left, right = self._x(gap.began_at), self._x(gap.ended_at)
        words = f"{gap.why}: no engine for {duration(gap.ended_at - gap.began_at)}"
        shape = element(
            "rect", class_="gap", x=left, y=_AXIS - 4, width=max(right - left, 2.0),
            height=self._bottom - _AXIS + 4, fill="#f8d4d4",
        )  # fmt: skip
        if width(gap.why, 10.0) < right - left:
            shape += _label(gap.why, (left + right) / 2, self._bottom + 9, middle=True)
        return element("g", element("title", text(words)) + shape, data_gap=gap.why)

    def _break(self, left: float, right: float, seconds: float) -> Iterator[str]:
        middle = (left + right) / 2
        for x in (left + 3, right - 3):
            steps = "l-3 4l6 4l-3 4" * int((self._bottom - _AXIS + 8) / 12)
            yield element("path", class_="rule", d=f"M{number(x)} {number(_AXIS - 6)}{steps}",
                          stroke="#dcdce2", fill="none")  # fmt: skip
        yield _label(fit(duration(seconds), 10.0, right - left), middle, _AXIS - 22, middle=True)

    # ---- the rows ----

    def _rows(self) -> Iterator[str]:
        for line in self._lines:
            yield element("g", "".join(self._row(line)), data_step=line.row.id)

    def _row(self, line: _Line) -> Iterator[str]:
        row = line.row
        middle = line.top + _ROW_GAP / 2 + _LANE / 2
        yield element("title", text(_about(row, self._now)))
        name = fit(row.id, _FONT, self._names, mono=True)
        status = row.status.lower()
        yield element("g", glyph(status, 8, middle), class_=status)
        yield element("text", text(name), x=20.0, y=middle + 4, font_size=number(_FONT),
                      class_="mono")  # fmt: skip
        if row.began_at is None:
            return
        end = self._now if row.ended_at is None else row.ended_at
        if row.status != "SKIPPED":
            path = f"M{number(self._x(row.began_at))} {number(middle)}H{number(self._x(end))}"
            yield element("path", class_="between", d=path, stroke="#5b5b66")
        for spell in row.spells:
            yield self._spell(spell, line)
        for attempt, lane in zip(row.attempts, line.lanes, strict=True):
            yield self._attempt(attempt, line.top + lane * _LANE)

    def _spell(self, spell: Spell, line: _Line) -> str:
        end = self._now if spell.ended_at is None else spell.ended_at
        left, right = self._x(spell.began_at), self._x(end)
        took = duration(end - spell.began_at)
        is_now = spell.ended_at is None
        words = {
            "waiting": plain(line.row.waiting) if is_now else f"waits for {plain(spell.what)}",
            "child": f"child {plain(spell.what)}",
        }.get(spell.kind, spell.kind)
        look = _LOOKS[spell.kind]
        fill, edge = colours(look)
        wide = max(right - left, 2.0)
        y = line.top + _ROW_GAP / 2 + (_LANE - _BAR) / 2
        shape = element("rect", class_="bar", x=left, y=y, width=wide, height=_BAR, rx="2",
                        fill=fill, stroke=edge)  # fmt: skip
        if wide > 40:
            shape += _label(fit(words, 9.0, wide - 8), left + 4, y + 9.5, size=9.0)
        title = element("title", text(f"{words}, {took}"))
        return element("g", title + shape, class_=f"{spell.kind} {look}", data_spell=spell.kind)

    def _attempt(self, attempt: Attempt, top: float) -> str:
        end = self._timeline.end_of(attempt, self._now)
        left, right = self._x(attempt.started_at), self._x(end)
        wide = max(right - left, 2.0)
        y = top + _ROW_GAP / 2 + (_LANE - _BAR) / 2
        is_undo = attempt.role == "compensate"
        look = "cancelled" if is_undo and attempt.outcome != "failed" else _LOOKS[attempt.outcome]
        fill, edge = colours(look)
        words = f"{attempt.name} {attempt.outcome} after {duration(end - attempt.started_at)}"
        if attempt.failure is not None:
            words += f": {plain(attempt.failure.message)} ({plain(attempt.failure.code)})"
        shape = element("rect", class_="bar", x=left, y=y, width=wide, height=_BAR, rx="2",
                        fill=fill, stroke=edge)  # fmt: skip
        # A short bar has its sign behind it, so that nothing is said by colour alone.
        place = left + wide / 2 if wide >= 16 else right + 8
        sign = {"crashed": _BOLT}.get(attempt.outcome, _UNDO if is_undo else "")
        if sign:
            shape += element("path", d=sign, class_="glyph", fill="none", stroke=edge,
                             stroke_width="1.6",
                             transform=f"translate({number(place)} {number(y + _BAR / 2)})",
                             )  # fmt: skip
        elif attempt.outcome != "completed" or wide >= 16:
            shape += glyph(look, place, y + _BAR / 2)
        return element(
            "g",
            element("title", text(words)) + shape,
            class_=f"attempt {look}",
            data_attempt=f"{attempt.role} {attempt.number}",
        )

    # ---- what happened to the whole ----

    def _notes(self) -> Iterator[str]:
        for at, words in self._timeline.notes:
            x = self._x(at)
            title = element("title", text(f"+{duration(at - self._scale.start)}: {plain(words)}"))
            if words.startswith("stopping"):
                path = f"M{number(x)} {number(_AXIS - 6)}V{number(self._bottom)}"
                mark = element("path", class_="stop", d=path, stroke="#b71c1c", fill="none")
            else:
                path = f"M{number(x)} {number(self._bottom - 1)}l4 8h-8Z"
                mark = element("path", class_="note", d=path, fill="#50505a")
            yield element("g", title + mark, data_note="")


def _lanes(row: Row, timeline: Timeline, now: float) -> list[int]:
    """Return the lane of each attempt: the first one that is free when it starts."""
    ends: list[float] = []
    found: list[int] = []
    for attempt in row.attempts:
        lane = next((i for i, end in enumerate(ends) if end <= attempt.started_at), len(ends))
        lane = lane if lane < _MOST_LANES else len(found) % _MOST_LANES
        end = timeline.end_of(attempt, now)
        if lane == len(ends):
            ends.append(end)
        else:
            ends[lane] = max(ends[lane], end)
        found.append(lane)
    return found


def _about(row: Row, now: float) -> str:
    words = [f"{row.id}: {row.status}"]
    seconds = row.seconds(now)
    if seconds is not None and row.status != "SKIPPED":
        words.append(f"after {duration(seconds)}" if row.ended_at else f"for {duration(seconds)}")
    details = [row.reason, row.waiting, row.undo]
    if row.failure is not None:
        details.append(f"{row.failure.message} ({row.failure.code})")
    return "\n".join([" ".join(words), *(plain(each) for each in details if each)])


def _label(
    content: str,
    x: float,
    y: float,
    *,
    size: float = 10.0,
    weight: str | None = None,
    middle: bool = False,
) -> str:
    return element(
        "text",
        text(content),
        x=float(x),
        y=float(y),
        font_size=number(size),
        font_weight=weight,
        class_="soft",
        text_anchor="middle" if middle else None,
    )
