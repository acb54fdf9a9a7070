"""What an action raised, as a `Failure`: a code, a sentence, and the tree of causes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import trio

from trioflow.definitions._secrets import hide
from trioflow.errors import StoreError
from trioflow.kernel._events import Failure

# Enough for a tree of errors to be understood, and little enough for an event, in which a character
# may take six bytes: of a text, of the errors in one group, and of all that have led to one.
MAX_MESSAGE = 2_000
MAX_CAUSES = 20
MAX_IN_ALL = 50

_STRAY = (
    "it raised trio.Cancelled, though nothing has cancelled it: a Cancelled belongs to one scope, "
    "and must leave it at once"
)


def failure_of(error: BaseException) -> Failure:
    """Return what `error` says, read as rule R12 wants it.

    The code is the exception's own `code` if it has one, else ``action.error``. A group with one
    leaf counts as that leaf. Of several leaves the common code counts, if there is one; and one
    leaf that must not be repeated is enough for the whole group. The tree is kept, as far as it is
    not larger than anybody would read.
    """
    return _Tree().failure_of(error)


@attrs.define
class _Tree:
    left: int = MAX_IN_ALL

    def failure_of(self, error: BaseException) -> Failure:
        if isinstance(error, BaseExceptionGroup):
            return self._failure_of_group(error)
        code, retryable = _said(error, "code"), _said(error, "retryable")
        failure = Failure(
            _short(code) if isinstance(code, str) and code else "action.error",
            _short(_text_of(error)),
            type=type(error).__qualname__,
            retryable=retryable if isinstance(retryable, bool) else None,
        )
        cause = error.__cause__
        if isinstance(cause, Exception) and self.left > 0:
            self.left -= 1
            failure = attrs.evolve(failure, causes=(self.failure_of(cause),))
        return failure

    def _failure_of_group(self, group: BaseExceptionGroup[BaseException]) -> Failure:
        leaves = [leaf for leaf in _leaves(group) if not isinstance(leaf, trio.Cancelled)]
        causes: list[Failure] = []
        kept: list[Failure] = []
        for leaf in leaves:
            keeps = len(kept) < MAX_CAUSES and self.left > 0
            self.left -= keeps
            causes.append(self.failure_of(leaf))
            kept += causes[-1:] * keeps
        if len(causes) == 1:
            return causes[0]
        codes = {cause.code for cause in causes}
        retryable = False if any(cause.retryable is False for cause in causes) else None
        return Failure(
            codes.pop() if len(codes) == 1 else "action.error",
            f"{_short(group.message)} ({len(causes)} errors)",
            type=type(group).__qualname__,
            retryable=retryable,
            causes=tuple(kept),
        )


def _said(error: BaseException, name: str) -> Any:
    """Return an attribute of an exception; None if it has none, or fails in making it."""
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001 - whatever it is, it is not what has gone wrong
        return None


def _text_of(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - as above
        return type(error).__name__


def _short(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def stray_cancel(error: BaseException) -> Exception | None:
    """Return what to record of a `trio.Cancelled` that nobody has asked for; None for all else.

    An action that keeps the `Cancelled` of a scope of its own, and raises it when that scope has
    ended, would end the nursery that it is called in without a word.
    """
    rest = [leaf for leaf in _leaves(error) if not isinstance(leaf, trio.Cancelled)]
    urgent = any(not isinstance(leaf, Exception) for leaf in rest)
    # Where a scope around the call is cancelled it may be that of this scope, and has to go on.
    if urgent or trio.current_effective_deadline() == float("-inf"):
        return None
    if not rest:
        return RuntimeError(_STRAY)
    return ExceptionGroup("beside a stray trio.Cancelled", rest)  # type: ignore[type-var]


def cause_of(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the one error of a group that says why an engine broke; None if there is none.

    Cancellations say nothing. What is no `Exception`, such as an interrupt from the keyboard,
    comes before everything else. A store that breaks tells all who were writing: the first of
    them speaks for the others.
    """
    leaves = [leaf for leaf in _leaves(group) if not isinstance(leaf, trio.Cancelled)]
    urgent = [leaf for leaf in leaves if not isinstance(leaf, Exception)]
    if urgent:
        return urgent[0]
    if len(leaves) == 1 or all(isinstance(leaf, StoreError) for leaf in leaves):
        return next(iter(leaves), None)
    return None


def redact(failure: Failure, secrets: Mapping[str, str]) -> Failure:
    """Return the failure with the values of the secrets (value to name) written as references."""
    if not secrets:
        return failure
    return attrs.evolve(
        failure,
        message=hide(failure.message, secrets),
        causes=tuple(redact(cause, secrets) for cause in failure.causes),
    )
