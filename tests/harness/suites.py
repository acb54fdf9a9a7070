"""The generated suites of the fixtures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import harness
from harness.suites._library import Told

FIXTURES = Path(__file__).parents[1] / "fixtures"


@lru_cache
def told(document: str, family: str) -> Mapping[str, Told]:
    """Return the scenarios of a family, by their ids."""
    path = FIXTURES / f"{document}.workflow.json"
    return {each.id: each for each in harness.scenarios(path, families=[family])}
