"""``trioflow graph``: a workflow, or an execution with its statuses, as Mermaid, DOT or SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trioflow.cli._completing import documents_or_executions
from trioflow.cli._options import store_option, store_to_read
from trioflow.cli._writing import print_bytes

if TYPE_CHECKING:
    from trioflow.engine import Snapshot

FORMATS = ("mermaid", "dot", "svg")


@click.command("graph", short_help="Draw a workflow, or an execution, as Mermaid, DOT or SVG.")
@click.argument("what", metavar="FILE|ID", shell_complete=documents_or_executions)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="mermaid",
    show_default=True,
    help="What to write.",
)
@store_option
def graph_command(what: str, form: str, store: str) -> None:
    """Draw the workflow in FILE, or the execution ID with the status of its steps.

    Solid arrows are connections, with their conditions; dotted ones only make a step wait. SVG
    shows connections after a failure dashed, and leaves out waits that others imply.
    """
    from trioflow import pictures

    draw: Mapping[str, Callable[..., str]] = {
        "mermaid": pictures.graph_mermaid,
        "dot": pictures.graph_dot,
        "svg": pictures.graph_svg,
    }
    if Path(what).is_file() or what.endswith((".json", ".yaml", ".yml")):
        from trioflow.cli._documents import load

        text = draw[form](load(what))
    else:
        snapshot = _look(what, store)
        text = draw[form](snapshot.workflow, **pictures.outcome(snapshot))
    if form == "svg":
        # XML says UTF-8, whatever the terminal has.
        print_bytes(f"{text}\n".encode())
    else:
        click.echo(text, nl=False)


def _look(execution_id: str, store: str) -> Snapshot:
    import trio

    from trioflow.engine import look

    async def read() -> Snapshot:
        async with store_to_read(store) as opened:
            return await look(opened, execution_id)

    return trio.run(read)
