"""Actions for the tests of the command line: they are loaded from this file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import trio

import trioflow


@trioflow.action("kitchen.boil")
async def boil(litres: float = 1) -> dict[str, Any]:
    return {"celsius": 100, "litres": litres}


@trioflow.action("kitchen.steep")
async def steep(tea: str, celsius: int, context: trioflow.ActionContext) -> dict[str, Any]:
    if context.attempt == 1:
        raise trioflow.StepError("the pot is cold", "pot.cold", True)
    return {"pot": f"{tea} at {celsius}"}


@trioflow.action("kitchen.serve")
def serve(guest: str) -> dict[str, Any]:
    print("served on stdout")
    return {"to": guest}


@trioflow.action("kitchen.spill")
def spill() -> None:
    try:
        raise ValueError("slippery")
    except ValueError as error:
        raise trioflow.StepError("the cup [red]fell[/red]\x1b[31m", "cup.broken", False) from error


@trioflow.action("kitchen.say")
async def say(text: str, context: trioflow.ActionContext) -> str:
    context.log(text)
    return text


@trioflow.action("kitchen.note")
async def note(path: str) -> None:
    """Write down that it was called, and wait for ever."""
    with Path(path).open("a") as file:  # noqa: ASYNC230
        file.write("called\n")
    await trio.sleep_forever()


@trioflow.action("kitchen.again")
async def again(path: str) -> None:
    """Wait for ever the first time, and do nothing the second time."""
    if not Path(path).exists():  # noqa: ASYNC240
        Path(path).touch()  # noqa: ASYNC240
        await trio.sleep_forever()


@trioflow.action("kitchen.hold")
def hold(path: str) -> None:
    """Write down that it was called, and do not stop before the file is gone."""
    Path(path).touch()
    while Path(path).exists():
        time.sleep(0.01)


@trioflow.action("kitchen.length")
async def length(text: str) -> int:
    return len(text)


@trioflow.action("kitchen.block")
async def block(path: str) -> None:
    """Hold up the whole program, as no action should."""
    Path(path).touch()  # noqa: ASYNC240
    time.sleep(60)  # noqa: ASYNC251


@trioflow.action("kitchen.elsewhere", isolation="process")
def elsewhere() -> bool:
    return os.getpid() != int(os.environ["TEST_PID"])


@trioflow.action("kitchen.undo")
async def undo(output: Any) -> None: ...
