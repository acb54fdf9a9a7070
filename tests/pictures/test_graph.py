"""`graph_svg`: everything is there once, in its place, and nothing in a document is markup."""

from __future__ import annotations

import re
import time
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures.looking import SVG, Area, connections, ends, groups, read, steps
from trioflow import ActionCall, Connection, ForEach, Retry, Step, Workflow
from trioflow.pictures import graph_svg
from trioflow.pictures._style import ALIASES, COLOURS, GLYPHS
from trioflow.pictures._words import width

HOSTILE = "</title><script>alert('\"&\x00\x1b\ud800\u202e\n')</script> Größe 漢字"


def _log(id_: str, **more: Any) -> Step:
    return Step(id_, "log", parameters={"message": "x"}, **more)


ORDER = Workflow(
    "order",
    [
        _log("reserve", name="Take the goods", compensate=ActionCall("log", {"message": "back"})),
        _log("charge", retry=Retry(max_attempts=4)),
        Step("approval", type="wait"),
        _log("ship"),
        _log("release", continue_on_error=True),
    ],
    [
        Connection("reserve", "charge"),
        Connection("charge", "approval", condition="input.total > 500"),
        Connection("charge", "ship", default=True),
        Connection("approval", "ship"),
        Connection("charge", "release", on="failure"),
        Connection("ship", "release", on="always", id="tidy"),
    ],
    name="An order",
)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    size = draw(st.integers(1, 9))
    ids = [f"step_{'x' * draw(st.integers(0, 60))}_{i}" for i in range(size)]
    texts = st.none() | st.text(max_size=60)
    made = [
        _log(
            id_,
            name=draw(texts),
            condition=draw(st.sampled_from([None, "input.x > 1"])),
            continue_on_error=draw(st.booleans()),
            for_each=draw(st.sampled_from([None, ForEach([1, 2])])),
            retry=draw(st.sampled_from([None, Retry(max_attempts=9)])),
        )
        for id_ in ids
    ]
    pairs = list(combinations(ids, 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else []
    condition = st.sampled_from(
        [None, "input.x > 1", "input.a == '<b>' and " + "input.y " * 1 + "> 2"]
    )
    on = st.sampled_from(["success", "failure", "always"])
    return Workflow(
        f"w{draw(st.text(max_size=10))}w",
        made,
        [
            Connection(a, b, draw(condition), draw(on), id=f"{i}<&\"'>{a}")  # type: ignore[arg-type]
            for i, (a, b) in enumerate(chosen)
        ],
    )


@settings(max_examples=20)
@given(workflows(), st.data())
def test_every_step_and_connection_is_there_once(workflow: Workflow, data: st.DataObject) -> None:
    names = [*GLYPHS, "", "completed mine", "</style>"]
    classes = {step.id: data.draw(st.sampled_from(names)) for step in workflow.steps}
    lines = {str(each.id): data.draw(st.sampled_from(names)) for each in workflow.connections}
    svg = graph_svg(workflow, steps=classes, connections=lines, title=workflow.id)

    assert {step.id for step in workflow.steps} == set(steps(svg))
    assert {each.id for each in workflow.connections} == set(connections(svg))
    for id_, group in steps(svg).items():
        assert set(classes[id_].split()) <= group.classes
    assert svg == graph_svg(workflow, steps=classes, connections=lines, title=workflow.id)


@settings(max_examples=20)
@given(workflows())
def test_boxes_do_not_overlap_and_what_is_written_stays_inside(workflow: Workflow) -> None:
    found = steps(graph_svg(workflow))
    boxes = {id_: group.areas("box")[-1] for id_, group in found.items()}

    assert not [pair for pair in combinations(boxes.values(), 2) if pair[0].overlaps(pair[1])]
    for id_, group in found.items():
        box = boxes[id_]
        for text in group.texts():
            x, y, size = (float(text.get(key, "0")) for key in ("x", "y", "font-size"))
            wide = width(text.text or "", size, mono="mono" in (text.get("class") or ""))
            left = x - wide / 2 if text.get("text-anchor") == "middle" else x
            assert box.contains(left, y - size)
            assert box.contains(left + wide, y)
        for badge in group.areas("badge"):
            assert box.contains(badge.left, badge.top)
            assert box.contains(badge.right, badge.bottom)


@settings(max_examples=20)
@given(workflows())
def test_connections_lead_from_the_foot_of_one_box_to_the_head_of_another(
    workflow: Workflow,
) -> None:
    svg = graph_svg(workflow)
    boxes = {id_: group.areas("box")[-1] for id_, group in steps(svg).items()}
    for connection in workflow.connections:
        path = connections(svg)[str(connection.id)].path("line")
        assert path is not None
        (left, top), (right, bottom) = ends(path)
        source, target = boxes[connection.source], boxes[connection.target]

        assert source.contains(left, top)
        assert source.bottom == pytest.approx(top, abs=0.11)
        assert target.contains(right, bottom)
        assert target.top == pytest.approx(bottom, abs=0.11)


def test_what_stands_in_a_box() -> None:
    found = steps(graph_svg(ORDER))

    assert ["reserve", "Take the goods", "log", "undo"] == found["reserve"].words()
    assert ["charge", "log", "4 tries"] == found["charge"].words()
    assert ["approval", "waits for approval"] == found["approval"].words()
    assert ["ship", "log", "join any"] == found["ship"].words()
    assert ["release", "log", "join any", "may fail"] == found["release"].words()


def test_marks_of_all_kinds() -> None:
    workflow = Workflow(
        "marks",
        [
            Step("begin", type="trigger"),
            Step("child", type="workflow", workflow="other", depends_on=["begin"]),
            Step(
                "nap", type="sleep", duration="90s", condition="input.x > 1", depends_on=["begin"]
            ),
            Step("late", type="sleep", until="2030-01-01T00:00:00Z", depends_on=["begin"]),
            _log(
                "each", for_each=ForEach("${input.list}"), depends_on=["nap", "late"], join="first"
            ),
            _log("spare", fallback=ActionCall("set", {}), depends_on=["begin"]),
        ],
    )
    found = steps(graph_svg(workflow))

    assert ["begin", "trigger"] == found["begin"].words()
    assert ["child", "workflow other"] == found["child"].words()
    assert ["nap", "sleeps 1 min 30 s", "if"] == found["nap"].words()
    assert ["late", "sleeps until 2030-01-01T00:00:00Z"] == found["late"].words()
    assert ["each", "log", "join first", "each"] == found["each"].words()
    assert ["spare", "log", "fallback"] == found["spare"].words()
    assert "only if input.x > 1" in found["nap"].title
    assert "for each of ${input.list}" in found["each"].title
    assert "fallback: set" in found["spare"].title
    # A second box behind, the bars of a subroutine, and the diamond of a decision.
    assert 2 == len(found["each"].areas("box"))
    assert found["child"].path("line") is not None
    assert found["begin"].path("box") is None
    assert steps(graph_svg(ORDER))["charge"].path("box") is not None


def test_labels_kinds_and_titles_of_connections() -> None:
    found = connections(graph_svg(ORDER))

    assert [] == found["reserve->charge"].words()
    assert ["input.total > 500"] == found["charge->approval"].words()
    assert ["default"] == found["charge->ship"].words()
    assert ["on failure"] == found["charge->release"].words()
    assert ["always"] == found["tidy"].words()
    assert "charge → approval; if input.total > 500" == found["charge->approval"].title
    assert {"connection", "failure"} == found["charge->release"].classes
    assert ".tf .failure .line{stroke-dasharray" in graph_svg(ORDER)


def test_a_long_condition_is_shortened_and_whole_in_its_title() -> None:
    condition = " and ".join(f"input.value_{i} > {i}" for i in range(9))
    workflow = Workflow("long", [_log("a"), _log("b")], [Connection("a", "b", condition)])
    group = connections(graph_svg(workflow))["a->b"]

    assert [condition[:29] + "…"] == group.words()
    assert f"a → b; if {condition}" == group.title


def test_each_status_has_a_sign_and_colours() -> None:
    for status in ("completed", "failed", "running", "paused", "skipped", "cancelled", "pending"):
        svg = graph_svg(ORDER, steps={"ship": status})
        group = steps(svg)["ship"]

        assert status in group.classes
        assert GLYPHS[status] == group.path("glyph")
        assert f"ship: {status}" == group.title.split("\n")[0]
        assert f".tf .{status}{{--fill:var(--tf-{status})" in svg
        assert [f"1 {status}"] == [
            text.text
            for each in read(svg).iter(f"{SVG}g")
            if "legend" in (each.get("class") or "")
            for text in each.iter(f"{SVG}text")
        ]
        assert steps(svg)["charge"].path("glyph") is None


def test_coverage_has_signs_on_connections_as_well() -> None:
    lines = {"reserve->charge": "uncovered", "charge->ship": "partly", "tidy": "covered"}
    found = connections(graph_svg(ORDER, connections=lines))

    assert GLYPHS["uncovered"] == found["reserve->charge"].path("glyph")
    assert GLYPHS["partly"] == found["charge->ship"].path("glyph")
    assert ["default"] == found["charge->ship"].words()
    # What is usual shows in the weight of its line, and in its head.
    assert found["tidy"].path("glyph") is None
    assert {"connection", "always", "covered"} == found["tidy"].classes


def test_a_long_legend_is_broken_into_lines() -> None:
    workflow = Workflow("all", [_log(f"s{i}") for i in range(7)])
    svg = graph_svg(workflow, steps={f"s{i}": name for i, name in enumerate(COLOURS)})
    wide = float(read(svg).get("width", "0"))
    places = [
        tuple(map(float, (each.get("transform") or "")[10:-1].split()))
        for each in read(svg).findall(f"{SVG}g")
        if each.find(f"{SVG}g[@class]") is not None
    ][1:]

    assert 7 == len(places)
    assert len({y for _, y in places}) > 1
    assert all(x < wide for x, _ in places)
    assert max(y for _, y in places) < float(read(svg).get("height", "0"))


def test_badges_that_have_no_room_are_in_the_title() -> None:
    step = _log(
        "all",
        condition="input.x > 1",
        for_each=ForEach([1]),
        retry=Retry(max_attempts=4),
        fallback=ActionCall("log", {"message": "x"}),
        compensate=ActionCall("log", {"message": "x"}),
        continue_on_error=True,
    )
    (group,) = steps(graph_svg(Workflow("full", [step]))).values()

    assert ["all", "log", "if", "each", "4 tries", "fallback", "undo"] == group.words()
    assert "continue_on_error" in group.title


def test_other_classes_are_kept_and_unknown_ids_ignored() -> None:
    svg = graph_svg(
        ORDER, steps={"ship": "mine failed", "nobody": "failed"}, connections={"no": "x"}
    )

    assert {"step", "action", "mine", "failed"} == steps(svg)["ship"].classes
    assert GLYPHS["failed"] == steps(svg)["ship"].path("glyph")
    assert ["reserve", "charge", "approval", "ship", "release"] == list(steps(svg))


def test_a_title_is_written_above_and_tells_who_cannot_see() -> None:
    with_title, without = graph_svg(ORDER, title="What <happens>"), graph_svg(ORDER)

    assert "What <happens>" == read(with_title).findtext(f"{SVG}title")
    assert "What <happens>" == read(with_title).findtext(f"{SVG}text")
    assert "An order" == read(without).findtext(f"{SVG}title")
    assert read(without).find(f"{SVG}text") is None
    assert "img" == read(without).get("role")


def test_nothing_in_a_document_is_markup() -> None:
    workflow = Workflow(
        HOSTILE.replace("\ud800", ""),
        [
            _log("a", name=HOSTILE.replace("\ud800", "")),
            Step("b", type="wait", signal="<b&\"'>"),
        ],
        [Connection("a", "b", "input.x == '\"</title><script>'", id="<&\"'>")],
    )
    svg = graph_svg(workflow, steps={"a": HOSTILE}, connections={"<&\"'>": HOSTILE}, title=HOSTILE)
    names = {element.tag.removeprefix(SVG) for element in read(svg).iter()}

    assert {"svg", "title", "style", "rect", "text", "g", "path"} == names
    assert {"<&\"'>"} == set(connections(svg))
    assert r"\x1b" in svg
    assert svg.isprintable() or "\n" in svg
    assert not [character for character in svg if not character.isprintable() and character != "\n"]
    for element in read(svg).iter():
        assert not [name for name in element.keys() if name.startswith("on") or "href" in name]  # noqa: SIM118


def test_it_needs_nothing_else() -> None:
    svg = graph_svg(ORDER, steps={"ship": "failed"})

    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?:[^\"' <>]*", svg)
    assert not re.search(r"@import|url\(|<script|<image|<use|href", svg)


def test_only_what_is_not_implied_makes_a_dotted_line() -> None:
    """`c` refers to `a`, which `b` waits for; `d` starts before all of its sources have ended."""
    workflow = Workflow(
        "waits",
        [
            _log("a"),
            _log("b"),
            Step("c", "log", parameters={"message": "${a.output}"}),
            Step("d", "log", parameters={"message": "${a.output}"}, join="first"),
        ],
        [Connection("a", "b"), Connection("b", "c"), Connection("b", "d")],
    )
    titles = [
        each.findtext(f"{SVG}title")
        for each in read(graph_svg(workflow)).iter(f"{SVG}g")
        if "waits" == each.get("class")
    ]

    assert ["d waits for a"] == titles


def test_levels_meet_in_a_junction() -> None:
    workflow = Workflow("levels", [_log(f"s{i}", sequence_order=i // 4) for i in range(8)])
    svg = graph_svg(workflow)
    lines = [each for each in read(svg).iter(f"{SVG}g") if "waits" == each.get("class")]

    assert 8 == len(lines)
    assert 1 == len(list(read(svg).iter(f"{SVG}circle")))


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", COLOURS, ids=str)
def test_contrast(name: str) -> None:
    """Text needs 4.5, shapes 3 (WCAG 2, AA); text here has what AAA wants, 7."""
    light, light_edge, dark, dark_edge = COLOURS[name]

    assert _contrast(light, "#1b1b1f") >= 7
    assert _contrast(dark, "#ececf0") >= 7
    # What is soft.
    assert _contrast(light, "#50505a") >= 4.5
    assert _contrast(dark, "#b4b4be") >= 4.5
    for paper, edge in (("#ffffff", light_edge), ("#141417", dark_edge)):
        assert _contrast(paper, edge) >= 3
    assert _contrast(light, light_edge) >= 3
    assert _contrast(dark, dark_edge) >= 3


def test_every_class_has_a_sign_and_colours() -> None:
    assert set(GLYPHS) == {*COLOURS, *ALIASES}
    assert set(ALIASES.values()) <= set(COLOURS)


def _large(size: int) -> Workflow:
    names = [f"step_{i}" for i in range(size)]
    pairs = {(i, min(i + 1 + i * 7919 % 13, size - 1)) for i in range(size - 1)}
    pairs |= {(i, min(i + 1 + i * 104729 % 29, size - 1)) for i in range(0, size - 1, 2)}
    return Workflow(
        "large",
        [_log(name) for name in names],
        [Connection(names[a], names[b]) for a, b in sorted(pairs)],
    )


@pytest.mark.slow
@pytest.mark.parametrize(("size", "seconds"), ((200, 1.0), (2000, 5.0)), ids=str)
def test_large_graphs_are_drawn_soon(size: int, seconds: float) -> None:
    workflow = _large(size)
    began = time.process_time()
    svg = graph_svg(workflow)
    took = time.process_time() - began

    assert size == len(groups(svg, "data-step"))
    assert took < seconds


def test_areas_of_the_tests_themselves() -> None:
    one = Area(0, 0, 10, 10)

    assert one.overlaps(Area(9, 9, 11, 11))
    assert not one.overlaps(Area(10, 0, 20, 10))
