"""Events to JSON text and back, with a version and an upcaster for every older version.

The text of an event holds its type, its instant and the fields that are not empty. Its `seq` is
not in it: that is the place of the text in the history. The document of an `ExecutionStarted`
is not in it either, only its digest: it is large, and the same for thousands of executions, so
`encode` gives it out separately and a store keeps it once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

import attrs

from trioflow.errors import StoreCorrupt, StoreUnusable
from trioflow.kernel._events import EVENT_TYPES, Event, ExecutionStarted, Failure

VERSION = 1

# From version n to n + 1, for every n < VERSION: takes and returns the decoded JSON of one event.
UPCASTERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}

# The stdlib encoder: faster ones turn NaN into null without a word. What is circular is found by
# the depth at which it gives up, so that no marks need to be kept.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)


def _prepared() -> Callable[[Any, int], Iterable[str]]:
    """Return `_ENCODER.iterencode`, without what it sets up anew for each value.

    That is nearly a third of the time that an event takes. The second argument is a 0.
    """
    # Not in the documentation, so it may go.
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return lambda value, level: _ENCODER.iterencode(value)
    write: Callable[[Any, int], Iterable[str]] = make(
        None,
        _ENCODER.default,
        json.encoder.encode_basestring,
        None,
        _ENCODER.key_separator,
        _ENCODER.item_separator,
        False,
        False,
        False,
    )
    return write


_chunks = _prepared()


def encode_json(value: Any) -> str:
    """Return the compact JSON text of a value.

    Raises `ValueError` for NaN and infinities, `RecursionError` for what is nested too deeply.
    """
    return "".join(_chunks(value, 0))


# What happens together has one instant, and the shortest text of a float takes long to be found:
# half as long as all the rest of an event.
_instant = lru_cache(maxsize=8)(encode_json)


@attrs.frozen
class _Shape:
    event_type: type[Event]
    # Name, and default (NOTHING where there is none).
    fields: tuple[tuple[str, Any], ...]
    # All of their values at once.
    values: Callable[[Event], Iterable[Any]]


def _shape(event_type: type[Event]) -> _Shape:
    fields = []
    for field in attrs.fields(event_type):
        if field.name in ("seq", "at", "document"):
            continue
        default = field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = default.factory()
        fields.append((field.name, default))
    names = [name for name, _ in fields]
    getter = attrgetter(*names) if names else None
    if getter is None:
        return _Shape(event_type, (), lambda event: ())
    if len(names) == 1:
        return _Shape(event_type, tuple(fields), lambda event: (getter(event),))
    return _Shape(event_type, tuple(fields), getter)


_SHAPES = {event_type.__name__: _shape(event_type) for event_type in EVENT_TYPES}


def encode(event: Event) -> str:
    """Return the JSON text of an event, without its `seq` and its document."""
    name = type(event).__name__
    found: dict[str, Any] = {}
    shape = _SHAPES[name]
    for (field, default), value in zip(shape.fields, shape.values(event), strict=True):
        # An output of 0 or false is not "no output": that is null.
        if value is not default and value != default:
            found[field] = value
    if (failure := found.get("failure")) is not None:
        found["failure"] = failure.to_json()
    if "failures" in found:
        found["failures"] = [each.to_json() for each in found["failures"]]
    head = f'{{"v":{VERSION},"type":"{name}","at":{_instant(event.at)}'
    return f"{head},{encode_json(found)[1:]}" if found else head + "}"


def decode(seq: int, text: str, document: Mapping[str, Any] | None = None) -> Event:
    """Return the event that `text` holds; `document` belongs to an `ExecutionStarted`.

    Raises `StoreCorrupt` for text that is no event, `StoreUnusable` for one of a newer version.
    """
    try:
        found = json.loads(text)
        version = found.pop("v")
        if version > VERSION:
            raise StoreUnusable(
                f"event {seq} was written by a newer version (format {version}, "
                f"this one reads up to {VERSION}); upgrade to read it"
            )
        while version < VERSION:
            found = UPCASTERS[version](found)
            version += 1
        shape = _SHAPES[found.pop("type")]
        for field, default in shape.fields:
            if field == "failure" and found.get(field) is not None:
                found[field] = Failure.from_json(found[field])
            elif field == "failures" and field in found:
                found[field] = tuple(Failure.from_json(item) for item in found[field])
            elif type(default) is tuple and field in found:
                found[field] = tuple(found[field])
        if shape.event_type is ExecutionStarted:
            found["document"] = document if document is not None else {}
        return shape.event_type(seq=seq, **found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreCorrupt(
            f"event {seq} cannot be read ({type(error).__name__}: {error}): {text[:80]!r}"
        ) from error


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as people and programs see it: `seq`, `type`, `at`, what is not empty."""
    found = json.loads(encode(event))
    del found["v"]
    return {"seq": event.seq, **found}
