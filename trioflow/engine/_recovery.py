"""Executions that nobody asks this engine for: what others have left, what is due, what was asked.

It keeps the engine's lease and takes over what others have let lapse, wakes what has left memory
until an instant, looks after requests that other processes append, and continues what is open when
the engine is opened.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from itertools import count
from typing import TYPE_CHECKING

import attrs
import trio

from trioflow.engine._failures import cause_of
from trioflow.engine._inbox import NotDriven
from trioflow.errors import (
    Conflict,
    DefinitionError,
    ExecutionNotFound,
    InvalidRequest,
    TooLarge,
    UnknownAction,
    UnknownWorkflow,
)
from trioflow.kernel import _events as e
from trioflow.kernel._states import ENDED
from trioflow.stores._protocol import OPEN, Head

if TYPE_CHECKING:
    from trioflow.engine._engine import Engine
    from trioflow.engine._execution import Execution
    from trioflow.kernel._machine import Machine


# How often, in thirds of a lease, those are looked at that wait with an engine that is gone.
_PAUSED_EVERY = 10


@attrs.frozen(eq=False)
class _Found:
    """An execution that is to be continued, and its history as it was read."""

    execution: Execution
    events: list[e.Event]
    # What was made of the events, unless somebody held a handle already.
    machine: Machine | None


class Recovery:
    """Continues executions of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # What has left memory until an instant.
        self._parked: list[tuple[float, str]] = []
        self._parked_earlier = trio.Event()
        # Whether executions are continued that nobody has asked this engine for.
        self._recovers = False
        # Those that were found to need what this engine does not know; said once.
        self._left_alone: set[str] = set()
        # Up to which record of an execution the requests of others were noticed.
        self._requests_seen: dict[str, int] = {}

    def park(self, due: float, execution_id: str) -> None:
        """Remember that an execution has left memory, and when it is to come back."""
        heapq.heappush(self._parked, (due, execution_id))
        self._parked_earlier.set()

    async def keep_lease(self) -> None:
        """Say that the engine is alive, and take over what others have let lapse."""
        for number in count(1):
            heard_of = self._engine.now()
            await trio.sleep(self._engine._lease / 3)
            await self._engine.store.renew(self._engine.owner, ttl=self._engine._lease)
            if self._engine.now() > heard_of + self._engine._lease:
                # It slept for too long (a laptop was closed): others may have taken over.
                for driver in tuple(self._engine._drivers.values()):
                    driver.look()
            if self._recovers:
                # There may be very many that wait, and nothing but a timeout is due of these.
                all_of_them = number % _PAUSED_EVERY == 0
                await self._recover_page(status=OPEN if all_of_them else ("PENDING", "RUNNING"))

    async def watch_requests(self) -> None:
        """Look after executions to which somebody else has appended a request."""
        while True:
            found = await self._engine.store.requested(self._requests_seen)
            self._requests_seen |= found
            for execution_id in found:
                if execution_id in self._engine._drivers:
                    self._engine._drivers[execution_id].look()
                else:
                    await self._continue_if_ours(execution_id)

    def forget(self, execution_id: str) -> None:
        """Hear that an execution was deleted with its children: others may get their ids."""
        beneath = f"{execution_id}:"
        for name in [name for name in self._requests_seen if f"{name}:".startswith(beneath)]:
            del self._requests_seen[name]
        self._left_alone.discard(execution_id)

    async def _continue_if_ours(self, execution_id: str) -> None:
        head = await self._engine.store.head(execution_id)
        if head is not None and (head.owner == self._engine.owner or self._recovers):
            await self._continue_if_open(execution_id)

    async def wake_parked(self) -> None:
        """Continue the executions that have left memory, when they are due."""
        while True:
            self._parked_earlier = trio.Event()
            due = self._parked[0][0] if self._parked else float("inf")
            with trio.CancelScope(deadline=self._engine.trio_time(due)):
                await self._parked_earlier.wait()
            while self._parked and self._parked[0][0] <= self._engine.now():
                _, execution_id = heapq.heappop(self._parked)
                if execution_id not in self._engine._drivers:
                    await self._continue_if_open(execution_id)

    async def _continue_if_open(self, execution_id: str) -> None:
        try:
            execution = await self._engine.execution(execution_id)
            if execution.status not in ENDED:
                await self._engine.continue_execution(execution)
        except (Conflict, ExecutionNotFound, InvalidRequest, NotDriven, TooLarge):
            # It was deleted, or has ended, or belongs to another engine by now; or what comes next
            # of it cannot be recorded.
            return
        except (UnknownAction, UnknownWorkflow, DefinitionError) as error:
            if execution_id not in self._left_alone:
                self._left_alone.add(execution_id)
                self._engine.logger.warning(
                    "execution %s is left as it is: %s",
                    execution_id,
                    error,
                    extra={"execution_id": execution_id},
                )

    async def recover(self) -> list[Execution]:
        """Continue the executions that are due, unowned, and all of whose actions are known.

        The others stay as they are, and one warning names them and what is missing.
        """
        self._recovers = True
        return await self._recover_page(status=OPEN)

    async def _recover_page(self, status: Collection[str]) -> list[Execution]:
        recovered: list[Execution] = []
        left: list[str] = []
        seen: set[str] = set()
        before = None
        while page := await self._page(status, before):
            found: dict[str, _Found] = {}
            for head in await self._due(page, status, seen):
                events = await self._engine.store.read(head.id)
                # Without events it was deleted just now. One that the program itself has continued
                # meanwhile needs nobody.
                if not events or head.id in self._engine._drivers:
                    continue
                # Whoever holds a handle shall have the one that is current.
                execution = self._engine.known_execution(head.id, head)
                machine = None
                if execution is None:
                    execution = self._engine._handle(head, events)
                    machine = execution._machine
                try:
                    await self._engine.check_family(execution._machine)
                except (UnknownAction, UnknownWorkflow, DefinitionError) as error:
                    self._left_alone.add(head.id)
                    left.append(f"{head.id} ({error})")
                else:
                    found[head.id] = _Found(execution, events, machine)
            if found:
                # One commit for all of them; another engine may have been faster.
                claimed = await self._engine.claim(found.keys())
                done = await self._recover_each(
                    [(head, found[head.id]) for head in claimed if head.id in found]
                )
                recovered += [one.execution for one in found.values() if one.execution.id in done]
            before = page[-1].id
        if left:
            self._engine.logger.warning(
                "%d executions are left as they are: %s", len(left), "; ".join(left[:20])
            )
        return recovered

    async def _due(
        self, page: Iterable[Head], status: Collection[str], seen: set[str]
    ) -> list[Head]:
        """Return those of a page that this engine should continue, each once, parents for children.

        A child is continued by the step that it belongs to: what is due of it, such as a request
        that somebody has left, is due of the whole family.
        """
        due = []
        for head in page:
            if head.due is None:
                continue
            if head.parent is not None:
                root = await self._engine.store.head(head.id.partition(":")[0])
                if root is None or root.status not in status:
                    continue
                head = root
            if head.owner != self._engine.owner and head.id not in seen | self._left_alone:
                seen.add(head.id)
                due.append(head)
        return due

    async def _page(self, status: Collection[str], before: str | None) -> list[Head]:
        try:
            return await self._engine.store.heads(status=status, before=before)
        except ExecutionNotFound:
            # What the last page ended with has ended and is deleted. Begin again: whatever has
            # been seen is passed over.
            return await self._engine.store.heads(status=status)

    async def _recover_each(self, claimed: Iterable[tuple[Head, _Found]]) -> set[str]:
        """Continue executions side by side; return the ids of those that are. One error is enough.

        It leaves as itself: whoever opens an engine on a broken disk, or interrupts it by the
        keyboard, does not care how many executions were just being continued.
        """
        done: set[str] = set()
        try:
            async with trio.open_nursery() as nursery:
                for head, one in claimed:
                    nursery.start_soon(self._recover, head, one, done)
        except BaseExceptionGroup as group:
            cause = cause_of(group)
            if cause is None:
                raise
            raise cause from cause.__cause__
        return done

    async def _recover(self, head: Head, one: _Found, done: set[str]) -> None:
        execution = one.execution
        try:
            async with self._engine._alone_with(execution.id):
                await self._engine._continue(
                    execution, claimed=head, read=one.events, machine=one.machine
                )
        except (Conflict, InvalidRequest, NotDriven, TooLarge):
            # It has ended meanwhile, another engine was faster after all, or what comes next of it
            # cannot be recorded, which its driver reports.
            return
        done.add(execution.id)
