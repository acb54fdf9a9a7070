"""Progress, to stderr: drawn on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trioflow import events as e
from trioflow.cli._output import STYLES, Screen
from trioflow.cli._text import bar, duration, since
from trioflow.cli._words import attempt_words, failure_words, step_words, steps_words, tally
from trioflow.definitions import Workflow
from trioflow.timelines import ENDED, Row, Timeline

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

# Seconds between two frames: quick enough for a spinner, slow enough to cost nothing.
FRAME = 0.1

# Lines around the steps: the head, an empty one, and one that the terminal needs for the cursor.
_MARGIN = 4


class Progress(Protocol):
    """Somebody who shows how an execution goes on."""

    def begin(self, title: str, workflow: Workflow, timeline: Timeline) -> None:
        """An execution is there; what it has behind it is in the timeline."""

    def event(self, event: e.Event) -> None:
        """An event is durable, and in the timeline."""

    def tick(self) -> None:
        """Some time has passed."""

    def note(self, *lines: str) -> None:
        """Something is to be said beside the steps."""

    def stop(self) -> None:
        """Nothing moves for now: leave the terminal to others. `tick` draws again."""


class PlainProgress:
    """A line for every step that ends, and for every attempt that fails."""

    def __init__(self, screen: Screen, now: Callable[[], float]) -> None:
        self._screen = screen
        self._now = now
        self._began_at = now()
        self._timeline: Timeline | None = None
        self._width = 0

    def begin(self, title: str, workflow: Workflow, timeline: Timeline) -> None:
        self._timeline = timeline
        self._width = max(map(len, timeline.rows))
        self._screen.line(title)
        if timeline.status in ENDED:
            self._line(self._began_at, "", f"{timeline.status} before; nothing was done now")
        elif timeline.ended:
            done = f"{timeline.ended} of {steps_words(len(timeline.rows))} had ended before"
            self._line(self._began_at, "", done)

    def event(self, event: e.Event) -> None:
        timeline = self._timeline
        assert timeline is not None
        if isinstance(event, (e.StepCompleted, e.StepFailed, e.StepSkipped, e.StepCancelled)):
            self._line(event.at, event.step, _ended_words(timeline.row(event.step), event.at))
        elif isinstance(event, e.StepPaused):
            row = timeline.row(event.step)
            self._line(event.at, row.id, f"PAUSED: {step_words(row, event.at)}")
        elif isinstance(event, e.FallbackStarted):
            words = f"its fallback is tried: {failure_words(event.failure)}"
            self._line(event.at, event.step, words)
        elif isinstance(event, e.AttemptFailed):
            # Of the last one, the next event will tell the same.
            if event.retry_at is not None:
                self._line(event.at, event.step, attempt_words(timeline.attempt(event)))
        elif isinstance(event, e.ItemFailed):
            words = f"item {event.item} FAILED: {failure_words(event.failure)}"
            self._line(event.at, event.step, words)
        elif isinstance(event, (e.StepCompensated, e.CompensationFailed)):
            item = "" if event.item is None else f"item {event.item} "
            words = "undone"
            if isinstance(event, e.CompensationFailed):
                words = f"could not be undone: {event.failure.message}"
            self._line(event.at, event.step, f"{item}{words}")
        elif isinstance(event, e.ChildStarted):
            self._line(event.at, event.step, f"starts its child {event.execution}")
        elif isinstance(event, (e.AttemptInterrupted, e.AttemptCrashed)):
            self._line(event.at, event.step, attempt_words(timeline.attempt(event)))
        elif isinstance(event, e.AttemptUnresponsive):
            words = f"attempt {event.attempt} has not stopped within {duration(event.grace)}"
            self._line(event.at, event.step, words)
        elif isinstance(event, e.StoppingStarted):
            why = event.cause if event.failure is None else failure_words(event.failure)
            self._line(event.at, "", f"stopping: {why}")
        elif isinstance(event, (e.ExecutionPaused, e.ExecutionCompleted, e.ExecutionFailed)):
            self._line(event.at, "", f"{timeline.status}: {tally(timeline.rows.values())}")
        elif isinstance(event, e.ExecutionCancelled):
            reason = f" ({event.reason})" if event.reason else ""
            self._line(event.at, "", f"CANCELLED{reason}: {tally(timeline.rows.values())}")

    def tick(self) -> None:
        """Nothing moves here."""

    def note(self, *lines: str) -> None:
        for line in lines:
            self._screen.line(line)

    def stop(self) -> None:
        """Nothing is drawn here."""

    def _line(self, at: float, step: str, words: str) -> None:
        name = f"{step.ljust(self._width)}  " if step else ""
        self._screen.line(f"{since(at - self._began_at)} s  {name}{words}")


def _ended_words(row: Row, at: float) -> str:
    """Return how a step ended, like ``COMPLETED in 0.62 s, 3 attempts``."""
    words = row.status
    seconds = row.seconds(at)
    if seconds is not None and row.status in ("COMPLETED", "FAILED"):
        words += f" in {duration(seconds)}"
    said = step_words(row, at)
    joint = ", " if row.status == "COMPLETED" else ": "
    return f"{words}{joint}{said}" if said else words


class LiveProgress:
    """A line for every step and a bar for the whole, drawn again and again."""

    def __init__(self, screen: Screen, now: Callable[[], float]) -> None:
        self._screen = screen
        self._now = now
        self._live: Live | None = None
        self._timeline: Timeline | None = None
        self._title = ""
        self._attempts: dict[str, int] = {}
        self._frame = 0

    def begin(self, title: str, workflow: Workflow, timeline: Timeline) -> None:
        self._title = title
        self._timeline = timeline
        for step in workflow.plan.steps:
            if step.call is not None and step.call.retry is not None:
                self._attempts[step.id] = step.call.retry.max_attempts
        self.tick()

    def event(self, event: e.Event) -> None:
        """It is drawn with the next frame."""

    def tick(self) -> None:
        if self._timeline is None:
            return
        self._frame += 1
        with self._screen.leniently():
            if self._live is None:
                from rich.live import Live

                self._live = Live(
                    console=self._screen.console, auto_refresh=False, vertical_overflow="crop"
                )
                self._live.start()
            self._live.update(self._draw(self._timeline), refresh=True)

    def note(self, *lines: str) -> None:
        for line in lines:
            self._screen.line(line)

    def stop(self) -> None:
        if self._live is None:
            return
        self.tick()
        with self._screen.leniently():
            self._live.stop()
        self._live = None

    # ---- drawing ----

    def _draw(self, timeline: Timeline) -> Text:
        from rich.text import Text

        now = self._now()
        rows = list(timeline.rows.values())
        room = max(self._screen.console.height - _MARGIN, 3)
        shown = visible(rows, room)
        width = min(max(len(row.id) for row in rows), max(self._screen.width // 3, 8))
        lines = [self._screen.text(self._title)]
        lines += [self._row(row, width, now) for row in shown]
        if len(shown) < len(rows):
            hidden = tally(row for row in rows if row not in shown)
            more = f"  {self._screen.signs.more} {hidden}"
            lines.append(self._screen.text((more, "bright_black")))
        lines.append(self._foot(timeline, now))
        for line in lines:
            # One column is left free: some terminals wrap when the last one is written to.
            line.truncate(self._screen.width - 1, overflow="ellipsis")
        return Text("\n", end="").join(lines)

    def _row(self, row: Row, width: int, now: float) -> Text:
        sign, style = self._screen.sign(row.status)
        if row.status == "RUNNING":
            spinner = self._screen.signs.spinner
            sign = spinner[self._frame % len(spinner)]
        seconds = row.seconds(now)
        took = "" if seconds is None or row.status == "SKIPPED" else duration(seconds)
        name = row.id if len(row.id) <= width else f"{row.id[: width - 1]}…"
        words = step_words(row, now, self._attempts.get(row.id, 1))
        faint = "bright_black" if row.status in ("SKIPPED", "COMPLETED", "PENDING") else style
        return self._screen.text(
            "  ",
            (sign, style),
            " ",
            (name.ljust(width), "bright_black" if row.status in ("SKIPPED", "PENDING") else ""),
            f" {took:>8}  ",
            (words or row.title, faint),
        )

    def _foot(self, timeline: Timeline, now: float) -> Text:
        total = len(timeline.rows)
        ended_at = now if timeline.ended_at is None else timeline.ended_at
        took = duration(ended_at - timeline.began_at)
        if timeline.status in ENDED:
            words = f"  {timeline.status} in {took}: {tally(timeline.rows.values())}"
            return self._screen.text((words, STYLES[timeline.status]))
        signs = self._screen.signs
        width = max(min(self._screen.width - 30, 40), 8)
        full, empty = bar(timeline.ended / total, width, full=signs.full, empty=signs.empty)
        state = "  PAUSED" if timeline.status == "PAUSED" else ""
        return self._screen.text(
            "  ",
            (full, "green"),
            (empty, "bright_black"),
            f"  {timeline.ended}/{total}  {took}",
            (state, STYLES["PAUSED"]),
        )


def visible(rows: Sequence[Row], room: int) -> list[Row]:
    """Return the rows to draw where there is not room for all, in their order.

    First of all what is under way, or has failed; then the steps around where the work is.
    """
    if len(rows) <= room:
        return list(rows)
    room -= 1  # for the line that counts the others
    urgent = [i for i, row in enumerate(rows) if row.status in ("RUNNING", "PAUSED", "FAILED")]
    chosen = set(urgent[-room:])
    last_begun = max((i for i, row in enumerate(rows) if row.began_at is not None), default=0)
    for distance in range(len(rows)):
        for index in (last_begun - distance, last_begun + distance):
            if len(chosen) < room and 0 <= index < len(rows):
                chosen.add(index)
        if len(chosen) >= room:
            break
    return [rows[index] for index in sorted(chosen)]


def make_progress(screen: Screen, now: Callable[[], float]) -> Progress:
    """Return the progress that fits the screen."""
    kind: Any = LiveProgress if screen.terminal else PlainProgress
    progress: Progress = kind(screen, now)
    return progress
