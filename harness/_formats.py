"""The formats of JSON Schema that are checked, by the oracle and by the data that is made.

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
