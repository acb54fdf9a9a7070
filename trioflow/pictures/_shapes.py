"""The shapes of a graph: boxes with their marks, lines with their heads, and what is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from trioflow.definitions import PlannedStep
from trioflow.pictures._ranks import Box
from trioflow.pictures._style import colours, status_of
from trioflow.pictures._words import element, number, text, width

# Pixels: the font in a badge, and its height.
BADGE = 10.0
BADGE_HEIGHT = 15.0


@attrs.frozen
class Badge:
    label: str
    why: str

    @property
    def width(self) -> float:
        return width(self.label, BADGE) + 10


def written(
    content: str,
    x: float,
    y: float,
    size: float,
    *,
    mono: bool = False,
    soft: bool = False,
    bold: bool = False,
    middle: bool = False,
) -> str:
    classes = " ".join(filter(None, ["mono" if mono else "", "soft" if soft else ""]))
    return element(
        "text",
        text(content),
        x=float(x),
        y=float(y),
        font_size=number(size),
        class_=classes or None,
        font_weight="bold" if bold else None,
        text_anchor="middle" if middle else None,
    )


def shape(
    step: PlannedStep, left: float, top: float, size: Box, status: str | None
) -> Iterator[str]:
    fill, edge = colours(status)
    radius = {"sleep": 18, "trigger": 18, "wait": 2}.get(step.type, 8)

    def rectangle(x: float, y: float) -> str:
        return element(
            "rect",
            class_="box",
            x=x,
            y=y,
            width=size.width,
            height=size.height,
            rx=str(radius),
            fill=fill,
            stroke=edge,
        )

    if step.for_each is not None:
        yield rectangle(left + 5, top + 5)
    yield rectangle(left, top)
    if step.type == "workflow":
        # As for a subroutine in a flow chart.
        path = "".join(
            f"M{number(x)} {number(top)}v{number(size.height)}"
            for x in (left + 5, left + size.width - 5)
        )
        yield element("path", class_="line", d=path, stroke=edge, fill="none")
    if step.type == "wait":
        # Two bars at the side: it stands still here.
        y = top + size.height / 2
        path = f"M{number(left + 4)} {number(y - 8)}v16M{number(left + 7)} {number(y - 8)}v16"
        yield element("path", class_="line", d=path, stroke=edge, fill="none")
    if size.decides:
        x, y = left + size.width / 2, top + size.height
        path = f"M{number(x - 8)} {number(y)}l8-6l8 6l-8 6Z"
        yield element("path", class_="box", d=path, fill=fill, stroke=edge)


def badge_shape(badge: Badge, x: float, y: float) -> str:
    rect = element(
        "rect",
        class_="badge",
        x=x,
        y=y,
        width=badge.width,
        height=BADGE_HEIGHT,
        rx="7",
        fill="#ffffff",
        stroke="#5b5b66",
    )
    label = written(badge.label, x + badge.width / 2, y + 11, BADGE, middle=True)
    return element("g", element("title", text(badge.why)) + rect + label)


def curve(points: Sequence[tuple[float, float]], classes: str = "") -> str:
    """Return a line that goes straight through rows, and in a curve from one to the next."""
    x, y = points[0]
    path = [f"M{number(x)} {number(y)}"]
    for index, (x, y) in enumerate(points[1:]):
        before = points[index]
        if (x, y) == before:
            continue
        if index % 2 == 0 or x == before[0]:
            path.append(f"V{number(y)}" if x == before[0] else f"L{number(x)} {number(y)}")
            continue
        middle = number((before[1] + y) / 2)
        path.append(f"C{number(before[0])} {middle} {number(x)} {middle} {number(x)} {number(y)}")
    edge = colours(status_of(classes))[1]
    return element("path", class_="line", d="".join(path), fill="none", stroke=edge)


def arrow_head(points: Sequence[tuple[float, float]], classes: str = "") -> str:
    x, y = points[-1]
    edge = colours(status_of(classes))[1]
    path = f"M{number(x)} {number(y)}l-4-8h8Z"
    return element("path", class_="head", d=path, fill=edge, stroke=edge)
