"""From a JSON Schema to a validator, by way of all that may be wrong with it.

Nothing is ever fetched: a `$ref` leads to a place inside its own schema, or is a fault.
"""

from __future__ import annotations

import graphlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import referencing.exceptions
import referencing.jsonschema
from jsonschema import Draft202012Validator, validators
from jsonschema.protocols import Validator
from referencing import Registry, Resource

from trioflow.definitions._faults import Faults, at, kind, quoted, shown
from trioflow.definitions._formats import FORMATS
from trioflow.definitions._wording import worded_of_schema


def make_validator(document: Mapping[str, Any], path: str, faults: Faults) -> Validator | None:
    """Return a validator for a schema, or None if it has faults, which are reported."""
    validator_class = _validator_class(document, path, faults)
    if validator_class is None:
        return None
    before = len(faults)
    _SchemaCheck(document, path, faults, validator_class).run()
    if len(faults) > before:
        return None
    return validator_class(document, registry=Registry(), format_checker=FORMATS)


def _validator_class(
    document: Mapping[str, Any], path: str, faults: Faults
) -> type[Validator] | None:
    dialect = document.get("$schema")
    if dialect is None:
        return Draft202012Validator
    if isinstance(dialect, str):
        found: type[Validator] | None = validators.validator_for(
            {"$schema": dialect},
            default=None,  # type: ignore[arg-type]
        )
        if found is not None:
            return found
    faults.add(
        at(path, "$schema"),
        f"{shown(dialect)} is no dialect of JSON Schema that is known here; leave it out for "
        '"https://json-schema.org/draft/2020-12/schema"',
    )
    return None


# Keywords whose subschemas look at the same value as the schema that they stand in. A circle of
# them never comes to an end, while one through `properties` or `items` ends with the value.
_IN_PLACE = ("not", "if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class _SchemaCheck:
    """Walks over a schema and everything that its references lead to, each place once."""

    def __init__(
        self,
        document: Mapping[str, Any],
        path: str,
        faults: Faults,
        validator_class: type[Validator],
    ) -> None:
        self._document = document
        self._path = path
        self._faults = faults
        meta = validator_class.META_SCHEMA
        self._meta = validator_class(meta, format_checker=FORMATS)
        self._specification = referencing.jsonschema.specification_with(str(meta["$schema"]))
        # By identity: the same text in two places is two schemas.
        self._seen: set[int] = set()
        self._same_value: dict[int, set[int]] = {}

    def run(self) -> None:
        if not self._fits_meta_schema(self._document, self._path):
            return
        root = self._specification.create_resource(self._document)
        try:
            pending = [(root, Registry().resolver_with_root(root))]
            while pending:
                pending.extend(self._visit(*pending.pop()))
        except ValueError as error:
            # An `$id` that is no URI: the library leaves that to urllib.
            self._faults.add(self._path, f"has an identifier that cannot be read: {error}")
            return
        self._refuse_endless()

    def _fits_meta_schema(self, schema: Any, path: str) -> bool:
        before = len(self._faults)
        try:
            self._faults.extend(
                worded_of_schema(error, path) for error in self._meta.iter_errors(schema)
            )
        except RecursionError:
            self._faults.add(path, "is a schema that is nested too deeply")
        return len(self._faults) == before

    def _visit(self, resource: Resource[Any], resolver: Any) -> Iterator[tuple[Resource[Any], Any]]:
        schema = resource.contents
        if not isinstance(schema, Mapping) or id(schema) in self._seen:
            return
        self._seen.add(id(schema))
        self._note_same_value(schema)
        self._warn_of_unknown_format(schema)
        for keyword in _REFERENCES:
            if isinstance(schema.get(keyword), str):
                yield from self._follow(schema, keyword, resolver)
        for subresource in resource.subresources():
            yield subresource, resolver.in_subresource(subresource)

    def _follow(
        self, schema: Mapping[str, Any], keyword: str, resolver: Any
    ) -> Iterator[tuple[Resource[Any], Any]]:
        reference = schema[keyword]
        try:
            resolved = resolver.lookup(reference)
        except (referencing.exceptions.Unresolvable, LookupError, TypeError):
            how = (
                ""
                if reference.startswith("#")
                else "; nothing is ever fetched: copy what you need "
                'under "$defs", and refer to it like "#/$defs/name"'
            )
            self._fault(schema, keyword, f"{shown(reference)} is nowhere in this schema{how}")
            return
        target = resolved.contents
        if not isinstance(target, (bool, Mapping)):
            message = f"{shown(reference)} leads to {kind(target)}, which is no schema"
            self._fault(schema, keyword, message)
        elif isinstance(target, Mapping):
            self._same_value[id(schema)].add(id(target))
            # Where keywords are unknown, the meta-schema has not looked yet.
            if id(target) not in self._seen and self._fits_meta_schema(
                target, self._place_of(target)
            ):
                yield self._specification.create_resource(target), resolved.resolver

    def _note_same_value(self, schema: Mapping[str, Any]) -> None:
        targets = self._same_value.setdefault(id(schema), set())
        for keyword in _IN_PLACE:
            inner = schema.get(keyword)
            match inner:
                case list():
                    targets.update(id(each) for each in inner)
                case Mapping() if keyword == "dependentSchemas":
                    targets.update(id(each) for each in inner.values())
                case Mapping():
                    targets.add(id(inner))

    def _refuse_endless(self) -> None:
        """Report a schema that leads back to itself without going into the value."""
        try:
            graphlib.TopologicalSorter(self._same_value).prepare()
        except graphlib.CycleError:
            self._faults.add(
                self._path,
                'has a part that refers to itself without end; put "properties" or "items" '
                "between it and itself",
            )

    def _warn_of_unknown_format(self, schema: Mapping[str, Any]) -> None:
        name = schema.get("format")
        if isinstance(name, str) and name not in FORMATS.checkers:
            warnings.warn(
                f"{at(self._place_of(schema), 'format')}: the format {shown(name)} is not "
                f"checked; checked are {quoted(sorted(FORMATS.checkers), 'and')}",
                stacklevel=2,
            )

    def _fault(self, schema: Mapping[str, Any], keyword: str, message: str) -> None:
        self._faults.add(at(self._place_of(schema), keyword), message)

    def _place_of(self, wanted: Mapping[str, Any]) -> str:
        """Where in the document this very object is. Slow, and for messages only."""
        pending: list[tuple[object, str]] = [(self._document, self._path)]
        while pending:
            value, path = pending.pop()
            if value is wanted:
                return path
            if isinstance(value, Mapping):
                pending.extend((item, at(path, key)) for key, item in value.items())
            elif isinstance(value, list):
                pending.extend((item, at(path, i)) for i, item in enumerate(value))
        return self._path
