"""Instances of schemas: literal ones for each thing that a schema can say, and laws for all."""

from __future__ import annotations

import ast
import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry

import harness.data
from harness._formats import FORMATS
from harness.data import CannotGenerate, candidates, smallest, violations
from harness.data._formats import COUNTEREXAMPLES, EXAMPLES
from harness.data._patterns import matching

TREE = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
            },
            "required": ["value", "kids"],
        }
    },
}
ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,}$"},
        "total": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "kind": {"enum": ["a", "b"]},
    },
    "required": ["total", "id"],
    "additionalProperties": False,
}
CARD_OR_CASH = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "card"}, "number": {"type": "string", "minLength": 4}},
            "required": ["kind", "number"],
        },
        {"type": "object", "properties": {"kind": {"const": "cash"}}, "required": ["kind"]},
    ]
}
IF_CARD = {
    "type": "object",
    "properties": {"kind": {"enum": ["card", "cash"]}},
    "required": ["kind"],
    "if": {"properties": {"kind": {"const": "card"}}},
    "then": {"required": ["number"], "properties": {"number": {"type": "string"}}},
}


# ---- the smallest ----


@pytest.mark.parametrize(
    ("schema", "expected"),
    (
        (True, None),
        ({}, None),
        ({"type": "null"}, None),
        ({"type": "boolean"}, False),
        ({"type": "integer"}, 0),
        ({"type": "number"}, 0),
        ({"type": "string"}, ""),
        ({"type": "array"}, []),
        ({"type": "object"}, {}),
        ({"type": ["string", "null"]}, ""),
        ({"type": "integer", "default": 7, "examples": [8], "minimum": 5}, 7),
        ({"type": "integer", "default": 1, "examples": [2, 8], "minimum": 5}, 8),
        ({"const": [1]}, [1]),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "string", "enum": [1, "x"]}, "x"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "minimum": 2.5}, 3),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "minimum": -5}, -5),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "multipleOf": 7, "minimum": 10}, 14),
        ({"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 1}, 1.25),
        ({"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "minimum": 1}, 12),
        ({"minimum": 3}, 3),
        ({"minLength": 3}, "aaa"),
        ({"type": "string", "minLength": 2, "maxLength": 2}, "aa"),
        ({"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,}$"}, "AA-000"),
        ({"type": "string", "pattern": "^[a-z]+$", "minLength": 5}, "aaaaa"),
        ({"type": "string", "pattern": "^(a|b)c?$", "minLength": 2}, "ac"),
        ({"type": "string", "pattern": "(?=.*[0-9])(?=.*[A-Z]).{8,}"}, "0Aaaaaaaaa"),
        ({"type": "string", "pattern": r"^(\w)\1-\d$"}, "aa-0"),
        ({"type": "string", "format": "date-time"}, "2000-01-01T00:00:00Z"),
        ({"type": "string", "format": "email"}, "a@example.com"),
        ({"type": "string", "format": "uri"}, "https://example.com"),
        ({"format": "uuid"}, "00000000-0000-4000-8000-000000000000"),
        ({"type": "array", "minItems": 2, "items": {"type": "integer"}}, [0, 0]),
        (
            {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"enum": [3, 1, 2]}},
            [3, 1, 2],
        ),
        (
            {"type": "array", "prefixItems": [{"type": "string"}, {"const": 1}], "minItems": 2},
            ["", 1],
        ),
        ({"type": "array", "contains": {"minimum": 5}, "items": {"type": "integer"}}, [5]),
        (
            {"type": "array", "contains": {"const": 5}, "minContains": 2, "minItems": 3},
            [None, 5, 5],
        ),
        (ORDER, {"id": "AA-000", "total": 1}),
        ({"required": ["a"], "properties": {"a": {"required": ["b"]}}}, {"a": {"b": None}}),
        (
            {"type": "object", "minProperties": 2, "properties": {"x": {"const": 1}}},
            {"x": 1, "a": None},
        ),
        (
            {
                "type": "object",
                "minProperties": 2,
                "propertyNames": {"pattern": "^x_"},
                "additionalProperties": {"type": "integer"},
            },
            {"x_": 0, "x_a": 0},
        ),
        (
            {"type": "object", "patternProperties": {"^n_": {"const": 1}}, "minProperties": 1},
            {"n_": 1},
        ),
        ({"required": ["a"], "dependentRequired": {"a": ["b"]}}, {"a": None, "b": None}),
        (
            {"required": ["a"], "dependentSchemas": {"a": {"properties": {"a": {"const": 2}}}}},
            {"a": 2},
        ),
        (TREE, {"value": 0, "kids": []}),
        (CARD_OR_CASH, {"kind": "card", "number": "aaaa"}),
        (IF_CARD, {"kind": "cash"}),
        ({"anyOf": [{"type": "null", "minimum": 1}, {"type": "string"}]}, None),
        ({"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 9}]}, 3),
        ({"not": {"type": "null"}}, False),
        ({"type": "integer", "not": {"enum": [0, 1]}}, -1),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$anchor": "x", "type": "string"}}}, ""),
        ({"$ref": "#x", "$defs": {"a": {"$anchor": "x", "const": 4}}}, 4),
        ({"$id": "https://example.com/s", "$ref": "#/$defs/a", "$defs": {"a": {"const": 4}}}, 4),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "array",
                "items": [{"type": "string"}],
                "minItems": 2,
                "additionalItems": {"$ref": "#/definitions/n"},
                "definitions": {"n": {"const": 1}},
            },
            ["", 1],
        ),
    ),
    ids=str,
)
def test_the_smallest_instance(schema: Any, expected: Any) -> None:
    assert json.dumps(expected) == json.dumps(smallest(schema))


@pytest.mark.parametrize(
    ("schema", "path"),
    (
        (False, "$"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "$"),
        ({"enum": []}, "$"),
        ({"type": "object",
          "required": ["a b"],
          "properties": {"a b": {"type": "object", "required": ["c"], "properties": {"c": False}}}},
         "$['a b'].c"),
        ({"type": "array", "minItems": 1, "items": {"pattern": "^(?<=x)y", "type": "string"}},
         "$[0]"),
        ({"type": "array", "minItems": 3, "uniqueItems": True, "items": {"enum": [1, 2]}}, "$"),
        ({"$ref": "#/nowhere"}, "$"),
        ({"$ref": "https://example.com/elsewhere"}, "$"),
    ),
    ids=str,
)  # fmt: skip
def test_what_cannot_be_generated_says_where(schema: Any, path: str) -> None:
    with pytest.raises(CannotGenerate) as caught:
        smallest(schema)

    assert path == caught.value.path
    assert caught.value.why


def test_a_schema_without_end_is_given_up() -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}

    with pytest.raises(CannotGenerate, match="it goes on without end"):
        smallest(endless)


def test_too_much_work_is_given_up() -> None:
    both = {"type": "array", "minItems": 2, "items": {"$ref": "#"}}

    with pytest.raises(CannotGenerate, match=r"too many attempts|without end"):
        smallest(both, budget=500)


def test_a_second_schema_has_to_fit_too() -> None:
    also = {"required": ["kind"], "properties": {"kind": {"const": "b"}}}

    assert {"total": 1, "id": "AA-000", "kind": "b"} == smallest(ORDER, also=also)


# ---- others ----


@pytest.mark.parametrize(
    ("schema", "expected"),
    (
        ({"type": "boolean"}, [False, True]),
        ({"type": "integer", "minimum": 3, "maximum": 9}, [3, 4, 9, 8, 5, 6, 7]),
        ({"enum": ["x", None, 1]}, ["x", None, 1]),
        ({"type": "string", "maxLength": 1}, ["", "a", "b", "c"]),
        ({"type": "array", "items": {"const": 1}, "maxItems": 2}, [[], [1], [1, 1]]),
        (
            {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}},
            [{}, {"a": 1, "b": 2}, {"a": 1}, {"b": 2}],
        ),
        (CARD_OR_CASH, [{"kind": "card", "number": "aaaa"}, {"kind": "cash"}]),
        (IF_CARD, [{"kind": "cash"}, {"kind": "card", "number": ""}]),
        (
            {"type": "object", "additionalProperties": {"const": 1}},
            [{}, {"a": 1}],
        ),
    ),
    ids=str,
)
def test_candidates(schema: Any, expected: Any) -> None:
    found = list(islice(candidates(schema), len(expected)))

    assert json.dumps(expected) == json.dumps(found)


# ---- what is wrong ----


@pytest.mark.parametrize(
    ("schema", "expected"),
    (
        ({}, {}),
        (
            {"type": "integer", "minimum": 3, "exclusiveMaximum": 9},
            {
                "null instead of integer at $": None,
                "text instead of integer at $": "1",
                "a fraction instead of integer at $": 0.5,
                "below the minimum at $": 2,
                "above the maximum at $": 9,
            },
        ),
        (
            {"multipleOf": 7, "minimum": 7},
            {"below the minimum at $": 0, "no multiple of 7 at $": 8},
        ),
        ({"enum": ["x", "y"]}, {"not in the list at $": "x?"}),
        (
            {"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^[a-z]+$"},
            {
                "null instead of string at $": None,
                "a number instead of string at $": 1,
                "too short at $": "a",
                "too long at $": "aaaa",
                "does not match the pattern at $": "aa?",
            },
        ),
        ({"format": "date-time"}, {"no date-time at $": "2000-01-01T00:00:00"}),
        (
            {"minItems": 1, "maxItems": 2, "uniqueItems": True, "items": {"type": "integer"}},
            {
                "too few items at $": [],
                "too many items at $": [0, 1000, 1001],
                "an item twice at $": [0, 0],
                "null instead of integer at $[0]": [None],
                "text instead of integer at $[0]": ["1"],
                "a fraction instead of integer at $[0]": [0.5],
            },
        ),
        ({"contains": {"const": 1}}, {"without an item that has to be there at $": []}),
        (
            {"prefixItems": [{"const": 1}], "items": False, "minItems": 1},
            {
                "too few items at $": [],
                "extra item at $": [1, None],
                "not in the list at $[0]": [2],
            },
        ),
        (
            ORDER,
            {
                "null instead of object at $": None,
                "text instead of object at $": "1",
                "without total at $": {"id": "AA-000"},
                "without id at $": {"total": 1},
                "extra property at $": {"total": 1, "id": "AA-000", "unexpected": None},
                "null instead of string at $.id": {"total": 1, "id": None},
                "a number instead of string at $.id": {"total": 1, "id": 1},
                "does not match the pattern at $.id": {"total": 1, "id": "AA-000\n!"},
                "null instead of number at $.total": {"total": None, "id": "AA-000"},
                "text instead of number at $.total": {"total": "1", "id": "AA-000"},
                "below the minimum at $.total": {"total": 0, "id": "AA-000"},
                "above the maximum at $.total": {"total": 2, "id": "AA-000"},
                "not in the list at $.kind": {"id": "AA-000", "total": 1, "kind": "a?"},
            },
        ),
        (
            {"type": "object", "minProperties": 1, "maxProperties": 2},
            {
                "null instead of object at $": None,
                "text instead of object at $": "1",
                "too few properties at $": {},
                "too many properties at $": {"a": None, "x0": None, "x1": None},
            },
        ),
        (
            {"dependentRequired": {"a": ["b"]}, "properties": {"a": {}, "b": {}}},
            {"a without b at $": {"a": None}},
        ),
    ),
    ids=str,
)
def test_violations(schema: Any, expected: dict[str, Any]) -> None:
    found = {str(each): each.value for each in violations(schema)}

    assert expected.keys() == found.keys()
    assert expected == found


def test_what_only_one_alternative_asks_for_can_be_violated() -> None:
    found = [str(each) for each in violations(IF_CARD)]

    assert "without number at $" in found
    assert "null instead of string at $.number" in found


def test_violations_of_a_schema_that_refers_to_itself_come_to_an_end() -> None:
    assert 16 == len(violations(TREE))


# ---- patterns and formats ----


@pytest.mark.parametrize(
    ("pattern", "expected"),
    (
        ("", ["", "a", "b", "0"]),
        ("^a$", ["a"]),
        ("^[a-c]$", ["a", "b", "c"]),
        ("^[^a]$", ["0", "A", " "]),
        (r"^\d\s\w$", ["0 a", "1 a", "0\ta", "0 0"]),
        ("^x?y*$", ["", "x", "y"]),
        ("^(foo|bar){1,2}$", ["foo", "foofoo", "bar"]),
        (r"^(a|b)\1$", ["aa", "bb"]),
        (r"\bx\b", ["x"]),
        ("^(?i:a)$", ["a"]),
        ("^[à-ü]$", ["é", "à"]),
    ),
    ids=str,
)
def test_words_of_a_pattern(pattern: str, expected: list[str]) -> None:
    assert expected == list(islice(matching(pattern), len(expected)))


@pytest.mark.parametrize("name", sorted(EXAMPLES), ids=str)
def test_examples_of_formats_are_taken_for_them(name: str) -> None:
    assert all(FORMATS.conforms(each, name) for each in EXAMPLES[name])


@pytest.mark.parametrize("name", sorted(COUNTEREXAMPLES), ids=str)
def test_counterexamples_are_not(name: str) -> None:
    assert not any(FORMATS.conforms(each, name) for each in COUNTEREXAMPLES[name])


# ---- laws ----


def _objects(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, count, closed, least: {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:count],
            **({"additionalProperties": False} if closed else {"minProperties": least}),
        },
        st.dictionaries(st.sampled_from("abcd"), schemas, max_size=3),
        st.integers(0, 3),
        st.booleans(),
        st.integers(0, 3),
    )


def _arrays(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda items, least, more, unique: {
            "type": "array",
            "items": items,
            "minItems": least,
            "maxItems": least + more,
            "uniqueItems": unique,
        },
        schemas,
        st.integers(0, 2),
        st.integers(0, 2),
        st.booleans(),
    )


_VALUES: st.SearchStrategy[Any] = st.sampled_from((None, True, False, 0, 1, 1.5, "", "a", [], {}))
_LEAVES = st.one_of(
    st.sampled_from(({}, {"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]})),
    st.builds(
        lambda kind, low, size: {"type": kind, "minimum": low, "maximum": low + size},
        st.sampled_from(("integer", "number")),
        st.sampled_from((-3, 0, 0.5, 2)),
        st.integers(1, 5),
    ),
    st.builds(
        lambda step, low: {"type": "number", "multipleOf": step, "exclusiveMinimum": low},
        st.sampled_from((1, 3, 0.5)),
        st.integers(-3, 3),
    ),
    st.builds(
        lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size},
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    st.builds(
        lambda pattern: {"type": "string", "pattern": pattern},
        st.sampled_from(("^[a-f]{2,4}$", "^x-", "[0-9]$", r"^(\w+)@\1$", "^(yes|no)$")),
    ),
    st.sampled_from(({"type": "string", "format": "date"}, {"format": "email"})),
    st.builds(lambda values: {"enum": values}, st.lists(_VALUES, min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, _VALUES),
)
SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        _objects(inner),
        _arrays(inner),
        st.builds(lambda each: {"anyOf": each}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda each: {"oneOf": each}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda one, other: {"if": one, "then": other}, inner, inner),
    ),
    max_leaves=4,
)
QUICK = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def fits(schema: Any, value: Any) -> bool:
    validator = Draft202012Validator(schema, registry=Registry(), format_checker=FORMATS)
    return bool(validator.is_valid(value))


@QUICK
@given(SCHEMAS)
def test_all_candidates_are_valid_and_distinct(schema: Any) -> None:
    try:
        found = list(islice(candidates(schema), 40))
    except CannotGenerate:
        # Alternatives may exclude each other. That the simple ones work is tested below.
        assert any(
            word in json.dumps(schema) for word in ("oneOf", "uniqueItems", "required", "enum")
        )
        return

    assert all(fits(schema, each) for each in found)
    assert len(found) == len({json.dumps(each, sort_keys=True) for each in found})
    assert json.dumps(found[0]) == json.dumps(smallest(schema))


@QUICK
@given(_LEAVES)
def test_simple_schemas_always_have_an_instance(schema: Any) -> None:
    assert fits(schema, smallest(schema))


@QUICK
@given(SCHEMAS)
def test_all_violations_are_invalid_where_they_say(schema: Any) -> None:
    try:
        found = violations(schema)
    except CannotGenerate:
        return

    validator = Draft202012Validator(schema, registry=Registry(), format_checker=FORMATS)
    for violation in found:
        errors = list(validator.iter_errors(violation.value))
        assert errors
        # An alternative that does not fit is reported where the alternatives are.
        assert all(violation.path.startswith(error.json_path) for error in errors)
    assert len(found) == len({(each.label, each.path) for each in found})


@pytest.mark.filterwarnings("ignore::FutureWarning")
@QUICK
@given(st.sampled_from("abc[]^$.*+?|(){}0-9\\dws "), st.text("ab|()[]*+?^$.\\d{}2,", max_size=8))
def test_words_match_whatever_the_pattern(first: str, rest: str) -> None:
    try:
        pattern = re.compile(first + rest)
    except re.error:
        return

    words = list(islice(matching(pattern.pattern), 30))

    assert all(pattern.search(word) for word in words)
    assert len(words) == len(set(words))


def test_the_generator_knows_nothing_of_what_is_tested() -> None:
    files = Path(harness.data.__file__).parent.glob("*.py")
    imported = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }

    assert not {name for name in imported if name.startswith("trioflow")}
