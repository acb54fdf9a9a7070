"""Timeouts, and what comes first at one instant (R14)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.playing import Play, document, failure
from trioflow.kernel import _facts as f

EXACT = {"jitter": "none"}


def one(**fields: Any) -> dict[str, Any]:
    return document({"id": "a", **fields})


def test_total_timeout_runs_from_the_start_and_is_passed_on() -> None:
    play = Play(one(total_timeout=5, timeout=9), at=10)
    play.take("a")

    assert 15.0 == play.attempt("a").deadline
    assert 15.0 == play.machine.deadline


def test_total_timeout_ends_a_queued_step() -> None:
    play = Play(one(total_timeout=5, fallback="other", retry={"on_exhausted": "pause"}))
    play.pass_to(4.9)

    assert [] == play.said

    play.pass_to(5)

    assert ["StepFailed a timeout.step", "StoppingStarted failure", "ExecutionFailed"] == play.said
    assert ["DropAttempt a 1", "Finish"] == play.asked
    assert "step 'a' timed out after 5 s (timeout.step)" in str(play.machine.state.failures[0])


def test_total_timeout_ends_a_step_between_attempts() -> None:
    retry = {"max_attempts": 9, "initial_delay": 3, **EXACT}
    play = Play(one(total_timeout=5, retry=retry))
    play.now = 3
    play.bad("a")

    assert 5.0 == play.machine.deadline

    play.pass_to(5)

    assert "timeout.step" == play.code_of("a")


def test_total_timeout_cancels_a_running_attempt_and_waits_for_it() -> None:
    """Neither a retry, nor the fallback, nor a pause for a decision comes after it."""
    play = Play(
        one(total_timeout=5, retry={"on_exhausted": "pause", "on": ["*"]}, fallback="other")
    )
    play.take("a")
    play.pass_to(5)

    assert ([], ["CancelAttempt a 1"]) == (play.said, play.asked)
    assert play.machine.deadline is None

    play.now = 7
    play.stopped("a", failure("cleanup"))

    assert ["StepFailed a timeout.step", "StoppingStarted failure", "ExecutionFailed"] == play.said

    found = play.machine.state.step("a").failure

    assert found is not None
    assert [("cleanup", 1)] == [(cause.code, cause.attempt) for cause in found.causes]


def test_an_attempt_that_fails_after_the_total_timeout_is_that_timeout() -> None:
    play = Play(one(total_timeout=5))
    play.take("a")
    play.now = 5
    play.bad("a", "timeout.attempt")

    assert "timeout.step" == play.code_of("a")


def test_an_attempt_that_stopped_at_its_total_timeout() -> None:
    """The driver may know before anybody has told the machine that time has passed."""
    play = Play(one(total_timeout=5))
    play.take("a")
    play.now = 5
    play.stopped("a")

    assert ["StepFailed a timeout.step", "StoppingStarted failure", "ExecutionFailed"] == play.said


def test_total_timeout_includes_the_fallback() -> None:
    play = Play(one(total_timeout=5, fallback="other"))
    play.now = 4
    play.bad("a")
    play.take("a:fallback")
    play.pass_to(5)

    assert ["CancelAttempt a:fallback 1"] == play.asked

    play.stopped("a:fallback")

    assert "timeout.step" == play.code_of("a")


def test_total_timeout_stands_still_for_a_decision() -> None:
    play = Play(one(total_timeout=5, retry={"max_attempts": 1, "on_exhausted": "pause"}))
    play.now = 3
    play.bad("a")

    assert (None, None) == (play.machine.deadline, play.machine.due)

    play.now = 100
    play.resume(decisions={"a": "retry"})

    assert 102.0 == play.machine.deadline

    play.now = 101
    play.bad("a")
    play.now = 101
    play.resume(decisions={"a": "retry"})
    play.pass_to(102)

    assert "timeout.step" == play.code_of("a")


def test_total_timeout_may_come_twice_at_the_same_instant() -> None:
    """A step that is decided about at once has the same deadline as before."""
    play = Play(one(total_timeout=5, retry={"max_attempts": 1, "on_exhausted": "pause"}))
    play.bad("a")
    play.resume(decisions={"a": "retry"})
    play.take("a")
    play.pass_to(5)

    assert ["CancelAttempt a 2"] == play.asked


def test_a_wait_times_out_while_the_execution_is_paused() -> None:
    found = document(
        {"id": "w", "type": "wait", "total_timeout": 5, "continue_on_error": True},
        {"id": "b"},
    )
    play = Play(found, at=1)

    assert ("PAUSED", 6.0, 6.0) == (play.status, play.machine.deadline, play.machine.due)

    play.pass_to(6)

    assert ["StepFailed w timeout.step", "ExecutionResumed", "StepStarted b"] == play.said


def test_a_step_that_waits_for_input_has_no_deadline() -> None:
    play = Play(one(total_timeout=5, parameters={"x": "${input.x}"}))

    assert play.machine.deadline is None

    play.now = 10
    play.resume({"x": 1})

    assert 15.0 == play.machine.deadline


def test_a_signal_at_the_instant_of_the_deadline_comes_too_late() -> None:
    from trioflow.errors import InvalidRequest

    play = Play(document({"id": "w", "type": "wait", "total_timeout": 5}))
    play.now = 5

    with pytest.raises(InvalidRequest):
        play.signal("w", 1)

    assert "timeout.step" == play.code_of("w")


def test_a_value_at_the_instant_of_the_deadline_is_late() -> None:
    play = Play(one(total_timeout=5))
    play.take("a")
    play.now = 5
    play.ok("a", 1)

    assert ("COMPLETED", True) == (play.status, play.machine.state.step("a").late)


def test_the_timeout_of_the_execution_is_as_under_cancel_for_every_policy() -> None:
    for policy in ("cancel", "finish", "continue"):
        play = Play({**one(), "timeout": 10, "on_failure": policy})
        play.take("a")
        play.pass_to(10)

        assert (["StoppingStarted timeout"], ["CancelAttempt a 1"]) == (play.said, play.asked)

        play.stopped("a")

        assert ["StepCancelled a", "ExecutionFailed"] == play.said
        assert ["timeout.execution"] == play.codes
        assert "timed out after 10 s" in str(play.machine.state.failures[0])


def test_a_step_that_times_out_with_its_execution_is_cancelled() -> None:
    play = Play({**one(total_timeout=10), "timeout": 10})
    play.take("a")
    play.pass_to(10)
    play.stopped("a")

    assert {"a": "CANCELLED"} == play.statuses

    # And also if it is only queued, and whichever deadline was known first.
    found = document({"id": "a", "total_timeout": 10}, {"id": "w", "type": "wait"}, connections=[])
    play = Play({**found, "timeout": 10})
    play.take("a")
    play.pause()
    play.resume()
    play.pass_to(10)
    play.stopped("a")

    assert {"a": "CANCELLED", "w": "CANCELLED"} == play.statuses


def test_a_step_cancelled_with_its_execution_stays_so_after_a_crash() -> None:
    play = Play({**one(total_timeout=10), "timeout": 10})
    play.take("a")
    play.pass_to(10)
    play.crash(11)

    assert ["AttemptCrashed a", "StepCancelled a", "ExecutionFailed"] == play.said


def test_the_timeout_of_an_execution_counts_once() -> None:
    """Neither a crash nor a second timer for the same instant brings it again."""
    play = Play({**one(), "timeout": 10})
    play.take("a")
    play.pause()
    play.resume()
    play.pass_to(10)

    assert ["StoppingStarted timeout"] == play.said

    play.rebuild()
    play.tell(f.Check(11))

    assert ([], ["CancelAttempt a 1"]) == (play.said, play.asked)

    play.crash(12)

    assert ["AttemptCrashed a", "StepCancelled a", "ExecutionFailed"] == play.said


def test_the_timeout_of_an_execution_stands_still_while_it_is_paused() -> None:
    found = document({"id": "a"}, {"id": "b", "parameters": {"x": "${input.x}"}}, timeout=10)
    play = Play(found)
    play.now = 4
    play.ok("a")

    assert ("PAUSED", None) == (play.status, play.machine.deadline)

    play.pass_to(100)
    play.resume({"x": 1})

    assert 106.0 == play.machine.deadline

    play.crash(105)
    play.pass_to(106)

    assert "StoppingStarted timeout" in play.said


def test_two_steps_that_time_out_together_are_both_failed() -> None:
    """R14: even if the first of them begins stopping; in the order of the document."""
    found = document(
        {"id": "w1", "type": "wait", "total_timeout": 5, "condition": "${t.x?} == null"},
        {"id": "w2", "type": "wait", "total_timeout": 5},
        {"id": "t", "type": "trigger"},
        {"id": "after", "join": "any"},
        connections=[
            {"source": "w1", "target": "after", "on": "always"},
            {"source": "w2", "target": "after", "on": "always"},
        ],
    )
    for connection in found["connections"]:
        del connection["on"]
    play = Play(found)
    play.pass_to(5)

    assert [
        "StepFailed w1 timeout.step -w1->after",
        "StepFailed w2 timeout.step -w2->after",
        "ExecutionResumed",
        "StoppingStarted failure",
        "StepCancelled after",
        "ExecutionFailed",
    ] == play.said


def test_timeouts_come_before_wake_ups_of_the_same_instant() -> None:
    found = document(
        {"id": "s", "type": "sleep", "duration": 5},
        {"id": "w", "type": "wait", "total_timeout": 5},
        connections=[],
    )
    play = Play(found)
    play.pass_to(5)

    assert [
        "StepFailed w timeout.step",
        "StoppingStarted failure",
        "StepCancelled s",
        "ExecutionFailed",
    ] == play.said


def test_wake_ups_and_back_offs_of_one_instant_come_in_the_order_of_the_document() -> None:
    retry = {"max_attempts": 2, "initial_delay": 2, **EXACT}
    found = document(
        {"id": "r1", "retry": retry},
        {"id": "s1", "type": "sleep", "duration": 5},
        {"id": "r2", "retry": retry},
        {"id": "after", "depends_on": ["s1"]},
        connections=[],
    )
    play = Play(found)
    play.now = 3
    play.bad("r2")
    play.bad("r1")
    play.pass_to(5)

    assert ["StepCompleted s1 +s1->after", "StepStarted after"] == play.said
    assert ["r1", "r2", "after"] == play.queue


def test_what_came_due_while_nobody_looked_comes_in_the_order_of_its_instants() -> None:
    found = document(
        {"id": "w", "type": "wait", "total_timeout": 8},
        {"id": "s", "type": "sleep", "duration": 5},
        {"id": "b", "depends_on": ["s"]},
        connections=[],
        on_failure="continue",
    )
    play = Play(found)
    play.crash(100)

    assert [
        "StepCompleted s +s->b",
        "StepStarted b",
        "StepFailed w timeout.step",
    ] == play.said
    assert {100.0} == {event.at for event in play.turn.recorded}


def test_a_sleep_behind_a_sleep_counts_from_when_it_starts() -> None:
    found = document(
        {"id": "s1", "type": "sleep", "duration": 5}, {"id": "s2", "type": "sleep", "duration": 5}
    )
    play = Play(found)
    play.pass_to(50)

    assert 55.0 == play.machine.deadline


def test_time_never_runs_backwards() -> None:
    play = Play(one(), at=10)
    play.now = 3
    play.take("a")

    assert 10.0 == play.history[-1].at
