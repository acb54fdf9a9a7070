"""``--secret``: where the values of secrets are; never the values themselves.

What is on a command line can be read by everybody on the machine, and stays in the history of the
shell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import click

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def read_secrets(texts: Iterable[str]) -> dict[str, str]:
    """Return the secrets that ``NAME=env:VARIABLE`` and ``NAME=file:PATH`` stand for."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, source = text.partition("=")
        kind, colon, place = source.partition(":")
        if not _NAME.fullmatch(name) or kind not in ("env", "file") or not (colon and place):
            # Whoever wrote the value itself there must not find it in a log as well.
            raise _refusal(
                f"what is given for {name!r} is neither NAME=env:VARIABLE nor NAME=file:PATH, "
                f"like token=env:API_TOKEN; the value itself does not belong on a command line"
            )
        if name in found:
            raise _refusal(f"{name!r} is there twice")
        found[name] = _variable(place) if kind == "env" else _file(place)
    return found


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise _refusal(f"there is no environment variable {name!r}")
    return value


def _file(name: str) -> str:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise _refusal(f"the file {name!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _refusal(f"the file {name!r} is no UTF-8 text") from None
    # Editors and `echo` put one there, and no secret ends with it.
    return text.removesuffix("\n")


def _refusal(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--secret")
