"""SpiffWorkflow, serialized to JSON and written to SQLite at the start and after each step.

It has no store of its own: an application serializes the whole workflow (its specification not, as
it is the same for all) and puts the text where it likes. Here that is a row for each execution, in
a commit of its own, WAL. It executes one step at a time. It unrolls a graph into a tree,
in which a step behind two others is there twice, so W4 is not among its workloads.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from SpiffWorkflow import Workflow
from SpiffWorkflow.serializer.json import JSONSerializer
from SpiffWorkflow.specs.Join import Join
from SpiffWorkflow.specs.Simple import Simple
from SpiffWorkflow.specs.WorkflowSpec import WorkflowSpec
from SpiffWorkflow.util.task import TaskState
from workloads import (
    Case,
    Found,
    StepLog,
    main,
    measured,
    ready,
    set_durability,
    traced,
)


class Number(Simple):
    def _run_hook(self, my_task: Any) -> bool:
        my_task.set_data(n=1)
        return bool(super()._run_hook(my_task))

    @classmethod
    def deserialize(cls, serializer: Any, wf_spec: WorkflowSpec, s_state: Any) -> Any:
        return serializer.deserialize_task_spec(
            wf_spec, s_state, spec=cls(wf_spec, s_state["name"])
        )


class Disk:
    def __init__(self, case: Case) -> None:
        self.connection = sqlite3.connect(case.database, isolation_level=None)
        self.durability = set_durability(self.connection, case.durability)
        self.connection.execute("CREATE TABLE IF NOT EXISTS flows (id PRIMARY KEY, state)")
        self.serializer = JSONSerializer()

    def save(self, name: str, workflow: Any) -> None:
        state = workflow.serialize(self.serializer, include_spec=False)
        self.connection.execute("INSERT OR REPLACE INTO flows VALUES (?, ?)", (name, state))

    def load(self, name: str, spec: str) -> Any:
        """Return a workflow; the specification, which they share, is put into its text again."""
        (state,) = self.connection.execute(
            "SELECT state FROM flows WHERE id = ?", (name,)
        ).fetchone()
        whole = f'{{"wf_spec": {json.dumps(spec)}, {state[1:]}'
        return Workflow.deserialize(self.serializer, whole)

    def said(self, found: Found) -> Found:
        return {
            **found,
            "durability": self.durability,
            "versions": f"SpiffWorkflow {version('SpiffWorkflow')}",
        }


def spec_of(parents: Mapping[str, Sequence[str]]) -> WorkflowSpec:
    spec = WorkflowSpec("w", addstart=True)
    made: dict[str, Any] = {}
    for name, all_of in parents.items():
        made[name] = Number(spec, name)
        if len(all_of) > 1:
            join = Join(spec, f"join-{name}")
            for parent in all_of:
                made[parent].connect(join)
            join.connect(made[name])
        else:
            (made[all_of[0]] if all_of else spec.start).connect(made[name])
    return spec


def chain(length: int) -> WorkflowSpec:
    return spec_of({f"s{n}": [f"s{n - 1}"] if n else [] for n in range(length)})


def execute(disk: Disk, name: str, workflow: Any, steps: int) -> None:
    """Run what is ready, one after the other; write the state down before and after each step."""
    disk.save(name, workflow)
    done = 0
    while done < steps:
        task = workflow.get_next_task(state=TaskState.READY)
        task.run()
        if isinstance(task.task_spec, Number):
            done += 1
            disk.save(name, workflow)
    assert done == sum(isinstance(task.task_spec, Number) for task in completed(workflow))


def completed(workflow: Any) -> list[Any]:
    return list(workflow.get_tasks(state=TaskState.COMPLETED))


def _warm(disk: Disk) -> None:
    execute(disk, "warm", Workflow(chain(10)), 10)


def w1(case: Case) -> Found:
    disk, spec = Disk(case), chain(case.sizes.chain)
    _warm(disk)
    with measured(case.sizes.chain * case.sizes.chains) as found:
        for n in range(case.sizes.chains):
            execute(disk, str(n), Workflow(spec), case.sizes.chain)
    return disk.said(found)


def _once(case: Case, parents: Mapping[str, Sequence[str]]) -> Found:
    disk, spec = Disk(case), spec_of(parents)
    _warm(disk)
    with measured(len(parents)) as found:
        execute(disk, "x", Workflow(spec), len(parents))
    return disk.said(found)


def w2(case: Case) -> Found:
    wide: dict[str, Sequence[str]] = {f"s{n}": () for n in range(case.sizes.wide)}
    return _once(case, {**wide, "last": tuple(wide)})


def w3(case: Case) -> Found:
    disk, spec = Disk(case), chain(case.sizes.short)
    _warm(disk)
    with measured(case.sizes.short * case.sizes.executions) as found:
        for n in range(case.sizes.executions):
            execute(disk, str(n), Workflow(spec), case.sizes.short)
    return {
        **disk.said(found),
        "note": "one step at a time; W3 and W6: one execution after the other",
    }


def w5(case: Case) -> Found:
    """It waits in a step for people; its state is written, and the workflow let go of."""
    disk = Disk(case)
    _warm(disk)
    spec = WorkflowSpec("w", addstart=True)
    go = Simple(spec, "go", manual=True)
    spec.start.connect(go)
    go.connect(Number(spec, "done"))

    def batch(name: str) -> None:
        for n in range(case.sizes.waiting):
            workflow = Workflow(spec)
            workflow.run_all(halt_on_manual=True)
            assert workflow.get_next_task(state=TaskState.READY).task_spec is go
            disk.save(f"{name}-{n}", workflow)

    with measured(case.sizes.waiting) as found:
        batch("first")
    traced()
    batch("second")
    before = traced()
    for n in range(case.sizes.batches):
        batch(str(n))
    found["bytes"] = (traced() - before) / (case.sizes.waiting * case.sizes.batches)
    return disk.said(found)


def w6(case: Case) -> Found:
    sizes, log, disk = case.sizes, StepLog(case), Disk(case)
    spec = chain(sizes.short)
    spec_text = disk.serializer.serialize_workflow_spec(spec)
    begins = case.phase == "begin"
    for n in range(sizes.crashed):
        name = str(n)
        workflow = Workflow(spec) if begins else disk.load(name, spec_text)
        done = sum(isinstance(task.task_spec, Number) for task in completed(workflow))
        while done < (sizes.short // 2 if begins else sizes.short):
            task = workflow.get_next_task(state=TaskState.READY)
            if isinstance(task.task_spec, Number):
                log.write(name, done)
                task.run()
                done += 1
                disk.save(name, workflow)
            else:
                task.run()
    if begins:
        ready()
        time.sleep(3600)
    return disk.said({})


def w7(case: Case) -> Found:
    disk, spec, times = Disk(case), chain(1), []
    _warm(disk)
    with measured(case.sizes.single) as found:
        for n in range(case.sizes.single):
            started = time.perf_counter()
            execute(disk, str(n), Workflow(spec), 1)
            times.append(time.perf_counter() - started)
    found["ms"] = statistics.median(times) * 1e3
    return disk.said(found)


if __name__ == "__main__":
    main({"W1": w1, "W2": w2, "W3": w3, "W5": w5, "W6": w6, "W7": w7})
