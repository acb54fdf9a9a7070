"""Durations and instants, in words."""

from __future__ import annotations

from datetime import datetime


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


def instant(at: float) -> str:
    """Return an instant as local time, to the second, with its distance from UTC."""
    try:
        local = datetime.fromtimestamp(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"
    return local.strftime("%Y-%m-%d %H:%M:%S %z")
