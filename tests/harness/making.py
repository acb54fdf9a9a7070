"""Random documents for the differential test.

Swarm: each example may only use a random subset of the features, so that the rare ones are not
always drowned by the loud ones. All times are different from one another by odd milliseconds:
what happens in which order at one instant is not defined, and such examples prove nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import attrs

T = TypeVar("T")


class Dice(Protocol):
    """Where chance comes from."""

    def below(self, end: int) -> int:
        """Return a number from 0 to `end` - 1."""


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
    "fork",
    "aimed",
)

# Features that mean something together, and that chance alone seldom brings together.
THEMES = (
    ("retry", "failures", "on_exhausted", "pause", "resumes", "crash", "aimed"),
    ("continue_on_error", "failure edges", "edge conditions", "missing inputs", "failures"),
    ("failure edges", "edge conditions", "missing inputs", "failures", "resumes", "joins"),
    ("for_each", "failures", "failure edges", "edge conditions", "retry", "compensate"),
    ("for_each", "failures", "compensate", "cancel", "crash", "aimed", "limit"),
    ("for_each", "total_timeout", "timeout", "hangs", "shielded", "crash", "cancel"),
    ("shielded", "timeout", "total_timeout", "crash", "interrupt", "cancel", "compensate"),
    ("workflow", "crash", "interrupt", "pause", "cancel", "compensate", "failures"),
    ("fork", "failures", "compensate", "failure edges", "continue_on_error", "references"),
)

SHAPES = ("list", "sequence", "depends_on", "connections", "connections", "connections", "nodes")
IDS = ("a", "b", "c", "d", "e", "f")


@attrs.define(eq=False)
class Maker:
    """Makes one document, and what is needed beside it."""

    dice: Dice
    features: frozenset[str] = frozenset()
    ticks: int = 0
    without: frozenset[str] = frozenset()

    def below(self, end: int) -> int:
        return self.dice.below(end)

    def coin(self) -> bool:
        return self.dice.below(2) == 1

    def one(self, options: Sequence[T]) -> T:
        return options[self.dice.below(len(options))]

    def chance(self, feature: str, of: int = 3) -> bool:
        """Whether to use a feature now: one time in `of`, if the example may use it at all."""
        return feature in self.features and self.below(of) == 0

    def seconds(self, *bases: float) -> float:
        """Return a time that no other sum of times is likely to hit."""
        self.ticks += 1
        return round(self.one(bases) + 0.001 * (2 * self.ticks + 1) + 0.0001 * self.ticks**2, 4)

    # ---- documents ----

    def document(self, count: int = 0) -> dict[str, Any]:
        shape = self.one(SHAPES)
        count = count or 1 + self.below(5)
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
        if self.coin():
            found["multiplier"] = self.one((1, 1.7, 3))
        if self.chance("max_elapsed", 2):
            found["max_elapsed"] = self.seconds(1, 3, 6)
        if self.chance("on_exhausted", 2):
            found["on_exhausted"] = "pause"
        if self.below(5) == 0:
            found[self.one(("on", "not_on"))] = [self.one(("odd", "timeout.*", "o?d", "*"))]
        return found

    def step(self, ids: Sequence[str], index: int, shape: str) -> dict[str, Any]:
        step: dict[str, Any] = {"id": ids[index]}
        before = ids[:index]
        special = ("wait", "sleep", "trigger", "workflow")
        kinds = [each for each in special if each not in self.without and self.chance(each)]
        type_ = step["type"] = self.one(kinds) if kinds else "action"
        if shape == "depends_on":
            if index == 0 or self.coin():
                step["depends_on"] = [each for each in before if self.coin()]
        elif shape == "sequence":
            step["sequence_order"] = 1 + self.below(3)
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
        if self.below(10) == 0 and shape == "sequence":
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
            if self.coin():
                fallback["parameters"] = self.template(before, "references")
            if self.coin():
                fallback["timeout"] = self.seconds(0.7, 2)
            if self.coin():
                fallback["retry"] = {**self.retry(), "initial_delay": self.seconds(0.2, 1)}
                fallback["retry"].pop("on_exhausted", None)
            step["fallback"] = fallback

    def more_of_it(self, step: dict[str, Any], before: Sequence[str]) -> None:
        if self.chance("for_each", 2):
            items = self.one(("${input.list}", ["x", "y"], [{"k": 1}, {"k": 2}, {}], []))
            for_each = step["for_each"] = {"items": items}
            if self.coin():
                for_each["max_concurrent"] = self.one((1, 2))
            if self.coin():
                for_each["on_item_error"] = self.one(("fail", "continue"))
            if self.coin():
                # Nor items that fail before they start: it is not settled whether they do so while
                # their step is looked at, or after its group.
                item = self.one(("${item}", "${item_index}", "${item.k?}"))
                step["parameters"] = {**step.get("parameters", {}), "item": item}
        if self.chance("compensate", 1):
            undo: dict[str, Any] = {"action": "undo"}
            if self.coin():
                value = self.one(("${input.late}", f"${{{step['id']}.n}}", f"${{{step['id']}?}}"))
                undo["parameters"] = {"p": value}
            if self.coin():
                undo["timeout"] = self.seconds(0.7, 2)
            if self.coin():
                undo["retry"] = {"max_attempts": 2, "initial_delay": self.seconds(0.2, 1)}
            step["compensate"] = undo


def _as_node(step: dict[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in step.items() if key not in ("id", "type")}
    return {"id": step["id"], "type": step["type"], "config": config}
