"""Burr with its SQLite persister: the state is saved after each action, in a commit of its own.

An application is one chain of actions at a time, so W2 and W4 are not among its workloads, and the
executions of W3 and W6 are done one after the other. WAL is set for its file; it has the default
journal otherwise, which is slower and as durable.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from burr.core import ApplicationBuilder, State, action
from burr.core.persistence import SQLitePersister
from workloads import Case, Found, StepLog, main, measured, ready, set_durability, traced

Act = Callable[[str, int], None]


def _persister(case: Case) -> tuple[SQLitePersister, str]:
    persister = SQLitePersister(str(case.database), connect_kwargs={"check_same_thread": False})
    durability = set_durability(persister.connection, case.durability)
    persister.initialize()
    return persister, durability


def _step(n: int, execution: str, act: Act | None) -> Any:
    @action(reads=[], writes=["n"])
    def number(state: State) -> State:
        if act is not None:
            act(execution, n)
        return state.update(n=n)

    return number


def build(persister: Any, execution: str, length: int, act: Act | None = None) -> Any:
    """Return an application; it goes on where its last state is, if there is one."""
    return (
        ApplicationBuilder()
        .with_actions(**{f"s{n}": _step(n, execution, act) for n in range(length)})
        .with_transitions(*((f"s{n}", f"s{n + 1}") for n in range(length - 1)))
        .initialize_from(
            persister,
            resume_at_next_action=True,
            default_state={"n": 0},
            default_entrypoint="s0",
        )
        .with_state_persister(persister)
        .with_identifiers(app_id=execution, partition_key="p")
        .build()
    )


def execute(app: Any, length: int) -> None:
    app.run(halt_after=[f"s{length - 1}"])


def said(found: Found, durability: str, note: str = "") -> Found:
    return {
        **found,
        "durability": f"{durability} (WAL was set for it)",
        "versions": f"burr {version('burr')}",
        "note": note,
    }


def w1(case: Case) -> Found:
    persister, durability = _persister(case)
    execute(build(persister, "warm", 10), 10)
    length = case.sizes.chain
    apps = [build(persister, str(n), length) for n in range(case.sizes.chains)]
    with measured(length * case.sizes.chains) as found:
        for app in apps:
            execute(app, length)
    return said(found, durability)


def w3(case: Case) -> Found:
    persister, durability = _persister(case)
    length = case.sizes.short
    execute(build(persister, "warm", 10), 10)
    with measured(length * case.sizes.executions) as found:
        for n in range(case.sizes.executions):
            execute(build(persister, str(n), length), length)
    return said(
        found, durability, "W3 and W6: one execution after the other; a start is not recorded"
    )


def w5(case: Case) -> Found:
    """It waits before its second action: its state is saved, and the application let go of."""
    persister, durability = _persister(case)
    execute(build(persister, "warm", 10), 10)

    def batch(name: str) -> None:
        for n in range(case.sizes.waiting):
            build(persister, f"{name}-{n}", 2).run(halt_before=["s1"])

    with measured(case.sizes.waiting) as found:
        batch("first")
    traced()
    batch("second")
    before = traced()
    for n in range(case.sizes.batches):
        batch(str(n))
    found["bytes"] = (traced() - before) / (case.sizes.waiting * case.sizes.batches)
    return said(found, durability)


def w6(case: Case) -> Found:
    sizes, log = case.sizes, StepLog(case)
    persister, durability = _persister(case)
    length = sizes.short
    for n in range(sizes.crashed):
        app = build(persister, str(n), length, log.write)
        if case.phase == "begin":
            app.run(halt_before=[f"s{length // 2}"])
        else:
            execute(app, length)
    if case.phase == "begin":
        ready()
        time.sleep(3600)
    return said({}, durability)


def w7(case: Case) -> Found:
    persister, durability = _persister(case)
    execute(build(persister, "warm", 10), 10)
    times = []
    with measured(case.sizes.single) as found:
        for n in range(case.sizes.single):
            started = time.perf_counter()
            execute(build(persister, str(n), 1), 1)
            times.append(time.perf_counter() - started)
    found["ms"] = statistics.median(times) * 1e3
    return said(found, durability)


if __name__ == "__main__":
    main({"W1": w1, "W3": w3, "W5": w5, "W6": w6, "W7": w7})
