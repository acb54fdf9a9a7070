"""The text of a generated test module."""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import attrs

from harness._scenario import Behaviour
from harness.suites._expressions import (
    WIDTH,
    Expression,
    Text,
    Word,
    act,
    called,
    lines_of,
    listed,
    mapping,
    row,
    value,
    visible,
)
from harness.suites._library import Suite, Told
from harness.suites._overview import overview
from harness.suites._telling import NOT_TOLD, Outcome, seconds_text

# What tells a generated module from one that somebody has written.
OWNED = "Generated; do not edit"
# Names that `scenario` takes for something else than a step.
_TAKEN = frozenset(
    {
        "id", "usual", "expect", "input", "steps", "fallbacks", "compensations", "does", "lacks",
        "limit", "jitter", "secrets",
    }
)  # fmt: skip
_WORDS = frozenset(
    {
        "AfterWrite", "AtTime", "BeforeWrite", "Call", "Cancel", "Crash", "During", "Interrupt",
        "Resume", "Signal", "cancelled", "check", "check_crashes", "completed", "ends", "failed",
        "hangs", "paused", "raises", "returns", "scenario", "workflow",
    }
)  # fmt: skip
_HEAD = '''{raw}"""What {file} does when things go wrong.

{owned}: change the document, then

{command}

{overview}
"""

from __future__ import annotations

import pytest
from harness import (
{imports}
)

'''


def emit(
    suite: Suite, usual: Told, *, file: str, path: str, command: Sequence[str], title: str = ""
) -> str:
    """Return the module for a suite.

    `path` leads from the module to the document, `file`; `command` generates it. `title` is what
    the overview calls an execution.
    """
    name = _constant(usual.id)
    parts = [_usual(name, usual, path)]
    told = [each for each in suite.scenarios if not each.carrier]
    for family in dict.fromkeys(each.family for each in told):
        rows = [_scenario(each, name, usual) for each in told if each.family == family]
        parts.append(_function(family, rows, "check"))
    if suite.carriers:
        rows = [_scenario(each, name, usual) for each in suite.carriers]
        parts.append(_function("crash", rows, "check_crashes"))
    body = "\n\n".join(parts)
    found = set(re.findall(r"\b([A-Za-z_]+)\(", body)) & _WORDS
    words = sorted(found, key=lambda word: (word.islower(), word))
    lines = list(overview(suite, usual, title or usual.id))
    said = [file, *_command(command), *lines]
    head = _HEAD.format(
        raw="r" if any("\\" in each for each in map(_quoted, said)) else "",
        file=_quoted(file),
        owned=OWNED,
        command="\n".join(map(_quoted, _command(command))),
        overview="\n".join(_quoted(each).rstrip() for each in lines),
        imports="\n".join(f"    {word}," for word in words),
    )
    return head + body


def _command(words: Sequence[str]) -> Iterator[str]:
    """Yield the command in lines, each but the last with a backslash at its end."""
    line = "    "
    for index, word in enumerate(words):
        more = index < len(words) - 1
        if len(line) + len(word) + 3 * more > WIDTH and line.strip():
            yield f"{line}\\"
            line = "        "
        line += f"{word} " if more else word
    yield line


def _quoted(text: str) -> str:
    """Return a text as it stands in a docstring, which is a raw one if it has backslashes."""
    return visible(text).replace('"""', '\\"\\"\\"')


def _constant(name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()
    return name if name and not name[0].isdigit() else f"W_{name}"


def _usual(name: str, usual: Told, path: str) -> str:
    given: list[tuple[str, Expression]] = [("", Text(path)), ("beside", Word("__file__"))]
    if usual.input:
        given.append(("input", value(usual.input)))
    for key in ("steps", "fallbacks"):
        rows: Mapping[str, Sequence[Behaviour]] = getattr(usual, key)
        if rows:
            given.append((key, mapping({step: row(each) for step, each in rows.items()})))
    if usual.secrets:
        given.append(("secrets", value(usual.secrets)))
    return "\n".join(lines_of(called("workflow", given), f"{name} = ")) + "\n"


def _function(family: str, rows: Sequence[str], check: str) -> str:
    title = family.replace("-", "_")
    cases = "\n".join(rows)
    return (
        f'@pytest.mark.harness(family="{family}")\n'
        f'@pytest.mark.parametrize(\n    "scenario",\n    (\n{cases}\n    ),\n    ids=str,\n)\n'
        f"def test_{title}(scenario):\n    {check}(scenario)\n"
    )


def _scenario(told: Told, name: str, usual: Told) -> str:
    given: list[tuple[str, Expression]] = [("", Text(told.id)), ("", Word(name))]
    if told.input != usual.input:
        given.append(("input", value(told.input)))
    if told.limit != usual.limit:
        given.append(("limit", Word(str(told.limit))))
    if told.jitter != usual.jitter:
        given.append(("jitter", Word(repr(told.jitter))))
    if told.lacks:
        given.append(("lacks", value(list(told.lacks))))
    if told.secrets != usual.secrets:
        given.append(("secrets", value(told.secrets)))
    given += _steps(told.steps, usual.steps)
    for key in ("fallbacks", "compensations"):
        rows = {
            step: row(each)
            for step, each in getattr(told, key).items()
            if getattr(usual, key).get(step) != each
        }
        if rows:
            given.append((key, mapping(rows)))
    if told.actions:
        acts = [act(each) for each in told.actions]
        given.append(("does", acts[0] if len(acts) == 1 else listed(acts)))
    if told.outcome is not None:
        given.append(("expect", _outcome(_said(told, told.outcome))))
    why = [f"        # {line}" for line in wrapped(visible(told.why), WIDTH - 10)]
    return "\n".join([*why, *lines_of(called("scenario", given), indent=8, tail=",")])


def _said(told: Told, outcome: Outcome) -> Outcome:
    """Return of an outcome what is said in the module: not everywhere what all of it returns."""
    if told.workflow.get("output") is not None and told.family in _SAY_OUTPUT:
        return outcome
    return attrs.evolve(outcome, output=NOT_TOLD)


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines, each with a whole number of words where that can be."""
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _steps(
    told: Mapping[str, Sequence[Behaviour]], usual: Mapping[str, Sequence[Behaviour]]
) -> list[tuple[str, Expression]]:
    rows = {step: row(each) for step, each in told.items() if usual.get(step) != each}
    # As keywords, where they can be.
    found = [
        (step, each)
        for step, each in rows.items()
        if step.isidentifier() and not keyword.iskeyword(step) and step not in _TAKEN
    ]
    rest = {step: each for step, each in rows.items() if step not in dict(found)}
    return [*found, ("steps", mapping(rest))] if rest else found


# Where it is of interest what the execution returns, if its document says so.
_SAY_OUTPUT = frozenset({"ok", "reach", "missing"})
_ENDS = {"COMPLETED": "completed", "FAILED": "failed", "CANCELLED": "cancelled", "PAUSED": "paused"}
_FIRST = {"FAILED": "FAILED", "PAUSED": "PAUSED"}
_NAMED = {
    "COMPLETED": ("FAILED", "SKIPPED"),
    "FAILED": ("FAILED", "COMPLETED", "SKIPPED"),
    "CANCELLED": ("FAILED", "COMPLETED", "SKIPPED"),
    "PAUSED": ("PAUSED", "FAILED", "COMPLETED", "SKIPPED"),
}


def _outcome(outcome: Outcome) -> Expression:
    status = outcome.status
    groups: dict[str, list[str]] = {}
    for step, found in outcome.steps.items():
        groups.setdefault(found, []).append(step)
    plain = status in _ENDS and set(groups) <= set(_NAMED[status])
    parts: list[tuple[str, Expression]] = [] if plain else [("", Text(status))]
    first = groups.pop(_FIRST.get(status, ""), []) if plain else []
    if first:
        parts.append(("", Text(" ".join(first))))
    parts += [(name.lower(), Text(" ".join(steps))) for name, steps in groups.items()]
    if outcome.code is not None:
        parts.append(("code", Text(outcome.code)))
    if outcome.undone:
        parts.append(("undone", Text(" ".join(outcome.undone))))
    if outcome.waiting:
        waits = list(map(Text, outcome.waiting))
        parts.append(("waiting", waits[0] if len(waits) == 1 else listed(waits)))
    if outcome.attempts:
        parts.append(("attempts", value(outcome.attempts)))
    if outcome.refused:
        parts.append(("refused", Word(str(outcome.refused))))
    if outcome.after is not None:
        parts.append(("after", Text(seconds_text(outcome.after))))
    if outcome.output is not NOT_TOLD:
        parts.append(("output", value(outcome.output)))
    return called(_ENDS[status] if plain else "ends", parts)
