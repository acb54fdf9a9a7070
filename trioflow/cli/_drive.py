"""Drive one execution from the command line: to its end, to a pause, or until it is interrupted."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import TextIO, cast

import trio

from trioflow import events as e
from trioflow.cli._actions import load_actions
from trioflow.cli._ending import finish
from trioflow.cli._errors import INTERRUPTED
from trioflow.cli._options import Job
from trioflow.cli._output import LenientStream, err, is_terminal
from trioflow.cli._progress import FRAME, Progress, make_progress
from trioflow.cli._prompt import Answers, Left, LineReader, ask
from trioflow.cli._secrets import read_secrets
from trioflow.cli._signals import Interrupts
from trioflow.cli._workflows import load_workflows
from trioflow.definitions import Workflow, load_workflow
from trioflow.engine import Engine, Execution, Snapshot, look, open_engine
from trioflow.errors import ExecutionError, InvalidRequest
from trioflow.timelines import Timeline

# Seconds until an execution goes on for which everything is there, by far.
MOMENT = 2.0

Begin = Callable[[Engine], Awaitable[Execution]]
Observer = Callable[[str, e.Event], None]


class Setting:
    """What a job names, loaded: actions, child workflows, secrets. Refuses what is not there."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._modules: list[ModuleType] = load_actions(job.actions)
        self.workflows = load_workflows(job.workflows)
        self._secrets = read_secrets(job.secrets)

    def engine(self, *observers: Observer) -> AbstractAsyncContextManager[Engine]:
        """Return an engine that continues nothing by itself; entering opens it."""
        return open_engine(
            self._job.store,
            actions=self._modules,
            workflows=self.workflows.values(),
            allow=self._job.allow,
            secrets=self._secrets,
            recover=False,
            observers=observers,
        )


def drive(
    job: Job, begin: Begin, *, wanted: str = "COMPLETED", setting: Setting | None = None
) -> int:
    """Open the engine, `begin` an execution, show how it goes on, and return the exit code.

    `wanted` is the status for which the code is 0: for a cancel that is CANCELLED.
    """
    setting = Setting(job) if setting is None else setting
    with Interrupts() as interrupts:
        driving = _Driving(job, setting, interrupts)
        with told(driving.progress):
            trio.run(driving.run, begin)
    return driving.finish(wanted)


async def with_frames(
    work: Callable[[], Awaitable[object]], progress: Progress, is_still: Callable[[], bool]
) -> None:
    """Do some work while the progress is drawn, but for when it `is_still`.

    What the work raises is raised as itself.
    """
    error: Exception | None = None

    async def tick() -> None:
        while True:
            if not is_still():
                progress.tick()
            await trio.sleep(FRAME)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        # Kept until the nursery is left, which would put it into a group.
        try:
            await work()
        except Exception as raised:  # noqa: BLE001
            error = raised
        nursery.cancel_scope.cancel()
    if not is_still():
        # The last frame; after a question it would only repeat the one before it.
        progress.tick()
    progress.stop()
    if error is not None:
        raise error


class _Driving:
    def __init__(self, job: Job, setting: Setting, interrupts: Interrupts) -> None:
        self._job = job
        self._setting = setting
        self._interrupts = interrupts
        self._screen = err()
        self.progress: Progress = make_progress(self._screen, time.time)
        self._engine: Engine | None = None
        self._execution: Execution | None = None
        self._timeline: Timeline | None = None
        # As it was when it was PAUSED last, with what its children waited for.
        self._paused: Snapshot | None = None
        # Events, of it and of its children, that came before the execution was known here.
        self._early: list[tuple[str, e.Event]] = []
        self._changed = trio.Event()
        self._asking = False
        self._read_line = LineReader()

    async def run(self, begin: Begin) -> None:
        """Do it all; nothing runs any more when this returns or raises."""
        await with_frames(lambda: self._in_engine(begin), self.progress, lambda: self._asking)

    async def _in_engine(self, begin: Begin) -> None:
        scope = trio.CancelScope()

        def interrupt() -> None:
            if self._asking:
                self._screen.line()  # behind the question
            else:
                self.progress.note("interrupting; once more (Ctrl-C) ends it at once")
            scope.cancel()

        self._interrupts.on_first(interrupt)
        async with self._setting.engine(self._observe) as engine:
            self._engine = engine
            with scope:
                execution = await begin(engine)
                await self._found(execution)
                while (paused := await settled(engine, execution)) is not None:
                    self._paused = paused
                    if not await self._answered(paused):
                        break

    # ---- watching ----

    async def _found(self, execution: Execution) -> None:
        """Begin to show an execution: what is new of it, on top of what is old."""
        history = await execution.history()
        workflow = workflow_of(history)
        timeline = Timeline(workflow.plan)
        early = [event for execution_id, event in self._early if execution_id == execution.id]
        new = early[0].seq if early else len(history) + 1
        timeline.apply(event for event in history if event.seq < new)
        self._execution = execution
        self._timeline = timeline
        self.progress.begin(title(execution.id, history), workflow, timeline)
        for event in early:
            self._show(timeline, event)

    def _observe(self, execution_id: str, event: e.Event) -> None:
        self._changed.set()
        if self._timeline is None:
            self._early.append((execution_id, event))
        elif self._execution is not None and execution_id == self._execution.id:
            self._show(self._timeline, event)

    def _show(self, timeline: Timeline, event: e.Event) -> None:
        timeline.apply([event])
        self.progress.event(event)

    # ---- pauses ----

    async def _answered(self, paused: Snapshot) -> bool:
        """Ask for what is missing; False if nobody answers, or there is nobody to ask."""
        if not (self._screen.terminal and is_terminal(sys.stdin)):
            return False
        self._asking = True
        self.progress.stop()
        try:
            found = await self._ask(paused)
            while found is not None and not await self._bring(found):
                assert self._engine is not None
                found = await self._ask(await look(self._engine.store, paused.id))
        except Left:
            return False
        self._asking = False
        return True

    async def _ask(self, paused: Snapshot) -> dict[str, Answers] | None:
        """Return the answers, by execution; None if it did not wait for them."""
        self._changed = trio.Event()
        found: dict[str, Answers] | None = None
        left = False
        async with trio.open_nursery() as nursery:

            async def stop_asking() -> None:
                await self._changed.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(stop_asking)
            try:
                found = await self._ask_family(paused)
            except Left:
                left = True
            nursery.cancel_scope.cancel()
        if left:
            raise Left
        if found is None:
            self._screen.line()
        return found

    async def _ask_family(self, paused: Snapshot) -> dict[str, Answers]:
        """Ask for what an execution waits for, and then for what its children do."""
        waiting = paused.waiting_for
        # A pause is passed to the children, and so is its end.
        if any(entry.kind == "resume" and not entry.execution for entry in waiting):
            waiting = tuple(
                entry for entry in waiting if entry.kind != "resume" or not entry.execution
            )
        found: dict[str, Answers] = {}
        for who in sorted({entry.execution or "" for entry in waiting}):
            if who:
                self._screen.line((f"child execution {who} asks", "bold"))
            entries = [entry for entry in waiting if (entry.execution or "") == who]
            found[who or paused.id] = await ask(entries, self._screen, self._read_line)
        return found

    async def _bring(self, answers: dict[str, Answers]) -> bool:
        assert self._engine is not None
        try:
            for execution_id, found in answers.items():
                execution = await self._engine.execution(execution_id)
                for name, payload in found.signals.items():
                    await execution.signal(name, payload)
                if found.input or found.decisions or found.resume:
                    await execution.resume(found.input, found.decisions)
        except InvalidRequest as error:
            self._screen.line((str(error), "red"))
            return False
        return True

    # ---- the end ----

    def finish(self, wanted: str) -> int:
        """Print the result, or what is to be done next, and return the exit code."""
        if self._execution is None or self._timeline is None:
            self._screen.line("interrupted before anything was started")
            return INTERRUPTED
        is_paused = self._paused is not None and self._execution.status == "PAUSED"
        return finish(
            self._job,
            self._screen,
            self._paused if self._paused is not None and is_paused else self._execution,
            self._timeline,
            wanted=wanted,
            interrupted=self._interrupts.received,
        )


def workflow_of(history: Sequence[e.Event]) -> Workflow:
    """Return the workflow that is at the beginning of a history."""
    first = history[0]
    assert isinstance(first, e.ExecutionStarted)
    return load_workflow(first.document)


def title(execution_id: str, history: Sequence[e.Event]) -> str:
    """Return the line above the progress of an execution."""
    first = history[0]
    assert isinstance(first, e.ExecutionStarted)
    forked = f"  (fork of {first.forked_from})" if first.forked_from else ""
    return f"{first.workflow}  {execution_id}{forked}"


async def settled(engine: Engine, execution: Execution) -> Snapshot | None:
    """Wait until the execution ends (None), or pauses because somebody is waited for.

    It may be PAUSED still although what it waited for has come: when that was left in the store
    for it, or for one of its children, it takes a moment until it goes on.
    """
    # It completes: InvalidRequest, because it will not pause.
    with contextlib.suppress(ExecutionError, InvalidRequest):
        await execution.wait_paused()
    if execution.status != "PAUSED":
        return None
    paused = await look(engine.store, execution.id)
    with trio.move_on_after(MOMENT):
        while paused.status == "PAUSED" and not paused.waiting_for:
            await engine.store.changed(execution.id, len(paused.events))
            paused = await look(engine.store, execution.id)
    if paused.status == "PAUSED":
        return paused
    return await settled(engine, execution)


class _Notes(logging.Handler):
    """Shows what actions and the engine log, but for what the progress shows anyway."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        is_ours = record.name == "trioflow"
        if not is_ours or (record.levelno >= logging.WARNING and not hasattr(record, "attempt")):
            self._progress.note(record.getMessage())


@contextlib.contextmanager
def told(progress: Progress) -> Iterator[None]:
    """Show what is printed and logged beside the progress, on stderr."""
    logger = logging.getLogger("trioflow")
    handler = _Notes(progress)
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # What actions print must not end up in the result.
    printed = cast("TextIO", LenientStream(sys.stderr))
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
