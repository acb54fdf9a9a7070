"""Forks: what is kept of an execution that has ended, and what runs again (R30)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.kernel.playing import Play, document
from trioflow.errors import InputRejected, InvalidRequest
from trioflow.kernel import _facts as f


def fork(
    play: Play,
    *from_steps: str,
    played: Mapping[str, Any] | None = None,
    input: Mapping[str, Any] | None = None,
) -> Play:
    """Fork an execution, with another document or input if they are given."""
    made = Play(play.workflow if played is None else played, start=False, at=play.now)
    made.tell(f.Fork(play.now, "y", play.machine.state, from_steps, input or {}, {"by": "me"}))
    return made


def chain(**fields: Any) -> dict[str, Any]:
    return document({"id": "a"}, {"id": "b", "parameters": {"x": "${a.n}"}}, {"id": "c"}, **fields)


def failed_chain() -> Play:
    play = Play(chain(), {"k": 1})
    play.ok("a", {"n": 5})
    play.bad("b")
    return play


def test_what_was_completed_is_kept_and_the_rest_runs_again() -> None:
    made = fork(failed_chain())

    assert ["ExecutionStarted", "StepCompleted a", "StepStarted b"] == made.said
    assert ("x", {"k": 1}, {"by": "me"}) == (
        made.history[0].forked_from,  # type: ignore[attr-defined]
        made.machine.state.input,
        made.machine.state.labels,
    )

    made.take("b")

    assert ({"x": 5}, "y:b") == (made.attempt("b").parameters, made.attempt("b").key)

    made.ok("b")
    made.ok("c", 7)

    assert ("COMPLETED", {"c": 7}) == (made.status, made.output)


def test_what_is_named_runs_again_with_all_that_comes_after_it() -> None:
    play = Play(chain())
    for step in "abc":
        play.ok(step, {"n": 1})

    assert {"a": "COMPLETED", "b": "RUNNING", "c": "PENDING"} == fork(play, "b").statuses
    assert {"a": "RUNNING", "b": "PENDING", "c": "PENDING"} == fork(play, "a").statuses


def test_a_fork_of_which_nothing_runs_again_ends_at_once() -> None:
    play = Play(chain())
    for step in "abc":
        play.ok(step, {"n": step})

    assert [
        "ExecutionStarted",
        "StepCompleted a",
        "StepCompleted b",
        "StepCompleted c",
        "ExecutionCompleted",
    ] == fork(play).said
    assert {"c": {"n": "c"}} == fork(play).output


def test_kept_connections_keep_their_decisions_and_skipped_steps_their_reasons() -> None:
    found = document(
        {"id": "a"},
        {"id": "b"},
        {"id": "c"},
        {"id": "d"},
        connections=[
            {"source": "a", "target": "b", "condition": "n > 1"},
            {"source": "a", "target": "c", "default": True},
            {"source": "c", "target": "d"},
        ],
    )
    play = Play(found)
    play.ok("a", {"n": 1})
    play.ok("c")
    play.ok("d")
    made = fork(play, "d")

    assert {"a->b": False, "a->c": True, "c->d": True} == made.decided
    assert ("SKIPPED", "a->b: not n > 1") == (
        made.status_of("b"),
        made.machine.state.step("b").reason,
    )
    assert ["d"] == made.queue


def test_failures_that_were_tolerated_or_handled_are_kept() -> None:
    found = document(
        {"id": "t", "continue_on_error": True, "retry": {"max_attempts": 2, "jitter": "none"}},
        {"id": "h"},
        {"id": "after", "parameters": {"n": "${steps.t.attempts}", "c": "${steps.h.error.code}"}},
        connections=[{"source": "h", "target": "after", "on": "failure"}],
    )
    play = Play(found)
    play.bad("t")
    play.pass_to(1)
    play.bad("t")
    play.bad("h")
    play.ok("after")
    made = fork(play, "after")
    made.take("after")

    assert {"t": "FAILED", "h": "FAILED", "after": "RUNNING"} == made.statuses
    assert {"n": 2, "c": "boom"} == made.attempt("after").parameters

    made.ok("after")

    assert "COMPLETED" == made.status


def test_other_failures_run_again_with_all_that_comes_after_them() -> None:
    found = document(
        {"id": "a"},
        {"id": "b"},
        {"id": "c"},
        connections=[
            {"source": "a", "target": "b"},
            {"source": "a", "target": "c", "on": "always"},
        ],
    )
    play = Play(found)
    play.bad("a")
    play.ok("c")

    assert {"a": "FAILED", "b": "SKIPPED", "c": "COMPLETED"} == play.statuses
    assert {"a": "RUNNING", "b": "PENDING", "c": "PENDING"} == fork(play).statuses


def test_what_was_undone_runs_again_and_a_fork_undoes_only_what_it_ran() -> None:
    found = document(
        {"id": "a", "compensate": "undo"}, {"id": "b", "compensate": "undo"}, {"id": "c"}
    )
    play = Play({**found, "compensate_on": ["cancelled"]})
    play.ok("a")
    play.ok("b")
    play.bad("c")
    made = fork(play, "b", played=found)
    made.ok("b")
    made.bad("c")

    assert ["b:compensate"] == made.queue

    made.ok("b:compensate")

    assert {"a": "COMPLETED", "b": "RUNNING", "c": "PENDING"} == fork(made).statuses


def test_items_that_were_undone_make_their_step_run_again() -> None:
    found = document({"id": "a", "for_each": {"items": [1, 2]}, "compensate": "undo"}, {"id": "b"})
    play = Play({**found, "compensate_on": []})
    play.ok("a[0]", 1)
    play.ok("a[1]", 2)
    play.bad("b")
    made = fork(play)

    assert ("COMPLETED", [1, 2]) == (made.status_of("a"), made.machine.state.outputs["a"])
    assert [] == made.machine.state.facts["a"]["item_errors"]

    made.bad("b")

    assert "FAILED" == made.status

    play = Play(found)
    play.ok("a[0]", 1)
    play.ok("a[1]", 2)
    play.bad("b")
    play.ok("a[1]:compensate")
    play.ok("a[0]:compensate")

    assert ["a[0]", "a[1]"] == fork(play).queue


def test_input_replaces_keys_and_has_to_fit() -> None:
    schema = {"properties": {"k": {"type": "integer"}}}
    play = Play(chain(input_schema=schema), {"k": 1, "o": {"p": 1}})
    play.ok("a", {"n": 1})
    play.bad("b")

    assert {"k": 2, "o": {}} == fork(play, input={"k": 2, "o": {}}).machine.state.input

    with pytest.raises(InputRejected):
        fork(play, input={"k": "text"})


def test_another_document_may_lack_what_runs_again_and_add_steps() -> None:
    found = document({"id": "a"}, {"id": "new", "parameters": {"x": "${a.n}"}})
    made = fork(failed_chain(), "new", played=found)

    assert {"a": "COMPLETED", "new": "RUNNING"} == made.statuses


def test_another_document_may_lack_what_came_after_a_step_that_runs_again() -> None:
    play = Play(chain())
    for step in "abc":
        play.ok(step, {"n": 1})
    made = fork(play, "b", played=document({"id": "a"}, {"id": "b"}))

    assert {"a": "COMPLETED", "b": "RUNNING"} == made.statuses


@pytest.mark.parametrize(
    ("step", "message"),
    (
        ({"id": "other"}, "step 'a' would be kept, but the new document has no such step"),
        ({"id": "a", "type": "wait"}, "is of type 'wait' now, not 'action'; name it"),
        ({"id": "a", "output_schema": {"required": ["x"]}}, "its output does not fit any more"),
    ),
    ids=str,
)
def test_another_document_has_to_fit_what_is_kept(step: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        fork(failed_chain(), played=document(step, {"id": "b"}))


def test_what_is_named_need_not_fit() -> None:
    made = fork(failed_chain(), "a", played=document({"id": "a", "type": "wait"}, {"id": "b"}))

    assert {"a": "PAUSED", "b": "PENDING"} == made.statuses


def test_connections_that_are_new_are_decided_now() -> None:
    """They may err, or lack an input, as always."""
    play = Play(document({"id": "a"}, {"id": "b"}))
    play.ok("a", {"n": 1})
    play.bad("b")
    found = document(
        *({"id": step} for step in "abcde"),
        connections=[
            {"source": "a", "target": "b", "condition": "n == 1"},
            {"source": "a", "target": "c", "condition": "n > 1 or steps.a.attempts != 1"},
            {"source": "a", "target": "d", "condition": "input.x"},
            {"source": "a", "target": "e", "condition": "gone"},
        ],
        on_failure="continue",
    )
    made = fork(play, played=found)

    assert {"a->b": True, "a->c": False, "a->d": None, "a->e": False} == made.decided
    assert ["condition.error"] == [each.code for each in made.machine.state.unhandled.values()]
    assert ["input.x (connection 'a->d')"] == made.waits


def test_an_output_that_fits_the_new_schema_is_kept() -> None:
    found = document({"id": "a", "output_schema": {"required": ["n"]}}, {"id": "b"})

    assert {"a": "COMPLETED", "b": "RUNNING"} == fork(failed_chain(), played=found).statuses


def test_a_failure_that_the_new_document_does_not_handle_runs_again() -> None:
    handled = [{"source": "a", "target": "b", "on": "failure"}]
    play = Play(document({"id": "a"}, {"id": "b"}, connections=handled))
    play.bad("a")
    play.ok("b")

    assert {"a": "FAILED", "b": "COMPLETED"} == fork(play).statuses

    made = fork(play, played=document({"id": "a"}, {"id": "b"}, connections=[]))

    assert {"a": "RUNNING", "b": "COMPLETED"} == made.statuses

    deferred = [{"source": "a", "target": "b", "on": "always"}]
    made = fork(play, played=document({"id": "a"}, {"id": "b"}, connections=deferred))

    assert {"a": "RUNNING", "b": "PENDING"} == made.statuses


def test_a_failure_that_was_not_handled_runs_again_although_it_would_be_tolerated_now() -> None:
    made = fork(failed_chain(), played=chain())

    assert "RUNNING" == made.status_of("b")

    found = chain()
    found["steps"][1]["continue_on_error"] = True

    assert "RUNNING" == fork(failed_chain(), played=found).status_of("b")


def test_a_fork_survives_a_crash() -> None:
    made = fork(failed_chain())
    made.crash(9)

    assert ([], ["QueueAttempt b 1"]) == (made.said, made.asked)


def test_what_cannot_be_forked() -> None:
    play = Play(chain())

    with pytest.raises(InvalidRequest, match="it is RUNNING, and only what has ended"):
        fork(play)

    with pytest.raises(InvalidRequest, match="there is no step 'x'; its steps: a, b, c"):
        fork(failed_chain(), "x")


def test_of_items_each_output_has_to_fit() -> None:
    """What failed under `continue` is null, whatever the schema says."""
    for_each = {"items": [1, 2, 3], "on_item_error": "continue"}
    item = {"type": "object", "required": ["n"]}
    first = {"id": "a", "for_each": for_each, "output_schema": item}
    play = Play(document(first, {"id": "b"}))
    play.ok("a[0]", {"n": 1})
    play.bad("a[1]")
    play.ok("a[2]", {"n": 3})
    play.ok("b")

    assert {"a": "COMPLETED", "b": "RUNNING"} == fork(play, "b").statuses

    stricter = {**first, "output_schema": {"properties": {"n": {"maximum": 2}}}}
    with pytest.raises(InvalidRequest, match=r"not fit any more: \$\[2\]\.n"):
        fork(play, "b", played=document(stricter, {"id": "b"}))

    one = Play(document({"id": "a"}, {"id": "b"}))
    one.ok("a", {"n": 1})
    one.ok("b")
    with pytest.raises(InvalidRequest, match="is no list"):
        fork(one, "b", played=document(first, {"id": "b"}))

    bare = document({"id": "a", "for_each": for_each}, {"id": "b"})

    assert {"a": "COMPLETED", "b": "RUNNING"} == fork(play, "b", played=bare).statuses


def test_what_is_kept_and_what_nothing_holds_back_make_one_group() -> None:
    steps = [
        {"id": "a", "depends_on": []},
        {"id": "bad", "for_each": {"items": "${input.list}"}},
        {"id": "c", "type": "trigger", "depends_on": ["a"]},
    ]
    play = Play(document(*steps), {"list": [1]})
    play.ok("a")
    play.bad("bad[0]")
    made = fork(play, "bad", "c", input={"list": 5})

    # `c` is looked at with `bad`, so it has ended before the failure of `bad` stops the execution.
    assert ["FAILED", "COMPLETED"] == [
        made.machine.state.step(step).status for step in ("bad", "c")
    ]
