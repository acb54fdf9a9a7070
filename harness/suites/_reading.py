"""Reading what a suite is made of: a document, and those of its children."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import trioflow

Source = str | os.PathLike[str] | Mapping[str, Any] | trioflow.Workflow

_ENDINGS = (".workflow.json", ".workflow.yaml", ".workflow.yml")


def read(
    workflow: Source, workflows: Iterable[Source] = ()
) -> tuple[Mapping[str, Any], str, dict[str, Mapping[str, Any]]]:
    """Return a document, where it comes from, and the documents of its children by their ids.

    Raises `trioflow.DefinitionError`, and `ValueError` if the document of a child is not there.
    Children of a file are looked for beside it.
    """
    document, name = _document(workflow)
    children = {str(each["id"]): each for each, _ in map(_document, workflows)}
    unread: list[str] = []
    if name and _children_of(document) - {*children, document["id"]}:
        for beside in _beside(Path(name), unread):
            if beside["id"] != document["id"]:
                children.setdefault(str(beside["id"]), beside)
    # A workflow may start itself.
    children.setdefault(str(document["id"]), document)
    needed, pending = dict[str, Mapping[str, Any]](), [document]
    while pending:
        for each in sorted(_children_of(pending.pop())):
            if each not in children:
                looked = f"no *{', *'.join(_ENDINGS)} beside it has this id" if name else "give it"
                what = f"the document of workflow {each!r} is needed, too: {looked}"
                raise ValueError("\n".join([what, *unread]))
            if each not in needed and each != document["id"]:
                trioflow.load_workflow(children[each])
                needed[each] = children[each]
                pending.append(children[each])
    return document, name, needed


def _beside(path: Path, unread: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the documents in the folder of a file; note why some of them cannot be read."""
    for each in sorted(path.parent.iterdir()):
        if each.name.endswith(_ENDINGS) and each != path:
            try:
                yield _document(each)[0]
            except (trioflow.DefinitionError, OSError) as error:
                unread.append(f"it may be one that cannot be read: {error}")


def _document(workflow: Source) -> tuple[Mapping[str, Any], str]:
    if isinstance(workflow, trioflow.Workflow):
        return workflow.document, ""
    loaded = trioflow.load_workflow(workflow)
    if isinstance(workflow, Mapping):
        return workflow, ""
    text = os.fspath(workflow)
    if text.lstrip().startswith("{"):
        return json.loads(text), ""
    if text.endswith((".yaml", ".yml")):
        return loaded.document, text
    return json.loads(Path(text).read_text("utf-8-sig")), text


def _children_of(document: Mapping[str, Any]) -> set[str]:
    steps = [
        {**each, **(each.get("config") or {})}
        for each in (*document.get("steps", ()), *document.get("nodes", ()))
    ]
    return {str(step["workflow"]) for step in steps if step.get("type") == "workflow"}
