"""`trioflow graph`: pictures of workflows and executions, whatever stands in them."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

MERMAID = """\
flowchart TD
    s0["boil<br/>Heat the water<br/>kitchen.boil"]
    s1["steep<br/>kitchen.steep"]
    s2["milk<br/>kitchen.boil"]
    s3["serve<br/>kitchen.serve"]
    s0 --> s2
    s1 --> s3
    s0 -.-> s1
"""

DOT = """\
digraph "tea" {
    node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="sans-serif"]
    edge [fontname="sans-serif", fontsize=10]
    s0 [label="boil\\nHeat the water\\nkitchen.boil", shape=box]
    s1 [label="steep\\nkitchen.steep", shape=box]
    s2 [label="milk\\nkitchen.boil", shape=box]
    s3 [label="serve\\nkitchen.serve", shape=box]
    s0 -> s2
    s1 -> s3
    s0 -> s1 [style=dotted]
}
"""


def test_a_workflow(do: Any) -> None:
    assert MERMAID == do("graph", "tea.json").stdout
    assert DOT == do("graph", "tea.json", "--format", "dot").stdout


def test_an_execution_has_colours(run_tea: Any, do: Any) -> None:
    run_tea("--id", "one", exits=3)
    mermaid = do("graph", "one").stdout
    dot = do("graph", "one", "--format", "dot").stdout

    assert 's2["milk<br/>kitchen.boil"]:::skipped' in mermaid
    assert 's3["serve<br/>kitchen.serve"]:::paused' in mermaid
    assert "classDef completed fill:#d3f0d8" in mermaid
    assert 's3 [label="serve\\nkitchen.serve", shape=box, fillcolor="#ead8f3"' in dot


HOSTILE = '"quoted" [b]\n<br> {x} | `y` \\ # & ; %% \x1b[31m \u202e'
TYPES = {
    "id": 'w"\\',
    "steps": [
        {"id": "begin", "type": "trigger", "name": HOSTILE},
        {"id": "bell", "type": "wait", "signal": 'a"b'},
        {"id": "nap", "type": "sleep", "duration": "90s"},
        {"id": "alarm", "type": "sleep", "until": "${input.when}"},
        {"id": "child", "type": "workflow", "workflow": "other"},
    ],
    "connections": [
        {"source": "begin", "target": "bell", "condition": "input.x == '\"]-->'"},
        {"source": "begin", "target": "nap", "default": True},
        {"source": "bell", "target": "alarm", "on": "failure"},
        {"source": "nap", "target": "child", "on": "always", "condition": "input.y > 1"},
    ],
}


def test_nothing_in_a_document_is_part_of_the_language(do: Any, store_document: Any) -> None:
    """Each line is one statement of known form, whatever the texts are."""
    store_document("types.json", TYPES)
    mermaid = do("graph", "types.json").stdout.splitlines()[1:]
    dot = do("graph", "types.json", "--format", "dot").stdout.splitlines()[3:-1]

    label = r'"[^"\[\]{}<>|`\\]*"'
    box = rf"s\d(\[{label}\]|\(\[{label}\]\)|\{{\{{{label}\}}\}}|\({label}\)|\[\[{label}\]\])"
    for line in mermaid:
        line = line.strip().replace("<br/>", " ")
        assert re.fullmatch(rf"{box}|s\d -->(\|{label}\|)? s\d|s\d -\.-> s\d", line), line
    quoted = r'"([^"\\]|\\.)*"'
    for line in dot:
        value = rf"({quoted}|\w+)"
        attributes = rf"\[\w+={value}(, \w+={value})*\]"
        assert re.fullmatch(rf"s\d( -> s\d)?( {attributes})?", line.strip()), line
    assert "#34;quoted#34; #91;b#93;#92;n#60;br#62;" in "".join(mermaid)
    assert "sleeps 1 min 30 s" in "".join(dot)


def test_taken_and_dead_connections(do: Any, store_document: Any) -> None:
    connections = [connection for connection in TYPES["connections"] if "x" not in str(connection)]
    steps = [{"id": name, "type": "trigger"} for name in ("begin", "bell", "nap", "alarm", "child")]
    store_document("dead.json", {"id": "dead", "steps": steps, "connections": connections[1:]})
    do("run", "dead.json", "--id", "dead", "-i", "y:=0")

    assert "linkStyle 0,1 stroke:#bbbbbb" in do("graph", "dead").stdout
    assert 'color="#bbbbbb"' in do("graph", "dead", "--format", "dot").stdout


@pytest.mark.parametrize("form", ("mermaid", "dot"), ids=str)
def test_large_levels_meet_in_a_junction(do: Any, store_document: Any, form: str) -> None:
    """Fifty before fifty are 100 dotted lines, not 2,500."""
    step = {"type": "trigger"}
    steps = [{"id": f"s{i}", "sequence_order": i // 50, **step} for i in range(100)]
    store_document("levels.json", {"id": "levels", "steps": steps})
    lines = do("graph", "levels.json", "--format", form).stdout.splitlines()

    assert 100 == sum(line.count("g0") for line in lines) - 1


def test_a_file_that_is_not_there(do: Any) -> None:
    assert 'there is no file "no.json"' in do("graph", "no.json", exits=2).stderr


def test_svg(run_tea: Any, do: Any) -> None:
    run_tea("--id", "one", exits=3)
    plain = ET.fromstring(do("graph", "tea.json", "--format", "svg").stdout)
    coloured = ET.fromstring(do("graph", "one", "--format", "svg").stdout)

    def classes(svg: ET.Element) -> dict[str | None, str | None]:
        return {
            group.get("data-step"): group.get("class")
            for group in svg.iter("{http://www.w3.org/2000/svg}g")
            if group.get("data-step")
        }

    assert ["boil", "steep", "milk", "serve"] == list(classes(plain))
    assert {"step action"} == set(classes(plain).values())
    assert {
        "boil": "step action completed",
        "steep": "step action completed",
        "milk": "step action skipped",
        "serve": "step action paused",
    } == classes(coloured)
