"""The end of a step, and what it decides: connections, failures, who is looked at next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.oracle._conditions import Absent, evaluate
from harness.oracle._document import Edge, Step
from harness.oracle._reading import Wrong
from harness.oracle._state import CANCELLED, COMPLETED, FAILED, SKIPPED, Failure, Run, StepRun

# R2: what becomes of a connection when its source ends, True where its condition is asked.
_ASKED = {
    (COMPLETED, "success"): True,
    (COMPLETED, "failure"): False,
    (COMPLETED, "always"): True,
    ("TOLERATED", "success"): True,
    ("TOLERATED", "failure"): True,
    ("TOLERATED", "always"): True,
    (FAILED, "success"): False,
    (FAILED, "failure"): True,
    (FAILED, "always"): True,
    (SKIPPED, "success"): False,
    (SKIPPED, "failure"): False,
    (SKIPPED, "always"): True,
}


def end_step(
    run: Run,
    found: StepRun,
    status: str,
    *,
    output: Any = None,
    by: str = "",
    late: bool = False,
    failure: Failure | None = None,
) -> None:
    """Record the end of a step, with everything that stands in the same record."""
    assert not found.ended, found.step.id
    # R9: what has ended never changes again.
    found.status = status
    found.output, found.by, found.late = output, by, late
    found.failure = failure
    found.deadline = found.time_left = found.wake = None
    found.missing, found.awaits_signal, found.held = (), False, False
    # R24: items are undone one by one, and recorded where they end.
    if status == COMPLETED and found.step.compensate and found.step.for_each is None:
        run.done.append(found.units[0])
    if run.stopping is not None:
        # R22: while it stops no connection is decided, and failures are only added.
        if status == FAILED and not found.step.tolerant:
            assert failure is not None
            run.unhandled.append((failure, found.step.id))
        return
    decide_all(run, found)
    form_group(run, run.graph.behind(found.step.id))


def decide_all(run: Run, found: StepRun) -> None:
    """Decide those connections of a step that has ended which have no decision yet."""
    erred_before = len(run.erred)
    undecided = [edge for edge in run.graph.out_of(found.step.id) if edge.id not in run.decided]
    for edge in undecided:
        if not edge.default:
            _decide(run, edge, found)
    for edge in undecided:
        if edge.default:
            _decide_default(run, edge, found)
    judge(run, found)
    # The step has failed first, if it has, and then the execution for its connections.
    note_erred(run, len(run.erred) - erred_before)


def _table(found: StepRun, edge: Edge) -> bool:
    status = found.status
    if status == CANCELLED:
        return False
    if status == FAILED and found.step.tolerant:
        status = "TOLERATED"
    return _ASKED[status, edge.on]  # R2


def _decide(run: Run, edge: Edge, source: StepRun) -> None:
    if not _table(source, edge):
        run.decided[edge.id] = False  # R2: and its condition is not evaluated
        return
    test(run, edge)


def test(run: Run, edge: Edge) -> None:
    """Decide a connection by its condition, or let it wait for what it lacks."""
    if not edge.conditional:
        run.decided[edge.id] = True
        return
    try:
        answer = evaluate(edge.condition, run.scope())
    except Wrong:
        answer = Absent((), ("?",))
    if not isinstance(answer, Absent):
        run.decided[edge.id] = answer
        run.waiting_edges.pop(edge.id, None)
    elif answer.inputs:
        run.waiting_edges[edge.id] = answer.inputs  # R4: it lacks an input that can be brought
    else:
        # R4: it errs, so it is dead; the execution has failed for it, see `note_erred`.
        run.decided[edge.id] = False
        run.waiting_edges.pop(edge.id, None)
        run.erred.add(edge.id)


def note_erred(run: Run, count: int) -> None:
    """R4: each connection that erred is an unhandled failure, never tolerated, never deferred."""
    run.unhandled.extend([(Failure("condition.error"), None)] * count)


def _decide_default(run: Run, edge: Edge, source: StepRun) -> None:
    if not _table(source, edge):
        run.decided[edge.id] = False  # R3, as R2 says
        return
    follow_siblings(run, edge)


def follow_siblings(run: Run, edge: Edge) -> None:
    """Decide a default connection, as soon as its siblings let it."""
    siblings = [
        each
        for each in run.graph.out_of(edge.source)
        if each.on == edge.on and each.conditional and not each.default
    ]
    run.waiting_edges.pop(edge.id, None)
    # R3: taken if no sibling was taken. R4: dead beside one that erred.
    if any(run.decided.get(each.id) or each.id in run.erred for each in siblings):
        run.decided[edge.id] = False
    elif any(run.is_waiting(each) for each in siblings):
        run.waiting_edges[edge.id] = ()
    else:
        run.decided[edge.id] = True


def judge(run: Run, found: StepRun) -> None:
    """Say what a FAILED step means (R21); again when a connection of it is decided late (R4)."""
    if found.status != FAILED or found.step.tolerant:
        return
    assert found.failure is not None
    leaving = run.graph.out_of(found.step.id)

    def leads_on(on: str) -> bool:
        # R4: while a connection is undecided it speaks for its source.
        return any(
            edge.on == on and (run.decided.get(edge.id) or run.is_waiting(edge)) for edge in leaving
        )

    # R21
    verdict = "handled" if leads_on("failure") else "deferred" if leads_on("always") else ""
    verdict = verdict or "unhandled"
    if verdict == found.judgement:
        return
    entry = (found.failure, found.step.id)
    if found.judgement == "deferred":
        run.deferred.remove(entry)
    if verdict == "deferred":
        run.deferred.append(entry)
    if verdict == "unhandled":
        run.unhandled.append(entry)
    found.judgement = verdict


# ---- who is looked at next ----


def verdict_of_join(run: Run, step: Step) -> bool | None:
    """Return whether the step runs (True), is skipped (False), or cannot be decided yet."""
    # R1: a gate opens when the step before it has ended, however; until then nobody is looked at.
    if not all(run.steps[gate].ended for gate in step.gates):
        return None
    incoming = run.graph.into(step.id)
    if not incoming:
        return True
    if step.join != "first" and any(edge.id not in run.decided for edge in incoming):
        return None
    taken = sum(run.decided.get(edge.id) is True for edge in incoming)
    dead = sum(run.decided.get(edge.id) is False for edge in incoming)
    undecided = len(incoming) - taken - dead
    # R5
    if step.join == "first":
        return True if taken else False if not undecided else None
    if step.join == "all":
        return not dead
    return taken > 0


def form_group(run: Run, steps: Iterable[Step]) -> None:
    """R6, R22: the steps that one record makes ready are looked at together, and later."""
    group = [
        step
        for step in steps
        if not run.steps[step.id].grouped and verdict_of_join(run, step) is not None
    ]
    for step in group:
        run.steps[step.id].grouped = True
    if group:
        run.groups.append(sorted(group, key=lambda step: step.index))
