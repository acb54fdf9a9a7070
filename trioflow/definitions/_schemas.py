"""JSON Schema: checked once, when a document is loaded, and kept as a ready validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from trioflow.definitions._faults import Faults
from trioflow.definitions._json import fresh, is_small, not_json, to_json
from trioflow.definitions._wording import worded
from trioflow.errors import Problem

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["Schema", "fresh", "is_small", "not_json", "parse_schema", "to_json"]


@attrs.frozen(eq=False)
class Schema:
    """One checked JSON Schema with its kept validator. Made by `parse_schema`.

    To make a validator costs ten times what it costs to use one.
    """

    document: Mapping[str, Any]
    _validator: Validator = attrs.field(repr=False, alias="validator")

    def problems(self, value: Any, path: str = "$") -> tuple[Problem, ...]:
        """What does not fit, or an empty tuple; the messages never contain the value."""
        found: dict[Problem, None] = {}
        try:
            for error in self._validator.iter_errors(value):
                found.update(dict.fromkeys(worded(error, path)))
        except RecursionError:
            found[Problem(path, "is nested too deeply to be checked against its schema")] = None
        except ArithmeticError:
            found[Problem(path, "has a number too large to be checked against its schema")] = None
        return tuple(found)


def parse_schema(document: Mapping[str, Any], path: str, faults: Faults) -> Schema | None:
    """Check a schema of a document; report its faults, and return None, if it has any."""
    # The library takes 30 ms to import, an eighth of what opening an engine needs; so only those
    # wait for it who have a schema.
    from trioflow.definitions._validators import make_validator

    validator = make_validator(document, path, faults)
    return None if validator is None else Schema(document, validator)
