"""Finding executions in a store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from itertools import dropwhile

import attrs

from trioflow.engine._arguments import (
    check_instant,
    check_labels,
    check_limit,
    check_statuses,
    check_text,
)
from trioflow.errors import ExecutionNotFound
from trioflow.stores._protocol import Head, Store


@attrs.define(eq=False)
class Pages:
    """The heads of a store, newest first, page by page, each once, whatever is deleted meanwhile.

    A page comes after the last of those before it that is still there. What has been started since
    then, or has only now one of the statuses, is passed over where it belongs before that.
    """

    _store: Store
    limit: int
    status: str | Collection[str] | None = attrs.field(default=None, kw_only=True)
    workflow: str | None = attrs.field(default=None, kw_only=True)
    before: str | None = attrs.field(default=None, kw_only=True)
    # Whether there may be another page.
    more: bool = attrs.field(default=True, init=False)
    # Id and start of what was read, but for those at the end that were found to be gone.
    _passed: list[tuple[str, float]] = attrs.field(factory=list, init=False)
    # The start of the last one that was returned.
    _reached: float | None = attrs.field(default=None, init=False)
    # Whether what comes next may be newer than that.
    _went_back: bool = attrs.field(default=False, init=False)

    async def next(self) -> list[Head]:
        """Return the next page, which may be empty even if there is `more`.

        Raises `ExecutionNotFound` only for a `before` that is not there at the first page.
        """
        page = await (self._heads(self.before) if self._reached is None else self._next())
        self.more = len(page) >= self.limit
        self._passed += [(head.id, head.created) for head in page]
        if self._went_back and (reached := self._reached) is not None:
            page = list(dropwhile(lambda head: head.created > reached, page))
            self._went_back = not page
        if page:
            self._reached = page[-1].created
        return page

    async def _next(self) -> list[Head]:
        while self._passed:
            last, created = self._passed[-1]
            with suppress(ExecutionNotFound):
                page = await self._heads(last)
                # Not another one that has its id by now, and before which all the others are.
                head = await self._store.head(last)
                if head is not None and head.created == created:
                    return page
            self._passed.pop()
            self._went_back = True
        with suppress(ExecutionNotFound):
            return await self._heads(self.before)
        return await self._heads(None)

    async def _heads(self, before: str | None) -> list[Head]:
        return await self._store.heads(
            status=self.status, workflow=self.workflow, before=before, limit=self.limit
        )


async def find_executions(
    store: Store,
    *,
    status: str | Iterable[str] | None = None,
    workflow: str | None = None,
    label: Mapping[str, str] | None = None,
    limit: int = 100,
    before: str | None = None,
    created_before: float | None = None,
    created_after: float | None = None,
    ended_before: float | None = None,
) -> list[Head]:
    """Return the heads of executions, newest first; `before` is the last id of a page.

    `label` are labels that all must be there. `created_before`, `created_after` and `ended_before`
    are instants, in seconds since the epoch; what is open has not ended before any. Status and
    workflow are found by an index; for the rest page after page is looked through, and what is
    deleted, started or ended meanwhile does no harm. Raises `InvalidRequest` for a status that
    there is not, and for whatever else can find nothing, and `ExecutionNotFound` for a `before`
    that is not there.
    """
    wanted = check_statuses(status)
    labels = check_labels("label", label)
    for what, text in (("workflow", workflow), ("before", before)):
        if text is not None:
            check_text(what, text)
    limit = check_limit(limit)
    created_before = check_instant("created_before", created_before)
    created_after = check_instant("created_after", created_after)
    ended_before = check_instant("ended_before", ended_before)
    found: list[Head] = []
    pages = Pages(store, limit, status=wanted, workflow=workflow, before=before)
    while len(found) < limit and pages.more:
        for head in await pages.next():
            if created_after is not None and head.created <= created_after:
                # The rest is older still.
                return found
            if (
                labels.items() <= head.labels.items()
                and (created_before is None or head.created < created_before)
                and (ended_before is None or (head.ended is not None and head.ended < ended_before))
            ):
                found.append(head)
    return found[:limit]
