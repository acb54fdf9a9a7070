"""The scenario harness: a workflow document in, its whole test suite out.

It is to plan, predict, play and write down what a workflow does when things go well, late, wrong
or to pieces: every failure, timeout, branch, pause, cancel and crash, in virtual time.

This release holds its place only: there is nothing to call yet. What an execution must do is
written in ``docs/semantics.md``, the page from which the harness's own predictions will be made;
it knows the engine by its public API alone, and nothing of trioflow ever imports it.
"""

from __future__ import annotations

__all__: tuple[str, ...] = ()
