"""How long the harness takes to make a scenario from a document, and to play it.

    python benchmarks/scenarios.py [FILE...] [--level standard] [--limit 50]

Of each document all scenarios are made, and some, at most so many, are played and checked against
what was predicted. Documents: those of the tests, unless others are given.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import harness

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"
LIMIT = 50


def measure_file(path: Path, level: str, limit: int) -> dict[str, Any]:
    """Return counts, and seconds of CPU time to make all and to play some."""
    started = time.process_time()
    made = harness.suite(path, level)
    generated = time.process_time() - started
    # Spread over all families: they are in their order.
    chosen = made.scenarios[:: -(-len(made.scenarios) // limit)]
    started = time.process_time()
    for scenario in chosen:
        harness.check(scenario)
    played = time.process_time() - started
    return {
        "file": path.name,
        "scenarios": len(made.scenarios),
        "made": generated,
        "played": len(chosen),
        "playing": played,
    }


def measure(
    files: list[Path] | None = None, level: str = "standard", limit: int = LIMIT
) -> list[dict[str, Any]]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, *map(str, files or []), "--level", level]
    command += ["--limit", str(limit), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def describe(found: list[dict[str, Any]]) -> str:
    made, scenarios = sum(each["made"] for each in found), sum(each["scenarios"] for each in found)
    playing, played = sum(each["playing"] for each in found), sum(each["played"] for each in found)
    return (
        f"{scenarios:,} scenarios of {len(found)} documents: {made / scenarios * 1e3:.1f} ms CPU "
        f"to make one, {playing / played * 1e3:.1f} ms CPU to play and check one "
        f"({played / playing:,.0f} a second)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--level", default="standard", choices=("smoke", "standard", "deep"))
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    files = options.files or sorted(FIXTURES.glob("*.workflow.json"))
    found = [measure_file(file, options.level, options.limit) for file in files]
    if options.json:
        print(json.dumps(found))
        return
    for each in found:
        print(
            f"{each['file']:28} {each['scenarios']:5} made, {each['made'] * 1e3:8.0f} ms; "
            f"{each['played']:5} played, {each['playing'] * 1e3:8.0f} ms"
        )
    print(describe(found))


if __name__ == "__main__":
    main()
