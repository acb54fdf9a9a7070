"""The program of a worker process: do one call, answer, end.

`_process_call` runs `main` of this file in a Python of its own. It imports nothing of trioflow,
so that it can start before the `sys.path` of its parent has arrived.

The request comes on stdin, as one frame: a length and a pickle. Answers go out on what stdin's
neighbour was when the process began: the action itself finds stdin empty, and what it prints, or
what programs print that it starts, goes to stderr. So nobody can garble the answer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import runpy
import struct
import sys
import threading
import traceback
import types
from typing import Any

# A kind (one letter) and a length in bytes before every answer; requests have the length alone.
HEADER = struct.Struct(">cQ")
LENGTH = struct.Struct(">Q")
RETURNED, RAISED, REFUSED, LOGGED = b"R", b"E", b"X", b"L"
# There is a module of this name as long as a worker imports what it is to execute: an engine is not
# to be opened then. It would execute the program again, in a worker of its own, and so on.
LOADING = "trioflow.actions._worker.loading"
# An output may have 1 MiB as JSON, which the engine checks. This only keeps an absurd one from
# being carried over to it.
MAX_ANSWER = 8 * 1024 * 1024


_NOT_LOADED = "could not be loaded in a worker process: "
_GUARD = (
    "; a worker imports the module that was started, to find the action in it, so that must do "
    'nothing: what it does when it is started belongs under `if __name__ == "__main__":`'
)


def main() -> None:
    """Serve the one request."""
    requests, answers = _take_pipes()
    path, main_module, call = pickle.loads(_receive(requests))  # noqa: S301
    threading.Thread(target=_die_with_parent, args=(requests,), daemon=True).start()
    sys.path[:] = path
    _forward_logs(answers)
    try:
        function, arguments = _load(main_module, call)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        advice = _GUARD if main_module is not None and "__name__" not in str(error) else ""
        _send(answers, RAISED, _describe(error, _NOT_LOADED, advice))
    else:
        _send(answers, *_answer(function, arguments))
    sys.stdout.flush()


def _load(main_module: tuple[str | None, str] | None, call: bytes) -> tuple[Any, Any]:
    sys.modules[LOADING] = types.ModuleType(LOADING)
    try:
        if main_module is not None:
            _load_main(*main_module)
        function, arguments = pickle.loads(call)  # noqa: S301
    finally:
        sys.modules.pop(LOADING, None)
    return function, arguments


def _take_pipes() -> tuple[int, int]:
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _receive(requests: int) -> bytes:
    (length,) = LENGTH.unpack(_read_exactly(requests, LENGTH.size))
    return _read_exactly(requests, length)


def _read_exactly(source: int, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        chunk = os.read(source, min(length - len(received), 1 << 20))
        if not chunk:  # the parent has ended in the middle of it
            os._exit(1)  # pragma: no cover - of what ends like this nothing is measured
        received += chunk
    return bytes(received)


def _die_with_parent(requests: int) -> None:
    # The parent never writes again, so this returns when it closes the pipe: it has ended, if
    # only by SIGKILL. The next engine will do the work again; doing it twice at the same time
    # would be worse.
    os.read(requests, 1)
    os._exit(1)  # pragma: no cover - of what ends like this nothing is measured


def _answer(function: Any, arguments: Any) -> tuple[bytes, bytes]:
    try:
        result = function(**arguments)
    except Exception as error:  # noqa: BLE001
        return RAISED, _describe(error)
    if isinstance(result, types.CoroutineType):
        result.close()
        message = "returned a coroutine, which nobody awaits; call something not asynchronous"
        return REFUSED, pickle.dumps(("result.not_json", message))
    try:
        answer = pickle.dumps(result)
    except Exception as error:  # noqa: BLE001
        message = (
            f"returned a {type(result).__name__}, which cannot leave its worker process "
            f"({type(error).__name__}: {error})"
        )
        return REFUSED, pickle.dumps(("result.not_json", message))
    if len(answer) > MAX_ANSWER:
        message = f"returned {len(answer)} bytes; at most 1 MiB may be returned"
        return REFUSED, pickle.dumps(("result.too_large", message))
    return RETURNED, answer


def _describe(error: Exception | SystemExit, introduction: str = "", advice: str = "") -> bytes:
    """Pickle the exception, if it does pickle, beside what everybody can understand."""
    pickled = None
    if not introduction:
        with contextlib.suppress(Exception):
            pickled = pickle.dumps(error)
    code = getattr(error, "code", None)
    retryable = getattr(error, "retryable", None)
    return pickle.dumps(
        {
            "exception": pickled,
            "message": f"{introduction}{type(error).__name__}: {error}{advice}",
            "code": code if isinstance(code, str) else None,
            "retryable": retryable if isinstance(retryable, bool) else None,
            "traceback": "".join(traceback.format_exception(error)),
        }
    )


_sending = threading.Lock()


def _send(answers: int, kind: bytes, answer: bytes) -> None:
    rest = memoryview(HEADER.pack(kind, len(answer)) + answer)
    with _sending:
        while rest:
            rest = rest[os.write(answers, rest) :]


class _Forwarder(logging.Handler):
    """Sends what `ActionContext.log` logs to the parent, whose handlers know what to do."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.answers = answers

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args = record.getMessage(), None
        try:
            content = pickle.dumps(record.__dict__)
        except Exception:  # noqa: BLE001
            record.__dict__["fields"] = {}
            content = pickle.dumps(record.__dict__)
        _send(self.answers, LOGGED, content)


def _forward_logs(answers: int) -> None:
    logger = logging.getLogger("trioflow.actions")
    logger.setLevel(logging.INFO)  # the parent applies its own level
    logger.addHandler(_Forwarder(answers))


def _load_main(name: str | None, path: str) -> None:
    """Run the parent's main module here, as multiprocessing does: not as ``__main__``.

    Only for an action that is defined in it.
    """
    if name is not None:
        content = runpy.run_module(name, run_name="__mp_main__", alter_sys=True)
    else:
        content = runpy.run_path(path, run_name="__mp_main__")
    module = types.ModuleType("__mp_main__")
    module.__dict__.update(content)
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
