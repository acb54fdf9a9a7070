"""The benchmarks work, on sizes so small that their figures mean nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = 0.005
Script = Callable[[str], ModuleType]


def call(script: str, *arguments: str) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("workload", ("W1", "W2", "W3", "W4", "W7"), ids=str)
@pytest.mark.parametrize("subject", ("engine", "bare", "raw"), ids=str)
def test_a_subject_does_a_workload(
    script: Script, tmp_path: Path, subject: str, workload: str
) -> None:
    workloads = script("workloads")
    case = workloads.Case(workloads.Sizes().scaled(TINY), tmp_path, "full", "")
    found = script(subject).SUBJECT[workload](case)

    assert found["rate"] > 0
    assert found["cpu"] > 0
    durable = subject != "raw" or workload in ("W1", "W7")
    assert ("wal, synchronous=FULL" if durable else "none") == found["durability"]


# ---- in rounds, and killed ----

# It forgets that the first step of each execution is done when it starts anew.
FORGETFUL = """
import sys, time
from workloads import Sizes, StepLog, Case
folder, scale = sys.argv[3], float(sys.argv[7])
sizes = Sizes().scaled(scale)
log = StepLog(Case(sizes, __import__("pathlib").Path(folder), "full", ""))
begins = sys.argv[9] == "begin"
steps = range(5) if begins else (0, 5, 6, 7, 8, 9)
for n in range(sizes.crashed):
    for step in steps:
        log.write(f"x{n}", step)
if begins:
    print("ready", flush=True)
    time.sleep(60)
print('{"ended": 1}')
"""


def test_steps_that_are_done_again_are_counted(script: Script, tmp_path: Path) -> None:
    running = script("running")
    path = tmp_path / "forgetful.py"
    path.write_text(FORGETFUL)
    subject = running.Subject("bare", sys.executable, path, frozenset({"W6"}))
    found = running.Runner(tmp_path, scale=0.02).measure(subject, "W6")

    assert 4 == found["redone"]
    assert found["seconds"] > 0


def test_a_subject_that_breaks_is_told_and_not_tried_again(script: Script, tmp_path: Path) -> None:
    running, workloads = script("running"), script("workloads")
    path = tmp_path / "broken.py"
    path.write_text("raise SystemExit('no such disk')")
    subject = running.Subject("bare", sys.executable, path, frozenset({"W1"}))
    told: list[str] = []
    only = [workload for workload in workloads.WORKLOADS if workload.name == "W1"]
    series = running.Series(running.Runner(tmp_path), [subject], only, 3)
    running.measure_all([series], told.append)

    assert "no such disk" == series.results()["W1"]["bare"].failed
    assert ["1 of 3: W1 bare loop"] == told


def test_what_takes_too_long_is_stopped(script: Script, tmp_path: Path) -> None:
    running = script("running")
    path = tmp_path / "slow.py"
    path.write_text("import time; time.sleep(60)")
    subject = running.Subject("bare", sys.executable, path, frozenset({"W1", "W6"}))
    runner = running.Runner(tmp_path, timeout=0.1)

    assert {"failed": "> 0.1 s"} == runner.measure(subject, "W1")
    assert {"failed": "> 0.1 s"} == runner.measure(subject, "W6")


# ---- tables ----


def results(script: Script, **figures: Mapping[str, float]) -> Any:
    summary = script("running").Summary
    return {name: summary(medians, {}) for name, medians in figures.items()}


@pytest.mark.parametrize(
    ("ours", "raw", "burr", "met"),
    (
        (500, 1000, 100, ["yes", "yes"]),
        (499, 1000, 100, ["no", "yes"]),
        (500, 1000, 143, ["yes", "no"]),
    ),
    ids=str,
)
def test_goals_that_are_ratios(
    script: Script, ours: float, raw: float, burr: float, met: list[str]
) -> None:
    w1 = script("workloads").WORKLOADS[0]
    found = results(
        script, trioflow={"rate": ours}, raw={"rate": raw}, burr={"rate": burr}, spiff={"rate": 9}
    )
    table = script("tables").goals({"W1": found}, [w1])

    assert met == [row[3] for row in table.rows]
    assert "Burr" in table.rows[1][1]


def test_goals_that_are_bounds_and_what_has_no_figure(script: Script) -> None:
    w7 = script("workloads").WORKLOADS[-1]
    tables = script("tables")
    found = {"trioflow": script("running").Summary({"ms": 1.5}, {"ms": [1.5, 0.9, 2]})}

    assert [
        ("W7", "ms ≤ 1", "1.500", "no", "0.900 to 2.000"),
        ("W7", "ms ≤ 2 x bare loop", "-", "-", "-"),
    ] == list(tables.goals({"W7": found}, [w7]).rows)


def test_a_ratio_says_how_many_times_as_good_we_are(script: Script) -> None:
    metric, better = script("workloads").Metric, script("tables").better

    assert 2 == better(metric("rate", ""), 200, 100)
    assert 2 == better(metric("ms", "", more_is_better=False), 100, 200)


# ---- all of it, as a person calls it ----


@pytest.mark.slow
def test_everything_is_compared_and_written_down(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    tiny = ("--scale", "0.02", "--repeat", "1", "--folder", str(tmp_path))
    found = json.loads(call("compare.py", *tiny, "--variants", "--json", "--write", str(page)))
    medians = {
        (workload, name): set(summary["medians"])
        for workload, subjects in found["workloads"].items()
        for name, summary in subjects.items()
    }

    assert 20 == len(medians)
    assert all(medians.values())
    assert {"seconds", "redone"} == medians["W6", "trioflow"]
    assert 0 == found["workloads"]["W6"]["trioflow"]["medians"]["redone"]
    assert found["workloads"]["W5"]["trioflow"]["medians"]["rate"] > 0
    variants = found["variants"].values()
    assert [["W2", "W3", "W4"]] * 2 == [list(each) for each in variants]
    durable = [each["W3"]["trioflow"]["said"]["durability"] for each in variants]
    assert ["wal, synchronous=NORMAL", "wal, synchronous=FULL"] == durable
    assert all(each["W3"]["trioflow"]["medians"]["rate"] > 0 for each in variants)
    text = page.read_text("utf-8")
    assert '## With durability="normal"' in text
    assert "| W3 | steps/s ≥ 5,000 |" in text
    assert "not the real workloads" in text
    assert "| W6 | completed steps done again | 0 | 0 | - |" in text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cc") or sys.platform != "linux", reason="needs cc and Linux")
def test_a_slow_disk_is_slow_for_sqlite(tmp_path: Path) -> None:
    tiny = ("--scale", "0.05", "--repeat", "1", "--folder", str(tmp_path), "--json")
    found = json.loads(call("compare.py", "--only", "W7", "--slow-disk", "30ms", *tiny))

    assert found["machine"]["sync"] > 30_000
    for name in ("trioflow", "bare", "raw"):
        assert found["workloads"]["W7"][name]["medians"]["ms"] > 30


@pytest.mark.slow
def test_the_parts_of_a_step_add_up(tmp_path: Path) -> None:
    found = json.loads(call("parts.py", "W3", "--scale", "0.1", "--json"))

    assert found["samples"] > 0
    assert found["parts"]["kernel"] > 0
    assert "together" in call("parts.py", "W1", "--scale", "0.1", "--times", "1", "--top", "3")


@pytest.mark.slow
def test_the_other_scripts() -> None:
    fixture = Path(__file__).parents[1] / "fixtures" / "parcel.workflow.json"

    assert "more memory" in call("memory.py", "--executions", "200")
    assert "to play and check one" in call("scenarios.py", str(fixture), "--limit", "2")


@pytest.mark.slow
def test_starting(script: Script) -> None:
    startup = script("startup")
    found = startup.measure(times=1)

    assert "goals" in startup.describe(found)
    assert found["bare"] > 0
    assert found["imports"]["engine"]
