"""Ask somebody on a terminal for what an execution waits for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from trioflow.cli._output import Screen
from trioflow.cli._words import failure_words, input_path, schema_words, takes_text

ReadLine = Callable[[], Awaitable[str | None]]

# What a person answers is a line; this only keeps a file that is no terminal from being read in.
_LONGEST = 64 * 1024


class Left(Exception):
    """Nobody wants to answer (Ctrl-D)."""


@attrs.define
class Answers:
    """What somebody has answered."""

    input: dict[str, Any] = attrs.field(factory=dict)
    decisions: dict[str, Any] = attrs.field(factory=dict)
    signals: dict[str, Any] = attrs.field(factory=dict)
    resume: bool = False


class LineReader:
    """Lines from stdin, read so that waiting for one can be cancelled.

    A thread that waits in `input()` cannot be: it would take the next line that anybody types,
    and hold up the end of the program.
    """

    def __init__(self) -> None:
        self._read = b""

    async def __call__(self) -> str | None:
        """Return the next line without its end; None at the end of the input (Ctrl-D)."""
        if sys.platform == "win32":  # pragma: no cover
            line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            return line.rstrip("\r\n") if line else None
        descriptor = sys.stdin.fileno()
        while b"\n" not in self._read and len(self._read) < _LONGEST:
            await trio.lowlevel.wait_readable(descriptor)
            # The terminal gives whole lines: people correct themselves before we see them.
            chunk = os.read(descriptor, 4096)
            if not chunk:
                return None
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(sys.stdin.encoding or "utf-8", "replace").rstrip("\r")


async def ask(waiting: Sequence[Any], screen: Screen, read_line: ReadLine) -> Answers:
    """Ask for each thing in turn, again until it fits. Raises `Left` at the end of the input."""
    found = Answers()
    asked: set[str] = set()
    for entry in waiting:
        if entry.kind == "input" and entry.name not in asked:
            asked.add(entry.name)
            path = input_path(entry.name)
            if path is None:
                screen.line(f"{entry} can't be asked for here; `trioflow resume --input` brings it")
            else:
                value = await _ask_input(entry, screen, read_line)
                _put(found.input, path, value)
        elif entry.kind == "signal":
            found.signals[entry.name] = await _ask_json(
                f"payload of signal {entry.name}", entry.schema, screen, read_line
            )
        elif entry.kind == "decision":
            found.decisions[entry.step] = await _ask_decision(entry, screen, read_line)
        elif entry.kind == "resume":
            await _line("paused; press Enter to go on: ", screen, read_line)
            found.resume = True
    return found


async def _ask_input(entry: Any, screen: Screen, read_line: ReadLine) -> Any:
    name = entry.name.removeprefix("input.")
    if not takes_text(entry.schema):
        return await _ask_json(name, entry.schema, screen, read_line)
    about = schema_words(entry.schema)
    while True:
        text = await _line(f"{name}{f' ({about})' if about else ''}: ", screen, read_line)
        problem = misfit(text, entry.schema)
        if problem is None:
            return text
        screen.line((f"  {problem}", "red"))


async def _ask_json(
    name: str, schema: Mapping[str, Any] | None, screen: Screen, read_line: ReadLine
) -> Any:
    about = schema_words(schema)
    while True:
        prompt = f"{name} (JSON{f'; {about}' if about else ''}): "
        text = await _line(prompt, screen, read_line)
        value = None
        try:
            value = json.loads(text) if text.strip() else None
            problem = misfit(value, schema)
        except (ValueError, RecursionError) as error:
            problem = f"is no JSON: {error}"
        if problem is None:
            return value
        screen.line((f"  {problem}", "red"))


async def _ask_decision(entry: Any, screen: Screen, read_line: ReadLine) -> Any:
    why = "" if entry.failure is None else f" failed: {failure_words(entry.failure)}"
    screen.line(f"step {entry.step}{why}")
    prompt = f"decision about {entry.step} (retry, failed or completed:=JSON): "
    while True:
        text = await _line(prompt, screen, read_line)
        try:
            return parse_decision(text.strip())
        except ValueError as error:
            screen.line((f"  {error}", "red"))


def parse_decision(text: str) -> Any:
    """Return what ``retry``, ``failed`` or ``completed:=JSON`` stands for, or raise ValueError."""
    if text in ("retry", "failed"):
        return text
    word, assign, output = text.partition(":=")
    if word == "completed" and assign:
        try:
            return {"completed": json.loads(output)}
        except ValueError as error:
            raise ValueError(f"the output {output!r} is no JSON: {error}") from None
    raise ValueError(f"a decision is retry, failed or completed:=JSON, not {text!r}")


async def _line(prompt: str, screen: Screen, read_line: ReadLine) -> str:
    # A space at the end of a line is lost in `Screen.text`, so it is given apart.
    screen.console.print(screen.text((prompt.rstrip(), "bold")), end=" ", soft_wrap=True)
    line = await read_line()
    if line is None:
        screen.line()
        raise Left
    return line


def misfit(value: Any, schema: Mapping[str, Any] | None) -> str | None:
    """Return why a value does not fit a schema, or None if it does, as far as it can be told.

    It is a part of a larger schema, and may refer to others of its parts: then the engine, which
    has the whole, has the last word.
    """
    if schema is None:
        return None
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        validator = validator_for(schema)(schema, registry=Registry())
        error = next(iter(validator.iter_errors(value)), None)
    except Unresolvable:
        return None
    return None if error is None else error.message


def _put(found: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        found = found.setdefault(key, {})
    found[path[-1]] = value
