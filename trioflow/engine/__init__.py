"""The driver: what the kernel wishes, performed on trio.

`_engine` opens a store and belongs to all executions, `_driver` is the task that owns one
execution's machine, `_attempt` calls an action, and `_execution` is what a program holds.
`_looking` reads an execution that somebody else drives.
"""

from trioflow.engine._engine import Engine, open_engine
from trioflow.engine._execution import EventStream, Execution, Receipt, StepState
from trioflow.engine._looking import Snapshot, look
from trioflow.engine._requester import Requester
from trioflow.engine._run import run

__all__ = [
    "Engine",
    "EventStream",
    "Execution",
    "Receipt",
    "Requester",
    "Snapshot",
    "StepState",
    "look",
    "open_engine",
    "run",
]
