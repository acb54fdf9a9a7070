"""What scenarios are played with: a store that dies, and actions that follow a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import trio

import trioflow
from harness._scenario import Hangs, Raises, Returns, Scenario, seconds_of
from trioflow.events import Event
from trioflow.stores import Head, MemoryStore

# More than an event may have.
_TOO_LARGE = "x" * (1024 * 1024 + 1)


class Gone(BaseException):
    """The process is gone. Not an `Exception`: nothing may handle it."""


class DyingStore(MemoryStore):
    """A process's view of a store that survives it.

    It counts writes over the whole scenario; from the moment on at which the process dies it
    refuses everything, so that no `finally` tidies up what a real crash would leave.
    """

    def __init__(self, disk: MemoryStore, writes: int) -> None:
        super().__init__(clock=trio.current_time)
        self.disk = disk
        self.writes = writes
        self.dead = False
        # Die at this write, and whether before it.
        self.deadly: int | None = None
        self.before = False
        self.died = trio.Event()
        self._owners: set[str] = set()

    def die(self) -> None:
        """Write nothing any more."""
        self.dead = True
        self.died.set()

    async def bury(self) -> None:
        """Let go of what the dead process owned: on a real disk its lease would run out."""
        for owner in self._owners:
            await self.disk.renew(owner, ttl=0)

    async def commit(self, head: Head, events: Sequence[Event], *, owned: bool = True) -> None:
        if self.dead:
            raise Gone
        self.writes += 1
        if self.writes == self.deadly and self.before:
            self.die()
            raise Gone
        await self.disk.commit(head, events, owned=owned)
        if self.writes == self.deadly:
            self.die()
            raise Gone

    async def renew(self, owner: str, *, ttl: float) -> None:
        self._owners.add(owner)
        if not self.dead:
            await self.disk.renew(owner, ttl=ttl)

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        return await self.disk.read(*args, **kwargs)

    async def head(self, *args: Any, **kwargs: Any) -> Any:
        return await self.disk.head(*args, **kwargs)

    async def heads(self, *args: Any, **kwargs: Any) -> Any:
        return await self.disk.heads(*args, **kwargs)

    async def claim(self, *args: Any, **kwargs: Any) -> Any:
        return await self.disk.claim(*args, **kwargs)

    async def changed(self, *args: Any, **kwargs: Any) -> Any:
        return await self.disk.changed(*args, **kwargs)


@attrs.define(eq=False)
class Actors:
    """The actions of a scenario: each attempt does what the script says, and is noted."""

    scenario: Scenario
    # What is to be done while an attempt runs: called with its name, number and seconds.
    began: Callable[[str, int, float], None]
    calls: list[tuple[float, str, int, Mapping[str, Any]]] = attrs.field(factory=list)
    compensated: list[str] = attrs.field(factory=list)
    running: set[tuple[str, int]] = attrs.field(factory=set)

    def actions(self, documents: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return a function for every action that the documents name, but for what is lacking."""
        names = dict.fromkeys(name for each in documents for name in _actions_of(each))
        return [
            trioflow.action(name)(self._scripted())
            for name in names
            if name not in self.scenario.lacks
        ]

    def _scripted(self) -> Callable[..., Any]:
        async def scripted(context: trioflow.ActionContext, **parameters: Any) -> Any:
            return await self._act(context, parameters)

        return scripted

    async def _act(self, context: trioflow.ActionContext, parameters: Mapping[str, Any]) -> Any:
        name, number = name_of(context), context.attempt
        self.calls.append((trio.current_time(), name, number, parameters))
        behaviour = self.scenario.behaviour(name, number)
        seconds = seconds_of(behaviour, name, number)
        limit = float("inf") if context.deadline is None else context.deadline
        self.running.add((name, number))
        self.began(name, number, min(seconds, limit))
        shielded = not isinstance(behaviour, Hangs) and behaviour.shielded
        try:
            with trio.CancelScope(shield=shielded):
                await trio.sleep(seconds)
        finally:
            self.running.discard((name, number))
        if isinstance(behaviour, Raises):
            if behaviour.code is None and behaviour.retryable is None:
                raise RuntimeError(behaviour.error)
            code = behaviour.code or "action.error"
            raise trioflow.StepError(behaviour.error, code, behaviour.retryable)
        if name.endswith(":compensate"):
            self.compensated.append(name.removesuffix(":compensate"))
        if isinstance(behaviour, Returns) and behaviour.spoilt is not None:
            return {1, 2} if behaviour.spoilt == "result.not_json" else _TOO_LARGE
        return behaviour.output if isinstance(behaviour, Returns) else None


def name_of(context: trioflow.ActionContext) -> str:
    """Return the name of an attempt among the calls."""
    name = prefix_of(context.execution_id) + context.step
    if context.item_index is not None:
        name += f"[{context.item_index}]"
    role = context.idempotency_key.rpartition(":")[2]
    return f"{name}:{role}" if role in ("fallback", "compensate") else name


def prefix_of(execution_id: str) -> str:
    """Return what the names of a child's attempts begin with."""
    # `x`, `x:ship` and `x:ship:3` are an execution and children of its step `ship`.
    children = re.sub(r":(\d+)", r"[\1]", execution_id).split(":")[1:]
    return "".join(f"{each}/" for each in children)


def _actions_of(document: Mapping[str, Any]) -> Iterator[str]:
    for step in (*(document.get("steps") or ()), *(document.get("nodes") or ())):
        fields = {**step, **(step.get("config") or {})}
        service = fields.get("service")
        if service is not None:
            yield f"{service}.{fields.get('action', 'default')}"
        elif "action" in fields:
            yield fields["action"]
        for key in ("fallback", "compensate"):
            called = fields.get(key)
            if called is not None:
                yield called if isinstance(called, str) else called["action"]
