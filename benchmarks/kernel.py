"""What a step costs the kernel in a small graph and in a large one, as a ratio.

    python benchmarks/kernel.py [--times 3]

A chain of 10 steps, and 100 layers of 100 steps, each behind two of the layer above it, with at
most 50 attempts at a time; through the bare machine, so that nothing but the kernel is measured.
A step of the large graph may cost at most twice what one of the chain does: nothing in the kernel
looks at all steps. Loading is not counted; rebuilding from the history is, beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from trioflow import load_workflow
from trioflow.definitions._graph import Plan
from trioflow.kernel import _commands as c
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import Machine

LAYERS, WIDTH, LIMIT = 100, 100, 50
CHAIN = 10
GOAL = 2.0


def chain() -> Mapping[str, Any]:
    return {"id": "chain", "steps": [{"id": f"s{n}", "action": "work"} for n in range(CHAIN)]}


def layers() -> Mapping[str, Any]:
    steps = []
    for layer in range(LAYERS):
        for n in range(WIDTH):
            above = (n, (n + 1) % WIDTH) if layer else ()
            depends_on = [f"s{layer - 1}-{other}" for other in above]
            steps.append({"id": f"s{layer}-{n}", "action": "work", "depends_on": depends_on})
    return {"id": "layers", "steps": steps, "max_concurrent_steps": LIMIT}


def execute(plan: Plan) -> list[e.Event]:
    """Play an execution in which every attempt succeeds, the oldest one first."""
    machine = Machine(plan)
    history: list[e.Event] = []
    queued: deque[c.QueueAttempt] = deque()
    running: deque[c.QueueAttempt] = deque()

    def tell(fact: f.Fact) -> None:
        turn = machine.receive(fact)
        history.extend(turn.recorded)
        queued.extend(each for each in turn.commands if isinstance(each, c.QueueAttempt))

    tell(f.Start(0.0, "x"))
    while queued or running:
        if queued and len(running) < LIMIT:
            running.append(queued.popleft())
            tell(f.SlotsTaken(0.0, ((running[-1].address, running[-1].attempt),)))
        else:
            ended = running.popleft()
            tell(f.AttemptReturned(0.0, ended.address, ended.attempt, {"n": 1}))
    if machine.state.status != "COMPLETED":
        raise AssertionError(machine.state.status)
    return history


def measure(plan: Plan, times: int, executions: int) -> tuple[float, float]:
    """Return CPU seconds per step to execute, and to rebuild: the best of so many times."""
    forwards, backwards = [], []
    history: list[e.Event] = []
    for _ in range(times):
        start = time.process_time()
        for _ in range(executions):
            history = execute(plan)
        middle = time.process_time()
        for _ in range(executions):
            Machine.from_history(plan, history)
        end = time.process_time()
        steps = executions * len(plan.steps)
        forwards.append((middle - start) / steps)
        backwards.append((end - middle) / steps)
    return min(forwards), min(backwards)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    small = measure(load_workflow(chain()).plan, times, LAYERS * WIDTH // CHAIN)
    large = measure(load_workflow(layers()).plan, times, 1)
    for name, found in (("10-step chain", small), ("10,000-step graph", large)):
        executed, rebuilt = (seconds * 1e6 for seconds in found)
        print(f"{name:<18} {executed:5.1f} µs CPU a step, {rebuilt:5.1f} µs to rebuild it")
    ratio = large[0] / small[0]
    print(f"ratio {ratio:.2f} (goal: at most {GOAL:g})")
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
