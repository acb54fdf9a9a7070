"""How much fits into a record, and what is done about outputs and errors that grow with a workflow.

A store refuses an event that is too large, and then an execution could not go on: so what is made
of the outputs and the errors of many steps is looked at before it is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from trioflow.kernel._codec import encode_json
from trioflow.kernel._events import Failure

# One event may have this many bytes of JSON (UTF-8), its document not counted.
MAX_EVENT_BYTES = 1 << 20

# What an event needs beside the output that it carries.
MAX_OUTPUT_BYTES = MAX_EVENT_BYTES - 16_384

# Half an event: the errors of a child become the causes of an error of its parent.
MAX_ERRORS_BYTES = MAX_EVENT_BYTES // 2


def size_of(text: str) -> int:
    """Return how many bytes a text of JSON has in a store."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def too_large(whose: str, size: int) -> Failure:
    """Return why an output of so many bytes is none."""
    return Failure(
        "result.too_large",
        f"{whose} has {size} bytes of JSON, more than the {MAX_OUTPUT_BYTES} that fit; "
        f"keep large data elsewhere and return a reference to it",
    )


def as_many_as_fit(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """Return the failures, or the first of them and one that says how many there are besides.

    One that does not fit by itself loses its causes.
    """
    kept: list[Failure] = []
    left = MAX_ERRORS_BYTES
    for number, failure in enumerate(failures):
        found, size = failure, _bytes_of(failure)
        if size > MAX_ERRORS_BYTES:
            found = attrs.evolve(failure, causes=())
            size = _bytes_of(found)
        if size > left:
            more = len(failures) - number
            kept.append(
                Failure(
                    "result.too_large",
                    f"{more} more {'failures do' if more > 1 else 'failure does'} not fit into "
                    f"this record; the histories of their steps tell them",
                )
            )
            break
        kept.append(found)
        left -= size
    return tuple(kept)


def _bytes_of(value: Failure) -> int:
    found: dict[str, Any] = value.to_json()
    return size_of(encode_json(found))
