"""The families of scenarios: one idea each of what may happen to an execution."""

from __future__ import annotations

from harness.families._table import FAMILIES, Family

__all__ = ("FAMILIES", "Family")
