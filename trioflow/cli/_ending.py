"""What is said at the end: the result, or what is to be done next, and the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from trioflow.cli._errors import EXIT_CODES, INTERRUPTED, PAUSED
from trioflow.cli._options import Job
from trioflow.cli._output import Screen, is_terminal, print_json
from trioflow.cli._words import answers, failure_tree, waiting_words
from trioflow.timelines import ENDED, Timeline

if TYPE_CHECKING:
    from trioflow.engine import Execution, Snapshot


def finish(
    job: Job,
    screen: Screen,
    execution: Execution | Snapshot,
    timeline: Timeline,
    *,
    wanted: str = "COMPLETED",
    interrupted: bool = False,
) -> int:
    """Print the result, or what is to be done next, and return the exit code.

    `wanted` is the status for which the code is 0: for a cancel that is CANCELLED.
    """
    status = execution.status
    cancelled = wanted == "CANCELLED"
    if screen.terminal and is_terminal(sys.stdout):
        screen.line()
    if job.as_json:
        print_json(result(execution, timeline.output) | (receipt(timeline) if cancelled else {}))
    elif status == "COMPLETED" and not cancelled:
        print_json(timeline.output)
    if status == "FAILED":
        tell_errors(screen, execution)
    if status in ENDED:
        if cancelled:
            tell_receipt(screen, execution, timeline)
            root, colon, _ = execution.id.partition(":")
            if colon:
                screen.line(f"{root}, to which it belongs, goes on when somebody drives it")
                tell_commands(screen, [_command("resume", root, job)])
        return 0 if status == wanted else EXIT_CODES[status]
    if cancelled:
        screen.line(f"interrupted, but the cancel stands; {execution.id} has not ended yet")
        tell_commands(screen, [_command("cancel", execution.id, job)])
    else:
        tell_how_to_continue(job, screen, execution)
    return INTERRUPTED if interrupted else PAUSED


def result(execution: Execution | Snapshot, output: Any) -> dict[str, Any]:
    """Return the object that ``--json`` prints at the end."""
    found: dict[str, Any] = {"id": execution.id, "status": execution.status}
    if execution.status == "COMPLETED":
        found["output"] = output
    elif execution.status in ("FAILED", "CANCELLED"):
        found["errors"] = [failure.to_json() for failure in execution.errors]
    elif execution.status == "PAUSED":
        found["waiting_for"] = [entry.to_json() for entry in execution.waiting_for]
    return found


def receipt(timeline: Timeline) -> dict[str, list[str]]:
    """Return what a cancel did, with the names of `Receipt`."""
    rows = timeline.rows.values()
    undone = [row for row in rows if row.undone]
    # In the order in which it was done.
    undone.sort(key=lambda row: row.attempts[-1].started_at if row.attempts else 0.0)
    return {
        "stopped": [row.id for row in rows if row.status == "CANCELLED"],
        "late": [row.id for row in rows if row.late],
        "compensated": [row.id for row in undone],
        "not_compensated": [row.id for row in rows if row.not_undone],
        "unresponsive": [row.id for row in rows if any(a.unresponsive for a in row.attempts)],
    }


_RECEIPT_WORDS = {
    "stopped": "stopped",
    "late": "ended in spite of it",
    "compensated": "undone",
    "not_compensated": "could not be undone",
}


def tell_receipt(screen: Screen, execution: Execution | Snapshot, timeline: Timeline) -> None:
    """Say what a cancel did, in one line."""
    found = receipt(timeline)
    words = [
        f"{word}: {', '.join(found[name])}" for name, word in _RECEIPT_WORDS.items() if found[name]
    ]
    screen.line("; ".join([f"{execution.id} is {execution.status}", *words]))


def tell_errors(screen: Screen, execution: Execution | Snapshot) -> None:
    """Print why an execution has failed."""
    for failure in execution.errors:
        for line in failure_tree(failure):
            screen.line(("error: " if not line.startswith(" ") else "  ") + line)


def tell_how_to_continue(job: Job, screen: Screen, execution: Execution | Snapshot) -> None:
    """Say what an open execution waits for, and the commands with which it goes on."""
    line = screen.line
    if job.is_in_memory:
        line(f"{execution.id} is {execution.status}; its store was in memory and is gone")
        return
    if execution.status == "PAUSED" and not execution.waiting_for:
        line(f"{execution.id} is PAUSED, and what it waited for has come")
        commands = [_command("resume", execution.id, job)]
    elif execution.status == "PAUSED":
        line(f"{execution.id} is PAUSED and waits for:")
        for entry in execution.waiting_for:
            line(f"  {waiting_words(entry)}")
        commands = answers(execution.id, execution.waiting_for, job.options)
    else:
        line(f"{execution.id} was interrupted; nothing of it is lost")
        commands = [_command("resume", execution.id, job)]
    tell_commands(screen, commands)


def tell_commands(screen: Screen, commands: Iterable[str]) -> None:
    """Print commands so that they can be copied."""
    screen.line("continue with:")
    for command in commands:
        screen.line(f"  {command}", whole=True)


def _command(name: str, execution_id: str, job: Job) -> str:
    return shlex.join(["trioflow", name, execution_id, *job.options])
