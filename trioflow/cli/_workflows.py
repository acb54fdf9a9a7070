"""``--workflow``: the workflows that steps start as children, from files and folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trioflow.cli._documents import load
from trioflow.cli._errors import Refused
from trioflow.definitions import Workflow

PATTERNS = ("*.workflow.json", "*.workflow.yaml", "*.workflow.yml")


def load_workflows(names: Iterable[str]) -> dict[str, Workflow]:
    """Return the workflows by the file from which each was loaded.

    Raises `Faulty` for a document that cannot be accepted, and `Refused` for a folder without
    any, and for two documents with one id: a step could mean either.
    """
    found: dict[str, Workflow] = {}
    by_id: dict[str, str] = {}
    for name in names:
        for file in _files(name):
            workflow = found[file] = load(file)
            other = by_id.setdefault(workflow.id, file)
            if found[other].digest != workflow.digest:
                raise Refused(
                    f"{other!r} and {file!r} are two different workflows {workflow.id!r}; "
                    f"which of them is meant? Give one of them with --workflow"
                )
    return found


def _files(name: str) -> list[str]:
    folder = Path(name)
    if not folder.is_dir():
        return [name]
    files = sorted(str(path) for pattern in PATTERNS for path in folder.glob(pattern))
    if not files:
        raise Refused(
            f"there is no workflow in the folder {name!r}; "
            f"their files are called {', '.join(PATTERNS)}"
        )
    return files
