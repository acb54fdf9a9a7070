"""Random stories about random documents, for the differential test.

A story can be told by Hypothesis, which finds the smallest one that fails, or from a number, which
is ten times faster.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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
    Expected,
    Facts,
    Hangs,
    Interrupt,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
    expect,
)
from harness.families._stories import END_OF_TIME

from .making import FEATURES, IDS, THEMES, Dice, Maker

MOST_FEATURES = 12


@attrs.frozen(repr=False)
class Story:
    """A scenario, and what the oracle says about it."""

    scenario: Scenario
    expected: Expected
    facts: Facts
    features: frozenset[str]

    def __repr__(self) -> str:
        return f"Scenario.from_json({json.dumps(self.scenario.to_json())})"

    @property
    def defined(self) -> bool:
        """Whether it proves anything."""
        # What happens in which order at one instant is not defined. And beyond some instant the
        # clock of the tests ends.
        return not self.facts.ambiguous and self.expected.last.elapsed < END_OF_TIME


@attrs.define(eq=False)
class Teller(Maker):
    """Tells one story."""

    avoided: frozenset[str] = frozenset()

    def behaviour(self) -> Any:
        after = self.seconds(0.4, 1, 1, 2)
        shielded = self.chance("shielded")
        if self.chance("hangs", 4):
            return Hangs()
        if self.chance("spoilt", 4):
            spoilt = self.one(("result.not_json", "result.too_large"))
            return Returns(None, after, spoilt, shielded)
        if self.chance("failures", 2):
            code = self.one((None, "odd", "odd.er"))
            return Raises("no", code, after, self.one((None, None, None, True, False)), shielded)
        return Returns({"n": self.one((1, 2, 3))}, after, None, shielded)

    def some_features(self) -> frozenset[str]:
        found = {self.one(FEATURES) for _ in range(self.below(MOST_FEATURES + 1))}
        if self.below(3) == 0:
            found |= set(self.one(THEMES))
        return frozenset(found) - self.avoided

    def story(self) -> Story | None:
        """Return a story, or None if the document has a fault."""
        self.features = self.some_features()
        document = self.document()
        workflows = self.kids() if "workflow" in self.features else {}
        if not all(map(_is_valid, (document, *workflows.values()))):
            return None
        ids = [step["id"] for step in document.get("steps") or document["nodes"]]
        input: dict[str, Any] = {"n": self.one((1, 2)), "list": [5, 6, 7]}
        if not workflows:
            input["list"] = self.one(([5, 6, 7], 5))
        if self.coin():
            input["late"] = 1
        scenario = Scenario(
            document,
            id="x",
            input=input,
            **self.scripts(ids, bool(workflows)),
            workflows=workflows,
            # With children there are slots enough: which of two executions queues first at one
            # instant is not defined.
            limit=self.one((1, 2, 5)) if "limit" in self.features and not workflows else 99,
        )
        instants = self.instants(scenario)
        scenario = attrs.evolve(scenario, actions=self.acts(ids, instants))
        return self.forked(self.answered(scenario))

    def scripts(self, ids: Sequence[str], children: bool) -> dict[str, Any]:
        names = [name for step in ids for name in (step, f"{step}[0]", f"{step}[1]")]
        names = names if "for_each" in self.features else list(ids)
        kids = [f"{name}/{step}" for name in names for step in IDS[:2]] if children else []
        return {
            kind: {
                step: [self.behaviour() for _ in range(self.one((1, 1, 2, 3)))]
                for step in [*names, *kids]
            }
            for kind in ("steps", "fallbacks", "compensations")
        }

    def kids(self) -> dict[str, Any]:
        """Two children, small ones, and none of their own."""
        self.without = frozenset({"workflow"})
        found = {}
        for name in ("kid", "other"):
            kid = self.document(count=1 + self.below(2))
            kid["id"] = name
            found[name] = kid
        self.without = frozenset()
        return found

    # ---- what is done to it ----

    def instants(self, scenario: Scenario) -> list[float]:
        """Return the instants between which things happen, if the acts are to be aimed."""
        if "aimed" not in self.features:
            return []
        expected, _ = expect(scenario.workflow, scenario)
        return sorted({at for phase in expected.phases for at, _ in phase.calls if at < 1e6})

    def acts(self, ids: Sequence[str], instants: Sequence[float]) -> list[Any]:
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
            if instants and self.coin():
                moment = AtTime(self.shortly_before(self.one(instants)))
            elif self.below(3) == 0:
                moment = During(self.one(ids), self.one((1, 1, 2)), self.one((0.21, 0.48, 0.83)))
            found.append(self.act(self.one(kinds), ids, moment))
        return found

    def shortly_before(self, instant: float) -> float:
        """Return when something is under way that will make this happen: a back-off, say."""
        self.ticks += 1
        return max(0.0313, round(instant - 0.0517 - 0.0001 * self.ticks**2, 4))

    def act(self, kind: str, ids: Sequence[str], moment: Any) -> Any:
        if kind == "cancel":
            return Cancel(moment, self.one((0.0, 0.0, None, self.seconds(0.4, 1))))
        if kind == "pause":
            return Call("pause", moment)
        if kind == "signals":
            return Signal(self.one(ids), {"n": 1}, moment)
        if kind == "resumes":
            return Resume({"later": 2} if self.coin() else None, None, moment)
        down = self.one((0.0, 0.0, self.seconds(0.5, 2, 5)))
        return Crash(moment, down) if kind == "crash" else Interrupt(moment, down)

    def answered(self, scenario: Scenario) -> Story:
        """Bring what the execution waits for, as often as it takes and somebody feels like it."""
        expected, facts = expect(scenario.workflow, scenario)
        for _ in range(4):
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
            expected, facts = expect(scenario.workflow, scenario)
        return Story(scenario, expected, facts, self.features)

    def forked(self, story: Story) -> Story:
        """Fork it once it has ended, also with another document, and see that to its end."""
        if "fork" not in self.features or story.facts.acts:
            return story
        document = story.scenario.workflow
        ids = [step["id"] for step in document.get("steps") or document["nodes"]]
        other = self.changed(document) if self.coin() else None
        act = Call(
            "fork",
            steps=[each for each in ids if self.below(3) == 0],
            input=self.one((None, {"n": 2}, {"late": 5})),
            workflow=other if other is not None and _is_valid(other) else None,
        )
        actions = [*story.scenario.actions, act]
        return self.answered(attrs.evolve(story.scenario, actions=actions))

    def changed(self, document: Any) -> dict[str, Any]:
        """Return a document like this one: a connection less, a step less or another type."""
        found: dict[str, Any] = json.loads(json.dumps(document))
        key = "steps" if "steps" in found else "nodes"
        step = self.one(found[key])
        fields = step if key == "steps" else step["config"]
        change = self.below(6)
        if change == 0 and found.get("connections"):
            found["connections"].remove(self.one(found["connections"]))
        elif change == 1:
            found[key].remove(step)
            found["connections"] = [
                edge
                for edge in found.get("connections", ())
                if step["id"] not in (edge["source"], edge["target"])
            ]
            if "connections" not in document:
                del found["connections"]
        elif change == 2:
            found[key][found[key].index(step)] = {"id": step["id"], "type": "trigger"}
        elif change == 3 and step.get("type") == "action":
            fields["output_schema"] = {"required": [self.one(("n", "nothing"))]}
        elif change == 4 and step.get("type") == "action":
            fields["continue_on_error"] = not fields.get("continue_on_error")
        elif step.get("type") == "action":
            found[key].append({"id": "z", "action": "do", "type": "action"})
            if key == "nodes":
                found[key][-1] = {"id": "z", "type": "action", "config": {"action": "do"}}
        return found


def _is_valid(document: Any) -> bool:
    try:
        trioflow.load_workflow(document)
    except trioflow.DefinitionError:
        return False
    return True


def _object(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")[1:]):
        value = {name: value}
    found: dict[str, Any] = value
    return found


# ---- by Hypothesis, and by numbers ----


@attrs.define(eq=False)
class _Drawn:
    draw: Any

    def below(self, end: int) -> int:
        found: int = self.draw(st.integers(0, end - 1))
        return found


@attrs.define(eq=False)
class _Thrown:
    chance: random.Random

    def below(self, end: int) -> int:
        return self.chance.randrange(end)


@st.composite
def stories(draw: Any, without: Iterable[str] = ()) -> Story:
    """A story that uses none of some features."""
    story = Teller(_Drawn(draw), avoided=frozenset(without)).story()
    return reject() if story is None else story


def story_of(number: int, without: Iterable[str] = ()) -> Story | None:
    """Return the story with this number, if its document has no fault."""
    dice: Dice = _Thrown(random.Random(number))
    return Teller(dice, avoided=frozenset(without)).story()


def kinds_of(story: Story) -> Iterator[str]:
    """Yield what a story exercises: its features, and what is done to it."""
    yield from story.features
    for act in story.scenario.actions:
        yield f"{type(act).__name__} {'at' if act.moment is None else type(act.moment).__name__}"
