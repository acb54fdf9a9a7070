"""``--actions``: the modules and files that hold the functions."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from trioflow.cli._errors import Refused


def load_actions(names: Iterable[str]) -> list[ModuleType]:
    """Import each of the modules and files; refuse those that fail, with the line."""
    return [_load(name) for name in names]


def _load(name: str) -> ModuleType:
    is_file = name.endswith(".py") or os.sep in name or Path(name).is_file()
    try:
        return _load_file(Path(name)) if is_file else _load_module(name)
    except Refused:
        raise
    # Whatever somebody's module does when it is imported, up to sys.exit(), is told like this.
    except (Exception, SystemExit) as error:
        raise Refused(_why(name, error)) from error


def _load_file(path: Path) -> ModuleType:
    """Import a file.

    Its folder becomes importable, behind everything else, so that it finds its neighbours and
    hides nothing. If nobody else has its name it is imported under it: then a worker process
    (`isolation="process"`) and pickle find its functions, too. Otherwise it gets a name of its
    own, which only this process knows.
    """
    if not path.is_file():
        raise Refused(
            f"there is no file {str(path)!r} with actions; "
            f"a module is given by its name, like package.module"
        )
    path = path.resolve()
    if (folder := str(path.parent)) not in sys.path:
        sys.path.append(folder)
    importlib.invalidate_caches()
    if path.stem.isidentifier() and _is_found_at(path.stem, path):
        return importlib.import_module(path.stem)
    name = f"trioflow_actions_{path.stem}"
    while name in sys.modules and getattr(sys.modules[name], "__file__", None) != str(path):
        name += "_"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise Refused(f"{str(path)!r} is no Python file; give one that ends in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_found_at(name: str, path: Path) -> bool:
    try:
        specification = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    found = None if specification is None else specification.origin
    return found is not None and Path(found).resolve() == path


def _load_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise Refused(f"{name!r} is neither a file nor a module; give one for --actions")
    # As `python -m` does.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise Refused(
                f"there is no module {error.name!r} for --actions {name}; "
                f"a file is given by its path, like ./actions.py"
            ) from None
        raise


def _why(name: str, error: BaseException) -> str:
    """Say where the import failed, and how."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}, line {error.lineno}"
        what = f"{type(error).__name__}: {error.msg}"
    else:
        # The last line of the file itself, if it is one; else where it was raised. Frames of the
        # import machinery, and ours, tell nobody anything.
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if not frame.filename.startswith("<frozen")
            and frame.filename != __file__
            and f"{os.sep}importlib{os.sep}" not in frame.filename
        ]
        stem = Path(name).stem if name.endswith(".py") else name.rpartition(".")[2]
        own = [frame for frame in frames if Path(frame.filename).stem == stem]
        last = (own or frames)[-1] if frames else None
        place = name if last is None else f"{last.filename}, line {last.lineno}"
    return f"the actions of {name!r} cannot be imported: {place}: {what}"
