"""Steps that call `fail`: they never return, so not every story can be told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness._built_in import FAIL, raised_at
from harness._scenario import Behaviour, Raises, Scenario
from harness.oracle._document import Document, Edge, Graph, Step
from harness.oracle._reading import Node


def only_fails(step: Step) -> bool:
    """Whether a step can end in no other way than FAILED once it runs.

    A fallback may make good what `fail` does, and so may somebody who is asked (R13, R17); a step
    with items is COMPLETED if there are none, or if they may fail (R19).
    """
    if step.call is None or step.call.action != FAIL or step.for_each is not None:
        return False
    fallback = step.fallback is None or step.fallback.action == FAIL
    return fallback and "pause" not in (step.retry.on_exhausted, step.on_crash)


def never_taken(graph: Graph, edge: Edge) -> bool:
    """Whether a connection is dead however its source ends, because that can only fail (R2)."""
    source = graph.steps[edge.source]
    return edge.on == "success" and only_fails(source) and not source.tolerant


def ending_by_force(graph: Graph) -> dict[str, str]:
    """Return the steps that never start because one before them is sure to end all of it.

    By their ids, with the one that does: it calls `fail`, nothing skips it, nobody tolerates or
    handles that, and whatever waits for it is CANCELLED (R1, R21, R22).
    """
    if graph.on_failure == "continue":
        return {}
    ends = {
        step.id
        for step in graph.steps.values()
        if only_fails(step)
        and not step.tolerant
        and step.condition is None
        and not graph.into(step.id)
        and all(edge.on == "success" for edge in graph.out_of(step.id))
    }
    found: dict[str, str] = {}
    before = -1
    while before != len(found):
        before = len(found)
        for step in graph.steps.values():
            for gate in sorted(step.gates):
                if gate in ends or gate in found:
                    found.setdefault(step.id, found.get(gate, gate))
    return found


def never_completes(graph: Graph) -> bool:
    """Whether some step is sure to fail it: one that calls `fail`, and nothing skips or handles."""
    return any(
        only_fails(step)
        and not step.tolerant
        and step.condition is None
        and not graph.into(step.id)
        and all(edge.on != "failure" for edge in graph.out_of(step.id))
        for step in graph.steps.values()
    )


def guards(graph: Graph) -> Iterator[tuple[Node, bool]]:
    """Yield conditions, and what they have to say so that no step ends it all by `fail`.

    They are its own, that of a way to it, or that of another way, where `fail` is for all else.
    """
    for step in graph.steps.values():
        if not only_fails(step) or step.tolerant:
            continue
        into = graph.into(step.id)
        for condition in (step.condition, *(edge.condition for edge in into)):
            if condition is not None:
                yield condition, False
        for edge in into:
            others = (other for other in graph.out_of(edge.source) if other.on == edge.on)
            asked = [other.condition for other in others if other.condition is not None]
            if edge.default and asked:
                yield asked[0], True


def is_possible(scenario: Scenario) -> bool:
    """Whether no script lets a call of `fail` return, hang, or raise something else."""
    document, children = scenario.workflow, scenario.workflows
    return (
        _is_true(document, children, scenario.steps, "")
        and _is_true(document, children, scenario.fallbacks, ":fallback")
        and _is_true(document, children, scenario.compensations, ":compensate")
    )


def _is_true(
    document: Document,
    children: Mapping[str, Document],
    script: Mapping[str, Sequence[Behaviour]],
    role: str,
) -> bool:
    for name, row in script.items():
        raised = raised_at(document, children, name + role)
        if raised is not None and not all(_raises(each, raised) for each in row):
            return False
    return True


def _raises(behaviour: Behaviour, raised: tuple[str, str, bool | None]) -> bool:
    if not isinstance(behaviour, Raises) or behaviour.shielded:
        return False
    return (behaviour.error, behaviour.code, behaviour.retryable) == raised
