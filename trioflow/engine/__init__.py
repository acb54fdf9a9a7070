"""The driver: what the kernel wishes, performed on trio.

`_opening` opens an engine and leaves it, `_engine` belongs to all executions, `_driver` is the task
that owns one execution's machine, `_attempt` calls an action, and `_execution` is what a program
holds. `_child` follows a child execution, `_slots` says who is next, `_requester` leaves requests
for what an engine elsewhere drives. `_looking` reads an execution that somebody else drives,
`_statistics` counts what has happened, `_logs` says it, `_recovery` continues what nobody has asked
for, and `_retention` deletes what ended long ago.
"""

from trioflow.engine._engine import Engine
from trioflow.engine._execution import EventStream, Execution, Receipt, StepState
from trioflow.engine._finding import find_executions
from trioflow.engine._looking import Snapshot, look
from trioflow.engine._opening import open_engine
from trioflow.engine._requester import Requester
from trioflow.engine._run import run
from trioflow.engine._statistics import (
    Percentiles,
    Statistics,
    StepStatistics,
    WorkflowStatistics,
    statistics_of,
)

__all__ = [
    "Engine",
    "EventStream",
    "Execution",
    "Percentiles",
    "Receipt",
    "Requester",
    "Snapshot",
    "Statistics",
    "StepState",
    "StepStatistics",
    "WorkflowStatistics",
    "find_executions",
    "look",
    "open_engine",
    "run",
    "statistics_of",
]
