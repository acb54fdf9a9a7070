"""Scenarios on the real engine: played in virtual time, watched, compared, and drawn."""

from __future__ import annotations

from harness.playing._compare import Mismatch, compare, compare_after_deaths
from harness.playing._observing import observe, writes_of
from harness.playing._play import play
from harness.playing._real import check_real, judge, recorded
from harness.playing._schedule import scheduled
from harness.playing._seen import Death, Observed
from trioflow.testing import Deadlock

__all__ = (
    "Deadlock",
    "Death",
    "Mismatch",
    "Observed",
    "check_real",
    "compare",
    "compare_after_deaths",
    "judge",
    "observe",
    "play",
    "recorded",
    "scheduled",
    "writes_of",
)
