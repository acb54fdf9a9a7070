"""The fields of the document: what each may hold, and with which type of step it goes.

The tables at the end are the whole list; `workflow.schema.json` says the same to editors, and a
test compares the two. A reader takes a value, its path and the faults, and returns the normalised
value; what is at fault it reports, and returns None, as if the key were absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import attrs

from trioflow.definitions._durations import parse_duration
from trioflow.definitions._faults import (
    Faults,
    at,
    check_keys,
    extensions,
    quoted,
    shown,
)
from trioflow.definitions._parts import ActionCall, ForEach, Join, On, Retry, StepType

Reader = Callable[[Any, str, Faults], Any]

STEP_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
LONGEST_ID = 128

# Roots and words of the expression language: as the id of a step they would mean two things.
RESERVED = frozenset(
    [
        *("input", "steps", "execution", "workflow", "item", "secret", "exists", "len"),
        *("true", "false", "null", "and", "or", "not", "in", "is", "True", "False", "None"),
    ]
)


def _wrong(faults: Faults, path: str, wanted: str, value: object, hint: str = "") -> Any:
    faults.add(path, f"must be {wanted}, not {shown(value)}{hint}")
    return None


# ---- scalars ----


def text(value: Any, path: str, faults: Faults) -> Any:
    if isinstance(value, str):
        return value
    quotes = f"; put it in quotes: {shown(str(value))}" if isinstance(value, (int, float)) else ""
    return _wrong(faults, path, "text", value, quotes)


def name(value: Any, path: str, faults: Faults) -> Any:
    """Text that names something, so it is neither empty nor surrounded by blanks."""
    found = text(value, path, faults)
    if found is not None and (not found or found != found.strip()):
        _wrong(faults, path, "a name without blanks around it", value)
        return None
    return found


def step_id(value: Any, path: str, faults: Faults) -> Any:
    if not isinstance(value, str):
        return _wrong(faults, path, "the id of a step", value)
    if value in RESERVED:
        faults.add(path, f"{shown(value)} is a word of the expression language; choose another id")
    elif len(value) > LONGEST_ID:
        faults.add(path, f"an id has at most {LONGEST_ID} characters, and this {len(value)}")
    elif not STEP_ID.fullmatch(value):
        faults.add(
            path,
            f"{shown(value)} cannot be an id: it is a letter or _, then letters, digits, _ and -",
        )
    else:
        return value
    return None


def boolean(value: Any, path: str, faults: Faults) -> Any:
    return value if isinstance(value, bool) else _wrong(faults, path, "true or false", value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def number(value: Any, path: str, faults: Faults) -> Any:
    return value if _is_number(value) else _wrong(faults, path, "a number", value)


def _count(value: Any, path: str, faults: Faults) -> Any:
    """A whole number of at least 1; ``3.0`` is one, as JSON has only one kind of number."""
    if _is_number(value) and value >= 1 and value == int(value):
        return int(value)
    return _wrong(faults, path, "a whole number of at least 1", value)


def _multiplier(value: Any, path: str, faults: Faults) -> Any:
    if _is_number(value) and 0 < value <= 1e9:
        return float(value)
    return _wrong(faults, path, "a number above 0", value)


def duration(value: Any, path: str, faults: Faults) -> Any:
    try:
        return parse_duration(value)
    except ValueError as error:
        faults.add(path, str(error))
        return None


def _delay(value: Any, path: str, faults: Faults) -> Any:
    """A duration, or 0: at once."""
    if _is_number(value) and value <= 0:
        return 0.0 if value == 0 else _wrong(faults, path, "0 or more", value)
    try:
        return parse_duration(value)
    except ValueError as error:
        # Of a text like "0s".
        hint = "; for no delay write 0" if "above 0" in str(error) else ""
        faults.add(path, f"{error}{hint}")
        return None


def choice(options: Any) -> Reader:
    """One of the words of a `Literal`."""
    words = get_args(options)

    def read(value: Any, path: str, faults: Faults) -> Any:
        if isinstance(value, str) and value in words:
            return value
        hint = faults.suggestion(value, words) if isinstance(value, str) else ""
        return _wrong(faults, path, quoted(words), value, hint)

    return read


def condition(value: Any, path: str, faults: Faults) -> Any:
    """A condition's text; what is always true is None."""
    match value:
        case None | True:
            return None
        case False:
            return "false"
        case str():
            return value if value.strip() else None
        case _:
            return _wrong(faults, path, "a condition, as text", value)


# ---- lists and objects ----


def _list(value: Any, path: str, faults: Faults, wanted: str) -> list[Any]:
    if isinstance(value, list):
        return value
    hint = f"; write [{shown(value)}]" if isinstance(value, str) else ""
    _wrong(faults, path, wanted, value, hint)
    return []


def list_of(read: Reader, wanted: str) -> Reader:
    def read_list(value: Any, path: str, faults: Faults) -> Any:
        seen: dict[Any, None] = {}
        for index, item in enumerate(_list(value, path, faults, wanted)):
            found = read(item, at(path, index), faults)
            if found in seen:
                faults.add(at(path, index), f"{shown(found)} is there already")
            elif found is not None:
                seen[found] = None
        return tuple(seen) if isinstance(value, list) else None

    return read_list


def mapping(value: Any, path: str, faults: Faults) -> Any:
    return value if isinstance(value, dict) else _wrong(faults, path, "an object", value)


def labels(value: Any, path: str, faults: Faults) -> Any:
    found = mapping(value, path, faults)
    for key, item in (found or {}).items():
        text(item, at(path, key), faults)
    return found


def template(value: Any, path: str, faults: Faults) -> Any:
    if value is None:
        faults.add(path, "cannot be null; leave the key out")
    return value


def read_fields(
    value: Mapping[str, Any],
    path: str,
    fields: Mapping[str, Reader],
    faults: Faults,
    *,
    what: str,
) -> dict[str, Any]:
    """Read the known keys of an object, and report the unknown ones."""
    check_keys(value, fields, path, faults, what=what)
    found = {
        key: read(value[key], at(path, key), faults) for key, read in fields.items() if key in value
    }
    present: dict[str, Any] = {key: item for key, item in found.items() if item is not None}
    if extra := extensions(value):
        present["extensions"] = extra
    return present


def retry(value: Any, path: str, faults: Faults) -> Any:
    if isinstance(value, dict):
        return Retry(**read_fields(value, path, RETRY_FIELDS, faults, what="retry"))
    if _is_number(value):
        attempts = _count(value, path, faults)
        return None if attempts is None else Retry(max_attempts=attempts)
    return _wrong(faults, path, "a number of attempts, or an object", value)


def call(value: Any, path: str, faults: Faults) -> Any:
    """A fallback or compensation."""
    if isinstance(value, str):
        action = name(value, path, faults)
        return None if action is None else ActionCall(action)
    if not isinstance(value, dict):
        return _wrong(faults, path, "the name of an action, or an object", value)
    found = read_fields(value, path, CALL_FIELDS, faults, what="this call")
    if isinstance(value.get("retry"), dict) and "on_exhausted" in value["retry"]:
        faults.add(
            at(path, "retry", "on_exhausted"),
            "goes with the retry of a step only: nobody can be asked about a fallback or a "
            "compensation",
        )
    if "action" not in value:
        faults.add(path, 'lacks "action", the name of the action to call')
    return ActionCall(**found) if "action" in found else None


def for_each(value: Any, path: str, faults: Faults) -> Any:
    if not isinstance(value, dict):
        hint = f'; write {{"items": {shown(value)}}}' if isinstance(value, (str, list)) else ""
        return _wrong(faults, path, "an object", value, hint)
    found = read_fields(value, path, FOR_EACH_FIELDS, faults, what="for_each")
    if "items" not in value:
        faults.add(path, 'lacks "items", the list to go through')
    if "as" in found:
        found["as_"] = found.pop("as")
    return ForEach(**found) if "items" in found else None


def _items(value: Any, path: str, faults: Faults) -> Any:
    if isinstance(value, (str, list)):
        return value
    return _wrong(faults, path, "a list, or a reference to one", value)


def _item_name(value: Any, path: str, faults: Faults) -> Any:
    # "item" is reserved for steps, and it is what an item is called anyway.
    return "item" if value == "item" else step_id(value, path, faults)


# ---- the tables ----

RETRY_FIELDS: Mapping[str, Reader] = {
    "max_attempts": _count,
    "initial_delay": _delay,
    "multiplier": _multiplier,
    "max_delay": _delay,
    "jitter": choice(Literal["full", "none"]),
    "max_elapsed": duration,
    "on": list_of(name, "a list of patterns for error codes"),
    "not_on": list_of(name, "a list of patterns for error codes"),
    "on_exhausted": choice(Literal["fail", "pause"]),
}

CALL_FIELDS: Mapping[str, Reader] = {
    "action": name,
    "parameters": mapping,
    "timeout": duration,
    "retry": retry,
}

FOR_EACH_FIELDS: Mapping[str, Reader] = {
    "items": _items,
    "as": _item_name,
    "max_concurrent": _count,
    "on_item_error": choice(Literal["fail", "continue"]),
}

CONNECTION_FIELDS: Mapping[str, Reader] = {
    "source": text,
    "target": text,
    "condition": condition,
    "on": choice(On),
    "default": boolean,
    "id": name,
}

ALL: tuple[StepType, ...] = get_args(StepType)
_CALLING: tuple[StepType, ...] = ("action", "workflow")


@attrs.frozen
class StepField:
    read: Reader
    types: tuple[StepType, ...] = ALL


STEP_FIELDS: Mapping[str, StepField] = {
    "id": StepField(step_id),
    "name": StepField(text),
    "description": StepField(text),
    "type": StepField(choice(StepType)),
    "depends_on": StepField(list_of(text, "a list of ids of steps")),
    "sequence_order": StepField(number),
    "condition": StepField(condition),
    "join": StepField(choice(Join)),
    "continue_on_error": StepField(boolean),
    "parameters": StepField(mapping, _CALLING),
    "for_each": StepField(for_each, _CALLING),
    "input_schema": StepField(mapping, _CALLING),
    "output_schema": StepField(mapping, _CALLING),
    "compensate": StepField(call, _CALLING),
    "total_timeout": StepField(duration, (*_CALLING, "wait")),
    "action": StepField(name, ("action",)),
    "timeout": StepField(duration, ("action",)),
    "retry": StepField(retry, ("action",)),
    "fallback": StepField(call, ("action",)),
    "on_crash": StepField(choice(Literal["retry", "fail", "pause"]), ("action",)),
    "signal": StepField(name, ("wait",)),
    "schema": StepField(mapping, ("wait",)),
    "duration": StepField(template, ("sleep",)),
    "until": StepField(template, ("sleep",)),
    "workflow": StepField(name, ("workflow",)),
}

WORKFLOW_FIELDS: Mapping[str, Reader] = {
    "id": name,
    "version": text,
    "name": text,
    "description": text,
    "labels": labels,
    "input_schema": mapping,
    "input": mapping,
    "output": template,
    "output_schema": mapping,
    "timeout": duration,
    "max_concurrent_steps": _count,
    "on_failure": choice(Literal["cancel", "finish", "continue"]),
    "retry": retry,
    "compensate_on": list_of(
        choice(Literal["failed", "cancelled"]), 'a list of "failed" and "cancelled"'
    ),
}

# Those that are read apart: what editors want to know, the version of the format, and the steps
# in their two shapes.
SHAPE_FIELDS = ("$schema", "trioflow", "steps", "nodes", "connections")
