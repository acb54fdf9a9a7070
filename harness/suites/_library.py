"""Suites: all scenarios of a document, each with what is expected of it; and checking them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

import trioflow
from harness._scenario import AfterWrite, BeforeWrite, Crash, Scenario
from harness.families import FAMILIES
from harness.families._cases import LEVELS, Case
from harness.families._plan import Plan
from harness.families._stories import Story
from harness.oracle._predict import expect
from harness.playing._gantt import gantt
from harness.playing._invariants import broken
from harness.playing._play import Mismatch, Observed, compare, compare_after_deaths, play
from harness.suites._crashes import carriers, points
from harness.suites._telling import Outcome, outcome_of, tell

BUDGET = 2_000

Source = str | os.PathLike[str] | Mapping[str, Any] | trioflow.Workflow


@attrs.frozen
class Told(Scenario):
    """A scenario of a suite: `outcome` is how it ends, in few words; `source` where it comes from.

    `level` is the lowest level of suites that have it.
    """

    outcome: Outcome | None = attrs.field(default=None, kw_only=True)
    source: str = attrs.field(default="", kw_only=True)
    level: int = attrs.field(default=0, kw_only=True)
    # The carrier of a crash: the id of the scenario that dies at a write.
    carrier: str = attrs.field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.id


@attrs.frozen
class Suite:
    """The scenarios of a document, and what it does not have.

    `left_out` counts by family what the budget did not allow, `uncertain` what is left out because
    two things happen at one instant in any order. `unreachable` are the steps and connections for
    which no data was found.
    """

    scenarios: tuple[Told, ...]
    carriers: tuple[Told, ...] = ()
    left_out: Mapping[str, int] = attrs.field(factory=dict)
    uncertain: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()


def scenarios(
    workflow: Source,
    level: str = "standard",
    families: Iterable[str] | None = None,
    seed: int = 0,
    *,
    workflows: Iterable[Source] = (),
) -> tuple[Told, ...]:
    """Return the scenarios of a workflow: a path, JSON text, a document or a `Workflow`.

    They are made for ``@pytest.mark.parametrize("scenario", harness.scenarios(path), ids=str)``.
    `level` is ``smoke`` (about three for each step), ``standard`` or ``deep``; `families` leaves
    out all others; `seed` goes into the schedule of each. `workflows` are the children's documents;
    for a path they are found beside it. `suite` says what is left out, too.
    """
    return suite(workflow, level, families, seed, workflows=workflows).scenarios


def suite(
    workflow: Source,
    level: str = "standard",
    families: Iterable[str] | None = None,
    seed: int = 0,
    *,
    workflows: Iterable[Source] = (),
    budget: int = BUDGET,
) -> Suite:
    """Return all scenarios of a workflow, and what is left out; arguments as for `scenarios`.

    Raises `trioflow.DefinitionError` for a document with faults, and `ValueError` for a level or a
    family that there is not.
    """
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r}: they are {', '.join(LEVELS)}")
    wanted = None if families is None else frozenset(families)
    known = {*FAMILIES, "crash"}
    if wanted is not None and not wanted <= known:
        unknown = ", ".join(sorted(wanted - known))
        raise ValueError(f"there is no family {unknown}: they are {', '.join(sorted(known))}")
    document, name, children = read(workflow, workflows)
    return _Maker(Plan(document, children), LEVELS[level], wanted, seed, budget, name).made()


@attrs.define(eq=False)
class _Maker:
    plan: Plan
    level: int
    families: frozenset[str] | None
    seed: int
    budget: int
    source: str
    found: dict[str, Told] = attrs.field(factory=dict)
    # The script of each scenario, and the id under which it is told.
    scripts: dict[str, str] = attrs.field(factory=dict)
    stories: dict[str, Story] = attrs.field(factory=dict)
    left_out: Counter[str] = attrs.field(factory=Counter)
    uncertain: list[str] = attrs.field(factory=list)

    def made(self) -> Suite:
        for family, make in FAMILIES.items():
            if self.families is None or family in self.families:
                for case in make(self.plan):
                    if case.level <= self.level:
                        self.add(family, case)
        carrying: tuple[Told, ...] = ()
        if self.level > 0 and (self.families is None or "crash" in self.families):
            carrying = tuple(self._carriers())
            for carrier in carrying:
                self._crashes(carrier)
        unreachable = [
            f"step {step.id}" for step in self.plan.steps if self.plan.reach(step.id) is None
        ]
        unreachable += [
            f"connection {edge.id}"
            for edge in self.plan.graph.edges
            if self.plan.decide(edge, True) is None
        ]
        return Suite(
            tuple(self.found.values()),
            carrying,
            dict(self.left_out),
            tuple(self.uncertain),
            tuple(unreachable),
        )

    def add(self, family: str, case: Case) -> None:
        """Tell a case to its end, unless that was told already."""
        name = _id_of(f"{family}-{case.name}" if case.name else family)
        if len(self.found) >= self.budget:
            self.left_out[family] += 1
            return
        story = self.plan.told(case.draft)
        if not story.certain:
            self.uncertain.append(name)
            return
        script = _script_of(story.scenario)
        same = self.scripts.get(script)
        if same is not None:
            old = self.found[same]
            covers = tuple(dict.fromkeys((*old.covers, *case.covers)))
            self.found[same] = _changed(old, covers=covers, level=min(old.level, case.level))
            return
        while name in self.found:
            name += "-too"
        self.scripts[script] = name
        self.stories[name] = story
        outcome = outcome_of(story.expected)
        self.found[name] = self._told(
            story.scenario,
            id=name,
            family=family,
            why=f"{case.why}: {tell(story.expected)}",
            covers=tuple(dict.fromkeys((*case.covers, *_obligations(story)))) or (f"told:{name}",),
            expected=story.expected,
            outcome=outcome,
            level=case.level,
        )

    def _told(self, scenario: Scenario, **more: Any) -> Told:
        values = {field.name: getattr(scenario, field.name) for field in attrs.fields(Scenario)}
        more.setdefault("source", self.source)
        more["schedule_seed"] = _seed_of(more["id"], self.seed)
        return Told(**{**values, **more})

    def _carriers(self) -> Iterator[Told]:
        for name, story in carriers(self.plan):
            yield self._told(
                story.scenario,
                id=f"crash-{name}",
                family="crash",
                why=f"dies after any write, while {name}",
                expected=story.expected,
                outcome=outcome_of(story.expected),
                level=1,
            )

    def _crashes(self, carrier: Told) -> None:
        for moment in points(carrier, deep=self.level > 1):
            if len(self.found) >= self.budget:
                self.left_out["crash"] += 1
                continue
            made = crashed(carrier, moment)
            self.found[made.id] = attrs.evolve(made, schedule_seed=_seed_of(made.id, self.seed))


def crashed(carrier: Told, moment: AfterWrite | BeforeWrite) -> Told:
    """Return a scenario that dies at a write, and goes on a moment later."""
    word = "before" if isinstance(moment, BeforeWrite) else "after"
    return _changed(
        carrier,
        id=f"{carrier.id}-{word}-{moment.write}",
        why=f"dies {word} write {moment.write} of {carrier.id}",
        covers=(f"crash:{carrier.id}:{word}:{moment.write}",),
        actions=[Crash(moment, 0.3017), *carrier.actions],
        expected=None,
        outcome=None,
        carrier=carrier.id,
    )


def _changed(told: Told, **more: Any) -> Told:
    return attrs.evolve(told, **more)


def _script_of(scenario: Scenario) -> str:
    found = scenario.to_json()
    for key in ("id", "why", "covers", "family", "schedule_seed", "expected", "workflow"):
        found.pop(key, None)
    return json.dumps(found, sort_keys=True)


def _id_of(name: str) -> str:
    """Return a name that needs no quotes: connections have arrows, and ids of their own."""
    return re.sub(r"[^A-Za-z0-9_.\[\]-]+", "_", name.replace("->", "-to-"))


def _seed_of(name: str, seed: int) -> int:
    digest = hashlib.sha256(f"{name}#{seed}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _obligations(story: Story) -> Iterator[str]:
    last = story.expected.last
    for step, status in last.steps.items():
        yield f"step:{step}:{status}"
    for edge, verdict in last.connections.items():
        yield f"connection:{edge}:{verdict}"
    for undone in last.compensated:
        yield f"undone:{undone}"


# ---- reading ----


def read(
    workflow: Source, workflows: Iterable[Source] = ()
) -> tuple[Mapping[str, Any], str, dict[str, Mapping[str, Any]]]:
    """Return a document, where it comes from, and the documents of its children by their ids.

    Raises `trioflow.DefinitionError`. Children of a file are looked for beside it.
    """
    document, name = _document(workflow)
    children = {str(each["id"]): each for each, _ in map(_document, workflows)}
    if name and _children_of(document) - {*children, document["id"]}:
        for path in sorted(Path(name).parent.glob("*.workflow.json")):
            beside = json.loads(path.read_text("utf-8"))
            if isinstance(beside, dict) and beside.get("id") != document["id"]:
                children.setdefault(str(beside.get("id")), beside)
    # A workflow may start itself.
    children.setdefault(str(document["id"]), document)
    needed, pending = dict[str, Mapping[str, Any]](), [document]
    while pending:
        for each in sorted(_children_of(pending.pop())):
            if each not in children:
                raise ValueError(f"the document of workflow {each!r} is needed, too")
            if each not in needed and each != document["id"]:
                trioflow.load_workflow(children[each])
                needed[each] = children[each]
                pending.append(children[each])
    return document, name, needed


def _document(workflow: Source) -> tuple[Mapping[str, Any], str]:
    if isinstance(workflow, trioflow.Workflow):
        return workflow.document, ""
    loaded = trioflow.load_workflow(workflow)
    if isinstance(workflow, Mapping):
        return workflow, ""
    text = os.fspath(workflow)
    if text.lstrip().startswith("{"):
        return json.loads(text), ""
    if text.endswith((".yaml", ".yml")):
        return loaded.document, text
    return json.loads(Path(text).read_text("utf-8")), text


def _children_of(document: Mapping[str, Any]) -> set[str]:
    steps = [
        {**each, **(each.get("config") or {})}
        for each in (*document.get("steps", ()), *document.get("nodes", ()))
    ]
    return {str(step["workflow"]) for step in steps if step.get("type") == "workflow"}


# ---- checking ----


def observe(scenario: Scenario) -> Observed:
    """Play a scenario on the engine, in virtual time of its own."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(play, scenario, clock=clock)


def check(scenario: Scenario) -> None:
    """Play a scenario on the engine, in virtual time, and compare with what is expected.

    Expected is what the scenario says itself, and what the oracle predicts; of one that dies at a
    write, what its history then asks for. Raises `Mismatch`, with what differs, the command that
    plays it again, and a picture of what happened when.
    """
    outcome = scenario.outcome if isinstance(scenario, Told) else None
    predicted, facts = expect(scenario.workflow, scenario)
    dies = any(isinstance(act.moment, AfterWrite | BeforeWrite) for act in scenario.actions)
    if outcome is not None and not dies:
        differs = outcome.differs(predicted)
        if differs:
            raise Mismatch(
                f"{scenario.id}: {scenario.why}\nthe document does not say so any more "
                f"(expected, and what the rules make of it):\n{differs}\n"
                f"if the change is meant:  python -m harness generate {_source(scenario)}"
            )
    observed = observe(scenario)
    try:
        if scenario.expected is not None:
            compare(scenario, scenario.expected, observed)
        if observed.deaths:
            compare_after_deaths(scenario, observed)
        elif not facts.ambiguous and not dies:
            compare(scenario, predicted, observed)
        _keeps_the_rules(scenario, observed)
    except Mismatch as mismatch:
        raise Mismatch(_explained(str(mismatch), scenario, observed)) from None


def check_crashes(carrier: Told) -> None:
    """Let a scenario die after each of its writes, one after the other; compare as `check` does."""
    differs = (
        None
        if carrier.outcome is None
        else carrier.outcome.differs(expect(carrier.workflow, carrier)[0])
    )
    if differs:
        raise Mismatch(f"{carrier.id}: the document does not say so any more:\n{differs}")
    for moment in points(carrier):
        check(crashed(carrier, moment))


def _source(scenario: Scenario) -> str:
    return (scenario.source if isinstance(scenario, Told) else "") or "FILE"


def _explained(text: str, scenario: Scenario, observed: Observed) -> str:
    name = shlex.quote(scenario.id)
    again = f"python -m harness run {_source(scenario)} --scenario {name}"
    return f"{text}\n\nplay it again:  {again}\n\n{gantt(observed)}"


def _keeps_the_rules(scenario: Scenario, observed: Observed) -> None:
    found = list(broken(scenario, observed))
    if found:
        raise Mismatch(f"{scenario.id}: {scenario.why}\n" + "\n".join(found))


__all__: Sequence[str] = ("BUDGET", "Suite", "Told", "check", "check_crashes", "scenarios", "suite")
