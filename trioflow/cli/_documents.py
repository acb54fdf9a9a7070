"""Workflow documents from files, with what is wrong with them and where."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from trioflow.cli._errors import REFUSED, Refused, listing
from trioflow.cli._output import say
from trioflow.cli._places import find_places
from trioflow.definitions import Workflow, load_workflow
from trioflow.errors import DefinitionError, Problem


class Faulty(Refused):
    """A document that cannot be accepted."""

    exit_code = REFUSED

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.places = find_places(Path(file))
        super().__init__(self._message())

    def _message(self) -> str:
        # About the file itself there is one thing to say: that it cannot be read.
        if len(self.problems) == 1 and self.problems[0].path == "$":
            return f"{self.file}: {self.problems[0].message}"
        return listing(f"{self.file} has", self.problems, self.place)

    def place(self, path: str) -> str:
        """Return the place with its line, as far as that can be told."""
        line = self.places.line(path)
        return path if line is None else f"line {line}, {path}"

    def to_json(self) -> list[dict[str, Any]]:
        """Return the problems as JSON."""
        found = []
        for problem in self.problems:
            entry: dict[str, Any] = {"path": problem.path, "message": problem.message}
            if (line := self.places.line(problem.path)) is not None:
                entry["line"] = line
            found.append(entry)
        return found


def load(file: str) -> Workflow:
    """Load a workflow from a file. Raises `Faulty`; warnings are told in one line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # A `Path`, so that it is a path even if it begins with a brace.
            workflow = load_workflow(Path(file))
        except DefinitionError as error:
            raise Faulty(file, list(error.problems)) from None
    say(*(f"warning: {file}: {warning.message}" for warning in caught))
    return workflow
