"""What a page says about one step: what it was given, what it gave, and each attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from trioflow.definitions import PlannedStep
from trioflow.errors import MissingInputError
from trioflow.events import InputReceived
from trioflow.expressions import Scope, Template
from trioflow.pictures._drawn import what_it_does
from trioflow.pictures._html import Markup, folded, sign, table, tag, value
from trioflow.pictures._times import duration
from trioflow.pictures._words import lines, plain
from trioflow.timelines import Attempt, Row, Timeline

if TYPE_CHECKING:
    from trioflow.engine import Snapshot

# Of a step with a thousand items the table would be the longest thing on the page.
_MOST_ATTEMPTS = 200


def step_section(step: PlannedStep, timeline: Timeline, snapshot: Snapshot, now: float) -> Markup:
    """Return the part of a page about this step, unfolded if it went wrong."""
    row = timeline.rows[step.id]
    status = row.status.lower()
    seconds = row.seconds(now)
    took = "" if seconds is None or row.status == "SKIPPED" else f", {duration(seconds)}"
    if row.tries > 1:
        took += f", {row.tries} attempts"
    if row.undo:
        took += f", {plain(row.undo)}"
    summary = (
        sign(status),
        " ",
        tag("code", plain(step.id)),
        tag("small", f"{row.status}{took}"),
        tag("small", what_it_does(step)),
    )
    details = list(_details(step, row, timeline, snapshot, now))
    attributes = {"open": "open"} if row.status == "FAILED" else {}
    parts = [tag("summary", *summary), *details]
    return tag("details", *parts, class_=status, id=f"step-{step.id}", **attributes)


def _details(
    step: PlannedStep, row: Row, timeline: Timeline, snapshot: Snapshot, now: float
) -> Iterator[str]:
    if step.step.name:
        yield tag("p", plain(step.step.name))
    for words in (row.reason, row.waiting):
        if words:
            yield tag("p", plain(words))
    if row.failure is not None:
        yield tag("p", lines(row.failure.message), " ", tag("code", plain(row.failure.code)))
    for spell in row.spells:
        if spell.kind == "child":
            yield tag("p", "child execution ", tag("code", plain(spell.what)))
    template = step.child_input if step.call is None else step.call.parameters
    if template is not None and row.began_at is not None and row.status != "SKIPPED":
        yield from _parameters(step, template, row, snapshot)
    if row.status == "COMPLETED":
        yield tag("h3", "output")
        yield value(snapshot.steps[step.id].output)
    if row.attempts:
        yield _attempts(row.attempts, timeline, now)


def _parameters(
    step: PlannedStep, template: Template, row: Row, snapshot: Snapshot
) -> Iterator[str]:
    """Yield what the step was given, or as it is written, if nobody knows that any more.

    A history does not hold it. What references meant can be told from the input and the outputs,
    unless these were others when the step started. Secrets stay references.
    """
    title, found = "parameters, as written", template.value
    states = snapshot.steps
    scope = Scope(
        input=snapshot.input,
        outputs={key: each.output for key, each in states.items() if each.status == "COMPLETED"},
        execution={"id": snapshot.id, "started_at": snapshot.events[0].at},
        workflow={"id": snapshot.workflow.id, "version": snapshot.workflow.version},
    )
    began_at = row.began_at or 0.0
    # What else `steps.…` says of a step is not known here.
    asks_more = any(
        found.root == "steps" and found.path[1] != "output" for found in template.references
    )
    came_later = step.join == "first" or any(
        isinstance(event, InputReceived) and event.at > began_at for event in snapshot.events
    )
    if template.constant or not (asks_more or came_later or step.for_each is not None):
        with suppress(MissingInputError):
            title, found = "parameters", template.resolve(scope)
    yield tag("h3", title)
    yield value(found)


def _attempts(attempts: Sequence[Attempt], timeline: Timeline, now: float) -> Markup:
    rows = []
    for attempt in attempts[:_MOST_ATTEMPTS]:
        end = timeline.end_of(attempt, now)
        failure = attempt.failure
        again = ""
        if attempt.retry_at is not None and attempt.ended_at is not None:
            again = f"again after {duration(attempt.retry_at - attempt.ended_at)}"
        rows.append(
            (
                attempt.name,
                f"+{duration(attempt.started_at - timeline.began_at)}",
                # How far a crashed one got, nobody knows.
                "unknown" if attempt.outcome == "crashed" else duration(end - attempt.started_at),
                attempt.outcome + (", does not stop" if attempt.unresponsive else ""),
                "" if failure is None else f"{failure.message} ({failure.code})",
                again,
            )
        )
    columns = ("attempt", "at", "took", "outcome", "why", "then")
    count = "1 attempt" if len(attempts) == 1 else f"{len(attempts)} attempts"
    if len(attempts) > _MOST_ATTEMPTS:
        count += f", the first {_MOST_ATTEMPTS}"
    return folded(count, table(columns, rows))
