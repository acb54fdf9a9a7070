"""The task that owns the machine of one execution.

Attempts, timers and handles only put facts into its inbox, so there are no locks. A round takes
all facts that are there, gives them to the machine, takes the free slots that this asks for,
commits what is to be recorded in one go, and only then performs the commands. So a chain of
steps needs one commit a step, and a hundred attempts that end together need one, too.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio

from trioflow.actions._context import ActionContext
from trioflow.engine._attempt import Attempt, new_attempt, perform
from trioflow.engine._child import WISHES, Child
from trioflow.engine._inbox import NotDriven, Request
from trioflow.errors import (
    Conflict,
    InvalidRequest,
    TooLarge,
    TrioflowError,
)
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import Machine
from trioflow.kernel._states import ENDED
from trioflow.stores._protocol import Head

if TYPE_CHECKING:
    from trioflow.engine._engine import Engine

# A cancelled or timed-out attempt that has not stopped after so many seconds is reported by name.
# Long enough for a tidy shutdown (a request that is answered, a transaction that is rolled back),
# short enough for somebody who watches.
UNRESPONSIVE_AFTER = 10.0

# An execution that has nothing to do for longer than so many seconds leaves memory. To bring it
# back takes about a millisecond, so a minute is long.
PARK_AFTER = 60.0

Key = tuple[f.Address, int]


class Driver:
    """Drives one execution until it ends, or is interrupted."""

    def __init__(
        self,
        engine: Engine,
        machine: Machine,
        head: Head,
        publish: Callable[[Machine, Head, Sequence[e.Event]], None],
    ) -> None:
        self.machine = machine
        self.head = head
        self.stopped = trio.Event()
        # Whether it stopped because there is nothing to do (until its machine's deadline), or
        # because what has happened cannot be recorded.
        self.parked = False
        self.too_large: TooLarge | None = None
        # Whether it stops what runs, and leaves the rest for later or for somebody else.
        self.leaves = False
        self._engine = engine
        self._publish = publish
        self._inbox: list[f.Fact | Request] = []
        # What the present round has taken from it.
        self._taken: list[f.Fact | Request] = []
        self._wake = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._interrupting = False
        self._look = False
        # Whether somebody else has it, and nothing of it is for this one to record.
        self._disowned = False
        # Whether facts are taken in one after the other, since something is too large.
        self._one_by_one = False
        # Attempts that run, that wait for one of the engine's slots, and that wait for one of the
        # execution's own: in the order in which they became ready (R8).
        self._attempts: dict[Key, Attempt] = {}
        self._waiting: dict[Key, object] = {}
        self._queue: OrderedDict[Key, None] = OrderedDict()
        self._slots: dict[Key, object] = {}
        self._free = machine.slots
        # What runs of child executions: a task for each, that tells what becomes of it.
        self._children: dict[f.Address, Child] = {}
        # (instant, number, attempt): when to report an attempt that has still not stopped.
        self._watched: list[tuple[float, int, Key]] = []
        self._watch_number = 0

    # ---- what others may do ----

    def tell(self, fact: f.Fact | Request) -> None:
        """Put a fact into the inbox."""
        self._inbox.append(fact)
        self._wake.set()

    async def ask(self, fact: f.Fact) -> None:
        """Put a request into the inbox and wait until it is durable.

        Raises what refuses it, or `NotDriven`. Cancelled means that it was certainly not recorded;
        if it is too late for that, this returns as if it had not been cancelled.
        """
        request = Request(fact)
        if self.stopped.is_set():
            raise NotDriven
        self.tell(request)
        try:
            await request.answered.wait()
        except trio.Cancelled:
            if not request.taken:
                self._inbox.remove(request)
                raise
            with trio.CancelScope(shield=True):
                await request.answered.wait()
            if request.error is not None:
                # It was not recorded, so the caller learns of the cancellation, as always.
                raise
        if request.error is not None:
            raise request.error

    def look(self) -> None:
        """Look whether somebody else has written to the history."""
        self._look = True
        self._wake.set()

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for an answer."""
        entries = (*self._taken, *self._inbox)
        return any(isinstance(each, Request) and not each.answered.is_set() for each in entries)

    @property
    def looks(self) -> bool:
        """Whether it was told to look, and has not yet."""
        return self._look

    def interrupt(self) -> None:
        """Stop all attempts, record that they were interrupted, and leave the rest for later."""
        self._interrupting = self.leaves = True
        self._wake.set()

    # ---- the loop ----

    async def drive(self) -> None:
        """Drive the execution until it has ended or is interrupted; nothing of it is left then."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                while True:
                    await self._round()
                    if self._over():
                        self.parked = not self.leaves
                        break
                    await self._wait()
        finally:
            self.stopped.set()
            # Nobody takes in any more that a slot has come.
            for key in tuple(self._waiting):
                self._drop(key)
            for key in tuple(self._slots):
                self._release(key)
            for entry in (*self._taken, *self._inbox):
                if isinstance(entry, Request) and not entry.answered.is_set():
                    entry.answer(NotDriven())

    def _over(self) -> bool:
        if self._attempts or self._children:
            return False
        if self.leaves:
            return not self._inbox
        return self.machine.state.status in ENDED or self._can_be_parked()

    def _can_be_parked(self) -> bool:
        """Whether there is nothing to do until somebody comes, or for a long time.

        A child stays: its parent follows it.
        """
        if (
            self._inbox
            or self._look
            or self._queue
            or self._waiting
            or self.head.parent is not None
        ):
            return False
        deadline = self.machine.deadline
        return deadline is None or deadline > self._engine.now() + PARK_AFTER

    async def _wait(self) -> None:
        if self._inbox or (self._look and not self.leaves):
            return
        deadline = None if self.leaves else self.machine.deadline
        while self._watched and self._watched[0][2] not in self._attempts:
            heapq.heappop(self._watched)
        watch = self._watched[0][0] if self._watched else float("inf")
        earliest = watch if deadline is None else min(deadline, watch)
        if earliest == float("inf"):
            # The usual case, and a scope costs as much as many a step.
            await self._wake.wait()
            return
        if self._engine.now() < earliest:
            with trio.CancelScope(deadline=self._engine.trio_time(earliest)):
                await self._wake.wait()
        else:
            # However many timers are due one after the other: others get their turn.
            await trio.lowlevel.checkpoint()
        if deadline is not None and self._engine.trio_time(deadline) <= trio.current_time():
            self.tell(f.TimePassed(max(self._engine.now(), deadline)))
        self._report_unresponsive()

    def _report_unresponsive(self) -> None:
        now = self._engine.now()
        while self._watched and self._watched[0][0] <= now:
            _, _, key = heapq.heappop(self._watched)
            attempt = self._attempts.get(key)
            if attempt is not None and not attempt.reported and attempt.scope.cancel_called:
                attempt.reported = True
                self.tell(f.AttemptHangs(now, *key, UNRESPONSIVE_AFTER))

    async def _round(self) -> None:
        """Take in what is there, commit, perform."""
        # Before anything is looked at: what is said from now on is not missed by `_wait`.
        self._wake = trio.Event()
        if self._look and not self.leaves:
            self._look = False
            stored = await self._engine.store.head(self.head.id)
            if stored is not None and self.head.seq > 0:
                if (stored.owner, stored.fence) != (self.head.owner, self.head.fence):
                    self.lose(Conflict(self.head.id, stored.seq, stored.seq))
                elif stored.seq > self.head.seq:
                    await self._rebuild(stored)
        number = 1 if self._one_by_one else len(self._inbox)
        inbox, self._inbox = self._inbox[:number], self._inbox[number:]
        if self.leaves:
            inbox = self._prepare_to_leave(inbox)
        self._taken = inbox
        for entry in inbox:
            if isinstance(entry, Request):
                entry.taken = True
        recorded: list[e.Event] = []
        perform: list[c.Command] = []
        refusals: dict[int, InvalidRequest] = {}
        for number, entry in enumerate(inbox, 1):
            fact = entry.fact if isinstance(entry, Request) else entry
            # Slots are given when all that has happened is known. Those that nobody waits for are
            # given at once, which spares a chain 5 % of its CPU time.
            slots = self._free_slots() if number == len(inbox) else 0
            try:
                refused = self._receive(fact, recorded, perform, slots)
                if refused is not None and self.head.seq == 0:
                    # A fork that cannot be: there is nothing to drive.
                    raise refused
            except TrioflowError as error:
                # Only a start can be refused like this, and it is alone in its inbox.
                if not (isinstance(entry, Request) and isinstance(fact, (f.Start, f.Fork))):
                    raise
                entry.answer(error)
                self.leaves = True
                return
            if refused is not None:
                refusals[id(entry)] = refused
        if not self.leaves:
            self._take_slots(recorded, perform)
        if recorded and not await self._commit(recorded, inbox, perform):
            return
        for entry in inbox:
            if isinstance(entry, Request):
                entry.answer(refusals.get(id(entry)))
        for command in perform:
            self._perform(command)

    def _receive(
        self, fact: f.Fact, recorded: list[e.Event], perform: list[c.Command], slots: int = 0
    ) -> InvalidRequest | None:
        turn = self.machine.receive(fact, slots)
        recorded.extend(turn.recorded)
        unused = set(fact.attempts) if isinstance(fact, f.SlotsTaken) else None
        for command in turn.commands:
            if isinstance(command, c.QueueAttempt):
                key = (command.address, command.attempt)
                failure = self._engine.missing_secret(command.secrets)
                if failure is not None:
                    failure = attrs.evolve(failure, step=command.address.step)
                    self.tell(f.AttemptRejected(self._engine.now(), *key, failure))
                elif key not in self._waiting and key not in self._slots:
                    self._queue[key] = None
            elif isinstance(command, c.DropAttempt):
                self._drop((command.address, command.attempt))
            else:
                perform.append(command)
                if isinstance(command, c.RunAttempt):
                    key = (command.address, command.attempt)
                    if unused is not None:
                        unused.discard(key)
                    if key not in self._slots and key not in self._attempts:
                        self._take_slot(key)
        for key in unused or ():
            # Nobody wants the slot any more: its attempt was stopped or paused meanwhile.
            self._release(key)
        return turn.refused

    def _is_busy(self, perform: list[c.Command]) -> bool:
        """Whether anything is under way, or about to be, but for waiting."""
        return bool(
            self._interrupting
            or perform
            or self._attempts
            or self._queue
            or self._waiting
            or self._children
        )

    async def _commit(
        self,
        recorded: list[e.Event],
        inbox: list[f.Fact | Request],
        perform: list[c.Command],
    ) -> bool:
        """Make the events durable. False: the round is to be forgotten, and was."""
        machine = self.machine
        state = machine.state
        due = machine.due if self._is_busy(perform) else machine.deadline
        head = self.head.moved(state.status, state.seq, due, state.ended_at)
        try:
            await self._engine.store.commit(head, recorded)
        except (Conflict, TooLarge) as error:
            await self._forget(error, inbox)
            return False
        self.head = head
        self._engine.counters.commits += 1
        self._publish(machine, head, recorded)
        return True

    async def _forget(self, error: Conflict | TooLarge, inbox: list[f.Fact | Request]) -> None:
        """Nothing was written: go back to what the store has, and try again or give up.

        After a conflict with our own fence still in force, somebody has left a request: look at
        it, and then take in the same facts again. With another fence the execution belongs to
        another engine, and whatever runs here of it must stop.
        """
        # The slots of which these tell are given back, and what waited for them queues again. That
        # another attempt of the execution gets one of them by that is told after this.
        inbox = [entry for entry in inbox if not isinstance(entry, f.SlotsTaken)]
        self._inbox = [entry for entry in self._inbox if not isinstance(entry, f.SlotsTaken)]
        for key in [key for key in self._slots if key not in self._attempts]:
            self._release(key)
        stored = await self._engine.store.head(self.head.id)
        if isinstance(error, TooLarge) or stored is None or self.head.seq == 0:
            await self._refuse(error, inbox, stored)
            return
        if (stored.owner, stored.fence) != (self.head.owner, self.head.fence):
            # Whoever looks at it sees what is recorded, and not what was to be.
            history = await self._engine.store.read(self.head.id)
            machine = self._engine.machine(self.machine.plan, history)
            state = machine.state
            self._publish(machine, attrs.evolve(stored, seq=state.seq, status=state.status), ())
            self.lose(error, inbox)
            return
        await self._rebuild(stored)
        self._take_in_again(inbox)

    async def _refuse(
        self, error: Conflict | TooLarge, inbox: list[f.Fact | Request], stored: Head | None
    ) -> None:
        """An event was too large, or the execution exists already: the requests are refused."""
        requests = [entry for entry in inbox if isinstance(entry, Request)]
        if not requests:
            if isinstance(error, Conflict):
                raise error
            # What has happened cannot be recorded. The other executions are not to suffer by it,
            # and whoever looks at this one sees what is recorded. Nothing more is decided here.
            if stored is not None:
                await self._rebuild(stored)
                if len(inbox) > 1:
                    # Perhaps one of these alone is too large.
                    self._one_by_one = True
                    self._take_in_again(inbox)
                    return
                del self._inbox[0]
            self._forget_stops()
            self.lose(error, inbox)
            return
        if stored is not None and self.head.seq > 0:
            # First, so that nobody who is refused sees what was refused.
            await self._rebuild(stored)
        for request in requests:
            request.answer(error)
        if stored is None or self.head.seq == 0:
            self.leaves = True
            return
        self._take_in_again(entry for entry in inbox if not isinstance(entry, Request))

    def _forget_stops(self) -> None:
        """Let what was asked to stop be left instead: the machine does not know any more why."""
        for attempt in self._attempts.values():
            attempt.stop = "interrupt"
            attempt.scope.cancel()
        self._inbox = [
            f.AttemptLeft(entry.at, entry.address, entry.attempt)
            if isinstance(entry, f.AttemptStopped)
            else entry
            for entry in self._inbox
        ]

    def _take_in_again(self, inbox: Iterable[f.Fact | Request]) -> None:
        # After the check that a rebuilt machine begins with: it finds anew what has to stop, which
        # is in no history.
        self._inbox[1:1] = inbox

    async def _rebuild(self, stored: Head) -> None:
        """Make the machine anew from its history, while its attempts run on."""
        history = await self._engine.store.read(self.head.id)
        seen = self.head.seq
        self.machine = self._engine.machine(self.machine.plan, history)
        # The history was read after the head, and may know more: nothing is published twice.
        state = self.machine.state
        self.head = stored = attrs.evolve(stored, seq=state.seq, status=state.status)
        self._publish(self.machine, stored, [event for event in history if event.seq > seen])
        self._queue.clear()
        for command in self.machine.outstanding():
            if isinstance(command, c.QueueAttempt):
                key = (command.address, command.attempt)
                if key not in self._waiting and key not in self._slots:
                    self._queue[key] = None
        self._inbox.insert(0, f.Check(self._engine.now()))
        self._wake.set()

    def lose(self, error: TrioflowError, inbox: Iterable[f.Fact | Request] = ()) -> None:
        """Stop here: somebody else has it, or what has happened cannot be recorded."""
        if isinstance(error, TooLarge):
            self.too_large = error
        self._disowned = isinstance(error, Conflict)
        if self._disowned:
            self._engine.counters.lost(self.head.id)
        self._engine.logger.warning(
            "execution %s: %s; it is stopped here",
            self.head.id,
            error,
            extra={"execution_id": self.head.id},
        )
        self.leaves = True
        for entry in inbox:
            if isinstance(entry, Request):
                entry.answer(NotDriven() if self._disowned else error)
        self._stop_everything()

    def _prepare_to_leave(self, inbox: list[f.Fact | Request]) -> list[f.Fact | Request]:
        """Stop everything; from now on only the ends of attempts are of interest."""
        self._stop_everything()
        left: list[f.Fact | Request] = []
        for entry in inbox:
            if isinstance(entry, Request):
                entry.answer(
                    InvalidRequest(
                        f"execution {self.head.id!r} is being interrupted; "
                        f"it goes on when an engine opens its store again"
                    )
                    if self._interrupting
                    else NotDriven()
                )
            elif isinstance(entry, f.SlotsTaken):
                for key in entry.attempts:
                    self._release(key)
            elif isinstance(
                entry,
                (
                    f.Check,
                    f.AttemptRejected,
                    f.AttemptReturned,
                    f.AttemptRaised,
                    f.AttemptStopped,
                    f.AttemptLeft,
                ),
            ):
                left.append(entry)
        return [] if self._disowned else left

    def _stop_everything(self) -> None:
        self._queue.clear()
        for key in tuple(self._waiting):
            self._drop(key)
        for key, attempt in self._attempts.items():
            attempt.cancel("interrupt")
            self._watch(key, self._engine.now())
        for child in self._children.values():
            child.interrupt()

    # ---- slots ----

    def _free_slots(self) -> int:
        """Return how many slots there are for what queues next."""
        if self.leaves or self._queue or self._waiting:
            return 0
        return min(self._free, self._engine.limiter.free)

    def _take_slot(self, key: Key) -> bool:
        slot = object()
        if not self._engine.limiter.take_nowait(slot):
            return False
        self._free -= 1
        self._slots[key] = slot
        return True

    def _take_slots(self, recorded: list[e.Event], perform: list[c.Command]) -> None:
        """Give free slots to queued attempts, so that their starts are in the same commit."""
        if not self._queue:
            return
        taken: list[Key] = []
        while self._queue and self._free > 0:
            key, _ = self._queue.popitem(last=False)
            if self._take_slot(key):
                taken.append(key)
            else:
                self._free -= 1
                self._waiting[key] = slot = object()
                self._engine.limiter.wait(slot, partial(self._slot_given, key))
        if taken:
            self._receive(f.SlotsTaken(self._engine.now(), tuple(taken)), recorded, perform)

    def _slot_given(self, key: Key) -> None:
        self._slots[key] = self._waiting.pop(key)
        self.tell(f.SlotsTaken(self._engine.now(), (key,)))

    def _drop(self, key: Key) -> None:
        self._queue.pop(key, None)
        if key in self._waiting:
            self._engine.limiter.forget(self._waiting.pop(key))
            self._free += 1

    def _release(self, key: Key) -> None:
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._free += 1
            self._engine.limiter.give_back(slot)

    # ---- performing ----

    def _perform(self, command: c.Command) -> None:
        if isinstance(command, c.RunAttempt):
            key = (command.address, command.attempt)
            if key in self._attempts:
                return
            attempt = new_attempt(command, self._engine.now)
            self._attempts[key] = attempt
            if attempt.limit is not None:
                self._watch(key, self._engine.instant(attempt.scope.deadline))
            assert self._nursery is not None
            self._nursery.start_soon(self._attempt, key, attempt)
        elif isinstance(command, c.CancelAttempt):
            key = (command.address, command.attempt)
            if key in self._attempts:
                self._attempts[key].cancel("stop")
                self._watch(key, self._engine.now())
        elif isinstance(command, c.StartChild):
            # What leaves starts it when it goes on.
            if command.address not in self._children and not self.leaves:
                child = Child(self._engine, self, command)
                self._children[command.address] = child
                assert self._nursery is not None
                self._nursery.start_soon(self._follow, child)
        elif isinstance(command, WISHES) and command.address in self._children:
            self._children[command.address].tell(command)

    async def _follow(self, child: Child) -> None:
        try:
            await child.follow()
        finally:
            del self._children[child.address]
            self._wake.set()

    def _watch(self, key: Key, stopping_at: float) -> None:
        self._watch_number += 1
        entry = (stopping_at + UNRESPONSIVE_AFTER, self._watch_number, key)
        heapq.heappush(self._watched, entry)

    async def _attempt(self, key: Key, attempt: Attempt) -> None:
        engine = self._engine
        command = attempt.command
        step = self.machine.state.step(command.address.step).planned
        called = step.call_of(command.address.role)
        needed = called.parameters.secrets if called else ()
        secrets = engine.reveal_secrets(needed) if needed else {}
        context = ActionContext(
            execution_id=self.head.id,
            step=command.address.step,
            idempotency_key=command.key,
            workflow=self.head.workflow,
            attempt=command.attempt,
            item_index=command.address.item,
            deadline=None if attempt.limit is None else _seconds_left(attempt),
            hidden=_hidden(secrets) if secrets else {},
        )
        fact: f.Fact | None = None
        try:
            fact = await perform(
                attempt,
                engine.registry.get(command.action),
                context,
                caller=engine,
                schema=step.output_schema,
                secrets=secrets,
            )
        finally:
            del self._attempts[key]
            if fact is not None:
                self.tell(fact)
            # After that, so that its end comes before what the free slot lets begin: the end may
            # be the reason why that must not begin.
            self._release(key)


def _seconds_left(attempt: Attempt) -> float:
    return attempt.scope.deadline - trio.current_time()


def _hidden(secrets: Mapping[str, Any]) -> dict[str, str]:
    return {str(value): name for name, value in secrets.items() if value is not None}
