"""Stores by URL."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qsl

from trioflow.errors import InvalidRequest
from trioflow.stores._memory import MemoryStore
from trioflow.stores._protocol import Store
from trioflow.stores._sqlite import SqliteStore

_FORMS = (
    "write 'memory:', 'sqlite:orders.db' or 'sqlite:/var/lib/orders.db', "
    "perhaps with '?durability=normal'"
)


def open_store(
    url: str,
    *,
    clock: Callable[[], float] = time.time,
    read_only: bool = False,
    requests_only: bool = False,
) -> Store:
    """Return the store that a URL names, ready for `async with`, which opens it.

    ``memory:``, ``sqlite:PATH`` or ``sqlite::memory:``; after a file's path ``?durability=full``
    or ``?durability=normal``. The keywords are those of `SqliteStore`; a memory store has nobody
    beside it. Raises `InvalidRequest` for anything else.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest and not read_only and not requests_only:
        return MemoryStore(clock=clock)
    if scheme != "sqlite" or not rest:
        raise InvalidRequest(f"{url!r} names no store; {_FORMS}")
    path, _, query = rest.partition("?")
    if path.startswith("//"):
        # Elsewhere sqlite:///orders.db is a file here; taken as a path it would be in the root.
        raise InvalidRequest(f"{url!r} names no store: it has slashes before the path; {_FORMS}")
    options = parse_qsl(query, keep_blank_values=True)
    durability = dict(options).get("durability", "full")
    if durability not in ("full", "normal") or {name for name, _ in options} - {"durability"}:
        raise InvalidRequest(
            f"{url!r} has an unknown option; there is durability=full and durability=normal"
        )
    return SqliteStore(
        path,
        durability=durability,
        clock=clock,
        read_only=read_only,
        requests_only=requests_only,
    )
