"""What is referred to and is not there: fields that actions leave out, inputs, secrets (R11)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs

from harness.families._attempts import code_of
from harness.families._cases import Case, fails, reached, script
from harness.families._data import with_data
from harness.families._plan import Plan
from harness.families._solving import Place
from harness.families._stories import Draft
from harness.families._undo import undone_by
from harness.oracle._document import Step
from harness.oracle._reading import Names, Node, references_of_template

_SECRET = re.compile(r"\$\{secret\.([^}?]+)\??\}")


def missing(plan: Plan) -> Iterator[Case]:
    """Each field that something refers to is left out; each secret is unknown."""
    seen: set[tuple[str, Place]] = set()
    readers = list(_readers(plan))
    for role, name, template, names, draft in readers:
        for node in references_of_template(template, names):
            place = _place(plan, name, node)
            if place is None or (role, place) in seen:
                continue
            seen.add((role, place))
            less = with_data(plan, draft, {}, [place])
            if less is not None and less != draft:
                text = "-".join(map(str, (place[0], *place[1])))
                why = f"{'.'.join(map(str, place[1]))} of {place[0]} is left out{_for[role]}"
                yield Case(f"{text}-for-{name}{role}", f"{why} of {name}", less)
    for role, name, template, _, draft in readers:
        for secret in dict.fromkeys(_SECRET.findall(json.dumps(template))):
            known = {key: each for key, each in draft.scenario.secrets.items() if key != secret}
            unknown = attrs.evolve(draft.scenario, secrets=known)
            why = f"nobody knows the secret {secret}{_for[role]} of {name}"
            yield Case(f"{name}{role}-secret-{secret}", why, attrs.evolve(draft, scenario=unknown))


_for = {
    "": ", which is among the parameters",
    "-output": ", which is in the output",
    "-items": ", which is the list",
    "-fallback": ", which the fallback is given",
    "-undo": ", which the undoing is given",
}

Reader = tuple[str, str, Any, Names, Draft]


def _readers(plan: Plan) -> Iterator[Reader]:
    """Yield what refers to something: its role and name, the template, and a story with it."""
    for step in plan.steps:
        story = plan.reach(step.id)
        if story is None:
            continue
        fields = step.fields
        if step.for_each is not None:
            yield "-items", step.id, step.for_each["items"], step.names, story.draft
        for key in ("parameters", "duration", "until"):
            if key in fields:
                yield "", step.id, fields[key], step.names, story.draft
    for step, story in reached(plan):
        if step.fallback is not None:
            draft = script(plan, story, step, fails(plan, code_of(step)))
            yield "-fallback", step.id, step.fallback.parameters, step.names, draft
        if step.compensate is not None:
            undone = undone_by(plan, step)
            if undone is not None:
                yield "-undo", step.id, step.compensate.parameters, step.names, undone[1]
    names = Names(frozenset(plan.graph.steps))
    output = plan.document.get("output")
    if output is not None:
        yield "-output", str(plan.document["id"]), output, names, plan.base.draft


def _place(plan: Plan, reader: str, node: Node) -> Place | None:
    """Return where that stands to which a reference leads, if a scenario may say what is there."""
    _, root, parts, optional = node
    if root == "input":
        # One that has to be there is waited for, and that is another family.
        return ("input", tuple(parts)) if optional and parts else None
    if root == "item" and parts:
        return _place_of_item(plan, plan.graph.steps[reader], tuple(parts))
    if root == "steps" and len(parts) > 2 and parts[1] == "output":
        parts = (parts[0], *parts[2:])
    elif root != "output":
        return None
    step = plan.graph.steps[parts[0]]
    rest = tuple(parts[1:])
    if rest[:1] == ("output",):
        rest = rest[1:]
    if not rest or step.type not in ("action", "wait"):
        return None
    return step.id, rest


def _place_of_item(plan: Plan, step: Step, parts: tuple[Any, ...]) -> Place | None:
    found = (step.for_each or {}).get("items")
    nodes = list(references_of_template(found, step.names))
    if not isinstance(found, str) or len(nodes) != 1:
        return None
    _, root, path, _ = nodes[0]
    if root == "input" and path:
        return "input", (*path, 0, *parts)
    if root == "output" and plan.graph.steps[path[0]].type in ("action", "wait"):
        return path[0], (*path[1:], 0, *parts)
    return None
