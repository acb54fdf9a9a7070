"""``trioflow run``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from trioflow.cli._completing import documents
from trioflow.cli._options import Job, input_file_option, input_option, job_options


@click.command("run", short_help="Execute a workflow, with live progress.")
@click.argument("file", metavar="FILE", shell_complete=documents)
@input_option
@input_file_option
@click.option("--id", "execution_id", help="The id of the execution; the same one continues it.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@job_options
def run_command(
    job: Job,
    *,
    file: str,
    inputs: tuple[str, ...],
    input_file: str | None,
    execution_id: str | None,
    labels: tuple[str, ...],
) -> int:
    """Execute the workflow in FILE (JSON or YAML) and print its output as JSON.

    With the same --id again, workflow and input being the same, it goes on where it was left, or
    prints what came out: so a scheduler can make something happen once.

    A workflow that waits for somebody asks on a terminal. Without one it exits with 3 and prints
    the command that resumes it. The first Ctrl-C (or SIGTERM) interrupts, the second ends at once.
    """
    from trioflow.cli._documents import load
    from trioflow.cli._drive import drive
    from trioflow.cli._errors import Refused, explain
    from trioflow.cli._input import as_json_instead, read_input
    from trioflow.engine import Engine, Execution
    from trioflow.errors import InputRejected

    workflow = load(file)
    found = read_input(input_file, inputs)
    named = parse_labels(labels)

    async def begin(engine: Engine) -> Execution:
        return await engine.start(workflow, found, execution_id=execution_id, labels=named)

    try:
        return drive(job, begin)
    except InputRejected as rejected:
        message, _ = explain(rejected)
        raise Refused("\n".join([message, *as_json_instead(inputs, rejected)])) from None


def parse_labels(labels: Iterable[str]) -> dict[str, str]:
    """Return the labels of ``--label key=value``."""
    found: dict[str, str] = {}
    for label in labels:
        key, equals, value = label.partition("=")
        if not (key and equals) or key in found:
            problem = "is there twice" if key in found else "is not KEY=VALUE"
            raise click.BadParameter(f"{label!r} {problem}", param_hint="--label")
        found[key] = value
    return found
