"""The first hour of somebody new: the commands of the README and of the tutorial, word for word.

``python first_hour.py [--no-tests] [SOURCE]`` clones the repository SOURCE (by default this one:
what is committed) into an empty folder, does there what stands in the README's ``sh`` blocks, and
then what the tutorial says, in another empty folder and another environment. It says how long it
took from the clone to the end of the first execution, and fails if that is not below two minutes.
The README's second command runs all tests; ``--no-tests`` leaves it out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120.0
# What the tutorial has installed: the clone, which stands beside its folder.
INSTALLS = "pip install ../trioflow pytest"


def blocks(page: Path) -> list[str]:
    """Return the ``sh`` blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def do(command: str, folder: Path) -> str:
    """Give a command to a shell that knows nothing of the environment of this program."""
    print(f"$ {command.strip()}", flush=True)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VIRTUAL_ENV", "PYTHON", "COVERAGE", "NOX", "PIP_REQUIRE"))
    }
    own = str(Path(sys.prefix, "bin"))
    inherited["PATH"] = os.pathsep.join(
        each for each in os.environ["PATH"].split(os.pathsep) if each != own
    )
    # A first execution must need no terminal and leave nothing in somebody's home.
    done = subprocess.run(
        ["/bin/sh", "-ec", command],
        cwd=folder,
        env=inherited,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nexit code {done.returncode}: {command}")
    return done.stdout


def main(arguments: list[str]) -> None:
    with_tests = "--no-tests" not in arguments
    source = next((each for each in arguments if not each.startswith("-")), str(ROOT))
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place, "trioflow")
        started = time.monotonic()
        do(f"git clone -q {source} {clone}", Path(place))
        first, tests = blocks(clone / "README.md")
        printed = do(first, clone)
        took = time.monotonic() - started
        assert '"receipt"' in printed, printed
        print(f"from `git clone` to the end of the first execution: {took:.1f} s")
        if took >= SECONDS:
            raise SystemExit(f"that must be below {SECONDS:.0f} s")
        read_tutorial(clone, Path(place, "empty"))
        if with_tests:
            started = time.monotonic()
            do(tests, clone)
            print(f"all tests with their coverage: {time.monotonic() - started:.1f} s")


def read_tutorial(clone: Path, folder: Path) -> None:
    """Do what the tutorial says."""
    started = time.monotonic()
    folder.mkdir()
    (command,) = blocks(clone / "docs/tutorial.md")
    assert INSTALLS in command, command
    # PyYAML is what the reader of pages needs, and no part of the tutorial.
    do(command.replace(INSTALLS, f"{INSTALLS} -q PyYAML"), folder)
    reading = clone / "tests/packaging/reading.py"
    print(do(f".venv/bin/python -P {reading} docs/tutorial.md", folder), end="")
    print(f"the tutorial, with its installation: {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
