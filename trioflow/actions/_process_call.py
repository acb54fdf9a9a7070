"""Call an action in a worker process, which is killed when the call is cancelled.

Every call has a process of its own. `anyio.to_process` and trio-parallel keep workers for the next
call, which saves a start (about 0.1 s, mostly the imports of the action's module) and costs what
isolation is for: what one call breaks the next one finds broken, and a worker that was cancelled
while it started, or that lost its parent, stays. Both talk to their workers over descriptors that
the action, or a program started by it, can write to or hold open.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import attrs
import trio

from trioflow.actions import _worker
from trioflow.actions._action import Action
from trioflow.actions._groups import describe_exit, kill_group, own_session
from trioflow.errors import StepError

# How long a worker may take to end after it has answered, for `atexit` and for threads that the
# action has left behind; and how long an answer may still come in after a worker has ended, in
# case something that it has forked holds the pipe open. Both in seconds.
_FAREWELL = 1.0


# Runs the file under the name that it has here too, so that tools know what it is. It is not
# imported, because that would import all of trioflow, from wherever it may be. -P keeps the
# current folder out of `sys.path` until that of the parent arrives.
_PROGRAM = "import runpy, sys; runpy.run_path(sys.argv[2], run_name=sys.argv[1])['main']()"


async def call_in_process(action: Action, arguments: Mapping[str, Any]) -> Any:
    """Run the action in a worker process of its own, and kill it on cancellation.

    There is no limit on workers but the slots of the engine. What the worker leaves running in
    its process group ends with it. What the action raised is raised with the worker's traceback
    as a note, or as a `StepError` that says the same if it does not pickle. Raises `StepError`
    with code ``crash`` when the worker ends without an answer.
    """
    request = _request(action, arguments)
    process = await trio.lowlevel.open_process(
        [sys.executable, "-P", "-c", _PROGRAM, _worker.__name__, _worker.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **own_session(),
    )
    answer = None
    try:
        answer = await _ask(process, request)
    finally:
        with trio.CancelScope(shield=True):
            if answer is not None:
                with trio.move_on_after(_FAREWELL):
                    await process.wait()
            kill_group(process)
            await process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    await trio.aclose_forcefully(pipe)
    if answer is None:
        assert process.returncode is not None
        raise StepError(
            f"the worker process of action {action.name!r} {describe_exit(process.returncode)} "
            f"before the action returned",
            "crash",
        )
    return answer.unwrap(action.name)


def _request(action: Action, arguments: Mapping[str, Any]) -> bytes:
    function = action.function
    main_module = None
    if function.__module__ == "__main__":
        main_module = _main_module(action.name)
    elif (unfinished := _being_imported(function.__module__)) is not None:
        # To pickle the function would wait for the import, and that perhaps waits for this call.
        raise StepError(
            f"action {action.name!r} is called while its module is imported (that of "
            f"{unfinished!r} has not ended), and a worker process would import it again: what a "
            f'module does when it is started belongs under `if __name__ == "__main__":`',
            retryable=False,
        )
    try:
        call = pickle.dumps((function, dict(arguments)))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise StepError(
            f"action {action.name!r} cannot be sent to a worker process: {error}",
            retryable=False,
        ) from error
    content = pickle.dumps((sys.path, main_module, call))
    return _worker.LENGTH.pack(len(content)) + content


def _being_imported(name: str) -> str | None:
    """Return the module, or the package around it, whose import has begun and not ended."""
    parts = name.split(".")
    for number in range(1, len(parts) + 1):
        found = ".".join(parts[:number])
        # There is nothing public to ask; where Python has no such thing any more nothing is said.
        spec = getattr(sys.modules.get(found), "__spec__", None)
        if getattr(spec, "_initializing", False):
            return found
    return None


def _main_module(action_name: str) -> tuple[str | None, str]:
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path is None:
        raise StepError(
            f"action {action_name!r} was defined in an interactive session, "
            f"where no worker process can find it; put it into a module",
            retryable=False,
        )
    spec = getattr(main, "__spec__", None)  # there is one after `python -m`
    return (spec.name if spec is not None else None), str(Path(path).absolute())


@attrs.frozen
class _Answer:
    kind: bytes
    content: bytes

    def unwrap(self, action_name: str) -> Any:
        """Return what the action returned, or raise what it raised."""
        if self.kind == _worker.RETURNED:
            try:
                return _unpickle(self.content)
            except Exception as error:
                raise StepError(
                    f"action {action_name!r} returned what only its worker process understands "
                    f"({type(error).__name__}: {error})",
                    "result.not_json",
                ) from error
        if self.kind == _worker.REFUSED:
            code, message = _unpickle(self.content)
            raise StepError(f"action {action_name!r} {message}", code)
        raise self._exception(_unpickle(self.content))

    def _exception(self, description: dict[str, Any]) -> Exception:
        error = None
        if description["exception"] is not None:
            # That it pickles does not mean that it unpickles: many an exception has other
            # parameters than `args`, or a class that does not exist here.
            with contextlib.suppress(Exception):
                error = _unpickle(description["exception"])
        if not isinstance(error, Exception):
            error = StepError(
                description["message"],
                description["code"] or "action.error",
                description["retryable"],
            )
        error.add_note(f"In the worker process:\n{description['traceback']}")
        return error


async def _ask(process: trio.Process, request: bytes) -> _Answer | None:
    """Send the request and return the answer; None if the worker has ended without."""
    answer = None
    async with trio.open_nursery() as nursery:
        patience = trio.CancelScope()
        nursery.start_soon(_end_patience, process, patience)
        with patience:
            assert process.stdin is not None
            with contextlib.suppress(trio.BrokenResourceError):  # it has ended; so will `_listen`
                # The pipe stays open: a worker takes its end for ours.
                await process.stdin.send_all(request)
            answer = await _listen(process)
        nursery.cancel_scope.cancel()
    return answer


async def _end_patience(process: trio.Process, patience: trio.CancelScope) -> None:
    await process.wait()
    await trio.sleep(_FAREWELL)
    patience.cancel()


async def _listen(process: trio.Process) -> _Answer | None:
    """Return the first frame that is an answer; log what is to be logged before."""
    assert process.stdout is not None
    received = bytearray()
    async for chunk in process.stdout:
        received += chunk
        while (frame := _take_frame(received)) is not None:
            if frame.kind != _worker.LOGGED:
                return frame
            _log(frame.content)
    return None


def _take_frame(received: bytearray) -> _Answer | None:
    start = _worker.HEADER.size
    if len(received) < start:
        return None
    kind, length = _worker.HEADER.unpack_from(received)
    if len(received) < start + length:
        return None
    frame = _Answer(kind, bytes(received[start : start + length]))
    del received[: start + length]
    return frame


_logger = logging.getLogger("trioflow.actions")


def _log(content: bytes) -> None:
    try:
        record = logging.makeLogRecord(_unpickle(content))
    except Exception as error:  # noqa: BLE001 - whatever a class of the action's does
        _logger.warning("a line that a worker process has logged cannot be read: %r", error)
        return
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


class _Unpickler(pickle.Unpickler):
    """Knows that the main module has another name in a worker."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name == "__mp_main__":
            module_name = "__main__"
        return super().find_class(module_name, global_name)


def _unpickle(content: bytes) -> Any:
    return _Unpickler(BytesIO(content)).load()
