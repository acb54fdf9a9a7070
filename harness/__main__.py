# ruff: noqa: T201 - this is the part of the harness that prints.
"""``python -m harness``: generate test modules, run one scenario, look for faults."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

import trioflow
from harness._scenario import Scenario
from harness.families._plan import Plan
from harness.playing._gantt import gantt
from harness.playing._play import Mismatch
from harness.suites._generate import drift, module_for, module_name
from harness.suites._library import Told, check, observe, read, suite

OK, FAULTY, MISUSED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return 0, 1 if something is found wrong, or 2 for a misuse."""
    parser = argparse.ArgumentParser(prog="python -m harness", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    generate = commands.add_parser("generate", help="write the test modules of documents")
    generate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    generate.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    generate.add_argument("--check", action="store_true", help="write nothing; 1 if it would")
    generate.set_defaults(does=_generate)
    run = commands.add_parser("run", help="play one scenario")
    run.add_argument("file", type=Path, metavar="FILE")
    run.add_argument("--scenario", required=True, metavar="ID")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--trace", action="store_true", help="print all records, too")
    run.set_defaults(does=_run)
    lint = commands.add_parser("lint", help="say what is wrong with documents")
    lint.add_argument("files", nargs="+", type=Path, metavar="FILE")
    lint.set_defaults(does=_lint)
    for each in (generate, run):
        each.add_argument("--level", default="standard", choices=("smoke", "standard", "deep"))
    generate.add_argument("--families", default=None, help="several have commas between them")
    logging.disable(logging.ERROR)
    try:
        options = parser.parse_args(arguments)
    except SystemExit as wrong:
        return OK if wrong.code in (0, None) else MISUSED
    finally:
        logging.disable(logging.NOTSET)
    does: Callable[[Any], int] = options.does
    logging.disable(logging.ERROR)
    try:
        return does(options)
    except (trioflow.DefinitionError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return FAULTY if isinstance(error, trioflow.DefinitionError) else MISUSED
    finally:
        logging.disable(logging.NOTSET)


def _generate(options: Any) -> int:
    families = None if options.families is None else options.families.split(",")
    found = OK
    for file in options.files:
        text, made = module_for(file, options.output, options.level, families)
        target = options.output / module_name(file)
        before = target.read_text("utf-8") if target.exists() else ""
        if options.check:
            for line in drift(before, text):
                print(line if line.startswith(" ") else f"{target}: {line}")
                found = FAULTY
            continue
        options.output.mkdir(parents=True, exist_ok=True)
        if text != before:
            partial = target.with_suffix(".py.new")
            partial.write_text(text, "utf-8")
            os.replace(partial, target)  # noqa: PTH105
        print(f"{target}: {len(made.scenarios)} scenarios{_left(made)}")
    return found


def _left(made: Any) -> str:
    left = sum(made.left_out.values())
    parts = [f"{left} left out for want of a budget"] if left else []
    if made.uncertain:
        parts.append(f"{len(made.uncertain)} left out because two things coincide")
    if made.unreachable:
        parts.append(f"never reached: {', '.join(made.unreachable)}")
    return "".join(f"; {part}" for part in parts)


def _run(options: Any) -> int:
    made = suite(options.file, options.level, None, options.seed)
    if all(each.id != options.scenario for each in made.scenarios):
        made = suite(options.file, "deep", None, options.seed)
    everything: list[Told] = [*made.scenarios, *made.carriers]
    for each in everything:
        if each.id == options.scenario:
            return _played(each, options.trace)
    near = [each.id for each in everything if options.scenario in each.id][:9]
    print(f"there is no scenario {options.scenario!r}", file=sys.stderr)
    if near:
        print(f"these come near: {', '.join(near)}", file=sys.stderr)
    return MISUSED


def _played(scenario: Scenario, trace: bool) -> int:
    observed = observe(scenario)
    if trace:
        for event in observed.history:
            values = attrs.asdict(event, recurse=False)
            values.pop("document", None)
            said = ", ".join(f"{key}={value!r}" for key, value in values.items() if value)
            print(f"{event.at:12.6f}  {type(event).__name__}  {said}")
    try:
        check(scenario)
    except Mismatch as mismatch:
        print(mismatch)
        return FAULTY
    print(f"{scenario.id}: {scenario.why}\n\n{gantt(observed)}")
    return OK


def _lint(options: Any) -> int:
    found = OK
    for file in options.files:
        try:
            document, _, children = read(file)
        except trioflow.DefinitionError as error:
            for problem in error.problems:
                print(f"{file}: {problem}")
            found = FAULTY
            continue
        plan = Plan(document, children)
        unreached = [f"step {step.id}" for step in plan.steps if plan.reach(step.id) is None]
        unreached += [
            f"connection {edge.id}" for edge in plan.graph.edges if plan.decide(edge, True) is None
        ]
        for each in unreached:
            print(f"{file}: {each} is never reached, as far as can be seen")
            found = FAULTY
    return found


if __name__ == "__main__":
    sys.exit(main())
