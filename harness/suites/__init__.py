"""Suites: all scenarios of a document with what is expected of each; checked, and written down."""

from __future__ import annotations

from harness.suites._checking import check, check_crashes
from harness.suites._library import Suite, scenarios, suite

__all__ = ("Suite", "check", "check_crashes", "scenarios", "suite")
