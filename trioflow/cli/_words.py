"""What there is to say about a step, an attempt, a failure, or something that is waited for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trioflow.cli._text import count, duration, instant, plain, shorten
from trioflow.events import Failure
from trioflow.timelines import Attempt, Row

if TYPE_CHECKING:
    from trioflow.engine import Snapshot

# Actions that are built in, but have to be allowed with `--allow`.
ALLOWED = ("process.run",)

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
            return ", ".join(
                filter(None, ["" if row.failure is None else failure_words(row.failure), row.undo])
            )
        case "SKIPPED":
            return row.reason
        case "PAUSED":
            words = row.waiting
            return words if row.failure is None else f"{words}: {failure_words(row.failure)}"
        case "RUNNING":
            return _running(row, now, max_attempts)
        case _:
            return ""


def _completed(row: Row) -> str:
    words = []
    if row.by in ("fallback", "decision"):
        words.append(f"by {row.by}")
    elif row.by == "fork":
        words.append("kept")
    if row.items is not None:
        words.append(count(row.items, "item"))
    elif row.tries > 1:
        words.append(f"{row.tries} attempts")
    if row.late:
        words.append("late")
    if row.undo:
        words.append(row.undo)
    return ", ".join(words)


def _running(row: Row, now: float, max_attempts: int) -> str:
    running = row.running
    if row.items is not None:
        return f"{row.items_ended} of {count(row.items, 'item')}"
    if row.child:
        return f"in its child {row.child}"
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
    # What a child execution waits for goes to the child.
    by_execution: dict[str, list[Any]] = {}
    for entry in waiting:
        by_execution.setdefault(entry.execution or execution_id, []).append(entry)
    commands: list[str] = []
    for who, entries in by_execution.items():
        arguments = [word for entry in entries if (word := _argument(entry))]
        if arguments or any(entry.kind == "resume" for entry in entries):
            start = shlex.join(["trioflow", "resume", who, *options])
            commands.append(" ".join([start, *dict.fromkeys(arguments)]))
        for entry in entries:
            if entry.kind == "signal":
                words = ["trioflow", "signal", who, entry.name]
                commands.append(f"{shlex.join(words)} JSON {shlex.join(options)}".rstrip())
    return commands


def resuming(snapshot: Snapshot, options: Sequence[str]) -> str:
    """Return the command that continues an execution; capitals are to be filled in."""
    from trioflow.actions import Registry

    plan = snapshot.workflow.plan
    # A child goes on with the one at the top of its family.
    root, is_child, _ = snapshot.id.partition(":")
    # What the others of a family call is not known here.
    has_family = bool(is_child or plan.workflows)
    words = [shlex.join(["trioflow", "resume", root, *options])]
    if has_family or Registry(allow=ALLOWED, entry_points=False).missing(plan.actions):
        words.append("--actions MODULE-or-FILE")
    words += [f"--allow {name}" for name in ALLOWED if name in plan.actions]
    words += ["--workflow FILE-or-FOLDER"] if has_family else []
    return " ".join(words)


def _argument(entry: Any) -> str:
    """Return the argument of `resume` that answers one thing, or nothing."""
    if entry.kind == "decision":
        return f"--decide {shlex.quote(f'{entry.step}=retry')}"
    if entry.kind != "input":
        return ""
    path = input_path(entry.name)
    if path is None:
        return "--input FILE.json"
    return f"-i {'.'.join(path)}{'=TEXT' if takes_text(entry.schema) else ':=JSON'}"


def steps_words(number: int) -> str:
    """Return ``1 step``, ``2 steps``."""
    return count(number, "step")
