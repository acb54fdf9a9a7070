"""Instances that are wrong in one place: what can be wrong there, and that nothing else is."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from jsonschema.exceptions import ValidationError

from harness.data._costs import is_dear
from harness.data._formats import COUNTEREXAMPLES
from harness.data._scalars import (
    as_number,
    biggest,
    bounds_of,
    dependents_of,
    required_of,
    smallest_of,
    step_of,
    types_of,
)
from harness.data._schemas import Parts, Path, Source

Labelled = tuple[str, Path, Any]

# What is put where another type is asked for, with its name. A number as a text is the classic.
_TYPES: tuple[tuple[str, str, Any], ...] = (
    ("null", "null", None),
    ("string", "text", "1"),
    ("integer", "a number", 1),
    ("boolean", "true", True),
    ("array", "a list", []),
    ("object", "an object", {}),
)
# Keywords that report at their own place what is wrong further down.
_COMPOSITE = ("anyOf", "oneOf", "not", "if", "contains")
_LONGEST = 20_000
_STRANGE = ("", "?", " ", "0", "a", "é", "zzzzzzzzzz", "!!", "A b", "-")


def labelled(source: Source, bases: Iterable[Any]) -> Iterator[Labelled]:
    """Yield what is wrong (each kind once at each place), where, and a whole instance with it."""
    seen: set[tuple[str, str]] = set()
    for base in bases:
        for path, parts in _places(source, source.root, base, ()):
            here = _at(base, path)
            for label, values in _wrong(source, parts, here):
                # The items of a list are all alike.
                place = tuple("*" if isinstance(each, int) else each for each in path)
                if (label, str(place)) in seen:
                    continue
                found = _first(source, base, path, values)
                if found is not None:
                    seen.add((label, str(place)))
                    yield label, path, found[0]


def _places(
    source: Source, schema: Any, value: Any, path: Path, above: frozenset[str] = frozenset()
) -> Iterator[tuple[Path, Parts]]:
    """Yield each place in an instance with what is asked of it there."""
    fitting = (each for each in source.choices(schema) if _all_fit(source, each, value))
    # The one that says most: where an `if` holds it comes with its `then`.
    parts = max(fitting, key=len, default=None)
    if parts is None:
        return
    name = str([id(each) for each in parts])
    if parts and name in above:
        # The schema refers to itself: further down it is all the same.
        return
    yield path, parts
    below: list[tuple[str | int, Any, Any]] = []
    if isinstance(value, Mapping):
        below = [(key, inner, source.property(parts, key)) for key, inner in value.items()]
    elif isinstance(value, list):
        below = [(index, inner, source.item(parts, index)) for index, inner in enumerate(value)]
    for key, inner, asked in below:
        if asked is not True:
            yield from _places(source, asked, inner, (*path, key), above | {name})


def _all_fit(source: Source, parts: Parts, value: Any) -> bool:
    return all(source.fits(each, value) for each in parts)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    found = copy.deepcopy(value)
    _at(found, path[:-1])[path[-1]] = new
    return found


def _first(source: Source, base: Any, path: Path, values: Iterable[Any]) -> tuple[Any] | None:
    """Return the first instance that is wrong at that place and nowhere else; best with one error.

    In a tuple, since null may be it.
    """
    second: tuple[Any] | None = None
    for new in values:
        value = _put(base, path, new)
        errors = source.errors(value)
        if not errors or not all(_is_at(error, path) for error in errors):
            continue
        if len(errors) == 1:
            return (value,)
        second = second or (value,)
    return second


def _is_at(error: ValidationError, path: Path) -> bool:
    place = tuple(error.absolute_path)
    if place == path:
        return True
    # None of the alternatives fits: that is said where they stand, above the fault.
    composite = error.validator in _COMPOSITE or str(error.validator).startswith("unevaluated")
    return composite and place == path[: len(place)]


# ---- what can be wrong ----


def _wrong(source: Source, parts: Parts, value: Any) -> Iterator[tuple[str, Iterable[Any]]]:
    """Yield labels, each with values that may be wrong in this way."""
    yield from _wrong_type(parts)
    if any("enum" in part or "const" in part for part in parts):
        yield "not in the list", _others(value)
    if isinstance(value, Mapping):
        yield from _wrong_object(source, parts, value)
    elif isinstance(value, list):
        yield from _wrong_array(parts, value)
    elif isinstance(value, str):
        yield from _wrong_string(parts, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _wrong_number(parts, value)


def _wrong_type(parts: Parts) -> Iterator[tuple[str, Iterable[Any]]]:
    if not any("type" in part for part in parts):
        return
    allowed = types_of(parts)
    wanted = " or ".join(allowed)
    if "number" in allowed:
        allowed = (*allowed, "integer")
    others = [(word, value) for type_, word, value in _TYPES if type_ not in allowed]
    # Null, because it is what comes most often; and one more that looks like it.
    for word, value in others[: 2 if others[:1] and others[0][0] == "null" else 1]:
        yield f"{word} instead of {wanted}", [value]
    if "integer" in allowed and "number" not in allowed:
        yield "a fraction instead of integer", [0.5, 1.5, 10.5, -0.5]


def _others(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        yield from (value + "?", value.upper(), "?", "")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (value + each for each in (1, -1, 1000, -1000, 12345))
    yield from ("?", 12345, True, False, None, [], {}, "other")


def _wrong_object(
    source: Source, parts: Parts, value: Mapping[str, Any]
) -> Iterator[tuple[str, Iterable[Any]]]:
    def without(*keys: str) -> dict[str, Any]:
        return {key: each for key, each in value.items() if key not in keys}

    for key in required_of(parts):
        if key in value:
            yield f"without {key}", [without(key)]
    for key, needed in dependents_of(parts):
        for name in needed if key in value else ():
            yield f"{key} without {name}", [without(name)]
    names = [name for name in ("unexpected", "x", "0", "Unexpected") if name not in value]
    if any("additionalProperties" in part or "unevaluatedProperties" in part for part in parts):
        yield "extra property", [{**value, name: None} for name in names]
    if any("propertyNames" in part for part in parts):
        strange = [each for each in (*_STRANGE, "a" * 300) if each not in value]
        samples = [*value.values(), None, "a", 0]
        yield (
            "a name that is not allowed",
            [{**value, name: each} for name in strange for each in samples],
        )
    for key in dict.fromkeys(key for part in parts for key in part.get("properties", ())):
        if key not in value and source.property(parts, key) is False:
            yield f"with {key}", [{**value, key: None}]
    least = biggest(parts, "minProperties", 0)
    if least:
        optional = [key for key in value if key not in required_of(parts)]
        yield "too few properties", [without(*optional[: len(value) - least + 1])]
    most = smallest_of(parts, "maxProperties", _LONGEST)
    if most < _LONGEST:
        sample = next(iter(value.values()), None)
        added = [
            {f"x{index}": each for index in range(most + 1 - len(value))} for each in (sample, None)
        ]
        yield "too many properties", [{**value, **each} for each in added]


def _wrong_array(parts: Parts, value: list[Any]) -> Iterator[tuple[str, Iterable[Any]]]:
    least = biggest(parts, "minItems", 0)
    if least:
        yield "too few items", [value[: least - 1]]
    most = smallest_of(parts, "maxItems", _LONGEST)
    if most < min(_LONGEST, 1_000):
        missing = most + 1 - len(value)
        fillers: list[list[Any]] = [[each] * missing for each in value] or [[None] * missing]
        counted: list[list[Any]] = [list(range(1000, 1000 + missing))]
        counted.append([f"a{index}" for index in range(missing)])
        yield "too many items", [[*value, *each] for each in (*fillers, *counted)]
    if value and any(part.get("uniqueItems") for part in parts):
        yield "an item twice", [[*value, value[-1]], [*value[:-1], value[0]]]
    if any("contains" in part for part in parts):
        kept = [[], value[:-1], [None] * len(value), [0] * len(value), ["?"] * len(value)]
        yield "without an item that has to be there", kept
    if any(part.get("items") is False or "unevaluatedItems" in part for part in parts):
        yield "extra item", [[*value, None]]


def _wrong_string(parts: Parts, value: str) -> Iterator[tuple[str, Iterable[Any]]]:
    least = biggest(parts, "minLength", 0)
    if least:
        yield "too short", [value[: least - 1], value[1:][: least - 1], "a" * (least - 1)]
    most = smallest_of(parts, "maxLength", _LONGEST)
    if most < _LONGEST:
        missing = most + 1 - len(value)
        # More of the same, at the end or in the middle, is what a pattern lets pass most likely.
        longer = [value + (value[-1:] or "a") * missing, value + "a" * missing]
        yield "too long", [*longer, value[:1] * missing + value, value + "0" * missing]
    if any("pattern" in part for part in parts):
        strange = [value + "\n!", value + "?", "?" + value, value[:-1], value.swapcase(), *_STRANGE]
        strange += ["?" * len(value), "a" * len(value), "0" * len(value), " " * len(value)]
        patterns = [part["pattern"] for part in parts if "pattern" in part]
        # Whoever is given one of the others would never say that it does not fit.
        quick = [each for each in strange if not any(is_dear(one, each) for one in patterns)]
        yield "does not match the pattern", dict.fromkeys(quick)
    for name in dict.fromkeys(part["format"] for part in parts if "format" in part):
        yield f"no {name}", COUNTEREXAMPLES.get(name, ())


def _wrong_number(parts: Parts, value: float) -> Iterator[tuple[str, Iterable[Any]]]:
    low, high = bounds_of(parts)
    whole = isinstance(value, int) or value.is_integer()
    step = step_of(parts) or Fraction(1)
    for bound, sign, word in ((low, -1, "below the minimum"), (high, 1, "above the maximum")):
        if bound is None:
            continue
        limit, excluded = bound
        nearest = (limit // step if sign < 0 else -(-limit // step)) * step
        tried = [limit] if excluded else []
        tried += [limit + sign * step, nearest, nearest + sign * step]
        if not whole:
            tried.append(limit + sign * Fraction("0.01"))
        yield word, [as_number(each) for each in tried]
    if any("multipleOf" in part for part in parts):
        exact = Fraction(str(value))
        tried = [exact + 1, exact + step / 2, exact - 1, exact - step / 2, exact + step / 10]
        yield f"no multiple of {as_number(step)}", [as_number(each) for each in tried]
