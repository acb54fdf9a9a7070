"""The input of an execution, from a file and from ``-i``."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from trioflow.cli._places import parse_path
from trioflow.errors import InputRejected

# Far more than an event may hold; this only keeps /dev/zero from filling the memory.
_LARGEST = 16 * 1024 * 1024

# So ends what a schema says of text where something else is wanted.
_TEXT = ", not a string"


class _DuplicateKey(ValueError):
    """A key stands twice in one object."""


def read_input(file: str | None, values: Iterable[str]) -> dict[str, Any]:
    """Return the input that ``--input`` and ``-i`` give together."""
    found = {} if file is None else _read_file(file)
    given: dict[tuple[str, ...], str] = {}
    for text in values:
        path, value = parse_value(text)
        for other in (path[:length] for length in range(1, len(path) + 1)):
            if other in given:
                _refuse_twice(text, given[other], other)
        if any(other[: len(path)] == path for other in given):
            _refuse_twice(text, next(t for p, t in given.items() if p[: len(path)] == path), path)
        given[path] = text
        _put(found, path, value, text)
    return found


def parse_value(text: str) -> tuple[tuple[str, ...], Any]:
    """Return the path and the value of ``a.b=text`` or ``a.b:=json``."""
    name, equals, value = text.partition("=")
    is_json = name.endswith(":")
    path = tuple(name.removesuffix(":").split(".")) if equals else ()
    if not equals or not all(path):
        raise click.BadParameter(
            f"{text!r} is neither KEY=TEXT nor KEY:=JSON, like -i card=4242 or -i amount:=12.5",
            param_hint="-i",
        )
    if not is_json:
        return path, value
    return path, parse_json(value, f"-i {name}=")


def parse_json(text: str, what: str) -> Any:
    """Return the value of JSON text; `what` is what a message calls it."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        message = error.msg[:1].lower() + error.msg[1:]
        hint = "" if "\n" in text or len(text) > 60 else f" in {text!r}; text is given with ="
        raise click.UsageError(
            f"{what} is no JSON: {place}: {message}{hint if what.startswith('-i') else ''}"
        ) from None
    except RecursionError:
        raise click.UsageError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise click.UsageError(f"{what} is no JSON that can be used: {error}") from None


def as_json_instead(values: Iterable[str], rejected: InputRejected) -> Iterator[str]:
    """Yield a hint for each ``-i key=text`` that was refused because it is text."""
    wrong = {parse_path(each.path) for each in rejected.problems if each.message.endswith(_TEXT)}
    for given in values:
        name, _, value = given.partition("=")
        if not name.endswith(":") and tuple(name.split(".")) in wrong:
            with contextlib.suppress(click.UsageError):
                parse_json(value, given)
                yield f"  -i {given} is text; for JSON write -i {shlex.quote(f'{name}:={value}')}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _DuplicateKey(f"an object has the key {twice!r} twice; which of them counts?")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def _read_file(name: str) -> dict[str, Any]:
    what = "the input on stdin" if name == "-" else f"the input file {name!r}"
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_LARGEST + 1)
    except OSError as error:
        raise click.UsageError(f"{what} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise click.UsageError(f"{what} is larger than {_LARGEST // 1024**2} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"{what} is no UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}"
        ) from None
    found = parse_json(text, what)
    if not isinstance(found, dict):
        raise click.UsageError(f'{what} must hold an object, like {{"card": "4242"}}')
    return found


def _put(found: dict[str, Any], path: tuple[str, ...], value: Any, text: str) -> None:
    """Set the value at the path, making objects on the way."""
    inner = found
    for length, key in enumerate(path[:-1], 1):
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            where = ".".join(path[:length])
            raise click.UsageError(f"-i {text}: {where!r} in the input file is no object")
    inner[path[-1]] = value


def _refuse_twice(text: str, other: str, path: tuple[str, ...]) -> None:
    raise click.UsageError(f"-i {other} and -i {text} both set {'.'.join(path)!r}; give it once")
