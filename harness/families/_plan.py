"""What a suite is made of: the story in which all goes well, and the way to every step.

A `Plan` belongs to one document. Its stories are scenarios without an expectation yet: the data
that the schemas and references ask for, and what has to happen so that a step is reached.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import attrs

from harness._built_in import calls_fail, raised_at
from harness._scenario import (
    Act,
    Behaviour,
    Call,
    Expected,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
    next_act,
)
from harness.families._raising import guards, is_possible
from harness.families._solving import assigned, count_items, solve
from harness.families._stories import MOST_ATTEMPTS, Draft, Story
from harness.families._values import default_input, default_outputs, items_for
from harness.families._ways import Need, Ways
from harness.oracle._document import Document, Edge, Graph, Step, read_document
from harness.oracle._predict import Facts, expect, predict, predict_on

# What an execution waits for is brought at most so often: a decision to retry may go on for ever.
_MOST_ANSWERS = 12
# A way that needs more attempts than this is not looked for.
_MOST_WAYS = 40
_MOST_REMEMBERED = 64
# Children of children are looked into so deep.
_DEEPEST = 3
# From so many attempts on some of them would end at the same millisecond.
_MANY = 40
# Slots of an engine, if the usual ones are too few for the executions that run side by side.
_WIDER = (10, 20, 50, 100, 200)
NO = Raises("no", "odd")
_NOTHING = object()


def milliseconds(name: str, parts: int = 1) -> float:
    """Return from 0.001 to 0.487, by the name: what else there is changes nothing."""
    digest = hashlib.sha256(name.encode()).digest()
    return (1 + int.from_bytes(digest[:4], "big") % (487 * parts)) / (1000 * parts)


@attrs.define(eq=False, slots=False)
class Plan:
    """A document with its data. `place` is where a child stands: ``ship/``."""

    document: Document
    workflows: Mapping[str, Document] = attrs.field(factory=dict)
    place: str = ""
    # Into how many parts a millisecond is divided; by default as its size asks for.
    _parts: int = 0
    _ways: dict[str, Story | None] = attrs.field(factory=dict)
    _edges: dict[tuple[str, bool], Story | None] = attrs.field(factory=dict)
    # By what they need: all ways out of a step that fails are one story.
    _needs: dict[tuple[tuple[str, ...], str], Story | None] = attrs.field(factory=dict)
    # By the step that fails: the draft, and what is undone because of it (see `undone_by`).
    undoing: dict[str, tuple[Draft, frozenset[str]]] = attrs.field(factory=dict)
    # By family: the cases that cannot be, because `fail` never returns, and their levels.
    impossible: dict[str, dict[str, int]] = attrs.field(factory=dict)
    # What was told last: families ask how a draft ends, and yield it then.
    _told: dict[int, Story] = attrs.field(factory=dict)

    @cached_property
    def graph(self) -> Graph:
        """The document as a graph."""
        return read_document(self.document)

    @cached_property
    def ways(self) -> Ways:
        """The ways through it."""
        return Ways(self.graph)

    @property
    def steps(self) -> Sequence[Step]:
        """The steps, in the order of the document."""
        return tuple(self.graph.steps.values())

    @cached_property
    def children(self) -> Mapping[str, Plan]:
        """The plans of the children that its steps start; not of those below the third level."""
        if self.place.count("/") >= _DEEPEST:
            return {}
        return {
            step.id: Plan(found, self.workflows, f"{self.place}{step.id}/", self.parts)
            for step in self.steps
            if step.type == "workflow"
            and (found := self._document_of(str(step.fields["workflow"]))) is not None
        }

    @cached_property
    def calls_fail(self) -> bool:
        """Whether anything in it calls `fail`; in its children, too."""
        return calls_fail([self.document, *self.workflows.values()])

    def can_be(self, draft: Draft) -> bool:
        """Whether no call of `fail` does in it what it never does."""
        return not self.calls_fail or is_possible(draft.scenario)

    def _document_of(self, name: str) -> Document | None:
        return self.document if name == self.document["id"] else self.workflows.get(name)

    @cached_property
    def parts(self) -> int:
        """Into how many parts a ms is divided, so that among many attempts no two end together."""
        return self._parts or (1 if self._size(self.document, 0) <= _MANY else 100)

    def _size(self, document: Document, depth: int) -> int:
        """Return how many attempts it takes if all goes well, those of children and items too."""
        size = 0
        for step in read_document(document).steps.values():
            child = self._document_of(str(step.fields.get("workflow")))
            deeper = child is not None and step.type == "workflow" and depth < _DEEPEST
            inner = self._size(child, depth + 1) if deeper and child is not None else 1
            size += inner * (1 if step.for_each is None else self.items(step))
        return size

    # ---- data ----

    @cached_property
    def input(self) -> dict[str, Any]:
        """An input that answers everything, without what the document's own defaults say."""
        return self._data[0]

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """What the attempts of action steps return (of items, each), and payloads of waits."""
        return self._data[1]

    @cached_property
    def _data(self) -> tuple[dict[str, Any], dict[str, Any]]:
        usual = default_input(self.graph, self._children_inputs)
        outputs = default_outputs(self.graph, self._children_inputs)
        if not self.calls_fail:
            return usual, outputs
        # Usually nothing is as it must be for a step to end all of it on purpose.
        defaults = self.document.get("input") or {}
        whole, need, values = {**defaults, **usual}, Need(), dict[Any, Any]()
        for guard in guards(self.graph):
            more = attrs.evolve(need, conditions=(*need.conditions, guard))
            found = solve(self.graph, more, whole, outputs)
            if found is not None:
                need, values = more, found
        whole, outputs = assigned(self.graph, whole, outputs, values)
        kept = {
            key: each for key, each in whole.items() if key not in defaults or each != defaults[key]
        }
        return kept, outputs

    @cached_property
    def _children_inputs(self) -> dict[str, Any]:
        return {
            step: {**(plan.document.get("input") or {}), **plan.input}
            for step, plan in self.children.items()
        }

    def seconds(self, name: str) -> float:
        """Return how long an attempt takes: a second and some ms of its own, or what it may."""
        step = self.graph.steps[name.partition("[")[0].partition(":")[0]]
        limits = [step.total_timeout, self.graph.timeout]
        limits.append(None if step.call is None else step.call.timeout)
        if name.endswith(":fallback") and step.fallback is not None:
            limits.append(step.fallback.timeout)
        shortest = min((each for each in limits if each is not None), default=9.0)
        usual = 1 + milliseconds(self.place + name, self.parts)
        return usual if usual < 0.7 * shortest else round(usual * 0.4 * shortest, 6)

    def returns(self, name: str, output: Any = None, after: float | None = None) -> Returns:
        """Return an attempt that goes well; by default with the usual output, as long as usual."""
        step = name.partition("[")[0].partition(":")[0]
        output = self.outputs.get(step, {}) if output is None else output
        return Returns(output, self.seconds(name) if after is None else after)

    def raises(self, name: str) -> Raises | None:
        """Return what an attempt does that never returns, whatever happens: one of `fail`."""
        if not self.calls_fail:
            return None
        raised = raised_at(self.document, self.workflows, name)
        if raised is None:
            return None
        message, code, retryable = raised
        # Those of children have been told already how long theirs take.
        after = 1.0 if "/" in name or ":compensate" in name else self.seconds(name)
        return Raises(message, code, after, retryable)

    def usual(self, name: str, output: Any = None) -> Returns | Raises:
        """Return what an attempt does if all goes well: it returns, unless it calls `fail`."""
        return self.raises(name) or self.returns(name, output)

    def fails(self, name: str, code: str | None = "odd", message: str = "no") -> Raises:
        """Return an attempt that fails after as long as usual: with this code, if it may."""
        raised = self.raises(name) if code is not None else None
        return raised or Raises(message, code, self.seconds(name))

    def items(self, step: Step) -> int:
        """Return how many items the step is going to have, as far as that can be known before."""
        found = (step.for_each or {}).get("items")
        return len(found) if isinstance(found, list) else 3

    def items_of(self, step: Step) -> list[Any]:
        """Return items for a step."""
        return items_for(step)

    @cached_property
    def script(self) -> dict[str, tuple[Behaviour, ...]]:
        """What every attempt does if all goes well; children's too."""
        found: dict[str, tuple[Behaviour, ...]] = {}
        for step in self.steps:
            if step.type == "action":
                found[self.place + step.id] = (self.usual(step.id),)
            elif step.id in self.children:
                found |= self.children[step.id].script
            if step.for_each is not None:
                for index in range(self.items(step)):
                    found |= self._script_of_item(step, index)
        return found

    def _script_of_item(self, step: Step, index: int) -> dict[str, tuple[Behaviour, ...]]:
        """Return what the attempts of an item do: those that end together say nothing of order."""
        name = f"{step.id}[{index}]"
        if step.type == "action":
            return {self.place + name: (self.usual(name),)}
        if step.id not in self.children:
            return {}
        child, found = self.children[step.id], {}
        for inner, row in child.script.items():
            place = f"{self.place}{name}/{inner.removeprefix(child.place)}"
            found[place] = tuple(_later(each, milliseconds(place, self.parts)) for each in row)
        return found

    @cached_property
    def fallbacks(self) -> dict[str, tuple[Behaviour, ...]]:
        """What fallbacks do: they go well, but for those that call `fail`."""
        return {
            self.place + step.id: (self.usual(f"{step.id}:fallback", self.outputs[step.id]),)
            for step in self.steps
            if step.fallback is not None and step.id in self.outputs
        }

    # ---- stories ----

    @cached_property
    def base(self) -> Story:
        """The story in which all goes well."""
        plain = Scenario(
            self.document,
            id="base",
            input=self.input,
            steps=self.script,
            fallbacks=self.fallbacks,
            workflows=self.workflows,
            secrets=_secrets(self.document, *self.workflows.values()),
        )
        usual = self.told(Draft(plain))
        # Which of two executions gets the last slot is not defined (R28), so there is one for each.
        wider = (self.told(Draft(attrs.evolve(plain, limit=limit))) for limit in _WIDER)
        return next((story for story in chain([usual], wider) if story.certain), usual)

    def told(self, draft: Draft) -> Story:
        """Bring what the execution waits for until it has ended, and say what is expected."""
        known = self._told.get(id(draft))
        if known is not None and known.draft is draft:
            return known
        if len(self._told) >= _MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        story = self._told[id(draft)] = self._tell(draft)
        return story

    def _tell(self, draft: Draft) -> Story:
        scenario, told = draft.scenario, None
        if draft.answered:
            acts, told = self._answered(draft)
            scenario = acted(scenario, acts)
        return Story(
            draft, scenario, *(told or expect(scenario.workflow, scenario, most=MOST_ATTEMPTS))
        )

    def _answered(self, draft: Draft) -> tuple[Sequence[Act], tuple[Expected, Facts] | None]:
        """Return what is done to it, in order, with what it takes to get to the end.

        And what is expected then, if that is known by now: it has ended and nothing is to come.
        """
        # An act that means nothing stands for the next answer: where the execution comes to it,
        # it waits for something.
        probe = Call("probe")
        given = draft.scenario.actions
        untimed = [act for act in given if act.moment is None]
        timed = [act for act in given if act.moment is not None]
        acts: list[Act] = [*untimed, probe, *timed]
        done: list[Act] = []
        scenario = acted(draft.scenario, acts)
        phase, facts = predict(scenario.workflow, scenario, most=MOST_ATTEMPTS)
        phases, ambiguous = [phase], facts.ambiguous
        answers = 0
        while facts.halt:
            left = list(facts.acts)
            done += _taken_out(acts, left)
            if facts.halt == "paused" and next_act(left) == probe:
                answer = None
                if phase.status == "PAUSED" and answers < _MOST_ANSWERS:
                    asked = [each for each in phase.waiting_for if each[2] not in draft.silent]
                    answer = self._first_answer(asked, draft.payloads)
                    answers += 1
                left.remove(probe)
                if answer is not None:
                    left = [answer, probe, *left]
                facts = attrs.evolve(facts, acts=tuple(left))
                if not left and facts.run.ended:
                    over = attrs.evolve(facts, acts=(), halt="", ambiguous=ambiguous)
                    return done, (Expected(tuple(phases)), over)
                if next_act(left) is None:
                    # Nothing more is brought; what has a moment of its own comes at that moment.
                    acts = left
                    break
            acts = left
            phase, facts = predict_on(scenario.workflow, scenario, facts, most=MOST_ATTEMPTS)
            phases.append(phase)
            ambiguous += facts.ambiguous
        else:
            done += _taken_out(acts, list(facts.acts))
            acts = list(facts.acts)
        return [*done, *(act for act in acts if act != probe)], None

    def _first_answer(
        self, waiting_for: Sequence[tuple[str, str, str]], payloads: Mapping[str, Any]
    ) -> Act | None:
        answers = (self.answer(entry, payloads) for entry in waiting_for)
        return next((each for each in answers if each is not None), None)

    def answer(
        self, entry: tuple[str, str, str], payloads: Mapping[str, Any] | None = None
    ) -> Act | None:
        """Return what answers one entry of `waiting_for`."""
        kind, name, where = entry
        to, _, where = where.rpartition("/")
        plan = self._plan_of(to)
        if kind == "signal":
            payload = plan.outputs.get(where)
            return Signal(name, payload if to else (payloads or {}).get(where, payload), to=to)
        if kind == "decision":
            step = where.partition("[")[0]
            return Resume(None, {where: {"completed": plan.outputs.get(step)}}, to=to)
        if kind == "input":
            given = input_at(name, plan.input)
            return None if given is None else Resume(given, to=to)
        return Call("resume", to=to)

    def _plan_of(self, to: str) -> Plan:
        plan = self
        for each in to.split("/") if to else ():
            plan = plan.children.get(each.partition("[")[0], plan)
        return plan

    def reach(self, step: str) -> Story | None:
        """Return a story in which the step runs; None if none was found."""
        if step in self.base.reached():
            return self.base
        if step not in self._ways:
            ways = self.ways.run(self.graph.steps[step])
            found = self._first(ways, lambda story: step in story.reached())
            self._ways[step] = found or self._behind_a_failed_item(step)
        return self._ways[step]

    def _behind_a_failed_item(self, step: str) -> Story | None:
        """Return a story in which the step runs because an item of another one has failed."""
        for other in self.steps:
            if (other.for_each or {}).get("on_item_error") != "continue":
                continue
            names = [name for name in self.script if name.startswith(f"{self.place}{other.id}[0]")]
            for name in names:
                draft = self.base.draft
                scenario = with_script(draft.scenario, name, self._no(name))
                story = self.told(attrs.evolve(draft, scenario=scenario))
                if step in story.reached():
                    return story
        return None

    def decide(self, edge: Edge, taken: bool) -> Story | None:
        """Return a story in which the connection is taken, or dead; None if none was found."""
        wanted = "taken" if taken else "dead"
        if self.base.expected.last.connections.get(edge.id) == wanted:
            return self.base
        key = (edge.id, taken)
        if key not in self._edges:
            ways = self.ways.take(edge, taken)
            self._edges[key] = self._first(
                ways, lambda story: story.expected.last.connections.get(edge.id) == wanted
            )
        return self._edges[key]

    def _first(self, ways: Sequence[Need], good: Any) -> Story | None:
        for need in ways[:_MOST_WAYS]:
            story = self._needing(need)
            if story is not None and good(story):
                return story
        return None

    def _needing(self, need: Need) -> Story | None:
        key = (need.failing, repr(need.conditions))
        if key not in self._needs:
            found = solve(self.graph, need, self.whole_input, self.outputs)
            told = None if found is None else self.told(self.with_need(need, found))
            self._needs[key] = told
        return self._needs[key]

    @property
    def whole_input(self) -> dict[str, Any]:
        """The input with the document's defaults."""
        return {**(self.document.get("input") or {}), **self.input}

    def with_need(self, need: Need, values: Mapping[tuple[str, Any], Any]) -> Draft:
        """Return the base with what a way needs: values, and steps that fail."""
        draft = self.with_values(self.base.draft, values)
        return attrs.evolve(draft, scenario=self.failing(draft.scenario, need.failing))

    def with_values(self, draft: Draft, values: Mapping[tuple[str, Any], Any]) -> Draft:
        """Return a draft with other values: of the input, of outputs, of payloads."""
        scenario = draft.scenario
        steps, input, payloads = dict(scenario.steps), dict(scenario.input), dict(draft.payloads)
        whole, outputs = assigned(self.graph, self.whole_input, self.outputs, values)
        usual = self.whole_input
        input |= {key: each for key, each in whole.items() if each != usual.get(key, _NOTHING)}
        for step in self.steps:
            if step.for_each is None:
                continue
            for index in range(self.items(step), count_items(self.graph, step, whole, outputs)):
                steps |= self._script_of_item(step, index)
        for name, output in outputs.items():
            if output == self.outputs.get(name):
                continue
            if self.graph.steps[name].type == "wait":
                payloads[name] = output
                continue
            for scripted in [each for each in steps if each.partition("[")[0] == name]:
                steps[scripted] = tuple(
                    attrs.evolve(each, output=output) if isinstance(each, Returns) else each
                    for each in steps[scripted]
                )
        scenario = attrs.evolve(scenario, input=input, steps=steps)
        return attrs.evolve(draft, scenario=scenario, payloads=payloads)

    def failing(self, scenario: Scenario, steps: Sequence[str]) -> Scenario:
        """Return a scenario in which these steps fail for good."""
        for step in steps:
            if step in self.children:
                child = self.children[step]
                able = [each for each in child.steps if each.type == "action"]
                # One that fails the child, if there is one: nobody is asked, nothing tolerates it.
                able.sort(key=lambda one: one.tolerant or one.retry.on_exhausted == "pause")
                names = [child.place + each.id for each in able]
                for name in names[:1]:
                    scenario = with_script(scenario, name, self._no(name))
                continue
            scenario = with_script(scenario, step, self.raises(step) or NO)
            if self.graph.steps[step].fallback is not None:
                row = (self.raises(f"{step}:fallback") or NO,)
                scenario = attrs.evolve(scenario, fallbacks={**scenario.fallbacks, step: row})
        return scenario

    def _no(self, name: str) -> Raises:
        found = self.raises(name.removeprefix(self.place)) or NO
        return attrs.evolve(found, after=1 + milliseconds(name, self.parts))


def with_script(scenario: Scenario, name: str, *behaviours: Behaviour) -> Scenario:
    """Return a scenario in which a step, or an item, does something else."""
    steps = {
        each: row
        for each, row in scenario.steps.items()
        if not each.startswith(f"{name}[") or "/" in each
    }
    return attrs.evolve(scenario, steps={**steps, name: behaviours})


def _taken_out(before: Sequence[Act], left: Sequence[Act]) -> list[Act]:
    """Return which acts were there before and are done now."""
    rest = list(left)
    found: list[Act] = []
    for act in before:
        if act in rest:
            rest.remove(act)
        elif act != Call("probe"):
            found.append(act)
    return found


def acted(scenario: Scenario, acts: Any) -> Scenario:
    """Return a scenario to which this is done, and nothing else."""
    return attrs.evolve(scenario, actions=tuple(acts))


def input_at(path: str, input: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the part of an input that answers a path like ``input.address.city``."""
    value: Any = input
    names = [each for each in path.replace("[", ".[").split(".")[1:] if not each.startswith("[")]
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    for name in reversed(names):
        value = {name: value}
    return value if isinstance(value, dict) else None


def _later(behaviour: Behaviour, seconds: float) -> Behaviour:
    if isinstance(behaviour, Returns | Raises):
        return attrs.evolve(behaviour, after=round(behaviour.after + seconds / 7, 6))
    return behaviour


def _secrets(*documents: Document) -> dict[str, str]:
    text = json.dumps(documents)
    found = [each.partition("}")[0] for each in text.split("${secret.")[1:]]
    return {name.strip().rstrip("?"): f"the {name}" for name in found}
