"""Items of a `for_each` that do not fit the schema of their step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from harness.data._picking import violations
from harness.families._cases import Case, reached, rows, title
from harness.families._data import with_data
from harness.families._plan import Plan
from harness.families._solving import items_place
from harness.oracle._document import Step
from harness.oracle._reading import references_of_template

_MOST_BAD = 2


def bad_items(plan: Plan) -> Iterator[Case]:
    """Some items of a step fit its `input_schema`, and the first, or the last, does not (R19)."""
    for step, story in reached(plan):
        place = None if step.for_each is None else items_place(plan.graph, step)
        if place is None or step.fits_input is None:
            continue
        names = rows(plan, story, step)
        given = {name: found for _, name, _, found in story.calls() if name in names}
        for label, value in islice(_bad(step, given.get(names[0])), _MOST_BAD):
            for word, index in (("first", 0), ("last", len(names) - 1)):
                root, parts = place
                values = {(root, (*parts, index, *path)): each for path, each in value.items()}
                draft = with_data(plan, story.draft, values)
                if draft is not None:
                    why = f"the {word} item of {title(step)} does not fit ({label})"
                    yield Case(f"{step.id}-{label}-{word}", why, draft)


def _bad(
    step: Step, given: Mapping[str, Any] | None
) -> Iterator[tuple[str, dict[tuple[Any, ...], Any]]]:
    """Yield what an item has to hold, by its path, so that the parameters do not fit."""
    parameters = step.fields.get("parameters")
    if given is None or step.fits_input is None or not isinstance(parameters, Mapping):
        return
    for label, value in violations(step.fields.get("input_schema")):
        for key, template in parameters.items():
            nodes = list(references_of_template(template, step.names))
            if not isinstance(value, dict) or key not in value or len(nodes) != 1:
                continue
            _, root, path, _ = nodes[0]
            whole = isinstance(template, str) and template[:2] == "${" and template[-1] == "}"
            if whole and root == "item" and not step.fits_input({**given, key: value[key]}):
                yield label, {path: value[key]}
