"""``trioflow show``: the page that somebody reads when something is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from trioflow.cli._completing import any_execution
from trioflow.cli._options import Job, json_option, store_option, store_to_read
from trioflow.cli._output import STYLES, Screen
from trioflow.cli._text import count, duration, inline, instant, pairs, pretty, shorten, since
from trioflow.cli._words import (
    answers,
    attempt_words,
    failure_tree,
    resuming,
    step_words,
    tally,
    waiting_words,
)
from trioflow.timelines import ENDED, HAS_COME, WAITS_FOR_ENGINE, Attempt, Row, Timeline

if TYPE_CHECKING:
    from trioflow.definitions import PlannedConnection
    from trioflow.engine import Snapshot

# An output of this length says what it is; `history` has the whole of it.
_LONGEST_OUTPUT = 160
_WIDEST_BAR = 40
_NARROWEST_BAR = 10
# Where there is no terminal whose width one could know.
_USUAL_WIDTH = 100
# Of a step with a thousand items only what is out of the ordinary is told, and not more of it.
_MOST_ATTEMPTS = 30
_INDENT = "      "


@click.command("show", short_help="Show one execution: what happened, why, and what it waits for.")
@click.argument("execution_id", metavar="ID", shell_complete=any_execution)
@click.option(
    "--timeline",
    "only_times",
    is_flag=True,
    help="Show only when what was under way, in full width.",
)
@store_option
@json_option
def show_command(execution_id: str, only_times: bool, store: str, as_json: bool) -> None:
    """Show the execution ID.

    Its steps and attempts and when they were under way, why steps were skipped, which
    connections were taken, what it waits for and the command that brings it, its errors.
    """
    import trio

    from trioflow.cli._output import out, print_json

    if only_times and as_json:
        raise click.UsageError("--timeline is a picture; --json has its times already")

    async def read() -> Snapshot:
        from trioflow.engine import look

        async with store_to_read(store) as opened:
            return await look(opened, execution_id)

    snapshot = trio.run(read)
    timeline = Timeline.of(snapshot)
    if as_json:
        print_json(to_json(snapshot, timeline))
    elif only_times:
        _Page(out(), snapshot, timeline, store).print_times()
    else:
        _Page(out(), snapshot, timeline, store).print()


class _Page:
    """One page about one execution."""

    def __init__(self, screen: Screen, snapshot: Snapshot, timeline: Timeline, store: str) -> None:
        self._screen = screen
        self._snapshot = snapshot
        self._timeline = timeline
        self._store = store
        self._now = time.time() if timeline.ended_at is None else timeline.ended_at
        self._width = screen.width if screen.terminal else _USUAL_WIDTH
        self._name_width = max(map(len, timeline.rows))

    def print(self) -> None:
        """Print the page; parts that have nothing to say are left out."""
        self._head()
        self._waiting()
        self._errors()
        self._steps()
        self._connections()
        self._notes()
        self._output()

    def print_times(self) -> None:
        """Print the head, and when what was under way."""
        from trioflow.pictures import timeline_text

        self._head()
        self._title("Timeline")
        snapshot = self._snapshot
        text = timeline_text(
            snapshot.workflow,
            snapshot.events,
            now=self._now,
            width=self._width,
            ascii_only=self._screen.signs.arrow.isascii(),
        )
        for line in text.split("\n"):
            self._screen.line(line, whole=True)

    def _title(self, text: str) -> None:
        self._screen.line()
        self._screen.line((text, "bold"))

    # ---- the head ----

    def _head(self) -> None:
        line = self._screen.line
        snapshot = self._snapshot
        workflow = snapshot.workflow
        line((snapshot.id, "bold"), "  ", self._screen.status(snapshot.status))
        version = f" version {workflow.version}" if workflow.version else ""
        name = f", {workflow.name}" if workflow.name else ""
        self._fact("workflow", f"{workflow.id}{version}{name}")
        self._fact("started", instant(snapshot.head.created))
        if snapshot.head.parent is not None:
            self._fact("part of", snapshot.head.parent)
        ended = self._timeline.ended_at
        took = duration(self._now - self._timeline.began_at)
        if ended is None:
            self._fact("open for", took)
        else:
            self._fact("ended", f"{instant(ended)}, after {took}")
        waits = snapshot.status == "PAUSED" and snapshot.waiting_for
        if snapshot.status not in ENDED and not waits:
            command = resuming(snapshot, Job(self._store).where)
            self._fact("hint", f"if no engine has this store open, {command} continues it")
        if snapshot.reason:
            self._fact("because", snapshot.reason)
        self._fact("steps", tally(self._timeline.rows.values()))
        if snapshot.head.labels:
            self._fact("labels", pairs(snapshot.head.labels))
        self._fact("input", inline(snapshot.input, _LONGEST_OUTPUT))

    def _fact(self, name: str, value: str) -> None:
        self._screen.line((f"{name:<9} ", "bright_black"), value)

    # ---- what somebody has to do, or to know, at once ----

    def _waiting(self) -> None:
        waiting = self._snapshot.waiting_for
        if not waiting and self._snapshot.status != "PAUSED":
            return
        self._title("Waits for")
        if not waiting:
            self._screen.line(f"  {WAITS_FOR_ENGINE}: {HAS_COME}")
            return
        for entry in waiting:
            self._screen.line(f"  {waiting_words(entry)}")
        options = Job(self._store).where
        self._screen.line(("answer with (and --actions, as for the run)", "bright_black"))
        for command in answers(self._snapshot.id, waiting, options):
            self._screen.line(f"  {command}", whole=True)

    def _errors(self) -> None:
        failures = self._snapshot.errors
        if not failures:
            return
        self._title("Errors")
        for failure in failures:
            for line in failure_tree(failure):
                self._screen.line((f"  {line}", STYLES["FAILED"]))

    # ---- the timeline ----

    def _steps(self) -> None:
        self._title("Steps")
        for row in self._timeline.rows.values():
            self._step(row)

    def _step(self, row: Row) -> None:
        seconds = row.seconds(self._now)
        idle = seconds is None or row.status == "SKIPPED"
        took = "" if seconds is None or idle else duration(seconds)
        faint = row.status in ("SKIPPED", "PENDING")
        self._screen.line(
            "  ",
            self._screen.sign(row.status),
            " ",
            (row.id.ljust(self._name_width), "bright_black" if faint else "bold"),
            "  ",
            (row.status.ljust(9), STYLES[row.status]),
            f" {took:>12}  ",
            ("" if idle else self._bar(row), STYLES[row.status]),
            cut=True,
        )
        words = self._step_words(row)
        if words:
            self._screen.line(_INDENT, (words, "bright_black" if faint else STYLES[row.status]))
        if self._tells_attempts(row):
            told = [attempt for attempt in row.attempts if row.items is None or _unusual(attempt)]
            for attempt in told[:_MOST_ATTEMPTS]:
                self._attempt(attempt)
            if len(told) > _MOST_ATTEMPTS:
                more = f"{self._screen.signs.more} {len(told) - _MOST_ATTEMPTS} more attempts"
                self._screen.line(_INDENT, (more, "bright_black"))
        output = self._snapshot.steps[row.id].output
        if row.status == "COMPLETED" and output is not None:
            output = inline(output, _LONGEST_OUTPUT)
            self._screen.line(_INDENT, f"{self._screen.signs.arrow} {output}")

    def _step_words(self, row: Row) -> str:
        """Return what is to be said of a step that its attempts do not tell themselves."""
        if row.status == "COMPLETED":
            by = f"by {row.by}" if row.by in ("fallback", "decision") else ""
            items = "" if row.items is None else count(row.items, "item")
            child = f"child {row.child}" if row.child else ""
            late = "late" if row.late else ""
            return ", ".join(filter(None, [by, items, child, late, row.undo]))
        if row.has_come:
            return row.waiting
        last = row.attempts[-1] if row.attempts else None
        if row.status == "RUNNING" and last is not None and row.items is None:
            return ""
        told = last is not None and row.failure is not None and row.failure == last.failure
        if row.status == "FAILED" and told and self._tells_attempts(row):
            return ""
        return step_words(row, self._now)

    def _tells_attempts(self, row: Row) -> bool:
        """Whether the attempts are worth a line each: not for one that simply went well."""
        return (len(row.attempts) > 1 and row.items is None) or any(map(_unusual, row.attempts))

    def _attempt(self, attempt: Attempt) -> None:
        began = since(attempt.started_at - self._timeline.began_at)
        style = {"failed": "red", "crashed": "red", "interrupted": "yellow"}
        self._screen.line(
            _INDENT,
            (f"+{began.lstrip()} s  ", "bright_black"),
            (attempt_words(attempt), style.get(attempt.outcome, "")),
        )

    def _bar(self, row: Row) -> str:
        """Return when the step was under way, drawn: attempts, and the time between them."""
        width = min(self._width - self._name_width - 32, _WIDEST_BAR)
        total = self._now - self._timeline.began_at
        if width < _NARROWEST_BAR or total <= 0 or row.began_at is None:
            return ""

        def column(at: float) -> int:
            place = (at - self._timeline.began_at) / total * width
            return max(0, min(int(place), width - 1))

        signs = self._screen.signs
        cells = [" "] * width
        end = self._now if row.ended_at is None else row.ended_at
        for index in range(column(row.began_at), column(end) + 1):
            cells[index] = signs.waiting
        for attempt in row.attempts:
            # When a crashed one ended, nobody knows.
            ended_at = attempt.ended_at if attempt.ended_at is not None else self._now
            last = attempt.started_at if attempt.outcome == "crashed" else ended_at
            for index in range(column(attempt.started_at), column(last) + 1):
                cells[index] = signs.working
        return "".join(cells).rstrip()

    # ---- the rest ----

    def _connections(self) -> None:
        plan = self._snapshot.workflow.plan
        if not plan.connections or len(plan.connections) > 500:
            return
        self._title("Connections")
        states = {True: "taken", False: "dead", None: ""}
        names = [self._ends(connection) for connection in plan.connections]
        width = max(map(len, names))
        for name, connection in zip(names, plan.connections, strict=True):
            taken = self._snapshot.connections[connection.id]
            style = "green" if taken else "bright_black"
            words = _when(connection)
            self._screen.line(
                f"  {name.ljust(width)}  ", (f"{states[taken]:<5}", style), f"  {words}"
            )

    def _ends(self, connection: PlannedConnection) -> str:
        steps = self._snapshot.workflow.plan.steps
        arrow = self._screen.signs.arrow
        return f"{steps[connection.source].id} {arrow} {steps[connection.target].id}"

    def _notes(self) -> None:
        # The end is in the head.
        notes = self._timeline.notes
        if self._timeline.status in ENDED:
            notes = notes[:-1]
        if not notes:
            return
        self._title("Events of the whole")
        for at, words in notes:
            began = since(at - self._timeline.began_at).lstrip()
            self._screen.line("  ", (f"+{began} s  ", "bright_black"), words)

    def _output(self) -> None:
        if self._snapshot.status != "COMPLETED":
            return
        self._title("Output")
        lines = pretty(self._snapshot.output).split("\n")
        for line in lines[:40]:
            self._screen.line(f"  {shorten(line, 400)}", whole=True)
        if len(lines) > 40:
            self._screen.line((f"  {self._screen.signs.more} the rest: --json", "bright_black"))


def _unusual(attempt: Attempt) -> bool:
    return attempt.outcome not in ("completed", "running") or attempt.unresponsive


def _when(connection: PlannedConnection) -> str:
    words = [] if connection.on == "success" else [f"on {connection.on}"]
    if connection.condition is not None:
        words.append(f"if {connection.condition.text}")
    if connection.default:
        words.append("default")
    return ", ".join(words)


# ---- for programs ----


def to_json(snapshot: Snapshot, timeline: Timeline) -> dict[str, Any]:
    """Return the execution as JSON; instants are seconds since the epoch."""
    plan = snapshot.workflow.plan
    found: dict[str, Any] = {
        "id": snapshot.id,
        "workflow": snapshot.workflow.id,
        "version": snapshot.workflow.version,
        "status": snapshot.status,
        "created": snapshot.head.created,
        "ended": snapshot.head.ended,
        "labels": dict(snapshot.head.labels),
        "input": snapshot.input,
        "steps": [_step_to_json(row, snapshot) for row in timeline.rows.values()],
        "connections": [
            {
                "id": connection.id,
                "source": plan.steps[connection.source].id,
                "target": plan.steps[connection.target].id,
                "taken": snapshot.connections[connection.id],
            }
            for connection in plan.connections
        ],
        "waiting_for": [entry.to_json() for entry in snapshot.waiting_for],
        "errors": [failure.to_json() for failure in snapshot.errors],
    }
    if snapshot.status == "COMPLETED":
        found["output"] = snapshot.output
    if snapshot.reason:
        found["reason"] = snapshot.reason
    return found


def _step_to_json(row: Row, snapshot: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": row.id,
        "type": row.type,
        "status": row.status,
        "began": row.began_at,
        "ended": row.ended_at,
        "attempts": [dict(_attempt_to_json(attempt)) for attempt in row.attempts],
    }
    if row.status == "COMPLETED":
        found |= {"output": snapshot.steps[row.id].output, "by": row.by, "late": row.late}
    if row.failure is not None:
        found["error"] = row.failure.to_json()
    keys = ["reason", "items", "child", "undo"]
    for key in keys if row.has_come else ["waits", *keys]:
        if value := getattr(row, key):
            found[key] = value
    return found


def _attempt_to_json(attempt: Attempt) -> Iterator[tuple[str, Any]]:
    yield "attempt", attempt.number
    yield "role", attempt.role
    if attempt.item is not None:
        yield "item", attempt.item
    yield "outcome", attempt.outcome
    yield "began", attempt.started_at
    yield "ended", attempt.ended_at
    if attempt.failure is not None:
        yield "error", attempt.failure.to_json()
    if attempt.retry_at is not None:
        yield "retry_at", attempt.retry_at
