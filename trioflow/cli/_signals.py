"""SIGINT and SIGTERM: the first one interrupts in an orderly way, the second one ends at once.

Handlers of Python's own, and not `trio.open_signal_receiver`: that one would wait until the
program comes back to trio, and an action that blocks there (or does not stop) is what a second
Ctrl-C is for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import trio

from trioflow.cli._errors import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AT_ONCE = b"\nended at once; what ran will count as crashed\n"
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """While its block lasts, the first signal calls what `on_first` was given, in trio."""

    def __init__(self) -> None:
        self.received = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._interrupt: Callable[[], None] | None = None
        self._before: list[tuple[signal.Signals, Any]] = []

    def __enter__(self) -> Self:
        # Where somebody has them ignored (`nohup`, a shell's `&`) they stay ignored.
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = [(number, signal.signal(number, self._handle)) for number in heard]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def on_first(self, interrupt: Callable[[], None]) -> None:
        """Call `interrupt` in trio's thread at the first signal, or now if it was there before."""
        self._token = trio.lowlevel.current_trio_token()
        self._interrupt = interrupt
        if self.received:
            interrupt()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            _end_at_once()
        self.received = True
        if self._token is not None and self._interrupt is not None:
            # It may have come to its end just now.
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._interrupt)


def _end_at_once() -> NoReturn:  # pragma: no cover - of what ends like this nothing is measured
    """Leave without another word to anybody; nothing here may block or take a lock."""
    try:
        if sys.__stderr__ is not None and sys.__stderr__.isatty():
            os.write(2, _SHOW_CURSOR)
        os.write(2, _AT_ONCE)
    finally:
        os._exit(INTERRUPTED)
