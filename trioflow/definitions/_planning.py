"""From a checked document to the plan that the kernel reads, and to the canonical document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trioflow.definitions._checks import Checked, default_id
from trioflow.definitions._faults import Faults
from trioflow.definitions._graph import Plan, PlannedCall, PlannedConnection, PlannedStep
from trioflow.definitions._parts import ActionCall, Connection, Retry, Step
from trioflow.definitions._references import Template
from trioflow.definitions._spelling import PLAIN, Speller
from trioflow.definitions._steps import CompiledStep

if TYPE_CHECKING:
    from trioflow.definitions._model import Workflow

FORMAT = 1


# ---- the canonical document ----


def canonical_document(
    fields: Mapping[str, Any],
    steps: Iterable[Step],
    connections: Iterable[Connection],
    *,
    numbered: bool,
) -> dict[str, Any]:
    """Write a normalised workflow in the one shape in which it is stored.

    `fields` are those of the workflow that do not have their default. There is one key for the
    steps, `steps`; either each has its `sequence_order`, or `connections` stand beside them.
    """
    speller = Speller(Faults())
    document: dict[str, Any] = {"trioflow": FORMAT}
    for key, value in fields.items():
        document[key] = value if key in PLAIN else speller.spell(value, "")
    document["steps"] = [_canonical_step(step, speller) for step in steps]
    if not numbered:
        document["connections"] = list(_canonical_connections(connections, speller))
    return document


def _canonical_step(step: Step, speller: Speller) -> dict[str, Any]:
    spelled: dict[str, Any] = speller.spell(step, "")
    if step.join == "any":
        del spelled["join"]
    if step.signal == step.id:
        spelled.pop("signal", None)
    return spelled


def _canonical_connections(
    connections: Iterable[Connection], speller: Speller
) -> Iterable[dict[str, Any]]:
    count: dict[tuple[str, str], int] = {}
    for connection in connections:
        spelled: dict[str, Any] = speller.spell(connection, "")
        ends = (connection.source, connection.target)
        number = count.get(ends, 0) + 1
        if connection.id == default_id(*ends, number):
            # It would get this very id if it had none.
            del spelled["id"]
            count[ends] = number
        yield spelled


# ---- the plan ----


def make_plan(checked: Checked, workflow: Workflow) -> Plan:
    links = checked.links
    connections = tuple(
        PlannedConnection(
            index=index,
            id=each.connection.id or "",
            source=each.source,
            target=each.target,
            on=each.connection.on,
            default=each.connection.default,
            condition=each.condition,
        )
        for index, each in enumerate(checked.connections)
    )
    steps = tuple(
        _planned_step(index, compiled, checked, workflow)
        for index, compiled in enumerate(checked.steps)
    )
    calls = [call for step in steps for call in (step.call, step.fallback, step.compensate)]
    return Plan(
        workflow=workflow,
        steps=steps,
        index={step.id: step.index for step in steps},
        connections=connections,
        connection_index={connection.id: connection.index for connection in connections},
        gates=tuple(links.gates),
        signals={step.signal: step.index for step in steps if step.signal is not None},
        output=checked.output,
        final_steps=links.final_steps(),
        input_schema=checked.input_schema,
        output_schema=checked.output_schema,
        actions=frozenset(call.action for call in calls if call is not None),
        workflows=frozenset(step.workflow for step in steps if step.workflow is not None),
    )


def _planned_step(
    index: int, compiled: CompiledStep, checked: Checked, workflow: Workflow
) -> PlannedStep:
    links = checked.links
    step = workflow.steps[index]
    is_action = step.type == "action"
    parameters = compiled.parameters
    call = None
    if is_action:
        call = _planned_call(
            str(step.action), parameters, step.timeout, step.retry or workflow.retry
        )
    return PlannedStep(
        index=index,
        id=step.id,
        type=step.type,
        step=step,
        gates=len(links.waits_for[index]),
        member_of=tuple(links.member_of[index]),
        incoming=tuple(links.incoming[index]),
        outgoing=tuple(links.outgoing[index]),
        join=step.join or "any",
        condition=compiled.condition,
        call=call,
        fallback=_beside(step.fallback, compiled.fallback_parameters or parameters),
        compensate=_beside(step.compensate, compiled.compensate_parameters),
        for_each=step.for_each,
        items=compiled.items,
        input_schema=compiled.input_schema,
        output_schema=compiled.output_schema,
        payload_schema=compiled.payload_schema,
        signal=step.signal if step.type == "wait" else None,
        total_timeout=step.total_timeout,
        continue_on_error=step.continue_on_error,
        on_crash=step.on_crash,
        duration=compiled.duration,
        until=compiled.until,
        workflow=step.workflow,
        child_input=parameters if step.type == "workflow" else None,
    )


def _planned_call(
    action: str, parameters: Template | None, timeout: float | None, retry: Retry | None
) -> PlannedCall:
    # Whatever is called has parameters: a checked document has made them, if only empty ones.
    if parameters is None:  # pragma: no cover
        raise AssertionError(action)
    return PlannedCall(action, parameters, timeout, retry)


def _beside(call: ActionCall | None, parameters: Template | None) -> PlannedCall | None:
    if call is None:
        return None
    return _planned_call(str(call.action), parameters, call.timeout, call.retry)
