# ruff: noqa: T201 - this is the part of the harness that prints.
"""Test workflow documents: generate test modules, play scenarios, report what was covered.

Exit codes: 0 all is well; 1 something is found wrong (a document, a scenario, a module that has
drifted, too little covered); 2 it could not be tried (a file, an option).
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import json
import logging
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

import trioflow
from harness._scenario import Scenario
from harness.families import FAMILIES
from harness.playing._compare import rounded
from harness.playing._gantt import gantt
from harness.playing._play import Mismatch, Observed
from harness.reports import FORMATS, as_json, played, report, text, write
from harness.reports._leaving import amount, doubtful, left
from harness.reports._linting import NOTE, Finding, faults, lint
from harness.reports._text import percent_text
from harness.suites._again import find
from harness.suites._checking import check, listeners
from harness.suites._files import written
from harness.suites._generate import (
    OVERVIEW_CHANGED,
    Module,
    drift,
    is_same,
    module_for,
    text_at,
)
from harness.suites._library import Suite, suite
from harness.suites._progress import watchers
from harness.suites._sidecar import SidecarError

OK, FAULTY, MISUSED = 0, 1, 2

# What a document, a sidecar, an option or the disk may be to blame for.
_ERRORS = (trioflow.TrioflowError, ValueError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return 0, 1 if something is found wrong, or 2 for a misuse."""
    # What the engine has to say about scenarios in which things go wrong is no news.
    logging.disable(logging.ERROR)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # Names are anything, and a terminal may know less: better an odd name than none.
        sys.stdout.reconfigure(errors="backslashreplace")
    warned = warnings.catch_warnings()
    warned.__enter__()
    # What a document makes Python warn of is told by `lint`.
    warnings.simplefilter("ignore")
    try:
        options = _parser().parse_args(arguments)
        does: Callable[[Any], int] = options.does
        return does(options)
    except SystemExit as wrong:
        return OK if wrong.code in (0, None) else MISUSED
    except BrokenPipeError:
        # Whoever has read so far has read enough; nothing more is to be flushed at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return 130
    except _ERRORS as error:
        return _complain(error)
    finally:
        warned.__exit__(None, None, None)
        logging.disable(logging.NOTSET)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, does: Callable[[Any], int], said: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=said, description=f"{said[0].upper()}{said[1:]}.")
        made.set_defaults(does=does)
        return made

    generate = command("generate", _generate, "write the test modules of documents")
    generate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    generate.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    generate.add_argument("--check", action="store_true", help="write nothing; 1 if it would")
    reports = command("report", _report, "play all scenarios, and say what they cover")
    reports.add_argument("files", nargs="+", type=Path, metavar="FILE")
    reports.add_argument("-o", "--output", type=Path, metavar="DIR", help="write files, too")
    reports.add_argument(
        "--format", metavar="NAMES", help=f"{', '.join(FORMATS)}; several have commas between them"
    )
    reports.add_argument(
        "--fail-under",
        type=_percent,
        metavar="PERCENT",
        help="1 if less was seen of what can happen",
    )
    run = command("run", _run, "play one scenario")
    run.add_argument("file", type=Path, metavar="FILE")
    run.add_argument("--scenario", required=True, metavar="ID")
    run.add_argument("--trace", action="store_true", help="print all records, too")
    listed = command("list", _list, "print the ids of all scenarios, each with its reason")
    listed.add_argument("files", nargs="+", type=Path, metavar="FILE")
    linted = command("lint", _lint, "say what is wrong with documents, and what is doubtful")
    linted.add_argument("files", nargs="+", type=Path, metavar="FILE")
    for each in (generate, reports, run, listed):
        each.add_argument(
            "--level",
            choices=("smoke", "standard", "deep"),
            help="how many scenarios for each step: about 3, 45 or 55 (default: standard)",
        )
    for each in (generate, reports, listed):
        each.add_argument("--families", metavar="NAMES", help="only these, with commas between")
    for each in (reports, run, listed):
        each.add_argument("--seed", type=int, default=0, metavar="N", help="of the schedules")
    for each in (run, listed, linted):
        each.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser


def _percent(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 100:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write a number from 0 to 100")


def _complain(error: Exception, file: Path | None = None) -> int:
    """Print an error in a line for each problem; return the exit code."""
    before = "" if file is None else f"{file}: "
    if isinstance(error, SidecarError):
        lines, before = [str(each) for each in error.problems], f"{error.source}: "
    elif isinstance(error, trioflow.DefinitionError) and file is not None:
        lines = list(map(str, faults(file, error)))
    elif isinstance(error, OSError) and error.strerror:
        before = before or (f"{error.filename}: " if error.filename else "")
        lines = [error.strerror]
    else:
        lines = [" ".join(str(error).split())]
    for line in lines:
        print(f"{before}{line}", file=sys.stderr)
    return FAULTY if isinstance(error, trioflow.DefinitionError) else MISUSED


def _readable(file: Path) -> None:
    """Raise `OSError` for a file that cannot be read: it is no fault of a document."""
    with file.open("rb") as found:
        found.read(1)


def _wanted(options: Any) -> list[str] | None:
    if options.families is None:
        return None
    found = [each.strip() for each in options.families.split(",") if each.strip()]
    if not found:
        raise ValueError(f"--families names none: they are {', '.join((*FAMILIES, 'crash'))}")
    return found


def _suite_of(file: Path, options: Any) -> Suite:
    _readable(file)
    with _making(file):
        return suite(file, options.level, _wanted(options), options.seed)


@contextlib.contextmanager
def _making(file: Path) -> Iterator[None]:
    """While a suite is made, whoever sits in front of it sees how far it is."""

    def show(count: int, of: int) -> None:
        if count % 10 == 0:
            known = f"{count} of {of} cases" if of else f"{count} cases"
            print(f"\r{file}: looked at {known}", end="", file=sys.stderr, flush=True)

    if not sys.stderr.isatty():
        yield
        return
    show(0, 0)
    watchers.append(show)
    try:
        yield
    finally:
        watchers.remove(show)
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


# ---- generate ----


def _generate(options: Any) -> int:
    folder: Path = options.output
    if folder.exists() and not folder.is_dir():
        print(f"{folder} is a file: -o is the folder of the modules", file=sys.stderr)
        return MISUSED
    code, made = OK, dict[Path, tuple[Path, Module, str | None]]()
    for file in options.files:
        try:
            _readable(file)
            with _making(file):
                module = module_for(file, folder, options.level, _wanted(options))
            if module.path in made:
                raise ValueError(f"{module.path} would be that of {made[module.path][0]}, too")
            made[module.path] = file, module, text_at(module.path, file)
        except _ERRORS as error:
            code = max(code, _complain(error, file))
    for _, module, before in made.values():
        if options.check:
            lines = list(drift(before, module.text))
            for line in (*lines, *_summary(lines)):
                print(line if line.startswith(" ") else f"{module.path}: {line}")
                code = max(code, FAULTY)
            continue
        # One that says the same stays as it is, wherever it was generated from.
        if before is None or not is_same(before, module.text):
            written(module.path, module.text)
        print(f"{module.path}: {amount(module.suite)}{left(module.suite)}")
        for line in doubtful(module.suite):
            print(f"{module.path}: {line}")
    if code and not options.check and made:
        print(f"{len(options.files) - len(made)} of {len(options.files)} left out", file=sys.stderr)
    return code


def _summary(lines: Sequence[str]) -> Iterator[str]:
    """Yield how many scenarios have drifted, if there are several lines to count."""
    kinds = Counter(
        line.partition(":")[0]
        for line in lines
        if line.startswith(("added: ", "removed: ", "changed: ")) and line != OVERVIEW_CHANGED
    )
    if kinds.total() > 1:
        told = [f"{kinds[kind]} {kind}" for kind in ("changed", "added", "removed") if kinds[kind]]
        yield f"drifted: {', '.join(told)}"


# ---- report ----


def _report(options: Any) -> int:
    formats = _formats(options)
    code, printed = OK, list[dict[str, Any]]()
    as_data = options.output is None and formats == ("json",)
    for number, file in enumerate(options.files):
        try:
            made = _suite_of(file, options)
            began = time.monotonic()
            entries = list(_watched(file, made))
            found = report(file, entries, left_out=made.left_out)
        except _ERRORS as error:
            code = max(code, _complain(error, file))
            continue
        paths = [] if options.output is None else write(found, options.output, formats)
        if as_data:
            printed.append(as_json(found))
        else:
            print(("\n" if number else "") + text(found, time.monotonic() - began), end="")
        for path in paths:
            print(f"written: {path}")
        if found.problems:
            code = max(code, FAULTY)
        if options.fail_under is not None and found.percent() < options.fail_under:
            seen = percent_text(found.percent())
            print(f"{file}: {seen} is less than {options.fail_under:.10g} %", file=sys.stderr)
            code = max(code, FAULTY)
    # Of one file its report, of several a list, even if some of them could not be played.
    for each in (printed,) if len(options.files) > 1 else printed:
        if as_data:
            _print_json(each)
    return code


def _formats(options: Any) -> tuple[str, ...]:
    if options.format is None:
        return ("text",) if options.output is None else tuple(FORMATS)
    formats = tuple(dict.fromkeys(each.strip() for each in options.format.split(",")))
    for each in formats:
        if each not in FORMATS:
            raise ValueError(f"there is no format {each!r}: they are {', '.join(FORMATS)}")
    if options.output is None and formats not in (("text",), ("json",)):
        raise ValueError("several formats, or HTML, go into files: give -o DIR, too")
    return formats


def _watched(file: Path, made: Suite) -> Iterator[Any]:
    """Play a suite; whoever sits in front of it sees how far it is."""
    shown = sys.stderr.isatty()
    for number, entry in enumerate(played(made.scenarios), 1):
        if shown and number % 10 == 0:
            print(f"\r{file}: {number} of {len(made.scenarios)}", end="", file=sys.stderr)
        yield entry
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr)


# ---- run, list ----


def _run(options: Any) -> int:
    _readable(options.file)
    name: str = options.scenario
    try:
        found, everything = find(str(options.file), name, level=options.level, seed=options.seed)
    except _ERRORS as error:
        return _complain(error, options.file)
    if found is not None:
        return _played(found, options)
    near = [each for each in everything if name in each][:9]
    near = near or difflib.get_close_matches(name, everything, 3, 0.7)
    print(f"there is no scenario {options.scenario!r}", file=sys.stderr)
    if near:
        print(f"these come near: {', '.join(near)}", file=sys.stderr)
    else:
        print(f"all of them: python -m harness list {options.file}", file=sys.stderr)
    return MISUSED


def _played(scenario: Scenario, options: Any) -> int:
    seen: list[Observed] = []

    def listener(_: Scenario, observed: Observed) -> None:
        seen.append(observed)

    listeners.append(listener)
    problem = ""
    try:
        check(scenario)
    except Mismatch as mismatch:
        problem = str(mismatch)
    finally:
        listeners.remove(listener)
    observed = seen[-1] if seen else Observed(())
    if options.json:
        _print_json(_as_json(scenario, observed, problem))
        return FAULTY if problem else OK
    if options.trace:
        for event in observed.history:
            print(f"{event.at:12.6f}  {_told(event)}".rstrip())
    print(problem or f"{scenario.id}: {scenario.why}\n\n{gantt(observed)}")
    return FAULTY if problem else OK


def _told(event: trioflow.events.Event) -> str:
    """Return a record in a line: what stands in it as JSON, but for what is empty."""
    values = trioflow.events.to_json(event)
    for key in ("type", "at", "document"):
        values.pop(key, None)
    parts = [
        f"{key}={json.dumps(rounded(value), ensure_ascii=False)}"
        for key, value in values.items()
        if value not in (None, "", [], {})
    ]
    return f"{type(event).__name__}  {', '.join(parts)}"


def _as_json(scenario: Scenario, observed: Observed, problem: str) -> dict[str, Any]:
    return {
        "scenario": scenario.to_json(),
        "problem": problem,
        "phases": [phase.to_json() for phase in observed.phases],
        "history": [trioflow.events.to_json(event) for event in observed.history],
    }


def _list(options: Any) -> int:
    code, found = OK, []
    for file in options.files:
        try:
            made = _suite_of(file, options)
        except _ERRORS as error:
            code = max(code, _complain(error, file))
            continue
        for each in (*made.scenarios, *made.skipped):
            found.append(
                {
                    "file": str(file),
                    "id": each.id,
                    "family": each.family,
                    "why": each.why,
                    "skip": each.skip,
                }
            )
            if not options.json:
                print(f"{each.id}: {f'not played, {each.skip}' if each.skip else each.why}")
    if options.json:
        _print_json(found)
    return code


def _print_json(found: Any) -> None:
    text = json.dumps(found, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(found, indent=2)
    print(text)


# ---- lint ----


def _lint(options: Any) -> int:
    code, everything = OK, []
    for file in options.files:
        try:
            _readable(file)
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                with _making(file):
                    found = lint(file)
        except _ERRORS as error:
            code = max(code, _complain(error, file))
            continue
        texts = dict.fromkeys(
            str(each.message) for each in warned if not issubclass(each.category, FutureWarning)
        )
        for each in (*found, *(Finding(NOTE, "", said) for said in texts)):
            everything.append({"file": str(file), **attrs.asdict(each)})
            if not options.json:
                print(f"{file}: {each}")
            if each.kind != NOTE:
                code = max(code, FAULTY)
    if options.json:
        _print_json(everything)
    return code


if __name__ == "__main__":
    sys.exit(main())
