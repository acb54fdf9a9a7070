"""``trioflow check`` and ``trioflow schema``: what can be said without executing anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trioflow.cli._completing import documents
from trioflow.cli._errors import DONE, REFUSED
from trioflow.cli._options import actions_option, allow_option, json_option, workflow_option
from trioflow.cli._places import find_places
from trioflow.cli._text import count

if TYPE_CHECKING:
    from trioflow.actions import Registry
    from trioflow.cli._places import Places
    from trioflow.definitions import PlannedCall, PlannedStep, Workflow
    from trioflow.errors import Problem


@click.command("check", short_help="Find every fault of a workflow document.")
@click.argument("file", metavar="FILE", shell_complete=documents)
@actions_option
@allow_option
@workflow_option
@json_option
def check_command(
    file: str,
    actions: tuple[str, ...],
    allow: tuple[str, ...],
    workflows: tuple[str, ...],
    as_json: bool,
) -> int:
    """Find every fault of the workflow in FILE, with its place; nothing is executed.

    With --actions also actions that are not there, and parameters that their functions do not
    take or lack. With --workflow also child workflows that are not there; the children that are
    used are checked, too.
    """
    from trioflow.cli._actions import load_actions
    from trioflow.cli._documents import Faulty, load
    from trioflow.cli._output import print_json, say
    from trioflow.cli._workflows import load_workflows

    registry = _registry(load_actions(actions), allow)
    try:
        workflow = load(file)
        children = load_workflows(workflows)
        known = {child.id for child in children.values()} if workflows else None
        found = {file: workflow} | _used(workflow, children)
        for name, one in found.items():
            problems = list(action_problems(one, registry, name, known=bool(actions)))
            problems += child_problems(one, known, name)
            if problems:
                raise Faulty(name, problems)
    except Faulty as faulty:
        if as_json:
            print_json({"ok": False, "file": faulty.file, "problems": faulty.to_json()})
        else:
            say(faulty.message)
        return REFUSED
    plan = workflow.plan
    if as_json:
        print_json({"ok": True, "workflow": workflow.id, "steps": len(plan.steps)})
        return DONE
    parts = [count(len(plan.steps), "step")]
    if plan.connections:
        parts.append(count(len(plan.connections), "connection"))
    elif _is_in_a_row(workflow):
        parts.append("one after the other")
    hint = "" if actions else " (not looked for: give --actions)"
    parts.append(count(len(plan.actions), "action") + hint)
    if plan.workflows:
        hint = "" if workflows else " (not looked for: give --workflow)"
        parts.append(count(len(plan.workflows), "child workflow") + hint)
    click.echo(f"ok: {', '.join(parts)}")
    return DONE


def _is_in_a_row(workflow: Workflow) -> bool:
    """Whether the steps, several of them, run one after the other, whatever they refer to."""
    places = {step.sequence_order for step in workflow.steps}
    return None not in places and 1 < len(places) == len(workflow.steps)


def _used(workflow: Workflow, children: Mapping[str, Workflow]) -> dict[str, Workflow]:
    """Return the children that a workflow, or one of its children, can start, by their files."""
    by_id = {child.id: file for file, child in children.items()}
    found: dict[str, Workflow] = {}
    waiting = [workflow]
    while waiting:
        for name in sorted(waiting.pop().plan.workflows):
            file = by_id.get(name)
            if file is not None and file not in found:
                found[file] = children[file]
                waiting.append(children[file])
    return found


def child_problems(
    workflow: Workflow, known: Collection[str] | None, file: str
) -> Iterator[Problem]:
    """Yield the steps whose child workflows are not there; `known` None: nobody looks for them."""
    from trioflow.errors import Problem

    if known is None:
        return
    places = find_places(Path(file))
    for step in workflow.plan.steps:
        name = step.step.workflow
        if name is not None and name not in known:
            among = ", ".join(repr(one) for one in sorted(known))
            message = f"unknown workflow {name!r}; those of --workflow are {among}"
            yield Problem(f"{_path(places, step.index, ())}.workflow", message)


def _registry(modules: object, allow: tuple[str, ...]) -> Registry:
    from trioflow.actions import Registry

    return Registry(modules, allow=allow)  # type: ignore[arg-type]


def action_problems(
    workflow: Workflow, registry: Registry, file: str, *, known: bool
) -> Iterator[Problem]:
    """Yield what is wrong between the steps and the functions that they call.

    Without --actions (not `known`) an action that is not found may well be there.
    """
    places = find_places(Path(file))
    for step in workflow.plan.steps:
        for keys, call in _calls(step):
            yield from _call_problems(call, registry, _path(places, step.index, keys), known=known)


def _calls(step: PlannedStep) -> Iterator[tuple[tuple[str, ...], PlannedCall]]:
    for keys, call in (
        ((), step.call),
        (("fallback",), step.fallback),
        (("compensate",), step.compensate),
    ):
        if call is not None:
            yield keys, call


def _path(places: Places, step: int, keys: tuple[str, ...]) -> str:
    """Return the path of a part of a step, whichever of its two shapes the document has."""
    inner = "".join(f".{key}" for key in keys)
    nodes = f"$.nodes[{step}]"
    if places.line(nodes, exact=True) is None:
        return f"$.steps[{step}]{inner}"
    return f"{nodes}.config{inner}"


def _call_problems(
    call: PlannedCall, registry: Registry, path: str, *, known: bool
) -> Iterator[Problem]:
    from trioflow.errors import Problem, UnknownAction

    try:
        action = registry.get(call.action)
    except UnknownAction as error:
        if known:
            yield Problem(f"{path}.action", str(error))
        return
    given = call.parameters.value
    if isinstance(given, Mapping):
        for sentence in action.check_parameters(given):
            yield Problem(f"{path}.parameters", sentence)


@click.command("schema", short_help="Print the JSON Schema of workflow documents.")
def schema_command() -> None:
    """Print the JSON Schema of workflow documents, for editors and other tools."""
    schema = resources.files("trioflow.definitions").joinpath("workflow.schema.json")
    click.echo(schema.read_text(encoding="utf-8"), nl=False)
