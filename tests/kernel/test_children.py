"""Child executions (R28), as far as their parents see them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.playing import Play, document, failure
from trioflow import load_workflow
from trioflow.errors import InvalidRequest
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import Machine

ADDRESS = f.Address("a")


def parent(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A step `a` with a child, and more steps beside it."""
    document_fields = {
        key: fields.pop(key) for key in ("timeout", "on_failure", "connections") if key in fields
    }
    step = {"id": "a", "type": "workflow", "workflow": "child", **fields}
    return document(step, *more, **{"connections": [], **document_fields})


def test_a_child_starts_with_its_step_and_brings_its_output() -> None:
    play = Play(parent(parameters={"n": "${input.n}"}), {"n": 1})

    assert ["ExecutionStarted", "StepStarted a", "ChildStarted a"] == play.said
    assert (c.StartChild(ADDRESS, "x:a", "child", {"n": 1}, 1),) == play.turn.commands
    assert ("x:a",) == play.machine.children()

    play.child_ends("a", "COMPLETED", {"done": True})

    assert ["StepCompleted a", "ExecutionCompleted"] == play.said
    assert ("child", {"a": {"done": True}}, 0) == (
        play.machine.state.step("a").by,
        play.output,
        play.machine.state.step("a").attempts,
    )
    assert () == play.machine.children()


@pytest.mark.parametrize(
    ("status", "code"),
    (("FAILED", "workflow.failed"), ("CANCELLED", "workflow.cancelled")),
    ids=str,
)
def test_a_child_that_does_not_end_well_fails_its_step(status: str, code: str) -> None:
    play = Play(parent())
    play.child_ends("a", status, None, failure("inner"))
    found = play.machine.state.step("a").failure

    assert found is not None
    assert (code, ["inner"]) == (found.code, [cause.code for cause in found.causes])
    assert "'x:a'" in found.message


def test_an_output_of_a_child_that_does_not_fit() -> None:
    play = Play(parent(output_schema={"type": "integer"}))
    play.child_ends("a", "COMPLETED", "text")

    assert "schema.output" == play.code_of("a")


def test_input_that_does_not_fit_the_schema_of_the_step() -> None:
    play = Play(parent(parameters={}, input_schema={"required": ["n"]}))

    assert "schema.input" == play.code_of("a")


def test_a_child_that_cannot_start_fails_its_step() -> None:
    play = Play(parent())
    del play.children["a"]
    play.tell(f.ChildRejected(0, ADDRESS, failure("schema.input")))

    assert "StepFailed a schema.input" == play.said[0]


def test_children_are_nested_at_most_32_deep() -> None:
    for depth, code in ((31, None), (32, "workflow.failed")):
        play = Play(parent(), start=False)
        play.tell(f.Start(0, "x", depth=depth))

        assert code == play.code_of("a")


def test_a_step_is_paused_with_its_child() -> None:
    play = Play(parent(timeout=10, total_timeout=50))
    play.tell(f.ChildPaused(2, ADDRESS))

    assert ["StepPaused a child", "ExecutionPaused"] == play.said
    # The child waits for somebody, and so its parent has nothing to be asked for.
    assert [] == play.waits
    # The parent's own timeout stands still; the step's does not.
    assert 50.0 == play.machine.deadline

    with pytest.raises(InvalidRequest, match="waits for nothing"):
        play.resume({"x": 1})

    play.tell(f.ChildResumed(9, ADDRESS))

    assert ["ExecutionResumed", "StepResumed a"] == play.said
    assert 17.0 == play.machine.deadline

    play.child_ends("a", "COMPLETED")

    assert "COMPLETED" == play.status


def test_a_child_may_end_while_its_step_is_paused() -> None:
    play = Play(parent())
    play.tell(f.ChildPaused(2, ADDRESS))
    play.child_ends("a", "COMPLETED", 5)

    assert ["StepCompleted a", "ExecutionResumed", "ExecutionCompleted"] == play.said


def test_pausing_passes_through() -> None:
    play = Play(parent())
    play.pause()

    # Its child may still be running.
    assert (["PauseRequested"], ["PauseChild a"]) == (play.said, play.asked)

    play.tell(f.ChildPaused(1, ADDRESS))

    assert ["StepPaused a child", "ExecutionPaused"] == play.said

    play.resume()

    assert ["ResumeChild a"] == play.asked

    play.tell(f.ChildResumed(2, ADDRESS))

    assert ("RUNNING", "RUNNING") == (play.status, play.status_of("a"))


def test_no_child_starts_during_a_pause() -> None:
    play = Play(parent({"id": "z"}, parameters={"x": "${z.n}"}))
    play.take("z")
    play.pause()
    play.ok("z", {"n": 1})

    assert ["StepCompleted z", "ExecutionPaused"] == play.said

    play.resume()

    assert ["StartChild a x:a"] == play.asked


@pytest.mark.parametrize(
    ("status", "expected"),
    (("COMPLETED", "COMPLETED"), ("FAILED", "CANCELLED"), ("CANCELLED", "CANCELLED")),
    ids=str,
)
def test_a_cancel_stops_the_child_and_waits_for_it(status: str, expected: str) -> None:
    play = Play(parent())
    play.cancel()

    assert ["StopChild a grace 0.0"] == play.asked
    assert "RUNNING" == play.status

    play.child_ends("a", status, None, failure("inner"))

    assert (expected, "CANCELLED") == (play.status_of("a"), play.status)
    assert (expected == "COMPLETED") == play.machine.state.step("a").late


@pytest.mark.parametrize(
    ("status", "expected"),
    (
        ("COMPLETED", "COMPLETED"),
        ("FAILED", "FAILED"),
        ("CANCELLED", "CANCELLED"),
    ),
    ids=str,
)
@pytest.mark.parametrize("rebuilt", (False, True), ids=str)
def test_a_child_gets_the_grace_and_may_end_in_it(
    status: str, expected: str, rebuilt: bool
) -> None:
    """A child that is CANCELLED because of its parent makes its step CANCELLED."""
    play = Play(parent())
    play.now = 3.0
    play.cancel(grace=5)

    assert ["StopChild a grace 5.0"] == play.asked

    if rebuilt:
        play.rebuild()
        play.tell(f.Check(4))
    play.child_ends("a", status, None, failure("inner"))

    assert expected == play.status_of("a")
    assert not play.machine.state.step("a").late


def test_finish_lets_children_end() -> None:
    play = Play(parent({"id": "z"}, on_failure="finish"))
    play.bad("z")

    assert ["StopChild a grace None"] == play.asked

    play.child_ends("a", "COMPLETED")

    assert ("FAILED", "COMPLETED") == (play.status, play.status_of("a"))


def test_a_child_that_ends_well_when_it_was_asked_to_stop_is_late() -> None:
    play = Play(parent())
    play.cancel()
    play.child_ends("a", "COMPLETED")

    assert ("COMPLETED", True) == (play.status_of("a"), play.machine.state.step("a").late)


def test_the_end_of_the_grace_stops_the_child() -> None:
    play = Play(parent())
    play.cancel(grace=5)
    play.pass_to(5)

    assert ["StopChild a grace 0.0"] == play.asked

    play.pass_to(6)

    assert [] == play.asked

    play.child_ends("a", "FAILED", None, failure("inner"))

    assert "CANCELLED" == play.status_of("a")


def test_a_step_that_is_out_of_time_stops_its_child() -> None:
    for paused in (False, True):
        play = Play(parent(total_timeout=5))
        if paused:
            play.tell(f.ChildPaused(1, ADDRESS))
        play.pass_to(5)

        assert ["StopChild a grace 0.0"] == play.asked

        play.child_ends("a", "CANCELLED")
        found = play.machine.state.step("a").failure

        assert found is not None
        assert ("timeout.step", ["workflow.cancelled"]) == (
            found.code,
            [cause.code for cause in found.causes],
        )


def test_a_step_that_is_out_of_time_in_a_grace_stops_its_child() -> None:
    play = Play(parent(total_timeout=5))
    play.cancel(grace=9)
    play.pass_to(5)

    assert ["StopChild a grace 0.0"] == play.asked

    play.child_ends("a", "CANCELLED")

    assert "timeout.step" == play.code_of("a")


def test_a_paused_child_is_stopped_with_its_parent() -> None:
    play = Play(parent())
    play.tell(f.ChildPaused(1, ADDRESS))
    play.cancel()

    assert ["StopChild a grace 0.0"] == play.asked

    play.child_ends("a", "CANCELLED")

    assert "CANCELLED" == play.status


def test_a_child_goes_on_with_its_parent() -> None:
    play = Play(parent(parameters={"n": "${input.n}"}), {"n": 1})
    play.crash(3)

    assert (c.StartChild(ADDRESS, "x:a", "child", {"n": 1}, 1),) == play.turn.commands

    play.cancel()
    play.crash(4)

    assert ["StartChild a x:a", "StopChild a grace 0.0"] == play.asked

    play.child_ends("a", "CANCELLED")

    assert "CANCELLED" == play.status


def test_a_child_that_was_paused_with_its_parent_goes_on_paused() -> None:
    play = Play(parent())
    play.pause()
    play.crash(4)

    assert ["StartChild a x:a", "PauseChild a"] == play.asked


@pytest.mark.parametrize(
    "fact",
    (
        f.ChildEnded(0, f.Address("b"), "COMPLETED"),
        f.ChildEnded(0, f.Address("nobody"), "COMPLETED"),
        f.ChildEnded(0, f.Address("a", item=0), "COMPLETED"),
        f.ChildPaused(0, f.Address("b")),
        f.ChildResumed(0, ADDRESS),
        f.ChildResumed(0, f.Address("b")),
        f.ChildRejected(0, f.Address("b"), failure()),
    ),
    ids=str,
)
def test_what_no_child_could_say_is_ignored(fact: f.Fact) -> None:
    play = Play(parent({"id": "b"}))
    play.tell(fact)

    assert ([], []) == (play.said, play.asked)


# ---- a child for each item ----


def children(**fields: Any) -> Play:
    for_each = {"items": [1, 2], **fields.pop("for_each", {})}
    return Play(parent(for_each=for_each, parameters={"n": "${item}"}, **fields))


def test_every_item_has_its_child() -> None:
    play = children()

    assert ["StartChild a[0] x:a:0", "StartChild a[1] x:a:1"] == play.asked
    assert ("x:a:0", "x:a:1") == play.machine.children()
    assert {"n": 2} == play.children["a[1]"].input

    play.child_ends("a[1]", "COMPLETED", "second")
    play.child_ends("a[0]", "COMPLETED", "first")

    assert {"a": ["first", "second"]} == play.output


def test_an_item_is_paused_with_its_child_and_the_step_with_the_last_item() -> None:
    play = children(total_timeout=9)
    play.tell(f.ChildPaused(1, f.Address("a", item=0)))

    assert (["ItemPaused a[0] child"], []) == (play.said, play.waits)

    play.tell(f.ChildPaused(2, f.Address("a", item=1)))

    assert ["ItemPaused a[1] child", "StepPaused a child", "ExecutionPaused"] == play.said
    assert 9.0 == play.machine.deadline

    play.tell(f.ChildResumed(3, f.Address("a", item=1)))

    assert ["ExecutionResumed", "ItemResumed a[1]", "StepResumed a"] == play.said


def test_the_next_child_starts_when_a_paused_one_makes_room() -> None:
    play = children(for_each={"items": [1, 2], "max_concurrent": 1})
    play.tell(f.ChildPaused(1, f.Address("a", item=0)))

    assert "PAUSED" == play.status

    play.child_ends("a[0]", "COMPLETED", 5)

    assert ["ItemCompleted a[0]", "ExecutionResumed", "StepResumed a", "ChildStarted a[1]"] == (
        play.said
    )


def test_a_failed_child_stops_the_children_of_the_other_items() -> None:
    play = children()
    play.child_ends("a[0]", "FAILED")

    assert ["StopChild a[1] grace 0.0"] == play.asked

    play.child_ends("a[1]", "CANCELLED")

    assert ("FAILED", "workflow.failed") == (play.status_of("a"), play.code_of("a"))


def test_children_that_were_asked_to_stop_are_not_asked_again_when_their_time_is_over() -> None:
    play = children(total_timeout=5)
    play.child_ends("a[0]", "FAILED")
    play.pass_to(5)

    assert [] == play.asked

    play.child_ends("a[1]", "CANCELLED")

    assert "workflow.failed" == play.code_of("a")


def test_a_child_of_an_item_that_cannot_start() -> None:
    play = children(for_each={"on_item_error": "continue"})
    del play.children["a[0]"]
    play.tell(f.ChildRejected(0, f.Address("a", item=0), failure("schema.input")))

    assert ["ItemFailed a[0] schema.input"] == play.said


def test_a_child_that_cannot_start_any_more_was_cancelled() -> None:
    play = Play(parent())
    play.cancel()
    del play.children["a"]
    play.tell(f.ChildRejected(0, ADDRESS, failure("schema.input")))

    assert "CANCELLED" == play.status_of("a")


def test_a_completed_child_is_undone_by_its_step() -> None:
    play = Play(parent({"id": "z"}, compensate="undo"))
    play.child_ends("a", "COMPLETED", 5)
    play.bad("z")
    play.take("a:compensate")

    assert ({"output": 5}, 900.0) == (
        play.attempt("a:compensate").parameters,
        play.attempt("a:compensate").timeout,
    )


def test_an_input_that_does_not_fit_fails_the_step_before_anything_of_it_is_recorded() -> None:
    """The child's defaults count; and a pause does not hold the failure up."""
    kid = load_workflow(
        {
            "id": "kid",
            "input": {"m": 1},
            "input_schema": {"type": "object", "required": ["n", "m"]},
            "steps": [{"id": "k", "action": "do"}],
        }
    )
    parent = {
        "id": "w",
        "steps": [
            {"id": "a", "action": "do"},
            {"id": "b", "type": "workflow", "workflow": "kid", "parameters": {"x": "${input.x?}"}},
        ],
    }
    plan = load_workflow(parent).plan
    machine = Machine(plan, children={"kid": kid})
    machine.receive(f.Start(0.0, "x"))
    machine.receive(f.SlotsTaken(0.0, ((f.Address("a"), 1),)))
    machine.receive(f.Pause(0.5))
    turn = machine.receive(f.AttemptReturned(1.0, f.Address("a"), 1, None))

    ends = [event for event in turn.recorded if isinstance(event, e.StepFailed)]

    assert ["b"] == [end.step for end in ends]
    assert "schema.input" == ends[0].failure.code
    assert "the input of workflow 'kid' does not fit" in ends[0].failure.message
    assert not any(isinstance(event, e.StepStarted) for event in turn.recorded)

    fitting = {**parent, "steps": [{**parent["steps"][1], "parameters": {"n": 1}}]}
    machine = Machine(load_workflow(fitting).plan, children={"kid": kid})
    turn = machine.receive(f.Start(0.0, "y"))

    assert any(isinstance(event, e.ChildStarted) for event in turn.recorded)
