"""Timelines: what is folded from a history, the axis, and the two ways to draw them."""

from __future__ import annotations

from html import unescape
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio

import trioflow
from tests.pictures.conftest import Played
from tests.pictures.looking import SVG, groups, read, steps
from trioflow import ActionCall, ForEach, Retry, Step, Workflow
from trioflow.events import AttemptCrashed, Event, StepPaused, StepRetried, StoppingStarted
from trioflow.pictures import timeline_svg, timeline_text
from trioflow.pictures._scale import Scale, moment
from trioflow.timelines import Gap, Timeline

DAY = 86_400.0


def _work(id_: str, **more: Any) -> Step:
    parameters = {key: more.pop(key) for key in ("seconds", "fails") if key in more}
    return Step(id_, "work", parameters=parameters, **more)


TRIES = Workflow(
    "tries",
    [
        _work("first", compensate=ActionCall("work", {"seconds": 2})),
        _work("second", fails=2, retry=Retry(max_attempts=3, initial_delay=2, jitter="none")),
        _work("third", fails=1),
    ],
)
LONG = Workflow(
    "long",
    [
        _work("first"),
        Step("nap", type="sleep", duration="7d"),
        Step("bell", type="wait", total_timeout="30d"),
        _work("last"),
    ],
)


async def _ring_later(execution: trioflow.Execution) -> None:
    await trio.sleep(27 * DAY + 1)
    await execution.signal("bell")
    await execution.result()


def _timeline(workflow: Workflow, events: Any) -> Timeline:
    timeline = Timeline(workflow.plan)
    timeline.apply(events)
    return timeline


# ---- what is folded ----


async def test_spells_of_waiting_sleeping_and_children(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    child = Workflow("child", [_work("inside", seconds=5)])
    workflow = Workflow(
        "spells",
        [
            Step("nap", type="sleep", duration=10),
            Step("kid", type="workflow", workflow="child"),
            Step("bell", type="wait"),
        ],
    )

    async def ring(execution: trioflow.Execution) -> None:
        await execution.wait_paused()
        await trio.sleep(3)
        await execution.signal("bell")
        await execution.result()

    snapshot = await played(workflow, ring, children=(child,))
    rows = _timeline(workflow, snapshot.events).rows

    assert [("asleep", "", 0.0, 10.0)] == _spells(rows["nap"])
    assert [("child", "one:kid", 10.0, 15.0)] == _spells(rows["kid"])
    assert [("waiting", "signal 'bell'", 15.0, 18.0)] == _spells(rows["bell"])


async def test_waiting_for_an_input_ends_when_the_step_starts(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    async def bring(execution: trioflow.Execution) -> None:
        await execution.wait_paused()
        await trio.sleep(5)
        await execution.resume({"seconds": 2})
        await execution.result()

    workflow = Workflow("ask", [_work("slow", seconds="${input.seconds}")])
    snapshot = await played(workflow, bring)
    row = _timeline(workflow, snapshot.events).rows["slow"]

    assert [("waiting", "input.seconds", 0.0, 5.0)] == _spells(row)


def _spells(row: Any) -> list[tuple[str, str, float, float | None]]:
    return [(each.kind, each.what, each.began_at, each.ended_at) for each in row.spells]


async def test_a_gap_while_no_engine_has_it(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow("gap", [_work("slow", seconds=10)])
    snapshot = await played(workflow, leave_after=4, away=30)
    timeline = _timeline(workflow, snapshot.events)

    assert [Gap(4.0, 34.0, "interrupted")] == timeline.gaps
    assert ["interrupted", "completed"] == [each.outcome for each in timeline.rows["slow"].attempts]


def crashed(events: tuple[Event, ...]) -> list[Event]:
    """Make an interruption a crash: nobody recorded it when it happened."""
    (index,) = (i for i, event in enumerate(events) if event.type == "AttemptInterrupted")
    old = events[index]
    new = AttemptCrashed(old.seq, events[index + 1].at, step="slow", attempt=1)
    return [*events[:index], new, *events[index + 1 :]]


async def test_a_crash_is_noticed_later_than_it_happens(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow("gap", [_work("slow", seconds=10)])
    snapshot = await played(workflow, leave_after=4, away=30)
    timeline = _timeline(workflow, crashed(snapshot.events))
    (lost, _) = timeline.rows["slow"].attempts

    assert [Gap(0.0, 34.0, "crashed")] == timeline.gaps
    assert "crashed" == lost.outcome
    assert 0.0 == timeline.end_of(lost, 100.0)


# ---- the axis ----


async def _long(played: Played) -> Any:
    return await played(LONG, _ring_later)


async def test_waiting_is_cut_out_of_the_axis(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    snapshot = await _long(played)
    timeline = _timeline(LONG, snapshot.events)
    scale = Scale(timeline, timeline.last_instant(), 760.0, broken=64.0, least=40.0)

    assert [False, True, False] == [piece.is_broken for piece in scale.pieces]
    assert [0.0, 348.0, 412.0] == [piece.left for piece in scale.pieces]
    assert 760.0 == pytest.approx(scale.pieces[-1].right)
    assert 174.0 == pytest.approx(scale.x(0.5))
    assert ["0", "0.5 s", "27 d 1 s", "+0.5 s"] == [tick.label for tick in scale.ticks(120.0)]
    # Out of it on both sides.
    assert 0.0 == scale.x(-5)
    assert 760.0 == pytest.approx(scale.x(1e9))


async def test_what_can_be_seen_is_not_cut_out(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    snapshot = await played(TRIES)
    timeline = _timeline(TRIES, snapshot.events)
    scale = Scale(timeline, timeline.last_instant(), 700.0, broken=64.0, least=40.0)

    assert 1 == len(scale.pieces)
    assert ["0", "2 s", "4 s", "6 s", "8 s", "10 s", "12 s"] == [t.label for t in scale.ticks(84.0)]


async def test_what_a_child_does_is_not_left_out(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    child = Workflow("child", [_work("inside", seconds=5)])
    steps = [
        _work("first"),
        Step("nap", type="sleep", duration="7d"),
        Step("kid", type="workflow", workflow="child"),
    ]
    workflow = Workflow("family", steps)
    snapshot = await played(workflow, children=(child,))
    timeline = _timeline(workflow, snapshot.events)
    pieces = Scale(timeline, timeline.last_instant(), 760.0, broken=64.0, least=40.0).pieces

    assert [(0.0, 1.0), (1.0, 1.0 + 7 * DAY), (1.0 + 7 * DAY, 6.0 + 7 * DAY)] == [
        (piece.start, piece.end) for piece in pieces
    ]


async def test_gaps_need_their_room(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    """In a narrow picture nothing is left out: what is left would have no room, either."""
    timeline = _timeline(LONG, (await _long(played)).events)
    scale = Scale(timeline, timeline.last_instant(), 12.0, broken=7.0, least=4.0)

    assert [False] == [piece.is_broken for piece in scale.pieces]


def test_instants_stay_in_order() -> None:
    timeline = Timeline(LONG.plan)
    scale = Scale(timeline, 0.0, 100.0, broken=7.0, least=4.0)

    assert 0.0 == scale.x(0.0) == scale.x(5.0)
    assert ["0"] == [tick.label for tick in scale.ticks(10.0)]


@pytest.mark.parametrize(
    ("seconds", "step", "words"),
    (
        (0.0025, 0.0005, "2.5 ms"),
        (0.25, 0.05, "250 ms"),
        (0.5, 0.1, "0.5 s"),
        (30.0, 10.0, "30 s"),
        (90.0, 30.0, "1 min 30 s"),
        (7200.0, 3600.0, "2 h"),
        (2 * DAY + 21_600, 21_600.0, "2 d 6 h"),
        (7 * DAY + 61, 1.0, "7 d 1 min"),
    ),
    ids=str,
)
def test_moments(seconds: float, step: float, words: str) -> None:
    assert words == moment(seconds, step)


@pytest.mark.parametrize("length", (1e-4, 2.0, 45.0, 3600.0, 30 * DAY, 900 * DAY), ids=str)
def test_ticks_keep_their_distance_and_are_round(length: float) -> None:
    scale = Scale(Timeline(LONG.plan), length, 760.0, broken=64.0, least=40.0)
    ticks = list(scale.ticks(84.0))
    places = [tick.x for tick in ticks]

    assert 2 <= len(ticks) <= 10
    assert min(b - a for a, b in pairwise(places)) >= 83
    assert len({tick.label for tick in ticks}) == len(ticks)


# ---- drawn ----


async def test_attempts_are_bars_with_signs(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    svg = timeline_svg(TRIES, (await played(TRIES)).events, title="Three <tries>")
    attempts = [
        (group.name, sorted(group.classes - {"attempt"}), group.title.split(":")[0])
        for group in groups(svg, "data-attempt")
    ]

    assert ["first", "second", "third"] == list(steps(svg))
    assert [
        ("step 1", ["completed"], "attempt 1 completed after 1.0 s"),
        ("compensate 1", ["cancelled"], "undo, attempt 1 completed after 2.0 s"),
        ("step 1", ["failed"], "attempt 1 failed after 1.0 s"),
        ("step 2", ["failed"], "attempt 2 failed after 1.0 s"),
        ("step 3", ["completed"], "attempt 3 completed after 1.0 s"),
        ("step 1", ["failed"], "attempt 1 failed after 1.0 s"),
    ] == attempts
    assert "Three <tries>" == read(svg).findtext(f"{SVG}title")
    assert any("no <answer> (bank.down)" in group.title for group in groups(svg, "data-attempt"))


async def test_bars_are_where_their_times_are(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    svg = timeline_svg(TRIES, (await played(TRIES)).events)
    bars = [group.areas("bar")[0] for group in groups(svg, "data-attempt")]
    first, undo, *tries, last = bars
    second = first.right - first.left

    assert [second] * 5 == [
        pytest.approx(bar.right - bar.left, abs=0.2) for bar in [*tries, last, first]
    ]
    assert pytest.approx(2 * second, abs=0.2) == undo.right - undo.left
    assert first.right == pytest.approx(tries[0].left)
    assert tries[0].right + 2 * second == pytest.approx(tries[1].left, abs=0.2)
    # Within the picture, and each row below the one before.
    assert first.bottom <= tries[0].top
    assert tries[0].bottom <= last.top
    assert undo.right <= float(read(svg).get("width", "0"))


async def test_items_that_overlap_have_lanes(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    workflow = Workflow(
        "items",
        [
            Step("each", "work", parameters={"seconds": "${item}"}, for_each=ForEach([1, 1, 2])),
            _work("after"),
        ],
    )
    svg = timeline_svg(workflow, (await played(workflow)).events)
    one, two, three, after = (group.areas("bar")[0] for group in groups(svg, "data-attempt"))

    assert one.left == two.left == three.left
    assert one.bottom <= two.top < two.bottom <= three.top < three.bottom <= after.top


async def test_gaps_are_bands(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    workflow = Workflow("gap", [_work("slow", seconds=10)])
    snapshot = await played(workflow, leave_after=4, away=30)
    (band,) = groups(timeline_svg(workflow, snapshot.events), "data-gap")
    (crash,) = groups(timeline_svg(workflow, crashed(snapshot.events)), "data-gap")

    assert "interrupted: no engine for 30.0 s" == band.title
    assert ["interrupted"] == band.words()
    assert "crashed" == crash.name


async def test_what_has_not_ended_goes_on_until_now(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    async def leave(execution: trioflow.Execution) -> None:
        await execution.wait_paused()

    workflow = Workflow("wait", [_work("first"), Step("bell", type="wait")])
    events = (await played(workflow, leave)).events
    (until_then,) = groups(timeline_svg(workflow, events), "data-spell")
    (until_now,) = groups(timeline_svg(workflow, events, now=5.0), "data-spell")

    assert "waits for signal 'bell', 0 ms" == until_then.title
    assert "waits for signal 'bell', 4.0 s" == until_now.title
    (bar,) = until_now.areas("bar")
    # Four of five seconds.
    assert 608.0 == pytest.approx(bar.right - bar.left)


def test_nothing_is_drawn_of_nothing() -> None:
    assert ["first", "nap", "bell", "last"] == list(steps(timeline_svg(LONG, [])))


# ---- what is waited for, and what of it has come ----

ASKED = Retry(max_attempts=1, on_exhausted="pause")
BOTH = [Step(name, type="wait", sequence_order=1) for name in ("bell", "door")]
CHILD = Workflow("child", BOTH)
WAITING = Workflow(
    "waiting",
    [
        Step("call", type="wait", sequence_order=1),
        Step("given", "give", parameters={"value": "${input.a} ${input.b}"}, sequence_order=1),
        _work("asked", fails=1, retry=ASKED, sequence_order=1),
        _work("items", fails=1, retry=ASKED, for_each=ForEach([1, 2]), sequence_order=1),
        Step("kid", type="workflow", workflow="child", sequence_order=1),
        Step("kid2", type="workflow", workflow="child", sequence_order=1),
        Step("kids", type="workflow", workflow="child", for_each=ForEach([1]), sequence_order=1),
    ],
)
# For each step the requests that bring all that it waits for: to which execution, and what.
BROUGHT: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "call": (("one", {"signal": "call"}),),
    "given": (("one", {"input": {"a": 1}}), ("one", {"input": {"b": 1}})),
    "asked": (("one", {"decisions": {"asked": "retry"}}),),
    "items": tuple(("one", {"decisions": {f"items[{at}]": "retry"}}) for at in (0, 1)),
    "kid": (("one:kid", {"signal": "bell"}), ("one:kid", {"signal": "door"})),
    "kids": (("one:kids:0", {"signal": "bell"}), ("one:kids:0", {"signal": "door"})),
}


async def _until_all_wait(execution: trioflow.Execution) -> None:
    await execution.wait_paused()


def _asking(requests: Any) -> Any:
    async def ask(requester: Any) -> None:
        for execution, what in requests:
            if "signal" in what:
                await requester(execution).signal(what["signal"])
            else:
                await requester(execution).resume(**what)

    return ask


async def _waiting(played: Played, *requests: Any) -> Any:
    return await played(WAITING, _until_all_wait, children=(CHILD,), ask=_asking(requests))


@pytest.mark.parametrize("step", BROUGHT, ids=str)
async def test_a_step_waits_until_all_of_it_has_come(
    step: str, played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    """And no other step waits less for that."""
    requests = BROUGHT[step]
    almost = Timeline.of(await _waiting(played, *requests[:-1]))
    found = Timeline.of(await _waiting(played, *requests))

    assert {"PAUSED"} == {row.status for row in found.rows.values()}
    assert [] == [row.id for row in almost.rows.values() if row.has_come]
    assert [step] == [row.id for row in found.rows.values() if row.has_come]
    row = found.rows[step]
    assert f"waits for {row.waits}" == almost.rows[step].waiting
    assert f"waited for {row.waits}; it has come" == row.waiting


async def test_a_picture_says_what_has_come(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    """Of the row, of its bar and in it, if it is told what is still waited for."""
    snapshot = await _waiting(played, *BROUGHT["call"])
    told = unescape(timeline_svg(WAITING, snapshot.events, waiting_for=snapshot.waiting_for))
    untold = timeline_svg(WAITING, snapshot.events)

    assert 3 == told.count("waited for signal 'call'; it has come")
    assert "waits for signal 'call'" not in told
    assert "waits for a decision" in told
    assert "it has come" not in untold


async def test_what_is_over_was_waited_for(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    """The bar of an earlier wait keeps its words, whatever the step waits for now."""
    twice = Workflow("twice", [_work("asked", fails=2, retry=ASKED)])

    async def act(execution: trioflow.Execution) -> None:
        await execution.wait_paused()
        await execution.resume(decisions={"asked": "retry"})
        await execution.wait_paused()

    requests = _asking([("one", {"decisions": {"asked": "retry"}})])
    snapshot = await played(twice, act, ask=requests)
    spells = groups(
        timeline_svg(twice, snapshot.events, waiting_for=snapshot.waiting_for), "data-spell"
    )

    assert ["waits for a decision, 0 ms", "waited for a decision; it has come, 0 ms"] == [
        each.title for each in spells
    ]


async def test_nothing_has_come_while_all_is_stopped(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    """A step is PAUSED with its child until that has ended, but nobody is to bring anything."""
    workflow = Workflow("family", [Step("kid", type="workflow", workflow="child")])

    async def ask(requester: Any) -> None:
        await requester("one").cancel()

    async def act(execution: trioflow.Execution) -> None:
        await execution.wait_paused()

    snapshot = await played(workflow, act, children=(CHILD,), ask=ask)
    stopping = StoppingStarted(snapshot.events[-1].seq + 1, snapshot.events[-1].at, "cancel")
    found = Timeline.of(attrs.evolve(snapshot, events=(*snapshot.events, stopping), waiting_for=()))

    assert ("PAUSED", False) == (found.rows["kid"].status, found.rows["kid"].has_come)


async def test_who_waits_again_has_got_nothing_yet(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    snapshot = await _waiting(played, *BROUGHT["asked"])
    found = Timeline.of(snapshot)
    last = snapshot.events[-1]
    found.apply([StepRetried(last.seq + 1, last.at, "asked")])
    found.apply([StepPaused(last.seq + 2, last.at, "asked", "decision")])

    assert "waits for a decision" == found.rows["asked"].waiting


async def test_a_connection_waits_for_itself(
    played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    """What it lacks, no step waits for."""
    document = Workflow(
        "after",
        [Step("bell", type="wait"), _work("a"), _work("b")],
        [trioflow.Connection("a", "b", condition="input.x > 1")],
    )
    requests = _asking([("one", {"signal": "bell"})])
    snapshot = await played(document, _until_all_wait, ask=requests)

    assert ["a->b"] == [entry.connection for entry in snapshot.waiting_for]
    assert Timeline.of(snapshot).rows["bell"].has_come


# ---- in text ----

TRIES_TEXT = """\
        |0                        |5 s                      |10 s
first   ██████                                                   ◀◀◀◀◀◀◀◀◀◀◀         1.0 s COMPLETED
second       █████✗·········██████✗····················██████                        9.0 s COMPLETED
third                                                       █████✗                   1.0 s FAILED

█ attempt   ✗ failed   ◀ undo   · between attempts"""

LONG_TEXT = """\
       |0           |0.5 s        27d   |27 d 1 s    |+0.5 s
first  ###########################     :                                   1.0 s COMPLETED
nap                              --    :                                 7 d 0 h COMPLETED
bell                             :~~~~~~~                               20 d 0 h COMPLETED
last                             :     :##########################         1.0 s COMPLETED

# attempt   ~ waits for somebody   - asleep   : left out"""


async def test_as_text(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    assert TRIES_TEXT == timeline_text(TRIES, (await played(TRIES)).events, width=100)


async def test_as_ascii(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    text = timeline_text(LONG, (await _long(played)).events, width=90, ascii_only=True)

    assert LONG_TEXT == text
    assert text.isascii()


async def test_gaps_in_text(played: Played, autojump_clock: trio.testing.MockClock) -> None:
    workflow = Workflow("gap", [_work("slow", seconds=10)])
    snapshot = await played(workflow, leave_after=10 / 3, away=10)
    interrupted = timeline_text(workflow, snapshot.events, width=80).split("\n")
    lost = timeline_text(workflow, crashed(snapshot.events), width=80).split("\n")

    assert "▓" * 20 in interrupted[2]
    assert "no engine" in interrupted[-1]
    assert "✗" == lost[1].split()[1][0]


@pytest.mark.parametrize("width", (10, 60, 80, 200), ids=str)
async def test_no_line_is_too_wide(
    width: int, played: Played, autojump_clock: trio.testing.MockClock
) -> None:
    name = "a_step_whose_name_is_longer_than_its_room"
    steps = [attrs.evolve(step, id=name) if step.id == "nap" else step for step in LONG.steps]
    workflow = Workflow("wide", steps)
    snapshot = await played(workflow, _ring_later)
    lines = timeline_text(workflow, snapshot.events, width=width).split("\n")

    assert max(map(len, lines)) <= max(width, 80)
    assert any("…" in line for line in lines)
