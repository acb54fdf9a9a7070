"""The values of schemas, as families ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from harness import data


def smallest(schema: Any, root: Any = None) -> Any:
    """Return the smallest value that fits a schema; `root` is what its references look into."""
    if isinstance(root, Mapping) and isinstance(schema, Mapping) and "$defs" in root:
        schema = {"$defs": root["$defs"], **schema}
    try:
        return data.smallest(schema)
    except data.CannotGenerate:
        return {}


def several(schema: Any, root: Any, count: int) -> list[Any]:
    """Return so many values that fit, different ones as far as there are."""
    if isinstance(root, Mapping) and "$defs" in root:
        schema = {"$defs": root["$defs"], **schema}
    try:
        found = list(islice(data.candidates(schema), count))
    except data.CannotGenerate:
        return []
    return (found * count)[:count]


def violations(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield values that do not fit, each with words for what is wrong, fit for an id."""
    if schema is None:
        return
    seen: dict[str, int] = {}
    for each in data.violations(schema):
        place = each.path.removeprefix("$").strip(".")
        label = re.sub(r"[^A-Za-z0-9]+", "-", f"{place}-{each.label}").strip("-").lower()
        seen[label] = seen.get(label, 0) + 1
        yield label if seen[label] == 1 else f"{label}-{seen[label]}", each.value
