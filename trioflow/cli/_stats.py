"""``trioflow stats``: how often, how long, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trioflow.cli._completing import workflow_ids
from trioflow.cli._options import json_option, store_option, store_to_read
from trioflow.cli._text import count, duration, instant, plain

if TYPE_CHECKING:
    from trioflow.cli._output import Screen
    from trioflow.engine import Percentiles, Statistics, StepStatistics, WorkflowStatistics

_HEADER = ("STEP", "DONE", "FAILED", "SKIPPED", "CANCELLED", "ATTEMPTS", "P50", "P95", "MAX", "WHY")
# Of so many codes it is told how often there was each.
_MOST_CODES = 3


@click.command("stats", short_help="Count what became of executions and steps.")
@click.option(
    "--workflow",
    metavar="ID",
    shell_complete=workflow_ids,
    help="Only executions of this workflow.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="How many executions to read, the newest ones.",
)
@store_option
@json_option
def stats_command(workflow: str | None, limit: int, store: str, as_json: bool) -> None:
    """Count what became of the executions in the store and of their steps, and how long they took.

    Durations are time at work: what was PAUSED in between is not in them.
    """
    import trio

    from trioflow.cli._output import out, print_json, say

    async def read() -> Statistics:
        from trioflow.engine import statistics_of

        async with store_to_read(store) as opened:
            return await statistics_of(opened, workflow=workflow, limit=limit)

    found = trio.run(read)
    if as_json:
        print_json(found.to_json())
        return
    if found.since is None:
        say("no executions" + ("" if workflow is None else f" of {workflow!r}"))
        return
    screen = out()
    line = f"since {instant(found.since)}: {found.running} running, {found.waiting} waiting"
    screen.line(line)
    for name, one in found.workflows.items():
        screen.line()
        _print_workflow(screen, name, one)


def _print_workflow(screen: Screen, name: str, found: WorkflowStatistics) -> None:
    parts = [
        f"{number} {word}"
        for number, word in (
            (found.completed, "completed"),
            (found.failed, "failed"),
            (found.cancelled, "cancelled"),
            (found.open, "open"),
        )
        if number
    ]
    took = "" if not found.duration.count else f"; {_took(found.duration)}"
    started = count(found.started, "execution")
    screen.line((plain(name), "bold"), f"  {started}: {', '.join(parts)}{took}")
    rows = [_HEADER, *(_row(step, one) for step, one in found.steps.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        # Names to the left, numbers to the right, reasons as they are.
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        style = "bold" if index == 0 else "red" if row[2] not in ("", "0") else ""
        screen.line(("  ".join(["", *cells, row[-1]]), style), cut=True)


def _row(step: str, found: StepStatistics) -> tuple[str, ...]:
    took = found.duration
    seconds = [duration(s) if took.count else "" for s in (took.p50, took.p95, took.max)]
    why = [f"{plain(code)} {number}" for code, number in _most_often(found)]
    if found.compensated:
        why.append(f"{found.compensated} undone")
    if found.compensations_failed:
        why.append(f"{found.compensations_failed} not undone")
    numbers = (found.completed, found.failed, found.skipped, found.cancelled, found.attempts)
    return (plain(step), *map(str, numbers), *seconds, ", ".join(why))


def _most_often(found: StepStatistics) -> list[tuple[str, int]]:
    return sorted(found.codes.items(), key=lambda item: -item[1])[:_MOST_CODES]


def _took(found: Percentiles) -> str:
    return (
        f"half of them took at most {duration(found.p50)}, "
        f"95 % at most {duration(found.p95)}, the longest {duration(found.max)}"
    )
