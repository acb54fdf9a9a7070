"""Secrets: what stands for them until the very call, and how they are filled in then.

A secret's value is in no event, no log and no message. So a template resolves ``${secret.NAME}``
to a marker; what is stored shows its text, and only the driver, at the call, reveals it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trioflow.errors import MissingInputError

Secrets = Callable[[str], Any] | Mapping[str, Any]


class SecretReference(str):
    """The text ``${secret.NAME}``, standing for the secret: a string, as schemas shall see it."""

    __slots__ = ("name",)

    name: str

    def __new__(cls, name: str) -> SecretReference:
        found = super().__new__(cls, f"${{secret.{name}}}")
        found.name = name
        return found

    def __getnewargs__(self) -> tuple[str]:
        return (self.name,)


class SecretText(str):
    """A text in which secrets are still to be filled in.

    `parts` keeps what was inserted by other references apart from the markers, so that a value
    which happens to read ``${secret.NAME}`` stays the text that it is.
    """

    __slots__ = ("parts",)

    parts: tuple[str, ...]

    def __new__(cls, parts: tuple[str, ...]) -> SecretText:
        found = super().__new__(cls, "".join(parts))
        found.parts = parts
        return found

    # What `str` declares is one string, and what unpickling needs is what `__new__` takes.
    def __getnewargs__(self) -> tuple[tuple[str, ...]]:  # type: ignore[override]
        return (self.parts,)


def find_secret(secrets: Secrets, name: str) -> Any:
    """Return the secret, or None if there is no such secret.

    A function says so by raising `LookupError` or by returning None, as `os.environ.get` does.
    """
    try:
        return secrets(name) if callable(secrets) else secrets[name]
    except LookupError:
        return None


# What holds no secret. Markers are strings of types of their own.
_PLAIN = frozenset({str, int, float, bool, type(None)})


def reveal(value: Any, secrets: Secrets) -> Any:
    """Return the value with every secret filled in, to any depth; containers are copied.

    Raises `MissingInputError` that names all the secrets which there are not. Never keep, log or
    store what this returns.
    """
    unknown: dict[str, None] = {}

    def look_up(name: str) -> Any:
        found = find_secret(secrets, name)
        if found is None:
            unknown[f"secret.{name}"] = None
        return found

    # By a list of what is left to do and not by recursion: the values come from outside, and
    # may be nested deeper than Python's stack.
    root: list[Any] = [value]
    todo: list[Any] = [root]
    while todo:
        container = todo.pop()
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in list(entries):
            if type(item) in _PLAIN:
                continue
            if isinstance(item, SecretReference):
                container[key] = look_up(item.name)
            elif isinstance(item, SecretText):
                container[key] = "".join(
                    str(look_up(part.name)) if isinstance(part, SecretReference) else part
                    for part in item.parts
                )
            elif isinstance(item, dict | list):
                container[key] = item.copy()
                todo.append(container[key])
    if unknown:
        raise MissingInputError(next(iter(unknown)), (), tuple(unknown))
    return root[0]


def hide(text: str, secrets: Mapping[str, str]) -> str:
    """Return the text with the values of the secrets (value to name) written as references."""
    for value, name in secrets.items():
        if value:
            text = text.replace(value, f"${{secret.{name}}}")
    return text


def hide_all(value: Any, secrets: Mapping[str, str]) -> Any:
    """Return the value with every text in it as `hide` makes it; containers are copied."""
    if isinstance(value, str):
        return hide(value, secrets)
    if isinstance(value, Mapping):
        return {hide_all(key, secrets): hide_all(each, secrets) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [hide_all(each, secrets) for each in value]
    return value
