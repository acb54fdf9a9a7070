"""The state of an execution of which nothing has happened yet, and how to find things in it.

`State` (`_apply.py`) is this, changed by events.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from typing import Any

from trioflow.definitions._graph import Plan
from trioflow.kernel import _events as e
from trioflow.kernel._records import NOBODY, Key, StepRecord, Stopping, Unit
from trioflow.kernel._states import PENDING


class Blank:
    """What is known of one execution, before anything of it is."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.seq = 0
        self.now = 0.0
        self.status = PENDING
        self.id = ""
        self.input: Mapping[str, Any] = {}
        self.labels: Mapping[str, str] = {}
        # What references see as ``execution``.
        self.about_itself: Mapping[str, Any] = {}
        self.parent: str | None = None
        self.depth = 0
        self.started_at = 0.0
        self.ended_at: float | None = None
        self.output: Any = None
        self.failures: tuple[e.Failure, ...] = ()
        self.reason = ""

        self.steps = [
            StepRecord(planned=step, gates=step.gates, undecided=len(step.incoming))
            for step in plan.steps
        ]
        # What references see of the steps that have ended: outputs of COMPLETED ones, and facts.
        self.outputs: dict[str, Any] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        # True: taken. False: dead. None: not decided.
        self.decided: list[bool | None] = [None] * len(plan.connections)
        self._gates = [len(gate.members) for gate in plan.gates]

        # Counters over all steps, so that no question about the whole needs a scan.
        self.open = len(self.steps)
        self.running = 0
        self.paused = 0
        # Items that are PAUSED; their step need not be.
        self.paused_items: dict[Key, None] = {}
        # The steps and items that have a running attempt, and those whose child runs.
        self.attempting: dict[Key, None] = {}
        self.children: dict[Key, None] = {}
        # Connections whose source has ended, but whose condition waits for an input.
        self.waiting_connections: dict[int, None] = {}
        # The failures for which the execution will be FAILED, by what failed, in order. Deferred
        # ones stop nothing; those of steps may yet become handled (R4).
        self.unhandled: dict[str, e.Failure] = {}
        self.deferred: dict[str, e.Failure] = {}
        self.stopping: Stopping | None = None
        # What is to be undone if it comes to that, in the order in which it was completed; and
        # why something could not be.
        self.to_undo: list[Key] = []
        self.undo_failures: list[e.Failure] = []

        # What has been asked for.
        self.cancel: e.CancelRequested | None = None
        self.pause = False
        # When it was paused, or resumed, last.
        self.pause_at: float | None = None
        self.signals: dict[str, Any] = {}
        # In the order of the document.
        self.decisions: dict[str, Any] = {}
        # The instant of the first of the requests with which the history ends, if it does.
        self.asked_at: float | None = None

        # Worklists for the deciding half. Entries may be stale: it looks again at what it takes.
        # Steps that one record made ready form one group, in the order of the document.
        self.groups: deque[list[int]] = deque()
        self.look_at_connections = False
        self.signalled: list[str] = []
        self.lost: dict[Key, None] = {}
        self.look_at_items: dict[int, None] = {}
        # (instant, one of the four kinds, whose, what)
        self.timers: list[tuple[float, int, Key, str]] = []
        # The execution's timeout: an instant while it is not paused, else the seconds left.
        self.deadline: float | None = None
        self._remaining: float | None = None

    def step(self, step_id: str) -> StepRecord:
        """Return the record of a step."""
        return self.steps[self.plan.index[step_id]]

    def unit(self, key: Key) -> Unit:
        """Return the record of a step, or of an item."""
        record = self.steps[key[0]]
        return record if key[1] < 0 or record.items is None else record.items[key[1]]

    def named(self, name: str) -> Unit:
        """Return the step or item of a `Unit.name`, like ``pay`` or ``pay[3]``."""
        step, _, item = name.partition("[")
        record = self.step(step)
        return record.items[int(item.removesuffix("]"))] if item and record.items else record

    def add_timer(self, due: float, kind: int, what: str, key: Key = NOBODY) -> None:
        """Remember an instant. Timers are never removed: whoever takes one checks it."""
        heapq.heappush(self.timers, (due, kind, key, what))
