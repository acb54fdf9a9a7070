"""What was made of a document is found again, unless the document has changed."""

from __future__ import annotations

from typing import Any

from harness._remembered import Remembered


def test_it_is_made_once_for_a_document() -> None:
    made: list[Any] = []
    remembered = Remembered(lambda document: made.append(dict(document)) or len(made), 2)
    document = {"steps": [{"id": "a"}]}

    assert [1, 1] == [remembered(document), remembered(document)]

    document["steps"][0]["id"] = "b"

    assert [2, 2] == [remembered(document), remembered(document)]
    assert 3 == remembered({"steps": [{"id": "b"}]})


def test_the_oldest_is_forgotten() -> None:
    made: list[Any] = []
    remembered = Remembered(lambda document: made.append(document) or len(made), 2)
    documents = [{"n": n} for n in range(3)]
    for document in documents:
        remembered(document)

    assert [3, 2, 4] == [remembered(documents[place]) for place in (2, 1, 0)]
