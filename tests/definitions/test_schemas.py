"""JSON Schema: checked at load, nothing fetched, and messages without the value."""

import enum
import math
import socket
import warnings

import pytest

from trioflow.definitions import not_json, to_json
from trioflow.definitions._faults import Faults
from trioflow.definitions._json import fresh
from trioflow.definitions._knowledge import can_have
from trioflow.definitions._schemas import parse_schema
from trioflow.errors import DefinitionError, Problem, SchemaValidationError

SECRET = "hunter2"


def faults_of(document):
    faults = Faults()
    schema = parse_schema(document, "$.s", faults)
    if not len(faults):
        assert schema is not None
        return []
    assert schema is None
    with pytest.raises(DefinitionError) as caught:
        faults.raise_if_any("x")
    return [str(problem) for problem in caught.value.problems]


def problems_of(document, value):
    faults = Faults()
    schema = parse_schema(document, "$", faults)
    faults.raise_if_any("x")
    return [str(problem) for problem in schema.problems(value)]


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    (
        ({"type": "string"}, 5, ["$: must be a string, not a number"]),
        ({"type": "integer"}, True, ["$: must be an integer, not a boolean"]),
        ({"type": "integer"}, 1.5, ["$: must be an integer, not a number with a fraction"]),
        ({"type": ["object", "null"]}, [], ["$: must be an object or null, not a list"]),
        ({"required": ["a", "b"]}, {}, ['$: lacks "a"', '$: lacks "b"']),
        (
            {
                "properties": {"a": {}},
                "patternProperties": {"^p": {}},
                "additionalProperties": False,
            },
            {"a": 1, "p1": 1, "b": SECRET},
            ['$: has "b", which its schema does not allow'],
        ),
        (
            {"additionalProperties": False},
            dict.fromkeys("abcd"),
            ['$: has "a", "b", "c", ..., which its schema does not allow'],
        ),
        (
            {"unevaluatedProperties": False},
            {"a": 1},
            ["$: has keys that its schema does not allow"],
        ),
        (
            {"dependentRequired": {"a": ["b"], "z": ["y"]}},
            {"a": 1},
            ['$: lacks "b", which goes with "a"'],
        ),
        ({"enum": ["a", 1, None]}, SECRET, ['$: must be "a", 1 or null']),
        ({"enum": []}, SECRET, ["$: cannot have any value"]),
        ({"const": {"a": 1}}, SECRET, ["$: must be an object"]),
        ({"minimum": 3}, 2, ["$: must be at least 3"]),
        ({"maximum": 3}, 4, ["$: must be at most 3"]),
        ({"exclusiveMinimum": 3}, 3, ["$: must be more than 3"]),
        ({"exclusiveMaximum": 3}, 3, ["$: must be less than 3"]),
        ({"multipleOf": 2}, 3, ["$: must be a multiple of 2"]),
        ({"minLength": 1}, "", ["$: must have at least 1 character"]),
        ({"maxLength": 2}, SECRET, ["$: must have at most 2 characters"]),
        ({"minItems": 2}, [], ["$: must have at least 2 items"]),
        ({"maxItems": 0}, [1], ["$: must have at most 0 items"]),
        ({"minProperties": 1}, {}, ["$: must have at least 1 key"]),
        ({"maxProperties": 1}, {"a": 1, "b": 1}, ["$: must have at most 1 key"]),
        ({"uniqueItems": True}, [SECRET, SECRET], ["$: has an item twice"]),
        (
            {"contains": {"const": 1}},
            [2],
            ["$: has not as many items of the kind that it must contain"],
        ),
        (
            {"prefixItems": [{}], "items": False},
            [1, 2],
            ["$: has more items than its schema allows"],
        ),
        ({"pattern": "^a"}, SECRET, ['$: must match the pattern "^a"']),
        ({"format": "date-time"}, SECRET, ["$: must be a date-time"]),
        ({"format": "email"}, SECRET, ["$: must be an email"]),
        ({"not": {}}, 1, ["$: fits the schema that it must not fit"]),
        (
            {"properties": {"a": False}},
            {"a": SECRET},
            ["$: has a part that its schema does not allow"],
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            1,
            ["$: must be a string or null, not a number"],
        ),
        (
            {"anyOf": [{"type": "string"}, {"minimum": 3}]},
            1,
            ["$: fits none of the 2 alternatives that its schema allows"],
        ),
        ({"oneOf": [{}, {}]}, 1, ["$: fits more than one of the 2 alternatives of its schema"]),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            1,
            ["$: must be a string or null, not a number"],
        ),
        (
            {"propertyNames": {"pattern": "^a"}},
            {"b": 1},
            ['$: has a key that must match the pattern "^a"'],
        ),
        (
            {"properties": {"a b": {"items": {"type": "string"}}}},
            {"a b": ["x", 1]},
            ['$["a b"][1]: must be a string, not a number'],
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-03/schema#",
                "properties": {"a": {"required": True}},
            },
            {},
            ["$.a: is required"],
        ),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}},
            {"a": 1},
            ["$: lacks a key that goes with another"],
        ),
        (
            {"$schema": "http://json-schema.org/draft-03/schema#", "divisibleBy": 2},
            3,
            ['$: does not fit "divisibleBy" of its schema'],
        ),
    ),
    ids=lambda value: str(value)[:40],
)
def test_wording(schema, value, expected):
    actual = problems_of(schema, value)

    assert expected == actual
    assert SECRET not in "".join(actual)


def test_every_keyword_keeps_the_value_to_itself():
    """Whatever the keyword, what is in the value does not get into a message."""
    schema = {
        "properties": {
            "password": {
                "type": "integer",
                "pattern": "x",
                "const": 1,
                "enum": [1, 2],
                "format": "ipv4",
                "maxLength": 1,
                "not": {"type": "string"},
                "anyOf": [{"const": 3}, {"const": 4}],
                "oneOf": [{"const": 2}],
            }
        }
    }

    actual = problems_of(schema, {"password": SECRET})

    assert 9 == len(actual)
    assert SECRET not in "".join(actual)


def test_the_path_of_the_value_can_be_given():
    faults = Faults()
    schema = parse_schema({"required": ["a"]}, "$", faults)

    assert (Problem("$.x[1]", 'lacks "a"'),) == schema.problems({}, path="$.x[1]")


@pytest.mark.parametrize(
    ("schema", "expected"),
    (
        (
            {"type": "strng"},
            '"number", "object" or "string", or a list of these, not "strng"',
        ),
        (
            {"properties": {"a": {"minLength": -1}}},
            "$.s.properties.a.minLength: is no valid JSON Schema: must be at least 0, not -1",
        ),
        ({"required": "a"}, "$.s.required: is no valid JSON Schema: must be a list, not a string"),
        ({"pattern": "("}, '$.s.pattern: is no valid JSON Schema: must be a regex, not "("'),
        ({"pattern": "(" * 5000}, '$.s.pattern: is no valid JSON Schema: must be a regex, not "('),
        ({"pattern": "a{99999999999}"}, "must be a regex"),
        ({"$ref": "#/$defs/a"}, '$.s["$ref"]: "#/$defs/a" is nowhere in this schema'),
        (
            {"items": {"$ref": "http://example.com/s.json"}},
            '"http://example.com/s.json" is nowhere in this schema; nothing is ever fetched: copy',
        ),
        ({"$ref": "other.json#/a"}, "nothing is ever fetched"),
        ({"$ref": "file:///etc/passwd"}, "nothing is ever fetched"),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "nothing is ever fetched"),
        ({"$ref": "#anchor"}, "is nowhere in this schema"),
        ({"$dynamicRef": "#anchor"}, "is nowhere in this schema"),
        (
            {"$ref": "#/$defs/a/type", "$defs": {"a": {"type": "string"}}},
            '"#/$defs/a/type" leads to a string, which is no schema',
        ),
        ({"x": {"type": 5}, "$ref": "#/x"}, "$.s.x.type: must be"),
        ({"x": {"$ref": "#/y"}, "$ref": "#/x"}, '$.s.x["$ref"]: "#/y" is nowhere'),
        (
            {"$schema": "http://example.com/mine"},
            '$.s["$schema"]: "http://example.com/mine" is no dialect',
        ),
        ({"$schema": 5}, '$.s["$schema"]: 5 is no dialect'),
        ({"$ref": "#"}, "$.s: has a part that refers to itself without end"),
        ({"allOf": [{"not": {"$ref": "#"}}]}, "refers to itself without end"),
        (
            {
                "$defs": {"a": {"dependentSchemas": {"k": {"$ref": "#/$defs/a"}}}},
                "$ref": "#/$defs/a",
            },
            "refers to itself without end",
        ),
        ({"$id": "http://[a", "$ref": "b"}, "$.s: has an identifier that cannot be read: "),
        ({"allOf": [{}, {"$ref": "#/x"}]}, '$.s.allOf[1]["$ref"]: "#/x" is nowhere'),
    ),
    ids=lambda value: str(value)[:40],
)
def test_bad_schemas(schema, expected):
    actual = faults_of(schema)

    assert actual
    assert expected in "\n".join(actual)


@pytest.mark.parametrize(
    "schema",
    (
        {},
        {"properties": {"$ref": {"type": "string"}}},
        {"const": {"$ref": "nowhere"}, "examples": [{"$ref": "nowhere"}]},
        {
            "$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}}},
            "$ref": "#/$defs/tree",
        },
        {"$id": "http://example.com/a", "$defs": {"b": {"$id": "b"}}, "items": {"$ref": "b"}},
        {"$defs": {"b": {"$anchor": "here"}}, "items": {"$ref": "#here"}},
        {"$defs": {"b": True}, "items": {"$ref": "#/$defs/b"}},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"a": {}},
            "$ref": "#/definitions/a",
        },
        {"$schema": "http://json-schema.org/draft-04/schema", "id": "http://example.com/x"},
        {"x": {"type": "string"}, "$ref": "#/x"},
        {"dependentSchemas": {"a": {"required": ["b"]}}},
    ),
    ids=str,
)
def test_good_schemas(schema):
    assert [] == faults_of(schema)


def test_a_schema_that_is_nested_too_deeply():
    schema: dict = {}
    for _ in range(2000):
        schema = {"not": schema}

    assert ["$.s: is a schema that is nested too deeply"] == faults_of(schema)


def test_a_long_chain_of_references_is_a_problem_when_it_is_used():
    """Each of them costs a few frames of the stack; there is no way to tell how many are left."""
    definitions: dict = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(3000)}
    definitions["d3000"] = {}

    actual = problems_of({"$defs": definitions, "$ref": "#/$defs/d0"}, 1)

    assert ["$: is nested too deeply to be checked against its schema"] == actual


def test_nothing_is_fetched(monkeypatch):
    """Not even while a value is validated."""

    def refuse(*args, **kwargs):
        raise AssertionError("somebody opens a socket")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert faults_of({"properties": {"a": {"$ref": "http://example.com/schema"}}})


def test_references_are_followed_when_a_value_is_checked():
    schema = {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}

    assert ["$[1]: must be an integer, not a string"] == problems_of(schema, [1, SECRET])


def test_a_value_too_deep_for_its_schema_is_a_problem():
    value: object = 1
    for _ in range(3000):
        value = {"a": value}

    actual = problems_of({"properties": {"a": {"$ref": "#"}}}, value)

    assert ["$: is nested too deeply to be checked against its schema"] == actual


def test_a_number_too_large_for_its_schema_is_a_problem():
    actual = problems_of({"multipleOf": 0.1}, 10**400)

    assert ["$: has a number too large to be checked against its schema"] == actual


@pytest.mark.parametrize("name", ("uri-reference", "iban"))
def test_unknown_formats_warn(name):
    with pytest.warns(UserWarning, match=rf"\$\.s\.items\.format: the format \"{name}\" is not"):
        parse_schema({"items": {"format": name}}, "$.s", Faults())


def test_known_formats_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert [] == faults_of({"properties": {"format": {"format": "uuid"}}})


@pytest.mark.parametrize(
    ("format_", "value", "fits"),
    (
        ("date-time", "2030-01-01T08:00:00Z", True),
        ("date-time", "2030-01-01t08:00:00.123456789z", True),
        ("date-time", "2030-01-01T08:00:00+05:30", True),
        ("date-time", "2030-01-01 08:00:00Z", False),
        ("date-time", "2030-01-01T08:00:00", False),
        ("date-time", "2030-01-01T08:00:00+0530", False),
        ("date-time", "2030-02-30T08:00:00Z", False),
        ("date-time", "2030-01-01T24:00:00Z", False),
        ("date-time", "2016-12-31T23:59:60Z", True),
        ("date-time", "2017-01-01T00:59:60+01:00", True),
        ("date-time", "2016-12-31T22:59:60Z", False),
        ("date-time", "2030-01-01T08:00:00Z\n", False),
        ("date-time", 5, True),
        ("date", "2030-02-28", True),
        ("date", "2030-02-30", False),
        ("time", "08:00:00Z", True),
        ("time", "08:00", False),
        ("time", None, True),
        ("email", "a@b", True),
        ("email", "a", False),
        ("hostname", "a-b.example", True),
        ("hostname", "-a.example", False),
        ("hostname", 5, True),
        ("ipv4", "127.0.0.1", True),
        ("ipv4", "127.0.0.256", False),
        ("ipv6", "::1", True),
        ("ipv6", "::g", False),
        ("uri", "https://example.com/a?b#c", True),
        ("uri", "/a", False),
        ("uri", 5, True),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", True),
        ("uuid", "123e4567", False),
        ("regex", "a+", True),
        ("regex", "(", False),
        ("regex", 5, True),
    ),
    ids=str,
)
def test_formats(format_, value, fits):
    assert fits is (problems_of({"format": format_}, value) == [])


class Color(str, enum.Enum):  # noqa: UP042 - its __str__ says something else
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "problem"),
    (
        ({1: 2}, "$: has a key that is a number; keys in JSON are strings"),
        ({"a": [1, {"b": math.nan}]}, "$.a[1].b: is nan, which JSON lacks"),
        (-math.inf, "$: is -inf, which JSON lacks"),
        ({1, 2}, "$: is a Python set, which is not JSON"),
        ([b"x"], "$[0]: is a Python bytes, which is not JSON"),
        ((range(3),), "$[0]: is a Python range, which is not JSON"),
        (10**2000, "$: is an integer of more than 1,000 digits"),
        ("\ud800", "$: is no Unicode text: it has half of a surrogate pair"),
        ({"\udfff": 1}, "$: has a key that is no Unicode text: it has half of a surrogate pair"),
    ),
    ids=lambda value: repr(value)[:30],
)
def test_not_json(value, problem):
    assert problem == str(not_json(value))
    with pytest.raises(SchemaValidationError) as caught:
        to_json(value)

    assert problem == str(caught.value)


def test_what_contains_itself_is_not_json():
    value: dict = {"a": [1, {}]}
    value["a"][1]["b c"] = value["a"]

    said = '$.a[1]["b c"]: is nested more than 200 deep: it contains itself'
    assert said == str(not_json(value))


def test_of_what_is_nested_too_deep_the_beginning_of_the_way_is_told():
    value: object = 1
    for _ in range(201):
        value = {"d": value}

    said = "$.d.d.d.d.d.d.d.d...: is nested more than 200 deep"
    assert said == str(not_json(value))
    assert not_json(value["d"]) is None


def test_to_json_shares_nothing():
    inner = [1]
    value = {"a": inner, "b": (True, None, 1.5, "ä", Color.RED, Number.ONE)}

    actual = to_json(value)
    inner.append(2)

    assert {"a": [1], "b": [True, None, 1.5, "ä", "red", 1]} == actual
    assert [bool, type(None), float, str, str, int] == [type(item) for item in actual["b"]]
    assert not_json(value) is None


@pytest.mark.parametrize(
    ("schema", "path", "expected"),
    (
        ({}, ("a",), True),
        ({"type": "object"}, (), True),
        ({"type": "string"}, ("a",), False),
        ({"type": ["string", "object"]}, ("a",), True),
        ({"type": "array"}, ("a",), False),
        ({"type": "array"}, (0,), True),
        ({"type": "object"}, (0,), True),
        ({"properties": {"a": {"type": "string"}}}, ("a", "b"), False),
        ({"properties": {"a": {}}, "additionalProperties": False}, ("b",), False),
        ({"properties": {"a": {}}, "additionalProperties": False}, ("a", "x"), True),
        ({"properties": {"a": False}}, ("a",), False),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, ("xy",), True),
        ({"patternProperties": {"^x": {"type": "null"}}}, ("xy", "z"), False),
        ({"additionalProperties": {"type": "integer"}}, ("a", "b"), False),
        ({"allOf": [{}, {"type": "string"}]}, ("a",), False),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, ("a",), True),
        ({"oneOf": [{"type": "null"}, {"type": "string"}]}, ("a",), False),
        ({"const": {"a": [{"b": 1}]}}, ("a", 0, "b"), True),
        ({"const": {"a": [{"b": 1}]}}, ("a", -1, "b"), True),
        ({"const": {"a": 1}}, ("b",), False),
        ({"const": [1]}, (1,), False),
        ({"enum": [{"a": 1}, 5]}, ("a",), True),
        ({"enum": [5]}, ("a",), False),
        ({"type": "array", "items": {"type": "string"}}, (0, "a"), False),
        ({"type": "array", "prefixItems": [{}], "items": False}, (0,), True),
        ({"type": "array", "prefixItems": [{}], "items": False}, (1,), False),
        ({"type": "array", "prefixItems": [{}], "items": False}, (-3,), True),
        ({"type": "array", "maxItems": 2}, (2,), False),
        ({"type": "array", "maxItems": 2}, (-3,), False),
        ({"type": "array", "maxItems": 2}, (-2,), True),
        ({"type": "array", "items": [{}]}, (5,), True),
        ({"$defs": {"a/b": {"type": "null"}}, "$ref": "#/$defs/a~1b"}, ("x",), False),
        (
            {"$defs": {"n": {"properties": {"n": {"$ref": "#"}}}}, "$ref": "#/$defs/n"},
            ("n", "n"),
            True,
        ),
        ({"$ref": "#here"}, ("x",), True),
    ),
    ids=str,
)
def test_what_a_schema_rules_out(schema, path, expected):
    assert expected is can_have(schema, path)


def test_asking_a_schema_comes_to_an_end():
    """Thirty definitions with two alternatives each are a thousand million possibilities."""
    definitions = {
        f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]}
        for i in range(30)
    }
    definitions["d30"] = {"type": "null"}

    assert can_have({"$defs": definitions, "$ref": "#/$defs/d0"}, ("x",)) is True


@pytest.mark.parametrize("depth", (3, 5_000))
@pytest.mark.parametrize("wrap", (lambda value: [value], lambda value: {"in": value}))
def test_a_fresh_copy_shares_nothing_at_any_depth(depth, wrap):
    value = "leaf"
    for _ in range(depth):
        value = wrap(value)
    copied = fresh(value)
    for _ in range(depth):
        assert type(value) is type(copied)
        assert value is not copied
        value, copied = (
            next(iter(one.values() if isinstance(one, dict) else one)) for one in (value, copied)
        )

    assert "leaf" == value == copied
