"""What can be run over and over: ``nox`` for the default, ``nox -l`` for the list.

Every session installs the package, so what is tested is what users get and not the checkout:
`pytest --import-mode=importlib` (set in pyproject.toml) does not put the checkout on the path.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["coverage", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
CODE = ("trioflow", "harness", "tests", "benchmarks", "examples", "noxfile.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the quick suite (less than a minute); arguments go to pytest."""
    session.install(".[dev]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the quick suite, print the coverage, and fail below `fail_under` of pyproject.toml."""
    session.install(".[dev]")
    session.run("coverage", "erase")
    try:
        # The script and not `-m pytest`, which would put the checkout on the path.
        session.run("coverage", "run", f"{session.bin}/pytest", "-n", "2", *session.posargs)
    finally:
        session.run("coverage", "combine", "--quiet")
        session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and floors."""
    session.install(".[dev]")
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of both packages."""
    session.install(".[dev]")
    session.run("mypy", "--strict")


@nox.session
def stores(session: nox.Session) -> None:
    """Run the slow durability tests of the stores: real files, killed processes, cut logs."""
    session.install(".[dev]")
    session.run("pytest", "-m", "slow", "tests/stores", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run all tests that the quick suite leaves out."""
    session.install(".[dev]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def schedules(session: nox.Session) -> None:
    """Run the kernel over 20,000 random graphs; other arguments go to the script."""
    script = ROOT / "tests" / "kernel" / "schedules.py"
    if not script.exists():
        session.skip(f"{script.relative_to(ROOT)} is not there")
    session.install(".[dev]")
    session.run("python", str(script), *(session.posargs or ["20000"]))


@nox.session
def benchmark(session: nox.Session) -> None:
    """Print what steps and commits cost, as ratios in one run."""
    session.install(".")
    for script in ("kernel", "graph", "commits", "cancel", "waiting"):
        session.run("python", f"benchmarks/{script}.py")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the source distribution, and check what they say about themselves."""
    session.install("build", "twine")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, (ROOT / "dist").iterdir()))
