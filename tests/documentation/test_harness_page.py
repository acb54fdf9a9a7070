"""docs/harness.md explains every family of scenarios, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from harness.families import FAMILIES

PAGE = (Path(__file__).parents[2] / "docs" / "harness.md").read_text(encoding="utf-8")


def test_every_family_has_its_row_and_no_row_is_left_over() -> None:
    """In the order in which suites tell them; `crash` is made of the others, and comes last."""
    _, _, section = PAGE.partition("\n## The families\n")
    rows = re.findall(r"^\| `([\w-]+)` \| \S+ \S+", section.partition("\n## ")[0], re.MULTILINE)

    assert [*FAMILIES, "crash"] == rows
