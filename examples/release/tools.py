"""Check, test and build a Python package with nothing but the standard library.

    python tools.py lint FOLDER | types PACKAGE | tests FOLDER | sdist FILE | wheel FILE
    python tools.py smoke PACKAGE VERSION

Each runs in the folder of the sources (`smoke`: anywhere, with the wheel in ``PYTHONPATH``), says
on stderr what is wrong, one fault a line, and ends with 0 if nothing is. They stand in for ruff,
mypy, pytest and build, which one would really call here: so the example needs nothing installed.
"""

from __future__ import annotations

import ast
import base64
import gzip
import hashlib
import importlib
import importlib.metadata
import io
import os
import pkgutil
import sys
import tarfile
import time
import tomllib
import typing
import unittest
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

# The first instant that a zip file knows: builds of the same sources are the same to the byte.
EPOCH = (1980, 1, 1, 0, 0, 0)
LONGEST_LINE = 100


def lint(folder: str) -> list[str]:
    """Find syntax errors, imports that nobody uses, long lines, tabs and trailing blanks."""
    faults = []
    for path in sorted(Path(folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), start=1):
            if len(line) > LONGEST_LINE:
                faults.append(f"{path}:{number}: longer than {LONGEST_LINE} characters")
            if "\t" in line or line != line.rstrip():
                faults.append(f"{path}:{number}: a tab, or blanks at the end")
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            faults.append(f"{path}:{error.lineno}: {error.msg}")
        else:
            faults += [f"{path}:{line}: {name} is not used" for line, name in _unused(tree)]
    return faults


def _unused(tree: ast.Module) -> Iterator[tuple[int, str]]:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    # A package's `__all__` counts as use; so does any other string, which is good enough here.
    used |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                name = (alias.asname or alias.name).split(".")[0]
                if name not in used:
                    yield node.lineno, name


def types(package: str) -> list[str]:
    """Find functions whose parameters or result have no type, or one that does not exist."""
    sys.path.insert(0, str(Path.cwd()))
    root = importlib.import_module(package)
    names = [package, *(f"{package}.{found.name}" for found in pkgutil.iter_modules(root.__path__))]
    faults = []
    for module in map(importlib.import_module, names):
        for name, function in vars(module).items():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                faults += [f"{module.__name__}.{name}: {fault}" for fault in _untyped(function)]
    return faults


def _untyped(function: FunctionType) -> Iterator[str]:
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        yield str(error)
        return
    code = function.__code__
    for name in (*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], "return"):
        if name not in hints:
            yield f"{name} has no type"


def tests(folder: str) -> list[str]:
    """Run the unit tests in `folder`; return what failed."""
    sys.path.insert(0, str(Path.cwd()))
    suite = unittest.defaultTestLoader.discover(folder)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.testsRun:
        return [f"{folder}: there are no tests"]
    return [f"{test}: failed" for test, _ in (*result.failures, *result.errors)]


def sdist(target: str) -> list[str]:
    """Pack all sources into a tar file."""
    stem = Path(target).name.removesuffix(".tar.gz")
    content = {path.as_posix(): path.read_bytes() for path in _sources(Path())}
    content["PKG-INFO"] = _metadata(_project())
    packed = io.BytesIO()
    # The tar module would write the time of day into the gzip header, hence the two layers.
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as layer,
        tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in content.items():
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    _write(Path(target), packed.getvalue())
    return []


def wheel(target: str) -> list[str]:
    """Pack the package into a wheel: its modules, its metadata, and a record of hashes."""
    project = _project()
    info = f"{project['name']}-{project['version']}.dist-info"
    content = {path.as_posix(): path.read_bytes() for path in _sources(Path(project["name"]))}
    content[f"{info}/METADATA"] = _metadata(project)
    content[f"{info}/WHEEL"] = _headers(
        {
            "Wheel-Version": "1.0",
            "Generator": "release-example",
            "Root-Is-Purelib": "true",
            "Tag": "py3-none-any",
        }
    )
    record = [f"{name},{_digest(data)},{len(data)}" for name, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            member = zipfile.ZipInfo(name, EPOCH)
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    _write(Path(target), packed.getvalue())
    return []


def smoke(package: str, version: str) -> list[str]:
    """Import `package` from its wheel, which is in ``PYTHONPATH``, and ask for its version."""
    module = importlib.import_module(package)
    found = importlib.metadata.version(package)
    faults = []
    if ".whl" not in str(module.__file__):
        faults.append(f"{package} came from {module.__file__}, not from a wheel")
    if found != version:
        faults.append(f"the wheel holds version {found}, not {version}")
    return faults


def _sources(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return sorted(path for path in found if path.is_file())


def _project() -> dict[str, Any]:
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def _metadata(project: dict[str, Any]) -> bytes:
    return _headers(
        {
            "Metadata-Version": "2.1",
            "Name": project["name"],
            "Version": project["version"],
            "Summary": project["description"],
            "Requires-Python": project["requires-python"],
        }
    )


def _headers(fields: dict[str, Any]) -> bytes:
    return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}"


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


TOOLS: dict[str, Callable[..., list[str]]] = {
    "lint": lint,
    "types": types,
    "tests": tests,
    "sdist": sdist,
    "wheel": wheel,
    "smoke": smoke,
}


def main(name: str, *arguments: str) -> int:
    """Run one tool; see `_observed` in `actions.py` for the three environment variables."""
    time.sleep(float(os.environ.get("EXAMPLE_PAUSE", "0")))
    sys.dont_write_bytecode = True
    faults = TOOLS[name](*arguments)
    for fault in faults:
        print(fault, file=sys.stderr)
    key, calls = os.environ.get("EXAMPLE_KEY", f":{name}"), os.environ.get("EXAMPLE_CALLS")
    if calls and not faults:
        with Path(calls).open("a", encoding="utf-8") as file:
            file.write(f"{key.split(':')[1]} {key}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
