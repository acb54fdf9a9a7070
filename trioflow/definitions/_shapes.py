"""The two shapes of a document, read into one outline.

An outline still holds what the author wrote, field by field, and knows where: in the graph shape
the fields of a step are spread over a node and its `config`, and a fault has to be reported where
its author can find it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from trioflow.definitions import _fields as f
from trioflow.definitions._faults import USUAL, Faults, at, check_keys, extensions, shown

Order = Literal["list", "sequence", "graph"]


@attrs.frozen(eq=False)
class StepOutline:
    """The fields of one step as they were written, and where each of them stands."""

    path: str
    values: Mapping[str, Any]
    places: Mapping[str, str]
    extensions: Mapping[str, Any]

    def place(self, field: str) -> str:
        return self.places.get(field, self.path)

    @property
    def type(self) -> str | None:
        """Its type, or None if that is at fault."""
        written = self.values.get("type", "action")
        return written if isinstance(written, str) and written in f.ALL else None


@attrs.frozen(eq=False)
class ConnectionOutline:
    path: str
    values: Mapping[str, Any]


@attrs.frozen(eq=False)
class Outline:
    """A whole document, in whatever shape it was."""

    # What does not depend on the shape, already read and normalised.
    fields: Mapping[str, Any]
    steps: tuple[StepOutline, ...]
    connections: tuple[ConnectionOutline, ...]
    order: Order


def read_outline(document: Mapping[str, Any], faults: Faults) -> Outline:
    known = (*f.WORKFLOW_FIELDS, *f.SHAPE_FIELDS)
    check_keys(document, known, "$", faults, what="the workflow")
    found = {
        key: read(document[key], at("$", key), faults)
        for key, read in f.WORKFLOW_FIELDS.items()
        if key in document
    }
    if "id" not in document:
        faults.add("$", 'lacks "id", the name under which executions of it are found')
    _check_format(document, faults)
    steps = tuple(_steps(document, faults))
    has_connections = "connections" in document
    connections = tuple(
        ConnectionOutline(at("$.connections", index), each)
        for index, each in _objects(document.get("connections", []), "$.connections", faults)
    )
    present: dict[str, Any] = {key: item for key, item in found.items() if item is not None}
    if extra := extensions(document):
        present["extensions"] = extra
    order = _order(steps, "nodes" in document, has_connections, faults)
    return Outline(present, steps, connections, order)


def _check_format(document: Mapping[str, Any], faults: Faults) -> None:
    version = document.get("trioflow", 1)
    if isinstance(version, bool) or version != 1:
        faults.add("$.trioflow", f"the version of the format is 1, not {shown(version)}")


def _objects(value: object, path: str, faults: Faults) -> Iterable[tuple[int, dict[str, Any]]]:
    if not isinstance(value, list):
        faults.add(path, f"must be a list, not {shown(value)}")
        return
    for index, item in enumerate(value):
        if isinstance(item, dict):
            yield index, item
        else:
            faults.add(at(path, index), f"must be an object, not {shown(item)}")


def _steps(document: Mapping[str, Any], faults: Faults) -> Iterable[StepOutline]:
    if "steps" in document and "nodes" in document:
        faults.add("$.nodes", 'stands beside "steps"; write all steps in one of the two shapes')
    elif "steps" not in document and "nodes" not in document:
        faults.add("$", 'lacks "steps", the list of its steps (or "nodes", in the graph shape)')
    for shape, read in (("steps", _step_of_list), ("nodes", _step_of_graph)):
        path = at("$", shape)
        if document.get(shape) == []:
            faults.add(path, "is empty; a workflow has at least one step")
        for index, item in _objects(document.get(shape, []), path, faults):
            yield read(item, at(path, index), faults)


def _step_of_list(written: dict[str, Any], path: str, faults: Faults) -> StepOutline:
    def hint(key: str) -> str | None:
        if key == "service":
            return 'unknown key "service" in a step; write both in one, "action": "service.action"'
        if key == "config":
            return 'unknown key "config" in a step; its fields stand in the step itself'
        if key == "next":
            return (
                'unknown key "next" in a step; the next one has "depends_on", '
                'or a connection leads to it, in "connections"'
            )
        return None

    check_keys(written, f.STEP_FIELDS, path, faults, what="a step", hints=hint)
    values = {key: item for key, item in written.items() if key in f.STEP_FIELDS}
    places = {key: at(path, key) for key in values}
    return StepOutline(path, values, places, extensions(written))


_NODE_KEYS = ("id", "type", "title", "config")


def _step_of_graph(written: dict[str, Any], path: str, faults: Faults) -> StepOutline:
    def hint(key: str) -> str | None:
        if key == "name":
            return 'unknown key "name" in a node; a node has a "title"'
        if key in f.STEP_FIELDS or key == "service":
            return f'{shown(key)} stands in the node itself; it goes into its "config"'
        usual = USUAL.get(key, ())
        inside = [meant for meant in usual if meant in f.STEP_FIELDS]
        if inside and not set(usual) & set(_NODE_KEYS):
            return f'unknown key {shown(key)} in a node; its "config" has {shown(inside[0])}'
        return None

    check_keys(written, _NODE_KEYS, path, faults, what="a node", hints=hint)
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for key, field in (("id", "id"), ("type", "type"), ("title", "name")):
        if key in written:
            values[field] = written[key]
            places[field] = at(path, key)
    config = written.get("config", {})
    inside = at(path, "config")
    if not isinstance(config, dict):
        faults.add(inside, f"must be an object, not {shown(config)}")
        config = {}
    extra = extensions(written)
    _read_config(config, inside, values, places, faults)
    for key, item in extensions(config).items():
        if key in extra:
            faults.add(at(inside, key), "stands in the node itself, too; write it once")
        extra[key] = item
    return StepOutline(path, values, places, extra)


def _read_config(
    config: Mapping[str, Any],
    path: str,
    values: dict[str, Any],
    places: dict[str, str],
    faults: Faults,
) -> None:
    known = [*f.STEP_FIELDS, "service"]
    check_keys(config, known, path, faults, what="config")
    for key, item in config.items():
        if key not in f.STEP_FIELDS:
            continue
        if key in ("id", "type"):
            faults.add(at(path, key), f"{shown(key)} stands in the node itself, not in its config")
        elif key in values:
            faults.add(at(path, key), 'the node has a "title"; write its name once')
        else:
            values[key] = item
            places[key] = at(path, key)
    if "service" in config:
        _join_service(config, path, values, places, faults)


def _join_service(
    config: Mapping[str, Any],
    path: str,
    values: dict[str, Any],
    places: dict[str, str],
    faults: Faults,
) -> None:
    """``"service": "payments", "action": "charge"`` is the action ``payments.charge``."""
    service = f.name(config["service"], at(path, "service"), faults)
    action = config.get("action", "default")
    places.setdefault("action", at(path, "service"))
    if service is not None and action and isinstance(action, str):
        values["action"] = f"{service}.{action}"
    else:
        # The fault, if it is not the service's, is found when the field is read.
        values.setdefault("action", "default")


def _order(
    steps: tuple[StepOutline, ...], is_graph: bool, has_connections: bool, faults: Faults
) -> Order:
    """Decide what orders the steps, and report what does not go together."""
    numbered = [step for step in steps if "sequence_order" in step.values]
    depending = any("depends_on" in step.values for step in steps)
    if numbered:
        beside = "connections" if has_connections else "depends_on" if depending else None
        for step in numbered if beside else ():
            faults.add(
                step.place("sequence_order"),
                f'cannot stand beside "{beside}"; use one of the two to order the steps',
            )
        for step in steps:
            if not beside and "sequence_order" not in step.values:
                faults.add(
                    step.path,
                    'lacks "sequence_order", which other steps have; give it to all or to none',
                )
        return "graph" if beside else "sequence"
    return "graph" if is_graph or has_connections or depending else "list"
