"""Where the CPU time of a step goes: kernel, codec, store, engine, trio, jsonschema, the rest.

    python benchmarks/parts.py [W1 ...] [--times 3] [--top 10]

The main thread is interrupted about every millisecond, and what it is doing then counts for a part:
that of the innermost frame whose file belongs to one, so that `json` below the codec is the codec.
Where it only waits, nothing is counted. The CPU time of the main thread (user and system) is then
divided in proportion; what other threads have used is the store's, which has the only one that
works here. What the counting itself takes is left out, and the same without interruptions is
printed beside it. Python notices an interruption at the next call or jump, so a long call of C code
counts where it was called from, and a wait for the interpreter's lock as if it were work.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import engine
import workloads
from rich.console import Console
from tables import Table

# The mean time between two interruptions, in seconds.
INTERVAL = 0.001
# The function of trio's loop that waits for what happens next, and uses (almost) no CPU time.
WAITING = "get_events"
WORKLOADS = ("W1", "W2", "W3", "W4")
# How often a process does a workload, so that it is interrupted often enough.
AGAIN = {"W1": 8, "W2": 8, "W3": 2, "W4": 1}
# The first that a file's name contains is its part.
PLACES = (
    ("/trioflow/kernel/_codec.py", "codec"),
    ("/trioflow/stores/_entries.py", "codec"),
    ("/trioflow/kernel/", "kernel"),
    ("/trioflow/stores/", "store"),
    ("/trioflow/engine/", "engine"),
    ("/trioflow/actions/", "actions"),
    ("/trioflow/definitions/", "definitions"),
    ("/jsonschema/", "jsonschema"),
    ("/referencing/", "jsonschema"),
    ("/trio/", "trio"),
    ("/outcome/", "trio"),
)
THREAD = "store, in its thread"
PARTS = (
    "kernel", "codec", "store", THREAD, "engine", "actions", "definitions", "trio", "jsonschema",
    "rest",
)  # fmt: skip


class Sampler:
    """Counts CPU seconds by part, and by the function that is innermost in its part."""

    def __init__(self) -> None:
        # How often each was found, and CPU seconds: of the main thread, of all others.
        self.parts: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self.main = self.others = 0.0
        # CPU seconds of the counting itself.
        self._own = 0.0
        self._sampling = False
        self._known: dict[str, str | None] = {}

    @contextmanager
    def sampling(self) -> Iterator[None]:
        previous = signal.signal(signal.SIGALRM, self._tick)
        # A signal is written to trio's, too, which would wake its loop: that is for the others.
        wakeup = signal.set_wakeup_fd(-1)
        main, whole, own = time.thread_time(), time.process_time(), self._own
        self._sampling = True
        self._arm()
        try:
            yield
        finally:
            # First: a signal that is being dealt with right now must not be followed by another.
            self._sampling = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            main, whole = time.thread_time() - main, time.process_time() - whole
            self.main += main - (self._own - own)
            self.others += max(0.0, whole - main)
            signal.set_wakeup_fd(wakeup)
            signal.signal(signal.SIGALRM, previous)

    def _arm(self) -> None:
        # At random, so as not to keep step with what comes at regular intervals.
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.5, 1.5) * INTERVAL)

    def seconds(self, counted: Counter[str]) -> dict[str, float]:
        """Return the main thread's CPU seconds, in proportion to what was counted."""
        return {name: count / counted.total() * self.main for name, count in counted.items()}

    def _tick(self, number: int, frame: FrameType | None) -> None:
        started = time.thread_time()
        if frame is None or frame.f_code.co_name != WAITING:
            part, function = self._place(frame)
            self.parts[part] += 1
            self.functions[function] += 1
        if self._sampling:
            self._arm()
        self._own += time.thread_time() - started

    def _place(self, frame: FrameType | None) -> tuple[str, str]:
        while frame is not None:
            name = frame.f_code.co_filename
            if name not in self._known:
                self._known[name] = next((part for text, part in PLACES if text in name), None)
            part = self._known[name]
            if part is not None:
                return part, f"{part}: {Path(name).name}:{frame.f_code.co_qualname}"
            frame = frame.f_back
        return "rest", "rest"


def sample(workload: str, scale: float) -> dict[str, Any]:
    """Do a workload in this process; return CPU microseconds per step, by part and function."""
    sampler = Sampler()
    done = 0
    plain = workloads.measured

    @contextmanager
    def measured(steps: int) -> Iterator[workloads.Found]:
        nonlocal done
        done += steps
        with plain(steps) as found, sampler.sampling():
            yield found

    engine.measured = measured  # type: ignore[attr-defined, unused-ignore]
    sizes = workloads.Sizes().scaled(scale)
    for _ in range(AGAIN[workload]):
        with tempfile.TemporaryDirectory() as folder:
            engine.SUBJECT[workload](workloads.Case(sizes, Path(folder), "full", ""))
    parts = {**sampler.seconds(sampler.parts), THREAD: sampler.others}
    return {
        "samples": sampler.parts.total(),
        "parts": {name: seconds / done * 1e6 for name, seconds in parts.items()},
        "functions": {
            name: seconds / done * 1e6
            for name, seconds in sampler.seconds(sampler.functions).items()
        },
    }


def plainly(workload: str, scale: float) -> float:
    """Return CPU microseconds per step without any interruption, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        script = str(Path(__file__).parent / "engine.py")
        command = [sys.executable, script, workload, "--folder", folder, "--scale", str(scale)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(json.loads(done.stdout.splitlines()[-1])["cpu"])


def measure(workload: str, times: int, scale: float) -> dict[str, Any]:
    """Return the means of several processes, by turns with and without interruptions."""
    command = [sys.executable, __file__, workload, "--scale", str(scale), "--json"]
    plain, samples = 0.0, 0
    parts: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    for _ in range(times):
        plain += plainly(workload, scale) / times
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        samples += found["samples"]
        for name, value in found["parts"].items():
            parts[name] += value / times
        for name, value in found["functions"].items():
            functions[name] += value / times
    return {"plain": plain, "samples": samples, "parts": parts, "functions": functions}


def measure_all(
    names: Sequence[str] = WORKLOADS, times: int = 3, scale: float = 1.0
) -> dict[str, dict[str, Any]]:
    """Return what `measure` does, for several workloads."""
    return {name: measure(name, times, scale) for name in names}


def main() -> None:
    known = WORKLOADS
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="W1", help=", ".join(known))
    parser.add_argument("--times", type=int, default=3, help="processes for each")
    parser.add_argument("--top", type=int, default=0, help="how many functions to name")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="sample one workload in this process")
    options = parser.parse_args()
    chosen = options.workloads or list(known)
    for name in chosen:
        if name not in known:
            parser.error(f"there is no {name!r}; choose from {', '.join(known)}")
    if options.json:
        print(json.dumps(sample(chosen[0], options.scale)))
        return
    found = measure_all(chosen, options.times, options.scale)
    console = Console(width=None if sys.stdout.isatty() else 120)
    table(found).print(console)
    for name in chosen if options.top else ():
        rows = [
            (function, f"{value:.1f}")
            for function, value in sorted(
                found[name]["functions"].items(), key=lambda each: -each[1]
            )[: options.top]
        ]
        Table(name, ("function", "µs"), tuple(rows), left=1).print(console)


def table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the parts as a table, a column for each workload."""
    sums = {name: sum(each["parts"].values()) for name, each in found.items()}
    rows = [
        (
            part,
            *(
                f"{each['parts'][part]:.1f} ({each['parts'][part] / sums[name]:.0%})"
                for name, each in found.items()
            ),
        )
        for part in PARTS
    ]
    rows.append(("together", *(f"{whole:.1f}" for whole in sums.values())))
    rows.append(("without interruptions", *(f"{each['plain']:.1f}" for each in found.values())))
    rows.append(("interruptions", *(f"{each['samples']:,}" for each in found.values())))
    return Table("µs CPU a step", ("", *found), tuple(rows), left=1)


if __name__ == "__main__":
    main()
