"""What can be run over and over: ``nox`` for the default, ``nox -l`` for the list.

Every session installs the package, so what is tested is what users get and not the checkout:
`pytest --import-mode=importlib` (set in pyproject.toml) does not put the checkout on the path.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["coverage", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True
# Also where the variable CI is set: what is not installed is skipped, and nox says so.
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SCRIPTS = ("kernel", "graph", "commits", "cancel", "waiting")
# Each has a document of its name, and a test module that was generated from it.
EXAMPLES = ("logs", "order", "release")
CODE = ("trioflow", "harness", "tests", "benchmarks", "examples", "noxfile.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the quick suite (less than a minute); arguments go to pytest."""
    session.install(".[dev]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session(python=PYTHONS)
def versions(session: nox.Session) -> None:
    """Run the quick suite with every supported Python that is installed, one after the other.

    ``-s versions-3.13`` is one of them. What is not installed is skipped.
    """
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
def pyright(session: nox.Session) -> None:
    """Check the types with the other type checker, too: what is public, and the examples.

    About a minute. It brings Node.js from the registry, and reads `tool.pyright`.
    """
    session.install(".[dev]", "pyright[nodejs]>=1.1.400")
    session.run("pyright", *session.posargs)


@nox.session
def check(session: nox.Session) -> None:
    """Compare the generated test modules of the examples with their documents."""
    session.install(".")
    for name in EXAMPLES:
        document = f"examples/{name}/{name}.workflow.json"
        arguments = [document, "-o", f"examples/{name}/tests", "--level", "smoke", "--check"]
        # -P: the installed package and not the checkout.
        session.run("python", "-P", "-m", "harness", "generate", *arguments)


@nox.session
def scenarios(session: nox.Session) -> None:
    """Play all scenarios of every example and fixture, more than four thousand; two minutes."""
    session.install(".[dev]")
    documents = [
        *(f"examples/{name}/{name}.workflow.json" for name in EXAMPLES),
        *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/fixtures/*.json"))),
    ]
    session.run("pytest", "-n", "2", "--harness-level", "standard", *documents, *session.posargs)
    # The same again in one process, counted: how many of each family, and what they cover.
    # But for the one that starts itself: what may happen 33 levels deep is the same 33 times.
    counted = [document for document in documents if "/echo." not in document]
    folder = session.create_tmp()
    command = ["python", "-P", "-m", "harness", "report", *counted, "-o", folder]
    session.run(*command, "--fail-under", "95")


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
    """Measure trioflow beside a bare loop and the raw limits; arguments go to compare.py.

    Without arguments all other benchmarks follow. ``-- --peers dbos,langgraph`` measures others,
    too, and ``-- --others --variants --write docs/benchmarks.md`` writes the page.
    """
    session.install(".")
    session.run("python", "benchmarks/compare.py", *(session.posargs or ["--others", "--variants"]))
    for script in () if session.posargs else SCRIPTS:
        session.run("python", f"benchmarks/{script}.py")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Compare the engine with the oracle over 10,000 random workflows; two minutes."""
    session.install(".[dev]")
    session.env.setdefault("HARNESS_EXAMPLES", "10000")
    session.run("pytest", "-n", "2", "tests/harness/test_differential.py", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Break the engine and the documents on purpose; the generated scenarios have to notice.

    About half an hour. Arguments go to the script: ``-- seeded``, ``-- sample --size 100``, ...
    """
    session.install(".[dev]")
    session.run("python", "tests/mutants/run.py", *(session.posargs or ["all"]))


@nox.session
def figures(session: nox.Session) -> None:
    """Write docs/harness-figures.md; arguments are what to measure anew before, or ``all``.

    ``alarms``, ``determinism``, ``speed``, ``regeneration``, ``differential``. What mutants say is
    measured by the session of that name.
    """
    session.install(".[dev]")
    everything = ("regeneration", "speed", "determinism", "alarms", "differential")
    wanted = everything if session.posargs == ["all"] else session.posargs
    for name in wanted:
        # A bad figure is a figure, too, and is written down.
        session.run("python", "tests/mutants/measuring.py", name, success_codes=[0, 1])
    session.run("python", "tests/mutants/figures.py")


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and source distribution, check them, and use the wheel in a fresh environment.

    That one has only what the wheel depends on, and the checkout is not in it; what is checked is
    in tests/packaging/installed.py. Then the tutorial is done with it.
    """
    session.install("build", "twine")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, (ROOT / "dist").iterdir()))
    (wheel,) = (ROOT / "dist").glob("*.whl")
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("tests/packaging", "tests/documentation"):
            shutil.copytree(ROOT / name, folder / name)
        (folder / "docs").mkdir()
        shutil.copy(ROOT / "docs/tutorial.md", folder / "docs")
        session.run("python", "-m", "venv", place + "/venv")
        python = f"{place}/venv/bin/python"
        session.chdir(folder)
        session.run(python, "-m", "pip", "install", "-q", str(wheel), external=True)
        script = f"{place}/tests/packaging/installed.py"
        session.run(python, "-P", script, version, external=True)
        session.run(python, "-m", "pip", "install", "-q", "pytest", "PyYAML", external=True)
        script = f"{place}/tests/packaging/reading.py"
        session.run(python, "-P", script, "docs/tutorial.md", external=True)


@nox.session(venv_backend="none")
def first_hour(session: nox.Session) -> None:
    """Do in empty folders what the README and the tutorial say, and measure it.

    What is cloned is what was committed. The first execution has to have ended two minutes after
    the beginning of `git clone`. With ``-- --no-tests`` the README's second command, all tests
    with their coverage, is left out.
    """
    session.run(sys.executable, "tests/packaging/first_hour.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build, warnings being errors, and do everything that pages say."""
    session.install(".[dev,docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build")
    session.run("pytest", "-q", "-n", "2", "-m", "slow or not slow", "tests/documentation")
