"""docs/document.md is a reference: it has every field of the schema, and examples that fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import trioflow.definitions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "document.md").read_text(encoding="utf-8")
SCHEMA = json.loads(
    Path(trioflow.definitions.__file__).with_name("workflow.schema.json").read_text("utf-8")
)
DEFINITIONS: Mapping[str, Any] = SCHEMA["$defs"]

# By heading: what the tables below it (up to the next one of its rank) are about.
OBJECTS: Mapping[str, Mapping[str, Any]] = {
    "### A graph of nodes": DEFINITIONS["node"],
    "## The workflow": SCHEMA,
    "## A step": DEFINITIONS["step"],
    "## A connection": DEFINITIONS["connection"],
    "## `retry`": DEFINITIONS["retry"]["oneOf"][1],
    "## `fallback` and `compensate`": DEFINITIONS["call"]["oneOf"][1],
    "## `for_each`": DEFINITIONS["forEach"],
}
_ROW = re.compile(
    r"^\| (?P<names>`[^|]*`) \| (?P<said>[^|]*) \| `(?P<example>.*)` \|$", re.MULTILINE
)
_CODE = re.compile(r"`([^`]+)`")


def section(heading: str) -> str:
    """Return what stands below a heading."""
    rank = heading.partition(" ")[0]
    _, found, after = PAGE.partition(f"\n{heading}\n")
    assert found, heading
    return re.split(rf"^#{{2,{len(rank)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object; of a node also those that only its `config` has."""
    found = dict(schema["properties"])
    if "config" in found:
        of_step = DEFINITIONS["step"]["properties"]
        inner = found["config"]["properties"]
        found |= {name: inner[name] for name in inner.keys() - of_step.keys()}
    return found


def rows(heading: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the words and the example of each row of the tables below a heading."""
    for row in _ROW.finditer(section(heading)):
        for name in _CODE.findall(row["names"]):
            yield name, row["said"], row["example"]


def fits(schema: Any, value: object) -> bool:
    """Whether a value fits a part of the schema."""
    whole = {"$schema": SCHEMA["$schema"], "$defs": DEFINITIONS, "allOf": [schema]}
    return jsonschema.Draft202012Validator(whole).is_valid(value)


def test_everything_that_has_fields_has_a_section() -> None:
    """A new kind of object in the schema has to get a heading here."""
    named = {
        name
        for name, schema in DEFINITIONS.items()
        if any("properties" in shape for shape in (schema, *schema.get("oneOf", ())))
    }

    # A `callRetry` is a `retry` without one field, which the page says.
    assert {"node", "step", "connection", "retry", "callRetry", "call", "forEach"} == named


@pytest.mark.parametrize("heading", OBJECTS, ids=str)
def test_every_field_has_its_row_and_no_row_is_left_over(heading: str) -> None:
    assert fields(OBJECTS[heading]).keys() == {name for name, _, _ in rows(heading)}


@pytest.mark.parametrize("heading", OBJECTS, ids=str)
def test_every_row_says_something(heading: str) -> None:
    assert [] == [name for name, said, _ in rows(heading) if len(said.split()) < 2]


@pytest.mark.parametrize("heading", OBJECTS, ids=str)
def test_every_example_fits_its_field(heading: str) -> None:
    found = fields(OBJECTS[heading])

    assert [] == [
        f"{name}: {example}"
        for name, _, example in rows(heading)
        if not fits(found[name], json.loads(example))
    ]


@pytest.mark.parametrize("heading", OBJECTS, ids=str)
def test_every_block_is_one_of_them_or_a_whole_workflow(heading: str) -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)
    values = [json.loads(block) for block in blocks]

    assert [] == [
        value
        for value in values
        for one in (value if isinstance(value, list) else [value])
        if not (fits(OBJECTS[heading], one) or fits(SCHEMA, one))
    ]


def test_what_is_chosen_from_is_on_the_page() -> None:
    """A new value of a field that has a list of them has to be explained."""
    chosen = {
        value
        for schema in OBJECTS.values()
        for field in fields(schema).values()
        for value in field.get("enum", field.get("items", {}).get("enum", ()))
    }

    assert set() == {value for value in chosen if f'`"{value}"`' not in PAGE}
