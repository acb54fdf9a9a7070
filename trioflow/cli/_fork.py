"""``trioflow fork``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from trioflow.cli._completing import ended_execution
from trioflow.cli._options import (
    Job,
    input_file_option,
    input_option,
    job_options,
    require_store,
)

if TYPE_CHECKING:
    from trioflow.definitions import Workflow
    from trioflow.engine import Engine, Execution


@click.command("fork", short_help="Run some steps of an ended execution again, as a new one.")
@click.argument("execution_id", metavar="ID", shell_complete=ended_execution)
@click.option(
    "--from",
    "steps",
    multiple=True,
    required=True,
    metavar="STEP",
    help="A step to run again, with all that comes after it. May be repeated.",
)
@input_option
@input_file_option
@click.option("--id", "new_id", help="The id of the new execution.")
@job_options
def fork_command(
    job: Job,
    *,
    execution_id: str,
    steps: tuple[str, ...],
    inputs: tuple[str, ...],
    input_file: str | None,
    new_id: str | None,
) -> int:
    """Run steps of the execution ID again, and what comes after them, as a new execution.

    What its other steps have done is kept: nothing of it is done again, and the execution ID
    itself stays as it is. The input replaces top-level keys. If a FILE of --workflow has the
    execution's own workflow, the fork follows that document. From then on it is as with
    `trioflow run`.
    """
    from trioflow.cli._drive import Setting, drive
    from trioflow.cli._input import read_input

    found = read_input(input_file, inputs)
    require_store(job.store)
    setting = Setting(job)

    async def begin(engine: Engine) -> Execution:
        old = await engine.execution(execution_id)
        document = own_document(job.workflows, setting.workflows, old.workflow)
        return await old.fork(steps, found, document, execution_id=new_id)

    return drive(job, begin, setting=setting)


def own_document(
    names: Iterable[str], workflows: Mapping[str, Workflow], workflow_id: str
) -> Workflow | None:
    """Return the workflow with this id if its file was named itself, not found in a folder."""
    named = (workflows[name] for name in names if name in workflows)
    return next((workflow for workflow in named if workflow.id == workflow_id), None)
