"""Drive one execution from the command line: to its end, to a pause, or until it is interrupted."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any, TextIO, cast

import attrs
import trio

from trioflow import events as e
from trioflow.cli._actions import load_actions
from trioflow.cli._errors import EXIT_CODES, INTERRUPTED, PAUSED
from trioflow.cli._options import DEFAULT_STORE
from trioflow.cli._output import LenientStream, err, is_terminal, print_json
from trioflow.cli._progress import FRAME, Progress, make_progress
from trioflow.cli._prompt import Answers, Left, LineReader, ask
from trioflow.cli._signals import Interrupts
from trioflow.cli._timeline import ENDED, Timeline
from trioflow.cli._words import answers, failure_tree, waiting_words
from trioflow.definitions import load_workflow
from trioflow.engine import Engine, Execution, open_engine
from trioflow.errors import ExecutionError, InvalidRequest

Begin = Callable[[Engine], Awaitable[Execution]]


@attrs.frozen
class Job:
    """What was asked for on the command line, as far as it concerns any execution."""

    store: str
    actions: tuple[str, ...]
    allow: tuple[str, ...]
    as_json: bool

    @property
    def options(self) -> list[str]:
        """The options that another command needs to find the same things."""
        found = [word for name in self.actions for word in ("--actions", name)]
        found += [word for name in self.allow for word in ("--allow", name)]
        if self.store != DEFAULT_STORE:
            found += ["--store", self.store]
        return found


def drive(job: Job, begin: Begin, *, wanted: str = "COMPLETED") -> int:
    """Open the engine, `begin` an execution, show how it goes on, and return the exit code.

    `wanted` is the status for which the code is 0: for a cancel that is CANCELLED.
    """
    modules = load_actions(job.actions)
    with Interrupts() as interrupts:
        driving = _Driving(job, modules, interrupts)
        # What actions print must not end up in the result.
        printed = cast("TextIO", LenientStream(sys.stderr))
        with contextlib.redirect_stdout(printed), _logged(driving.progress):
            trio.run(driving.run, begin)
    return driving.finish(wanted)


class _Driving:
    def __init__(self, job: Job, modules: list[ModuleType], interrupts: Interrupts) -> None:
        self._job = job
        self._modules = modules
        self._interrupts = interrupts
        self._screen = err()
        self.progress: Progress = make_progress(self._screen, time.time)
        self._execution: Execution | None = None
        self._timeline: Timeline | None = None
        # Events that came before the execution was known here.
        self._early: list[e.Event] = []
        self._changed = trio.Event()
        self._asking = False
        self._read_line = LineReader()

    async def run(self, begin: Begin) -> None:
        """Do it all; nothing runs any more when this returns or raises."""
        error: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tick)
            # Kept until the nursery is left, which would put it into a group.
            try:
                await self._in_engine(begin)
            except Exception as raised:  # noqa: BLE001
                error = raised
            nursery.cancel_scope.cancel()
        if not self._asking:
            # The last frame; after a question it would only repeat the one before it.
            self.progress.tick()
        self.progress.stop()
        if error is not None:
            raise error

    async def _tick(self) -> None:
        while True:
            if not self._asking:
                self.progress.tick()
            await trio.sleep(FRAME)

    async def _in_engine(self, begin: Begin) -> None:
        scope = trio.CancelScope()

        def interrupt() -> None:
            if self._asking:
                self._screen.line()  # behind the question
            else:
                self.progress.note("interrupting; once more (Ctrl-C) ends it at once")
            scope.cancel()

        self._interrupts.on_first(interrupt)
        async with open_engine(
            self._job.store,
            actions=self._modules,
            allow=self._job.allow,
            recover=False,
            observers=[self._observe],
        ) as engine:
            with scope:
                execution = await begin(engine)
                await self._found(execution)
                while await _settled(execution) and await self._answered(execution):
                    pass

    # ---- watching ----

    async def _found(self, execution: Execution) -> None:
        """Begin to show an execution: what is new of it, on top of what is old."""
        history = await execution.history()
        first = history[0]
        assert isinstance(first, e.ExecutionStarted)
        workflow = load_workflow(first.document)
        timeline = Timeline(workflow.plan)
        new = self._early[0].seq if self._early else len(history) + 1
        timeline.apply(event for event in history if event.seq < new)
        self._execution = execution
        self._timeline = timeline
        title = f"{execution.workflow}  {execution.id}"
        self.progress.begin(title, workflow, timeline)
        for event in self._early:
            self._show(timeline, event)

    def _observe(self, execution_id: str, event: e.Event) -> None:
        if self._timeline is None:
            self._early.append(event)
        elif self._execution is not None and execution_id == self._execution.id:
            self._show(self._timeline, event)

    def _show(self, timeline: Timeline, event: e.Event) -> None:
        timeline.apply([event])
        self.progress.event(event)
        self._changed.set()

    # ---- pauses ----

    async def _answered(self, execution: Execution) -> bool:
        """Ask for what is missing; False if nobody answers, or there is nobody to ask."""
        if not (self._screen.terminal and is_terminal(sys.stdin)):
            return False
        if any(entry.execution for entry in execution.waiting_for):
            # What a child waits for goes to the child: the commands at the end say so.
            return False
        self._asking = True
        self.progress.stop()
        try:
            found = await self._ask(execution)
            while found is not None and not await self._bring(execution, found):
                found = await self._ask(execution)
        except Left:
            return False
        self._asking = False
        return True

    async def _ask(self, execution: Execution) -> Answers | None:
        """Return the answers; None if the execution did not wait for them."""
        self._changed = trio.Event()
        found: Answers | None = None
        left = False
        async with trio.open_nursery() as nursery:

            async def stop_asking() -> None:
                await self._changed.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(stop_asking)
            try:
                found = await ask(execution.waiting_for, self._screen, self._read_line)
            except Left:
                left = True
            nursery.cancel_scope.cancel()
        if left:
            raise Left
        if found is None:
            self._screen.line()
        return found

    async def _bring(self, execution: Execution, found: Answers) -> bool:
        try:
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
        execution = self._execution
        if execution is None:
            self._screen.line("interrupted before anything was started")
            return INTERRUPTED
        status = execution.status
        output = None if self._timeline is None else self._timeline.output
        if self._screen.terminal and is_terminal(sys.stdout):
            self._screen.line()
        if self._job.as_json:
            print_json(result(execution, output))
        elif status == "COMPLETED":
            print_json(output)
        if status == "FAILED":
            for failure in execution.errors:
                for line in failure_tree(failure):
                    self._screen.line(("error: " if not line.startswith(" ") else "  ") + line)
        if status in ENDED:
            return 0 if status == wanted else EXIT_CODES[status]
        self._tell_how_to_continue(execution)
        return INTERRUPTED if self._interrupts.received else PAUSED

    def _tell_how_to_continue(self, execution: Execution) -> None:
        line = self._screen.line
        if self._job.store.startswith("memory:") or self._job.store == "sqlite::memory:":
            line(f"{execution.id} is {execution.status}; its store was in memory and is gone")
            return
        if execution.status == "PAUSED":
            line(f"{execution.id} is PAUSED and waits for:")
            for entry in execution.waiting_for:
                line(f"  {waiting_words(entry)}")
            commands = answers(execution.id, execution.waiting_for, self._job.options)
        else:
            line(f"{execution.id} was interrupted; nothing of it is lost")
            words = ["trioflow", "resume", execution.id, *self._job.options]
            commands = [shlex.join(words)]
        line("continue with:")
        for command in commands:
            line(f"  {command}", whole=True)


def result(execution: Execution, output: Any) -> dict[str, Any]:
    """Return the object that ``--json`` prints at the end."""
    found: dict[str, Any] = {"id": execution.id, "status": execution.status}
    if execution.status == "COMPLETED":
        found["output"] = output
    elif execution.status in ("FAILED", "CANCELLED"):
        found["errors"] = [failure.to_json() for failure in execution.errors]
    elif execution.status == "PAUSED":
        found["waiting_for"] = [entry.to_json() for entry in execution.waiting_for]
    return found


async def _settled(execution: Execution) -> bool:
    """Wait until the execution pauses or ends; True if it pauses."""
    # It completes: InvalidRequest, because it will not pause.
    with contextlib.suppress(ExecutionError, InvalidRequest):
        await execution.wait_paused()
    return execution.status == "PAUSED"


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
def _logged(progress: Progress) -> Iterator[None]:
    logger = logging.getLogger("trioflow")
    handler = _Notes(progress)
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
