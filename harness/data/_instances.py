"""Instances of a schema: the smallest first, then others that differ from it in little.

For each choice of a schema (`_schemas`) values are proposed, type by type, and those that fit
are given out. Proposals may be wrong; what is given out never is.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.data._patterns import matching
from harness.data._scalars import (
    ALL_TYPES,
    LONGEST,
    biggest,
    dependents_of,
    numbers,
    required_of,
    smallest_of,
    strings,
    types_of,
)
from harness.data._schemas import (
    NAME_ONE,
    CannotGenerate,
    Lazy,
    Parts,
    Path,
    Source,
    in_turn,
    path_text,
    spread,
)

# After so many proposals in a row of which none fits, others are not better.
_MOST_MISSES = 150
# An optional property that is left out.
_LEFT_OUT = object()


def key_of(value: Any) -> str:
    """Return a text that equal values have in common. 1 is 1.0, and true is not 1."""

    def plain(each: Any) -> Any:
        if isinstance(each, float) and each.is_integer():
            return int(each)
        if isinstance(each, list):
            return [plain(item) for item in each]
        if isinstance(each, Mapping):
            return {key: plain(item) for key, item in each.items()}
        return each

    return json.dumps(plain(value), sort_keys=True, default=str)


class Maker:
    """Makes instances of the parts of one schema, with a bounded amount of work."""

    def __init__(self, source: Source, deepest: int, budget: int) -> None:
        self._source = source
        self._deepest = deepest
        self._left = budget
        # Where nothing fitted, and why; the deepest of them is most likely the reason.
        self.failures: list[tuple[Path, str]] = []

    def values(self, schema: Any, path: Path = (), depth: int = 0) -> Iterator[Any]:
        """Yield distinct instances of a part of the schema, the smallest first."""
        if depth > self._deepest:
            self.failures.append((path, "it goes on without end"))
            return
        self._left -= 1
        seen: set[str] = set()
        # What is meant first, by each choice, and then what nobody has forbidden.
        streams = (
            [
                self._fitting(schema, parts, path, depth, meant=meant)
                for parts in self._source.choices(schema)
            ]
            for meant in (True, False)
        )
        found = False
        for value in itertools.chain.from_iterable(map(in_turn, streams)):
            key = key_of(value)
            if key not in seen:
                found = True
                seen.add(key)
                yield value
        if not found:
            self.failures.append((path, _described(schema)))

    def _fitting(
        self, schema: Any, parts: Parts, path: Path, depth: int, *, meant: bool
    ) -> Iterator[Any]:
        misses = 0
        proposed = self._proposed if meant else self._not_meant
        for value in proposed(parts, path, depth):
            self._left -= 1
            if self._left < 0:
                raise CannotGenerate(path_text(path), f"that took too many attempts; {NAME_ONE}")
            if self._source.fits(schema, value):
                misses = 0
                yield value
                continue
            misses += 1
            if misses > _MOST_MISSES:
                return

    def _proposed(self, parts: Parts, path: Path, depth: int) -> Iterator[Any]:
        yield from (part["default"] for part in parts if "default" in part)
        yield from itertools.chain.from_iterable(part.get("examples", ()) for part in parts)
        for part in parts:
            if "const" in part:
                yield part["const"]
                return
        for part in parts:
            if "enum" in part:
                yield from part["enum"]
                return
        yield from in_turn([self._of_type(each, parts, path, depth) for each in types_of(parts)])

    def _not_meant(self, parts: Parts, path: Path, depth: int) -> Iterator[Any]:
        """Propose values of other types where a schema names none."""
        if not any(word in part for part in parts for word in ("type", "const", "enum")):
            others = [each for each in ALL_TYPES if each not in types_of(parts)]
            yield from in_turn([self._of_type(each, parts, path, depth) for each in others])

    def _of_type(self, type_: str, parts: Parts, path: Path, depth: int) -> Iterator[Any]:
        match type_:
            case "null":
                return iter([None])
            case "boolean":
                return iter([False, True])
            case "integer":
                return numbers(parts, whole=True)
            case "number":
                return numbers(parts, whole=False)
            case "string":
                return strings(parts)
            case "array":
                return self._arrays(parts, path, depth)
        return self._objects(parts, path, depth)

    # ---- arrays ----

    def _arrays(self, parts: Parts, path: Path, depth: int) -> Iterator[list[Any]]:
        least = biggest(parts, "minItems", 0)
        most = smallest_of(parts, "maxItems", least + 3)
        # What `contains` asks for stands at the end.
        wanted = [
            part["contains"]
            for part in parts
            if "contains" in part
            for _ in range(part.get("minContains", 1))
        ]
        unique = any(part.get("uniqueItems") for part in parts)
        first = max(least, len(wanted))
        sizes = [first, first + 1, least, min(most, first + 20), 1, 2]
        sizes = [each for each in dict.fromkeys(sizes) if least <= each <= min(most, LONGEST)]
        made: dict[int, Lazy[Any]] = {}

        def items(size: int) -> list[Lazy[Any]]:
            found = []
            for index in range(size):
                asked = self._source.item(parts, index)
                from_end = size - 1 - index
                if from_end < len(wanted):
                    asked = self._source.together((asked, wanted[from_end]))
                # Equal schemas share what they make: so the items of a set can be told apart.
                if unique or id(asked) not in made:
                    shared = made.get(id(asked)) if unique else None
                    made[id(asked)] = shared or Lazy(self.values(asked, (*path, index), depth + 1))
                found.append(made[id(asked)])
            return found

        for size in sizes:
            yield from itertools.islice(_filled(items(size), unique), 1)
        for size in sizes:
            yield from itertools.islice(_filled(items(size), unique), 1, 30)

    # ---- objects ----

    def _objects(self, parts: Parts, path: Path, depth: int) -> Iterator[dict[str, Any]]:
        required = list(required_of(parts))
        known = list(dict.fromkeys(key for part in parts for key in part.get("properties", ())))
        least = biggest(parts, "minProperties", 0)
        optional = [key for key in known if key not in required]

        def values(key: str) -> Lazy[Any]:
            asked = self._source.property(parts, key)
            return Lazy(self.values(asked, (*path, key), depth + 1))

        streams = {key: values(key) for key in required}
        if not all(stream.has(0) for stream in streams.values()):
            return
        may = {key: values(key) for key in optional}
        # So many as there have to be: the optional ones in their order, then invented ones.
        missing = max(least - len(streams), 0)
        for key in optional:
            if missing and may[key].has(0):
                streams[key] = may.pop(key)
                missing -= 1
        invented = self._names(parts, {*required, *known}, path, depth)
        for key in itertools.islice(invented, missing):
            streams[key] = values(key)
        may_be_left_out = {
            key: Lazy(itertools.chain([_LEFT_OUT], stream)) for key, stream in may.items()
        }
        streams |= may_be_left_out
        order = sorted(streams, key=lambda key: known.index(key) if key in known else len(known))
        groups = [streams[key] for key in order]

        def made(values: Sequence[Any]) -> dict[str, Any]:
            pairs = zip(order, values, strict=True)
            return self._completed(
                parts, {key: value for key, value in pairs if value is not _LEFT_OUT}, path, depth
            )

        combinations = spread(groups)
        yield from map(made, itertools.islice(combinations, 1))
        # Everything there is.
        full = [
            group[1] if group[0] is _LEFT_OUT and group.has(1) else group[0] for group in groups
        ]
        yield made(full)
        # One that has no name yet, if such are described.
        if any("patternProperties" in part or "additionalProperties" in part for part in parts):
            for key in itertools.islice(self._names(parts, {*order}, path, depth), 1):
                stream = values(key)
                if stream.has(0):
                    yield {**made([group[0] for group in groups]), key: stream[0]}
        yield from map(made, combinations)

    def _names(self, parts: Parts, taken: set[str], path: Path, depth: int) -> Iterator[str]:
        """Yield names for properties that the schema does not name."""
        rules = [part["propertyNames"] for part in parts if "propertyNames" in part]
        sources: list[Iterator[Any]] = [
            matching(pattern) for part in parts for pattern in part.get("patternProperties", ())
        ]
        rule = self._source.together([{"type": "string", "minLength": 1}, *rules])
        sources.append(self.values(rule, (*path, "…"), depth + 1) if rules else strings(({},)))
        for name in itertools.islice(itertools.chain(*sources), 200):
            if name and name not in taken and self._source.fits(rule, name):
                asked = self._source.property(parts, name)
                if asked is not False:
                    taken.add(name)
                    yield name

    def _completed(
        self, parts: Parts, found: dict[str, Any], path: Path, depth: int
    ) -> dict[str, Any]:
        """Add what the properties that are there ask for."""
        for key, needed in dependents_of(parts):
            for name in needed if key in found else ():
                if name not in found:
                    asked = self._source.property(parts, name)
                    for value in itertools.islice(self.values(asked, (*path, name), depth + 1), 1):
                        found[name] = value
        return found


def _filled(groups: Sequence[Lazy[Any]], unique: bool) -> Iterator[list[Any]]:
    if not unique:
        yield from map(list, spread(groups, width=12))
        return
    # One after the other takes the first that is not there yet; then the same, a few later.
    for skipped in range(6):
        found: list[Any] = []
        seen: set[str] = set()
        for group in groups:
            start = skipped if group is groups[-1] else 0
            for value in itertools.islice(group, start, 500):
                key = key_of(value)
                if key not in seen:
                    seen.add(key)
                    found.append(value)
                    break
        if len(found) == len(groups):
            yield found


def _described(schema: Any) -> str:
    if schema is False:
        return "nothing is allowed there"
    text = json.dumps(schema, ensure_ascii=False, default=str)
    shown = text if len(text) < 120 else f"{text[:119]}…"
    return f"nothing that was tried fits {shown}; {NAME_ONE}"
