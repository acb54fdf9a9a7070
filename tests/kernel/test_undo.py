"""Undoing what was completed (R24)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.playing import Play, document, failure
from trioflow.errors import InvalidRequest
from trioflow.kernel import _facts as f

EXACT = {"jitter": "none"}


def trip(*, fails: bool = True, **fields: Any) -> Play:
    """`hotel` and `flight` are completed and can be undone; then `pay` fails."""
    undo = fields.pop("undo", {})
    found = document(
        {"id": "hotel", "compensate": "hotel.cancel"},
        {"id": "flight", "timeout": 30, "compensate": {"action": "flight.cancel", **undo}},
        {"id": "pay"},
        **fields,
    )
    play = Play(found, {"who": "me"})
    play.ok("hotel", {"room": 1})
    play.ok("flight", {"seat": 2})
    if fails:
        play.bad("pay")
    return play


def test_what_was_completed_is_undone_one_by_one_the_last_first() -> None:
    play = trip()

    assert ["AttemptFailed pay boom", "StepFailed pay boom", "StoppingStarted failure"] == play.said
    assert ["QueueAttempt flight:compensate 1"] == play.asked
    assert ("RUNNING", False) == (play.status, play.finished)

    play.take("flight:compensate")
    command = play.attempt("flight:compensate")

    assert ("flight.cancel", {"output": {"seat": 2}}, "x:flight:compensate", 30.0, None) == (
        command.action,
        command.parameters,
        command.key,
        command.timeout,
        command.deadline,
    )

    play.ok("flight:compensate", "whatever")

    assert ["StepCompensated flight"] == play.said
    assert ["QueueAttempt hotel:compensate 1"] == play.asked

    play.take("hotel:compensate")

    assert 900.0 == play.attempt("hotel:compensate").timeout

    play.ok("hotel:compensate")

    assert (["StepCompensated hotel", "ExecutionFailed"], ["boom"]) == (play.said, play.codes)
    assert {"hotel": "COMPLETED", "flight": "COMPLETED", "pay": "FAILED"} == play.statuses
    assert {"room": 1} == play.machine.state.outputs["hotel"]


def test_an_undo_may_have_parameters_a_timeout_and_retries_of_its_own() -> None:
    parameters = {"seat": "${flight.seat}", "room": "${hotel.room}", "who": "${input.who}"}
    undo = {"parameters": parameters, "timeout": 7, "retry": {"max_attempts": 2, **EXACT}}
    play = trip(undo=undo)
    play.take("flight:compensate")
    command = play.attempt("flight:compensate")

    assert ({"seat": 2, "room": 1, "who": "me"}, 7.0) == (command.parameters, command.timeout)

    play.bad("flight:compensate")

    assert (["AttemptFailed flight:compensate boom"], 1.0) == (play.said, play.machine.deadline)

    play.pass_to(1)

    assert ["QueueAttempt flight:compensate 2"] == play.asked

    play.ok("flight:compensate")

    assert ["hotel:compensate"] == play.queue


def test_an_undo_that_fails_does_not_stop_the_others() -> None:
    play = trip()
    play.bad("flight:compensate", "no refund")

    assert [
        "AttemptFailed flight:compensate no refund",
        "CompensationFailed flight no refund",
    ] == play.said

    play.ok("hotel:compensate")

    assert ("FAILED", ["boom", "no refund"]) == (play.status, play.codes)


@pytest.mark.parametrize("path", ("flight.gone", "input.gone"), ids=str)
def test_an_undo_that_lacks_something_fails(path: str) -> None:
    play = trip(undo={"parameters": {"x": f"${{{path}}}"}})

    assert "CompensationFailed flight reference.missing" == play.said[-1]
    assert ["hotel:compensate"] == play.queue


def test_an_undo_that_lacks_a_secret_fails() -> None:
    play = trip(undo={"parameters": {"x": "${secret.KEY}"}})
    address = f.Address("flight", "compensate")

    assert ("KEY",) == play.queued[address, 1].secrets

    del play.queued[address, 1]
    play.tell(f.AttemptRejected(0, address, 1, failure("reference.missing")))

    assert ["CompensationFailed flight reference.missing"] == play.said
    assert ["hotel:compensate"] == play.queue


@pytest.mark.parametrize(
    ("compensate_on", "cause", "undone"),
    (
        (["failed", "cancelled"], "failure", True),
        (["failed"], "failure", True),
        (["cancelled"], "failure", False),
        ([], "failure", False),
        (["cancelled"], "cancel", True),
        (["failed"], "cancel", False),
        (["failed"], "timeout", True),
        (["cancelled"], "timeout", False),
    ),
    ids=str,
)
def test_when_there_is_undoing(compensate_on: Any, cause: str, undone: bool) -> None:
    play = trip(fails=False, compensate_on=compensate_on, timeout=10)
    if cause == "failure":
        play.bad("pay")
    elif cause == "cancel":
        play.cancel()
    else:
        play.pass_to(10)

    assert undone == (play.queue == ["flight:compensate"])
    assert undone != play.finished


def test_undoing_waits_until_everything_has_stopped() -> None:
    play = trip(fails=False)
    play.take("pay")
    play.cancel("enough")

    assert [] == play.queue

    play.stopped("pay")

    assert ["flight:compensate"] == play.queue

    play.ok("flight:compensate")
    play.ok("hotel:compensate")

    assert ("CANCELLED", "enough") == (play.status, play.machine.state.reason)


def test_a_late_value_is_undone_like_any_other() -> None:
    found = document({"id": "a", "compensate": "undo"})
    play = Play(found)
    play.take("a")
    play.cancel()
    play.ok("a", 1)

    assert ["a:compensate"] == play.queue


@pytest.mark.parametrize("by", ("fallback", "decision"), ids=str)
def test_what_a_fallback_or_a_decision_completed_is_undone(by: str) -> None:
    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    fields: Any = {"fallback": "other"} if by == "fallback" else {"retry": retry}
    play = Play(document({"id": "a", "compensate": "undo", **fields}, {"id": "b"}))
    play.bad("a")
    if by == "fallback":
        play.ok("a:fallback", 5)
    else:
        play.resume(decisions={"a": {"completed": 5}})
    play.bad("b")
    play.take("a:compensate")

    assert {"output": 5} == play.attempt("a:compensate").parameters


def test_undoing_is_in_the_order_of_the_records_not_of_the_document() -> None:
    steps = ({"id": step, "compensate": "undo"} for step in "abc")
    play = Play(document(*steps, {"id": "z"}, connections=[]))
    for step in "bca":
        play.ok(step)
    play.bad("z")
    undone = []
    while play.queue:
        undone += play.queue
        play.ok(play.queue[0])

    assert ["a:compensate", "c:compensate", "b:compensate"] == undone


def test_completed_items_are_undone_whatever_became_of_their_step() -> None:
    """The step's id stands for the output of the item."""
    parameters = {"out": "${a}", "item": "${item}", "n": "${item_index}"}
    found = document(
        {
            "id": "a",
            "for_each": {"items": ["x", "y", "z"]},
            "compensate": {"action": "undo", "parameters": parameters},
        }
    )
    play = Play(found)
    play.ok("a[2]", {"n": 2})
    play.ok("a[0]", {"n": 0})
    play.bad("a[1]")

    assert ["QueueAttempt a[0]:compensate 1"] == play.asked

    play.take("a[0]:compensate")

    assert ({"out": {"n": 0}, "item": "x", "n": 0}, "x:a:0:compensate") == (
        play.attempt("a[0]:compensate").parameters,
        play.attempt("a[0]:compensate").key,
    )

    play.ok("a[0]:compensate")

    assert ["StepCompensated a[0]"] == play.said

    play.bad("a[2]:compensate")

    assert ["CompensationFailed a[2] boom", "ExecutionFailed"] == play.said[1:]


def test_neither_a_cancel_nor_the_timeout_of_the_execution_stops_undoing() -> None:
    play = trip(timeout=10)
    play.take("flight:compensate")
    play.now = 5
    play.cancel("enough")

    assert (["CancelRequested"], []) == (play.said, play.asked)

    play.pass_to(10)

    assert ([], []) == (play.said, play.asked)

    play.ok("flight:compensate")
    play.ok("hotel:compensate")

    assert ("FAILED", ["boom"]) == (play.status, play.codes)


def test_other_requests_are_refused_while_it_undoes() -> None:
    play = trip()
    for request in (f.Pause(0), f.Resume(0, {"x": 1}), f.Signal(0, "pay")):
        with pytest.raises(InvalidRequest):
            play.tell(request)


def test_a_crash_or_an_interruption_makes_an_undo_again() -> None:
    """The third crash fails it; interruptions do not count; the key stays, numbers go on."""
    play = trip()
    for number in range(2):
        play.take("flight:compensate")
        play.left("flight:compensate")
        play.crash()
        play.take("flight:compensate")
        play.crash()

        assert ["AttemptCrashed flight:compensate"] == play.said
        assert [f"QueueAttempt flight:compensate {2 * number + 3}"] == play.asked

    play.take("flight:compensate")
    play.crash()

    assert ["AttemptCrashed flight:compensate", "CompensationFailed flight crash"] == play.said
    assert ["QueueAttempt hotel:compensate 1"] == play.asked


def test_an_undo_that_was_only_queued_is_queued_again() -> None:
    play = trip()
    play.crash(5)

    assert ([], ["QueueAttempt flight:compensate 1"]) == (play.said, play.asked)

    play.ok("flight:compensate")
    play.crash(6)

    assert ([], ["QueueAttempt hotel:compensate 1"]) == (play.said, play.asked)


def test_an_undo_does_not_care_about_on_crash() -> None:
    found = document({"id": "a", "on_crash": "fail", "compensate": "undo"}, {"id": "b"})
    play = Play(found)
    play.ok("a")
    play.bad("b")
    play.take("a:compensate")
    play.crash()

    assert ["QueueAttempt a:compensate 2"] == play.asked


def test_an_undo_that_does_not_stop_is_reported() -> None:
    play = trip()
    play.take("flight:compensate")
    play.tell(f.AttemptHangs(9, f.Address("flight", "compensate"), 1, 5.0))

    assert ["AttemptUnresponsive flight:compensate"] == play.said


@pytest.mark.parametrize("how", ("continue", "deferred", "output"), ids=str)
def test_a_failure_that_stopped_nothing_is_undone_at_the_end(how: str) -> None:
    """And from then on nothing changes how it ends: a `cancel()` is only recorded."""
    found = document(
        {"id": "a", "compensate": "undo"},
        {"id": "b"},
        {"id": "c"},
        connections=[{"source": "b", "target": "c", "on": "always"}] if how == "deferred" else [],
        on_failure="continue" if how == "continue" else "cancel",
        **({"output": "${a.gone}"} if how == "output" else {}),
    )
    play = Play(found)
    play.ok("a", {})
    if how == "output":
        play.ok("b")
    else:
        play.bad("b")
    play.ok("c")

    assert ["StepCompleted c", "StoppingStarted failure"] == play.said
    assert ["a:compensate"] == play.queue

    play.cancel()
    play.ok("a:compensate")

    assert ("FAILED", ["reference.missing" if how == "output" else "boom"]) == (
        play.status,
        play.codes,
    )


def test_a_failure_that_stopped_nothing_stops_nothing_either_if_nothing_is_undone() -> None:
    found = document(
        {"id": "a", "compensate": "undo"}, {"id": "b"}, connections=[], on_failure="continue"
    )
    play = Play({**found, "compensate_on": ["cancelled"]})
    play.ok("a")
    play.bad("b")

    assert ["AttemptFailed b boom", "StepFailed b boom", "ExecutionFailed"] == play.said


def test_nothing_is_undone_when_it_ends_well() -> None:
    play = trip(fails=False)
    play.ok("pay")

    assert "COMPLETED" == play.status


def test_undoing_after_a_pause() -> None:
    found = document({"id": "a", "compensate": "undo"}, {"id": "b"}, {"id": "c"}, connections=[])
    play = Play(found)
    play.ok("a")
    play.take("b")
    play.pause()
    play.bad("b")

    assert ["QueueAttempt a:compensate 1"] == play.asked

    play.crash()

    assert ["QueueAttempt a:compensate 1"] == play.asked

    play.ok("a:compensate")

    assert "FAILED" == play.status
