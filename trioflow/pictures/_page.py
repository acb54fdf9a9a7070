"""`execution_html`: all that there is to know about one execution, on a page of its own.

Who opens it wants to know what went wrong; so that comes first, then the pictures, and what is long
is folded away. Nothing on the page comes from anywhere else and nothing in it is a program: its
content security policy forbids both, whatever an action has returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

from trioflow.events import Failure, StepCompensated
from trioflow.pictures._gantt import timeline_svg
from trioflow.pictures._graph import graph_svg
from trioflow.pictures._html import Markup, document, facts, folded, sign, table, tag, value
from trioflow.pictures._steps import step_section
from trioflow.pictures._times import duration, instant
from trioflow.pictures._words import lines, plain
from trioflow.timelines import ENDED, HAS_COME, WAITS_FOR_ENGINE, Timeline

if TYPE_CHECKING:
    from trioflow.engine import Snapshot

# One event in the table of the history; the whole of it is in the store.
_LONGEST_FIELD = 600
_CAPTION = (
    "Bars are attempts, with a sign of how they ended; a back arrow is an undo, dotted lines are "
    "the time between attempts, and broken frames waiting and sleeping. Triangles are events of "
    "the whole; where zigzags are, time is left out."
)


def execution_html(
    snapshot: Snapshot, *, now: float | None = None, commands: Sequence[str] = ()
) -> str:
    """Return a page of HTML about an execution, in one piece, for light, dark and paper.

    `snapshot` is what `trioflow.engine.look` gives. What has not ended goes on until `now`
    (seconds since the epoch); without it, until the last event. `commands` are shown with what
    the execution waits for. Secrets stand as ``${secret.NAME}``: their values are in no history.
    """
    return _Page(snapshot, now, commands).html()


class Outcome(TypedDict):
    """Arguments of `graph_svg`: a class for each step and for each connection."""

    steps: dict[str, str]
    connections: dict[str, str]


def outcome(snapshot: Snapshot) -> Outcome:
    """Return what has become of an execution: ``graph_svg(workflow, **outcome(snapshot))``."""
    words = {True: "taken", False: "dead"}
    undone = {event.step for event in snapshot.events if isinstance(event, StepCompensated)}
    return {
        "steps": {
            step.id: step.status.lower() + (" undone" if step.id in undone else "")
            for step in snapshot.steps.values()
        },
        "connections": {
            connection: words[decided]
            for connection, decided in snapshot.connections.items()
            if decided is not None
        },
    }


class _Page:
    def __init__(self, snapshot: Snapshot, now: float | None, commands: Sequence[str]) -> None:
        self._snapshot = snapshot
        self._commands = commands
        self._timeline = Timeline.of(snapshot)
        self._now = self._timeline.last_instant(now)

    def html(self) -> str:
        snapshot = self._snapshot
        sections = [
            tag("header", *self._header()),
            *self._waiting(),
            *self._errors(),
            tag("section", tag("h2", "Graph"), tag("div", self._graph(), class_="wide")),
            tag(
                "section",
                tag("h2", "Timeline"),
                tag("div", self._gantt(), class_="wide"),
                tag("p", _CAPTION, class_="caption"),
            ),
            tag("section", *self._values()),
            tag("section", tag("h2", "Steps"), *self._steps()),
            tag("section", tag("h2", "Everything"), *self._everything()),
        ]
        return document(f"{snapshot.id}: {snapshot.status}", sections)

    # ---- the head ----

    def _header(self) -> Iterator[str]:
        snapshot = self._snapshot
        status = snapshot.status.lower()
        badge = tag("span", sign(status), " ", snapshot.status, class_=f"status {status}")
        yield tag("h1", tag("code", plain(snapshot.id)), " ", badge)
        workflow = snapshot.workflow
        if workflow.name:
            yield tag("p", plain(workflow.name), class_="lead")
        yield facts(self._facts())

    def _facts(self) -> Iterator[tuple[str, str]]:
        snapshot, timeline = self._snapshot, self._timeline
        workflow = snapshot.workflow
        version = f", version {workflow.version}" if workflow.version else ""
        yield "workflow", f"{workflow.id}{version}"
        yield "started", instant(timeline.began_at)
        took = duration(self._now - timeline.began_at)
        if timeline.ended_at is None:
            yield "open for", f"{took}, as of {instant(self._now)}"
        else:
            yield "ended", f"{instant(timeline.ended_at)}, after {took}"
        if snapshot.reason:
            yield "because", snapshot.reason
        counts: dict[str, int] = {}
        for row in timeline.rows.values():
            counts[row.status.lower()] = counts.get(row.status.lower(), 0) + 1
        yield "steps", ", ".join(f"{count} {status}" for status, count in counts.items())
        if snapshot.head.parent is not None:
            yield "part of", snapshot.head.parent
        forked_from = getattr(snapshot.events[0], "forked_from", None)
        if forked_from is not None:
            yield "fork of", forked_from
        for key, label in snapshot.head.labels.items():
            yield f"label {key}", label
        for gap in timeline.gaps:
            at = duration(gap.began_at - timeline.began_at)
            yield gap.why, f"after {at}; no engine for {duration(gap.ended_at - gap.began_at)}"

    # ---- what somebody has to do, or to know, at once ----

    def _waiting(self) -> Iterator[str]:
        snapshot = self._snapshot
        if not snapshot.waiting_for and snapshot.status != "PAUSED":
            return
        waiting = list(map(str, snapshot.waiting_for)) or [f"{WAITS_FOR_ENGINE}: {HAS_COME}"]
        entries = [tag("li", lines(words)) for words in waiting]
        parts = [tag("h2", "Waits for"), tag("ul", *entries)]
        if self._commands:
            parts.append(tag("pre", "\n".join(map(lines, self._commands))))
        yield tag("section", *parts, class_="paused notice")

    def _errors(self) -> Iterator[str]:
        errors = self._snapshot.errors
        handled = [
            row.failure
            for row in self._timeline.rows.values()
            if row.status == "FAILED" and row.failure is not None and row.failure not in errors
        ]
        undone_not = [
            f"{row.id} {row.undo}" for row in self._timeline.rows.values() if row.not_undone
        ]
        tries = list(self._failed_attempts())
        if not (errors or handled or undone_not or tries):
            return
        parts = []
        if errors:
            parts += [tag("h2", "Errors"), tag("ul", *map(_failure, errors), class_="errors")]
        if handled:
            parts += [
                tag("h2", "Failures that were handled or tolerated"),
                tag("ul", *map(_failure, handled), class_="errors"),
            ]
        if undone_not:
            entries = [tag("li", plain(words)) for words in undone_not]
            parts += [tag("h2", "Not undone"), tag("ul", *entries, class_="errors")]
        if tries:
            columns = ("at", "step", "attempt", "took", "code", "message")
            count = "1 attempt" if len(tries) == 1 else f"{len(tries)} attempts"
            parts.append(folded(f"{count} failed", table(columns, tries)))
        look = "failed" if errors or undone_not else "cancelled" if handled else "skipped"
        yield tag("section", *parts, class_=f"{look} notice")

    def _failed_attempts(self) -> Iterator[Sequence[str]]:
        found = [
            (attempt.started_at, row.id, attempt)
            for row in self._timeline.rows.values()
            for attempt in row.attempts
            if attempt.outcome in ("failed", "crashed")
        ]
        for at, step, attempt in sorted(found, key=lambda each: each[0]):
            end = self._timeline.end_of(attempt, self._now)
            failure = attempt.failure
            yield (
                f"+{duration(at - self._timeline.began_at)}",
                step,
                attempt.name,
                "unknown" if failure is None else duration(end - at),
                "crash" if failure is None else failure.code,
                "its process ended" if failure is None else failure.message,
            )

    # ---- pictures ----

    def _graph(self) -> Markup:
        snapshot = self._snapshot
        return Markup(graph_svg(snapshot.workflow, **outcome(snapshot)))

    def _gantt(self) -> Markup:
        snapshot = self._snapshot
        return Markup(
            timeline_svg(
                snapshot.workflow,
                snapshot.events,
                now=self._now,
                waiting_for=snapshot.waiting_for,
            )
        )

    # ---- what went in and came out ----

    def _values(self) -> Iterator[str]:
        snapshot = self._snapshot
        yield tag("h2", "Input and output")
        yield folded("Input", value(snapshot.input))
        if snapshot.status == "COMPLETED":
            yield folded("Output", value(snapshot.output))

    def _steps(self) -> Iterator[str]:
        for planned in self._snapshot.workflow.plan.steps:
            yield step_section(planned, self._timeline, self._snapshot, self._now)

    def _everything(self) -> Iterator[str]:
        from trioflow.events import to_json

        began_at = self._timeline.began_at
        rows = []
        for event in self._snapshot.events:
            fields = to_json(event)
            seq, kind, at = fields.pop("seq"), fields.pop("type"), fields.pop("at")
            # It is below, and only there.
            fields.pop("document", None)
            shown = value(fields, _LONGEST_FIELD, compact=True) if fields else ""
            rows.append((str(seq), f"+{max(at - began_at, 0.0):.3f} s", kind, shown))
        columns = ("no.", "at", "event", "fields")
        count = len(rows)
        yield folded(f"History: {count} events", table(columns, rows, markup=("fields",)))
        yield folded("Document", value(self._snapshot.workflow.document), class_="long")
        if self._snapshot.status not in ENDED:
            yield tag("p", "The execution has not ended; this page shows what it was.")


def _failure(failure: Failure) -> Markup:
    where = [f"step {failure.step}"] if failure.step else []
    if failure.step and failure.attempt:
        where.append(f"attempt {failure.attempt}")
    parts = [tag("strong", plain(", ".join(where))), ": "] if where else []
    parts += [tag("span", lines(failure.message), class_="message"), " "]
    parts.append(tag("code", plain(failure.code)))
    if failure.type and failure.type not in ("StepError", failure.code):
        parts += [" ", tag("small", plain(failure.type))]
    if failure.causes:
        causes = [_failure(cause) for cause in failure.causes]
        parts.append(tag("ul", *causes))
    return tag("li", *parts)
