"""YAML with JSON's types only, as the core schema of YAML 1.2 has them.

PyYAML reads the syntax; what a scalar means is decided here. Its own rules are those of YAML
1.1, in which ``on`` and ``yes`` are booleans, ``12:30`` is the number 750, and a date is no
string; a key twice in one mapping is no error, and constructing nested values recurses. So only
its stream of events is used. It is an extra: `pip install "trioflow[yaml]"`.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from trioflow.definitions._reading import DEEPEST, NotJson, integer, object_of, refuse

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")
_CORE = "tag:yaml.org,2002:"


def parse_yaml(text: str, source: str) -> object:
    """Read the one YAML document in a text."""
    try:
        import yaml
    except ImportError:
        refuse(
            source,
            "to read YAML, PyYAML is needed: pip install PyYAML; or write the workflow as JSON",
        )
    # The one in C is ten times as fast, and not in every build of PyYAML.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(yaml, source).build(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse_at(source, mark, error.problem or "cannot be read")
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        refuse(source, f"is no YAML: {str(error).partition(chr(10))[0]}")


def _refuse_at(source: str, mark: Any, message: str) -> NoReturn:
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    refuse(source, f"is no YAML that can be used: {place}{message}")


class _Collection:
    """A list or mapping of which not all items have been read."""

    def __init__(self, anchor: str | None, mark: Any, is_mapping: bool) -> None:
        self.anchor = anchor
        self.mark = mark
        self.is_mapping = is_mapping
        self.items: list[Any] = []
        self.marks: list[Any] = []

    def finished(self, builder: _Builder) -> Any:
        if not self.is_mapping:
            return self.items
        keys = self.items[::2]
        for key, mark in zip(keys, self.marks[::2], strict=True):
            if not isinstance(key, str):
                builder.refuse(mark, "keys are strings; put this one in quotes")
        return object_of(list(zip(keys, self.items[1::2], strict=True)))


class _Builder:
    """Makes values of events, without recursing."""

    def __init__(self, yaml: Any, source: str) -> None:
        self._yaml = yaml
        self._source = source
        self._open: list[_Collection] = []
        self._anchored: dict[str, Any] = {}
        self._documents: list[Any] = []

    def refuse(self, mark: Any, message: str) -> NoReturn:
        _refuse_at(self._source, mark, message)

    def build(self, events: Any) -> object:
        yaml = self._yaml
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    self._add(self._scalar(event), event.anchor, event.start_mark)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.CollectionStartEvent():
                    self._check_tag(event)
                    if len(self._open) >= DEEPEST:
                        self.refuse(event.start_mark, f"nested more than {DEEPEST} deep")
                    is_mapping = isinstance(event, yaml.MappingStartEvent)
                    self._open.append(_Collection(event.anchor, event.start_mark, is_mapping))
                case yaml.CollectionEndEvent():
                    done = self._open.pop()
                    self._add(done.finished(self), done.anchor, done.mark)
                case yaml.DocumentStartEvent() if self._documents:
                    self.refuse(event.start_mark, "a second document; a file holds one workflow")
        return self._documents[0] if self._documents else None

    def _add(self, value: Any, anchor: str | None, mark: Any) -> None:
        if anchor is not None:
            self._anchored[anchor] = value
        if self._open:
            self._open[-1].items.append(value)
            self._open[-1].marks.append(mark)
        else:
            self._documents.append(value)

    def _alias(self, event: Any) -> None:
        # What an alias stands for is shared here, and copied (and counted) by `plain`.
        if event.anchor not in self._anchored:
            self.refuse(
                event.start_mark, f"*{event.anchor} refers to nothing that stands before it"
            )
        self._add(self._anchored[event.anchor], None, event.start_mark)

    def _check_tag(self, event: Any) -> str | None:
        tag: str | None = event.tag
        if tag in (None, "!"):
            return None
        short = str(tag).removeprefix(_CORE)
        if short not in _TAGS:
            self.refuse(event.start_mark, f"the tag {tag} is not one of JSON's types")
        return short

    def _scalar(self, event: Any) -> Any:
        tag = self._check_tag(event)
        text: str = event.value
        if tag == "str" or event.tag == "!" or (tag is None and not event.implicit[0]):
            return text
        value = _meaning(text)
        found = _tag_of(value)
        if tag is not None and tag != found and (tag, found) != ("float", "int"):
            self.refuse(event.start_mark, f"is tagged !!{tag}, but is not one")
        return value


def _tag_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case str():
            return "str"
        case _:
            return "float"


def _meaning(text: str) -> Any:
    """What a plain scalar means by the core schema."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INTEGER.fullmatch(text):
        return integer(text)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    return NotJson.number(text) if _NOT_JSON.fullmatch(text) else text
