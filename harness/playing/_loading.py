"""Documents, loaded once: most scenarios of a suite are about the same few."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import trioflow
from harness._remembered import Remembered


def loaded(document: Mapping[str, Any]) -> trioflow.Workflow:
    """Return the workflow of a document; raises `trioflow.DefinitionError`."""
    return _loaded(document)


def _load_document(document: Mapping[str, Any]) -> trioflow.Workflow:
    """Load a document, unless one with the same text was loaded lately."""
    try:
        text = json.dumps(document, allow_nan=False, check_circular=False)
    except (TypeError, ValueError, RecursionError):
        # It is no JSON, and trioflow says it better.
        return trioflow.load_workflow(document)
    return _load(text)


# As many as a suite with children has, several times over.
@lru_cache(maxsize=64)
def _load(text: str) -> trioflow.Workflow:
    return trioflow.load_workflow(json.loads(text))


_loaded = Remembered(_load_document, 64)
