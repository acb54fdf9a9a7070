"""`process.run`: run a program, and leave nothing of it behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import trio

from trioflow.actions._action import action
from trioflow.actions._groups import (
    describe_exit,
    kill_group,
    own_session,
    terminate_group,
)
from trioflow.errors import StepError

# How long output may still come in after the program has ended, and again after what it left
# behind was killed (seconds). A background process that holds the pipes open costs that much; a
# shell whose `tee` still writes needs it.
_DRAIN = 0.25
# An output ends up in the history, whose events have at most 1 MiB.
_MAX_OUTPUT = 64 * 1024
_LONGEST_MESSAGE = 300


@action("process.run")
async def process_run(
    argv: Sequence[str | float],
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    check: bool = True,
    max_output: int = _MAX_OUTPUT,
    grace: float = 5.0,
) -> dict[str, Any]:
    """Run a program, without a shell, and return its exit code and its output.

    `env` adds to the environment. `input` is written to its stdin, which is empty otherwise.
    Of stdout and stderr the last `max_output` bytes are kept, because errors come last;
    ``stdout_truncated`` and ``stderr_truncated`` say if something is missing.

    The program runs in a session of its own. When the call is cancelled, its process group is
    asked to end (SIGTERM) and killed after `grace` seconds. Also when it ends by itself: what it
    left running in its group is killed then.

    Raises `StepError` with code ``process.exit`` for an exit code that is not 0, unless `check`
    is false, and with code ``process.start``, not to be repeated, if it cannot be started.
    """
    command = _command(argv)
    _check(cwd, env, input, max_output, grace)
    process = await _start(command, cwd, env, input is not None)
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = _Tail(process.stdout, max_output), _Tail(process.stderr, max_output)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stdout.collect)
        nursery.start_soon(stderr.collect)
        if process.stdin is not None and input is not None:
            nursery.start_soon(_feed, process.stdin, input.encode())
        try:
            await process.wait()
        finally:
            with trio.CancelScope(shield=True):
                await _end(process, (stdout, stderr), grace)
            nursery.cancel_scope.cancel()
    assert process.returncode is not None
    if check and process.returncode != 0:
        raise StepError(_complaint(command[0], process.returncode, stderr.text), "process.exit")
    return {
        "exit_code": process.returncode,
        "stdout": stdout.text,
        "stderr": stderr.text,
        "stdout_truncated": stdout.truncated,
        "stderr_truncated": stderr.truncated,
    }


def _command(argv: Any) -> list[str]:
    words = list(argv) if isinstance(argv, (list, tuple)) else []
    if not words or not all(
        isinstance(word, (str, int, float)) and not isinstance(word, bool) for word in words
    ):
        raise _refusal(
            'argv must be a list of texts or numbers, like ["git", "status"]; there is no shell'
        )
    return [str(word) for word in words]


def _check(cwd: Any, env: Any, given_input: Any, max_output: Any, grace: Any) -> None:
    if not isinstance(cwd, str | None):
        raise _refusal("cwd must be a text")
    if env is not None and not (
        isinstance(env, Mapping)
        and all(isinstance(key, str) and isinstance(value, str) for key, value in env.items())
    ):
        raise _refusal("env must be an object whose values are texts")
    if not isinstance(given_input, str | None):
        raise _refusal("input must be a text")
    if not isinstance(max_output, int) or max_output < 1:
        raise _refusal("max_output must be a number of bytes above 0")
    if not isinstance(grace, (int, float)) or not grace >= 0:
        raise _refusal("grace must be a number of seconds")


def _refusal(message: str) -> StepError:
    return StepError(f"process.run: {message}", "action.parameters", retryable=False)


async def _start(
    command: list[str], cwd: str | None, env: Mapping[str, str] | None, has_input: bool
) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            command,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **own_session(),
        )
    except FileNotFoundError as error:
        what = "there is no folder" if error.filename == cwd else "there is no program"
        raise StepError(f"{what} {error.filename!r}", "process.start", retryable=False) from error
    except (OSError, ValueError) as error:
        # ValueError: a null byte. Its message and that of an OSError name no arguments.
        raise StepError(
            f"{command[0]!r} cannot be started: {error}", "process.start", retryable=False
        ) from error


async def _feed(stdin: trio.abc.SendStream, data: bytes) -> None:
    try:
        await stdin.send_all(data)
    except trio.BrokenResourceError:
        pass  # it does not want to know
    finally:
        await trio.aclose_forcefully(stdin)


async def _end(process: trio.Process, tails: Sequence[_Tail], grace: float) -> None:
    """Let nothing of the process group run any more, and read what is there to read.

    Runs shielded, so every wait has its limit.
    """
    was_cancelled = process.returncode is None
    if was_cancelled:
        terminate_group(process)
        with trio.move_on_after(grace):
            await process.wait()
    else:
        await _drain(tails)
    kill_group(process)
    await process.wait()
    if not was_cancelled:
        await _drain(tails)
    for tail in tails:
        tail.scope.cancel()


async def _drain(tails: Sequence[_Tail]) -> None:
    with trio.move_on_after(_DRAIN):
        for tail in tails:
            await tail.ended.wait()


@attrs.define(eq=False)
class _Tail:
    """The last bytes that come out of a stream."""

    stream: trio.abc.ReceiveStream
    limit: int
    # Shielded, because a program that was told to end must not be stuck in writing its last
    # words. `_end` cancels it.
    scope: trio.CancelScope = attrs.field(factory=lambda: trio.CancelScope(shield=True))
    ended: trio.Event = attrs.field(factory=trio.Event)
    truncated: bool = False
    _kept: bytearray = attrs.field(factory=bytearray, init=False)

    async def collect(self) -> None:
        """Read until the stream ends, or until `scope` is cancelled; then close it."""
        try:
            with self.scope:
                async for chunk in self.stream:
                    self._kept += chunk
                    if len(self._kept) > self.limit:
                        self.truncated = True
                        del self._kept[: -self.limit]
        finally:
            # Here, because nobody else knows when nobody reads any more.
            self.ended.set()
            await trio.aclose_forcefully(self.stream)

    @property
    def text(self) -> str:
        """What was kept, as text; a character that is no UTF-8, or was cut, is replaced."""
        return self._kept.decode(errors="replace")


def _complaint(program: str, returncode: int, stderr: str) -> str:
    message = f"{program!r} {describe_exit(returncode)}"
    if lines := stderr.strip().splitlines():
        message += f": {lines[-1].strip()[:_LONGEST_MESSAGE]}"
    return message
