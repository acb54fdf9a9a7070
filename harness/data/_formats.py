"""The formats of JSON Schema: what is checked, and words that have them and have them not.

Formats are assertions for trioflow. The library checks some of them only if other packages are
there, and silently accepts everything otherwise; so these checks are our own.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any

from jsonschema import FormatChecker

FORMATS = FormatChecker(formats=("email", "ipv4", "ipv6", "uuid"))

_OFFSET = re.compile(r".*(?:Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE | re.ASCII)
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]+", re.IGNORECASE | re.ASCII)


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    return _DATE.fullmatch(value) is not None and bool(date.fromisoformat(value))


@FORMATS.checks("time", raises=ValueError)
def _is_time(value: Any) -> bool:
    """A time of day with an offset. A leap second is none here: no instance needs one."""
    if not isinstance(value, str):
        return True
    if not (_OFFSET.fullmatch(value) and _TIME.match(value)):
        return False
    return time.fromisoformat(value.upper()).tzinfo is not None


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    day, separator, clock = value[:10], value[10:11], value[11:]
    if separator not in ("T", "t") or not _is_date(day) or not _is_time(clock):
        return False
    return bool(datetime.fromisoformat(value.upper()))


@FORMATS.checks("hostname")
def _is_hostname(value: Any) -> bool:
    return not isinstance(value, str) or (
        len(value) <= 253 and _HOSTNAME.fullmatch(value) is not None
    )


@FORMATS.checks("uri")
def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


@FORMATS.checks("regex", raises=(re.error, RecursionError, OverflowError))
def _is_regex(value: Any) -> bool:
    return not isinstance(value, str) or bool(re.compile(value))


# Of each format some words, the simplest first.
EXAMPLES = {
    "date": ("2000-01-01", "2024-02-29", "1970-01-01", "2099-12-31"),
    "time": ("00:00:00Z", "12:30:00+02:00", "23:59:59Z"),
    "date-time": ("2000-01-01T00:00:00Z", "2024-02-29T12:30:00+02:00", "1970-01-01T00:00:00Z"),
    "email": ("a@example.com", "b@example.com", "first.last@example.org"),
    "hostname": ("example.com", "a.example.com", "localhost"),
    "ipv4": ("127.0.0.1", "10.0.0.1", "192.0.2.255"),
    "ipv6": ("::1", "2001:db8::1"),
    "uri": ("https://example.com", "https://example.com/a?b=c", "urn:a:b"),
    "uri-reference": ("/a", "https://example.com"),
    "uuid": ("00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"),
    "regex": ("a", "^[a-z]+$"),
    "json-pointer": ("", "/a"),
    "duration": ("PT1S", "P1D"),
}

# And of each format that is checked some that nobody takes for it.
COUNTEREXAMPLES = {
    "date": ("2023-02-29", "yesterday"),
    "time": ("25:00:00Z", "noon"),
    "date-time": ("2000-01-01T00:00:00", "2023-02-29T00:00:00Z", "yesterday"),
    "email": ("a.example.com",),
    "hostname": ("-a-.example", "a b"),
    "ipv4": ("256.0.0.1", "localhost"),
    "ipv6": ("1:2:3", "localhost"),
    "uri": ("example.com", "a b"),
    "uuid": ("00000000-0000-4000-8000-00000000000g", "1"),
    "regex": ("(", "["),
}
