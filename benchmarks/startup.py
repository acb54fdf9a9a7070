"""How long it takes to import trioflow, and until ``trioflow --help`` has ended.

    python benchmarks/startup.py

Both beside Python itself, one after the other ten times; medians. Goals: the help at most 150 ms
over bare Python, and 300 ms in all. `-X importtime` says which modules take longest.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from typing import Any

TIMES = 10
COMMANDS = {
    "bare": ["-c", "pass"],
    "import": ["-c", "import trioflow"],
    "engine": ["-c", "import trioflow; trioflow.open_engine"],
    "help": ["-m", "trioflow", "--help"],
}
OVER_BARE, WHOLE = 150.0, 300.0


def measure(times: int = TIMES) -> dict[str, Any]:
    """Return medians in milliseconds, of CPU time, too, and the slowest imports in microseconds."""
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    cpu: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(times):
        for name, arguments in COMMANDS.items():
            started, used = time.perf_counter(), _used()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            found[name].append((time.perf_counter() - started) * 1e3)
            cpu[name].append((_used() - used) * 1e3)
    return {
        **{name: statistics.median(values) for name, values in found.items()},
        "cpu": {name: statistics.median(values) for name, values in cpu.items()},
        "imports": {name: slowest(COMMANDS[name]) for name in ("import", "engine", "help")},
    }


def _used() -> float:
    """Return the CPU seconds of all processes that this one has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def slowest(arguments: list[str], count: int = 8) -> dict[str, int]:
    """Return the modules that take longest to import by themselves, in microseconds."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    line = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
    found = {match[2]: int(match[1]) for match in line.finditer(done.stderr)}
    return dict(sorted(found.items(), key=lambda each: -each[1])[:count])


def describe(found: dict[str, Any]) -> str:
    over = found["help"] - found["bare"]
    met = over <= OVER_BARE and found["help"] <= WHOLE
    return (
        f"{_both(found, 'bare')} for Python alone, {_both(found, 'import')} with "
        f"`import trioflow`, {_both(found, 'engine')} with the engine, "
        f"{_both(found, 'help')} for `trioflow --help`: "
        f"{over:.0f} ms over Python alone (goals: at most {OVER_BARE:.0f} ms over it, and "
        f"{WHOLE:.0f} ms in all: {'met' if met else 'not met'})"
    )


def _both(found: dict[str, Any], name: str) -> str:
    return f"{found[name]:.0f} ms ({found['cpu'][name]:.0f} ms CPU)"


def main() -> None:
    found = measure()
    print(describe(found))
    for what, modules in found["imports"].items():
        slow = ", ".join(f"{name} {us / 1e3:.1f} ms" for name, us in modules.items())
        print(f"slowest for the {what}: {slow}")


if __name__ == "__main__":
    main()
