"""The values with which a document goes well: from its schemas, and from what refers to what."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import data
from harness.data._picking import several, smallest
from harness.oracle._document import Fitting, Graph, Step
from harness.oracle._reading import Names, Node, references_of_template

# A reference asks for a value at the end of a path; how sure that is depends on where it stands.
Asked = tuple[int, str, tuple[Any, ...], Any]

_NOTHING = object()


def put(value: Any, parts: Sequence[Any], leaf: Any) -> Any:
    """Return a copy of a value with something else at the end of a path."""
    if not parts:
        return leaf
    first, rest = parts[0], parts[1:]
    if isinstance(first, int) and not isinstance(value, Mapping):
        found = list(value) if isinstance(value, list) else []
        size = first + 1 if first >= 0 else -first
        while len(found) < size:
            found.append(copy.deepcopy(found[-1]) if found else None)
        found[first] = put(found[first], rest, leaf)
        return found
    made = dict(value) if isinstance(value, Mapping) else {}
    made[str(first)] = put(made.get(str(first)), rest, leaf)
    return made


def at(value: Any, parts: Sequence[Any], default: Any = None) -> Any:
    """Return what stands at the end of a path."""
    for part in parts:
        if isinstance(value, Mapping) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and -len(value) <= part < len(value):
            value = value[part]
        else:
            return default
    return value


def strong_references(step: Step) -> set[str]:
    """Return the steps whose outputs a step cannot do without."""
    found = set()
    for template in _templates(step):
        for node in references_of_template(template, step.names):
            if node[1] == "output" and not node[3]:
                found.add(node[2][0])
    return found


def _templates(step: Step) -> Iterator[Any]:
    fields = step.fields
    yield fields.get("parameters")
    yield (fields.get("for_each") or {}).get("items")
    yield fields.get("duration")
    yield fields.get("until")


def input_references(step: Step) -> dict[tuple[Any, ...], bool]:
    """Return the paths of the input that a step needs to start: the ones it cannot do without."""
    found: dict[tuple[Any, ...], bool] = {}
    for template in _templates(step):
        for node in references_of_template(template, step.names):
            if node[1] == "input" and node[2] and not node[3]:
                found[node[2]] = True
    return found


def inside(schema: Any, path: tuple[str, ...]) -> Any:
    """Return the schema of a property of a property, if it is written down plainly."""
    for name in path:
        if not isinstance(schema, Mapping):
            return None
        schema = (schema.get("properties") or {}).get(name)
    return schema


def plain(node: Any) -> Any:
    """Return the tree of a condition in which `a.b` is one reference, and not a step into one."""
    if isinstance(node, list):
        return [plain(each) for each in node]
    if not isinstance(node, tuple):
        return node
    if node and node[0] == "ref":
        return node
    made = tuple(plain(each) for each in node)
    if made and made[0] == "group":
        return made[1]
    if made and made[0] == "at" and made[1][0] == "ref" and made[2][0] == "constant":
        part = made[2][1]
        part = int(part) if isinstance(part, float) else part
        _, root, parts, optional = made[1]
        return ("ref", root, (*parts, part), optional)
    return made


def plain_parameters(graph: Graph, step: Step) -> dict[str, tuple[str, Any] | None]:
    """Return the parameters that are one reference each, and the place that it leads to."""
    found: dict[str, tuple[str, Any] | None] = {}
    parameters = step.fields.get("parameters")
    for key, template in parameters.items() if isinstance(parameters, Mapping) else ():
        nodes = list(references_of_template(template, step.names))
        if not isinstance(template, str) or len(nodes) != 1 or not template.startswith("${"):
            continue
        _, root, parts, _ = nodes[0]
        if root == "input":
            found[key] = ("input", parts)
        elif root == "output" and graph.steps[parts[0]].type == "action":
            found[key] = (parts[0], parts[1:])
    return found


# ---- what the references of a document ask for ----


def _asked(graph: Graph, children: Mapping[str, Any]) -> Iterator[tuple[Node, int, Any]]:
    """Yield all references, with how sure it is what they want, and that."""
    for step in graph.steps.values():
        fields = step.fields
        for_each = fields.get("for_each")
        if for_each is not None:
            wanted = items_for(step)
            for node in references_of_template(for_each["items"], step.names):
                yield node, 3, wanted
        for node in references_of_template(fields.get("duration"), step.names):
            yield node, 3, "2s"
        for node in references_of_template(fields.get("until"), step.names):
            yield node, 3, "1970-01-01T00:00:30+00:00"
        yield from _of_parameters(step, children)
        for key in ("fallback", "compensate"):
            called = fields.get(key)
            if isinstance(called, Mapping):
                for node in references_of_template(called.get("parameters"), step.names):
                    yield node, 0, _NOTHING
        yield from ((node, 1, each) for node, each in _of_condition(plain(step.condition)))
    for edge in graph.edges:
        yield from ((node, 1, each) for node, each in _of_condition(plain(edge.condition)))
    names = Names(frozenset(graph.steps))
    for node in references_of_template(graph.fields.get("output"), names):
        yield node, 0, _NOTHING


def _of_parameters(step: Step, children: Mapping[str, Any]) -> Iterator[tuple[Node, int, Any]]:
    parameters = step.fields.get("parameters") or {}
    schema = step.fields.get("input_schema")
    if not isinstance(parameters, Mapping):
        return
    for key, template in parameters.items():
        whole = isinstance(template, str) and template.startswith("${") and template[-1] == "}"
        wanted: Any = _NOTHING
        found = inside(schema, (key,)) if schema is not None else None
        if whole and template.count("${") == 1:
            if found is not None:
                wanted = smallest(found, schema)
            elif key in children.get(step.id, {}):
                wanted = children[step.id][key]
        for node in references_of_template(template, step.names):
            yield node, 2 if wanted is not _NOTHING else 0, wanted


def items_for(step: Step, optional: bool = True) -> list[Any]:
    """Return three items that are what the parameters ask of an item."""
    made: list[Any] = []
    for index in range(3):
        item: Any = None
        for node in references_of_template(step.fields.get("parameters"), step.names):
            if node[1] == "item" and node[2] and (optional or not node[3]):
                item = put(item, node[2], f"{node[2][-1]}-{index}")
        made.append(f"item-{index}" if item is None else item)
    return made


def _items_of_schema(schema: Any, parts: Sequence[Any]) -> list[Any]:
    """Return some items that the schema of a list allows, each another if there are others."""
    found = inside(schema, tuple(map(str, parts)))
    if not isinstance(found, Mapping) or not isinstance(found.get("items"), Mapping):
        return []
    return several(found["items"], schema, min(3, found.get("maxItems", 3)))


def _of_condition(node: Any) -> Iterator[tuple[Node, Any]]:
    """Yield the references of a condition, each with a constant it stands beside."""
    if not isinstance(node, tuple | list):
        return
    if isinstance(node, tuple) and node and node[0] == "chain":
        constants = [each[1] for each in node[1] if each[0] == "constant"]
        lists = [each[1] for each in node[1] if each[0] == "list"]
        constants += [each[0][1] for each in lists if each and each[0][0] == "constant"]
        wanted = constants[0] if constants else _NOTHING
        for each in node[1]:
            if isinstance(each, tuple) and each[0] == "ref":
                yield each, wanted
            else:
                yield from _of_condition(each)
        return
    if isinstance(node, tuple) and node and node[0] == "len":
        for each in node[1:]:
            if isinstance(each, tuple) and each and each[0] == "ref":
                yield each, ["x"]
        return
    if isinstance(node, tuple) and node and node[0] == "ref":
        yield node, True
        return
    for each in node:
        yield from _of_condition(each)


def default_input(graph: Graph, children: Mapping[str, Any]) -> dict[str, Any]:
    """Return an input that answers all references, without the document's own defaults."""
    schema = graph.fields.get("input_schema")
    given = graph.fields.get("input") or {}
    found = data.smallest(schema) if isinstance(schema, Mapping) else {}
    found = {**found, **given} if isinstance(found, Mapping) else dict(given)
    whole = _completed(
        graph, list(_asked(graph, children)), "input", found, graph.fits_input, schema
    )
    return {key: value for key, value in whole.items() if key not in given or value != given[key]}


def default_outputs(graph: Graph, children: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the attempts of action steps return, and the payloads of wait steps."""
    found = {}
    asked: dict[str, list[tuple[Node, int, Any]]] = {}
    for each in _asked(graph, children):
        if each[0][1] in ("output", "steps"):
            asked.setdefault(each[0][2][0], []).append(each)
    for step in graph.steps.values():
        if step.type not in ("action", "wait"):
            continue
        schema = step.fields.get("schema" if step.type == "wait" else "output_schema")
        value = data.smallest(schema) if schema is not None else {}
        found[step.id] = _completed(
            graph, asked.get(step.id, ()), step.id, value, step.fits_output, schema
        )
    return found


def _completed(
    graph: Graph,
    among: Sequence[tuple[Node, int, Any]],
    root: str,
    value: Any,
    check: Fitting | None,
    schema: Any,
) -> Any:
    """Return a value with everything in it that references ask of it, as far as it may."""
    asked = [
        (sure, parts, wanted)
        for node, sure, wanted in among
        for parts in [_path(graph, root, node)]
        if parts
    ]
    # Long paths first: what they lead through is then there.
    asked.sort(key=lambda each: (-each[0], each[2] is _NOTHING, -len(each[1])))
    settled: dict[str, int] = {}
    for sure, parts, wanted in asked:
        name = json.dumps(parts)
        present = at(value, parts, _NOTHING)
        inner = inside(schema, tuple(map(str, parts)))
        if settled.get(name, -1) >= sure:
            continue
        if present is not _NOTHING and sure < 1 and not _is_any_text(inner):
            continue
        if present is not _NOTHING and sure < 2 and type(present) is type(wanted):
            continue
        leaf = f"{parts[-1]}-1" if wanted is _NOTHING else wanted
        options: tuple[Any, ...] = (leaf, 1, True, {}, [])
        if inner is not None:
            options = (leaf, smallest(inner, schema), *options)
        if sure == 3 and isinstance(wanted, list):
            options = (leaf, _items_of_schema(schema, parts))
        for each in options:
            tried = put(value, parts, each)
            if present is not _NOTHING and each is not leaf and sure < 3:
                break
            if check is None or check(tried):
                value = tried
                settled[name] = sure
                break
    return value


def _is_any_text(schema: Any) -> bool:
    """Whether a text that says what it is for may do as well as the smallest one."""
    if not isinstance(schema, Mapping) or schema.get("type") != "string":
        return False
    return not {"enum", "const", "default", "examples"}.intersection(schema)


def _path(graph: Graph, root: str, node: Node) -> tuple[Any, ...]:
    """Return which path of the input, or of a step's output, a reference asks for."""
    _, kind, parts, _ = node
    if kind == "input" or (kind == "output" and graph.steps[parts[0]].type == "trigger"):
        parts = parts if kind == "input" else parts[1:]
        return tuple(parts) if root == "input" else ()
    if kind == "steps" and parts[1] == "output":
        parts = (parts[0], *parts[2:])
    elif kind != "output":
        return ()
    if parts[0] != root:
        return ()
    rest = tuple(parts[1:])
    if rest and rest[0] == "output":
        rest = rest[1:]
    if graph.steps[root].for_each is not None:
        rest = rest[1:] if rest and isinstance(rest[0], int) else ()
    return rest
