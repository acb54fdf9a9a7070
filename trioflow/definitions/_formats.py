"""The formats of JSON Schema that are checked. Others are allowed, with a warning."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from jsonschema import FormatChecker

FORMATS = FormatChecker(formats=("date", "email", "ipv4", "ipv6", "uuid"))

_HOURS = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_HOURS}:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(?:Z|[+-]{_HOURS})"
_DATE_TIME = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})T({_TIME})", re.IGNORECASE | re.ASCII)
_ONLY_TIME = re.compile(_TIME, re.IGNORECASE | re.ASCII)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]+", re.IGNORECASE | re.ASCII)


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    """RFC 3339: a date, a time and an offset.

    The library has no checker of its own for it (it needs another package), and what is not
    checked is silently true.
    """
    if not isinstance(value, str):
        return True
    match = _DATE_TIME.fullmatch(value)
    return match is not None and bool(date.fromisoformat(match[1])) and _leaps_at_midnight(value)


def _leaps_at_midnight(value: str) -> bool:
    # RFC 3339 allows a 60th second, at 23:59:60 UTC only.
    if value[17:19] != "60":
        return True
    moment = datetime.fromisoformat(f"{value[:17]}59{value[19:]}".upper()).astimezone(UTC)
    return (moment.hour, moment.minute) == (23, 59)


@FORMATS.checks("time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or _ONLY_TIME.fullmatch(value) is not None


@FORMATS.checks("hostname")
def _is_hostname(value: object) -> bool:
    return not isinstance(value, str) or (
        len(value) <= 253 and _HOSTNAME.fullmatch(value) is not None
    )


@FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


@FORMATS.checks("regex", raises=(re.error, RecursionError, OverflowError))
def _is_regex(value: object) -> bool:
    """Python's regular expressions; those that bring its compiler down are none."""
    return not isinstance(value, str) or bool(re.compile(value))
