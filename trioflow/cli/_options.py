"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from trioflow.cli._completing import documents, files
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
    shell_complete=files,
    help="Where the functions are: package.module, or path/to/actions.py. May be repeated.",
)
allow_option: Decorator[Any] = click.option(
    "--allow",
    multiple=True,
    metavar="ACTION",
    help="Allow a built-in action that is off by default: process.run.",
)
workflow_option: Decorator[Any] = click.option(
    "--workflow",
    "workflows",
    multiple=True,
    metavar="FILE-or-FOLDER",
    shell_complete=documents,
    help="Workflows that steps start as children; of a folder, *.workflow.json and .yaml. "
    "May be repeated.",
)
secret_option: Decorator[Any] = click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME=env:VARIABLE|NAME=file:PATH",
    help="Where the value of ${secret.NAME} is. May be repeated.",
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
    shell_complete=files,
    help="A file with the input, an object; -i comes on top of it. '-' is stdin.",
)


@attrs.frozen
class Job:
    """What was asked for on the command line, as far as it concerns any execution."""

    store: str
    actions: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    as_json: bool = False

    @property
    def options(self) -> list[str]:
        """The options that another command needs to find the same things."""
        found = [
            word
            for option, values in (
                ("--actions", self.actions),
                ("--allow", self.allow),
                ("--workflow", self.workflows),
                ("--secret", self.secrets),
            )
            for value in values
            for word in (option, value)
        ]
        return [*found, *self.where]

    @property
    def where(self) -> list[str]:
        """The option that names the store, if it is another one than usually."""
        return [] if self.store == DEFAULT_STORE else ["--store", self.store]

    @property
    def is_in_memory(self) -> bool:
        """Whether everything is gone when the command ends."""
        return self.store.startswith("memory:") or self.store == "sqlite::memory:"


def job_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of all that drive executions, as its first argument, a `Job`."""

    def packed(
        *,
        store: str,
        actions: tuple[str, ...],
        allow: tuple[str, ...],
        workflows: tuple[str, ...],
        secrets: tuple[str, ...],
        as_json: bool,
        **others: Any,
    ) -> int:
        return command(Job(store, actions, allow, workflows, secrets, as_json), **others)

    functools.update_wrapper(packed, command)
    for option in (
        json_option,
        store_option,
        secret_option,
        workflow_option,
        allow_option,
        actions_option,
    ):
        # It marks the function, and returns it.
        option(packed)
    return packed


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
