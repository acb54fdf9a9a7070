"""Reports as files: text, JSON, HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness.reports._page import page
from harness.reports._reporting import Report
from harness.reports._text import as_json, text
from harness.suites._files import written


def _json(report: Report) -> str:
    return json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Report], str]]] = {
    "text": (".txt", text),
    "json": (".json", _json),
    "html": (".html", page),
}


def write(report: Report, folder: Path, formats: Iterable[str] = tuple(FORMATS)) -> list[Path]:
    """Write a report into a folder, one file for each format, and return their paths.

    Files are named after the document: ``order.html``. The folder is made if it is not there.
    """
    # The id of a workflow may be any text.
    name = re.sub(r"[^\w.-]+", "_", report.id).strip("._") or "workflow"
    paths = []
    for each in formats:
        ending, make = FORMATS[each]
        path = folder / f"{name}{ending}"
        written(path, make(report))
        paths.append(path)
    return paths
