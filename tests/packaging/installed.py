"""Check a wheel that was just installed, with nothing but what it depends on.

``python -P installed.py VERSION`` in an empty folder, by the interpreter of that environment.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import pkgutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

PACKAGES = ("trioflow", "harness")
TYPED = "py.typed"
SCHEMA = "workflow.schema.json"


def main(version: str) -> None:
    found = importlib.metadata.distribution("trioflow")
    assert version == found.version, found.version
    files = [file for file in found.files or () if ".." not in file.parts]
    folders = {file.parts[0] for file in files}
    assert {*PACKAGES, f"trioflow-{version}.dist-info"} == folders, folders

    for name in PACKAGES:
        package = importlib.import_module(name)
        assert package.__file__ is not None
        home = Path(package.__file__)
        assert home.is_relative_to(sys.prefix), home
        assert (home.parent / TYPED).is_file(), home
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if module.name == "harness.plugin":
                continue  # pytest imports it, and is not here yet
            if not module.name.endswith("__main__"):
                _import(module.name)

    schema = resources.files("trioflow.definitions").joinpath(SCHEMA).read_text("utf-8")
    assert "properties" in json.loads(schema)
    assert schema == _output("trioflow", "schema")
    assert f"trioflow {version}\n" == _output("trioflow", "--version")
    assert f"trioflow {version}\n" == _output("python", "-P", "-m", "trioflow", "--version")
    assert "generate" in _output("python", "-P", "-m", "harness", "--help")
    (plugin,) = importlib.metadata.entry_points(group="pytest11", name="trioflow-harness")
    assert "harness.plugin" == plugin.value
    print(f"trioflow {version}: {len(files)} files, all there")


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # What a test runner does is only asked for by one.
        if error.name != "pytest" or not name.startswith("harness.pytesting"):
            raise


def _output(program: str, *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "" == done.stderr, done.stderr
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1])
