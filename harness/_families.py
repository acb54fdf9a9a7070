"""The families of scenarios: one idea each of what may happen to an execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from harness import _families_attempts as attempts
from harness import _families_flow as flow
from harness import _families_people as people
from harness import _families_undo as undo
from harness._cases import Case
from harness._plan import Plan

Family = Callable[[Plan], Iterator[Case]]

# In the order in which suites tell them, and in which a budget is spent.
FAMILIES: Mapping[str, Family] = {
    "ok": flow.ok,
    "fail": attempts.fail,
    "timeout": attempts.timeout,
    "cancel": people.cancel,
    "reach": flow.reach,
    "branch": flow.branch,
    "clause": flow.clause,
    "edge": flow.edge,
    "retry": attempts.retry,
    "fallback": attempts.fallback,
    "bad-output": attempts.bad_output,
    "bad-input": attempts.bad_input,
    "pause": people.pause,
    "wait": people.wait,
    "decision": people.decision,
    "interrupt": people.interrupt,
    "compensation": undo.compensation,
    "for-each": flow.for_each,
    "child": flow.child,
    "limit": flow.limit,
    "order": flow.order,
    "pair": undo.pair,
    "misuse": people.misuse,
    "fork": people.fork,
}
