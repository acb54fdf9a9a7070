"""Documents, loaded once: most scenarios of a suite are about the same few."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import trioflow


def loaded(document: Mapping[str, Any]) -> trioflow.Workflow:
    """Return the workflow of a document; raises `trioflow.DefinitionError`.

    It is known again by what is in it, and not by its identity: somebody may have changed it.
    """
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
