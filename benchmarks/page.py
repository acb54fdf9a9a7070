"""The page ``docs/benchmarks.md``: written by a script, so that nobody has to copy figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import memory
import parts
import scenarios
import startup
from running import PEERS, PEERS_REPEAT, Results, Subject, own_subjects
from tables import Table, figures, goals
from workloads import Variant, Workload


@attrs.frozen
class Machine:
    """What was measured on, and how. `sync` is in microseconds, `slow_disk` in milliseconds."""

    cpu: str
    cores: int
    system: str
    sync: float
    python: str
    sqlite: str
    trio: str
    durability: str
    slow_disk: float
    scale: float
    repeat: int
    timeout: float
    # How many processes wanted a core in the minute before.
    load: float


INTRODUCTION = """\
# Benchmarks

This page is written by `benchmarks/compare.py`. Figures of one machine say little about another;
the ratios in one run say more. To repeat it:

<!-- not run: it installs, and takes many minutes -->
```sh
python -m pip install .
python benchmarks/compare.py --others --variants --write docs/benchmarks.md
python benchmarks/compare.py --peers dbos,langgraph,burr,spiff
python benchmarks/compare.py --only W1,W2 --slow-disk 4ms
```

The second needs the network once: each peer gets an environment of its own in a cache folder.
`--slow-disk` makes every sync take longer, by a library between SQLite and the system.

Other scripts of the folder, each by itself; `nox -s benchmark` runs all of them:

- `parts.py`: where the CPU time of a step goes, by part of the house and by function.
- `kernel.py`, `graph.py`: what a step costs in a chain of 10 and in a graph of 10,000.
- `commits.py`: commits a second from 1 to 1,000 tasks, beside a sync of the disk.
- `cancel.py`: how long it takes to stop 50 child executions.
- `waiting.py`: 10,000 executions that wait: memory, listing, waking.
- `startup.py`, `memory.py`, `scenarios.py`: the last section of this page, in more detail.

What needs no clock is guarded by tests (`tests/benchmarks/test_ratios.py`): lines of Python that a
step takes in a large and in a small graph, and commits for each transaction.

## How it is measured

- Each figure is the median of several processes, each of which does one workload once. All
  subjects, on each disk and with each durability, are measured before any is measured again, so
  that what else the machine does hits all. Of the goals, what all processes found is there, too.
- Steps return `{"n": i}`. Reading a document or building a graph is not counted, nor is the start
  of the process (but for W6). Each process first executes a few small ones that are not counted.
- CPU time is user and system time of the process in the measured part.
- *Bare loop* is what one would write without an engine: `benchmarks/bare.py`, trio and SQLite with
  shared commits. *Raw limit* is a part of the work alone: SQLite's commits, one after the other (W1
  and W7) or all in one (W5); trio's tasks and a limiter, without any disk (W2 to W4).
- In the columns with ÷ is how many times as good trioflow is: 2 is twice the rate, or half the
  time.
- W5's memory is what Python's objects (`tracemalloc`) grow by, per execution, in two batches after
  two others; `waiting.py` has the memory of the process. Nothing is counted while it is timed.
- W6 kills the process when the first five steps of each execution are recorded. A step that is
  recorded must not be done again; steps write what they do to a file beside the store.
"""

NOT_REACHED = """\
## What is not reached, and why

How fast this machine is depends on what else its host does, and changes by a factor of 1.8 within
an hour. In several runs of four days W1 made 0.42 to 0.67 of what raw SQLite does, W2 7,300 to
12,600 steps a second, W4 6,600 to 10,700, W5 4,200 to 5,600 starts, W7 took 0.89 to 1.23 ms, and
W3 on a slow disk made 4,600 to 6,100 steps, where the bare loop made 5,200 to 5,800. So these
goals are reached in a good hour and missed in a bad one; what all processes of this run found
stands beside the goals. A part of the bare loop, which has the same hour, says more: of W2 and W3
it is above what was wanted, of W4 just below (0.23 to 0.31).

W1 cannot have 3.5 times the steps of Burr, once Burr is given the WAL as well: raw SQLite has only
1.2 to 1.6 times as many.

The goal of W3 was set on a machine whose loop of 60 lines makes 87,000 steps a second in W3. Here
it makes 20,000 to 24,000, so that all that an engine does would have to fit into 25 µs a step
beside that. A step costs 65 to 80 µs of CPU in W2 and 125 to 150 in W3, where the start and the end
of an execution come to every ten steps, and a commit has fewer steps to share it. The table below
says where they go: most of all into the rules (three events, each checked against the tables,
applied, and looked at for what follows), then into trio (a task, a cancel scope and three or four
turns of the scheduler), the engine (slots, the attempt, statistics, log), SQLite (an update and
three rows), and JSON. A sixth of W3 and a tenth of W4 is Python's collector of garbage, which looks
through all that 500 executions, or a graph of 10,000 steps, have in memory. The profile is flat: no
function has more than a twentieth of it. Taking away all of JSON, all rows or all of the
statistics, which was tried, makes it 5 to 8 % faster each. An attempt that is alone could go on
with what follows in its own task: 8 % fewer instructions in a chain, but what an action leaves in
its context variables would reach the next one. Values that are not frozen would save 8 % of the
instructions, too. A collector that looks for garbage every 50,000 objects instead of every 700
saves a sixth of the CPU time, but that is for the program to say (`docs/operations.md`). A Python
that was compiled without profile-guided optimisation, as pyenv does by default, takes a tenth
longer for all of it. What is left is part of what the engine promises: the task and the scope are
what makes a cancel true, and the events are what a restart and a reader need.

With durability normal W2 gains most, because all of its 50 slots wait for the same commit. What
bounds W3 and W4 is a step's CPU time, and that is the same.

In W6 nearly half of the time is the start of the process and its end: Python and trio take 0.12 s,
the engine's own modules and attrs 0.08 to 0.12 s, of which most is spent on making 180 attrs
classes. The other half is reading 200 histories (0.4 ms each), and executing 1,000 steps. The best
that was seen is 0.44 s.
"""

GOALS = """\
The goals in steps a second and in seconds were set on another machine. There the bare loop made
36,000 steps a second in W2, 87,000 in W3 and 33,000 in W4, and took 0.17 s for W6; so each of these
goals is here a second time, as a part of the bare loop.
"""

PARTS = """\
In microseconds, found by interrupting the main thread (`parts.py`). The kernel is the rules:
deciding what an event means and what follows from it. The engine is slots, attempts, statistics and
the log. What Python's collector of garbage takes is in all of them.
"""

ABSENT = """\
Restate is not among the peers: it needs a server, and this starts none. Wanted in W2 are 1.7 times
its steps a second, and that is not measured here.
"""


def page(
    machine: Machine,
    results: Results,
    workloads: Sequence[Workload],
    subjects: Sequence[Subject],
    varied: Sequence[tuple[Variant, Results]],
    others: Mapping[str, Any],
) -> str:
    """Return the whole page."""
    written = [
        INTRODUCTION,
        "## The machine\n",
        _machine(machine) + "\n",
        "## Durability in force\n",
        _durability(results, subjects).markdown() + "\n",
        _notes(results, subjects),
        "## Workloads\n",
        "\n".join(f"- **{workload.name}** {workload.title}" for workload in workloads) + "\n",
        "## Figures\n",
        figures(results, workloads, subjects).markdown() + "\n",
        _failures(results, subjects),
        ABSENT,
        "## Goals\n",
        goals(results, workloads).markdown() + "\n",
        GOALS,
        *(_variant(variant, found) for variant, found in varied),
        NOT_REACHED,
    ]
    if others:
        written += [
            "## Where the CPU time of a step goes\n",
            parts.table(others["parts"]).markdown() + "\n",
            PARTS,
            "## Start, memory, scenarios\n",
            _others(others) + "\n",
        ]
    return "\n".join(part for part in written if part)


def _variant(variant: Variant, results: Results) -> str:
    own = own_subjects()
    tables = (figures(results, variant.workloads, own), goals(results, variant.workloads))
    written = [f"## {variant.title}", *(table.markdown() for table in tables)]
    return "\n\n".join([*written, _failures(results, own)]).rstrip() + "\n"


def _machine(machine: Machine) -> str:
    rows = {
        "CPU": f"{machine.cpu}, {machine.cores} cores",
        "System": machine.system,
        "One sync of the disk": f"{machine.sync:,.0f} µs (fdatasync of a WAL frame, median of 200)",
        "Python, SQLite, trio": f"{machine.python}, {machine.sqlite}, {machine.trio}",
        "Processes for each median": f"{machine.repeat} (of peers at most {PEERS_REPEAT})",
        "Load in the minute before": f"{machine.load:.1f} on {machine.cores} cores",
    }
    if machine.slow_disk:
        rows["Slow disk"] = f"every sync takes {machine.slow_disk:g} ms longer"
    if machine.scale != 1:
        rows["Scale"] = f"{machine.scale:g} of the sizes named below: **not the real workloads**"
    return "\n".join(f"- {name}: {value}" for name, value in rows.items())


def _said(results: Results, name: str, what: str) -> str:
    said = (found[name].said.get(what, "") for found in results.values() if name in found)
    # The same for all workloads, but for those without a disk.
    return next((text for text in said if text not in ("", "none")), "")


def _durability(results: Results, subjects: Sequence[Subject]) -> Table:
    rows = [
        (
            subject.title,
            _said(results, subject.name, "versions"),
            _said(results, subject.name, "durability"),
        )
        for subject in subjects
    ]
    return Table("Durability", ("", "version", "SQLite"), tuple(rows), left=3)


def _notes(results: Results, subjects: Sequence[Subject]) -> str:
    notes = {
        subject.title: _said(results, subject.name, "note")
        for subject in subjects
        if subject.name in PEERS
    }
    return "".join(f"{title}: {note}.\n" for title, note in notes.items() if note)


def _failures(results: Results, subjects: Sequence[Subject]) -> str:
    titles = {subject.name: subject.title for subject in subjects}
    lines = [
        f"- {workload}, {titles[name]}: {summary.failed}"
        for workload, found in results.items()
        for name, summary in found.items()
        if summary.failed
    ]
    return "Not measured:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _others(others: Mapping[str, Any]) -> str:
    modules = {"startup": startup, "memory": memory, "scenarios": scenarios}
    return "\n".join(
        f"- {module.describe(others[name])}" for name, module in modules.items() if name in others
    )
