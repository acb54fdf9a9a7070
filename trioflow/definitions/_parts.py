"""The values that a workflow is made of: `Step`, `Connection`, `Retry`, `ForEach`, `ActionCall`.

They hold what an author wrote, in the terms of the document (docs/document.md). Nothing is
checked here: a `Workflow` is checked as a whole, when it is made, by the same code that checks a
document; so its parts may hold nonsense until then. The parts *of a workflow* are normalised:
durations are seconds, a fallback is an `ActionCall`, an action is its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import attrs

Join = Literal["all", "any", "first"]
On = Literal["success", "failure", "always"]
StepType = Literal["action", "trigger", "wait", "sleep", "workflow"]

# What may stand for an action in Python code: its name, or the function itself.
Action: TypeAlias = str | Callable[..., Any]

_V = TypeVar("_V")


def _as_tuple(value: Sequence[_V] | None) -> tuple[_V, ...] | None:
    # Text is a sequence, too; leave it as it is, so that the check can say what to write.
    return tuple(value) if isinstance(value, (list, tuple)) else value  # type: ignore[return-value]


def _names(value: Sequence[str]) -> tuple[str, ...]:
    return _as_tuple(value)  # type: ignore[return-value]


def _as_call(value: ActionCall | Action | None) -> ActionCall | None:
    return ActionCall(value) if isinstance(value, str) or callable(value) else value


def _as_retry(value: Retry | int | None) -> Retry | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return Retry(max_attempts=value)
    return value  # type: ignore[return-value]


def _seconds(value: float | str | None) -> float | None:
    return value  # type: ignore[return-value]


def _always_seconds(value: float | str) -> float:
    return value  # type: ignore[return-value]


@attrs.frozen(kw_only=True)
class Retry:
    """How often, and when, an attempt is repeated.

    Before attempt ``k + 1`` it waits ``min(max_delay, initial_delay * multiplier ** (k - 1))``
    seconds; with ``jitter="full"`` a random part of that. No attempt starts more than
    `max_elapsed` seconds after the first one. `on` and `not_on` are globs over error codes.
    """

    max_attempts: int = 3
    initial_delay: float = attrs.field(default=1.0, converter=_always_seconds)
    multiplier: float = 2.0
    max_delay: float = attrs.field(default=60.0, converter=_always_seconds)
    jitter: Literal["full", "none"] = "full"
    max_elapsed: float | None = attrs.field(default=None, converter=_seconds)
    on: tuple[str, ...] | None = attrs.field(default=None, converter=_as_tuple)
    not_on: tuple[str, ...] = attrs.field(default=(), converter=_names)
    on_exhausted: Literal["fail", "pause"] = "fail"
    # Keys that start with `x-`: kept and ignored, here and in the other parts.
    extensions: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class ActionCall:
    """A call of an action beside the step's own: its fallback, or its compensation.

    Without `parameters` a fallback gets those of its step, and a compensation one, `output`.
    """

    action: Action
    parameters: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    timeout: float | None = attrs.field(default=None, converter=_seconds)
    retry: Retry | None = attrs.field(default=None, converter=_as_retry)
    extensions: Mapping[str, Any] = attrs.field(factory=dict, hash=False, kw_only=True)


@attrs.frozen
class ForEach:
    """Run a step once for each item of a list.

    `items` is a list, or a reference to one; `as_` is what references call an item. At most
    `max_concurrent` items are under way at once.
    """

    items: Any
    as_: str = attrs.field(default="item", alias="as_")
    max_concurrent: int | None = None
    on_item_error: Literal["fail", "continue"] = "fail"
    extensions: Mapping[str, Any] = attrs.field(factory=dict, hash=False, kw_only=True)


@attrs.frozen
class Connection:
    """Leads from one step to another, and is taken or dead once its source has ended.

    `id` is ``source->target`` unless it is given.
    """

    source: str
    target: str
    condition: str | None = None
    on: On = "success"
    default: bool = False
    id: str | None = None
    extensions: Mapping[str, Any] = attrs.field(factory=dict, hash=False, kw_only=True)


@attrs.frozen
class Step:
    """One step of a workflow; which fields go with which `type` is in docs/document.md.

    `action` may be a function: its name is the one that `@action` gave it, else its own.
    """

    id: str
    action: Action | None = None
    name: str | None = attrs.field(default=None, kw_only=True)
    description: str | None = attrs.field(default=None, kw_only=True)
    type: StepType = attrs.field(default="action", kw_only=True)
    # What orders it. `depends_on` is None where the key is absent, which is not the same as an
    # empty list: one `depends_on` anywhere makes it, and not the order of the list, count.
    depends_on: tuple[str, ...] | None = attrs.field(
        default=None, converter=_as_tuple, kw_only=True
    )
    sequence_order: float | None = attrs.field(default=None, kw_only=True)
    condition: str | None = attrs.field(default=None, kw_only=True)
    join: Join | None = attrs.field(default=None, kw_only=True)
    continue_on_error: bool = attrs.field(default=False, kw_only=True)
    # Action and workflow steps.
    parameters: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    for_each: ForEach | None = attrs.field(default=None, kw_only=True)
    input_schema: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    output_schema: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    compensate: ActionCall | None = attrs.field(default=None, converter=_as_call, kw_only=True)
    total_timeout: float | None = attrs.field(default=None, converter=_seconds, kw_only=True)
    # Action steps.
    timeout: float | None = attrs.field(default=None, converter=_seconds, kw_only=True)
    retry: Retry | None = attrs.field(default=None, converter=_as_retry, kw_only=True)
    fallback: ActionCall | None = attrs.field(default=None, converter=_as_call, kw_only=True)
    on_crash: Literal["retry", "fail", "pause"] = attrs.field(default="retry", kw_only=True)
    # Wait steps.
    signal: str | None = attrs.field(default=None, kw_only=True)
    schema: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    # Sleep steps.
    duration: float | str | None = attrs.field(default=None, kw_only=True)
    until: str | None = attrs.field(default=None, kw_only=True)
    # Workflow steps.
    workflow: str | None = attrs.field(default=None, kw_only=True)
    extensions: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
