"""What the engine logs of events: ids and codes, never values."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trioflow.kernel import _events as e

# Every event is read again whenever an execution comes back into memory, which takes 5 to 7 µs
# for each. So this many are noticed (70 ms), but nothing is wrong yet.
LONG_HISTORY = 10_000


# Ids are attributes of the record, too: logs are searched by them.
def _ids(execution_id: str, workflow: str, **more: Any) -> dict[str, Any]:
    return {"execution_id": execution_id, "workflow": workflow, **more}


def log(
    logger: logging.Logger, execution_id: str, workflow: str, events: Iterable[e.Event]
) -> None:
    """Log events that have become durable: ends at INFO, failed attempts at WARNING."""
    for event in events:
        tell = _LOGGED.get(type(event))
        if tell is not None:
            tell(logger, execution_id, workflow, event)
        if event.seq == LONG_HISTORY:
            logger.warning(
                "%s: its history has %d events by now, all of which are read whenever it is "
                "continued; let large parts of the workflow, such as what a for_each does for an "
                "item, be child workflows with histories of their own",
                execution_id,
                event.seq,
                extra=_ids(execution_id, workflow),
            )


def _step_ended(logger: logging.Logger, execution_id: str, workflow: str, event: Any) -> None:
    if logger.isEnabledFor(logging.INFO):
        what = event.type.removeprefix("Step").upper()
        ids = _ids(execution_id, workflow, step=event.step)
        logger.info("%s: step %s is %s", execution_id, event.step, what, extra=ids)


def _attempt_failed(
    logger: logging.Logger, execution_id: str, workflow: str, event: e.AttemptFailed
) -> None:
    logger.warning(
        "%s: attempt %d of step %s failed (%s)",
        execution_id,
        event.attempt,
        event.step,
        event.failure.code,
        extra=_ids(execution_id, workflow, step=event.step, attempt=event.attempt),
    )


def _execution_ended(
    logger: logging.Logger, execution_id: str, workflow: str, event: e.Event
) -> None:
    what = event.type.removeprefix("Execution").upper()
    ids = _ids(execution_id, workflow)
    logger.info("%s: the execution is %s", execution_id, what, extra=ids)


_STEP_ENDS = (e.StepCompleted, e.StepFailed, e.StepSkipped, e.StepCancelled)
_LOGGED: Mapping[type[e.Event], Callable[[logging.Logger, str, str, Any], None]] = {
    **dict.fromkeys(_STEP_ENDS, _step_ended),
    e.AttemptFailed: _attempt_failed,
    **dict.fromkeys(e.TERMINAL_EVENTS, _execution_ended),
}
