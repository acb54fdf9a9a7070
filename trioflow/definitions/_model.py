"""`Workflow`: a whole workflow, checked when it is made.

A document and Python code give the same value: `load_workflow` and the constructor both write
down what they were given as one plain document, and go through the same checks with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs

from trioflow.definitions._checks import Checked, check
from trioflow.definitions._faults import Faults
from trioflow.definitions._graph import Plan
from trioflow.definitions._parts import (
    Action,
    ActionCall,
    Connection,
    ForEach,
    Join,
    On,
    Retry,
    Step,
    StepType,
)
from trioflow.definitions._planning import canonical_document, make_plan
from trioflow.definitions._reading import plain
from trioflow.definitions._spelling import PLAIN, Speller

__all__ = [
    "Action",
    "ActionCall",
    "Connection",
    "ForEach",
    "Join",
    "On",
    "Retry",
    "Step",
    "StepType",
    "Workflow",
]

OnFailure = Literal["cancel", "finish", "continue"]
CompensateOn = Literal["failed", "cancelled"]

_ALWAYS: tuple[CompensateOn, ...] = ("failed", "cancelled")


@attrs.frozen(init=False, eq=False, repr=False)
class Workflow:
    """A workflow, checked and normalised.

    What orders the `steps` depends on what you give. One `depends_on` in any step, or
    `connections` (be they empty): exactly these, and the references between steps. A
    `sequence_order` in each step: equal numbers run in parallel, higher ones later. Nothing of
    this: the order of the list. Raises `DefinitionError` with every fault, each with its path in
    the document that this workflow stands for.

    Durations are seconds, or text like ``"15m"``. Two workflows are equal if they mean the same
    document. The `steps` and `connections` of a workflow are normalised: each step has its
    `sequence_order`, or what it depends on is among the connections.
    """

    id: str
    steps: tuple[Step, ...]
    connections: tuple[Connection, ...]
    version: str | None
    name: str | None
    description: str | None
    labels: Mapping[str, str]
    input_schema: Mapping[str, Any] | None
    # The defaults of the input; and a template, in which None stands for the default output.
    input: Mapping[str, Any]
    output: Any
    output_schema: Mapping[str, Any] | None
    timeout: float | None
    max_concurrent_steps: int | None
    on_failure: OnFailure
    retry: Retry | None
    compensate_on: tuple[CompensateOn, ...]
    extensions: Mapping[str, Any]
    # The functions that were given in Python, by the names of their actions.
    functions: Mapping[str, Callable[..., Any]]
    # What the kernel reads.
    plan: Plan
    # The sha256, in hexadecimal, of the canonical document.
    digest: str
    _text: str

    def __init__(
        self,
        id: str,  # noqa: A002
        steps: Sequence[Step],
        connections: Sequence[Connection] | None = None,
        *,
        version: str | None = None,
        name: str | None = None,
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        input_schema: Mapping[str, Any] | None = None,
        input: Mapping[str, Any] | None = None,
        output: Any = None,
        output_schema: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        max_concurrent_steps: int | None = None,
        on_failure: OnFailure = "cancel",
        retry: Retry | int | None = None,
        compensate_on: Sequence[CompensateOn] = _ALWAYS,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        faults = Faults()
        speller = Speller(faults)
        given = {
            "id": id,
            "steps": steps,
            "connections": connections,
            "version": version,
            "name": name,
            "description": description,
            "labels": labels,
            "input_schema": input_schema,
            "input": input,
            "output": output,
            "output_schema": output_schema,
            "timeout": timeout,
            "max_concurrent_steps": max_concurrent_steps,
            "on_failure": on_failure,
            "retry": retry,
            "compensate_on": compensate_on,
        }
        document = {
            key: value if key in PLAIN else speller.spell(value, f"$.{key}")
            for key, value in given.items()
            if value is not None
        }
        document.update(speller.extensions(extensions or {}, "$"))
        source = f"workflow {id!r}" if id and type(id) is str else "the workflow"
        self._fill(check(plain(document, faults, source), faults, source), speller.functions)

    def _fill(self, checked: Checked, functions: Mapping[str, Callable[..., Any]]) -> None:
        steps = tuple(each.step for each in checked.steps)
        connections = tuple(each.connection for each in checked.connections)
        fields = _without_defaults(checked.fields)
        document = canonical_document(fields, steps, connections, numbered=checked.is_numbered)
        document.update(checked.fields.get("extensions", {}))
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        canonical = json.dumps(document, sort_keys=True, allow_nan=False, separators=(",", ":"))
        values = {
            **_DEFAULTS,
            **fields,
            "extensions": {},
            **checked.fields,
            "compensate_on": fields.get("compensate_on", _ALWAYS),
            "steps": steps,
            "connections": connections,
            "functions": dict(functions),
            "digest": hashlib.sha256(canonical.encode()).hexdigest(),
            "_text": text,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)
        object.__setattr__(self, "plan", make_plan(checked, self))

    @property
    def document(self) -> dict[str, Any]:
        """The canonical document, made anew each time, so that you may change what you get.

        Whatever shape it was written in, it has `steps`, and either `connections` beside them or
        a `sequence_order` in each. Defaults are left out, durations are numbers.
        """
        document: dict[str, Any] = json.loads(self._text)
        return document

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Workflow):
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        steps = "1 step" if len(self.steps) == 1 else f"{len(self.steps)} steps"
        return f"<Workflow {self.id!r} of {steps}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled expressions do not pickle, and need not: they come with the document.
        return _restore, (self._text, dict(self.functions))


_DEFAULTS: Mapping[str, Any] = {
    "version": None,
    "name": None,
    "description": None,
    "labels": {},
    "input_schema": None,
    "input": {},
    "output": None,
    "output_schema": None,
    "timeout": None,
    "max_concurrent_steps": None,
    "on_failure": "cancel",
    "retry": None,
    "compensate_on": _ALWAYS,
}


def _without_defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a workflow, in one order, that say something."""
    found = {"id": fields["id"]}
    for key, default in _DEFAULTS.items():
        value = fields.get(key, default)
        if key == "compensate_on":
            value = tuple(each for each in _ALWAYS if each in value)
        if value != default:
            found[key] = value
    return found


def workflow_from(
    document: object,
    *,
    source: str = "the workflow",
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Workflow:
    """Check data that was read from somewhere; `source` is what messages call it."""
    faults = Faults()
    checked = check(plain(document, faults, source), faults, source)
    workflow = Workflow.__new__(Workflow)
    workflow._fill(checked, functions or {})
    return workflow


def _restore(text: str, functions: Mapping[str, Callable[..., Any]]) -> Workflow:
    return workflow_from(json.loads(text), functions=functions)
