"""Finding executions in a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trioflow.engine._arguments import (
    check_instant,
    check_labels,
    check_limit,
    check_statuses,
    check_text,
)
from trioflow.stores._protocol import Head, Store


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
    workflow are found by an index; for the rest page after page is looked through. Raises
    `InvalidRequest` for a status that there is not, and for whatever else can find nothing.
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
    while len(found) < limit:
        page = await store.heads(status=wanted, workflow=workflow, before=before, limit=limit)
        for head in page:
            if created_after is not None and head.created <= created_after:
                # The rest is older still.
                return found
            if (
                labels.items() <= head.labels.items()
                and (created_before is None or head.created < created_before)
                and (ended_before is None or (head.ended is not None and head.ended < ended_before))
            ):
                found.append(head)
        if len(page) < limit:
            break
        before = page[-1].id
    return found[:limit]
