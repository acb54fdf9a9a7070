"""What can surely never be reached in a document: there is a proof, not only nothing found."""

from __future__ import annotations

from harness.families._plan import Plan
from harness.families._raising import ending_by_force, never_taken
from harness.families._solving import world_of
from harness.families._ways import Need
from harness.oracle._document import Edge, Step
from harness.solver._proofs import never_true


def surely_unreached(plan: Plan) -> frozenset[str]:
    """Return the steps that never run, and the connections that are never taken, by proof.

    They are named as in ``Suite.unreachable``: ``step pay``, ``connection pay->ship``.
    """
    graph, world = plan.graph, world_of(plan.graph, Need())
    steps = {step.id for step in plan.steps if never_true(step.condition, world)}
    steps |= ending_by_force(graph).keys()
    edges = {
        edge.id
        for edge in graph.edges
        if never_taken(graph, edge) or never_true(edge.condition, world)
    }

    def is_dead(edge: Edge) -> bool:
        # R2: `always` is taken behind a step that is SKIPPED, too.
        return edge.id in edges or (edge.source in steps and edge.on != "always")

    def never_runs(step: Step) -> bool:
        dead = [is_dead(edge) for edge in graph.into(step.id)]
        # R5
        return step.id in steps or (any(dead) if step.join == "all" else bool(dead) and all(dead))

    before = -1
    while before != len(steps) + len(edges):
        before = len(steps) + len(edges)
        steps |= {step.id for step in plan.steps if never_runs(step)}
        edges |= {edge.id for edge in graph.edges if is_dead(edge)}
    return frozenset({f"step {each}" for each in steps} | {f"connection {each}" for each in edges})
