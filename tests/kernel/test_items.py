"""Steps with `for_each` (R19)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.playing import Play, document, failure
from trioflow.errors import InvalidRequest
from trioflow.kernel import _facts as f

EXACT = {"jitter": "none"}


def each(items: Any = (1, 2, 3), after: bool = False, **fields: Any) -> dict[str, Any]:
    """A step `a` for each item, and if asked for a step behind it."""
    for_each = {"items": list(items) if isinstance(items, tuple) else items}
    for key in ("as_", "max_concurrent", "on_item_error"):
        if key in fields:
            for_each[key.removesuffix("_")] = fields.pop(key)
    fields.setdefault("parameters", {"x": "${item}"})
    step = {"id": "a", "for_each": for_each, **fields}
    return document(step, *([{"id": "b"}] if after else []))


def test_every_item_is_called_and_the_output_is_the_list_of_outputs() -> None:
    found = each(parameters={"x": "${item}", "n": "${item_index}", "c": "${input.c}"})
    play = Play(found, {"c": 9})

    assert ["ExecutionStarted", "StepStarted a"] == play.said
    assert ["QueueAttempt a[0] 1", "QueueAttempt a[1] 1", "QueueAttempt a[2] 1"] == play.asked

    play.take("a[1]")

    assert ("x:a:1", {"x": 2, "n": 1, "c": 9}) == (
        play.attempt("a[1]").key,
        play.attempt("a[1]").parameters,
    )

    play.ok("a[1]", "second")

    assert ["ItemCompleted a[1]"] == play.said

    play.ok("a[2]", "third")
    play.ok("a[0]", "first")

    assert ["ItemCompleted a[0]", "StepCompleted a", "ExecutionCompleted"] == play.said
    assert {"a": ["first", "second", "third"]} == play.output
    # It is in the history already, item by item.
    assert play.history[-2].output is None  # type: ignore[attr-defined]
    assert 3 == play.machine.state.step("a").attempts


def test_items_may_come_from_a_reference_and_have_a_name() -> None:
    play = Play(
        each("${input.rows}", as_="row", parameters={"x": "${row.n}"}),
        {"rows": [{"n": 1}, {"n": 2}]},
    )
    play.take("a[1]")

    assert {"x": 2} == play.attempt("a[1]").parameters


def test_items_keep_the_values_of_the_start() -> None:
    found = each(("${input.x?}", "${input.y}"))
    found["steps"].append({"id": "b", "action": "work", "condition": "input.x"})
    play = Play({**found, "connections": []}, {"y": 1})
    play.resume({"x": True})
    play.crash()
    play.take("a[0]")

    assert {"x": None} == play.attempt("a[0]").parameters


def test_an_empty_list_completes_at_once() -> None:
    """Nothing is missing then, as no parameters are resolved."""
    play = Play(each((), parameters={"x": "${input.gone}"}))

    assert [
        "ExecutionStarted",
        "StepStarted a",
        "StepCompleted a",
        "ExecutionCompleted",
    ] == play.said
    assert {"a": []} == play.output


@pytest.mark.parametrize(
    ("items", "kind"),
    (({"a": 1}, "an object"), ("text", "a text"), (5, "a number"), (None, "null"), (True, "true")),
    ids=str,
)
def test_what_is_no_list_fails_the_step(items: Any, kind: str) -> None:
    play = Play(each("${input.items}"), {"items": items})

    assert "schema.input" == play.code_of("a")
    assert kind in str(play.machine.state.step("a").failure)


@pytest.mark.parametrize("name", ("item", "row"), ids=str)
def test_a_path_that_an_item_lacks_fails_that_item(name: str) -> None:
    """When its turn comes, without an attempt, a fallback or a pause."""
    play = Play(
        each(
            ({"n": 1}, {}, {"n": 3}),
            as_=name,
            on_item_error="continue",
            parameters={"x": f"${{{name}.n}}"},
            fallback="other",
            retry=3,
        )
    )

    assert [
        "ExecutionStarted",
        "StepStarted a",
        "ItemFailed a[1] reference.missing",
    ] == play.said


@pytest.mark.parametrize("name", ("item", "row"), ids=str)
def test_a_path_that_the_first_item_lacks_fails_that_item(name: str) -> None:
    play = Play(
        each(
            ({}, {"n": 2}),
            as_=name,
            on_item_error="continue",
            parameters={"x": f"${{{name}.n}}"},
        )
    )
    play.ok("a[1]", 2)

    assert {"a": [None, 2]} == play.output
    assert [
        {"index": 0, "code": "reference.missing", "message": f"${{{name}.n}} has no value"}
    ] == (play.machine.state.facts["a"]["item_errors"])


def test_parameters_of_an_item_that_do_not_fit_fail_that_item() -> None:
    schema = {"properties": {"x": {"type": "integer"}}}
    play = Play(each((1, "text"), on_item_error="continue", input_schema=schema))

    assert "ItemFailed a[1] schema.input" in play.said


def test_a_missing_input_pauses_the_step_before_it_starts() -> None:
    play = Play(each(parameters={"x": "${input.x}", "gone": "${item.gone}"}))

    assert ["ExecutionStarted", "StepPaused a inputs", "ExecutionPaused"] == play.said

    play = Play(each("${input.rows}"))

    assert ["input.rows (step 'a')"] == play.waits

    play.resume({"rows": [1]})
    play.ok("a[0]")

    assert "COMPLETED" == play.status


def test_another_missing_reference_fails_the_step() -> None:
    found = document(
        {"id": "z"},
        {
            "id": "a",
            "for_each": {"items": [1, 2]},
            "parameters": {"x": "${z.gone}", "y": "${input.y}", "z": "${item.z}"},
        },
    )
    play = Play(found)
    play.ok("z", {})

    assert "reference.missing" == play.code_of("a")
    assert "${z.gone}" in str(play.machine.state.step("a").failure)


@pytest.mark.parametrize(("limit", "queued"), ((1, 1), (2, 2), (None, 3)), ids=str)
def test_so_many_items_are_under_way(limit: int | None, queued: int) -> None:
    """From start to end, delays included; without a limit as many as there are slots."""
    fields: Any = {} if limit is None else {"max_concurrent": limit}
    found = each((1, 2, 3, 4), retry={"max_attempts": 2, **EXACT}, **fields)
    play = Play({**found, "max_concurrent_steps": 3})

    assert [f"a[{number}]" for number in range(queued)] == play.queue

    play.bad("a[0]")

    assert queued - 1 == len(play.queue)

    play.pass_to(1)
    play.ok("a[0]")

    assert f"a[{queued}]" in play.queue


def test_an_item_that_fails_cancels_the_others_and_is_the_code_of_the_step() -> None:
    play = Play(each((1, 2, 3, 4), max_concurrent=3, retry={"max_attempts": 2, **EXACT}))
    play.bad("a[0]", failure("later"))
    play.take("a[1]", "a[2]")
    play.bad("a[1]", failure("first", retryable=False))

    assert [
        "AttemptFailed a[1] first",
        "ItemFailed a[1] first",
        "ItemCancelled a[0]",
    ] == play.said
    assert ["CancelAttempt a[2] 1"] == play.asked
    assert "RUNNING" == play.status_of("a")

    play.bad("a[2]", "cleanup")

    assert [
        "ItemCancelled a[2]",
        "StepFailed a first",
        "StoppingStarted failure",
        "ExecutionFailed",
    ] == play.said
    assert "item 1: it is first" == play.machine.state.failures[0].message
    assert "CANCELLED" == play.machine.state.step("a").items[3].status  # type: ignore[index]


def test_what_an_item_ends_as_after_another_failed_does_not_change_the_code() -> None:
    play = Play(each((1, 2)))
    play.take("a[0]", "a[1]")
    play.bad("a[0]", "first")
    play.ok("a[1]", 7)
    items = play.machine.state.step("a").items

    assert items is not None
    assert ("first", True) == (play.code_of("a"), items[1].late)
    assert ["FAILED", "COMPLETED"] == [item.status for item in items]


def test_under_continue_there_is_null_where_an_item_failed() -> None:
    play = Play(each((1, 2, 3), on_item_error="continue", after=True))
    play.bad("a[2]", "last")
    play.ok("a[1]", 5)
    play.bad("a[0]")

    assert ["StepCompleted a", "StepStarted b"] == play.said[2:]
    assert [None, 5, None] == play.machine.state.outputs["a"]
    assert [
        {"index": 0, "code": "boom", "message": "it is boom"},
        {"index": 2, "code": "last", "message": "it is last"},
    ] == play.machine.state.facts["a"]["item_errors"]


def test_items_have_their_own_retries_and_fallbacks() -> None:
    retry = {"max_attempts": 2, **EXACT}
    play = Play(each((1, 2), retry=retry, fallback={"action": "other"}))
    play.bad("a[0]")
    play.pass_to(1)
    play.bad("a[0]")

    assert ["AttemptFailed a[0] boom", "FallbackStarted a[0]"] == play.said

    play.take("a[0]:fallback")

    assert ("other", {"x": 1}, "x:a:0:fallback") == (
        play.attempt("a[0]:fallback").action,
        play.attempt("a[0]:fallback").parameters,
        play.attempt("a[0]:fallback").key,
    )

    play.ok("a[0]:fallback", "other")
    play.ok("a[1]", 2)

    assert {"a": ["other", 2]} == play.output
    assert 3 == play.machine.state.step("a").attempts


def test_a_fallback_of_an_item_may_have_parameters_of_its_own() -> None:
    fallback = {"action": "other", "parameters": {"y": "${item}", "z": "${input.z?}"}}
    play = Play(each((1, 2), fallback=fallback))
    play.bad("a[1]")
    play.crash()
    play.take("a[1]:fallback")

    assert {"y": 2, "z": None} == play.attempt("a[1]:fallback").parameters


def undecided_item() -> Play:
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    play = Play(each((1, 2), retry=retry, total_timeout=10))
    play.now = 4
    play.bad("a[1]")
    return play


def test_an_item_waits_for_a_decision_and_its_step_with_it_when_nothing_else_runs() -> None:
    play = undecided_item()

    assert ["AttemptFailed a[1] boom", "ItemPaused a[1] decision"] == play.said
    assert ("RUNNING", "RUNNING") == (play.status, play.status_of("a"))
    assert ["a decision about step 'a[1]'"] == play.waits

    play.ok("a[0]", 1)

    assert ["ItemCompleted a[0]", "StepPaused a items", "ExecutionPaused"] == play.said
    assert play.machine.deadline is None


@pytest.mark.parametrize(
    ("decision", "output"), (("retry", 7), ({"completed": 7}, 7), ("failed", None)), ids=str
)
def test_a_decision_about_an_item(decision: Any, output: Any) -> None:
    play = undecided_item()
    play.ok("a[0]", 1)
    play.now = 100
    play.resume(decisions={"a[1]": decision})
    if decision == "retry":
        assert [
            "DecisionsReceived",
            "ExecutionResumed",
            "ItemRetried a[1]",
            "StepResumed a",
        ] == play.said
        assert ["QueueAttempt a[1] 2"] == play.asked
        assert 106.0 == play.machine.deadline

        play.ok("a[1]", 7)
    if output is None:
        assert ("FAILED", ["boom"]) == (play.status, play.codes)
    else:
        assert {"a": [1, 7]} == play.output


@pytest.mark.parametrize(
    "name", ("a", "a[0]", "a[2]", "a[-1]", "a[01]", "a[x]", "a[1", "b[0]"), ids=str
)
def test_a_decision_about_an_item_that_waits_for_none(name: str) -> None:
    play = undecided_item()

    with pytest.raises(InvalidRequest, match="does not wait for a decision"):
        play.resume(decisions={name: "retry"})


def test_the_next_item_begins_when_a_paused_one_makes_room() -> None:
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    play = Play(each((1, {}), max_concurrent=1, retry=retry))
    play.bad("a[0]")

    assert "PAUSED" == play.status

    play.resume(decisions={"a[0]": {"completed": 1}})

    assert [
        "DecisionsReceived",
        "ItemCompleted a[0]",
        "ExecutionResumed",
        "StepResumed a",
    ] == play.said
    assert ["QueueAttempt a[1] 1"] == play.asked


def test_the_lowest_of_several_items_that_fail_in_one_turn_gives_its_code() -> None:
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    play = Play(each((1, 2), retry=retry))
    play.bad("a[1]", "second")
    play.bad("a[0]", "first")
    play.resume(decisions={"a[1]": "failed", "a[0]": "failed"})

    assert "first" == play.code_of("a")


def test_an_item_that_is_lost_while_it_is_stopped_is_cancelled() -> None:
    """Whatever `on_crash` says: another item has failed."""
    play = Play(each((1, 2), on_crash="fail", fallback="other"))
    play.bad("a[0]")
    play.take("a[1]")
    play.bad("a[0]:fallback", "first")

    assert ["CancelAttempt a[1] 1"] == play.asked

    play.crash()

    assert [
        "AttemptCrashed a[1]",
        "ItemCancelled a[1]",
        "StepFailed a first",
    ] == play.said[:3]


def test_decisions_about_items_are_carried_out_in_their_order() -> None:
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    play = Play(each(tuple(range(11)), max_concurrent=20, retry=retry))
    for number in (10, 2):
        play.bad(f"a[{number}]")
    play.resume(decisions={"a[10]": "retry", "a[2]": "retry"})

    assert ["ItemRetried a[2]", "ItemRetried a[10]"] == play.said[1:]


def test_total_timeout_is_that_of_the_step() -> None:
    play = Play(each((1, 2, 3), total_timeout=5, fallback="other"))
    play.ok("a[0]", 1)
    play.take("a[1]")
    play.pass_to(5)

    assert (["ItemCancelled a[2]"], ["DropAttempt a[2] 1", "CancelAttempt a[1] 1"]) == (
        play.said,
        sorted(play.asked, reverse=True),
    )

    play.stopped("a[1]")

    assert ["ItemCancelled a[1]", "StepFailed a timeout.step"] == play.said[:2]


def test_a_step_none_of_whose_items_was_cut_short_ends_as_it_would_have() -> None:
    play = Play(each((1, 2), total_timeout=5))
    play.ok("a[0]", 1)
    play.take("a[1]")
    play.pass_to(5)
    play.ok("a[1]", 2)

    assert ("COMPLETED", {"a": [1, 2]}) == (play.status, play.output)
    assert play.machine.state.step("a").late


def test_a_cancel_cancels_what_is_under_way() -> None:
    play = Play(each((1, 2, 3, 4), max_concurrent=3))
    play.ok("a[0]", 1)
    play.take("a[1]")
    play.cancel()

    assert [
        "CancelRequested",
        "StoppingStarted cancel",
        "ItemCancelled a[2]",
        "ItemCancelled a[3]",
    ] == play.said

    play.stopped("a[1]")

    assert ["ItemCancelled a[1]", "StepCancelled a", "ExecutionCancelled"] == play.said


def test_in_a_grace_an_item_that_fails_is_the_code_of_its_step() -> None:
    play = Play(each((1, 2)))
    play.take("a[0]", "a[1]")
    play.cancel(grace=9)
    play.bad("a[0]", "in the grace")

    assert ["CancelAttempt a[1] 1"] == play.asked

    play.stopped("a[1]")

    assert ("FAILED", "in the grace") == (play.status_of("a"), play.code_of("a"))


def test_in_a_grace_all_items_may_end() -> None:
    play = Play(each((1, 2)))
    play.take("a[0]", "a[1]")
    play.cancel(grace=9)
    play.ok("a[0]", 1)
    play.ok("a[1]", 2)

    assert ("COMPLETED", "CANCELLED") == (play.status_of("a"), play.status)


def test_items_that_have_ended_never_run_again() -> None:
    play = Play(each((1, 2, 3, 4), max_concurrent=2, on_crash="retry"))
    play.ok("a[0]", 1)
    play.take("a[1]")
    play.crash(1)

    assert ["AttemptCrashed a[1]"] == play.said
    assert ["QueueAttempt a[1] 2", "QueueAttempt a[2] 1"] == play.asked


def test_on_crash_and_its_count_are_those_of_the_item() -> None:
    play = Play(each((1, 2), on_item_error="continue"))
    for _ in range(2):
        play.take("a[0]", "a[1]")
        play.crash()
    play.ok("a[1]", 2)
    play.take("a[0]")
    play.crash()

    assert ["AttemptCrashed a[0]", "ItemFailed a[0] crash", "StepCompleted a"] == play.said[:3]

    play = Play(each((1, 2), on_crash="pause"))
    play.take("a[0]")
    play.left("a[0]")
    play.crash()

    assert "ItemPaused a[0] decision" in play.said


def test_no_item_starts_during_a_pause() -> None:
    play = Play(each((1, 2, 3), max_concurrent=1))
    play.take("a[0]")
    play.pause()
    play.ok("a[0]", 1)

    assert (["ItemCompleted a[0]", "ExecutionPaused"], []) == (play.said, play.asked)

    play.resume()

    assert ["QueueAttempt a[1] 1"] == play.asked


def test_a_step_that_starts_after_a_pause_begins_its_items_then() -> None:
    play = Play(each(condition="true"), start=False)
    play.tell(f.Start(0, "x"))
    play.ok("a[0]")
    found = document({"id": "z"}, *each(condition="true")["steps"])
    play = Play(found)
    play.take("z")
    play.pause()
    play.ok("z")

    assert ["StepCompleted z", "StepHeld a", "ExecutionPaused"] == play.said

    play.resume()

    assert ["a[0]", "a[1]", "a[2]"] == play.queue


def test_an_unknown_secret_fails_the_item() -> None:
    play = Play(each((1,), parameters={"x": "${secret.KEY}"}))
    play.tell(f.AttemptRejected(0, f.Address("a", item=0), 1, failure("reference.missing")))

    assert ["ItemFailed a[0] reference.missing", "StepFailed a reference.missing"] == play.said[:2]


def test_continue_on_error_is_about_the_step() -> None:
    play = Play(each((1, 2), continue_on_error=True, after=True))
    play.bad("a[0]")
    play.ok("b")

    assert ("COMPLETED", ("a",)) == (play.status, play.machine.failed_steps())


def test_an_item_that_fails_at_its_start_stops_the_others() -> None:
    play = Play(each(({"n": 1}, {}, {"n": 3}), parameters={"x": "${item.n}"}))

    assert [
        "ExecutionStarted",
        "StepStarted a",
        "ItemFailed a[1] reference.missing",
        "ItemCancelled a[0]",
        "StepFailed a reference.missing",
    ] == play.said[:5]
    assert [] == play.queue
