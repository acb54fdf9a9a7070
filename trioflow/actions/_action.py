"""`@action`, and what it notes about a function."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

import attrs

from trioflow.actions._context import ActionContext
from trioflow.errors import StepError

Kind = Literal["async", "sync", "process", "asyncio"]
Isolation = Literal["process"]
Loop = Literal["asyncio"]

# The attribute that marks a function. Others (a `Workflow` that is given a function) read the
# name from it without importing this module.
MARK = "__trioflow_action__"

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Parameter:
    """One parameter that a document may give."""

    name: str
    required: bool


@attrs.frozen
class Action:
    """A function that steps can call by name, and how it is to be called.

    `kind` says where it runs: ``async`` in the engine's own task, ``sync`` in a thread,
    ``process`` in a worker process, ``asyncio`` in an asyncio loop on a thread.
    """

    name: str
    function: Callable[..., Any] = attrs.field(repr=False)
    kind: Kind
    isolation: Isolation | None = None
    loop: Loop | None = None
    parameters: tuple[Parameter, ...] = attrs.field(default=(), repr=False)
    # True: it has a `**parameters` and takes whatever it is given.
    takes_any: bool = attrs.field(default=False, repr=False)
    # The name of the parameter that gets the ActionContext.
    context_parameter: str | None = attrs.field(default=None, repr=False)
    # The names that it takes, and those that it needs: of most calls nothing else is to be said.
    _known: frozenset[str] = attrs.field(
        default=attrs.Factory(lambda action: _names(action.parameters), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )
    _required: frozenset[str] = attrs.field(
        default=attrs.Factory(
            lambda action: _names(each for each in action.parameters if each.required),
            takes_self=True,
        ),
        init=False,
        repr=False,
        eq=False,
    )

    @property
    def takes_context(self) -> bool:
        """Whether the function has a parameter for the `ActionContext`."""
        return self.context_parameter is not None

    @property
    def description(self) -> str:
        """The first line of the function's docstring, or nothing."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def check_parameters(self, names: Collection[str], certain: bool = True) -> list[str]:
        """Return a sentence for every parameter that the function does not take, or lacks.

        With `certain=False` there may be more names than these (a template supplies them at run
        time), so nothing is said about what lacks.
        """
        if certain and self._required.issubset(names) and self._known.issuperset(names):
            return []
        known = [parameter.name for parameter in self.parameters]
        sentences = []
        for name in names:
            if name == self.context_parameter:
                sentences.append(
                    f"the parameter {name!r} of action {self.name!r} is given by the engine"
                )
            elif name not in known and not self.takes_any:
                sentences.append(
                    f"action {self.name!r} takes no parameter {name!r}{_advice(name, known)}"
                )
        if certain:
            sentences.extend(
                f"action {self.name!r} lacks its parameter {parameter.name!r}"
                for parameter in self.parameters
                if parameter.required and parameter.name not in names
            )
        return sentences

    def bind(self, parameters: Mapping[str, Any], context: ActionContext) -> dict[str, Any]:
        """Return the keyword arguments for one call; raise StepError if they do not fit."""
        usual = self._required <= parameters.keys() <= self._known
        if not usual and (sentences := self.check_parameters(parameters)):
            raise StepError("; ".join(sentences), "action.parameters", retryable=False)
        if self.context_parameter is None:
            return dict(parameters)
        return {**parameters, self.context_parameter: context}


def _names(parameters: Iterable[Parameter]) -> frozenset[str]:
    return frozenset(parameter.name for parameter in parameters)


def _advice(name: str, known: Sequence[str]) -> str:
    if guess := closest(name, known):
        return f"; did you mean {guess!r}?"
    return f"; it takes {', '.join(known)}" if known else "; it takes none"


def closest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that somebody who wrote this one probably meant."""
    import difflib

    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


@overload
def action(name: F, /) -> F: ...


@overload
def action(
    name: str | None = None, *, isolation: Isolation | None = None, loop: Loop | None = None
) -> Callable[[F], F]: ...


def action(
    name: F | str | None = None,
    *,
    isolation: Isolation | None = None,
    loop: Loop | None = None,
) -> F | Callable[[F], F]:
    """Mark a function as an action that steps can call by this name (default: its own).

    The function itself is returned, so it can be called and tested like any other, and nothing
    is registered: give it, or its module, to `open_engine(actions=...)`.

    An `async def` is awaited by the engine and stops at its next checkpoint when it is cancelled.
    A plain `def` runs in a thread; it cannot be stopped, see `ActionContext.check_cancelled`.

    isolation="process"
        for a plain `def` at the top level of a module: every call gets a worker process of its
        own, which is killed on a timeout or cancel. It starts a Python, so it costs about what
        importing the function's module costs.
    loop="asyncio"
        for an asyncio `async def`: it runs in an asyncio loop of its own, on a thread. A timeout
        or cancel cancels its asyncio task, and waits for its end.

    Raises TypeError if the function cannot be called in the way that is asked for.
    """
    if callable(name):
        return _marked(name, None, isolation, loop)

    def mark(function: F) -> F:
        return _marked(function, name, isolation, loop)

    return mark


def _marked(function: F, name: str | None, isolation: Isolation | None, loop: Loop | None) -> F:
    setattr(function, MARK, describe(function, name, isolation=isolation, loop=loop))
    return function


def action_of(function: Callable[..., Any]) -> Action:
    """Return the `Action` for a function, marked or not; an unmarked one has its own name.

    A wrapper made with `functools.wraps` has inherited the mark of what it wraps, and a bound
    method that of its function: then the name is kept, and the wrapper is what gets called.
    """
    mark = getattr(function, MARK, None)
    if not isinstance(mark, Action):
        return describe(function, None)
    if mark.function is function:
        return mark
    return describe(function, mark.name, isolation=mark.isolation, loop=mark.loop)


def describe(
    function: Callable[..., Any],
    name: str | None,
    *,
    isolation: Isolation | None = None,
    loop: Loop | None = None,
) -> Action:
    """Look at a function and say how it is to be called; TypeError if it cannot be."""
    if name is None:
        name = getattr(function, "__name__", None)
        if name is None or name == "<lambda>":
            raise TypeError(f'{function!r} has no name of its own; write action("name")(...)')
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"the name of an action is a text that is not empty, not {name!r}")
    kind = _kind(function, name, isolation, loop)
    parameters, takes_any, context_parameter = _signature(function, name)
    return Action(
        name=name,
        function=function,
        kind=kind,
        isolation=isolation,
        loop=loop,
        parameters=parameters,
        takes_any=takes_any,
        context_parameter=context_parameter,
    )


def _kind(
    function: Callable[..., Any], name: str, isolation: Isolation | None, loop: Loop | None
) -> Kind:
    if isolation not in (None, "process"):
        raise TypeError(f'isolation is "process" or None, not {isolation!r}')
    if loop not in (None, "asyncio"):
        raise TypeError(f'loop is "asyncio" or None, not {loop!r}')
    if _has(inspect.isasyncgenfunction, function) or _has(inspect.isgeneratorfunction, function):
        raise TypeError(f"action {name!r} is a generator; return a list instead of yielding")
    is_async = _has(inspect.iscoroutinefunction, function)
    if loop is not None:
        if isolation is not None or not is_async:
            raise TypeError(
                f'action {name!r} has loop="asyncio", which is for an `async def` without isolation'
            )
        return "asyncio"
    if isolation is not None:
        _check_importable(function, name, is_async)
        return "process"
    return "async" if is_async else "sync"


def _has(test: Callable[[Any], bool], function: Callable[..., Any]) -> bool:
    # An object with an `async def __call__` is asynchronous, though it is no function.
    return test(function) or test(getattr(function, "__call__", None))  # noqa: B004


def _check_importable(function: Callable[..., Any], name: str, is_async: bool) -> None:
    if is_async:
        raise TypeError(
            f'action {name!r} has isolation="process", which is for a plain `def`, '
            f"not an `async def`"
        )
    qualified = getattr(function, "__qualname__", "")
    if not inspect.isfunction(function) or "<" in qualified:
        raise TypeError(
            f'action {name!r} has isolation="process", so a worker process must be able to import '
            f"it; {qualified or function!r} is not a `def` at the top level of a module"
        )


def _signature(
    function: Callable[..., Any], name: str
) -> tuple[tuple[Parameter, ...], bool, str | None]:
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C, without a signature: it will say itself what it dislikes
        return (), True, None
    parameters = []
    takes_any = False
    context_parameter = None
    for parameter in signature.parameters.values():
        required = parameter.default is parameter.empty
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        elif parameter.kind is parameter.POSITIONAL_ONLY and required:
            raise TypeError(
                f"action {name!r} is called with keywords, but its parameter "
                f"{parameter.name!r} is positional-only"
            )
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            pass
        elif context_parameter is None and _wants_context(parameter):
            context_parameter = parameter.name
        else:
            parameters.append(Parameter(parameter.name, required))
    return tuple(parameters), takes_any, context_parameter


def _wants_context(parameter: inspect.Parameter) -> bool:
    if parameter.name == "context":
        return True
    annotation = parameter.annotation
    if not isinstance(annotation, str):
        return annotation is ActionContext or ActionContext in typing.get_args(annotation)
    # `from __future__ import annotations` leaves the text. Evaluating it would need names that
    # may only exist for type checkers, so the name has to do.
    return any(
        part.strip().rpartition(".")[2] == ActionContext.__name__ for part in annotation.split("|")
    )
