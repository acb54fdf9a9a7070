"""The oracle's own reading of documents: both shapes, one graph. It takes them to be valid."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Self

import attrs
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry

from harness._formats import FORMATS
from harness._remembered import Remembered
from harness.oracle._reading import Names, Node, read_condition, steps_of, steps_of_template

Document = Mapping[str, Any]

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(
    r"(?:([0-9.]+)d)?(?:([0-9.]+)h)?(?:([0-9.]+)m)?(?:([0-9.]+)s)?(?:([0-9.]+)ms)?"
)
_LONGEST = 1e11


def read_duration(value: Any) -> float:
    """Return the seconds that a duration means; `ValueError` for everything that is none."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None or not any(match.groups()):
            raise ValueError(value)
        *amounts, milliseconds = match.groups()
        seconds = sum(
            float(amount) * unit
            for amount, unit in zip(amounts, _UNITS.values(), strict=True)
            if amount
        )
        value = seconds + float(milliseconds or 0) / 1000
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST:
        raise ValueError(value)
    return float(value)


def read_instant(value: Any) -> float:
    """Return the seconds since 1970 of an ISO 8601 text with an offset; else `ValueError`."""
    if not isinstance(value, str):
        raise ValueError(value)
    found = datetime.fromisoformat(value.strip().upper())
    if found.tzinfo is None or "T" not in value.upper().replace(" ", "T"):
        raise ValueError(value)
    return found.timestamp()


def _optional_duration(value: Any) -> float | None:
    return None if value is None else read_duration(value)


@attrs.frozen
class Repeats:
    """A `retry`, with everything in it that may be left out."""

    max_attempts: int = 1
    initial_delay: float = 1.0
    multiplier: float = 2.0
    max_delay: float = 60.0
    jitter: str = "full"
    max_elapsed: float | None = None
    on: tuple[str, ...] | None = None
    not_on: tuple[str, ...] = ()
    on_exhausted: str = "fail"


def read_retry(value: Any, default: Repeats | None = None) -> Repeats:
    """Return what a `retry` means: none at all is one attempt, unless there is a default."""
    if value is None:
        return default or Repeats()
    if isinstance(value, int):
        return Repeats(value)
    found = {key: each for key, each in value.items() if not key.startswith("x-")}
    for key in ("initial_delay", "max_delay", "max_elapsed"):
        if found.get(key) is not None:
            # An initial delay of nothing is allowed, and no duration.
            found[key] = 0.0 if found[key] == 0 else read_duration(found[key])
    for key in ("on", "not_on"):
        if found.get(key) is not None:
            found[key] = tuple(found[key])
    kept = {key: each for key, each in found.items() if each is not None}
    return Repeats(**{"max_attempts": 3, **kept})


class Fitting:
    """A schema that says whether a value fits."""

    def __init__(self, schema: Any) -> None:
        kind: type[Validator] = Draft202012Validator
        if isinstance(schema, Mapping):
            kind = validator_for(schema, default=Draft202012Validator)
        self._validator = kind(schema, registry=Registry(), format_checker=FORMATS)

    def __call__(self, value: Any) -> bool:
        return bool(self._validator.is_valid(value))


def _fitting(schema: Any) -> Fitting | None:
    return None if schema is None else Fitting(schema)


@attrs.frozen
class Called:
    """An action with its parameters: a step's own, its fallback or what undoes it."""

    action: str
    parameters: Any
    timeout: float | None
    retry: Repeats


def _called(value: Any) -> Called | None:
    if value is None:
        return None
    found: Mapping[str, Any] = {"action": value} if isinstance(value, str) else value
    return Called(
        found["action"],
        found.get("parameters"),
        _optional_duration(found.get("timeout")),
        read_retry(found.get("retry")),
    )


class _Shared:
    """What facts only refer to: copying them copies nothing of it."""

    def __deepcopy__(self, memo: object) -> Self:
        return self


@attrs.frozen(eq=False, slots=False)
class Edge(_Shared):
    """A connection. Its condition is read with its source's output in view."""

    index: int
    id: str
    source: str
    target: str
    on: str = "success"
    condition: Node | None = None
    # Whether there is anything to ask: an empty condition is none.
    conditional: bool = False
    default: bool = False


@attrs.frozen(eq=False, slots=False)
class Step(_Shared):
    """A step. `gates` are the steps whose end it waits for (R1)."""

    index: int
    id: str
    type: str
    fields: Mapping[str, Any]
    names: Names
    condition: Node | None
    call: Called | None
    fallback: Called | None
    compensate: Called | None
    retry: Repeats
    join: str
    gates: frozenset[str] = frozenset()

    @property
    def tolerant(self) -> bool:
        """Whether it has `continue_on_error`."""
        return bool(self.fields.get("continue_on_error"))

    @property
    def for_each(self) -> Mapping[str, Any] | None:
        """Its `for_each`, as written."""
        return self.fields.get("for_each")

    @property
    def total_timeout(self) -> float | None:
        """Its `total_timeout`, in seconds."""
        return _optional_duration(self.fields.get("total_timeout"))

    @property
    def on_crash(self) -> str:
        """What becomes of an attempt whose process is gone."""
        return str(self.fields.get("on_crash") or "retry")

    @property
    def signal(self) -> str:
        """The name of the signal that a wait step waits for."""
        return str(self.fields.get("signal") or self.id)

    @cached_property
    def fits_input(self) -> Fitting | None:
        """Its `input_schema`."""
        return _fitting(self.fields.get("input_schema"))

    @cached_property
    def fits_output(self) -> Fitting | None:
        """Its `output_schema`; for a wait step that of the payload."""
        return _fitting(self.fields.get("schema" if self.type == "wait" else "output_schema"))


@attrs.frozen(eq=False, slots=False)
class Graph(_Shared):
    """A whole document."""

    id: str
    version: str | None
    fields: Document
    steps: Mapping[str, Step]
    edges: Sequence[Edge]

    @property
    def on_failure(self) -> str:
        """What an unhandled failure does."""
        return str(self.fields.get("on_failure") or "cancel")

    @property
    def compensate_on(self) -> Sequence[str]:
        """After which ends the work is undone."""
        found = self.fields.get("compensate_on")
        return ("failed", "cancelled") if found is None else tuple(found)

    @cached_property
    def timeout(self) -> float | None:
        """How long an execution may take, in seconds, not counting the time it is PAUSED."""
        return _optional_duration(self.fields.get("timeout"))

    @cached_property
    def fits_input(self) -> Fitting | None:
        """Its `input_schema`."""
        return _fitting(self.fields.get("input_schema"))

    @cached_property
    def fits_output(self) -> Fitting | None:
        """Its `output_schema`."""
        return _fitting(self.fields.get("output_schema"))

    @cached_property
    def names(self) -> Names:
        """What the workflow's `output` may refer to."""
        return Names(frozenset(self.steps))

    def into(self, step: str) -> list[Edge]:
        """Return the connections that lead to a step."""
        return self._into.get(step, [])

    def out_of(self, step: str) -> list[Edge]:
        """Return the connections that leave a step."""
        return self._out_of.get(step, [])

    def behind(self, step: str) -> list[Step]:
        """Return the steps that a gate or a connection leads to from this one."""
        return self._behind.get(step, [])

    @cached_property
    def _into(self) -> dict[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.target, []).append(edge)
        return found

    @cached_property
    def _out_of(self) -> dict[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge)
        return found

    @cached_property
    def _behind(self) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = {}
        for step in self.steps.values():
            before = {*step.gates, *(edge.source for edge in self.into(step.id))}
            for each in before:
                found.setdefault(each, []).append(step)
        return found

    @cached_property
    def last_steps(self) -> frozenset[str]:
        """The steps that no connection, gate or reference leaves (R29)."""
        return frozenset(step for step in self.steps if not self.referring.get(step))

    @cached_property
    def referring(self) -> Mapping[str, frozenset[str]]:
        """For each step, those that come after it by a connection, a gate or a reference."""
        found: dict[str, set[str]] = {}
        for step in self.steps.values():
            before = {*step.gates, *(edge.source for edge in self.into(step.id))}
            # References to the sources of a `first` step are no gates, but they are references.
            before |= _references(step) - {step.id}
            for each in before:
                found.setdefault(each, set()).add(step.id)
        return {step: frozenset(each) for step, each in found.items()}


def _references(step: Step) -> set[str]:
    """Return the steps that a step refers to, but for its `compensate`."""
    fields = step.fields
    for_each = fields.get("for_each") or {}
    fallback = fields.get("fallback")
    templates = [fields.get("parameters"), for_each.get("items"), fields.get("duration")]
    templates.append(fields.get("until"))
    templates.append(fallback.get("parameters") if isinstance(fallback, Mapping) else None)
    found = set(steps_of(step.condition))
    for template in templates:
        found.update(steps_of_template(template, step.names))
    return found


def _fields(document: Document) -> Iterator[dict[str, Any]]:
    for step in document.get("steps") or ():
        yield dict(step)
    for node in document.get("nodes") or ():
        config = dict(node.get("config") or {})
        if "service" in config:
            service = config.pop("service")
            config["action"] = f"{service}.{config.get('action', 'default')}"
        yield {"id": node["id"], "type": node.get("type", "action"), **config}


def graph_of(document: Document) -> Graph:
    """Return the graph that a valid document means; what was read lately is not read again."""
    return _graph_of(document)


@lru_cache(maxsize=16)
def _graph_of_text(text: str) -> Graph:
    return read_document(json.loads(text))


_graph_of: Remembered[Graph] = Remembered(
    lambda document: _graph_of_text(json.dumps(document, default=dict)), 16
)


def read_document(document: Document) -> Graph:
    """Return the graph that a valid document means."""
    fields = list(_fields(document))
    ids = frozenset(step["id"] for step in fields)
    edges = tuple(_edges(document, fields, ids))
    default = None if document.get("retry") is None else read_retry(document["retry"])
    steps: dict[str, Step] = {}
    ordering = _ordering(document, fields)
    for index, found in enumerate(fields):
        steps[found["id"]] = _step(index, found, ids, default, edges, ordering[found["id"]])
    return Graph(document["id"], document.get("version"), document, steps, edges)


def _step(
    index: int,
    fields: Mapping[str, Any],
    ids: frozenset[str],
    default: Repeats | None,
    edges: Sequence[Edge],
    order: frozenset[str],
) -> Step:
    for_each = fields.get("for_each")
    item = None if for_each is None else for_each.get("as", "item")
    names = Names(ids, None, item)
    type_ = fields.get("type") or "action"
    incoming = {edge.source for edge in edges if edge.target == fields["id"]}
    # R5: the default goes by the step.
    join = fields.get("join") or ("all" if fields.get("depends_on") is not None else "any")
    call = None
    if type_ == "action":
        call = Called(
            fields["action"],
            fields.get("parameters"),
            _optional_duration(fields.get("timeout")),
            read_retry(fields.get("retry"), default),
        )
    step = Step(
        index,
        fields["id"],
        type_,
        fields,
        names,
        read_condition(fields.get("condition"), Names(ids)),
        call,
        _called(fields.get("fallback")),
        _called(fields.get("compensate")),
        call.retry if call else Repeats(),
        join,
    )
    # R1: the order of the document, and every reference but those of a `first` step to its sources.
    references = _references(step) - (incoming if join == "first" else set())
    return attrs.evolve(step, gates=order | (references - {step.id}))


def _ordering(
    document: Document, fields: Sequence[Mapping[str, Any]]
) -> Mapping[str, frozenset[str]]:
    """Return the gates that the order of a list of steps means (R1)."""
    none = {step["id"]: frozenset[str]() for step in fields}
    if "steps" not in document or "connections" in document:
        return none
    if any("depends_on" in step for step in fields):
        return none
    if any("sequence_order" in step for step in fields):
        return {
            step["id"]: frozenset(
                other["id"] for other in fields if other["sequence_order"] < step["sequence_order"]
            )
            for step in fields
        }
    return {
        step["id"]: frozenset([fields[index - 1]["id"]] if index else [])
        for index, step in enumerate(fields)
    }


def _edges(
    document: Document, fields: Sequence[Mapping[str, Any]], ids: frozenset[str]
) -> Iterator[Edge]:
    written = [dict(edge) for edge in document.get("connections") or ()]
    for step in fields:
        written += [
            {"source": source, "target": step["id"]} for source in step.get("depends_on") or ()
        ]
    seen: Counter[tuple[str, str]] = Counter()
    for index, edge in enumerate(written):
        pair = edge["source"], edge["target"]
        name = edge.get("id")
        if name is None:
            seen[pair] += 1
            name = "->".join(pair) + (f"#{seen[pair]}" if seen[pair] > 1 else "")
        condition = read_condition(edge.get("condition"), Names(ids, edge["source"]))
        yield Edge(
            index,
            name,
            *pair,
            edge.get("on") or "success",
            condition,
            condition is not None,
            bool(edge.get("default")),
        )
