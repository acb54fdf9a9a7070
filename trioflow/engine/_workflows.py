"""The workflows that an engine knows: values, files and folders of files; and what they call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from trioflow.actions._registry import Registry
from trioflow.definitions._documents import load_workflow
from trioflow.definitions._model import Workflow
from trioflow.errors import InvalidRequest, Problem

# What a folder of workflows is looked through for.
PATTERNS = ("*.workflow.json", "*.workflow.yaml", "*.workflow.yml")

Source = Workflow | str | os.PathLike[str]


def load_workflows(sources: Iterable[Source]) -> Iterator[Workflow]:
    """Load workflows: each a value, the path of a document, or that of a folder of them.

    Of a folder, all ``*.workflow.json``, ``.yaml`` and ``.yml`` in it are taken, by name; deeper
    folders are not looked into. Raises `DefinitionError` for a document that cannot be accepted,
    and `InvalidRequest` for a folder without any.
    """
    for source in sources:
        if isinstance(source, Workflow):
            yield source
        elif not os.path.isdir(source):  # noqa: PTH112 - text may be no path at all
            yield load_workflow(Path(source))
        else:
            yield from _of_folder(Path(source))


def _of_folder(folder: Path) -> Iterator[Workflow]:
    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    if not files:
        raise InvalidRequest(
            f"there is no workflow in the folder '{folder}'; "
            f"their files are called {', '.join(PATTERNS)}"
        )
    for file in files:
        yield load_workflow(file)


def parameter_problems(workflow: Workflow, registry: Registry) -> list[Problem]:
    """Return what the actions do not take, or lack, among the parameters of a workflow's steps."""
    problems: list[Problem] = []
    for step in workflow.plan.steps:
        calls = {"": step.call, ".fallback": step.fallback, ".compensate": step.compensate}
        for suffix, planned in calls.items():
            if planned is None or planned.action not in registry:
                continue
            given = planned.parameters.value
            if not isinstance(given, Mapping):
                continue
            path = f"$.steps[{step.index}]{suffix}.parameters"
            problems += [
                Problem(path, sentence)
                for sentence in registry.get(planned.action).check_parameters(given)
            ]
    return problems
