"""The actions of the logs example: read web server logs, add up, draw, write a report.

All of them are plain functions: reading and counting keep a processor busy, so the engine runs
them in threads, and the four `logs.read` steps side by side.

**Why they are safe to repeat.** An action runs again if the machine stops before the engine could
write down that it was done. Reading twice harms nobody. The files that are written appear under
their final names in one go, complete (`_write`), and the same numbers give the same bytes: a
second time changes nothing, and nobody ever sees half a report.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import trioflow

LINE = re.compile(
    r"(?P<client>\S+) \S+ \S+ "
    r"\[[0-3]\d/(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/\d{4}"
    r":(?P<hour>[01]\d|2[0-3]):\d\d:\d\d [+-]\d{4}\] "
    r'"(?P<method>[A-Z]+) (?P<path>[^ ?"]+)\S* HTTP/[\d.]+" '
    r"(?P<status>[1-5]\d\d) (?P<bytes>\d+) "
    r'"[^"]*" "[^"]*" (?P<seconds>\d+\.\d{3})'
)


# ---- reading ----


@trioflow.action("logs.list")
def list_files(folder: str | None, shards: int, context: trioflow.ActionContext) -> dict[str, Any]:
    """Share the log files in `folder` out over `shards` lists of about the same size in bytes."""
    with _observed(context):
        place = Path(folder) if folder else Path(__file__).parent / "access"
        found = [path for path in place.glob("*") if path.name.endswith((".log", ".log.gz"))]
        if not found:
            raise trioflow.StepError(f"no *.log and no *.log.gz in {place}", "logs.none", False)
        lists: list[list[str]] = [[] for _ in range(shards)]
        sizes = [0] * shards
        # The largest first, each to whoever has least so far; the name decides between equals.
        for path in sorted(found, key=lambda path: (-path.stat().st_size, path.name)):
            least = sizes.index(min(sizes))
            lists[least].append(str(path.resolve()))
            sizes[least] += path.stat().st_size
        return {"files": len(found), "shards": lists}


@trioflow.action("logs.read")
def read(files: Sequence[str], context: trioflow.ActionContext) -> dict[str, Any]:
    """Count what is in `files`. A line that is no log line is counted, not guessed at."""
    with _observed(context):
        counted = _nothing()
        for file in files:
            context.check_cancelled()
            for number, line in _lines(Path(file)):
                match = LINE.fullmatch(line)
                if match is None:
                    counted["broken"]["count"] += 1
                    counted["broken"]["lines"].append(f"{Path(file).name}:{number}")
                else:
                    _count(counted, match)
        return counted


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line.rstrip("\r\n")


def _nothing() -> dict[str, Any]:
    return {
        "requests": 0,
        "bytes": 0,
        "broken": {"count": 0, "lines": []},
        "status": {},
        "hours": [{"answered": 0, "failed": 0} for _ in range(24)],
        "paths": {},
    }


def _count(counted: dict[str, Any], line: re.Match[str]) -> None:
    status = line["status"]
    # Whole milliseconds: sums of integers do not depend on the order in which they are added.
    took = round(float(line["seconds"]) * 1000)
    counted["requests"] += 1
    counted["bytes"] += int(line["bytes"])
    counted["status"][status] = counted["status"].get(status, 0) + 1
    counted["hours"][int(line["hour"])]["failed" if status >= "500" else "answered"] += 1
    path = counted["paths"].setdefault(line["path"], {"requests": 0, "total_ms": 0, "max_ms": 0})
    path["requests"] += 1
    path["total_ms"] += took
    path["max_ms"] = max(path["max_ms"], took)


# ---- adding up ----


@trioflow.action("logs.total")
def total(parts: Sequence[dict[str, Any]], context: trioflow.ActionContext) -> dict[str, Any]:
    """Add up what the shards counted, and find the ten slowest paths."""
    with _observed(context):
        totals = _nothing()
        for part in parts:
            _add(totals, part)
        totals["status"] = dict(sorted(totals["status"].items()))
        totals["broken"]["lines"] = sorted(totals["broken"]["lines"])[:20]
        slowest = [
            {
                "path": path,
                "requests": seen["requests"],
                "mean_ms": round(seen["total_ms"] / seen["requests"]),
                "max_ms": seen["max_ms"],
            }
            for path, seen in totals.pop("paths").items()
        ]
        slowest.sort(key=lambda row: (-row["mean_ms"], row["path"]))
        return totals | {"slowest": slowest[:10]}


def _add(totals: dict[str, Any], part: dict[str, Any]) -> None:
    totals["requests"] += part["requests"]
    totals["bytes"] += part["bytes"]
    totals["broken"]["count"] += part["broken"]["count"]
    totals["broken"]["lines"] += part["broken"]["lines"]
    for status, number in part["status"].items():
        totals["status"][status] = totals["status"].get(status, 0) + number
    for hour, more in zip(totals["hours"], part["hours"], strict=True):
        hour["answered"] += more["answered"]
        hour["failed"] += more["failed"]
    for name, more in part["paths"].items():
        path = totals["paths"].setdefault(name, {"requests": 0, "total_ms": 0, "max_ms": 0})
        path["requests"] += more["requests"]
        path["total_ms"] += more["total_ms"]
        path["max_ms"] = max(path["max_ms"], more["max_ms"])


# ---- writing ----


@trioflow.action("logs.data")
def data(totals: dict[str, Any], output: str, context: trioflow.ActionContext) -> dict[str, Any]:
    """Write the totals to `report.json` in the folder `output`."""
    with _observed(context):
        return _write(Path(output) / "report.json", json.dumps(totals, indent=2) + "\n")


@trioflow.action("logs.chart")
def chart(
    hours: Sequence[dict[str, int]], output: str, context: trioflow.ActionContext
) -> dict[str, Any]:
    """Draw the requests of each hour to `requests.svg` in the folder `output`."""
    with _observed(context):
        return _write(Path(output) / "requests.svg", bar_chart(hours))


@trioflow.action("logs.report")
def report(
    totals: dict[str, Any], files: int, chart: str, output: str, context: trioflow.ActionContext
) -> dict[str, Any]:
    """Write `report.md`, which shows `chart`, in the folder `output`."""
    with _observed(context):
        failed = sum(hour["failed"] for hour in totals["hours"])
        busiest = max(range(24), key=lambda hour: sum(totals["hours"][hour].values()))
        text = f"""# Access logs

{totals["requests"]} requests in {files} files, {totals["bytes"] / 1e6:.1f} MB sent,
{failed} server errors ({failed / max(1, totals["requests"]):.1%}); busiest from {busiest}:00 to
{busiest + 1}:00. {totals["broken"]["count"]} lines could not be read.

![Requests of each hour, answered and failed]({Path(chart).name})

## By status

{_table(["Status", "Requests"], totals["status"].items())}

## By hour

{_table(["Hour", "Answered", "Failed"], _by_hour(totals["hours"]))}

## Slowest paths

{_table(["Path", "Requests", "Mean (ms)", "Slowest (ms)"], (r.values() for r in totals["slowest"]))}

## Lines that could not be read

{_table(["File and line"], ([place] for place in totals["broken"]["lines"]))}
"""
        return _write(Path(output) / "report.md", text)


def _by_hour(hours: Sequence[dict[str, int]]) -> Iterator[Sequence[object]]:
    for number, hour in enumerate(hours):
        yield f"{number:02}:00", hour["answered"], hour["failed"]


def _table(titles: Sequence[str], rows: Any) -> str:
    # A path in a log is whatever a stranger asked for: it must not end its cell, or start markup.
    def cell(value: object) -> str:
        return escape(str(value)).replace("|", "&#124;").replace("`", "&#96;")

    lines = [titles, ["---:" if title != titles[0] else ":---" for title in titles], *rows]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)


def _write(path: Path, text: str) -> dict[str, Any]:
    """Let `path` appear with `text` in it: written beside it, made durable, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may do this at once, if one is thought dead and is not: each has its own name.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return {"file": str(path), "bytes": len(text.encode())}


# ---- the chart ----

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 860, 380, 70, 70, 60
STYLE = """
    .page { fill: #ffffff } .grid { stroke: #d5d9de } .axis { stroke: #6b7480 }
    .answered { fill: #2f6fb3 } .failed { fill: #c4471b }
    text { fill: #1d2329; font: 13px system-ui, sans-serif } .title { font-size: 18px }
    @media (prefers-color-scheme: dark) {
      .page { fill: #15191e } .grid { stroke: #333b44 } .axis { stroke: #8b95a1 }
      .answered { fill: #6aaaea } .failed { fill: #f58a5f } text { fill: #e6eaee }
    }
"""


def bar_chart(hours: Sequence[dict[str, int]]) -> str:
    """Draw one stacked bar for each hour, as an SVG that reads well on light and on dark."""
    top = _round_up(max(hour["answered"] + hour["failed"] for hour in hours))
    height, slot = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - 20) / len(hours)
    floor = HEIGHT - BOTTOM
    total = sum(hour["answered"] + hour["failed"] for hour in hours)
    failed = sum(hour["failed"] for hour in hours)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        f' width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title description">',
        '<title id="title">Requests of each hour</title>',
        f'<desc id="description">{total} requests over {len(hours)} hours, one bar each;',
        f"{failed} of them failed with a server error.</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        _text(LEFT, 30, "Requests of each hour", kind="title"),
        f'<rect class="answered" x="{LEFT}" y="44" width="12" height="12"/>',
        _text(LEFT + 18, 55, "answered"),
        f'<rect class="failed" x="{LEFT + 100}" y="44" width="12" height="12"/>',
        _text(LEFT + 118, 55, "failed (status 500 and above)"),
    ]
    for step in range(6):
        y = floor - height * step / 5
        kind = "grid" if step else "axis"
        parts.append(
            f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(LEFT - 10, y + 4, f"{top * step // 5}", anchor="end"))
    for number, hour in enumerate(hours):
        x, y = LEFT + slot * number, float(floor)
        said = f"{number:02}:00: {hour['answered']} answered, {hour['failed']} failed"
        parts.append(f"<g><title>{said}</title>")
        for kind in ("answered", "failed"):
            tall = height * hour[kind] / top
            y -= tall
            parts.append(
                f'<rect class="{kind}" x="{x + 3:.1f}" y="{y:.1f}"'
                f' width="{slot - 6:.1f}" height="{tall:.1f}"/>'
            )
        parts.append("</g>")
        if number % 2 == 0:
            parts.append(_text(x + slot / 2, floor + 20, f"{number:02}", anchor="middle"))
    parts.append(_text((LEFT + WIDTH - 20) / 2, HEIGHT - 14, "hour of the day", anchor="middle"))
    parts.append(
        _text(18, TOP + height / 2, "requests", anchor="middle", turn=f"-90 18 {TOP + height / 2}")
    )
    return "\n".join([*parts, "</svg>", ""])


def _text(
    x: float, y: float, text: str, *, kind: str = "", anchor: str = "start", turn: str = ""
) -> str:
    named = f' class="{kind}"' if kind else ""
    turned = f' transform="rotate({turn})"' if turn else ""
    return (
        f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}>{escape(text)}</text>'
    )


def _round_up(number: int) -> int:
    """Return the end of an axis: 5, 10, 20 or 50 times a power of ten, not below `number`."""
    power = 1
    while True:
        for first in (5, 10, 20):
            if first * power >= number:
                return first * power
        power *= 10


# ---- for experiments ----


@contextmanager
def _observed(context: trioflow.ActionContext) -> Iterator[None]:
    """Make calls visible and slow, for whoever wants to see what `kill -9` does.

    ``EXAMPLE_PAUSE`` is how many seconds each call takes longer. ``EXAMPLE_CALLS`` names a file
    that gets one line, step and key, from each call that comes to its end.
    """
    time.sleep(float(os.environ.get("EXAMPLE_PAUSE", "0")))
    yield
    if path := os.environ.get("EXAMPLE_CALLS"):
        with Path(path).open("a", encoding="utf-8") as calls:
            calls.write(f"{context.step} {context.idempotency_key}\n")
