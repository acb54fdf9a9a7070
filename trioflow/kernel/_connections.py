"""How connections are decided (rules R2 to R4), and what the references of a workflow see.

Functions over a `State`; they change nothing.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from trioflow.definitions._finding import MISSING, Scope
from trioflow.definitions._graph import PlannedConnection
from trioflow.errors import ExpressionError, MissingInputError
from trioflow.kernel._apply import State
from trioflow.kernel._events import Failure
from trioflow.kernel._records import StepRecord, Unit
from trioflow.kernel._states import COMPLETED, CONDITION_DECIDES, FAILED, TOLERATED


def scope(
    state: State,
    *,
    input: Mapping[str, Any] | None = None,
    unseen: frozenset[str] = frozenset(),
) -> Scope:
    """Return what references see now, or with the `input` and without the steps given."""
    outputs: Mapping[str, Any] = state.outputs
    facts: Mapping[str, Any] = state.facts
    if unseen:
        hidden = dict.fromkeys(unseen, MISSING)
        outputs, facts = ChainMap(hidden, state.outputs), ChainMap(hidden, state.facts)
    return Scope(
        input=state.input if input is None else input,
        outputs=outputs,
        steps=facts,
        execution=state.about_itself,
        workflow=state.plan.about_itself,
    )


def item_values(state: State, record: StepRecord) -> list[Any]:
    """Return the values of a step's items, as of its start."""
    values = record.values
    if values is None:
        assert record.planned.items is not None
        seen = scope(state, input=record.input, unseen=record.unseen)
        values = record.values = record.planned.items.resolve(seen)
    return values


def item_scope(state: State, unit: Unit, seen: Scope) -> Scope:
    """Return `seen`, in which an item sees itself as well."""
    if unit.item is not None:
        seen.item = item_values(state, state.steps[unit.planned.index])[unit.item]
        seen.item_index = unit.item
    return seen


def undo_scope(state: State, unit: Unit) -> Scope:
    """Return what an undo sees: the step itself is, for an item, the item (R24)."""
    seen = item_scope(state, unit, scope(state))
    if unit.item is not None:
        seen.outputs = ChainMap({unit.id: unit.output}, state.outputs)
    return seen


def _scope_at_end(
    state: State, record: StepRecord, status: str, output: Any, facts: Mapping[str, Any]
) -> Scope:
    """What conditions see in the record that ends `record`, which is not yet applied."""
    seen = scope(state)
    if status == COMPLETED:
        seen.outputs = ChainMap({record.id: output}, state.outputs)
    seen.steps = ChainMap({record.id: dict(facts)}, state.facts)
    return seen


@attrs.define
class Decisions:
    """What was decided about some connections. Those in no list wait for an input."""

    taken: list[str] = attrs.field(factory=list)
    dead: list[str] = attrs.field(factory=list)
    failed: list[tuple[str, Failure]] = attrs.field(factory=list)


def decide_at_end(
    state: State,
    record: StepRecord,
    status: str,
    output: Any = None,
    failure: Failure | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Decisions:
    """Decide the connections of a step that is about to end like this.

    `facts` is what ``steps.<id>`` says of it, if that is known already.
    """
    decisions = Decisions()
    tolerated = status == FAILED and record.planned.continue_on_error
    decides = CONDITION_DECIDES[TOLERATED if tolerated else status]
    asked: list[PlannedConnection] = []
    for index in record.planned.outgoing:
        connection = state.plan.connections[index]
        if not decides[connection.on]:
            decisions.dead.append(connection.id)
        elif connection.condition is None and not connection.default:
            decisions.taken.append(connection.id)
        else:
            asked.append(connection)
    if asked:
        facts = facts or record.facts(status, failure)
        seen = _scope_at_end(state, record, status, output, facts)
        _ask(state, asked, seen, decisions)
    return decisions


def decide_waiting(state: State) -> Decisions:
    """Decide the connections that have waited for an input, as far as they can be by now."""
    decisions = Decisions()
    asked = [state.plan.connections[index] for index in sorted(state.waiting_connections)]
    _ask(state, asked, scope(state), decisions)
    return decisions


def _ask(
    state: State, asked: Sequence[PlannedConnection], seen: Scope, decisions: Decisions
) -> None:
    # For every source and `on`, what its default has to know of the conditions beside it (R3).
    taken: set[tuple[int, str]] = set()
    waits: set[tuple[int, str]] = set()
    for connection in asked:
        if connection.condition is None:
            continue
        beside = (connection.source, connection.on)
        try:
            met = connection.condition.test(seen)
        except (MissingInputError, ExpressionError) as error:
            if isinstance(error, MissingInputError) and error.inputs:
                waits.add(beside)
                continue
            decisions.dead.append(connection.id)
            message = f"the condition of connection {connection.id!r}: {error}"
            decisions.failed.append((connection.id, Failure("condition.error", message)))
            # An erring condition decides the default beside it like a true one: it is dead.
            taken.add(beside)
            continue
        if met:
            decisions.taken.append(connection.id)
            taken.add(beside)
        else:
            decisions.dead.append(connection.id)
    for connection in asked:
        if connection.default:
            beside = (connection.source, connection.on)
            if beside in taken:
                decisions.dead.append(connection.id)
            elif beside not in waits:
                decisions.taken.append(connection.id)


def waiting_inputs(state: State, index: int) -> tuple[str, ...]:
    """Return the input paths for which the condition of an undecided connection waits."""
    condition = state.plan.connections[index].condition
    if condition is None:
        return ()
    try:
        condition.test(scope(state))
    except MissingInputError as error:
        return error.inputs
    except ExpressionError:
        pass
    return ()


def why_dead(state: State, index: int) -> str:
    """Say in a few words what killed a connection."""
    connection = state.plan.connections[index]
    source = state.steps[connection.source]
    tolerated = source.status == FAILED and source.planned.continue_on_error
    if not CONDITION_DECIDES[TOLERATED if tolerated else source.status][connection.on]:
        return f"{connection.id}: {source.id} is {source.status}"
    if f"->{connection.id}" in state.unhandled:
        return f"{connection.id}: its condition failed"
    if connection.condition is not None:
        return f"{connection.id}: not {connection.condition.text}"
    # It is a default: without a condition everything else is taken here.
    beside = [
        other
        for other in (state.plan.connections[index] for index in source.planned.outgoing)
        if other.on == connection.on and other.condition is not None and state.decided[other.index]
    ]
    how = "was met" if beside else "failed"
    return f"{connection.id}: another condition of {source.id} {how}"
