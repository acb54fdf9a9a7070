"""Where things go: a layered drawing of a graph without cycles, in which everything leads down.

The classical way in five steps. Vertices get a rank below all that comes before them; an edge gets
a *bend* in each rank that it passes, and so does its label; the ranks are ordered so that few
edges cross; each rank is spread out so that edges are nearly straight; and ranks get their heights.
A bend or a label takes its place like any box, so that nothing ever lies on top of anything else:
an edge goes straight down through the rows of boxes, and turns only between them.

It knows nothing of workflows. The same graph always gives the same drawing: there is no chance in
it, and the number of rounds depends on the size of the graph, not on the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import attrs

from trioflow.pictures._ranks import Box, Cell, Edge, Ranks

Point = tuple[float, float]

# Pixels: between two things in a row, between two bends, and between two rows.
GAP = 28.0
BEND_GAP = 14.0
ROW_GAP = 34.0
# A slope of more than 45 degrees is hard to follow, so rows with long ways between them are
# further apart; up to this.
MOST_ROW_GAP = 110.0
_ROUNDS = 12
# Straight long edges are worth more than straight short ones.
_WEIGHTS = {0: 1.0, 1: 2.0, 2: 8.0}


@attrs.frozen
class Drawing:
    """The centres of the vertices, the way of each edge, and the centres of labels.

    A way is a list of points. The second piece of it, the fourth and so on turn between two rows;
    the others lead straight down through a row.
    """

    width: float
    height: float
    boxes: Sequence[Point]
    ways: Sequence[Sequence[Point]]
    labels: Sequence[Point | None]


def draw(boxes: Sequence[Box], edges: Sequence[Edge]) -> Drawing:
    """Lay out a graph; its edges must not form cycles."""
    ranks = Ranks(boxes, edges)
    _order(ranks.rows)
    _spread(ranks.rows, pull=1.0 if ranks.shares else 0.0)
    return _finish(ranks, boxes, edges)


# ---- the order in each row ----


def _order(rows: Sequence[list[Cell]]) -> None:
    """Order each row by where its neighbours are, down and up again; keep the best of it."""
    _number(rows)
    best = _crossings(rows)
    kept = [list(row) for row in rows]
    cells = sum(map(len, rows))
    for round_ in range(_ROUNDS if cells < 3_000 else 4):
        if best == 0:
            break
        down = round_ % 2 == 0
        for row in rows if down else reversed(rows):
            row.sort(key=lambda cell: _middle(cell.above if down else cell.below, cell.place))
            for place, cell in enumerate(row):
                cell.place = place
        found = _crossings(rows)
        if found < best:
            best, kept = found, [list(row) for row in rows]
    for row, order in zip(rows, kept, strict=True):
        row[:] = order
    _number(rows)


def _number(rows: Sequence[list[Cell]]) -> None:
    for row in rows:
        for place, cell in enumerate(row):
            cell.place = place


def _middle(neighbours: Sequence[Cell], otherwise: float) -> float:
    if not neighbours:
        return otherwise
    return sum(cell.place for cell in neighbours) / len(neighbours)


def _crossings(rows: Sequence[list[Cell]]) -> int:
    """Count the crossings: pairs of edges between two rows whose ends are in opposite order."""
    total = 0
    for row in rows:
        size = 1 + max((cell.place for upper in row for cell in upper.below), default=0)
        tree = [0] * (size + 1)
        seen = 0
        for upper in row:
            ends = [cell.place for cell in upper.below]
            for end in ends:
                # How many before it end further left, or at the same place.
                index, before = end + 1, 0
                while index:
                    before += tree[index]
                    index &= index - 1
                total += seen - before
            for end in ends:
                index = end + 1
                while index <= size:
                    tree[index] += 1
                    index += index & -index
                seen += 1
    return total


# ---- how far to the right ----


def _spread(rows: Sequence[list[Cell]], pull: float) -> None:
    """Give each cell its x: as near to its neighbours' as the order and the room allow.

    `pull` is how much boxes are drawn to x = 0. Where many share a trunk that runs beside them,
    each row would otherwise be centred below the edge of the one above: a long staircase.
    """
    for row in rows:
        _fit(row, [0.0] * len(row), [1.0] * len(row))
    cells = sum(map(len, rows))
    rounds = _ROUNDS if cells < 3_000 else 4
    for round_ in range(rounds):
        down = round_ % 2 == 0
        # In the last rounds both sides count, so that nothing hangs on one side only.
        both = round_ >= rounds - 3
        for row in rows if down else reversed(rows):
            wishes, weights = [], []
            for cell in row:
                near = cell.above if down else cell.below
                near = [*cell.above, *cell.below] if both or not near else near
                weight = [_WEIGHTS[cell.is_bend + other.is_bend] for other in near]
                total = sum(weight) * (1.0 if cell.is_bend else 1.0 + pull)
                wishes.append(
                    sum(w * other.x for w, other in zip(weight, near, strict=True)) / total
                    if near
                    else cell.x
                )
                weights.append(total or 0.1)
            _fit(row, wishes, weights)


def _fit(row: Sequence[Cell], wishes: Sequence[float], weights: Sequence[float]) -> None:
    """Place a row as near to the wishes as can be, in least squares, without overlaps.

    Without the room that each needs this is regression by a rising line: neighbours whose wishes
    are in the wrong order are put together at their mean (pool adjacent violators).
    """
    offsets = [0.0]
    for left, right in pairwise(row):
        gap = BEND_GAP if left.is_bend and right.is_bend else GAP
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + gap)
    pools: list[list[float]] = []
    for wish, weight, offset in zip(wishes, weights, offsets[: len(row)], strict=True):
        pools.append([wish - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, total, count = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * total) / (last[1] + total)
            last[1] += total
            last[2] += count
    place = 0
    for mean, _, count in pools:
        for _ in range(int(count)):
            row[place].x = mean + offsets[place]
            place += 1


# ---- the drawing ----


def _finish(ranks: Ranks, boxes: Sequence[Box], edges: Sequence[Edge]) -> Drawing:
    rows = ranks.rows
    everything = [cell for row in rows for cell in row]
    left = min((cell.x - cell.width / 2 for cell in everything), default=0.0)
    for cell in everything:
        cell.x = round(cell.x - left, 1)
    heights = [max((cell.height for cell in row), default=0.0) for row in rows]
    tops, y = [], 0.0
    for row, height in zip(rows, heights, strict=True):
        tops.append(y)
        furthest = max((abs(a.x - b.x) for a in row for b in a.below), default=0.0)
        y = round(y + height + min(max(ROW_GAP, furthest / 5), MOST_ROW_GAP), 1)
    middles = [top + height / 2 for top, height in zip(tops, heights, strict=True)]
    leaving = _ports(ranks, boxes, edges, out=True)
    arriving = _ports(ranks, boxes, edges, out=False)
    ways, labels = [], []
    for index, edge in enumerate(edges):
        source, target = ranks.cells[edge.source], ranks.cells[edge.target]
        chain = ranks.bends[index]
        bottom = middles[source.rank] + source.height / 2
        # A box is in the middle of its row: straight on to the end of it before any turn.
        way = [(leaving[index], bottom), (leaving[index], tops[source.rank] + heights[source.rank])]
        for cell in chain:
            way += [(cell.x, tops[cell.rank]), (cell.x, tops[cell.rank] + heights[cell.rank])]
        way += [
            (arriving[index], tops[target.rank]),
            (arriving[index], middles[target.rank] - target.height / 2),
        ]
        # Sums of what was rounded are not round themselves.
        ways.append([(x, round(y, 1)) for x, y in way])
        labels.append((chain[0].x, middles[chain[0].rank]) if edge.label and chain else None)
    return Drawing(
        width=max((cell.x + cell.width / 2 for cell in everything), default=0.0),
        height=(tops[-1] + heights[-1]) if rows else 0.0,
        boxes=[(cell.x, middles[cell.rank]) for cell in ranks.cells],
        ways=ways,
        labels=labels,
    )


def _ports(ranks: Ranks, boxes: Sequence[Box], edges: Sequence[Edge], *, out: bool) -> list[float]:
    """Return the x at which each edge leaves its source, or arrives at its target."""
    at: dict[int, list[tuple[float, int]]] = {}
    for index, edge in enumerate(edges):
        chain = ranks.bends[index]
        if out:
            other = chain[0] if chain else ranks.cells[edge.target]
            at.setdefault(edge.source, []).append((other.x, index))
        else:
            other = chain[-1] if chain else ranks.cells[edge.source]
            at.setdefault(edge.target, []).append((other.x, index))
    found = [0.0] * len(edges)
    for vertex, ends in at.items():
        cell = ranks.cells[vertex]
        together = out and boxes[vertex].decides
        step = 0.0 if together else min(18.0, max(cell.width - 24, 0.0) / len(ends))
        for place, (_, index) in enumerate(sorted(ends)):
            found[index] = round(cell.x + (place - (len(ends) - 1) / 2) * step, 1)
    return found
