"""Templates: JSON values in whose strings ``${path}`` stands for a value.

A template is taken apart once, when a document is loaded. What comes out is a short program that
builds the value from the inside out; whatever holds no reference is not looked at again. Nothing
that was inserted is ever looked at again either: data does not become a reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from trioflow.definitions._finding import Scope, compile_reference
from trioflow.definitions._lexer import (
    EMPTY_REFERENCE,
    LONGEST_CONDITION,
    PATH,
    REFERENCE,
    shortened,
    split_path,
)
from trioflow.definitions._paths import Names, Reference, names
from trioflow.definitions._secrets import SecretReference, Secrets, SecretText, reveal
from trioflow.errors import ExpressionError, MissingInputError

__all__ = [
    "Reference",
    "SecretReference",
    "SecretText",
    "Secrets",
    "Template",
    "reveal",
]

# One step of the program: returns a value, given the scope and the values made so far.
_Part = Callable[[Scope, list[Any]], Any]
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@attrs.frozen(eq=False)
class Template:
    """A JSON value with references in it, ready to be resolved.

    `references` holds them in the order in which they are written. A template is `constant` if
    there are none; then resolving it costs nothing and gives the same value each time, so do not
    change what you get. `secrets` are the names of the secrets that it needs.
    """

    value: Any
    references: tuple[Reference, ...]
    constant: bool
    secrets: tuple[str, ...]
    _result: Any = attrs.field(alias="result", repr=False)
    _parts: tuple[_Part, ...] = attrs.field(alias="parts", repr=False)

    @classmethod
    def parse(
        cls,
        value: Any,
        *,
        steps: Collection[str],
        item_name: str | None = None,
        secrets: bool = True,
        items: Mapping[str, str] | None = None,
    ) -> Template:
        """Take a JSON value apart; raises `ExpressionError` for its first fault.

        `steps` are the ids that can be named, `item_name` what an item is called inside
        ``for_each``; `items`, for messages, what it is called elsewhere, and in which step.
        Without `secrets` it is a fault to name one. For all faults at once see `problems`.
        """
        builder = _Builder(names(steps, item_name=item_name, secrets=secrets, items=items))
        template = builder.build(value)
        if builder.problems:
            raise builder.problems[0][1]
        return template

    @staticmethod
    def problems(
        value: Any,
        *,
        steps: Collection[str],
        item_name: str | None = None,
        secrets: bool = True,
        items: Mapping[str, str] | None = None,
    ) -> list[tuple[str, ExpressionError]]:
        """Return every fault, each with its place inside the value, like ``.lines[0].price``.

        An empty list means that `parse` succeeds.
        """
        builder = _Builder(names(steps, item_name=item_name, secrets=secrets, items=items))
        builder.build(value)
        return builder.problems

    def resolve(self, scope: Scope) -> Any:
        """Return the value with everything filled in.

        Raises one `MissingInputError` for all references that have no value.
        """
        if self.constant:
            return self._result
        values: list[Any] = []
        missing: list[MissingInputError] = []
        for part in self._parts:
            try:
                values.append(part(scope, values))
            except MissingInputError as error:
                missing.append(error)
                values.append(None)
        if missing:
            raise _together(missing)
        return values[-1]


def _together(missing: list[MissingInputError]) -> MissingInputError:
    return MissingInputError(
        missing[0].missing_var,
        tuple(dict.fromkeys(path for error in missing for path in error.inputs)),
        tuple(dict.fromkeys(path for error in missing for path in error.others)),
    )


@attrs.define
class _Level:
    """A container that is being taken apart."""

    # A copy, in which constants have their final form already.
    container: Any
    todo: list[tuple[Any, Any]]
    key: Any
    changed: bool = False
    # The keys of what the program makes, each with the number of the part that makes it.
    made: list[tuple[Any, int]] = attrs.field(factory=list)


class _Builder:
    def __init__(self, known: Names) -> None:
        self._names = known
        self._references: list[Reference] = []
        self._parts: list[_Part] = []
        self.problems: list[tuple[str, ExpressionError]] = []

    def build(self, value: Any) -> Template:
        # The value stands in a list of its own, so that there is always a container around.
        outermost = _level([value], None)
        self._take_apart(outermost, value)
        references = tuple(self._references)
        named = [str(found.path[0]) for found in references if found.root == "secret"]
        return Template(
            value,
            references,
            not self._parts,
            tuple(dict.fromkeys(named)),
            result=outermost.container[0],
            parts=tuple(self._parts),
        )

    def _take_apart(self, outermost: _Level, value: Any) -> None:
        """Go through the containers by a list of open ones: they may be nested to any depth."""
        levels = [outermost]
        while True:
            level = levels[-1]
            if level.todo:
                key, item = level.todo.pop()
                if isinstance(item, str):
                    if "${" in item:
                        self._text(level, key, item, _place(levels, key))
                elif isinstance(item, Mapping | list | tuple):
                    levels.append(_level(item, key))
                continue
            levels.pop()
            if not levels:
                return
            self._finish(levels[-1], level)

    def _finish(self, outer: _Level, level: _Level) -> None:
        if level.made:
            self._parts.append(_filled(level.container, tuple(level.made)))
            outer.made.append((level.key, len(self._parts) - 1))
        elif level.changed:
            outer.container[level.key] = level.container
            outer.changed = True

    def _text(self, level: _Level, key: Any, text: str, place: str) -> None:
        pieces = self._pieces(text, place)
        found = [piece for piece in pieces if isinstance(piece, Reference)]
        self._references += found
        if not found:
            level.container[key] = "".join(piece for piece in pieces if isinstance(piece, str))
            level.changed = True
            return
        if len(pieces) == 1:
            get = compile_reference(found[0])
            self._parts.append(lambda scope, values: get(scope))
        else:
            self._parts.append(_inserted(pieces))
        level.made.append((key, len(self._parts) - 1))

    def _pieces(self, text: str, place: str) -> list[str | Reference]:
        """Cut a text into what stays and what is looked up."""
        pieces: list[str | Reference] = []
        position = 0
        while (at := text.find("${", position)) >= 0:
            if at > position and text[at - 1] == "\\":
                pieces += text[position : at - 1], "${"
                position = at + 2
                continue
            if at > position:
                pieces.append(text[position:at])
            found = REFERENCE.match(text, at)
            try:
                if found is None or found.end() - at > LONGEST_CONDITION:
                    raise _unreadable(text, at)
                first, segments, optional = split_path(text, found["path"], found.start("path"))
            except ExpressionError as problem:
                # Where such a thing ends is a guess, so the rest of this text is left.
                self.problems.append((place, problem))
                return pieces
            try:
                pieces.append(
                    self._names.refer(
                        first,
                        segments,
                        optional=optional,
                        text=found["path"],
                        where=(text, at + 1),
                        place=place,
                    )
                )
            except ExpressionError as problem:
                self.problems.append((place, problem))
            position = found.end()
        if position < len(text):
            pieces.append(text[position:])
        return pieces


def _level(container: Any, key: Any) -> _Level:
    if isinstance(container, Mapping):
        copy: Any = dict(container)
        entries = list(container.items())
    else:
        copy = list(container)
        entries = list(enumerate(container))
    entries.reverse()
    return _Level(copy, entries, key)


def _place(levels: list[_Level], key: Any) -> str:
    """Write down where in the value `key` is; the outermost level is no part of the value."""
    keys = [*(level.key for level in levels[2:]), key] if len(levels) > 1 else []
    place = ""
    for level, part in zip(levels[1:], keys, strict=True):
        if isinstance(level.container, list):
            place += f"[{part}]"
        elif isinstance(part, str) and _IDENTIFIER.fullmatch(part):
            place += f".{part}"
        else:
            place += f"[{json.dumps(str(part))}]"
    return place


def _unreadable(text: str, at: int) -> ExpressionError:
    """Say why there is no reference at ``text[at:]``, which begins with ``${``."""
    if len(text) > at + LONGEST_CONDITION and REFERENCE.match(text, at):
        return ExpressionError(
            f"a reference has at most {LONGEST_CONDITION:,} characters", text, at + 1
        )
    path = PATH.match(text, at + 2)
    end = at + 2 if path is None else path.end()
    rest = text[end : end + LONGEST_CONDITION]
    if path is None and rest.lstrip().startswith("}"):
        return ExpressionError(EMPTY_REFERENCE, text, at + 1)
    if "}" not in rest:
        return ExpressionError(
            r"`${` is not closed by `}`; for the characters themselves write `\${`", text, at + 1
        )
    return ExpressionError(
        f"only a path stands in `${{}}` here, as in `${{input.name}}`; "
        f"it cannot go on with `{shortened(rest[: rest.index('}')])}`",
        text,
        end + 1,
    )


def _filled(container: Any, made: tuple[tuple[Any, int], ...]) -> _Part:
    def fill(scope: Scope, values: list[Any]) -> Any:
        filled = container.copy()
        for key, number in made:
            filled[key] = values[number]
        return filled

    return fill


def _inserted(pieces: list[str | Reference]) -> _Part:
    getters = [piece if isinstance(piece, str) else compile_reference(piece) for piece in pieces]

    def insert(scope: Scope, values: list[Any]) -> str:
        parts: list[str] = []
        missing: list[MissingInputError] = []
        for get in getters:
            if isinstance(get, str):
                parts.append(get)
                continue
            try:
                parts.append(_as_text(get(scope)))
            except MissingInputError as error:
                missing.append(error)
        if missing:
            raise _together(missing)
        if any(isinstance(part, SecretReference) for part in parts):
            return SecretText(tuple(parts))
        return "".join(parts)

    return insert


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
