"""The actions of the release example; what checks, tests and builds are processes (`tools.py`).

**Why they are safe to repeat.** An action runs again if the machine stops before the engine could
write down that it was done. The snapshot is named after what is in it, so the second one finds
the first; files appear under their final names in one go, complete; and a build of the same
sources is the same to the byte, so a hash that was recorded stays true.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trioflow

HERE = Path(__file__).resolve().parent


@trioflow.action("release.snapshot")
def snapshot(package: str | None, output: str, context: trioflow.ActionContext) -> dict[str, Any]:
    """Copy the sources in `package` below `output`, and say what will be built from them.

    The paths are absolute, so the release can go on from another working directory.
    """
    with _observed(context):
        sources = Path(package) if package else HERE / "package"
        project = _project(sources)
        files = sorted(path for path in sources.rglob("*") if _belongs(path, sources))
        digest = hashlib.sha256()
        for path in files:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(sources).as_posix()}\n{len(content)}\n".encode())
            digest.update(content)
        place = Path(output).resolve()
        source = place / "sources" / digest.hexdigest()[:16]
        _copy(sources, files, source)
        name, version = project["name"], project["version"]
        return {
            "name": name,
            "version": version,
            "source": str(source),
            "output": str(place),
            "wheel": str(place / f"{name}-{version}-py3-none-any.whl"),
            "sdist": str(place / f"{name}-{version}.tar.gz"),
            "python": sys.executable,
            "tools": str(HERE / "tools.py"),
        }


def _project(sources: Path) -> dict[str, Any]:
    try:
        project: dict[str, Any] = tomllib.loads((sources / "pyproject.toml").read_text())["project"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        message = f"{sources} is no package: {error!r}"
        raise trioflow.StepError(message, "release.no_package", False) from error
    return project


def _belongs(path: Path, sources: Path) -> bool:
    parts = path.relative_to(sources).parts
    return path.is_file() and not any(p.startswith(".") or p == "__pycache__" for p in parts)


def _copy(sources: Path, files: Sequence[Path], target: Path) -> None:
    # A folder cannot replace one that is not empty; but one of this name has this content.
    if target.exists():
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    for path in files:
        copy = draft / path.relative_to(sources)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    try:
        draft.rename(target)
    except OSError:
        if not target.exists():
            raise
        shutil.rmtree(draft)


@trioflow.action("release.hashes")
def hashes(files: Sequence[str], context: trioflow.ActionContext) -> dict[str, Any]:
    """Return name, size and SHA-256 of each of `files`."""
    with _observed(context):
        found = []
        for file in files:
            content = Path(file).read_bytes()
            sha256 = hashlib.sha256(content).hexdigest()
            found.append({"file": Path(file).name, "bytes": len(content), "sha256": sha256})
        return {"files": found}


@trioflow.action("release.manifest")
def manifest(
    release: dict[str, Any], output: str, context: trioflow.ActionContext
) -> dict[str, Any]:
    """Write `SHA256SUMS`, then `manifest.json`: who finds a manifest finds a whole release."""
    with _observed(context):
        sums = "".join(f"{file['sha256']}  {file['file']}\n" for file in release["files"])
        _write(Path(output) / "SHA256SUMS", sums)
        _write(Path(output) / "manifest.json", json.dumps(release, indent=2) + "\n")
        return {"file": str(Path(output) / "manifest.json")}


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def _observed(context: trioflow.ActionContext) -> Iterator[None]:
    """Make calls visible and slow, for whoever wants to see what `kill -9` does.

    ``EXAMPLE_PAUSE`` is how many seconds each call takes longer. ``EXAMPLE_CALLS`` names a file
    that gets one line, step and key, from each call that comes to its end. The processes, which
    know no context, do the same (`tools.py`).
    """
    time.sleep(float(os.environ.get("EXAMPLE_PAUSE", "0")))
    yield
    if path := os.environ.get("EXAMPLE_CALLS"):
        with Path(path).open("a", encoding="utf-8") as calls:
            calls.write(f"{context.step} {context.idempotency_key}\n")
