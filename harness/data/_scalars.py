"""What several schemas ask for together, and the numbers and texts that are proposed for it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from harness.data._formats import EXAMPLES
from harness.data._patterns import matching
from harness.data._schemas import Parts, in_turn

ALL_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
# Which type is meant where a schema does not say it, by what it asks.
_KEYWORDS = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
    ),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Longer than that a value is nothing that anybody would read.
LONGEST = 10_000


def types_of(parts: Parts) -> tuple[str, ...]:
    """Return the types that are allowed; where none is named, those that are meant."""
    allowed: list[str] | None = None
    for part in parts:
        if "type" not in part:
            continue
        types = [part["type"]] if isinstance(part["type"], str) else list(part["type"])
        if allowed is None:
            allowed = types
            continue
        both = [each for each in allowed if each in types]
        if ("integer" in types and "number" in allowed) or (
            "number" in types and "integer" in allowed
        ):
            both.append("integer")
        allowed = list(dict.fromkeys(both))
    if allowed is not None:
        return tuple(allowed)
    meant = [
        type_
        for type_, keywords in _KEYWORDS.items()
        if any(keyword in part for part in parts for keyword in keywords)
    ]
    return tuple(meant or ALL_TYPES)


def biggest(parts: Parts, keyword: str, default: int) -> int:
    """Return the strictest lower bound."""
    return max((int(part[keyword]) for part in parts if keyword in part), default=default)


def smallest_of(parts: Parts, keyword: str, default: int) -> int:
    """Return the strictest upper bound."""
    return min((int(part[keyword]) for part in parts if keyword in part), default=default)


def required_of(parts: Parts) -> dict[str, None]:
    """Return the names of the properties that have to be there, in order."""
    found = {key: None for part in parts for key in part.get("required", ())}
    for _ in parts:
        for key, needed in dependents_of(parts):
            if key in found:
                found |= dict.fromkeys(needed)
    return found


def dependents_of(parts: Parts) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield which property needs which others."""
    for part in parts:
        for keyword in ("dependentRequired", "dependencies"):
            for key, needed in part.get(keyword, {}).items():
                if isinstance(needed, list):
                    yield key, needed


def bounds_of(parts: Parts) -> tuple[tuple[Fraction, bool] | None, tuple[Fraction, bool] | None]:
    """Return the lower and the upper bound, each with whether it is excluded itself."""
    low = [(Fraction(part["minimum"]), False) for part in parts if "minimum" in part]
    low += [(Fraction(part["exclusiveMinimum"]), True) for part in parts if _excludes(part, "Min")]
    high = [(Fraction(part["maximum"]), False) for part in parts if "maximum" in part]
    high += [(Fraction(part["exclusiveMaximum"]), True) for part in parts if _excludes(part, "Max")]
    lowest = max(low, default=None)
    highest = min(high, key=lambda each: (each[0], not each[1]), default=None)
    return lowest, highest


def _excludes(part: Mapping[str, Any], which: str) -> bool:
    # In the oldest drafts it is true or false.
    value = part.get(f"exclusive{which}imum")
    return isinstance(value, int | float) and not isinstance(value, bool)


def step_of(parts: Parts) -> Fraction | None:
    """Return of what a number has to be a multiple."""
    steps = [Fraction(str(part["multipleOf"])) for part in parts if "multipleOf" in part]
    if not steps:
        return None
    found = steps[0]
    for step in steps[1:]:
        found = Fraction(
            math.lcm(found.numerator * step.denominator, step.numerator * found.denominator),
            found.denominator * step.denominator,
        )
    return found


def as_number(value: Fraction) -> int | float:
    """Return a number of JSON."""
    return int(value) if value.denominator == 1 else float(value)


def numbers(parts: Parts, *, whole: bool) -> Iterator[int | float]:
    """Yield numbers: bounds and what is beside them first; whether they fit is not sure."""
    low, high = bounds_of(parts)
    step = step_of(parts)
    if whole:
        step = Fraction(1) if step is None else Fraction(step.numerator)
    multiples = list(_multiples(step or Fraction(1), low, high))
    if step is not None:
        yield from map(as_number, multiples)
        return
    found = multiples
    if low is not None and not low[1]:
        found = [low[0], *found]
    if high is not None and not high[1]:
        found = [*found[:4], high[0], *found[4:]]
    for bound, sign in ((low, 1), (high, -1)):
        if bound is not None:
            found += [bound[0] + sign * Fraction(each) for each in ("0.5", "0.01", "0.00001")]
    if low is not None and high is not None:
        found.append((low[0] + high[0]) / 2)
    found.append(Fraction("0.5"))
    yield from map(as_number, dict.fromkeys(found))


def _multiples(
    step: Fraction, low: tuple[Fraction, bool] | None, high: tuple[Fraction, bool] | None
) -> Iterator[Fraction]:
    first = last = None
    if low is not None:
        first = math.ceil(low[0] / step)
        first += low[1] and first * step == low[0]
    if high is not None:
        last = math.floor(high[0] / step)
        last -= high[1] and last * step == high[0]
    order = [first if first is not None else 0 if last is None or last >= 0 else last]
    order += [order[0] + 1, order[0] - 1]
    if last is not None:
        order += [last, last - 1]
    order += [0, 1, -1, 2, 10, 100]
    order += range(order[0] + 2, order[0] + 120) if last is None or first is not None else ()
    order += range(order[0] - 2, order[0] - 60, -1) if first is None else ()
    for factor in dict.fromkeys(order):
        if (first is None or factor >= first) and (last is None or factor <= last):
            yield step * factor


def strings(parts: Parts) -> Iterator[str]:
    """Yield strings; whether they fit is not sure."""
    least = biggest(parts, "minLength", 0)
    most = smallest_of(parts, "maxLength", LONGEST)
    patterns = [part["pattern"] for part in parts if "pattern" in part]
    formats = [part["format"] for part in parts if part.get("format") in EXAMPLES]
    lengths = [least] if least else []
    if most < LONGEST:
        lengths.append(most)
    if patterns:
        try:
            yield from in_turn([matching(each, lengths) for each in patterns])
        except (re.error, RecursionError, OverflowError):
            return
    for name in formats:
        yield from EXAMPLES[name]
    if patterns or least > LONGEST:
        return
    if formats:
        return
    sizes = [least, least + 1, least + 2, *([most, most - 1] if most <= 300 else [])]
    for size in dict.fromkeys(sizes):
        if least <= size <= most:
            yield "a" * size
    for size in (max(least, 1), max(least, 1) + 1):
        if size <= most:
            yield from (letter + "a" * (size - 1) for letter in _LETTERS[1:])
            yield from ("a" * (size - 1) + each for each in ("A", "0", " ", "é", "-"))
