"""Random workflows, each with a script of what its attempts return and what people answer.

A script says nothing about *when*: that is what a schedule chooses. Whatever would make an outcome
depend on timing by the rules themselves is made only where a case says so: `first` (a step that
sees what has ended) and `timed` (something can time out). `rich` cases have what the reference
model does not know: steps with `for_each`, child executions, and undoing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import attrs

from trioflow.definitions._documents import load_workflow
from trioflow.definitions._model import Workflow

# Three quarters of the inputs are there from the start; the others are brought when asked for.
INPUTS = ("k0", "k1", "k2", "k3")
CODES = ("boom", "http.503", "result.odd")
DECISIONS = ("retry", "failed", {"completed": {"n": 7, "s": "x"}})
SCHEMA = {"type": "object", "required": ["n"]}


@attrs.frozen
class Case:
    """A document, and all that is not in it."""

    document: Mapping[str, Any]
    # For each step, and for its fallback (``id:fallback``), what its attempts come to: an output
    # or the code of a failure. The last entry counts for all further attempts.
    outcomes: Mapping[str, Sequence[Any]]
    decisions: Mapping[str, Sequence[Any]]
    payloads: Mapping[str, Any]
    input: Mapping[str, Any]
    values: Mapping[str, Any]
    first: bool
    timed: bool
    rich: bool

    def workflow(self, on_failure: str) -> Workflow:
        return load_workflow({**self.document, "on_failure": on_failure})


def make_case(
    random: Random, *, first: bool = False, timed: bool = False, rich: bool = False
) -> Case:
    """Make a case. With `first`, `timed` and `rich` it *may* have such steps."""
    return _Maker(random, first, timed, rich).make()


@attrs.define
class _Maker:
    random: Random
    first: bool
    timed: bool
    rich: bool

    def make(self) -> Case:
        random = self.random
        size = random.randint(2, 9)
        shape = random.choice(["connections"] * 6 + ["depends_on"] * 2 + ["numbers", "list"])
        ids = [f"s{index}" for index in range(size)]
        steps = [self._step(ids[:index], step_id) for index, step_id in enumerate(ids)]
        document: dict[str, Any] = {"id": "w", "steps": steps}
        if shape == "connections":
            document["connections"] = self._connections(ids, steps)
        elif shape == "depends_on":
            for index, step in enumerate(steps):
                step["depends_on"] = self._some(ids[:index], 2)
        elif shape == "numbers":
            number = 0
            for step in steps:
                # References only look back, so numbers never fall.
                number += random.choice((0, 0, 1, 2))
                step["sequence_order"] = number
        if shape in ("connections", "depends_on"):
            for step in steps:
                if random.random() < 0.4:
                    joins = ("all", "any", "first") if self.first else ("all", "any")
                    step["join"] = random.choice(joins)
        if self.rich:
            self._riches(document)
        if self.timed and random.random() < 0.3:
            document["timeout"] = random.choice((3, 10, 40))
        values = {key: random.randint(0, 9) for key in INPUTS}
        return Case(
            document,
            {
                name: [self._outcome() for _ in range(3)]
                for step_id in ids
                for name in (step_id, f"{step_id}:fallback")
            },
            {step_id: [random.choice(DECISIONS) for _ in range(2)] + ["failed"] for step_id in ids},
            {step_id: self._output() for step_id in ids},
            {key: value for key, value in values.items() if random.random() < 0.75},
            values,
            any(step.get("join") == "first" for step in steps),
            self.timed,
            self.rich,
        )

    def _some(self, ids: Sequence[str], most: int) -> list[str]:
        return self.random.sample(ids, self.random.randint(0, min(most, len(ids))))

    def _output(self) -> dict[str, Any]:
        random = self.random
        output: dict[str, Any] = {"n": random.randint(0, 9), "s": random.choice("xy")}
        if random.random() < 0.1:
            del output["n"]
        return output

    def _outcome(self) -> Any:
        return self.random.choice(CODES) if self.random.random() < 0.35 else self._output()

    def _step(self, earlier: Sequence[str], step_id: str) -> dict[str, Any]:
        random = self.random
        kinds = ["action"] * 14 + ["trigger", "sleep", "wait", "wait"]
        kind = random.choice(kinds + ["workflow"] * 4 if self.rich else kinds)
        step: dict[str, Any] = {"id": step_id, "type": kind}
        if kind == "action":
            step["action"] = "work"
            self._action(earlier, step)
        elif kind == "workflow":
            step["workflow"] = "child"
        elif kind == "sleep":
            chosen = random.randint(1, 3)
            step["duration"] = chosen if chosen < 3 else self._reference(earlier)
        if self.timed and kind in ("action", "wait") and random.random() < 0.4:
            step["total_timeout"] = random.choice((1, 2, 5, 20))
        if random.random() < 0.2:
            step["condition"] = self._condition(earlier)
        if random.random() < 0.15:
            step["continue_on_error"] = True
        return step

    def _action(self, earlier: Sequence[str], step: dict[str, Any]) -> None:
        random = self.random
        if random.random() < 0.25:
            names = ("p", "q")[: random.randint(1, 2)]
            step["parameters"] = {name: self._reference(earlier) for name in names}
        if random.random() < 0.2:
            step["output_schema"] = SCHEMA
        if random.random() < 0.3:
            step["retry"] = self._retry()
        if random.random() < 0.2:
            fallback: dict[str, Any] = {"action": "other"}
            if random.random() < 0.5:
                fallback["parameters"] = {"p": self._reference(earlier, inputs=False)}
            if random.random() < 0.3:
                fallback["retry"] = 2
            step["fallback"] = fallback

    def _riches(self, document: dict[str, Any]) -> None:
        """Add undoing, and items to steps into whose output nobody looks."""
        random = self.random
        text = json.dumps(document)
        asked = {each["source"] for each in document.get("connections", ()) if "condition" in each}
        for step in document["steps"]:
            if step["type"] not in ("action", "workflow"):
                continue
            if random.random() < 0.4 and step["id"] not in asked and f"{step['id']}.n" not in text:
                step["for_each"] = self._items()
                step["parameters"] = {**step.get("parameters", {}), "n": "${item.n}"}
            if random.random() < 0.4:
                step["compensate"] = {"action": "undo", "retry": random.randint(1, 2)}
                if random.random() < 0.2:
                    step["compensate"]["parameters"] = {"x": "${input.nowhere}"}

    def _items(self) -> dict[str, Any]:
        random = self.random
        items: list[dict[str, int]] = [{"n": n} for n in range(random.randint(0, 4))]
        if items and random.random() < 0.2:
            items[random.randrange(len(items))] = {}
        for_each: dict[str, Any] = {"items": items}
        if random.random() < 0.5:
            for_each["max_concurrent"] = random.randint(1, 3)
        # Which of several items fails first, and so gives the step its code, is a matter of timing.
        if not (self.first or self.timed) or random.random() < 0.4:
            for_each["on_item_error"] = "continue"
        return for_each

    def _retry(self) -> Any:
        random = self.random
        retry: dict[str, Any] = {
            "max_attempts": random.randint(1, 3),
            "initial_delay": random.choice((0.5, 2)),
            "jitter": random.choice(("none", "full")),
        }
        if random.random() < 0.3:
            retry["on"] = [random.choice(("http.*", "*"))]
        if random.random() < 0.3:
            retry["not_on"] = ["boom"]
        if random.random() < 0.3:
            retry["on_exhausted"] = "pause"
        return retry

    def _reference(self, earlier: Sequence[str], *, inputs: bool = True) -> str:
        random = self.random
        if earlier and (not inputs or random.random() < 0.6):
            step = random.choice(earlier)
            return random.choice((f"${{{step}.n}}", f"${{{step}.n?}}", f"${{steps.{step}.status}}"))
        return f"${{input.{random.choice(INPUTS)}}}" if inputs else "constant"

    def _condition(self, earlier: Sequence[str]) -> str:
        random = self.random
        key = random.choice(INPUTS)
        if not earlier or random.random() < 0.3:
            return random.choice((f"input.{key} > 4", f"input.{key} < 9", "input.k0 == 'x'"))
        step = random.choice(earlier)
        return random.choice(
            (
                f"${{{step}.n}} > 4",
                f"exists({step}.n)",
                f"steps.{step}.status == 'COMPLETED'",
                f"steps.{step}.status != 'SKIPPED' and input.{key} < 8",
                f"exists({step}.n) and {step}.n < 8 or input.{key} > 5",
            )
        )

    def _connections(
        self, ids: Sequence[str], steps: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        random = self.random
        connections: list[dict[str, Any]] = []
        defaults: set[tuple[str, str]] = set()
        for index in range(1, len(ids)):
            for source in self._some(ids[:index], 3):
                on = random.choice(("success",) * 5 + ("failure", "failure", "always"))
                found: dict[str, Any] = {"source": source, "target": ids[index], "on": on}
                chosen = random.random()
                if chosen < 0.4:
                    found["condition"] = self._connection_condition(source, on)
                elif chosen < 0.55 and (source, on) not in defaults:
                    defaults.add((source, on))
                    found["default"] = True
                connections.append(found)
                if random.random() < 0.1:
                    twin = {
                        "source": source,
                        "target": ids[index],
                        "on": random.choice(("failure", "always")),
                    }
                    connections.append(twin)
        if random.random() < 0.1:
            step = random.choice(steps[1:])
            step["depends_on"] = [random.choice(ids[: ids.index(step["id"])])]
            step["join"] = random.choice(("all", "any"))
        random.shuffle(connections)
        return connections

    def _connection_condition(self, source: str, on: str) -> str:
        random = self.random
        key = random.choice(INPUTS)
        conditions = ["n > 4", "s == 'x'", "n == 3 or s == 'y'", f"input.{key} > 3", "s > 3"]
        conditions += ["n > 2", "exists(n)", f"exists(n) and n > input.{key}"]
        if on != "success":
            conditions += [f"steps.{source}.error.code == 'boom'", f"steps.{source}.attempts > 0"]
        return random.choice(conditions)
