"""The actions that trioflow brings along, as far as scenarios have to know them.

A program has them whatever it was given, and one of them never returns. This is the one place of
the harness that names them; a test compares it with what trioflow itself says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness._remembered import Remembered

Document = Mapping[str, Any]

FAIL = "fail"
# What every engine has. One that is only there on request, `process.run`, may be lacking.
BUILT_IN = frozenset({FAIL, "http.request", "log", "set"})

# What `fail` raises: message, code, retryable.
Raised = tuple[str, str, bool | None]
_RAISED: Raised = ("the workflow says so", FAIL, False)
_ITEM = re.compile(r"\[[^\]]*\]")


def raised_by(parameters: Any) -> Raised:
    """Return what `fail` raises with these parameters; a reference in one says nothing of it."""
    given = parameters if isinstance(parameters, Mapping) else {}
    message, code, retryable = _RAISED
    if _is_literal(given, "message"):
        message = str(given["message"])
    if _is_literal(given, "code"):
        code = str(given["code"])
    if given.get("retryable", False) is None or isinstance(given.get("retryable"), bool):
        retryable = given["retryable"]
    return message, code, retryable


def _is_literal(given: Mapping[str, Any], key: str) -> bool:
    return key in given and "${" not in str(given[key])


# ---- where it is called ----


class _Read:
    """What is called in a document: what `fail` raises there, and which children are started."""

    def __init__(self, document: Document) -> None:
        self.raised: dict[str, Raised] = {}
        self.children: dict[str, str] = {}
        for part in (*(document.get("steps") or ()), *(document.get("nodes") or ())):
            fields = {**part, **(part.get("config") or {})}
            kind = fields.get("type") or "action"
            if kind == "workflow":
                self.children[fields["id"]] = str(fields.get("workflow"))
            elif kind == "action" and fields.get("service") is None:
                self._note(fields["id"], fields.get("action"), fields.get("parameters"))
            for role in ("fallback", "compensate"):
                called = fields.get(role)
                called = {"action": called} if isinstance(called, str) else called or {}
                given = called.get("parameters")
                if given is None and role == "fallback":
                    # R13: without any of its own it gets those of its step.
                    given = fields.get("parameters")
                self._note(f"{fields['id']}:{role}", called.get("action"), given)

    def _note(self, name: str, action: Any, parameters: Any) -> None:
        if action == FAIL:
            self.raised[name] = raised_by(parameters)


_read = Remembered(_Read, 64)


def calls_fail(documents: Iterable[Document]) -> bool:
    """Whether any of these documents calls `fail`: few do."""
    return any(_read(each).raised for each in documents)


def raised_at(document: Document, workflows: Mapping[str, Document], name: str) -> Raised | None:
    """Return what the attempts of this name raise because they call `fail`; None if they do not.

    The name is as among the calls: ``pay``, ``pay[3]``, ``ship/pack:fallback``.
    """
    *path, last = _ITEM.sub("", name).split("/")
    found: Document | None = document
    for step in path:
        child = None if found is None else _read(found).children.get(step)
        found = document if child == document["id"] else workflows.get(str(child))
    return None if found is None else _read(found).raised.get(last)
