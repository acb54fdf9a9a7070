"""The scenario harness: a workflow document in, its whole test suite out.

A `Scenario` tells one story of one execution: what its attempts do, and what is done to it.
`predict` says what the rules of ``docs/semantics.md`` make of it, without any of trioflow;
`play` lets the real engine have it, in virtual time; `check` compares the two. `scenarios` makes
all of them from a document, ``python -m harness generate`` writes them down as a test module.

The harness knows the engine by its public API alone, and nothing of trioflow ever imports it.
"""

from __future__ import annotations

from harness._scenario import (
    AfterWrite,
    AtTime,
    BeforeWrite,
    Call,
    Cancel,
    Crash,
    During,
    Expected,
    Hangs,
    Interrupt,
    Phase,
    Raises,
    Resume,
    Returns,
    Scenario,
    Signal,
)
from harness.oracle._history import facts_of
from harness.oracle._predict import Facts, expect, predict
from harness.playing._play import Mismatch, Observed, play
from harness.suites._library import Suite, check, check_crashes, scenarios, suite
from harness.suites._words import (
    cancelled,
    completed,
    ends,
    failed,
    hangs,
    paused,
    raises,
    returns,
    scenario,
    workflow,
)

__all__ = (
    "AfterWrite",
    "AtTime",
    "BeforeWrite",
    "Call",
    "Cancel",
    "Crash",
    "During",
    "Expected",
    "Facts",
    "Hangs",
    "Interrupt",
    "Mismatch",
    "Observed",
    "Phase",
    "Raises",
    "Resume",
    "Returns",
    "Scenario",
    "Signal",
    "Suite",
    "cancelled",
    "check",
    "check_crashes",
    "completed",
    "ends",
    "expect",
    "facts_of",
    "failed",
    "hangs",
    "paused",
    "play",
    "predict",
    "raises",
    "returns",
    "scenario",
    "scenarios",
    "suite",
    "workflow",
)
