"""Every exception of trioflow, grouped by who must act.

* `DefinitionError`: the author of a document, before anything has been executed.
* `EngineError`: the caller, now. `StoreError`: whoever looks after the store.
* `ExecutionError`: an execution ended, or paused, in a way that the caller must hear of.
* `MissingInputError`, `ExpressionError`, `SchemaValidationError`, `StepTimeoutError`: what a
  reference, a condition, a schema or a step has to say; they are what the others carry.
* `ProtocolError`: a bug of ours.
* `StepError` is the other way round: an action raises it to speak to the engine.

The parameters of every constructor equal `args`, so all of them pickle, and machines read
attributes where people read the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

__all__ = [
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
]


@attrs.frozen
class Problem:
    """One fault: where it is, as a JSON path like ``$.steps[2].timeout``, and what it is."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


# A generated document repeats its fault in every step; the end of the message is to be seen, too.
_MOST_LISTED = 50


def _listing(problems: Sequence[Problem]) -> str:
    lines = [f"\n- {problem.path}: {problem.message}" for problem in problems[:_MOST_LISTED]]
    left = len(problems) - len(lines)
    return "".join(lines) + (f"\n- and {left} more" if left else "")


def _count(problems: Sequence[object]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


class TrioflowError(Exception):
    """The base of everything that trioflow raises itself."""


class DefinitionError(TrioflowError):
    """A workflow document cannot be accepted; `problems` holds every fault with its place."""

    def __init__(self, problems: Sequence[Problem], source: str = "the workflow") -> None:
        super().__init__(tuple(problems), source)
        self.problems = tuple(problems)
        self.source = source

    def __str__(self) -> str:
        return f"{self.source} has {_count(self.problems)}:{_listing(self.problems)}"


class EngineError(TrioflowError):
    """The engine refuses what it was asked for; nothing was changed."""


class ExecutionNotFound(EngineError):
    """There is no execution with this id in the store."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id

    def __str__(self) -> str:
        return f"there is no execution {self.execution_id!r} in this store"


class DuplicateExecution(EngineError):
    """The id belongs to an execution of another workflow or with another input."""

    def __init__(self, execution_id: str, difference: str = "input") -> None:
        super().__init__(execution_id, difference)
        self.execution_id = execution_id
        self.difference = difference

    def __str__(self) -> str:
        return (
            f"execution {self.execution_id!r} is already there with another {self.difference}; "
            f"choose another id, or give the same workflow and input to get that execution"
        )


class InvalidRequest(EngineError):
    """The request does not fit the state of the execution; nothing was changed."""


class UnknownAction(EngineError):
    """A workflow needs actions (or child workflows) that this engine was not given."""

    def __init__(self, missing: Sequence[str], hint: str = "") -> None:
        super().__init__(tuple(missing), hint)
        self.missing = tuple(missing)
        self.hint = hint

    def __str__(self) -> str:
        names = ", ".join(repr(name) for name in self.missing)
        what = "action" if len(self.missing) == 1 else "actions"
        return f"unknown {what} {names}{self.hint}"


class UnknownWorkflow(EngineError):
    """A step starts a child workflow that this engine was not given."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(tuple(missing))
        self.missing = tuple(missing)

    def __str__(self) -> str:
        names = ", ".join(repr(name) for name in self.missing)
        what = "workflow" if len(self.missing) == 1 else "workflows"
        return f"unknown child {what} {names}; give them to the engine with `workflows=`"


class InputRejected(EngineError):
    """The input does not fit the workflow's input schema; nothing was stored."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"the input has {_count(self.problems)}:{_listing(self.problems)}"


class StoreError(EngineError):
    """The store could not do it, and whether it did is unknown: read the head again."""


class Conflict(StoreError):
    """Somebody else has written to this execution; certainly nothing of ours was written."""

    def __init__(self, execution_id: str, expected: int, found: int) -> None:
        super().__init__(execution_id, expected, found)
        self.execution_id = execution_id
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        if self.expected != self.found:
            return (
                f"the history of execution {self.execution_id!r} has {self.found} events, "
                f"not {self.expected} as expected"
            )
        return f"execution {self.execution_id!r} belongs to another engine by now"


class TooLarge(StoreError):
    """One event is larger than the store takes; certainly nothing was written."""

    def __init__(self, execution_id: str, size: int, limit: int) -> None:
        super().__init__(execution_id, size, limit)
        self.execution_id = execution_id
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"an event of execution {self.execution_id!r} has {self.size} bytes, "
            f"more than the {self.limit} that a store takes; "
            f"keep large data elsewhere and pass a reference to it"
        )


class StoreLocked(StoreError):
    """Another engine has this store open."""


class StoreCorrupt(StoreError):
    """The file is damaged, or an event in it cannot be read."""


class StoreUnusable(StoreError):
    """The file is not a store that this version can use: read-only, foreign, or too new."""


class ExecutionError(TrioflowError):
    """An execution did not end well."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.execution_id = execution_id


class ExecutionFailed(ExecutionError):
    """The execution is FAILED; `errors` holds every failure, the first cause first."""

    def __init__(self, execution_id: str, errors: Sequence[Any]) -> None:
        super().__init__(execution_id)
        self.args = (execution_id, tuple(errors))
        self.errors = tuple(errors)

    def __str__(self) -> str:
        first = f": {self.errors[0]}" if self.errors else ""
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        return f"execution {self.execution_id!r} failed{first}{more}"


class ExecutionCancelled(ExecutionError):
    """The execution is CANCELLED; `reason` is what `cancel()` was given."""

    def __init__(self, execution_id: str, reason: str = "") -> None:
        super().__init__(execution_id)
        self.args = (execution_id, reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"execution {self.execution_id!r} was cancelled" + (
            f": {self.reason}" if self.reason else ""
        )


class ExecutionPaused(ExecutionError):
    """The execution waits for somebody; it stays open. Raised by `run()` only."""

    def __init__(self, execution_id: str, waiting_for: Sequence[Any]) -> None:
        super().__init__(execution_id)
        self.args = (execution_id, tuple(waiting_for))
        self.waiting_for = tuple(waiting_for)

    def __str__(self) -> str:
        wanted = ", ".join(str(entry) for entry in self.waiting_for)
        return f"execution {self.execution_id!r} is paused" + (
            f" and waits for {wanted}" if wanted else ""
        )


class MissingInputError(TrioflowError):
    """References have no value.

    `missing_var` is the first of them. `inputs` are the missing ``input.*`` paths that a
    `resume` could still bring; `others` are those that nothing can bring any more.
    """

    def __init__(
        self, missing_var: str, inputs: Sequence[str] = (), others: Sequence[str] = ()
    ) -> None:
        super().__init__(missing_var, tuple(inputs), tuple(others))
        self.missing_var = missing_var
        self.inputs = tuple(inputs)
        self.others = tuple(others)

    def __str__(self) -> str:
        paths = (*self.others, *self.inputs) or (self.missing_var,)
        names = ", ".join(f"${{{path}}}" for path in paths)
        return f"{names} has no value" if len(paths) == 1 else f"{names} have no value"


class ExpressionError(TrioflowError):
    """An expression does not parse, or its operands do not fit; `column` counts from 1."""

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(message, text, column)
        self.message = message
        self.text = text
        self.column = column

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= 120 else self.text[:117] + "..."
        return f"{self.message} (column {self.column} of {shown!r})"


class SchemaValidationError(TrioflowError):
    """A value does not fit its schema; the messages never contain the value itself."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "; ".join(str(problem) for problem in self.problems)


class StepTimeoutError(TrioflowError):
    """A step, or one attempt of it, took longer than its timeout (in seconds)."""

    def __init__(self, step: str, timeout: float) -> None:
        super().__init__(step, timeout)
        self.step = step
        self.timeout = timeout

    def __str__(self) -> str:
        return f"step {self.step!r} timed out after {self.timeout:g} s"


class ProtocolError(TrioflowError):
    """The kernel was given an event that cannot happen. This is our bug: please report it."""


class StepError(TrioflowError):
    """What an action may raise to speak to the engine.

    `code` is what `retry.on`, `retry.not_on` and the history call the error. `retryable` beats
    both lists: True repeats whatever they say, False never does, None leaves it to them.
    """

    def __init__(
        self, message: str, code: str = "action.error", retryable: bool | None = None
    ) -> None:
        super().__init__(message, code, retryable)
        self.message = message
        self.code = code
        self.retryable = retryable

    def __str__(self) -> str:
        return self.message
