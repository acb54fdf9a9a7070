"""Snapshot, tools, hashes and manifest of the release, with real processes and no engine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import trioflow
from trioflow.actions import ActionContext

Make = Callable[..., ActionContext]


@pytest.fixture
def actions(actions_of: Callable[[str], Any]) -> Any:
    """Return the actions."""
    return actions_of("release")


@pytest.fixture
def package(examples: Path, tmp_path: Path) -> Path:
    """Return a copy of the package, to break."""
    source, caches = examples / "release" / "package", shutil.ignore_patterns(".*", "__pycache__")
    return Path(shutil.copytree(source, tmp_path / "package", ignore=caches))


@pytest.fixture
def tool(examples: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs `tools.py` in a folder."""

    def run(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(examples / "release" / "tools.py"), *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_snapshot_is_named_after_its_content(
    actions: Any, context: Make, package: Path, tmp_path: Path
) -> None:
    """The same sources are copied once; other sources are another snapshot."""
    output = str(tmp_path / "out")
    first = actions.snapshot(str(package), output, context("snapshot"))
    (package / "steep" / "__pycache__").mkdir()
    (package / "steep" / "__pycache__" / "junk.pyc").write_bytes(b"junk")
    second = actions.snapshot(str(package), output, context("snapshot"))
    readme = package / "README.md"
    readme.write_text(readme.read_text().replace("210", "211"))
    third = actions.snapshot(str(package), output, context("snapshot"))

    assert first == second
    assert first["source"] != third["source"]
    assert 2 == len(list((tmp_path / "out" / "sources").iterdir()))
    copied = {path.name for path in Path(first["source"]).rglob("*") if path.is_file()}
    assert {"README.md", "pyproject.toml", "__init__.py", "_times.py", "test_times.py"} == copied
    assert ("steep", "1.2.0") == (first["name"], first["version"])


@pytest.mark.parametrize("text", (None, "[tool.x]\n", "no TOML"), ids=str)
def test_no_package(actions: Any, context: Make, tmp_path: Path, text: str | None) -> None:
    """A folder without a project in it is refused, once and for all."""
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(trioflow.StepError, match="is no package") as caught:
        actions.snapshot(str(tmp_path), str(tmp_path / "out"), context("snapshot"))

    assert ("release.no_package", False) == (caught.value.code, caught.value.retryable)


@pytest.mark.parametrize("arguments", ("lint .", "types steep", "tests tests"))
def test_the_package_is_in_order(tool: Any, package: Path, arguments: str) -> None:
    """Nothing is found wrong with it."""
    done = tool(*arguments.split(), cwd=package)

    assert 0 == done.returncode
    assert "failed" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "file", "text", "fault"),
    (
        ("lint .", "steep/more.py", "import os\n", "steep/more.py:1: os is not used"),
        ("lint .", "steep/more.py", "x = 1 \n", "steep/more.py:1: a tab, or blanks at the end"),
        ("lint .", "steep/more.py", "x = (\n", "steep/more.py:1: '(' was never closed"),
        ("lint .", "steep/more.py", f"x = {'1' * 99}\n", "longer than 100 characters"),
        ("types steep", "steep/more.py", "def f(a) -> int: ...\n", "steep.more.f: a has no type"),
        ("types steep", "steep/more.py", "def f(a: int): ...\n", "f: return has no type"),
        (
            "types steep",
            "steep/more.py",
            "def f() -> 'Tea': ...\n",
            "steep.more.f: name 'Tea' is not defined",
        ),
        ("tests tests", "tests/test_times.py", "", "tests: there are no tests"),
        (
            "tests tests",
            "tests/test_more.py",
            "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.fail()\n",
            "test (test_more.T.test): failed",
        ),
    ),
    ids=str,
)
def test_faults_are_found(
    tool: Any, package: Path, arguments: str, file: str, text: str, fault: str
) -> None:
    """Each tool says what is wrong, and ends with 1."""
    (package / file).write_text(text)

    done = tool(*arguments.split(), cwd=package)

    assert 1 == done.returncode
    assert fault in done.stderr.splitlines()[-1]


def test_a_wheel_is_a_wheel(tool: Any, package: Path, tmp_path: Path) -> None:
    """Its record holds, it can be imported, and a second build is the same to the byte."""
    wheel = tmp_path / "steep-1.2.0-py3-none-any.whl"
    tool("wheel", wheel, cwd=package)
    first = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read("steep-1.2.0.dist-info/RECORD").decode().splitlines()
        for name, digest, size in (line.split(",") for line in record[:-1]):
            content = archive.read(name)
            sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            assert (f"sha256={sha256.rstrip('=')}", str(len(content))) == (digest, size)
        assert len(record) == len(archive.namelist())
        assert {(1980, 1, 1, 0, 0, 0)} == {member.date_time for member in archive.infolist()}
    smoke = tool("smoke", "steep", "1.2.0", cwd=tmp_path, PYTHONPATH=str(wheel))
    wrong = tool("smoke", "steep", "1.3.0", cwd=tmp_path, PYTHONPATH=str(wheel))
    os.utime(package / "pyproject.toml", (0, 0))
    tool("wheel", wheel, cwd=package)

    assert (0, "") == (smoke.returncode, smoke.stderr)
    assert (1, "the wheel holds version 1.2.0, not 1.3.0\n") == (wrong.returncode, wrong.stderr)
    assert first == wheel.read_bytes()


def test_an_sdist_holds_the_sources(tool: Any, package: Path, tmp_path: Path) -> None:
    """All of them, below one folder, and the same bytes each time."""
    sdist = tmp_path / "steep-1.2.0.tar.gz"
    tool("sdist", sdist, cwd=package)
    first = sdist.read_bytes()
    tool("sdist", sdist, cwd=package)
    with tarfile.open(sdist) as archive:
        names = {name.removeprefix("steep-1.2.0/") for name in archive.getnames()}
        metadata = archive.extractfile("steep-1.2.0/PKG-INFO")
        assert metadata is not None
        assert b"Version: 1.2.0\n" in metadata.read()

    sources = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert {*sources, "PKG-INFO"} == names
    assert first == sdist.read_bytes()
    # Where gzip keeps the time of day.
    assert bytes(4) == first[4:8]


def test_tools_list_their_calls(tool: Any, package: Path, tmp_path: Path) -> None:
    """A tool that finds a fault leaves no line."""
    environment = {"EXAMPLE_CALLS": str(tmp_path / "calls"), "EXAMPLE_KEY": "demo:lint"}
    tool("lint", ".", cwd=package, **environment)
    (package / "steep" / "more.py").write_text("import os\n")
    tool("lint", ".", cwd=package, **environment)

    assert "lint demo:lint\n" == (tmp_path / "calls").read_text()


def test_the_manifest(actions: Any, context: Make, tmp_path: Path) -> None:
    """It names each file with its hash, and so does SHA256SUMS, in the format of sha256sum."""
    (tmp_path / "a.whl").write_bytes(b"wheel")
    found = actions.hashes([str(tmp_path / "a.whl")], context("hashes"))
    release = {"name": "steep", "version": "1.2.0", **found}
    written = actions.manifest(release, str(tmp_path), context("manifest"))
    again = actions.manifest(release, str(tmp_path), context("manifest"))

    digest = hashlib.sha256(b"wheel").hexdigest()
    assert [{"file": "a.whl", "bytes": 5, "sha256": digest}] == found["files"]
    assert f"{digest}  a.whl\n" == (tmp_path / "SHA256SUMS").read_text()
    assert written == again
    assert release == json.loads(Path(written["file"]).read_text())
    assert {"a.whl", "SHA256SUMS", "manifest.json"} == {path.name for path in tmp_path.iterdir()}
