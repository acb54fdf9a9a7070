"""Requests for an execution that an engine in another process drives, or none does.

They are left in the store beside that engine, which notices them within a quarter of a second. For
a cancel the end is waited for, as somebody who cancels wants to know that it has happened.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Awaitable, Callable

import trio

from trioflow.cli._drive import title, with_frames
from trioflow.cli._ending import finish, tell_commands
from trioflow.cli._errors import DONE, INTERRUPTED, UNFINISHED, explain
from trioflow.cli._options import Job
from trioflow.cli._output import Screen, err, print_json
from trioflow.cli._progress import Progress, make_progress
from trioflow.cli._signals import Interrupts
from trioflow.cli._text import count
from trioflow.cli._words import answers, step_words
from trioflow.engine import Requester, Snapshot, look
from trioflow.errors import DefinitionError, StoreLocked, UnknownAction, UnknownWorkflow
from trioflow.events import StoppingStarted
from trioflow.stores import Store, open_store
from trioflow.timelines import ENDED, Timeline

# Leaves the request, and returns the seq of the history by then.
Ask = Callable[[Requester], Awaitable[int]]
# Why the engine that was opened here does not drive an execution.
Unfit = UnknownAction | UnknownWorkflow | DefinitionError

# Seconds: an engine that drives the execution looks four times a second, and has work to do.
NOTICED_WITHIN = 1.0
# Seconds to wait for the end of what is cancelled; after that somebody should look at it.
PATIENCE = 10.0


def leave(job: Job, execution_id: str, ask: Ask, what: str, *, watch: bool = True) -> int:
    """Leave a request, and tell (if it shall `watch`) whether somebody acts upon it.

    `what` it is, for people. Returns the exit code.
    """

    async def work() -> tuple[bool, Snapshot]:
        async with open_store(job.store, requests_only=True) as store:
            seq = await ask(Requester(store, execution_id))
            if watch:
                with trio.move_on_after(NOTICED_WITHIN):
                    await store.changed(execution_id, seq)
            snapshot = await look(store, execution_id)
            return len(snapshot.events) > seq, snapshot

    noticed, snapshot = trio.run(work)
    if job.as_json:
        found = {"id": execution_id, "status": snapshot.status, "requested": what}
        print_json(found | {"noticed": noticed})
        return DONE
    screen = err()
    if noticed:
        screen.line(f"{what}; the engine that has the store open goes on with {execution_id}")
        screen.line(f"it is {snapshot.status}; `trioflow show {execution_id}` tells more")
    else:
        screen.line(f"{what}; {execution_id} has it in its history, for whoever drives it")
    return DONE


def keep(job: Job, execution_id: str, ask: Ask, what: str, unfit: Unfit) -> int:
    """Leave a request for an execution that cannot be driven here, and tell how it goes on."""
    code = leave(job, execution_id, ask, what, watch=False)
    if not job.as_json:
        screen = err()
        screen.line(f"it can't go on here: {_why_unfit(unfit)}")
        # Children go on with the one at the top of the family.
        words = ["trioflow", "resume", execution_id.partition(":")[0], *job.options]
        hint = " --actions MODULE-or-FILE"
        if isinstance(unfit, UnknownWorkflow):
            hint = " --workflow FILE-or-FOLDER"
        elif isinstance(unfit, DefinitionError) and job.actions:
            # A second function of that name would be one too many.
            hint = ""
        tell_commands(screen, [f"{shlex.join(words)}{hint}"])
    return code


def _why_unfit(unfit: Unfit) -> str:
    if not isinstance(unfit, DefinitionError):
        return explain(unfit)[0]
    first, *others = unfit.problems
    more = f", and {count(len(others), 'more problem')}" if others else ""
    return f"{unfit.source}, {first}{more}; let the action take it, or bring another one"


def instead(job: Job, execution_id: str, locked: StoreLocked) -> str:
    """Return what helps where a bare `resume` is refused, and another engine has the store."""

    async def read() -> Snapshot:
        async with open_store(job.store, requests_only=True) as store:
            return await look(store, execution_id)

    if not (waiting := trio.run(read).waiting_for):
        # Nothing is to be brought, and there is no driving it from here.
        return f"to continue it here, end the other engine first: {locked}"
    commands = "\n".join(f"  {command}" for command in answers(execution_id, waiting, job.where))
    return f"the engine that has the store open goes on when it is brought with:\n{commands}"


def cancel(job: Job, execution_id: str, ask: Ask, *, patience: float = PATIENCE) -> int:
    """Leave a cancel, show what the engine elsewhere makes of it, and return the exit code."""
    with Interrupts() as interrupts:
        waiting = _Waiting(job, execution_id, interrupts, patience)
        trio.run(waiting.run, ask)
    return waiting.finish()


class _Waiting:
    """Waits for the end of an execution that is driven elsewhere."""

    def __init__(
        self, job: Job, execution_id: str, interrupts: Interrupts, patience: float
    ) -> None:
        self._job = job
        self._id = execution_id
        self._interrupts = interrupts
        self._patience = patience
        self._screen: Screen = err()
        self._progress: Progress = make_progress(self._screen, time.time)
        self._timeline: Timeline | None = None
        self._snapshot: Snapshot | None = None
        self._asked_at = 0

    async def run(self, ask: Ask) -> None:
        """Leave the request and watch; the interrupt ends only the watching."""
        scope = trio.CancelScope()
        self._interrupts.on_first(scope.cancel)

        async def work() -> None:
            async with open_store(self._job.store, requests_only=True) as store:
                self._asked_at = await ask(Requester(store, self._id))
                with scope, trio.move_on_after(self._patience):
                    await self._watch(store)
                self._snapshot = await look(store, self._id)

        await with_frames(work, self._progress, lambda: False)

    async def _watch(self, store: Store) -> None:
        events = await store.read(self._id)
        found = await look(store, self._id)
        timeline = self._timeline = Timeline(found.workflow.plan)
        timeline.apply(event for event in events if event.seq <= self._asked_at)
        self._progress.begin(title(self._id, events), found.workflow, timeline)
        self._progress.note(
            f"cancelling; this waits at most {self._patience:g} s for the engine that has the store"
        )
        while timeline.status not in ENDED:
            for event in await store.read(self._id, timeline.seq):
                timeline.apply([event])
                self._progress.event(event)
            if timeline.status not in ENDED:
                await store.changed(self._id, timeline.seq)

    def finish(self) -> int:
        """Print what became of it, and return the exit code."""
        snapshot = self._snapshot
        assert snapshot is not None
        timeline = Timeline(snapshot.workflow.plan)
        timeline.apply(snapshot.events)
        if timeline.status in ENDED:
            return finish(self._job, self._screen, snapshot, timeline, wanted="CANCELLED")
        if self._job.as_json:
            print_json({"id": self._id, "status": snapshot.status, "requested": "cancel"})
        line = self._screen.line
        if self._interrupts.received:
            line(f"the cancel stands; {self._id} has not ended yet")
        else:
            acted = any(isinstance(event, StoppingStarted) for event in snapshot.events)
            why = self._why(timeline) if acted else self._why_not()
            line(f"the cancel stands, but {self._id} has not ended within {why}")
        line(f"`trioflow show {self._id}` tells what becomes of it")
        return INTERRUPTED if self._interrupts.received else UNFINISHED

    def _why(self, timeline: Timeline) -> str:
        now = time.time()
        running = [row for row in timeline.rows.values() if row.status == "RUNNING"]
        undoing = [row for row in timeline.rows.values() if row.running and row not in running]
        words = [f"{self._patience:g} s"]
        words += [
            f"{row.id} is being stopped{_in_brackets(step_words(row, now))}" for row in running
        ]
        words += [f"{row.id} is being undone" for row in undoing]
        return "; ".join(words)

    def _why_not(self) -> str:
        return (
            f"{self._patience:g} s: the engine that has the store open has not acted upon it, so "
            f"it seems to drive other executions; the next one that drives {self._id} does"
        )


def _in_brackets(words: str) -> str:
    return f" ({words})" if words else ""
