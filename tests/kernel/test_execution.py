"""The execution: statuses, failures, stopping, the end and its output (R20 to R23, R29)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.playing import Play, document
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._requests import Waiting


def both(a: dict[str, Any] | None = None, b: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Two steps beside each other."""
    fields.setdefault("connections", [])
    return document({"id": "a", **(a or {})}, {"id": "b", **(b or {})}, **fields)


def connect(source: str, target: str, **fields: Any) -> dict[str, Any]:
    return {"source": source, "target": target, **fields}


# ---- R20: PAUSED exactly when nothing runs and somebody is waited for ----


def test_an_execution_is_paused_only_when_nothing_runs_beside_what_waits() -> None:
    play = Play(both({"type": "wait"}))

    assert ("RUNNING", ["signal 'a' (step 'a')"]) == (play.status, play.waits)

    play.ok("b")

    assert ["StepCompleted b", "ExecutionPaused"] == play.said

    play.signal("a", 1)

    assert [
        "SignalReceived a",
        "StepCompleted a",
        "ExecutionResumed",
        "ExecutionCompleted",
    ] == play.said


def test_a_sleep_and_a_back_off_are_running() -> None:
    play = Play(both({"type": "wait"}, {"type": "sleep", "duration": 5}))

    assert "RUNNING" == play.status

    play = Play(both({"type": "wait"}, {"retry": {"max_attempts": 2}}))
    play.bad("b")

    assert "RUNNING" == play.status


def test_one_of_two_waits_may_end_without_leaving_paused() -> None:
    play = Play(both({"type": "wait"}, {"type": "wait"}))
    play.signal("a")

    assert ["SignalReceived a", "StepCompleted a"] == play.said
    assert "PAUSED" == play.status


def test_what_starts_something_leaves_paused_before_it_even_if_only_for_a_moment() -> None:
    found = both({"parameters": {"x": "${input.x}"}}, {"type": "wait"})
    found["steps"].append(
        {"id": "s", "type": "sleep", "until": "1970-01-01T00:00:00Z", "depends_on": ["b"]}
    )
    play = Play(found)
    play.signal("b")

    assert [
        "SignalReceived b",
        "StepCompleted b +b->s",
        "ExecutionResumed",
        "StepStarted s",
        "StepCompleted s",
        "ExecutionPaused",
    ] == play.said


def test_what_is_waited_for_has_its_place_and_its_schema() -> None:
    found = document(
        {
            "id": "a",
            "parameters": {"x": "${input.deep.x}", "y": "${input.y}", "z": "${input.z[0]}"},
        },
        {"id": "w", "type": "wait", "signal": "go", "schema": {"type": "integer"}},
        {"id": "v", "type": "wait"},
        connections=[],
        input_schema={"properties": {"deep": {"properties": {"x": {"type": "string"}}}, "y": True}},
    )
    play = Play(found)

    assert [
        {"kind": "input", "name": "input.deep.x", "step": "a", "schema": {"type": "string"}},
        {"kind": "input", "name": "input.y", "step": "a"},
        {"kind": "input", "name": "input.z[0]", "step": "a"},
        {"kind": "signal", "name": "go", "step": "w", "schema": {"type": "integer"}},
        {"kind": "signal", "name": "v", "step": "v"},
    ] == [entry.to_json() for entry in play.machine.waiting_for()]


def test_a_decision_and_a_connection_in_what_is_waited_for() -> None:
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    found = both({"retry": retry}, connections=[connect("b", "c", condition="input.x > input.y")])
    found["steps"].append({"id": "c", "action": "work"})
    play = Play(found)
    play.bad("a")
    play.ok("b")
    play.pause()

    assert [
        {
            "kind": "decision",
            "step": "a",
            "failure": {"code": "boom", "message": "it is boom", "step": "a", "attempt": 1},
        },
        {"kind": "input", "name": "input.x", "connection": "b->c"},
        {"kind": "input", "name": "input.y", "connection": "b->c"},
        {"kind": "resume"},
    ] == [entry.to_json() for entry in play.machine.waiting_for()]
    assert "a resume" == play.waits[-1]


def test_what_a_child_waits_for_says_so() -> None:
    entry = Waiting("signal", "go", "w", execution="x:a")

    assert "signal 'go' (step 'w' of 'x:a')" == str(entry)
    assert {"kind": "signal", "name": "go", "step": "w", "execution": "x:a"} == entry.to_json()


# ---- R21: what a failed step means ----


def test_a_tolerated_failure_goes_on() -> None:
    found = document({"id": "a", "continue_on_error": True}, {"id": "b", "depends_on": ["a"]})
    play = Play(found)
    play.bad("a")
    play.ok("b", 1)

    assert ("COMPLETED", {"b": 1}, ("a",)) == (
        play.status,
        play.output,
        play.machine.failed_steps(),
    )


def test_a_handled_failure_goes_on() -> None:
    found = both(connections=[connect("a", "b", on="failure")])
    play = Play(found)
    play.bad("a")
    play.ok("b", 1)

    assert ("COMPLETED", {"b": 1}, ("a",)) == (
        play.status,
        play.output,
        play.machine.failed_steps(),
    )


def test_a_dead_failure_connection_handles_nothing() -> None:
    found = both(connections=[connect("a", "b", on="failure", condition="false")])
    play = Play(found)
    play.bad("a")

    assert {"a": "FAILED", "b": "CANCELLED"} == play.statuses
    assert {"a->b": False} == play.decided


@pytest.mark.parametrize("policy", ("cancel", "finish", "continue"), ids=str)
def test_a_deferred_failure_stops_nothing_and_fails_the_execution(policy: str) -> None:
    """`failure` is except, and `always` is finally."""
    found = both(connections=[connect("a", "b", on="always"), connect("b", "c")], on_failure=policy)
    found["steps"].append({"id": "c", "action": "work"})
    play = Play(found)
    play.bad("a")
    play.ok("b")
    play.ok("c")

    assert ["StepCompleted c", "ExecutionFailed"] == play.said
    assert ["boom"] == play.codes


def test_a_failure_connection_handles_a_failure_that_an_always_connection_would_defer() -> None:
    found = both(connections=[connect("a", "b", on="always"), connect("a", "c", on="failure")])
    found["steps"].append({"id": "c", "action": "work"})
    play = Play(found)
    play.bad("a")
    play.ok("b")
    play.ok("c")

    assert "COMPLETED" == play.status


def test_under_continue_everything_runs_and_then_it_is_failed() -> None:
    play = Play(both(on_failure="continue"))
    play.bad("a")

    assert ["AttemptFailed a boom", "StepFailed a boom"] == play.said

    play.ok("b")

    assert ("FAILED", ["boom"]) == (play.status, play.codes)


def test_a_cancel_before_the_end_makes_a_failing_execution_cancelled() -> None:
    play = Play(both(on_failure="continue"))
    play.bad("a")
    play.cancel("enough")

    assert ("CANCELLED", "enough", ["boom"]) == (
        play.status,
        play.machine.state.reason,
        play.codes,
    )


def test_unhandled_failures_come_before_deferred_ones_each_in_their_order() -> None:
    found = document(
        *({"id": step} for step in "abcde"),
        connections=[
            connect("a", "e", on="always"),
            connect("b", "e", on="always"),
        ],
        on_failure="continue",
    )
    play = Play(found)
    for step in "dbac":
        play.bad(step, step)
    play.ok("e")

    assert ["d", "c", "b", "a"] == play.codes


def test_deferred_failures_keep_their_order_when_a_connection_is_decided_later() -> None:
    found = document(
        *({"id": step} for step in "abc"),
        connections=[
            connect("a", "c", on="always"),
            connect("a", "c", on="always", condition="input.x"),
            connect("b", "c", on="always"),
        ],
    )
    play = Play(found)
    play.bad("a", "a")
    play.bad("b", "b")
    play.resume({"x": True})
    play.ok("c")

    assert ["a", "b"] == play.codes


# ---- R22: stopping ----


def everything(**fields: Any) -> Play:
    """A workflow with a step in each situation, and `a` running."""
    retry = {"max_attempts": 5, "on_exhausted": "pause"}
    found = document(
        {"id": "a"},
        {"id": "running"},
        {"id": "queued"},
        {"id": "delayed", "retry": retry},
        {"id": "undecided", "retry": {"max_attempts": 1, "on_exhausted": "pause"}},
        {"id": "lacks", "parameters": {"x": "${input.x}"}},
        {"id": "signal", "type": "wait"},
        {"id": "asleep", "type": "sleep", "duration": 60},
        {"id": "behind", "depends_on": ["running"]},
        {"id": "done"},
        connections=[],
        **fields,
    )
    play = Play(found)
    play.bad("delayed")
    play.bad("undecided")
    play.ok("done")
    play.take("a", "running")
    return play


CANCELLED_AT_ONCE = [
    "StepCancelled queued",
    "StepCancelled delayed",
    "StepCancelled undecided",
    "StepCancelled lacks",
    "StepCancelled signal",
    "StepCancelled asleep",
    "StepCancelled behind",
]


def test_a_failure_under_cancel() -> None:
    play = everything()
    play.bad("a")

    assert [
        "AttemptFailed a boom",
        "StepFailed a boom",
        "StoppingStarted failure",
        *CANCELLED_AT_ONCE,
    ] == play.said
    assert ["DropAttempt queued 1", "CancelAttempt running 1"] == play.asked
    assert ("RUNNING", []) == (play.status, play.waits)
    assert play.machine.deadline is None

    play.now = 9
    play.stopped("running")

    assert ["StepCancelled running", "ExecutionFailed"] == play.said
    assert (["Finish"], ["boom"], 9.0) == (play.asked, play.codes, play.machine.state.ended_at)


def test_a_failure_under_finish_lets_running_attempts_end() -> None:
    play = everything(on_failure="finish")
    play.bad("a")

    assert CANCELLED_AT_ONCE == play.said[3:]
    assert ["DropAttempt queued 1"] == play.asked

    play.ok("running", 1)

    assert ["StepCompleted running", "ExecutionFailed"] == play.said
    assert play.decided == {"running->behind": None}
    assert not play.machine.state.step("running").late


def test_a_cancel() -> None:
    play = everything()
    play.cancel("enough")

    assert ["CancelRequested", "StoppingStarted cancel", *CANCELLED_AT_ONCE] == play.said
    assert [
        "DropAttempt queued 1",
        "CancelAttempt a 1",
        "CancelAttempt running 1",
    ] == play.asked

    play.stopped("running")

    assert ["StepCancelled running"] == play.said

    play.stopped("a")

    assert ["StepCancelled a", "ExecutionCancelled"] == play.said
    assert ("enough", []) == (play.machine.state.reason, play.codes)


def test_a_cancel_with_a_grace() -> None:
    play = everything()
    play.now = 10
    play.cancel(grace=5)

    assert ["DropAttempt queued 1"] == play.asked
    assert 15.0 == play.machine.deadline

    play.now = 12
    play.bad("a", "in the grace")

    assert ["AttemptFailed a in the grace", "StepFailed a in the grace"] == play.said
    assert [] == play.asked

    play.pass_to(14.9)

    assert [] == play.asked

    play.pass_to(15)

    assert ["CancelAttempt running 1"] == play.asked

    play.stopped("running")

    assert ("CANCELLED", ["in the grace"]) == (play.status, play.codes)


def test_a_tolerated_failure_in_a_grace_is_no_error() -> None:
    play = Play(both({"continue_on_error": True}))
    play.take("a", "b")
    play.cancel(grace=5)
    play.bad("a")
    play.ok("b")

    assert ("CANCELLED", []) == (play.status, play.codes)


def test_no_connection_handles_a_failure_in_a_grace() -> None:
    play = Play(both(connections=[connect("a", "b", on="failure")]))
    play.take("a")
    play.cancel(grace=5)
    play.bad("a")

    assert ({"a->b": None}, ["boom"]) == (play.decided, play.codes)


def test_nothing_is_repeated_and_no_fallback_is_tried_in_a_grace() -> None:
    retry = {"max_attempts": 5, "on_exhausted": "pause"}
    play = Play(both({"retry": retry, "fallback": "other"}))
    play.take("a", "b")
    play.cancel(grace=None)

    assert play.machine.deadline is None

    play.bad("a")

    assert ["AttemptFailed a boom", "StepFailed a boom"] == play.said
    assert play.turn.recorded[0].retry_at is None  # type: ignore[attr-defined]


def test_a_cancel_with_a_grace_in_which_nothing_runs_ends_at_once() -> None:
    play = Play(both({"type": "wait"}, {"type": "wait"}))
    play.cancel(grace=100)

    assert "CANCELLED" == play.status


@pytest.mark.parametrize(
    ("second", "ends"),
    ((f.Cancel(5, "", 3.0), 8.0), (f.Cancel(5, "", 7.0), 10.0), (f.Cancel(5, "", None), 10.0)),
    ids=str,
)
def test_a_later_cancel_can_only_shorten_a_grace(second: f.Cancel, ends: float) -> None:
    play = Play(both())
    play.take("a")
    play.cancel("first", grace=10)
    play.tell(second)

    assert (["CancelRequested"], ends) == (play.said, play.machine.deadline)

    play.pass_to(ends)

    assert ["CancelAttempt a 1"] == play.asked
    assert (None,) == (play.machine.deadline,)

    play.stopped("a")

    assert "first" == play.machine.state.reason


def test_a_cancel_without_grace_ends_a_grace_at_once() -> None:
    play = Play(both())
    play.take("a")
    play.cancel(grace=10)
    play.cancel()

    assert ["CancelAttempt a 1"] == play.asked


def test_a_cancel_shortens_finish_but_does_not_change_the_end() -> None:
    play = Play(both(on_failure="finish"))
    play.take("b")
    play.bad("a")
    play.cancel("enough")

    assert ["CancelAttempt b 1"] == play.asked

    play.stopped("b")

    assert ("FAILED", ["boom"]) == (play.status, play.codes)


def test_a_failure_after_a_cancel_does_not_change_the_end() -> None:
    play = Play(both())
    play.take("a", "b")
    play.cancel("enough", grace=None)
    play.bad("a")
    play.ok("b", 1)

    assert ("CANCELLED", ["boom"]) == (play.status, play.codes)


def test_the_timeout_of_the_execution_ends_a_grace_and_is_a_later_cause() -> None:
    play = Play(both(timeout=20))
    play.take("a", "b")
    play.now = 10
    play.cancel(grace=None)
    play.bad("a")
    play.pass_to(20)

    assert (["StoppingStarted timeout"], ["CancelAttempt b 1"]) == (play.said, play.asked)

    play.bad("b", "cleanup")

    assert ("CANCELLED", ["boom", "timeout.execution"]) == (play.status, play.codes)


def test_a_timeout_after_a_failure_is_a_later_cause() -> None:
    play = Play(both(timeout=20, on_failure="finish"))
    play.take("b")
    play.bad("a")
    play.pass_to(20)
    play.stopped("b")

    assert ("FAILED", ["boom", "timeout.execution"]) == (play.status, play.codes)


def test_the_timeout_of_the_execution_is_its_first_error() -> None:
    play = Play(both(timeout=20, on_failure="continue"))
    play.bad("a")
    play.take("b")
    play.pass_to(20)
    play.stopped("b")

    assert ("FAILED", ["timeout.execution", "boom"]) == (play.status, play.codes)


def test_a_step_that_times_out_in_a_grace_is_failed() -> None:
    play = Play(both({"total_timeout": 7}, on_failure="finish"))
    play.take("a")
    play.bad("b")
    play.pass_to(7)

    assert ["CancelAttempt a 1"] == play.asked

    play.stopped("a")

    assert ("FAILED", ["boom", "timeout.step"]) == (play.status, play.codes)


def test_without_a_grace_the_timeout_of_a_step_does_not_count_any_more() -> None:
    play = Play(both({"total_timeout": 7}))
    play.take("a")
    play.bad("b")
    play.pass_to(7)
    play.stopped("a")

    assert {"a": "CANCELLED", "b": "FAILED"} == play.statuses


def test_the_end_of_a_grace_comes_before_a_timeout_of_the_same_instant() -> None:
    play = Play(both({"total_timeout": 7}))
    play.take("a")
    play.cancel(grace=7)
    play.pass_to(7)
    play.stopped("a")

    assert "CANCELLED" == play.status_of("a")


def test_stopping_begins_after_all_of_a_group_and_before_what_it_makes_ready() -> None:
    """R22: the failing step's connections are decided; the steps behind end CANCELLED."""
    found = document(
        {"id": "s"},
        {"id": "bad", "parameters": {"x": "${s.gone}"}},
        {"id": "skipped", "condition": "false"},
        {"id": "t", "type": "trigger"},
        {"id": "behind", "join": "all"},
        {"id": "dead"},
        connections=[
            connect("s", "bad"),
            connect("s", "skipped"),
            connect("s", "t"),
            connect("t", "behind"),
            connect("skipped", "dead"),
            connect("bad", "dead"),
        ],
    )
    play = Play(found)
    play.ok("s", {})

    assert [
        "StepCompleted s +s->bad +s->skipped +s->t",
        "StepFailed bad reference.missing -bad->dead",
        "StepSkipped skipped -skipped->dead",
        "StepCompleted t +t->behind",
        "StoppingStarted failure",
        "StepCancelled behind",
        "StepCancelled dead",
        "ExecutionFailed",
    ] == play.said


def test_an_erring_condition_begins_stopping_after_the_group_of_its_source() -> None:
    found = document(
        {"id": "t1", "type": "trigger"},
        {"id": "t2", "type": "trigger"},
        {"id": "b"},
        {"id": "c"},
        connections=[connect("t1", "b", condition="gone"), connect("t2", "c")],
    )
    play = Play(found)

    assert [
        "ExecutionStarted",
        "StepCompleted t1 -t1->b",
        "ConditionFailed t1->b condition.error",
        "StepCompleted t2 +t2->c",
        "StoppingStarted failure",
        "StepCancelled b",
        "StepCancelled c",
        "ExecutionFailed",
    ] == play.said


def test_all_failures_of_one_group_are_kept() -> None:
    missing = {"parameters": {"x": "${s.gone}"}}
    found = document({"id": "s"}, {"id": "a", **missing}, {"id": "b", **missing}, connections=[])
    play = Play(found)
    play.ok("s", {})

    assert ["a", "b"] == [each.step for each in play.machine.state.failures]


def test_stopping_leaves_paused_and_never_comes_back_to_it() -> None:
    play = Play(both({"type": "wait"}, {"type": "wait"}))
    play.cancel()

    assert [
        "CancelRequested",
        "ExecutionResumed",
        "StoppingStarted cancel",
        "StepCancelled a",
        "StepCancelled b",
        "ExecutionCancelled",
    ] == play.said


def test_a_cancelled_step_waits_for_nothing() -> None:
    play = everything()
    play.cancel(grace=5)

    assert [] == play.waits


def test_a_cancel_of_an_execution_whose_steps_have_ended() -> None:
    found = both(connections=[connect("a", "b", condition="input.x", on="always")])
    found["steps"][1]["join"] = "first"
    found["steps"].append({"id": "c", "action": "work"})
    found["connections"].append(connect("c", "b"))
    play = Play(found)
    play.ok("a")
    play.ok("c")
    play.ok("b")

    assert "PAUSED" == play.status

    play.cancel()

    assert "CANCELLED" == play.status


# ---- R23: the final record ----


@pytest.mark.parametrize("last", ("stopped", "ok", "bad"), ids=str)
def test_the_final_record_waits_for_the_last_attempt_and_is_the_last(last: str) -> None:
    play = Play(both())
    play.take("a", "b")
    play.cancel()
    play.stopped("a")

    assert ("RUNNING", False) == (play.status, play.finished)

    getattr(play, last)("b")

    assert ("CANCELLED", True) == (play.status, play.finished)
    assert isinstance(play.history[-1], e.ExecutionCancelled)


# ---- R29: the output ----


def test_the_default_output_has_the_completed_final_steps() -> None:
    found = document(
        {"id": "a"},
        {"id": "b"},
        {"id": "c", "condition": "false"},
        {"id": "d", "fallback": {"action": "other", "parameters": {"x": "${e.n}"}}},
        {"id": "e"},
        connections=[connect("a", "b")],
    )
    play = Play(found)
    play.ok("a", 1)
    play.ok("b", 2)
    play.ok("e", {"n": 5})
    play.ok("d", 4)

    assert {"b": 2, "d": 4} == play.output


def test_the_output_of_a_list_is_that_of_its_last_step() -> None:
    play = Play(document({"id": "a"}, {"id": "b"}))
    play.ok("a", 1)
    play.ok("b", 2)

    assert {"b": 2} == play.output


def test_the_output_is_a_template() -> None:
    found = both(
        output={
            "n": "${a.n}",
            "x": "${input.x?}",
            "how": "${steps.b.status}",
            "id": "${execution.id} ${workflow.id}",
        }
    )
    play = Play(found)
    play.ok("a", {"n": 1})
    play.ok("b")

    assert {"n": 1, "x": None, "how": "COMPLETED", "id": "x w"} == play.output


@pytest.mark.parametrize("path", ("a.gone", "input.gone"), ids=str)
def test_a_missing_reference_in_the_output_fails_the_execution(path: str) -> None:
    play = Play(both(output=f"${{{path}}}"))
    play.ok("a", {})
    play.ok("b")

    assert ["StepCompleted b", "ExecutionFailed"] == play.said
    assert ["reference.missing"] == play.codes
    assert f"the workflow's output: ${{{path}}} has no value" in str(play.machine.state.failures[0])


def test_an_output_that_does_not_fit_fails_the_execution() -> None:
    play = Play(both(output="${a.n}", output_schema={"type": "integer"}))
    play.ok("a", {"n": "text"})
    play.ok("b")

    assert ["schema.output"] == play.codes


def test_the_output_is_not_looked_at_after_a_failure() -> None:
    play = Play(both(output="${a.gone}", on_failure="continue"))
    play.ok("a", {})
    play.bad("b")

    assert (["boom"], None) == (play.codes, play.output)


def test_the_output_may_be_empty() -> None:
    play = Play(document({"id": "a", "condition": "false"}))

    assert ("COMPLETED", {}) == (play.status, play.output)


def test_the_times_of_an_execution() -> None:
    play = Play(both(), at=5)
    play.now = 7
    play.take("a")
    play.now = 8
    play.ok("a")
    play.ok("b")
    record = play.machine.state.step("a")

    assert (5.0, 8.0) == (play.machine.state.started_at, play.machine.state.ended_at)
    assert (5.0, 8.0) == (record.started_at, record.ended_at)


def test_due_is_when_somebody_has_to_look() -> None:
    play = Play(both({"type": "wait"}, {"type": "wait", "total_timeout": 9}), at=2)

    assert ("PAUSED", 11.0) == (play.status, play.machine.due)

    play = Play(both({"type": "wait"}, {"type": "wait"}), at=2)

    assert play.machine.due is None

    play = Play(both(), at=2)

    assert 2.0 == play.machine.due
