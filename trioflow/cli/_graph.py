"""``trioflow graph``: a workflow as Mermaid or DOT, coloured by status if it is an execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from trioflow.cli._options import store_option, store_to_read
from trioflow.cli._text import duration, plain, shorten

if TYPE_CHECKING:
    from trioflow.definitions import Plan, PlannedConnection, PlannedStep
    from trioflow.engine import Snapshot

# Fill and border for each status; dark text is readable on all of them.
COLOURS: Mapping[str, tuple[str, str]] = {
    "COMPLETED": ("#d3f0d8", "#2e7d32"),
    "FAILED": ("#f8d4d4", "#b71c1c"),
    "CANCELLED": ("#fbeccb", "#b26a00"),
    "SKIPPED": ("#eeeeee", "#9e9e9e"),
    "RUNNING": ("#d0ebf7", "#01579b"),
    "PAUSED": ("#ead8f3", "#6a1b9a"),
    "PENDING": ("#ffffff", "#616161"),
}

_LONGEST_LABEL = 60


@attrs.frozen
class Picture:
    """What is drawn: a plan, and what has become of it if it is that of an execution."""

    plan: Plan
    statuses: Mapping[str, str]
    connections: Mapping[str, bool | None]


@click.command("graph", short_help="Draw a workflow, or an execution, as Mermaid or DOT.")
@click.argument("what", metavar="FILE|ID")
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="What to write.",
)
@store_option
def graph_command(what: str, form: str, store: str) -> None:
    """Draw the workflow in FILE, or the execution ID with the status of its steps.

    Solid arrows are connections, with their conditions; dotted ones only make a step wait.
    """
    if Path(what).is_file() or what.endswith((".json", ".yaml", ".yml")):
        from trioflow.cli._documents import load

        picture = Picture(load(what).plan, {}, {})
    else:
        picture = _picture_of(_look(what, store))
    click.echo("\n".join(FORMATS[form](picture)))


def _look(execution_id: str, store: str) -> Snapshot:
    import trio

    from trioflow.engine import look

    async def read() -> Snapshot:
        async with store_to_read(store) as opened:
            return await look(opened, execution_id)

    return trio.run(read)


def _picture_of(snapshot: Snapshot) -> Picture:
    statuses = {step.id: step.status for step in snapshot.steps.values()}
    return Picture(snapshot.workflow.plan, statuses, snapshot.connections)


# ---- what is common to all formats ----


def step_lines(step: PlannedStep) -> Sequence[str]:
    """Return the lines in the box of a step: its id, its name, and what it does."""
    lines = [step.id]
    if step.step.name:
        lines.append(shorten(plain(step.step.name), _LONGEST_LABEL))
    if step.call is not None:
        lines.append(plain(step.call.action))
    elif step.type == "wait":
        lines.append(f"waits for {plain(step.signal)}")
    elif step.type == "sleep":
        length = step.step.duration
        words = duration(length) if isinstance(length, float | int) else length
        lines.append(
            plain(f"sleeps until {step.step.until}" if words is None else f"sleeps {words}")
        )
    elif step.type == "workflow":
        lines.append(f"workflow {plain(step.workflow)}")
    else:
        lines.append(step.type)
    return lines


def connection_label(connection: PlannedConnection) -> str:
    """Return when a connection is taken, or nothing if that is after success, always."""
    words: list[str] = [] if connection.on == "success" else [connection.on]
    if connection.condition is not None:
        words.append(shorten(plain(connection.condition.text), _LONGEST_LABEL))
    if connection.default:
        words.append("default")
    return ": ".join(words)


@attrs.frozen
class Waits:
    """What only makes steps wait: pairs of nodes, and the junctions among these.

    Levels of many steps before many others meet in a junction: 100 lines instead of 2,500.
    """

    edges: Sequence[tuple[str, str]]
    junctions: Sequence[str]


def waits(plan: Plan) -> Waits:
    """Return the gates of a plan, but for what connections say already."""
    connected = {(connection.source, connection.target) for connection in plan.connections}
    edges: dict[tuple[str, str], None] = {}
    junctions = []
    for number, gate in enumerate(plan.gates):
        if len(gate.members) > 2 and len(gate.waiters) > 2:
            junctions.append(name := f"g{number}")
            edges |= dict.fromkeys((f"s{member}", name) for member in gate.members)
            edges |= dict.fromkeys((name, f"s{waiter}") for waiter in gate.waiters)
            continue
        edges |= {
            (f"s{member}", f"s{waiter}"): None
            for member in gate.members
            for waiter in gate.waiters
            if (member, waiter) not in connected
        }
    return Waits(list(edges), junctions)


# ---- Mermaid ----

_MERMAID_SHAPES: Mapping[str, tuple[str, str]] = {
    "action": ("[", "]"),
    "trigger": ("([", "])"),
    "wait": ("{{", "}}"),
    "sleep": ("(", ")"),
    "workflow": ("[[", "]]"),
}


def mermaid(picture: Picture) -> Iterator[str]:
    """Yield the lines of a Mermaid flowchart."""
    yield "flowchart TD"
    for step in picture.plan.steps:
        start, end = _MERMAID_SHAPES[step.type]
        label = "<br/>".join(map(mermaid_text, step_lines(step)))
        status = picture.statuses.get(step.id)
        # The colons of the class, and a name that cannot be a word of the language.
        style = f":::{status.lower()}" if status else ""
        yield f'    s{step.index}{start}"{label}"{end}{style}'
    dead = []
    for number, connection in enumerate(picture.plan.connections):
        text = connection_label(connection)
        label = f'|"{mermaid_text(text)}"|' if text else ""
        yield f"    s{connection.source} -->{label} s{connection.target}"
        if picture.connections.get(connection.id) is False:
            dead.append(str(number))
    waiting = waits(picture.plan)
    for junction in waiting.junctions:
        yield f'    {junction}((" "))'
    for earlier, later in waiting.edges:
        yield f"    {earlier} -.-> {later}"
    for status in dict.fromkeys(picture.statuses.values()):
        fill, border = COLOURS[status]
        yield f"    classDef {status.lower()} fill:{fill},stroke:{border},color:#111111"
    if dead:
        yield f"    linkStyle {','.join(dead)} stroke:#bbbbbb,color:#999999"


def mermaid_text(text: str) -> str:
    """Return text for within double quotes: all that means something is written as a number."""
    return "".join(
        character if character.isalnum() or character in " _-.,:/=+!?'" else f"#{ord(character)};"
        for character in text
    )


# ---- DOT ----

_DOT_SHAPES: Mapping[str, str] = {
    "action": "box",
    "trigger": "oval",
    "wait": "hexagon",
    "sleep": "box",
    "workflow": "box3d",
}


def dot(picture: Picture) -> Iterator[str]:
    """Yield the lines of a DOT digraph."""
    yield f"digraph {dot_text(picture.plan.workflow.id)} {{"
    yield '    node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="sans-serif"]'
    yield '    edge [fontname="sans-serif", fontsize=10]'
    for step in picture.plan.steps:
        attributes = [f"label={dot_text(*step_lines(step))}", f"shape={_DOT_SHAPES[step.type]}"]
        if status := picture.statuses.get(step.id):
            fill, border = COLOURS[status]
            attributes += [f'fillcolor="{fill}"', f'color="{border}"']
        yield f"    s{step.index} [{', '.join(attributes)}]"
    for connection in picture.plan.connections:
        attributes = []
        if text := connection_label(connection):
            attributes.append(f"label={dot_text(text)}")
        if picture.connections.get(connection.id) is False:
            attributes += ['color="#bbbbbb"', 'fontcolor="#999999"']
        suffix = f" [{', '.join(attributes)}]" if attributes else ""
        yield f"    s{connection.source} -> s{connection.target}{suffix}"
    waiting = waits(picture.plan)
    for junction in waiting.junctions:
        yield f"    {junction} [shape=point]"
    for earlier, later in waiting.edges:
        yield f"    {earlier} -> {later} [style=dotted]"
    yield "}"


def dot_text(*lines: str) -> str:
    """Return a quoted string of these lines."""
    escaped = [plain(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'


FORMATS: Mapping[str, Callable[[Picture], Iterator[str]]] = {"mermaid": mermaid, "dot": dot}
