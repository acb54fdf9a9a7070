"""How far a suite is that is being made: a big one takes a while, and somebody may sit there."""

from __future__ import annotations

from collections.abc import Callable

# They are told how many cases are looked at by now, and how many there are (0: nobody knows yet).
watchers: list[Callable[[int, int], None]] = []


def looked_at(count: int, of: int) -> None:
    """Tell everybody who watches that so many cases are looked at."""
    for each in watchers:
        each(count, of)
