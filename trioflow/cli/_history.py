"""``trioflow history``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from trioflow.cli._completing import any_execution
from trioflow.cli._options import json_option, store_option, store_to_read
from trioflow.cli._text import inline, plain, since

# What comes first in a line, as far as an event has it; the rest follows as key=value.
_FIRST = ("step", "connection", "attempt", "role", "item")


@click.command("history", short_help="Print the events of an execution.")
@click.argument("execution_id", metavar="ID", shell_complete=any_execution)
@click.option(
    "--after", type=click.IntRange(min=0), default=0, metavar="SEQ", help="Only later events."
)
@store_option
@json_option
def history_command(execution_id: str, after: int, store: str, as_json: bool) -> None:
    """Print the events of the execution ID, one a line: number, seconds since its start, what.

    With --json a list of objects, each with `seq`, `type`, `at` (seconds since the epoch) and
    the fields of that event, whole; in lines long values are shortened.
    """
    import trio

    from trioflow.cli._output import out, print_json
    from trioflow.errors import ExecutionNotFound
    from trioflow.events import Event, to_json

    async def read() -> list[Event]:
        async with store_to_read(store) as opened:
            return await opened.read(execution_id)

    events = trio.run(read)
    if not events:
        raise ExecutionNotFound(execution_id)
    found = [to_json(event) for event in events if event.seq > after]
    if as_json:
        print_json(found)
        return
    screen = out()
    width = len(str(events[-1].seq))
    began_at = events[0].at
    for event in found:
        screen.line(
            (f"{event['seq']:>{width}}", "bright_black"),
            f"{since(event['at'] - began_at)} s  ",
            (event["type"], "bold"),
            f"  {_fields(event)}",
            cut=screen.terminal,
        )


def _fields(event: Mapping[str, Any]) -> str:
    """Return the fields of an event in one line."""
    words = []
    for key in _FIRST:
        if key in event:
            value = event[key]
            words.append(plain(value) if key in ("step", "connection") else f"{key}={value}")
    for key, value in event.items():
        if key not in (*_FIRST, "seq", "type", "at"):
            words.append(f"{key}={inline(value, 120)}")
    return " ".join(words)
