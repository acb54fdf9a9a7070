"""The references of a document: where each of them stands, and what it leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from harness.families._plan import Plan
from harness.families._values import at
from harness.oracle._conditions import path_text
from harness.oracle._document import Graph, Step
from harness.oracle._reading import Names, Node, references_of, references_of_template
from harness.solver._clauses import plain, text_of

# Stands in a path for whichever item of a list.
EACH = -1

# What of a step may hold references, each with how it is called where it has a name of its own.
FIELDS = ("parameters", "duration", "until")
CALLED = ("fallback", "compensate")


@attrs.frozen
class Reference:
    """A reference: `where` is the step or the connection, or ``output``; `text` as written."""

    where: str
    text: str
    node: Node
    step: Step | None = None


def references(graph: Graph) -> Iterator[Reference]:
    """Yield all references of a document, each once where it stands several times in one place."""
    seen = set[tuple[str, str]]()
    for each in _all(graph):
        if (each.where, each.text) not in seen:
            seen.add((each.where, each.text))
            yield each


def _all(graph: Graph) -> Iterator[Reference]:
    for step in graph.steps.values():
        yield from _of_condition(step.id, step.condition, step)
        for template in templates_of(step):
            yield from _of_template(step.id, template, step.names, step)
        for key in CALLED:
            yield from _of_template(step.id, called_parameters(step, key), step.names, step)
    for edge in graph.edges:
        yield from _of_condition(edge.id, edge.condition)
    yield from _of_template("output", graph.fields.get("output"), graph.names)


def templates_of(step: Step) -> Iterator[Any]:
    """Yield what a step resolves before it starts."""
    yield (step.for_each or {}).get("items")
    for key in FIELDS:
        yield step.fields.get(key)


def called_parameters(step: Step, key: str) -> Any:
    """Return the parameters of its ``fallback`` or ``compensate``, if it has such."""
    called = step.fields.get(key)
    return called.get("parameters") if isinstance(called, Mapping) else None


def _of_template(
    where: str, template: Any, names: Names, step: Step | None = None
) -> Iterator[Reference]:
    for node in references_of_template(template, names):
        path = path_text(node[1], node[2])
        if node[1] == "item" and names.item is not None:
            # By the name that the document gives it.
            path = f"{names.item}{path.removeprefix('item')}"
        yield Reference(where, f"${{{path}{'?' if node[3] else ''}}}", node, step)


def _of_condition(where: str, condition: Node | None, step: Step | None = None) -> Iterator[Any]:
    for node in references_of(plain(condition)):
        yield Reference(where, text_of(node), node, step)


# ---- what it leads to ----


@attrs.frozen
class Place:
    """A place in a document: `called` is what people call its schema, `root` the schema.

    `document` is ``input`` or the id of a step; `path` is what is asked for of it. `literal`: the
    root is no schema, but the value itself, in whose texts there may be references.
    """

    called: str
    document: str
    path: tuple[Any, ...]
    root: Any
    literal: bool = False


def place_of(plan: Plan, reference: Reference) -> Place | None:
    """Return the place that a reference leads to; None if nothing says what there is."""
    return _place(plan, reference.node, reference.step)


def _place(plan: Plan, node: Node, step: Step | None) -> Place | None:
    _, root, parts, _ = node
    if root == "input":
        return _in_input(plan, parts)
    if root == "item" and step is not None:
        return _in_item(plan, step, parts)
    if root == "steps" and parts[1] == "output":
        return _in_output(plan, plan.graph.steps[parts[0]], parts[2:])
    if root == "output":
        return _in_output(plan, plan.graph.steps[parts[0]], parts[1:])
    return None


def _in_input(plan: Plan, path: tuple[Any, ...]) -> Place:
    return Place("the input schema", "input", path, plan.document.get("input_schema"))


def _in_item(plan: Plan, step: Step, path: tuple[Any, ...]) -> Place | None:
    """An item is what the list holds that its step goes through."""
    items = (step.for_each or {}).get("items")
    nodes = list(references_of_template(items, step.names)) if isinstance(items, str) else []
    if len(nodes) != 1:
        return None
    _, root, parts, optional = nodes[0]
    return _place(plan, ("ref", root, (*parts, EACH, *path), optional), None)


def _in_output(plan: Plan, step: Step, path: tuple[Any, ...]) -> Place | None:
    if step.type == "trigger":
        return _in_input(plan, path)
    if step.for_each is not None:
        if not path or not isinstance(path[0], int):
            return None
        path = path[1:]
    root, called, literal = _said_of(plan, step)
    if path and path[0] == "output" and not _names_output(root, literal):
        # The word may stand there or not.
        path = path[1:]
    return Place(called, step.id, path, root, literal)


def _said_of(plan: Plan, step: Step) -> tuple[Any, str, bool]:
    if step.type == "wait":
        return step.fields.get("schema"), f"the schema of {step.id}", False
    own, called = step.fields.get("output_schema"), f"the output schema of {step.id}"
    if step.id not in plan.children:
        return own, called, False
    child = plan.children[step.id].document
    if isinstance(child.get("output"), Mapping):
        return child["output"], f"the output of workflow {child['id']}", True
    its = child.get("output_schema")
    if its is None or own is None:
        theirs = f"the output schema of workflow {child['id']}"
        return (own, called, False) if its is None else (its, theirs, False)
    # What one of the two does not name the other may.
    return {"allOf": [own, its]}, called, False


def _names_output(root: Any, literal: bool) -> bool:
    found = root if literal else at(root, ["properties"], {})
    return isinstance(found, Mapping) and "output" in found


def schema_at(place: Place) -> Any:
    """Return the schema that a value at a place has to fit, as far as it is written plainly.

    What else may be asked of it, by an `allOf` on the way or the like, only asks for more.
    """
    schema = place.root
    if place.literal:
        return None
    for part in place.path:
        schema = at(followed(place.root, schema), ["properties", str(part)]) or (
            item_schema(followed(place.root, schema)) if isinstance(part, int) else None
        )
    return followed(place.root, schema)


def item_schema(schema: Any) -> Any:
    """Return what all items of a list have to fit, if it is the same for all of them."""
    if not isinstance(schema, Mapping) or "prefixItems" in schema:
        return None
    found = schema.get("items")
    return found if isinstance(found, Mapping) else None


# A reference that leads to itself is none, and a document with it is refused; a chain may be long.
_LONGEST_CHAIN = 30


def followed(root: Any, schema: Any) -> Any:
    """Return what a schema that is nothing but a pointer into its own document points to.

    A schema that says more beside it stays as it is; a pointer to anywhere else gives None.
    """
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            return schema
        if set(schema) - {"$ref", "title", "description", "$comment"}:
            return schema
        head, *parts = str(schema["$ref"]).split("/")
        if head != "#":
            return None
        schema = root
        for part in parts:
            key = part.replace("~1", "/").replace("~0", "~")
            schema = schema.get(key) if isinstance(schema, Mapping) else None
    return None
