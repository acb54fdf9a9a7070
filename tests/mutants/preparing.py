"""What the unchanged engine tells once: the scenarios, their predictions, what they reach.

For each scenario it is noted which statements of the engine it executes. A fault in one that it
does not reach cannot change it, so only those are played that can notice the fault. This says
nothing about whether they do.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import pickle
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs

from tests.mutants import reaching
from tests.mutants.making import ROOT, documents, engine_folder, package_folder
from tests.mutants.reaching import Reaching

# Documents are loaded once and then kept, so what loads them is executed for the first scenario
# only; and so are the shapes of events.
_KEPT = ("definitions/", "kernel/_codec.py")


@attrs.frozen
class Card:
    """A scenario as those know it who do not import the harness."""

    number: int
    document: str
    id: str
    family: str
    seconds: float


@attrs.frozen
class Prepared:
    """The scenarios, and by file and line of a statement those that reach it.

    They are the bits of a number: the n-th bit is the scenario with the number n.

    `faulty` says what is wrong where the unchanged engine does not do what is predicted.
    """

    folder: Path
    cards: tuple[Card, ...]
    reached: dict[str, dict[int, int]]
    faulty: tuple[str, ...]

    def scenarios(self, document: str) -> dict[str, tuple[Any, Any]]:
        """Return the scenarios of a document with what the oracle says of them, by id."""
        with (self.folder / f"{document}.pickle").open("rb") as file:
            found: dict[str, tuple[Any, Any]] = pickle.load(file)
        return found


def prepared(again: bool = False) -> Prepared:
    """Return what was prepared for the engine, harness and documents as they are, or prepare it."""
    folder = ROOT / ".nox" / "mutants" / _digest()
    index = folder / "index.pickle"
    if again or not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print("preparing: all scenarios on the unchanged engine", flush=True)
        with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
            work = [(str(path), str(folder)) for path in documents()]
            rows = pool.starmap(_prepare, work, chunksize=1)
        with index.open("wb") as file:
            pickle.dump(rows, file)
    with index.open("rb") as file:
        rows = pickle.load(file)
    cards: list[Card] = []
    reached: dict[str, dict[int, int]] = {}
    faulty: list[str] = []
    for document, found, wrong, common in rows:
        faulty += wrong
        first = len(cards)
        for name, family, seconds, lines in found:
            _note(reached, lines, 1 << len(cards))
            cards.append(Card(len(cards), document, name, family, seconds))
        _note(reached, common, (1 << len(cards)) - (1 << first))
    return Prepared(folder, tuple(cards), reached, tuple(faulty))


def _note(reached: dict[str, dict[int, int]], lines: Mapping[str, Iterable[int]], who: int) -> None:
    for file, numbers in lines.items():
        by_line = reached.setdefault(file, {})
        for line in numbers:
            by_line[line] = by_line.get(line, 0) | who


def _digest() -> str:
    found = hashlib.sha256(sys.version.encode())
    places = [
        *engine_folder().rglob("*.py"),
        *package_folder("harness").rglob("*.py"),
        *documents(),
        Path(__file__),
        Path(reaching.__file__),
    ]
    for path in sorted(places):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _prepare(path: str, folder: str) -> tuple[str, list[Any], list[str], dict[str, set[int]]]:
    noted = Reaching()
    noted.install()
    import harness
    from harness.suites import _library as library

    # What is executed by the import, or kept from one scenario to the next, all scenarios reach.
    common = {file: set(lines) for file, lines in noted.taken().items()}

    def note_kept() -> None:
        for file, lines in noted.taken().items():
            if file.startswith(_KEPT):
                common.setdefault(file, set()).update(lines)

    logging.disable(logging.CRITICAL)
    document = Path(path).name.partition(".")[0]
    rows: list[Any] = []
    wrong: list[str] = []
    kept: dict[str, tuple[Any, Any]] = {}
    for scenario in library.suite(path).scenarios:
        predicted, facts = harness.expect(scenario.workflow, scenario)
        # The rest of the facts is of no use to who compares, and cannot be written down.
        told = (predicted, SimpleNamespace(ambiguous=facts.ambiguous))
        try:
            note_kept()
            noted.clear()
            began = time.perf_counter()
            harness.check(scenario)
            seconds = time.perf_counter() - began
        except Exception as error:  # noqa: BLE001
            wrong.append(f"{document}: {type(error).__name__}: {error}")
            continue
        kept[scenario.id] = (scenario, told)
        rows.append((scenario.id, scenario.family, seconds, noted.taken()))
    note_kept()
    with (Path(folder) / f"{document}.pickle").open("wb") as file:
        pickle.dump(kept, file, pickle.HIGHEST_PROTOCOL)
    return document, rows, wrong, common


def main() -> Iterator[str]:
    """Yield what there is to say about what was prepared."""
    made = prepared()
    by_document: dict[str, int] = {}
    for card in made.cards:
        by_document[card.document] = by_document.get(card.document, 0) + 1
    yield json.dumps(by_document)
    yield f"{len(made.cards)} scenarios, {sum(card.seconds for card in made.cards):.1f} s"
    yield from made.faulty
