"""`graph_mermaid` and `graph_dot`: the graph of a workflow in the languages of other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trioflow.definitions import Workflow
from trioflow.pictures._drawn import connection_label, step_lines, waits
from trioflow.pictures._style import colours, status_of
from trioflow.pictures._words import plain

_MERMAID_SHAPES: Mapping[str, tuple[str, str]] = {
    "action": ("[", "]"),
    "trigger": ("([", "])"),
    "wait": ("{{", "}}"),
    "sleep": ("(", ")"),
    "workflow": ("[[", "]]"),
}
_DOT_SHAPES: Mapping[str, str] = {
    "action": "box",
    "trigger": "oval",
    "wait": "hexagon",
    "sleep": "box",
    "workflow": "box3d",
}


def graph_mermaid(
    workflow: Workflow, *, steps: Mapping[str, str] = {}, connections: Mapping[str, str] = {}
) -> str:
    """Return the graph of a workflow as a Mermaid flowchart, for Markdown.

    `steps` and `connections` are as for `graph_svg`; of the classes of connections only ``dead``
    is seen.
    """
    return "".join(f"{line}\n" for line in _mermaid(workflow, steps, connections))


def graph_dot(
    workflow: Workflow, *, steps: Mapping[str, str] = {}, connections: Mapping[str, str] = {}
) -> str:
    """Return the graph of a workflow as a DOT digraph, for Graphviz.

    `steps` and `connections` are as for `graph_svg`; of the classes of connections only ``dead``
    is seen.
    """
    return "".join(f"{line}\n" for line in _dot(workflow, steps, connections))


def _mermaid(
    workflow: Workflow, steps: Mapping[str, str], connections: Mapping[str, str]
) -> Iterator[str]:
    plan = workflow.plan
    yield "flowchart TD"
    statuses: dict[str, None] = {}
    for step in plan.steps:
        start, end = _MERMAID_SHAPES[step.type]
        label = "<br/>".join(map(_mermaid_text, step_lines(step)))
        status = status_of(steps.get(step.id, ""))
        # The colons of the class, and a name that cannot be a word of the language.
        style = f":::{status}" if status else ""
        if status:
            statuses[status] = None
        yield f'    s{step.index}{start}"{label}"{end}{style}'
    dead = []
    for number, connection in enumerate(plan.connections):
        text = connection_label(connection)
        label = f'|"{_mermaid_text(text)}"|' if text else ""
        yield f"    s{connection.source} -->{label} s{connection.target}"
        if status_of(connections.get(connection.id, "")) == "dead":
            dead.append(str(number))
    waiting = waits(plan)
    for junction in waiting.junctions:
        yield f'    {junction}((" "))'
    for earlier, later in waiting.edges:
        yield f"    {earlier} -.-> {later}"
    for status in statuses:
        fill, border = colours(status)
        yield f"    classDef {status} fill:{fill},stroke:{border},color:#111111"
    if dead:
        yield f"    linkStyle {','.join(dead)} stroke:#bbbbbb,color:#999999"


def _mermaid_text(text: str) -> str:
    """Return text for within double quotes: all that means something is written as a number."""
    return "".join(
        character if character.isalnum() or character in " _-.,:/=+!?'" else f"#{ord(character)};"
        for character in text
    )


def _dot(
    workflow: Workflow, steps: Mapping[str, str], connections: Mapping[str, str]
) -> Iterator[str]:
    plan = workflow.plan
    yield f"digraph {_dot_text(workflow.id)} {{"
    yield '    node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="sans-serif"]'
    yield '    edge [fontname="sans-serif", fontsize=10]'
    for step in plan.steps:
        attributes = [f"label={_dot_text(*step_lines(step))}", f"shape={_DOT_SHAPES[step.type]}"]
        if status := status_of(steps.get(step.id, "")):
            fill, border = colours(status)
            attributes += [f'fillcolor="{fill}"', f'color="{border}"']
        yield f"    s{step.index} [{', '.join(attributes)}]"
    for connection in plan.connections:
        attributes = []
        if text := connection_label(connection):
            attributes.append(f"label={_dot_text(text)}")
        if status_of(connections.get(connection.id, "")) == "dead":
            attributes += ['color="#bbbbbb"', 'fontcolor="#999999"']
        suffix = f" [{', '.join(attributes)}]" if attributes else ""
        yield f"    s{connection.source} -> s{connection.target}{suffix}"
    waiting = waits(plan)
    for junction in waiting.junctions:
        yield f"    {junction} [shape=point]"
    for earlier, later in waiting.edges:
        yield f"    {earlier} -> {later} [style=dotted]"
    yield "}"


def _dot_text(*lines: str) -> str:
    """Return a quoted string of these lines."""
    escaped = [plain(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
