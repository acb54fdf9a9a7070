"""A scenario for every rule, with what the page says about it worked out by hand.

Each is told to the oracle, and played on the engine, too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

import trioflow.testing
from harness import (
    AtTime,
    Call,
    Cancel,
    Crash,
    During,
    Expected,
    Hangs,
    Interrupt,
    Phase,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
    expect,
    play,
)


def do(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "action": "do", **fields}


def graph(*steps: dict[str, Any], connections: Sequence[Any] = (), **fields: Any) -> dict[str, Any]:
    """A document; `connections` are `a->b` texts, or objects."""
    written = []
    for each in connections:
        if isinstance(each, str):
            source, target = each.split("->")
            each = {"source": source, "target": target}
        written.append(each)
    return {"id": "w", "steps": list(steps), "connections": written, **fields}


def edge(ends: str, **fields: Any) -> dict[str, Any]:
    source, target = ends.split("->")
    return {"source": source, "target": target, **fields}


def chain(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "w", "steps": list(steps), **fields}


ONCE = {"max_attempts": 1}
NO = Raises("no", "odd")


@attrs.frozen
class Golden:
    """What one scenario is expected to show, in words short enough to be written by hand.

    `statuses` is a letter for each step (Completed, Failed, Skipped, x for CANCELLED, Running,
    Waiting for PAUSED, Pending), in the order of the document; `calls` are `instant name#attempt`,
    over all phases. What is None is not looked at.
    """

    rule: str
    why: str
    document: dict[str, Any]
    script: dict[str, Any] = attrs.field(factory=dict)
    status: str = "COMPLETED"
    statuses: str | None = None
    calls: str | None = None
    at: float | None = None
    output: Any = ...
    parameters: dict[str, Any] = attrs.field(factory=dict)
    connections: dict[str, str] | None = None
    errors: list[str] | None = None
    waiting: list[str] | None = None
    undone: list[str] | None = None
    answers: str | None = None

    def __str__(self) -> str:
        return f"{self.rule} {self.why}"

    @property
    def scenario(self) -> Scenario:
        return Scenario(self.document, id=str(self), **self.script)

    def verify(self, phases: Sequence[Phase]) -> None:
        last = phases[-1]
        assert self.status == last.status
        if self.statuses is not None:
            assert self.statuses == "".join(map(letter, last.steps.values()))
        if self.calls is not None:
            assert self.calls.split(", ") == calls_of(phases)
        if self.at is not None:
            assert self.at == pytest.approx(last.elapsed, abs=1e-6)
        if self.output is not ...:
            assert self.output == last.output
        made = {
            f"{name}#{n}": given
            for each in phases
            for _, one in each.calls
            for name, n, given in one
        }
        for name, given in self.parameters.items():
            assert given == made[name]
        if self.connections is not None:
            assert self.connections == last.connections
        if self.errors is not None:
            assert self.errors == [f"{code} {step or '-'}" for code, step in last.errors]
        if self.waiting is not None:
            assert self.waiting == [" ".join(entry) for entry in last.waiting_for]
        if self.undone is not None:
            assert self.undone == [name for each in phases for name in each.compensated]
        if self.answers is not None:
            assert self.answers == "".join(a[0] for each in phases for a in each.answers)


def letter(status: str) -> str:
    return {"CANCELLED": "x", "PAUSED": "W", "PENDING": "P"}.get(status, status[0])


def calls_of(phases: Sequence[Phase]) -> list[str]:
    found = [
        f"{round(instant, 6):g} {name}#{number}"
        for phase in phases
        for instant, made in phase.calls
        for name, number, _ in made
    ]
    return found or [""]


R = Returns
GOLDENS = (
    # ---- R1: gates ----
    Golden(
        "R1",
        "list order: each waits for the one before it, however that has ended",
        chain(do("a", continue_on_error=True), do("b")),
        {"steps": {"a": Raises(after=2)}},
        statuses="FC",
        calls="0 a#1, 2 b#1",
        at=3,
    ),
    Golden(
        "R1",
        "sequence_order: equal numbers together, after all lower ones",
        chain(do("a", sequence_order=2), do("b", sequence_order=1), do("c", sequence_order=1)),
        {"steps": {"b": R(after=2), "c": R(after=3)}},
        calls="0 b#1, 0 c#1, 3 a#1",
        at=4,
    ),
    Golden(
        "R1",
        "a reference is a gate, and to a skipped step's output it is missing",
        graph(do("b", parameters={"x": "${a.n}"}), do("a", condition="false")),
        status="FAILED",
        statuses="FS",
        calls="",
        errors=["reference.missing b"],
    ),
    Golden(
        "R1",
        "a first step does not wait for the sources it refers to",
        graph(
            do("a"),
            do("b"),
            do(
                "c",
                join="first",
                parameters={"a": "${a.n}", "b": "${b.n?}", "s": "${steps.b.status?}"},
            ),
            connections=["a->c", "b->c"],
        ),
        {"steps": {"a": R({"n": 1}), "b": R({"n": 2}, after=2), "c": R(after=5)}},
        calls="0 a#1, 0 b#1, 1 c#1",
        parameters={"c#1": {"a": 1, "b": None, "s": None}},
        at=6,
    ),
    # ---- R2 to R4: connections ----
    Golden(
        "R2",
        "a failure takes what is on failure and always, and kills what is on success",
        graph(
            do("a"),
            do("s"),
            do("f"),
            do("w"),
            connections=["a->s", edge("a->f", on="failure"), edge("a->w", on="always")],
        ),
        {"steps": {"a": NO}},
        statuses="FSCC",
        connections={"a->s": "dead", "a->f": "taken", "a->w": "taken"},
        errors=[],
    ),
    Golden(
        "R2",
        "a tolerated failure asks all three by their conditions",
        graph(
            do("a", continue_on_error=True),
            do("s"),
            do("f"),
            connections=[
                "a->s",
                edge("a->f", on="failure", condition="steps.a.error.code == 'no'"),
            ],
        ),
        {"steps": {"a": NO}},
        statuses="FCS",
        connections={"a->s": "taken", "a->f": "dead"},
    ),
    Golden(
        "R3",
        "the default is taken if no sibling with a condition was",
        graph(
            do("a"),
            do("b"),
            do("c"),
            do("d"),
            connections=[
                edge("a->b", condition="n > 5"),
                "a->c",
                edge("a->d", default=True),
            ],
        ),
        {"steps": {"a": R({"n": 5})}},
        statuses="CSCC",
        connections={"a->b": "dead", "a->c": "taken", "a->d": "taken"},
    ),
    Golden(
        "R4",
        "a condition that errs kills itself and the default, and fails the execution",
        graph(
            do("a"),
            do("b"),
            do("c"),
            connections=[edge("a->b", condition="n > 'x'"), edge("a->c", default=True)],
            on_failure="continue",
        ),
        {"steps": {"a": R({"n": 5})}},
        status="FAILED",
        statuses="CSS",
        connections={"a->b": "dead", "a->c": "dead"},
        errors=["condition.error -"],
    ),
    Golden(
        "R4",
        "one that lacks an input waits, the default with it, and no step is PAUSED",
        graph(
            do("a"),
            do("b"),
            do("c"),
            connections=[edge("a->b", condition="input.x > 1"), edge("a->c", default=True)],
        ),
        status="PAUSED",
        statuses="CPP",
        connections={},
        waiting=["input input.x a->b"],
        at=1,
    ),
    Golden(
        "R4",
        "an undecided failure connection handles until a resume kills it, which begins stopping",
        graph(
            do("a"),
            do("b"),
            do("c"),
            connections=[edge("a->b", on="failure", condition="input.x > 1")],
        ),
        {
            "steps": {"a": NO, "c": R(after=2)},
            "actions": [Resume({"x": 1})],
        },
        status="FAILED",
        statuses="FxC",
        at=2,
        errors=["odd a"],
        answers="a",
    ),
    # ---- R5, R6: joins and skips ----
    Golden(
        "R5",
        "any runs with one taken once all are decided; all is skipped by one dead one, as late",
        graph(
            do("a"),
            do("b"),
            do("any"),
            do("all", join="all"),
            connections=[
                edge("a->any", condition="false"),
                "b->any",
                edge("a->all", condition="false"),
                "b->all",
            ],
        ),
        {"steps": {"a": R(after=1), "b": R(after=3)}},
        statuses="CCCS",
        calls="0 a#1, 0 b#1, 3 any#1",
        at=4,
    ),
    Golden(
        "R5",
        "first runs with the first taken connection, once",
        graph(do("a"), do("b"), do("c", join="first"), connections=["a->c", "b->c"]),
        {"steps": {"a": R(after=3), "b": R(after=1)}},
        calls="0 a#1, 0 b#1, 1 c#1",
        at=3,
    ),
    Golden(
        "R6",
        "a dead path vanishes down to its end, and always goes on",
        graph(
            do("a", condition="false"),
            do("b"),
            do("c"),
            connections=["a->b", edge("b->c", on="always")],
        ),
        statuses="SSC",
        calls="0 c#1",
        at=1,
    ),
    Golden(
        "R6",
        "a condition that errs fails the step before its first attempt",
        chain(do("a", condition="input.n.x == 1", retry=3, fallback="do")),
        {"input": {"n": 1}},
        status="FAILED",
        calls="",
        errors=["condition.error a"],
        at=0,
    ),
    # ---- R7, R8: timing and slots ----
    Golden(
        "R7",
        "there are no waves: each starts as soon as it can",
        graph(do("a"), do("b"), do("c"), do("d"), connections=["a->c", "b->d"]),
        {"steps": {"a": R(after=1), "b": R(after=5), "c": R(after=1)}},
        calls="0 a#1, 0 b#1, 1 c#1, 5 d#1",
        at=6,
    ),
    Golden(
        "R8",
        "slots are given in the order of the document, and a repeat queues anew, at the end",
        graph(
            do("a", retry={"max_attempts": 2, "initial_delay": 0.5}),
            do("b"),
            do("c"),
            max_concurrent_steps=1,
        ),
        {"steps": {"a": [Raises(after=1), R(after=1)], "b": R(after=2), "c": R(after=3)}},
        calls="0 a#1, 1 b#1, 3 c#1, 6 a#2",
        at=7,
    ),
    Golden(
        "R8",
        "first the execution's own slots, then the engine's, in the order of the document",
        graph(do("a"), do("b"), do("c"), max_concurrent_steps=9),
        {"limit": 1, "steps": {"a": R(after=1), "b": R(after=2), "c": R(after=3)}},
        calls="0 a#1, 1 b#1, 3 c#1",
        at=6,
    ),
    # ---- R9, R10: statuses, the path of a step ----
    Golden(
        "R9",
        "RUNNING in the queue and in back-off, PAUSED for a signal, PENDING behind it",
        graph(
            do("a", retry={"max_attempts": 2, "initial_delay": 9}),
            do("b"),
            {"id": "c", "type": "wait"},
            do("d"),
            connections=["c->d"],
            max_concurrent_steps=1,
        ),
        {
            "steps": {"a": Raises(after=1), "b": Hangs()},
            "actions": [Crash(AtTime(2)), Cancel(AtTime(2.5))],
        },
        status="CANCELLED",
        statuses="xxxx",
    ),
    Golden(
        "R10",
        "input_schema is checked before anything is called, and nothing is repeated",
        chain(
            do(
                "a",
                parameters={"x": "${input.x}"},
                retry=3,
                fallback="do",
                input_schema={"properties": {"x": {"type": "string"}}},
            )
        ),
        {"input": {"x": 1}},
        status="FAILED",
        calls="",
        errors=["schema.input a"],
    ),
    Golden(
        "R10",
        "parameters are resolved once, as of the start; a secret when the attempt is called",
        chain(
            do(
                "a",
                parameters={"x": "${input.x?}", "s": "by ${secret.KEY}"},
                retry={"max_attempts": 2, "initial_delay": 2},
            ),
            do("b", parameters={"y": "${input.y}"}),
        ),
        {
            "steps": {"a": [NO, R()]},
            "secrets": {"KEY": "k"},
            "actions": [Resume({"y": 1, "x": 2})],
        },
        calls="0 a#1, 3 a#2, 4 b#1",
        parameters={"a#2": {"x": None, "s": "by k"}, "b#1": {"y": 1}},
        at=5,
    ),
    Golden(
        "R10",
        "a trigger, a sleep and a wait whose signal was kept need no attempt",
        chain(
            {"id": "t", "type": "trigger"},
            {"id": "s", "type": "sleep", "duration": "1m30s"},
            {"id": "u", "type": "sleep", "until": "1970-01-01T00:00:10Z"},
            {"id": "w", "type": "wait"},
        ),
        {"input": {"n": 1}, "actions": [Signal("w", "p", AtTime(5))]},
        at=90,
        output={"w": "p"},
        calls="",
    ),
    # ---- R11: missing ----
    Golden(
        "R11",
        "missing inputs pause the step, are reported together, and part of them is an answer",
        chain(do("a", condition="input.go", parameters={"x": "${input.x.y}", "z": "${input.z}"})),
        {"actions": [Resume({"go": True}), Resume({"x": {"y": 1}})]},
        status="PAUSED",
        statuses="W",
        calls="",
        waiting=["input input.z a"],
        answers="aa",
        at=0,
    ),
    Golden(
        "R11",
        "what no added key could supply is not waited for",
        chain(do("a", parameters={"x": "${input.l[3]}", "z": "${input.z}"})),
        {"input": {"l": []}},
        status="FAILED",
        errors=["reference.missing a"],
    ),
    # ---- R12: repeats ----
    Golden(
        "R12",
        "delays grow up to max_delay",
        chain(
            do("a", retry={"max_attempts": 5, "initial_delay": 1, "multiplier": 3, "max_delay": 5})
        ),
        {"steps": {"a": Raises(after=1)}},
        status="FAILED",
        calls="0 a#1, 2 a#2, 6 a#3, 12 a#4, 18 a#5",
        at=19,
        errors=["action.error a"],
    ),
    Golden(
        "R12",
        "no attempt starts later than max_elapsed after the first; exactly then is allowed",
        chain(
            do(
                "a",
                retry={"max_attempts": 9, "initial_delay": 1, "multiplier": 1, "max_elapsed": 4},
            )
        ),
        {"steps": {"a": Raises(after=1)}},
        status="FAILED",
        calls="0 a#1, 2 a#2, 4 a#3",
        at=5,
    ),
    Golden(
        "R12",
        "retryable beats not_on beats on, and bad outputs are not repeated by themselves",
        graph(
            do(
                "a",
                retry={"max_attempts": 2, "on": ["o*"], "not_on": ["odd"]},
                continue_on_error=True,
            ),
            do("b", retry={"max_attempts": 2, "on": ["o*"]}, continue_on_error=True),
            do("c", retry={"max_attempts": 2, "not_on": ["*"]}, continue_on_error=True),
            do("d", retry=2, output_schema={"type": "object"}, continue_on_error=True),
        ),
        {
            "steps": {
                "a": NO,
                "b": NO,
                "c": Raises("no", "odd", retryable=True),
                "d": R(5),
            }
        },
        statuses="FFFF",
        calls="0 a#1, 0 b#1, 0 c#1, 0 d#1, 2 b#2, 2 c#2",
        at=3,
    ),
    Golden(
        "R12",
        "what is no JSON has the code that says so",
        chain(do("a", output_schema={"type": "object"})),
        {"steps": {"a": R(spoilt="result.not_json")}},
        status="FAILED",
        errors=["result.not_json a"],
    ),
    # ---- R13: after the last attempt ----
    Golden(
        "R13",
        "a fallback has its own numbers, retry and parameters, and meets the same schema",
        chain(
            do(
                "a",
                retry={"max_attempts": 2, "initial_delay": 1},
                output_schema={"type": "integer"},
                fallback={
                    "action": "do",
                    "parameters": {"x": "${input.x}"},
                    "retry": {"max_attempts": 2, "initial_delay": 3, "on": ["schema.*"]},
                },
            )
        ),
        {"input": {"x": 7}, "steps": {"a": NO}, "fallbacks": {"a": [R("five"), R(5)]}},
        calls="0 a#1, 2 a#2, 3 a:fallback#1, 7 a:fallback#2",
        parameters={"a:fallback#2": {"x": 7}},
        output={"a": 5},
        at=8,
    ),
    Golden(
        "R13",
        "on_exhausted asks somebody; retry is a fresh series whose numbers count on",
        chain(do("a", retry={"max_attempts": 2, "initial_delay": 1, "on_exhausted": "pause"})),
        {"steps": {"a": [NO, NO, NO, R(7)]}, "actions": [Resume(None, {"a": "retry"})]},
        calls="0 a#1, 2 a#2, 3 a#3, 5 a#4",
        output={"a": 7},
        at=6,
    ),
    Golden(
        "R13",
        "failed takes the last code, that of the fallback",
        chain(do("a", retry={"max_attempts": 1, "on_exhausted": "pause"}, fallback="do")),
        {
            "steps": {"a": NO},
            "fallbacks": {"a": Raises("no", "odder")},
            "actions": [
                Resume(None, {"a": {"completed": 1}, "b": "retry"}),
                Resume(None, {"a": "failed"}),
            ],
        },
        status="FAILED",
        answers="ra",
        errors=["odder a"],
        at=2,
    ),
    # ---- R14: timeouts ----
    Golden(
        "R14",
        "just below is in time, exactly is not",
        graph(do("a", timeout=2), do("b", timeout=2, continue_on_error=True)),
        {"steps": {"a": R(after=1.999), "b": R(after=2)}},
        statuses="CF",
        at=2,
    ),
    Golden(
        "R14",
        "total_timeout ends a delay at once, without fallback",
        chain(
            do("a", total_timeout=2, retry={"max_attempts": 3, "initial_delay": 5}, fallback="do")
        ),
        {"steps": {"a": NO}},
        status="FAILED",
        calls="0 a#1",
        errors=["timeout.step a"],
        at=2,
    ),
    Golden(
        "R14",
        "total_timeout stands still while somebody is asked",
        chain(do("a", total_timeout=3, retry={"max_attempts": 1, "on_exhausted": "pause"})),
        {"steps": {"a": [NO, Hangs()]}, "actions": [Resume(None, {"a": "retry"}, AtTime(10))]},
        status="FAILED",
        calls="0 a#1, 10 a#2",
        at=12,
    ),
    Golden(
        "R14",
        "that of a step with items, once the last one that ran has ended beside one that waits",
        chain(
            do(
                "a",
                for_each={"items": [1, 2], "on_item_error": "continue"},
                total_timeout=3,
                retry={"max_attempts": 1, "on_exhausted": "pause"},
            )
        ),
        {
            "steps": {"a[0]": [NO, Hangs()], "a[1]": R(after=2)},
            "actions": [Resume(None, {"a[0]": "retry"}, AtTime(10))],
        },
        status="FAILED",
        calls="0 a[0]#1, 0 a[1]#1, 10 a[0]#2",
        at=11,
        errors=["timeout.step a"],
    ),
    Golden(
        "R14",
        "time without an engine counts",
        chain({"id": "a", "type": "wait", "total_timeout": 5}),
        {"actions": [Crash(AtTime(1), 9)]},
        status="FAILED",
        errors=["timeout.step a"],
        at=10,
    ),
    # ---- R15, R16 ----
    Golden(
        "R15",
        "no slot is held in a back-off, but until a timed-out attempt has really stopped",
        graph(
            do("a", retry={"max_attempts": 2, "initial_delay": 4}, timeout=1),
            do("b"),
            max_concurrent_steps=1,
        ),
        {"steps": {"a": [Raises(after=3, shielded=True), R(after=0.5)], "b": R(after=2)}},
        calls="0 a#1, 3 b#1, 7 a#2",
        at=7.5,
    ),
    Golden(
        "R16",
        "a value that comes in spite of a timeout counts",
        chain(do("a", timeout=1)),
        {"steps": {"a": R(5, after=3, shielded=True)}},
        output={"a": 5},
        at=3,
    ),
    Golden(
        "R16",
        "one that comes in spite of a cancel, too, and is undone like any other",
        chain(do("a", compensate="undo"), do("b")),
        {"steps": {"a": R(5, after=3, shielded=True)}, "actions": [Cancel(AtTime(1))]},
        status="CANCELLED",
        statuses="Cx",
        undone=["a"],
        at=4,
    ),
    # ---- R17: crashes ----
    Golden(
        "R17",
        "a crash is repeated without counting, the third one fails",
        chain(do("a", retry=ONCE)),
        {"steps": {"a": Hangs()}, "actions": [Crash(AtTime(t)) for t in (1, 2, 3)]},
        status="FAILED",
        calls="0 a#1, 1 a#2, 2 a#3",
        errors=["crash a"],
        at=3,
    ),
    Golden(
        "R17",
        "an interruption does not count at all",
        chain(do("a")),
        {
            "steps": {"a": [*[Hangs()] * 4, R()]},
            "actions": [Interrupt(AtTime(t)) for t in (1, 2, 3, 4)],
        },
        calls="0 a#1, 1 a#2, 2 a#3, 3 a#4, 4 a#5",
        at=5,
    ),
    Golden(
        "R17",
        "on_crash: fail leads to the fallback, pause to a decision",
        graph(do("a", on_crash="fail", fallback="do", retry=3), do("b", on_crash="pause")),
        {"actions": [Crash(AtTime(0.5)), Resume(None, {"b": "failed"})]},
        status="FAILED",
        statuses="CF",
        calls="0 a#1, 0 b#1, 0.5 a:fallback#1",
        errors=["crash b"],
        at=1.5,
    ),
    # ---- R18: keys ----
    Golden(
        "R18",
        "the names of attempts: of an item, its fallback, an undo, a child's step",
        chain(
            do("a", for_each={"items": [1, 2]}, fallback="do", compensate="undo"),
            {"id": "k", "type": "workflow", "workflow": "kid"},
            do("z"),
        ),
        {
            "workflows": {"kid": {"id": "kid", "steps": [do("p")]}},
            "steps": {"a[1]": NO, "z": NO},
        },
        status="FAILED",
        calls="0 a[0]#1, 0 a[1]#1, 1 a[1]:fallback#1, 2 k/p#1, 3 z#1, "
        "4 a[1]:compensate#1, 5 a[0]:compensate#1",
        at=6,
    ),
    # ---- R19: items ----
    Golden(
        "R19",
        "max_concurrent items at a time, in order; the outputs in the order of the items",
        chain(
            do(
                "a",
                for_each={"items": "${input.l}", "as": "x", "max_concurrent": 2},
                parameters={"v": "${x.v}", "i": "${item_index}"},
            )
        ),
        {
            "input": {"l": [{"v": 7}, {"v": 8}, {"v": 9}]},
            "steps": {"a[0]": R("p", after=3), "a[1]": R("q", after=1), "a[2]": R("r", after=1)},
        },
        calls="0 a[0]#1, 0 a[1]#1, 1 a[2]#1",
        parameters={"a[2]#1": {"v": 9, "i": 2}},
        output={"a": ["p", "q", "r"]},
        at=3,
    ),
    Golden(
        "R19",
        "the first item that fails cancels the others",
        chain(do("a", for_each={"items": [1, 2, 3], "max_concurrent": 2})),
        {"steps": {"a[0]": NO, "a[1]": Hangs()}},
        status="FAILED",
        calls="0 a[0]#1, 0 a[1]#1",
        errors=["odd a"],
        at=1,
    ),
    Golden(
        "R19",
        "a timeout in a grace names the end, not what did not run when the grace began",
        chain(do("a", for_each={"items": [1, 2], "max_concurrent": 1}, total_timeout=3)),
        {"steps": {"a": Hangs()}, "actions": [Cancel(AtTime(1), grace=9)]},
        status="CANCELLED",
        statuses="F",
        errors=["timeout.step a"],
        at=3,
    ),
    Golden(
        "R19",
        "under continue there is null where an item failed, and item_errors; nothing is FAILED",
        chain(
            do("a", for_each={"items": [1, 2], "on_item_error": "continue"}),
            do("b", parameters={"e": "${steps.a.item_errors}", "n": "${steps.a.attempts}"}),
        ),
        {"steps": {"a[0]": Raises("no way", "odd"), "a[1]": R(2)}},
        parameters={"b#1": {"e": [{"index": 0, "code": "odd", "message": "no way"}], "n": 2}},
        statuses="CC",
    ),
    Golden(
        "R19",
        "an empty list completes at once, and no list is schema.input",
        graph(
            do("a", for_each={"items": []}, parameters={"x": "${input.gone}"}),
            do("b", for_each={"items": "${input.l}"}, continue_on_error=True),
        ),
        {"input": {"l": 5}},
        statuses="CF",
        output={"a": []},
        at=0,
    ),
    # ---- R20, R21 ----
    Golden(
        "R20",
        "PAUSED when nothing is RUNNING, and the timeout stands still meanwhile",
        chain({"id": "a", "type": "wait"}, do("b"), timeout=3),
        {"steps": {"b": Hangs()}, "actions": [Signal("a", 1, AtTime(100))]},
        status="FAILED",
        calls="100 b#1",
        errors=["timeout.execution -"],
        at=103,
    ),
    Golden(
        "R21",
        "handled by failure, deferred by always, unhandled without either",
        graph(
            do("a"),
            do("b"),
            do("ah"),
            do("bw"),
            connections=[edge("a->ah", on="failure"), edge("b->bw", on="always")],
        ),
        {"steps": {"a": NO, "b": Raises("no", "late", after=1.5)}},
        status="FAILED",
        statuses="FFCC",
        calls="0 a#1, 0 b#1, 1 ah#1, 1.5 bw#1",
        errors=["late b"],
        at=2.5,
    ),
    # ---- R22, R23: stopping ----
    Golden(
        "R22",
        "cancel: what runs is cancelled at once, what waits, too, nothing is skipped",
        graph(
            do("a"),
            do("b"),
            {"id": "c", "type": "sleep", "duration": 9},
            do("d"),
            connections=["a->d"],
        ),
        {"steps": {"a": NO, "b": Hangs()}},
        status="FAILED",
        statuses="Fxxx",
        at=1,
    ),
    Golden(
        "R22",
        "finish lets what runs end, repeats nothing, and a timeout in it is a failure",
        graph(
            do("a"),
            do("b", retry=2),
            do("c", timeout=4),
            do("d"),
            connections=["c->d"],
            on_failure="finish",
        ),
        {"steps": {"a": NO, "b": Raises("no", "odder", after=3), "c": Hangs()}},
        status="FAILED",
        statuses="FFFx",
        calls="0 a#1, 0 b#1, 0 c#1",
        errors=["odd a", "odder b", "timeout.attempt c"],
        at=4,
    ),
    Golden(
        "R22",
        "continue runs what can run; a cancel can still make it CANCELLED",
        graph(do("a"), do("b"), on_failure="continue"),
        {"steps": {"a": NO, "b": Hangs()}, "actions": [Cancel(AtTime(5), 2.0)]},
        status="CANCELLED",
        statuses="Fx",
        at=7,
    ),
    Golden(
        "R22",
        "a later cancel can only shorten a grace",
        chain(do("a")),
        {
            "steps": {"a": Hangs()},
            "actions": [Cancel(AtTime(1), 4.0), Cancel(AtTime(2), 9.0), Cancel(AtTime(3), 1.0)],
        },
        status="CANCELLED",
        at=4,
        answers="aaa",
    ),
    Golden(
        "R22",
        "the steps of one group are all recorded before stopping begins",
        graph(
            do("a"),
            do("b", condition="input.n > 'x'"),
            do("c", condition="false"),
            do("d"),
            do("e"),
            connections=["a->b", "a->c", edge("c->d", on="always"), "a->e"],
        ),
        {"input": {"n": 1}},
        status="FAILED",
        statuses="CFSxx",
        calls="0 a#1",
        connections={"a->b": "taken", "a->c": "taken", "a->e": "taken", "c->d": "taken"},
        at=1,
    ),
    Golden(
        "R23",
        "CANCELLED is recorded after the last attempt has stopped; then everything is refused",
        chain(do("a")),
        {
            "steps": {"a": Raises(after=8, shielded=True)},
            "actions": [Cancel(AtTime(1)), Cancel(), Call("pause"), Signal("a"), Resume({"x": 1})],
        },
        status="CANCELLED",
        statuses="x",
        at=8,
        answers="arrrr",
    ),
    # ---- R24: compensation ----
    Golden(
        "R24",
        "in reverse order of completion, one at a time; one that fails does not stop the others",
        graph(
            do("a", compensate={"action": "undo", "parameters": {"id": "${a.id}"}}),
            do(
                "b", compensate={"action": "undo", "retry": {"max_attempts": 2, "initial_delay": 1}}
            ),
            do("c", compensate={"action": "undo", "timeout": 4}),
            do("d"),
        ),
        {
            "steps": {
                "a": R({"id": 7}, after=1),
                "b": R(after=3),
                "c": R(after=2),
                "d": Raises(after=5),
            },
            "compensations": {"a": R(after=1), "b": [NO, R(after=1)], "c": Hangs()},
        },
        status="FAILED",
        calls="0 a#1, 0 b#1, 0 c#1, 0 d#1, 5 b:compensate#1, 7 b:compensate#2, "
        "8 c:compensate#1, 12 a:compensate#1",
        parameters={"a:compensate#1": {"id": 7}, "c:compensate#1": {"output": None}},
        undone=["b", "a"],
        errors=["action.error d", "timeout.attempt c"],
        at=13,
    ),
    Golden(
        "R24",
        "a cancel does not stop it; a crash interrupts it, and it goes on",
        chain(do("a", compensate="undo"), do("b")),
        {
            "steps": {"b": NO},
            "compensations": {"a": R(after=5)},
            "actions": [Cancel(AtTime(3)), Crash(AtTime(4))],
        },
        status="FAILED",
        calls="0 a#1, 1 b#1, 2 a:compensate#1, 4 a:compensate#2",
        answers="aa",
        undone=["a"],
        at=9,
    ),
    Golden(
        "R24",
        "compensate_on says after which ends",
        chain(do("a", compensate="undo"), do("b"), compensate_on=["cancelled"]),
        {"steps": {"b": NO}},
        status="FAILED",
        undone=[],
        at=2,
    ),
    # ---- R25 to R27: requests ----
    Golden(
        "R25",
        "an input that does not fit the schema is rejected",
        chain(do("a"), input={"n": 1}, input_schema={"properties": {"n": {"maximum": 3}}}),
        {"input": {"n": 5}},
        status="InputRejected",
    ),
    Golden(
        "R25",
        "input only grows, and has to answer something",
        chain(do("a", parameters={"y": "${input.x.y}"})),
        {
            "input": {"x": {"z": 1}},
            "actions": [
                Resume({"x": {"z": 1, "y": 2}}),
                Resume({"x": 5}),
                Resume({"other": 1}),
                Resume(),
                Resume({"x": {"y": 2}, "more": 3}),
            ],
        },
        answers="rrrra",
        parameters={"a#1": {"y": 2}},
        at=1,
    ),
    Golden(
        "R26",
        "the first payload that fits is kept, before or while the step waits",
        chain(do("a"), {"id": "w", "type": "wait", "signal": "go", "schema": {"type": "integer"}}),
        {
            "actions": [
                Signal("go", "x", AtTime(0.2)),
                Signal("stop", 1, AtTime(0.3)),
                Signal("go", 1, AtTime(0.4)),
                Signal("go", 2, AtTime(0.5)),
            ]
        },
        answers="rrar",
        output={"w": 1},
        at=1,
    ),
    Golden(
        "R27",
        "after a pause nothing starts, skips go on, and what ends counts",
        graph(
            do("a"),
            do("b"),
            do("c", condition="false"),
            connections=["a->b", "a->c"],
        ),
        {
            "actions": [
                Call("pause", AtTime(0.5)),
                Call("pause", AtTime(0.6)),
                Call("resume", AtTime(5)),
            ]
        },
        statuses="CCS",
        calls="0 a#1, 5 b#1",
        answers="ara",
        at=6,
    ),
    Golden(
        "R27",
        "a pause delays no end",
        chain(do("a")),
        {"actions": [Call("pause", AtTime(0.5))]},
        at=1,
    ),
    Golden(
        "R27",
        "what was queued queues anew on the resume, together with what starts then",
        graph(do("a", parameters={"x": "${input.x}"}), do("b"), do("c"), max_concurrent_steps=1),
        {"actions": [Call("pause", AtTime(0.5)), Resume({"x": 1}, None, AtTime(3))]},
        calls="0 b#1, 3 a#1, 4 c#1",
        at=5,
    ),
    # ---- R28: children ----
    Golden(
        "R28",
        "the child's output is its step's, and its failure its step's",
        graph(
            {"id": "k", "type": "workflow", "workflow": "kid", "parameters": {"n": 3}},
            {
                "id": "l",
                "type": "workflow",
                "workflow": "kid",
                "parameters": {"n": 4},
                "continue_on_error": True,
            },
        ),
        {
            "workflows": {"kid": {"id": "kid", "steps": [do("p", parameters={"n": "${input.n}"})]}},
            "steps": {"k/p": R(9, after=2), "l/p": NO},
        },
        statuses="CF",
        calls="0 k/p#1, 0 l/p#1",
        parameters={"k/p#1": {"n": 3}},
        output={"k": {"p": 9}},
        at=2,
    ),
    Golden(
        "R28",
        "a cancel passes through, and the child undoes by its own document first",
        chain({"id": "k", "type": "workflow", "workflow": "kid"}, do("z")),
        {
            "workflows": {"kid": {"id": "kid", "steps": [do("p", compensate="undo"), do("q")]}},
            "steps": {"k/q": Hangs()},
            "actions": [Cancel(AtTime(3))],
        },
        status="CANCELLED",
        statuses="xx",
        calls="0 k/p#1, 1 k/q#1, 3 k/p:compensate#1",
        undone=["k/p"],
        at=4,
    ),
    Golden(
        "R28",
        "what a child waits for goes to the child",
        chain({"id": "k", "type": "workflow", "workflow": "kid"}),
        {
            "workflows": {"kid": {"id": "kid", "steps": [{"id": "w", "type": "wait"}]}},
            "actions": [Signal("w", 1), Signal("w", 1, to="k")],
        },
        answers="ra",
        output={"k": {"w": 1}},
        at=0,
    ),
    Golden(
        "R5",
        "of two connections that one resume decides the step behind them is looked at once",
        graph(
            do("a"),
            do("b"),
            do("c", join="all"),
            connections=[
                edge("a->c", condition="input.x > 1"),
                edge("b->c", condition="input.x > 1"),
            ],
        ),
        {"actions": [Resume({"x": 1})]},
        statuses="CCS",
        connections={"a->c": "dead", "b->c": "dead"},
        at=1,
    ),
    # ---- R29 to R31 ----
    Golden(
        "R29",
        "the default output has the completed steps that nothing leaves",
        graph(do("a"), do("b", parameters={"x": "${a?}"}), do("c"), do("d", condition="false")),
        {"steps": {"a": R(1), "b": R(2), "c": R(3)}},
        output={"b": 2, "c": 3},
    ),
    Golden(
        "R29",
        "a reference without a value in the output fails the execution, and it is undone",
        chain(do("a", compensate="undo"), output={"x": "${input.gone}"}),
        status="FAILED",
        statuses="C",
        errors=["reference.missing -"],
        undone=["a"],
        at=2,
    ),
    Golden(
        "R30",
        "a fork keeps what does not come after a step that runs again",
        graph(
            do("a"),
            do("b"),
            do("c", parameters={"x": "${b.n}", "k": "${input.k}"}),
            connections=["a->b"],
        ),
        {
            "input": {"k": 1},
            "steps": {"b": R({"n": 2})},
            "actions": [Call("fork", steps=["nobody"]), Call("fork", steps=["b"], input={"k": 5})],
        },
        calls="0 a#1, 1 b#1, 2 c#1, 3 b#1, 4 c#1",
        parameters={"c#1": {"x": 2, "k": 5}},
        answers="ra",
        at=5,
    ),
    Golden(
        "R30",
        "what failed unhandled runs again without being named; what was undone does, too",
        chain(do("a", compensate="undo"), do("b"), do("c", compensate="undo"), do("d")),
        {
            "steps": {"d": [Raises("no", after=1)]},
            "compensations": {"c": NO},
            "actions": [Call("fork")],
        },
        status="FAILED",
        calls="0 a#1, 1 b#1, 2 c#1, 3 d#1, 4 c:compensate#1, 5 a:compensate#1, "
        "6 a#1, 7 b#1, 8 c#1, 9 d#1, 10 c:compensate#1, 11 a:compensate#1",
        at=12,
    ),
    Golden(
        "R30",
        "what came after a step in the old document, and does not in the fork's, is kept",
        graph(do("a"), do("b"), connections=["a->b"]),
        {"actions": [Call("fork", steps=["a"], workflow=graph(do("a"), do("b")))]},
        calls="0 a#1, 1 b#1, 2 a#1",
        at=3,
    ),
    Golden(
        "R30",
        "what the fork's document lacks is missed, unless it came after what runs again",
        graph(do("a"), do("b"), do("c"), connections=["a->b"]),
        {
            "actions": [
                Call("fork", steps=["a"], workflow=graph(do("a"), do("b"))),
                Call("fork", steps=["a"], workflow=graph(do("a"), do("c"))),
            ]
        },
        calls="0 a#1, 0 c#1, 1 b#1, 2 a#1",
        answers="ra",
        at=3,
    ),
    Golden(
        "R30",
        "a tolerated step runs again if one of its items was undone",
        chain(
            do("a", for_each={"items": [1, 2]}, compensate="undo", continue_on_error=True),
            do("b"),
        ),
        {
            "steps": {"a[0]": R(after=0.5), "a[1]": NO, "b": NO},
            "actions": [Call("fork", steps=["b"])],
        },
        status="FAILED",
        calls="0 a[0]#1, 0 a[1]#1, 1 b#1, 2 a[0]:compensate#1, "
        "3 a[0]#1, 3 a[1]#1, 4 b#1, 5 a[0]:compensate#1",
        at=6,
    ),
    Golden(
        "R31",
        "a start that needs an action the engine lacks is refused, would it be called or not",
        chain(do("a"), do("b", condition="false", fallback="rescue")),
        {"lacks": ["rescue"]},
        status="UnknownAction",
    ),
)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("golden", GOLDENS, ids=str)
def test_oracle(golden: Golden) -> None:
    expected, _ = expect(golden.document, golden.scenario)

    golden.verify(expected.phases)


@pytest.mark.parametrize("golden", GOLDENS, ids=str)
def test_engine(golden: Golden) -> None:
    observed = trioflow.testing.run(play, golden.scenario)

    golden.verify(observed.phases)


@pytest.mark.parametrize("policy", ("cancel", "finish"))
@pytest.mark.parametrize(("limit", "defined"), ((2, False), (99, True)), ids=("queued", "at once"))
def test_whether_slots_are_given_between_two_facts_of_one_instant_is_left_open(
    limit: int, defined: bool, policy: str
) -> None:
    """R8: the first item that stops leaves its slot, the second one ends its step and the rest."""
    steps = do("a", for_each={"items": [1, 2]}, total_timeout=1), do("b")
    document = graph(*steps, on_failure=policy)
    scenario = Scenario(document, steps={"a": Hangs(), "b": R(after=5)}, limit=limit)

    _, facts = expect(document, scenario)

    assert defined == (not facts.ambiguous)


def test_json_both_ways() -> None:
    for golden in GOLDENS:
        expected, _ = expect(golden.document, golden.scenario)
        scenario = attrs.evolve(golden.scenario, expected=expected)

        assert scenario == Scenario.from_json(scenario.to_json())
        assert isinstance(scenario.expected, Expected)


def test_the_id_comes_from_what_it_is() -> None:
    one = Scenario(chain(do("a")), steps={"a": NO}, why="because")
    two = Scenario(chain(do("a")), steps={"a": [NO]}, actions=[])
    three = Scenario(chain(do("a")), actions=[Cancel(During("a"))])

    assert one.id == two.id == str(one)
    assert one.id != three.id
