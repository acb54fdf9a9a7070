"""Durable workflows for Python, on structured concurrency (trio), embedded, without a server.

The house has floors, and imports only go down:

* `trioflow.errors`: every exception.
* `trioflow.definitions`: workflows as values and documents; conditions and references.
* `trioflow.kernel`: the rules of one execution, sans-IO.
* `trioflow.stores` and `trioflow.actions`: disk, network, and what users write.
* `trioflow.engine`: the driver on trio; `trioflow.testing`, `trioflow.blocking`, `trioflow.aio`.
* `trioflow.cli`: the command line, made of what anybody can import.
"""

from trioflow.actions import ActionContext, action
from trioflow.definitions import (
    ActionCall,
    Connection,
    ForEach,
    Retry,
    Step,
    Workflow,
    load_workflow,
)
from trioflow.engine import Engine, Execution, Receipt, StepState, open_engine, run
from trioflow.errors import (
    Conflict,
    DefinitionError,
    DuplicateExecution,
    EngineError,
    ExecutionCancelled,
    ExecutionError,
    ExecutionFailed,
    ExecutionNotFound,
    ExecutionPaused,
    ExpressionError,
    InputRejected,
    InvalidRequest,
    MissingInputError,
    Problem,
    ProtocolError,
    SchemaValidationError,
    StepError,
    StepTimeoutError,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    StoreUnusable,
    TooLarge,
    TrioflowError,
    UnknownAction,
    UnknownWorkflow,
)

__all__ = [
    "ActionCall",
    "ActionContext",
    "Conflict",
    "Connection",
    "DefinitionError",
    "DuplicateExecution",
    "Engine",
    "EngineError",
    "Execution",
    "ExecutionCancelled",
    "ExecutionError",
    "ExecutionFailed",
    "ExecutionNotFound",
    "ExecutionPaused",
    "ExpressionError",
    "ForEach",
    "InputRejected",
    "InvalidRequest",
    "MissingInputError",
    "Problem",
    "ProtocolError",
    "Receipt",
    "Retry",
    "SchemaValidationError",
    "Step",
    "StepError",
    "StepState",
    "StepTimeoutError",
    "StoreCorrupt",
    "StoreError",
    "StoreLocked",
    "StoreUnusable",
    "TooLarge",
    "TrioflowError",
    "UnknownAction",
    "UnknownWorkflow",
    "Workflow",
    "action",
    "load_workflow",
    "open_engine",
    "run",
]
