"""The words of generated test modules: what a reader sees of a scenario, and nothing else.

Steps are named by their ids; several stand in one string, with a space between them. Seconds are
numbers, or text like ``"32.5s"``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from harness._scenario import Act, Behaviour, Hangs, Raises, Returns
from harness.families._plan import Plan
from harness.suites._library import Source, Told, family_of, read, seed_of
from harness.suites._telling import NOT_TOLD, Outcome, read_seconds

# What attempts return that are not told otherwise.
_EMPTY: Mapping[str, Any] = {}

Script = Behaviour | Sequence[Behaviour]


def returns(
    output: Any = _EMPTY,
    after: float | str = 1.0,
    *,
    spoilt: str | None = None,
    shielded: bool = False,
) -> Returns:
    """An attempt that returns this after so many seconds."""
    return Returns(output, read_seconds(after), spoilt, shielded)


def raises(
    code: str | None = None,
    after: float | str = 1.0,
    *,
    error: str = "no",
    retryable: bool | None = None,
    shielded: bool = False,
) -> Raises:
    """An attempt that fails with this code after so many seconds."""
    return Raises(error, code, read_seconds(after), retryable, shielded)


def hangs() -> Hangs:
    """An attempt that does not answer."""
    return Hangs()


def workflow(
    source: Source,
    *,
    beside: str = "",
    input: Mapping[str, Any] | None = None,
    steps: Mapping[str, Script] | None = None,
    fallbacks: Mapping[str, Script] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Told:
    """The usual course of a workflow, from which `scenario` tells what is otherwise.

    `beside` is the file relative to which `source` is a path: write ``__file__``.
    """
    if beside and isinstance(source, str):
        source = Path(os.path.normpath(Path(beside).parent / source))
    document, name, children = read(source)
    # As somebody who stands here would type it: it is part of a command.
    here = os.path.relpath(name) if name else ""
    name = name if here.startswith("..") else here
    return Told(
        document,
        id=str(document["id"]),
        input=input or {},
        steps=_rows(steps),
        fallbacks=_rows(fallbacks),
        workflows=children,
        secrets=secrets or {},
        source=name,
    )


def scenario(
    id: str,  # noqa: A002 - what is read in generated modules is its id
    usual: Told,
    *,
    expect: Outcome | None = None,
    input: Mapping[str, Any] | None = None,
    steps: Mapping[str, Script] | None = None,
    fallbacks: Mapping[str, Script] | None = None,
    compensations: Mapping[str, Script] | None = None,
    does: Act | Sequence[Act] = (),
    limit: int = 5,
    jitter: float = 1.0,
    lacks: Sequence[str] = (),
    secrets: Mapping[str, str] | None = None,
    **more: Script,
) -> Told:
    """A scenario: what is otherwise than usual, and how it ends.

    `input` replaces the usual one. `steps`, or a keyword for each, say what steps do otherwise,
    `does` what is done to the execution, `lacks` which actions the engine was not given. `secrets`
    replace the usual ones.
    """
    rows = {**_rows(steps), **_rows(more)}
    # Where all items do the same, those of the usual course do no longer what is usual for them.
    kept = {
        name: row
        for name, row in usual.steps.items()
        if "[" not in name or "/" in name or name.partition("[")[0] not in rows
    }
    missing: Any = tuple(lacks)
    acts: Any = tuple(does) if isinstance(does, Sequence) else (does,)
    return attrs.evolve(
        usual,
        id=id,
        family=family_of(id),
        # As in the suite, so that it goes the same way.
        schedule_seed=seed_of(id),
        input=usual.input if input is None else input,
        steps={**kept, **rows},
        fallbacks={**usual.fallbacks, **_rows(fallbacks)},
        compensations=_rows(compensations),
        actions=acts,
        limit=limit,
        jitter=jitter,
        lacks=missing,
        secrets=usual.secrets if secrets is None else secrets,
        outcome=expect,
    )


def _rows(given: Mapping[str, Script] | None) -> dict[str, tuple[Behaviour, ...]]:
    return {
        name: tuple(row) if isinstance(row, Sequence) else (row,)
        for name, row in (given or {}).items()
    }


# ---- how it ends ----


def _outcome(status: str, named: Mapping[str, str], more: Mapping[str, Any]) -> Outcome:
    steps = {step: name for name, text in named.items() if text for step in text.split()}
    after = more.get("after")
    waiting = more.get("waiting") or ()
    return Outcome(
        status,
        steps,
        more.get("code"),
        tuple((more.get("undone") or "").split()),
        None if after is None else round(read_seconds(after), 6),
        (waiting,) if isinstance(waiting, str) else tuple(waiting),
        dict(more.get("attempts") or {}),
        int(more.get("refused") or 0),
        more.get("output", NOT_TOLD),
    )


def completed(*, failed: str = "", skipped: str = "", **more: Any) -> Outcome:
    """It ends COMPLETED, and so do all steps but these.

    As for the other endings: `after` so many seconds; `attempts` of what was called more than
    once; `refused` requests; `undone`, in this order. `output` is what it returns, if that is said.
    """
    return _outcome("COMPLETED", {"FAILED": failed, "SKIPPED": skipped}, more)


def failed(by: str = "", *, completed: str = "", skipped: str = "", **more: Any) -> Outcome:
    """It ends FAILED, with the `code` of its first error; all steps not named are CANCELLED."""
    named = {"FAILED": by, "COMPLETED": completed, "SKIPPED": skipped}
    return _outcome("FAILED", named, more)


def cancelled(*, completed: str = "", failed: str = "", skipped: str = "", **more: Any) -> Outcome:
    """It ends CANCELLED, and so do all steps but these."""
    named = {"FAILED": failed, "COMPLETED": completed, "SKIPPED": skipped}
    return _outcome("CANCELLED", named, more)


def paused(
    at: str = "", *, completed: str = "", failed: str = "", skipped: str = "", **more: Any
) -> Outcome:
    """It waits at these steps, `waiting` for something; all steps not named are PENDING."""
    named = {"PAUSED": at, "FAILED": failed, "COMPLETED": completed, "SKIPPED": skipped}
    return _outcome("PAUSED", named, more)


def ends(status: str, **more: Any) -> Outcome:
    """It ends otherwise: ``InputRejected`` before it starts, or RUNNING as far as is told."""
    named = {key.upper(): more.pop(key) for key in tuple(more) if key in _STATUSES}
    return _outcome(status, named, more)


_STATUSES = ("completed", "failed", "skipped", "cancelled", "paused", "running", "pending")


def usual_of(plan: Plan) -> Told:
    """Return what `workflow` makes of a module that was generated from this plan."""
    base = plan.base.draft.scenario
    return Told(
        plan.document,
        id=str(plan.document["id"]),
        input=base.input,
        steps=base.steps,
        fallbacks=base.fallbacks,
        workflows=plan.workflows,
        secrets=base.secrets,
    )
