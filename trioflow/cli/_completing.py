"""What stands for Tab where a command wants a file, an execution or a workflow.

It reads only, and stays silent whatever is wrong: somebody is in the middle of a line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from trioflow.cli._text import plain
from trioflow.errors import TrioflowError

if TYPE_CHECKING:
    from trioflow.stores import Head

Items = list[CompletionItem[str]]
Completing = Callable[[click.Context, click.Parameter, str], Items]

# So many of the newest executions are looked through, which takes some milliseconds.
_MOST = 1000
_ENDINGS = (".workflow.json", ".workflow.yaml", ".workflow.yml")


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Let the shell complete files."""
    return [CompletionItem(incomplete, type="file")]


def documents(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Return the workflow documents of a folder; without any, the shell completes files."""
    # Not with `Path`, which would take the `./` away that somebody has typed.
    folder, beginning = os.path.split(incomplete)
    try:
        names = sorted(os.listdir(folder or "."))  # noqa: PTH208
    except (OSError, ValueError):
        names = []
    found = [
        os.path.join(folder, name)  # noqa: PTH118
        for name in names
        if name.startswith(beginning) and name.endswith(_ENDINGS) and name.isprintable()
    ]
    return [CompletionItem(name) for name in found] or files(context, parameter, incomplete)


def executions(*statuses: str) -> Completing:
    """Return what completes the ids of executions with one of these statuses, newest first."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
        return [
            CompletionItem(head.id, help=f"{plain(head.workflow)} {head.status}")
            for head in _heads(context, statuses)
            if head.id.startswith(incomplete)
            # An id with a colon is that of a child, and steered by that of its parent.
            and ":" not in head.id
        ]

    return complete


def workflow_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Return the ids of the workflows in the store."""
    names = {head.workflow for head in _heads(context, ())}
    return [
        CompletionItem(name)
        for name in sorted(names)
        if name.startswith(incomplete) and name.isprintable()
    ]


def documents_or_executions(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> Items:
    """Return workflow documents, and the ids of executions."""
    ids = any_execution(context, parameter, incomplete)
    found = documents(context, parameter, incomplete)
    # To leave files to the shell would take the ids away.
    return [*ids, *(item for item in found if item.type == "plain" or not ids)]


def _heads(context: click.Context, statuses: tuple[str, ...]) -> list[Head]:
    import trio

    from trioflow.cli._options import DEFAULT_STORE, store_to_read

    async def read() -> list[Head]:
        async with store_to_read(context.params.get("store") or DEFAULT_STORE) as opened:
            return await opened.heads(status=statuses or None, limit=_MOST)

    try:
        return trio.run(read)
    except (TrioflowError, click.ClickException, OSError, ValueError):
        return []


any_execution = executions()
open_execution = executions("PENDING", "RUNNING", "PAUSED")
ended_execution = executions("COMPLETED", "FAILED", "CANCELLED")
