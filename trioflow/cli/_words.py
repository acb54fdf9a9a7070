"""What there is to say about a step, an attempt, a failure, or something that is waited for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trioflow.cli._text import count, duration, instant, plain, shorten
from trioflow.cli._timeline import Attempt, Row
from trioflow.events import Failure

# A path that `-i` can set: keys that are names, separated by dots.
_SIMPLE_PATH = re.compile(r"input((?:\.[A-Za-z_][A-Za-z0-9_-]*)+)")

# A message of this length still tells what it is about; `history` has the whole of it.
LONGEST_MESSAGE = 400


def failure_words(failure: Failure) -> str:
    """Return the sentence and the code of a failure."""
    return f"{shorten(plain(failure.message), LONGEST_MESSAGE)} ({plain(failure.code)})"


def failure_tree(failure: Failure, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a failure and what caused it, indented."""
    where = f"step {failure.step}" if failure.step else ""
    if failure.step and failure.attempt:
        where += f", attempt {failure.attempt}"
    words = failure_words(failure)
    if failure.type and failure.type not in ("StepError", failure.code):
        words = f"{plain(failure.type)}: {words}"
    if depth == 0:
        yield f"{plain(where)}: {words}" if where else words
    else:
        yield f"{'  ' * depth}caused by {words}"
    for cause in failure.causes:
        yield from failure_tree(cause, depth + 1)


def step_words(row: Row, now: float, max_attempts: int = 1) -> str:
    """Return in a few words what there is to know about a step, beyond its status."""
    match row.status:
        case "COMPLETED":
            return _completed(row)
        case "FAILED":
            return "" if row.failure is None else failure_words(row.failure)
        case "SKIPPED":
            return row.reason
        case "PAUSED":
            words = f"waits for {row.waits}"
            return words if row.failure is None else f"{words}: {failure_words(row.failure)}"
        case "RUNNING":
            return _running(row, now, max_attempts)
        case _:
            return ""


def _completed(row: Row) -> str:
    words = []
    if row.by in ("fallback", "decision"):
        words.append(f"by {row.by}")
    if row.tries > 1:
        words.append(f"{row.tries} attempts")
    if row.late:
        words.append("late")
    return ", ".join(words)


def _running(row: Row, now: float, max_attempts: int) -> str:
    running = row.running
    if len(running) > 1:
        return f"{len(running)} attempts"
    if running:
        attempt = running[0]
        of = f" of {max_attempts}" if 1 < max_attempts >= attempt.number else ""
        words = "" if attempt.name == "attempt 1" and not of else f"{attempt.name}{of}"
        return f"{words}, does not stop".lstrip(", ") if attempt.unresponsive else words
    if row.wake is not None:
        return f"asleep until {instant(row.wake)}"
    last = row.attempts[-1] if row.attempts else None
    if last is None:
        return "queued"
    if last.failure is None:
        return f"{last.name} {last.outcome}"
    why = failure_words(last.failure)
    if last.retry_at is not None and last.retry_at > now:
        return f"attempt {last.number + 1} in {duration(last.retry_at - now)}: {why}"
    return f"queued after {last.name}: {why}"


def attempt_words(attempt: Attempt) -> str:
    """Return how an attempt ended: ``attempt 1 failed after 12 ms: out of tea (tea.none)``."""
    words = f"{attempt.name} {attempt.outcome}"
    # When a crashed one ended, nobody knows.
    if attempt.ended_at is not None and attempt.outcome != "crashed":
        words += f" after {duration(attempt.ended_at - attempt.started_at)}"
    if attempt.failure is not None:
        words += f": {failure_words(attempt.failure)}"
    if attempt.retry_at is not None and attempt.ended_at is not None:
        words += f"; again in {duration(attempt.retry_at - attempt.ended_at)}"
    return words


def tally(rows: Iterable[Row]) -> str:
    """Return how many steps are what, like ``4 completed, 2 skipped``."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.status] = found.get(row.status, 0) + 1
    return ", ".join(f"{number} {status.lower()}" for status, number in found.items())


# ---- what is waited for, and how to bring it ----


def waiting_words(entry: Any) -> str:
    """Return one thing that is waited for, with what its schema says about it."""
    words = str(entry)
    if entry.failure is not None:
        words += f", which failed: {failure_words(entry.failure)}"
    if entry.kind == "decision":
        words += "; retry, failed or completed:=JSON"
    about = schema_words(entry.schema)
    return f"{words}: {about}" if about else words


def schema_words(schema: Mapping[str, Any] | None) -> str:
    """Return the type and the description that a schema gives, as far as it does."""
    if not schema:
        return ""
    words = []
    wanted = schema.get("type")
    if isinstance(wanted, str):
        words.append(wanted)
    elif isinstance(wanted, Sequence):
        words.append(" or ".join(map(str, wanted)))
    if isinstance(options := schema.get("enum"), Sequence):
        words.append("one of " + ", ".join(map(str, options)))
    if isinstance(description := schema.get("description") or schema.get("title"), str):
        words.append(description)
    return "; ".join(words)


def input_path(name: str) -> tuple[str, ...] | None:
    """Return the keys of a path like ``input.customer.name``; None if `-i` cannot say it."""
    found = _SIMPLE_PATH.fullmatch(name)
    return None if found is None else tuple(found[1][1:].split("."))


def takes_text(schema: Mapping[str, Any] | None) -> bool:
    """Whether what is wanted is text, as far as the schema says."""
    wanted = (schema or {}).get("type", "string")
    return wanted == "string" or (isinstance(wanted, list) and "string" in wanted)


def answers(execution_id: str, waiting: Iterable[Any], options: Sequence[str]) -> list[str]:
    """Return the commands that bring what is waited for; capitals are to be filled in."""
    arguments: list[str] = []
    signals: list[str] = []
    found = 0
    for entry in waiting:
        found += 1
        if entry.kind == "input":
            path = input_path(entry.name)
            if path is None:
                arguments.append("--input FILE.json")
            elif takes_text(entry.schema):
                arguments.append(f"-i {'.'.join(path)}=TEXT")
            else:
                arguments.append(f"-i {'.'.join(path)}:=JSON")
        elif entry.kind == "decision":
            arguments.append(f"--decide {entry.step}=retry")
        elif entry.kind == "signal":
            words = ["trioflow", "signal", execution_id, entry.name]
            signals.append(f"{shlex.join(words)} JSON {shlex.join(options)}".rstrip())
    lines = []
    if arguments or found > len(signals) or not found:
        start = shlex.join(["trioflow", "resume", execution_id, *options])
        lines.append(" ".join([start, *dict.fromkeys(arguments)]))
    return [*lines, *signals]


def steps_words(number: int) -> str:
    """Return ``1 step``, ``2 steps``."""
    return count(number, "step")
