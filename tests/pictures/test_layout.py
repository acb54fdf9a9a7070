"""The layout: nothing lies on anything else, everything leads down, nothing is left to chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures.looking import Area
from trioflow.pictures import _ranks
from trioflow.pictures._layout import GAP, Drawing, draw
from trioflow.pictures._ranks import WIDEST, Box, Edge

SMALL = Box(100.0, 40.0)


def _area(point: tuple[float, float], width: float, height: float) -> Area:
    x, y = point
    # What touches does not overlap; coordinates are rounded to a tenth.
    return Area(
        x - width / 2 + 0.1, y - height / 2 + 0.1, x + width / 2 - 0.1, y + height / 2 - 0.1
    )


def _areas(drawing: Drawing, boxes: Sequence[Box], edges: Sequence[Edge]) -> list[Area]:
    found = [
        _area(point, box.width, box.height) for point, box in zip(drawing.boxes, boxes, strict=True)
    ]
    found += [
        _area(point, *edge.label)
        for point, edge in zip(drawing.labels, edges, strict=True)
        if point is not None and edge.label is not None
    ]
    return found


@st.composite
def graphs(draw_: st.DrawFn, most: int = 14) -> tuple[list[Box], list[Edge]]:
    size = draw_(st.integers(1, most))
    boxes = [
        Box(draw_(st.sampled_from([60.0, 116.0, 252.0])), draw_(st.sampled_from([40.0, 82.0])))
        for _ in range(size)
    ]
    # The order of the vertices says nothing about who comes first.
    order = draw_(st.permutations(range(size)))
    pairs = draw_(st.lists(st.sampled_from(list(combinations(order, 2)) or [None]), max_size=30))
    labels = st.sampled_from([None, (80.0, 18.0), (160.0, 18.0)])
    edges = [Edge(*pair, draw_(labels)) for pair in pairs if pair is not None]
    return boxes, edges


@settings(max_examples=40)
@given(graphs())
def test_nothing_overlaps(graph: tuple[list[Box], list[Edge]]) -> None:
    boxes, edges = graph
    drawing = draw(boxes, edges)
    areas = _areas(drawing, boxes, edges)

    assert not [pair for pair in combinations(areas, 2) if pair[0].overlaps(pair[1])]
    for area in areas:
        assert 0 <= area.left
        assert area.right <= drawing.width + 0.2
        assert 0 <= area.top
        assert area.bottom <= drawing.height + 0.2


@settings(max_examples=40)
@given(graphs())
def test_every_edge_leads_down_from_its_source_to_its_target(
    graph: tuple[list[Box], list[Edge]],
) -> None:
    boxes, edges = graph
    drawing = draw(boxes, edges)

    for edge, way in zip(edges, drawing.ways, strict=True):
        heights = [y for _, y in way]
        assert sorted(heights) == heights
        (left, top), (right, bottom) = way[0], way[-1]
        source, target = drawing.boxes[edge.source], drawing.boxes[edge.target]
        assert source[1] + boxes[edge.source].height / 2 == pytest.approx(top)
        assert target[1] - boxes[edge.target].height / 2 == pytest.approx(bottom)
        assert abs(left - source[0]) <= boxes[edge.source].width / 2
        assert abs(right - target[0]) <= boxes[edge.target].width / 2


@settings(max_examples=40)
@given(graphs())
def test_edges_turn_only_between_rows_and_pass_boxes_at_their_side(
    graph: tuple[list[Box], list[Edge]],
) -> None:
    boxes, edges = graph
    drawing = draw(boxes, edges)
    areas = [
        _area(point, box.width, box.height) for point, box in zip(drawing.boxes, boxes, strict=True)
    ]

    for way in drawing.ways:
        for index, (start, end) in enumerate(pairwise(way)):
            if index % 2 == 0:
                assert start[0] == end[0]
            # A turn stays between its ends, so it is inside of no box if their rows are not.
            strip = Area(
                min(start[0], end[0]), start[1] + 0.2, max(start[0], end[0]) + 0.01, end[1] - 0.2
            )
            if strip.bottom > strip.top:
                assert not [area for area in areas if strip.overlaps(area)]


@settings(max_examples=40)
@given(graphs())
def test_the_same_graph_has_the_same_drawing(graph: tuple[list[Box], list[Edge]]) -> None:
    assert draw(*graph) == draw(*graph)


def test_nothing_has_an_empty_drawing() -> None:
    assert Drawing(0.0, 0.0, [], [], []) == draw([], [])


def test_a_chain_is_one_straight_line() -> None:
    drawing = draw([SMALL] * 4, [Edge(0, 1), Edge(1, 2), Edge(2, 3)])

    assert {50.0} == {x for way in drawing.ways for x, _ in way}
    assert [20.0, 94.0, 168.0, 242.0] == [y for _, y in drawing.boxes]


def test_a_diamond_is_symmetric() -> None:
    drawing = draw([SMALL] * 4, [Edge(0, 1), Edge(0, 2), Edge(1, 3), Edge(2, 3)])
    (top, left, right, bottom) = drawing.boxes

    assert top[0] == bottom[0] == pytest.approx((left[0] + right[0]) / 2)
    assert right[0] - left[0] == SMALL.width + GAP
    assert left[1] == right[1]


def test_crossings_are_avoided() -> None:
    """Each of the upper three leads to that on the other side; so these change their places."""
    drawing = draw([SMALL] * 6, [Edge(0, 5), Edge(1, 4), Edge(2, 3)])

    assert [drawing.boxes[i][0] for i in (0, 1, 2)] == [drawing.boxes[i][0] for i in (5, 4, 3)]


def test_edges_leave_and_arrive_in_the_order_of_where_they_go() -> None:
    edges = [Edge(0, 3), Edge(0, 2), Edge(0, 1), Edge(3, 4), Edge(1, 4), Edge(2, 4)]
    drawing = draw([SMALL] * 5, edges)
    places = {i: drawing.boxes[i][0] for i in (1, 2, 3)}
    leaving = sorted((drawing.ways[i][0][0], places[edges[i].target]) for i in (0, 1, 2))
    arriving = sorted((drawing.ways[i][-1][0], places[edges[i].source]) for i in (3, 4, 5))

    assert sorted(places.values()) == [place for _, place in leaving]
    assert sorted(places.values()) == [place for _, place in arriving]


def test_what_decides_is_left_at_one_point() -> None:
    apart = draw([SMALL] * 3, [Edge(0, 1), Edge(0, 2)])
    together = draw([Box(100.0, 40.0, decides=True), SMALL, SMALL], [Edge(0, 1), Edge(0, 2)])

    assert 2 == len({way[0] for way in apart.ways})
    assert {together.boxes[0][0]} == {way[0][0] for way in together.ways}


def test_a_wide_level_is_broken_into_rows() -> None:
    drawing = draw(
        [SMALL] * 42, [Edge(0, i) for i in range(1, 41)] + [Edge(i, 41) for i in range(1, 41)]
    )
    rows: dict[float, int] = {}
    for _, y in drawing.boxes:
        rows[y] = rows.get(y, 0) + 1

    assert [1, WIDEST, WIDEST, WIDEST, 4, 1] == [rows[y] for y in sorted(rows)]


def test_a_vertex_stands_close_to_what_it_leads_to() -> None:
    """Vertex 3 leads to the end of a long chain, and has no reason to be at its beginning."""
    drawing = draw([SMALL] * 5, [Edge(0, 1), Edge(1, 2), Edge(2, 4), Edge(3, 4)])

    assert drawing.boxes[2][1] == drawing.boxes[3][1]


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="the graph has a cycle"):
        draw([SMALL] * 2, [Edge(0, 1), Edge(1, 0)])


@settings(max_examples=40)
@given(graphs())
def test_trunks_overlap_no_boxes_either(graph: tuple[list[Box], list[Edge]]) -> None:
    """In a large graph edges share their bends, or are straight; boxes and labels stay apart."""
    boxes, edges = graph
    many, most = _ranks._MANY_BENDS, _ranks._MOST_BENDS
    try:
        _ranks._MANY_BENDS, _ranks._MOST_BENDS = 0, 5
        drawing = draw(boxes, edges)
    finally:
        _ranks._MANY_BENDS, _ranks._MOST_BENDS = many, most
    areas = _areas(drawing, boxes, edges)

    assert not [pair for pair in combinations(areas, 2) if pair[0].overlaps(pair[1])]
    for way in drawing.ways:
        assert sorted(y for _, y in way) == [y for _, y in way]


def test_edges_of_a_large_fan_share_a_trunk() -> None:
    size = 600
    edges = [Edge(0, i) for i in range(1, size)]
    drawing = draw([SMALL] * size, edges)
    passing = {way[2] for way in drawing.ways if len(way) > 4}

    # Of the hundreds that pass the first row, all do so at one place.
    assert 1 == len(passing)
    assert drawing.width < 60 * (SMALL.width + GAP)
