"""Which actions an engine knows, and by which names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import attrs

from trioflow.actions._action import MARK, Action, action_of, closest
from trioflow.actions._fail import fail
from trioflow.actions._http import http_request
from trioflow.actions._log import log
from trioflow.actions._process import process_run
from trioflow.actions._set import set_values
from trioflow.errors import InvalidRequest, UnknownAction

ENTRY_POINT_GROUP = "trioflow.actions"

_BUILT_IN: tuple[Callable[..., Any], ...] = (fail, http_request, log, set_values)
# A document that comes from somewhere must not be able to start programs, just because somebody
# runs it. So these are known only to a registry that was told so.
_ON_REQUEST: dict[str, Callable[..., Any]] = {action_of(process_run).name: process_run}

_logger = logging.getLogger("trioflow")


@attrs.define(eq=False, init=False)
class Registry:
    """Actions by name: those that were given, the built-in ones, those of entry points.

    A given action hides a built-in one of the same name, and both hide an entry point's. Entry
    points are loaded when a name is not found otherwise, so that a program that gives its actions
    itself never imports other people's modules.
    """

    _given: dict[str, Action]
    _built_in: dict[str, Action]
    _from_entry_points: dict[str, Action]
    _entry_points_wanted: bool
    # What could not be loaded: sentences for people.
    entry_point_problems: tuple[str, ...]

    def __init__(
        self,
        actions: Iterable[Any] = (),
        *,
        allow: Iterable[str] | str = (),
        entry_points: bool = True,
    ) -> None:
        """Take functions, modules (of which all public marked functions) and iterables of them.

        `allow` names the built-in actions that are only there when asked for, one or several:
        ``process.run``.
        Raises `InvalidRequest` for two functions with one name, and for what is no action.
        """
        self._given = {}
        self._built_in = {found.name: found for found in map(action_of, _BUILT_IN)}
        self._from_entry_points = {}
        self._entry_points_wanted = entry_points
        self.entry_point_problems = ()
        for name in _names(allow):
            if not isinstance(name, str) or name not in _ON_REQUEST:
                raise InvalidRequest(
                    f"there is nothing to allow about {name!r}; "
                    f"what needs it is {', '.join(_ON_REQUEST)}"
                )
            self._built_in[name] = action_of(_ON_REQUEST[name])
        self.add(actions)

    def add(self, actions: Any) -> None:
        """Add what the constructor takes as well; adding a function again changes nothing."""
        for found in _collect(actions):
            _add(self._given, found)

    def get(self, name: str) -> Action:
        """Return the action of this name, or raise `UnknownAction` with a guess."""
        if (found := self._find(name)) is None:
            raise UnknownAction((name,), self._hint(name))
        return found

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the names that are not known."""
        return tuple(name for name in names if name not in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are known by now; see `with_entry_points`."""
        return tuple(sorted({*self._given, *self._built_in, *self._from_entry_points}))

    def with_entry_points(self) -> Registry:
        """Load the entry points now, if that has not happened, and return the registry itself.

        One that cannot be loaded is logged as a warning and kept in `entry_point_problems`.
        """
        if self._entry_points_wanted:
            self._entry_points_wanted = False
            self._load_entry_points()
        return self

    def _find(self, name: str) -> Action | None:
        found = self._given.get(name) or self._built_in.get(name)
        if found is None:
            found = self.with_entry_points()._from_entry_points.get(name)
        return found

    def _hint(self, name: str) -> str:
        if name in _ON_REQUEST:
            return "; it is built in, but only known where it is allowed"
        guess = closest(name, self.names)
        hint = f"; did you mean {guess!r}?" if guess else ""
        return hint + "".join(f"; {problem}" for problem in self.entry_point_problems)

    def _load_entry_points(self) -> None:
        # Slow to import, and mostly not needed.
        from importlib import metadata

        problems = []
        for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
            try:
                for found in _collect(entry.load()):
                    _add(self._from_entry_points, found)
            # Whatever the module of somebody else does when it is imported must not keep the
            # other actions from working.
            except Exception as error:  # noqa: BLE001
                owner = f"distribution {entry.dist.name!r}" if entry.dist else "a distribution"
                problems.append(
                    f"the entry point {entry.name!r} of {owner} could not be loaded "
                    f"({type(error).__name__}: {error})"
                )
                _logger.warning("%s", problems[-1])
        self.entry_point_problems = tuple(problems)


def _names(allow: Any) -> Iterable[Any]:
    several = isinstance(allow, Iterable) and not isinstance(allow, str)
    return tuple(allow) if several else (allow,)


def _add(actions: dict[str, Action], found: Action) -> None:
    present = actions.setdefault(found.name, found)
    if present.function != found.function:
        raise InvalidRequest(
            f"there are two actions {found.name!r}: {_place(present)} and {_place(found)}; "
            f'give one of them another name with @action("...")'
        )


def _place(found: Action) -> str:
    function = found.function
    name = getattr(function, "__qualname__", None) or repr(function)
    return f"{getattr(function, '__module__', '?')}.{name}"


def _collect(candidate: Any) -> Iterator[Action]:
    if isinstance(candidate, ModuleType):
        yield from _of_module(candidate)
    elif isinstance(candidate, type) and not isinstance(getattr(candidate, MARK, None), Action):
        raise InvalidRequest(
            f"{candidate.__qualname__} is a class, and a class is no action: give a function, such "
            f"as a method of an instance of it, or mark the class with @trioflow.action"
        )
    elif callable(candidate):
        try:
            yield action_of(candidate)
        except TypeError as error:
            raise InvalidRequest(str(error)) from None
    elif isinstance(candidate, Iterable) and not isinstance(candidate, (str, bytes)):
        for inner in candidate:
            yield from _collect(inner)
    else:
        raise InvalidRequest(f"{candidate!r} is no action: give a function, or a module of them")


def _of_module(module: ModuleType) -> Iterator[Action]:
    marked = [
        value
        for name, value in vars(module).items()
        if not name.startswith("_") and isinstance(getattr(value, MARK, None), Action)
    ]
    if not marked:
        raise InvalidRequest(
            f"module {module.__name__!r} has no action: mark its functions with @trioflow.action"
        )
    yield from map(action_of, marked)
