"""One step: reading its fields, and compiling the expressions and schemas in them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import attrs

from trioflow.definitions._durations import parse_duration, parse_instant
from trioflow.definitions._expressions import Condition
from trioflow.definitions._faults import Faults, at, listed, shown
from trioflow.definitions._fields import RESERVED, STEP_FIELDS
from trioflow.definitions._lexer import REFERENCE
from trioflow.definitions._parts import ActionCall, Step
from trioflow.definitions._paths import Reference
from trioflow.definitions._references import Template
from trioflow.definitions._schemas import Schema, parse_schema
from trioflow.definitions._shapes import StepOutline
from trioflow.definitions._syntax import Exists, walk
from trioflow.errors import ExpressionError


@attrs.frozen
class Mention:
    """A reference, and where in the document it stands."""

    path: str
    reference: Reference
    # It only asks whether there is such a value.
    asks: bool = False


class Compiler:
    """Compiles what stands in fields; it knows the ids of all steps."""

    def __init__(
        self, ids: frozenset[str], faults: Faults, items: Mapping[str, str] | None = None
    ) -> None:
        self.ids = ids
        self.faults = faults
        # What items are called, each with its step.
        self._items = items or {}
        # Many steps may have the same schema, and to check one takes milliseconds.
        self._schemas: dict[str, Schema | None] = {}

    def schema(self, document: Mapping[str, Any] | None, path: str) -> Schema | None:
        if document is None:
            return None
        key = json.dumps(document, sort_keys=True)
        if self._schemas.get(key) is None:
            self._schemas[key] = parse_schema(document, path, self.faults)
        return self._schemas[key]

    def template(
        self, value: Any, path: str, *, item_name: str | None = None, secrets: bool = False
    ) -> Template | None:
        try:
            return Template.parse(value, steps=self.ids, item_name=item_name, secrets=secrets)
        except ExpressionError:
            for place, error in Template.problems(
                value, steps=self.ids, item_name=item_name, secrets=secrets, items=self._items
            ):
                self.faults.add_expression(path + place, error)
            return None

    def condition(
        self,
        text: str | None,
        path: str,
        *,
        source: str | None = None,
        fields: Collection[str] = (),
    ) -> Condition | None:
        if text is None:
            return None
        try:
            return Condition.parse(text, source=source, steps=self.ids, fields=fields)
        except ExpressionError:
            for error in Condition.problems(
                text, source=source, steps=self.ids, items=self._items, fields=fields
            ):
                self.faults.add_expression(path, error)
            return None


def mentions_of(expression: Template | Condition | None, path: str) -> Iterator[Mention]:
    """The references to steps in a template or condition."""
    if isinstance(expression, Template):
        for reference in expression.references:
            if reference.step is not None:
                yield Mention(path + reference.place, reference)
    elif expression is not None:
        asked = {
            id(part)
            for node in walk(expression.tree)
            if isinstance(node, Exists)
            for part in walk(node)
        }
        for node in walk(expression.tree):
            if isinstance(node, Reference) and node.step is not None:
                yield Mention(path, node, id(node) in asked)


# ---- reading ----

_HINTS = {
    "timeout": {
        "wait": 'a wait step has "total_timeout"',
        "workflow": 'a workflow step has "total_timeout"',
    },
    "schema": {
        "action": 'an action step has "input_schema" and "output_schema"',
        "workflow": 'a workflow step has "input_schema" and "output_schema"',
    },
    "output_schema": {"wait": 'a wait step has "schema", for the payload'},
}


def read_step(outline: StepOutline, faults: Faults) -> dict[str, Any] | None:
    """Read the fields of a step; None if it has no id that others could use."""
    found: dict[str, Any] = {}
    type_ = outline.type
    for field, written in outline.values.items():
        known = STEP_FIELDS[field]
        value = known.read(written, outline.place(field), faults)
        if type_ is not None and type_ not in known.types:
            _report_misplaced(field, type_, known.types, outline, faults)
        elif value is not None:
            found[field] = value
    if "id" not in outline.values:
        faults.add(outline.path, 'lacks "id", by which others refer to it')
    if type_ is not None:
        _check_required(type_, outline, faults)
    if outline.extensions:
        found["extensions"] = outline.extensions
    return found if "id" in found else None


def _report_misplaced(
    field: str, type_: str, types: tuple[str, ...], outline: StepOutline, faults: Faults
) -> None:
    belongs = f"{shown(field)} belongs to {listed(types, 'and')} steps"
    hint = _HINTS.get(field, {}).get(type_)
    if hint is None and "type" not in outline.values and len(types) == 1:
        hint = f'if this is one, say so: "type": "{types[0]}"'
    article = "an" if type_ == "action" else "a"
    message = f"{belongs}, and this is {article} {type_} step"
    faults.add(outline.place(field), message + (f"; {hint}" if hint else ""))


def _check_required(type_: str, outline: StepOutline, faults: Faults) -> None:
    values = outline.values
    if type_ == "action" and "action" not in values:
        # Whoever forgot the type has been told already.
        if not any(
            STEP_FIELDS[field].types in (("wait",), ("sleep",), ("workflow",)) for field in values
        ):
            faults.add(outline.path, 'lacks "action", the name of the action to call')
    elif type_ == "workflow" and "workflow" not in values:
        faults.add(outline.path, 'lacks "workflow", the id of the workflow to run')
    elif type_ == "sleep" and ("duration" in values) == ("until" in values):
        both = "has both" if "until" in values else "has neither"
        faults.add(outline.path, f'{both} "duration" and "until"; a sleep step needs one of them')


# ---- compiling ----


@attrs.frozen(eq=False, kw_only=True)
class CompiledStep:
    """A step with everything that can be compiled without knowing the other steps."""

    step: Step
    outline: StepOutline
    condition: Condition | None
    parameters: Template | None
    items: Template | None
    fallback_parameters: Template | None
    compensate_parameters: Template | None
    duration: Template | None
    until: Template | None
    input_schema: Schema | None
    output_schema: Schema | None
    payload_schema: Schema | None
    # References to steps: those that make it wait, and those of its compensation.
    waits_for: tuple[Mention, ...]
    undoes_with: tuple[Mention, ...]


def compile_step(step: Step, outline: StepOutline, compiler: Compiler) -> CompiledStep:
    place = outline.place
    item_name = item_name_of(outline)
    if step.for_each is not None:
        _check_item_name(step.for_each.as_, at(place("for_each"), "as"), compiler)
    mentions: list[Mention] = []

    def parameters_of(value: Any, path: str) -> Template | None:
        return compiler.template(value, path, item_name=item_name, secrets=True)

    def waiting(expression: Any, path: str) -> Any:
        mentions.extend(mentions_of(expression, path))
        return expression

    def of_call(call: ActionCall | None, field: str) -> tuple[Template | None, str]:
        path = at(place(field), "parameters")
        if call is None or call.parameters is None:
            return None, path
        return parameters_of(call.parameters, path), path

    condition = compiler.condition(step.condition, place("condition"))
    waiting(condition, place("condition"))
    items_path = at(place("for_each"), "items")
    items = waiting(_items(step, items_path, compiler), items_path)
    parameters = None
    if step.type in ("action", "workflow"):
        parameters = parameters_of(step.parameters or {}, place("parameters"))
    waiting(parameters, place("parameters"))
    fallback = waiting(*of_call(step.fallback, "fallback"))
    undo, undo_path = of_call(step.compensate, "compensate")
    undo_mentions = tuple(mentions_of(undo, undo_path))
    if step.compensate is not None and step.compensate.parameters is None:
        undo = compiler.template({"output": f"${{{step.id}}}"}, undo_path)
    duration = waiting(_moment(step, "duration", outline, compiler), place("duration"))
    until = waiting(_moment(step, "until", outline, compiler), place("until"))
    if duration is not None and duration.constant:
        step = attrs.evolve(step, duration=parse_duration(step.duration))
    return CompiledStep(
        step=step,
        outline=outline,
        condition=condition,
        parameters=parameters,
        items=items,
        fallback_parameters=fallback,
        compensate_parameters=undo,
        duration=duration,
        until=until,
        input_schema=compiler.schema(step.input_schema, place("input_schema")),
        output_schema=compiler.schema(step.output_schema, place("output_schema")),
        payload_schema=compiler.schema(step.schema, place("schema")),
        waits_for=tuple(mentions),
        undoes_with=undo_mentions,
    )


def item_name_of(outline: StepOutline) -> str | None:
    """Return what a step calls its items, as it is written: its `for_each` may be at fault."""
    written = outline.values.get("for_each")
    if written is None:
        return None
    name = written.get("as", "item") if isinstance(written, Mapping) else "item"
    return name if isinstance(name, str) else "item"


def _check_item_name(name: str, path: str, compiler: Compiler) -> None:
    if name in compiler.ids:
        compiler.faults.add(path, f"{shown(name)} is the id of a step; choose another name")
    elif name in RESERVED | {"item_index"} and name != "item":
        compiler.faults.add(path, f"{shown(name)} is a word of the expression language")


def _items(step: Step, path: str, compiler: Compiler) -> Template | None:
    if step.for_each is None:
        return None
    items = step.for_each.items
    if isinstance(items, str) and not REFERENCE.fullmatch(items):
        compiler.faults.add(
            path,
            f"{shown(items)} is text, and never a list; write a list, or one reference to a list, "
            'like "${input.orders}"',
        )
        return None
    return compiler.template(items, path)


def _moment(step: Step, field: str, outline: StepOutline, compiler: Compiler) -> Template | None:
    """A sleep's `duration` or `until`: one reference, or a constant, which is checked."""
    value = getattr(step, field)
    path = outline.place(field)
    if value is None or step.type != "sleep":
        return None
    if not isinstance(value, str) or not REFERENCE.fullmatch(value):
        if isinstance(value, str) and "${" in value:
            compiler.faults.add(
                path, f"{shown(value)} has text beside a reference; write one reference alone"
            )
            return None
        try:
            parse_duration(value) if field == "duration" else parse_instant(value)
        except ValueError as error:
            compiler.faults.add(path, str(error))
            return None
    return compiler.template(value, path)
