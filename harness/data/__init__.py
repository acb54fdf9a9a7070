"""Data for scenarios: values that fit a schema, the smallest first, and labelled misfits."""

from __future__ import annotations

from harness.data._making import (
    CannotGenerate,
    Violation,
    candidates,
    is_fitting,
    smallest,
    violations,
)

__all__ = ("CannotGenerate", "Violation", "candidates", "is_fitting", "smallest", "violations")
