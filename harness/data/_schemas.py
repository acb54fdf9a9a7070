"""A JSON Schema taken apart: its alternatives, and what it asks of the parts of a value.

A schema that is made of others (`$ref`, `allOf`, `anyOf`, `oneOf`, `if`) is turned into *choices*.
A choice is a tuple of plain schemas that a value has to fit all at once: one way through all the
alternatives. What is then asked of a property or an item is asked by each of them; several schemas
together are again a schema, an `allOf`. Choices are proposals only: whether a value fits is for
`jsonschema` to say.
"""

from __future__ import annotations

import copy
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.jsonschema import specification_with

from harness._formats import FORMATS
from harness.data._costs import is_dear

T = TypeVar("T")

Parts = tuple[Mapping[str, Any], ...]
# Where something is in a value: keys and indexes.
Path = tuple[str | int, ...]

_BASE = "urn:harness:schema"
_REFERENCES = ("$ref", "$dynamicRef")
# A reference that leads to itself, and as many alternatives as a thousand readers could not read.
_DEEPEST, _MOST_CHOICES = 30, 64


class CannotGenerate(ValueError):
    """No instance was found: `path` is the place that nothing fits, as far as one can tell.

    That there is none is not said: what a schema gives in `examples` is tried first.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"no value could be made for {self.path}: {self.why}"


# What somebody can do about it who knows better.
NAME_ONE = 'if there is a value, give it in this schema: "examples": [...]'


def path_text(path: Iterable[str | int]) -> str:
    """Return a JSON path, like ``$.lines[0].price``."""
    found = "$"
    for part in path:
        if isinstance(part, int):
            found += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part):
            found += f".{part}"
        else:
            found += f"[{part!r}]"
    return found


class Lazy(Generic[T]):
    """A list that is only made as far as somebody reads it."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._seen: list[T] = []

    def has(self, index: int) -> bool:
        """Whether there are more than `index` items."""
        while len(self._seen) <= index:
            try:
                self._seen.append(next(self._items))
            except StopIteration:
                return False
        return True

    def __getitem__(self, index: int) -> T:
        if not self.has(index):
            raise IndexError(index)
        return self._seen[index]

    def __iter__(self) -> Iterator[T]:
        index = 0
        while self.has(index):
            yield self._seen[index]
            index += 1


def spread(groups: Sequence[Lazy[T]], width: int = 24, pairs: int = 4) -> Iterator[tuple[T, ...]]:
    """Yield one item of each group: the first ones, then what differs from that in one, or in two.

    `width` is how far into a group it goes for one difference, `pairs` for two.
    """
    if not all(group.has(0) for group in groups):
        return
    base = [group[0] for group in groups]
    yield tuple(base)
    for index in range(1, width):
        more = [place for place, group in enumerate(groups) if group.has(index)]
        if not more:
            break
        for place in more:
            yield (*base[:place], groups[place][index], *base[place + 1 :])
    for first, second in itertools.combinations(range(len(groups)), 2):
        for left in itertools.islice(groups[first], 1, pairs):
            for right in itertools.islice(groups[second], 1, pairs):
                found = list(base)
                found[first], found[second] = left, right
                yield tuple(found)


def in_turn(streams: Sequence[Iterator[T]]) -> Iterator[T]:
    """Yield the first of each stream, then the second of each, and so on."""
    running = list(streams)
    while running:
        for stream in tuple(running):
            try:
                yield next(stream)
            except StopIteration:
                running.remove(stream)


def is_fitting(schema: Any) -> Callable[[Any], bool]:
    """Return what says whether a value fits a schema; nothing is ever fetched."""
    kind = _kind_of(schema)
    validator = kind(schema, registry=Registry(), format_checker=FORMATS)
    return lambda value: bool(validator.is_valid(value))


def _kind_of(schema: Any) -> type[Validator]:
    if not isinstance(schema, Mapping):
        return Draft202012Validator
    found: type[Validator] = validator_for(schema, default=Draft202012Validator)
    return _hasty(found)


@functools.lru_cache(maxsize=16)
def _hasty(kind: type[Validator]) -> type[Validator]:
    """Return a validator that refuses texts of which it would take for ever to say it."""
    usual = kind.VALIDATORS.get("pattern")

    def pattern(validator: Any, wanted: Any, value: Any, schema: Any) -> Any:
        if isinstance(value, str) and isinstance(wanted, str) and is_dear(wanted, value):
            yield ValidationError("it would take too long to look for the pattern")
        elif usual is not None:
            yield from usual(validator, wanted, value, schema) or ()

    # Its types are not declared.
    extended: Any = extend
    found: type[Validator] = extended(kind, {"pattern": pattern})
    return found


class Source:
    """A whole schema, and everything that is asked of the parts of it.

    It works on a copy whose references are absolute, so that each part of it can be tried alone.
    """

    def __init__(self, schema: Any) -> None:
        self.root = copy.deepcopy(schema)
        self._kind = _kind_of(schema)
        self._together: dict[tuple[int, ...], dict[str, Any]] = {}
        self._validators: dict[int, tuple[Any, Validator]] = {}
        registry: Registry[Any] = Registry()
        self._base = _BASE
        if isinstance(self.root, dict):
            self._base = str(self.root.get("$id") or _BASE)
            self._specification = specification_with(str(self._kind.META_SCHEMA["$schema"]))
            resource = self._specification.create_resource(self.root)
            registry = registry.with_resource(self._base, resource)
        self._registry = registry
        self._resolver = registry.resolver(self._base)
        if isinstance(self.root, dict):
            self._make_absolute()

    def _make_absolute(self) -> None:
        pending: list[Any] = [self.root]
        seen: set[int] = set()
        while pending:
            schema = pending.pop()
            if not isinstance(schema, dict) or id(schema) in seen:
                continue
            seen.add(id(schema))
            if schema is not self.root and "$id" in schema:
                # Within it references start from there.
                continue
            for keyword in _REFERENCES:
                reference = schema.get(keyword)
                if isinstance(reference, str):
                    pending.append(self._resolver.lookup(reference).contents)
                    if reference.startswith("#"):
                        schema[keyword] = self._base + reference
            resource = self._specification.create_resource(schema)
            pending += [each.contents for each in resource.subresources()]

    def fits(self, schema: Any, value: Any) -> bool:
        """Whether a value fits a part of this schema, or several of them together."""
        return bool(self._validator(schema).is_valid(value))

    def errors(self, value: Any) -> list[ValidationError]:
        """Return what is wrong with a value."""
        return list(self._validator(self.root).iter_errors(value))

    def _validator(self, schema: Any) -> Validator:
        found = self._validators.get(id(schema))
        if found is None:
            made = self._kind(schema, registry=self._registry, format_checker=FORMATS)
            # The schema is kept with it, so that no other can get its identity.
            found = self._validators[id(schema)] = schema, made
        return found[1]

    def together(self, schemas: Sequence[Any]) -> Any:
        """Return one schema for several; the same one when asked again."""
        if any(each is False for each in schemas):
            return False
        kept = [each for each in schemas if each is not True and each != {}]
        if len(kept) < 2:
            return kept[0] if kept else True
        key = tuple(map(id, kept))
        if key not in self._together:
            self._together[key] = {"allOf": kept}
        return self._together[key]

    # ---- alternatives ----

    def choices(self, schema: Any, depth: int = 0) -> Iterator[Parts]:
        """Yield the ways in which a schema can be met."""
        if schema is False or depth > _DEEPEST:
            return
        if not isinstance(schema, Mapping):
            yield ()
            return
        groups = [Lazy(each) for each in self._groups(schema, depth + 1)]
        for combination in itertools.islice(spread(groups), _MOST_CHOICES):
            yield (schema, *itertools.chain.from_iterable(combination))

    def _groups(self, schema: Mapping[str, Any], depth: int) -> Iterator[Iterator[Parts]]:
        for keyword in _REFERENCES:
            if isinstance(schema.get(keyword), str):
                target = self._resolver.lookup(schema[keyword]).contents
                yield self.choices(target, depth)
        for each in schema.get("allOf", ()):
            yield self.choices(each, depth)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                yield in_turn([self.choices(each, depth) for each in schema[keyword]])
        if "if" in schema:
            with_it = [schema["if"], schema.get("then", True)]
            yield itertools.chain(
                self.choices(schema.get("else", True), depth),
                self._all_of(with_it, depth),
            )
        for key, each in schema.get("dependentSchemas", {}).items():
            with_it = [{"required": [key]}, each]
            yield itertools.chain(iter([()]), self._all_of(with_it, depth))

    def _all_of(self, schemas: Sequence[Any], depth: int) -> Iterator[Parts]:
        for combination in spread([Lazy(self.choices(each, depth)) for each in schemas]):
            yield tuple(itertools.chain.from_iterable(combination))

    # ---- parts of a value ----

    def property(self, parts: Parts, key: str) -> Any:
        """Return what a choice asks of the property `key`."""
        found: list[Any] = []
        for part in parts:
            named = part.get("properties", {})
            patterns = part.get("patternProperties", {})
            applying = [named[key]] if key in named else []
            applying += [each for pattern, each in patterns.items() if re.search(pattern, key)]
            if not applying and "additionalProperties" in part:
                applying.append(part["additionalProperties"])
            found += applying
        return self.together(found)

    def item(self, parts: Parts, index: int) -> Any:
        """Return what a choice asks of the item `index`."""
        found: list[Any] = []
        for part in parts:
            first, rest = part.get("prefixItems", ()), part.get("items", True)
            if isinstance(rest, list):
                # So it was written before the draft of 2020.
                first, rest = rest, part.get("additionalItems", True)
            found.append(first[index] if index < len(first) else rest)
        return self.together(found)

    def under(self, schema: Any, path: Sequence[str | int]) -> Any:
        """Return roughly what a schema asks of the value at a path: at least one of its choices."""
        for part in path:
            found: list[Any] = []
            for parts in self.choices(schema):
                below = [self.property(parts, str(part))]
                if isinstance(part, int):
                    below.append(self.item(parts, max(part, 0)))
                below = [each for each in below if each is not True]
                found += below or [True]
            if not found or any(each is True for each in found):
                return bool(found)
            kept = list({id(each): each for each in found if each is not False}.values())
            if not kept:
                return False
            schema = kept[0] if len(kept) == 1 else {"anyOf": kept}
        return schema
