"""`load_workflow`: the door through which documents come in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from trioflow.definitions._model import Workflow, workflow_from
from trioflow.definitions._reading import read


def load_workflow(source: str | os.PathLike[str] | Mapping[str, Any]) -> Workflow:
    """Load a workflow from a document: a path, JSON text, or a mapping.

    Files are UTF-8; those that end in ``.yaml`` or ``.yml`` are YAML, read with JSON's types only
    (this needs the extra ``trioflow[yaml]``), all others are JSON. A string is JSON text if it
    begins with ``{``, and else a path.

    Everything is checked before anything runs. Raises `DefinitionError` with all faults at once,
    each with its JSON path in the document as it was written; also for a file that is not there,
    is no UTF-8, is larger than 4 MiB, or nested more than 100 deep. Nothing is ever fetched.
    """
    document, name = read(source)
    return workflow_from(document, source=name)
