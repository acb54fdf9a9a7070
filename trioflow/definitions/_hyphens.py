"""Hyphens in conditions: outside of ``${}`` they are minus, and ids of steps may have them.

So ``my-step.total`` reads as a difference. Nobody who has a step `my-step` means that.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

import attrs

# At most the length of an id, so that nothing is looked at for long.
_FURTHEST = 128
_BEFORE = re.compile(r"[A-Za-z0-9_-]*\Z")
_BEHIND = re.compile(rf"[A-Za-z0-9_-]{{0,{_FURTHEST}}}")
_AFTER = re.compile(r"(?:\.[A-Za-z0-9_]+|\[-?[0-9]+\])*")
_THROUGH_STEPS = re.compile(r"(?<![A-Za-z0-9_.])steps\.\Z")
# A path of fields and a hyphen: what stands before the rest of a field's name.
_FIELD = re.compile(r"(?<![A-Za-z0-9_.$-])([A-Za-z_][A-Za-z0-9_]*)(?:\.[A-Za-z0-9_-]+)+-\Z")
# Of an id with more hyphens than that only so many parts on each side of a name are looked at.
_MOST_PARTS = 8


@attrs.frozen
class Hyphened:
    """The id of a step that is written as a difference: which, as what path, and where."""

    step: str
    path: str
    start: int


def find_hyphened(
    text: str, at: int, steps: Container[str], *, only_around: bool = False
) -> Hyphened | None:
    """Return the step with a hyphen in its id that is meant by what stands around ``text[at]``.

    There a name begins, or ``steps.`` before one. With `only_around` that name has to be a part of
    the id; else it may stand beside it, as `total` does in ``my-step-total``.
    """
    if text.startswith("steps.", at):
        at += len("steps.")
    earliest = max(0, at - _FURTHEST)
    before = _BEFORE.search(text[earliest:at])
    behind = _BEHIND.match(text, at)
    # Both match whatever there is, if only nothing.
    assert before is not None
    assert behind is not None
    run = before[0] + behind[0]
    if "-" not in run:
        return None
    start = at - len(before[0])
    parts = run.split("-")
    name = before[0].count("-")
    through_steps = _THROUGH_STEPS.search(text[:start][-len(" steps.") :]) is not None
    # What stands behind a dot is a field, and no step.
    first = 1 if text.endswith(".", 0, start) and not through_steps else 0
    for i, j in _spans(len(parts), name, only_around=only_around):
        step = "-".join(parts[i:j])
        if i < first or step not in steps:
            continue
        began = start + sum(len(part) + 1 for part in parts[:i])
        path = step
        if j == len(parts):
            after = _AFTER.match(text, began + len(step))
            path += "" if after is None else after[0]
        if i == 0 and through_steps:
            began, path = began - len("steps."), f"steps.{path}"
        return Hyphened(step, path, began)
    return None


def find_hyphened_field(text: str, at: int) -> tuple[str, Hyphened] | None:
    """Return the path, and what it begins with, of which the name at ``text[at]`` is the end.

    As in ``input.my-key``: the name is `key`.
    """
    earliest = max(0, at - _FURTHEST)
    before = _FIELD.search(text[earliest:at])
    behind = _BEHIND.match(text, at)
    assert behind is not None
    if before is None:
        return None
    return before[1], Hyphened("", before[0] + behind[0], earliest + before.start())


def _spans(count: int, name: int, *, only_around: bool) -> Iterator[tuple[int, int]]:
    """Yield which parts to try together: two or more, with the name first, long ones first."""
    least, most = max(0, name - _MOST_PARTS), min(count, name + _MOST_PARTS + 1)
    spans = [(i, j) for i in range(least, most - 1) for j in range(i + 2, most + 1)]
    if only_around:
        spans = [(i, j) for i, j in spans if i <= name < j]
    yield from sorted(spans, key=lambda span: (not span[0] <= name < span[1], span[0] - span[1]))
