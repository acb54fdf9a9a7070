"""One step: its path, missing values, attempts, fallbacks, decisions, late results (R8 to R18)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from tests.kernel.playing import Play, document, failure
from trioflow.definitions._parts import Retry
from trioflow.errors import InvalidRequest, Problem, ProtocolError
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import retry_delay

EXACT = {"jitter": "none"}


def one(**fields: Any) -> dict[str, Any]:
    """A workflow of one step."""
    return document({"id": "a", **fields})


def running(play: Play, name: str = "a") -> c.RunAttempt:
    return play.running[play._key(name, play.running)]


# ---- R10, R11: from PENDING to the attempt ----


def test_a_step_starts_gets_its_slot_runs_and_completes() -> None:
    play = Play(one(action="pay", parameters={"x": "${input.x}"}, timeout=3), {"x": 1})

    assert ["ExecutionStarted", "StepStarted a"] == play.said
    assert ["QueueAttempt a 1"] == play.asked

    play.take("a")

    assert ["AttemptStarted a"] == play.said
    assert (
        c.RunAttempt(f.Address("a"), 1, "pay", {"x": 1}, "x:a", timeout=3.0),
    ) == play.turn.commands

    play.ok("a", 7)

    assert ["StepCompleted a", "ExecutionCompleted"] == play.said
    assert ["Finish"] == play.asked
    assert {"a": 7} == play.output


def test_the_start_holds_labels_defaults_and_the_document() -> None:
    found = {**one(), "input": {"x": 1, "o": {"p": 1}}, "labels": {"team": "a", "kind": "b"}}
    play = Play(found, start=False)
    play.tell(f.Start(3.0, "e1", {"o": {"q": 2}}, {"kind": "c"}, parent="e0"))
    event = play.history[0]

    assert isinstance(event, e.ExecutionStarted)
    assert {"x": 1, "o": {"q": 2}} == event.input
    assert {"team": "a", "kind": "c"} == event.labels
    assert ("e1", "w", "e0", 3.0) == (event.execution_id, event.workflow, event.parent, event.at)
    assert (play.workflow.digest, play.workflow.document) == (event.digest, event.document)


def test_an_execution_starts_once() -> None:
    play = Play(one())

    with pytest.raises(ProtocolError, match="has started already"):
        play.tell(f.Start(0, "x"))


def test_parameters_keep_the_values_of_the_start() -> None:
    """R10: in every attempt, after a crash and a resume, too."""
    found = document(
        {"id": "a", "parameters": {"o": "${input.o}"}, "retry": {"max_attempts": 3, **EXACT}},
        {"id": "b", "parameters": {"k": "${input.k}"}},
        connections=[],
    )
    play = Play(found, {"o": {"p": 1}})
    play.resume({"o": {"q": 2}, "k": 3})
    play.bad("a")
    play.pass_to(1)
    play.take("a")

    assert {"o": {"p": 1}} == running(play).parameters

    play.crash()
    play.take("a")

    assert {"o": {"p": 1}} == running(play).parameters


def test_all_missing_inputs_are_reported_together_and_any_part_may_come() -> None:
    play = Play(one(parameters={"x": "${input.x}", "y": ["and ${input.y.z}"], "n": "${input.n}"}))

    assert ["ExecutionStarted", "StepPaused a inputs", "ExecutionPaused"] == play.said
    assert [
        "input.x (step 'a')",
        "input.y.z (step 'a')",
        "input.n (step 'a')",
    ] == play.waits

    play.resume({"y": {"z": 1}})

    assert ["input.x (step 'a')", "input.n (step 'a')"] == play.waits

    play.resume({"x": 1, "n": None})

    assert ["InputReceived", "ExecutionResumed", "StepStarted a"] == play.said


@pytest.mark.parametrize("path", ("list[3]", "text.x", "null.x", "list.x"), ids=str)
def test_what_no_added_key_could_bring_is_not_waited_for(path: str) -> None:
    """R11: even if other inputs are missing as well."""
    play = Play(
        one(parameters={"a": "${input.gone}", "x": f"${{input.{path}}}"}),
        {"list": [1], "text": "t", "null": None},
    )

    assert ["ExecutionStarted", "StepFailed a reference.missing"] == play.said[:2]
    assert f"${{input.{path}}}" in str(play.machine.state.step("a").failure)


def test_a_step_that_waits_may_turn_out_to_be_impossible() -> None:
    play = Play(one(parameters={"x": "${input.x.y}"}, retry=3, fallback="other"))

    with pytest.raises(InvalidRequest, match="answers nothing"):
        play.resume({"x": 1})

    play = Play(one(parameters={"x": "${input.x.y}", "z": "${input.z}"}, fallback="other"))
    play.resume({"x": 1, "z": 1})

    assert "reference.missing" == play.code_of("a")


def test_parameters_that_do_not_fit_fail_the_step_before_it_starts() -> None:
    """R12: no retry, no fallback, no pause for a decision; `continue_on_error` applies."""
    schema = {"properties": {"x": {"type": "integer"}}}
    play = Play(
        document(
            {
                "id": "a",
                "parameters": {"x": "${input.x}"},
                "input_schema": schema,
                "retry": {"max_attempts": 3, "on_exhausted": "pause", "on": ["*"]},
                "fallback": "other",
                "continue_on_error": True,
            }
        ),
        {"x": "text"},
    )

    assert ["ExecutionStarted", "StepFailed a schema.input", "ExecutionCompleted"] == play.said
    assert "$.parameters.x" in str(play.machine.state.step("a").failure)


def test_a_long_list_of_problems_is_cut() -> None:
    names = [f"x{number}" for number in range(8)]
    play = Play(one(parameters={}, input_schema={"required": names}))

    assert str(play.machine.state.step("a").failure).count("x") >= 5
    assert "(and 3 more)" in str(play.machine.state.step("a").failure)


def test_an_unknown_secret_fails_the_step_at_any_attempt() -> None:
    """R10: no further attempt, no fallback, no pause."""
    found = one(
        parameters={"x": "${secret.KEY}"},
        retry={"max_attempts": 3, "on_exhausted": "pause", **EXACT},
        fallback="other",
    )
    play = Play(found)

    assert (c.QueueAttempt(f.Address("a"), 1, ("KEY",)),) == play.turn.commands

    play.bad("a")
    play.pass_to(1)
    play.tell(f.AttemptRejected(1.0, f.Address("a"), 2, e.Failure("reference.missing", "no KEY")))

    assert ["StepFailed a reference.missing", "StoppingStarted failure"] == play.said[:2]
    assert "a" == play.machine.state.failures[0].step

    play.tell(f.AttemptRejected(1.0, f.Address("a"), 2, failure()))

    assert [] == play.said


def test_a_trigger_completes_at_once_with_the_input_as_it_is() -> None:
    play = Play(document({"id": "a"}, {"id": "t", "type": "trigger"}), {"x": 1})
    play.ok("a")

    assert {"t": {"x": 1}} == play.output
    assert "trigger" == play.machine.state.step("t").by
    assert 0.0 == play.machine.state.step("t").started_at


def test_a_sleep_ends_at_its_recorded_instant() -> None:
    play = Play(document({"id": "s", "type": "sleep", "duration": "1m30s"}), at=10)

    assert ["ExecutionStarted", "StepStarted s"] == play.said
    assert 100.0 == play.machine.deadline == play.machine.state.step("s").wake

    play.pass_to(99)

    assert [] == play.said

    play.crash(99)
    play.pass_to(100)

    assert ["StepCompleted s", "ExecutionCompleted"] == play.said
    assert {"s": None} == play.output
    assert "sleep" == play.machine.state.step("s").by


def test_a_sleep_until_a_past_instant_ends_at_once() -> None:
    found = document({"id": "s", "type": "sleep", "until": "1970-01-01T00:01:00Z"}, {"id": "b"})
    play = Play(found, at=60)

    assert [
        "ExecutionStarted",
        "StepStarted s",
        "StepCompleted s",
        "StepStarted b",
    ] == play.said

    play = Play(found, at=59)

    assert 60.0 == play.machine.deadline


@pytest.mark.parametrize(
    ("fields", "input", "code"),
    (
        ({"duration": "${input.d}"}, {"d": "2h"}, None),
        ({"duration": "${input.d}"}, {"d": 0}, "schema.input"),
        ({"duration": "${input.d}"}, {"d": "soon"}, "schema.input"),
        ({"duration": "${input.d}"}, {"d": True}, "schema.input"),
        ({"until": "${input.d}"}, {"d": "2030-01-01T00:00:00+01:00"}, None),
        ({"until": "${input.d}"}, {"d": "2030-01-01"}, "schema.input"),
        ({"until": "${input.d}"}, {"d": 5}, "schema.input"),
        ({"duration": "${input.d.e}"}, {"d": 1}, "reference.missing"),
    ),
    ids=str,
)
def test_the_value_of_a_sleep(fields: Any, input: Any, code: str | None) -> None:
    play = Play(document({"id": "s", "type": "sleep", **fields}), input)

    assert code == play.code_of("s")
    assert ("FAILED" if code else "RUNNING") == play.status_of("s")


def test_a_sleep_waits_for_its_input() -> None:
    play = Play(document({"id": "s", "type": "sleep", "duration": "${input.d}"}))

    assert ["input.d (step 's')"] == play.waits

    play.now = 5
    play.resume({"d": 10})

    assert 15.0 == play.machine.deadline


# ---- R12: what is repeated ----


@pytest.mark.parametrize(
    ("retry", "tries", "expected"),
    (
        (Retry(), 1, 1.0),
        (Retry(), 2, 2.0),
        (Retry(), 6, 32.0),
        (Retry(), 7, 60.0),
        (Retry(), 100_000, 60.0),
        (Retry(initial_delay=0.5, multiplier=3), 3, 4.5),
        (Retry(initial_delay=100.0), 1, 60.0),
        (Retry(multiplier=1), 1_000_000, 1.0),
        (Retry(multiplier=10**9, max_delay=1e11), 10**6, 1e11),
    ),
    ids=str,
)
def test_delays_grow_up_to_a_limit_and_never_overflow(
    retry: Retry, tries: int, expected: float
) -> None:
    assert expected == retry_delay(retry, tries)
    assert expected / 4 == retry_delay(retry, tries, 0.25)
    assert 0 == retry_delay(retry, tries, 0.0)
    assert expected == retry_delay(attrs.evolve(retry, jitter="none"), tries, 0.25)


def test_attempts_are_repeated_after_their_delays() -> None:
    play = Play(one(retry={"max_attempts": 3, **EXACT}))
    play.bad("a")

    assert ["AttemptFailed a boom"] == play.said
    assert [] == play.queue
    assert 1.0 == play.machine.deadline

    play.pass_to(0.5)
    play.pass_to(1)

    assert ["QueueAttempt a 2"] == play.asked
    assert [] == play.said

    play.bad("a")

    assert 3.0 == play.machine.deadline

    play.pass_to(3)
    play.ok("a", 1)

    assert (3, 3, "COMPLETED") == (
        play.machine.state.step("a").attempts,
        play.history[-2].attempt,  # type: ignore[attr-defined]
        play.status,
    )


def test_max_attempts_attempts_are_made() -> None:
    play = Play(one(retry={"max_attempts": 2, **EXACT}))
    play.bad("a")
    play.pass_to(1)
    play.bad("a", "other")

    assert [
        "AttemptFailed a other",
        "StepFailed a other",
        "StoppingStarted failure",
        "ExecutionFailed",
    ] == play.said
    assert ["other"] == play.codes
    assert ("a", 2) == (play.machine.state.failures[0].step, play.machine.state.failures[0].attempt)


def test_the_retry_of_the_workflow_is_the_default_of_its_steps() -> None:
    found = document({"id": "a"}, {"id": "b", "retry": 1}, retry=2, connections=[])
    play = Play(found)
    play.bad("a", chance=0.5)

    assert 0.5 == play.machine.deadline

    play.bad("b")

    assert ("FAILED", "FAILED") == (play.status_of("b"), play.status)


@pytest.mark.parametrize(
    ("retry", "what", "repeated"),
    (
        ({}, failure("boom"), True),
        ({}, failure("timeout.attempt"), True),
        ({}, failure("crash"), True),
        ({}, failure("schema.output"), False),
        ({}, failure("result.not_json"), False),
        ({}, failure("reference.x"), False),
        ({}, failure("condition.x"), False),
        ({}, failure("schema"), True),
        ({}, failure("schema.output", retryable=True), True),
        ({}, failure("boom", retryable=False), False),
        ({"on": ["http.*"]}, failure("http.503"), True),
        ({"on": ["http.*"]}, failure("boom"), False),
        ({"on": ["http.*"]}, failure("HTTP.503"), False),
        ({"on": ["http.*"]}, failure("boom", retryable=True), True),
        ({"on": ["http.50?"]}, failure("http.503"), True),
        ({"on": ["http.50[12]"]}, failure("http.503"), False),
        ({"on": ["schema.*"]}, failure("schema.output"), True),
        ({"on": []}, failure("boom"), False),
        ({"not_on": ["http.404"]}, failure("http.404"), False),
        ({"not_on": ["http.404"]}, failure("http.40"), True),
        ({"not_on": ["http.404"]}, failure("schema.output"), False),
        ({"not_on": ["http.404"], "on": ["http.*"]}, failure("http.404"), False),
        ({"not_on": ["boom"]}, failure("boom", retryable=True), True),
    ),
    ids=str,
)
def test_what_may_be_repeated(retry: dict[str, Any], what: e.Failure, repeated: bool) -> None:
    """R12: `retryable` beats `not_on` beats `on`."""
    play = Play(one(retry={"max_attempts": 2, **EXACT, **retry}))
    play.bad("a", what)

    assert ("RUNNING" if repeated else "FAILED") == play.status_of("a")


@pytest.mark.parametrize(
    ("max_elapsed", "expected"), ((11, "RUNNING"), (10.999, "FAILED")), ids=str
)
def test_no_attempt_starts_after_max_elapsed(max_elapsed: float, expected: str) -> None:
    """R12: it counts from the start of the first attempt, 5 s after the step's."""
    retry = {"max_attempts": 5, "initial_delay": 4, "max_elapsed": max_elapsed, **EXACT}
    play = Play(one(retry=retry))
    play.now = 5
    play.take("a")
    play.now = 12
    play.bad("a")

    assert expected == play.status_of("a")


def test_the_delay_that_was_drawn_is_compared_with_max_elapsed() -> None:
    play = Play(one(retry={"max_attempts": 5, "initial_delay": 4, "max_elapsed": 3}))
    play.bad("a", chance=0.75)

    assert 3.0 == play.machine.deadline


@pytest.mark.parametrize("asked", (True, False), ids=str)
def test_an_output_that_does_not_fit_is_a_failure(asked: bool) -> None:
    """The driver may have asked the schema already."""
    play = Play(one(output_schema={"required": ["x"]}, retry=3))
    play.take("a")
    problems = (Problem("$", "lacks x"),) if asked else None
    output = {"x": 1} if asked else {}
    play.tell(f.AttemptReturned(0, f.Address("a"), 1, output, problems=problems))

    assert ["AttemptFailed a schema.output", "StepFailed a schema.output"] == play.said[:2]


def test_an_output_whose_schema_was_asked_is_not_asked_again() -> None:
    play = Play(one(output_schema={"required": ["x"]}))
    play.take("a")
    play.tell(f.AttemptReturned(0, f.Address("a"), 1, {}, problems=()))

    assert "COMPLETED" == play.status_of("a")


# ---- R13: fallback, decisions ----


def test_a_fallback_completes_its_step() -> None:
    play = Play(
        one(
            parameters={"x": "${input.x}"},
            timeout=5,
            retry={"max_attempts": 1, "on_exhausted": "pause"},
            fallback="other",
        ),
        {"x": 1},
    )
    play.bad("a")

    assert ["AttemptFailed a boom", "FallbackStarted a"] == play.said
    assert ["QueueAttempt a:fallback 1"] == play.asked

    play.take("a:fallback")

    assert (
        c.RunAttempt(f.Address("a", "fallback"), 1, "other", {"x": 1}, "x:a:fallback"),
    ) == play.turn.commands

    play.ok("a:fallback", 5)
    record = play.machine.state.step("a")

    assert ("fallback", 5, 1, None) == (record.by, record.output, record.attempts, record.failure)


def test_a_failed_fallback_gives_the_step_its_last_code() -> None:
    found = one(retry={"max_attempts": 2, **EXACT}, fallback={"action": "other", "retry": 2})
    play = Play(found)
    play.bad("a", "first")
    play.pass_to(1)
    play.bad("a", "second")
    play.bad("a:fallback", "third", chance=1)

    assert ["AttemptFailed a:fallback third"] == play.said

    play.pass_to(2)
    play.bad("a:fallback", "fourth")
    (found_failure,) = play.machine.state.failures

    assert ("fourth", "a", 2) == (found_failure.code, found_failure.step, found_failure.attempt)
    assert ["second"] == [cause.code for cause in found_failure.causes]
    assert 2 == play.machine.state.step("a").attempts


def test_a_fallback_that_fails_in_a_grace_has_the_same_cause() -> None:
    play = Play(one(fallback="other"))
    play.bad("a", "first")
    play.take("a:fallback")
    play.cancel(grace=5)
    play.bad("a:fallback", "second")
    (found,) = play.machine.state.failures

    assert "CANCELLED" == play.status
    assert ("second", ["first"]) == (found.code, [cause.code for cause in found.causes])


def test_a_fallback_has_one_attempt_without_a_retry_of_its_own() -> None:
    """The workflow's retry is not its default."""
    play = Play(document({"id": "a", "fallback": "other", "retry": 1}, retry=5))
    play.bad("a")
    play.bad("a:fallback")

    assert "FAILED" == play.status


def test_the_output_of_a_fallback_has_to_fit_the_schema_of_the_step() -> None:
    play = Play(one(output_schema={"type": "integer"}, fallback="other"))
    play.bad("a")
    play.ok("a:fallback", "text")

    assert ["schema.output"] == play.codes


def test_the_parameters_of_a_fallback_are_resolved_when_it_starts() -> None:
    found = document(
        {"id": "a", "fallback": {"action": "other", "parameters": {"x": "${input.x}"}}},
        {"id": "b", "parameters": {"y": "${input.y}"}},
        connections=[],
    )
    play = Play(found)
    play.take("a")
    play.resume({"x": 1, "y": 2})
    play.bad("a")
    play.crash()
    play.take("a:fallback")

    assert {"x": 1} == running(play, "a:fallback").parameters


@pytest.mark.parametrize("pauses", (False, True), ids=str)
def test_a_fallback_that_lacks_something_has_failed(pauses: bool) -> None:
    """An input, too; it is not waited for."""
    retry = {"max_attempts": 1, "on_exhausted": "pause" if pauses else "fail"}
    fallback = {"action": "other", "parameters": {"x": "${input.x}"}}
    play = Play(one(retry=retry, fallback=fallback))
    play.bad("a")

    assert ("PAUSED" if pauses else "FAILED") == play.status_of("a")
    assert "reference.missing" == play.code_of("a")

    found = play.machine.state.step("a").failure

    assert found is not None
    assert ["boom"] == [cause.code for cause in found.causes]


def undecided(**fields: Any) -> Play:
    retry = {"max_attempts": 2, "on_exhausted": "pause", **EXACT, "max_elapsed": 4}
    play = Play(one(retry=retry, **fields))
    play.bad("a")
    play.pass_to(1)
    play.bad("a", "last")
    return play


def test_a_step_may_wait_for_a_decision() -> None:
    play = undecided()

    assert ["AttemptFailed a last", "StepPaused a decision", "ExecutionPaused"] == play.said
    assert ["a decision about step 'a'"] == play.waits
    assert "last" == play.machine.waiting_for()[0].failure.code  # type: ignore[union-attr]


def test_the_decision_failed_takes_the_last_code() -> None:
    play = undecided()
    play.resume(decisions={"a": "failed"})

    assert [
        "DecisionsReceived",
        "StepFailed a last",
        "ExecutionResumed",
        "StoppingStarted failure",
        "ExecutionFailed",
    ] == play.said
    assert ["last"] == play.codes


def test_the_decision_completed_brings_an_output() -> None:
    play = undecided(output_schema={"type": "integer"})

    with pytest.raises(InvalidRequest, match="does not fit"):
        play.resume(decisions={"a": {"completed": "text"}})

    play.resume(decisions={"a": {"completed": 7}})
    record = play.machine.state.step("a")

    assert ("decision", 7, None) == (record.by, record.output, record.failure)
    assert {"a": 7} == play.output


def test_the_decision_retry_begins_a_fresh_series() -> None:
    """At once; attempts, delays and `max_elapsed` afresh; numbers count on."""
    play = undecided()
    play.now = 100
    play.resume(decisions={"a": "retry"})

    assert ["DecisionsReceived", "ExecutionResumed", "StepRetried a"] == play.said
    assert ["QueueAttempt a 3"] == play.asked

    play.bad("a")

    assert 101.0 == play.machine.deadline

    play.pass_to(101)
    play.bad("a", "again")

    assert ["AttemptFailed a again", "StepPaused a decision", "ExecutionPaused"] == play.said
    assert 4 == play.machine.state.step("a").attempts


def test_a_fresh_series_has_its_fallback_again() -> None:
    fallback = {"action": "other", "parameters": {"x": "${input.x?}"}}
    play = undecided(fallback=fallback)
    play.take("a:fallback")

    assert ({"x": None}, 1) == (
        running(play, "a:fallback").parameters,
        running(play, "a:fallback").attempt,
    )

    play.bad("a:fallback", "of fallback")

    assert ("PAUSED", "of fallback") == (play.status_of("a"), play.code_of("a"))

    play.resume({"x": 1}, {"a": "retry"})
    play.bad("a", failure(retryable=False))
    play.take("a:fallback")

    assert ({"x": 1}, 2) == (
        running(play, "a:fallback").parameters,
        running(play, "a:fallback").attempt,
    )

    play.crash()
    play.ok("a:fallback")

    assert ("COMPLETED", 3) == (play.status, play.history[-2].attempt)  # type: ignore[attr-defined]


def test_a_decision_keeps_the_parameters_of_the_step() -> None:
    found = one(parameters={"x": "${input.x?}"}, retry={"max_attempts": 1, "on_exhausted": "pause"})
    play = Play(found)
    play.bad("a")
    play.resume({"x": 1}, {"a": "retry"})
    play.take("a")

    assert {"x": None} == running(play).parameters


# ---- R16: late results ----


def stopping_one(**fields: Any) -> Play:
    play = Play(one(**fields))
    play.take("a")
    play.cancel("enough")

    assert ["CancelAttempt a 1"] == play.asked

    return play


def test_a_value_in_spite_of_a_cancel_is_a_success() -> None:
    play = stopping_one()
    play.ok("a", 1)

    assert ["StepCompleted a", "ExecutionCancelled"] == play.said
    assert play.machine.state.step("a").late


def test_an_exception_in_spite_of_a_cancel_is_the_cancel() -> None:
    play = stopping_one(retry=5, fallback="other")
    play.bad("a", "cleanup")

    assert ["StepCancelled a", "ExecutionCancelled"] == play.said

    found = play.machine.state.step("a").failure

    assert found is not None
    assert ("cleanup", "a", 1) == (found.code, found.step, found.attempt)
    assert [] == play.codes


def test_a_stopped_attempt_keeps_what_it_raised_besides() -> None:
    play = stopping_one()
    play.stopped("a", failure("cleanup"))
    found = play.machine.state.step("a").failure

    assert found is not None
    assert ("cleanup", "a", 1) == (found.code, found.step, found.attempt)


def test_a_late_value_that_does_not_fit_counts_as_raised() -> None:
    play = stopping_one(output_schema={"type": "integer"})
    play.ok("a", "text")

    assert ["StepCancelled a", "ExecutionCancelled"] == play.said
    assert "schema.output" == play.code_of("a")


def test_a_value_after_the_timeout_of_its_attempt_is_late() -> None:
    play = Play(one(timeout=5))
    play.ok("a", 1, late=True)

    assert ("COMPLETED", True) == (play.status, play.machine.state.step("a").late)


def test_a_value_in_time_is_not_late() -> None:
    play = Play(one(timeout=5))
    play.ok("a", 1)

    assert not play.machine.state.step("a").late


def test_a_value_after_the_timeout_that_does_not_fit_is_the_timeout() -> None:
    """R16: so it is repeated like a timeout, which `schema.output` is not."""
    retry = {"max_attempts": 2, **EXACT}
    play = Play(one(timeout=5, output_schema={"type": "integer"}, retry=retry))
    play.ok("a", "text", late=True)
    event = play.history[-1]

    assert isinstance(event, e.AttemptFailed)
    assert "timeout.attempt" == event.failure.code
    assert "attempt 1 timed out after 5 s" == event.failure.message
    assert ["schema.output"] == [cause.code for cause in event.failure.causes]
    assert 1.0 == event.retry_at


def test_a_late_value_without_a_timeout_that_does_not_fit() -> None:
    play = Play(one(output_schema={"type": "integer"}))
    play.ok("a", "text", late=True)

    assert "schema.output" == play.code_of("a")


def test_a_late_success_decides_its_connections() -> None:
    found = document({"id": "a", "total_timeout": 5}, {"id": "b", "depends_on": ["a"]})
    play = Play(found)
    play.take("a")
    play.pass_to(5)

    assert ["CancelAttempt a 1"] == play.asked

    play.ok("a")

    assert ["StepCompleted a +a->b", "StepStarted b"] == play.said


def test_an_attempt_that_does_not_stop_is_reported_once() -> None:
    play = stopping_one()
    play.tell(f.AttemptHangs(10.0, f.Address("a"), 1, 10.0))

    assert ["AttemptUnresponsive a"] == play.said

    play.tell(f.AttemptHangs(20.0, f.Address("a"), 1, 10.0))

    assert [] == play.said
    assert "RUNNING" == play.status

    play.stopped("a")

    assert "CANCELLED" == play.status


def test_every_attempt_may_be_reported() -> None:
    play = Play(one(retry={"max_attempts": 2, **EXACT}))
    play.take("a")
    play.tell(f.AttemptHangs(0, f.Address("a"), 1, 10.0))
    play.bad("a")
    play.pass_to(1)
    play.take("a")
    play.tell(f.AttemptHangs(1, f.Address("a"), 2, 10.0))

    assert ["AttemptUnresponsive a"] == play.said


# ---- answers that nobody waits for ----

ADDRESS = f.Address("a")


@pytest.mark.parametrize(
    "fact",
    (
        f.SlotsTaken(0, ((ADDRESS, 1),)),
        f.SlotsTaken(0, ((ADDRESS, 3),)),
        f.SlotsTaken(0, ((f.Address("nobody"), 1),)),
        f.AttemptRejected(0, ADDRESS, 2, failure()),
        f.AttemptReturned(0, ADDRESS, 2, 1),
        f.AttemptReturned(0, f.Address("a", "fallback"), 1, 1),
        f.AttemptReturned(0, f.Address("a", item=0), 1, 1),
        f.AttemptReturned(0, f.Address("b"), 1, 1),
        f.AttemptRaised(0, ADDRESS, 2, failure()),
        f.AttemptStopped(0, ADDRESS, 2),
        f.AttemptLeft(0, ADDRESS, 2),
        f.AttemptHangs(0, ADDRESS, 2, 1.0),
        f.TimePassed(0),
        f.Check(0),
    ),
    ids=str,
)
def test_an_answer_that_nobody_waits_for_is_ignored(fact: f.Fact) -> None:
    play = Play(document({"id": "a"}, {"id": "b"}))
    play.take("a")
    play.tell(fact)

    assert ([], []) == (play.said, play.asked)


def test_a_slot_that_came_before_the_attempt_was_dropped_is_not_used() -> None:
    play = Play(one())
    play.pause()
    play.tell(f.SlotsTaken(0, ((ADDRESS, 1),)))

    assert ([], []) == (play.said, play.asked)


def test_slots_that_come_together_are_used_in_their_order_by_those_who_wait() -> None:
    play = Play(document({"id": "a"}, {"id": "b", "depends_on": []}, {"id": "c", "depends_on": []}))
    wanted = [(f.Address(step), 1) for step in "cab"]
    play.tell(f.SlotsTaken(0, ((f.Address("a"), 7), *wanted)))

    assert ["AttemptStarted c", "AttemptStarted a", "AttemptStarted b"] == play.said
    assert ["RunAttempt c 1", "RunAttempt a 1", "RunAttempt b 1"] == play.asked


def parallel(*steps: str, **fields: Any) -> dict[str, Any]:
    return document(*({"id": step, "depends_on": [], **fields} for step in steps))


def test_free_slots_go_to_the_first_that_queue_and_the_others_wait() -> None:
    play = Play(parallel("a", "b", "c"), start=False)
    play.tell(f.Start(0, "x"), slots=2)

    assert ["AttemptStarted a", "AttemptStarted b"] == play.said[-2:]
    assert ["RunAttempt a 1", "RunAttempt b 1", "QueueAttempt c 1"] == play.asked


def test_a_free_slot_is_not_for_what_the_same_transaction_stops() -> None:
    play = Play(document({"id": "a"}, {"id": "b", "retry": {"max_attempts": 2}}))
    play.ok("a")
    play.take("b")
    play.cancel(grace=9)
    key = play._key("b", play.running)
    del play.running[key]
    play.tell(f.AttemptRaised(1, *key, failure()), slots=1)

    assert [] == [each for each in play.asked if "Attempt" in each]


def test_a_free_slot_is_not_taken_before_it_is_known_that_the_secret_is_there() -> None:
    play = Play(parallel("a", parameters={"x": "${secret.KEY}"}), start=False)
    play.tell(f.Start(0, "x"), slots=2)

    assert ["QueueAttempt a 1"] == play.asked


def test_nobody_overtakes_whoever_has_to_queue() -> None:
    secret = {"id": "a", "depends_on": [], "parameters": {"x": "${secret.KEY}"}}
    play = Play(document(secret, {"id": "b", "depends_on": []}), start=False)
    play.tell(f.Start(0, "x"), slots=1)

    assert ["QueueAttempt a 1", "QueueAttempt b 1"] == play.asked


def test_a_pause_holds_back_what_would_get_a_free_slot() -> None:
    play = Play(document({"id": "a", "retry": {"max_attempts": 2}}))
    play.take("a")
    play.pause()
    key = play._key("a", play.running)
    del play.running[key]
    play.tell(f.AttemptRaised(1, *key, failure()), slots=1)
    play.tell(f.TimePassed(play.machine.deadline or 0), slots=1)

    assert [] == play.asked


def test_an_attempt_that_was_not_to_be_stopped_cannot_have_stopped() -> None:
    play = Play(one())
    play.take("a")

    with pytest.raises(ProtocolError, match="attempt 1 of a was not to be stopped"):
        play.tell(f.AttemptStopped(0, ADDRESS, 1))


def test_an_execution_that_has_ended_ignores_everything() -> None:
    play = Play(one())
    play.ok("a")
    for fact in (
        f.TimePassed(9),
        f.Check(9),
        f.AttemptReturned(9, ADDRESS, 1, 1),
        f.SlotsTaken(9, ((ADDRESS, 2),)),
    ):
        play.tell(fact)

        assert [] == play.said

    play.crash(10)

    assert ([], ["Finish"]) == (play.said, play.asked)
    assert (None, None) == (play.machine.deadline, play.machine.due)


def test_an_execution_that_has_not_started_has_nothing_to_do() -> None:
    play = Play(one(), start=False)
    play.tell(f.TimePassed(5))
    play.tell(f.Recovered(6))

    assert ([], [], "PENDING", 6.0) == (play.said, play.asked, play.status, play.machine.due)


# ---- R18 and what is not done here ----


def test_addresses() -> None:
    assert "a" == str(f.Address("a"))
    assert "a[3]" == str(f.Address("a", item=3))
    assert "a:fallback" == str(f.Address("a", "fallback"))
    assert "a[3]:compensate" == str(f.Address("a", "compensate", 3))
