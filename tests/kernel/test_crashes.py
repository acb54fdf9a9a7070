"""Crashes and interruptions (R17), and an owner that has to read its history again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.playing import Play, document, failure
from trioflow.kernel import _facts as f

EXACT = {"jitter": "none"}


def one(**fields: Any) -> dict[str, Any]:
    return document({"id": "a", **fields})


def test_a_crashed_attempt_is_made_again_with_the_next_number() -> None:
    play = Play(one())
    play.take("a")
    play.crash(5)

    assert ["AttemptCrashed a"] == play.said
    assert ["QueueAttempt a 2"] == play.asked

    play.ok("a")

    assert ("COMPLETED", 2) == (play.status, play.machine.state.step("a").attempts)


def test_an_attempt_that_was_only_queued_has_not_crashed() -> None:
    play = Play(one(on_crash="fail"))
    play.crash(5)

    assert ([], ["QueueAttempt a 1"]) == (play.said, play.asked)


def test_a_crash_does_not_count_against_max_attempts_nor_for_the_delay() -> None:
    play = Play(one(retry={"max_attempts": 2, **EXACT}))
    play.take("a")
    play.crash()
    play.bad("a")

    assert 1.0 == play.machine.deadline

    play.pass_to(1)
    play.take("a")
    play.crash()
    play.bad("a")

    assert ("FAILED", 4) == (play.status, play.machine.state.step("a").attempts)


def test_max_elapsed_counts_from_the_first_attempt_even_if_that_crashed() -> None:
    play = Play(one(retry={"max_attempts": 3, "max_elapsed": 5, **EXACT}))
    play.take("a")
    play.crash(10)
    play.bad("a")

    assert "FAILED" == play.status


@pytest.mark.parametrize("crashes", (2, 3), ids=str)
def test_the_third_crash_fails_the_step(crashes: int) -> None:
    play = Play(one(retry={"max_attempts": 9, "on": ["*"]}))
    for number in range(crashes):
        play.take("a")
        if number == 1:
            # Not in a row: a failure in between does not begin a new count.
            play.bad("a", chance=0)
            play.take("a")
        play.crash()

    assert ("RUNNING" if crashes == 2 else "FAILED") == play.status_of("a")
    assert (None if crashes == 2 else "crash") == play.code_of("a")

    if crashes == 3:
        assert "crashed 3 times" in str(play.machine.state.failures[0])
        assert 4 == play.machine.state.failures[0].attempt


def test_on_crash_fail() -> None:
    """It is not repeated, whatever `retry` says, and leads on like a last attempt."""
    play = Play(one(on_crash="fail", retry={"max_attempts": 9, "on": ["*"]}, fallback="other"))
    play.take("a")
    play.crash()

    assert ["AttemptCrashed a", "FallbackStarted a"] == play.said

    play.bad("a:fallback")
    found = play.machine.state.failures[0]

    assert ("boom", ["crash"]) == (found.code, [cause.code for cause in found.causes])


def test_an_interruption_decides_nothing_before_the_execution_is_opened_again() -> None:
    """Not even what the history says already: somebody has asked for a cancel meanwhile."""
    play = Play(document({"id": "a"}, {"id": "b"}, connections=[]), checked=False)
    play.take("a", "b")
    play.asked_by_others(f.Cancel(1))
    play.rebuild()
    play.left("a")

    assert ["AttemptInterrupted a"] == play.said

    play.left("b")
    play.crash(2)

    assert ["StoppingStarted cancel", "StepCancelled a", "StepCancelled b"] == play.said[:3]


def test_on_crash_fail_may_lead_to_a_decision() -> None:
    play = Play(one(on_crash="fail", retry={"on_exhausted": "pause"}))
    play.take("a")
    play.crash()

    assert ["AttemptCrashed a", "StepPaused a decision", "ExecutionPaused"] == play.said


@pytest.mark.parametrize("how", ("crash", "left"), ids=str)
def test_on_crash_pause(how: str) -> None:
    play = Play(one(on_crash="pause", total_timeout=10))
    play.now = 2
    play.take("a")
    if how == "left":
        play.left("a")
    play.crash(4)

    assert ("PAUSED", "crash") == (play.status_of("a"), play.code_of("a"))
    assert play.machine.deadline is None

    play.now = 100
    play.resume(decisions={"a": "retry"})

    assert ["QueueAttempt a 2"] == play.asked
    assert 106.0 == play.machine.deadline


def test_the_decision_failed_after_a_crash() -> None:
    play = Play(one(on_crash="pause"))
    play.take("a")
    play.crash()
    play.resume(decisions={"a": "failed"})

    assert ["crash"] == play.codes


def test_a_decision_begins_the_count_of_crashes_afresh() -> None:
    play = Play(one(retry={"on_exhausted": "pause"}))
    for _ in range(3):
        play.take("a")
        play.crash()
    play.resume(decisions={"a": "retry"})
    for _ in range(2):
        play.take("a")
        play.crash()

    assert "RUNNING" == play.status_of("a")

    play.take("a")
    play.crash()

    assert "PAUSED" == play.status_of("a")


def test_an_interrupted_attempt_is_made_again_and_does_not_count() -> None:
    play = Play(one(retry=1))
    for _ in range(5):
        play.take("a")
        play.left("a")

        assert (["AttemptInterrupted a"], []) == (play.said, play.asked)

        play.crash()

        assert ([], [f"QueueAttempt a {play.machine.state.step('a').attempts + 1}"]) == (
            play.said,
            play.asked,
        )

    play.ok("a")

    assert "COMPLETED" == play.status


def test_an_interrupted_attempt_is_a_crash_for_on_crash_fail() -> None:
    play = Play(one(on_crash="fail"))
    play.take("a")
    play.left("a")
    play.crash()

    assert ["StepFailed a crash", "StoppingStarted failure", "ExecutionFailed"] == play.said
    assert "was interrupted" in str(play.machine.state.failures[0])


def test_a_crash_says_so() -> None:
    play = Play(one(on_crash="fail"))
    play.take("a")
    play.crash()

    assert "step 'a': its process crashed, and how far it got is not known (crash)" == str(
        play.machine.state.failures[0]
    )


def test_an_interruption_after_crashes_does_not_make_it_three() -> None:
    play = Play(one())
    for _ in range(2):
        play.take("a")
        play.crash()
    play.take("a")
    play.left("a")
    play.crash()

    assert "RUNNING" == play.status_of("a")


def test_on_crash_holds_for_the_fallback_with_a_count_of_its_own() -> None:
    play = Play(one(fallback="other"))
    for _ in range(2):
        play.take("a")
        play.crash()
    play.bad("a")
    for _ in range(2):
        play.take("a:fallback")
        play.crash()

        assert ["AttemptCrashed a:fallback"] == play.said

    play.take("a:fallback")
    play.crash()
    found = play.machine.state.failures[0]

    assert ("crash", ["boom"]) == (found.code, [cause.code for cause in found.causes])


def test_on_crash_pause_in_the_fallback() -> None:
    play = Play(one(fallback="other", on_crash="pause"))
    play.bad("a")
    play.take("a:fallback")
    play.crash()

    assert ("PAUSED", "crash") == (play.status_of("a"), play.code_of("a"))

    play.resume(decisions={"a": "retry"})

    assert ["QueueAttempt a 2"] == play.asked


def test_lost_attempts_are_decided_in_the_order_of_the_document() -> None:
    """However they were lost; and all of them before anything that this leads to."""
    found = document(
        {"id": "a", "on_crash": "fail"}, {"id": "b", "on_crash": "fail"}, connections=[]
    )
    play = Play(found)
    play.take("a", "b")
    play.left("b")
    play.left("a")
    play.crash()

    assert [
        "StepFailed a crash",
        "StepFailed b crash",
        "StoppingStarted failure",
        "ExecutionFailed",
    ] == play.said


def test_what_is_due_comes_before_what_was_lost_is_decided() -> None:
    """An attempt that is gone needs no stopping."""
    play = Play(one(total_timeout=5, on_crash="pause"))
    play.take("a")
    play.crash(6)

    assert ["AttemptCrashed a", "StepFailed a timeout.step"] == play.said[:2]


def test_a_total_timeout_that_was_over_before_a_crash_is_remembered() -> None:
    play = Play(one(total_timeout=5))
    play.take("a")
    play.pass_to(5)
    play.crash(6)

    assert "timeout.step" == play.code_of("a")


ITEMS = {"id": "a", "for_each": {"items": [1, 2, 3]}}


def test_what_is_due_comes_before_lost_items_beside_one_that_failed() -> None:
    """Also if something else was due before, or has long been over."""
    found = document(ITEMS, {"id": "s", "type": "sleep", "duration": 1}, connections=[])
    play = Play({**found, "timeout": 5})
    play.take("a[0]", "a[1]", "a[2]")
    play.pass_to(1)
    play.bad("a[1]")
    play.crash(6)

    assert [
        "StoppingStarted timeout",
        "ItemCancelled a[0]",
        "ItemCancelled a[2]",
        "StepFailed a boom",
        "ExecutionFailed",
    ] == play.said[2:]
    assert ["timeout.execution", "boom"] == play.codes


def test_a_total_timeout_ends_a_step_whose_items_are_gone() -> None:
    """It has nobody to wait for, and has the code of the item that had failed before."""
    found = document({**ITEMS, "total_timeout": 4})
    play = Play({**found, "timeout": 5})
    play.take("a[0]", "a[1]", "a[2]")
    play.bad("a[1]")
    play.crash(6)

    assert ["boom"] == play.codes
    assert "StoppingStarted failure" == play.said[-2]


def test_an_item_that_waits_after_a_crash_is_cancelled_beside_one_that_failed() -> None:
    play = Play(document({**ITEMS, "on_crash": "pause"}))
    play.take("a[0]")
    play.crash()
    play.bad("a[1]")

    assert ["ItemCancelled a[0]", "ItemCancelled a[2]", "StepFailed a boom"] == play.said[2:5]


def test_the_end_of_a_grace_ends_what_is_gone() -> None:
    """So the execution is over before its timeout, which came after it."""
    play = Play({**document({"id": "a"}, ITEMS | {"id": "b"}, connections=[]), "timeout": 5})
    play.take("a", "b[0]")
    play.cancel(grace=3)
    play.crash(6)

    assert ["StepCancelled a", "ItemCancelled b[0]"] == play.said[2:4]
    assert ("CANCELLED", []) == (play.status, play.codes)


def test_nothing_is_made_again_while_stopping() -> None:
    found = document({"id": "a", "on_crash": "pause"}, {"id": "b"}, connections=[])
    play = Play(found)
    play.take("a", "b")
    play.cancel(grace=None)
    play.left("b")
    play.crash()

    assert [
        "AttemptCrashed a",
        "StepCancelled a",
        "StepCancelled b",
        "ExecutionCancelled",
    ] == play.said


@pytest.mark.parametrize(
    ("total_timeout", "grace", "status"),
    (
        (5, 0.0, "FAILED"),
        (6, 0.0, "FAILED"),
        (7, 0.0, "CANCELLED"),
        (8, 3.0, "FAILED"),
        (9, 3.0, "CANCELLED"),
        (10, 3.0, "CANCELLED"),
        (10, None, "FAILED"),
    ),
    ids=str,
)
@pytest.mark.parametrize("crashes", (False, True), ids=str)
def test_a_total_timeout_counts_if_it_was_over_before_the_stopping_or_its_grace(
    total_timeout: float, grace: float | None, status: str, crashes: bool
) -> None:
    """R14, R17, R22: cancelled at 6; the answer is the same if the process is lost at 20."""
    play = Play(one(total_timeout=total_timeout))
    play.take("a")
    play.now = 6
    play.cancel(grace=grace)
    if crashes:
        play.crash(20)
    else:
        for instant in (7, 8, 9, 10, 20):
            play.pass_to(instant)
        play.stopped("a")

    assert status == play.status_of("a")


@pytest.mark.parametrize("grace", (0.0, 2.0), ids=str)
def test_an_owner_that_reads_its_history_again_asks_its_attempts_to_stop_again(
    grace: float,
) -> None:
    play = Play(one())
    play.take("a")
    play.cancel(grace=grace)
    play.rebuild()
    play.tell(f.Check(2.0))

    assert ([], ["CancelAttempt a 1"]) == (play.said, play.asked)

    play.stopped("a")

    assert "CANCELLED" == play.status


def test_an_owner_that_reads_its_history_again_remembers_which_timeout_it_was() -> None:
    play = Play(one(total_timeout=5))
    play.take("a")
    play.pass_to(5)
    play.now = 5
    play.cancel()
    play.rebuild()
    play.tell(f.Check(6.0))
    play.stopped("a")

    assert "timeout.step" == play.code_of("a")


def test_an_owner_that_reads_its_history_again_goes_on_with_what_was_lost() -> None:
    """That a crashed attempt is queued again is not recorded, so it is found out again."""
    play = Play(one())
    play.take("a")
    play.crash(1)
    play.rebuild()
    play.tell(f.Check(2))

    assert ([], ["QueueAttempt a 2"]) == (play.said, play.asked)


def test_an_owner_that_reads_its_history_again_finds_back_offs_that_are_over() -> None:
    play = Play(one(retry={"max_attempts": 2, **EXACT}))
    play.bad("a")
    play.pass_to(1)
    play.rebuild()
    play.tell(f.Check(1))

    assert ([], ["QueueAttempt a 2"]) == (play.said, play.asked)


def test_everything_outstanding_is_named_after_a_restart() -> None:
    retry = {"max_attempts": 3, **EXACT}
    found = document(
        {"id": "queued"},
        {"id": "delayed", "retry": retry},
        {"id": "over", "retry": retry},
        {"id": "lost"},
        {"id": "waits", "type": "wait"},
        {"id": "fallen", "fallback": "other"},
        connections=[],
    )
    play = Play(found)
    play.bad("over")
    play.now = 0.5
    play.bad("delayed")
    play.bad("fallen")
    play.take("lost")
    play.crash(1)

    assert [
        "QueueAttempt queued 1",
        "QueueAttempt over 2",
        "QueueAttempt lost 2",
        "QueueAttempt fallen:fallback 1",
    ] == play.asked
    assert 1.5 == play.machine.deadline


def test_what_is_outstanding_while_attempts_run() -> None:
    play = Play(document({"id": "a", "parameters": {"x": 1}}, {"id": "b"}, connections=[]))
    play.take("a")

    assert ["RunAttempt", "QueueAttempt"] == [
        type(command).__name__ for command in play.machine.outstanding()
    ]

    play.cancel()

    assert ["RunAttempt", "CancelAttempt"] == [
        type(command).__name__ for command in play.machine.outstanding()
    ]


def test_a_crash_during_a_pause_starts_nothing() -> None:
    play = Play(one(fallback="other", on_crash="fail"))
    play.take("a")
    play.pause()

    assert "RUNNING" == play.status

    play.crash()

    assert (["AttemptCrashed a", "FallbackStarted a", "ExecutionPaused"], []) == (
        play.said,
        play.asked,
    )

    play.resume()

    assert ["QueueAttempt a:fallback 1"] == play.asked


def test_an_interruption_during_a_pause() -> None:
    play = Play(one(fallback="other", on_crash="fail"))
    play.take("a")
    play.pause()
    play.left("a")

    assert ["AttemptInterrupted a", "ExecutionPaused"] == play.said

    play.crash()

    assert ["ExecutionResumed", "FallbackStarted a", "ExecutionPaused"] == play.said


# ---- requests that others have left in the store ----


def left_by_others(played: dict[str, Any], *requests: f.Fact, at: float) -> Play:
    play = Play(played)
    play.asked_by_others(*requests)
    play.crash(at)
    return play


def test_a_signal_that_was_accepted_counts_although_the_deadline_is_over_by_now() -> None:
    """R26: it came before the deadline; only the owner looks after it."""
    found = document({"id": "w", "type": "wait", "total_timeout": 6})
    play = left_by_others(found, f.Signal(5, "w", 1), at=10)

    assert ["StepCompleted w", "ExecutionResumed", "ExecutionCompleted"] == play.said


def test_a_request_counts_although_another_one_came_after_the_deadline() -> None:
    found = document(
        {"id": "w", "type": "wait", "total_timeout": 6},
        {"id": "v", "type": "wait"},
        connections=[],
    )
    play = left_by_others(found, f.Signal(5, "w", 1), f.Signal(7, "v", 2), at=10)

    assert {"w": "COMPLETED", "v": "COMPLETED"} == play.statuses


def test_a_signal_that_came_after_the_deadline_does_not_count() -> None:
    found = document({"id": "w", "type": "wait", "total_timeout": 4})
    play = left_by_others(found, f.Signal(5, "w", 1), at=10)

    assert "timeout.step" == play.code_of("w")


@pytest.mark.parametrize(
    ("asked_at", "status"), ((5.0, "CANCELLED"), (7.0, "FAILED"), (6.0, "FAILED")), ids=str
)
def test_the_first_cause_counts_between_a_cancel_and_a_timeout(
    asked_at: float, status: str
) -> None:
    play = left_by_others({**one(), "timeout": 6}, f.Cancel(asked_at), at=10)

    assert status == play.status


def test_what_was_lost_is_cancelled_with_the_rest() -> None:
    play = Play(one())
    play.take("a")
    play.asked_by_others(f.Cancel(5, "enough"))
    play.crash(10)

    assert [
        "AttemptCrashed a",
        "StoppingStarted cancel",
        "StepCancelled a",
        "ExecutionCancelled",
    ] == play.said


def test_two_signals_are_delivered_in_the_order_in_which_they_came() -> None:
    found = document({"id": "w", "type": "wait"}, {"id": "v", "type": "wait"}, connections=[])
    play = left_by_others(found, f.Signal(1, "v", 1), f.Signal(2, "w", 2), at=3)

    assert ["StepCompleted v", "StepCompleted w"] == play.said[:2]


def test_a_resume_by_others_is_acted_upon_by_the_owner() -> None:
    found = document(
        {"id": "a", "parameters": {"x": "${input.x}"}},
        {"id": "b", "condition": "input.y"},
        connections=[],
    )
    play = Play(found)
    play.asked_by_others(f.Resume(1, {"x": 1}), f.Pause(2))
    play.rebuild()

    assert ["input.y (step 'b')", "a resume"] == play.waits

    play.now = 3
    play.tell(f.Check(3))

    assert {"a": "PAUSED", "b": "PAUSED"} == play.statuses

    play.resume()

    assert {"a": "RUNNING", "b": "PAUSED"} == play.statuses


def test_a_step_that_a_pause_by_others_holds_back_does_not_ask_its_condition_again() -> None:
    found = document({"id": "a", "condition": "input.x and not exists(input.y)"})
    play = Play(found)
    play.asked_by_others(f.Resume(1, {"x": True}), f.Pause(2))
    play.crash(3)

    assert ["StepHeld a"] == play.said

    play.resume({"y": 1})

    assert "RUNNING" == play.status_of("a")


def test_a_request_that_others_made_is_not_made_twice() -> None:
    from trioflow.errors import InvalidRequest

    retry = {"max_attempts": 1, "on_exhausted": "pause"}
    found = document({"id": "a", "retry": retry}, {"id": "w", "type": "wait"}, connections=[])
    play = Play(found)
    play.bad("a", failure())
    play.asked_by_others(f.Resume(1, {}, {"a": "retry"}))

    with pytest.raises(InvalidRequest, match="does not wait for a decision"):
        play.asked_by_others(f.Resume(1, {}, {"a": "retry"}))

    play.asked_by_others(f.Signal(1, "w", 1))

    with pytest.raises(InvalidRequest, match="is there already"):
        play.asked_by_others(f.Signal(1, "w", 1))
    with pytest.raises(InvalidRequest, match="waits for nothing"):
        play.asked_by_others(f.Resume(1, {"x": 1}))

    play.now = 2
    play.rebuild()
    play.tell(f.Check(2))

    assert {"a": "RUNNING", "w": "COMPLETED"} == play.statuses


@pytest.mark.parametrize("value", (True, 1, "text"), ids=str)
def test_a_connection_whose_input_others_have_brought_waits_no_more(value: Any) -> None:
    """Whatever its condition will come to."""
    found = document(
        {"id": "a"},
        {"id": "b"},
        connections=[{"source": "a", "target": "b", "condition": "input.x > 0"}],
        on_failure="continue",
    )
    play = Play(found)
    play.ok("a")
    play.asked_by_others(f.Resume(1, {"x": value}))
    play.rebuild()

    assert [] == play.waits

    play.tell(f.Check(2))

    assert {"a->b": value == 1 and value is not True} == play.decided


def test_an_input_that_others_have_brought_is_not_brought_twice() -> None:
    from trioflow.errors import InvalidRequest

    play = Play(document({"id": "a", "parameters": {"x": "${input.x}", "y": "${input.y}"}}))
    play.asked_by_others(f.Resume(1, {"x": 1}))

    with pytest.raises(InvalidRequest, match=r"answers nothing that it waits for: input\.y"):
        play.asked_by_others(f.Resume(1, {"z": 1}))
