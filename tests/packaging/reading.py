"""Do what pages say, with the trioflow that this interpreter has: ``python -P reading.py PAGE``.

For environments that have little more than trioflow: it needs pytest for the pages' own sake, and
PyYAML. The tests run the same pages with more to say about what does not fit.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def _pages() -> ModuleType:
    """Import the neighbour by its file: no folder of the checkout may come onto the path."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "tests/documentation/pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pages"] = module
    spec.loader.exec_module(module)
    return module


def read(name: str) -> None:
    pages = _pages()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "folder")
        folder.mkdir()
        os.chdir(folder)
        reader = pages.Reader(folder, pages.programs(Path(place, "programs")))
        done = 0
        for block in pages.blocks(ROOT / name):
            reader.do(block)
            done += not block.excuse
        os.chdir(ROOT)
    print(f"{name}: {done} blocks, all as written")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        read(name)
