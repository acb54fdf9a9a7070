"""Order: gates, connections, joins, skipping (R1 to R7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.playing import Play, document, failure
from trioflow.kernel._states import CANCELLED, CONDITION_DECIDES


def graph(*connections: Any, steps: str = "a b", **fields: Any) -> dict[str, Any]:
    """A document whose connections are written like ``"a b"``, or as mappings."""
    return document(
        *({"id": step} for step in steps.split()),
        connections=[
            dict(zip(("source", "target"), each.split(), strict=True))
            if isinstance(each, str)
            else each
            for each in connections
        ],
        on_failure="continue",
        **fields,
    )


def connect(source: str, target: str, **fields: Any) -> dict[str, Any]:
    return {"source": source, "target": target, **fields}


def with_step(found: dict[str, Any], step_id: str, **fields: Any) -> dict[str, Any]:
    """Add fields to one step of a document."""
    for step in found["steps"]:
        if step["id"] == step_id:
            step.update(fields)
    return found


# ---- R1: gates ----


def end_as(play: Play, step: str, status: str) -> None:
    if status == "COMPLETED":
        play.ok(step, {"n": 1})
    elif status == "FAILED":
        play.bad(step)

    assert status == play.status_of(step)


@pytest.mark.parametrize("status", ("COMPLETED", "FAILED", "SKIPPED"), ids=str)
def test_a_gate_opens_however_the_step_before_it_ended(status: str) -> None:
    """List order makes gates; they never skip and never fail a step."""
    first = {"id": "a", **({"condition": "1 > 2"} if status == "SKIPPED" else {})}
    play = Play(document(first, {"id": "b"}, on_failure="continue"))
    end_as(play, "a", status)

    assert ["b"] == play.queue


def test_sequence_order_waits_for_all_lower_numbers() -> None:
    play = Play(
        document(
            {"id": "c", "sequence_order": 7},
            {"id": "a", "sequence_order": 1},
            {"id": "b", "sequence_order": 1},
        )
    )

    assert ["a", "b"] == play.queue

    play.ok("b")

    assert ["a"] == play.queue

    play.ok("a")

    assert ["c"] == play.queue


@pytest.mark.parametrize(
    "fields",
    (
        {"parameters": {"deep": [{"er": "${a.n}"}]}},
        {"parameters": {"x": "${a.n?}"}},
        {"parameters": {"x": "${steps.a.status}"}},
        {"condition": "exists(a.n)"},
        {"condition": "steps.a.status == 'COMPLETED'"},
        {"fallback": {"action": "other", "parameters": {"x": "is ${a.n}"}}},
        {"type": "sleep", "duration": "${a.n}"},
        {"type": "sleep", "until": "${a.n}"},
    ),
    ids=str,
)
def test_every_reference_is_a_gate(fields: dict[str, Any]) -> None:
    play = Play(document({"id": "a"}, {"id": "b", **fields}, connections=[]))

    assert ["a"] == play.queue
    assert "PENDING" == play.status_of("b")

    play.ok("a", {"n": 5})

    assert "PENDING" != play.status_of("b")


def test_a_step_whose_gates_are_closed_is_not_skipped_yet() -> None:
    found = with_step(graph(connect("a", "c", on="failure"), steps="a b c"), "c")
    with_step(found, "c", parameters={"x": "${b.n}"})
    play = Play(found)
    play.ok("a")

    assert "PENDING" == play.status_of("c")

    play.ok("b", {"n": 1})

    assert "SKIPPED" == play.status_of("c")


def test_a_reference_to_a_skipped_step_is_missing() -> None:
    play = Play(
        document(
            {"id": "a", "condition": "false"},
            {"id": "b", "parameters": {"x": "${a.n}"}},
            {"id": "c", "condition": "${a.n} > 1"},
            {"id": "d", "parameters": {"x": "${a.n?}", "y": "${steps.a.status}"}},
            on_failure="continue",
        )
    )

    assert "reference.missing" == play.code_of("b")
    assert "condition.error" == play.code_of("c")

    play.take("d")

    assert {"x": None, "y": "SKIPPED"} == play.attempt("d").parameters


def first_with_reference(**parameters: Any) -> dict[str, Any]:
    found = graph("a c", "b c", steps="a b c")
    return with_step(found, "c", join="first", parameters=parameters)


def test_a_first_step_never_sees_the_source_that_had_not_ended() -> None:
    """R1: not in a later attempt, after a crash, or in a fallback without parameters either."""
    found = first_with_reference(
        a="${a.n?}", b="${b.n?}", how="${steps.b.status?}", why="${steps.b.error.code?}"
    )
    with_step(found, "c", retry={"max_attempts": 2, "jitter": "none"}, fallback="other")
    expected = {"a": 1, "b": None, "how": None, "why": None}
    play = Play(found)
    play.take("b")
    play.ok("a", {"n": 1})
    play.take("c")

    assert expected == play.attempt("c").parameters

    play.ok("b", {"n": 2})
    play.crash()
    play.take("c")

    assert expected == play.attempt("c").parameters

    play.bad("c")
    play.pass_to(1)
    play.bad("c")
    play.take("c:fallback")

    assert expected == play.attempt("c:fallback").parameters


def test_the_fallback_of_a_first_step_sees_what_has_ended_by_its_start() -> None:
    found = graph("a d", "b d", "c d", steps="a b c d")
    parameters = {"b": "${b.n?}", "c": "${c.n?}"}
    with_step(found, "d", join="first", fallback={"action": "other", "parameters": parameters})
    play = Play(found)
    play.take("b", "c")
    play.ok("a")
    play.take("d")
    play.ok("b", {"n": 2})
    play.bad("d")
    play.ok("c", {"n": 3})
    play.crash()
    play.take("d:fallback")

    assert {"b": 2, "c": None} == play.attempt("d:fallback").parameters


@pytest.mark.parametrize(("more", "code"), (({}, "reference.missing"), ({"version": "2"}, "")))
def test_a_version_that_the_document_does_not_have_is_missing(more: Any, code: str) -> None:
    play = Play(
        document(
            {"id": "a", "parameters": {"x": "${workflow.version?}"}},
            {"id": "b", "parameters": {"x": "${workflow.version}"}, "depends_on": []},
            on_failure="continue",
            **more,
        )
    )

    play.take("a")

    assert {"x": more.get("version")} == play.attempt("a").parameters
    assert ("FAILED" if code else "RUNNING") == play.status_of("b")
    assert not code or code == play.code_of("b")


def test_a_first_step_does_not_see_what_ends_in_its_own_group() -> None:
    """Both triggers end by being looked at together, in one group with what neither is."""
    found = document(
        {"id": "a"},
        {"id": "t", "type": "trigger"},
        {"id": "f", "join": "first", "parameters": {"x": "${t.k?}"}},
        connections=[connect("a", "t"), connect("a", "f"), connect("t", "f")],
    )
    play = Play(found, {"k": 1})
    play.ok("a")
    play.take("f")

    assert {"x": None} == play.attempt("f").parameters


def test_a_missing_source_of_a_first_step_fails_it() -> None:
    play = Play(first_with_reference(b="${b.n}"))
    play.ok("a")

    assert "reference.missing" == play.code_of("c")


def test_a_condition_sees_only_what_had_ended_before_its_group() -> None:
    found = document(
        {"id": "a"},
        {"id": "t", "type": "trigger"},
        {"id": "f", "join": "first", "condition": "exists(steps.t.status)"},
        connections=[connect("a", "t"), connect("a", "f"), connect("t", "f")],
    )
    play = Play(found)
    play.ok("a")

    assert "SKIPPED" == play.status_of("f")


# ---- R2: the table ----

TABLE = (
    ("COMPLETED", "success", True),
    ("COMPLETED", "failure", False),
    ("COMPLETED", "always", True),
    ("tolerated", "success", True),
    ("tolerated", "failure", True),
    ("tolerated", "always", True),
    ("FAILED", "success", False),
    ("FAILED", "failure", True),
    ("FAILED", "always", True),
    ("SKIPPED", "success", False),
    ("SKIPPED", "failure", False),
    ("SKIPPED", "always", True),
)


@pytest.mark.parametrize(("how", "on", "by_condition"), TABLE, ids=str)
@pytest.mark.parametrize("condition", (None, "true", "1 > 2", "default"), ids=str)
def test_what_becomes_of_a_connection(
    how: str, on: str, by_condition: bool, condition: str | None
) -> None:
    fields: dict[str, Any] = {"on": on}
    if condition == "default":
        fields["default"] = True
    elif condition is not None:
        fields["condition"] = condition
    found = graph(connect("a", "b", **fields))
    if how == "tolerated":
        with_step(found, "a", continue_on_error=True)
    if how == "SKIPPED":
        with_step(found, "a", condition="false")
    play = Play(found)
    if how == "COMPLETED":
        play.ok("a")
    elif how != "SKIPPED":
        play.bad("a")
    taken = by_condition and condition != "1 > 2"

    assert {"a->b": taken} == play.decided
    assert ("RUNNING" if taken else "SKIPPED") == play.status_of("b")


def test_the_connections_of_a_cancelled_step_are_dead_in_the_table_and_left_open_in_fact() -> None:
    assert {"success": False, "failure": False, "always": False} == CONDITION_DECIDES[CANCELLED]

    play = Play(graph(connect("a", "b", on="always")))
    play.cancel()

    assert {"a->b": None} == play.decided
    assert {"a": "CANCELLED", "b": "CANCELLED"} == play.statuses


def test_a_connection_is_decided_in_the_record_that_ends_its_source() -> None:
    play = Play(graph(connect("a", "b", condition="n > 1"), connect("a", "c"), steps="a b c"))
    play.ok("a", {"n": 1})

    assert [
        "StepCompleted a +a->c -a->b",
        "StepSkipped b",
        "StepStarted c",
    ] == play.said


def test_a_condition_that_the_table_does_not_ask_for_is_not_evaluated() -> None:
    play = Play(graph(connect("a", "b", condition="gone > 1", on="failure")))
    play.ok("a", {})

    assert {"a->b": False} == play.decided
    assert "COMPLETED" == play.status


def test_a_condition_sees_its_source_as_it_has_just_ended() -> None:
    conditions = (
        "steps.a.status == 'FAILED' and steps.a.error.code == 'boom' and steps.a.attempts == 2",
        "not exists(n)",
        "steps.a.error.message == 'it is boom'",
    )
    found = graph(
        *(
            connect("a", target, condition=condition, on="failure")
            for target, condition in zip("bcd", conditions, strict=True)
        ),
        steps="a b c d",
    )
    play = Play(with_step(found, "a", retry={"max_attempts": 2, "jitter": "none"}))
    play.bad("a")
    play.pass_to(1)
    play.bad("a")

    assert ["b", "c", "d"] == play.queue


def test_a_completed_source_has_its_output_and_no_error() -> None:
    play = Play(graph(connect("a", "b", condition="n == 1 and steps.a.error == null")))
    play.ok("a", {"n": 1})

    assert ["b"] == play.queue


# ---- R3, R4: defaults, errors, missing inputs ----


@pytest.mark.parametrize(
    ("output", "expected"),
    (
        ({"n": 9}, {"a->b": True, "a->c": False, "a->d": False, "a->e": True}),
        ({"n": 5}, {"a->b": False, "a->c": True, "a->d": False, "a->e": True}),
        ({"n": 1}, {"a->b": False, "a->c": False, "a->d": True, "a->e": True}),
    ),
    ids=str,
)
def test_a_default_is_taken_if_none_beside_it_was(output: Any, expected: dict[str, bool]) -> None:
    """R3: a connection without a condition neither helps nor hinders it."""
    play = Play(
        graph(
            connect("a", "d", default=True),
            connect("a", "b", condition="n > 7"),
            connect("a", "c", condition="n > 3 and n < 8"),
            "a e",
            steps="a b c d e",
        )
    )
    play.ok("a", output)

    assert expected == play.decided


def test_a_default_looks_only_at_conditions_with_the_same_on() -> None:
    found = graph(
        connect("a", "b", condition="true", on="always"),
        connect("a", "c", default=True),
        connect("a", "d", default=True, on="failure"),
        steps="a b c d",
    )
    play = Play(found)
    play.ok("a")

    assert {"a->b": True, "a->c": True, "a->d": False} == play.decided


def test_a_condition_that_errs_kills_the_default_beside_it() -> None:
    """R4: no step fails of it, and the execution has an unhandled failure that names it."""
    play = Play(
        graph(
            connect("a", "b", condition="n > 'x'"),
            connect("a", "c", default=True),
            connect("a", "d", condition="n == 1"),
            steps="a b c d",
        )
    )
    play.ok("a", {"n": 1})

    assert [
        "StepCompleted a +a->d -a->b -a->c",
        "ConditionFailed a->b condition.error",
        "StepSkipped b",
        "StepSkipped c",
        "StepStarted d",
    ] == play.said

    play.ok("d")

    assert ("FAILED", ["condition.error"]) == (play.status, play.codes)
    assert "connection 'a->b'" in play.machine.state.failures[0].message
    assert () == play.machine.failed_steps()


def test_an_erring_condition_alone_kills_the_default_beside_it() -> None:
    play = Play(
        graph(connect("a", "b", condition="gone"), connect("a", "c", default=True), steps="a b c")
    )
    play.ok("a", {})

    assert {"a->b": False, "a->c": False} == play.decided
    assert {"a": "COMPLETED", "b": "SKIPPED", "c": "SKIPPED"} == play.statuses


def waiting_default() -> Play:
    play = Play(
        graph(
            connect("a", "b", condition="input.x > 1"),
            connect("a", "c", condition="input.y > 1"),
            connect("a", "d", default=True),
            connect("a", "e", condition="n > 1"),
            steps="a b c d e",
        )
    )
    play.ok("a", {"n": 1})
    return play


def test_a_condition_that_lacks_an_input_waits_and_so_does_the_default_beside_it() -> None:
    play = waiting_default()

    assert {"a->b": None, "a->c": None, "a->d": None, "a->e": False} == play.decided
    assert ["input.x (connection 'a->b')", "input.y (connection 'a->c')"] == play.waits
    assert "PAUSED" == play.status
    assert "PAUSED" not in play.statuses.values()


def test_a_default_waits_for_the_last_false_condition() -> None:
    play = waiting_default()
    play.resume({"x": 0})

    assert ["InputReceived", "ConnectionsDecided -a->b", "StepSkipped b"] == play.said

    play.resume({"y": 0})

    assert {"a->b": False, "a->c": False, "a->d": True, "a->e": False} == play.decided
    assert ["d"] == play.queue


def test_a_default_is_dead_when_the_first_condition_is_true() -> None:
    play = waiting_default()
    play.resume({"y": 2})

    assert {"a->b": None, "a->c": True, "a->d": False, "a->e": False} == play.decided
    assert ["input.x (connection 'a->b')"] == play.waits


def test_a_default_is_dead_when_a_condition_that_waited_errs() -> None:
    play = waiting_default()
    play.resume({"y": "text"})

    assert {"a->b": None, "a->c": False, "a->d": False, "a->e": False} == play.decided
    assert ["condition.error"] == [each.code for each in play.machine.state.unhandled.values()]


@pytest.mark.parametrize("sibling", ("n == 1", "gone"), ids=str)
def test_a_default_is_dead_at_once_if_another_was_taken_or_erred(sibling: str) -> None:
    play = Play(
        graph(
            connect("a", "b", condition="input.x"),
            connect("a", "c", condition=sibling),
            connect("a", "d", default=True),
            steps="a b c d",
        )
    )
    play.ok("a", {"n": 1})

    assert play.decided["a->b"] is None
    assert play.decided["a->d"] is False


def test_an_undecided_connection_keeps_an_execution_open_until_it_is_decided() -> None:
    """Even if its target has ended long since."""
    found = graph("a c", connect("b", "c", condition="input.x"), steps="a b c")
    play = Play(with_step(found, "c", join="first"))
    play.ok("a")
    play.ok("b")
    play.ok("c")

    assert ("PAUSED", 0) == (play.status, play.machine.state.open)

    play.resume({"x": True})

    assert [
        "InputReceived",
        "ConnectionsDecided +b->c",
        "ExecutionResumed",
        "ExecutionCompleted",
    ] == play.said


def test_stopping_gives_up_undecided_connections() -> None:
    play = waiting_default()
    play.cancel()

    assert "CANCELLED" == play.status
    assert play.decided["a->b"] is None


@pytest.mark.parametrize(
    ("condition", "resumed", "status"),
    (("input.x", True, "COMPLETED"), ("input.x", False, "FAILED")),
    ids=str,
)
def test_a_waiting_failure_connection_counts_as_handled_until_it_is_decided(
    condition: str, resumed: bool, status: str
) -> None:
    """R4: so a resume may begin stopping."""
    found = graph(connect("a", "b", on="failure", condition=condition), "c d", steps="a b c d")
    play = Play({**found, "on_failure": "cancel"})
    play.bad("a")
    play.take("c")

    assert play.machine.state.stopping is None
    assert {} == play.machine.state.unhandled

    play.resume({"x": resumed})
    if resumed:
        play.ok("b")
        play.ok("c")
        play.ok("d")
    else:
        assert [
            "InputReceived",
            "ConnectionsDecided -a->b",
            "StoppingStarted failure",
            "StepCancelled b",
            "StepCancelled d",
        ] == play.said

        play.stopped("c")

    assert status == play.status


def test_a_waiting_always_connection_defers_the_failure() -> None:
    found = graph(connect("a", "b", on="always", condition="input.x"))
    play = Play({**found, "on_failure": "cancel"})
    play.bad("a")

    assert ("PAUSED", ["a"]) == (play.status, list(play.machine.state.deferred))

    play.resume({"x": True})
    play.ok("b")

    assert ("FAILED", ["boom"]) == (play.status, play.codes)


def test_a_deferred_failure_becomes_unhandled_when_its_always_connection_dies() -> None:
    found = graph(connect("a", "b", on="always", condition="input.x"), steps="a b c")
    play = Play({**found, "on_failure": "cancel"})
    play.bad("a")
    play.resume({"x": False})

    assert "StoppingStarted failure" in play.said
    assert ("FAILED", ["boom"]) == (play.status, play.codes)
    assert {"a": "FAILED", "b": "CANCELLED", "c": "CANCELLED"} == play.statuses


def test_a_deferred_failure_becomes_handled_by_a_resume() -> None:
    found = graph(
        connect("a", "b", on="failure", condition="input.x"),
        connect("a", "c", on="always"),
        steps="a b c",
    )
    play = Play(found)
    play.bad("a")

    assert {} == play.machine.state.deferred

    play.ok("c")
    play.resume({"x": True})
    play.ok("b")

    assert "COMPLETED" == play.status


def test_a_tolerated_source_may_have_a_condition_that_waits() -> None:
    found = graph(connect("a", "b", condition="input.x"))
    play = Play(with_step(found, "a", continue_on_error=True))
    play.bad("a")
    play.resume({"x": True})
    play.ok("b")

    assert ("COMPLETED", ("a",)) == (play.status, play.machine.failed_steps())


def test_what_is_missing_for_good_beside_an_input_errs() -> None:
    play = Play(graph(connect("a", "b", condition="input.x == gone")))
    play.ok("a", {})

    assert {"a->b": False} == play.decided


# ---- R5: joins ----

JOINS = (
    ("all", "TT", "runs"),
    ("all", "TD", "is skipped"),
    ("all", "DT", "is skipped"),
    ("all", "DD", "is skipped"),
    ("all", "TU", "waits"),
    ("all", "DU", "waits"),
    ("any", "TT", "runs"),
    ("any", "TD", "runs"),
    ("any", "DT", "runs"),
    ("any", "DD", "is skipped"),
    ("any", "TU", "waits"),
    ("any", "DU", "waits"),
    ("first", "TT", "runs"),
    ("first", "TU", "runs"),
    ("first", "UT", "runs"),
    ("first", "DT", "runs"),
    ("first", "DD", "is skipped"),
    ("first", "DU", "waits"),
    (None, "TD", "runs"),
    (None, "DD", "is skipped"),
)


@pytest.mark.parametrize(("join", "connections", "expected"), JOINS, ids=str)
def test_joins(join: str | None, connections: str, expected: str) -> None:
    found = graph("a c", "b c", steps="a b c")
    if join is not None:
        with_step(found, "c", join=join)
    play = Play(found)
    for step, becomes in zip("ab", connections, strict=True):
        if becomes == "T":
            play.ok(step)
        elif becomes == "D":
            play.bad(step)
    status = {"runs": "RUNNING", "is skipped": "SKIPPED", "waits": "PENDING"}[expected]

    assert status == play.status_of("c")


def test_depends_on_joins_all_by_default() -> None:
    found = document(
        {"id": "a"}, {"id": "b"}, {"id": "c", "depends_on": ["a", "b"]}, on_failure="continue"
    )
    play = Play(found)
    play.ok("a")
    play.bad("b")

    assert "SKIPPED" == play.status_of("c")


def test_a_first_step_runs_once_and_cancels_nothing() -> None:
    found = with_step(graph("a c", "b c", steps="a b c"), "c", join="first")
    play = Play(found)
    play.take("b")
    play.ok("a")
    play.ok("c")

    assert "RUNNING" == play.status_of("b")

    play.ok("b")

    assert ["StepCompleted b +b->c", "ExecutionCompleted"] == play.said


def test_a_first_step_whose_gates_open_late_is_looked_at_then() -> None:
    found = with_step(graph("a c", "b c", steps="a b c g"), "c", join="first", condition="${g.n}")
    play = Play(found)
    play.ok("a")
    play.ok("b")

    assert "PENDING" == play.status_of("c")

    play.ok("g", {"n": True})

    assert "RUNNING" == play.status_of("c")


# ---- R6: skipping ----


def test_a_dead_path_vanishes_down_to_its_end_in_one_turn() -> None:
    play = Play(graph(connect("a", "b", condition="false"), "b c", "c d", "a d", steps="a b c d"))
    play.ok("a")

    assert [
        "StepCompleted a +a->d -a->b",
        "StepSkipped b -b->c",
        "StepSkipped c -c->d",
        "StepStarted d",
    ] == play.said


def test_an_always_connection_goes_on_from_a_skipped_step() -> None:
    play = Play(
        graph(connect("a", "b", on="failure"), connect("b", "c", on="always"), steps="a b c")
    )
    play.ok("a")

    assert {"a": "COMPLETED", "b": "SKIPPED", "c": "RUNNING"} == play.statuses


def reason(play: Play, step: str) -> str | None:
    return play.machine.state.step(step).reason


def test_a_step_says_that_its_condition_skipped_it() -> None:
    play = Play(document({"id": "a", "condition": "input.n > 3"}), {"n": 1})

    assert "its condition is false: input.n > 3" == reason(play, "a")


@pytest.mark.parametrize(
    ("fields", "how", "expected"),
    (
        ({}, "boom", "a->b: a is FAILED"),
        ({"on": "failure"}, {}, "a->b: a is COMPLETED"),
        ({"condition": "n > 1"}, {"n": 1}, "a->b: not n > 1"),
        ({"condition": "n > 1"}, {}, "a->b: its condition failed"),
    ),
    ids=str,
)
def test_a_skipped_step_says_what_killed_its_connections(
    fields: dict[str, Any], how: Any, expected: str
) -> None:
    play = Play(graph(connect("a", "b", **fields)))
    if isinstance(how, str):
        play.bad("a", how)
    else:
        play.ok("a", how)

    assert expected == reason(play, "b")


@pytest.mark.parametrize(
    ("output", "expected"),
    (
        ({"n": 1}, "a->c: another condition of a was met"),
        ({"n": "x"}, "a->c: another condition of a failed"),
    ),
    ids=str,
)
def test_a_skipped_step_says_what_killed_its_default(output: Any, expected: str) -> None:
    play = Play(
        graph(connect("a", "b", condition="n > 0"), connect("a", "c", default=True), steps="a b c")
    )
    play.ok("a", output)

    assert expected == reason(play, "c")


def test_a_step_skipped_by_an_all_join_names_every_dead_connection() -> None:
    found = graph("a d", "b d", connect("c", "d", condition="false"), steps="a b c d")
    with_step(found, "a", continue_on_error=True)
    play = Play(with_step(found, "d", join="all"))
    play.bad("a")
    play.bad("b")
    play.ok("c")

    assert "b->d: b is FAILED; c->d: not false" == reason(play, "d")
    assert ("b->d", "c->d") == play.turn.recorded[1].killed_by  # type: ignore[attr-defined]


def test_the_condition_of_a_step_that_its_join_skips_is_not_evaluated() -> None:
    found = with_step(graph(connect("a", "b", on="failure")), "b", condition="input.x / 0 > 1")
    play = Play(found)
    play.ok("a")

    assert "SKIPPED" == play.status_of("b")


@pytest.mark.parametrize(
    ("condition", "status", "code"),
    (
        ("input.n == 1", "RUNNING", None),
        ("input.n == 2", "SKIPPED", None),
        ("input.n > 'x'", "FAILED", "condition.error"),
        ("input.list[5] == 1", "FAILED", "condition.error"),
        ("input.gone == 1", "PAUSED", None),
        ("input.gone == 1 and input.n == 2", "SKIPPED", None),
        ("input.gone == 1 or input.n == 1", "RUNNING", None),
        ("", "RUNNING", None),
    ),
    ids=str,
)
def test_the_condition_of_a_step(condition: str, status: str, code: str | None) -> None:
    play = Play(document({"id": "a", "condition": condition}), {"n": 1, "list": []})

    assert (status, code) == (play.status_of("a"), play.code_of("a"))


def test_a_condition_that_was_true_is_not_asked_again() -> None:
    """R6: it would be false now; the step only waited for an input of its parameters."""
    play = Play(
        document({"id": "a", "condition": "not exists(input.x)", "parameters": {"x": "${input.x}"}})
    )

    assert "PAUSED" == play.status_of("a")

    play.resume({"x": 1})

    assert "RUNNING" == play.status_of("a")


def test_a_step_that_waits_for_input_in_its_condition_asks_it_again() -> None:
    play = Play(
        document({"id": "a", "condition": "input.x > 1", "parameters": {"y": "${input.y}"}})
    )

    assert ["input.x (step 'a')"] == play.waits

    play.resume({"x": 2})

    assert ["InputReceived", "StepPaused a inputs"] == play.said
    assert ["input.y (step 'a')"] == play.waits

    play.resume({"y": 0})

    assert "RUNNING" == play.status_of("a")


def test_a_condition_may_turn_out_false_or_to_err_when_its_input_comes() -> None:
    play = Play(
        document(
            {"id": "a", "condition": "input.x > 1"},
            {"id": "b", "condition": "input.x > 'a'"},
            connections=[],
            on_failure="continue",
        )
    )
    play.resume({"x": 0})

    assert {"a": "SKIPPED", "b": "FAILED"} == play.statuses


def test_later_decisions_do_not_reach_a_first_step_that_waits_for_input() -> None:
    found = graph("a c", "b c", steps="a b c")
    play = Play(with_step(found, "c", join="first", condition="input.x"))
    play.ok("a")
    play.bad("b")

    assert ["StepFailed b boom -b->c", "ExecutionPaused"] == play.said[-2:]

    play.resume({"x": True})

    assert "RUNNING" == play.status_of("c")


# ---- R7, R8 ----


def test_steps_start_as_soon_as_they_can() -> None:
    """No waves: what stands behind a quick step does not wait for a slow one beside it."""
    play = Play(graph("a c", "b d", steps="a b c d"))
    play.take("b")
    play.ok("a")

    assert ["c"] == play.queue


def test_an_execution_without_a_way_on_is_a_bug() -> None:
    from trioflow.errors import ProtocolError
    from trioflow.kernel import _facts as f

    play = Play(graph("a b"), checked=False)
    play.ok("a")
    play.machine.state.running = 0

    with pytest.raises(ProtocolError, match="has stalled"):
        play.machine.receive(f.TimePassed(1))


def test_attempts_queue_in_the_order_of_the_document_within_a_turn() -> None:
    """R8: also if the earlier one became ready by a later group of the same turn."""
    found = document(
        {"id": "early"},
        {"id": "late"},
        {"id": "a"},
        {"id": "skipped", "condition": "false"},
        connections=[
            connect("a", "late"),
            connect("a", "skipped"),
            connect("skipped", "early", on="always"),
        ],
    )
    play = Play(found)
    play.ok("a")

    assert ["StepStarted late", "StepSkipped skipped +skipped->early", "StepStarted early"] == [
        *play.said[1:]
    ]
    assert ["early", "late"] == play.queue


def test_what_one_turn_queues_and_stops_never_gets_into_the_queue() -> None:
    """R22: steps of one group are looked at together; one fails, so the other is CANCELLED."""
    play = Play(
        document(
            {"id": "a"},
            {"id": "b", "parameters": {"x": "${a.n}"}},
            {"id": "c"},
            connections=[connect("a", "b"), connect("a", "c")],
        )
    )
    play.ok("a", {})

    assert [
        "StepCompleted a +a->b +a->c",
        "StepFailed b reference.missing",
        "StepStarted c",
        "StoppingStarted failure",
        "StepCancelled c",
        "ExecutionFailed",
    ] == play.said
    assert ["Finish"] == play.asked


def test_an_error_beside_the_failure_of_a_source_names_both() -> None:
    found = graph(connect("a", "b", condition="gone", on="failure"))
    play = Play(with_step(found, "a"))
    play.bad("a", failure("boom"))

    assert ["boom", "condition.error"] == play.codes
