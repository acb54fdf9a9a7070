"""What is put into a driver's inbox by those who wait for an answer."""

from __future__ import annotations

import attrs
import trio

from trioflow.errors import InvalidRequest
from trioflow.kernel import _facts as f


class EngineLeft(InvalidRequest):
    """The engine is being left: nothing can be started or continued with it any more."""


class NotOurs(InvalidRequest):
    """Another engine, which is alive, drives the execution."""


class NotDriven(Exception):
    """The driver stopped before it took the request in; nothing was recorded."""


@attrs.define(eq=False)
class Request:
    """A fact that somebody waits to see recorded, or refused."""

    fact: f.Fact
    answered: trio.Event = attrs.field(factory=trio.Event)
    # In the hands of a round: it is too late to take it back.
    taken: bool = False
    error: BaseException | None = None

    def answer(self, error: BaseException | None = None) -> None:
        """Wake who waits for it; without an error it is recorded."""
        self.error = error
        self.answered.set()
