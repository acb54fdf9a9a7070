"""`open_engine`: the engine that executes workflows, and everything that belongs to all of them."""

from __future__ import annotations

import logging
import secrets as random_ids
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import trio

from trioflow.actions._action import Action
from trioflow.actions._calling import call
from trioflow.actions._context import ActionContext
from trioflow.actions._registry import Registry
from trioflow.definitions._documents import load_workflow
from trioflow.definitions._graph import Plan
from trioflow.definitions._model import Workflow
from trioflow.definitions._secrets import Secrets, find_secret
from trioflow.engine._arguments import (
    Observer,
    as_json,
    as_object,
    check_id,
    check_labels,
    check_text,
)
from trioflow.engine._attempt import unknown_secret
from trioflow.engine._child import Wish, request_for
from trioflow.engine._driver import Driver
from trioflow.engine._execution import Execution
from trioflow.engine._finding import Pages, find_executions
from trioflow.engine._inbox import EngineLeft, NotDriven, NotOurs
from trioflow.engine._leaving import LEFT_WAITING, after_leaving
from trioflow.engine._logs import log
from trioflow.engine._recovery import Recovery
from trioflow.engine._requester import leave_request
from trioflow.engine._retention import Sweeper
from trioflow.engine._slots import Slots
from trioflow.engine._statistics import Counters, Statistics
from trioflow.engine._workflows import by_name, parameter_problems
from trioflow.errors import (
    Conflict,
    DefinitionError,
    DuplicateExecution,
    ExecutionNotFound,
    ExecutionPaused,
    InvalidRequest,
    UnknownAction,
    UnknownWorkflow,
)
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._commands import PauseChild, StartChild, StopChild
from trioflow.kernel._machine import Machine
from trioflow.kernel._states import ENDED, PAUSED
from trioflow.stores._protocol import OPEN, Head, Store

# How long (seconds) an engine's executions stay its own after it has last been heard of; it says
# that it is alive three times as often. A SQLite file needs none of this, because only one engine
# at a time can have it, but a store that several engines share does.
LEASE = 30.0

DEFAULT_LIMIT = 5

# How many heads to ask the store for at once when all that are open are counted.
_PAGE = 1_000


class Engine:
    """Executes workflows. Made by `open_engine`; valid inside its block."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        limit: int,
        secrets: Secrets | None,
        observers: Sequence[Observer],
        epoch: float,
        jitter: Callable[[], float],
        lease: float,
        retention: Mapping[str, float],
    ) -> None:
        self.store = store
        self.registry = registry
        self.owner = random_ids.token_hex(8)
        self.limiter = Slots(limit)
        # The attempts have slots already: their threads must never wait for one another again.
        self.thread_limiter = trio.CapacityLimiter(float("inf"))
        self.jitter = jitter
        self.logger = logging.getLogger("trioflow")
        self._secrets: Secrets = {} if secrets is None else secrets
        self._observers = observers
        self._epoch = epoch
        self._lease = lease
        self.slots = limit
        # By digest: every workflow that has been seen. By id: what child steps can name.
        self._workflows: dict[str, Workflow] = {}
        self._known: dict[str, Workflow] = {}
        # Those all of whose actions and children are known, by digest.
        self._checked: set[str] = set()
        self._executions: WeakValueDictionary[str, Execution] = WeakValueDictionary()
        self._drivers: dict[str, Driver] = {}
        # Executions that are being started or continued: one task at a time may.
        self._busy: dict[str, trio.Event] = {}
        # Whether a family goes on by itself when a child of it, claimed here, does. Who only ends
        # a child and leaves would begin what comes next, to interrupt it at once.
        self.families_go_on = True
        self._nursery: trio.Nursery | None = None
        self._leaving = trio.Event()
        # Of those who wait for what somebody else does.
        self._waits: set[trio.CancelScope] = set()
        self._opened = self.now()
        self.counters = Counters()
        self._sweeper = Sweeper(self, retention)
        self.recovery = Recovery(self)

    # ---- for the program ----

    async def run(
        self,
        workflow: Workflow | str | Path | Mapping[str, Any],
        input: Mapping[str, Any] | None = None,
        *,
        execution_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Any:
        """Start an execution, wait for its end, and return the workflow's output.

        Raises `ExecutionFailed`, `ExecutionCancelled`, or `ExecutionPaused` when it waits for
        somebody (it stays open: `resume` it). Cancelling this interrupts the execution: when
        `Cancelled` leaves, none of its attempts is running; it stays open, too. But what somebody
        else has begun with `start`, or waits for with a `run` of the same id, goes on. Otherwise as
        `start`.
        """
        execution, _ = await self._begin(workflow, input, execution_id, labels)
        execution._awaited += 1
        try:
            while execution.status not in ENDED:
                if execution.status == PAUSED:
                    raise ExecutionPaused(execution.id, execution.waiting_for)
                await execution._wait_change()
        except trio.Cancelled:
            if execution._awaited == 1 and not execution._started:
                with trio.CancelScope(shield=True):
                    await self.interrupt(execution)
            raise
        finally:
            execution._awaited -= 1
        return await execution.result()

    async def start(
        self,
        workflow: Workflow | str | Path | Mapping[str, Any],
        input: Mapping[str, Any] | None = None,
        *,
        execution_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Execution:
        """Start an execution and return once its start is durable.

        `workflow` is a value, what `load_workflow` takes, or the id of one that the engine was
        opened with (`workflows`); a file of that name comes before it. With an `execution_id` this
        is idempotent: the same id with the same workflow and input returns the execution that is
        there (and continues it, if nobody does); with others it raises `DuplicateExecution`.
        `labels` map texts to texts. Cancelled means that nothing was recorded.

        Raises `DefinitionError`, `UnknownAction`, `InputRejected`, `InvalidRequest`, `TooLarge`;
        nothing is stored then.
        """
        execution, begun = await self._begin(workflow, input, execution_id, labels)
        execution._started |= begun
        return execution

    async def _begin(
        self,
        workflow: Workflow | str | Path | Mapping[str, Any],
        input: Mapping[str, Any] | None,
        execution_id: str | None,
        labels: Mapping[str, str] | None,
    ) -> tuple[Execution, bool]:
        """Do what `start` does; True: nobody drove the execution before."""
        workflow = self.workflow(workflow)
        self.check(workflow)
        found = as_object("the input", input)
        own = check_labels("labels", labels)
        if execution_id is None:
            # It is new, so nobody else can be starting it, and nothing can be there already.
            execution_id = f"{workflow.id}-{random_ids.token_hex(6)}"
            start = f.Start(self.now(), execution_id, found, own)
            return await self._start(workflow, start), True
        check_id(execution_id)
        async with self._alone_with(execution_id):
            head = await self.store.head(execution_id)
            if head is not None:
                return await self._found(head, workflow, found)
            fact = f.Start(self.now(), execution_id, found, own)
            try:
                return await self._start(workflow, fact), True
            except Conflict:
                # Another engine on the same store was faster.
                stored = await self.store.head(execution_id)
                if stored is None:
                    raise
                return await self._found(stored, workflow, found)

    async def fork(
        self,
        execution: Execution,
        from_steps: tuple[str, ...],
        input: Mapping[str, Any],
        workflow: Workflow | str | Path | Mapping[str, Any] | None,
        *,
        execution_id: str | None = None,
    ) -> Execution:
        """Start a fork of an execution; see `Execution.fork`."""
        old = execution._machine.state
        workflow = old.plan.workflow if workflow is None else self.workflow(workflow)
        self.check(workflow)
        if execution_id is not None:
            check_id(execution_id)
        execution_id = execution_id or f"{workflow.id}-{random_ids.token_hex(6)}"
        found = as_json("the input", input)
        fact = f.Fork(self.now(), execution_id, old, from_steps, found, execution.labels)
        async with self._alone_with(execution_id):
            if await self.store.head(execution_id) is not None:
                raise DuplicateExecution(execution_id, "history")
            try:
                return await self._start(workflow, fact)
            except Conflict:
                raise DuplicateExecution(execution_id, "history") from None

    async def _start(self, workflow: Workflow, fact: f.Start | f.Fork) -> Execution:
        execution_id = fact.execution_id
        parent = fact.parent if isinstance(fact, f.Start) else None
        head = Head(
            execution_id,
            workflow.id,
            "PENDING",
            0,
            labels={**(workflow.labels or {}), **fact.labels},
            parent=parent,
            owner=self.owner,
            fence=1,
            created=fact.at,
        )
        execution = Execution(self, Machine(workflow.plan, self.slots, self._known), head)
        driver = self._drive(execution)
        try:
            await driver.ask(fact)
        except trio.Cancelled:
            driver.interrupt()
            raise
        return execution

    async def execution(self, execution_id: str) -> Execution:
        """Return the handle of an execution that is in the store.

        Nothing is continued by this. Raises `ExecutionNotFound`.
        """
        check_text("an execution's id", execution_id)
        execution = self._executions.get(execution_id)
        if execution is not None:
            with suppress(ExecutionNotFound):
                await execution.refresh()
                return execution
        head = await self.store.head(execution_id)
        events = [] if head is None else await self.store.read(execution_id)
        # Without events: it was deleted between the two.
        if head is None or not events:
            raise ExecutionNotFound(execution_id)
        return self._handle(head, events)

    async def executions(
        self,
        *,
        status: str | Iterable[str] | None = None,
        workflow: str | None = None,
        label: Mapping[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
        created_before: float | None = None,
        created_after: float | None = None,
        ended_before: float | None = None,
    ) -> list[Head]:
        """Return summaries of executions, newest first; `before` is the last id of a page.

        `status` is one status, or several: PENDING, RUNNING, PAUSED, COMPLETED, FAILED, CANCELLED,
        written like this. `label` are labels that all must be there. `created_before`,
        `created_after` and `ended_before` are instants, in seconds since the epoch; what is open
        has not ended before any. Raises `InvalidRequest` for what can find nothing, such as a
        status that there is not, and `ExecutionNotFound` for a `before` that is not there.
        """
        return await find_executions(
            self.store,
            status=status,
            workflow=workflow,
            label=label,
            limit=limit,
            before=before,
            created_before=created_before,
            created_after=created_after,
            ended_before=ended_before,
        )

    def statistics(self) -> Statistics:
        """Return how things are going, in numbers, since the engine was opened.

        Counted is what this engine makes durable, and `running`, `waiting` and `open` include what
        was in the store at its opening, and what it has taken over since. What other engines do in
        a store that they share with this one is not noticed; `statistics_of` counts what the store
        has.
        """
        return self.counters.statistics(
            since=self._opened, slots=self.slots, slots_used=self.limiter.used
        )

    def check(self, workflow: Workflow) -> None:
        """Check a workflow against the actions of this engine, which no document knows.

        Raises `UnknownAction`, `UnknownWorkflow`, and `DefinitionError` for parameters that an
        action does not take or lacks. Child workflows are checked, too.
        """
        if workflow.digest in self._checked:
            return
        checked: set[str] = set()
        waiting = [workflow]
        while waiting:
            one = waiting.pop()
            if one.digest not in checked:
                checked.add(one.digest)
                self._check_one(one)
                waiting += [self._known[name] for name in one.plan.workflows]
        # An engine learns new actions and workflows, but forgets none.
        self._checked |= checked

    def _check_one(self, workflow: Workflow) -> None:
        missing = self.registry.missing(sorted(workflow.plan.actions))
        if missing and workflow.functions:
            self.registry.add(
                function for name, function in workflow.functions.items() if name in missing
            )
            missing = self.registry.missing(missing)
        if missing:
            hint = ""
            if len(missing) == 1:
                try:
                    self.registry.get(missing[0])
                except UnknownAction as error:
                    hint = error.hint
            raise UnknownAction(missing, hint)
        problems = parameter_problems(workflow, self.registry)
        if problems:
            raise DefinitionError(problems, f"workflow {workflow.id!r}")
        unknown = sorted(workflow.plan.workflows - self._known.keys())
        if unknown:
            raise UnknownWorkflow(unknown)

    async def check_family(self, machine: Machine) -> None:
        """Check the workflow of an execution, and those that its open children have begun with.

        These may be older than the documents that their names mean now. Raises as `check`.
        """
        self.check(machine.plan.workflow)
        for child_id in machine.children():
            events = await self.store.read(child_id)
            # One that was to be started when its engine went away is not there yet.
            if events:
                child = self._workflow_of(events)
                if child.plan.workflows:
                    await self.check_family(self.machine(child.plan, events))
                else:
                    self.check(child)

    # ---- for executions and their drivers ----

    def now(self) -> float:
        """Return the present instant, in seconds since the epoch.

        It is trio's clock, moved: so it never jumps while the engine is open.
        """
        return self._epoch + trio.current_time()

    def instant(self, trio_time: float) -> float:
        """Return the instant for a time of trio's clock."""
        return self._epoch + trio_time

    def trio_time(self, instant: float) -> float:
        """Return the time of trio's clock for an instant."""
        return instant - self._epoch

    async def call(
        self, action: Action, parameters: Mapping[str, Any], context: ActionContext
    ) -> Any:
        """Call an action, wherever it is to run."""
        return await call(action, parameters, context, limiter=self.thread_limiter)

    async def run_sync(self, function: Callable[[], Any]) -> Any:
        """Call a function in a thread of the engine's own."""
        return await trio.to_thread.run_sync(function, limiter=self.thread_limiter)

    def missing_secret(self, names: Sequence[str]) -> e.Failure | None:
        """Return why an attempt cannot start: a secret that there is not."""
        for name in names:
            if self._secret(name) is None:
                return unknown_secret(name)
        return None

    def reveal_secrets(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the values of the secrets; never keep or log them."""
        return {name: self._secret(name) for name in names}

    def _secret(self, name: str) -> Any:
        try:
            return find_secret(self._secrets, name)
        except Exception as error:  # noqa: BLE001 - it is the program's own function
            # Its kind and not its message, which may hold what is not to be seen.
            self.logger.warning("secret %s cannot be had: %s", name, type(error).__name__)
            return None

    def notify(self, execution: Execution, events: Sequence[e.Event]) -> None:
        """Tell the log and the observers what has become durable."""
        head = execution._head
        execution_id, workflow = head.id, head.workflow
        if head.seq == len(events):
            # It exists from now on; until then somebody else might have started it.
            self._executions[execution_id] = execution
        if head.status in ENDED:
            self._sweeper.note_end(head.status)
        self.counters.add(execution_id, workflow, events)
        log(self.logger, execution_id, workflow, events)
        for event in events if self._observers else ():
            for observer in self._observers:
                try:
                    observer(execution_id, event)
                except Exception:
                    self.logger.exception(
                        "an observer failed on %s", event.type, extra={"execution_id": execution_id}
                    )

    def workflow(self, workflow: Workflow | str | Path | Mapping[str, Any]) -> Workflow:
        """Return the workflow value for what `start` takes."""
        if isinstance(workflow, str):
            workflow = by_name(workflow, self._known)
        elif not isinstance(workflow, Workflow):
            workflow = load_workflow(workflow)
        return self._workflows.setdefault(workflow.digest, workflow)

    def know(self, workflow: Workflow) -> None:
        """Make a workflow known as what child steps can start."""
        present = self._known.setdefault(workflow.id, workflow)
        if present.digest != workflow.digest:
            raise InvalidRequest(f"there are two workflows {workflow.id!r} among `workflows`")
        self.workflow(workflow)

    def machine(self, plan: Plan, events: Iterable[e.Event]) -> Machine:
        """Return the machine of an execution that is in the store."""
        return Machine.from_history(plan, events, self.slots, self._known)

    def known_execution(self, execution_id: str, head: Head | None = None) -> Execution | None:
        """Return the handle of an execution if somebody holds it.

        With its `head`: not that of another one, which had the same id and was deleted.
        """
        execution = self._executions.get(execution_id)
        if execution is None or head is None or execution._head.created == head.created:
            return execution
        return None

    async def start_child(
        self, parent: str, command: StartChild, wish: Wish | None
    ) -> Execution | None:
        """Start the child execution that a step wants, or go on with the one that is there.

        What its parent wishes of it comes before anything else of it. None if it was never
        started, and is to stop.
        """
        async with self._alone_with(command.execution_id):
            head = await self.store.head(command.execution_id)
            if head is None:
                if isinstance(wish, StopChild):
                    return None
                start = f.Start(
                    self.now(),
                    command.execution_id,
                    command.input,
                    parent=parent,
                    depth=command.depth,
                    paused=isinstance(wish, PauseChild),
                )
                return await self._start(self._known[command.workflow], start)
            execution = self.known_execution(head.id, head) or self._handle(
                head, await self.store.read(head.id)
            )
            if execution.status in ENDED:
                return execution
            state = execution._machine.state
            first = None if wish is None else request_for(wish, state, self.now())
            try:
                if isinstance(first, (f.Pause, f.Resume)) and execution._driver is None:
                    # It is as if somebody had left it in the store while no engine was open.
                    await leave_request(self.store, execution.id, first)
                    first = None
                await self._continue(execution, first)
            except InvalidRequest:
                # It stops, or is as it is wished to be, by what others have left for it; or it has
                # ended by what came due while nobody was there.
                if execution._driver is None and execution.status not in ENDED:
                    await self._continue(execution)
            return execution

    async def changed(self, execution_id: str, seq: int) -> None:
        """Return once an execution has more than `seq` events; `EngineLeft` if the engine is left.

        Who waits in another task while the block is left would wait for ever.
        """
        with trio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                await self.store.changed(execution_id, seq)
                return
            finally:
                self._waits.discard(scope)
        raise EngineLeft(LEFT_WAITING)

    async def interrupt(self, execution: Execution) -> None:
        """Stop what runs of an execution and leave the rest for later."""
        driver = execution._driver
        if driver is not None:
            driver.interrupt()
            await driver.stopped.wait()

    async def continue_execution(
        self, execution: Execution, request: f.Fact | None = None
    ) -> Driver:
        """Claim an execution and drive it on. Raises what keeps this engine from doing so.

        What is requested is looked at before anything of it starts again: a cancel must not find
        an attempt that was begun for its sake.
        """
        async with self._alone_with(execution.id):
            return await self._continue(execution, request)

    @asynccontextmanager
    async def _alone_with(self, execution_id: str) -> AsyncIterator[None]:
        while execution_id in self._busy:
            await self._busy[execution_id].wait()
        self._busy[execution_id] = trio.Event()
        try:
            yield
        finally:
            self._busy.pop(execution_id).set()

    async def _continue(
        self,
        execution: Execution,
        request: f.Fact | None = None,
        *,
        claimed: Head | None = None,
        read: Sequence[e.Event] | None = None,
        machine: Machine | None = None,
    ) -> Driver:
        """Drive an execution on that is `claimed`, or claim it.

        `machine` is one that was made of what was `read`.
        """
        running = self._drivers.get(execution.id)
        if running is not None:
            if not running.stopped.is_set() and not (running.leaves and request is None):
                if request is not None:
                    await running.ask(request)
                return running
            await running.stopped.wait()
        if self._leaving.is_set():
            raise EngineLeft("the engine is being left; open one to continue")
        if claimed is None:
            await self.check_family(execution._machine)
            claimed = await self._claim(execution.id)
        head = claimed
        events = read
        if events is None or len(events) != head.seq:
            events, machine = await self.store.read(execution.id), None
        if machine is None:
            machine = self.machine(execution._machine.plan, events)
        execution._catch_up(machine, head)
        self.counters.remember(execution.id, events)
        driver = self._drive(execution)
        # Both are in the inbox before the driver looks into it, so they are one round.
        driver.tell(f.Recovered(self.now()))
        try:
            await driver.ask(f.Check(self.now()) if request is None else request)
        except trio.Cancelled:
            # Whoever wanted it to go on does not want it any more.
            if not driver.is_asked:
                with trio.CancelScope(shield=True):
                    driver.interrupt()
                    await driver.stopped.wait()
            raise
        return driver

    async def _claim(self, execution_id: str) -> Head:
        # What this engine has interrupted is still its own.
        head = await self.store.head(execution_id)
        if head is not None and head.owner == self.owner and head.status in OPEN:
            return head
        # Its whole family is claimed with it, and the first of it has to go on, too.
        found = None
        for claimed in await self.claim([execution_id]):
            if claimed.id == execution_id:
                found = claimed
            elif self.families_go_on and claimed.parent is None and claimed.id not in self._drivers:
                self.recovery.park(self.now(), claimed.id)
        if found is not None:
            return found
        raise NotOurs(
            f"execution {execution_id!r} belongs to another engine, or has ended meanwhile"
        )

    def _drive(self, execution: Execution) -> Driver:
        if self._nursery is None or self._leaving.is_set():
            raise EngineLeft("the engine is not open")
        driver = Driver(self, execution._machine, execution._head, execution._publish)
        execution._driver, execution._too_large = driver, None
        self._drivers[execution.id] = driver
        self._nursery.start_soon(self._drive_to_its_end, execution, driver)
        return driver

    async def _drive_to_its_end(self, execution: Execution, driver: Driver) -> None:
        try:
            await driver.drive()
        finally:
            if self._drivers.get(execution.id) is driver:
                del self._drivers[execution.id]
                self.counters.forget(execution.id)
            execution._driver, execution._too_large = None, driver.too_large
            execution._wake()
        self._see_to(execution, driver)

    def _see_to(self, execution: Execution, driver: Driver) -> None:
        """Let those come back that its driver has left to be driven later."""
        if self._leaving.is_set():
            return
        if driver.looks:
            # A request was left for it when the driver did not look any more.
            self.recovery.park(self.now(), execution.id)
        elif driver.parked and driver.machine.deadline is not None:
            self.recovery.park(driver.machine.deadline, execution.id)
        parent = execution._head.parent
        if parent is not None and execution.status in ENDED:
            # It had stopped, or is about to, if this child could not go on.
            following = self._drivers.get(parent)
            if following is not None:
                if following.leaves:
                    following.look()
            elif self.families_go_on:
                self.recovery.park(self.now(), parent)

    async def _found(
        self, head: Head, workflow: Workflow, input: Mapping[str, Any]
    ) -> tuple[Execution, bool]:
        """Return the execution that is there already, if it is the one that is meant.

        True: it is driven on by this.
        """
        events = await self.store.read(head.id)
        if not events:
            # It was deleted between the two.
            raise ExecutionNotFound(head.id)
        first = events[0]
        assert isinstance(first, e.ExecutionStarted)
        if first.digest != workflow.digest:
            raise DuplicateExecution(head.id, "workflow")
        if first.input != {**(workflow.input or {}), **input}:
            raise DuplicateExecution(head.id, "input")
        execution = self.known_execution(head.id, head) or self._handle(head, events)
        driver = execution._driver
        if execution.status not in ENDED and (driver is None or driver.leaves):
            try:
                await self._continue(execution)
                return execution, True
            except NotOurs:
                # Another engine drives it; it can be watched and steered from here all the same.
                await execution.refresh()
            except (InvalidRequest, NotDriven):
                # It may have ended since it was read; then there is nothing to continue.
                await execution.refresh()
                if execution.status not in ENDED:
                    raise
        return execution, False

    def _handle(self, head: Head, events: Sequence[e.Event]) -> Execution:
        workflow = self._workflow_of(events)
        execution = Execution(self, self.machine(workflow.plan, events), head)
        self._executions[head.id] = execution
        return execution

    def _workflow_of(self, events: Sequence[e.Event]) -> Workflow:
        first = events[0]
        assert isinstance(first, e.ExecutionStarted)
        workflow = self._workflows.get(first.digest)
        if workflow is None:
            workflow = self._workflows[first.digest] = load_workflow(first.document)
        return workflow

    async def count_open(self) -> None:
        """Count the executions that are there already, before anything happens to them."""
        pages = Pages(self.store, _PAGE, status=OPEN)
        while pages.more:
            for head in await pages.next():
                self.counters.found_open(head)

    async def claim(self, ids: Collection[str]) -> list[Head]:
        """Claim executions, each with its whole family, and return what this engine has got."""
        claimed = await self.store.claim(self.owner, ttl=self._lease, limit=len(ids), ids=ids)
        for head in claimed:
            self.counters.taken_over(head)
        return claimed

    async def delete(self, execution_id: str) -> None:
        """Delete an execution that has ended, with its children; not while it is looked up."""
        async with self._alone_with(execution_id):
            await self.store.delete(execution_id)
            self.recovery.forget(execution_id)

    async def recover(self) -> list[Execution]:
        """Continue the executions that are due, unowned, and all of whose actions are known.

        The others stay as they are, and one warning names them and what is missing.
        """
        return await self.recovery.recover()

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Hold the drivers until the engine is left, then interrupt them; never cancelled."""
        with trio.CancelScope(shield=True):
            await self.store.renew(self.owner, ttl=self._lease)
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                async with trio.open_nursery() as for_as_long_as_it_is_open:
                    start = for_as_long_as_it_is_open.start_soon
                    start(self.recovery.wake_parked)
                    start(self.recovery.watch_requests)
                    start(self.recovery.keep_lease)
                    if self._sweeper.ages:
                        start(self._sweeper.sweep_for_ever)
                    task_status.started()
                    try:
                        await self._leaving.wait()
                    finally:
                        # Also if something has broken the engine: nothing begins in it any more.
                        self.leave()
                    for driver in tuple(self._drivers.values()):
                        driver.interrupt()
                    for_as_long_as_it_is_open.cancel_scope.cancel()
            await self.store.renew(self.owner, ttl=0.0)

    def let_go(self) -> None:
        """Have nothing more to do with the store: everything has stopped, and it will be closed."""
        self.store = after_leaving(self.store)
        for scope in self._waits:
            scope.cancel()

    def leave(self) -> None:
        """Begin to leave: nothing new starts, what runs is interrupted."""
        self._leaving.set()
