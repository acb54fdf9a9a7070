"""One attempt: an action called in a cancel scope, and what became of it as a fact.

This is the one place that catches what an action raises. It does so *around* the cancel scope,
never inside: a cleanup that raises while the scope is cancelled arrives here as a group from
which the scope has taken its `Cancelled`, and what is left is the error that matters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import attrs
import trio

from trioflow.actions._action import Action
from trioflow.actions._context import ActionContext
from trioflow.definitions._references import reveal
from trioflow.definitions._schemas import Schema, fresh, is_small, to_json
from trioflow.definitions._secrets import hide
from trioflow.engine._failures import failure_of, redact, stray_cancel
from trioflow.errors import MissingInputError, SchemaValidationError
from trioflow.kernel import _facts as f
from trioflow.kernel._codec import encode_json
from trioflow.kernel._commands import RunAttempt
from trioflow.kernel._events import Failure
from trioflow.kernel._sizes import MAX_OUTPUT_BYTES, size_of, too_large

# An output of more than so many bytes is checked against its schema in a thread: about 500 values,
# which take a validator some milliseconds.
LARGE_OUTPUT = 8_192

Stop = Literal["stop", "interrupt"]


class Caller(Protocol):
    """What an attempt needs of its engine."""

    # Draws the jitter of a delay: a number in [0, 1].
    jitter: Callable[[], float]

    def now(self) -> float: ...

    async def call(
        self, action: Action, parameters: Mapping[str, Any], context: ActionContext
    ) -> Any: ...

    async def run_sync(self, function: Callable[[], Any]) -> Any: ...


@attrs.define(eq=False)
class Attempt:
    """One attempt that runs."""

    command: RunAttempt
    scope: trio.CancelScope
    # Whose deadline it is that the scope has, if it has one: of the attempt or of its step.
    limit: Literal["attempt", "step"] | None = None
    stop: Stop | None = None
    reported: bool = False

    def cancel(self, why: Stop) -> None:
        """Make it stop; the first reason counts."""
        if self.stop is None:
            self.stop = why
            self.scope.cancel()


def new_attempt(command: RunAttempt, now: Callable[[], float]) -> Attempt:
    """Return the attempt with its deadline; `now` tells the instant, and is trio's clock, moved."""
    if command.timeout is None and command.deadline is None:
        return Attempt(command, trio.CancelScope())
    deadline, limit = float("inf"), None
    if command.timeout is not None:
        deadline, limit = command.timeout, "attempt"
    if command.deadline is not None and (left := command.deadline - now()) < deadline:
        deadline, limit = left, "step"
    scope = trio.CancelScope(deadline=trio.current_time() + deadline)
    return Attempt(command, scope, limit)  # type: ignore[arg-type]


def unknown_secret(name: str) -> Failure:
    """Return why an attempt cannot be called: a secret that there is not."""
    return Failure(
        "reference.missing",
        f"${{secret.{name}}} has no value; bring it with open_engine(secrets=...), or "
        f"on the command line with --secret {name}=env:VARIABLE",
    )


async def perform(
    attempt: Attempt,
    action: Action,
    context: ActionContext,
    *,
    caller: Caller,
    schema: Schema | None,
    secrets: Mapping[str, Any],
) -> f.Fact:
    """Call the action and return the fact that tells the machine how it ended.

    `schema` is what its output must fit. `secrets` are the values, by name, that its parameters
    need, and `context.hidden` the same the other way round. Nothing of the call is left when this
    returns. Never raises what the action raises, but for what is no `Exception`: an interrupt, or a
    cancellation of the engine itself.
    """
    command = attempt.command
    who = (command.address, command.attempt)
    revealed = context.hidden
    error: BaseException | None = None
    returned = False
    output: Any = None
    try:
        # A copy in any case: what the action does to it, the next attempt must not see.
        parameters = reveal(command.parameters, secrets) if secrets else fresh(command.parameters)
    except MissingInputError as missing:
        # It was there when the attempt queued, and has gone while it waited for its slot. Nothing
        # was called, so this is not how an attempt fails: there is no fallback (R10).
        if attempt.stop == "interrupt":
            return f.AttemptLeft(caller.now(), *who)
        name = missing.missing_var.removeprefix("secret.")
        return f.AttemptRejected(caller.now(), *who, unknown_secret(name))
    try:
        with attempt.scope:
            output = await caller.call(action, parameters, context)
            returned = True
    except Exception as raised:  # noqa: BLE001
        error = raised
    except BaseException as raised:
        error = stray_cancel(raised)
        if error is None:
            raise
    late = attempt.scope.cancel_called
    if returned and command.address.role == "compensate":
        # An undo has no output: whatever it returns says that it is done (R24).
        return f.AttemptReturned(caller.now(), *who, None, late, (), caller.jitter())
    if returned:
        try:
            output = to_json(output)
            # Most outputs are small, which is seen faster than it is measured.
            text = "" if is_small(output) and not revealed else encode_json(output)
        except (SchemaValidationError, ValueError, RecursionError) as problem:
            failure = Failure("result.not_json", _not_json(problem))
            return _ended_badly(attempt, failure, caller.now(), caller.jitter())
        if revealed:
            # An action may give back what it was called with. A secret stays one.
            output = json.loads(hide(text, _encoded(revealed)))
        size = size_of(text)
        if size > MAX_OUTPUT_BYTES:
            failure = too_large("its output", size)
            return _ended_badly(attempt, failure, caller.now(), caller.jitter())
        problems = None
        interrupted = attempt.stop == "interrupt"
        if schema is not None and (size > LARGE_OUTPUT or interrupted):
            problems = await caller.run_sync(lambda: schema.problems(output))
            if problems and interrupted:
                # A late value that does not fit is no value (R16): it will be called again.
                return f.AttemptLeft(caller.now(), *who)
        return f.AttemptReturned(caller.now(), *who, output, late, problems, caller.jitter())
    if error is None:
        return _ended_badly(attempt, None, caller.now(), caller.jitter())
    return _ended_badly(attempt, redact(failure_of(error), revealed), caller.now(), caller.jitter())


def _encoded(secrets: Mapping[str, str]) -> dict[str, str]:
    return {encode_json(value)[1:-1]: name for value, name in secrets.items()}


def _not_json(problem: Exception) -> str:
    if isinstance(problem, SchemaValidationError):
        return f"its output is not JSON: {problem}"
    return "its output is not JSON: it is nested too deeply, or holds a text that is no text"


def _ended_badly(attempt: Attempt, failure: Failure | None, at: float, chance: float) -> f.Fact:
    command = attempt.command
    who = (command.address, command.attempt)
    if attempt.stop == "interrupt":
        return f.AttemptLeft(at, *who)
    if attempt.stop == "stop":
        return f.AttemptStopped(at, *who, failure)
    if attempt.scope.cancel_called:
        if attempt.limit == "step":
            assert command.deadline is not None
            # The two clocks may differ in the last bit; the machine must see its deadline.
            return f.AttemptStopped(max(at, command.deadline), *who, failure)
        timed_out = Failure(
            "timeout.attempt",
            f"attempt {command.attempt} timed out after {command.timeout:g} s",
            causes=() if failure is None else (failure,),
        )
        return f.AttemptRaised(at, *who, timed_out, chance)
    assert failure is not None
    return f.AttemptRaised(at, *who, failure, chance)
