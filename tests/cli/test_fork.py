"""`trioflow fork`."""

from __future__ import annotations

import json
from typing import Any


def test_a_fork(run_tea: Any, do: Any, kitchen: str) -> None:
    """What the others have done is kept, and nothing of it is done again."""
    run_tea("-i", "guest=Ann", "--id", "one")
    arguments = ("--from", "serve", "-i", "guest=Bob", "--id", "two", "--actions", kitchen)
    forked = do("fork", "one", *arguments)

    assert {"serve": {"to": "Bob"}} == json.loads(forked.stdout)
    assert "tea  two  (fork of one)\n" in forked.stderr
    assert "boil   COMPLETED, kept\n" in forked.stderr
    assert "Ann" in do("show", "one").stdout
    assert "is already there" in do("fork", "one", *arguments, exits=2).stderr


def test_a_fork_with_another_document(
    run_tea: Any, do: Any, kitchen: str, here: Any, store_document: Any
) -> None:
    """A file with the execution's own workflow is the one to follow, a folder is not."""
    run_tea("-i", "guest=Ann", "--id", "one")
    document = json.loads((here / "tea.json").read_text())
    document["output"] = {"new": "${serve.to}"}
    store_document("new.json", document)
    (here / "parts").mkdir()
    store_document("parts/tea.workflow.json", document)
    fork = ("fork", "one", "--from", "serve", "--actions", kitchen)

    assert {"new": "Ann"} == json.loads(do(*fork, "--workflow", "new.json").stdout)
    assert {"serve": {"to": "Ann"}} == json.loads(do(*fork, "--workflow", "parts").stdout)


def test_what_cannot_be_forked(run_tea: Any, do: Any, kitchen: str) -> None:
    run_tea("--id", "one", exits=3)
    fork = ("fork", "one", "--actions", kitchen)

    assert "Missing option '--from'" in do(*fork, exits=2).stderr
    assert "only what has ended can be forked" in do(*fork, "--from", "boil", exits=2).stderr
