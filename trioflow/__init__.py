"""Durable workflows for Python, on structured concurrency (trio), embedded, without a server.

The house has floors, and imports only go down:

* `trioflow.errors`: every exception.
* `trioflow.definitions`: workflows as values and documents; conditions and references.
* `trioflow.kernel`: the rules of one execution, sans-IO.
* `trioflow.stores` and `trioflow.actions`: disk, network, and what users write.
* `trioflow.engine`: the driver on trio; `trioflow.testing`, `trioflow.blocking`, `trioflow.aio`,
  and `trioflow.pictures`, which draws workflows and executions.
* `trioflow.cli`: the command line, made of what anybody can import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trioflow import aio as aio
    from trioflow import blocking as blocking
    from trioflow import errors as errors
    from trioflow import events as events
    from trioflow import expressions as expressions
    from trioflow import pictures as pictures
    from trioflow import testing as testing
    from trioflow import timelines as timelines
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
else:
    # Not for type checkers: they would take any name for one of this package.
    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"trioflow.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'trioflow' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


# Where each name lives. It is imported when somebody asks for it: all of it takes three times as
# long as trio alone, and a worker process that runs one action, or `trioflow --help`, needs little.
_HOMES = {
    name: home
    for home, names in {
        "trioflow.actions": (
            "ActionContext",
            "action",
        ),
        "trioflow.definitions": (
            "ActionCall",
            "Connection",
            "ForEach",
            "Retry",
            "Step",
            "Workflow",
            "load_workflow",
        ),
        "trioflow.engine": (
            "Engine",
            "Execution",
            "Receipt",
            "StepState",
            "open_engine",
            "run",
        ),
        "trioflow.errors": (
            "Conflict",
            "DefinitionError",
            "DuplicateExecution",
            "EngineError",
            "ExecutionCancelled",
            "ExecutionError",
            "ExecutionFailed",
            "ExecutionNotFound",
            "ExecutionPaused",
            "ExpressionError",
            "InputRejected",
            "InvalidRequest",
            "MissingInputError",
            "Problem",
            "ProtocolError",
            "SchemaValidationError",
            "StepError",
            "StepTimeoutError",
            "StoreCorrupt",
            "StoreError",
            "StoreLocked",
            "StoreUnusable",
            "TooLarge",
            "TrioflowError",
            "UnknownAction",
            "UnknownWorkflow",
        ),
    }.items()
    for name in names
}
_MODULES = (
    "aio",
    "blocking",
    "errors",
    "events",
    "expressions",
    "pictures",
    "testing",
    "timelines",
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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
