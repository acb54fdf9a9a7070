"""``trioflow resume``, ``signal`` and ``cancel``.

They open an engine of their own for the one execution. If another engine has the store open,
they say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from trioflow.cli._options import (
    actions_option,
    allow_option,
    input_file_option,
    input_option,
    json_option,
    require_store,
    store_option,
)


@click.command("resume", short_help="Continue an execution, with what it waits for.")
@click.argument("execution_id", metavar="ID")
@input_option
@input_file_option
@click.option(
    "--decide",
    "decisions",
    multiple=True,
    metavar="STEP=DECISION",
    help="What becomes of a step that waits for a decision: retry, failed or completed:=JSON.",
)
@actions_option
@allow_option
@store_option
@json_option
def resume_command(
    execution_id: str,
    inputs: tuple[str, ...],
    input_file: str | None,
    decisions: tuple[str, ...],
    actions: tuple[str, ...],
    allow: tuple[str, ...],
    store: str,
    as_json: bool,
) -> int:
    """Continue the execution ID and print the output of its workflow as JSON.

    One that is PAUSED needs what it waits for (`trioflow show ID` tells); one that was interrupted
    needs nothing. From then on it is as with `trioflow run`.
    """
    from trioflow.cli._drive import Job, drive
    from trioflow.cli._input import read_input
    from trioflow.engine import Engine, Execution

    found = read_input(input_file, inputs)
    decided = parse_decisions(decisions)
    require_store(store)

    async def begin(engine: Engine) -> Execution:
        execution = await engine.execution(execution_id)
        ended = execution.status in ("COMPLETED", "FAILED", "CANCELLED")
        paused = any(entry.kind == "resume" for entry in execution.waiting_for)
        if found or decided or paused or ended:
            await execution.resume(found, decided)
        else:
            await engine.continue_execution(execution)
        return execution

    return drive(Job(store, actions, allow, as_json), begin)


@click.command("signal", short_help="Bring a signal that an execution waits for.")
@click.argument("execution_id", metavar="ID")
@click.argument("name", metavar="NAME")
@click.argument("payload", metavar="[JSON]", required=False)
@actions_option
@allow_option
@store_option
@json_option
def signal_command(
    execution_id: str,
    name: str,
    payload: str | None,
    actions: tuple[str, ...],
    allow: tuple[str, ...],
    store: str,
    as_json: bool,
) -> int:
    """Bring the signal NAME to the execution ID, with a payload (default: null), and continue it.

    The first payload that fits is kept. From then on it is as with `trioflow run`.
    """
    from trioflow.cli._drive import Job, drive
    from trioflow.cli._input import parse_json
    from trioflow.engine import Engine, Execution

    value = None if payload is None else parse_json(payload, "the payload")
    require_store(store)

    async def begin(engine: Engine) -> Execution:
        execution = await engine.execution(execution_id)
        await execution.signal(name, value)
        return execution

    return drive(Job(store, actions, allow, as_json), begin)


@click.command("cancel", short_help="Cancel an execution and wait for its end.")
@click.argument("execution_id", metavar="ID")
@click.option("--reason", default="", help="Why; it is kept in the history.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long running attempts may still end by themselves.  [default: 0]",
)
@actions_option
@allow_option
@store_option
@json_option
def cancel_command(
    execution_id: str,
    reason: str,
    grace: float,
    actions: tuple[str, ...],
    allow: tuple[str, ...],
    store: str,
    as_json: bool,
) -> int:
    """Cancel the execution ID for good, and wait until nothing of it runs any more.

    Exits with 0 when it is CANCELLED. To stop for now, interrupt `trioflow run` instead.
    """
    from trioflow.cli._drive import Job, drive
    from trioflow.engine import Engine, Execution

    require_store(store)

    async def begin(engine: Engine) -> Execution:
        execution = await engine.execution(execution_id)
        await execution.cancel(reason, grace)
        return execution

    return drive(Job(store, actions, allow, as_json), begin, wanted="CANCELLED")


def parse_decisions(texts: Iterable[str]) -> dict[str, Any]:
    """Return the decisions of ``--decide step=retry``, ``step=completed:=json``."""
    from trioflow.cli._prompt import parse_decision

    found: dict[str, Any] = {}
    for text in texts:
        step, _, decision = text.partition("=")
        if not step or step in found:
            problem = "is the second decision about this step" if step else "names no step"
            raise click.BadParameter(f"{text!r} {problem}", param_hint="--decide")
        try:
            found[step] = parse_decision(decision)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--decide") from None
    return found
