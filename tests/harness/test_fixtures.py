"""Together the documents under tests and examples use every word that a document may have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "trioflow/definitions/workflow.schema.json").read_text("utf-8"))
DOCUMENTS = {
    path.name: json.loads(path.read_text("utf-8"))
    for place in ("tests/fixtures", "examples/*")
    for path in sorted(ROOT.glob(f"{place}/*.workflow.json"))
}


def place_of(name: str) -> str:
    """Return the same place in the shape of steps, which have no `config`."""
    return name.replace(".nodes[].config", ".steps[]")


def resolved(schema: Any) -> Any:
    while isinstance(schema, Mapping) and "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def words_of(schema: Any, name: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every field, value of an enumeration and alternative that the schema knows."""
    if isinstance(schema, Mapping) and "$ref" in schema:
        if schema["$ref"] in seen:
            return
        seen = (*seen, schema["$ref"])
    schema = resolved(schema)
    if not isinstance(schema, Mapping):
        return
    for value in schema.get("enum", ()):
        yield f"{name}={value}"
    if schema.get("type") == "boolean":
        yield from (f"{name}=True", f"{name}=False")
    for key, inner in schema.get("properties", {}).items():
        # What another schema allows inside of it is no word of the documents.
        yield f"{name}.{key}"
        yield from words_of(inner, f"{name}.{key}", seen)
    if "items" in schema:
        yield from words_of(schema["items"], f"{name}[]", seen)
    for number, inner in enumerate(schema.get("oneOf", ())):
        if name:
            yield f"{name.rpartition('.')[2]} as {number}"
        yield from words_of(inner, name, seen)


def used_in(value: Any, schema: Any, name: str = "") -> Iterator[str]:
    """Yield what a document uses of that."""
    schema = resolved(schema)
    if not isinstance(schema, Mapping):
        return
    if "enum" in schema or schema.get("type") == "boolean":
        yield f"{name}={value}"
    if isinstance(value, Mapping):
        for key, inner in schema.get("properties", {}).items():
            if key in value:
                yield f"{name}.{key}"
                yield from used_in(value[key], inner, f"{name}.{key}")
    if isinstance(value, list) and "items" in schema:
        for each in value:
            yield from used_in(each, schema["items"], f"{name}[]")
    for number, inner in enumerate(schema.get("oneOf", ())):
        fitting = jsonschema.Draft202012Validator({**inner, "$defs": SCHEMA["$defs"]})
        if not name or fitting.is_valid(value):
            yield f"{name.rpartition('.')[2]} as {number}"
            yield from used_in(value, inner, name)


def test_every_field_and_every_value_is_in_use() -> None:
    used = {place_of(word) for each in DOCUMENTS.values() for word in used_in(each, SCHEMA)}

    assert [] == sorted({place_of(word) for word in words_of(SCHEMA)} - used)


def test_the_two_lists_have_the_same_words() -> None:
    known = set(words_of(SCHEMA)) | {" as 0", " as 1"}

    assert [] == sorted(
        {word for each in DOCUMENTS.values() for word in used_in(each, SCHEMA)} - known
    )


def steps_of(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from document.get("steps", ())
    for node in document.get("nodes", ()):
        yield {"id": node["id"], "type": node.get("type", "action"), **node.get("config", {})}


def text_of(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)


STEPS = [(name, step) for name, each in DOCUMENTS.items() for step in steps_of(each)]


def has_word(word: str) -> bool:
    schemas = (
        owner[key]
        for each in DOCUMENTS.values()
        for owner in (each, *steps_of(each))
        for key in ("input_schema", "output_schema", "schema")
        if key in owner
    )
    return any(f'"{word}"' in text_of(schema) for schema in schemas)


def has_root(root: str) -> bool:
    return any(f"${{{root}" in text_of(each) for each in DOCUMENTS.values())


KINDS: dict[str, Callable[[], bool]] = {
    "a retry with three attempts and the usual back-off": lambda: any(
        (isinstance(retry := step.get("retry"), int)
        and retry >= 3)
        or ((isinstance(retry, dict) and retry.get("max_attempts", 3) >= 3)
        and not {"initial_delay", "multiplier", "max_delay", "jitter"}.intersection(retry))
        for _, step in STEPS
    ),
    "the order of the list": lambda: any(
        "steps" in each
        and "connections" not in each
        and not any({"depends_on", "sequence_order"} & step.keys() for step in each["steps"])
        for each in DOCUMENTS.values()
    ),
    "a default connection": lambda: '"default": true' in "".join(map(text_of, DOCUMENTS.values())),
    "a child of a child": lambda: any(
        step.get("workflow") == "shipping" for _, step in STEPS
    ),
    "items that may fail": lambda: any(
        step.get("for_each", {}).get("on_item_error") == "continue" for _, step in STEPS
    ),
    **{
        f"{word} in a schema": partial(has_word, word)
        for word in (
            *("enum", "const", "minimum", "exclusiveMinimum", "maximum", "minLength"),
            *("maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems"),
            *("oneOf", "anyOf", "allOf", "not", "$ref", "additionalProperties", "default"),
        )
    },
    **{
        f"a reference to {root}": partial(has_root, root)
        for root in (
            "input.", "steps.", "execution.id", "execution.started_at", "workflow.id",
            "workflow.version", "item}", "item.", "item_index", "secret.",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_of_each_kind(kind: str) -> None:
    assert KINDS[kind]()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_fixture_says_what_it_is_for(name: str) -> None:
    assert DOCUMENTS[name].get("name")
