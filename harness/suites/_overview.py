"""The overview of a suite: what a reviewer reads first, and perhaps nothing else.

It says what the document says of each step, in the document's own words (so a change of a timeout
is a change of this line), and how an execution ends when something goes wrong.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness._built_in import raised_at
from harness._scenario import Raises
from harness.suites._library import Suite, Told
from harness.suites._naming import invented_text
from harness.suites._telling import Outcome, table

_WIDTH = 96
# A table needs all that a line may have.
_WIDEST = 100
# Fields of a step that change what becomes of it, and how they are told.
_LIMITS = (
    ("timeout", "timeout {}"),
    ("total_timeout", "total timeout {}"),
    ("retry", "retry {}"),
    ("duration", "sleeps {}"),
    ("until", "sleeps until {}"),
    ("condition", "if {}"),
    ("join", "join {}"),
    ("on_crash", "on crash {}"),
    ("continue_on_error", "continue on error {}"),
    ("for_each", "for each {}"),
    ("fallback", "fallback {}"),
    ("compensate", "undone by {}"),
)
_WHOLE = (
    ("timeout", "timeout {}"),
    ("on_failure", "on failure {}"),
    ("compensate_on", "undone when {}"),
    ("max_concurrent_steps", "{} steps at a time"),
    ("retry", "retry {}"),
)


def overview(suite: Suite, usual: Told, title: str) -> Iterator[str]:
    """Yield the overview in lines of at most 100 characters."""
    yield from _document(usual.workflow)
    yield ""
    found: list[tuple[str, Outcome, str]] = [
        (each.why.partition(": ")[0], each.outcome, _because(each))
        for each in suite.scenarios
        if each.level == 0 and each.outcome is not None
    ]
    yield from table(found, f"the {title}", _WIDEST)
    if suite.carriers:
        while_ = ", ".join(each.id.removeprefix("crash-") for each in suite.carriers)
        yield from _wrapped(f"died after any write ({while_}): as if nothing had happened")
    for line in _skipped(suite):
        yield from _wrapped(line)
    if suite.left_out:
        left = ", ".join(f"{count} of {family}" for family, count in suite.left_out.items())
        yield from _wrapped(f"left out, for want of a budget: {left}")
    if suite.impossible:
        never = ", ".join(f"{count} of {family}" for family, count in suite.impossible.items())
        yield from _wrapped(f"left out, because fail never returns: {never}")
    for reason, names in doubted(suite).items():
        yield from _wrapped(f"left out, because {reason}: {', '.join(names)}")
    if suite.unreachable:
        yield from _wrapped(f"never reached: {', '.join(unreached(suite))}")
    if suite.invented:
        yield from _wrapped(invented_text(suite.invented))


def doubted(suite: Suite) -> dict[str, list[str]]:
    """Return what is left out because nobody can say what comes of it: ids by the reason."""
    found: dict[str, list[str]] = {}
    for name, doubt in suite.doubts.items():
        found.setdefault(doubt.partition(": ")[0], []).append(name)
    return found


def _because(told: Told) -> str:
    """Return which step has failed, and with which code, where that is how all of it ends.

    Codes that the scenario has made up itself are of no interest.
    """
    if told.expected is None or told.expected.last.status != "FAILED":
        return ""
    scripts = (told.steps, told.fallbacks, told.compensations)
    rows = (row for script in scripts for row in script.values())
    made_up = {each.code for row in rows for each in row if isinstance(each, Raises)}
    for code, step in told.expected.last.errors:
        raised = raised_at(told.workflow, told.workflows, step) if step else None
        own = raised is not None and raised[1] == code
        words = [step or "", "" if code in made_up and not own else code]
        return f": {' '.join(filter(None, words))}".removesuffix(": ")
    return ""


def _skipped(suite: Suite) -> Iterator[str]:
    """Yield a line for each pattern of the sidecar."""
    patterns: dict[str, list[Told]] = {}
    for each in suite.skipped:
        patterns.setdefault(each.skipped_by, []).append(each)
    for pattern, told in patterns.items():
        count = "" if [pattern] == [each.id for each in told] else f" ({len(told)})"
        yield f"not played: {pattern}{count}: {told[0].skip}"


def unreached(suite: Suite) -> list[str]:
    """Return the steps and connections that nobody has found a way to, and no scenario comes to."""
    return list(suite.unreachable)


def _wrapped(text: str) -> Sequence[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)


# ---- what the document says ----


def _document(document: Mapping[str, Any]) -> Iterator[str]:
    whole = list(_told(document, _WHOLE))
    if whole:
        yield from _wrapped(f"all of it: {', '.join(whole)}")
    rows = [_step({**step, **(step.get("config") or {})}) for step in _steps(document)]
    wide = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        head = f"{name:<{min(wide, 24)}}  "
        yield from textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=head,
            subsequent_indent=" " * min(len(head), 26),
            break_on_hyphens=False,
        ) or [head.rstrip()]
    for edge in document.get("connections") or ():
        when = [f"on {edge['on']}"] if edge.get("on", "success") != "success" else []
        when += [f"if {edge['condition']}"] if edge.get("condition") else []
        when += ["otherwise"] if edge.get("default") else []
        if when:
            yield from _wrapped(f"{edge['source']} -> {edge['target']}  {', '.join(when)}")


def _steps(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(document.get("steps") or ()), *(document.get("nodes") or ())]


def _step(fields: Mapping[str, Any]) -> tuple[str, str]:
    title = fields.get("name") or fields.get("title")
    does = [str(title)] if title else []
    kind = fields.get("type", "action")
    if kind == "wait":
        does.append(f"waits for {fields.get('signal') or fields['id']}")
    elif kind == "workflow":
        does.append(f"workflow {fields.get('workflow')}")
    elif "action" in fields or "service" in fields:
        action = str(fields.get("action", "default"))
        does.append(f"{fields['service']}.{action}" if fields.get("service") else action)
    told = [*does, *_told(fields, _LIMITS)]
    return str(fields["id"]), ", ".join(told)


def _told(fields: Mapping[str, Any], table: Sequence[tuple[str, str]]) -> Iterator[str]:
    for key, words in table:
        if fields.get(key) is not None:
            yield words.format(_value(fields[key]))


def _value(found: Any) -> str:
    """Return a value of the document in the document's own words, but without the brackets."""
    if isinstance(found, str):
        return found
    if isinstance(found, Mapping):
        # What an undo is given is no limit.
        parts = {key: each for key, each in found.items() if key not in ("parameters", "action")}
        named = [str(found["action"])] if "action" in found else []
        named += [f"{key} {_value(each)}" for key, each in parts.items()]
        return f"({', '.join(named)})" if len(named) > 1 else "".join(named)
    if isinstance(found, list):
        return " and ".join(map(_value, found)) if len(found) < 6 else f"{len(found)} of them"
    return json.dumps(found)
