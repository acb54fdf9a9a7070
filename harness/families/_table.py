"""The table of the families, in the order in which suites tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from harness.families import _attempts as attempts
from harness.families import _bounds as bounds
from harness.families import _children as children
from harness.families import _delays as delays
from harness.families import _errors as errors
from harness.families import _flow as flow
from harness.families import _forks as forks
from harness.families import _missing as lacking
from harness.families import _misuse as misuses
from harness.families import _people as people
from harness.families import _places as queue
from harness.families import _undo as undo
from harness.families._cases import Case
from harness.families._plan import Plan

Family = Callable[[Plan], Iterator[Case]]


def _possible(name: str, family: Family) -> Family:
    """Leave out of a family, and count, what cannot be because `fail` never returns."""

    def cases(plan: Plan) -> Iterator[Case]:
        for case in family(plan):
            if plan.can_be(case.draft):
                yield case
            else:
                plan.impossible.setdefault(name, {})[case.name] = case.level

    return cases


# In the order in which suites tell them, and in which a budget is spent.
_FAMILIES: Mapping[str, Family] = {
    "ok": flow.ok,
    "fail": attempts.fail,
    "timeout": attempts.timeout,
    "cancel": people.cancel,
    "reach": flow.reach,
    "branch": flow.branch,
    "clause": flow.clause,
    "edge": flow.edge,
    "error": errors.error,
    "retry": attempts.retry,
    "delay": delays.delay,
    "jitter": delays.jitter,
    "fallback": attempts.fallback,
    "bad-output": attempts.bad_output,
    "bad-input": attempts.bad_input,
    "bound": bounds.bound,
    "missing": lacking.missing,
    "pause": people.pause,
    "wait": people.wait,
    "decision": people.decision,
    "interrupt": people.interrupt,
    "compensation": undo.compensation,
    "for-each": flow.for_each,
    "child": children.child,
    "limit": lambda plan: chain(flow.limit(plan), queue.places(plan)),
    "order": flow.order,
    "pair": undo.pair,
    "misuse": misuses.misuse,
    "fork": forks.fork,
}
FAMILIES: Mapping[str, Family] = {
    name: _possible(name, family) for name, family in _FAMILIES.items()
}
