"""What goes wrong, as one clear message on stderr and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence

import click

from trioflow.cli._output import say
from trioflow.errors import (
    DefinitionError,
    InputRejected,
    Problem,
    ProtocolError,
    StoreLocked,
    TrioflowError,
    UnknownAction,
    UnknownWorkflow,
)

DONE = 0
FAILED = 1
REFUSED = 2
PAUSED = 3
UNFINISHED = 3  # a cancel that is still under way
CANCELLED = 4
INTERRUPTED = 130
BROKEN_PIPE = 141  # what a shell says of a program that SIGPIPE has ended

EXIT_CODES = {"COMPLETED": DONE, "FAILED": FAILED, "CANCELLED": CANCELLED}


class Refused(click.ClickException):
    """A request that cannot be carried out; the message says what, and what instead."""

    exit_code = REFUSED

    def show(self, file: object = None) -> None:
        """Print the message."""
        say(f"error: {self.message}")


def explain(error: TrioflowError) -> tuple[str, int]:
    """Return the message for an error of trioflow, and the exit code."""
    if isinstance(error, DefinitionError):
        return listing(f"{error.source} has", error.problems), REFUSED
    if isinstance(error, InputRejected):
        return listing("the input has", error.problems), REFUSED
    if isinstance(error, ProtocolError):
        message = (
            f"{error}\nThis is a bug of trioflow, not of yours. Please report it together with "
            f"the output of `trioflow history ID --json`."
        )
        return message, FAILED
    if isinstance(error, UnknownAction):
        return f"{error}; functions come with --actions MODULE-or-FILE", REFUSED
    if isinstance(error, UnknownWorkflow):
        return f"{unknown_workflow(error)}; workflows come with --workflow FILE-or-FOLDER", REFUSED
    if isinstance(error, StoreLocked):
        message = (
            f"{error}; look at it with `trioflow list` and `trioflow show`, "
            f"or end that process first"
        )
        return message, REFUSED
    return str(error), REFUSED


def unknown_workflow(error: UnknownWorkflow) -> str:
    """Return what is missing, without the advice that is for programs."""
    return str(error).partition("; ")[0]


def listing(
    beginning: str,
    problems: Sequence[Problem],
    place: Callable[[str], str] = lambda path: path,
) -> str:
    """Return all problems, one a line, with their places; `place` may know better where."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{beginning} {count}:"]
    lines += [f"  {place(problem.path)}: {problem.message}" for problem in problems]
    return "\n".join(lines)


def guarded(program: Callable[[], object]) -> int:
    """Run the program and return its exit code; its errors are told, not thrown."""
    try:
        result = program()
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TrioflowError as error:
        message, code = explain(error)
        say(f"error: {message}")
        return code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return broken_pipe()
    return result if isinstance(result, int) else DONE


def broken_pipe() -> int:
    """Point stdout to nowhere, so that flushing it at the end does not fail; return the code."""
    # It may be no file at all, or closed.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE
