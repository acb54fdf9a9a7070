"""The oracle: what the rules of ``docs/semantics.md`` make of a scenario, without any of trioflow.

It reads documents, conditions and templates by itself, and simulates executions in virtual time.
"""

from __future__ import annotations

from harness.oracle._history import facts_of
from harness.oracle._predict import Facts, expect, predict

__all__ = ("Facts", "expect", "facts_of", "predict")
