"""Times, as people write them on tea boxes."""

import re

TEAS = {"black": "4m", "green": "2m30s", "white": "3m30s", "herbal": "7m"}
TIME = re.compile(r"(?:(\d+)m)?(?:(\d+)s)?")


def seconds(time: str) -> int:
    """Return how many seconds `time` is, which is written like ``3m30s``."""
    match = TIME.fullmatch(time)
    if not time or match is None:
        raise ValueError(f"{time!r} is no time; write it like 3m30s")
    minutes, rest = match.groups(default="0")
    return 60 * int(minutes) + int(rest)


def steeping_time(tea: str, cups: int = 1) -> int:
    """Return how many seconds `tea` wants; ten more for each cup after the first."""
    if cups < 1:
        raise ValueError(f"{cups} cups of tea are no tea")
    return seconds(TEAS[tea]) + 10 * (cups - 1)
