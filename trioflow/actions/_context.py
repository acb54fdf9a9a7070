"""What an action is told about the call that it serves."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

import attrs
import trio

logger = logging.getLogger("trioflow.actions")


@attrs.frozen(kw_only=True)
class ActionContext:
    """Which attempt of which step this is.

    An action that has a parameter named ``context`` (or annotated with this class) is given one.
    It pickles, so an action in a worker process is given it too.
    """

    execution_id: str
    # The step's id, as in the document.
    step: str
    # The same over all attempts, crashes and restarts: hand it to services that know such keys,
    # and doing it again does no harm.
    idempotency_key: str
    workflow: str = ""
    # Counts from 1.
    attempt: int = 1
    # The index of the item, for a step with `for_each`.
    item_index: int | None = None
    # How many seconds the attempt had when it began; None: as long as it likes.
    deadline: float | None = None
    # The secrets among its parameters, name by value: what is logged shows their references.
    hidden: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def log(self, message: str, /, **fields: Any) -> None:
        """Log a line, at INFO, to the logger ``trioflow.actions``.

        The fields follow the message as ``key=value``. They, and what is known about the attempt,
        are also attributes of the log record: `fields`, `execution_id`, `step`, `attempt`,
        `workflow`, `item_index`. Secrets of the step's parameters are shown as ``${secret.NAME}``.
        """
        if self.hidden:
            # Not above: a worker process needs the rest of this, and not what comes with that.
            from trioflow.definitions._secrets import hide, hide_all

            message, fields = hide(message, self.hidden), hide_all(fields, self.hidden)
        shown = "".join(f" {key}={value!r}" for key, value in fields.items())
        logger.info(
            "%s: %s%s",
            self.step if self.item_index is None else f"{self.step}[{self.item_index}]",
            message,
            shown,
            extra={
                "execution_id": self.execution_id,
                "workflow": self.workflow,
                "step": self.step,
                "attempt": self.attempt,
                "item_index": self.item_index,
                "fields": fields,
            },
        )

    def check_cancelled(self) -> None:
        """Leave a plain `def` action here, if its attempt was cancelled or has timed out.

        Nothing can stop a thread from outside: a long one calls this between two pieces of its
        work. It raises `trio.Cancelled`, which must not be caught. An `async def` has no need of
        it and a worker process is killed: there it does nothing.
        """
        # RuntimeError: this is no thread in which the engine runs an action.
        with contextlib.suppress(RuntimeError):
            trio.from_thread.check_cancelled()
