"""Pages of the documentation as programs: their blocks, done one after the other in a folder.

What a block is follows from the words behind its fence:

* ``json order.workflow.json``: a file, which is written into the folder. So with any language.
* ``console``: a session. Each command is given, and has to print what stands below it, but for
  instants, durations, bars of time and spaces. A line ``…`` stands for any lines, a last ``…`` in
  a line for the rest of it.
* ``sh``: commands that have to succeed.
* ``python``: code, which sees what the blocks before it have made, and may `await`. If a
  ``text`` or ``mermaid`` block follows it at once, that is what it has to print.
* ``json``, ``yaml``, ``toml``: must be readable; what has the look of a workflow must be one.

A comment says what a reader need not see: ``<!-- folder: examples/order -->`` puts the files of a
folder there, ``<!-- python: … -->`` is code, ``<!-- sh: … -->`` are commands, whatever they exit
with, and ``<!-- not run: … -->`` excuses the next block.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import trio
import yaml

import trioflow

ROOT = Path(__file__).parents[2]
SECONDS = 120

_PARTS = re.compile(
    r"^<!-- (?P<word>folder|python|sh|not run):(?P<said>.*?)-->$"
    r"|^```(?P<language>\w+)[ ]?(?P<file>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# Programs as they are called in a terminal, of this very interpreter, wherever it was installed.
_PROGRAMS = {
    "trioflow": "-c 'import sys; from trioflow.cli import main; sys.exit(main())'",
    "python": "",
    "pytest": "-m pytest -p no:cacheprovider",
}


@attrs.frozen
class Block:
    """One fenced block, or what stands in a comment for it."""

    place: str
    language: str
    file: str
    code: str
    # Why it is not run, if it is not.
    excuse: str = ""


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, in order."""
    for block, _, _ in _placed(page):
        yield block


def _placed(page: Path) -> Iterator[tuple[Block, int, int]]:
    """Yield the blocks of a page, and from where to where each goes."""
    text = page.read_text(encoding="utf-8")
    excuse = ""
    for found in _PARTS.finditer(text):
        where = found.span()
        place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
        word, said = found["word"], (found["said"] or "").strip("\n")
        if word == "not run":
            excuse = said.strip() or "?"
        elif word == "folder":
            yield Block(place, "folder", "", said.strip()), *where
        elif word == "python":
            yield Block(place, "python", "", textwrap.dedent(said.removeprefix(" "))), *where
        elif word == "sh":
            yield Block(place, "hidden", "", said), *where
        else:
            language, file = found["language"], found["file"].strip()
            yield Block(place, language, file, found["code"], excuse), *where
            excuse = ""


@attrs.define(eq=False)
class Reader:
    """Somebody who does what a page says, in a folder of his own."""

    folder: Path
    programs: Path
    names: dict[str, Any] = attrs.field(factory=lambda: {"__name__": "__main__"})
    # What the Python block before has printed, if there was one.
    printed: str | None = None
    # Instead of comparing what is printed: sessions as they come out now.
    writes: list[str] | None = None

    def do(self, block: Block) -> None:
        """Do what a block says; `AssertionError` if it does not come out as is written there."""
        printed, self.printed = self.printed, None
        if block.excuse:
            return
        if block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        does = _DOES.get(block.language)
        if does is not None:
            does(self, block)
        elif block.language in ("text", "mermaid") and printed is not None:
            assert normal(block.code) == normal(printed), f"{block.place}\n{printed}"

    def _folder(self, block: Block) -> None:
        shutil.copytree(ROOT / block.code, self.folder, dirs_exist_ok=True)

    def _python(self, block: Block) -> None:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(block.code, block.place, "exec", flags=flags)
        if block.file:
            return
        output = io.StringIO()
        with contextlib.redirect_stdout(output), self._at_home():
            if code.co_flags & inspect.CO_COROUTINE:
                trio.run(eval, code, self.names)
            else:
                exec(code, self.names)
        self.printed = output.getvalue()

    @contextlib.contextmanager
    def _at_home(self) -> Iterator[None]:
        """The modules of the folder can be imported, and are not there for others."""
        before = set(sys.modules)
        sys.path.insert(0, str(self.folder))
        try:
            yield
        finally:
            sys.path.remove(str(self.folder))
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(self.folder)):
                    del sys.modules[name]

    def _console(self, block: Block) -> None:
        for written, expected in _commands(block.code):
            command = _in_one_line(written)
            output = self._give(command).stdout
            same = _is_as_written(normal(expected), normal(output))
            if self.writes is not None:
                # What is true stays as it is, with whatever somebody has left out of it.
                self.writes.append(f"$ {written}\n{expected if same else output}")
                continue
            assert same, "\n".join(
                (f"{block.place}: $ {command}", "-- written --", expected, "-- seen --", output)
            )

    def _hidden(self, block: Block) -> None:
        self._give(block.code)

    def _sh(self, block: Block) -> None:
        done = self._give(f"set -e\n{block.code}")
        assert 0 == done.returncode, f"{block.place}\n{done.stdout}"

    def _give(self, command: str) -> subprocess.CompletedProcess[str]:
        # The programs are to use what this process tests, be it the checkout or a wheel.
        found = str(Path(trioflow.__file__).parents[1])
        return subprocess.run(
            command,
            shell=True,
            check=False,
            cwd=self.folder,
            env={
                # What pytest tells those that it has started is not for others.
                **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
                "PATH": os.pathsep.join([str(self.programs), os.environ["PATH"]]),
                "PYTHONPATH": os.pathsep.join(filter(None, [found, os.environ.get("PYTHONPATH")])),
                "COLUMNS": "100",
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )

    def _data(self, block: Block) -> None:
        found = _READS[block.language](block.code)
        if isinstance(found, Mapping) and "id" in found and {"steps", "nodes"} & found.keys():
            trioflow.load_workflow(found)


_DOES: Mapping[str, Callable[[Reader, Block], None]] = {
    "folder": Reader._folder,
    "python": Reader._python,
    "console": Reader._console,
    "sh": Reader._sh,
    "hidden": Reader._hidden,
    "json": Reader._data,
    "yaml": Reader._data,
    "toml": Reader._data,
}
_READS: Mapping[str, Callable[[str], Any]] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
}


def _commands(session: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a session as it is written, and what it is to print."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        written, _, expected = part.partition("\n")
        while written.endswith("\\"):
            more, _, expected = expected.partition("\n")
            written = f"{written}\n{more}"
        yield written, expected


def _in_one_line(command: str) -> str:
    return re.sub(r"\\\n(> )?", " ", command)


def programs(folder: Path) -> Path:
    """Make the programs that pages call, and return the folder in which they are."""
    folder.mkdir()
    for name, arguments in _PROGRAMS.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        program.chmod(0o755)
    return folder


def normal(text: str) -> list[str]:
    """Return the lines of a text without instants, durations, and the spaces around them."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    text = re.sub(r"\b[0-9.]+ ?(?:ms|s|min \d+ s)(?![a-z])", "TIME", text)
    # Bars of time are as long as it took, and so is the axis above them.
    text = re.sub(r"[█░▒·✗◇┊]+", " ", text)
    text = re.sub(r"^ *\|0( *\|?\+?TIME)+ *$", "AXIS", text, flags=re.MULTILINE)
    return [" ".join(line.split()) for line in text.strip("\n").splitlines()]


def _is_as_written(expected: list[str], seen: list[str]) -> bool:
    if not expected:
        return not seen
    first, *rest = expected
    if first == "…":
        return any(_is_as_written(rest, seen[start:]) for start in range(len(seen) + 1))
    if not seen:
        return False
    same = first == seen[0] or (first.endswith("…") and seen[0].startswith(first[:-1]))
    return same and _is_as_written(rest, seen[1:])


def rewrite(page: Path, folder: Path, programs: Path) -> None:
    """Write into a page what its sessions print now, where that is not what is written there.

    Somebody has to read the difference.
    """
    text = page.read_text(encoding="utf-8")
    reader = Reader(folder, programs, writes=[])
    parts, end = [], 0
    for block, start, stop in _placed(page):
        parts.append(text[end:start])
        end = stop
        reader.do(block)
        written, reader.writes = "".join(reader.writes or ()), []
        parts.append(f"```console\n{written}```" if written else text[start:stop])
    page.write_text("".join([*parts, text[end:]]), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "folder")
            folder.mkdir()
            page = Path(name).absolute()
            os.chdir(folder)
            rewrite(page, folder, programs(Path(place, "programs")))
