"""`graph_svg`: the graph of a workflow as one SVG, coloured by whatever somebody counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from trioflow.definitions import Plan, PlannedConnection, PlannedStep, Workflow
from trioflow.pictures._drawn import connection_label, needed, waits, what_it_does
from trioflow.pictures._layout import draw
from trioflow.pictures._ranks import Box, Edge
from trioflow.pictures._shapes import (
    BADGE_HEIGHT,
    Badge,
    arrow_head,
    badge_shape,
    curve,
    shape,
    written,
)
from trioflow.pictures._style import ALIASES, COLOURS, glyph, status_of, style
from trioflow.pictures._words import element, fit, number, plain, text, width

_MARGIN = 16.0
# Pixels of a box, and the sizes of its fonts.
_LEAST, _MOST = 116.0, 252.0
_SIDE = 12.0
_ID, _NAME, _CALL = 13.0, 12.0, 11.0
_LINE = 16.0
_LONGEST_LABEL = 30

_RULES = (
    ".tf .box{fill:var(--fill,var(--tf-paper));stroke:var(--edge,var(--tf-line));stroke-width:1.5}"
    ".tf .badge{fill:var(--tf-paper);stroke:var(--edge,var(--tf-line));stroke-width:.8}"
    ".tf .line{fill:none;stroke:var(--edge,var(--tf-line));stroke-width:1.5}"
    ".tf .head{fill:var(--edge,var(--tf-line));stroke:var(--edge,var(--tf-line));"
    "stroke-width:1.2;stroke-linejoin:round}"
    ".tf .failure .line{stroke-dasharray:7 4}.tf .always .line{stroke-dasharray:9 3 2 3}"
    ".tf .waits .line{stroke-dasharray:1.5 4;stroke-linecap:round}"
    ".tf .taken .line,.tf .covered .line{stroke-width:2.4}"
    ".tf .dead .line,.tf .uncovered .line{stroke-width:1.1}"
    ".tf .dead .head,.tf .uncovered .head{fill:var(--tf-paper)}"
    ".tf .dot{fill:var(--tf-line)}"
)


def graph_svg(
    workflow: Workflow,
    *,
    steps: Mapping[str, str] = {},
    connections: Mapping[str, str] = {},
    title: str = "",
) -> str:
    """Draw the graph of a workflow: an SVG document that needs nothing else.

    `steps` and `connections` give ids a class: what has become of them (``completed``,
    ``failed``, ``running``, ``paused``, ``skipped``, ``cancelled``, ``pending``; ``taken``,
    ``dead``) or how well something covers them (``covered``, ``partly``, ``uncovered``). These
    have colours, for light and dark, and a sign each; a step with the class ``undone`` beside its
    status says so. Other classes (several are separated by blanks) are written down for style
    sheets of your own; ids that the workflow lacks are ignored. `title` stands above the graph.

    Steps are boxes from top to bottom. Solid lines are connections after success, dashed ones
    after a failure, those of dashes and dots in any case; dotted ones only make a step wait.
    The same arguments give the same text. It may stand in a page of HTML as it is.
    """
    picture = _Picture(workflow.plan, steps, connections, title)
    return picture.svg()


@attrs.frozen
class _Lines:
    """What stands in a box."""

    step: PlannedStep
    id: str
    name: str
    call: str
    badges: Sequence[Badge]
    size: Box


class _Picture:
    def __init__(
        self, plan: Plan, steps: Mapping[str, str], connections: Mapping[str, str], title: str
    ) -> None:
        self._plan = plan
        self._steps = steps
        self._connections = connections
        self._title = title
        self._lines = [_box(step, plan, steps.get(step.id, "")) for step in plan.steps]
        self._labels = [_label(connection) for connection in plan.connections]
        waiting = needed(plan, waits(plan))
        self._junctions = waiting.junctions
        places = {f"s{i}": i for i in range(len(plan.steps))}
        places |= {name: len(places) + i for i, name in enumerate(waiting.junctions)}
        self._waits = [(places[a], places[b]) for a, b in waiting.edges]
        sizes = [lines.size for lines in self._lines]
        sizes += [Box(8.0, 8.0, decides=True) for _ in waiting.junctions]
        edges = [self._edge(*each) for each in zip(plan.connections, self._labels, strict=True)]
        edges += [Edge(a, b) for a, b in self._waits]
        self._drawing = draw(sizes, edges)

    def _edge(self, connection: PlannedConnection, label: str) -> Edge:
        sign = 18.0 if _sign(self._class_of(connection)) else 0.0
        wide = width(label, _CALL) + sign
        return Edge(connection.source, connection.target, (wide + 12, 18.0) if wide else None)

    def _class_of(self, connection: PlannedConnection) -> str:
        return self._connections.get(connection.id, "")

    def svg(self) -> str:
        drawing = self._drawing
        legend = list(_legend(self._steps.values()))
        legend_width = sum(entry[1] for entry in legend)
        heading = width(self._title, 15.0) if self._title else 0.0
        inner = max(drawing.width, min(legend_width, 640.0), min(heading, 640.0))
        top = _MARGIN + (28 if self._title else 0)
        left = _MARGIN + (inner - drawing.width) / 2
        bottom, signs = top + drawing.height, []
        x, y = _MARGIN, bottom + 30
        for markup, wide in legend:
            if x > _MARGIN and x + wide > _MARGIN + inner:
                x, y = _MARGIN, y + 20
            signs.append(element("g", markup, transform=f"translate({number(x)} {number(y)})"))
            x, bottom = x + wide, y
        size = (inner + 2 * _MARGIN, bottom + _MARGIN)
        name = plain(self._title or self._plan.workflow.name or self._plan.workflow.id)
        graph = "\n".join([*self._all_waits(), *self._all_connections(), *self._all_steps()])
        parts = [
            element("title", text(name)),
            style(_used([*self._steps.values(), *self._connections.values()]), _RULES),
            element("rect", class_="paper", width="100%", height="100%", fill="#ffffff"),
        ]
        if self._title:
            shown = fit(plain(self._title), 15.0, inner)
            parts.append(
                element(
                    "text",
                    text(shown),
                    x=_MARGIN,
                    y=_MARGIN + 12,
                    font_size="15",
                    font_weight="bold",
                )
            )
        parts.append(
            element("g", f"\n{graph}\n", transform=f"translate({number(left)} {number(top)})")
        )
        parts += signs
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

    # ---- steps ----

    def _all_steps(self) -> Iterator[str]:
        for lines, (x, y) in zip(self._lines, self._drawing.boxes, strict=False):
            yield self._step(lines, x, y)

    def _step(self, lines: _Lines, x: float, y: float) -> str:
        step, size = lines.step, lines.size
        classes = self._steps.get(step.id, "")
        status = status_of(classes)
        left, top = x - size.width / 2, y - size.height / 2
        parts = [element("title", text(_about(step, classes)))]
        parts += shape(step, left, top, size, status)
        if status is not None:
            parts.append(glyph(status, left + size.width - 14, top + 14))
        baseline = top + 18
        parts.append(written(lines.id, left + _SIDE, baseline, _ID, mono=True, bold=True))
        if lines.name:
            baseline += _LINE
            parts.append(written(lines.name, left + _SIDE, baseline, _NAME))
        baseline += _LINE - 1
        parts.append(written(lines.call, left + _SIDE, baseline, _CALL, mono=True, soft=True))
        across = left + _SIDE
        for badge in lines.badges:
            parts.append(badge_shape(badge, across, baseline + 8))
            across += badge.width + 5
        return element(
            "g",
            "".join(parts),
            class_=f"step {step.type} {plain(classes)}".rstrip(),
            data_step=step.id,
        )

    # ---- lines ----

    def _all_waits(self) -> Iterator[str]:
        count = len(self._plan.connections)
        steps = len(self._plan.steps)
        names = [step.id for step in self._plan.steps]
        for (source, target), way in zip(self._waits, self._drawing.ways[count:], strict=True):
            ends = [names[end] if end < steps else "" for end in (source, target)]
            words = f"{ends[1]} waits for {ends[0]}" if all(ends) else "waits"
            parts = [element("title", text(words)), curve(way)]
            if target < steps:
                parts.append(arrow_head(way))
            yield element("g", "".join(parts), class_="waits")
        for x, y in self._drawing.boxes[steps:]:
            yield element("circle", class_="dot", cx=x, cy=y, r="4", fill="#5b5b66")

    def _all_connections(self) -> Iterator[str]:
        names = [step.id for step in self._plan.steps]
        for index, connection in enumerate(self._plan.connections):
            classes = self._class_of(connection)
            way = self._drawing.ways[index]
            ends = f"{names[connection.source]} → {names[connection.target]}"
            title = "; ".join(filter(None, [ends, _when(connection), plain(classes)]))
            parts = [element("title", text(title)), curve(way, classes), arrow_head(way, classes)]
            place = self._drawing.labels[index]
            if place is not None:
                parts += self._label(self._labels[index], place, _sign(classes))
            yield element(
                "g",
                "".join(parts),
                class_=f"connection {connection.on} {plain(classes)}".rstrip(),
                data_connection=plain(connection.id),
            )

    def _label(self, label: str, place: tuple[float, float], sign: str | None) -> Iterator[str]:
        x, y = place
        wide = width(label, _CALL) + 8 + (18 if sign else 0)
        yield element(
            "rect",
            class_="paper",
            x=x - wide / 2,
            y=y - 9,
            width=wide,
            height="18",
            rx="4",
            fill="#ffffff",
        )
        if sign:
            # The label is narrower than it was thought to be, rather than wider.
            yield glyph(sign, x - wide / 2 + 14 if label else x, y)
        if label:
            yield written(label, x + (8 if sign else 0), y + 4, _CALL, middle=True)


# ---- what there is to say ----


def _box(step: PlannedStep, plan: Plan, classes: str) -> _Lines:
    room = _MOST - 2 * _SIDE
    name = fit(plain(step.step.name), _NAME, room) if step.step.name else ""
    call = fit(what_it_does(step), _CALL, room, mono=True)
    # The status stands beside the id.
    id_ = fit(step.id, _ID, room - 18, mono=True)
    badges, wide = [], 0.0
    for badge in _badges(step, classes):
        if wide + badge.width <= room:
            badges.append(badge)
            wide += badge.width + 5
    inner = max(
        width(id_, _ID, mono=True) + 18,
        width(name, _NAME),
        width(call, _CALL, mono=True),
        wide - 5,
    )
    height = 18 + (_LINE if name else 0) + _LINE - 1 + (8 + BADGE_HEIGHT if badges else 0) + 10
    size = Box(round(max(inner + 2 * _SIDE, _LEAST), 1), height, _decides(step, plan))
    return _Lines(step, id_, name, call, badges, size)


def _decides(step: PlannedStep, plan: Plan) -> bool:
    return any(plan.connections[index].condition is not None for index in step.outgoing)


def _badges(step: PlannedStep, classes: str) -> Iterator[Badge]:
    if len(step.incoming) > 1:
        yield Badge(f"join {step.join}", f"join: {step.join}")
    if step.condition is not None:
        yield Badge("if", f"only if {plain(step.condition.text)}")
    if step.for_each is not None:
        yield Badge("each", f"for each of {plain(step.for_each.items)}")
    if step.call is not None and step.call.retry is not None:
        attempts = step.call.retry.max_attempts
        if attempts > 1:
            yield Badge(f"{attempts} tries", f"at most {attempts} attempts")
    if step.fallback is not None:
        yield Badge("fallback", f"fallback: {plain(step.fallback.action)}")
    if step.compensate is not None:
        label = "undone" if "undone" in classes.split() else "undo"
        yield Badge(label, f"undone by {plain(step.compensate.action)}")
    if step.continue_on_error:
        yield Badge("may fail", "continue_on_error: its failure stops nothing")


def _about(step: PlannedStep, classes: str) -> str:
    """Return everything about a step, for whoever points at it."""
    lines = [f"{step.id}: {plain(classes)}" if classes else step.id]
    if step.step.name:
        lines.append(plain(step.step.name))
    lines.append(what_it_does(step))
    lines += [badge.why for badge in _badges(step, classes)]
    return "\n".join(lines)


def _label(connection: PlannedConnection) -> str:
    label = connection_label(connection, _LONGEST_LABEL)
    return f"on {label}" if label == "failure" else label


def _when(connection: PlannedConnection) -> str:
    words = [] if connection.on == "success" else [f"on {connection.on}"]
    if connection.condition is not None:
        words.append(f"if {plain(connection.condition.text)}")
    if connection.default:
        words.append("default")
    return ", ".join(words)


def _sign(classes: str) -> str | None:
    """Return the sign that a connection needs: what is usual shows in its line."""
    status = status_of(classes)
    return status if status in ("partly", "uncovered") else None


def _used(classes: Iterable[str]) -> list[str]:
    """Return the classes with colours among these, in one order."""
    used = {name for each in classes for name in each.split()}
    return [name for name in (*COLOURS, *ALIASES) if name in used]


def _legend(classes: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Yield what each sign means, with how many there are, and how wide that is."""
    counts: dict[str, int] = {}
    for each in classes:
        if (status := status_of(each)) is not None:
            counts[status] = counts.get(status, 0) + 1
    for status in (*COLOURS, *ALIASES):
        if status in counts:
            words = f"{counts[status]} {status}"
            markup = glyph(status, 5, -4) + written(words, 16, 0, _NAME)
            yield element("g", markup, class_=f"legend {status}"), width(words, _NAME) + 34
