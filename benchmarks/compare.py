"""Compare trioflow with a bare loop, with the raw limits, and with its peers, in one run.

    python benchmarks/compare.py                                 # about four minutes
    python benchmarks/compare.py --only W3 --repeat 1
    python benchmarks/compare.py --peers dbos,langgraph,burr,spiff
    python benchmarks/compare.py --slow-disk 4ms --only W1,W2
    python benchmarks/compare.py --others --variants --write docs/benchmarks.md

Each measurement is a process of its own. All subjects are measured once before any is measured
again, so that a busy machine hits all of them; what is printed are medians and their ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import memory
import parts
import scenarios
import startup
from page import Machine, page
from rich.console import Console
from running import (
    PEERS,
    PEERS_REPEAT,
    CannotMeasure,
    Results,
    Runner,
    Series,
    Subject,
    measure_all,
    own_subjects,
    peer_subject,
    slow_disk,
    together,
)
from tables import figures, goals
from workloads import VARIANTS, WORKLOADS, Variant

RAW = "raw"

# What is measured first with `--others`, as the rest takes long.
OTHERS: dict[str, Any] = {"startup": startup, "memory": memory, "scenarios": scenarios}


def _milliseconds(text: str) -> float:
    try:
        found = float(text.removesuffix("ms"))
    except ValueError:
        found = -1
    if not 0 <= found <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no time up to 10000ms; write 4ms")
    return found


def _positive(kind: type[Any]) -> Any:
    def parse(text: str) -> Any:
        try:
            found = kind(text)
        except ValueError:
            found = 0
        if not 0 < found < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
        return found

    return parse


def _page(text: str) -> Path:
    """Return the path, if it can be written: nobody likes to know it when all is measured."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    return path


def _names(known: tuple[str, ...]) -> Any:
    def parse(text: str) -> list[str]:
        found = text.split(",")
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {name!r}; choose {','.join(known)}")
        return found

    return parse


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "trioflow-benchmarks"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    known = tuple(workload.name for workload in WORKLOADS)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", type=_names(known), default=list(known), metavar="W1,...")
    parser.add_argument(
        "--repeat", type=_positive(int), default=5, help="processes for each median (peers: 3)"
    )
    parser.add_argument("--durability", choices=("full", "normal"), default="full")
    parser.add_argument("--slow-disk", type=_milliseconds, default=0.0, metavar="4ms")
    parser.add_argument("--peers", type=_names(PEERS), default=[], metavar=",".join(PEERS))
    parser.add_argument("--cache", type=Path, default=_cache(), help="the peers' environments")
    parser.add_argument("--folder", type=Path, help="where the databases are; default: temporary")
    parser.add_argument(
        "--scale", type=_positive(float), default=1.0, help="smaller, for trying out"
    )
    parser.add_argument(
        "--timeout", type=_positive(float), default=180.0, help="of a measurement, seconds"
    )
    parser.add_argument(
        "--others", action="store_true", help="parts of a step, start, memory and scenarios, too"
    )
    parser.add_argument(
        "--variants", action="store_true", help="durability normal and a slow disk, too"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--write", type=_page, metavar="FILE.md", help="write a page")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    errors = Console(stderr=True)
    folder = options.folder or Path(tempfile.gettempdir())

    def tell(text: str) -> None:
        errors.print(text, style="dim", highlight=False)

    workloads = [workload for workload in WORKLOADS if workload.name in options.only]
    others: dict[str, Any] = {}
    try:
        if options.others:
            tell("parts")
            others["parts"] = parts.measure_all(times=options.repeat, scale=options.scale)
            for name, module in OTHERS.items():
                tell(name)
                others[name] = module.measure()
        peers = [peer_subject(name, options.cache, tell) for name in options.peers]
        subjects = [*own_subjects(), *peers]
        with ExitStack() as stack:
            environment = stack.enter_context(slow_disk(options.slow_disk))
            runner = Runner(folder, options.durability, options.scale, options.timeout, environment)
            machine = _machine(runner, subjects, options)
            usual = [Series(runner, own_subjects(), workloads, options.repeat)]
            if peers:
                usual.append(Series(runner, peers, workloads, min(options.repeat, PEERS_REPEAT)))
            series: dict[Variant, Series] = {}
            for variant in VARIANTS if options.variants else ():
                environment = stack.enter_context(slow_disk(variant.slow_disk))
                other = attrs.evolve(runner, durability=variant.durability, environment=environment)
                series[variant] = Series(
                    other, own_subjects(), variant.workloads, options.repeat, variant.title
                )
            measure_all([*usual, *series.values()], tell)
        results = together(usual)
        varied = [(variant, one.results()) for variant, one in series.items()]
    except KeyboardInterrupt:
        errors.print("interrupted: nothing is written", style="red")
        return 130
    except (CannotMeasure, OSError, subprocess.SubprocessError) as error:
        errors.print(str(error), style="red", highlight=False)
        return 2
    if options.json:
        print(json.dumps(_as_json(machine, results, varied, others), indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else 200)
        console.print(f"{machine.cpu}, {machine.cores} cores; one sync: {machine.sync:.0f} µs")
        figures(results, workloads, subjects).print(console)
        goals(results, workloads).print(console)
        for variant, found in varied:
            console.print(f"\n{variant.title}", style="bold", highlight=False)
            figures(found, variant.workloads, own_subjects()).print(console)
            goals(found, variant.workloads).print(console)
            _print_failures(console, found)
        if others:
            parts.table(others["parts"]).print(console)
        for name, module in OTHERS.items():
            if name in others:
                console.print(module.describe(others[name]), highlight=False)
        _print_failures(console, results)
    if options.write:
        text = page(machine, results, workloads, subjects, varied, others)
        options.write.write_text(text, encoding="utf-8")
        tell(f"written: {options.write}")
    return 0


def _print_failures(console: Console, results: Results) -> None:
    for workload, found in results.items():
        for name, summary in found.items():
            if summary.failed:
                console.print(f"{workload} {name}: {summary.failed}", highlight=False)


def _machine(runner: Runner, subjects: list[Subject], options: argparse.Namespace) -> Machine:
    raw = next(subject for subject in subjects if subject.name == RAW)
    found = runner.measure(raw, "sync")
    if "failed" in found:
        raise CannotMeasure(f"the disk can't be measured: {found['failed']}")
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        sync=found["us"],
        python=platform.python_version(),
        sqlite=found["sqlite"],
        trio=version("trio"),
        durability=options.durability,
        slow_disk=options.slow_disk,
        scale=options.scale,
        repeat=options.repeat,
        timeout=options.timeout,
        load=os.getloadavg()[0],
    )


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _as_json(
    machine: Machine,
    results: Results,
    varied: list[tuple[Variant, Results]],
    others: dict[str, Any],
) -> dict[str, Any]:
    def found(results: Results) -> dict[str, Any]:
        return {
            workload: {name: attrs.asdict(summary) for name, summary in each.items()}
            for workload, each in results.items()
        }

    return {
        "machine": attrs.asdict(machine),
        "workloads": found(results),
        "variants": {variant.title: found(each) for variant, each in varied},
        "others": others,
    }


if __name__ == "__main__":
    sys.exit(main())
