"""Play an execution through `Machine.receive`, with a script instead of actions and a clock.

`Play` is what a driver is to the machine, without its tasks: it keeps the queue and the running
attempts, in virtual time. While it plays it holds the machine to its laws after every turn, so
that each test of this directory is a test of them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from trioflow.definitions._documents import load_workflow
from trioflow.definitions._model import Workflow
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._codec import decode, encode
from trioflow.kernel._machine import Machine, Turn
from trioflow.kernel._requests import Waiting
from trioflow.kernel._states import ENDED

Key = tuple[f.Address, int]

# Facts that a driver may tell twice: the second time nothing comes of them.
ANSWERS = (
    f.SlotsTaken,
    f.AttemptRejected,
    f.AttemptReturned,
    f.AttemptRaised,
    f.AttemptStopped,
    f.AttemptLeft,
    f.AttemptHangs,
    f.ChildRejected,
    f.ChildEnded,
    f.ChildPaused,
    f.ChildResumed,
    f.TimePassed,
)


def document(*steps: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a document of these steps; those that need an action and name none get one."""
    completed = [
        {"action": "work", **step} if step.get("type", "action") == "action" else dict(step)
        for step in steps
    ]
    return {"id": "w", "steps": completed, **fields}


def failure(code: str = "boom", **fields: Any) -> e.Failure:
    return e.Failure(code, f"it is {code}", **fields)


class Play:
    """One execution that is played. Time is `now`; facts are told at that instant."""

    def __init__(
        self,
        played: Workflow | Mapping[str, Any],
        input: Mapping[str, Any] | None = None,
        *,
        at: float = 0.0,
        checked: bool = True,
        start: bool = True,
    ) -> None:
        self.workflow = played if isinstance(played, Workflow) else load_workflow(played)
        self.plan = self.workflow.plan
        self.machine = Machine(self.plan)
        self.now = at
        self.checked = checked
        self.history: list[e.Event] = []
        self.turn = Turn((), ())
        self.queued: dict[Key, c.QueueAttempt] = {}
        self.running: dict[Key, c.RunAttempt] = {}
        self.stopping: dict[Key, None] = {}
        self.children: dict[str, c.StartChild] = {}
        self.finished = False
        # How many slots nobody waits for.
        self.free_slots: Callable[[], int] = lambda: 0
        self._laws = Laws(self) if checked else None
        if start:
            self.tell(f.Start(at, "x", input or {}))

    # ---- what is told ----

    def tell(self, fact: f.Fact, slots: int | None = None) -> Turn:
        """Tell a fact, when so many slots are free; raises what refuses a request."""
        self.now = max(self.now, fact.at)
        slots = self.free_slots() if slots is None else slots
        self.turn = turn = self.machine.receive(fact, slots)
        self.history.extend(turn.recorded)
        for command in turn.commands:
            self._perform(command)
        if self._laws is not None:
            self._laws.check(fact, turn, slots)
        if turn.refused is not None:
            raise turn.refused
        return turn

    def _perform(self, command: c.Command) -> None:
        if isinstance(command, c.Finish):
            self.finished = True
            return
        if isinstance(command, c.StartChild):
            self.children[str(command.address)] = command
            return
        if isinstance(command, (c.StopChild, c.PauseChild, c.ResumeChild)):
            return
        assert isinstance(command, (c.QueueAttempt, c.DropAttempt, c.RunAttempt, c.CancelAttempt))
        key = (command.address, command.attempt)
        if isinstance(command, c.QueueAttempt):
            self.queued.setdefault(key, command)
        elif isinstance(command, c.DropAttempt):
            del self.queued[key]
        elif isinstance(command, c.RunAttempt):
            self.running[key] = command
        else:
            self.stopping[key] = None

    def _key(self, name: str, where: Mapping[Key, Any]) -> Key:
        (key,) = [key for key in where if str(key[0]) == name]
        return key

    def attempt(self, name: str) -> c.RunAttempt:
        """Return the command of a running attempt."""
        return self.running[self._key(name, self.running)]

    def take(self, *names: str) -> None:
        """Give a slot to the queued attempts of these addresses, like ``pay:fallback``."""
        for name in names:
            key = self._key(name, self.queued)
            del self.queued[key]
            self.tell(f.SlotsTaken(self.now, (key,)))

    def _answered(self, name: str) -> Key:
        if any(str(key[0]) == name for key in self.queued):
            self.take(name)
        key = self._key(name, self.running)
        del self.running[key]
        self.stopping.pop(key, None)
        return key

    def ok(self, name: str, output: Any = None, *, late: bool = False) -> None:
        """Let the attempt return; it gets its slot first, if it has none."""
        self.tell(f.AttemptReturned(self.now, *self._answered(name), output, late))

    def bad(self, name: str, code: str | e.Failure = "boom", *, chance: float = 1.0) -> None:
        """Let the attempt fail."""
        what = failure(code) if isinstance(code, str) else code
        self.tell(f.AttemptRaised(self.now, *self._answered(name), what, chance))

    def stopped(self, name: str, what: e.Failure | None = None) -> None:
        """Let a cancelled attempt stop."""
        self.tell(f.AttemptStopped(self.now, *self._answered(name), what))

    def left(self, name: str) -> None:
        """Let the attempt be interrupted, because the engine is left."""
        self.tell(f.AttemptLeft(self.now, *self._answered(name)))

    def child_ends(self, name: str, status: str, output: Any = None, *failures: e.Failure) -> None:
        """Let a child execution end."""
        address = self.children.pop(name).address
        self.tell(f.ChildEnded(self.now, address, status, output, failures))

    def pass_to(self, instant: float) -> None:
        """Let time pass."""
        self.now = instant
        self.tell(f.TimePassed(instant))

    def resume(
        self,
        input: Mapping[str, Any] | None = None,
        decisions: Mapping[str, Any] | None = None,
    ) -> None:
        self.tell(f.Resume(self.now, input or {}, decisions or {}))

    def signal(self, name: str, payload: Any = None) -> None:
        self.tell(f.Signal(self.now, name, payload))

    def pause(self) -> None:
        self.tell(f.Pause(self.now))

    def cancel(self, reason: str = "", grace: float | None = 0.0) -> None:
        self.tell(f.Cancel(self.now, reason, grace))

    def crash(self, at: float | None = None) -> None:
        """Lose the process, and open the execution again."""
        if at is not None:
            self.now = at
        self.rebuild()
        self.running.clear()
        self.tell(f.Recovered(self.now))

    def rebuild(self) -> None:
        """Make the machine anew from its history; the attempts run on."""
        self.machine = Machine.from_history(self.plan, self.history)
        self.queued.clear()
        self.stopping.clear()
        if self._laws is not None:
            self._laws.forget()

    def asked_by_others(self, *requests: f.Fact) -> None:
        """Let others leave requests in the store; the owner learns of them later."""
        for request in requests:
            other = Machine.from_history(self.plan, self.history)
            self.history.extend(other.request(request))

    # ---- what has become of it ----

    @property
    def status(self) -> str:
        return self.machine.state.status

    @property
    def statuses(self) -> dict[str, str]:
        return {record.id: record.status for record in self.machine.state.steps}

    def status_of(self, step: str) -> str:
        return self.machine.state.step(step).status

    def code_of(self, step: str) -> str | None:
        found = self.machine.state.step(step).failure
        return None if found is None else found.code

    @property
    def decided(self) -> dict[str, bool | None]:
        return decided(self.machine)

    @property
    def said(self) -> list[str]:
        """The events of the last turn, in a few words each."""
        return [in_words(event) for event in self.turn.recorded]

    @property
    def queue(self) -> list[str]:
        return [str(address) for address, _ in self.queued]

    @property
    def asked(self) -> list[str]:
        """The commands of the last turn, in a few words each."""
        return [command_in_words(command) for command in self.turn.commands]

    @property
    def waits(self) -> list[str]:
        return [str(entry) for entry in self.machine.waiting_for()]

    @property
    def output(self) -> Any:
        return self.machine.state.output

    @property
    def codes(self) -> list[str]:
        """The codes of the failures with which the execution has ended."""
        return [found.code for found in self.machine.state.failures]


def decided(machine: Machine) -> dict[str, bool | None]:
    state = machine.state
    return {connection.id: state.decided[connection.index] for connection in state.plan.connections}


def command_in_words(command: c.Command) -> str:
    words = [type(command).__name__]
    fields = ("address", "attempt", "execution_id")
    words += [str(getattr(command, field)) for field in fields if hasattr(command, field)]
    if isinstance(command, c.StopChild):
        words.append(f"grace {command.grace}")
    return " ".join(words)


def in_words(event: e.Event) -> str:
    """Return the event's name, and what it is about."""
    words = [event.type]
    fields = ("step", "connection", "name", "cause", "kind")
    words += [str(getattr(event, field)) for field in fields if getattr(event, field, None)]
    if getattr(event, "role", "step") != "step":
        words[-1] += f":{event.role}"  # type: ignore[attr-defined]
    failing = (e.StepFailed, e.ItemFailed, e.AttemptFailed, e.CompensationFailed, e.ConditionFailed)
    if isinstance(event, failing):
        words.append(event.failure.code)
    item = getattr(event, "item", None)
    if item is not None:
        step, colon, role = words[1].partition(":")
        words[1] = f"{step}[{item}]{colon}{role}"
    words += [f"+{connection}" for connection in getattr(event, "taken", ())]
    words += [f"-{connection}" for connection in getattr(event, "dead", ())]
    return " ".join(words)


class Laws:
    """What holds after every turn, whatever is played."""

    def __init__(self, play: Play) -> None:
        self._play = play
        # Is told the same facts, from the beginning.
        self._twin = Machine(play.plan)
        # Is rebuilt from the history after every turn.
        self._rebuilt: Machine | None = None
        self._leaving = False
        self._ended: dict[str, str] = {}
        self._decided: dict[str, bool] = {}
        self._known = 0

    def forget(self) -> None:
        """The machine was rebuilt: its twin has to be, too."""
        self._twin = Machine.from_history(self._play.plan, self._play.history)
        self._rebuilt = None
        self._leaving = False

    def check(self, fact: f.Fact, turn: Turn, slots: int) -> None:
        play = self._play
        self._same_turn(self._twin.receive(fact, slots), turn)
        if self._rebuilt is not None and not isinstance(fact, f.Recovered):
            in_any_order = isinstance(fact, (f.Pause, f.Resume))
            self._same_turn(self._rebuilt.receive(fact, slots), turn, in_any_order=in_any_order)
        self._leaving = self._leaving or isinstance(fact, f.AttemptLeft)
        self._events_survive()
        self._nothing_changes_twice()
        self._paused_exactly()
        observed = observe(play.machine)
        if isinstance(fact, ANSWERS):
            again = play.machine.receive(fact)

            assert ((), ()) == (again.recorded, again.commands)
            assert observed == observe(play.machine)
        self._rebuilt = Machine.from_history(play.plan, play.history)
        # What is lost when an engine is left is decided when it is opened again, not before.
        look = f.TimePassed(play.now) if self._leaving else f.Check(play.now)
        found = self._rebuilt.receive(look)

        assert () == found.recorded
        assert observed == observe(self._rebuilt)

    @staticmethod
    def _same_turn(found: Turn, turn: Turn, *, in_any_order: bool = False) -> None:
        assert turn.recorded == found.recorded
        assert str(turn.refused) == str(found.refused)
        if in_any_order:
            assert sorted(map(str, turn.commands)) == sorted(map(str, found.commands))
        else:
            assert turn.commands == found.commands

    def _events_survive(self) -> None:
        """Every event is the same after a stay in a store, and they are numbered in order."""
        history = self._play.history
        for index in range(self._known, len(history)):
            event = history[index]

            assert index + 1 == event.seq
            assert event == decode(event.seq, encode(event), self._play.workflow.document)
        self._new, self._known = history[self._known :], len(history)

    def _nothing_changes_twice(self) -> None:
        for event in self._new:
            for ids, value in (
                (getattr(event, "taken", ()), True),
                (getattr(event, "dead", ()), False),
            ):
                for connection in ids:
                    assert connection not in self._decided
                    self._decided[connection] = value
        for step, status in self._play.statuses.items():
            assert self._ended.get(step, status) == status
            if status in ENDED:
                self._ended[step] = status
        decisions = {each: self._decided.get(each) for each in self._play.decided}

        assert decisions == self._play.decided

    def _paused_exactly(self) -> None:
        """R20, by looking at everything instead of at counters."""
        state = self._play.machine.state
        if state.status in (*ENDED, "PENDING"):
            return
        running = [record for record in state.steps if record.status == "RUNNING"]
        somebody = any(record.status == "PAUSED" for record in state.steps) or any(
            self._play.machine.state.steps[connection.source].status in ENDED
            and state.decided[connection.index] is None
            for connection in state.plan.connections
        )
        units = [unit for record in state.steps for unit in (record, *(record.items or ()))]
        attempting = any(
            unit.status == "RUNNING"
            and (
                unit.child is not None
                or (unit.current is not None and unit.current.phase == "attempting")
            )
            for unit in units
        )
        expected = state.stopping is None and (
            (not running and somebody) or (state.pause and not attempting)
        )

        assert expected == (state.status == "PAUSED")


def observe(machine: Machine) -> dict[str, Any]:
    """Return everything about a machine on which its future can depend."""
    state = machine.state
    return {
        "id": state.id,
        "seq": state.seq,
        "status": state.status,
        "input": state.input,
        "labels": state.labels,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "output": state.output,
        "failures": state.failures,
        "reason": state.reason,
        "steps": [_observe_unit(machine, record) for record in state.steps],
        "outputs": state.outputs,
        "facts": state.facts,
        "decided": state.decided,
        "counters": (state.open, state.running, state.paused),
        "paused items": sorted(state.paused_items),
        "children": sorted(state.children),
        "to undo": state.to_undo,
        "not undone": state.undo_failures,
        "attempting": sorted(state.attempting),
        "waiting connections": sorted(state.waiting_connections),
        "unhandled": list(state.unhandled.items()),
        "deferred": list(state.deferred.items()),
        "stopping": state.stopping
        and (
            state.stopping.cause,
            state.stopping.failure,
            state.stopping.at,
            state.stopping.grace_until,
        ),
        "requests": (state.cancel, state.pause, state.signals, list(state.decisions.items())),
        "deadline": (machine.deadline, state.deadline, machine.due),
        "waiting for": machine.waiting_for(),
        "failed steps": machine.failed_steps(),
        "outstanding": machine.outstanding(),
    }


_ROLES = ("series", "fallback", "undo")
# What is not recorded, and no more than remembered: it is found out again.
_REMEMBERED = ("parameters", "place", "values", "next_item", "cut")


def _has_only_begun(item: Any) -> bool:
    """Whether an item is in the queue for the first time, of which there is no record."""
    series = item.series
    first = series is not None and series.phase == "queued" and series.attempt == 0
    return first and item.status == "RUNNING" and item.fallback is None


def _observe_unit(machine: Machine, unit: Any) -> dict[str, Any]:
    if unit.item is not None and (unit.status == "PENDING" or _has_only_begun(unit)):
        return {"item": unit.item, "status": "PENDING"}
    apart = {"planned", "child", "items", "first_failed", "under_way", *_ROLES, *_REMEMBERED}

    def here(attribute: attrs.Attribute[Any], value: Any) -> bool:
        return attribute.name not in apart

    found = attrs.asdict(unit, recurse=False, filter=here)
    for role in _ROLES:
        series = getattr(unit, role)
        if series is not None and (series.attempt or unit.status == "RUNNING"):
            found[role] = attrs.asdict(series, recurse=False, filter=here)
            if (unit.status != "RUNNING" and role != "undo") or series is not unit.current:
                # Over, or at a stand: what it was doing means nothing any more.
                del found[role]["phase"], found[role]["stop"]
    if unit.child is not None:
        found["child"] = (unit.child.execution, machine._why_stopped(unit.child))
    if getattr(unit, "items", None) is not None:
        found["items"] = [_observe_unit(machine, item) for item in unit.items]
        found["first_failed"] = unit.first_failed and unit.first_failed.item
        if unit.status not in ENDED:
            found["cut"] = unit.cut
    return found


def missing_inputs(entries: tuple[Waiting, ...]) -> list[str]:
    return [entry.name for entry in entries if entry.kind == "input"]
