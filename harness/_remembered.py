"""What was made of a document, so that it is not made again for each of its scenarios."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Calls `make` with a document, unless it has lately been called with this very one.

    A document that somebody has changed since then is another one: a copy tells. To compare with
    it takes a tenth of the time in which the document could be written as text.
    """

    def __init__(self, make: Callable[[Any], T], size: int) -> None:
        self._make = make
        self._size = size
        # The document is kept, so that its identity is nobody else's.
        self._made: OrderedDict[int, tuple[Any, Any, T]] = OrderedDict()

    def __call__(self, document: Any) -> T:
        found = self._made.get(id(document))
        if found is not None and found[1] == document:
            return found[2]
        made = self._make(document)
        self._made[id(document)] = document, copy.deepcopy(document), made
        if len(self._made) > self._size:
            self._made.popitem(last=False)
        return made
