"""A report as text, for people, and as JSON, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.reports._obligations import KINDS
from harness.reports._reporting import Met, Report
from harness.suites._naming import invented_text


def text(report: Report, seconds: float | None = None) -> str:
    """Return an overview. `seconds` of real time were spent playing."""
    return "\n".join(_lines(report, seconds)) + "\n"


def _lines(report: Report, seconds: float | None) -> Iterator[str]:
    bad = len(report.problems)
    how = "all as expected" if not bad else f"{bad} NOT as expected"
    spent = "" if seconds is None else f", in {seconds:.1f} s"
    never = f"; never run: {', '.join(report.never_ran)}" if report.never_ran else ""
    yield f"{report.file}: {counted(len(report.entries), 'scenario')}, {how}{spent}{never}"
    yield ""
    yield from columns(
        ("family", "scenarios", "not as expected"),
        [
            (family, str(count), str(wrong or "-"))
            for family, (count, wrong) in report.families.items()
        ],
    )
    yield ""
    rows = [(KINDS[kind], *_figures(report, kind)) for kind in report.kinds]
    yield from columns(("what can happen", "seen", "of", ""), [*rows, ("all", *_figures(report))])
    yield from _named("not seen", grouped(report.missing()))
    yield from _named(
        "can never happen, as far as was found out",
        (f"{each.obligation}: {each.obligation.never}" for each in report.never),
    )
    if report.invented:
        yield ""
        yield invented_text(report.invented)
    left = [f"{count} of {family}" for family, count in report.left_out.items()]
    yield from _named("scenarios left out, for want of a budget", left)
    yield from _named("not as expected", (f"{each.id}: {each.why}" for each in report.problems))


def _figures(report: Report, *kinds: str) -> tuple[str, str, str]:
    all_of, missing = len(report.of(*kinds)), len(report.missing(*kinds))
    return str(all_of - missing), str(all_of), percent_text(report.percent(*kinds))


def percent_text(percent: float) -> str:
    """Return a percentage that is 100 only if nothing is missing."""
    return f"{percent:.0f} %" if percent == 100 else f"{min(percent, 99.9):.1f} %"


def counted(count: int, what: str) -> str:
    """Return how many there are: one scenario, two scenarios."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def grouped(missing: Iterable[Met]) -> Iterator[str]:
    """Yield what is missing in sentences: what happens to several steps is told once."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in missing:
        kind, subject, what = each.obligation.key
        if kind in ("step", "fault", "undone"):
            found.setdefault((kind, f"is {what}" if kind == "step" else what), []).append(subject)
        elif kind == "crash":
            found.setdefault((kind, subject), []).append(what.replace("-", " write "))
        else:
            found.setdefault((kind, str(each.obligation)), [])
    for (kind, what), names in found.items():
        if kind == "crash" and len(names) > 3:
            many = counted(len(names), "write")
            yield f"{what} dies {names[0]}, and so on to {names[-1]}: {many}"
        elif kind == "crash":
            yield f"{what} dies {', '.join(names)}"
        else:
            yield f"{what}: {', '.join(names)}" if names else what


def _named(title: str, names: Iterable[str]) -> Iterator[str]:
    found = list(names)
    if found:
        yield ""
        yield f"{title}:"
        yield from (f"  {name}" for name in found)


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table: the first column to the left, figures to the right."""
    widths = [max(len(row[index]) for row in [head, *rows]) for index in range(len(head))]
    for row in [head, *rows]:
        cells = [f"{row[0]:<{widths[0]}}"]
        cells += [f"{each:>{wide}}" for each, wide in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join(cells).rstrip()


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON.

    `kinds` says of each kind of obligation how many were ``seen``, ``of`` how many. Each of the
    ``obligations`` has a kind, a subject, what happens, the first scenarios in which it did, and
    ``never`` where it cannot.
    """
    return {
        "file": report.file,
        "workflow": report.id,
        "percent": round(report.percent(), 2),
        "scenarios": len(report.entries),
        "problems": [
            {"id": each.id, "why": each.why, "problem": each.problem} for each in report.problems
        ],
        "families": {
            family: {"scenarios": count, "problems": bad}
            for family, (count, bad) in report.families.items()
        },
        "kinds": {
            kind: {
                "seen": len(report.of(kind)) - len(report.missing(kind)),
                "of": len(report.of(kind)),
            }
            for kind in report.kinds
        },
        "obligations": [_obligation(each) for each in report.met],
        "never_ran": list(report.never_ran),
        "left_out": dict(report.left_out),
        "invented": list(report.invented),
        "played": [
            {
                "id": each.id,
                "family": each.family,
                "why": each.why,
                "status": each.status,
                "seconds": each.seconds,
                "problem": each.problem,
            }
            for each in report.entries
        ],
    }


def _obligation(met: Met) -> dict[str, Any]:
    kind, subject, what = met.obligation.key
    found: dict[str, Any] = {"kind": kind, "of": subject, "what": what, "by": list(met.by[:3])}
    if not met.counts:
        found["never"] = met.obligation.never
    return found
