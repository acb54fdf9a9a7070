"""``trioflow report``: a page about one execution, to look at and to send to somebody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from trioflow.cli._completing import any_execution
from trioflow.cli._options import DEFAULT_STORE, store_option, store_to_read
from trioflow.cli._output import say
from trioflow.cli._writing import write_file

if TYPE_CHECKING:
    from trioflow.engine import Snapshot


@click.command("report", short_help="Write a page of HTML about one execution.")
@click.argument("execution_id", metavar="ID", shell_complete=any_execution)
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    metavar="FILE.html",
    help="Where to write it; '-' is stdout.",
)
@store_option
def report_command(execution_id: str, path: str, store: str) -> None:
    """Write a page about the execution ID: errors, graph, timeline, steps, history.

    It is one file that needs no other and no network, for light and dark screens and for paper.
    It holds all inputs and outputs, as the store does, and no secrets.
    """
    import trio

    from trioflow.cli._words import answers, resuming
    from trioflow.engine import look
    from trioflow.pictures import execution_html

    async def read() -> Snapshot:
        async with store_to_read(store) as opened:
            return await look(opened, execution_id)

    snapshot = trio.run(read)
    options = [] if store == DEFAULT_STORE else ["--store", store]
    commands = answers(snapshot.id, snapshot.waiting_for, options)
    if snapshot.status == "PAUSED" and not snapshot.waiting_for:
        commands = [resuming(snapshot, options)]
    page = execution_html(snapshot, now=time.time(), commands=commands)
    write_file(path, page.encode())
    if path != "-":
        say(f"{snapshot.id} is {snapshot.status}; written to {path}")
