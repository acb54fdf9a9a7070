"""From parts to their document: what Python code made, and the canonical document of a workflow.

Both are the same: a key for every field that does not have its default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from trioflow.definitions._faults import Faults, at, shown
from trioflow.definitions._parts import ActionCall, Connection, ForEach, Retry, Step

_PARTS = (ActionCall, Connection, ForEach, Retry, Step)


# Data of the author's, in which nothing stands for anything else.
PLAIN = frozenset(
    [
        *("parameters", "items", "input_schema", "output_schema", "schema"),
        *("labels", "input", "output"),
    ]
)


def action_name(action: object) -> object:
    """The name of an action: of a function the one that `@action` gave it, else its own.

    What has none (a lambda, an object that can be called) is returned as it is.
    """
    if isinstance(action, str) or not callable(action):
        return action
    marked = getattr(action, "__trioflow_action__", None)
    name = getattr(action, "__name__", "<none>") if marked is None else marked.name
    return action if name.startswith("<") else name


class Speller:
    """Writes parts as a document, and gathers the functions that stand in them."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.functions: dict[str, Callable[..., Any]] = {}

    def spell(self, value: object, path: str) -> Any:
        """Write a part, or a list of parts, as data; leave everything else as it is."""
        if isinstance(value, _PARTS):
            return self._spell_part(value, path)
        if isinstance(value, (list, tuple)):
            return [self.spell(item, at(path, index)) for index, item in enumerate(value)]
        if isinstance(value, float) and value.is_integer():
            return int(value)  # 10 seconds are written `10` and not `10.0`
        return value

    def _spell_part(self, part: Any, path: str) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        for field, key, default in _FIELDS[type(part)]:
            value = getattr(part, field)
            # By type, too: an author's 0 is not False, and shall be told so.
            if value is default or (type(value) is type(default) and value == default):
                continue
            if key == "action":
                spelled[key] = self._spell_action(value, at(path, key))
            elif key in PLAIN:
                spelled[key] = value
            else:
                spelled[key] = self.spell(value, at(path, key))
        spelled.update(self.extensions(part.extensions, path))
        return spelled

    def extensions(self, given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """Check that no extension would pass for another key."""
        for key in given:
            if not str(key).startswith("x-"):
                self._faults.add(
                    path,
                    f'has the extension {shown(key)}; extensions are keys that start with "x-"',
                )
        return {key: value for key, value in given.items() if str(key).startswith("x-")}

    def _spell_action(self, action: object, path: str) -> object:
        name = action_name(action)
        if callable(action) and isinstance(name, str):
            known = self.functions.setdefault(name, action)
            if known is not action:
                self._faults.add(
                    path,
                    f"another function in this workflow is the action {shown(name)}, too; give "
                    'one of them another name with @action("...")',
                )
        return name


def _fields_of(part: type[Any]) -> tuple[tuple[str, str, Any], ...]:
    """Name, key and default of each field of a part."""
    return tuple(
        # Nothing is equal to the default of what is required.
        (field.name, field.name.rstrip("_"), field.default)
        for field in attrs.fields(part)
        if field.name != "extensions"
    )


_FIELDS = {part: _fields_of(part) for part in _PARTS}
