"""The driver: what the kernel wishes, performed on trio.

`_engine` opens a store and belongs to all executions, `_driver` is the task that owns one
execution's machine, `_attempt` calls an action, and `_execution` is what a program holds.
"""

from trioflow.engine._engine import Engine, open_engine
from trioflow.engine._execution import EventStream, Execution, Receipt, StepState

__all__ = ["Engine", "EventStream", "Execution", "Receipt", "StepState", "open_engine"]
