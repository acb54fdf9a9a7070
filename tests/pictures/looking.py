"""Reading pictures back: what is where in an SVG, and whether a page of HTML is well formed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import attrs

SVG = "{http://www.w3.org/2000/svg}"
_PLACE = re.compile(r"translate\((-?[\d.]+) (-?[\d.]+)\)")
# What HTML ends by itself.
_VOID = ("meta",)


@attrs.frozen
class Area:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Area) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def contains(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom


@attrs.frozen
class Group:
    """One `<g>` with a `data-…` of its own: a step, a connection, an attempt."""

    name: str
    classes: frozenset[str]
    title: str
    element: ET.Element

    def texts(self) -> list[ET.Element]:
        return list(self.element.iter(f"{SVG}text"))

    def words(self) -> list[str]:
        return [text.text or "" for text in self.texts()]

    def areas(self, kind: str) -> list[Area]:
        return [
            _area(each) for each in self.element.iter(f"{SVG}rect") if kind == each.get("class")
        ]

    def path(self, kind: str) -> str | None:
        for each in self.element.iter(f"{SVG}path"):
            if kind in (each.get("class") or "").split():
                return each.get("d")
        return None


def _area(rectangle: ET.Element) -> Area:
    x, y, width, height = (float(rectangle.get(key, "0")) for key in ("x", "y", "width", "height"))
    return Area(x, y, x + width, y + height)


def read(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def groups(svg: str, attribute: str) -> list[Group]:
    """Return the groups with this attribute, in order."""
    return [
        Group(
            each.get(attribute, ""),
            frozenset((each.get("class") or "").split()),
            each.findtext(f"{SVG}title") or "",
            each,
        )
        for each in read(svg).iter(f"{SVG}g")
        if each.get(attribute) is not None
    ]


def steps(svg: str) -> dict[str, Group]:
    found = groups(svg, "data-step")
    assert len({group.name for group in found}) == len(found)
    return {group.name: group for group in found}


def connections(svg: str) -> dict[str, Group]:
    found = groups(svg, "data-connection")
    assert len({group.name for group in found}) == len(found)
    return {group.name: group for group in found}


def ends(path: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a line begins and ends; what is not said again stays as it was."""
    x = y = 0.0
    points = []
    for command, numbers in re.findall(r"([MLVC])([^MLVC]*)", path):
        values = [float(each) for each in re.findall(r"-?[\d.]+", numbers)]
        if command == "V":
            y = values[0]
        else:
            x, y = values[-2:]
        points.append((x, y))
    return points[0], points[-1]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Only in an SVG is an element over that ends like this.
        assert "svg" in self.open, tag
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))


@attrs.frozen
class Page:
    tags: list[tuple[str, dict[str, str | None]]]
    texts: list[tuple[str, str]]

    def text(self) -> str:
        return "".join(text for tag, text in self.texts if tag != "style")

    def of(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)

    def said(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def page(html: str) -> Page:
    """Read a page; every element has to be closed in its place."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert [] == reader.open
    return Page(reader.tags, reader.texts)
