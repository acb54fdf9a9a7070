"""References to what no schema names: most likely they are misspelt.

A schema that has `properties` may leave out some: others are allowed then, and an execution may go
well with them. So this is no fault; but a suite invents a value for such a reference, and whoever
reads only that all is well does not hear that no real action returns it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from harness.families._plan import Plan
from harness.families._values import at
from harness.oracle._conditions import path_text
from harness.suites._referring import (
    EACH,
    Place,
    Reference,
    followed,
    item_schema,
    place_of,
    references,
)

# With any of these a schema may allow, or name, what its `properties` do not.
_OPEN = frozenset(
    (
        *("patternProperties", "propertyNames", "unevaluatedProperties", "additionalProperties"),
        *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "extends"),
        *("dependentSchemas", "dependentRequired", "dependencies"),
        *("$ref", "$dynamicRef", "$recursiveRef"),
    )
)
_NOTHING = object()


@attrs.frozen
class Unnamed:
    """A reference to a key that a schema does not name, though it names others.

    `place` is the whole of what is asked for, `path` leads to the key.
    """

    reference: Reference
    place: Place
    path: tuple[Any, ...]
    known: tuple[str, ...]

    @property
    def where(self) -> str:
        """The step, the connection, or ``output``."""
        return self.reference.where

    def __str__(self) -> str:
        *above, key = self.path
        inside = path_text("", tuple(part for part in above if part != EACH))
        within = f' in "{inside}"' if inside else ""
        near = did_you_mean(str(key), self.known)
        return f'{self.reference.text}: {self.place.called} has no "{key}"{within}{near}'


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a question about the nearest of the known words; nothing if none is near."""
    near = difflib.get_close_matches(word, list(known), 1, cutoff)
    return f' (did you mean "{near[0]}"?)' if near else ""


def unnamed(plan: Plan) -> Iterator[Unnamed]:
    """Yield the references of a document to what no schema names."""
    for reference in references(plan.graph):
        place = place_of(plan, reference)
        if place is None:
            continue
        found = (_not_in_value if place.literal else _not_in_schema)(place)
        if found is not None and not _is_default(plan, place, found[0]):
            yield Unnamed(reference, place, *found)


def invented(plan: Plan) -> tuple[str, ...]:
    """Return the places, like ``hotel.bookin``, for which a suite has made up a value."""
    found = dict[str, None]()
    for each in unnamed(plan):
        value = plan.input if each.place.document == "input" else None
        value = plan.outputs.get(each.place.document) if value is None else value
        path = tuple(0 if part == EACH else part for part in each.path)
        if at(value, path, _NOTHING) is not _NOTHING:
            found[path_text("output", (each.place.document, *path))] = None
    return tuple(found)


def invented_text(places: Iterable[str]) -> str:
    """Return a line about such places, of which there is one at least."""
    return f"invented: {', '.join(places)}, which no schema names"


def _is_default(plan: Plan, place: Place, path: tuple[Any, ...]) -> bool:
    """Whether the document itself gives its input such a value."""
    defaults = plan.document.get("input")
    return place.document == "input" and at(defaults, path, _NOTHING) is not _NOTHING


def _not_in_schema(place: Place) -> tuple[tuple[Any, ...], tuple[str, ...]] | None:
    """Return the path to the first key that is not named, and those that are."""
    schema = place.root
    for depth, part in enumerate(place.path):
        schema = followed(place.root, schema)
        if not isinstance(schema, Mapping):
            return None
        named = schema.get("properties")
        if isinstance(named, Mapping) and str(part) in named:
            schema = named[str(part)]
        elif isinstance(part, int):
            schema = item_schema(schema)
        elif not isinstance(named, Mapping) or not named or _may_have(schema, part):
            return None
        else:
            return place.path[: depth + 1], tuple(named)
        if isinstance(schema, Mapping) and "$id" in schema:
            # Pointers lead elsewhere in there.
            return None
    return None


def _may_have(schema: Mapping[str, Any], key: str) -> bool:
    """Whether something beside the `properties` of a schema may bring a key, or names it."""
    opening = (keyword for keyword in _OPEN if keyword in schema)
    # False is the one way in which these two bring nothing.
    closing = ("additionalProperties", "unevaluatedProperties")
    if any(not (each in closing and schema[each] is False) for each in opening):
        return True
    if key in schema.get("required", ()):
        return True
    shown = [schema.get("default"), schema.get("const")]
    shown += [*schema.get("examples", ()), *schema.get("enum", ())]
    return any(isinstance(each, Mapping) and key in each for each in shown)


def _not_in_value(place: Place) -> tuple[tuple[Any, ...], tuple[str, ...]] | None:
    value = place.root
    for depth, part in enumerate(place.path):
        if not isinstance(value, Mapping):
            return None
        if str(part) not in value:
            return place.path[: depth + 1], tuple(map(str, value))
        value = value[str(part)]
    return None
