"""Changes of workflow documents, such as people make: each says what it is, and gives a copy."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

Document = dict[str, Any]
# What is changed: the place, and a function that changes the value that is there.
Path = tuple[str | int, ...]

_TIMES = ("timeout", "total_timeout", "initial_delay", "max_delay", "max_elapsed", "duration")
_COUNTS = ("max_attempts", "multiplier", "max_concurrent", "max_concurrent_steps")
_DROPPED = (
    "compensate", "fallback", "retry", "condition", "output_schema", "input_schema", "schema",
    "for_each", "output", "default", "not_on", "on_crash", "on_failure", "compensate_on", "join",
)  # fmt: skip
_OTHERS: dict[str, tuple[Any, ...]] = {
    "join": ("any", "all", "first"),
    "on_failure": ("cancel", "finish", "continue"),
    "on_crash": ("retry", "fail", "pause"),
    "on_exhausted": ("fail", "pause"),
    "on_item_error": ("fail", "continue"),
    "on": ("success", "failure", "always"),
}
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_SWAPS = (
    (">=", ">"), ("<=", "<"), ("==", "!="), ("!=", "=="), (" and ", " or "), (" or ", " and "),
    (" in ", " not in "), ("exists(", "not exists("),
)  # fmt: skip
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def changes(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield every change of a document, with words for it."""
    for path, value in _places(document):
        for what, new in _of_value(document, path, value):
            if not _means_the_same(document, path, what):
                yield f"{_written(path)}: {what}", _with(document, path, new)
    yield from _of_steps(document)
    yield from _of_connections(document)


def _places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, each in entries:
        yield from _places(each, (*path, key))


class _Gone:
    """Stands for: take it away."""


_GONE = _Gone()


def _with(document: Document, path: Path, new: Any) -> Document:
    found = copy.deepcopy(document)
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    if new is _GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return found


def _written(path: Path) -> str:
    return ".".join(map(str, path))


def _of_value(document: Document, path: Path, value: Any) -> Iterator[tuple[str, Any]]:
    key = path[-1]
    in_data = any(part in ("parameters", "input", "labels", "items", "output") for part in path)
    if isinstance(value, str) and "${" in value:
        yield from _references(value)
    if in_data:
        if path[:1] == ("output",) and len(path) > 1:
            yield "dropped", _GONE
        return
    if key in _TIMES and not (isinstance(value, str) and "${" in value):
        yield "twice as long", _doubled(value)
        if key != "duration":
            yield "dropped", _GONE
    elif key in _COUNTS and isinstance(value, int | float):
        yield "one more", value + 1
        if value > 1:
            yield "one less", value - 1
    elif key in _OTHERS and isinstance(value, str):
        for other in _OTHERS[key]:
            if other != value:
                yield f"{value} -> {other}", other
    elif isinstance(value, bool) and key in ("continue_on_error", "default"):
        yield "flipped", not value
    elif key == "condition" and isinstance(value, str):
        yield from _conditions(value)
    elif key == "retry" and isinstance(value, int):
        yield "one more", value + 1
    elif key in _BOUNDS and "schema" in "".join(map(str, path)):
        yield "one more", value + 1
        yield "one less", value - 1
    elif key == "required" and isinstance(value, list) and value:
        yield "the first dropped", value[1:]
    elif key in ("not_on", "compensate_on", "depends_on") and isinstance(value, list) and value:
        for place, each in enumerate(value):
            yield f"without {each}", value[:place] + value[place + 1 :]
    elif key == "until":
        yield "a day later", "1970-01-02T01:00:00+00:00"
    if key in _DROPPED and value is not False and len(path) < 6:
        yield "dropped", _GONE


def _means_the_same(document: Document, path: Path, what: str) -> bool:
    """Whether a change makes no difference: a join of one connection, `?` where nothing lacks."""
    if path[-1] == "join":
        step = document[str(path[0])][path[1]]
        incoming = len(step.get("depends_on", ())) + sum(
            connection["target"] == step["id"] for connection in document.get("connections", ())
        )
        return incoming == 1
    if re.match(r"\$\{steps\.[^.]+\.status\} may be", what):
        # Whoever may name it starts, or is said, after that step has ended; it has a status then.
        return True
    if what.startswith("${input.") and ("may be missing" in what or "has to be there" in what):
        name = re.split(r"[.?}\[]", what.removeprefix("${input."))[0]
        required = document.get("input_schema", {}).get("required", ())
        return what.count(".") == 1 and (name in required or name in document.get("input", {}))
    return False


def _doubled(value: Any) -> Any:
    if not isinstance(value, str):
        return value * 2
    total = sum(
        float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h|d)", value)
    )
    return total * 2


def _conditions(text: str) -> Iterator[tuple[str, str]]:
    for old, new in _SWAPS:
        if old in text:
            changed = text.replace(old, new, 1)
            if "not not" not in changed:
                yield f"{old.strip()} -> {new.strip()}", changed
    for old, new in ((">", ">="), ("<", "<=")):
        if re.search(rf"{old}(?!=)", text):
            yield f"{old} -> {new}", re.sub(rf"{old}(?!=)", new, text, count=1)
    for found in re.finditer(r"(?<![\w.\"'])\d+(?![\w.\"'])", text):
        number = str(int(found[0]) + 1)
        yield f"{found[0]} -> {number}", text[: found.start()] + number + text[found.end() :]
    yield "negated", f"not ({text})"


def _references(text: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"(?<!\\)\$\{([^}]*)\}", text):
        path = found[1]
        if path.startswith(("execution", "workflow", "secret", "item_index")):
            continue
        start, end = found.span(1)
        if path.endswith("?"):
            yield f"${{{path}}} has to be there", text[:start] + path[:-1] + text[end:]
        else:
            yield f"${{{path}}} may be missing", text[:start] + path + "?" + text[end:]
        if "." in path.rstrip("?"):
            other = path.rstrip("?") + "_" + ("?" if path.endswith("?") else "")
            yield f"${{{path}}} -> ${{{other}}}", text[:start] + other + text[end:]


# ---- the graph ----


def _of_steps(document: Document) -> Iterator[tuple[str, Document]]:
    key = "steps" if "steps" in document else "nodes"
    for place, step in enumerate(document[key]):
        name = step["id"]
        fields: Path = (key, place, "config") if "config" in step else (key, place)
        settings = step.get("config", step)
        wanted: dict[str, Callable[[], Any]] = {}
        if "continue_on_error" not in settings:
            wanted["continue_on_error"] = lambda: True
        if settings.get("type", step.get("type", "action")) == "action":
            if "timeout" not in settings:
                wanted["timeout"] = lambda: 0.5
            if "retry" not in settings:
                wanted["retry"] = lambda: 2
        for field, make in wanted.items():
            yield f"{name}: {field} added", _with(document, (*fields, field), make())
        yield f"{name}: step removed", _with(document, (key, place), _GONE)
        if "sequence_order" in step:
            later = step["sequence_order"] + 10
            yield f"{name}: at last", _with(document, (key, place, "sequence_order"), later)
        elif "depends_on" not in step and "connections" not in document and place:
            changed = copy.deepcopy(document)
            rows = changed[key]
            rows[place - 1], rows[place] = rows[place], rows[place - 1]
            yield f"{name}: earlier by one", changed


def _of_connections(document: Document) -> Iterator[tuple[str, Document]]:
    for place, connection in enumerate(document.get("connections", ())):
        name = f"{connection['source']}->{connection['target']}"
        yield f"{name}: removed", _with(document, ("connections", place), _GONE)
        if "on" not in connection:
            for on in ("failure", "always"):
                yield f"{name}: on {on}", _with(document, ("connections", place, "on"), on)
