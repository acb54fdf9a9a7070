"""Run subjects, each measurement in a process of its own, and put together what they found."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from workloads import WORKLOADS, Sizes, Workload

HERE = Path(__file__).parent
PEERS = ("dbos", "langgraph", "burr", "spiff")
# How often they are measured at most: some take minutes.
PEERS_REPEAT = 3
TITLES = {
    "trioflow": "trioflow",
    "bare": "bare loop",
    "raw": "raw limit",
    "dbos": "DBOS",
    "langgraph": "LangGraph",
    "burr": "Burr",
    "spiff": "SpiffWorkflow",
}

Found = dict[str, Any]


class CannotMeasure(Exception):
    """Something that the measurement needs is not there; the text says what."""


@attrs.frozen
class Subject:
    """A script, and the Python to run it with. `can` are the workloads that it has."""

    name: str
    python: str
    script: Path
    can: frozenset[str]

    @property
    def title(self) -> str:
        return TITLES[self.name]


@attrs.define
class Runner:
    """Starts subjects' processes. `environment` is added to theirs; times are in seconds."""

    parent: Path | None
    durability: str = "full"
    scale: float = 1.0
    timeout: float = 180.0
    environment: Mapping[str, str] = attrs.field(factory=dict)

    def measure(self, subject: Subject, workload: str) -> Found:
        """Return what the subject found, or ``{"failed": why}``."""
        with tempfile.TemporaryDirectory(dir=self.parent, prefix="benchmark-") as folder:
            try:
                if workload == "W6":
                    return self._crash(subject, Path(folder))
                return self._finish(self._start(subject, workload, Path(folder)))
            except subprocess.TimeoutExpired:
                return {"failed": f"> {self.timeout:g} s"}
            except CannotMeasure as error:
                return {"failed": str(error)}

    def _start(
        self, subject: Subject, workload: str, folder: Path, phase: str = ""
    ) -> subprocess.Popen[str]:
        command = [subject.python, str(subject.script), workload, "--folder", str(folder)]
        command += ["--durability", self.durability, "--scale", str(self.scale)]
        if phase:
            command += ["--phase", phase]
        environment = {**os.environ, "PYTHONPATH": str(HERE), **self.environment}
        # Some write files where they are.
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
        )

    def _finish(self, process: subprocess.Popen[str]) -> Found:
        try:
            output, errors = process.communicate(timeout=self.timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode:
            last = (errors.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
            raise CannotMeasure(last)
        found: Found = json.loads(output.strip().splitlines()[-1])
        return found

    def _crash(self, subject: Subject, folder: Path) -> Found:
        """Kill the subject in the middle, start it anew, and count what it does twice."""
        first = self._start(subject, "W6", folder, "begin")
        try:
            self._wait_ready(first)
        finally:
            first.kill()
            first.communicate()
        before = _lines(folder)
        expected = Sizes().scaled(self.scale)
        if len(before) != expected.crashed * (expected.short // 2):
            raise CannotMeasure(f"{len(before)} steps were done when it was killed")
        started = time.perf_counter()
        found = self._finish(self._start(subject, "W6", folder, "finish"))
        found["seconds"] = time.perf_counter() - started
        after = _lines(folder)
        if len(after) != expected.crashed * expected.short:
            raise CannotMeasure(f"only {len(after)} of the steps were done in the end")
        found["redone"] = sum(after[line] - 1 for line in before)
        return found

    def _wait_ready(self, process: subprocess.Popen[str]) -> None:
        previous = signal.signal(signal.SIGALRM, _expired)
        signal.setitimer(signal.ITIMER_REAL, self.timeout)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line == "ready\n":
                    return
        except TimeoutError:
            raise subprocess.TimeoutExpired(process.args, self.timeout) from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        _, errors = process.communicate()
        raise CannotMeasure((errors.strip().splitlines() or ["it ended too early"])[-1])


def _expired(number: int, frame: object) -> None:
    raise TimeoutError


def _lines(folder: Path) -> Counter[str]:
    """Return how often each step of each execution was done."""
    path = folder / "steps.log"
    return Counter(path.read_text().splitlines() if path.exists() else ())


# ---- everything, in rounds ----


@attrs.frozen
class Summary:
    """The medians of a subject's measurements, and all of them."""

    medians: Mapping[str, float]
    all: Mapping[str, Sequence[float]]
    # Why there is nothing, if so.
    failed: str = ""
    # What the subject says about itself: durability, versions, notes.
    said: Mapping[str, str] = attrs.field(factory=dict)


Results = dict[str, dict[str, Summary]]


@attrs.frozen
class Series:
    """What is measured, how, and how often."""

    runner: Runner
    subjects: Sequence[Subject]
    workloads: Sequence[Workload]
    repeat: int
    title: str = ""
    _found: dict[tuple[str, str], list[Found]] = attrs.field(factory=dict, init=False)

    def measure(self, workload: Workload, each: int, tell: Callable[[str], None]) -> None:
        """Measure one workload once more, the subjects in another order each time.

        What has not ended in time once is not tried again.
        """
        start = each % len(self.subjects)
        for subject in (*self.subjects[start:], *self.subjects[:start]):
            before = self._found.setdefault((workload.name, subject.name), [])
            if workload.name in subject.can and not any("failed" in one for one in before):
                where = f" ({self.title})" if self.title else ""
                tell(f"{each + 1} of {self.repeat}: {workload.name} {subject.title}{where}")
                before.append(self.runner.measure(subject, workload.name))

    def results(self) -> Results:
        """Return what was found, by workload and subject."""
        return {
            workload.name: {
                subject.name: _summary(found)
                for subject in self.subjects
                if (found := self._found.get((workload.name, subject.name)))
            }
            for workload in self.workloads
        }


def measure_all(series: Sequence[Series], tell: Callable[[str], None]) -> None:
    """Measure everything, in rounds: what else the machine does meanwhile hits all alike."""
    for each in range(max(one.repeat for one in series)):
        left = [one for one in series if each < one.repeat]
        for workload in WORKLOADS:
            for one in left:
                for mine in one.workloads:
                    # A variant has the same workloads with other goals.
                    if mine.name == workload.name:
                        one.measure(mine, each, tell)


def together(series: Iterable[Series]) -> Results:
    """Return the results of several series, of the same workloads, as one."""
    found: Results = {}
    for one in series:
        for workload, summaries in one.results().items():
            found.setdefault(workload, {}).update(summaries)
    return found


def _summary(found: Sequence[Found]) -> Summary:
    failed = next((str(each["failed"]) for each in found if "failed" in each), "")
    good = [each for each in found if "failed" not in each]
    names = (
        [name for name, value in good[0].items() if isinstance(value, int | float)] if good else ()
    )
    everything = {name: [each[name] for each in good] for name in names}
    said = (
        {name: value for name, value in good[0].items() if isinstance(value, str)} if good else {}
    )
    medians = {name: statistics.median(values) for name, values in everything.items()}
    return Summary({} if failed else medians, everything, failed, said)


# ---- the subjects ----

_EVERYTHING = frozenset(f"W{n}" for n in range(1, 8))
_CAN = {
    "raw": _EVERYTHING - {"W6"},
    "burr": _EVERYTHING - {"W2", "W4"},
    "spiff": _EVERYTHING - {"W4"},
}


def own_subjects(python: str = sys.executable) -> list[Subject]:
    """Return trioflow, the bare loop and the raw limits; they need nothing but trioflow."""
    scripts = {"trioflow": "engine.py", "bare": "bare.py", "raw": "raw.py"}
    return [
        Subject(name, python, HERE / script, _CAN.get(name, _EVERYTHING))
        for name, script in scripts.items()
    ]


def peer_subject(name: str, cache: Path, tell: Callable[[str], None]) -> Subject:
    """Return a peer, in an environment of its own that is made if it is not there yet."""
    wanted = (HERE / "peers" / f"requirements-{name}.txt").read_text()
    environment = cache / name
    installed = environment / "requirements.txt"
    python = environment / "bin" / "python"
    if not installed.exists() or installed.read_text() != wanted:
        tell(f"installing {TITLES[name]} in {environment}")
        shutil.rmtree(environment, ignore_errors=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        requirements = str(HERE / "peers" / f"requirements-{name}.txt")
        for command in (
            [sys.executable, "-m", "venv", str(environment)],
            [*install, "-r", requirements],
        ):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                raise CannotMeasure(f"{TITLES[name]} can't be installed:\n{done.stderr.strip()}")
        installed.write_text(wanted)
    script = HERE / "peers" / f"{name}_peer.py"
    return Subject(name, str(python), script, _CAN.get(name, _EVERYTHING))


@contextmanager
def slow_disk(milliseconds: float) -> Iterator[dict[str, str]]:
    """Return an environment in which every sync takes so much longer (milliseconds)."""
    if not milliseconds:
        yield {}
        return
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        raise CannotMeasure("--slow-disk needs Linux and a C compiler named cc")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "slow_sync.so")
        source = str(HERE / "slow_sync.c")
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), source, "-ldl"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise CannotMeasure(f"the slow disk can't be compiled:\n{done.stderr}")
        yield {"LD_PRELOAD": str(library), "SLOW_SYNC_NS": str(round(milliseconds * 1e6))}
