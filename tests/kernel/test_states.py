"""The tables: every transition is a row, and nothing else is legal."""

from __future__ import annotations

import pytest

from trioflow.definitions import load_workflow
from trioflow.errors import ProtocolError
from trioflow.kernel import _events as e
from trioflow.kernel._apply import State
from trioflow.kernel._states import (
    CONDITION_DECIDES,
    ENDED,
    EXECUTION,
    PENDING,
    STATUSES,
    STEP,
    Table,
    draw,
)


def test_what_has_ended_stays_what_it_is() -> None:
    """An execution has no rows then; of a step only the undoing is still heard."""
    assert set(STATUSES) == set(STEP)
    for status in ENDED & set(EXECUTION):
        assert {} == EXECUTION[status]
    for status in ENDED:
        assert {status} >= set(STEP[status].values())
    for table in (STEP, EXECUTION):
        for status in set(table) - ENDED:
            assert {} != table[status]


def test_every_event_has_a_row_of_the_execution() -> None:
    """And all that is about a step has one there."""
    events = {event_type for row in EXECUTION.values() for event_type in row}

    assert set(e.EVENT_TYPES) == events

    of_steps = {
        each
        for each in e.EVENT_TYPES
        if each.__name__.startswith(("Step", "Attempt", "Item", "Child", "Fallback", "Compens"))
    }

    assert of_steps == {each for row in STEP.values() for each in row}


def test_only_the_terminal_events_end_an_execution() -> None:
    ending = {each for row in EXECUTION.values() for each, to in row.items() if to in ENDED}

    assert set(e.TERMINAL_EVENTS) == ending


@pytest.mark.parametrize("event_type", e.EVENT_TYPES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("table", (STEP, EXECUTION), ids=("step", "execution"))
def test_a_missing_row_is_a_protocol_error(table: Table, event_type: type[e.Event]) -> None:
    plan = load_workflow({"id": "w", "steps": [{"id": "it", "action": "a"}]}).plan
    event = event_type.__new__(event_type)
    for status in table:
        if event_type in table[status]:
            continue
        state = State(plan)
        if table is EXECUTION:
            state.id, state.status = "x", status
            with pytest.raises(ProtocolError, match=f"to execution 'x', which is {status}"):
                state.apply(event)
            assert (status, 0) == (state.status, state.seq)
        elif hasattr(event_type, "step"):
            state.status, state.steps[0].status = "RUNNING", status
            object.__setattr__(event, "step", "it")
            with pytest.raises(ProtocolError, match=f"to step 'it', which is {status}"):
                state._move(event)
            assert status == state.steps[0].status


def test_the_table_of_connections() -> None:
    """R2, as it is written in the rules."""
    assert {
        "COMPLETED": {"success": True, "failure": False, "always": True},
        "FAILED, tolerated": {"success": True, "failure": True, "always": True},
        "FAILED": {"success": False, "failure": True, "always": True},
        "SKIPPED": {"success": False, "failure": False, "always": True},
        "CANCELLED": {"success": False, "failure": False, "always": False},
    } == CONDITION_DECIDES


def test_a_table_can_be_drawn() -> None:
    drawn = draw(EXECUTION)

    assert drawn.startswith("stateDiagram-v2\n    PENDING --> RUNNING: ExecutionStarted\n")
    assert "    RUNNING --> PAUSED: ExecutionPaused\n" in drawn
    assert drawn.endswith("    CANCELLED --> [*]")
    assert "RUNNING --> RUNNING" not in drawn
    assert f"    {PENDING} --> SKIPPED: StepSkipped" in draw(STEP)
