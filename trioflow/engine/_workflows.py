"""The workflows that an engine knows: values, files and folders of files; and what they call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trioflow.actions._action import closest
from trioflow.actions._registry import Registry
from trioflow.definitions._documents import load_workflow
from trioflow.definitions._fields import STEP_ID
from trioflow.definitions._model import Workflow
from trioflow.errors import DefinitionError, InvalidRequest, Problem

# What a folder of workflows is looked through for.
PATTERNS = ("*.workflow.json", "*.workflow.yaml", "*.workflow.yml")

Source = Workflow | Mapping[str, Any] | str | os.PathLike[str]


def load_workflows(sources: Iterable[Source] | Source) -> Iterator[Workflow]:
    """Load workflows: each a value, a document, the path of one, or that of a folder of them.

    One of these alone is taken, too. Of a folder, all ``*.workflow.json``, ``.yaml`` and ``.yml``
    in it are taken, by name; deeper folders are not looked into. Raises `DefinitionError` for a
    document that cannot be accepted, and `InvalidRequest` for a folder without any and for what is
    none of all this.
    """
    for source in _several(sources):
        if isinstance(source, Workflow):
            yield source
        elif not isinstance(source, Mapping | str | os.PathLike):
            raise InvalidRequest(
                f"{source!r:.60} is no workflow: give a Workflow, a document as a mapping, or the "
                f"path of a document or of a folder of them"
            )
        elif not isinstance(source, Mapping) and os.path.isdir(source):  # noqa: PTH112
            yield from _of_folder(Path(source))
        else:
            yield load_workflow(source)


def _several(sources: Any) -> Iterable[Any]:
    one = isinstance(sources, Mapping | str | bytes) or not isinstance(sources, Iterable)
    return [sources] if one else sources


def _of_folder(folder: Path) -> Iterator[Workflow]:
    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    if not files:
        raise InvalidRequest(
            f"there is no workflow in the folder '{folder}'; "
            f"their files are called {', '.join(PATTERNS)}"
        )
    for file in files:
        yield load_workflow(file)


def by_name(name: str, known: Mapping[str, Workflow]) -> Workflow:
    """Return the workflow that a text means: a document, the path of one, or the id of a known one.

    A file comes before an id. Raises `DefinitionError`, which names the ids if it may be one.
    """
    if not STEP_ID.fullmatch(name) or os.path.isfile(name):  # noqa: PTH113
        return load_workflow(name)
    if name in known:
        return known[name]
    try:
        return load_workflow(name)
    except DefinitionError as error:
        ids = ", ".join(sorted(known)) or "none"
        guess = f"; did you mean {found!r}?" if (found := closest(name, known)) else ""
        advice = f"nor is there a workflow of this id among `workflows`{guess}; their ids: {ids}"
        raise DefinitionError(
            [Problem(one.path, f"{one.message}, {advice}") for one in error.problems], error.source
        ) from None


def parameter_problems(workflow: Workflow, registry: Registry) -> list[Problem]:
    """Return what the actions do not take, or lack, among the parameters of a workflow's steps."""
    problems: list[Problem] = []
    actions = {name: registry.get(name) for name in workflow.plan.actions if name in registry}
    for step in workflow.plan.steps:
        for suffix, planned in (
            ("", step.call),
            (".fallback", step.fallback),
            (".compensate", step.compensate),
        ):
            action = None if planned is None else actions.get(planned.action)
            if planned is None or action is None:
                continue
            given = planned.parameters.value
            if isinstance(given, dict) and (sentences := action.check_parameters(given)):
                path = f"$.steps[{step.index}]{suffix}.parameters"
                problems += [Problem(path, sentence) for sentence in sentences]
    return problems
