"""How executions, steps and attempts have gone, in numbers.

One fold serves two askers: an engine counts what becomes durable while it is open
(`Engine.statistics`), and `statistics_of` counts the histories that a store has.

**Durations are time at work.** The time in which an execution, or a step, is PAUSED is not in
them, nor is any time in which the execution is PAUSED in those of its steps: what a colleague takes
for an answer says nothing about a service that has become slow. Queueing, delays between attempts,
sleeps and time in which no engine ran are in them. What was never RUNNING has no duration: a
skipped step, a trigger, a step that waits for a signal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from trioflow.engine._finding import Pages
from trioflow.kernel import _events as e
from trioflow.kernel._states import PAUSED
from trioflow.stores._protocol import Head, Store

# Ids and codes come from documents and actions, and some programs make them up as they go. Beyond
# so many, all the others are one entry.
OTHERS = "*"
_MAX_WORKFLOWS = 1_000
# Over all workflows. A document may have 10,000 steps.
_MAX_STEPS = 50_000
_MAX_CODES = 100

# How many heads to ask a store for at once.
_PAGE = 100


# ---- what is handed out ----


@attrs.frozen
class Percentiles:
    """How long `count` things took, in seconds: half of them at most `p50`, and so on.

    All are 0 while `count` is. `max` is exact, the others are up to 2 % too high, never too low.
    """

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return attrs.asdict(self)


@attrs.frozen
class StepStatistics:
    """What has become of one step, over all executions of its workflow.

    `completed`, `failed`, `skipped` and `cancelled` count the step once an execution; a step with
    `for_each`, too. `attempts`, `failed_attempts` and `codes` count those of all its items, and of
    its fallback, but not of its compensation. `failed_attempts` holds crashed ones, and not those
    that were cancelled or interrupted. `codes` says why attempts have failed, and why the step, or
    an item, has failed without one (``reference.missing``, ``timeout.step``).
    `compensated` and `compensations_failed` count undone steps and items.
    """

    completed: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    compensated: int = 0
    compensations_failed: int = 0
    duration: Percentiles = Percentiles()
    codes: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def failure_rate(self) -> float:
        """The part, from 0 to 1, that FAILED of those that COMPLETED or FAILED; 0 if none did."""
        return _rate(self.failed, self.completed)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "completed": self.completed,
            "failed": self.failed,
            "skipped": self.skipped,
            "cancelled": self.cancelled,
            "attempts": self.attempts,
            "failed_attempts": self.failed_attempts,
            "compensated": self.compensated,
            "compensations_failed": self.compensations_failed,
            "failure_rate": self.failure_rate,
            "duration": self.duration.to_json(),
            "codes": dict(self.codes),
        }


@attrs.frozen
class WorkflowStatistics:
    """What has become of the executions of one workflow, child executions included.

    `started`, `completed`, `failed` and `cancelled` have happened since `Statistics.since`; `open`
    are those that have not ended, whenever they were started. `steps` is in the order in which
    their first events came.
    """

    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    open: int = 0
    duration: Percentiles = Percentiles()
    steps: Mapping[str, StepStatistics] = attrs.field(factory=dict)

    @property
    def failure_rate(self) -> float:
        """The part, from 0 to 1, that FAILED of those that COMPLETED or FAILED; 0 if none did."""
        return _rate(self.failed, self.completed)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "started": self.started,
            "completed": self.completed,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "open": self.open,
            "failure_rate": self.failure_rate,
            "duration": self.duration.to_json(),
            "steps": {step: found.to_json() for step, found in self.steps.items()},
        }


@attrs.frozen
class Statistics:
    """How an engine is doing, or what a store holds.

    `running` executions are open and not PAUSED (they may be asleep, or queue for a slot),
    `waiting` ones are PAUSED. `slots` is the engine's `max_concurrent_steps`, `slots_used` how many
    attempts run now, `commits` how often the engine has written to its store; all three are None
    for what was read from a store. `events` were counted for all this, since the instant `since`
    (seconds since the epoch): the opening of the engine, or the start of the oldest execution that
    was read (None if there was none). `workflows` is by id, sorted.

    What would be one entry too many (1,000 workflows, 50,000 steps, 100 codes of a step) is counted
    together under ``*``.
    """

    running: int = 0
    waiting: int = 0
    slots: int | None = None
    slots_used: int | None = None
    commits: int | None = None
    events: int = 0
    since: float | None = None
    workflows: Mapping[str, WorkflowStatistics] = attrs.field(factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "running": self.running,
            "waiting": self.waiting,
            "slots": self.slots,
            "slots_used": self.slots_used,
            "commits": self.commits,
            "events": self.events,
            "since": self.since,
            "workflows": {name: found.to_json() for name, found in self.workflows.items()},
        }


def _rate(failed: int, completed: int) -> float:
    ended = failed + completed
    return failed / ended if ended else 0.0


# ---- durations ----


class Durations:
    """A histogram whose buckets grow by 2 %, so that every percentile is that exact.

    Rather than the last thousand durations: an engine may know ten thousand steps, and a step of
    which every call takes about as long needs a few dozen buckets, at most 1,750 (from 0.1 ms to
    3,000 years). And it covers the same time as the numbers beside it. What is shorter than 0.1 ms
    counts as nothing.
    """

    __slots__ = ("_buckets", "count", "max")

    _GROWTH = math.log(1.02)
    _SHORTEST = 1e-4

    def __init__(self) -> None:
        # By number: bucket n ends at `_SHORTEST` * 1.02 ** n seconds.
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.max = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        number = -1
        if seconds > self._SHORTEST:
            number = math.ceil(math.log(seconds / self._SHORTEST) / self._GROWTH)
        self._buckets[number] = self._buckets.get(number, 0) + 1
        self.count += 1
        self.max = max(self.max, seconds)

    def percentiles(self) -> Percentiles:
        """Return what is known by now."""
        found = [0.0, 0.0, 0.0]
        # The shortest first; a part of them is reached with the end of the bucket that has it.
        wanted = [math.ceil(self.count * part) for part in (0.5, 0.95, 0.99)]
        seen = 0
        for number in sorted(self._buckets):
            before, seen = seen, seen + self._buckets[number]
            end = self._SHORTEST * math.exp(number * self._GROWTH) if number >= 0 else 0.0
            for place, needed in enumerate(wanted):
                if before < needed <= seen:
                    found[place] = min(end, self.max)
        p50, p95, p99 = found
        return Percentiles(p50, p95, p99, self.max, self.count)


# ---- counting ----


@attrs.define(eq=False)
class _Track:
    """When things have begun in one execution: what its later events need to tell a duration."""

    # Of the last event that was taken in.
    seq: int = 0
    # The seconds at work until `_since`; None while it is PAUSED.
    _worked: float = 0.0
    _since: float | None = None
    # Of steps that are RUNNING: the seconds at work at which they became so.
    _started: dict[str, float] = attrs.field(factory=dict)
    # Of steps that were PAUSED in between: the seconds that they were RUNNING before.
    _spent: dict[str, float] = attrs.field(factory=dict)
    # Codes of items that have failed without an attempt: their step may fail with the same.
    item_codes: set[tuple[str, str]] = attrs.field(factory=set)

    @property
    def is_paused(self) -> bool:
        return self._since is None

    def take(self, event: e.Event) -> float | None:
        """Take in an event, and return how long what it ends was at work, in seconds."""
        self.seq = event.seq
        does = _TRACKED.get(type(event))
        return None if does is None else does(self, event)

    def _work(self, at: float) -> float:
        return self._worked + (0.0 if self._since is None else max(0.0, at - self._since))

    def _goes_on(self, event: e.Event) -> None:
        self._since = event.at

    def _pauses(self, event: e.Event) -> None:
        self._worked = self._work(event.at)
        self._since = None

    def _ends(self, event: e.Event) -> float | None:
        return self._work(event.at)

    def _step_goes_on(self, event: Any) -> None:
        self._started[event.step] = self._work(event.at)

    def _step_pauses(self, event: Any) -> None:
        spent = self._step_ends(event)
        if spent is not None:
            self._spent[event.step] = spent

    def _step_ends(self, event: Any) -> float | None:
        spent = self._spent.pop(event.step, None)
        started = self._started.pop(event.step, None)
        if started is None:
            return spent
        # Another process may have had another clock.
        return (spent or 0.0) + max(0.0, self._work(event.at) - started)


_TRACKED: Mapping[type[e.Event], Callable[[_Track, Any], float | None]] = {
    e.ExecutionStarted: _Track._goes_on,
    e.ExecutionResumed: _Track._goes_on,
    e.ExecutionPaused: _Track._pauses,
    **dict.fromkeys(e.TERMINAL_EVENTS, _Track._ends),
    e.StepStarted: _Track._step_goes_on,
    e.StepRetried: _Track._step_goes_on,
    e.StepResumed: _Track._step_goes_on,
    e.StepPaused: _Track._step_pauses,
    e.StepCompleted: _Track._step_ends,
    e.StepFailed: _Track._step_ends,
    e.StepSkipped: _Track._step_ends,
    e.StepCancelled: _Track._step_ends,
}


@attrs.define(eq=False)
class _Step:
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    compensated: int = 0
    compensations_failed: int = 0
    durations: Durations = attrs.field(factory=Durations)
    codes: dict[str, int] = attrs.field(factory=dict)

    def code(self, code: str) -> None:
        if code not in self.codes and len(self.codes) >= _MAX_CODES:
            code = OTHERS
        self.codes[code] = self.codes.get(code, 0) + 1

    def statistics(self) -> StepStatistics:
        return StepStatistics(
            completed=self.completed,
            failed=self.failed,
            skipped=self.skipped,
            cancelled=self.cancelled,
            attempts=self.attempts,
            failed_attempts=self.failed_attempts,
            compensated=self.compensated,
            compensations_failed=self.compensations_failed,
            duration=self.durations.percentiles(),
            codes=dict(self.codes),
        )


@attrs.define(eq=False)
class _Workflow:
    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    waiting: int = 0
    durations: Durations = attrs.field(factory=Durations)
    steps: dict[str, _Step] = attrs.field(factory=dict)

    def count_open(self, number: int, *, waiting: bool) -> None:
        if waiting:
            self.waiting += number
        else:
            self.running += number

    def statistics(self) -> WorkflowStatistics:
        return WorkflowStatistics(
            started=self.started,
            completed=self.completed,
            failed=self.failed,
            cancelled=self.cancelled,
            open=max(0, self.running) + max(0, self.waiting),
            duration=self.durations.percentiles(),
            steps={step: found.statistics() for step, found in self.steps.items()},
        )


class Counters:
    """Counts events, each once, in memory that does not grow with their number.

    Of an execution that is under way it keeps when things have begun; `forget` drops that when it
    leaves memory, and `remember` brings it back from the history.
    """

    def __init__(self) -> None:
        self.commits = 0
        self.events = 0
        self._tracks: dict[str, _Track] = {}
        self._workflows: dict[str, _Workflow] = {}
        self._steps = 0
        # Open executions that are counted, and that this engine does not have (yet, or any more):
        # by id, whether they are counted as waiting. About 110 bytes for each.
        self._elsewhere: dict[str, bool] = {}

    def found_open(self, head: Head) -> None:
        """Count an open execution that this engine does not have, once, with its status of now."""
        counted, waiting = self._elsewhere.get(head.id), head.status == PAUSED
        self._elsewhere[head.id] = waiting
        if counted is waiting:
            return
        found = self._workflow(head.workflow)
        if counted is not None:
            found.count_open(-1, waiting=counted)
        found.count_open(1, waiting=waiting)

    def taken_over(self, head: Head) -> None:
        """Hear that an open execution is this engine's from now on."""
        self.found_open(head)
        del self._elsewhere[head.id]

    def lost(self, execution_id: str) -> None:
        """Hear that an execution that is under way is another engine's by now."""
        track = self._tracks.get(execution_id)
        if track is not None:
            self._elsewhere[execution_id] = track.is_paused

    def remember(self, execution_id: str, events: Iterable[e.Event]) -> None:
        """Take in the history of an execution without counting it: it has happened before."""
        track = self._tracks[execution_id] = _Track()
        for event in events:
            track.take(event)

    def add(self, execution_id: str, workflow: str, events: Iterable[e.Event]) -> None:
        """Count events; what was counted or remembered already is not counted again."""
        track = self._tracks.get(execution_id)
        if track is None:
            track = self._tracks[execution_id] = _Track()
        found = self._workflow(workflow)
        for event in events:
            if event.seq <= track.seq:
                continue
            self.events += 1
            seconds = track.take(event)
            counts = _COUNTED.get(type(event))
            if counts is not None:
                counts(self, found, track, event, seconds)

    def forget(self, execution_id: str) -> None:
        """Drop what is known of an execution under way; what it has done stays counted."""
        self._tracks.pop(execution_id, None)

    def statistics(
        self, *, since: float | None, slots: int | None = None, slots_used: int | None = None
    ) -> Statistics:
        """Return the numbers as of now, as a value."""
        workflows = self._workflows
        return Statistics(
            running=sum(max(0, found.running) for found in workflows.values()),
            waiting=sum(max(0, found.waiting) for found in workflows.values()),
            slots=slots,
            slots_used=slots_used,
            commits=None if slots is None else self.commits,
            events=self.events,
            since=since,
            workflows={name: workflows[name].statistics() for name in sorted(workflows)},
        )

    def _workflow(self, name: str) -> _Workflow:
        found = self._workflows.get(name)
        if found is None:
            if len(self._workflows) >= _MAX_WORKFLOWS:
                name = OTHERS
            found = self._workflows.setdefault(name, _Workflow())
        return found

    def _step(self, workflow: _Workflow, name: str) -> _Step:
        found = workflow.steps.get(name)
        if found is None:
            if self._steps >= _MAX_STEPS:
                name = OTHERS
            if name not in workflow.steps:
                workflow.steps[name] = _Step()
                self._steps += 1
            found = workflow.steps[name]
        return found

    # ---- what an event counts as ----

    def _started(self, workflow: _Workflow, *_: Any) -> None:
        workflow.started += 1
        workflow.running += 1

    def _paused(self, workflow: _Workflow, *_: Any) -> None:
        workflow.running -= 1
        workflow.waiting += 1

    def _resumed(self, workflow: _Workflow, *_: Any) -> None:
        workflow.running += 1
        workflow.waiting -= 1

    def _ended(
        self, workflow: _Workflow, track: _Track, event: e.Event, seconds: float | None
    ) -> None:
        workflow.running -= 1
        if isinstance(event, e.ExecutionCompleted):
            workflow.completed += 1
        elif isinstance(event, e.ExecutionFailed):
            workflow.failed += 1
        else:
            workflow.cancelled += 1
        if seconds is not None:
            workflow.durations.add(seconds)

    def _step_ended(
        self, workflow: _Workflow, track: _Track, event: Any, seconds: float | None
    ) -> None:
        if getattr(event, "facts", None) is not None:
            # A fork keeps what another execution has done; there it was counted.
            return
        step = self._step(workflow, event.step)
        if isinstance(event, e.StepCompleted):
            step.completed += 1
        elif isinstance(event, e.StepSkipped):
            step.skipped += 1
        elif isinstance(event, e.StepCancelled):
            step.cancelled += 1
        else:
            step.failed += 1
            failure = event.failure
            if failure.attempt is None and (event.step, failure.code) not in track.item_codes:
                step.code(failure.code)
        if seconds is not None:
            step.durations.add(seconds)

    def _item_failed(
        self, workflow: _Workflow, track: _Track, event: e.ItemFailed, seconds: float | None
    ) -> None:
        if event.failure.attempt is None:
            track.item_codes.add((event.step, event.failure.code))
            self._step(workflow, event.step).code(event.failure.code)

    def _attempt(
        self, workflow: _Workflow, track: _Track, event: Any, seconds: float | None
    ) -> None:
        if event.role == "compensate":
            return
        step = self._step(workflow, event.step)
        if isinstance(event, e.AttemptStarted):
            step.attempts += 1
        else:
            step.failed_attempts += 1
            step.code("crash" if isinstance(event, e.AttemptCrashed) else event.failure.code)

    def _compensated(self, workflow: _Workflow, track: _Track, event: Any, *_: Any) -> None:
        step = self._step(workflow, event.step)
        if isinstance(event, e.StepCompensated):
            step.compensated += 1
        else:
            step.compensations_failed += 1


_COUNTED: Mapping[type[e.Event], Callable[..., None]] = {
    e.ExecutionStarted: Counters._started,
    e.ExecutionPaused: Counters._paused,
    e.ExecutionResumed: Counters._resumed,
    **dict.fromkeys(e.TERMINAL_EVENTS, Counters._ended),
    e.StepCompleted: Counters._step_ended,
    e.StepFailed: Counters._step_ended,
    e.StepSkipped: Counters._step_ended,
    e.StepCancelled: Counters._step_ended,
    e.ItemFailed: Counters._item_failed,
    e.AttemptStarted: Counters._attempt,
    e.AttemptFailed: Counters._attempt,
    e.AttemptCrashed: Counters._attempt,
    e.StepCompensated: Counters._compensated,
    e.CompensationFailed: Counters._compensated,
}


async def statistics_of(
    store: Store, *, workflow: str | None = None, limit: int = 1_000
) -> Statistics:
    """Count the histories of the `limit` newest executions in an open store.

    With `workflow` only those of this workflow id. Works beside a running engine, on a store that
    is open with `read_only`. Reading a thousand executions of ten steps takes about a second, and
    one history at a time is in memory.
    """
    counters = Counters()
    since: float | None = None
    pages = Pages(store, min(limit, _PAGE), workflow=workflow)
    left = limit
    while left > 0 and pages.more:
        page = (await pages.next())[:left]
        for head in page:
            counters.add(head.id, head.workflow, await store.read(head.id))
            counters.forget(head.id)
            since = head.created if since is None else min(since, head.created)
        left -= len(page)
    return counters.statistics(since=since)
