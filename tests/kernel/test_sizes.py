"""What is made of the outputs and the errors of many steps fits into a record."""

from __future__ import annotations

from typing import Any

from trioflow.definitions import load_workflow
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._codec import encode_json
from trioflow.kernel._machine import Machine
from trioflow.kernel._sizes import MAX_ERRORS_BYTES, MAX_OUTPUT_BYTES, as_many_as_fit

HALF = "x" * (MAX_OUTPUT_BYTES // 2)


def ended(document: dict[str, Any], output: Any) -> e.Event:
    """Return the last event of an execution whose attempts all return the same."""
    machine = Machine(load_workflow(document).plan, 9)
    facts: list[f.Fact] = [f.Start(0.0, "x", {})]
    recorded: list[e.Event] = []
    while facts:
        turn = machine.receive(facts.pop(0), 9)
        recorded += turn.recorded
        for event in turn.recorded:
            if isinstance(event, e.AttemptStarted):
                address = f.Address(event.step, event.role, event.item)
                facts.append(f.AttemptReturned(0.0, address, event.attempt, output))
    return recorded[-1]


TWO = {
    "id": "w",
    "connections": [],
    "steps": [{"id": "a", "action": "do"}, {"id": "b", "action": "do"}],
}


def test_outputs_that_do_not_fit_together() -> None:
    last = ended(TWO, HALF)

    assert isinstance(last, e.ExecutionFailed)
    (failure,) = last.failures
    assert "result.too_large" == failure.code
    size = len(encode_json({"a": HALF, "b": HALF}))
    assert f"the workflow's output has {size} bytes of JSON, more than the" in failure.message


def test_an_output_that_has_the_same_value_twice() -> None:
    document = {**TWO, "output": {"both": "${a}${a}"}}

    assert isinstance(ended(document, HALF), e.ExecutionFailed)
    assert isinstance(ended(document, HALF[100:]), e.ExecutionCompleted)


def test_what_just_fits() -> None:
    size = len(encode_json({"a": HALF, "b": HALF})) - MAX_OUTPUT_BYTES
    fits = HALF[: len(HALF) - (size + 1) // 2]

    assert isinstance(ended(TWO, fits), e.ExecutionCompleted)
    assert isinstance(ended(TWO, fits + "x"), e.ExecutionFailed)


# ---- errors ----


def failure(number: int, size: int, *causes: e.Failure) -> e.Failure:
    return e.Failure("odd", f"{number} " + "x" * size, causes=causes)


def test_few_errors_are_kept() -> None:
    failures = [failure(number, 9) for number in range(3)]

    assert tuple(failures) == as_many_as_fit(failures)


def test_the_first_of_many_errors_are_kept_and_the_others_counted() -> None:
    failures = [failure(number, 100_000) for number in range(20)]
    kept = as_many_as_fit(failures)

    assert failures[:5] == list(kept[:-1])
    assert "result.too_large" == kept[-1].code
    assert "15 more failures do not fit into this record; " in kept[-1].message
    assert len(encode_json([each.to_json() for each in kept])) < MAX_ERRORS_BYTES + 1_000


def test_one_error_too_many() -> None:
    kept = as_many_as_fit([failure(1, 500_000), failure(2, 500_000)])

    assert kept[-1].message.startswith("1 more failure does not fit")


def test_an_error_that_does_not_fit_loses_its_causes() -> None:
    large = failure(1, 9, *(failure(number, 100_000) for number in range(9)))

    assert (failure(1, 9), failure(2, 9)) == as_many_as_fit([large, failure(2, 9)])
