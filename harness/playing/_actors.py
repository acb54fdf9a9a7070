"""The actions of a scenario: each attempt does what its script says, and is noted.

An action may be given for real, also one that hides a built-in one of the same name. Then the
script says how long an attempt takes at least, and the action what comes of it; what it did is
remembered as a behaviour, so that it can be told again. Faults stay scripted: an attempt that is to
raise, to hang or to return rubbish never gets as far as the real action.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import attrs
import trio

import trioflow
import trioflow.actions
import trioflow.testing
from harness._built_in import FAIL
from harness._scenario import Behaviour, Hangs, Raises, Returns, Scenario, seconds_of
from harness.oracle._world import SAME
from harness.playing._stage import actions_of, name_of
from harness.playing._witness import Witness, limits_of
from trioflow.actions import Action, Registry, action_of, call
from trioflow.stores import MAX_EVENT_BYTES

# More than an event may have.
_TOO_LARGE = "x" * (MAX_EVENT_BYTES + 1)

# What is left of an event for an output, in bytes of JSON.
_LARGEST = MAX_EVENT_BYTES - 16_384


@attrs.define(eq=False)
class Actors:
    """All actions that a scenario needs.

    `real` is what `open_engine(actions=)` takes. `began` is called with the name, the number and
    the seconds of each attempt. `did` is what the real ones did, by name and number; `untold` says
    what of it no script can tell.
    """

    scenario: Scenario
    real: Any = ()
    began: Callable[[str, int, float], None] = attrs.field(default=lambda *_: None)
    calls: list[tuple[float, str, int, Mapping[str, Any]]] = attrs.field(factory=list)
    compensated: list[str] = attrs.field(factory=list)
    running: set[tuple[str, int]] = attrs.field(factory=set)
    # How many attempts sleep as their script says: they will end.
    asleep: int = 0
    did: dict[tuple[str, int], Behaviour] = attrs.field(factory=dict)
    untold: list[str] = attrs.field(factory=list)
    witness: Witness = attrs.field(init=False)
    _scopes: set[trio.CancelScope] = attrs.field(factory=set, init=False)
    _made: list[Any] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        scenario = self.scenario
        forks = (getattr(act, "workflow", None) for act in scenario.actions)
        documents = [scenario.workflow, *scenario.workflows.values(), *filter(None, forks)]
        self.witness = Witness(scenario.limit, limits_of(documents), documents)

    def let_go(self) -> None:
        """Let nothing that cannot be stopped hold up the death of its process."""
        for scope in self._scopes:
            scope.shield = False

    def actions(self, documents: Iterable[Mapping[str, Any]]) -> list[Any]:
        """Return a function for every action that the documents name, but for what is lacking.

        What no program lacks is played in any case, or the real one would be called: it is only
        hidden by one of the same name.
        """
        if self._made is None:
            self._made = self._make(documents)
        return self._made

    def _make(self, documents: Iterable[Mapping[str, Any]]) -> list[Any]:
        given, own = Registry(self.real, entry_points=False), set(names_of(self.real))
        names = dict.fromkeys(name for each in documents for name in actions_of(each))
        if FAIL in names and FAIL in own and given.get(FAIL).function is not trioflow.actions.fail:
            # Scenarios are told of the one that never returns, and this one would not be called.
            raise trioflow.InvalidRequest(
                f"an action of yours has the name {FAIL!r}, and the document calls it: scenarios "
                f"take that for the built-in one, which never returns; give yours another name"
            )
        # Those of entry points are only looked for where something is lacking: it takes long.
        there = set(Registry().with_entry_points().names) if self.scenario.lacks else set()
        return [
            trioflow.action(name)(self._function(given.get(name) if name in own else None))
            for name in names
            if name not in self.scenario.lacks or name in there
        ]

    def _function(self, real: Action | None) -> Callable[..., Any]:
        given = "context" if real is None else real.context_parameter or "context"

        async def played(**parameters: Any) -> Any:
            context = parameters.pop(given)
            return await self._act(context, parameters, real)

        # The engine looks at what a function takes: at the start, and for each call.
        signature = _AS_SCRIPTED if real is None else _signature(real, given)
        played.__signature__ = signature  # type: ignore[attr-defined]
        return played

    async def _act(
        self,
        context: trioflow.ActionContext,
        parameters: Mapping[str, Any],
        real: Action | None,
    ) -> Any:
        name, number = name_of(context), context.attempt
        self.calls.append((trio.current_time(), name, number, parameters))
        behaviour = self.scenario.behaviour(name, number)
        seconds = seconds_of(behaviour, name, number)
        limit = float("inf") if context.deadline is None else context.deadline
        self.running.add((name, number))
        self.witness.attempt_begins(context, parameters)
        self.began(name, number, min(seconds, limit))
        try:
            if real is not None and _goes_well(behaviour):
                output = await self._really(real, parameters, context, seconds)
            else:
                await self._sleep(behaviour, seconds)
                output = _outcome(behaviour)
        finally:
            self.running.discard((name, number))
            self.witness.attempt_ends(context)
        if name.endswith(":compensate"):
            self.compensated.append(name.removesuffix(":compensate"))
        return output

    async def _sleep(self, behaviour: Behaviour, seconds: float) -> None:
        self.asleep += 1
        try:
            if isinstance(behaviour, Hangs) or not behaviour.shielded:
                await trio.sleep(seconds)
            else:
                await self._sleep_shielded(seconds)
        finally:
            self.asleep -= 1

    async def _sleep_shielded(self, seconds: float) -> None:
        with trio.CancelScope(shield=True) as scope:
            self._scopes.add(scope)
            try:
                await trio.sleep(seconds)
            finally:
                self._scopes.discard(scope)

    async def _really(
        self,
        real: Action,
        parameters: Mapping[str, Any],
        context: trioflow.ActionContext,
        seconds: float,
    ) -> Any:
        """Call the real action; return, or raise, what it does once so many seconds are over."""
        key = name_of(context), context.attempt
        began = trio.current_time()
        output: Any = None
        error: Exception | None = None
        cancel = _Cancel()
        async with trio.open_nursery() as nursery:
            await nursery.start(cancel.watch)
            try:
                try:
                    output = await _call(real, parameters, context)
                except Exception as raised:  # noqa: BLE001 - as the engine does
                    error = raised
                if cancel.at is None:
                    # Whoever waits for an answer does not learn when it was made.
                    await trio.sleep_until(began + seconds)
            except trio.Cancelled:
                self._note_stop(key, cancel)
                raise
            late = cancel.at is not None
            nursery.cancel_scope.cancel()
        self.did[key] = _as_told(output, error, trio.current_time() - began, late)
        if error is not None:
            raise error
        return output

    def _note_stop(self, key: tuple[str, int], cancel: _Cancel) -> None:
        """Note that an attempt was stopped: nobody knows what would have become of it."""
        self.did[key] = Hangs()
        now = trio.current_time()
        if cancel.at is not None and now - cancel.at > SAME:
            name, number = key
            self.untold.append(
                f"attempt {number} of {name} was asked to stop at {cancel.at:.6g} s "
                f"and took until {now:.6g} s"
            )


@attrs.define
class _Cancel:
    """Since when an attempt has been asked to stop."""

    at: float | None = None

    async def watch(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            # It ends here, and must not take with it what an attempt still returns.
            self.at = trio.current_time()


async def _call(
    real: Action, parameters: Mapping[str, Any], context: trioflow.ActionContext
) -> Any:
    limiter = trio.to_thread.current_default_thread_limiter()
    # Trio does not see what an asyncio loop or another process does.
    with nullcontext() if real.kind in ("async", "sync") else trioflow.testing.hold():
        return await call(real, parameters, context, limiter=limiter)


def _as_told(output: Any, error: Exception | None, after: float, late: bool) -> Behaviour:
    """Return what an attempt did as a behaviour; one that was late could not be stopped."""
    if error is not None:
        code, retryable = _code_of(error)
        return Raises(str(error) or type(error).__name__, code, after, retryable, late)
    try:
        found = _as_json(output)
        size = len(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())
    except (ValueError, RecursionError):
        return Returns(None, after, "result.not_json", late)
    if size > _LARGEST:
        return Returns(None, after, "result.too_large", late)
    return Returns(found, after, None, late)


def _code_of(error: BaseException) -> tuple[str | None, bool | None]:
    """Return the code and `retryable` of an error, as R12 wants it."""
    if isinstance(error, BaseExceptionGroup):
        found = [_code_of(each) for each in _leaves(error)]
        codes = {code for code, _ in found}
        if len(found) == 1:
            return found[0]
        never = any(retryable is False for _, retryable in found)
        return codes.pop() if len(codes) == 1 else "action.error", False if never else None
    code, retryable = getattr(error, "code", None), getattr(error, "retryable", None)
    return (
        code if isinstance(code, str) and code else None,
        retryable if isinstance(retryable, bool) else None,
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    elif not isinstance(error, trio.Cancelled):
        yield error


def _as_json(value: Any) -> Any:
    """Return a value as JSON holds it; ValueError if it does not."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str.__str__(key): _as_json(each) for key, each in value.items()}
    raise ValueError(f"{type(value).__name__} is no JSON")


def names_of(real: Any) -> Iterator[str]:
    """Yield the names of the actions that are given for real."""
    if callable(real):
        yield action_of(real).name
    elif isinstance(real, Iterable):
        for each in real:
            yield from names_of(each)
    else:
        # A module: all that is its own. What is built in it may have imported.
        given, built_in = (Registry(each, entry_points=False) for each in (real, ()))
        for name in given.names:
            is_own = name not in built_in or (
                given.get(name).function is not built_in.get(name).function
            )
            if is_own:
                yield name


# A scripted action takes everything.
_AS_SCRIPTED = inspect.Signature(
    [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY),
        inspect.Parameter("parameters", inspect.Parameter.VAR_KEYWORD),
    ]
)


def _signature(real: Action, context: str) -> inspect.Signature:
    """Return what the engine is to see: what the real one takes, and a context in any case."""
    kind = inspect.Parameter
    found = list(inspect.signature(real.function).parameters.values())
    if all(each.name != context for each in found):
        place = len(found) - (bool(found) and found[-1].kind is kind.VAR_KEYWORD)
        found.insert(place, kind(context, kind.KEYWORD_ONLY))
    return inspect.Signature(found)


def _goes_well(behaviour: Behaviour) -> bool:
    return isinstance(behaviour, Returns) and behaviour.spoilt is None and not behaviour.shielded


def _outcome(behaviour: Behaviour) -> Any:
    if isinstance(behaviour, Raises):
        if behaviour.code is None and behaviour.retryable is None:
            raise RuntimeError(behaviour.error)
        code = behaviour.code or "action.error"
        raise trioflow.StepError(behaviour.error, code, behaviour.retryable)
    if isinstance(behaviour, Returns) and behaviour.spoilt is not None:
        return {1, 2} if behaviour.spoilt == "result.not_json" else _TOO_LARGE
    return behaviour.output if isinstance(behaviour, Returns) else None
