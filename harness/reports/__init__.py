"""Reports: which of a document's obligations were seen to be met, and which were not.

`python -m harness report` plays a suite and writes one. A test runner collects the same while it
plays what it has to play anyway:

    with listening() as entries:        # in every process that plays
        ...
    made = report(document, entries)    # in one of them
    write(made, directory)

An `Entry` is what was seen of one scenario; it goes through JSON (`to_json`, `from_json`), so
other processes can send theirs.
"""

from __future__ import annotations

from harness.reports._entries import Entry, entry_of, listening, played
from harness.reports._reporting import Report, report
from harness.reports._text import as_json, text
from harness.reports._writing import FORMATS, write

__all__ = (
    "FORMATS",
    "Entry",
    "Report",
    "as_json",
    "entry_of",
    "listening",
    "played",
    "report",
    "text",
    "write",
)
