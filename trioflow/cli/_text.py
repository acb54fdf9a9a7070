"""Words for people: durations, instants, JSON in one line; and nothing that a terminal obeys.

Ids, outputs and messages come from documents, from actions, from whoever wrote to a log. They
are shown, never interpreted: control characters as escapes, and (see `_output.py`) no markup.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: object) -> str:
    r"""Return the text in one line, with everything that does not print as an escape (``\x1b``).

    That covers control characters, and those that turn the direction of writing.
    """
    found = str(text)
    if found.isprintable():
        return found
    return "".join(
        character if character.isprintable() else _NAMED.get(character) or _escape(character)
        for character in found
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def shorten(text: str, length: int) -> str:
    """Return the text, or its beginning with an ellipsis, in at most `length` characters."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


def inline(value: Any, length: int = 200) -> str:
    """Return a JSON value in one line, shortened."""
    return shorten(plain(json.dumps(value, ensure_ascii=False)), length)


def pretty(value: Any) -> str:
    """Return a JSON value as people like to read it; it is still JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    # JSON escapes control characters itself; what is left are line breaks of its own making, and
    # characters like U+202E, for which JSON has an escape as well.
    return "\n".join(
        "".join(
            character if character.isprintable() else _json_escape(character) for character in line
        )
        for line in text.split("\n")
    )


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def duration(seconds: float) -> str:
    """Return a duration: ``12 ms``, ``0.20 s``, ``3.4 s``, ``2 min 05 s``, ``3 h 20 min``."""
    seconds = max(seconds, 0.0)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 0.9995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def since(seconds: float) -> str:
    """Return the time since a start for a column: seconds with two digits, ``   12.05``."""
    return f"{max(seconds, 0.0):8.2f}"


def instant(at: float, *, seconds: bool = True) -> str:
    """Return an instant as local time."""
    try:
        local = datetime.fromtimestamp(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"
    return local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def count(number: int, what: str) -> str:
    """Return ``1 step``, ``2 steps``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def pairs(values: Mapping[str, Any]) -> str:
    """Return ``key=value`` for each entry."""
    return "  ".join(f"{plain(key)}={plain(value)}" for key, value in values.items())


def bar(done: float, width: int, *, full: str, empty: str) -> tuple[str, str]:
    """Return the two parts of a bar, of which `done` (0 to 1) is full."""
    filled = min(width, max(0, math.floor(done * width + 1e-9)))
    return full * filled, empty * (width - filled)
