"""Figures, ratios and goals as tables: of rich on a terminal, of Markdown in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs
from rich.console import Console
from rich.table import Table as RichTable
from running import PEERS, TITLES, Results, Subject, Summary
from workloads import Goal, Metric, Workload

NOTHING = "-"


@attrs.frozen
class Table:
    """Rows of text below a heading; the columns after `left` are numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 2

    def print(self, console: Console) -> None:
        table = RichTable(title=self.title, title_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="left" if number < self.left else "right")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        marks = [":--" if n < self.left else "--:" for n in range(len(self.columns))]
        lines = [self.columns, marks, *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def better(metric: Metric, ours: float, other: float) -> float:
    """Return how many times as good `ours` is: 2 is twice the rate, or half the time."""
    above, below = (ours, other) if metric.more_is_better else (other, ours)
    return above / below if below else float("inf")


def best_peer(metric: Metric, found: Mapping[str, Summary]) -> tuple[str, float] | None:
    """Return the peer with the best figure, and the figure; None if there is none."""
    figures = {
        name: found[name].medians[metric.name]
        for name in PEERS
        if name in found and metric.name in found[name].medians
    }
    if not figures:
        return None
    name = (max if metric.more_is_better else min)(figures, key=lambda each: figures[each])
    return name, figures[name]


def _figure(metric: Metric, found: Mapping[str, Summary], name: str) -> str:
    summary = found.get(name)
    if summary is None:
        return NOTHING
    if summary.failed:
        return summary.failed if summary.failed.startswith(">") else "failed"
    if metric.name not in summary.medians:
        return NOTHING
    text = metric.format.format(summary.medians[metric.name])
    return "0" if text == "-0" else text


def _times(metric: Metric, found: Mapping[str, Summary], other: float | None) -> str:
    ours = found["trioflow"].medians.get(metric.name) if "trioflow" in found else None
    if ours is None or other is None or metric.name in ("redone", "bytes"):
        return NOTHING
    return f"{better(metric, ours, other):.2f}"


def figures(results: Results, workloads: Sequence[Workload], subjects: Sequence[Subject]) -> Table:
    """Return the medians, and how many times as good trioflow is as the others."""
    rows = []
    with_peers = any(subject.name in PEERS for subject in subjects)
    for workload in workloads:
        found = results[workload.name]
        for metric in workload.metrics:
            others: list[float | None] = [
                found[name].medians.get(metric.name) if name in found else None
                for name in ("raw", "bare")
            ]
            if with_peers:
                best = best_peer(metric, found)
                others.append(best[1] if best else None)
            rows.append(
                (
                    workload.name,
                    metric.title,
                    *(_figure(metric, found, subject.name) for subject in subjects),
                    *(_times(metric, found, other) for other in others),
                )
            )
    ratios = ("÷ raw", "÷ bare", *(("÷ best peer",) if with_peers else ()))
    titles = tuple(subject.title for subject in subjects)
    return Table("Medians", ("", "", *titles, *ratios), tuple(rows))


def goals(results: Results, workloads: Sequence[Workload]) -> Table:
    """Return what is wanted, what was found, and whether that is enough."""
    rows = [
        (workload.name, *_goal(goal, workload, results[workload.name]))
        for workload in workloads
        for goal in workload.goals
    ]
    return Table("Goals", ("", "goal", "found", "met", "in all processes"), tuple(rows))


def _short(metric: Metric) -> str:
    return re.split(r",| \(", metric.title)[0]


def _goal(
    goal: Goal, workload: Workload, found: Mapping[str, Summary]
) -> tuple[str, str, str, str]:
    metric = next(each for each in workload.metrics if each.name == goal.metric)
    sign = "≥" if metric.more_is_better else "≤"
    ours = found["trioflow"].medians.get(metric.name) if "trioflow" in found else None
    if not goal.of:
        text = f"{_short(metric)} {sign} {goal.bound:,g}"
        if ours is None:
            return text, NOTHING, NOTHING, NOTHING
        met = ours >= goal.bound if metric.more_is_better else ours <= goal.bound
        every = found["trioflow"].all.get(metric.name, ())
        spread = " to ".join(metric.format.format(pick(every)) for pick in (min, max) if every)
        return text, metric.format.format(ours), "yes" if met else "no", spread or NOTHING
    if goal.of == "peers":
        best = best_peer(metric, found)
        name, other = ("the best peer", None) if best is None else (TITLES[best[0]], best[1])
    else:
        name = TITLES[goal.of]
        other = found[goal.of].medians.get(metric.name) if goal.of in found else None
    text = f"{_short(metric)} {sign} {goal.bound:.3g} x {name}"
    if ours is None or not other:
        return text, NOTHING, NOTHING, NOTHING
    met = ours / other >= goal.bound if metric.more_is_better else ours / other <= goal.bound
    return text, f"{ours / other:.2f} x", "yes" if met else "no", NOTHING
