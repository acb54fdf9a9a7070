"""Retention: executions that ended long ago are deleted, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import trio

from trioflow.definitions._durations import parse_duration
from trioflow.errors import InvalidRequest
from trioflow.kernel._states import CANCELLED, COMPLETED, FAILED

if TYPE_CHECKING:
    from trioflow.engine._engine import Engine

# What `open_engine` takes: a duration for all, or one for each status; None is for ever.
Retention = str | float | Mapping[str, str | float | None] | None

_STATUSES = (COMPLETED, FAILED, CANCELLED)

# So that a busy engine deletes in batches rather than wakes up for each: what is due waits for up
# to a tenth of the shortest age, and at most for so many seconds.
_LONGEST_PAUSE = 3_600.0

# How many heads to ask the store for at once.
_PAGE = 100


def parse_retention(retention: Retention) -> dict[str, float]:
    """Return for each status after how many seconds to delete; a missing one is kept for ever.

    Raises `InvalidRequest`.
    """
    if retention is None:
        return {}
    given = retention if isinstance(retention, Mapping) else dict.fromkeys(_STATUSES, retention)
    ages: dict[str, float] = {}
    for status, age in given.items():
        if status not in _STATUSES:
            raise InvalidRequest(
                f"retention: executions do not end as {status!r}; "
                f"name {', '.join(_STATUSES[:-1])} or {_STATUSES[-1]}"
            )
        if age is not None:
            try:
                ages[status] = parse_duration(age)
            except ValueError as error:
                raise InvalidRequest(f"retention: {error}") from None
    return ages


class Sweeper:
    """Deletes what ended more than an age ago, whatever engine has executed it."""

    def __init__(self, engine: Engine, ages: Mapping[str, float]) -> None:
        self._engine = engine
        self.ages = ages
        self._ended = trio.Event()
        # What the store would not delete.
        self._refused: set[str] = set()

    def note_end(self, status: str) -> None:
        """Hear that an execution has ended."""
        if status in self.ages:
            self._ended.set()

    async def sweep_for_ever(self) -> None:
        """Delete what is due now, and whenever something is.

        It sleeps until the next one is due, and without end while there is none: so it does not
        keep a virtual clock from coming to an end.
        """
        shortest = min(self.ages.values())
        pause = min(shortest / 10, _LONGEST_PAUSE)
        while True:
            self._ended = trio.Event()
            found = [await self._sweep(status, age) for status, age in self.ages.items()]
            due = min((one for one in found if one is not None), default=None)
            if due is None:
                await self._ended.wait()
            else:
                # What ends from now on is not due before `shortest` has passed.
                now = self._engine.now()
                due = max(min(due, now + shortest), now + pause)
                await trio.sleep_until(self._engine.trio_time(due))

    async def _sweep(self, status: str, age: float) -> float | None:
        """Delete what is due, and return when the next one is: None if there is none."""
        deleted = 0
        due = None
        while due is None:
            limit = _PAGE + len(self._refused)
            page = await self._engine.store.ended(status, limit=limit)
            for head in page:
                if head.id in self._refused:
                    continue
                assert head.ended is not None
                if head.ended + age > self._engine.now():
                    due = head.ended + age
                    break
                deleted += await self._delete(head.id)
            if len(page) < limit:
                break
        if deleted:
            self._engine.logger.info(
                "deleted %d executions that had been %s for more than %g s", deleted, status, age
            )
        return due

    async def _delete(self, execution_id: str) -> int:
        try:
            await self._engine.delete(execution_id)
        except InvalidRequest as error:
            # A child of it is open, which no engine of ours leaves behind.
            self._refused.add(execution_id)
            self._engine.logger.warning("%s", error, extra={"execution_id": execution_id})
            return 0
        return 1
