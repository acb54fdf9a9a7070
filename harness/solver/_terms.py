"""What a condition asks of the data: its terms, what is asked of a document, and what it becomes.

A *document* is what a path starts in: the input, the output of a step, or the facts about a step. A
*term* is what a condition wants to know of one of them: the value at a path, only its length
(`len(x)`), or only whether it is there (`exists(x)`). What a term is given becomes a schema that
the document has to fit beside its own; so the generator of instances does the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from harness.data import smallest
from harness.data._instances import Maker
from harness.data._schemas import CannotGenerate, Lazy, Source
from harness.oracle._conditions import path_text
from harness.oracle._reading import Node, Part

# Which document: ("input",), ("output", step), ("facts", step), ("execution",), ("workflow",)
Name = tuple[str, ...]

STATUSES = ("COMPLETED", "FAILED", "SKIPPED", "CANCELLED")


class Nothing:
    """Stands for a value that is not there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ABSENT = Nothing("ABSENT")
# An input that no resume can bring: its place is in something that is no object.
GONE = Nothing("GONE")


@attrs.frozen
class Term:
    """What a condition wants to know: `kind` is ``value``, ``length`` or ``there``."""

    kind: str
    document: Name
    path: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The reference, as it is written in a condition."""
        name, *step = self.document
        if name == "facts":
            return path_text("steps", (*step, *self.path))
        if name == "output":
            return path_text("output", (*step, *self.path))
        return path_text(name, self.path)

    def __str__(self) -> str:
        words = {"length": f"len({self.text})", "there": f"exists({self.text})"}
        return words.get(self.kind, self.text)


@attrs.frozen
class World:
    """What a condition can see, and what it may be.

    `input` and `outputs` are schemas; without one everything is allowed (the input is an object).
    `defaults` is the input that the document gives itself. `statuses` says how a step may have
    ended (if a condition does not ask: COMPLETED, and if it does, in any way). `execution` and
    `workflow` are values: nobody can choose them.
    """

    input: Any = None
    outputs: Mapping[str, Any] = attrs.field(factory=dict)
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    statuses: Mapping[str, Sequence[str]] = attrs.field(factory=dict)
    execution: Mapping[str, Any] = attrs.field(factory=dict)
    workflow: Mapping[str, Any] = attrs.field(factory=dict)

    def schema(self, document: Name, *, asked: bool = True) -> Any:
        """Return the schema of a document. `asked`: a condition asks for a step's status."""
        match document:
            case ("input",):
                return {"type": "object"} if self.input is None else self.input
            case ("output", step):
                schema = self.outputs.get(step)
                return True if schema is None else schema
            case ("facts", step):
                statuses = self.statuses.get(step, STATUSES if asked else STATUSES[:1])
                return {"oneOf": [_FACTS[each] for each in statuses]}
            case ("execution",):
                return {"const": dict(self.execution)}
        return {"const": dict(self.workflow)}

    def place(self, node: Node) -> tuple[Name, tuple[Part, ...]]:
        """Return where in which document a reference points to."""
        _, root, parts, _ = node
        if root == "output":
            step, *rest = parts
            # The word may stand there or not, unless the output has such a key itself.
            if rest and rest[0] == "output" and not self._names_output(step):
                rest = rest[1:]
            return ("output", step), tuple(rest)
        if root == "steps":
            step, fact, *rest = parts
            if fact == "output":
                return ("output", step), tuple(rest)
            return ("facts", step), (fact, *rest)
        return (root,), tuple(parts)

    def _names_output(self, step: str) -> bool:
        schema = self.outputs.get(step)
        return isinstance(schema, Mapping) and "output" in schema.get("properties", {})


def _facts(status: str, error: Any, attempts: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"status": {"const": status}, "error": error, "attempts": attempts}
    return {"type": "object", "properties": properties, "required": list(properties)}


_TEXT = {"type": "string", "minLength": 1}
_ERROR = {
    "type": "object",
    "properties": {"code": {**_TEXT, "examples": ["action.error"]}, "message": _TEXT},
    "required": ["code", "message"],
    "additionalProperties": False,
}
_FACTS = {
    "COMPLETED": _facts("COMPLETED", {"type": "null"}, {"type": "integer", "minimum": 1}),
    "FAILED": _facts("FAILED", _ERROR, {"type": "integer", "minimum": 0, "examples": [1]}),
    "SKIPPED": _facts("SKIPPED", {"type": "null"}, {"const": 0}),
    "CANCELLED": _facts("CANCELLED", {"type": "null"}, {"type": "integer", "minimum": 0}),
}


# ---- from a condition to its terms, and back ----


def terms_of(node: Any, world: World) -> Iterator[Term]:
    """Yield the terms of a (plain) clause, from left to right."""
    if isinstance(node, list):
        for each in node:
            yield from terms_of(each, world)
    elif isinstance(node, tuple) and node[0] != "constant":
        term = term_of(node, world)
        if term is not None:
            yield term
        else:
            for each in node[1:]:
                yield from terms_of(each, world)


def term_of(node: Node, world: World) -> Term | None:
    """Return the term that a node is, if it is one."""
    if node[0] == "ref":
        return Term("value", *world.place(node))
    if node[0] in ("exists", "len") and node[1][0] == "ref" and not node[1][3]:
        return Term("there" if node[0] == "exists" else "length", *world.place(node[1]))
    return None


def replaced(node: Any, given: Mapping[Term, Any], world: World) -> Any:
    """Return a clause with what its terms are given in their place."""
    if isinstance(node, list):
        return [replaced(each, given, world) for each in node]
    if not isinstance(node, tuple) or node[0] == "constant":
        return node
    term = term_of(node, world)
    if term is None:
        return tuple(replaced(each, given, world) for each in node)
    value = given[term]
    if not isinstance(value, Nothing):
        return ("constant", value)
    optional = node[0] == "ref" and node[3]
    # In an empty scope there is neither of them.
    root = "input" if term.document == ("input",) and value is ABSENT else "output"
    return ("constant", None) if optional else ("ref", root, ("absent",), False)


def look_up(value: Any, path: Sequence[Part]) -> Any:
    """Return what is at a path of a document, or `ABSENT`."""
    for part in path:
        if isinstance(value, Mapping) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and -len(value) <= part < len(value):
            value = value[part]
        else:
            return ABSENT
    return value


def _in_list(index: int, size: int, inner: Any, *, absent: bool, last: bool) -> dict[str, Any]:
    """Return what a list has to fit, so that an item fits. `size` counts for negative indexes."""
    if last:
        return {"maxItems": index if index >= 0 else -index - 1}
    found: dict[str, Any] = {
        "prefixItems": [*[True] * (index if index >= 0 else size + index), inner]
    }
    if not absent:
        found |= {"type": "array", "minItems": index + 1 if index >= 0 else size}
        if index < 0:
            found["maxItems"] = size
    return found


class Documents:
    """The documents of a world: what fits them, and instances that fit demands, too."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sources: dict[Name, Source] = {}
        self._under: dict[Term, Any] = {}
        self._made: dict[tuple[Name, str], Any] = {}
        # How many instances had to be made.
        self.made = 0

    def _source(self, document: Name) -> Source:
        if document not in self._sources:
            self._sources[document] = Source(self._world.schema(document))
        return self._sources[document]

    def under(self, term: Term) -> Any:
        """Return roughly what the schema asks of a value there."""
        if term not in self._under:
            source = self._source(term.document)
            self._under[term] = source.under(source.root, term.path)
        return self._under[term]

    def may_be(self, term: Term, value: Any) -> bool:
        """Whether the schema does not already rule a value out."""
        if isinstance(value, Nothing) or term.kind != "value":
            return True
        return self._source(term.document).fits(self.under(term), value)

    def samples(self, term: Term, most: int) -> list[Any]:
        """Return some values that the schema allows there."""
        maker = Maker(self._source(term.document), 8, 3_000)
        found = Lazy(maker.values(self.under(term)))
        try:
            return [found[index] for index in range(most) if found.has(index)]
        except CannotGenerate:
            return []

    def lists(self, document: Name, path: tuple[Part, ...]) -> bool:
        """Whether there may be a list at a path."""
        source = self._source(document)
        schema = source.under(source.root, path)
        if schema is False:
            return False
        try:
            next(Maker(source, 8, 500).values(source.together((schema, _LIST))))
        except (CannotGenerate, StopIteration):
            return False
        return True

    def base(self, term: Term) -> Any:
        """Return what a term is in the smallest document."""
        try:
            value = look_up(self.instance(term.document, ()), term.path)
        except CannotGenerate:
            return ABSENT
        if term.kind == "there":
            return value is not ABSENT
        if term.kind == "length":
            return len(value) if isinstance(value, str | list | dict) else ABSENT
        return value

    def demand(self, term: Term, value: Any, given: Mapping[Term, Any]) -> dict[str, Any]:
        """Return what a document has to fit, so that the term has this value."""
        absent = value is ABSENT or (term.kind == "there" and value is False)
        found: Any = True
        path = term.path
        if value is GONE:
            *above, last_part = path
            path = tuple(above)
            found = {"not": {"type": "object"}}
            if isinstance(last_part, int) and self.lists(term.document, path):
                found = {"type": "array", **_in_list(last_part, 0, True, absent=True, last=True)}
        elif term.kind == "length" and not absent:
            kinds = ("Length", "Items", "Properties")
            found = {f"{which}{kind}": value for kind in kinds for which in ("min", "max")}
            found["type"] = ["array", "string", "object"]
        elif term.kind == "value" and not absent:
            found = {"const": value}
        for place in range(len(path) - 1, -1, -1):
            part, before = path[place], path[:place]
            last = absent and place == len(path) - 1
            if isinstance(part, int) and self.lists(term.document, before):
                size = _size(term.document, before, given)
                found = _in_list(part, size, found, absent=absent, last=last)
                continue
            found = {"properties": {str(part): False if last else found}}
            if not absent:
                found |= {"type": "object", "required": [str(part)]}
        return {} if found is True else found

    def instance(self, document: Name, demands: Sequence[Any], *, asked: bool = True) -> Any:
        """Return the smallest instance with all that is demanded. Raises `CannotGenerate`."""
        key = document, json.dumps([asked, demands], sort_keys=True, default=str)
        if key not in self._made:
            self.made += 1
            schema = self._world.schema(document, asked=asked)
            also = {"allOf": list(demands)} if demands else True
            try:
                self._made[key] = smallest(schema, also=also, budget=3_000)
            except CannotGenerate as error:
                self._made[key] = error
        found = self._made[key]
        if isinstance(found, CannotGenerate):
            raise found
        return found


_LIST = {"type": "array"}


def _size(document: Name, path: tuple[Part, ...], given: Mapping[Term, Any]) -> int:
    """Return how long a list is, or else has to be for what is asked of its items."""
    length = given.get(Term("length", document, path))
    if isinstance(length, int):
        return length
    value = given.get(Term("value", document, path))
    if isinstance(value, list):
        return len(value)
    found = [0]
    for term, each in given.items():
        below = term.document == document and term.path[: len(path)] == path
        if below and len(term.path) > len(path) and not isinstance(each, Nothing):
            index = term.path[len(path)]
            if isinstance(index, int):
                found.append(index + 1 if index >= 0 else -index)
    return max(found)
