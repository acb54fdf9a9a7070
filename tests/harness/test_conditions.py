"""The oracle's evaluator against the table that trioflow's has to pass, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.oracle._conditions import Absent, Scope, evaluate, resolve
from harness.oracle._reading import Names, Wrong, read_condition

TABLE = Path(__file__).parents[1] / "definitions" / "vectors.json"
VECTORS = json.loads(TABLE.read_text(encoding="utf-8"))


def names(row: dict[str, Any]) -> Names:
    # A source is a step, even where the table does not say so.
    return Names(frozenset(row.get("steps", ())), row.get("source"), row.get("item_name"))


def described(row: dict[str, Any]) -> str:
    return f"{row['why']}: {row.get('condition', row.get('template'))}"[:80]


def condition_outcome(row: dict[str, Any]) -> dict[str, Any]:
    try:
        node = read_condition(row["condition"], names(row))
    except Wrong:
        return {"expected": "error", "when": "load"}
    try:
        found = evaluate(node, Scope(**row.get("scope", {})))
    except Wrong:
        return {"expected": "error", "when": "test"}
    if not isinstance(found, Absent):
        return {"expected": found}
    # By which words something that nobody can bring is called does not matter to the oracle.
    return {"expected": "missing", "inputs": list(found.inputs), "others": bool(found.others)}


@pytest.mark.parametrize("row", tuple(VECTORS["conditions"]), ids=described)
def test_condition(row: dict[str, Any]) -> None:
    expected = {key: row[key] for key in ("expected", "when", "inputs") if key in row}
    if "others" in row:
        expected["others"] = bool(row["others"])

    assert expected == condition_outcome(row)


def template_outcome(row: dict[str, Any]) -> dict[str, Any]:
    try:
        value, absent = resolve(row["template"], names(row), Scope(**row.get("scope", {})))
    except Wrong:
        return {"expected": "error"}
    if absent != Absent():
        found = {"inputs": list(absent.inputs), "others": len(absent.others)}
        return {"expected": "missing", **found}
    return {"expected": "value", "value": value}


@pytest.mark.parametrize("row", tuple(VECTORS["templates"]), ids=described)
def test_template(row: dict[str, Any]) -> None:
    expected = {key: row[key] for key in ("expected", "value", "inputs") if key in row}
    if "others" in row:
        expected["others"] = len(row["others"])

    # As JSON, because to Python 1 is 1.0 and true.
    assert json.dumps(expected) == json.dumps(template_outcome(row))
