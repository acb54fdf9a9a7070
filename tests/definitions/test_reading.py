"""Files, texts and mappings, friendly and hostile, in JSON and in YAML."""

# The tables read best with one case a line.
# ruff: noqa: E501

import contextlib
import json
import os
import sys
from enum import StrEnum
from types import MappingProxyType

import pytest
import yaml

from trioflow.definitions import load_workflow
from trioflow.errors import DefinitionError

DOCUMENT = {"id": "w", "steps": [{"id": "a", "action": "act"}]}
TEXT = json.dumps(DOCUMENT)
EXPECTED = load_workflow(DOCUMENT)


def problem_of(source):
    """The one problem of a hostile document."""
    with pytest.raises(DefinitionError) as caught:
        load_workflow(source)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.fixture
def write(tmp_path):
    def write(content, name="w.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


class Id(StrEnum):
    W = "w"


@pytest.mark.parametrize(
    "source",
    (
        DOCUMENT,
        MappingProxyType(DOCUMENT),
        {"id": Id.W, "steps": (MappingProxyType(DOCUMENT["steps"][0]),)},
        TEXT,
        "\n  " + TEXT,
        "\ufeff" + TEXT,
        json.dumps(DOCUMENT, indent=2),
    ),
    ids=lambda source: type(source).__name__,
)
def test_sources(source):
    assert load_workflow(source) == EXPECTED


@pytest.mark.parametrize("as_path", (lambda path: path, str), ids=("Path", "str"))
@pytest.mark.parametrize("name", ("w.json", "w", "w.workflow.JSON"))
def test_files(write, as_path, name):
    path = write(TEXT, name)

    assert load_workflow(as_path(path)) == EXPECTED


def test_a_file_may_begin_with_a_byte_order_mark(write):
    assert load_workflow(write(b"\xef\xbb\xbf" + TEXT.encode())) == EXPECTED


def test_paths_of_bytes(write):
    class BytesPath:
        def __fspath__(self):
            return os.fsencode(path)

    path = write(TEXT)

    assert load_workflow(BytesPath()) == EXPECTED


def test_messages_name_the_file(write):
    path = write("{}")

    with pytest.raises(DefinitionError) as caught:
        load_workflow(path)

    assert f"{path} has 2 problems:" in str(caught.value)


def _short(value):
    return value[:40] if isinstance(value, str) else type(value).__name__


def deep(depth):
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def endless():
    value: list = []
    value.append(value)
    return {"id": value}


def shared():
    value: list = [1]
    for _ in range(60):
        value = [value, value]
    return {"id": value}


@pytest.mark.parametrize(
    ("source", "expected"),
    (
        ("nowhere.json", '$: there is no file "nowhere.json" in '),
        ("a\0b", '$: "a\\u0000b" cannot be read: embedded null byte'),
        ("x" * 5000, "cannot be read: File name too long"),
        (5, "$: a workflow is an object, not a number"),
        (None, "$: a workflow is an object, not null"),
        ([DOCUMENT], "$: a workflow is an object, not a list"),
        (b"{}", "$: is a Python bytes, which JSON lacks"),
        ("[1]", "$: a workflow is an object, not a list"),
        ("{", "$: is no JSON: line 1, column 2: expecting property name"),
        ('{\n "a": tru\n}', "$: is no JSON: line 2, column 7: expecting value"),
        ("{} x", "$: is no JSON: line 1, column 4: extra data"),
        ("id: a\nsteps: []", "$: is no JSON: line 1, column 1: expecting value"),
        ('{"a":' * 1000 + "1" + "}" * 1000, "$: is nested more than 100 deep"),
        ("[" * 100_000, "$: is nested more than 100 deep"),
        (json.dumps(deep(101)), "$: is nested more than 100 deep"),
        (deep(5000), "$: is nested more than 100 deep"),
        (endless(), "$: is nested more than 100 deep"),
        (TEXT[:-1] + " " * 5_000_000 + "}", "$: is larger than the 4 MiB that a workflow"),
    ),
    ids=_short,
)
def test_hostile_sources(source, expected):
    assert expected in problem_of(source)


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i + 1}: &a{i + 1} [{','.join([f'*a{i}'] * 10)}]\n" for i in range(12)
)


@pytest.mark.parametrize("source", (shared(), '{"a": [' + "1," * 10_000 + "1]}", BOMB), ids=_short)
def test_too_many_values(source, write, monkeypatch):
    """What is shared, by aliases too, counts as often as it would be written."""
    monkeypatch.setattr("trioflow.definitions._reading.MOST_VALUES", 10_000)
    if source is BOMB:
        source = write(BOMB, "w.yaml")

    assert "$: has more than 10,000 values" == problem_of(source)


def test_a_directory(tmp_path):
    assert f'$: "{tmp_path}"'[:40] in problem_of(tmp_path)
    assert "is a directory; give the file" in problem_of(tmp_path)


def test_a_file_without_permission(write, monkeypatch):
    path = write(TEXT)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)

    assert "cannot be read: Permission denied" in problem_of(path)


def test_no_utf_8(write):
    assert (
        "$: is no UTF-8 text: byte 7 is 0xff; save the file as UTF-8"
        == problem_of(write(b'{"id":"\xff"}'))
    )  # fmt: skip


def test_a_large_file(write):
    """What is cut in the middle of a character is too large, and not badly encoded."""
    assert "$: is larger than the 4 MiB" in problem_of(write("ä" * 2_500_000))
    assert "$: is larger than the 4 MiB" in problem_of(write(b"x" + "ä".encode() * 2_500_000))


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no /dev/zero")  # noqa: PTH110
def test_a_file_without_end():
    assert "$: is larger than the 4 MiB" in problem_of("/dev/zero")


def test_a_large_document_loads():
    document = {**DOCUMENT, "description": "x" * 4_000_000}

    assert load_workflow(json.dumps(document)).description == document["description"]


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        (
            '"' + "a" * 65_536 + '"',
            "$.steps[0].condition: a condition has at most 4,096 characters",
        ),
        (
            '"' + "(" * 65_536 + '"',
            "$.steps[0].condition: a condition has at most 4,096 characters",
        ),
        ('"' + "(" * 4_000 + '"', "$.steps[0].condition: "),
        ('"' + "a." * 2_000 + 'b"', "$.steps: a -> a: the step waits for itself"),
        ('"\\ud800"', "$.steps[0].condition: is no Unicode text"),
        ("1e999", "$.steps[0].condition: is inf, which JSON lacks; write a number"),
        ("NaN", "$.steps[0].condition: is NaN, which JSON lacks; write a number"),
        ("-Infinity", "$.steps[0].condition: is -Infinity, which JSON lacks"),
        ("9" * 5_000, "$.steps[0].condition: is an integer of more than 1,000 digits"),
    ),
    ids=lambda value: value[:20],
)
def test_hostile_values(value, expected):
    text = TEXT.replace('"act"', f'"act", "condition": {value}')

    assert problem_of(text).startswith(expected)


def test_a_long_condition_is_no_recursion():
    document = {
        "id": "w",
        "steps": [{**DOCUMENT["steps"][0], "condition": "not " * 1_000 + "true"}],
    }

    with contextlib.suppress(DefinitionError):
        load_workflow(document)


def test_hostile_references():
    text = json.dumps({**DOCUMENT, "output": ["${" * 30_000, "${a" + "." * 60_000 + "}"]})

    with pytest.raises(DefinitionError) as caught:
        load_workflow(text)

    assert ["$.output[0]", "$.output[1]"] == [problem.path for problem in caught.value.problems]


def test_a_document_of_mistakes_is_read_in_time():
    """Suggestions stop when they would take minutes."""
    steps = [{"id": f"step{i}", "action": "x"} for i in range(600)]
    wrong = [
        {"source": f"stepp{i}", "target": "x" * 70_000 if i == 5 else f"stap{i}"}
        for i in range(600)
    ]

    with pytest.raises(DefinitionError) as caught:
        load_workflow({"id": "w", "steps": steps, "connections": wrong})

    assert 1200 == len(caught.value.problems)
    assert 'did you mean "step0"?' in caught.value.problems[0].message
    assert "did you mean" not in caught.value.problems[-1].message


@pytest.mark.parametrize(
    ("document", "expected"),
    (
        ({"id": {1, 2}, "steps": DOCUMENT["steps"]}, "$.id: is a Python set, which JSON lacks"),
        ({**DOCUMENT, 5: 1}, "$: has a key that is a number, 5; keys are strings"),
        ({**DOCUMENT, "labels": {None: "x"}}, "$.labels: has a key that is null, None; keys are"),
        ({**DOCUMENT, "labels": {"\ud800": "x"}}, "$.labels: has a key that is no Unicode text"),
        ({**DOCUMENT, "input": {"x": [float("nan")]}}, "$.input.x[0]: is nan, which JSON lacks"),
        ({**DOCUMENT, "input": {"x": 10**2000}}, "$.input.x: is an integer of more than 1,000"),
        ({**DOCUMENT, "input": {"x": print}}, "$.input.x: is a function without a name of its own"),
    ),
    ids=lambda value: str(value)[-40:],
)
def test_mappings_that_are_no_json(document, expected):
    assert problem_of(document).startswith(expected)


def test_keys_that_stand_twice():
    text = '{"id": "w", "id": "v", "steps": [{"id": "a", "action": "x", "parameters": {"a b": 1, "a b": 2, "a b": 3}}]}'

    with pytest.raises(DefinitionError) as caught:
        load_workflow(text)

    assert {
        '$: has the key "id" twice; write it once',
        '$.steps[0].parameters: has the key "a b" twice; write it once',
    } == {str(problem) for problem in caught.value.problems}


# ---- YAML ----


@pytest.fixture(params=("C", "Python"))
def loader(request, monkeypatch):
    """Both loaders of PyYAML: not every build has the one in C."""
    if request.param == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("name", ("w.yaml", "w.yml", "w.YAML"))
def test_yaml_files(write, name):
    text = "# comment\nid: w\nsteps:\n- id: a\n  action: act\n"

    assert load_workflow(write(text, name)) == EXPECTED


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("written", "expected"),
    (
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("2030-01-01", "2030-01-01"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("<<", "<<"),
        ("=", "="),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("Null", None),
        ("12", 12),
        ("-12", -12),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!int 12", 12),
        ("!!float 12", 12),
        ("!!map {}", {}),
        ("!!seq [1, {a: b}]", [1, {"a": "b"}]),
        ("|\n    text\n", "text\n"),
        ("&x [1, &y 2]", [1, 2]),
        ("[&x {a: 1}, *x]", [{"a": 1}, {"a": 1}]),
        ('{"a":1}', {"a": 1}),
        ("{on: off}", {"on": "off"}),
    ),
    ids=str,
)
def test_values_of_yaml(write, written, expected):
    path = write(f"id: w\nsteps: [{{id: a, action: act}}]\ninput:\n  x: {written}\n", "w.yaml")

    actual = load_workflow(path).input["x"]

    assert expected == actual
    assert type(expected) is type(actual)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("", "$: a workflow is an object, not null"),
        ("- a", "$: a workflow is an object, not a list"),
        ("id: [a", "$: is no YAML that can be used: line "),
        ("id: w\n\t- b", "$: is no YAML that can be used: line 2, column "),
        ("id: a\n---\nid: b", "line 2, column 1: a second document; a file holds one workflow"),
        ("1: a", "line 1, column 1: keys are strings; put this one in quotes"),
        ("true: a", "keys are strings"),
        ("[a]: b", "line 1, column 1: keys are strings"),
        ("id: *a", "line 1, column 5: *a refers to nothing that stands before it"),
        ("id: &a [*a]", "*a refers to nothing that stands before it"),
        ("id: !!python/object/apply:os.system [ls]", "the tag tag:yaml.org,2002:python/object/apply:os.system is not"),
        ("id: !mine x", "the tag !mine is not one of JSON's types"),
        ("id: !!int x", "is tagged !!int, but is not one"),
        ("id: a\x07", "$: is no YAML: "),
        ('id: "\\U99999999"', "$: is no YAML"),
        ("[" * 5000, "$: is no YAML that can be used: line 1, column "),
        ("- " * 5000 + "a", "nested more than 100 deep"),
    ),
    ids=lambda value: value[:30],
)  # fmt: skip
def test_faults_of_yaml(write, text, expected):
    assert expected in problem_of(write(text, "w.yaml"))


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("written", "expected"),
    (
        ("{a: 1, a: 2}", '$.input.x: has the key "a" twice'),
        (".nan", "$.input.x: is .nan, which JSON lacks"),
        ("[-.inf]", "$.input.x[0]: is -.inf, which JSON lacks"),
        ("9" * 5000, "$.input.x: is an integer of more than 1,000 digits"),
        ("0x" + "f" * 5000, "$.input.x: is an integer of more than 1,000 digits"),
        ("1e999", "$.input.x: is inf, which JSON lacks"),
    ),
    ids=lambda value: value[:20],
)
def test_values_that_yaml_has_and_json_lacks(write, written, expected):
    path = write(f"id: w\nsteps: [{{id: a, action: act}}]\ninput: {{x: {written}}}\n", "w.yaml")

    assert problem_of(path).startswith(expected)


def test_yaml_is_an_extra(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)

    problem = problem_of(write("id: a", "w.yaml"))

    assert "to read YAML, PyYAML is needed: pip install PyYAML;" in problem
