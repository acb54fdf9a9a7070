"""The text of a generated test module."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from harness._scenario import Act, Behaviour, Hangs, Raises, Returns
from harness.suites._library import Suite, Told
from harness.suites._telling import Outcome, seconds_text, table

_WIDTH = 100
_TAKEN = frozenset(
    {
        "id",
        "usual",
        "expect",
        "input",
        "steps",
        "fallbacks",
        "compensations",
        "does",
        "lacks",
        "limit",
    }
)
_HEAD = '''"""What {file} does when things go wrong.

Generated; do not edit: change the document, then

    python -m harness generate {path} -o {folder}

{overview}
"""

from __future__ import annotations

import pytest

{imports}

'''


def emit(suite: Suite, usual: Told, *, file: str, path: str, folder: str) -> str:
    """Return the module for a suite. `path` leads from the module to the document, `file`."""
    name = _constant(usual.id)
    parts = [_usual(name, usual, path)]
    families = dict.fromkeys(each.family for each in suite.scenarios if not each.carrier)
    for family in families:
        rows = [
            _scenario(each, name, usual)
            for each in suite.scenarios
            if each.family == family and not each.carrier
        ]
        parts.append(_function(family, rows, "check"))
    if suite.carriers:
        parts.append(
            _function(
                "crash", [_scenario(each, name, usual) for each in suite.carriers], "check_crashes"
            )
        )
    body = "\n\n".join(parts)
    found = set(re.findall(r"\b([A-Za-z_]+)\(", body)) & _WORDS
    words = sorted(found, key=lambda word: (word.islower(), word))
    lines = "".join(f"    {word},\n" for word in words)
    imports = f"from harness import (\n{lines})"
    head = _HEAD.format(
        file=file,
        path=path if "/" not in path else file,
        folder=folder,
        overview=_indented("\n".join(_overview(suite))),
        imports=imports,
    )
    return head + body


_WORDS = frozenset(
    {
        "AfterWrite", "AtTime", "BeforeWrite", "Call", "Cancel", "Crash", "During", "Interrupt",
        "Resume", "Signal", "cancelled", "check", "check_crashes", "completed", "ends", "failed",
        "hangs", "paused", "raises", "returns", "scenario", "workflow",
    }
)  # fmt: skip


def _overview(suite: Suite) -> Iterator[str]:
    smoke = [each for each in suite.scenarios if each.level == 0 and each.outcome is not None]
    rows = ((each.why.partition(": ")[0], each.outcome) for each in smoke if each.outcome)
    yield from table(rows)
    if suite.carriers:
        yield "died after any write: as if nothing had happened"
    if suite.left_out:
        left = ", ".join(f"{count} of {family}" for family, count in suite.left_out.items())
        yield f"left out, for want of a budget: {left}"
    if suite.uncertain:
        yield f"left out, because two things coincide: {', '.join(suite.uncertain)}"
    if suite.unreachable:
        yield f"never reached: {', '.join(suite.unreachable)}"


def _indented(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _constant(name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()
    return name if name and not name[0].isdigit() else f"W_{name}"


def _usual(name: str, usual: Told, path: str) -> str:
    given: list[tuple[str, str]] = []
    if usual.input:
        given.append(("input", _value(usual.input)))
    for key in ("steps", "fallbacks"):
        rows: Mapping[str, Sequence[Behaviour]] = getattr(usual, key)
        if rows:
            inside = [f"{_text(step)}: {_row(row)}" for step, row in rows.items()]
            given.append((key, f"{{{', '.join(inside)}}}"))
    if usual.secrets:
        given.append(("secrets", _value(usual.secrets)))
    lines = [
        f"    {_text(path)},",
        "    beside=__file__,",
        *(f"{broken(f'{key}=', text, 4)}," for key, text in given),
    ]
    return f"{name} = workflow(\n" + "\n".join(lines) + "\n)\n"


def _function(family: str, rows: Sequence[str], check: str) -> str:
    title = family.replace("-", "_")
    cases = "\n".join(rows)
    return (
        f'@pytest.mark.harness(family="{family}")\n'
        f'@pytest.mark.parametrize(\n    "scenario",\n    (\n{cases}\n    ),\n    ids=str,\n)\n'
        f"def test_{title}(scenario):\n    {check}(scenario)\n"
    )


def _scenario(told: Told, name: str, usual: Told) -> str:
    given: list[tuple[str, str]] = []
    if told.input != usual.input:
        given.append(("input", _value(told.input)))
    if told.limit != usual.limit:
        given.append(("limit", str(told.limit)))
    if told.lacks:
        given.append(("lacks", _value(list(told.lacks))))
    given += _steps(told.steps, usual.steps)
    for key in ("fallbacks", "compensations"):
        rows = {
            step: row
            for step, row in getattr(told, key).items()
            if getattr(usual, key).get(step) != row
        }
        if rows:
            text = ", ".join(f"{_text(step)}: {_row(row)}" for step, row in rows.items())
            given.append((key, f"{{{text}}}"))
    if told.actions:
        acts = [_act(act) for act in told.actions]
        given.append(("does", acts[0] if len(acts) == 1 else f"[{', '.join(acts)}]"))
    if told.outcome is not None:
        given.append(("expect", _outcome(told.outcome)))
    why = "".join(f"        # {line}\n" for line in _wrapped(told.why, _WIDTH - 10))
    inside = "".join(f"{broken(f'{key}=', text, 12)},\n" for key, text in given)
    head = f"            {_text(told.id)},\n            {name},\n"
    return f"{why}        scenario(\n{head}{inside}        ),"


def _steps(
    told: Mapping[str, Sequence[Behaviour]], usual: Mapping[str, Sequence[Behaviour]]
) -> list[tuple[str, str]]:
    rows = {step: row for step, row in told.items() if usual.get(step) != row}
    plain = {
        step: row
        for step, row in rows.items()
        if step.isidentifier() and not keyword.iskeyword(step) and step not in _TAKEN
    }
    found = [(step, _row(row)) for step, row in plain.items()]
    rest = {step: row for step, row in rows.items() if step not in plain}
    if rest:
        text = ", ".join(f"{_text(step)}: {_row(row)}" for step, row in rest.items())
        found.append(("steps", f"{{{text}}}"))
    return found


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


def broken(before: str, text: str, indent: int) -> str:
    """Return an expression in as many lines as it takes, its parts one below the other."""
    line = " " * indent + before + text
    parts = _parts(text)
    if len(line) < _WIDTH or not parts:
        return line
    start = len(text.partition(parts[0])[0])
    rows = []
    for part in parts:
        key = re.match(r'("(?:[^"\\\\]|\\\\.)*": |[a-z_]+=)', part)
        head = key[0] if key else ""
        rows.append(f"{broken(head, part[len(head) :], indent + 4)},")
    return "\n".join([" " * indent + before + text[:start], *rows, " " * indent + text[-1]])


def _parts(text: str) -> list[str]:
    """Return what stands between the commas inside of the outermost brackets of an expression."""
    start = next((index for index, each in enumerate(text) if each in '([{"'), len(text))
    if text[-1:] not in tuple(")]}") or text[start : start + 1] == '"':
        return []
    found, depth, quoted, last = [], 0, False, start + 1
    for index in range(start + 1, len(text) - 1):
        each = text[index]
        if each == '"' and text[index - 1] != "\\":
            quoted = not quoted
        if quoted:
            continue
        depth += (each in "([{") - (each in ")]}")
        if each == "," and depth == 0:
            found.append(text[last:index].strip())
            last = index + 1
    found.append(text[last:-1].strip())
    return [each for each in found if each]


# ---- values ----


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(k))}: {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _text(value) if isinstance(value, str) else repr(value)


def _row(row: Sequence[Behaviour]) -> str:
    texts = [_behaviour(each) for each in row]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _behaviour(behaviour: Behaviour) -> str:
    if isinstance(behaviour, Hangs):
        return "hangs()"
    parts = []
    if isinstance(behaviour, Returns):
        if behaviour.output != {}:
            parts.append(_value(behaviour.output))
    elif behaviour.code is not None:
        parts.append(_text(behaviour.code))
    if behaviour.after != 1.0:
        parts.append(f"after={_text(seconds_text(behaviour.after))}")
    if isinstance(behaviour, Raises):
        if behaviour.error != "no":
            parts.append(f"error={_text(behaviour.error)}")
        if behaviour.retryable is not None:
            parts.append(f"retryable={behaviour.retryable}")
    elif behaviour.spoilt is not None:
        parts.append(f"spoilt={_text(behaviour.spoilt)}")
    if behaviour.shielded:
        parts.append("shielded=True")
    return f"{'returns' if isinstance(behaviour, Returns) else 'raises'}({', '.join(parts)})"


def _act(act: Act | Any) -> str:
    """Return how an act, or its moment, is written: what differs from the defaults."""
    parts = []
    for field in attrs.fields(type(act)):
        value = getattr(act, field.name)
        if value == field.default and type(value) is type(field.default):
            continue
        text = _act(value) if field.name == "moment" else _value(value)
        parts.append(text if field.default is attrs.NOTHING else f"{field.name}={text}")
    return f"{type(act).__name__}({', '.join(parts)})"


_ENDS = {"COMPLETED": "completed", "FAILED": "failed", "CANCELLED": "cancelled", "PAUSED": "paused"}
_FIRST = {"FAILED": "FAILED", "PAUSED": "PAUSED"}
_NAMED = {
    "COMPLETED": ("FAILED", "SKIPPED"),
    "FAILED": ("FAILED", "COMPLETED", "SKIPPED"),
    "CANCELLED": ("FAILED", "COMPLETED", "SKIPPED"),
    "PAUSED": ("PAUSED", "FAILED", "COMPLETED", "SKIPPED"),
}


def _outcome(outcome: Outcome) -> str:
    status = outcome.status
    groups: dict[str, list[str]] = {}
    for step, found in outcome.steps.items():
        groups.setdefault(found, []).append(step)
    plain = status in _ENDS and set(groups) <= set(_NAMED[status])
    parts = [] if plain else [_text(status)]
    first = groups.pop(_FIRST.get(status, ""), []) if plain else []
    if first:
        parts.append(_text(" ".join(first)))
    parts += [f"{name.lower()}={_text(' '.join(steps))}" for name, steps in groups.items()]
    if outcome.code is not None:
        parts.append(f"code={_text(outcome.code)}")
    if outcome.undone:
        parts.append(f"undone={_text(' '.join(outcome.undone))}")
    if outcome.waiting:
        waits = [_text(each) for each in outcome.waiting]
        parts.append(f"waiting={waits[0] if len(waits) == 1 else f'[{chr(44).join(waits)}]'}")
    if outcome.attempts:
        parts.append(f"attempts={_value(outcome.attempts)}")
    if outcome.refused:
        parts.append(f"refused={outcome.refused}")
    if outcome.after is not None:
        parts.append(f"after={_text(seconds_text(outcome.after))}")
    return f"{_ENDS[status] if plain else 'ends'}({', '.join(parts)})"
