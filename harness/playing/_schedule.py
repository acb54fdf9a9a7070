"""Schedules: trio runs what can run at one instant in any order; a seed makes it one order.

This is the one file that knows names of trio which trio does not promise. If they change, the
canary in the tests says so.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import trio._core._run as scheduler


class ScheduleChanged(RuntimeError):
    """Trio has no scheduler of the kind that can be seeded here."""


@contextmanager
def scheduled(seed: int) -> Iterator[None]:
    """Let trio shuffle by this seed while the block runs, and as before after it.

    For a `trio.run` that begins in the block. Two of them with one seed take the tasks in one
    order, as far as these do the same and no thread and no network is waited for.

    Raises `ScheduleChanged` if this trio cannot be seeded.
    """
    dice = getattr(scheduler, "_r", None)
    flag = "_ALLOW_DETERMINISTIC_SCHEDULING"
    sorting = getattr(scheduler, flag, None)
    if not isinstance(dice, random.Random) or sorting is None:
        raise ScheduleChanged(
            "this version of trio keeps the dice of its scheduler elsewhere, so schedules cannot "
            f"be seeded: look for what shuffles the batch in {scheduler.__file__}"
        )
    # Dice of its own: to keep and put back the 625 numbers of those that are there takes longer.
    scheduler._r = random.Random(seed)  # noqa: S311 - it shuffles
    # Without it the tasks that are to be shuffled come in an order that depends on addresses.
    setattr(scheduler, flag, True)
    try:
        yield
    finally:
        setattr(scheduler, flag, sorting)
        scheduler._r = dice
