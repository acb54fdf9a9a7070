"""The judges that know nothing of what is expected: each of them sees what it is there for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import pytest
import trio

import harness
import trioflow
from harness._scenario import AtTime, Call, Cancel, Raises, Returns, Scenario
from harness.playing import Mismatch, Observed, observe
from harness.playing._invariants import broken
from harness.playing._witness import Witness, limits_of
from trioflow import events, testing
from trioflow.engine import _driver, _statistics
from trioflow.events import Event
from trioflow.kernel._facts import Address
from trioflow.stores import MemoryStore

DOCUMENT = {
    "id": "w",
    "steps": [
        {"id": "a", "action": "do", "compensate": "undo"},
        {"id": "b", "action": "do", "parameters": {"x": "${a}"}, "compensate": "undo"},
        {"id": "c", "action": "do", "parameters": {"x": "${b}"}, "retry": {"max_attempts": 2}},
    ],
}
FAILS = Scenario(DOCUMENT, id="fails", steps={"c": (Raises("no", "odd"),)})
GOES_WELL = attrs.evolve(FAILS, id="well", steps={"c": (Raises("no", "odd"), Returns({}))})


def told(scenario: Scenario, observed: Observed) -> str:
    return "\n".join(broken(scenario, observed))


@pytest.mark.parametrize("scenario", (FAILS, GOES_WELL), ids=lambda each: each.id)
def test_a_good_engine_breaks_nothing(scenario: Scenario) -> None:
    assert "" == told(scenario, observe(scenario))


# ---- keys ----


def test_an_idempotency_key_that_changes_with_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    good, asked = Address.key, []

    def key(self: Address, execution_id: str) -> str:
        asked.append(self)
        return f"{good(self, execution_id)}:{asked.count(self)}"

    monkeypatch.setattr(Address, "key", key)

    with pytest.raises(Mismatch, match="attempt 2 of x:c has the idempotency key x:c:"):
        harness.check(GOES_WELL)


@pytest.mark.parametrize(
    "key", ("x:a", "x:a:fallback", "x:a:compensate"), ids=lambda each: each.rpartition(":")[2]
)
def test_keys_of_a_step(key: str) -> None:
    witness = Witness(1)

    begin(witness, idempotency_key=key)

    assert [] == witness.wrong


@pytest.mark.parametrize("key", ("x:a", "y:a:1", "x:a:1:2", "x:b:1", "x:a:0"))
def test_keys_that_are_not_those_of_an_item(key: str) -> None:
    witness = Witness(1)

    begin(witness, item_index=1, idempotency_key=key)

    assert [f"attempt 1 of x:a:1 has the idempotency key {key}"] == witness.wrong


# ---- attempts ----


def begin(witness: Witness, parameters: Any = None, **more: Any) -> trioflow.ActionContext:
    found = {"execution_id": "x", "step": "a", "workflow": "w", **more}
    context = testing.context(**found)
    witness.attempt_begins(context, parameters or {})
    return context


def test_one_key_two_inputs() -> None:
    witness = Witness(9)
    begin(witness, {"n": 1})
    begin(witness, {"n": 1}, attempt=2)

    assert [] == witness.wrong
    begin(witness, {"n": 2}, attempt=3)
    assert ['the idempotency key x:a goes with {"n": 1}, and then with {"n": 2}'] == witness.wrong


def test_one_attempt_twice() -> None:
    witness = Witness(9)
    witness.attempt_ends(begin(witness))
    begin(witness)

    assert ["attempt 1 of x:a is made a second time"] == witness.wrong


def test_more_attempts_than_slots() -> None:
    witness = Witness(2)
    witness.attempt_ends(begin(witness, step="a"))
    begin(witness, step="b")
    begin(witness, step="c", execution_id="y")

    assert [] == witness.wrong
    begin(witness, step="d", execution_id="z")
    assert ["3 attempts run: more than 2 slots"] == witness.wrong


def test_more_attempts_than_the_document_allows() -> None:
    witness = Witness(9, limits_of([{"id": "w", "max_concurrent_steps": 1}, {"id": "v"}]))
    begin(witness, step="a")
    begin(witness, step="a", execution_id="y", workflow="v")
    begin(witness, step="b", execution_id="y", workflow="v")

    assert [] == witness.wrong
    begin(witness, step="b")
    assert ["2 attempts of x run: more than 1"] == witness.wrong


# ---- their time ----

TIMES = {
    "id": "w",
    "steps": [
        {"id": "plain", "action": "do", "compensate": "undo"},
        {
            "id": "short",
            "action": "do",
            "timeout": 5,
            "fallback": {"action": "do", "timeout": 3},
            "compensate": {"action": "undo", "timeout": 7},
        },
        {"id": "total", "action": "do", "total_timeout": 20, "compensate": "undo"},
        {
            "id": "both",
            "action": "do",
            "timeout": 5,
            "total_timeout": 20,
            "fallback": "do",
            "compensate": "undo",
        },
    ],
}


@pytest.mark.parametrize(
    ("step", "role", "good", "bad"),
    (
        ("plain", "", (None,), (0.0, 5.0)),
        ("short", "", (5.0,), (None, 4.9, 5.1)),
        ("short", "fallback", (3.0,), (None, 5.0)),
        ("short", "compensate", (7.0,), (None, 5.0)),
        ("total", "", (20.0, 3.0, 0.0), (None, 20.1, -0.1)),
        ("both", "", (5.0, 3.0), (None, 5.1, 20.0, -0.1)),
        # Its own timeout, which it has none, and no more than is left of the step's.
        ("both", "fallback", (20.0, 3.0), (None, 20.1, -0.1)),
        # R24: that of its step, else 15 minutes; the time of the step is over.
        ("both", "compensate", (5.0,), (None, 3.0, 20.0)),
        ("total", "compensate", (900.0,), (None, 20.0)),
        ("plain", "compensate", (900.0,), (None, 5.0)),
    ),
)
def test_the_time_that_an_attempt_is_told(
    step: str, role: str, good: Sequence[float | None], bad: Sequence[float | None]
) -> None:
    key = f"x:{step}:{role}".rstrip(":")

    def wrong(seconds: float | None) -> list[str]:
        witness = Witness(9, documents=[TIMES])
        begin(witness, step=step, idempotency_key=key, deadline=seconds)
        return witness.wrong

    for seconds in good:
        assert [] == wrong(seconds)
    for seconds in bad:
        told = "none" if seconds is None else f"{seconds:g} s"
        (sentence,) = wrong(seconds)
        assert f"attempt 1 of {key} is told that its time is {told}: its timeout is " in sentence


def test_the_time_of_one_of_two_documents_with_an_id() -> None:
    shorter = {"id": "w", "steps": [{"id": "short", "action": "do", "timeout": 1}]}
    witness = Witness(9, documents=[TIMES, shorter])
    for number, seconds in enumerate((5.0, 1.0, 3.0), 1):
        begin(witness, step="short", deadline=seconds, attempt=number)

    assert 1 == len(witness.wrong)
    assert "attempt 3 of x:short is told that its time is 3 s: " in witness.wrong[0]


def test_a_time_that_is_told_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {**DOCUMENT, "steps": [{"id": "c", "action": "do", "timeout": 9}]}
    monkeypatch.setattr(_driver, "_seconds_left", lambda attempt: attempt.scope.deadline + 1)

    with pytest.raises(Mismatch, match="attempt 1 of x:c is told that its time is 10 s"):
        harness.check(Scenario(document, id="time"))


# ---- observers ----

ENDED = events.ExecutionCancelled(1, 0.0)


@pytest.mark.parametrize("running", ("x", "x:child", "x:child:3"))
def test_an_end_while_something_runs(running: str) -> None:
    witness = Witness(9)
    context = begin(witness, execution_id=running)
    begin(witness, execution_id="xy")
    witness.observe("x", ENDED, [("x", 1)])

    assert [f"ExecutionCancelled while 1 attempts of {running} run"] == witness.wrong
    witness.attempt_ends(context)


def test_nothing_comes_after_the_end() -> None:
    witness = Witness(9)
    witness.observe("x", ENDED, [("x", 1)])
    witness.engine_opens()
    witness.observe("x", events.PauseRequested(2, 0.0), [("x", 2)])
    begin(witness)

    assert [
        "PauseRequested is recorded after x has ended",
        "a is called after x has ended",
    ] == witness.wrong


@pytest.mark.parametrize("second", (1, 3))
def test_observers_miss_nothing_and_are_told_once(second: int) -> None:
    witness = Witness(9)
    for seq in (1, second):
        witness.observe("x", events.PauseRequested(seq, 0.0), [("x", 3)])

    assert [f"observers of x are told record {second} after 1"] == witness.wrong


def test_observers_are_not_told_too_early() -> None:
    witness = Witness(9)
    written = [("x", 1), ("y", 2)]
    witness.observe("x", events.PauseRequested(1, 0.0), written)
    witness.observe("x", events.PauseRequested(2, 0.0), written)

    assert ["observers of x are told record 2 before it is stored"] == witness.wrong


def test_cancels_that_were_accepted() -> None:
    witness = Witness(9)
    witness.cancel_accepted("x")
    witness.cancel_accepted("y")
    witness.look_at_histories({"x": (events.CancelRequested(1, 0.0),), "y": (ENDED,)})

    assert ["a cancel of y was accepted, and is not in its history"] == witness.wrong


def test_a_cancel_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancel(self: Any, *_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr(trioflow.Execution, "request_cancel", cancel)
    observed = observe(attrs.evolve(GOES_WELL, actions=[Cancel(AtTime(0.5))]))

    assert ("a cancel of x was accepted, and is not in its history",) == observed.wrong


def test_an_end_that_counts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the history it counts twice as well, so to compare the two is not enough."""
    table = dict(_statistics._COUNTED)
    once = table[events.ExecutionCompleted]

    def twice(*arguments: Any) -> None:
        once(*arguments)
        once(*arguments)

    monkeypatch.setattr(_statistics, "_COUNTED", {**table, events.ExecutionCompleted: twice})

    assert ("1 ExecutionCompleted, and completed is 2",) == observe(GOES_WELL).wrong


def test_misuse_that_has_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    good = trioflow.Execution.pause

    async def pause(self: trioflow.Execution) -> None:
        disk: Any = self._engine.store
        head = await disk.head(self.id)
        record = events.PauseRequested(1, trio.current_time())
        await disk.commit(attrs.evolve(head, id="z", seq=1), [record])
        await good(self)

    monkeypatch.setattr(trioflow.Execution, "pause", pause)
    observed = observe(attrs.evolve(GOES_WELL, actions=[Call("pause", moment=AtTime(99))]))

    assert "Call was refused, and has written all the same" == observed.wrong[0]


# ---- statistics ----


@trioflow.action("do")
async def do() -> None:
    await trio.sleep(1)


async def test_statistics_and_slots_at_the_end(autojump_clock: Any) -> None:
    witness = Witness(9)
    witness.engine_opens()
    disk, other = MemoryStore(), MemoryStore()
    documents = {"id": "w", "steps": [{"id": "a", "action": "do"}]}
    async with (
        other,
        disk,
        testing.open_engine(
            disk,
            actions=do,
            observers=[lambda name, event: witness.observe(name, event, [(name, event.seq)])],
        ) as engine,
    ):
        execution = await engine.start(documents, execution_id="x")
        await trio.sleep(0.5)
        await witness.look_at_end(engine, disk)
        assert ["at the end 1 slots are still out"] == witness.wrong

        witness.wrong.clear()
        await execution.result()
        await witness.look_at_end(engine, disk)
        history = await disk.read("x")
        witness.look_at_histories({"x": history})
        assert [] == witness.wrong

        await witness.look_at_end(engine, other)
        assert ["events", "workflows"] == [each.split(": ")[1].split()[0] for each in witness.wrong]
        witness.wrong.clear()
        witness.look_at_histories({"x": history[:-1]})
        assert ["observers of x were told something else than is stored"] == witness.wrong


# ---- histories ----


def place(history: Sequence[Event], kind: type[Event], step: str | None = None) -> int:
    """Return where the last record of a kind is, of a step."""
    return max(
        index
        for index, event in enumerate(history)
        if isinstance(event, kind) and step in (None, getattr(event, "step", None))
    )


def runs_again(history: list[Any]) -> list[Any]:
    begun = history[place(history, events.AttemptStarted, "c")]
    again = attrs.evolve(begun, attempt=3)
    return [*history[:-1], again, history[-1]]


def begins_with_two(history: list[Any]) -> list[Any]:
    return [
        attrs.evolve(each, attempt=each.attempt + 1)
        if isinstance(each, events.AttemptStarted) and each.step == "c"
        else each
        for each in history
    ]


def undone_in_order(history: list[Any]) -> list[Any]:
    first, second = (place(history, events.StepCompensated, step) for step in "ba")
    history[first], history[second] = history[second], history[first]
    return history


def undone_twice(history: list[Any]) -> list[Any]:
    again = history[place(history, events.StepCompensated)]
    return [*history[:-1], again, history[-1]]


def undone_without_an_end(history: list[Any]) -> list[Any]:
    index = place(history, events.StepCompensated, "b")
    history[index] = attrs.evolve(history[index], step="c")
    return history


def fails_too_often(history: list[Any]) -> list[Any]:
    index = place(history, events.AttemptFailed, "c")
    return [*history[:index], history[index], *history[index:]]


def repeats_the_last(history: list[Any]) -> list[Any]:
    index = place(history, events.AttemptFailed, "c")
    history[index] = attrs.evolve(history[index], retry_at=99.0)
    return [*history[: index + 1], history[index], *history[index + 1 :]]


def stops_before_it_began(history: list[Any]) -> list[Any]:
    index = place(history, events.StoppingStarted)
    history[index] = attrs.evolve(history[index], grace=-1.0)
    return history


def waits(*between: Event, item: int | None = None) -> Any:
    """Return what lets c wait for a decision twice."""
    kind: Any = events.StepPaused if item is None else partial(events.ItemPaused, item=item)
    paused = kind(0, 0.0, step="c", kind="decision")
    return lambda history: [*history[:-1], paused, *between, paused, history[-1]]


def is_paused_twice(history: list[Any]) -> list[Any]:
    return [*history[:-1], *[events.ExecutionPaused(0, 0.0)] * 2, history[-1]]


def without_end(history: list[Any]) -> list[Any]:
    del history[place(history, events.StepFailed)]
    return history


CHANGES = (
    (runs_again, "c is over, and attempt 3 of it begins"),
    (begins_with_two, "attempt 2 of c is number 1"),
    (undone_in_order, "undone in the order [('a', None), ('b', None)], and not [('b', None), "),
    (undone_twice, "a is undone twice"),
    (undone_without_an_end, "c is undone, but it has not been completed"),
    (fails_too_often, "of c (step) is one of 2 at most"),
    (repeats_the_last, "of c (step) is one of 2 at most"),
    (stops_before_it_began, "StoppingStarted has a grace of -1 s"),
    (waits(), "c is PAUSED, and so it is again in record"),
    (waits(item=2), "c[2] is PAUSED, and so it is again in record"),
    (waits(events.StepResumed(0, 0.0, step="b")), "c is PAUSED, and so it is again in record"),
    (is_paused_twice, "the execution is PAUSED, and so it is again in record"),
    (without_end, "c has been started, and is not over at the end"),
    (lambda history: [*history, history[-1]], "ExecutionFailed is not the last record"),
    (lambda history: history[:-1], "it has ended, but its last record does not say so"),
    (lambda history: history[1:], "StepStarted is record 2, and stands at place 1"),
    (lambda history: [history[-1], *history[1:]], "is recorded after something later"),
)


@pytest.mark.parametrize(("change", "problem"), CHANGES, ids=[problem for _, problem in CHANGES])
def test_histories_that_break_a_rule(change: Any, problem: str) -> None:
    observed = observe(FAILS)
    changed = tuple(change(list(observed.history)))
    seen = attrs.evolve(observed, history=changed, histories={"x": changed})

    assert problem in told(FAILS, seen)


@pytest.mark.parametrize(
    "change",
    (
        waits(events.StepResumed(0, 0.0, step="c")),
        waits(events.StepPaused(0, 0.0, step="c", kind="inputs", inputs=("input.x",))),
        waits(events.ItemResumed(0, 0.0, step="c", item=2), item=2),
    ),
    ids=("resumed", "for something else", "item"),
)
def test_histories_in_which_a_step_waits_anew(change: Any) -> None:
    observed = observe(FAILS)
    changed = tuple(change(list(observed.history)))
    seen = attrs.evolve(observed, history=changed, histories={"x": changed})

    assert "PAUSED" not in told(FAILS, seen)
