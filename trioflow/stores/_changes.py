"""Who waits for which execution to grow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio


@attrs.define(eq=False)
class _Slot:
    # The lowest number of events that one of its tasks waits to see exceeded.
    seq: int
    grown: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Changes:
    """Wakes the tasks that wait for an execution; they look for themselves whether it grew.

    Level-triggered: a task first takes its event, then looks, then waits. What happens after
    the look sets the event; what happened before, the look has seen.
    """

    _slots: dict[str, _Slot] = attrs.field(factory=dict, init=False)

    @contextmanager
    def watching(self, execution_id: str, seq: int) -> Iterator[trio.Event]:
        """Give the event of the next change. Leaves nothing behind."""
        slot = self._slots.setdefault(execution_id, _Slot(seq))
        slot.seq = min(slot.seq, seq)
        try:
            yield slot.grown
        finally:
            # Others may hold the event without waiting for it yet, and would miss the next change
            # if the slot just went away. So it is set; that costs them one look.
            if self._slots.get(execution_id) is slot:
                self.notify(execution_id)

    def wanted(self) -> dict[str, int]:
        """Return the executions that somebody waits for, with the seq to be exceeded."""
        return {execution_id: slot.seq for execution_id, slot in self._slots.items()}

    def notify(self, execution_id: str) -> None:
        """Wake everybody who waits for this execution. Does nothing if nobody does."""
        slot = self._slots.pop(execution_id, None)
        if slot is not None:
            slot.grown.set()

    def notify_some(self) -> None:
        """Wake those who wait for one execution, whichever."""
        for execution_id in self._slots:
            self.notify(execution_id)
            break

    def notify_all(self) -> None:
        """Wake everybody."""
        for execution_id in list(self._slots):
            self.notify(execution_id)
