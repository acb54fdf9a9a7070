"""Bounds of schemas: a value exactly at each of them, and one just beyond (R10, R25, R26)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from harness._scenario import Signal
from harness.data._picking import several, violations
from harness.families._attempts import HAIR
from harness.families._cases import Case, gives, reached, script, title
from harness.families._data import with_data
from harness.families._people import instead
from harness.families._plan import Plan
from harness.families._solving import Place
from harness.families._stories import Draft
from harness.families._values import at, plain_parameters, put
from harness.oracle._document import Fitting
from harness.oracle._reading import references_of_template

# A path in a value, a name for the bound, and what to put there.
Bound = tuple[tuple[Any, ...], str, Any]

_NUMBERS = {"minimum": -1, "exclusiveMinimum": -1, "maximum": 1, "exclusiveMaximum": 1}
_LENGTHS = {"minLength": -1, "maxLength": 1, "minItems": -1, "maxItems": 1}
# No longer than that is a value made for the sake of a bound.
_LONGEST = 2_000


def bounds_of(schema: Any, value: Any) -> Iterator[Bound]:
    """Yield what is at each bound in a schema, and beyond it; `value` is one that fits."""
    seen: set[str] = set()
    for path, label, new in _of(schema, schema, value, ()):
        if f"{path}{label}" not in seen:
            seen.add(f"{path}{label}")
            yield path, label, new


def _of(schema: Any, root: Any, value: Any, path: tuple[Any, ...]) -> Iterator[Bound]:
    if not isinstance(schema, Mapping) or len(path) > 8:
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        name = reference.removeprefix("#/$defs/")
        yield from _of((root.get("$defs") or {}).get(name), root, value, path)
    here = at(value, path)
    yield from ((path, *each) for each in _of_number(schema, here))
    yield from ((path, *each) for each in _of_length(schema, root, here))
    for key in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(key) or ():
            yield from _of(inner, root, value, path)
    for key, inner in (schema.get("properties") or {}).items():
        yield from _of(inner, root, value, (*path, key))
    if isinstance(here, list) and here:
        yield from _of(schema.get("items"), root, value, (*path, 0))


def _of_number(schema: Mapping[str, Any], here: Any) -> Iterator[tuple[str, Any]]:
    for key, sign in _NUMBERS.items():
        bound = schema.get(key)
        if bound is None:
            continue
        whole = schema.get("type") == "integer" or isinstance(here, int)
        step = schema.get("multipleOf") or (1 if whole else HAIR)
        yield f"at-{key}", bound
        # Inside of a bound that is excluded, outside of one that is not.
        outwards = -sign if key.startswith("exclusive") else sign
        yield f"beside-{key}", round(bound + outwards * step, 9)


def _of_length(schema: Mapping[str, Any], root: Any, here: Any) -> Iterator[tuple[str, Any]]:
    for key, sign in _LENGTHS.items():
        bound = schema.get(key)
        if not isinstance(bound, int) or bound > _LONGEST:
            continue
        for word, size in (("at", bound), ("beside", bound + sign)):
            if size < 0:
                continue
            if key.endswith("Length"):
                text = here if isinstance(here, str) else ""
                yield f"{word}-{key}", (text + "a" * size)[:size]
            else:
                yield f"{word}-{key}", _items(schema, root, here, size)


def _items(schema: Mapping[str, Any], root: Any, here: Any, size: int) -> list[Any]:
    found: list[Any] = list(here) if isinstance(here, list) else []
    more: Sequence[Any] = several(schema.get("items", True), root, 2 * size)
    found += [each for each in more if each not in found or not schema.get("uniqueItems")]
    found += [None] * size
    return found[:size]


def bound(plan: Plan) -> Iterator[Case]:
    """Each bound of each schema: what is at it, and what is just beyond."""
    whole = plan.whole_input
    defaults = plan.document.get("input") or {}
    for path, label, new in bounds_of(plan.document.get("input_schema"), whole):
        value = put(whole, path, new)
        # What is beyond is refused as a whole, and so is what cannot be at the bound.
        if _is_of_use(plan.graph.fits_input, value, label) and set(defaults) <= set(value):
            scenario = attrs.evolve(plan.base.draft.scenario, input=value)
            draft = attrs.evolve(plan.base.draft, scenario=scenario)
            yield Case(f"input-{_name(path, label)}", f"the input is {_words(path, label)}", draft)
    for step, story in reached(plan):
        usual = plan.outputs[step.id]
        for path, label, new in bounds_of(step.fields.get("output_schema"), usual):
            value = put(usual, path, new)
            if _is_of_use(step.fits_output, value, label):
                draft = script(plan, story, step, gives(plan, value))
                why = f"what {title(step)} returns is {_words(path, label)}"
                yield Case(f"{step.id}-{_name(path, label)}", why, draft)
        given = plain_parameters(plan.graph, step)
        made = next((made for _, name, _, made in story.calls() if name == step.id), {})
        for path, label, new in bounds_of(step.fields.get("input_schema"), made):
            place = given.get(str(path[0])) if path else None
            if place is not None:
                deeper: Place = (place[0], (*place[1], *path[1:]))
                found = with_data(plan, story.draft, {deeper: new})
                if found is not None:
                    why = f"what {title(step)} is given is {_words(path, label)}"
                    yield Case(f"{step.id}-given-{_name(path, label)}", why, found)
    for step, story in reached(plan, "wait"):
        usual = story.draft.payloads.get(step.id, plan.outputs[step.id])
        for path, label, new in bounds_of(step.fields.get("schema"), usual):
            value = put(usual, path, new)
            draft_or_none = instead(story, step, Signal(step.signal, value), answered=True)
            if draft_or_none is not None and _is_of_use(step.fits_output, value, label):
                why = f"the signal for {title(step)} is {_words(path, label)}"
                yield Case(f"{step.id}-{_name(path, label)}", why, draft_or_none)
    yield from _of_whole_output(plan)
    for label, draft in _bad_whole_output(plan):
        why = f"the output of all of it does not fit ({label})"
        yield Case(f"output-{label}", why, draft)


def _of_whole_output(plan: Plan) -> Iterator[Case]:
    """The output of all of it, where it is what a step returns."""
    schema, output = plan.document.get("output_schema"), plan.document.get("output")
    if schema is None or not isinstance(output, Mapping):
        return
    for path, label, new in bounds_of(schema, plan.base.expected.last.output):
        place = _behind(plan, output.get(str(path[0])) if path else None)
        if place is None:
            continue
        draft = with_data(plan, plan.base.draft, {(place[0], (*place[1], *path[1:])): new})
        if draft is not None:
            why = f"the output of all of it is {_words(path, label)}"
            yield Case(f"output-{_name(path, label)}", why, draft)


def _behind(plan: Plan, template: Any) -> Place | None:
    """Return the place whose value a template of the output is, if it is one reference."""
    if not isinstance(template, str) or not template.startswith("${"):
        return None
    nodes = list(references_of_template(template, next(iter(plan.graph.steps.values())).names))
    if len(nodes) != 1:
        return None
    _, root, parts, _ = nodes[0]
    if root == "input":
        return "input", tuple(parts)
    if root == "output" and plan.graph.steps[parts[0]].type in ("action", "wait"):
        return parts[0], tuple(parts[1:])
    return None


def _bad_whole_output(plan: Plan) -> Iterator[tuple[str, Draft]]:
    """Yield drafts that end with an output that the document's own schema excludes."""
    output = plan.document.get("output")
    for label, value in violations(plan.document.get("output_schema")):
        if not isinstance(value, Mapping) or not isinstance(output, Mapping):
            continue
        usual = plan.base.expected.last.output
        for key, template in output.items():
            place = _behind(plan, template)
            if place is None or key not in value or not isinstance(usual, Mapping):
                continue
            if value[key] != usual.get(key):
                draft = with_data(plan, plan.base.draft, {place: value[key]})
                if draft is not None:
                    yield label, draft


def _is_of_use(fits: Fitting | None, value: Any, label: str) -> bool:
    """Whether a value says something about its bound: at it, it is fine, or the bound excludes."""
    excluded = "exclusive" in label
    good = fits is None or fits(value)
    return good is (label.startswith("at-") is not excluded)


def _name(path: tuple[Any, ...], label: str) -> str:
    return "-".join(map(str, (*path, label))).lower()


def _words(path: tuple[Any, ...], label: str) -> str:
    where, _, what = label.partition("-")
    place = ".".join(map(str, path)) or "as a whole"
    return f"{where} the {what} of {place}"
