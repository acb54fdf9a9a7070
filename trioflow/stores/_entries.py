"""What all stores do alike: events become checked, ordered JSON text that any store can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trioflow.errors import InvalidRequest, TooLarge
from trioflow.kernel._codec import encode, encode_json
from trioflow.kernel._events import Event, ExecutionStarted
from trioflow.kernel._sizes import MAX_EVENT_BYTES
from trioflow.stores._protocol import OPEN, Head


def encode_entries(head: Head, events: Sequence[Event]) -> list[str]:
    """Return the texts of the events that bring an execution to ``head.seq``.

    Raises `TooLarge`, and `ValueError` for what is no JSON or does not continue the history.
    """
    expected = head.seq - len(events)
    if expected < 0 or not head.seq:
        raise ValueError(
            f"a commit of {len(events)} events can't bring execution {head.id!r} to seq {head.seq}"
        )
    texts = []
    for seq, event in enumerate(events, start=expected + 1):
        if event.seq != seq or (isinstance(event, ExecutionStarted) and seq != 1):
            raise ValueError(
                f"{event.type} with seq {event.seq} can't be event {seq} of execution {head.id!r}"
            )
        text = encode(event)
        size = len(text)
        if not text.isascii():
            text, size = _storable(text)
        if size > MAX_EVENT_BYTES:
            raise TooLarge(head.id, size, MAX_EVENT_BYTES)
        texts.append(text)
    return texts


def encode_mapping(value: Mapping[str, Any]) -> str:
    """Return the text of a document, or of labels."""
    text = encode_json(value)
    return text if text.isascii() else _storable(text)[0]


def refuse_open(execution_id: str, status: str) -> None:
    """Raise `InvalidRequest` if an execution that is to be deleted has not ended."""
    if status in OPEN:
        raise InvalidRequest(
            f"can't delete execution {execution_id!r}: it is {status}; cancel it first"
        )


def _storable(text: str) -> tuple[str, int]:
    """Return the text in a form that UTF-8 can hold, and its size in bytes."""
    try:
        return text, len(text.encode())
    except UnicodeEncodeError:
        # A lone surrogate, as in JSON's "\ud800": legal there, but it has no UTF-8, which SQLite
        # wants. Escaped it comes back as it was.
        text = json.dumps(json.loads(text), allow_nan=False, separators=(",", ":"))
        return text, len(text)
