"""What may be asked of an execution: input, decisions, signals, a pause, a cancel (R25 to R27).

`accept` checks a request against a `State` and returns the events that it is recorded as, or
raises `InvalidRequest` with what is wrong; it changes nothing. So the same check serves the
machine and a process that only leaves a request in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from trioflow.definitions._finding import Scope
from trioflow.definitions._references import Template
from trioflow.errors import InvalidRequest, MissingInputError
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._apply import State, merge
from trioflow.kernel._codec import encode_json
from trioflow.kernel._connections import waiting_inputs
from trioflow.kernel._records import Unit
from trioflow.kernel._sizes import MAX_OUTPUT_BYTES, size_of
from trioflow.kernel._states import ENDED, PAUSED

# An event without its seq and its instant, which the machine adds.
Draft = tuple[type[e.Event], dict[str, Any]]


@attrs.frozen
class Waiting:
    """One thing that an execution waits for, and who can bring it.

    `kind`: ``input`` (`name` is the path, like ``input.card``), ``signal`` (`name` is the
    signal's), ``decision`` or ``resume``. `step` or `connection` is what waits; `schema` is what
    the value must fit, where that is known; `failure` is what has to be decided about.
    `execution` is the child execution that waits, and to which the answer has to go.
    """

    kind: str
    name: str = ""
    step: str | None = None
    connection: str | None = None
    schema: Mapping[str, Any] | None = None
    failure: e.Failure | None = None
    execution: str | None = None

    def __str__(self) -> str:
        where = f"step {self.step!r}" if self.step else f"connection {self.connection!r}"
        if self.execution:
            where += f" of {self.execution!r}"
        if self.kind == "input":
            return f"{self.name} ({where})"
        if self.kind == "signal":
            return f"signal {self.name!r} ({where})"
        if self.kind == "decision":
            return f"a decision about {where}"
        return "a resume"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, without what is empty."""
        found: dict[str, Any] = {"kind": self.kind}
        for key in ("name", "step", "connection", "execution", "schema"):
            value = getattr(self, key)
            if value:
                found[key] = value
        if self.failure is not None:
            found["failure"] = self.failure.to_json()
        return found


def waiting_for(state: State) -> tuple[Waiting, ...]:
    """Return everything that the execution waits for, in the order of the document.

    What somebody has brought already is not waited for, even if the owner of the execution has
    not yet acted upon it.
    """
    if state.status in ENDED or state.stopping is not None:
        return ()
    found: list[Waiting] = []
    for record in state.steps if state.paused else ():
        if record.status != PAUSED:
            continue
        if record.waits_for == "inputs":
            found += [
                Waiting("input", path, record.id, schema=_input_schema(state, path))
                for path in record.missing
                if not _has_value(path, state.input)
            ]
        elif record.waits_for == "signal":
            name, schema = str(record.planned.signal), record.planned.payload_schema
            if name not in state.signals:
                document = None if schema is None else schema.document
                found.append(Waiting("signal", name, record.id, schema=document))
        elif record.waits_for == "decision":
            found += _decision(state, record)
    for key in sorted(state.paused_items):
        if state.unit(key).waits_for == "decision":
            found += _decision(state, state.unit(key))
    for index in sorted(state.waiting_connections):
        connection_id = state.plan.connections[index].id
        found += [
            Waiting("input", path, connection=connection_id, schema=_input_schema(state, path))
            for path in waiting_inputs(state, index)
        ]
    if state.pause:
        found.append(Waiting("resume"))
    return tuple(found)


def _decision(state: State, unit: Unit) -> list[Waiting]:
    if unit.name in state.decisions:
        return []
    return [Waiting("decision", step=unit.name, failure=unit.failure)]


def _input_schema(state: State, path: str) -> Mapping[str, Any] | None:
    """Return the part of the input schema that describes `path`, if it says so plainly."""
    schema = state.plan.input_schema
    found: Any = None if schema is None else schema.document
    for name in _reference(path).references[0].path:
        properties = found.get("properties") if isinstance(found, Mapping) else None
        found = properties.get(name) if isinstance(properties, Mapping) else None
    return found if isinstance(found, Mapping) else None


def accept(state: State, request: f.Fact) -> list[Draft]:
    """Return the events that record `request`, or raise `InvalidRequest`."""
    verb = type(request).__name__.lower()
    if state.status in ENDED:
        raise InvalidRequest(
            f"can't {verb} execution {state.id!r}: it is {state.status}, and what has ended "
            f"does not change"
        )
    return _ACCEPT[type(request)](state, request)


def _resume(state: State, request: f.Resume) -> list[Draft]:
    waiting = waiting_for(state)
    who = f"execution {state.id!r}"
    if not waiting:
        raise InvalidRequest(f"can't resume {who}: it is {state.status} and waits for nothing")
    for path in _clashes(state.input, request.input, "input"):
        raise InvalidRequest(f"can't resume {who}: {path} has a value already")
    merged = merge(state.input, request.input)
    schema = state.plan.input_schema
    problems = () if schema is None else schema.problems(merged, "$.input")
    if request.input:
        # A trigger hands on all of it.
        _check_size("the whole input", merged)
    if problems:
        listed = "; ".join(str(problem) for problem in problems)
        raise InvalidRequest(f"can't resume {who}: {listed}")
    wanted = {entry.step: entry for entry in waiting if entry.kind == "decision"}
    for step, decision in request.decisions.items():
        if step not in wanted:
            raise InvalidRequest(
                f"can't resume {who}: step {step!r} does not wait for a decision"
                + (f"; these do: {', '.join(map(str, wanted))}" if wanted else "")
            )
        _check_decision(state.named(step), decision)
    answered = (
        bool(request.decisions)
        or state.pause
        or any(entry.kind == "input" and _has_value(entry.name, merged) for entry in waiting)
    )
    if not answered:
        names = ", ".join(str(entry) for entry in waiting)
        raise InvalidRequest(f"can't resume {who}: this answers nothing that it waits for: {names}")
    drafts: list[Draft] = []
    if request.input:
        drafts.append((e.InputReceived, {"input": dict(request.input)}))
    if request.decisions:
        drafts.append((e.DecisionsReceived, {"decisions": dict(request.decisions)}))
    if state.pause:
        drafts.append((e.ResumeRequested, {}))
    return drafts


def _clashes(base: Mapping[str, Any], more: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in more.items():
        if key in base:
            if isinstance(value, Mapping) and isinstance(base[key], Mapping):
                yield from _clashes(base[key], value, f"{path}.{key}")
            else:
                yield f"{path}.{key}"


def _reference(path: str) -> Template:
    return Template.parse(f"${{{path}}}", steps=())


def _has_value(path: str, found: Mapping[str, Any]) -> bool:
    try:
        _reference(path).resolve(Scope(input=found))
    except MissingInputError:
        return False
    return True


def _check_decision(unit: Unit, decision: Any) -> None:
    if decision in ("retry", "failed"):
        return
    if not (isinstance(decision, Mapping) and list(decision) == ["completed"]):
        raise InvalidRequest(
            f"the decision about step {unit.name!r} must be 'retry', 'failed' or "
            f"{{'completed': output}}"
        )
    _check_size(f"the output decided for step {unit.name!r}", decision["completed"])
    schema = unit.planned.output_schema
    problems = () if schema is None else schema.problems(decision["completed"])
    if problems:
        listed = "; ".join(str(problem) for problem in problems)
        raise InvalidRequest(f"the output decided for step {unit.name!r} does not fit: {listed}")


def _signal(state: State, request: f.Signal) -> list[Draft]:
    index = state.plan.signals.get(request.name)
    if index is None:
        known = ", ".join(sorted(state.plan.signals)) or "none"
        raise InvalidRequest(
            f"no step of execution {state.id!r} waits for a signal {request.name!r}; "
            f"its signals: {known}"
        )
    record = state.steps[index]
    if record.status in ENDED:
        raise InvalidRequest(
            f"signal {request.name!r} came too late: step {record.id!r} is {record.status}"
        )
    if request.name in state.signals:
        raise InvalidRequest(f"signal {request.name!r} is there already: the first one is kept")
    _check_size(f"the payload of signal {request.name!r}", request.payload)
    schema = record.planned.payload_schema
    problems = () if schema is None else schema.problems(request.payload)
    if problems:
        listed = "; ".join(str(problem) for problem in problems)
        raise InvalidRequest(f"the payload of signal {request.name!r} does not fit: {listed}")
    return [(e.SignalReceived, {"name": request.name, "payload": request.payload})]


def _check_size(what: str, value: Any) -> None:
    """Refuse what could be recorded as a request, and then not as the output that it becomes."""
    size = size_of(encode_json(value))
    if size > MAX_OUTPUT_BYTES:
        raise InvalidRequest(
            f"{what} has {size} bytes of JSON, more than the {MAX_OUTPUT_BYTES} that fit; "
            f"keep large data elsewhere and pass a reference to it"
        )


def _pause(state: State, request: f.Pause) -> list[Draft]:
    if state.pause:
        raise InvalidRequest(f"can't pause execution {state.id!r}: it is paused already")
    if state.stopping is not None:
        raise InvalidRequest(f"can't pause execution {state.id!r}: it is stopping")
    return [(e.PauseRequested, {})]


def _cancel(state: State, request: f.Cancel) -> list[Draft]:
    return [(e.CancelRequested, {"reason": request.reason, "grace": request.grace})]


_ACCEPT: Mapping[type[f.Fact], Callable[[State, Any], list[Draft]]] = {
    f.Resume: _resume,
    f.Signal: _signal,
    f.Pause: _pause,
    f.Cancel: _cancel,
}
