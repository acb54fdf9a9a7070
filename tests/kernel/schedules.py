"""Random graphs, each under many schedules: what may depend on timing, and what may not.

    python -m tests.kernel.schedules --graphs 20000 --seed 1

Every graph is executed under the three `on_failure` policies. Under `continue`, and without a
`first` step or a timeout, every schedule has to come to what the reference model expects; under
the others, whatever ended before the stopping has to have ended like that. Every execution ends.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import attrs

if not __package__:
    # Run as a file: behind what is installed, so that this is what is tested.
    sys.path.append(str(Path(__file__).parents[2]))

from tests.kernel.graphs import Case, make_case
from tests.kernel.playing import Key, Play, decided, failure, missing_inputs
from tests.kernel.reference import Expected, expect
from trioflow.definitions._model import Workflow
from trioflow.kernel import _events as e
from trioflow.kernel import _facts as f

POLICIES = ("continue", "cancel", "finish")
SCHEDULES = 8
# An execution takes a few hundred turns at most; one that takes more will never end.
MOST_TURNS = 5_000


@attrs.define
class Schedule:
    """One way in which things may come about in time: a driver that throws dice."""

    case: Case
    play: Play
    random: Random
    slots: int
    pauses: bool = False
    # How often the process is lost; more than two crashes of one attempt would fail it.
    crashes: int = 0
    cancels: bool = False
    _answered: dict[str, int] = attrs.field(factory=dict)
    _decisions: dict[str, int] = attrs.field(factory=dict)
    # Children that are PAUSED, by address; each of them may be so once.
    _paused_children: dict[str, bool] = attrs.field(factory=dict)

    def run(self) -> Play:
        play = self.play
        play.free_slots = self._free_slots
        turns = itertools.count()
        while not play.finished:
            assert next(turns) < MOST_TURNS, "it does not come to an end"
            choice = self.random.choice(tuple(self._choices()))
            choice()
        return play

    def _choices(self) -> Iterator[Any]:
        play = self.play
        if play.queued and len(play.running) < self.slots:
            yield self._take
            yield self._take
        if play.running:
            yield self._answer
            yield self._answer
        state = play.machine.state
        if state.paused or state.waiting_connections or state.pause:
            yield self._bring
        if play.machine.deadline is not None:
            yield self._let_time_pass
        if play.children:
            yield self._child
        if self.crashes and self.random.random() < 0.1:
            yield self._crash
        if self.pauses and not state.pause and state.stopping is None:
            yield play.pause
        if self.cancels and self.random.random() < 0.2:
            yield self._cancel

    def _free_slots(self) -> int:
        """Sometimes attempts start at once, sometimes all of them have to queue."""
        free = 0 if self.play.queued else self.slots - len(self.play.running)
        return self.random.choice((0, max(0, free)))

    def _take(self) -> None:
        # A slot goes to the one that has waited longest.
        key = next(iter(self.play.queued))
        del self.play.queued[key]
        self.play.tell(f.SlotsTaken(self.play.now, (key,)))

    def _answer(self) -> None:
        play = self.play
        key = self.random.choice(tuple(play.running))
        del play.running[key]
        asked_to_stop = play.stopping.pop(key, key) is None
        if asked_to_stop and self.random.random() < 0.7:
            what = None if self.random.random() < 0.7 else failure("cleanup")
            play.tell(f.AttemptStopped(play.now, *key, what))
            return
        outcome = self._outcome(key)
        if isinstance(outcome, str):
            chance = self.random.random()
            play.tell(f.AttemptRaised(play.now, *key, failure(outcome), chance))
        else:
            play.tell(f.AttemptReturned(play.now, *key, outcome))

    def _child(self) -> None:
        """Let a child end, or pause, or go on."""
        play, random = self.play, self.random
        name = random.choice(tuple(play.children))
        address = play.children[name].address
        stopping = play.machine.state.stopping is not None
        if self._paused_children.get(name):
            self._paused_children[name] = False
            play.tell(f.ChildResumed(play.now, address))
        elif name not in self._paused_children and random.random() < 0.2 and not stopping:
            self._paused_children[name] = True
            play.tell(f.ChildPaused(play.now, address))
        elif stopping and random.random() < 0.7:
            play.child_ends(name, "CANCELLED")
        else:
            outcome = self.case.outcomes[address.step][(address.item or 0) % 3]
            if isinstance(outcome, str):
                play.child_ends(name, "FAILED", None, failure(outcome))
            else:
                play.child_ends(name, "COMPLETED", outcome)

    def _outcome(self, key: Key) -> Any:
        address = key[0]
        name = str(address)
        if address.role == "compensate":
            return self.case.outcomes[address.step][0]
        number = self._answered.get(name, 0)
        self._answered[name] = number + 1
        outcomes = self.case.outcomes[str(address._replace(item=None))]
        return outcomes[min(number + (address.item or 0), len(outcomes) - 1)]

    def _let_time_pass(self) -> None:
        deadline = self.play.machine.deadline
        assert deadline is not None
        self.play.pass_to(deadline + self.random.choice((0, 0, 1)))

    def _bring(self) -> None:
        """Answer something that is waited for, or end a pause."""
        play, random = self.play, self.random
        waiting = play.machine.waiting_for()
        if not waiting:
            return
        entry = random.choice(waiting)
        if entry.kind == "signal":
            play.signal(entry.name, self.case.payloads[str(entry.step)])
        elif entry.kind == "decision":
            number = self._decisions.get(str(entry.step), 0)
            self._decisions[str(entry.step)] = number + 1
            decision = self.case.decisions[str(entry.step).partition("[")[0]][number]
            play.resume(decisions={str(entry.step): decision})
        elif entry.kind == "input":
            wanted = {entry.name, *random.sample(missing_inputs(waiting), 1)}
            keys = [path.removeprefix("input.") for path in wanted]
            play.resume({key: self.case.values[key] for key in keys})
        else:
            play.resume()

    def _crash(self) -> None:
        self.crashes -= 1
        self.play.crash()

    def _cancel(self) -> None:
        self.play.cancel("enough", self.random.choice((0.0, 2.0, None)))
        self.cancels = False


def play_case(
    case: Case, workflow: Workflow, random: Random, *, checked: bool = False, **how: Any
) -> Play:
    """Execute a case under a random schedule."""
    play = Play(workflow, case.input, checked=checked)
    return Schedule(case, play, random, random.choice((1, 2, 3, 50)), **how).run()


def outcome(play: Play) -> Expected:
    return Expected(
        play.statuses,
        {step: play.code_of(step) for step in play.statuses},
        play.decided,
        play.status,
    )


def before_stopping(play: Play) -> dict[str, str]:
    """Return the statuses of the steps that had ended when it began to stop."""
    found = {}
    for event in play.history:
        if isinstance(event, e.StoppingStarted):
            break
        if isinstance(event, (e.StepCompleted, e.StepFailed, e.StepSkipped)):
            found[event.step] = play.status_of(event.step)
    return found


def check_case(case: Case, random: Random, schedules: int = SCHEDULES) -> int:
    """Execute a case under every policy and many schedules; return how many executions it took."""
    settled = not (case.first or case.timed)
    # What the reference model does not know, the first schedule tells.
    expected = expect(case) if settled and not case.rich else None
    for policy in POLICIES:
        workflow = case.workflow(policy)
        for number in range(schedules):
            play = play_case(
                case,
                workflow,
                random,
                pauses=number == 1,
                crashes=2 * (number == 2),
                cancels=number == 3 and not settled,
            )
            check_end(play)
            if settled:
                expected = expected or outcome(play)
                check_expected(policy, play, expected)
    return len(POLICIES) * schedules


def check_end(play: Play) -> None:
    state = play.machine.state

    assert state.open == 0
    assert state.status in ("COMPLETED", "FAILED", "CANCELLED")
    assert not play.running
    assert not play.children
    assert state.stopping is None or undone_as_it_should(play)
    if state.stopping is None:
        assert None not in state.decided
        assert "CANCELLED" not in play.statuses.values()


def undone_as_it_should(play: Play) -> bool:
    """Whether what was completed was undone or not, the last first, one at a time."""
    undone = [
        (event.step, event.item)
        for event in play.history
        if isinstance(event, (e.StepCompensated, e.CompensationFailed))
    ]
    completed = [
        (event.step, getattr(event, "item", None))
        for event in play.history
        if isinstance(event, (e.StepCompleted, e.ItemCompleted))
        and (step := play.machine.state.step(event.step).planned).compensate is not None
        and (step.for_each is None or isinstance(event, e.ItemCompleted))
    ]
    return undone == completed[::-1]


def check_expected(policy: str, play: Play, expected: Expected) -> None:
    found = outcome(play)
    if policy == "continue" or play.machine.state.stopping is None:
        assert expected == found
        return
    assert expected.status == "FAILED" == found.status
    ended = before_stopping(play)
    assert {step: expected.statuses[step] for step in ended} == ended
    for connection, value in decided(play.machine).items():
        assert value in (None, expected.decided[connection])


def make(seed: int, number: int) -> tuple[Case, Random]:
    """Return a case and the dice for its schedules, the same ones each time."""
    random = Random(f"{seed}/{number}")
    kind = number % 10
    rich = kind in (6, 9) or (kind == 8 and number % 20 == 8)
    return make_case(random, first=kind in (7, 8), timed=kind in (8, 9), rich=rich), random


def _check_some(task: tuple[int, range]) -> tuple[int, str | None]:
    seed, numbers = task
    executions = 0
    for number in numbers:
        case, random = make(seed, number)
        try:
            executions += check_case(case, random)
        except Exception as error:  # noqa: BLE001
            lines = str(error).splitlines() or ["(no message)"]
            return executions, (
                f"graph {number} of seed {seed}: {type(error).__name__}: {lines[0]}\n"
                f"  --seed {seed} --only {number}\n{json.dumps(attrs.asdict(case))}"
            )
    return executions, None


def _tasks(seed: int, graphs: int, size: int = 100) -> Iterable[tuple[int, range]]:
    for start in range(0, graphs, size):
        yield seed, range(start, min(start + size, graphs))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", nargs="?", type=int, help="the same as --graphs")
    parser.add_argument("--graphs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="execute this graph only, and fail loudly")
    arguments = parser.parse_args()
    if arguments.only is not None:
        case, random = make(arguments.seed, arguments.only)
        print(check_case(case, random), "executions")
        return 0
    graphs = arguments.number or arguments.graphs
    start, executions = time.perf_counter(), 0
    with multiprocessing.Pool() as pool:
        for done, problem in pool.imap_unordered(_check_some, _tasks(arguments.seed, graphs)):
            executions += done
            if problem is not None:
                print(problem)
                return 1
    seconds = time.perf_counter() - start
    print(
        f"{graphs} graphs x {SCHEDULES} schedules x {len(POLICIES)} policies: "
        f"{executions} executions in {seconds:.0f} s (seed {arguments.seed})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
