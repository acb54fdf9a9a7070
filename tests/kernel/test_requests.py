"""What may be asked of an execution: input, decisions, signals, a pause (R25 to R27)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.kernel.playing import Play, document
from trioflow.errors import InputRejected, InvalidRequest
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import Machine


def waiting(*paths: str, **fields: Any) -> dict[str, Any]:
    parameters = {f"p{number}": f"${{input.{path}}}" for number, path in enumerate(paths)}
    return document({"id": "a", "parameters": parameters}, **fields)


# ---- R25 ----


def test_the_given_keys_replace_the_defaults_and_the_whole_has_to_fit() -> None:
    schema = {"required": ["x"], "properties": {"x": {"type": "integer"}}}
    found = waiting("x", input={"x": 1, "y": {"p": 1}}, input_schema=schema)
    play = Play(found, {"y": {"q": 1}})

    assert {"x": 1, "y": {"q": 1}} == play.machine.state.input

    with pytest.raises(InputRejected, match=r"\$\.x"):
        Play(found, {"x": "text"})


def test_input_grows_object_by_object() -> None:
    play = Play(waiting("o.x", "o.deep.y", "z"), {"o": {"a": 1, "deep": {"b": 2}}})
    play.resume({"o": {"x": 1, "deep": {"y": 2}, "more": {"c": 3}}, "z": {}})

    assert {
        "o": {"a": 1, "deep": {"b": 2, "y": 2}, "x": 1, "more": {"c": 3}},
        "z": {},
    } == play.machine.state.input
    assert "RUNNING" == play.status


@pytest.mark.parametrize(
    ("more", "path"),
    (
        ({"x": 1, "n": 1}, "input.n"),
        ({"x": 1, "n": {"p": 1}}, "input.n"),
        ({"x": 1, "null": 1}, "input.null"),
        ({"x": 1, "o": 1}, "input.o"),
        ({"x": 1, "o": {"p": 1}}, "input.o.p"),
        ({"x": 1, "o": {"p": {}}}, "input.o.p"),
        ({"x": 1, "list": [1]}, "input.list"),
    ),
    ids=str,
)
def test_a_path_that_has_a_value_is_not_given_again(more: Any, path: str) -> None:
    play = Play(waiting("x"), {"n": 1, "null": None, "o": {"p": 1}, "list": [1]})
    before = play.machine.state.input

    with pytest.raises(InvalidRequest, match=re.escape(f"{path} has a value already")):
        play.resume(more)

    assert ([], before) == (play.said, play.machine.state.input)


def test_an_empty_object_for_an_object_adds_nothing() -> None:
    play = Play(waiting("x"), {"o": {"p": 1}})
    play.resume({"x": 1, "o": {}})

    assert {"x": 1, "o": {"p": 1}} == play.machine.state.input


def test_a_resume_has_to_fit_the_schema_again() -> None:
    schema = {"properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}
    play = Play(waiting("x", input_schema=schema))

    with pytest.raises(InvalidRequest, match=r"\$\.input\.y"):
        play.resume({"x": 1, "y": "text"})

    play.resume({"x": 1, "y": 1})

    assert "RUNNING" == play.status


@pytest.mark.parametrize(
    ("more", "decisions"),
    (({}, {}), ({"z": 1}, {}), ({"o": {}}, {}), ({"o": 1}, {})),
    ids=str,
)
def test_a_resume_has_to_answer_something(more: Any, decisions: Any) -> None:
    play = Play(waiting("x", "o.p"))

    with pytest.raises(InvalidRequest, match=r"answers nothing that it waits for: input\.x"):
        play.resume(more, decisions)

    assert [] == play.said


def test_a_part_is_enough_and_more_is_allowed() -> None:
    play = Play(waiting("x", "y"))
    play.resume({"x": None, "z": 1})

    assert ["input.y (step 'a')"] == play.waits


def test_of_two_equal_resumes_one_wins() -> None:
    play = Play(waiting("x"))
    play.resume({"x": 1})

    with pytest.raises(InvalidRequest, match="it is RUNNING and waits for nothing"):
        play.resume({"x": 1})


def test_a_resume_need_not_find_the_execution_paused() -> None:
    play = Play(
        document({"id": "a", "parameters": {"x": "${input.x}"}}, {"id": "b"}, connections=[])
    )

    assert "RUNNING" == play.status

    play.resume({"x": 1})

    assert ["InputReceived", "StepStarted a"] == play.said


def test_input_is_looked_at_by_every_step_that_waits_for_some() -> None:
    found = document(
        {"id": "a", "parameters": {"x": "${input.x}"}},
        {"id": "b", "parameters": {"x": "${input.x}", "y": "${input.y}"}},
        {"id": "c", "parameters": {"y": "${input.y}"}},
        connections=[],
    )
    play = Play(found)
    play.resume({"x": 1})

    assert [
        "InputReceived",
        "ExecutionResumed",
        "StepStarted a",
        "StepPaused b inputs",
    ] == play.said
    assert ["input.y (step 'b')", "input.y (step 'c')"] == play.waits


def test_a_resume_may_answer_a_connection_only() -> None:
    found = document(
        {"id": "a"},
        {"id": "b"},
        connections=[{"source": "a", "target": "b", "condition": "input.x"}],
    )
    play = Play(found)
    play.ok("a")

    with pytest.raises(InvalidRequest):
        play.resume({"y": 1})

    play.resume({"x": True})

    assert ["b"] == play.queue


# ---- decisions ----


def undecided(steps: str = "a") -> Play:
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    found = document(
        *({"id": step, "retry": retry} for step in steps.split()),
        {"id": "w", "type": "wait"},
        connections=[],
    )
    play = Play(found)
    for step in steps.split():
        play.bad(step, f"of {step}")
    return play


@pytest.mark.parametrize(
    ("decisions", "message"),
    (
        ({"w": "retry"}, "step 'w' does not wait for a decision; these do: a"),
        ({"nobody": "retry"}, "step 'nobody' does not wait"),
        ({"a": "retry", "w": "failed"}, "step 'w' does not wait"),
        ({"a": "again"}, "must be 'retry', 'failed' or"),
        ({"a": None}, "must be 'retry', 'failed' or"),
        ({"a": {"completed": 1, "x": 2}}, "must be 'retry', 'failed' or"),
        ({"a": {"done": 1}}, "must be 'retry', 'failed' or"),
    ),
    ids=str,
)
def test_a_decision_has_to_be_one_and_to_be_waited_for(decisions: Any, message: str) -> None:
    play = undecided()

    with pytest.raises(InvalidRequest, match=message):
        play.resume({}, decisions)

    assert ([], "PAUSED") == (play.said, play.status_of("a"))


def test_a_decision_where_nobody_waits_for_one() -> None:
    play = Play(document({"id": "w", "type": "wait"}))

    with pytest.raises(InvalidRequest, match=r"does not wait for a decision$"):
        play.resume({}, {"w": "retry"})


def test_decisions_are_carried_out_in_the_order_of_the_document() -> None:
    """R22: stopping may begin between two of them."""
    play = undecided("a b c")
    play.resume({}, {"c": {"completed": 1}, "b": "failed", "a": "retry"})

    assert [
        "DecisionsReceived",
        "ExecutionResumed",
        "StepRetried a",
        "StepFailed b of b",
        "StoppingStarted failure",
        "StepCancelled a",
        "StepCancelled c",
        "StepCancelled w",
        "ExecutionFailed",
    ] == play.said
    assert ["Finish"] == play.asked


def test_a_resume_works_in_its_order() -> None:
    """R22: connections, decisions, steps that wait for input, those that a pause held back."""
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    found = document(
        {"id": "i", "parameters": {"x": "${input.x}"}},
        {"id": "d", "retry": retry},
        {"id": "s"},
        {"id": "t"},
        {"id": "h"},
        connections=[
            {"source": "s", "target": "t", "condition": "input.x"},
            {"source": "s", "target": "h"},
        ],
    )
    play = Play(found)
    play.bad("d")
    play.take("s")
    play.pause()
    play.ok("s")
    play.resume({"x": 1}, {"d": {"completed": 1}})

    assert [
        "InputReceived",
        "DecisionsReceived",
        "ResumeRequested",
        "ConnectionsDecided +s->t",
        "StepCompleted d",
        "ExecutionResumed",
        "StepStarted i",
        "StepStarted h",
        "StepStarted t",
    ] == play.said
    assert ["i", "t", "h"] == play.queue


# ---- R26 ----


def wait_for(**fields: Any) -> dict[str, Any]:
    return document({"id": "a"}, {"id": "w", "type": "wait", **fields})


def test_a_signal_completes_the_step_that_waits_for_it() -> None:
    play = Play(wait_for(signal="go"))
    play.ok("a")
    play.signal("go", {"x": 1})

    assert [
        "SignalReceived go",
        "StepCompleted w",
        "ExecutionResumed",
        "ExecutionCompleted",
    ] == play.said
    assert ({"w": {"x": 1}}, "signal") == (play.output, play.machine.state.step("w").by)


def test_a_signal_that_comes_before_its_step_is_kept() -> None:
    """Over a restart, too; and null is a payload."""
    play = Play(wait_for())
    play.signal("w", None)

    assert ["SignalReceived w"] == play.said

    play.crash()
    play.ok("a")

    assert ["StepCompleted a", "StepCompleted w", "ExecutionCompleted"] == play.said
    assert {"w": None} == play.output


@pytest.mark.parametrize(
    ("name", "payload", "message"),
    (
        ("w", "text", "payload of signal 'w' does not fit"),
        ("x", 1, "waits for a signal 'x'; its signals: w$"),
    ),
    ids=str,
)
def test_a_signal_that_is_refused_changes_nothing(name: str, payload: Any, message: str) -> None:
    play = Play(wait_for(schema={"type": "integer"}))

    with pytest.raises(InvalidRequest, match=message):
        play.signal(name, payload)

    assert ([], {}) == (play.said, play.machine.state.signals)

    play.signal("w", 1)


def test_a_workflow_without_signals_says_so() -> None:
    play = Play(document({"id": "a"}))

    with pytest.raises(InvalidRequest, match="its signals: none"):
        play.signal("x")


def test_the_first_signal_is_kept() -> None:
    play = Play(wait_for())
    play.signal("w", 1)

    with pytest.raises(InvalidRequest, match="is there already"):
        play.signal("w", 2)

    play.ok("a")

    assert {"w": 1} == play.output


@pytest.mark.parametrize("condition", ("false", None), ids=str)
def test_a_signal_after_the_end_of_its_step_is_refused(condition: str | None) -> None:
    step = {"id": "w", "type": "wait"}
    if condition is not None:
        step["condition"] = condition
    play = Play(document(step, {"id": "b"}))
    if condition is None:
        play.signal("w", 1)
    status = "SKIPPED" if condition else "COMPLETED"

    with pytest.raises(InvalidRequest, match=f"came too late: step 'w' is {status}"):
        play.signal("w", 2)


def test_a_signal_while_it_stops_is_refused() -> None:
    play = Play(document({"id": "a"}, {"id": "w", "type": "wait"}, connections=[]))
    play.take("a")
    play.cancel()

    with pytest.raises(InvalidRequest, match="came too late: step 'w' is CANCELLED"):
        play.signal("w", 1)


# ---- R27 ----


def test_a_pause_keeps_everything_from_starting() -> None:
    found = document(
        {"id": "a"},
        {"id": "b", "depends_on": ["a"]},
        {"id": "t", "type": "trigger", "depends_on": ["a"]},
        {"id": "s", "type": "sleep", "duration": 1, "depends_on": ["a"]},
        {"id": "w", "type": "wait", "depends_on": ["a"]},
        {"id": "q"},
    )
    play = Play(found)
    play.take("a")
    play.pause()

    assert (["PauseRequested"], ["DropAttempt q 1"]) == (play.said, play.asked)
    assert ("RUNNING", ["a resume"]) == (play.status, play.waits)

    play.ok("a")

    assert ["StepCompleted a +a->b +a->t +a->s +a->w", "ExecutionPaused"] == play.said
    assert ([], None) == (play.asked, play.machine.deadline)

    play.resume()

    assert [
        "ResumeRequested",
        "ExecutionResumed",
        "StepStarted b",
        "StepCompleted t",
        "StepStarted s",
        "StepPaused w signal",
    ] == play.said
    assert ["QueueAttempt b 1", "QueueAttempt q 1"] == play.asked


def test_a_pause_of_an_execution_in_which_nothing_runs() -> None:
    play = Play(document({"id": "a"}))
    play.pause()

    assert ["PauseRequested", "ExecutionPaused"] == play.said


def test_a_second_pause_is_refused_and_so_is_one_while_it_stops() -> None:
    play = Play(document({"id": "a"}))
    play.take("a")
    play.pause()

    with pytest.raises(InvalidRequest, match="is paused already"):
        play.pause()

    play.resume()
    play.cancel()

    with pytest.raises(InvalidRequest, match="is stopping"):
        play.pause()


def test_a_pause_while_it_is_paused_for_something_else() -> None:
    play = Play(waiting("x"))
    play.pause()

    assert ["PauseRequested"] == play.said
    assert ["input.x (step 'a')", "a resume"] == play.waits

    play.resume()

    assert (["ResumeRequested"], "PAUSED") == (play.said, play.status)


def test_every_resume_ends_the_pause() -> None:
    play = Play(waiting("x", "y"))
    play.pause()
    play.resume({"unasked": 1})

    assert ["InputReceived", "ResumeRequested"] == play.said
    assert not play.machine.state.pause

    play.pause()
    play.resume({"x": 1, "y": 2})

    assert ["a"] == play.queue


def test_what_is_looked_at_during_a_pause_goes_as_far_as_it_can() -> None:
    found = document(
        {"id": "a"},
        {"id": "skipped", "condition": "false"},
        {"id": "error", "condition": "${a.n} > 'x'", "continue_on_error": True},
        {"id": "missing", "parameters": {"x": "${a.gone}"}, "continue_on_error": True},
        {"id": "lacks", "condition": "input.x"},
        {"id": "lacks_too", "parameters": {"x": "${input.x}"}},
        {"id": "unfit", "parameters": {}, "input_schema": False, "continue_on_error": True},
        {"id": "no_time", "type": "sleep", "duration": "${a.n}", "continue_on_error": True},
        {"id": "held", "condition": "true"},
        {"id": "behind"},
        connections=[
            *(
                {"source": "a", "target": step}
                for step in ("skipped", "error", "missing", "lacks", "lacks_too", "unfit", "held")
            ),
            {"source": "a", "target": "no_time"},
            {"source": "skipped", "target": "behind"},
        ],
    )
    found["steps"][6]["input_schema"] = {"required": ["x"]}
    play = Play(found)
    play.take("a")
    play.pause()
    play.ok("a", {"n": 0})

    assert [
        "StepSkipped skipped -skipped->behind",
        "StepFailed error condition.error",
        "StepFailed missing reference.missing",
        "StepPaused lacks inputs",
        "StepPaused lacks_too inputs",
        "StepFailed unfit schema.input",
        "StepFailed no_time schema.input",
        "StepHeld held",
        "StepSkipped behind",
        "ExecutionPaused",
    ] == play.said[1:]
    assert "PENDING" == play.status_of("held")


def test_a_held_step_does_not_ask_its_condition_again() -> None:
    """R6: it was true; and its parameters see what has come meanwhile. Also over a restart."""
    steps: Any = (
        {"condition": "not exists(input.x)", "parameters": {"x": "${input.x?}"}},
        {"type": "trigger", "condition": "not exists(input.x)"},
        {"type": "wait", "condition": "not exists(input.x)"},
        {"type": "sleep", "duration": 1, "condition": "not exists(input.x)"},
    )
    for fields in steps:
        play = Play(document({"id": "z"}, {"id": "a", **fields}))
        play.take("z")
        play.pause()
        play.ok("z")

        assert ["StepCompleted z", "StepHeld a", "ExecutionPaused"] == play.said

        play.crash()

        assert [] == play.said

        play.resume({"x": 1})

        assert play.status_of("a") in ("RUNNING", "COMPLETED", "PAUSED")

    play = Play(document({"id": "z"}, {"id": "a", **steps[0]}))
    play.take("z")
    play.pause()
    play.ok("z")
    play.resume({"x": 1})
    play.take("a")

    assert {"x": 1} == play.attempt("a").parameters


def test_attempts_lose_their_places_in_a_pause() -> None:
    """On the resume all of them queue anew, in the order of the document."""
    retry = {"max_attempts": 2, "jitter": "none"}
    found = document(
        {"id": "a", "retry": retry},
        {"id": "b", "depends_on": ["d"]},
        {"id": "c"},
        {"id": "d"},
    )
    play = Play(found)
    play.bad("a")
    play.ok("d")

    assert ["c", "b"] == play.queue

    play.pause()

    assert ["DropAttempt b 1", "DropAttempt c 1"] == play.asked

    play.pass_to(1)

    assert ([], []) == (play.said, play.asked)

    play.resume()

    assert ["QueueAttempt a 2", "QueueAttempt b 1", "QueueAttempt c 1"] == play.asked


def test_what_queues_at_the_very_instant_of_a_pause_or_resume() -> None:
    retry = {"max_attempts": 3, "jitter": "none", "multiplier": 1}
    found = document({"id": "a", "retry": retry}, {"id": "b"}, connections=[])
    play = Play(found)
    play.bad("a")
    play.now = 1
    play.pause()

    assert ["DropAttempt b 1"] == play.asked

    play.resume()

    assert ["QueueAttempt a 2", "QueueAttempt b 1"] == play.asked

    play.bad("a")
    play.pause()
    play.now = 2
    play.resume()

    assert ["QueueAttempt a 3", "QueueAttempt b 1"] == play.asked


def test_a_resume_without_a_pause_queues_nothing_twice() -> None:
    play = Play(document({"id": "a"}, {"id": "b", "condition": "input.x"}, connections=[]))
    play.resume({"x": False})

    assert [] == play.asked


def test_after_a_restart_everything_queues_in_the_order_of_the_document() -> None:
    found = document({"id": "b", "depends_on": ["d"]}, {"id": "c"}, {"id": "d"})
    play = Play(found)
    play.ok("d")

    assert ["c", "b"] == play.queue

    play.crash()

    assert ["b", "c"] == play.queue

    play.pause()
    play.resume()

    assert ["QueueAttempt b 1", "QueueAttempt c 1"] == play.asked


def test_what_was_lost_queues_in_the_order_of_the_document_too() -> None:
    play = Play(document({"id": "a"}, {"id": "b"}, connections=[]))
    play.take("a")
    play.crash()
    play.pause()
    play.resume()

    assert ["QueueAttempt a 2", "QueueAttempt b 1"] == play.asked


def test_running_attempts_end_and_timers_run_on_during_a_pause() -> None:
    found = document(
        {"id": "a", "retry": {"max_attempts": 2, "jitter": "none"}, "fallback": "other"},
        {"id": "s", "type": "sleep", "duration": 5},
        {"id": "w", "type": "wait", "total_timeout": 6, "continue_on_error": True},
        {"id": "q", "total_timeout": 7, "continue_on_error": True},
        {"id": "v", "type": "wait"},
        connections=[],
    )
    play = Play(found)
    play.take("a")
    play.pause()
    play.bad("a")

    assert ["AttemptFailed a boom", "ExecutionPaused"] == play.said
    assert 1.0 == play.machine.deadline

    for instant in (1, 5, 6, 7):
        play.pass_to(instant)

        assert "PAUSED" == play.status

    assert {
        "a": "RUNNING",
        "s": "COMPLETED",
        "w": "FAILED",
        "q": "FAILED",
        "v": "PAUSED",
    } == play.statuses

    play.signal("v")

    assert ["SignalReceived v", "StepCompleted v"] == play.said

    play.resume()

    assert ["QueueAttempt a 2"] == play.asked


def test_a_fallback_starts_and_queues_during_a_pause() -> None:
    play = Play(document({"id": "a", "fallback": "other"}))
    play.take("a")
    play.pause()
    play.bad("a")

    assert (["AttemptFailed a boom", "FallbackStarted a", "ExecutionPaused"], []) == (
        play.said,
        play.asked,
    )

    play.resume()

    assert ["QueueAttempt a:fallback 1"] == play.asked


def test_an_execution_may_end_during_a_pause() -> None:
    play = Play(document({"id": "a"}))
    play.take("a")
    play.pause()
    play.ok("a")

    assert ["StepCompleted a", "ExecutionCompleted"] == play.said

    play = Play(document({"id": "s", "type": "sleep", "duration": 5}))
    play.pause()
    play.pass_to(5)

    assert ["StepCompleted s", "ExecutionResumed", "ExecutionCompleted"] == play.said


def test_stopping_ends_a_pause() -> None:
    play = Play(document({"id": "a"}, {"id": "b"}, {"id": "q"}, connections=[]))
    play.take("a", "b")
    play.pause()
    play.bad("a")

    assert [
        "AttemptFailed a boom",
        "StepFailed a boom",
        "StoppingStarted failure",
        "StepCancelled q",
    ] == play.said
    assert ["CancelAttempt b 1"] == play.asked
    assert ([], "RUNNING") == (play.waits, play.status)

    with pytest.raises(InvalidRequest, match="waits for nothing"):
        play.resume()

    play.stopped("b")

    assert "FAILED" == play.status


def test_a_pause_stops_the_clock_of_the_execution() -> None:
    play = Play(document({"id": "a"}, timeout=10))
    play.now = 4
    play.pause()
    play.now = 50
    play.resume()

    assert 56.0 == play.machine.deadline


def test_a_pause_survives_a_restart() -> None:
    play = Play(document({"id": "a"}))
    play.pause()
    play.crash()

    assert ([], []) == (play.said, play.asked)
    assert ["a resume"] == play.waits


# ---- in general ----


@pytest.mark.parametrize(
    "request_",
    (f.Resume(9), f.Signal(9, "w"), f.Pause(9), f.Cancel(9)),
    ids=str,
)
def test_an_execution_that_has_ended_refuses_everything(request_: f.Fact) -> None:
    play = Play(document({"id": "w", "type": "wait"}))
    play.signal("w")
    verb = type(request_).__name__.lower()

    with pytest.raises(InvalidRequest, match=f"can't {verb} execution 'x': it is COMPLETED"):
        play.tell(request_)

    assert [] == play.said


def test_a_refused_request_does_not_keep_time_from_passing() -> None:
    play = Play(document({"id": "s", "type": "sleep", "duration": 5}, {"id": "b"}))
    turn = play.machine.receive(f.Signal(5, "nobody"))

    assert turn.refused is not None
    assert ["StepCompleted", "StepStarted"] == [event.type for event in turn.recorded]


def test_a_request_can_be_written_down_without_acting_on_it() -> None:
    play = Play(waiting("x"), at=5)
    play.pause()
    other = Machine.from_history(play.plan, play.history)

    assert (
        e.InputReceived(play.history[-1].seq + 1, 7, {"x": 1}),
        e.ResumeRequested(play.history[-1].seq + 2, 7),
    ) == other.request(f.Resume(7, {"x": 1}))
    assert (e.CancelRequested(play.history[-1].seq + 1, 5.0, "enough", 2.0),) == other.request(
        f.Cancel(3, "enough", 2.0)
    )

    with pytest.raises(InvalidRequest):
        other.request(f.Signal(7, "w"))
