"""What a suite owes its document: everything that can happen to each part of it.

They come from the document alone, not from any suite; where nobody found data with which something
happens, the obligation says so (`never`) and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from harness._scenario import AfterWrite, BeforeWrite, Raises
from harness.families import _attempts as attempts
from harness.families._people import needed_inputs, without
from harness.families._plan import Plan
from harness.families._raising import ending_by_force, never_completes, never_taken, only_fails
from harness.families._solving import world_of
from harness.families._undo import undone_by
from harness.families._values import plain_parameters
from harness.families._ways import Need
from harness.oracle._attempts import may_repeat
from harness.oracle._document import Edge, Step
from harness.oracle._reading import Node, steps_of
from harness.oracle._state import Failure
from harness.reports._seen import Key
from harness.solver import Pair, Solver, Unreachable
from harness.solver._clauses import Condition, text_of
from harness.suites._crashes import carriers, points

# Kinds, in the order in which reports tell them, with what people call them.
KINDS = {
    "end": "how it ends",
    "step": "endings of steps",
    "connection": "connections, taken and dead",
    "clause": "clauses that decide",
    "fault": "faults of steps",
    "signal": "signals",
    "undone": "undoing",
    "crash": "deaths at a write",
}


# What is said of a condition of something that was never reached.
NEVER_ASKED = "it is never asked"
# What is said of the good end of a step that can have none.
ALWAYS_FAILS = "it calls fail, which never returns"


@attrs.frozen
class Obligation:
    """Something that can happen. `never` says why it cannot, as far as was found out.

    `alone`, of a clause: it decides while no other changes.
    """

    key: Key
    never: str = ""
    alone: bool = True

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self.key[0]

    def __str__(self) -> str:
        kind, subject, what = self.key
        if kind == "clause":
            return f"{what} alone decides {subject}"
        if kind == "end":
            return f"the execution is {what}"
        if kind == "signal":
            return f"signal {subject} {what}"
        if kind == "crash":
            return f"{subject} dies {what.replace('-', ' write ')}"
        return f"{subject} {'' if kind in ('fault', 'undone') else 'is '}{what}"


def obligations(plan: Plan, *, crashes: bool = True) -> Iterator[Obligation]:
    """Yield everything that can happen to a document, and what can never happen to it.

    To count the writes after which it can die, executions are played: `crashes` says whether.
    """
    yield from _ends(plan)
    yield from _steps(plan)
    yield from _connections(plan)
    yield from deciding(plan)
    yield from _faults(plan)
    for step in _reachable(plan):
        if step.type == "wait":
            yield Obligation(("signal", step.signal, "arrives"))
            yield Obligation(("signal", step.signal, "is refused"))
            if step.total_timeout is not None:
                yield Obligation(("signal", step.signal, "never comes"))
    for step in _reachable(plan):
        if step.compensate is not None and undone_by(plan, step) is not None:
            if plan.raises(f"{step.id}:compensate") is None:
                yield Obligation(("undone", step.id, "is undone"))
            yield Obligation(("undone", step.id, "cannot be undone"))
    for name, story in carriers(plan) if crashes else ():
        for moment in points(story.scenario):
            yield Obligation(("crash", f"crash-{name}", f"{_word(moment)}-{moment.write}"))


def _word(moment: AfterWrite | BeforeWrite) -> str:
    return "before" if isinstance(moment, BeforeWrite) else "after"


def _reachable(plan: Plan) -> Iterator[Step]:
    return (step for step in plan.steps if plan.reach(step.id) is not None)


def _ends(plan: Plan) -> Iterator[Obligation]:
    ends = ["COMPLETED", "CANCELLED"]
    for case in attempts.fail(plan):
        if plan.told(case.draft).expected.last.status == "FAILED":
            ends.insert(1, "FAILED")
            break
    failing = (plan.reach(step.id) for step in plan.steps if only_fails(step))
    if any(story.expected.last.status == "FAILED" for story in failing if story):
        ends.insert(1, "FAILED")
    ends = list(dict.fromkeys(ends))
    if any(_pauses(plan)):
        ends.append("PAUSED")
    for end in ends:
        never = "a step calls fail" if end == "COMPLETED" and never_completes(plan.graph) else ""
        yield Obligation(("end", plan.graph.id, end), never)


def _pauses(plan: Plan) -> Iterator[str]:
    """Yield the steps that can be PAUSED."""
    for step in _reachable(plan):
        if step.type == "wait" or "pause" in (step.retry.on_exhausted, step.on_crash):
            yield step.id
    defaults = plan.document.get("input") or {}
    for step, story, path in needed_inputs(plan):
        less = without(story.draft.scenario.input, path)
        if less is None or path[0] in defaults:
            continue
        fits = plan.graph.fits_input
        if fits is None or fits({**defaults, **less}):
            yield step.id


def _steps(plan: Plan) -> Iterator[Obligation]:
    pauses = set(_pauses(plan))
    skipped = _skipped(plan)
    for step in plan.steps:
        why = why_not_reached(plan, step)
        # R19: then items fail, and not their step.
        tolerant = (step.for_each or {}).get("on_item_error") == "continue"
        timed = step.total_timeout is not None
        fails = (step.type in ("action", "workflow") and not tolerant) or (
            timed and step.type != "sleep"
        )
        never = ALWAYS_FAILS if only_fails(step) else ""
        yield Obligation(("step", step.id, "COMPLETED"), why or never)
        if fails:
            yield Obligation(("step", step.id, "FAILED"), why)
        if step.id in skipped:
            yield Obligation(("step", step.id, "SKIPPED"))
        if step.type != "trigger":
            yield Obligation(("step", step.id, "CANCELLED"))
        if step.id in pauses:
            yield Obligation(("step", step.id, "PAUSED"))


def _skipped(plan: Plan) -> set[str]:
    stories = [plan.base, *(plan.reach(step.id) for step in plan.steps)]
    stories += [plan.decide(edge, taken) for edge in plan.graph.edges for taken in (True, False)]
    found = {
        step
        for story in stories
        if story is not None
        for step, status in story.expected.last.steps.items()
        if status == "SKIPPED"
    }
    return found | {step.id for step in plan.steps if step.condition is not None}


def _connections(plan: Plan) -> Iterator[Obligation]:
    skipped: set[str] | None = None
    for edge in plan.graph.edges:
        # What always goes well can only be taken.
        never = why_not_taken(plan, edge)
        yield Obligation(("connection", edge.id, "taken"), never)
        story = plan.decide(edge, False)
        source = plan.graph.steps[edge.source]
        if story is not None or edge.condition is not None:
            why = "" if story else f"nothing was found that makes {_condition(edge)} false"
            yield Obligation(("connection", edge.id, "dead"), why)
        elif edge.on != "always":
            # R2: only `always` is decided by its condition where the source is SKIPPED.
            skipped = _skipped(plan) if skipped is None else skipped
            if source.id in skipped:
                yield Obligation(("connection", edge.id, "dead"))


def deciding(plan: Plan) -> Iterator[Obligation]:
    """Yield what the clauses of all conditions owe: each decides once, alone if that can be."""
    # Whoever waits for `success` is not asked when it is SKIPPED.
    known = {edge.id: edge.source for edge in plan.graph.edges if edge.on != "always"}
    conditions = list(conditions_of(plan))
    all_skipped = _skipped(plan) if conditions else set[str]()
    for name, condition, reached in conditions:
        solver = Solver([condition], world_of(plan.graph, Need()))
        skipped = all_skipped - {known.get(name)}
        clauses = zip(Condition.of(condition).clauses, solver.clauses, solver.pairs(), strict=True)
        for node, clause, pair in clauses:
            never = "" if reached else NEVER_ASKED
            # A step that is SKIPPED answers otherwise than any output does.
            if isinstance(pair, Unreachable) and not never and skipped.isdisjoint(steps_of(node)):
                never = pair.reason
            # Others may have to change with it, as in `exists(a) and a > 5`.
            alone = isinstance(pair, Pair) and pair.alone
            yield Obligation(("clause", name, clause), never, alone)


def conditions_of(plan: Plan) -> Iterator[tuple[str, Node, bool]]:
    """Yield all conditions: of what, the condition, and whether it is ever asked."""
    for edge in plan.graph.edges:
        if edge.condition is not None:
            asked = plan.decide(edge, True) or plan.decide(edge, False)
            yield edge.id, edge.condition, asked is not None
    for step in plan.steps:
        if step.condition is not None:
            yield step.id, step.condition, plan.reach(step.id) is not None


def _faults(plan: Plan) -> Iterator[Obligation]:
    for step in _reachable(plan):
        for what in _faults_of(plan, step):
            yield Obligation(("fault", step.id, what))


def _faults_of(plan: Plan, step: Step) -> Iterator[str]:
    if step.type not in ("action", "workflow"):
        return
    yield "fails"
    raised = plan.raises(step.id)
    limits = (step.total_timeout, None if step.call is None else step.call.timeout)
    if limits != (None, None) and raised is None:
        yield "is out of time"
    if step.call is None:
        return
    if step.call.retry.max_attempts > 1 and (raised is None or _repeats(step, raised)):
        yield "is retried"
    if step.fallback is not None:
        yield "is replaced by its fallback"
        yield "its fallback fails"
    if raised is None:
        yield "returns what does not fit"
    if step.fits_input is not None and any(plain_parameters(plan.graph, step).values()):
        yield "is given what does not fit"
    yield "is interrupted"
    yield "dies"


def _repeats(step: Step, raised: Raises) -> bool:
    return may_repeat(
        step.retry, Failure(raised.code or "action.error", retryable=raised.retryable)
    )


# ---- what is never reached ----


def _condition(edge: Edge) -> str:
    return text_of(edge.condition) if edge.condition is not None else "its condition"


def why_not_reached(plan: Plan, step: Step) -> str:
    """Return why a step never runs, as far as was found out; nothing if it does."""
    if plan.reach(step.id) is not None:
        return ""
    if step.condition is not None:
        return f"nothing was found that makes its condition, {text_of(step.condition)}, true"
    before = ending_by_force(plan.graph)
    if step.id in before:
        return f"{before[step.id]} comes before it and calls fail, and that ends all of it"
    into = [edge for edge in plan.graph.into(step.id) if plan.decide(edge, True) is None]
    if into:
        return f"{' and '.join(edge.id for edge in into)} can never be taken"
    return "nothing was found with which it runs"


def why_not_taken(plan: Plan, edge: Edge) -> str:
    """Return why a connection is never taken, as far as was found out; nothing if it is."""
    if plan.decide(edge, True) is not None:
        return ""
    source = plan.graph.steps[edge.source]
    if plan.reach(source.id) is None:
        return f"{source.id} never runs"
    if never_taken(plan.graph, edge):
        return f"{source.id} calls fail, which never returns"
    if edge.condition is not None:
        return f"nothing was found that makes {text_of(edge.condition)} true"
    if edge.on == "failure":
        return f"nothing was found with which {source.id} fails"
    if edge.default:
        return f"one of the other conditions of {source.id} is always true"
    return "nothing was found with which it is taken"
