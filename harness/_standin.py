"""Values for JSON Schemas: the smallest that fit, and some that do not. A plain stand-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness._document import Fitting

_TEXTS = (
    "x", "1", "0000", "abc", "A1", "AB-123", "a@b.c", "2030-01-01", "2030-01-01T00:00:00+00:00",
    "https://example.org", "00000000-0000-0000-0000-000000000000", "0" * 64, "a-b", "127.0.0.1",
)  # fmt: skip


def smallest(schema: Any, root: Any = None) -> Any:
    """Return the smallest value that fits a schema; `root` is what its references look into."""
    root = schema if root is None else root
    if not isinstance(schema, Mapping):
        return {}
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "$ref" in schema:
        return smallest(_resolved(str(schema["$ref"]), root), root)
    for key in ("oneOf", "anyOf"):
        if schema.get(key):
            rest = {name: each for name, each in schema.items() if name != key}
            return smallest(_both(rest, schema[key][0]), root)
    if schema.get("allOf"):
        rest = {name: each for name, each in schema.items() if name != "allOf"}
        for each in schema["allOf"]:
            rest = _both(rest, each)
        return smallest(rest, root)
    return _of_type(schema, root)


def _both(one: Mapping[str, Any], other: Any) -> dict[str, Any]:
    if not isinstance(other, Mapping):
        return dict(one)
    found = {**one, **other}
    if "properties" in one and "properties" in other:
        found["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        found["required"] = [*one["required"], *other["required"]]
    return found


def _of_type(schema: Mapping[str, Any], root: Any) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind is None:
        kind = "array" if "items" in schema else "object"
        if any(key in schema for key in ("minimum", "maximum", "exclusiveMinimum")):
            kind = "number"
        if any(key in schema for key in ("minLength", "pattern", "maxLength", "format")):
            kind = "string"
    if kind in ("integer", "number"):
        return _number(schema, kind)
    if kind == "string":
        return _text(schema)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    if kind == "array":
        given = list(schema.get("prefixItems") or ())
        items = [smallest(each, root) for each in given]
        while len(items) < schema.get("minItems", 0):
            items.append(smallest(schema.get("items", {"type": "integer"}), root))
        return items
    properties = schema.get("properties") or {}
    return {
        name: smallest(properties.get(name, {"type": "string"}), root)
        for name in schema.get("required") or ()
    }


def _number(schema: Mapping[str, Any], kind: str) -> Any:
    step = schema.get("multipleOf", 1)
    if "minimum" in schema:
        found = schema["minimum"]
    elif "exclusiveMinimum" in schema:
        found = schema["exclusiveMinimum"] + step
    else:
        found = min(1, schema.get("maximum", 1), schema.get("exclusiveMaximum", 2) - 1)
    if found % step:
        found += step - found % step
    return int(found) if kind == "integer" else found


def _text(schema: Mapping[str, Any]) -> str:
    check = Fitting(schema)
    shortest = schema.get("minLength", 0)
    for each in (*_TEXTS, "x" * shortest, "0" * shortest, "A" * shortest):
        if check(each):
            return str(each)
    return "x" * max(shortest, 1)


def _resolved(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#").split("/"):
        if part:
            found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def violations(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield values that do not fit, each with a word for what is wrong with it."""
    if not isinstance(schema, Mapping):
        return
    check = Fitting(schema)
    base = smallest(schema)
    tried: list[tuple[str, Any]] = []
    if isinstance(base, Mapping):
        for name in schema.get("required") or ():
            rest = {key: value for key, value in base.items() if key != name}
            tried.append((f"without-{name}", rest))
        for name, inner in (schema.get("properties") or {}).items():
            tried += [(f"{name}-{label}", {**base, name: value}) for label, value in _wrong(inner)]
        tried.append(("with-more", {**base, "unknown-key": 1}))
    tried += list(_wrong(schema))
    tried += [("no-object", "x"), ("null", None)]
    seen: list[Any] = []
    for label, value in tried:
        if not check(value) and value not in seen:
            seen.append(value)
            yield label, value


def _wrong(schema: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(schema, Mapping):
        return
    if isinstance(schema.get("minimum"), int | float):
        yield "too-small", schema["minimum"] - 1
    if isinstance(schema.get("maximum"), int | float):
        yield "too-large", schema["maximum"] + 1
    if schema.get("minLength"):
        yield "too-short", ""
    if schema.get("enum") or "const" in schema:
        yield "unknown-value", "no-such-value"
    if schema.get("pattern"):
        yield "other-pattern", "?"
    yield "wrong-type", ["wrong"] if schema.get("type") != "array" else "wrong"
