"""Kill mutants of the engine, and of documents, with the generated scenarios alone.

    python tests/mutants/run.py all                   everything that follows
    python tests/mutants/run.py seeded [NAME ...]     the faults of the list
    python tests/mutants/run.py cuts                  the five cuts by hand
    python tests/mutants/run.py sample [--size N]     automatic mutants, a sample of them
    python tests/mutants/run.py documents [FILE ...]  changed documents
    python tests/mutants/run.py show TEXT             mutants with this in their names, as diffs

Exits with 1 if one survives that should not. What was found goes into ``figures.json`` beside
this file, unless it was only a part.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a file: behind what is installed, so that this is what is tested.
    sys.path.append(str(Path(__file__).parents[2]))

from tests.mutants import keeping, survivors
from tests.mutants.killing import KILLED, Verdict, kill_all, save
from tests.mutants.making import ROOT, Mutant, source
from tests.mutants.operators import possible, sample
from tests.mutants.preparing import Prepared, prepared
from tests.mutants.seeds import CUTS, FAULTS, Fault

# About twenty minutes on two cores.
SIZE = 300


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=2)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("seeded").add_argument("names", nargs="*")
    commands.add_parser("cuts").add_argument("names", nargs="*")
    some = commands.add_parser("sample")
    some.add_argument("--size", type=int, default=SIZE)
    some.add_argument("--only", default="", help="mutants whose names contain this")
    commands.add_parser("documents").add_argument("files", nargs="*", type=Path)
    commands.add_parser("show").add_argument("text")
    commands.add_parser("all").add_argument("--size", type=int, default=SIZE)
    options = parser.parse_args(arguments)
    if options.command == "show":
        return _show(options.text)
    if options.command == "all":
        whole = {"workers": options.workers, "names": [], "files": [], "only": ""}
        return max(
            _do(argparse.Namespace(command=command, size=options.size, **whole))
            for command in ("seeded", "cuts", "documents", "sample")
        )
    return _do(options)


def _do(options: Any) -> int:
    if options.command == "documents":
        from tests.mutants.documents import judge_all

        return judge_all(options.files)
    made = prepared()
    for wrong in made.faulty:
        print(f"the unchanged engine fails: {wrong}")
    print(f"{len(made.cards)} scenarios")
    if options.command == "sample":
        return _sample(made, options)
    faults = FAULTS if options.command == "seeded" else CUTS
    return _seeded(made, options, faults)


def _show(text: str) -> int:
    found = [fault.mutant() for fault in (*FAULTS, *CUTS) if text in fault.full_name]
    found += [each.made() for each in possible() if text in each.name]
    for mutant in found:
        print(f"\n{mutant.name}")
        for file, changed in mutant.sources.items():
            before, after = source(file).splitlines(), changed.splitlines()
            print("\n".join(difflib.unified_diff(before, after, file, file, lineterm="", n=4)))
    return 0 if found else 1


class _Progress:
    """Says on the terminal what becomes of each."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._count = 0
        self._began = time.monotonic()
        self._outcomes: Counter[str] = Counter()

    def __call__(self, verdict: Verdict) -> None:
        self._count += 1
        self._outcomes[verdict.outcome] += 1
        what = f"{verdict.outcome:9} {verdict.name}"
        if verdict.outcome == KILLED:
            what += f"   by {verdict.by}, {verdict.played}., {verdict.seconds:.1f} s"
        elif verdict.played:
            what += f"   {verdict.played} played, {verdict.seconds:.1f} s"
        spent = time.monotonic() - self._began
        print(f"{self._count:4}/{self._total} {spent:5.0f} s  {what}", flush=True)

    def summary(self) -> str:
        return ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.items())


def _seeded(made: Prepared, options: Any, faults: Sequence[Fault]) -> int:
    wanted = [
        fault
        for fault in faults
        if not options.names or any(name in fault.full_name for name in options.names)
    ]
    mutants = [fault.mutant() for fault in wanted]
    progress = _Progress(len(mutants))
    verdicts = kill_all(mutants, made, workers=options.workers, done=progress)
    print(progress.summary())
    alive = [
        fault.full_name
        for fault, verdict in zip(wanted, verdicts, strict=True)
        if verdict.outcome != KILLED and not fault.equivalent
    ]
    for name in alive:
        print(f"not killed: {name}")
    save(verdicts, ROOT / ".nox" / "mutants" / f"{options.command}.json")
    if not options.names:
        keeping.keep(
            options.command,
            {
                "scenarios": len(made.cards),
                "faulty": len(made.faulty),
                "faults": [
                    {
                        "name": fault.full_name,
                        "does": fault.does,
                        "outcome": verdict.outcome,
                        "by": verdict.by,
                        "equivalent": fault.equivalent,
                    }
                    for fault, verdict in zip(wanted, verdicts, strict=True)
                ],
            },
        )
    return 1 if alive or made.faulty else 0


def _sample(made: Prepared, options: Any) -> int:
    if options.only:
        mutants = [each.made() for each in possible() if options.only in each.name]
    else:
        mutants = sample(options.size)
    progress = _Progress(len(mutants))
    known = survivors.known()
    verdicts = kill_all(
        mutants, made, outside=known.outside(), workers=options.workers, done=progress
    )
    print(progress.summary())
    save(verdicts, ROOT / ".nox" / "mutants" / "sample.json")
    total = survivors.score(mutants, verdicts, known)
    for name in total.unclassified:
        print(f"not classified: {name}")
    missing = total.by_class.get(survivors.MISSING, 0)
    rate = missing / max(1, total.relevant)
    print(f"{total.rate:.1%} of {total.relevant} that a scenario could notice; {total.by_class}")
    if not options.only:
        keeping.keep("automatic", _kept(mutants, verdicts, known, total))
    if total.unclassified:
        print("say in survivors.toml what each of them is")
        return 1
    return 1 if rate > survivors.MOST_MISSING or made.faulty else 0


def _kept(
    mutants: Sequence[Mutant],
    verdicts: Sequence[Verdict],
    known: survivors.Known,
    total: survivors.Score,
) -> dict[str, Any]:
    by_file: dict[str, dict[str, Any]] = {}
    for file in dict.fromkeys(mutant.file for mutant in mutants):
        mine = [mutant for mutant in mutants if mutant.file == file]
        names = {mutant.name for mutant in mine}
        part = survivors.score(mine, [each for each in verdicts if each.name in names], known)
        by_file[file] = _counted(part)
    return {"possible": len(possible()), "total": _counted(total), "files": by_file}


def _counted(found: survivors.Score) -> dict[str, Any]:
    return {
        "made": found.made,
        "killed": found.killed,
        "broken": found.broken,
        "classes": dict(sorted(found.by_class.items())),
        "unclassified": len(found.unclassified),
        "rate": round(found.rate, 4),
    }


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The same order of sets in each process, so that the same seed is the same schedule.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    sys.exit(main())
