"""A report as one page of HTML that needs nothing else: no font, no script, no picture of others.

What folds is `<details>`, what is coloured has a sign and a word as well, and light or dark is
what the reader's system says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape

import trioflow
from harness.reports._entries import Entry
from harness.reports._obligations import KINDS
from harness.reports._reporting import Met, Report
from harness.reports._text import counted, grouped, percent_text
from harness.suites._telling import seconds_text
from trioflow.pictures import graph_svg

_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1b1f;--soft:#50505a;--rule:#dcdce2;
--band:#f4f4f6;--good:#2e7d32;--bad:#b71c1c;--some:#8f5500}
@media(prefers-color-scheme:dark){:root{--paper:#141417;--ink:#ececf0;--soft:#b4b4be;
--rule:#3a3a42;--band:#1d1d21;--good:#6fcf7c;--bad:#ff8a80;--some:#f0b850}}
body{margin:0 auto;padding:1.5rem;max-width:72rem;background:var(--paper);color:var(--ink);
font:15px/1.45 "Helvetica Neue",Helvetica,Arial,"Liberation Sans",sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .6rem}
p.soft,.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}.some{color:var(--some)}
.figure{font-size:2.2rem;font-weight:bold}
.graph{overflow-x:auto}.graph svg{max-width:100%;height:auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--rule);
vertical-align:top}
th{font-weight:600;color:var(--soft)}td.number,th.number{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}
.bar{display:block;height:.55rem;min-width:8rem;background:var(--rule);border-radius:.3rem}
.bar span{display:block;height:100%;border-radius:.3rem;background:var(--good)}
code,pre{font-family:ui-monospace,"DejaVu Sans Mono","Liberation Mono",Menlo,Consolas,monospace;
font-size:13px}
pre{background:var(--band);padding:.7rem;overflow-x:auto;margin:.4rem 0;line-height:1.3}
details.family{border-bottom:1px solid var(--rule);padding:.3rem 0}
details.family>summary{font-weight:600;cursor:pointer}
details.one{margin:.15rem 0 .15rem 1rem}details.one>summary{cursor:pointer}
summary:focus-visible{outline:2px solid var(--ink);outline-offset:2px}
.status{display:inline-block;min-width:7.5em;font-size:13px}
ul{margin:.3rem 0;padding-left:1.3rem}
"""


def page(report: Report) -> str:
    """Return the page."""
    name = escape(str(report.document.get("name") or report.id))
    body = "\n".join(_body(report, name))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{name}: what was tested</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _body(report: Report, name: str) -> Iterator[str]:
    yield f"<h1>{name}</h1>"
    yield f'<p class="soft"><code>{escape(report.file)}</code></p>'
    yield from _figures(report)
    if report.problems:
        yield "<h2>Not as expected</h2>"
        yield from (_scenario(entry, opened=True) for entry in report.problems)
    yield "<h2>The workflow</h2>"
    yield (
        '<p class="soft">A step is covered if each of its endings and faults was seen, a connection'
        " if it was taken, dead, and decided by each clause of its condition. Point at a step to"
        " see what is lacking.</p>"
    )
    steps, connections = classes(report)
    workflow = trioflow.load_workflow(report.document)
    picture = graph_svg(workflow, steps=steps, connections=connections)
    yield f'<div class="graph">{_saying(picture, lacking(report))}</div>'
    yield "<h2>What can happen</h2>"
    yield from _kinds(report)
    missing = list(grouped(report.missing()))
    if missing:
        yield "<h2>Not seen</h2>"
        yield _list(missing)
    if report.never:
        yield "<h2>Can never happen, as far as was found out</h2>"
        yield _list([f"{each.obligation}: {each.obligation.never}" for each in report.never])
    if report.invented:
        told = escape(", ".join(report.invented))
        yield f"<p>Invented, because no schema names it: {told}.</p>"
    yield "<h2>Scenarios</h2>"
    for family in report.families:
        yield from _family(report, family)
    if report.left_out:
        left = [f"{count} of {family}" for family, count in report.left_out.items()]
        yield f"<p>Left out, for want of a budget: {escape(', '.join(left))}.</p>"


def _figures(report: Report) -> Iterator[str]:
    percent, bad = report.percent(), len(report.problems)
    seen = len(report.of()) - len(report.missing())
    tone = "good" if percent == 100 else "some"
    yield (
        f'<p><span class="figure {tone}">{percent_text(percent)}</span> '
        f"of what can happen was seen: {seen} of {len(report.of())}</p>"
    )
    how = (
        f'<strong class="bad">✗ {bad} not as expected</strong>'
        if bad
        else '<strong class="good">✓ all as expected</strong>'
    )
    yield f"<p>{counted(len(report.entries), 'scenario')}: {how}</p>"
    if report.never_ran:
        names = ", ".join(f"<code>{escape(each)}</code>" for each in report.never_ran)
        yield f'<p><strong class="bad">✗ no scenario has run:</strong> {names}</p>'


def classes(report: Report) -> tuple[dict[str, str], dict[str, str]]:
    """Return how well steps and connections are covered: as classes of the picture."""
    steps: dict[str, list[bool]] = {}
    connections: dict[str, list[bool]] = {}
    for is_step, name, each in _owned(report):
        (steps if is_step else connections).setdefault(name, []).append(bool(each.by))
    return _covered(steps), _covered(connections)


def lacking(report: Report) -> dict[str, list[str]]:
    """Return in lines what was not seen of each step that lacks anything."""
    found: dict[str, list[str]] = {}
    for is_step, name, each in _owned(report):
        if is_step and not each.by and each.counts:
            kind, _, what = each.obligation.key
            words = {"step": f"is {what}", "clause": f"{what} decides", "signal": f"signal {what}"}
            found.setdefault(name, []).append(words.get(kind, what))
    lines = {name: [f"not seen: {', '.join(parts)}"] for name, parts in found.items()}
    for name in report.never_ran:
        lines.setdefault(name, []).insert(0, "no scenario has run it")
    return lines


_TITLE = re.compile(r'(data-step="([^"]*)"[^>]*><title>[^<]*)')


def _saying(picture: str, lines: Mapping[str, Sequence[str]]) -> str:
    """Return the picture with more in what is said of a step to whoever points at it."""

    def said(found: re.Match[str]) -> str:
        more = lines.get(unescape(found[2]), ())
        return "".join([found[1], *(f"\n{escape(each, quote=False)}" for each in more)])

    return _TITLE.sub(said, picture)


def _owned(report: Report) -> Iterator[tuple[bool, str, Met]]:
    """Yield what can happen to steps (True) and connections (False), with their ids."""
    waits = {
        str(step.get("signal") or step["id"]): str(step["id"])
        for node in (*report.document.get("steps", ()), *report.document.get("nodes", ()))
        if (step := {**node, **(node.get("config") or {})}).get("type") == "wait"
    }
    ids = {each.obligation.key[1] for each in report.met if each.obligation.kind == "connection"}
    for each in report.met:
        kind, subject, _ = each.obligation.key
        if kind == "connection" or (kind == "clause" and subject in ids):
            yield False, subject, each
        elif kind in ("step", "fault", "undone", "clause"):
            yield True, subject, each
        elif kind == "signal" and subject in waits:
            yield True, waits[subject], each


def _covered(found: dict[str, list[bool]]) -> dict[str, str]:
    return {
        name: "covered" if all(seen) else "partly" if any(seen) else "uncovered"
        for name, seen in found.items()
    }


def _kinds(report: Report) -> Iterator[str]:
    yield (
        '<div class="scroll"><table><thead><tr><th>what</th><th class="number">seen</th>'
        '<th class="number">of</th><th class="number"></th><th></th></tr></thead><tbody>'
    )
    for kind in report.kinds:
        all_of, missing = len(report.of(kind)), len(report.missing(kind))
        percent = report.percent(kind)
        yield (
            f'<tr><td>{escape(KINDS[kind])}</td><td class="number">{all_of - missing}</td>'
            f'<td class="number">{all_of}</td><td class="number">{percent_text(percent)}</td>'
            f'<td><span class="bar"><span style="width:{percent:.1f}%"></span></span></td></tr>'
        )
    yield "</tbody></table></div>"


def _family(report: Report, family: str) -> Iterator[str]:
    entries = [entry for entry in report.entries if entry.family == family]
    bad = sum(bool(entry.problem) for entry in entries)
    sign = f'<span class="bad">✗ {bad}</span>' if bad else '<span class="good">✓</span>'
    yield (
        f'<details class="family"><summary>{escape(family)} '
        f'<span class="soft">{len(entries)}</span> {sign}</summary>'
    )
    yield from map(_scenario, entries)
    yield "</details>"


def _scenario(entry: Entry, opened: bool = False) -> str:
    sign = '<span class="bad">✗</span>' if entry.problem else '<span class="good">✓</span>'
    picture = f"<pre>{escape(entry.picture)}</pre>" if entry.picture else ""
    # A mismatch ends with the same picture.
    told = entry.problem.replace(entry.picture, "").rstrip() if entry.picture else entry.problem
    problem = f"<pre>{escape(told)}</pre>" if told else ""
    return (
        f'<details class="one"{" open" if opened else ""}><summary>{sign} '
        f'<span class="status">{escape(entry.status)}</span> <code>{escape(entry.id)}</code> '
        f'<span class="soft">{seconds_text(entry.seconds)}</span> '
        f"{escape(entry.why.partition(': ')[0])}</summary>{problem}{picture}</details>"
    )


def _list(lines: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
