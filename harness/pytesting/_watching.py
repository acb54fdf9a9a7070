"""A limit on real time, and a look at what was running when it was over.

Scenarios are played in virtual time, so a limit of trio's means nothing: an action that really
sleeps stops its clock. What is left is the alarm of the operating system, which goes off wherever
the interpreter is. That leaves trio in ruins, but only the trio of this scenario.
"""

from __future__ import annotations

import gc
import linecache
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any

import attrs
import trio

import trioflow
from harness.playing._stage import name_of

# Seconds between one alarm and the next: an action may swallow the first.
_AGAIN = 1.0


class OutOfTime(BaseException):
    """The real time of a scenario is over. No `Exception`: the engine would retry the attempt."""


@attrs.define(eq=False)
class Watch:
    """A context manager that raises `OutOfTime` in it, and tells apart who interrupts.

    It does nothing without a limit (in seconds), outside of the main thread, where there is no
    SIGALRM, and where somebody else has set the timer (pytest-timeout does).
    """

    limit: float
    # Whether it has rung, and what was running then.
    rung: bool = False
    running: list[str] = attrs.field(factory=list)
    # Whether somebody pressed Ctrl-C: an action may raise KeyboardInterrupt, too.
    interrupted: bool = False
    _over: bool = False
    _before: dict[int, Any] = attrs.field(factory=dict)

    def __enter__(self) -> Watch:
        if threading.current_thread() is not threading.main_thread():
            return self
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        alarm = getattr(signal, "SIGALRM", None)
        if self.limit > 0 and alarm is not None and not any(signal.getitimer(signal.ITIMER_REAL)):
            self._before[alarm] = signal.signal(alarm, self._ring)
            signal.setitimer(signal.ITIMER_REAL, self.limit, _AGAIN)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        if any(number != signal.SIGINT for number in self._before):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        signal.default_int_handler(number, frame)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        # Nor while the block is being entered or left: what is raised there leaves the timer on.
        if self._over or any(each.f_code in _DOORS for each in _outwards(frame)):
            return
        if not self.rung:
            self.rung = True
            self.running = list(dict.fromkeys(_running(frame)))
        raise OutOfTime


_DOORS = {Watch.__enter__.__code__, Watch.__exit__.__code__}


def tidy() -> None:
    """Clear away the trio that an alarm left, before anybody else meets it."""
    _forgive_threads()
    hook = sys.unraisablehook
    with warnings.catch_warnings():
        # Tasks that were never finished complain about it, in warnings and in vain exceptions.
        warnings.simplefilter("ignore")
        sys.unraisablehook = lambda _: None
        try:
            # What is finalized may leave something behind that is to be finalized.
            for _ in range(3):
                gc.collect()
        finally:
            sys.unraisablehook = hook


def _forgive_threads() -> None:
    """Let threads that still work for that trio find out later that it is gone, and say nothing."""
    frames = sys._current_frames()
    left = [
        each
        for each in threading.enumerate()
        if each is not threading.main_thread()
        and each.ident in frames
        and _in_trio(frames[each.ident])
    ]
    if not left:
        return
    usual = threading.excepthook

    def hook(found: threading.ExceptHookArgs) -> None:
        if found.thread not in left:
            usual(found)

    threading.excepthook = hook


# ---- what was running ----

# Whose code is of no help to somebody who looks for what holds up a scenario.
_NOT_THEIRS = {"harness", "outcome", "trio", "trioflow", *sys.stdlib_module_names}


def _running(frame: FrameType | None) -> Iterator[str]:
    """Yield in sentences which attempts are running, and where somebody else's code is."""
    stack = list(_outwards(frame))
    found = list(_told(stack))
    # It blocks right here, and what other tasks wait for is of no interest.
    if found and _theirs(stack):
        yield from found
        return
    for task in _tasks():
        frames = [each for each, _ in task.iter_await_frames()]
        yield from _told(frames[::-1])
    for thread, top in sys._current_frames().items():
        if thread != threading.get_ident() and _in_trio(top):
            yield from _told(list(_outwards(top)))


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None and frame.f_globals.get("__name__") != "harness.pytesting._playing":
        yield frame
        frame = frame.f_back


def _in_trio(frame: FrameType) -> bool:
    return any(_package(each) == "trio" for each in _outwards(frame))


def _tasks() -> Iterator[trio.lowlevel.Task]:
    try:
        root = trio.lowlevel.current_root_task()
    except RuntimeError:
        return
    pending = [] if root is None else [root]
    while pending:
        task = pending.pop()
        yield task
        pending += [child for nursery in task.child_nurseries for child in nursery.child_tasks]


def _told(frames: list[FrameType]) -> Iterator[str]:
    """Yield what is to be said of a stack, the innermost frame first; nothing of our own."""
    contexts = (
        value
        for frame in frames
        for value in tuple(frame.f_locals.values())
        if isinstance(value, trioflow.ActionContext)
    )
    context = next(contexts, None)
    theirs = next(iter(_theirs(frames)), None)
    said = [] if context is None else [f"attempt {context.attempt} of {name_of(context)}"]
    said += [] if theirs is None else [place_of(theirs, theirs.f_lineno)]
    if said:
        yield ", ".join(said)


def _theirs(frames: list[FrameType]) -> list[FrameType]:
    return [frame for frame in frames if _package(frame) not in _NOT_THEIRS]


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def place_of(frame: FrameType, line: int) -> str:
    """Return a place in code as people look it up: file, line, function, and the line itself."""
    file = frame.f_code.co_filename
    text = linecache.getline(file, line).strip()
    place = f"{_relative(file)}:{line} in {frame.f_code.co_name}"
    return f"{place}: {text}" if text else place


def last_of_theirs(traceback: TracebackType | None) -> str:
    """Return the innermost place of a traceback that is neither ours nor trio's."""
    found = ""
    for frame, line in walk_tb(traceback):
        if _theirs([frame]):
            found = place_of(frame, line)
    return found


def _relative(file: str) -> str:
    path = Path(file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
