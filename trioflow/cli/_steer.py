"""``trioflow resume``, ``signal``, ``cancel`` and ``pause``.

They open an engine of their own for the one execution. If another engine has the store open, they
leave a request for it beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from trioflow.cli._completing import open_execution
from trioflow.cli._errors import Refused
from trioflow.cli._options import (
    Job,
    input_file_option,
    input_option,
    job_options,
    json_option,
    require_store,
    store_option,
)
from trioflow.errors import (
    DefinitionError,
    InvalidRequest,
    StoreLocked,
    UnknownAction,
    UnknownWorkflow,
)

if TYPE_CHECKING:
    from trioflow.engine import Engine, Execution, Requester

no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Only leave the request, for whoever drives the execution."
)


@click.command("resume", short_help="Continue an execution, with what it waits for.")
@click.argument("execution_id", metavar="ID", shell_complete=open_execution)
@input_option
@input_file_option
@click.option(
    "--decide",
    "decisions",
    multiple=True,
    metavar="STEP=DECISION",
    help="What becomes of a step that waits for a decision: retry, failed or completed:=JSON.",
)
@job_options
def resume_command(
    job: Job,
    *,
    execution_id: str,
    inputs: tuple[str, ...],
    input_file: str | None,
    decisions: tuple[str, ...],
) -> int:
    """Continue the execution ID and print the output of its workflow as JSON.

    One that is PAUSED needs what it waits for (`trioflow show ID` tells); one that was interrupted
    needs nothing. From then on it is as with `trioflow run`. If another engine has the store open,
    that one goes on with it.
    """
    from trioflow.cli._drive import drive
    from trioflow.cli._elsewhere import instead, leave
    from trioflow.cli._input import read_input

    found = read_input(input_file, inputs)
    decided = parse_decisions(decisions)
    require_store(job.store)

    async def begin(engine: Engine) -> Execution:
        execution = await engine.execution(execution_id)
        root = await checked_root(engine, execution)
        ended = execution.status in ("COMPLETED", "FAILED", "CANCELLED")
        paused = any(entry.kind == "resume" for entry in execution.waiting_for)
        asks = found or decided or paused or ended
        if asks:
            await execution.resume(found, decided)
        if root is not execution or not asks:
            await engine.continue_execution(root)
        return root

    async def ask(requester: Requester) -> int:
        return await requester.resume(found, decided)

    try:
        return drive(job, begin)
    except StoreLocked as locked:
        try:
            return leave(job, execution_id, ask, "resume requested")
        except InvalidRequest as refused:
            if found or decided:
                raise
            raise Refused(f"{refused}; {instead(job, execution_id, locked)}") from None


@click.command("signal", short_help="Bring a signal that an execution waits for.")
@click.argument("execution_id", metavar="ID", shell_complete=open_execution)
@click.argument("name", metavar="NAME")
@click.argument("payload", metavar="[JSON]", required=False)
@job_options
def signal_command(job: Job, *, execution_id: str, name: str, payload: str | None) -> int:
    """Bring the signal NAME to the execution ID, with a payload (default: null), and continue it.

    The first payload that fits is kept. From then on it is as with `trioflow run`. If another
    engine has the store open, that one goes on with it. If actions are missing here, or do not take
    what the workflow gives them, the payload is kept all the same, and `trioflow resume` continues.
    """
    from trioflow.cli._drive import drive
    from trioflow.cli._elsewhere import keep, leave
    from trioflow.cli._input import parse_json

    value = None if payload is None else parse_json(payload, "the payload")
    require_store(job.store)

    async def begin(engine: Engine) -> Execution:
        execution = await engine.execution(execution_id)
        root = await checked_root(engine, execution)
        await execution.signal(name, value)
        if root is not execution:
            await engine.continue_execution(root)
        return root

    async def ask(requester: Requester) -> int:
        return await requester.signal(name, value)

    try:
        return drive(job, begin)
    except StoreLocked:
        return leave(job, execution_id, ask, f"signal {name} left")
    except (UnknownAction, UnknownWorkflow, DefinitionError) as unfit:
        return keep(job, execution_id, ask, f"signal {name} left", unfit)


@click.command("cancel", short_help="Cancel an execution and wait for its end.")
@click.argument("execution_id", metavar="ID", shell_complete=open_execution)
@click.option("--reason", default="", help="Why; it is kept in the history.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long running attempts may still end by themselves.  [default: 0]",
)
@no_wait_option
@job_options
def cancel_command(job: Job, *, execution_id: str, reason: str, grace: float, no_wait: bool) -> int:
    """Cancel the execution ID for good, and wait until nothing of it runs any more.

    Exits with 0 when it is CANCELLED. If another engine has the store open, that one cancels it,
    and this waits for at most 10 seconds (and the grace): the request stands, and 3 is the exit
    code. To stop for now, interrupt `trioflow run` instead.
    """
    from trioflow.cli import _elsewhere
    from trioflow.cli._drive import drive

    require_store(job.store)

    async def begin(engine: Engine) -> Execution:
        engine.families_go_on = False
        execution = await engine.execution(execution_id)
        had_ended = execution.status in ("COMPLETED", "FAILED", "CANCELLED")
        try:
            await execution.request_cancel(reason, grace)
        except InvalidRequest:
            # A cancel that was left in the store before has just been carried out.
            if had_ended or execution.status != "CANCELLED":
                raise
        return execution

    async def ask(requester: Requester) -> int:
        return await requester.cancel(reason, grace)

    if no_wait:
        return _elsewhere.leave(job, execution_id, ask, "cancel requested", watch=False)
    try:
        return drive(job, begin, wanted="CANCELLED")
    except StoreLocked:
        return _elsewhere.cancel(job, execution_id, ask, patience=_elsewhere.PATIENCE + grace)


@click.command("pause", short_help="Let an execution start nothing more, until it is resumed.")
@click.argument("execution_id", metavar="ID", shell_complete=open_execution)
@store_option
@json_option
def pause_command(execution_id: str, store: str, as_json: bool) -> int:
    """Let nothing more of the execution ID start, until `trioflow resume ID`.

    What runs may end. The engine that drives it is not needed for this: the pause is in the store,
    and counts for whoever drives the execution.
    """
    from trioflow.cli._elsewhere import leave

    require_store(store)

    async def ask(requester: Requester) -> int:
        return await requester.pause()

    return leave(Job(store, as_json=as_json), execution_id, ask, "pause requested")


async def checked_root(engine: Engine, execution: Execution) -> Execution:
    """Return the execution to drive: of a child, the one at the top of its family.

    Raises what would keep the engine from driving it, before anything is recorded.
    """
    from trioflow.cli._drive import workflow_of

    # The id of a child is that of its parent, the step and, perhaps, the item.
    root_id = execution.id.partition(":")[0]
    root = execution if root_id == execution.id else await engine.execution(root_id)
    if root.status not in ("COMPLETED", "FAILED", "CANCELLED"):
        engine.check(workflow_of(await root.history()))
    return root


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
