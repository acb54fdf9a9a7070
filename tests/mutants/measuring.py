"""Measures of the harness itself: false alarms, determinism, speed, idempotent generation.

    python tests/mutants/measuring.py alarms [--seeds 20]   every scenario under so many schedules
    python tests/mutants/measuring.py determinism           the same seed, the same history
    python tests/mutants/measuring.py speed                 scenarios per second in pytest
    python tests/mutants/measuring.py regeneration          generated twice: the same
    python tests/mutants/measuring.py differential          random workflows, oracle and engine

Each exits with 1 if the figure is not what it has to be; all keep it in ``figures.json``.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a file: behind what is installed, so that this is what is tested.
    sys.path.append(str(Path(__file__).parents[2]))

import attrs

from tests.mutants import keeping
from tests.mutants.making import ROOT, documents

SECONDS_FOR_1200 = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("alarms").add_argument("--seeds", type=int, default=20)
    for name in ("determinism", "speed", "regeneration"):
        commands.add_parser(name)
    commands.add_parser("differential").add_argument("--examples", type=int, default=10_000)
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    figures, good = _MEASURES[options.command](options)
    figures["took"] = round(time.monotonic() - began, 1)
    keeping.keep(options.command, figures)
    print(figures)
    return 0 if good else 1


def _spread(work: Callable[[Any], Any], rows: Iterable[Any]) -> list[Any]:
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        return list(pool.imap_unordered(work, rows))


# ---- false alarms ----


def _alarms(options: Any) -> tuple[dict[str, Any], bool]:
    rows = _spread(_alarms_of, [(str(path), options.seeds) for path in documents()])
    false = [alarm for _, found in rows for alarm in found]
    for alarm in false:
        print(alarm)
    count = sum(count for count, _ in rows)
    figures = {
        "seeds": options.seeds,
        "scenarios": count,
        "played": count * options.seeds,
        "alarms": len(false),
    }
    return figures, not false


def _alarms_of(row: tuple[str, int]) -> tuple[int, list[str]]:
    import harness

    logging.disable(logging.CRITICAL)
    path, seeds = row
    made = harness.suite(path).scenarios
    found = []
    for scenario in made:
        for seed in range(1, seeds + 1):
            try:
                harness.check(attrs.evolve(scenario, schedule_seed=seed))
            except Exception as error:  # noqa: BLE001
                lines = str(error).splitlines()
                found.append(f"{path}: {scenario.id}, schedule {seed}: {lines[:1]}")
    return len(made), found


# ---- determinism ----


def _determinism(options: Any) -> tuple[dict[str, Any], bool]:
    rows = _spread(_differences_of, [str(path) for path in documents()])
    different = [name for _, found in rows for name in found]
    for name in different:
        print(name)
    count = sum(count for count, _ in rows)
    return {"scenarios": count, "different": len(different)}, not different


def _differences_of(path: str) -> tuple[int, list[str]]:
    import harness
    from harness.suites import _checking as library

    logging.disable(logging.CRITICAL)
    made = harness.suite(path).scenarios
    found = []
    for scenario in made:
        first, second = library.observe(scenario), library.observe(scenario)
        if (first.history, first.phases) != (second.history, second.phases):
            found.append(f"{path}: {scenario.id}")
    return len(made), found


# ---- speed ----


def _generated(folder: Path) -> None:
    files = [str(path) for path in documents()]
    command = [sys.executable, "-m", "harness", "generate", *files, "-o", str(folder)]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)


def _scenarios_of(path: str) -> int:
    import harness

    return len(harness.suite(path).scenarios)


def _speed(options: Any) -> tuple[dict[str, Any], bool]:
    rows = _spread(_scenarios_of, [str(path) for path in documents()])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _generated(folder)
        (folder / "pytest.ini").write_text("[pytest]\nmarkers = harness(family): its family\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
        # What pytest compiles, it compiles once, and not in the time that is measured.
        subprocess.run([*command, "--collect-only"], cwd=folder, capture_output=True, check=False)
        began = time.monotonic()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        wall = time.monotonic() - began
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr[-200:]
    passed = int(found[1]) if (found := re.search(r"(\d+) passed", last)) else 0
    failed = int(found[1]) if (found := re.search(r"(\d+) failed", last)) else 0
    seconds = float(found[1]) if (found := re.search(r"in ([\d.]+)s", last)) else wall
    # A test of crashes plays a scenario for each write; all others play one.
    played = sum(rows) if passed and not failed else 0
    for_1200 = 1200 * seconds / played if played else float("inf")
    figures = {
        "scenarios": played,
        "tests": passed,
        "failed": failed,
        "seconds": round(seconds, 1),
        "per second": round(played / seconds, 1),
        "seconds for 1200": round(for_1200, 1),
    }
    return figures, failed == 0 and for_1200 <= SECONDS_FOR_1200


def _regeneration(options: Any) -> tuple[dict[str, Any], bool]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _generated(folder)
        before = {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))}
        _generated(folder)
        after = {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))}
        check = [sys.executable, "-m", "harness", "generate", "--check", "-o", str(folder)]
        files = [str(path) for path in documents()]
        code = subprocess.run([*check, *files], cwd=folder, check=False).returncode
    figures = {"modules": len(before), "same": before == after, "check": code}
    return figures, before == after and code == 0


# ---- the differential test ----


def _differential(options: Any) -> tuple[dict[str, Any], bool]:
    command = [
        sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "slow or not slow",
        "tests/harness/test_differential.py",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "HARNESS_EXAMPLES": str(options.examples)},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr[-200:]
    print(done.stdout[-3000:] if done.returncode else last)
    return {"examples": options.examples, "said": last.strip("= ")}, done.returncode == 0


_MEASURES: dict[str, Callable[[Any], tuple[dict[str, Any], bool]]] = {
    "alarms": _alarms,
    "determinism": _determinism,
    "speed": _speed,
    "regeneration": _regeneration,
    "differential": _differential,
}


if __name__ == "__main__":
    sys.exit(main())
