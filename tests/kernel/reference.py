"""A second opinion: what the rules R1 to R7 and R21 make of a graph under `continue`.

Written from the rules and from nothing else: it has no time, no queue and no histories. One pass
over the steps in the order in which they can be settled gives every step the end that all
schedules have to come to. It knows only what `graphs.py` makes: no `first` step, no timeout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs

from tests.kernel.graphs import Case
from trioflow.definitions._durations import parse_duration
from trioflow.definitions._expressions import Condition, Scope
from trioflow.errors import ExpressionError, MissingInputError

_STEP = re.compile(r"\bs\d+\b")


@attrs.define
class Ended:
    status: str
    code: str | None = None
    output: Any = None
    attempts: int = 0


@attrs.define
class Expected:
    """What every schedule has to come to."""

    statuses: dict[str, str]
    codes: dict[str, str | None]
    decided: dict[str, bool | None]
    status: str


@attrs.define
class _Connection:
    id: str
    source: str
    target: str
    on: str
    condition: str | None = None
    default: bool = False


def expect(case: Case) -> Expected:
    return _Reference(case).expect()


class _Reference:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.steps: dict[str, Mapping[str, Any]] = {
            step["id"]: step for step in case.document["steps"]
        }
        self.connections = list(_connections(case.document))
        self.ended: dict[str, Ended] = {}
        self.decided: dict[str, bool | None] = {}
        self.failed_conditions = 0

    def expect(self) -> Expected:
        waiting = dict(self.steps)
        while waiting:
            # None of the graphs has a circle, so there always is one.
            step_id = next(each for each in waiting if self._before(each).isdisjoint(waiting))
            del waiting[step_id]
            self.ended[step_id] = self._end(step_id)
            self._decide(step_id)
        failed = self.failed_conditions or any(map(self._counts, self.steps))
        return Expected(
            {step_id: self.ended[step_id].status for step_id in self.steps},
            {step_id: self.ended[step_id].code for step_id in self.steps},
            self.decided,
            "FAILED" if failed else "COMPLETED",
        )

    # R1: whom a step waits for.

    def _before(self, step_id: str) -> set[str]:
        step = self.steps[step_id]
        before = {each.source for each in self.connections if each.target == step_id}
        fallback = step.get("fallback", {})
        texts = [*step.get("parameters", {}).values(), *fallback.get("parameters", {}).values()]
        texts += [step.get("condition", ""), step.get("duration", "")]
        before |= {found for text in texts for found in _STEP.findall(str(text))}
        ids = list(self.steps)
        if "sequence_order" in step:
            before |= {
                each["id"]
                for each in self.steps.values()
                if each["sequence_order"] < step["sequence_order"]
            }
        elif "connections" not in self.case.document and "depends_on" not in step:
            before |= set(ids[: ids.index(step_id)][-1:])
        return before

    # R2 to R4: what becomes of the connections of a step that has ended.

    def _decide(self, step_id: str) -> None:
        ended = self.ended[step_id]
        tolerated = self.steps[step_id].get("continue_on_error", False)
        asked: dict[str, list[_Connection]] = {"success": [], "failure": [], "always": []}
        for each in self.connections:
            if each.source != step_id:
                continue
            if ended.status == "COMPLETED":
                by_condition = each.on != "failure"
            elif ended.status == "FAILED":
                by_condition = tolerated or each.on != "success"
            else:
                by_condition = each.on == "always"
            self.decided[each.id] = False
            if by_condition:
                asked[each.on].append(each)
        for group in asked.values():
            none_met = True
            for each in group:
                if each.condition is not None:
                    met = self._test(each.condition, step_id)
                    self.failed_conditions += met is None
                    self.decided[each.id] = bool(met)
                    none_met = none_met and met is False
            for each in group:
                if each.condition is None:
                    self.decided[each.id] = none_met if each.default else True

    def _test(self, condition: str, source: str | None = None) -> bool | None:
        """None: it errs."""
        parsed = Condition.parse(condition, source=source, steps=self.steps.keys())
        try:
            return parsed.test(self._scope())
        except (MissingInputError, ExpressionError):
            return None

    def _scope(self) -> Scope:
        facts = {
            step_id: {
                "status": ended.status,
                "error": None if ended.code is None else {"code": ended.code, "message": ""},
                "attempts": ended.attempts,
            }
            for step_id, ended in self.ended.items()
        }
        outputs = {
            step_id: ended.output
            for step_id, ended in self.ended.items()
            if ended.status == "COMPLETED"
        }
        return Scope(input=self.case.values, outputs=outputs, steps=facts)

    # R5, R6, R10: how a step ends.

    def _end(self, step_id: str) -> Ended:
        step = self.steps[step_id]
        incoming = [self.decided[each.id] for each in self.connections if each.target == step_id]
        default = "any" if "connections" in self.case.document else "all"
        enough = all if step.get("join", default) == "all" else any
        if incoming and not enough(incoming):
            return Ended("SKIPPED")
        if "condition" in step:
            met = self._test(step["condition"])
            if met is None:
                return Ended("FAILED", "condition.error")
            if not met:
                return Ended("SKIPPED")
        if step["type"] == "trigger":
            return Ended("COMPLETED", output=self.case.values)
        if step["type"] == "wait":
            return Ended("COMPLETED", output=self.case.payloads[step_id])
        if step["type"] == "sleep":
            return self._sleep(step)
        if not self._resolvable(step.get("parameters", {}).values()):
            return Ended("FAILED", "reference.missing")
        return self._work(step_id, step)

    def _value(self, reference: Any) -> Any:
        """Return what it stands for, or `_value` itself if that is missing."""
        match = re.fullmatch(r"\$\{(?:steps\.)?(\w+)\.(\w+)(\??)\}", str(reference))
        if match is None:
            return reference
        root, name, optional = match.groups()
        if root == "input":
            return self.case.values[name]
        if name == "status":
            return self.ended[root].status
        found = self.ended[root].output
        missing = None if optional else self._value
        return found.get(name, missing) if isinstance(found, Mapping) else missing

    def _resolvable(self, references: Iterable[Any]) -> bool:
        return all(self._value(each) != self._value for each in references)

    def _sleep(self, step: Mapping[str, Any]) -> Ended:
        if not self._resolvable([step["duration"]]):
            return Ended("FAILED", "reference.missing")
        try:
            parse_duration(self._value(step["duration"]))
        except ValueError:
            return Ended("FAILED", "schema.input")
        return Ended("COMPLETED")

    # R12, R13: attempts, the fallback, decisions.

    def _work(self, step_id: str, step: Mapping[str, Any]) -> Ended:
        outcomes = iter(_for_ever(self.case.outcomes[step_id]))
        others = iter(_for_ever(self.case.outcomes[f"{step_id}:fallback"]))
        decisions = iter(self.case.decisions[step_id])
        attempts = 0
        while True:
            retry = step.get("retry", {"max_attempts": 1})
            code, output, made = _series(step, retry, outcomes)
            attempts += made
            fallback = step.get("fallback")
            if code is not None and fallback is not None:
                if self._resolvable(fallback.get("parameters", {}).values()):
                    most = {"max_attempts": fallback.get("retry", 1)}
                    code, output, _ = _series(step, most, others)
                else:
                    code = "reference.missing"
            if code is None:
                return Ended("COMPLETED", output=output, attempts=attempts)
            decision = next(decisions) if retry.get("on_exhausted") == "pause" else "failed"
            if decision == "failed":
                return Ended("FAILED", code, attempts=attempts)
            if isinstance(decision, Mapping):
                return Ended("COMPLETED", output=decision["completed"], attempts=attempts)

    # R21: whether a step makes its execution FAILED.

    def _counts(self, step_id: str) -> bool:
        if self.ended[step_id].status != "FAILED":
            return False
        if self.steps[step_id].get("continue_on_error"):
            return False
        return not any(
            each.source == step_id and each.on == "failure" and self.decided[each.id]
            for each in self.connections
        )


def _connections(document: Mapping[str, Any]) -> Iterable[_Connection]:
    count: dict[str, int] = {}

    def named(source: str, target: str) -> str:
        name = f"{source}->{target}"
        count[name] = count.get(name, 0) + 1
        return name if count[name] == 1 else f"{name}#{count[name]}"

    for each in document.get("connections", ()):
        yield _Connection(named(each["source"], each["target"]), **each)
    for step in document["steps"]:
        for source in step.get("depends_on", ()):
            yield _Connection(named(source, step["id"]), source, step["id"], "success")


def _for_ever(outcomes: Any) -> Iterable[Any]:
    yield from outcomes
    while True:
        yield outcomes[-1]


def _series(
    step: Mapping[str, Any], retry: Mapping[str, Any], outcomes: Any
) -> tuple[str | None, Any, int]:
    """Return the code of the last failure, if it did not succeed; the output; how many."""
    code = None
    for made in range(1, retry["max_attempts"] + 1):
        outcome = next(outcomes)
        code = outcome if isinstance(outcome, str) else None
        if code is None:
            if "output_schema" not in step or "n" in outcome:
                return None, outcome, made
            code = "schema.output"
        if not _repeats(retry, code):
            return code, None, made
    return code, None, retry["max_attempts"]


def _repeats(retry: Mapping[str, Any], code: str) -> bool:
    if any(fnmatchcase(code, each) for each in retry.get("not_on", ())):
        return False
    if "on" in retry:
        return any(fnmatchcase(code, each) for each in retry["on"])
    return not code.startswith(("schema.", "reference.", "condition.", "result."))
