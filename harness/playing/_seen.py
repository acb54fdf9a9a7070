"""What is seen of a scenario on the engine: its phases, read from handles and histories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

import trioflow
import trioflow.events
from harness._scenario import Act, Behaviour, Causes, Made, Phase, causes_of
from harness.oracle._world import SAME
from harness.playing._stage import prefix_of
from trioflow.events import Event
from trioflow.stores import Head, Store

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})

# As many executions as a store is asked for at a time.
_PAGE = 100


@attrs.frozen
class Death:
    """What a process that died at a write has left.

    `at` is when the next one came, and `phase` the number of the phase that began then; `acts` are
    what was still to be done. It had `died` some time before.
    """

    phase: int
    at: float
    histories: Mapping[str, Sequence[Mapping[str, Any]]]
    acts: tuple[Act, ...]
    died: float = 0.0


@attrs.frozen
class Observed:
    """What was seen of a scenario: its phases, and the history of its execution.

    `writes` is how often the engine has written. `done` are the acts that were done, with their
    instants, in this order. `behaviours` are what the attempts of real actions did, by name and
    number, and `untold` says what of that no script can tell. `histories` are those of everybody,
    by execution, and `wrong` what a `Witness` saw that must not be, in sentences.
    """

    phases: tuple[Phase, ...]
    history: tuple[Event, ...] = ()
    deaths: tuple[Death, ...] = ()
    writes: int = 0
    done: tuple[tuple[Act, float], ...] = ()
    behaviours: Mapping[tuple[str, int], Behaviour] = attrs.field(factory=dict)
    untold: tuple[str, ...] = ()
    histories: Mapping[str, tuple[Event, ...]] = attrs.field(factory=dict, repr=False)
    wrong: tuple[str, ...] = ()


def phase_of(
    execution: trioflow.Execution, history: Sequence[Event], now: float, **seen: Any
) -> Phase:
    """Return what a handle and its history say now; `seen` are the fields that they do not."""
    return Phase(
        status=execution.status,
        steps={step: state.status for step, state in execution.steps.items()},
        outputs=dict(execution.outputs),
        output=_output(history),
        waiting_for=tuple(sorted(_waiting(execution.waiting_for))),
        connections=connections_of(history),
        elapsed=_elapsed(execution.status, history, now),
        errors=tuple((error.code, error.step) for error in execution.errors),
        **_how_completed(execution, history),
        causes=_causes(execution, history),
        **seen,
    )


def _how_completed(execution: trioflow.Execution, history: Sequence[Event]) -> dict[str, Any]:
    """Return what brought the outputs of steps and items, and which of them came late."""
    found: dict[str, trioflow.StepState | trioflow.events.ItemCompleted] = {
        step: state for step, state in execution.steps.items() if state.status == "COMPLETED"
    }
    for event in history:
        if isinstance(event, trioflow.events.ItemCompleted):
            found[f"{event.step}[{event.item}]"] = event
    late = (name for name, each in found.items() if each.late)
    return {
        "completed_by": {name: each.by for name, each in found.items() if each.by != "attempt"},
        "late": tuple(sorted(name for name in late if found[name].by not in ("items", "fork"))),
    }


def _causes(execution: trioflow.Execution, history: Sequence[Event]) -> dict[str, Causes]:
    """Return the causes of the errors of FAILED steps and items, where there are any."""
    errors = {
        step: state.error for step, state in execution.steps.items() if state.status == "FAILED"
    }
    for event in history:
        if isinstance(event, trioflow.events.ItemFailed):
            errors[f"{event.step}[{event.item}]"] = event.failure
    return {name: causes_of(error) for name, error in errors.items() if error and error.causes}


def together(
    made: Iterable[tuple[float, str, int, Mapping[str, Any]]],
) -> tuple[tuple[float, tuple[Made, ...]], ...]:
    """Return calls by their instants, sorted within each, where their order is free."""
    found: dict[float, list[Made]] = {}
    for instant, name, number, parameters in made:
        near = next((each for each in found if abs(each - instant) < SAME), instant)
        found.setdefault(near, []).append((name, number, dict(parameters)))
    return tuple((at, tuple(sorted(calls, key=repr))) for at, calls in sorted(found.items()))


def connections_of(history: Sequence[Event]) -> dict[str, str]:
    """Return how the connections were decided."""
    found = {}
    for event in history:
        for verdict in ("taken", "dead"):
            for connection in getattr(event, verdict, ()):
                found[connection] = verdict
        if isinstance(event, trioflow.events.ConditionFailed):
            found[event.connection] = "dead"
    return found


@attrs.define(eq=False)
class Histories:
    """The histories of a store, which only ever grow: each event is decoded once.

    A store as far as reading goes. `written` is what grows with every write.
    """

    disk: Store
    written: Sequence[Any]
    # What is known of each, and how often had been written when it was last looked for more.
    _read: dict[str, list[Event]] = attrs.field(factory=dict, init=False)
    _looked: dict[str, int] = attrs.field(factory=dict, init=False)
    _heads: dict[tuple[Any, ...], list[Head]] = attrs.field(factory=dict, init=False)

    async def heads(self, **wanted: Any) -> list[Head]:
        key = (len(self.written), *sorted(each for each in wanted.items() if each[1] is not None))
        if key not in self._heads:
            self._heads[key] = await self.disk.heads(**wanted)
        return self._heads[key]

    async def read(self, execution_id: str, after: int = 0) -> list[Event]:
        known = self._read.setdefault(execution_id, [])
        seen, writes = len(known), len(self.written)
        if self._looked.get(execution_id) != writes:
            # Somebody else may have read the same meanwhile.
            known[seen:] = await self.disk.read(execution_id, after=seen)
            self._looked[execution_id] = writes
        return known[after:]


async def histories_of(store: Any) -> dict[str, list[Mapping[str, Any]]]:
    """Return all histories of a store as JSON, by the ids of their executions."""
    found = await every_history(store)
    return {name: list(map(trioflow.events.to_json, history)) for name, history in found.items()}


async def every_history(store: Any) -> dict[str, tuple[Event, ...]]:
    """Return all histories of a store, by the ids of their executions."""
    found: dict[str, tuple[Event, ...]] = {}
    last = None
    while True:
        heads = await store.heads(before=last, limit=_PAGE)
        for head in heads:
            found[head.id] = tuple(await store.read(head.id))
        if len(heads) < _PAGE:
            return found
        last = heads[-1].id


def unrecorded_calls(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    made: Iterable[tuple[float, str, int, Mapping[str, Any]]],
    root: str,
) -> Iterator[str]:
    """Yield the attempts that were made although no history says that they had started (R17).

    `histories` are those that are left on the disk, `root` is the execution whose attempts, and
    whose children's, were `made`.
    """
    started = {
        (_name_of(execution, event), event["attempt"])
        for execution, history in histories.items()
        if execution.partition(":")[0] == root
        for event in history
        if event["type"] == "AttemptStarted"
    }
    for _, name, number, _ in made:
        if (name, number) not in started:
            yield f"attempt {number} of {name} was made before its start was durable"


def _name_of(execution: str, event: Mapping[str, Any]) -> str:
    """Return the name among the calls of an attempt that a record is about."""
    name, item, role = event["step"], event.get("item"), event.get("role", "step")
    name = prefix_of(execution) + (name if item is None else f"{name}[{item}]")
    return name if role == "step" else f"{name}:{role}"


def _output(history: Sequence[Event]) -> Any:
    last = history[-1] if history else None
    return last.output if isinstance(last, trioflow.events.ExecutionCompleted) else None


def _waiting(found: Any) -> Iterator[tuple[str, str, str]]:
    for each in found:
        at = prefix_of(each.execution or "x")
        yield each.kind, each.name, at + (each.step or each.connection or "")


def _elapsed(status: str, history: Sequence[Event], now: float) -> float:
    """Return since when the execution has its status; while it is RUNNING, the present."""
    if status == "RUNNING":
        return now
    if status != "PAUSED":
        return history[-1].at
    left = since = -1.0
    for event in history:
        if isinstance(event, trioflow.events.ExecutionResumed):
            left = event.at
        elif isinstance(event, trioflow.events.ExecutionPaused) and event.at > left:
            # It may be left and entered again in one transaction.
            since = event.at
    return since
