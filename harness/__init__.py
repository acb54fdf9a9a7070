"""The scenario harness: a workflow document in, its whole test suite out.

A `Scenario` tells one story of one execution: what its attempts do, and what is done to it.
`predict` says what the rules of ``docs/semantics.md`` make of it, without any of trioflow;
`play` lets the real engine have it, in virtual time; `check` compares the two. `scenarios` makes
all of them from a document, ``python -m harness generate`` writes them down as a test module.

The harness knows the engine by its public API alone, and nothing of trioflow ever imports it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import data as data
    from harness import families as families
    from harness import oracle as oracle
    from harness import playing as playing
    from harness import reports as reports
    from harness import solver as solver
    from harness import suites as suites
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
    from harness.suites._checking import check, check_crashes
    from harness.suites._library import Suite, scenarios, suite
    from harness.suites._promises import ActionsWarning
    from harness.suites._relations import check_relations
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
else:
    # Not for type checkers: they would take any name for one of this package.
    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"harness.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'harness' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


# Where each name lives. It is imported when somebody asks for it: pytest imports this package with
# its plugin, in every project, and that must cost nothing.
_HOMES = {
    name: home
    for home, names in {
        "harness._scenario": (
            "AfterWrite",
            "AtTime",
            "BeforeWrite",
            "Call",
            "Cancel",
            "Crash",
            "During",
            "Expected",
            "Hangs",
            "Interrupt",
            "Phase",
            "Raises",
            "Resume",
            "Returns",
            "Scenario",
            "Signal",
        ),
        "harness.oracle._history": ("facts_of",),
        "harness.oracle._predict": (
            "Facts",
            "expect",
            "predict",
        ),
        "harness.playing._play": (
            "Mismatch",
            "Observed",
            "play",
        ),
        "harness.suites._checking": (
            "check",
            "check_crashes",
        ),
        "harness.suites._library": (
            "Suite",
            "scenarios",
            "suite",
        ),
        "harness.suites._promises": ("ActionsWarning",),
        "harness.suites._relations": ("check_relations",),
        "harness.suites._words": (
            "cancelled",
            "completed",
            "ends",
            "failed",
            "hangs",
            "paused",
            "raises",
            "returns",
            "scenario",
            "workflow",
        ),
    }.items()
    for name in names
}
_MODULES = ("data", "families", "oracle", "playing", "reports", "solver", "suites")

__all__ = (
    "ActionsWarning",
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
    "check_relations",
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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
