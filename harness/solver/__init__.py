"""The solver: data that take a condition where one wants it."""

from __future__ import annotations

from harness.solver._solver import (
    ABSENT,
    FALSE,
    MISSING,
    NO_INPUT,
    TRUE,
    WRONG,
    EdgeValues,
    Pair,
    Solution,
    Solver,
    Unreachable,
    World,
    edge_values,
)

__all__ = (
    "ABSENT",
    "FALSE",
    "MISSING",
    "NO_INPUT",
    "TRUE",
    "WRONG",
    "EdgeValues",
    "Pair",
    "Solution",
    "Solver",
    "Unreachable",
    "World",
    "edge_values",
)
