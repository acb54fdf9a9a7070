"""Durations (seconds, or text like ``1h30m``) and instants (ISO 8601 with an offset)."""

from __future__ import annotations

import re
from datetime import datetime

from trioflow.definitions._faults import kind, shown

# Largest first: a duration is written in this order, each unit at most once.
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile("".join(f"(?:({_NUMBER}){unit})?" for unit in _UNITS))
_BARE_NUMBER = re.compile(rf"[+-]?{_NUMBER}")

# About 3,000 years. Longer is a slip of the pen, and instants computed from it would leave the
# range of the calendar.
LONGEST = 1e11

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)

_HOW = 'write seconds, or text like "500ms", "90s", "15m", "2h", "7d" or "1h30m"'


def parse_duration(value: object) -> float:
    """Return the seconds that a duration of a document means.

    Raises `ValueError`, with a sentence for the author, for everything that is none: durations
    are above 0, and booleans are not numbers.
    """
    match value:
        case bool():
            raise ValueError(f"a duration cannot be a boolean; {_HOW}")
        case int() | float():
            return _checked(value)
        case str():
            return _checked(_from_text(value), value)
        case _:
            raise ValueError(f"a duration cannot be {kind(value)}; {_HOW}")


def _from_text(text: str) -> float:
    # Nobody writes a duration of 64 characters, and float() of a million digits takes its time.
    match = _DURATION.fullmatch(text.strip()) if len(text) <= 64 else None
    if match is not None and any(match.groups()):
        amounts = zip(match.groups(), _UNITS.values(), strict=True)
        # Milliseconds divide: 500 * 0.001 is exact, but 0.7 * 0.001 is not what 0.0007 is.
        return sum(
            float(amount) * unit if unit >= 1 else float(amount) / 1000
            for amount, unit in amounts
            if amount
        )
    if _BARE_NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{shown(text)} has no unit; {_HOW}")
    raise ValueError(f"{shown(text)} is not a duration; {_HOW}")


def _checked(seconds: float, written: object = None) -> float:
    text = shown(seconds if written is None else written)
    # Not `seconds <= 0`: NaN is not above 0 either.
    if not seconds > 0:
        raise ValueError(f"a duration is above 0, not {text}")
    if seconds > LONGEST:
        raise ValueError(f"{text} is more than the {LONGEST:.0f} seconds that a duration may have")
    return float(seconds)


def parse_instant(value: object) -> float:
    """Return the instant, in seconds since 1970 in UTC, that an ISO 8601 text means.

    The offset is required: without one the text means another instant on every machine. Raises
    `ValueError`, with a sentence for the author, for everything else.
    """
    if not isinstance(value, str):
        raise ValueError(f"an instant is ISO 8601 text, not {kind(value)}")
    match = _INSTANT.fullmatch(value.strip())
    if match is None:
        raise ValueError(
            f"{shown(value)} is not an instant; "
            'write ISO 8601 with an offset, like "2030-12-31T08:00:00+01:00"'
        )
    if match["offset"] is None:
        raise ValueError(
            f'{shown(value)} has no offset from UTC; add one, like "+01:00", or "Z" for UTC'
        )
    try:
        # Upper case, as Python 3.11 knows no "z" and no "t".
        return datetime.fromisoformat(value.strip().upper()).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(value)} is not in the calendar: {error}") from None
