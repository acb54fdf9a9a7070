"""``trioflow list``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from trioflow.cli._completing import any_execution, workflow_ids
from trioflow.cli._options import json_option, store_option, store_to_read
from trioflow.cli._run import parse_labels
from trioflow.cli._text import duration, instant, plain
from trioflow.timelines import WAITS_FOR_ENGINE

if TYPE_CHECKING:
    from trioflow.cli._output import Screen
    from trioflow.engine import Snapshot
    from trioflow.stores import Head

STATUSES = ("PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED")

# Below so many columns an execution gets two lines, and not a row of a table.
_NARROW = 76


@click.command("list", short_help="List executions, newest first.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Only with this status; may be repeated.",
)
@click.option(
    "--workflow", metavar="ID", shell_complete=workflow_ids, help="Only of this workflow."
)
@click.option(
    "--label",
    "labels",
    metavar="KEY=VALUE",
    multiple=True,
    help="Only with this label; may be repeated.",
)
@click.option("--older", metavar="AGE", help="Only what was created longer ago, like 7d or 90m.")
@click.option("--newer", metavar="AGE", help="Only what was created since, like 7d or 90m.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many."
)
@click.option(
    "--before",
    metavar="ID",
    shell_complete=any_execution,
    help="Only older ones than this: the next page.",
)
@store_option
@json_option
def list_command(
    statuses: tuple[str, ...],
    workflow: str | None,
    labels: tuple[str, ...],
    older: str | None,
    newer: str | None,
    limit: int,
    before: str | None,
    store: str,
    as_json: bool,
) -> None:
    """List executions, newest first, with what they wait for."""
    import trio

    from trioflow.cli._output import out, print_json, say

    wanted = parse_labels(labels)
    created_before, created_after = _ago("--older", older), _ago("--newer", newer)

    async def read() -> tuple[list[Head], dict[str, Snapshot]]:
        from trioflow.engine import find_executions, look

        async with store_to_read(store) as opened:
            heads = await find_executions(
                opened,
                status=tuple(status.upper() for status in statuses) or None,
                workflow=workflow,
                label=wanted,
                before=before,
                created_before=created_before,
                created_after=created_after,
                # One more tells whether there are more.
                limit=limit + 1,
            )
            paused = [head for head in heads[:limit] if head.status == "PAUSED"]
            return heads, {head.id: await look(opened, head.id) for head in paused}

    heads, paused = trio.run(read)
    shown = heads[:limit]
    waiting = {head.id: _waits(paused.get(head.id)) for head in shown}
    if as_json:
        print_json([_to_json(head, paused.get(head.id)) for head in shown])
        return
    if not shown:
        asked = statuses or workflow or before or labels or older or newer
        say("no executions" + (" like that" if asked else ""))
        return
    screen = out()
    if screen.terminal and screen.width < _NARROW:
        _print_narrow(screen, shown, waiting)
    else:
        _print_table(screen, shown, waiting)
    if len(heads) > limit:
        say(f"more: trioflow list --before {shown[-1].id}")


def _ago(option: str, age: str | None) -> float | None:
    """Return the instant that is so long ago."""
    from trioflow.definitions import parse_duration

    if age is None:
        return None
    try:
        return time.time() - parse_duration(age)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _print_table(screen: Screen, heads: list[Head], waiting: dict[str, str]) -> None:
    now = time.time()
    rows = [("ID", "WORKFLOW", "STATUS", "CREATED", "DURATION", "WAITS FOR")]
    rows += [
        (
            plain(head.id),
            plain(head.workflow),
            head.status,
            instant(head.created),
            duration((now if head.ended is None else head.ended) - head.created),
            plain(waiting[head.id]),
        )
        for head in heads
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if screen.terminal:
        widths[:2] = _squeezed(widths[:2], screen.width - sum(widths[2:5]) - 12)
    for index, row in enumerate(rows):
        cells = [
            (_cut(cell, width).ljust(width) + "  ", _style(screen, index, column, cell))
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        screen.line(*cells, cut=True)


def _style(screen: Screen, row: int, column: int, cell: str) -> str:
    if row == 0:
        return "bold"
    return screen.status(cell)[1] if column == 2 else ""


def _squeezed(widths: list[int], room: int) -> list[int]:
    """Return widths that fit the room, if they can: the widest column gives most."""
    found = list(widths)
    while sum(found) > max(room, 16):
        found[found.index(max(found))] -= 1
    return found


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _print_narrow(screen: Screen, heads: list[Head], waiting: dict[str, str]) -> None:
    now = time.time()
    for head in heads:
        took = duration((now if head.ended is None else head.ended) - head.created)
        screen.line(screen.sign(head.status), " ", (head.id, "bold"), cut=True)
        screen.line("  ", screen.status(head.status), f", {head.workflow}, {took}", cut=True)
        screen.line("  ", (instant(head.created), "bright_black"), cut=True)
        if waiting[head.id]:
            screen.line("  waits for ", waiting[head.id], cut=True)


def _waits(snapshot: Snapshot | None) -> str:
    """Return what a paused execution waits for, in a few words."""
    if snapshot is None:
        return ""
    if not snapshot.waiting_for:
        return f"{WAITS_FOR_ENGINE}: resume it"
    first = snapshot.waiting_for[0]
    words = {
        "input": first.name,
        "signal": f"signal {first.name}",
        "decision": f"decision about {first.step}",
    }.get(first.kind, first.kind)
    more = len(snapshot.waiting_for) - 1
    return f"{words} and {more} more" if more else words


def _to_json(head: Head, snapshot: Snapshot | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": head.id,
        "workflow": head.workflow,
        "status": head.status,
        "created": head.created,
        "ended": head.ended,
        "labels": dict(head.labels),
    }
    if head.parent is not None:
        found["parent"] = head.parent
    if snapshot is not None:
        found["waiting_for"] = [entry.to_json() for entry in snapshot.waiting_for]
    return found
