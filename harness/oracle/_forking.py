"""A fork: a new execution that keeps what some steps of a finished one have done (R30)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.oracle._document import Graph
from harness.oracle._ending import decide_all
from harness.oracle._requests import Refused
from harness.oracle._state import COMPLETED, FAILED, SKIPPED, Run, StepRun


def fork(old: Run, new: Run, from_steps: Sequence[str]) -> None:
    """Let a new execution, of the same document, keep what it can of an old one."""
    if not old.ended or not set(from_steps) <= set(new.graph.steps):
        raise Refused("it cannot be forked like this")
    if new.graph.fits_input is not None and not new.graph.fits_input(new.input):
        raise Refused("the input does not fit")
    again = {*from_steps, *(each.step.id for each in old.in_order() if not _can_be_kept(each))}
    while True:
        again = _with_what_comes_after(new.graph, again)
        _keep(old, new, again)
        # Only by the decisions of the fork is it known what a failure means in it.
        lost = {
            each.step.id
            for each in new.in_order()
            if each.status == FAILED and not each.step.tolerant and each.judgement != "handled"
        }
        if not lost:
            return
        again |= lost


def kept_input(old: Run, input: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the input of a fork: the old one, with all that was resumed, then the new keys."""
    return {**old.input, **(input or {})}


def _can_be_kept(found: StepRun) -> bool:
    if found.status == COMPLETED:
        return not any(unit.undone for unit in found.units)
    return found.status in (SKIPPED, FAILED)


def _with_what_comes_after(graph: Graph, steps: Iterable[str]) -> set[str]:
    found, pending = set(steps), list(steps)
    while pending:
        for each in graph.referring.get(pending.pop(), ()):
            if each not in found:
                found.add(each)
                pending.append(each)
    return found


def _keep(old: Run, new: Run, again: set[str]) -> None:
    new.decided, new.waiting_edges = {}, {}
    new.unhandled, new.deferred = [], []
    for name, found in old.steps.items():
        if name in again:
            new.steps[name] = StepRun(found.step)
            continue
        kept = copy.deepcopy(found)
        kept.kept, kept.judgement = True, None
        kept.grouped = kept.joined = True
        new.steps[name] = kept
        new.decided.update(
            {
                edge.id: old.decided[edge.id]
                for edge in old.graph.out_of(name)
                if edge.id in old.decided
            }
        )
    for found in new.in_order():
        if found.kept:
            decide_all(new, found)
