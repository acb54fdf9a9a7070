"""The whole document: what its parts are to each other, and the plan that comes out of it.

Both doors lead here: `load_workflow`, and the constructor of `Workflow`, which writes down as a
document what it was given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import attrs

from trioflow.definitions._expressions import Condition
from trioflow.definitions._faults import Faults, at, kind, shown
from trioflow.definitions._fields import CONNECTION_FIELDS, read_fields
from trioflow.definitions._graph import Links, SurelyEnded
from trioflow.definitions._knowledge import can_have, names_in
from trioflow.definitions._parts import Connection, Step
from trioflow.definitions._references import Template
from trioflow.definitions._schemas import Schema
from trioflow.definitions._shapes import ConnectionOutline, Outline, StepOutline, read_outline
from trioflow.definitions._steps import (
    CompiledStep,
    Compiler,
    Mention,
    compile_step,
    item_name_of,
    mentions_of,
    read_step,
)


@attrs.frozen(eq=False)
class CompiledConnection:
    connection: Connection
    path: str
    source: int
    target: int
    condition: Condition | None = None


@attrs.frozen(eq=False, kw_only=True)
class Checked:
    """A document without faults, normalised and compiled."""

    fields: Mapping[str, Any]
    steps: tuple[CompiledStep, ...]
    connections: tuple[CompiledConnection, ...]
    links: Links
    output: Template | None
    input_schema: Schema | None
    output_schema: Schema | None
    # Whether `sequence_order` orders the steps, and not connections.
    is_numbered: bool


def check(document: Any, faults: Faults, source: str) -> Checked:
    """Check a plain document; raises `DefinitionError` with all its faults."""
    if not isinstance(document, dict):
        faults.add("$", f"a workflow is an object, not {kind(document)}")
        faults.raise_if_any(source)
    checked = _Check(read_outline(document, faults), faults).run()
    faults.raise_if_any(source)
    return checked


class _Check:
    def __init__(self, outline: Outline, faults: Faults) -> None:
        self._outline = outline
        self._faults = faults
        # Also ids that are at fault: who refers to them is not.
        written = {
            name: step for step in outline.steps if isinstance(name := step.values.get("id"), str)
        }
        items = {item_name_of(step): name for name, step in written.items()}
        self._compiler = Compiler(
            frozenset(written),
            faults,
            {item: name for item, name in items.items() if item not in (None, "item")},
        )
        self._index: dict[str, int] = {}
        self._steps: list[CompiledStep] = []
        self._depends_on: list[tuple[str, ...]] = []
        # How many connections without an id there are between two steps so far.
        self._unnamed: dict[tuple[int, int], int] = {}

    def run(self) -> Checked:
        for step, outline in self._read_steps():
            self._index[step.id] = len(self._steps)
            self._steps.append(compile_step(step, outline, self._compiler))
        connections = self._connections()
        self._check_defaults(connections)
        self._check_signals()
        links = self._links(connections)
        cyclic = self._report_cycles(links)
        if not cyclic:
            self._check_times(links, connections)
        fields = self._outline.fields
        output = self._output()
        self._check_outputs(connections, output)
        return Checked(
            fields=fields,
            steps=tuple(self._steps),
            connections=tuple(connections),
            links=links,
            output=output,
            input_schema=self._compiler.schema(fields.get("input_schema"), "$.input_schema"),
            output_schema=self._compiler.schema(fields.get("output_schema"), "$.output_schema"),
            is_numbered=self._outline.order != "graph",
        )

    # ---- steps and connections ----

    def _read_steps(self) -> Iterator[tuple[Step, StepOutline]]:
        """The steps that have an id of their own (of two with one id the first), normalised."""
        first: dict[str, str] = {}
        # What is no text is reported when the connections are read.
        targets = {str(each.values.get("target")) for each in self._outline.connections}
        for outline in self._outline.steps:
            found = read_step(outline, self._faults)
            if found is None:
                continue
            name = found["id"]
            if name in first:
                self._faults.add(
                    outline.place("id"),
                    f"{shown(name)} is the id of {first[name]}, too; each step has its own",
                )
                continue
            first[name] = outline.path
            if self._outline.order == "list":
                found["sequence_order"] = len(first)
            if found.get("type") == "wait":
                found.setdefault("signal", name)
            depends_on = found.pop("depends_on", ())
            if depends_on and name in targets and "join" not in found:
                self._faults.add(
                    outline.path,
                    'has "depends_on" and incoming connections; say with "join" whether it waits '
                    'for "all" or "any" of them, or for the "first"',
                )
            found.setdefault("join", "all" if depends_on else "any")
            self._depends_on.append(depends_on)
            yield Step(**found), outline

    def _connections(self) -> list[CompiledConnection]:
        """Those of the document, and then those that `depends_on` stands for."""
        compiled = [self._connection(outline) for outline in self._outline.connections]
        found = [each for each in compiled if each is not None]
        for target, sources in enumerate(self._depends_on):
            step = self._steps[target]
            path = step.outline.place("depends_on")
            for position, name in enumerate(sources):
                source = self._known(name, at(path, position))
                if source is not None:
                    connection = Connection(name, step.step.id, id=self._new_id(source, target))
                    found.append(CompiledConnection(connection, path, source, target))
        self._check_ids(found)
        return found

    def _connection(self, outline: ConnectionOutline) -> CompiledConnection | None:
        path = outline.path
        fields = read_fields(
            outline.values, path, CONNECTION_FIELDS, self._faults, what="a connection"
        )
        ends: list[int | None] = []
        for end in ("source", "target"):
            if end not in outline.values:
                self._faults.add(path, f"lacks {shown(end)}, the id of a step")
            ends.append(self._known(fields[end], at(path, end)) if end in fields else None)
        source, target = ends
        if source is None or target is None:
            return None
        if "id" not in outline.values:
            fields["id"] = self._new_id(source, target)
        connection = Connection(**fields)
        condition = self._compiler.condition(
            connection.condition,
            at(path, "condition"),
            source=connection.source,
            fields=self._fields_of(source) if "-" in (connection.condition or "") else (),
        )
        return CompiledConnection(connection, path, source, target, condition)

    def _fields_of(self, source: int) -> Collection[str]:
        """Return the names of fields that the output of a step is said to have."""
        compiled = self._steps[source]
        schema = compiled.output_schema or compiled.payload_schema
        # With `for_each` the schema is that of one item's output.
        if schema is None or compiled.step.for_each is not None:
            return ()
        return names_in(schema.document)

    def _known(self, name: str, path: str) -> int | None:
        if name in self._index:
            return self._index[name]
        if name not in self._compiler.ids:
            hint = self._faults.suggestion(name, self._index)
            self._faults.add(path, f"there is no step {shown(name)}{hint}")
        return None

    def _new_id(self, source: int, target: int) -> str:
        count = self._unnamed[source, target] = self._unnamed.get((source, target), 0) + 1
        return default_id(self._steps[source].step.id, self._steps[target].step.id, count)

    # ---- rules between parts ----

    def _check_ids(self, connections: list[CompiledConnection]) -> None:
        first: dict[str | None, str] = {}
        for each in connections:
            name = each.connection.id
            if name is not None and name in first:
                self._faults.add(
                    each.path,
                    f"has the id {shown(name)}, which {first[name]} has already; give one of "
                    "them another id",
                )
            first.setdefault(name, each.path)

    def _check_defaults(self, connections: list[CompiledConnection]) -> None:
        first: dict[tuple[int, str], str] = {}
        for each in connections:
            connection = each.connection
            if not connection.default:
                continue
            path = at(each.path, "default")
            if connection.condition is not None:
                self._faults.add(
                    path,
                    "a default is taken when no other connection is, and has no condition; "
                    "leave one of the two out",
                )
            key = (each.source, connection.on)
            if key in first:
                self._faults.add(
                    path,
                    f"{first[key]} is the default of {shown(connection.source)} on "
                    f"{connection.on} already; there can be one",
                )
            first.setdefault(key, each.path)

    def _check_signals(self) -> None:
        first: dict[str, str] = {}
        for compiled in self._steps:
            step = compiled.step
            if step.type != "wait" or step.signal is None:
                continue
            if step.signal in first:
                self._faults.add(
                    compiled.outline.place("signal"),
                    f"{shown(step.signal)} is waited for by {first[step.signal]} already; a "
                    "signal goes to one step",
                )
            first.setdefault(step.signal, f"step {shown(step.id)}")

    def _links(self, connections: list[CompiledConnection]) -> Links:
        ends = [(each.source, each.target) for each in connections]
        first = frozenset(i for i, each in enumerate(self._steps) if each.step.join == "first")
        links = Links(len(self._steps), ends, first)
        references: list[list[int]] = []
        for index, compiled in enumerate(self._steps):
            names = dict.fromkeys(mention.reference.step for mention in compiled.waits_for)
            referred = [self._index[name] for name in names if name in self._index]
            if index in first:
                # What has not ended when it starts is missing: that is what `first` is for.
                sources = {ends[connection][0] for connection in links.incoming[index]}
                referred = [other for other in referred if other not in sources]
            references.append(referred)
        links.make_gates(self._levels(), references)
        return links

    def _levels(self) -> list[list[int]]:
        levels: dict[float, list[int]] = {}
        for index, compiled in enumerate(self._steps):
            if self._outline.order != "graph" and compiled.step.sequence_order is not None:
                levels.setdefault(compiled.step.sequence_order, []).append(index)
        return [levels[order] for order in sorted(levels)]

    def _report_cycles(self, links: Links) -> bool:
        before = len(self._faults)
        for cycle in links.cycles():
            ids = [self._steps[index].step.id for index in cycle]
            shape = "$.steps" if self._steps[cycle[0]].outline.path.startswith("$.s") else "$.nodes"
            if len(ids) == 2:
                message = f"{ids[0]} -> {ids[0]}: the step waits for itself"
            else:
                message = (
                    f"{' -> '.join(ids)}: each of these steps waits for the one before it, so "
                    "none can start; remove a connection, a reference or what else orders them"
                )
            self._faults.add(shape, message)
        return len(self._faults) > before

    def _check_times(self, links: Links, connections: list[CompiledConnection]) -> None:
        """A value can only be used where the step that makes it has surely ended."""
        doubtful: list[tuple[int, int, Mention, str]] = []
        for each in connections:
            source = each.connection.source
            for mention in mentions_of(each.condition, at(each.path, "condition")):
                other = self._index.get(mention.reference.step or "")
                if other is not None and other != each.source:
                    message = (
                        f"names the step {shown(mention.reference.step)}, which may not have ended "
                        f"when {shown(source)} ends; put the condition on the target step "
                        f"{shown(each.connection.target)}"
                    )
                    doubtful.append((each.source, other, mention, message))
        for index, compiled in enumerate(self._steps):
            for mention in compiled.undoes_with:
                other = self._index.get(mention.reference.step or "")
                if other is not None and other != index:
                    message = (
                        f"names the step {shown(mention.reference.step)}, which may not have ended "
                        f"before {shown(compiled.step.id)} starts; a compensation can name the "
                        "input, its own step, and what has ended before that"
                    )
                    doubtful.append((index, other, mention, message))
        if not doubtful:
            return
        ended = SurelyEnded(links, (other for _, other, _, _ in doubtful))
        for step, other, mention, message in doubtful:
            if not ended.before(step, other):
                self._faults.add(mention.path, message)

    def _output(self) -> Template | None:
        output = self._outline.fields.get("output")
        return None if output is None else self._compiler.template(output, "$.output")

    def _check_outputs(
        self, connections: list[CompiledConnection], output: Template | None
    ) -> None:
        """Report references to what the output of a step cannot have."""
        for compiled in self._steps:
            for mention in compiled.waits_for:
                self._check_output(mention)
            for mention in compiled.undoes_with:
                # To an undo of an item its own step is that item.
                own = mention.reference.step == compiled.step.id
                self._check_output(mention, of_item=own)
        for each in connections:
            for mention in mentions_of(each.condition, at(each.path, "condition")):
                self._check_output(mention)
        for mention in mentions_of(output, "$.output"):
            self._check_output(mention)

    def _check_output(self, mention: Mention, *, of_item: bool = False) -> None:
        reference = mention.reference
        if mention.asks or reference.optional or reference.path[1] != "output":
            return
        index = self._index.get(reference.step or "")
        if index is None:
            return
        compiled = self._steps[index]
        path: tuple[str | int, ...] = reference.path[2:]
        schema = compiled.output_schema or compiled.payload_schema
        if compiled.step.for_each is not None and path and not of_item:
            # The schema is that of one item's output.
            if not isinstance(path[0], int):
                self._faults.add(
                    mention.path,
                    f"${{{reference.text}}} has no value: {shown(reference.step)} runs for each "
                    f"of some items, so its output is a list; write an index before "
                    f"{shown(path[0])}",
                )
                return
            path = path[1:]
        if schema is None or can_have(schema.document, path):
            return
        if reference.through_output and can_have(schema.document, ("output", *path)):
            return
        name = "schema" if compiled.output_schema is None else "output_schema"
        self._faults.add(
            mention.path,
            f"${{{reference.text}}} has no value: the {name} of step {shown(reference.step)} "
            "rules it out",
        )


def default_id(source: str, target: str, count: int) -> str:
    """The id of a connection without one, the `count`-th such between the same two steps."""
    return f"{source}->{target}" if count == 1 else f"{source}->{target}#{count}"
