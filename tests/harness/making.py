"""Random documents, and random stories about them, for the differential test.

Swarm: each example may only use a random subset of the features, so that the rare ones are not
always drowned by the loud ones. All times are different from one another by odd milliseconds:
what happens in which order at one instant is not defined, and such examples prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import attrs
from hypothesis import reject
from hypothesis import strategies as st

import trioflow
from harness import (
    AtTime,
    Call,
    Cancel,
    Crash,
    During,
    Hangs,
    Interrupt,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
    expect,
)

T = TypeVar("T")

# What an example may use.
FEATURES = (
    "edge conditions",
    "failure edges",
    "defaults",
    "step conditions",
    "joins",
    "missing inputs",
    "references",
    "failures",
    "hangs",
    "shielded",
    "spoilt",
    "retry",
    "max_elapsed",
    "timeout",
    "total_timeout",
    "execution timeout",
    "fallback",
    "on_exhausted",
    "on_crash",
    "continue_on_error",
    "on_failure",
    "wait",
    "sleep",
    "trigger",
    "schemas",
    "output",
    "limit",
    "cancel",
    "pause",
    "signals",
    "resumes",
    "crash",
    "interrupt",
    "for_each",
    "compensate",
    "workflow",
)

SHAPES = ("list", "sequence", "depends_on", "connections", "connections", "connections", "nodes")
IDS = ("a", "b", "c", "d", "e", "f")


@attrs.define(eq=False)
class Maker:
    """Draws one example."""

    draw: Any
    features: frozenset[str] = frozenset()
    ticks: int = 0
    without: frozenset[str] = frozenset()
    avoided: frozenset[str] = frozenset()

    def one(self, options: Sequence[T]) -> T:
        found: T = self.draw(st.sampled_from(options))
        return found

    def chance(self, feature: str, of: int = 3) -> bool:
        """Whether to use a feature now: one time in `of`, if the example may use it at all."""
        return feature in self.features and self.draw(st.integers(0, of - 1)) == 0

    def seconds(self, *bases: float) -> float:
        """Return a time that no other sum of times is likely to hit."""
        self.ticks += 1
        return round(self.one(bases) + 0.001 * (2 * self.ticks + 1) + 0.0001 * self.ticks**2, 4)

    # ---- documents ----

    def document(self, count: int = 0) -> dict[str, Any]:
        shape = self.one(SHAPES)
        count = count or self.draw(st.integers(1, 5))
        ids = IDS[:count]
        steps = [self.step(ids, index, shape) for index in range(count)]
        document: dict[str, Any] = {"id": "w"}
        if shape == "nodes":
            document["nodes"] = [_as_node(step) for step in steps]
        else:
            document["steps"] = steps
        if shape in ("connections", "nodes"):
            document["connections"] = self.connections(ids)
            for step in steps:
                into = [each for each in document["connections"] if each["target"] == step["id"]]
                if into and self.chance("joins", 2):
                    step["join"] = self.one(("all", "any", "first"))
            if shape == "nodes":
                document["nodes"] = [_as_node(step) for step in steps]
        if self.chance("compensate", 4):
            document["compensate_on"] = [self.one(("failed", "cancelled"))]
        if "on_failure" in self.features:
            document["on_failure"] = self.one(("cancel", "finish", "continue"))
        if self.chance("execution timeout", 2):
            document["timeout"] = self.seconds(2, 5, 9)
        if self.chance("limit", 2):
            document["max_concurrent_steps"] = self.one((1, 2, 9))
        if self.chance("retry"):
            document["retry"] = self.retry()
        if self.chance("output", 2):
            document["output"] = self.template(ids, "output")
            if self.chance("schemas"):
                document["output_schema"] = {"required": [self.one(("v", "nothing"))]}
        return document

    def connections(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        defaults: set[tuple[str, str]] = set()
        for index in range(1, len(ids)):
            for source in ids[:index]:
                for _ in range(self.one((0, 1, 1, 2)) if index < 3 else self.one((0, 1, 1))):
                    edge = {"source": source, "target": ids[index]}
                    if self.chance("failure edges", 2):
                        edge["on"] = self.one(("failure", "always", "success"))
                    place = source, edge.get("on", "success")
                    if self.chance("defaults", 4) and place not in defaults:
                        defaults.add(place)
                        found.append({**edge, "default": True})
                        continue
                    if self.chance("edge conditions", 2):
                        edge["condition"] = self.condition([source])
                    found.append(edge)
        return found

    def condition(self, steps: Sequence[str]) -> str:
        """A condition over the input and what these steps have returned."""
        options = ["input.n > 1", "input.n == 1", "true", "false", "exists(input.late)"]
        for step in steps:
            options += [
                f"{step}.n > 1",
                f"{step}.n < 2",
                f"steps.{step}.status == 'COMPLETED'",
                f"steps.{step}.error.code == 'odd'",
                f"steps.{step}.attempts > 1",
                f"exists({step}.n) and {step}.n != 3",
            ]
        if "missing inputs" in self.features:
            options += ["input.late > 1", "input.later == 1 or input.n == 1", "input.x.y < 2"]
        if self.chance("failures"):
            options += ["input.n < 'x'", "input.n.x == 1"]
        return self.one(options)

    def template(self, before: Sequence[str], feature: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "missing inputs" in self.features and self.chance("missing inputs"):
            found["late"] = self.one(("${input.late}", "${input.x.y}", "${input.later?}"))
        if before and (feature == "output" or self.chance(feature)):
            step = self.one(before)
            found["v"] = self.one(
                (
                    f"${{{step}.n}}",
                    f"${{{step}.n?}}",
                    f"got ${{{step}.n?}} of ${{steps.{step}.status}}",
                    f"${{steps.{step}.attempts}}",
                    f"${{{step}?}}",
                )
            )
        return found

    def retry(self) -> dict[str, Any]:
        found: dict[str, Any] = {"max_attempts": self.one((1, 2, 3))}
        found["initial_delay"] = self.seconds(0.3, 1, 2)
        if self.draw(st.booleans()):
            found["multiplier"] = self.one((1, 1.7, 3))
        if self.chance("max_elapsed", 2):
            found["max_elapsed"] = self.seconds(1, 3, 6)
        if self.chance("on_exhausted", 2):
            found["on_exhausted"] = "pause"
        if self.draw(st.integers(0, 4)) == 0:
            found[self.one(("on", "not_on"))] = [self.one(("odd", "timeout.*", "o?d", "*"))]
        return found

    def step(self, ids: Sequence[str], index: int, shape: str) -> dict[str, Any]:
        step: dict[str, Any] = {"id": ids[index]}
        before = ids[:index]
        special = ("wait", "sleep", "trigger", "workflow")
        kinds = [each for each in special if each not in self.without and self.chance(each)]
        type_ = step["type"] = self.one(kinds) if kinds else "action"
        if shape == "depends_on":
            if index == 0 or self.draw(st.booleans()):
                step["depends_on"] = [each for each in before if self.draw(st.booleans())]
        elif shape == "sequence":
            step["sequence_order"] = self.draw(st.integers(1, 3))
        if self.chance("step conditions"):
            step["condition"] = self.condition(before if self.chance("references", 1) else ())
        if self.chance("continue_on_error"):
            step["continue_on_error"] = True
        if type_ == "sleep":
            step["duration"] = self.seconds(0.5, 1, 3)
            if self.chance("missing inputs"):
                step["duration"] = "${input.nap}"
        elif type_ == "wait":
            if self.chance("schemas"):
                step["schema"] = {"type": "object"}
        elif type_ == "action":
            self.action(step, before)
        elif type_ == "workflow":
            step["workflow"] = self.one(("kid", "kid", "other"))
            step["parameters"] = {"n": 1, **self.template(before, "references")}
        if type_ in ("action", "workflow"):
            self.more_of_it(step, before)
        if type_ in ("wait", "action", "workflow") and self.chance("total_timeout"):
            step["total_timeout"] = self.seconds(1, 3, 6)
        if self.draw(st.integers(0, 9)) == 0 and shape == "sequence":
            step["sequence_order"] = 1
        return step

    def action(self, step: dict[str, Any], before: Sequence[str]) -> None:
        step["action"] = "do"
        parameters = self.template(before, "references")
        if parameters:
            step["parameters"] = parameters
        if self.chance("retry", 2):
            step["retry"] = self.retry()
        if self.chance("timeout", 2):
            step["timeout"] = self.seconds(0.7, 1, 2)
        if self.chance("on_crash", 2):
            step["on_crash"] = self.one(("retry", "fail", "pause"))
        if self.chance("schemas"):
            step["output_schema"] = {"required": ["n"], "properties": {"n": {"maximum": 2}}}
        if self.chance("schemas", 5):
            step["input_schema"] = {"properties": {"v": {"type": "integer"}}}
        if self.chance("fallback", 2):
            fallback: dict[str, Any] = {"action": "do"}
            if self.draw(st.booleans()):
                fallback["parameters"] = self.template(before, "references")
            if self.draw(st.booleans()):
                fallback["timeout"] = self.seconds(0.7, 2)
            if self.draw(st.booleans()):
                fallback["retry"] = {**self.retry(), "initial_delay": self.seconds(0.2, 1)}
                fallback["retry"].pop("on_exhausted", None)
            step["fallback"] = fallback

    def more_of_it(self, step: dict[str, Any], before: Sequence[str]) -> None:
        if self.chance("for_each", 2):
            items = self.one(("${input.list}", ["x", "y"], [{"k": 1}, {"k": 2}, {}], []))
            for_each = step["for_each"] = {"items": items}
            if self.draw(st.booleans()):
                for_each["max_concurrent"] = self.one((1, 2))
            if self.draw(st.booleans()):
                for_each["on_item_error"] = self.one(("fail", "continue"))
            if self.draw(st.booleans()):
                # Nor items that fail before they start: it is not settled whether they do so while
                # their step is looked at, or after its group.
                item = self.one(("${item}", "${item_index}", "${item.k?}"))
                step["parameters"] = {**step.get("parameters", {}), "item": item}
        if self.chance("compensate", 1):
            undo: dict[str, Any] = {"action": "undo"}
            if self.draw(st.booleans()):
                value = self.one(("${input.late}", f"${{{step['id']}.n}}", f"${{{step['id']}?}}"))
                undo["parameters"] = {"p": value}
            if self.draw(st.booleans()):
                undo["timeout"] = self.seconds(0.7, 2)
            if self.draw(st.booleans()):
                undo["retry"] = {"max_attempts": 2, "initial_delay": self.seconds(0.2, 1)}
            step["compensate"] = undo

    # ---- stories ----

    def behaviour(self) -> Any:
        after = self.seconds(0.4, 1, 1, 2)
        # An engine that is left waits for what it cannot stop; how long is no rule.
        shielded = self.chance("shielded") and not self.features & {"crash", "interrupt"}
        if self.chance("hangs", 4):
            return Hangs()
        if self.chance("spoilt", 4):
            spoilt = self.one(("result.not_json", "result.too_large"))
            return Returns(None, after, spoilt, shielded)
        if self.chance("failures", 2):
            code = self.one((None, "odd", "odd.er"))
            return Raises("no", code, after, self.one((None, None, None, True, False)), shielded)
        return Returns({"n": self.one((1, 2, 3))}, after, None, shielded)

    def scenario(self) -> tuple[Scenario, Any]:
        features = self.draw(st.frozensets(st.sampled_from(FEATURES), max_size=12))
        self.features = features - self.avoided
        document = self.document()
        workflows = self.kids() if "workflow" in self.features else {}
        try:
            for each in (document, *workflows.values()):
                trioflow.load_workflow(each)
        except trioflow.DefinitionError:
            reject()
        ids = [step["id"] for step in document.get("steps") or document["nodes"]]
        input: dict[str, Any] = {"n": self.one((1, 2)), "list": [5, 6, 7]}
        if not workflows:
            input["list"] = self.one(([5, 6, 7], 5))
        if self.draw(st.booleans()):
            input["late"] = 1
        scripts: list[dict[str, Any]] = [{}, {}, {}]
        names = [name for step in ids for name in (step, f"{step}[0]", f"{step}[1]")]
        names = names if "for_each" in self.features else ids
        kids = [f"{name}/{step}" for name in names for step in IDS[:2]] if workflows else []
        for script in scripts:
            for step in [*names, *kids]:
                count = self.one((1, 1, 2, 3))
                script[step] = [self.behaviour() for _ in range(count)]
        scenario = Scenario(
            document,
            id="x",
            input=input,
            steps=scripts[0],
            fallbacks=scripts[1],
            compensations=scripts[2],
            workflows=workflows,
            actions=self.acts(ids),
            # With children there are slots enough: which of two executions queues first at one
            # instant is not defined.
            limit=self.one((1, 2, 5)) if "limit" in self.features and not workflows else 99,
        )
        return self.answered(scenario)

    def kids(self) -> dict[str, Any]:
        """Two children, small ones, and none of their own."""
        self.without = frozenset({"workflow"})
        found = {}
        for name in ("kid", "other"):
            kid = self.document(count=self.draw(st.integers(1, 2)))
            kid["id"] = name
            found[name] = kid
        return found

    def acts(self, ids: Sequence[str]) -> list[Any]:
        found = []
        for _ in range(self.one((0, 1, 1, 2, 3))):
            kinds = [
                each
                for each in ("cancel", "pause", "signals", "resumes", "crash", "interrupt")
                if each in self.features
            ]
            if not kinds:
                break
            moment: Any = AtTime(self.seconds(0.1, 0.6, 1.1, 1.9, 3.3, 6))
            if self.one((False, False, True)):
                moment = During(self.one(ids), self.one((1, 1, 2)), self.one((0.21, 0.48, 0.83)))
            found.append(self.act(self.one(kinds), ids, moment))
        return found

    def act(self, kind: str, ids: Sequence[str], moment: Any) -> Any:
        if kind == "cancel":
            return Cancel(moment, self.one((0.0, 0.0, None, self.seconds(0.4, 1))))
        if kind == "pause":
            return Call("pause", moment)
        if kind == "signals":
            return Signal(self.one(ids), {"n": 1}, moment)
        if kind == "resumes":
            return Resume({"later": 2} if self.draw(st.booleans()) else None, None, moment)
        down = self.one((0.0, 0.0, self.seconds(0.5, 2, 5)))
        return Crash(moment, down) if kind == "crash" else Interrupt(moment, down)

    def answered(self, scenario: Scenario) -> tuple[Scenario, Any]:
        """Bring what the execution waits for, as often as it takes and somebody feels like it."""
        found = expect(scenario.workflow, scenario)
        for _ in range(4):
            expected, facts = found
            if facts.acts or expected.last.status != "PAUSED" or not expected.last.waiting_for:
                break
            kind, name, where = self.one(expected.last.waiting_for)
            to, _, where = where.rpartition("/")
            answer: Any = Call("resume", to=to)
            if kind == "input":
                answer = Resume(_object(name, self.one((1, 2, 1.5, "x"))), to=to)
            elif kind == "signal":
                answer = Signal(name, self.one(({"n": 1}, {"n": 1}, 5)), to=to)
            elif kind == "decision":
                decision: Any = self.one(("retry", "failed", {"completed": {"n": 2}}))
                answer = Resume(None, {where: decision}, to=to)
            scenario = attrs.evolve(scenario, actions=[*scenario.actions, answer])
            found = expect(scenario.workflow, scenario)
        return scenario, found


def _object(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")[1:]):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def _as_node(step: dict[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in step.items() if key not in ("id", "type")}
    return {"id": step["id"], "type": step["type"], "config": config}


@st.composite
def stories(draw: Any, without: Iterable[str] = ()) -> tuple[Scenario, Any]:
    """A scenario, and what the oracle says about it: (expected, facts)."""
    return Maker(draw, avoided=frozenset(without)).scenario()
