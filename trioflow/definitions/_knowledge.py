"""What a JSON Schema says of the values at paths: what is ruled out, and what is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_Path = Sequence[str | int]

# Schemas may refer to themselves, and a few lines of them can mean billions of alternatives.
# What has not been ruled out after so many questions is not ruled out.
_MOST_QUESTIONS = 1_000


def can_have(schema: Mapping[str, Any], path: _Path) -> bool:
    """Whether a value that fits the (checked) schema can have something at `path`.

    Careful: it says no only if that is certain, so what it does not understand it allows.
    """
    return _Reader(schema).can_have(schema, path)


def names_in(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys that the (checked) schema names of an object that fits it."""
    return frozenset(_Reader(schema).names(schema))


class _Reader:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _MOST_QUESTIONS

    def can_have(self, schema: object, path: _Path) -> bool:
        self._left -= 1
        if schema is False:
            return False
        if not path or self._left < 0 or not isinstance(schema, Mapping):
            return True
        return (
            all(self.can_have(each, path) for each in self._all_of(schema))
            and all(
                any(self.can_have(each, path) for each in schema[keyword])
                for keyword in ("anyOf", "oneOf")
                if keyword in schema
            )
            and ("const" not in schema or _has(schema["const"], path))
            and ("enum" not in schema or any(_has(value, path) for value in schema["enum"]))
            and (self._in_object(schema, path) or self._in_list(schema, path))
        )

    def names(self, schema: object) -> Iterator[str]:
        self._left -= 1
        if self._left < 0 or not isinstance(schema, Mapping):
            return
        yield from schema.get("properties", ())
        yield from schema.get("required", ())
        for each in (*self._all_of(schema), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from self.names(each)

    def _all_of(self, schema: Mapping[str, Any]) -> Iterator[object]:
        yield from schema.get("allOf", ())
        # Only plain pointers: anchors and identifiers are rare, and may mean anything.
        reference = schema.get("$ref", "")
        if reference == "#" or reference.startswith("#/"):
            found: Any = self._root
            for part in reference.split("/")[1:]:
                key = part.replace("~1", "/").replace("~0", "~")
                found = found.get(key, True) if isinstance(found, Mapping) else True
            yield found

    def _in_object(self, schema: Mapping[str, Any], path: _Path) -> bool:
        if not _allows(schema, "object"):
            return False
        key = str(path[0])
        named = schema.get("properties", {})
        applying = [named[key]] if key in named else []
        applying += [
            each
            for pattern, each in schema.get("patternProperties", {}).items()
            if re.search(pattern, key)
        ]
        if not applying:
            applying.append(schema.get("additionalProperties", True))
        return all(self.can_have(each, path[1:]) for each in applying)

    def _in_list(self, schema: Mapping[str, Any], path: _Path) -> bool:
        index = path[0]
        if not isinstance(index, int) or not _allows(schema, "array"):
            return False
        reach = index + 1 if index >= 0 else -index
        if reach > schema.get("maxItems", reach):
            return False
        items = schema.get("items", True)
        # Counted from the end it may be any item; older drafts have a list in `items`.
        if index < 0 or isinstance(items, list):
            return True
        first = schema.get("prefixItems", ())
        return self.can_have(first[index] if index < len(first) else items, path[1:])


def _allows(schema: Mapping[str, Any], type_: str) -> bool:
    allowed = schema.get("type", type_)
    return type_ in allowed if isinstance(allowed, list) else bool(type_ == allowed)


def _has(value: object, path: _Path) -> bool:
    for part in path:
        if isinstance(value, Mapping) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and -len(value) <= part < len(value):
            value = value[part]
        else:
            return False
    return True
