"""The rows of a layered drawing, and what has a place in them: boxes, bends, and labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import attrs

# No more boxes than this side by side (or the square root of their number, if that is more): what
# has no place goes into the next row. Fifty parallel steps in one line would be a strip.
WIDEST = 12
# An edge has a bend per row, so a graph may have far more bends than vertices. If there are many,
# the edges that leave a vertex, or arrive at one, share theirs: a trunk with branches. What is left
# after the last number is drawn straight from end to end, under the boxes.
_MANY_BENDS = 1_500
_MOST_BENDS = 6_000


@attrs.frozen
class Box:
    """A vertex, in pixels. `decides`: all its edges leave from one point, the middle."""

    width: float
    height: float
    decides: bool = False


@attrs.frozen
class Edge:
    """From one vertex to another, by index; `label` is the (width, height) of what it says."""

    source: int
    target: int
    label: tuple[float, float] | None = None


@attrs.define(eq=False)
class Cell:
    """What takes a place in a rank: a box, or a bend of an edge (perhaps with its label)."""

    width: float
    height: float
    rank: int
    is_bend: bool
    x: float = 0.0
    above: list[Cell] = attrs.field(factory=list)
    below: list[Cell] = attrs.field(factory=list)
    place: int = 0


def _layers(size: int, edges: Sequence[Edge]) -> list[int]:
    """Return the layer of each vertex: below all that comes before it, and none too wide."""
    after: list[list[int]] = [[] for _ in range(size)]
    before: list[list[int]] = [[] for _ in range(size)]
    for edge in edges:
        after[edge.source].append(edge.target)
        before[edge.target].append(edge.source)
    waiting = [len(each) for each in before]
    # Layer after layer, so that those that come first find a place first.
    ready = [vertex for vertex in range(size) if waiting[vertex] == 0]
    for vertex in ready:
        for other in after[vertex]:
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    if len(ready) < size:
        raise ValueError("the graph has a cycle")
    layers = [0] * size
    room = max(WIDEST, round(size**0.5))
    taken: dict[int, int] = {}
    free: dict[int, int] = {}
    for vertex in ready:
        layer = max((layers[other] + 1 for other in before[vertex]), default=0)
        # From a full layer go on at the first one that was not known to be full.
        way = []
        while taken.get(layer, 0) >= room:
            way.append(layer)
            layer = free.get(layer, layer + 1)
        free |= dict.fromkeys(way, layer)
        layers[vertex] = layer
        taken[layer] = taken.get(layer, 0) + 1
    # What leads to more than leads to it belongs close to that.
    for vertex in reversed(ready):
        lowest = min((layers[other] for other in after[vertex]), default=0) - 1
        is_better = len(after[vertex]) > len(before[vertex]) and lowest > layers[vertex]
        if is_better and taken.get(lowest, 0) < room:
            taken[layers[vertex]] -= 1
            taken[lowest] = taken.get(lowest, 0) + 1
            layers[vertex] = lowest
    return layers


class Ranks:
    """The rows of cells: a row per layer, and one between two layers if labels stand there."""

    def __init__(self, boxes: Sequence[Box], edges: Sequence[Edge]) -> None:
        layers = _layers(len(boxes), edges)
        labelled = {layers[edge.source] for edge in edges if edge.label is not None}
        rank_of, count = {}, 0
        for layer in sorted(set(layers)):
            rank_of[layer] = count
            count += 2 if layer in labelled else 1
        self.rows: list[list[Cell]] = [[] for _ in range(count)]
        self.cells = [
            self._cell(box.width, box.height, rank_of[layers[i]], False)
            for i, box in enumerate(boxes)
        ]
        self.bends: list[list[Cell]] = [[] for _ in edges]
        spans = [self.cells[edge.target].rank - self.cells[edge.source].rank for edge in edges]
        self.shares = sum(spans) - len(spans) > _MANY_BENDS
        self._shared: dict[tuple[str, int, int], Cell] = {}
        self._made = 0
        self._linked: set[tuple[int, int]] = set()
        self._leaving = [0] * len(boxes)
        self._arriving = [0] * len(boxes)
        for edge in edges:
            self._leaving[edge.source] += 1
            self._arriving[edge.target] += 1
        for index in sorted(range(len(edges)), key=spans.__getitem__):
            self.bends[index] = chain = self._chain(edges[index])
            self._link(edges[index], chain)

    def _chain(self, edge: Edge) -> list[Cell]:
        first = self.cells[edge.source].rank + 1
        last = self.cells[edge.target].rank
        if self._made >= _MOST_BENDS:
            # Drawn straight, but what it says still has a place.
            last = first + (edge.label is not None)
        return [self._bend(edge, rank, is_first=rank == first) for rank in range(first, last)]

    def _cell(self, width: float, height: float, rank: int, is_bend: bool) -> Cell:
        cell = Cell(width, height, rank, is_bend)
        self.rows[rank].append(cell)
        return cell

    def _bend(self, edge: Edge, rank: int, *, is_first: bool) -> Cell:
        if is_first and edge.label is not None:
            return self._cell(*edge.label, rank, True)
        fans_in = self._arriving[edge.target] > self._leaving[edge.source]
        key = ("to", edge.target, rank) if fans_in else ("from", edge.source, rank)
        cell = self._shared.get(key) if self.shares else None
        if cell is None:
            self._made += 1
            self._shared[key] = cell = self._cell(0.0, 0.0, rank, True)
        return cell

    def _link(self, edge: Edge, chain: Sequence[Cell]) -> None:
        way = [self.cells[edge.source], *chain, self.cells[edge.target]]
        for upper, lower in pairwise(way):
            if lower.rank == upper.rank + 1 and (id(upper), id(lower)) not in self._linked:
                self._linked.add((id(upper), id(lower)))
                upper.below.append(lower)
                lower.above.append(upper)
