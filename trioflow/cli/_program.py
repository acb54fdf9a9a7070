"""`main`: the program `trioflow`, which finds its commands and tells what goes wrong."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from trioflow.cli._errors import broken_pipe, guarded
from trioflow.cli._output import prepare_streams

# What a shell sets that asks what could come next; click makes the name of it.
VARIABLE = "_TRIOFLOW_COMPLETE"

# Where each command lives and what it does, so that `--help` need not import them all. The order
# is that of the help.
COMMANDS = {
    "run": ("_run", "Execute a workflow, with live progress."),
    "check": ("_check", "Find every fault of a workflow document."),
    "list": ("_list", "List executions, newest first."),
    "show": ("_show", "Show one execution: what happened, why, and what it waits for."),
    "history": ("_history", "Print the events of an execution."),
    "stats": ("_stats", "Count what became of executions and steps."),
    "signal": ("_steer", "Bring a signal that an execution waits for."),
    "resume": ("_steer", "Continue an execution, with what it waits for."),
    "cancel": ("_steer", "Cancel an execution and wait for its end."),
    "pause": ("_steer", "Let an execution start nothing more, until it is resumed."),
    "fork": ("_fork", "Run some steps of an ended execution again, as a new one."),
    "recover": ("_recover", "Continue all executions that are open."),
    "graph": ("_graph", "Draw a workflow, or an execution, as Mermaid, DOT or SVG."),
    "report": ("_report", "Write a page of HTML about one execution."),
    "schema": ("_check", "Print the JSON Schema of workflow documents."),
    "completion": ("_completion", "Print what lets a shell complete commands with Tab."),
}

# What other programs, or Python, call the same.
_ELSEWHERE = {
    "approve": "signal",
    "events": "history",
    "inspect": "show",
    "kill": "cancel",
    "lint": "check",
    "log": "history",
    "logs": "history",
    "ls": "list",
    "ps": "list",
    "start": "run",
    "statistics": "stats",
    "status": "show",
    "stop": "cancel",
    "validate": "check",
}


class Program(click.Group):
    """The group of all commands; calling it exits with one of the codes of `_errors.py`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which somebody meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"trioflow.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; say which one may be meant where there is none of that name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name[:64], COMMANDS, n=1)
            meant = _ELSEWHERE.get(name) or (near[0] if near else None)
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke the command; click would answer a broken pipe with 1, which means failed here."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(broken_pipe()) from None

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run, and exit."""
        extra["standalone_mode"] = False
        if VARIABLE in os.environ:
            # A shell asks. How bash does it is said there.
            importlib.import_module("trioflow.cli._completion")
        prepare_streams()
        run = super().main
        sys.exit(guarded(lambda: run(args, prog_name or "trioflow", **extra)))


@click.group(
    "trioflow",
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 usage or definition error, 3 paused, 4 cancelled, "
    "130 interrupted. Results go to stdout, everything else to stderr.",
)
@click.version_option(None, "--version", package_name="trioflow", message="%(prog)s %(version)s")
def main() -> None:
    """Durable workflows: execute them, look at them, steer them.

    Executions live in a store, by default ./trioflow.db; what is interrupted can be continued.
    """
