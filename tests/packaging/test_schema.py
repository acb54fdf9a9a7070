"""What editors get: the JSON Schema is one, explains every field, and accepts what we accept."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

import trioflow

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(
    resources.files("trioflow.definitions").joinpath("workflow.schema.json").read_text("utf-8")
)
DOCUMENTS = tuple(
    path
    for place in ("examples", "tests/fixtures")
    for path in sorted((ROOT / place).rglob("*.workflow.*"))
)
PAGE = (ROOT / "docs" / "editors.md").read_text("utf-8")


def misfit(document: Any) -> str | None:
    found = best_match(Draft202012Validator(SCHEMA).iter_errors(document))
    return None if found is None else f"{found.json_path}: {found.message}"


def fields(schema: Any, place: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield each field that a part of the schema introduces, and what is said about it."""
    if isinstance(schema, Mapping):
        for key, inner in schema.get("properties", {}).items():
            yield f"{place}.{key}", inner
        for key, inner in schema.items():
            # A condition says again which of the fields there may be, and introduces none.
            if key not in ("allOf", "default", "examples"):
                yield from fields(inner, f"{place}/{key}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from fields(inner, f"{place}/{index}")


def description(schema: Mapping[str, Any]) -> str:
    if "description" not in schema and "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return str(schema.get("description", ""))


def test_it_is_a_schema_of_the_draft_that_it_names() -> None:
    assert Draft202012Validator.META_SCHEMA["$id"] == SCHEMA["$schema"]
    Draft202012Validator.check_schema(SCHEMA)


def test_every_reference_leads_somewhere() -> None:
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(SCHEMA))

    assert set(SCHEMA["$defs"]) == {name.removeprefix("#/$defs/") for name in references}


def test_nothing_that_checks_stands_beside_a_reference() -> None:
    """Some editors read it by the rules of Draft 7, where that is ignored."""

    def beside(schema: Any) -> Iterator[str]:
        if isinstance(schema, Mapping):
            if isinstance(schema.get("$ref"), str):
                yield from schema.keys() - {"$ref", "description", "default", "examples"}
            for inner in schema.values():
                yield from beside(inner)
        elif isinstance(schema, list):
            for inner in schema:
                yield from beside(inner)

    assert [] == list(beside(SCHEMA))


def test_every_field_says_what_it_is_for() -> None:
    """A sentence, which is what an editor shows to somebody who points at the field."""
    found = dict(fields(SCHEMA))

    assert len(found) > 90
    assert [] == [
        place
        for place, inner in [*found.items(), *SCHEMA["$defs"].items()]
        if not re.fullmatch(r"[A-Z].{8,250}\.", description(inner))
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_of_ours_fit(path: Path) -> None:
    read = yaml.safe_load if path.suffix != ".json" else json.loads

    assert misfit(read(path.read_text("utf-8"))) is None


@pytest.mark.parametrize(
    ("step", "place"),
    (
        ({"acton": "x.y"}, "$.steps[0]"),
        ({"action": "x.y", "timeout": "10 seconds"}, "$.steps[0].timeout"),
        ({"action": "x.y", "retry": {"max_attempts": 0}}, "$.steps[0].retry"),
        ({"type": "wait", "action": "x.y"}, "$.steps[0]"),
        ({"type": "sleep"}, "$.steps[0]"),
    ),
    ids=str,
)
def test_what_is_wrong_is_underlined(step: dict[str, Any], place: str) -> None:
    found = misfit({"id": "w", "steps": [{"id": "a", **step}]})

    assert found is not None
    assert found.startswith(place)


@pytest.mark.parametrize(
    "said", ("./workflow.schema.json", "../x.json", "https://x.org/y"), ids=str
)
def test_a_document_may_say_where_the_schema_is(said: str) -> None:
    document = {"$schema": said, "id": "w", "steps": [{"id": "a", "action": "x.y"}]}

    assert misfit(document) is None
    assert trioflow.load_workflow(document) == trioflow.load_workflow(
        {key: value for key, value in document.items() if key != "$schema"}
    )


def test_the_settings_of_the_page_name_the_files_that_we_look_for() -> None:
    """What the editor calls a workflow document is what `--workflow` of a folder does."""
    from trioflow.cli._workflows import PATTERNS

    (text,) = re.findall(r"```json \.vscode/settings\.json\n(.*?)```", PAGE, re.DOTALL)
    settings = json.loads(text)
    (for_json,) = settings["json.schemas"]
    (for_yaml,) = settings["yaml.schemas"].values()

    assert set(PATTERNS) == {*for_json["fileMatch"], *for_yaml}
    assert {for_json["url"]} == set(settings["yaml.schemas"])


def test_the_wheel_brings_what_editors_and_type_checkers_read() -> None:
    """No list of files leaves the schema or `py.typed` out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert {"packages": ["trioflow", "harness"]} == wheel
    for name in wheel["packages"]:
        assert (ROOT / name / "py.typed").is_file()
