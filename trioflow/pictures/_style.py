"""The looks of all pictures: colours for light and dark, and a sign for each status.

Colours are CSS variables, so that a page can have its own; the same values stand as attributes on
the shapes, for viewers that know no variables. No colour says anything that is not said by a sign
or by the kind of a line as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trioflow.pictures._words import element

MONO = "ui-monospace,'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace"
SANS = "'Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif"

# Fill and edge, light and dark. What is written stands in ink on the fill (contrast 7 and more),
# edges are seen on the paper (3 and more).
COLOURS: Mapping[str, tuple[str, str, str, str]] = {
    "completed": ("#d3f0d8", "#2e7d32", "#123d1a", "#6fcf7c"),
    "failed": ("#f8d4d4", "#b71c1c", "#4a1414", "#ff8a80"),
    "cancelled": ("#fbeccb", "#8f5500", "#41300a", "#f0b850"),
    "skipped": ("#eeeeee", "#6b6b6b", "#2a2a2e", "#a0a0a8"),
    "running": ("#d0ebf7", "#01579b", "#0b3348", "#6cc4f5"),
    "paused": ("#ead8f3", "#6a1b9a", "#37164a", "#d49bf0"),
    "pending": ("#ffffff", "#616161", "#1d1d21", "#a8a8b0"),
}
# What the other classes look like: those of coverage, and of connections.
ALIASES: Mapping[str, str] = {
    "covered": "completed",
    "partly": "cancelled",
    "uncovered": "failed",
    "taken": "completed",
    "dead": "skipped",
}

# Around (0, 0), 10 pixels high; those of `_SOLID` are filled.
GLYPHS: Mapping[str, str] = {
    "completed": "M-4.5 0.5L-1.5 3.5L4.5-4",
    "failed": "M-4-4L4 4M4-4L-4 4",
    "cancelled": "M-4-4H4V4H-4Z",
    "skipped": "M-4.5 0H4.5",
    "running": "M-3-4.5L4.5 0L-3 4.5Z",
    "paused": "M-2.5-4V4M2.5-4V4",
    "pending": "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0",
    "covered": "M-4.5 0.5L-1.5 3.5L4.5-4",
    "partly": "M-4.5 1.5C-2.5-3 0-1.5 0 0S2.5 3 4.5-1.5",
    "uncovered": "M-4-4L4 4M4-4L-4 4",
    "taken": "M-4.5 0.5L-1.5 3.5L4.5-4",
    "dead": "M-4.5 0H4.5",
}
_SOLID = ("cancelled", "running")

_PAPERS = {
    "light": "--tf-paper:#ffffff;--tf-ink:#1b1b1f;--tf-soft:#50505a;--tf-line:#5b5b66;"
    "--tf-band:#f4f4f6;--tf-rule:#dcdce2",
    "dark": "--tf-paper:#141417;--tf-ink:#ececf0;--tf-soft:#b4b4be;--tf-line:#a3a3ae;"
    "--tf-band:#1d1d21;--tf-rule:#3a3a42",
}


def status_of(classes: str) -> str | None:
    """Return the first of the classes that has a sign."""
    return next((name for name in classes.split() if name in GLYPHS), None)


def colours(status: str | None) -> tuple[str, str]:
    """Return fill and edge, for viewers without variables."""
    name = ALIASES.get(status or "", status or "")
    return COLOURS[name][:2] if name in COLOURS else ("#ffffff", "#5b5b66")


def glyph(status: str, x: float, y: float) -> str:
    """Return the sign of a status, around this point."""
    edge = colours(status)[1]
    return element(
        "path",
        d=GLYPHS[status],
        class_="glyph solid" if status in _SOLID else "glyph",
        transform=f"translate({x:.1f} {y:.1f})",
        fill=edge if status in _SOLID else "none",
        stroke=edge,
        stroke_width="2",
    )


def variables() -> str:
    """Return the declarations of all colours, for light and for dark screens."""
    light = ";".join(f"--tf-{n}:{c[0]};--tf-{n}-edge:{c[1]}" for n, c in COLOURS.items())
    dark = ";".join(f"--tf-{n}:{c[2]};--tf-{n}-edge:{c[3]}" for n, c in COLOURS.items())
    return (
        f".tf{{{_PAPERS['light']};{light};color-scheme:light dark}}"
        f"@media screen and (prefers-color-scheme:dark){{.tf{{{_PAPERS['dark']};{dark}}}}}"
    )


def style(names: Iterable[str], rules: str) -> str:
    """Return a style sheet: colours, how these classes use them, and further rules."""
    uses = "".join(
        f".tf .{name}{{--fill:var(--tf-{ALIASES.get(name, name)});"
        f"--edge:var(--tf-{ALIASES.get(name, name)}-edge)}}"
        for name in names
    )
    common = (
        f".tf text{{fill:var(--tf-ink);font-family:{SANS}}}.tf .mono{{font-family:{MONO}}}"
        ".tf .soft{fill:var(--tf-soft)}.tf .paper{fill:var(--tf-paper)}"
        ".tf .glyph{fill:none;stroke:var(--edge,var(--tf-line));stroke-linecap:round;"
        "stroke-linejoin:round}.tf .solid{fill:var(--edge,var(--tf-line))}"
    )
    return element("style", variables() + common + uses + rules)
