"""Words, signs and the fold over events: what every page is made of."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import trioflow
from trioflow import events as e
from trioflow.cli import _words
from trioflow.cli._errors import explain, guarded
from trioflow.cli._output import LenientStream, Screen
from trioflow.cli._progress import LiveProgress, PlainProgress, visible
from trioflow.cli._text import bar, duration, inline, instant, plain, pretty
from trioflow.errors import ProtocolError
from trioflow.timelines import Row, Timeline


@pytest.mark.parametrize(
    ("seconds", "expected"),
    (
        (-1.0, "0 ms"),
        (0.0124, "12 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.10 s"),
        (0.62, "0.62 s"),
        (3.44, "3.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125.0, "2 min 05 s"),
        (12_000.0, "3 h 20 min"),
        (200_000.0, "2 d 7 h"),
    ),
    ids=str,
)
def test_durations(seconds: float, expected: str) -> None:
    assert expected == duration(seconds)


@pytest.mark.parametrize(
    ("items", "undone", "not_undone", "expected"),
    (
        (None, [], [], ""),
        (None, [None], [], "undone"),
        (None, [], [(None, "no")], "could not be undone: no"),
        (3, [2, 0, 1], [], "undone"),
        (3, [0], [], "item 0 undone"),
        (3, [2, 0], [(1, "no")], "items 0 and 2 undone; item 1 could not be undone: no"),
        (9, [5, 4, 3, 2, 1, 0], [], "6 items undone"),
        (9, [], [(3, "no"), (1, "never")], "items 1 and 3 could not be undone: never"),
    ),
    ids=str,
)
def test_what_was_undone(items: Any, undone: Any, not_undone: Any, expected: str) -> None:
    row = Row("x", "", "action", "", items=items, undone=undone, not_undone=not_undone)

    assert expected == row.undo


def test_instants() -> None:
    assert "1970" in instant(43_200.0)
    assert "1000000000000000000" == instant(1e18)


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("plain → text", "plain → text"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eturned\ud800", "\\u202eturned\\ud800"),
    ),
    ids=ascii,
)
def test_what_does_not_print(text: str, expected: str) -> None:
    assert expected == plain(text)


def test_json_stays_json() -> None:
    value = {"a\x1b": ["\u202e", "ä", 1.5, None], "b": {}}

    assert value == json.loads(pretty(value))
    assert "\u202e" not in pretty(value)
    assert '{"a": "ä…' == inline({"a": "äöü" * 99}, 9)


def test_bars() -> None:
    assert ("##", "--") == bar(0.5, 4, full="#", empty="-")
    assert ("####", "") == bar(1.0, 4, full="#", empty="-")


# ---- the fold ----

WORKFLOW = trioflow.load_workflow(
    {
        "id": "w",
        "connections": [],
        "steps": [
            {"id": "a", "action": "x", "retry": 3},
            {"id": "nap", "type": "sleep", "duration": 60},
            {"id": "bell", "type": "wait"},
        ],
    }
)
WHY = e.Failure("no.tea", "out of tea", step="a", attempt=1)


def fold(*events: Any) -> Timeline:
    timeline = Timeline(WORKFLOW.plan)
    timeline.apply(events)
    return timeline


def story(*more: Any) -> Iterator[Any]:
    """Begin a history, and number and date what follows."""
    yield e.ExecutionStarted(1, 100.0, "w1", "w", "", {}, {})
    for number, (kind, *fields) in enumerate(more, 2):
        yield kind(number, 99.0 + number, *fields)


def words(*more: Any, step: str = "a", now: float = 110.0) -> str:
    return _words.step_words(fold(*story(*more)).rows[step], now, 3)


def test_what_a_running_step_is_doing() -> None:
    began = (e.StepStarted, "a")
    first = (e.AttemptStarted, "a", 1)

    assert "" == words()
    assert "queued" == words(began)
    assert "attempt 1 of 3" == words(began, first)
    assert "attempt 1 of 3, does not stop" == words(
        began, first, (e.AttemptUnresponsive, "a", 1, 10.0)
    )
    assert "2 attempts" == words(began, first, (e.AttemptStarted, "a", 1, "step", 1))
    assert "item 4, attempt 1 of 3" == words(began, (e.AttemptStarted, "a", 1, "step", 4))
    failed = (e.AttemptFailed, "a", 1, WHY, 112.0)
    assert "attempt 2 in 2.0 s: out of tea (no.tea)" == words(began, first, failed)
    assert "queued after attempt 1: out of tea (no.tea)" == words(began, first, failed, now=113)
    assert "attempt 1 crashed" == words(began, first, (e.AttemptCrashed, "a", 1))
    assert words((e.StepStarted, "nap", None, 160.0), step="nap").startswith("asleep until ")


def test_how_steps_end() -> None:
    paused = (e.StepPaused, "a", "decision", (), True, WHY)

    assert "waits for a decision: out of tea (no.tea)" == words(paused)
    assert "waits for signal 'bell'" == words((e.StepPaused, "bell", "signal"), step="bell")
    assert "queued" == words((e.StepStarted, "a"), paused, (e.StepRetried, "a"))
    assert "by decision" == words(paused, (e.StepCompleted, "a", 1, None, "decision"))
    assert "late" == words((e.StepCompleted, "a", 1, 1, "attempt", True))
    assert "out of tea (no.tea)" == words((e.StepFailed, "a", WHY))
    assert "" == words((e.StepCancelled, "a"))


def test_items_children_and_undoing() -> None:
    began = (partial(e.StepStarted, step="a", items=3),)
    items = (
        began,
        (e.AttemptStarted, "a", 1, "step", 0),
        (e.ItemCompleted, "a", 0, "x", 1),
        (e.AttemptStarted, "a", 1, "step", 1),
        (e.AttemptFailed, "a", 1, WHY, None, "step", 1),
        (e.ItemFailed, "a", 1, WHY),
        (e.AttemptStarted, "a", 1, "step", 2),
        (e.ItemCancelled, "a", 2),
    )
    assert "2 of 3 items" == words(*items[:6])
    row = fold(*story(*items)).rows["a"]
    assert ["completed", "failed", "stopped"] == [attempt.outcome for attempt in row.attempts]
    assert "waits for decisions about its items" == words(began, (e.StepPaused, "a", "items"))

    child = ((e.StepStarted, "a"), (e.ChildStarted, "a", "w1:a"))
    assert "in its child w1:a" == words(*child)
    assert "waits for its child w1:a" == words(*child, (e.StepPaused, "a", "child"))
    assert "in its child w1:a" == words(*child, (e.StepPaused, "a", "child"), (e.StepResumed, "a"))

    done = (began, (e.StepCompleted, "a", None, None, "items"))
    undoing = (e.AttemptStarted, "a", 1, "compensate")
    assert "3 items, undone" == words(*done, undoing, (e.StepCompensated, "a", 1))
    assert "3 items, could not be undone: out of tea" == words(
        *done, undoing, (e.CompensationFailed, "a", WHY)
    )


def test_how_attempts_end() -> None:
    timeline = fold(
        *story(
            (e.StepStarted, "a"),
            (e.AttemptStarted, "a", 1),
            (e.AttemptCrashed, "a", 1),
            (e.AttemptStarted, "a", 1, "fallback"),
            (e.StepCancelled, "a"),
            (e.AttemptStarted, "a", 1, "compensate"),
            (e.AttemptInterrupted, "a", 1, "compensate"),
        )
    )

    assert [
        "attempt 1 crashed",
        "fallback, attempt 1 stopped after 1.0 s",
        "undo, attempt 1 interrupted after 1.0 s",
    ] == [_words.attempt_words(attempt) for attempt in timeline.rows["a"].attempts]


def test_what_happened_to_the_whole() -> None:
    timeline = fold(
        *story(
            (e.PauseRequested,),
            (e.ExecutionPaused,),
            (e.ResumeRequested,),
            (e.ExecutionResumed,),
            (e.InputReceived, {"card": 1, "name": 2}),
            (e.DecisionsReceived, {"a": "retry", "b": {"completed": 1}}),
            (e.SignalReceived, "bell", 1),
            (e.ConditionFailed, "a->b", WHY),
            (e.CancelRequested, "no more"),
            (e.StoppingStarted, "cancel"),
            (e.ExecutionCancelled, "no more"),
        )
    )

    assert [
        "a pause was asked for",
        "paused: somebody is waited for",
        "the pause was ended",
        "goes on",
        "input: card, name",
        "decided: a: retry, b: completed",
        "signal 'bell'",
        "connection a->b: step 'a': out of tea (no.tea)",
        "cancel: no more",
        "stopping: cancel",
        "CANCELLED",
    ] == [words for _, words in timeline.notes]
    assert ("CANCELLED", 12) == (timeline.status, timeline.seq)


# ---- what is waited for ----


class Waiting:
    def __init__(
        self,
        kind: str,
        name: str = "",
        step: str = "s",
        schema: Any = None,
        execution: str | None = None,
    ) -> None:
        self.kind, self.name, self.step, self.schema = kind, name, step, schema
        self.failure = WHY if kind == "decision" else None
        self.execution = execution

    def __str__(self) -> str:
        return self.name


def test_commands_that_answer() -> None:
    waiting = [
        Waiting("input", "input.a.b", schema={"type": "integer"}),
        Waiting("input", "input.a.c", schema={"type": ["null", "string"]}),
        Waiting("input", "input.a[0]"),
        Waiting("decision"),
        Waiting("signal", "go now"),
    ]

    assert [
        "trioflow resume 'x 1' -i a.b:=JSON -i a.c=TEXT --input FILE.json --decide s=retry",
        "trioflow signal 'x 1' 'go now' JSON",
    ] == _words.answers("x 1", waiting, [])
    assert ["trioflow resume x --store 'a b' --input FILE.json"] == _words.answers(
        "x", waiting[2:3], ["--store", "a b"]
    )
    assert ["trioflow resume x:s --decide 's[3]=retry'"] == _words.answers(
        "x", [Waiting("decision", step="s[3]", execution="x:s")], []
    )
    assert ["trioflow resume x"] == _words.answers("x", [Waiting("resume")], [])


def test_schemas_in_words() -> None:
    schema = {"type": ["string", "null"], "enum": ["a", None], "title": "Which"}

    assert "string or null; one of a, None; Which" == _words.schema_words(schema)
    assert "" == _words.schema_words(None)


# ---- screens ----


class Stream(io.StringIO):
    """A stream that says of itself what it is told to."""

    def __init__(self, *, terminal: bool = True, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


class Broken(Stream):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_markup_is_text_and_controls_are_escapes() -> None:
    stream = Stream(terminal=False)
    Screen(stream).line("[bold]x[/bold] :smile: \x1b[31m", ("[red]", "red"))

    assert "[bold]x[/bold] :smile: \\x1b[31m[red]\n" == stream.getvalue()


def test_long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words wrap, what is to be copied does not, and lines of tables are cut."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Stream()
    screen = Screen(stream)
    screen.line("one two three four five")
    screen.line("one two three four five", whole=True)
    screen.line("one two three four five", cut=True)

    assert [
        "one two three four",
        "five",
        "one two three four five",
        "one two three four …",
    ] == [line.rstrip() for line in stream.getvalue().splitlines()]


def test_a_dumb_terminal_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")

    assert not Screen(Stream()).terminal


def test_whoever_is_gone_stops_nothing() -> None:
    Screen(Broken(terminal=False), lenient=True).line("x")
    with pytest.raises(BrokenPipeError):
        Screen(Broken(terminal=False)).line("x")
    lenient = LenientStream(Broken())

    assert 1 == lenient.write("x")
    assert lenient.writable()
    assert lenient.isatty()
    assert "utf-8" == lenient.encoding


# ---- progress ----


def test_lines_for_everything_that_happens() -> None:
    stream = Stream(terminal=False)
    progress = PlainProgress(Screen(stream), lambda: 100.0)
    timeline = Timeline(WORKFLOW.plan)
    events = story(
        (e.StepStarted, "a"),
        (e.AttemptStarted, "a", 1),
        (e.AttemptCrashed, "a", 1),
        (e.AttemptStarted, "a", 2),
        (e.AttemptInterrupted, "a", 2),
        (e.AttemptStarted, "a", 3),
        (e.AttemptUnresponsive, "a", 3, 10.0),
        (e.AttemptFailed, "a", 3, WHY),
        (e.FallbackStarted, "a", WHY),
        (e.StepFailed, "a", WHY),
        (e.StoppingStarted, "failure", WHY),
        (e.StepCancelled, "nap"),
        (e.ChildStarted, "bell", "w1:bell"),
        (e.ItemFailed, "bell", 3, WHY),
        (e.StepCompensated, "bell", 1),
        (e.CompensationFailed, "bell", WHY, 3),
        (e.ExecutionCancelled, "", (WHY,)),
    )
    progress.begin("w  w1", WORKFLOW, timeline)
    for event in events:
        timeline.apply([event])
        progress.event(event)
    progress.tick()
    progress.stop()

    assert [
        "w  w1",
        "3.00 s  a     attempt 1 crashed",
        "5.00 s  a     attempt 2 interrupted after 1.0 s",
        "7.00 s  a     attempt 3 has not stopped within 10.0 s",
        "9.00 s  a     its fallback is tried: out of tea (no.tea)",
        "10.00 s  a     FAILED in 9.0 s: out of tea (no.tea)",
        "11.00 s  stopping: out of tea (no.tea)",
        "12.00 s  nap   CANCELLED",
        "13.00 s  bell  starts its child w1:bell",
        "14.00 s  bell  item 3 FAILED: out of tea (no.tea)",
        "15.00 s  bell  undone",
        "16.00 s  bell  item 3 could not be undone: out of tea",
        "17.00 s  CANCELLED: 1 failed, 1 cancelled, 1 pending",
    ] == [line.strip() for line in stream.getvalue().splitlines()]


def test_drawing_needs_an_execution_and_a_terminal_that_is_there() -> None:
    progress = LiveProgress(Screen(Broken(), lenient=True), lambda: 100.0)
    progress.tick()
    progress.stop()
    progress.begin("w", WORKFLOW, fold(*story((e.StepStarted, "a"))))
    progress.event(e.ExecutionPaused(2, 1.0))
    progress.note("x")
    progress.stop()


def test_a_large_graph_is_drawn_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way is seen, and the rest is counted."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    monkeypatch.setenv("NO_COLOR", "1")
    steps = [{"id": f"step_{i}", "action": "x"} for i in range(100)]
    workflow = trioflow.load_workflow({"id": "many", "steps": steps})
    timeline = Timeline(workflow.plan)
    for i, row in enumerate(timeline.rows.values()):
        row.status = "COMPLETED" if i < 50 else "RUNNING" if i == 50 else "PENDING"
        row.began_at = 100.0 if i <= 50 else None
    stream = Stream()
    progress = LiveProgress(Screen(stream), lambda: 101.0)
    progress.begin("many", workflow, timeline)
    drawn = stream.getvalue()
    progress.stop()

    assert "step_50" in drawn
    assert "step_0 " not in drawn
    assert "… 47 completed, 46 pending" in drawn
    assert "50/100" in drawn


@pytest.mark.parametrize("busy", (0, 3, 90), ids=str)
def test_visible_rows_fill_the_room(busy: int) -> None:
    rows = [Row(str(i), "", "action", "") for i in range(100)]
    for row in rows[:busy]:
        row.status = "RUNNING"
    shown = visible(rows, 10)

    assert 9 == len(shown)
    assert shown == sorted(shown, key=rows.index)


# ---- errors ----


def test_our_own_bugs_ask_to_be_reported() -> None:
    message, code = explain(ProtocolError("it stalled"))

    assert "it stalled" in message
    assert "report" in message
    assert 1 == code


def test_ctrl_c_outside_of_a_run() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert 130 == guarded(interrupted)


def test_a_pipe_that_breaks_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Stream):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Late())

    assert 141 == guarded(lambda: None)
