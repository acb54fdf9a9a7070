"""Measured figures, kept beside the code: one entry for each thing that was measured."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "figures.json"


def keep(name: str, figures: dict[str, Any]) -> None:
    """Replace what is known of one thing, with when and on what it was measured."""
    found = kept()
    found[name] = {
        "measured": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M"),
        "python": platform.python_version(),
        "trio": importlib.metadata.version("trio"),
        **figures,
    }
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
    FILE.write_text(text + "\n", "utf-8")


def kept() -> dict[str, Any]:
    """Return everything that was measured so far."""
    if not FILE.exists():
        return {}
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found
