"""The parts of a page: everything that goes in is escaped, everything that comes out is markup."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import Any

from trioflow.pictures._style import COLOURS, GLYPHS, MONO, SANS, glyph, style
from trioflow.pictures._words import lines, plain

# Characters of one value. A page that holds megabytes opens in no browser; the store has it all.
_LONGEST_VALUE = 20_000

_RULES = f"""
body{{margin:0 auto;padding:24px 20px 60px;max-width:1160px;background:var(--tf-paper);
color:var(--tf-ink);font:15px/1.5 {SANS};overflow-wrap:anywhere}}
h1{{font-size:24px;margin:0 0 4px}}h1 code{{font-size:inherit}}
.caption{{margin:4px 0 0;font-size:12px;color:var(--tf-soft)}}
h2{{font-size:17px;margin:28px 0 8px}}
.lead{{margin:0 0 8px;color:var(--tf-soft)}}
code,pre{{font-family:{MONO};font-size:13px}}
pre{{margin:6px 0;padding:8px 10px;background:var(--tf-band);border:1px solid var(--tf-rule);
border-radius:6px;white-space:pre-wrap}}
dl{{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:10px 0}}
dt{{color:var(--tf-soft)}}dd{{margin:0}}
.status{{display:inline-block;font-size:14px;font-weight:bold;padding:2px 10px;
border-radius:12px;border:1px solid var(--edge);background:var(--fill);vertical-align:3px}}
.sign{{width:13px;height:13px;vertical-align:-2px}}
.notice{{border:1px solid var(--edge);border-left-width:6px;border-radius:6px;padding:2px 16px 12px;
margin:20px 0;background:var(--fill)}}
.notice h2{{margin-top:12px}}.notice ul{{margin:4px 0;padding-left:22px}}
.notice pre,.notice details{{background:var(--tf-paper)}}
.message{{white-space:pre-wrap}}
.wide{{overflow-x:auto;border:1px solid var(--tf-rule);border-radius:6px}}
.wide svg{{display:block;margin:0 auto}}
details{{border:1px solid var(--tf-rule);border-radius:6px;padding:6px 12px;margin:6px 0}}
summary{{cursor:pointer}}summary small{{color:var(--tf-soft);margin-left:8px}}
h3{{font-size:14px;margin:10px 0 2px;color:var(--tf-soft);font-weight:normal}}
table{{border-collapse:collapse;width:100%;font-size:13px;margin:6px 0}}
th,td{{text-align:left;vertical-align:top;padding:3px 10px 3px 0;
border-bottom:1px solid var(--tf-rule)}}
th{{color:var(--tf-soft);font-weight:normal}}td:nth-child(-n+2){{white-space:nowrap}}
@media print{{body{{max-width:none;padding:0;font-size:11px}}.wide{{overflow:visible;border:0}}
.wide svg{{max-width:100%;height:auto}}section.notice,tr{{break-inside:avoid}}
h2{{break-after:avoid}}
details:not(.long)::details-content{{content-visibility:visible;block-size:auto}}
*{{print-color-adjust:exact}}}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Markup(str):
    """Text that is markup already; all other text is escaped where it is put in."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str) -> Markup:
    """Return an element; attributes are written as for `element`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(plain(found))}"'
        for key, found in attributes.items()
    )
    inside = "".join(part if isinstance(part, Markup) else escape(part) for part in content)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def document(title: str, sections: Iterable[str]) -> str:
    """Return a page of these sections, which are markup."""
    head = [
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width,initial-scale=1">'),
        tag("title", plain(title)),
        Markup(style(COLOURS, _RULES)),
    ]
    body = tag("body", Markup("\n"), Markup("\n".join(sections)), Markup("\n"), class_="tf")
    page = tag("html", tag("head", *head), Markup("\n"), body, lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def sign(status: str) -> Markup:
    """Return the sign of a status, to stand in a line of text."""
    shape = glyph(status, 7, 7) if status in GLYPHS else ""
    return tag("svg", Markup(shape), class_="sign", viewBox="0 0 14 14", aria_hidden="true")


def facts(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return names and what they are."""
    parts = [
        part
        for name, found in entries
        for part in (tag("dt", plain(name)), tag("dd", plain(found)))
    ]
    return tag("dl", *parts)


def folded(summary: str, *content: str, **attributes: str) -> Markup:
    """Return something that is folded away; ``open="open"`` shows it."""
    return tag("details", tag("summary", summary), *content, **attributes)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, markup: Collection[str] = ()
) -> Markup:
    """Return a table; the columns of `markup` hold elements, the others text."""
    head = tag("tr", *(tag("th", name) for name in columns))
    body = [
        tag(
            "tr",
            *(
                tag("td", found if name in markup else lines(found))
                for name, found in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    ]
    return tag("table", tag("thead", head), tag("tbody", *body))


def value(found: Any, longest: int = _LONGEST_VALUE, *, compact: bool = False) -> Markup:
    """Return a JSON value, and the beginning of one that is too long with how much is missing."""
    text = json.dumps(found, ensure_ascii=False, indent=None if compact else 2)
    missing = len(text) - longest
    if missing > 0:
        text = text[:longest]
    # JSON writes control characters as escapes, and its line breaks are its own.
    shown = tag("code" if compact else "pre", lines(text))
    if missing <= 0:
        return shown
    return Markup(shown + tag("small", f" … and {missing:,} more characters, in the store"))
