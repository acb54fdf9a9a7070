"""From a file, JSON text or a mapping to plain JSON data: the first half of `load_workflow`.

What comes in may be hostile: too large, too deep, no UTF-8, no file at all. What comes out is
made of new dicts, lists, strings, numbers, booleans and None, and nothing else.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from trioflow.definitions._faults import Faults, at, kind, shown
from trioflow.definitions._json import is_short, unwritable
from trioflow.errors import DefinitionError, Problem

# A graph of 10,000 steps and 20,000 connections has about 2.5 MB. More text than this is no
# workflow that somebody wrote, and every start of an engine would have to read it again.
LARGEST_TEXT = 4 * 1024 * 1024

# Values in a document, counted one by one (aliases of YAML make small texts large), and how deep
# they may be nested. The graph above has about 250,000 values.
MOST_VALUES = 500_000
DEEPEST = 100
_TOO_DEEP = f"is nested more than {DEEPEST} deep"
_TOO_LONG = "is an integer of more than 1,000 digits"


class Repeated(dict[str, Any]):
    """An object in which keys stood twice; marked where it is read, reported with its path."""

    repeated: tuple[str, ...] = ()


class NotJson:
    """A scalar that JSON lacks, like ``NaN``; marked where it is read, reported with its path."""

    def __init__(self, message: str) -> None:
        self.message = message

    @classmethod
    def number(cls, text: str) -> NotJson:
        return cls(f"is {text}, which JSON lacks; write a number")


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs, which notes keys that come twice."""
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    doubled = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    marked = Repeated(made)
    marked.repeated = tuple(dict.fromkeys(doubled))
    return marked


def read(source: object) -> tuple[object, str]:
    """Read a document; return its data, not yet `plain`, and what messages call it."""
    match source:
        case os.PathLike():
            return _read_file(os.fspath(source))
        case str() if source.lstrip("\ufeff \t\r\n").startswith(("{", "[")) or "\n" in source:
            return parse_json(source.removeprefix("\ufeff"), "the workflow"), "the workflow"
        case str():
            return _read_file(source)
        case _:
            return source, "the workflow"


def refuse(source: str, message: str) -> NoReturn:
    raise DefinitionError([Problem("$", message)], source)


def _read_file(name: str | bytes) -> tuple[object, str]:
    path = Path(os.fsdecode(name))
    source = str(path)
    try:
        with path.open("rb") as file:
            # One byte more than allowed tells; /dev/zero would never end.
            content = file.read(LARGEST_TEXT + 1)
    except FileNotFoundError:
        refuse(source, f"there is no file {shown(source)} in {shown(str(Path.cwd()))}")
    except IsADirectoryError:
        refuse(source, f"{shown(source)} is a directory; give the file that holds the workflow")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        refuse(source, f"{shown(source)} cannot be read: {reason}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) <= LARGEST_TEXT:
            refuse(
                source,
                f"is no UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}; "
                "save the file as UTF-8",
            )
        text = content.decode("utf-8-sig", "replace")
    _refuse_large(text, source, size=len(content))
    if path.suffix.lower() in (".yaml", ".yml"):
        from trioflow.definitions._yaml import parse_yaml

        return parse_yaml(text, source), source
    return parse_json(text, source), source


def _refuse_large(text: str, source: str, size: int) -> None:
    if size > LARGEST_TEXT:
        refuse(
            source,
            f"is larger than the {LARGEST_TEXT // 1024**2} MiB that a workflow document may have; "
            "keep large data elsewhere and pass a reference to it",
        )


def parse_json(text: str, source: str) -> object:
    _refuse_large(text, source, size=len(text))
    try:
        return json.loads(
            text, object_pairs_hook=object_of, parse_constant=NotJson.number, parse_int=integer
        )
    except json.JSONDecodeError as error:
        message = error.msg[:1].lower() + error.msg[1:]
        refuse(source, f"is no JSON: line {error.lineno}, column {error.colno}: {message}")
    except RecursionError:
        refuse(source, _TOO_DEEP)


def integer(text: str) -> int | NotJson:
    """The number that digits mean, unless they are so many that converting them is an attack."""
    return int(text) if len(text) <= 1_000 else NotJson(_TOO_LONG)


def plain(data: object, faults: Faults, source: str) -> Any:
    """Copy data into plain JSON values; report what is none, with its path."""
    return _Copier(faults, source).copy(data, 0)


class _Copier:
    def __init__(self, faults: Faults, source: str) -> None:
        self._faults = faults
        self._source = source
        self._left = MOST_VALUES
        # The keys on the way to the value at hand: a path is only made where there is a fault.
        self._trail: list[str | int] = []

    def copy(self, value: object, depth: int) -> Any:
        if isinstance(value, str):
            if (message := unwritable(value)) is not None:
                self._fault(message)
            # A plain string also of members of an enumeration, which pass for strings.
            return str.__str__(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if is_short(value):
                return int(value)
            return self._fault(_TOO_LONG)
        if isinstance(value, float):
            if math.isfinite(value):
                return float(value)
            return self._fault(NotJson.number(repr(float(value))).message)
        if isinstance(value, (Mapping, list, tuple)):
            self._count(len(value), depth)
            self._trail.append(0)
            copied = (
                self._object(value, depth)
                if isinstance(value, Mapping)
                else [self._part(index, item, depth) for index, item in enumerate(value)]
            )
            self._trail.pop()
            return copied
        if isinstance(value, NotJson):
            return self._fault(value.message)
        if callable(value):
            return self._fault(
                'is a function without a name of its own; mark it with @action("...")'
            )
        return self._fault(f"is {kind(value)}, which JSON lacks")

    def _count(self, size: int, depth: int) -> None:
        # To go on with the rest could take for ever, so this is reported alone.
        self._left -= size
        if self._left < 0:
            refuse(self._source, f"has more than {MOST_VALUES:,} values")
        if depth >= DEEPEST:
            refuse(self._source, _TOO_DEEP)

    def _part(self, key: str | int, value: object, depth: int) -> Any:
        self._trail[-1] = key
        return self.copy(value, depth + 1)

    def _object(self, value: Mapping[Any, object], depth: int) -> dict[str, Any]:
        copied = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self._fault_of_key(f"has a key that is {kind(key)}, {key!s:.40}; keys are strings")
            elif (message := unwritable(key)) is not None:
                self._fault_of_key(f"has a key that {message}")
            else:
                copied[str.__str__(key)] = self._part(key, item, depth)
        if isinstance(value, Repeated):
            for key in value.repeated:
                self._fault_of_key(f"has the key {shown(key)} twice; write it once")
        return copied

    def _fault(self, message: str) -> None:
        # What stands there instead from now on, null, is no second fault.
        self._faults.add(at("$", *self._trail), message, final=True)

    def _fault_of_key(self, message: str) -> None:
        self._faults.add(at("$", *self._trail[:-1]), message)
