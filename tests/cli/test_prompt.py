"""Questions at a terminal, with somebody who answers from a list."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

import trioflow
from trioflow.cli._output import Screen
from trioflow.cli._prompt import Answers, Left, ask, misfit, parse_decision


async def waiting(document: dict[str, Any]) -> Any:
    """Return what an execution of the document waits for."""
    async with trioflow.open_engine() as engine:
        execution = await engine.start(document)
        await execution.wait_paused()
        if document.get("x-pause"):
            await execution.pause()
        return execution.waiting_for


def answering(*lines: str) -> Callable[[], Awaitable[str | None]]:
    left = list(lines)

    async def read_line() -> str | None:
        await trio.lowlevel.checkpoint()
        return left.pop(0) if left else None

    return read_line


async def answer(document: dict[str, Any], *lines: str) -> tuple[Answers, str]:
    stream = io.StringIO()
    found = await ask(await waiting(document), Screen(stream), answering(*lines))
    return found, stream.getvalue()


def asks(**properties: Any) -> dict[str, Any]:
    return {
        "id": "asks",
        "input_schema": {"type": "object", "properties": properties},
        "connections": [],
        "steps": [
            {"id": f"s{i}", "action": "log", "parameters": {"message": f"${{input.{path}}}"}}
            for i, path in enumerate((*properties, next(iter(properties))))
        ],
    }


async def test_inputs_are_asked_for_once_each_until_they_fit() -> None:
    document = asks(
        name={"type": "string", "minLength": 2},
        number={"type": "integer", "description": "How many"},
    )
    found, printed = await answer(document, "A", "Ann", "x", "1.5", "3")

    assert {"name": "Ann", "number": 3} == found.input
    assert 3 == printed.count("number (JSON; integer; How many): ")
    assert "too short" in printed
    assert "is no JSON" in printed


async def test_nested_and_unsayable_paths() -> None:
    document = asks(a={})
    parameters = {"message": "${input.to.name} ${input.to['x y']?} ${input.list[0]}"}
    document["steps"] = [{"id": "s", "action": "log", "parameters": parameters}]
    found, printed = await answer(document, "Ann")

    assert {"to": {"name": "Ann"}} == found.input
    assert "input.list[0] (step 's') can't be asked for here" in printed


async def test_signals_and_a_pause() -> None:
    schema = {"type": ["integer", "null"]}
    document = {
        "id": "bell",
        "x-pause": True,
        "steps": [{"id": "bell", "type": "wait", "schema": schema}],
    }
    found, printed = await answer(document, '"x"', "", "")

    assert {"bell": None} == found.signals
    assert found.resume
    assert "payload of signal bell (JSON; integer or null): " in printed


async def test_decisions() -> None:
    step = {
        "id": "pay",
        "action": "fail",
        "parameters": {"message": "no [b]money[/b]"},
        "retry": {"max_attempts": 1, "on_exhausted": "pause"},
    }
    found, printed = await answer({"id": "pay", "steps": [step]}, "perhaps", "completed:=[1]")

    assert {"pay": {"completed": [1]}} == found.decisions
    assert "step pay failed: no [b]money[/b]" in printed
    assert "not 'perhaps'" in printed


async def test_nobody_answers() -> None:
    with pytest.raises(Left):
        await answer(asks(a={}))


def test_schemas_that_are_parts_of_larger_ones() -> None:
    assert misfit(1, None) is None
    assert misfit(1, {"$ref": "#/$defs/there"}) is None
    assert misfit("x", {"type": "integer"}) is not None


def test_decisions_in_words() -> None:
    assert "retry" == parse_decision("retry")
    assert {"completed": {"a": 1}} == parse_decision('completed:={"a": 1}')
    with pytest.raises(ValueError, match="no JSON"):
        parse_decision("completed:=")
