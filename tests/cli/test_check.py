"""`trioflow check` and `schema`, and the places of faults in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trioflow.cli._places import find_places, parse_path


def test_a_good_document(do: Any, kitchen: str) -> None:
    assert (
        "ok: 4 steps, 2 connections, 3 actions\n"
        == do("check", "tea.json", "--actions", kitchen).stdout
    )
    assert "not looked for: give --actions" in do("check", "tea.json").stdout
    assert {"ok": True, "workflow": "tea", "steps": 4} == json.loads(
        do("check", "tea.json", "--json").stdout
    )


@pytest.mark.parametrize(
    ("steps", "said"),
    (
        ([{}, {}], "ok: 2 steps, one after the other, 1 action ("),
        ([{"sequence_order": 2}, {"sequence_order": 1}], "ok: 2 steps, one after the other, 1"),
        ([{"sequence_order": 1}, {"sequence_order": 1}], "ok: 2 steps, 1 action ("),
        ([{}], "ok: 1 step, 1 action ("),
    ),
    ids=str,
)
def test_what_orders_the_steps(do: Any, store_document: Any, steps: Any, said: str) -> None:
    """A list without connections is in order, and no fault."""
    made = [{"id": f"a{number}", "action": "x", **step} for number, step in enumerate(steps)]
    store_document("row.json", {"id": "row", "steps": made})

    assert do("check", "row.json").stdout.startswith(said)


FAULTY = """\
{
  "id": "faulty",
  "steps": [
    {"id": "a", "action": "log", "timeuot": 3},
    {
      "id": "b",
      "action": "log",
      "depends_on": [
        "c"
      ]
    }
  ]
}
"""


def test_every_fault_at_once_with_its_line(do: Any, here: Path) -> None:
    (here / "faulty.json").write_text(FAULTY)
    result = do("check", "faulty.json", exits=2)

    lines = result.stderr.splitlines()
    assert "faulty.json has 2 problems:" == lines[0]
    assert {"  line 4, $.steps[0].timeuot", "  line 9, $.steps[1].depends_on[0]"} == {
        line.partition(":")[0] for line in lines[1:]
    }
    assert "" == result.stdout


def test_faults_for_programs(do: Any, here: Path) -> None:
    (here / "faulty.json").write_text(FAULTY)
    found = json.loads(do("check", "faulty.json", "--json", exits=2).stdout)

    assert found["ok"] is False
    assert {4, 9} == {problem["line"] for problem in found["problems"]}


def test_lines_of_yaml(do: Any, here: Path) -> None:
    (here / "faulty.yaml").write_text("id: x\nsteps:\n  - id: a\n    action: log\n    timeuot: 3\n")
    result = do("run", "faulty.yaml", exits=2)

    assert "line 5, $.steps[0].timeuot: " in result.stderr


NODES = {
    "id": "nodes",
    "nodes": [
        {"id": "a", "config": {"action": "kitchen.boil", "parameters": {"liters": 1}}},
        {"id": "b", "config": {"action": "kitchen.biol"}},
        {"id": "c", "config": {"action": "kitchen.steep", "fallback": "kitchen.boiler"}},
    ],
}


def test_actions_and_parameters(do: Any, kitchen: str, store_document: Any) -> None:
    """Unknown actions, and parameters that functions do not take, or lack."""
    store_document("nodes.json", NODES)
    result = do("check", "nodes.json", "--actions", kitchen, exits=2)

    for part in (
        "$.nodes[0].config.parameters: action 'kitchen.boil' takes no parameter 'liters'",
        "$.nodes[1].config.action: unknown action 'kitchen.biol'; did you mean 'kitchen.boil'?",
        "$.nodes[2].config.parameters: action 'kitchen.steep' lacks its parameter 'tea'",
        "$.nodes[2].config.fallback.action: unknown action 'kitchen.boiler'",
    ):
        assert part in result.stderr


def test_parameters_of_built_in_actions_without_any_others(do: Any, store_document: Any) -> None:
    store_document("log.json", {"id": "log", "steps": [{"id": "a", "action": "log"}]})
    result = do("check", "log.json", exits=2)

    assert "$.steps[0].parameters: action 'log' lacks its parameter 'message'" in result.stderr


def test_warnings_are_one_line(do: Any, store_document: Any) -> None:
    schema = {"properties": {"a": {"format": "colour"}}}
    step = {"id": "a", "action": "log", "parameters": {"message": "x"}}
    store_document("warn.json", {"id": "w", "input_schema": schema, "steps": [step]})
    result = do("check", "warn.json")

    assert result.stderr.startswith("warning: warn.json: $.input_schema.properties.a.format: ")
    assert 1 == len(result.stderr.splitlines())


def test_the_schema(do: Any) -> None:
    assert "properties" in json.loads(do("schema").stdout)


@pytest.mark.parametrize(
    ("path", "keys"),
    (
        ("$", ()),
        ("$.a[2].b", ("a", 2, "b")),
        ('$["a b"].c["x\\"y"]', ("a b", "c", 'x"y')),
    ),
    ids=str,
)
def test_paths(path: str, keys: Any) -> None:
    assert keys == parse_path(path)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    (
        ('{"a":\n [1,\n {"b": "}"}]}', "$.a[1].b", 3),
        ('{"a":\n [1,\n {"b": 2}]}', "$.a[1].nothing.at.all", 3),
        ('{"a": 1}', "$.b", None),
        ('{"a": 1}', "$", None),
        ('{"a": 1,\n "b', "$.a", 1),
        ('{"a": ,\n "b": 1}', "$.b", None),
        ("[" * 100_000, "$.a", None),
        ("[" * 100 + "\n[" * 150, "$", None),
        ("", "$.a", None),
    ),
    ids=lambda value: str(value)[:30],
)
def test_places_in_json(here: Path, text: str, path: str, line: int | None) -> None:
    (here / "x.json").write_text(text)

    assert line == find_places(here / "x.json").line(path)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    (
        ("a:\n  - x\n  - b: {c: 1,\n        d: 2}\n", "$.a[1].b.d", 4),
        ("", "$.a", None),
        ("a: [", "$.a", None),
        ("? [1]\n: x\n", "$.a", None),
        ("a: &x [*x]\n", "$.a", 1),
    ),
    ids=str,
)
def test_places_in_yaml(here: Path, text: str, path: str, line: int | None) -> None:
    (here / "x.yml").write_text(text)

    assert line == find_places(here / "x.yml").line(path)


def test_places_in_nothing(here: Path) -> None:
    (here / "bytes.json").write_bytes(b"\xff")

    assert find_places(here / "bytes.json").line("$.a") is None
    assert find_places(here / "nothing.json").line("$.a") is None
