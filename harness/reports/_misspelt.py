"""What passes every check because it means nothing: another language's references, and keywords.

A text with `{{ … }}` is a text, and JSON Schema ignores every keyword that it does not know. Both
are told of only where it is clear what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.families._plan import Plan
from harness.oracle._document import Step
from harness.suites._naming import did_you_mean
from harness.suites._referring import CALLED, called_parameters, templates_of

_BRACES = re.compile(r"\{\{\s*(([A-Za-z_][\w-]*)(?:\.[\w-]+|\[-?[0-9]+\])*)\s*\}\}")
_ROOTS = frozenset(("input", "steps", "execution", "workflow", "item", "item_index", "secret"))


def braces(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the texts in which a reference was to stand, and stands in another's language."""
    for step in plan.steps:
        called = (called_parameters(step, key) for key in CALLED)
        yield from _braces_in(plan, step.id, [*templates_of(step), *called], step)
    yield from _braces_in(plan, "output", plan.document.get("output"))


def _braces_in(
    plan: Plan, where: str, template: Any, step: Step | None = None
) -> Iterator[tuple[str, str]]:
    known = _ROOTS | set(plan.graph.steps)
    if step is not None and step.names.item is not None:
        known |= {step.names.item}
    told = dict[str, str]()
    for text in _texts(template):
        for found in _BRACES.finditer(text):
            if found[2] in known:
                told[found[0]] = found[1]
    for written, path in told.items():
        text = f"{written} is no reference, and stays as it is: ${{{path}}} is one"
        yield where, text


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        yield from _texts(list(template.values()))
    elif isinstance(template, list | tuple):
        for each in template:
            yield from _texts(each)


# ---- keywords of schemas ----

# Where a schema has others: one, a list of them, and one for each of some names.
_ONE = (
    *("additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if"),
    *("items", "not", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
)
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_KEYWORDS = frozenset(
    (
        *(*_ONE, *_LISTS, *_NAMED),
        *("$anchor", "$comment", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor"),
        *("$recursiveRef", "$ref", "$schema", "$vocabulary", "const", "contentEncoding"),
        *("contentMediaType", "default", "dependencies", "dependentRequired", "deprecated"),
        *("description", "disallow", "divisibleBy", "enum", "examples", "exclusiveMaximum"),
        *("exclusiveMinimum", "extends", "format", "id", "maxContains", "maxItems", "maxLength"),
        *("maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties"),
        *("minimum", "multipleOf", "pattern", "readOnly", "required", "title", "type"),
        *("uniqueItems", "writeOnly"),
    )
)
# Words of other dialects that many know, and that look like a keyword.
_FOREIGN = frozenset(("example", "nullable"))
_NEAR = 0.8


def unknown_keywords(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the keywords of schemas that JSON Schema ignores, and that are nearly known ones."""
    fields: list[tuple[str, Mapping[str, Any]]] = [("", plan.document)]
    fields += [(step.id, step.fields) for step in plan.steps]
    for where, found in fields:
        for key in ("input_schema", "output_schema", "schema"):
            for place, word in _unknown_in(found.get(key), key):
                near = did_you_mean(word, sorted(_KEYWORDS), _NEAR)
                yield where, f'{place}: JSON Schema has no "{word}", and ignores it{near}'


def _unknown_in(schema: Any, place: str) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, Mapping):
        return
    for key, each in schema.items():
        known = key in _KEYWORDS or key in _FOREIGN or key.startswith("x-")
        if not known and did_you_mean(key, sorted(_KEYWORDS), _NEAR):
            yield place, key
        if key in _NAMED and isinstance(each, Mapping):
            for name, inner in each.items():
                yield from _unknown_in(inner, f"{place}.{key}.{name}")
        elif key in _LISTS and isinstance(each, list):
            for index, inner in enumerate(each):
                yield from _unknown_in(inner, f"{place}.{key}[{index}]")
        elif key in _ONE:
            yield from _unknown_in(each, f"{place}.{key}")
