"""What we say when a value does not fit a JSON Schema.

The library's own messages can carry the whole value. These are made of the schema, which its
author may see, and of the kind of the value; what is in the value never gets into them. (The
names of keys do, as they are in every path.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from trioflow.definitions._faults import at, kind, listed, quoted, shown
from trioflow.errors import Problem

# A `jsonschema.ValidationError`, whose attributes may be unset as far as its types go.
_Error: TypeAlias = Any

_ARTICLES = {
    "array": "a list",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


def worded(error: _Error, path: str) -> Iterator[Problem]:
    """One fault that the library found, as problems in our words."""
    place = at(path, *error.absolute_path)
    about = "has a key that " if _is_about_a_key(error) else ""
    for message in _messages(error):
        yield Problem(place, about + message)


def worded_of_schema(error: _Error, path: str) -> Problem:
    """A fault of a schema itself, which may be quoted: it is part of the document."""
    place = at(path, *error.absolute_path)
    if error.absolute_path and error.absolute_path[-1] == "type":
        return Problem(
            place, f"must be {quoted(_ARTICLES)}, or a list of these, not {shown(error.instance)}"
        )
    message = "; ".join(_messages(error))
    if not isinstance(error.instance, (Mapping, list)) and error.validator != "type":
        message += f", not {shown(error.instance)}"
    return Problem(place, f"is no valid JSON Schema: {message}")


def _is_about_a_key(error: _Error) -> bool:
    # The schema of `propertyNames` is applied to keys, at the path of their object.
    trail = list(error.absolute_schema_path)
    return len(trail) > 1 and trail[-2] == "propertyNames" and isinstance(error.instance, str)


def _messages(error: _Error) -> Iterable[str]:
    if error.validator is None:
        # The schema `false`; of its path the library loses the last key.
        return ["has a part that its schema does not allow"]
    wording = _WORDINGS.get(str(error.validator))
    if wording is None:
        return [f"does not fit {shown(error.validator)} of its schema"]
    found = wording(error)
    return [found] if isinstance(found, str) else found


def _type(error: _Error) -> str:
    return _must_be(_types(error), error.instance)


def _types(error: _Error) -> list[str]:
    wanted = error.validator_value
    return [str(each) for each in (wanted if isinstance(wanted, list) else [wanted])]


def _must_be(types: Iterable[str], instance: object) -> str:
    wanted = list(dict.fromkeys(types))
    is_fraction = isinstance(instance, float) and "integer" in wanted
    found = "a number with a fraction" if is_fraction else kind(instance)
    return f"must be {listed(_ARTICLES.get(each, each) for each in wanted)}, not {found}"


def _required(error: _Error) -> list[str]:
    if not isinstance(error.validator_value, list):  # Draft 3 has a boolean here
        return ["is required"]
    return [f"lacks {shown(key)}" for key in error.validator_value if key not in error.instance]


def _additional_properties(error: _Error) -> str:
    known = error.schema.get("properties", {})
    patterns = error.schema.get("patternProperties", {})
    extra = [
        key
        for key in error.instance
        if key not in known and not any(re.search(pattern, key) for pattern in patterns)
    ]
    more = ", ..." if len(extra) > 3 else ""
    names = ", ".join(shown(key) for key in extra[:3])
    return f"has {names}{more}, which its schema does not allow"


def _dependent_required(error: _Error) -> list[str]:
    return [
        f"lacks {shown(needed)}, which goes with {shown(key)}"
        for key, all_needed in error.validator_value.items()
        if key in error.instance and isinstance(all_needed, list)
        for needed in all_needed
        if needed not in error.instance
    ]


def _any_of(error: _Error) -> str:
    inner = error.context or []
    if all(each.validator == "type" and not each.path for each in inner) and inner:
        return _must_be((name for each in inner for name in _types(each)), error.instance)
    return f"fits none of the {len(error.validator_value)} alternatives that its schema allows"


def _one_of(error: _Error) -> str:
    if error.context:
        return _any_of(error)
    return f"fits more than one of the {len(error.validator_value)} alternatives of its schema"


def _number_of(what: str, least: bool) -> Callable[[_Error], str]:
    word = "at least" if least else "at most"

    def wording(error: _Error) -> str:
        number = error.validator_value
        return f"must have {word} {number} {what if number == 1 else what + 's'}"

    return wording


def _bound(text: str) -> Callable[[_Error], str]:
    return lambda error: f"must be {text} {shown(error.validator_value)}"


def _format(error: _Error) -> str:
    article = "an" if str(error.validator_value)[:1] in tuple("aeio") else "a"
    return f"must be {article} {error.validator_value}"


_WORDINGS: Mapping[str, Callable[[_Error], str | list[str]]] = {
    "additionalItems": lambda error: "has more items than its schema allows",
    "additionalProperties": _additional_properties,
    "anyOf": _any_of,
    "const": lambda error: f"must be {shown(error.validator_value)}",
    "contains": lambda error: "has not as many items of the kind that it must contain",
    "dependencies": lambda error: "lacks a key that goes with another",
    "dependentRequired": _dependent_required,
    "enum": lambda error: (
        f"must be {listed(shown(each) for each in error.validator_value)}"
        if error.validator_value
        else "cannot have any value"
    ),
    "exclusiveMaximum": _bound("less than"),
    "exclusiveMinimum": _bound("more than"),
    "format": _format,
    "items": lambda error: "has more items than its schema allows",
    "maxItems": _number_of("item", least=False),
    "maxLength": _number_of("character", least=False),
    "maxProperties": _number_of("key", least=False),
    "maximum": _bound("at most"),
    "minItems": _number_of("item", least=True),
    "minLength": _number_of("character", least=True),
    "minProperties": _number_of("key", least=True),
    "minimum": _bound("at least"),
    "multipleOf": _bound("a multiple of"),
    "not": lambda error: "fits the schema that it must not fit",
    "oneOf": _one_of,
    "pattern": lambda error: f"must match the pattern {shown(error.validator_value)}",
    "required": _required,
    "type": _type,
    "unevaluatedItems": lambda error: "has more items than its schema allows",
    "unevaluatedProperties": lambda error: "has keys that its schema does not allow",
    "uniqueItems": lambda error: "has an item twice",
}
