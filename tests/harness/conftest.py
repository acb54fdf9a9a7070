"""What the differential test has played, in sum, if more than the usual few were asked for."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found = Counter[str]()
    # Reports of a teardown that went well have no name: it is there that a test leaves its figures.
    for report in terminalreporter.stats.get("", ()):
        for name, value in getattr(report, "user_properties", ()):
            if name == "fuzz" and report.when == "teardown":
                found.update(value)
    if not found or "HARNESS_EXAMPLES" not in os.environ:
        return
    terminalreporter.section("oracle and engine")
    counts = ", ".join(f"{found[key]} {key}" for key in ("examples", "events", "deaths"))
    terminalreporter.line(counts)
    kinds = sorted((count, kind) for kind, count in found.items() if kind.startswith("with "))
    for count, kind in reversed(kinds):
        terminalreporter.line(f"{count:8} {kind}")
