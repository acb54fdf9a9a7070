"""Data for scenarios: the smallest valid instance of a schema, others, and labelled invalid ones.

>>> order = {
...     "type": "object",
...     "properties": {"total": {"type": "number", "minimum": 1}, "note": {"type": "string"}},
...     "required": ["total"],
... }
>>> smallest(order)
{'total': 1}
>>> list(candidates(order))[:3]
[{'total': 1}, {'total': 1, 'note': ''}, {'total': 2}]
>>> [str(each) for each in violations(order)][:3]
['null instead of object at $', 'text instead of object at $', 'without total at $']

Everything that comes out of here has been tried by `jsonschema`, and nothing is ever fetched.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import attrs
from referencing.exceptions import Unresolvable

from harness.data._instances import Maker
from harness.data._schemas import CannotGenerate, Source, is_fitting, path_text
from harness.data._violations import labelled

__all__ = ("CannotGenerate", "Violation", "candidates", "is_fitting", "smallest", "violations")

# A schema may refer to itself; how deep an instance has to be is found by trying.
_DEPTHS = (5, 12, 30)
# How many values are tried, in all parts of an instance together.
_BUDGET = 20_000


@attrs.frozen
class Violation:
    """An instance that does not fit, what is wrong with it, and where."""

    label: str
    path: str
    value: Any

    def __str__(self) -> str:
        return f"{self.label} at {self.path}"


def smallest(schema: Any, *, also: Any = True, budget: int = _BUDGET) -> Any:
    """Return the smallest instance of a schema: `default`, `examples`, `const`, `enum` come first.

    It has the properties that are required, and no others. `also` is a second schema that it has to
    fit; references in it are not followed. Raises `CannotGenerate` where no instance was found;
    that there is none is not said.
    """
    return next(_instances(schema, also, budget))


def candidates(schema: Any, *, also: Any = True, budget: int = _BUDGET) -> Iterator[Any]:
    """Yield distinct small instances, each different from the smallest in one or two places.

    Bounds and what is next to them, members of enumerations, empty and not, each alternative, with
    and without what is optional. There are some hundreds at most. Raises `CannotGenerate` like
    `smallest` if there is none at all.
    """
    return _instances(schema, also, budget)


def violations(schema: Any, *, budget: int = _BUDGET) -> list[Violation]:
    """Return instances that are invalid at one place only, for the reason that the label names.

    They are made from valid ones by one change each. What else the schema forbids, but cannot be
    told apart from a second fault, is left out. Raises `CannotGenerate` like `smallest`.
    """
    source = _source(schema)
    bases = itertools.islice(candidates(schema, budget=budget), 40)
    return [
        Violation(label, path_text(path), copy.deepcopy(value))
        for label, path, value in labelled(source, bases)
    ]


def _source(schema: Any) -> Source:
    try:
        return Source(schema)
    except (Unresolvable, LookupError) as error:
        raise CannotGenerate("$", f"a reference leads nowhere: {error}") from None


def _instances(schema: Any, also: Any, budget: int) -> Iterator[Any]:
    source = _source(schema)
    whole = source.together((source.root, also))
    fits, fits_too = is_fitting(schema), is_fitting(also)
    failures: list[tuple[tuple[str | int, ...], str]] = []
    for deepest in _DEPTHS:
        maker = Maker(source, deepest, budget)
        found = False
        try:
            for value in maker.values(whole):
                if fits(value) and fits_too(value):
                    found = True
                    # A copy, because what is made shares parts with others and with the schema.
                    yield copy.deepcopy(value)
        except CannotGenerate:
            if not found:
                raise
        if found:
            return
        failures = maker.failures
    path, why = max(failures, key=lambda each: len(each[0]), default=((), "nothing fits"))
    raise CannotGenerate(path_text(path), why)
