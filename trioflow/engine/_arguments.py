"""What programs hand in, checked at the call: here it can still be said what is wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from trioflow.actions._action import closest
from trioflow.definitions._durations import parse_duration
from trioflow.definitions._faults import kind, listed, shown
from trioflow.definitions._json import unwritable
from trioflow.definitions._schemas import to_json
from trioflow.definitions._secrets import Secrets
from trioflow.errors import InvalidRequest, SchemaValidationError
from trioflow.kernel import _events as e
from trioflow.kernel._states import EXECUTION

Observer = Callable[[str, e.Event], object]

STATUSES = tuple(EXECUTION)


def as_json(what: str, value: Any) -> Any:
    """Return the value as JSON that nobody else can change, or raise `InvalidRequest`."""
    try:
        return to_json(value)
    except SchemaValidationError as error:
        raise InvalidRequest(f"{what} is not JSON: {error}") from None


def as_object(what: str, value: Any) -> dict[str, Any]:
    """Return the mapping as JSON, None as an empty one, or raise `InvalidRequest`."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{what} must be a mapping of names to values, not {kind(value)}")
    found: dict[str, Any] = as_json(what, value)
    return found


def check_text(what: str, value: Any) -> str:
    """Return the text, or raise `InvalidRequest`."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{what} is a text, not {shown(value)}")
    if (fault := unwritable(value)) is not None:
        raise InvalidRequest(f"{what} {fault}")
    return value


def as_names(what: str, given: Any) -> tuple[str, ...]:
    """Return one name, or several, as a tuple, or raise `InvalidRequest`."""
    if isinstance(given, str):
        return (given,)
    names = tuple(given) if isinstance(given, Iterable) else (given,)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise InvalidRequest(f"{what} are texts, not {shown(wrong[0])}")
    return names


def check_id(execution_id: Any) -> None:
    """Raise `InvalidRequest` for what a program cannot call an execution."""
    if not isinstance(execution_id, str) or not 1 <= len(execution_id) <= 200:
        raise InvalidRequest(
            f"an execution's id is a text of 1 to 200 characters, not {execution_id!r:.60}"
        )
    if ":" in execution_id or not execution_id.isprintable():
        raise InvalidRequest(
            f"an execution's id has no ':' and only printable characters: {execution_id!r:.60}"
        )


def check_labels(what: str, labels: Any) -> dict[str, str]:
    """Return the labels, none for None, or raise `InvalidRequest`."""
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise InvalidRequest(f"{what} must be a mapping of texts to texts, not {kind(labels)}")
    for name, value in labels.items():
        check_text(f"the name of a label in {what}", name)
        if not isinstance(value, str):
            # Not to be made a text here: which one, of 1.0 or None, only its author knows.
            raise InvalidRequest(
                f"{what} must map texts to texts, but {name!r} to {shown(value)}; "
                "write it as a text"
            )
        check_text(f"the label {name!r} in {what}", value)
    return dict(labels)


def check_statuses(status: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the statuses that are looked for, or raise `InvalidRequest` for one there is not."""
    if status is None:
        return None
    names = as_names("statuses", status)
    for name in names:
        if name not in STATUSES:
            guess = closest(name.upper(), STATUSES)
            advice = f"; did you mean {guess!r}?" if guess else ""
            raise InvalidRequest(
                f"no execution has the status {name!r:.60}{advice}; there are {listed(STATUSES)}"
            )
    return names


def check_limit(limit: Any) -> int:
    """Return a number of executions to look for, or raise `InvalidRequest`."""
    if type(limit) is not int or limit < 0:
        raise InvalidRequest(f"limit is a whole number from 0 on, not {shown(limit)}")
    return limit


def check_instant(what: str, instant: Any) -> float | None:
    """Return an instant, None for None, or raise `InvalidRequest`."""
    if instant is not None and not _is_number(instant):
        raise InvalidRequest(
            f"{what} is an instant in seconds since 1970, like `datetime.timestamp()`, "
            f"not {shown(instant)}"
        )
    found: float | None = instant
    return found


def check_grace(grace: float | str | None) -> float | None:
    """Return a grace in seconds, None for one without end, or raise `InvalidRequest`."""
    if grace is None or grace == float("inf"):
        return None
    if _is_number(grace) and grace == 0:
        return 0.0
    try:
        return parse_duration(grace)
    except ValueError:
        raise InvalidRequest(
            "the grace is a number of seconds from 0 on, a text like '30s', or None for one "
            f"without end, not {shown(grace)}"
        ) from None


def check_seconds(what: str, seconds: Any) -> None:
    """Raise `InvalidRequest` for what is no number of seconds above 0."""
    if not _is_number(seconds) or not seconds > 0:
        raise InvalidRequest(f"{what} is a number of seconds above 0, not {shown(seconds)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_secrets(secrets: Any) -> Secrets:
    """Return what secrets come from, or raise `InvalidRequest`; which does not show it."""
    if secrets is None:
        return {}
    if _is_async(secrets):
        raise InvalidRequest(
            "the function for secrets is a plain `def`, not an `async def`: "
            "get what takes its time before the engine is opened"
        )
    if not isinstance(secrets, Mapping) and not callable(secrets):
        raise InvalidRequest(
            "secrets are a mapping of names to values, like {'API_TOKEN': ...}, or a function "
            f"that takes a name, not {kind(secrets)}"
        )
    found: Secrets = secrets
    return found


def check_observers(observers: Observer | Iterable[Observer]) -> Sequence[Observer]:
    """Return the observers, also of one alone, or raise `InvalidRequest`."""
    if callable(observers) or not isinstance(observers, Iterable):
        observers = (observers,)
    found = tuple(observers)
    for observer in found:
        if not callable(observer):
            raise InvalidRequest(
                "an observer is a function that is called as f(execution_id, event), "
                f"not {shown(observer)}"
            )
        if _is_async(observer):
            raise InvalidRequest(
                f"the observer {_name(observer)!r} is an `async def`, and nobody would await it: "
                "observers are plain functions, called after each commit; what takes its time "
                "reads `execution.events()` in a task of its own"
            )
    return found


def _is_async(function: Any) -> bool:
    # An object with an `async def __call__` is asynchronous, though it is no function.
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )


def _name(function: Any) -> str:
    return getattr(function, "__name__", None) or type(function).__name__
