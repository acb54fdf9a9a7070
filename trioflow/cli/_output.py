"""Where the commands write to: results to stdout, everything else to stderr.

`Screen` wraps a rich console so that nothing that it is given is ever taken for markup, lines
stay whole where there is no terminal, and signs fit the encoding. rich is imported when the first
screen is made.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

import attrs
import click

from trioflow.cli._text import plain, pretty

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# What a line has where nobody has a terminal of some width: whole lines, for grep and files.
_UNLIMITED = 10_000

STYLES: Mapping[str, str] = {
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
    "SKIPPED": "bright_black",
    "RUNNING": "cyan",
    "PAUSED": "magenta",
    "PENDING": "bright_black",
}


@attrs.frozen
class Signs:
    """The few signs that are no letters, one column wide each."""

    of: Mapping[str, str]
    full: str
    empty: str
    working: str
    waiting: str
    arrow: str
    more: str
    spinner: str


_UNICODE = Signs(
    {
        "COMPLETED": "✓",
        "FAILED": "✗",
        "CANCELLED": "■",
        "SKIPPED": "–",  # noqa: RUF001
        "RUNNING": "●",
        "PAUSED": "◆",
        "PENDING": "·",
    },
    full="━",
    empty="─",
    working="█",
    waiting="░",
    arrow="→",
    more="…",
    spinner="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
)
_ASCII = Signs(
    {
        "COMPLETED": "+",
        "FAILED": "x",
        "CANCELLED": "!",
        "SKIPPED": "-",
        "RUNNING": "*",
        "PAUSED": "?",
        "PENDING": ".",
    },
    full="=",
    empty="-",
    working="#",
    waiting=".",
    arrow="->",
    more="...",
    spinner="|/-\\",
)


def prepare_streams() -> None:
    """Let characters that an encoding lacks come out as escapes instead of as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at this stream on a terminal that can be drawn on."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


class Screen:
    """One of the two streams, as a rich console."""

    def __init__(self, stream: TextIO, *, lenient: bool = False) -> None:
        """Write to `stream`. `lenient`: whoever is gone and does not read it stops nothing."""
        from rich.console import Console

        class Output(Console):
            def on_broken_pipe(self) -> None:
                # Called while it is handled; rich would exit here, in the middle of everything.
                raise  # noqa: PLE0704

        self._lenient = lenient
        self.terminal = is_terminal(stream)
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        self.signs = _UNICODE if encoding.startswith("utf") else _ASCII
        self.console: Console = Output(
            file=stream,
            force_terminal=self.terminal,
            width=None if self.terminal else _UNLIMITED,
            color_system="auto" if self.terminal else None,
            markup=False,
            highlight=False,
            emoji=False,
        )

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.console.width

    def line(self, *parts: str | tuple[str, str], cut: bool = False, whole: bool = False) -> None:
        """Print one line of texts, or (text, style).

        A line that is too long for the terminal is continued on the next one, at a space; `cut`
        shortens it, and `whole` leaves it to the terminal, so that it can be copied.
        """
        found = self.text(*parts)
        with self.leniently():
            if not self.terminal or whole:
                self.console.print(found, soft_wrap=True)
            elif cut:
                self.console.print(found, overflow="ellipsis", no_wrap=True)
            else:
                self.console.print(found, overflow="fold", no_wrap=False)

    @contextlib.contextmanager
    def leniently(self) -> Iterator[None]:
        """Pass over an error of writing, if the screen is lenient."""
        try:
            yield
        except OSError:
            if not self._lenient:
                raise

    def text(self, *parts: str | tuple[str, str]) -> Text:
        """Return a line of texts, or (text, style); what does not print is escaped."""
        from rich.text import Text

        found = Text(no_wrap=True, overflow="ellipsis", end="")
        for part in parts:
            content, style = (part, "") if isinstance(part, str) else part
            found.append(self.encodable(plain(content)), style=style or None)
        found.rstrip()
        return found

    def encodable(self, text: str) -> str:
        """Return the text with what the encoding lacks as escapes."""
        if self.signs is _UNICODE:
            return text
        text = text.replace("…", "...").replace("→", "->")
        encoding = self.console.encoding
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def status(self, status: str) -> tuple[str, str]:
        """Return a status in its colour."""
        return status, STYLES.get(status, "")

    def sign(self, status: str) -> tuple[str, str]:
        """Return the sign of a status in its colour."""
        return self.signs.of.get(status, "?"), STYLES.get(status, "")


class LenientStream(io.TextIOBase):
    """A stream for what actions print: whoever is gone and does not read it stops nothing."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the stream behind it has."""
        return self._stream.encoding

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def out() -> Screen:
    """Return the screen for results."""
    return Screen(sys.stdout)


def err() -> Screen:
    """Return the screen for progress and for what somebody has to be told."""
    return Screen(sys.stderr, lenient=True)


def print_json(value: Any) -> None:
    """Print JSON to stdout, in UTF-8 as far as stdout can."""
    click.echo(_encodable_json(pretty(value)))


def _encodable_json(text: str) -> str:
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        # Only strings have such characters, and \uXXXX means the same in them.
        return "".join(
            character if character.isascii() else json.dumps(character)[1:-1] for character in text
        )
    return text


def say(*lines: str) -> None:
    """Print lines to stderr, without rich: messages of one kind or another."""
    with contextlib.suppress(OSError):  # whoever is gone and does not read it
        for line in lines:
            click.echo("\n".join(plain(part) for part in line.split("\n")), err=True)
