"""On which line of a file a JSON path is.

A second reading of the document, only for messages: so it is forgiving. Where it cannot tell, it
says the line of what is around, or nothing.
"""

from __future__ import annotations

import contextlib
import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

import attrs

Keys = tuple[str | int, ...]

_SEGMENT = re.compile(r'\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]')
_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[^\s,\]}:]+")
# Deeper than any document may be.
_DEEPEST = 200


@attrs.frozen
class Places:
    """The lines, counted from 1, of everything in a document."""

    lines: dict[Keys, int]

    def line(self, path: str, *, exact: bool = False) -> int | None:
        """Return the line of a path, or of the nearest thing around it that has one."""
        keys = parse_path(path)
        if exact:
            return self.lines.get(keys)
        # Everything is somewhere in the document: its first line tells nobody anything.
        while keys:
            if keys in self.lines:
                return self.lines[keys]
            keys = keys[:-1]
        return None


def parse_path(path: str) -> Keys:
    """Return the keys of a path like ``$.steps[2]["a b"]``."""
    keys: list[str | int] = []
    position = 1
    while (found := _SEGMENT.match(path, position)) is not None:
        name, index, quoted = found.groups()
        keys.append(name or (int(index) if index else json.loads(quoted)))
        position = found.end()
    return tuple(keys)


def find_places(path: Path) -> Places:
    """Return the places of a document, as far as it can be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return Places({})
    if path.suffix.lower() in (".yaml", ".yml"):
        return Places(_places_of_yaml(text))
    reader = _JsonPlaces(text)
    # What was found until there is good enough.
    with contextlib.suppress(ValueError, IndexError, RecursionError):
        reader.value(0, ())
    return Places(reader.lines)


class _JsonPlaces:
    """Walks over JSON text; a key's place is that of the key, an item's that of its value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Keys, int] = {}
        self._counted = 0
        self._line = 1

    def value(self, position: int, keys: Keys) -> int:
        position = self._skip(position)
        self._note(keys, position)
        match self.text[position]:
            case "{":
                return self._object(position + 1, keys)
            case "[":
                return self._list(position + 1, keys)
            case '"':
                return int(scanstring(self.text, position + 1, False)[1])
            case _:
                found = _SCALAR.match(self.text, position)
                if found is None:
                    raise ValueError(position)
                return found.end()

    def _object(self, position: int, keys: Keys) -> int:
        position = self._skip(position)
        while self.text[position] != "}":
            start = position
            key, position = scanstring(self.text, start + 1, False)
            self._note((*keys, key), start)
            position = self._skip(position) + 1  # the colon
            position = self._next(self.value(position, (*keys, key)))
        return position + 1

    def _list(self, position: int, keys: Keys) -> int:
        position = self._skip(position)
        index = 0
        while self.text[position] != "]":
            position = self._next(self.value(position, (*keys, index)))
            index += 1
        return position + 1

    def _next(self, position: int) -> int:
        position = self._skip(position)
        return self._skip(position + 1) if self.text[position] == "," else position

    def _skip(self, position: int) -> int:
        found = _SPACE.match(self.text, position)
        return position if found is None else found.end()

    def _note(self, keys: Keys, position: int) -> None:
        if len(keys) > _DEEPEST:
            raise ValueError(position)
        self._line += self.text.count("\n", self._counted, position)
        self._counted = position
        self.lines.setdefault(keys, self._line)


def _places_of_yaml(text: str) -> dict[Keys, int]:
    lines: dict[Keys, int] = {}
    try:
        import yaml
    except ImportError:  # pragma: no cover - then the document could not be read either
        return lines
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return lines
    pending: list[tuple[Keys, Any]] = [] if root is None else [((), root)]
    while pending:
        keys, node = pending.pop()
        lines.setdefault(keys, node.start_mark.line + 1)
        if len(keys) > _DEEPEST:
            continue
        if isinstance(node, yaml.MappingNode):
            for key, inner in node.value:
                if isinstance(key, yaml.ScalarNode):
                    place = (*keys, key.value)
                    lines.setdefault(place, key.start_mark.line + 1)
                    pending.append((place, inner))
        elif isinstance(node, yaml.SequenceNode):
            pending += [((*keys, index), inner) for index, inner in enumerate(node.value)]
    return lines
