"""Finding what a path names among the values of an execution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import attrs

from trioflow.definitions._lexer import join_path
from trioflow.definitions._paths import Reference, Segments
from trioflow.definitions._secrets import SecretReference, Secrets, find_secret
from trioflow.errors import MissingInputError

Getter = Callable[["Scope"], Any]


class _Missing:
    """The kind of `MISSING`, which is for what JSON's null cannot say: there is no value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@attrs.define(eq=False, kw_only=True)
class Scope:
    """The values that references find.

    `outputs` holds the outputs of the steps that have one; `steps` the engine's facts about a
    step, ``{"status", "error", "attempts", "item_errors"}``. Both are only ever looked up by id.
    Without `secrets` (a mapping or a function) a ``${secret.NAME}`` becomes a marker that
    `reveal` fills in later.
    """

    input: Mapping[str, Any] = _NOTHING
    outputs: Mapping[str, Any] = _NOTHING
    steps: Mapping[str, Any] = _NOTHING
    execution: Mapping[str, Any] = _NOTHING
    workflow: Mapping[str, Any] = _NOTHING
    item: Any = MISSING
    item_index: int | None = None
    secrets: Secrets | None = None


def find(reference: Reference, scope: Scope, more: Segments = ()) -> Any:
    """Return the value at the path (and at `more` behind it), or raise `MissingInputError`.

    The error has the path in `inputs` if a key that is added to the input could supply it, which
    a key below a list cannot: input is merged object by object, and a list stays what it is.
    """
    path = reference.path + more
    if reference.root == "steps":
        value = _step_value(reference, scope)
        path = path[2:]
    elif reference.root == "item":
        value = scope.item
    elif reference.root == "item_index":
        value = MISSING if scope.item_index is None else scope.item_index
    elif reference.root == "secret":
        value = _secret_value(cast("str", path[0]), scope)
        path = path[1:]
    else:
        value = getattr(scope, reference.root)
    return follow(value, path, reference.root == "input", reference.absolute, more)


def follow(value: Any, path: Segments, can_grow: bool, name: str = "", more: Segments = ()) -> Any:
    """Return what is at `path` inside of a value; `name` and `more` are for the message."""
    if value is not MISSING:
        for part in path:
            if isinstance(value, Mapping):
                value = value.get(part if isinstance(part, str) else str(part), MISSING)
                if value is MISSING:
                    break
                continue
            can_grow = False
            if not (
                isinstance(part, int)
                and isinstance(value, list | tuple)
                and -len(value) <= part < len(value)
            ):
                value = MISSING
                break
            value = value[part]
    if value is not MISSING:
        return value
    missing = join_path(name, more)
    if can_grow:
        raise MissingInputError(missing, (missing,))
    raise MissingInputError(missing, (), (missing,))


def _step_value(reference: Reference, scope: Scope) -> Any:
    step, fact = cast("tuple[str, str]", reference.path[:2])
    if fact == "output":
        value = scope.outputs.get(step, MISSING)
        if reference.through_output and isinstance(value, Mapping):
            return value.get("output", value)
        return value
    facts = scope.steps.get(step, MISSING)
    if facts is MISSING:
        return MISSING
    return facts.get(fact, None if fact == "error" else MISSING)


def _secret_value(name: str, scope: Scope) -> Any:
    if scope.secrets is None:
        return SecretReference(name)
    value = find_secret(scope.secrets, name)
    return MISSING if value is None else value


# What subscripting raises where there is no such key, or nothing that has keys.
_ABSENT = (KeyError, TypeError, IndexError)


def compile_reference(reference: Reference) -> Getter:
    """Return a function that finds the reference's value in a scope, quickly.

    Most references are a few names behind the input or an output. For these there are functions
    without a loop that try it straight away; `find` knows better if that fails. Only names will
    do: subscripting a string with a number gives a character, and here it has to be missing.
    """
    if reference.optional:
        return _or_null(compile_reference(attrs.evolve(reference, optional=False)))
    path = reference.path
    if reference.root == "input":
        keys = path
    elif reference.root == "steps" and path[1] == "output" and not reference.through_output:
        keys = path[2:]
    else:
        return lambda scope: find(reference, scope)
    if not 1 <= len(keys) <= 3 or not all(isinstance(key, str) for key in keys):
        return lambda scope: find(reference, scope)
    if reference.root == "input":
        return _INPUT_GETTERS[len(keys)](reference, *keys)
    return _OUTPUT_GETTERS[len(keys)](reference, path[0], *keys)


def _or_null(get: Getter) -> Getter:
    def get_or_null(scope: Scope) -> Any:
        try:
            return get(scope)
        except MissingInputError:
            return None

    return get_or_null


def _input_1(reference: Reference, a: str) -> Getter:
    def get(scope: Scope) -> Any:
        try:
            return scope.input[a]
        except _ABSENT:
            pass
        return find(reference, scope)

    return get


def _input_2(reference: Reference, a: str, b: str) -> Getter:
    def get(scope: Scope) -> Any:
        try:
            return scope.input[a][b]
        except _ABSENT:
            pass
        return find(reference, scope)

    return get


def _input_3(reference: Reference, a: str, b: str, c: str) -> Getter:
    def get(scope: Scope) -> Any:
        try:
            return scope.input[a][b][c]
        except _ABSENT:
            pass
        return find(reference, scope)

    return get


def _output_1(reference: Reference, step: str, a: str) -> Getter:
    def get(scope: Scope) -> Any:
        try:
            return scope.outputs[step][a]
        except _ABSENT:
            pass
        return find(reference, scope)

    return get


def _output_2(reference: Reference, step: str, a: str, b: str) -> Getter:
    def get(scope: Scope) -> Any:
        try:
            return scope.outputs[step][a][b]
        except _ABSENT:
            pass
        return find(reference, scope)

    return get


def _output_3(reference: Reference, step: str, a: str, b: str, c: str) -> Getter:
    def get(scope: Scope) -> Any:
        try:
            return scope.outputs[step][a][b][c]
        except _ABSENT:
            pass
        return find(reference, scope)

    return get


_INPUT_GETTERS: dict[int, Callable[..., Getter]] = {1: _input_1, 2: _input_2, 3: _input_3}
_OUTPUT_GETTERS: dict[int, Callable[..., Getter]] = {1: _output_1, 2: _output_2, 3: _output_3}
