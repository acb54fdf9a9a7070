"""The laws of the kernel, over random graphs and schedules (most of them are in `playing.Laws`)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernel.graphs import Case, make_case
from tests.kernel.playing import Play, failure, observe
from tests.kernel.schedules import POLICIES, Schedule, check_end, outcome, play_case
from trioflow.kernel import _commands as c
from trioflow.kernel import _facts as f
from trioflow.kernel._machine import Machine
from trioflow.kernel._states import ENDED

seeds = st.integers(0, 2**32)
few = settings(max_examples=40, deadline=None, database=None, derandomize=True)


def any_case(random: Random) -> Case:
    return make_case(
        random,
        first=random.random() < 0.4,
        timed=random.random() < 0.4,
        rich=random.random() < 0.5,
    )


@given(seeds)
@few
def test_every_turn_keeps_the_laws(seed: int) -> None:
    """Same facts, same turn; rebuilt from the history, the same machine; and so on."""
    random = Random(seed)
    case = any_case(random)
    workflow = case.workflow(random.choice(POLICIES))
    how = {
        # That an item is in the queue is not recorded, and during a pause it is not found out
        # again: a history read anew then lacks its `ItemCancelled`, though nothing else.
        "pauses": random.random() < 0.3 and not case.rich,
        "crashes": random.choice((0, 0, 2)),
        "cancels": random.random() < 0.3,
    }

    check_end(play_case(case, workflow, random, checked=True, **how))


class Interrupted(Schedule):
    """A schedule in which the process is lost after a certain turn."""

    lost_after: int = 0

    def run(self) -> Play:
        tell = self.play.tell
        turns = 0

        def count(fact: f.Fact) -> Any:
            nonlocal turns
            turn = tell(fact)
            turns += 1
            if turns == self.lost_after:
                self.play.tell = tell  # type: ignore[method-assign]
                self.play.crash()
            return turn

        self.play.tell = count  # type: ignore[method-assign]
        if self.lost_after == 0:
            self.play.crash()
        super().run()
        self.turns = turns
        return self.play


@given(seeds)
@settings(few, max_examples=12)
def test_a_crash_after_any_turn_changes_no_outcome(seed: int) -> None:
    """Doing again what is outstanding is safe: same statuses, same connections, same end."""
    random = Random(seed)
    case = make_case(random)
    workflow = case.workflow("continue")
    expected = outcome(play_case(case, workflow, random))
    lost_after, turns = 0, 1
    while lost_after <= turns:
        play = Play(workflow, case.input, checked=False)
        schedule = Interrupted(case, play, Random(seed), 3)
        schedule.lost_after = lost_after
        schedule.run()

        assert expected == outcome(play)

        turns = max(turns, schedule.turns)
        lost_after += 1


@given(seeds)
@settings(few, max_examples=12)
def test_a_history_can_be_read_up_to_the_end_of_any_turn(seed: int) -> None:
    """And the machine then has a way to an end: answering everything gets it there."""
    random = Random(seed)
    case = any_case(random)
    workflow = case.workflow(random.choice(POLICIES))
    play = Play(workflow, case.input, checked=False)
    ends: list[int] = []
    tell = play.tell

    def remember(fact: f.Fact) -> Any:
        turn = tell(fact)
        ends.append(len(play.history))
        return turn

    play.tell = remember  # type: ignore[method-assign]
    Schedule(case, play, random, 2).run()
    for end in ends:
        prefix = Play(workflow, checked=False, start=False)
        prefix.history = play.history[:end]
        prefix.crash(play.now)
        check_end(Schedule(case, prefix, random, 2).run() if not prefix.finished else prefix)


@given(seeds)
@few
def test_a_cancel_ends_an_execution_whatever_it_is_doing(seed: int) -> None:
    """Every reachable state has a way to an end that needs nobody but its attempts."""
    random = Random(seed)
    case = any_case(random)
    play = Play(case.workflow(random.choice(POLICIES)), case.input, checked=False)
    schedule = Schedule(case, play, random, 2, pauses=True)
    for _ in range(random.randint(0, 12)):
        if not play.finished:
            random.choice(tuple(schedule._choices()))()
    if not play.finished:
        play.cancel(grace=random.choice((0.0, 5.0, None)))
    while play.running or play.children or play.queued:
        if play.children:
            play.child_ends(next(iter(play.children)), "CANCELLED")
            continue
        for name in play.queue[: not play.running]:
            play.take(name)
        play.bad(str(next(iter(play.running))[0]))

    check_end(play)


@given(seeds)
@few
def test_what_is_late_or_doubled_or_was_never_asked_for_is_ignored(seed: int) -> None:
    random = Random(seed)
    case = any_case(random)
    play = play_case(case, case.workflow("cancel"), random)
    machine = Machine(play.plan)
    twin = Machine(play.plan)
    addresses = [
        f.Address(step.id, role) for step in play.plan.steps for role in ("step", "fallback")
    ]
    told: list[f.Fact] = []

    def both(fact: f.Fact) -> None:
        assert machine.receive(fact) == twin.receive(fact)

    both(f.Start(0, "x", case.input))
    queued: list[tuple[f.Address, int]] = [
        (command.address, command.attempt)
        for command in machine.outstanding()
        if isinstance(command, c.QueueAttempt)
    ]
    for address, attempt in queued:
        for fact in (
            f.SlotsTaken(0, ((address, attempt),)),
            f.AttemptReturned(0, address, attempt, {"n": 1, "s": "x"}),
        ):
            both(fact)
            told.append(fact)
        before = observe(machine)
        noise: list[Callable[[], f.Fact]] = [
            lambda: random.choice(told),
            lambda: f.AttemptRaised(0, random.choice(addresses), random.choice((0, 9)), failure()),
            lambda: f.AttemptLeft(0, random.choice(addresses), 7),
            lambda: f.SlotsTaken(0, ((random.choice(addresses), 8),)),
        ]
        for _ in range(5):
            turn = machine.receive(random.choice(noise)())

            assert ((), ()) == (turn.recorded, turn.commands)
            assert before == observe(machine)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_nothing_follows_the_last_event(policy: str) -> None:
    for seed in range(20):
        random = Random(seed)
        case = any_case(random)
        play = play_case(case, case.workflow(policy), random)

        assert play.history[-1].type in (
            "ExecutionCompleted",
            "ExecutionFailed",
            "ExecutionCancelled",
        )
        assert play.status in ENDED
        assert not any(
            event.type.startswith("Execution")
            for event in play.history[1:-1]
            if event.type not in ("ExecutionPaused", "ExecutionResumed")
        )
