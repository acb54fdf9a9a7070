"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from trioflow.cli._errors import Refused
from trioflow.stores import SqliteStore, Store, open_store

DEFAULT_STORE = "sqlite:./trioflow.db"

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

store_option: Decorator[Any] = click.option(
    "--store",
    metavar="URL",
    default=DEFAULT_STORE,
    show_default=True,
    help="Where executions are kept.",
)
json_option: Decorator[Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs, and nothing else, to stdout."
)
actions_option: Decorator[Any] = click.option(
    "--actions",
    multiple=True,
    metavar="MODULE-or-FILE",
    help="Where the functions are: package.module, or path/to/actions.py. May be repeated.",
)
allow_option: Decorator[Any] = click.option(
    "--allow",
    multiple=True,
    metavar="ACTION",
    help="Allow a built-in action that is off by default: process.run.",
)
input_option: Decorator[Any] = click.option(
    "-i",
    "inputs",
    multiple=True,
    metavar="KEY=TEXT|KEY:=JSON",
    help="One value of the input; a.b=x sets b inside a. May be repeated.",
)
input_file_option: Decorator[Any] = click.option(
    "--input",
    "input_file",
    metavar="FILE.json",
    help="A file with the input, an object; -i comes on top of it. '-' is stdin.",
)


def store_to_read(url: str) -> Store:
    """Return a store to look at beside a running engine; it must be there."""
    require_store(url)
    return open_store(url, read_only=True)


def require_store(url: str) -> None:
    """Refuse a store that is not there, before anything creates it."""
    store = open_store(url)
    if not isinstance(store, SqliteStore) or store.path == ":memory:":
        raise Refused(f"the store {url!r} is in memory, where no other command finds anything")
    if not Path(store.path).exists():
        raise Refused(
            f"there is no store {store.path!r} here; `trioflow run` makes one, "
            f"and --store names another one"
        )
