"""Stores: where executions are kept. `open_store` makes one from a URL.

`Store` says what a store must be able to do; bring your own if these do not fit.
"""

from trioflow.kernel._sizes import MAX_EVENT_BYTES
from trioflow.stores._memory import MemoryStore
from trioflow.stores._protocol import OPEN, Head, Store
from trioflow.stores._sqlite import SqliteStore, run_inline
from trioflow.stores._urls import open_store

__all__ = [
    "MAX_EVENT_BYTES",
    "OPEN",
    "Head",
    "MemoryStore",
    "SqliteStore",
    "Store",
    "open_store",
    "run_inline",
]
