"""The documents of the examples: they load, their inputs fit, and their actions fit them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

import trioflow
from trioflow.actions import Registry

NAMES = ("logs", "order", "release")


@pytest.mark.parametrize("name", NAMES)
def test_the_document_loads(examples: Path, name: str) -> None:
    """There is no fault in it, and it is named after its folder."""
    assert name == trioflow.load_workflow(examples / name / f"{name}.workflow.json").id


@pytest.mark.parametrize("name", NAMES)
def test_the_inputs_fit(examples: Path, name: str) -> None:
    """Each input file is accepted by the document's input schema."""
    document = json.loads((examples / name / f"{name}.workflow.json").read_text())
    found = list((examples / name).glob("input*.json"))
    for path in found:
        jsonschema.validate(json.loads(path.read_text()), document["input_schema"])

    assert found


@pytest.mark.parametrize("name", NAMES)
def test_the_actions_fit(
    examples: Path, actions_of: Callable[[str], ModuleType], name: str
) -> None:
    """Every action is there and takes the parameters that it is given; none is left over."""
    module = actions_of(name)
    registry = Registry([module], allow=["process.run"], entry_points=False)
    document = json.loads((examples / name / f"{name}.workflow.json").read_text())
    steps = document.get("steps") or [node["config"] for node in document["nodes"]]
    calls = [step for step in steps if "action" in step]
    calls += [step["compensate"] for step in steps if "compensate" in step]
    complaints = [
        complaint
        for call in calls
        for complaint in registry.get(call["action"]).check_parameters(call["parameters"])
    ]

    assert [] == complaints
    used = {call["action"] for call in calls} - {"process.run", *Registry().names}
    assert used == set(Registry([module], entry_points=False).names) - set(Registry().names)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_names_what_is_there(examples: Path, name: str) -> None:
    """The command in it uses files of the folder, and it stays short."""
    text = (examples / name / "README.md").read_text()
    prose, _, _ = text.partition("```")
    command = next(
        line
        for line in text.splitlines()
        if line.startswith(("    trioflow run", "$ trioflow run"))
    )
    files = [word for word in command.split() if word.endswith((".json", ".py"))]

    assert 3 == len(files)
    assert all((examples / name / file).exists() for file in files)
    assert len(prose.splitlines()) <= 22
