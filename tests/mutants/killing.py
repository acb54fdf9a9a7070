"""Killing mutants: scenarios are played on the changed engine until one of them notices.

A process that has imported everything but the engine and the harness forks one for each mutant.
There the changed sources are what the import finds; then `harness.check` judges one scenario after
the other, the oracle's predictions excepted, which are those of the unchanged engine's process.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from types import CodeType, FrameType, ModuleType
from typing import Any

import attrs

from tests.mutants.making import Mutant, engine_folder, module_of
from tests.mutants.preparing import Card, Prepared
from tests.mutants.reaching import statements

# No scenario may take so many seconds of the processor: most take a hundredth of one. Nor so many
# of real time, should it wait for something that does not come, however busy the machine is.
SCENARIO_WORK = 8
SCENARIO_WAIT = 60
# All scenarios of one mutant, on a busy machine.
MUTANT_LIMIT = 900
FEW = 100
MEMORY_LIMIT = 3 * 1024**3

# Outcomes. BROKEN: it cannot even be imported. UNREACHED: no scenario executes the changed line.
KILLED = "killed"
SURVIVED = "survived"
BROKEN = "broken"
UNREACHED = "unreached"


@attrs.frozen
class Verdict:
    """What became of a mutant: `by` is the scenario that killed it, `how` what it noticed."""

    name: str
    outcome: str
    by: str = ""
    how: str = ""
    played: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**attrs.asdict(self), "seconds": round(self.seconds, 2)}


def preload() -> None:
    """Import what neither is the engine nor imports it, so that no mutant has to."""
    for name in (
        "anyio", "attrs", "difflib", "heapq", "inspect", "jsonschema", "referencing.jsonschema",
        "trio", "trio.testing", "trio.to_thread", "logging", "sqlite3", "jsonschema._keywords",
        "concurrent.futures", "fnmatch", "shlex", "decimal", "fractions", "uuid", "zoneinfo",
    ):  # fmt: skip
        importlib.import_module(name)
    assert not any(name.partition(".")[0] in ("trioflow", "harness") for name in sys.modules)


class _Changed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Finds the changed modules, and compiles them from the changed text."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = {module_of(file): (file, text) for file, text in sources.items()}

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> Any:
        if name not in self._sources:
            return None
        place = str(engine_folder() / self._sources[name][0])
        packages = [str(engine_folder())] if name == "trioflow" else None
        return importlib.util.spec_from_file_location(
            name, place, loader=self, submodule_search_locations=packages
        )

    def get_filename(self, name: str | None = None) -> str:
        assert name is not None
        return str(engine_folder() / self._sources[name][0])

    def get_code(self, name: str) -> CodeType:
        code: CodeType = compile(
            self._sources[name][1], self.get_filename(name), "exec", dont_inherit=True
        )
        return code


# ---- the order in which scenarios are played ----


class Order:
    """Which scenarios a mutant meets, in the order in which they are likely to kill it."""

    def __init__(self, made: Prepared, outside: Collection[str] = ()) -> None:
        self._made = made
        # Files of which little is expected: a few scenarios see whether they break everything.
        self._outside = outside
        self._kills: Counter[int] = Counter()
        self._numbers = {f"{card.document}/{card.id}": card.number for card in made.cards}

    def killed(self, by: str) -> None:
        """Hear which scenario has killed one."""
        if by in self._numbers:
            self._kills[self._numbers[by]] += 1

    def for_mutant(self, mutant: Mutant) -> list[Card]:
        """Return the scenarios that reach it: killers first, then one of each kind in turn."""
        found = self._reaching(mutant)
        known = [number for number, _ in self._kills.most_common(60) if number in found]
        groups: dict[tuple[str, str], deque[Card]] = {}
        for card in sorted(
            (card for card in self._made.cards if card.number in found),
            key=lambda card: (card.seconds, card.number),
        ):
            if card.number not in known:
                # Those that die are many, and differ by what dies.
                kind = card.id.partition("-after-")[0] if card.family == "crash" else card.family
                groups.setdefault((card.document, kind), deque()).append(card)
        order = [self._made.cards[number] for number in known]
        while groups:
            for key in list(groups):
                order.append(groups[key].popleft())
                if not groups[key]:
                    del groups[key]
        few = mutant.lines is None and mutant.file in self._outside
        return order[:FEW] if few else order

    def _reaching(self, mutant: Mutant) -> set[int]:
        everything = range(len(self._made.cards))
        if mutant.lines is None:
            return set(everything)
        found = 0
        for file, lines in mutant.lines.items():
            by_line = self._made.reached.get(file, {})
            begins = statements(file)
            for line in lines:
                found |= by_line.get(begins.get(line, line), 0)
        return {number for number in everything if found >> number & 1}


# ---- in a process of its own ----


def _kill(mutant: Mutant, cards: Sequence[Card], made: Prepared, answer: Connection) -> None:
    """Play until one scenario notices; answer what became of it. Runs in a forked process."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    sys.meta_path.insert(0, _Changed(mutant.sources))
    began = time.monotonic()
    try:
        check = _prepare_to_check()
    except BaseException as error:  # noqa: BLE001
        answer.send(Verdict(mutant.name, BROKEN, how=f"{type(error).__name__}: {error}"[:200]))
        return
    known: dict[str, dict[str, tuple[Any, Any]]] = {}
    place, played = "", 0

    def killed(how: str) -> Verdict:
        seconds = time.monotonic() - began
        return Verdict(mutant.name, KILLED, place, how, played, seconds)

    def hangs(number: int, frame: FrameType | None) -> None:
        answer.send(killed("hangs"))
        os._exit(0)

    signal.signal(signal.SIGALRM, hangs)
    signal.signal(signal.SIGPROF, hangs)
    for card in cards:
        if card.document not in known:
            known[card.document] = made.scenarios(card.document)
        place, played = f"{card.document}/{card.id}", played + 1
        _limit(SCENARIO_WORK, SCENARIO_WAIT)
        try:
            check(*known[card.document][card.id])
        except BaseException as error:  # noqa: BLE001
            _limit(0, 0)
            answer.send(killed(_how(error)))
            return
    _limit(0, 0)
    answer.send(Verdict(mutant.name, SURVIVED, played=played, seconds=time.monotonic() - began))


def _limit(work: float, real: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, work)
    signal.setitimer(signal.ITIMER_REAL, real)


def _how(error: BaseException) -> str:
    if type(error).__name__ != "Mismatch":
        return f"{type(error).__name__}: {error}"[:300]
    lines = [line for line in str(error).splitlines() if line[:1] in "+-" or " is " in line]
    return "; ".join(line for line in lines if line[:3] not in ("+++", "---"))[:300]


def _prepare_to_check() -> Callable[[Any, Any], None]:
    """Import engine and harness; return what judges a scenario as `harness.check` does."""
    import harness
    from harness.suites import _checking as library

    logging.disable(logging.CRITICAL)
    oracle = library.expect
    told: dict[str, Any] = {}

    def expect(workflow: Any, scenario: Any, *facts: Any) -> Any:
        return oracle(workflow, scenario, *facts) if facts else told[scenario.id]

    library.expect = expect

    def check(scenario: Any, prediction: Any) -> None:
        told.clear()
        told[scenario.id] = prediction
        harness.check(scenario)

    return check


# ---- all of them ----


def kill_all(
    mutants: Iterable[Mutant],
    made: Prepared,
    *,
    outside: Collection[str] = (),
    workers: int = 2,
    done: Callable[[Verdict], None] = lambda verdict: None,
    patience: float = MUTANT_LIMIT,
) -> list[Verdict]:
    """Return what became of each mutant, in their order; `done` hears of each at once.

    `outside` are files of which no scenario is expected to notice anything.
    """
    preload()
    order = Order(made, outside)
    found: dict[str, Verdict] = {}
    names: list[str] = []
    context = multiprocessing.get_context("fork")
    running: dict[Connection, tuple[Any, Mutant, float]] = {}

    def note(verdict: Verdict) -> None:
        found[verdict.name] = verdict
        order.killed(verdict.by)
        done(verdict)

    for mutant in mutants:
        names.append(mutant.name)
        cards = order.for_mutant(mutant)
        if not cards:
            note(Verdict(mutant.name, UNREACHED))
            continue
        while len(running) >= workers:
            for verdict in _answered(running, patience):
                note(verdict)
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_kill, args=(mutant, cards, made, there))
        process.start()
        there.close()
        running[here] = (process, mutant, time.monotonic())
    while running:
        for verdict in _answered(running, patience):
            note(verdict)
    return [found[name] for name in names]


def _answered(
    running: dict[Connection, tuple[Any, Mutant, float]], patience: float
) -> Iterator[Verdict]:
    for ready in wait(list(running), timeout=1.0):
        assert isinstance(ready, Connection)
        process, mutant, began = running.pop(ready)
        try:
            yield ready.recv()
        except EOFError:
            # It is gone without a word: out of memory, or out of stack.
            process.join()
            yield Verdict(
                mutant.name, KILLED, how=f"its process ended with {process.exitcode}",
                seconds=time.monotonic() - began,
            )  # fmt: skip
        ready.close()
        process.join()
    for ready, (process, mutant, began) in list(running.items()):
        if time.monotonic() - began > patience:
            del running[ready]
            process.kill()
            process.join()
            yield Verdict(mutant.name, KILLED, how="takes for ever", seconds=patience)


def save(verdicts: Sequence[Verdict], path: Any) -> None:
    """Write the verdicts as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([each.to_json() for each in verdicts], indent=1) + "\n", "utf-8")
