"""Stop a program together with what it has started: processes in sessions of their own."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

import trio


def own_session() -> dict[str, Any]:
    """Return the options for `trio.lowlevel.open_process` that give a process its own session.

    So its process group can be signalled as a whole, and a Ctrl-C at the terminal does not reach
    it: the engine hears it and stops the call in an orderly way. Windows has neither.
    """
    return {"start_new_session": True} if os.name == "posix" else {}


def terminate_group(process: trio.Process) -> None:
    """Ask the process, and everything in its group, to end."""
    _signal_group(process, signal.SIGTERM)


def kill_group(process: trio.Process) -> None:
    """Kill the process, and everything in its group; also when it has itself ended already."""
    if os.name == "posix":
        _signal_group(process, signal.SIGKILL)
    elif process.returncode is None:  # pragma: no cover - Windows
        process.kill()


def _signal_group(process: trio.Process, number: signal.Signals) -> None:
    if os.name != "posix":  # pragma: no cover - Windows
        process.send_signal(number)
        return
    # A group keeps its number from being given to others for as long as it has a member, even
    # after its leader was reaped. If it has none any more the number might be somebody else's
    # by now, in theory: the system would have had to go through all numbers in an instant.
    # macOS answers EPERM, not ESRCH, for a group with nothing but zombies in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def describe_exit(returncode: int) -> str:
    """Return how a process ended, to follow its name in a sentence."""
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:  # a real-time signal
        name = f"signal {-returncode}"
    return f"was killed by {name}"
