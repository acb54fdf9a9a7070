"""Suites: all scenarios of a document, each with what is expected of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import attrs

from harness._scenario import AfterWrite, BeforeWrite, Crash, Scenario
from harness.families import FAMILIES
from harness.families._cases import LEVELS, SMOKE, STANDARD, Case
from harness.families._plan import Plan
from harness.families._spending import in_turn, spread
from harness.families._stories import Draft, Story
from harness.suites._crashes import DOWN, MOST, carriers, moments_of
from harness.suites._naming import invented
from harness.suites._progress import looked_at
from harness.suites._reading import Source, read
from harness.suites._sidecar import Sidecar, cases_of, readable_sidecar, reasons
from harness.suites._telling import Outcome, outcome_of, tell

BUDGET = 2_000
_NO_END = 1_000_000
_RAN = ("COMPLETED", "FAILED", "RUNNING", "PAUSED")


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
    # Why it is not to be played, if the sidecar says so, and by which of its patterns.
    skip: str = attrs.field(default="", kw_only=True)
    skipped_by: str = attrs.field(default="", kw_only=True)
    # The one that the whole suite was made with.
    seed: int = attrs.field(default=0, kw_only=True)

    def __str__(self) -> str:
        return self.id


@attrs.frozen
class Suite:
    """The scenarios of a document, and what it does not have.

    `skipped` are those that the sidecar of the document does not want played. `left_out` counts by
    family what the budget did not allow, `uncertain` is what is left out because nobody can say
    what comes of it, and `doubts` are the reasons, by id. `impossible` counts by family what cannot
    be, because `fail` never returns. `unreachable` are the steps and
    connections for which no data was found, `invented` the places to which only references lead,
    and no schema.
    """

    scenarios: tuple[Told, ...]
    carriers: tuple[Told, ...] = ()
    skipped: tuple[Told, ...] = ()
    left_out: Mapping[str, int] = attrs.field(factory=dict)
    uncertain: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    doubts: Mapping[str, str] = attrs.field(factory=dict)
    impossible: Mapping[str, int] = attrs.field(factory=dict)


def scenarios(
    workflow: Source,
    level: str | None = None,
    families: Iterable[str] | None = None,
    seed: int = 0,
    *,
    workflows: Iterable[Source] = (),
) -> tuple[Told, ...]:
    """Return the scenarios of a workflow: a path, JSON text, a document or a `Workflow`.

    They are made for ``@pytest.mark.parametrize("scenario", harness.scenarios(path), ids=str)``.
    `level` is ``smoke`` (about three for each step), ``standard`` or ``deep``; `families` leaves
    out all others; `seed` goes into the schedule of each. `workflows` are the children's documents;
    for a path they are found beside it, and so is the sidecar ``*.harness.toml``: it counts for
    what is not given here, adds scenarios and leaves some out. `suite` says what is left out.
    """
    return suite(workflow, level, families, seed, workflows=workflows).scenarios


def suite(
    workflow: Source,
    level: str | None = None,
    families: Iterable[str] | None = None,
    seed: int = 0,
    *,
    workflows: Iterable[Source] = (),
    budget: int | None = None,
) -> Suite:
    """Return all scenarios of a workflow, and what is left out; arguments as for `scenarios`.

    `budget` is how many there may be, 2,000 if neither this nor the sidecar says otherwise. Raises
    `trioflow.DefinitionError` for a document with faults, and `ValueError` for a level or a family
    that there is not, and for a sidecar that cannot be followed.
    """
    if level is not None and level not in LEVELS:
        raise ValueError(f"there is no level {level!r}: they are {', '.join(LEVELS)}")
    wanted = None if families is None else frozenset(families)
    known = {*FAMILIES, "crash"}
    if wanted is not None and not wanted <= known:
        unknown = ", ".join(sorted(wanted - known))
        raise ValueError(f"there is no family {unknown}: they are {', '.join(sorted(known))}")
    document, name, children = read(workflow, workflows)
    sidecar = readable_sidecar(name) if name else Sidecar()
    if wanted is None and sidecar.families is not None:
        wanted = frozenset(sidecar.families)
    plan = Plan(document, children)
    deep = LEVELS[level or sidecar.level or "standard"]
    maker = _Maker(plan, deep, wanted, seed, budget or sidecar.budget or BUDGET, name, sidecar)
    return maker.made()


@attrs.define(eq=False)
class _Maker:
    plan: Plan
    level: int
    families: frozenset[str] | None
    seed: int
    budget: int
    source: str
    sidecar: Sidecar
    found: dict[str, Told] = attrs.field(factory=dict)
    # The script of each scenario, and the id under which it is told.
    scripts: dict[str, str] = attrs.field(factory=dict)
    left_out: Counter[str] = attrs.field(factory=Counter)
    uncertain: dict[str, str] = attrs.field(factory=dict)
    # What has the script of another, which is told in its place.
    same: dict[str, str] = attrs.field(factory=dict)

    def made(self) -> Suite:
        problems: list[str] = []
        own = cases_of(self.sidecar, self.plan, problems)
        if not self.sidecar.skip:
            self.sidecar.refuse(problems)
        if problems or not self._wants("ok"):
            own = []
        self.budget = max(0, self.budget - len(own))
        families = [each for each in FAMILIES if self._wants(each)]
        cases = in_turn(self.plan, families, self.level, self.budget)
        smoke = [each for each in cases if each[1].level == SMOKE]
        for number, (family, case) in enumerate(smoke):
            looked_at(number, len(cases))
            self.add(family, case)
        carrying: tuple[Told, ...] = ()
        if self.level > 0 and self._wants("crash"):
            carrying = tuple(self._carriers())
            # What the other families surely leave, or else a tenth.
            left = self.budget - len(self.found)
            share = min(left, max(left - len(cases) + len(smoke), self.budget // 10))
            for number, carrier in enumerate(carrying):
                share -= self._crashes(carrier, share // (len(carrying) - number))
        for number, (family, case) in enumerate(cases[len(smoke) :], len(smoke)):
            looked_at(number, len(cases))
            self.add(family, case)
        order = [*families, "crash"]
        self.found = dict(sorted(self.found.items(), key=lambda each: order.index(each[1].family)))
        # Last, and whatever else there is: nothing changes its name because of them.
        for case in own:
            self._add_own(case)
        why = self._why_skipped(carrying, problems)
        self.sidecar.refuse(problems)
        return Suite(
            tuple(each for each in self.found.values() if each.id not in why),
            tuple(each for each in carrying if each.id not in why),
            tuple(
                _changed(each, skip=self.sidecar.skip[why[each.id]], skipped_by=why[each.id])
                for each in self.found.values()
                if each.id in why
            ),
            dict(self.left_out),
            tuple(self.uncertain),
            unreached(self.plan, self.found.values()),
            invented(self.plan),
            dict(self.uncertain),
            dict(self._impossible(families)),
        )

    def _impossible(self, families: Sequence[str]) -> Iterator[tuple[str, int]]:
        for family in families:
            levels = self.plan.impossible.get(family, {}).values()
            if count := sum(level <= self.level for level in levels):
                yield family, count

    def _wants(self, family: str) -> bool:
        return self.families is None or family in self.families

    def _why_skipped(self, carrying: Sequence[Told], problems: list[str]) -> Mapping[str, str]:
        """Return the patterns of the sidecar, by the ids that they mean."""
        if not self.sidecar.skip:
            return {}
        points: dict[str, list[str]] = {each.id: [] for each in carrying}
        for each in self.found.values():
            points.setdefault(each.carrier or each.id, [])
            if each.carrier:
                points[each.carrier].append(each.id)
        return reasons(self.sidecar, points, self._everything, problems)

    def _everything(self) -> dict[str, str]:
        """Return the ids of all levels and families, with those under which they are told."""
        # Its values may be wrong: then they tell nothing, but have their names.
        sidecar = attrs.evolve(self.sidecar, skip={}, values=(), problems=())
        deepest = LEVELS["deep"]
        maker = _Maker(self.plan, deepest, None, self.seed, _NO_END, self.source, sidecar)
        made = maker.made()
        names = [*maker.found, *(each.id for each in made.carriers), *maker.uncertain]
        names += [_id_of(f"ok-{each.name}") for each in self.sidecar.values]
        return {**{name: name for name in names}, **maker.same}

    def _add_own(self, case: Case) -> None:
        """Tell what the sidecar adds, even if something else tells the same."""
        name = _id_of(f"ok-{case.name}")
        story = self.plan.told(case.draft)
        if story.certain:
            self._keep(name, "ok", case, story)
        else:
            self.uncertain[name] = story.doubt

    def add(self, family: str, case: Case) -> None:
        """Tell a case to its end, unless that was told already."""
        name = _id_of(f"{family}-{case.name}" if case.name else family)
        if len(self.found) >= self.budget:
            self.left_out[family] += 1
            return
        story = self.plan.told(case.draft)
        if not story.certain:
            self.uncertain[name] = story.doubt
            return
        script = script_of(story.scenario)
        same = self.scripts.get(script)
        if same is not None:
            self.same[name] = same
            old = self.found[same]
            covers = tuple(dict.fromkeys((*old.covers, *case.covers)))
            self.found[same] = _changed(old, covers=covers, level=min(old.level, case.level))
            return
        while name in self.found:
            name += "-too"
        self.scripts[script] = name
        self._keep(name, family, case, story)

    def _keep(self, name: str, family: str, case: Case, story: Story) -> None:
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
        more |= {"source": self.source, "seed": self.seed}
        more["schedule_seed"] = seed_of(more["id"], self.seed)
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

    def _crashes(self, carrier: Told, most: int) -> int:
        """Let a carrier die after its writes, or so many of them; return how often it does."""
        moments = moments_of(carrier, deep=self.level > 1)
        kept = spread(moments, min(most, MOST))
        if len(moments) > len(kept):
            self.left_out["crash"] += len(moments) - len(kept)
        for moment in kept:
            made = crashed(carrier, moment)
            self.found[made.id] = made
        return len(kept)


def unreached(plan: Plan, scenarios: Iterable[Scenario]) -> tuple[str, ...]:
    """Return the steps and connections that nobody found a way to, and no scenario comes to.

    Some are reached only because of something that is not searched for, as a step that asks which
    items have failed. Scenarios are only asked for as long as something is missing.
    """
    missing = [f"step {step.id}" for step in plan.steps if plan.reach(step.id) is None]
    missing += [
        f"connection {edge.id}" for edge in plan.graph.edges if plan.decide(edge, True) is None
    ]
    remaining = iter(scenarios)
    while missing and (scenario := next(remaining, None)) is not None:
        for phase in scenario.expected.phases if scenario.expected else ():
            found = {f"step {step}" for step, status in phase.steps.items() if status in _RAN}
            found |= {f"connection {edge}" for edge, v in phase.connections.items() if v == "taken"}
            missing = [each for each in missing if each not in found]
    return tuple(missing)


def one_by_one(workflow: Source) -> tuple[Plan, Iterator[Scenario]]:
    """Return the plan of a workflow, and the scenarios of its standard suite, made when asked for.

    Each has its expectation, but no id yet; no process dies in them, and neither does a budget end
    them, nor does the sidecar leave any out. Raises what `suite` raises.
    """
    document, name, children = read(workflow)
    sidecar = readable_sidecar(name) if name else Sidecar()
    plan = Plan(document, children)
    if sidecar.skip:
        # Whether its patterns mean anything is known only of the whole suite.
        maker = _Maker(plan, STANDARD, frozenset(FAMILIES), 0, BUDGET, name, sidecar)
        made = maker.made()
        return plan, iter((*made.scenarios, *made.skipped))
    problems: list[str] = []
    own = [case.draft for case in cases_of(sidecar, plan, problems)]
    sidecar.refuse(problems)
    return plan, _told_one_by_one(plan, own)


def _told_one_by_one(plan: Plan, own: Sequence[Draft]) -> Iterator[Scenario]:
    cases = (case for family in FAMILIES.values() for case in family(plan))
    drafts = chain(own, (case.draft for case in cases if case.level <= STANDARD))
    for number, draft in enumerate(drafts):
        looked_at(number, 0)
        story = plan.told(draft)
        if story.certain:
            yield attrs.evolve(story.scenario, expected=story.expected)


def crashed(carrier: Told, moment: AfterWrite | BeforeWrite) -> Told:
    """Return a scenario that dies at a write, and goes on a moment later."""
    word = "before" if isinstance(moment, BeforeWrite) else "after"
    name = f"{carrier.id}-{word}-{moment.write}"
    return _changed(
        carrier,
        id=name,
        schedule_seed=seed_of(name, carrier.seed),
        why=f"dies {word} write {moment.write} of {carrier.id}",
        covers=(f"crash:{carrier.id}:{word}:{moment.write}",),
        actions=[Crash(moment, DOWN), *carrier.actions],
        expected=None,
        outcome=None,
        carrier=carrier.id,
    )


def _changed(told: Told, **more: Any) -> Told:
    return attrs.evolve(told, **more)


def script_of(scenario: Scenario) -> str:
    """Return all of a scenario that decides how it goes, but for its document."""
    found = scenario.to_json()
    for key in ("id", "why", "covers", "family", "schedule_seed", "expected", "workflow"):
        found.pop(key, None)
    return json.dumps(found, sort_keys=True)


def _id_of(name: str) -> str:
    """Return a name that needs no quotes: connections have arrows, and ids of their own."""
    return re.sub(r"[^A-Za-z0-9_.\[\]-]+", "_", name.replace("->", "-to-"))


def family_of(name: str) -> str:
    """Return the family that the id of a scenario names; nothing if it names none."""
    found = [each for each in (*FAMILIES, "crash") if name == each or name.startswith(f"{each}-")]
    return max(found, key=len, default="")


def seed_of(name: str, seed: int = 0) -> int:
    """Return the seed of the schedule of a scenario; `seed` is that of its suite."""
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


__all__ = (
    "BUDGET",
    "Source",
    "Suite",
    "Told",
    "crashed",
    "family_of",
    "one_by_one",
    "read",
    "scenarios",
    "script_of",
    "seed_of",
    "suite",
    "unreached",
)
